//! A conversation with an MCP server, as any client would have it: `server/discover` of the present revision first, then
//! the `initialize` of earlier ones, then the stream of 2024-11-05.
//!
//! **Invariant:** every answer is bounded, in time and in bytes.

mod post;
mod stream;
mod words;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

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

/// A request of ours.
pub(super) struct Question<'a> {
    pub(super) method: &'a str,
    pub(super) params: Map<String, Value>,
    /// Headers that only a modern server is sent: what they say stands in the body too.
    pub(super) said: HeaderMap,
    /// Who hears of its progress.
    pub(super) heard: Option<&'a mpsc::Sender<Progress>>,
    /// For the answer, when it is not the time that each answer has.
    pub(super) within: Option<Duration>,
}

/// What a server says of a call under way: the params of `notifications/progress`, without the token.
pub type Progress = Map<String, Value>;

impl<'a> Question<'a> {
    fn new(method: &'a str, params: Map<String, Value>) -> Self {
        Self {
            method,
            params,
            said: HeaderMap::new(),
            heard: None,
            within: None,
        }
    }

    /// What goes out as `_meta`: `meta`, and the token when somebody wants to hear.
    fn with_meta(&mut self, id: u64, mut meta: Map<String, Value>) {
        if self.heard.is_some() {
            meta.insert("progressToken".to_owned(), json!(id));
        }
        if !meta.is_empty() {
            self.params.insert("_meta".to_owned(), Value::Object(meta));
        }
    }
}

/// Pass on what a message says of the progress of the call with this id, if that is what it is about.
async fn hear(message: &mut Value, id: u64, heard: Option<&mpsc::Sender<Progress>>) {
    let Some(heard) = heard else { return };
    if message.get("method").and_then(Value::as_str) != Some("notifications/progress") {
        return;
    }
    let Some(Value::Object(mut params)) = message.get_mut("params").map(Value::take) else {
        return;
    };
    if params.remove("progressToken").and_then(|token| token.as_u64()) == Some(id) {
        // Whoever listened may have left; the answer still counts.
        drop(heard.send(params).await);
    }
}

/// An open conversation.
pub(super) enum Conversation<'a> {
    Post(Posting<'a>),
    Stream(Box<Streaming<'a>>),
}

impl Conversation<'_> {
    pub(super) async fn request(
        &mut self,
        method: &str,
        params: Map<String, Value>,
    ) -> Result<Value, Failure> {
        self.ask(Question::new(method, params)).await
    }

    pub(super) async fn ask(&mut self, question: Question<'_>) -> Result<Value, Failure> {
        match self {
            Self::Post(posting) => posting.ask(question).await,
            Self::Stream(streaming) => streaming.ask(question).await,
        }
    }

    /// The last question is left: nobody waits for its answer. A modern server learns it from the closed connection.
    pub(super) async fn leave(&mut self) -> Result<(), Failure> {
        let method = "notifications/cancelled";
        let params = |id: u64| Map::from_iter([("requestId".to_owned(), json!(id))]);
        match self {
            Self::Post(posting) if posting.is_modern() => Ok(()),
            Self::Post(posting) => posting.notify(method, params(posting.last_id())).await,
            Self::Stream(streaming) => streaming.notify(method, params(streaming.last_id())).await,
        }
    }

    async fn initialized(&mut self) -> Result<(), Failure> {
        let method = "notifications/initialized";
        match self {
            Self::Post(posting) => posting.notify(method, Map::new()).await,
            Self::Stream(streaming) => streaming.notify(method, Map::new()).await,
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
            conversation.initialized().await?;
            Ok((conversation, hello))
        }
        Transport::Sse => {
            let streaming = Streaming::open(client, whom, target(profile, "/sse", None)).await?;
            let mut conversation = Conversation::Stream(Box::new(streaming));
            let hello = conversation.request("initialize", initialize()).await?;
            conversation.initialized().await?;
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
