//! The body of a carried answer that we look into: event by event, never more than one in memory, at the reader's pace.
//!
//! It cuts lists down, renames the `endpoint` of a legacy stream, says something when the server is silent for long (so
//! that nobody between takes the stream for dead), and ends with the right that opened it.
//!
//! **Invariants:** what need not be altered is passed on byte for byte; nothing is read ahead of the reader.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::endpoints::{Endpoints, Named, Refused};
use super::sieve::RightsSieve;
use super::until::Until;
use crate::domain::route::Route;
use crate::mcp::{listing, sse};

/// A comment (WHATWG HTML, section 9.2.6): clients ignore it.
const STILL_HERE: Bytes = Bytes::from_static(b": still here\n\n");

/// Why a stream breaks off.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The server's connection broke.
    #[error("the server's stream broke off")]
    Upstream(#[source] Cause),
    /// An event is too large to be looked into.
    #[error(transparent)]
    TooLarge(#[from] sse::TooLarge),
    /// An event that not every reader would read the same.
    #[error("an event of the server's cannot be read")]
    Unreadable,
    /// The message address may not be passed on.
    #[error(transparent)]
    Endpoint(#[from] Refused),
}

/// Why a body broke off, by whoever made it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An answer's body on its way to us.
#[derive(Debug)]
pub enum Coming {
    /// From an upstream.
    Upstream(Incoming),
    /// From our own server, in this process.
    Own(UnsyncBoxBody<Bytes, Cause>),
}

impl Body for Coming {
    type Data = Bytes;
    type Error = Cause;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cause>>> {
        match self.get_mut() {
            Self::Upstream(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Own(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream(body) => body.is_end_stream(),
            Self::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream(body) => body.size_hint(),
            Self::Own(body) => body.size_hint(),
        }
    }
}

/// Names the message address of a legacy stream.
#[derive(Debug)]
pub(super) struct Naming {
    pub(super) endpoints: Endpoints,
    pub(super) route: Arc<Route>,
    pub(super) target: String,
    pub(super) principal: String,
}

/// An answer on its way.
#[derive(Debug)]
pub struct Stream {
    upstream: Coming,
    until: Option<Until>,
    sieve: Option<RightsSieve>,
    naming: Option<Naming>,
    named: Option<Named>,
    /// Not an event stream: passed on as it comes.
    raw: bool,
    first: bool,
    events: sse::Events,
    ready: VecDeque<Bytes>,
    quiet: Pin<Box<Sleep>>,
    silence: Duration,
    over: bool,
}

impl Stream {
    /// Over the upstream's event stream; after `silence` we speak.
    pub(super) fn new(
        upstream: Coming,
        until: Option<Until>,
        sieve: Option<RightsSieve>,
        naming: Option<Naming>,
        silence: Duration,
    ) -> Self {
        Self {
            upstream,
            until,
            sieve,
            naming,
            named: None,
            raw: false,
            first: true,
            events: sse::Events::default(),
            ready: VecDeque::new(),
            quiet: Box::pin(tokio::time::sleep(silence)),
            silence,
            over: false,
        }
    }

    /// Over a body of another kind, which ends with the right all the same.
    pub(super) fn raw(upstream: Coming, until: Until, silence: Duration) -> Self {
        Self {
            raw: true,
            ..Self::new(upstream, Some(until), None, None, silence)
        }
    }

    fn take(&mut self, bytes: &Bytes) -> Result<(), Broken> {
        if self.raw {
            self.ready.push_back(bytes.clone());
            return Ok(());
        }
        self.events.push(bytes)?;
        while let Some(event) = self.events.next_event() {
            let event = self.look_into(event)?;
            self.ready.push_back(event);
        }
        Ok(())
    }

    fn look_into(&mut self, event: Bytes) -> Result<Bytes, Broken> {
        let first = std::mem::take(&mut self.first);
        let sieve = self.sieve.as_ref().filter(|sieve| sieve.cuts());
        if self.naming.is_none() && sieve.is_none() {
            return Ok(event);
        }
        let said = sse::read(&event, first).ok_or(Broken::Unreadable)?;
        let Some(data) = said.data else {
            return Ok(event);
        };
        // Each of them, not the first alone: clients believe the last.
        if said.name == "endpoint"
            && let Some(Naming {
                endpoints,
                route,
                target,
                principal,
            }) = &self.naming
        {
            // First the old one goes, or it would take a new one of the same name along.
            self.named = None;
            let (address, named) = endpoints.name(route, target, &data, principal)?;
            self.named = Some(named);
            return Ok(sse::with_data(&event, &address));
        }
        match sieve.map(|sieve| listing::sift(data.as_bytes(), sieve)) {
            Some(Ok(Some(data))) => Ok(sse::with_data(&event, &data)),
            // What is no JSON can still hold a list for some reader, unless it holds no object at all.
            Some(Err(listing::Unreadable)) if data.contains('{') => Err(Broken::Unreadable),
            Some(Ok(None) | Err(listing::Unreadable)) | None => Ok(event),
        }
    }

    /// What is left at the end is no event; where lists are cut, nobody hears of it.
    fn rest(&mut self) -> Option<Bytes> {
        let cuts = self.sieve.as_ref().is_some_and(RightsSieve::cuts);
        self.events.rest().filter(|_| !cuts)
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        let ended = this
            .until
            .as_mut()
            .is_some_and(|until| Pin::new(until).poll(context).is_ready());
        if ended {
            this.until = None;
            this.over = true;
            this.ready.clear();
        }
        loop {
            if let Some(bytes) = this.ready.pop_front() {
                this.quiet.as_mut().reset(Instant::now() + this.silence);
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if this.over {
                return Poll::Ready(None);
            }
            match Pin::new(&mut this.upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers mean nothing in MCP and stay behind.
                    if let Some(bytes) = frame.data_ref()
                        && let Err(broken) = this.take(bytes)
                    {
                        this.over = true;
                        return Poll::Ready(Some(Err(broken)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    this.over = true;
                    return Poll::Ready(Some(Err(Broken::Upstream(error))));
                }
                Poll::Ready(None) => {
                    this.over = true;
                    let rest = this.rest();
                    this.ready.extend(rest);
                }
                Poll::Pending => {
                    if this.raw || !this.events.is_between() || this.quiet.as_mut().poll(context).is_pending()
                    {
                        return Poll::Pending;
                    }
                    this.ready.push_back(STILL_HERE);
                }
            }
        }
    }
}
