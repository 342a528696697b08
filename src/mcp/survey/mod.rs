//! Asking a server what it is: how it is spoken with, its name and version, everything that it lists.
//!
//! One short conversation, as any client would have it: `server/discover` of the present revision first, then the
//! `initialize` of earlier ones, then the stream of 2024-11-05. All of it is bounded: time, bytes, pages, entries.

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
use crate::domain::catalog::{Entry, EntryKind};
use crate::domain::health::Transport;
use crate::domain::route::target;
use crate::domain::server::Profile;

/// The revision that is asked for first, and the newest of those with `initialize`.
const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
/// Pages of one list, and entries of all lists of one server.
const MOST_PAGES: usize = 100;
const MOST_ENTRIES: usize = 5_000;
/// The largest definition that is kept.
const MOST_KB: usize = 256;
/// A name longer than this is no name.
const LONGEST_NAME: usize = 1_000;

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

/// What it is.
#[derive(Debug, Default)]
pub struct Survey {
    /// How it is spoken with.
    pub transport: Option<Transport>,
    /// How long its first answer took.
    pub latency: Duration,
    /// Its own name and version.
    pub server_name: Option<String>,
    /// See above.
    pub server_version: Option<String>,
    /// Everything that it lists.
    pub entries: Vec<Entry>,
}

/// An open conversation.
enum Conversation<'a> {
    Post(Posting<'a>),
    Stream(Box<Streaming<'a>>),
}

impl Conversation<'_> {
    async fn request(&mut self, method: &str, params: Map<String, Value>) -> Result<Value, Failure> {
        match self {
            Self::Post(posting) => posting.request(method, params).await,
            Self::Stream(streaming) => streaming.request(method, params).await,
        }
    }

    async fn notify(&mut self, method: &str) -> Result<(), Failure> {
        match self {
            Self::Post(posting) => posting.notify(method).await,
            Self::Stream(streaming) => streaming.notify(method).await,
        }
    }

    async fn end(self) {
        if let Self::Post(posting) = self {
            posting.end().await;
        }
    }
}

/// Ask a server what it is.
pub async fn survey(client: &Client, whom: Whom<'_>) -> Result<Survey, Failure> {
    let began = tokio::time::Instant::now();
    let (mut conversation, transport, hello) = greet(client, whom).await?;
    let latency = began.elapsed();
    let outcome = lists(&mut conversation, &hello).await;
    conversation.end().await;
    let info = |field: &str| {
        let info = hello.get("serverInfo");
        let meta = hello
            .get("_meta")
            .and_then(|meta| meta.get("io.modelcontextprotocol/serverInfo"));
        let text = info.or(meta)?.get(field)?.as_str()?;
        Some(text.chars().take(200).collect::<String>())
    };
    Ok(Survey {
        transport: Some(transport),
        latency,
        server_name: info("name"),
        server_version: info("version"),
        entries: outcome?,
    })
}

/// The first words, in the way that worked last time, else in each way until one works.
async fn greet<'a>(
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

/// Every list that the server says it has, to its last page.
async fn lists(conversation: &mut Conversation<'_>, hello: &Value) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    let capabilities = hello.get("capabilities");
    for kind in EntryKind::ALL {
        let (method, key, field, capability) = kind.list();
        if capabilities.and_then(|all| all.get(capability)).is_none() {
            continue;
        }
        let mut cursor: Option<String> = None;
        for page in 0.. {
            if page == MOST_PAGES {
                return Err(Failure::Endless(method));
            }
            let mut params = Map::new();
            params.extend(cursor.take().map(|cursor| ("cursor".to_owned(), json!(cursor))));
            let answer = match conversation.request(method, params).await {
                // A server may declare resources and have no templates of them.
                Err(Failure::Refused { code: -32601, .. }) => break,
                other => other.map_err(|failure| failure.during(method))?,
            };
            let rows = answer.get(key).and_then(Value::as_array);
            for row in rows.into_iter().flatten() {
                if row.to_string().len() > MOST_KB * 1024 {
                    return Err(Failure::Wordy(MOST_KB).during(method));
                }
                entries.extend(entry(kind, field, row));
            }
            if entries.len() > MOST_ENTRIES {
                return Err(Failure::TooMany(MOST_ENTRIES));
            }
            cursor = answer
                .get("nextCursor")
                .and_then(Value::as_str)
                .map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(entries)
}

/// An entry with a name that can be said; others cannot be called and are left out.
fn entry(kind: EntryKind, field: &str, row: &Value) -> Option<Entry> {
    let definition = row.as_object()?.clone();
    let name = definition.get(field)?.as_str()?;
    let usable = !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    usable.then(|| Entry {
        kind,
        name: name.to_owned(),
        definition: definition.clone(),
    })
}
