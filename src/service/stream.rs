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
use http_body::{Body, Frame};
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
    Upstream(#[from] hyper::Error),
    /// An event is too large to be looked into.
    #[error(transparent)]
    TooLarge(#[from] sse::TooLarge),
    /// The message address may not be passed on.
    #[error(transparent)]
    Endpoint(#[from] Refused),
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
    upstream: Incoming,
    until: Option<Until>,
    sieve: Option<RightsSieve>,
    naming: Option<Naming>,
    named: Option<Named>,
    events: sse::Events,
    ready: VecDeque<Bytes>,
    quiet: Pin<Box<Sleep>>,
    silence: Duration,
    over: bool,
}

impl Stream {
    /// Over the upstream's event stream; after `silence` we speak.
    pub(super) fn new(
        upstream: Incoming,
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
            events: sse::Events::default(),
            ready: VecDeque::new(),
            quiet: Box::pin(tokio::time::sleep(silence)),
            silence,
            over: false,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.events.push(bytes)?;
        while let Some(event) = self.events.next_event() {
            let event = self.look_into(event)?;
            self.ready.push_back(event);
        }
        Ok(())
    }

    fn look_into(&mut self, event: Bytes) -> Result<Bytes, Broken> {
        if self.naming.is_none() && self.sieve.is_none() {
            return Ok(event);
        }
        let Some(said) = sse::read(&event) else {
            return Ok(event);
        };
        if said.name == "endpoint"
            && let Some(naming) = self.naming.take()
        {
            let Naming {
                endpoints,
                route,
                target,
                principal,
            } = &naming;
            let (address, named) = endpoints.name(route, target, &said.data, principal)?;
            self.named = Some(named);
            return Ok(sse::with_data(&event, &address));
        }
        let cut = self
            .sieve
            .as_ref()
            .map(|sieve| listing::sift(said.data.as_bytes(), sieve));
        Ok(match cut {
            Some(Ok(Some(data))) => sse::with_data(&event, &data),
            // No list, or no JSON and so no list either.
            Some(Ok(None) | Err(listing::Unreadable)) | None => event,
        })
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
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Ready(None) => {
                    this.over = true;
                    this.ready.extend(this.events.rest());
                }
                Poll::Pending => {
                    if !this.events.is_between() || this.quiet.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    this.ready.push_back(STILL_HERE);
                }
            }
        }
    }
}
