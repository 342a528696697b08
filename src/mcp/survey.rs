//! Asking a server what it is: how it is spoken with, its name and version, everything that it lists.
//!
//! One short conversation; all of it is bounded: time, bytes, pages, entries.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Client;
use super::conversation::{Conversation, greet};
pub use super::conversation::{Failure, Whom};
use crate::domain::catalog::{Entry, EntryKind};
use crate::domain::health::Transport;

/// Pages of one list, and entries of all lists of one server.
const MOST_PAGES: usize = 100;
const MOST_ENTRIES: usize = 5_000;
/// The largest definition that is kept.
const MOST_KB: usize = 256;
/// A name longer than this is no name.
const LONGEST_NAME: usize = 1_000;

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
