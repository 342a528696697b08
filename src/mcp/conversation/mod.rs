//! A conversation with an MCP server, as any client would have it: `server/discover` of the present revision first, then
//! the `initialize` of earlier ones, then the stream of 2024-11-05.
//!
//! **Invariant:** every answer is bounded, in time and in bytes.

mod post;
mod stream;
mod words;

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use self::post::Posting;
use self::stream::Streaming;
pub use self::words::Failure;
use super::Client;
use crate::domain::health::Transport;
use crate::domain::route::target;
use crate::domain::server::Profile;

/// The revision that is asked for first, and the newest of those with `initialize`.
const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";

/// Whom to ask, and what to tell it beside the question.
#[derive(Debug, Clone, Copy)]
pub struct Whom<'a> {
    /// Its record.
    pub profile: &'a Profile,
    /// Its own header lines: the credential with which traffic reaches it.
    pub lines: &'a [(HeaderName, HeaderValue)],
    /// How it was spoken with last time.
    pub known: Option<Transport>,
    /// For each answer.
    pub within: Duration,
}

/// An open conversation.
pub(super) enum Conversation<'a> {
    Post(Posting<'a>),
    Stream(Box<Streaming<'a>>),
}

impl Conversation<'_> {
    pub(super) async fn request(&mut self, method: &str, params: Map<String, Value>) -> Result<Value, Failure> {
        match self {
            Self::Post(posting) => posting.request(method, params).await,
            Self::Stream(streaming) => streaming.request(method, params).await,
        }
    }

    pub(super) async fn notify(&mut self, method: &str) -> Result<(), Failure> {
        match self {
            Self::Post(posting) => posting.notify(method).await,
            Self::Stream(streaming) => streaming.notify(method).await,
        }
    }

    pub(super) async fn end(self) {
        if let Self::Post(posting) = self {
            posting.end().await;
        }
    }
}

/// The first words, in the way that worked last time, else in each way until one works.
pub(super) async fn greet<'a>(
    client: &'a Client,
    whom: Whom<'a>,
) -> Result<(Conversation<'a>, Transport, Value), Failure> {
    let ways = [Transport::Modern, Transport::StreamableHttp, Transport::Sse];
    let first = whom.known.into_iter();
    let others = ways.into_iter().filter(|way| whom.known != Some(*way));
    let mut telling = None;
    for way in first.chain(others) {
        match greet_by(client, whom, way).await {
            Ok((conversation, hello)) => return Ok((conversation, way, hello)),
            // Nobody there, or somebody who wants another key: the same in every way.
            Err(failure) if failure.is_final() => return Err(failure),
            Err(failure) => {
                telling = Some(match telling {
                    Some(known) => words::more_telling(known, failure),
                    None => failure,
                });
            }
        }
    }
    Err(telling.unwrap_or(Failure::NotMcp))
}

async fn greet_by<'a>(
    client: &'a Client,
    whom: Whom<'a>,
    way: Transport,
) -> Result<(Conversation<'a>, Value), Failure> {
    let profile = whom.profile;
    match way {
        Transport::Modern => {
            let mut posting = Posting::new(client, whom, target(profile, "/mcp", None), true);
            let hello = posting.request("server/discover", Map::new()).await?;
            if !hello.get("supportedVersions").is_some_and(Value::is_array) {
                return Err(Failure::NotMcp);
            }
            Ok((Conversation::Post(posting), hello))
        }
        Transport::StreamableHttp => {
            let mut posting = Posting::new(client, whom, target(profile, "/mcp", None), false);
            let hello = posting.request("initialize", initialize()).await?;
            posting.agree(&hello);
            let mut conversation = Conversation::Post(posting);
            conversation.notify("notifications/initialized").await?;
            Ok((conversation, hello))
        }
        Transport::Sse => {
            let streaming = Streaming::open(client, whom, target(profile, "/sse", None)).await?;
            let mut conversation = Conversation::Stream(Box::new(streaming));
            let hello = conversation.request("initialize", initialize()).await?;
            conversation.notify("notifications/initialized").await?;
            Ok((conversation, hello))
        }
    }
}

fn client_info() -> Value {
    json!({"name": "gatehouse", "version": env!("CARGO_PKG_VERSION")})
}

fn initialize() -> Map<String, Value> {
    let mut params = Map::new();
    params.insert("protocolVersion".to_owned(), json!(LEGACY));
    params.insert("capabilities".to_owned(), json!({}));
    params.insert("clientInfo".to_owned(), client_info());
    params
}
