//! A tool of a registered server called by us as somebody: with their rights, and under their name.
//!
//! **Invariants:** what is called passed the same decision as a call on the server's mount path would, and has a row in the
//! call log as one there has, written before the caller gets the answer: nginx saw only the call that asked for it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};

use super::catalog::Held;
use super::permit::{call_headers, lines_about_the_caller};
use crate::clock::Clock;
use crate::domain::Kind;
use crate::domain::access::{Act, Call, Rights, decide};
use crate::domain::call::{self as kept, Way};
use crate::domain::health::Transport;
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::route::{Route, Table};
use crate::domain::schema;
use crate::mcp::Client;
use crate::mcp::call::{self, Failure, Wanted, Whom};
use crate::store::Store;

pub use crate::mcp::call::Progress;

/// Each answer before the call itself has so long.
const HELLO: Duration = Duration::from_secs(10);

/// Why a tool was not called, or gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Their scopes do not allow it, or there is no such thing: the same to whoever may not see it.
    #[error("your scopes do not allow this")]
    Denied,
    /// It waits for approval.
    #[error("the definition of this tool has changed and waits for approval")]
    Held,
    /// No server that is on stands there.
    #[error("no server is mounted there, or it is switched off")]
    NoServer,
    /// The arguments do not fit the tool's schema.
    #[error("the arguments do not fit: {}", .0.join("; "))]
    Arguments(Vec<String>),
    /// The server's credentials cannot be opened.
    #[error("the server's credentials cannot be read")]
    Sealed,
    /// The server did not do it.
    #[error("the server did not answer the call: {0}")]
    Upstream(#[from] Failure),
    /// The caller left.
    #[error("the caller left")]
    Left,
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Denied | Self::Held => Kind::Forbidden,
            Self::NoServer => Kind::NotFound,
            Self::Arguments(_) => Kind::Invalid,
            Self::Sealed => Kind::Internal,
            Self::Upstream(_) | Self::Left => Kind::Unavailable,
        }
    }

    /// As in the row of a call on the mount path (HTTP).
    fn status(&self) -> u16 {
        match self {
            Self::Denied | Self::Held => 403,
            Self::NoServer => 404,
            Self::Arguments(_) => 400,
            Self::Sealed => 500,
            // An answer of the server's own.
            Self::Upstream(Failure::Refused { .. }) => 200,
            Self::Upstream(Failure::Slow(_)) => 504,
            Self::Upstream(_) => 502,
            Self::Left => 499,
        }
    }
}

/// What is called, and what is known of it.
#[derive(Debug)]
pub struct Order<'a> {
    /// Which server.
    pub server: &'a ServerPath,
    /// Which of its tools.
    pub tool: &'a str,
    /// With what.
    pub arguments: Map<String, Value>,
    /// The tool's definition, if it is known.
    pub definition: Option<&'a Map<String, Value>>,
    /// How the server was spoken with last time.
    pub known: Option<Transport>,
    /// Who hears of the progress.
    pub heard: Option<mpsc::Sender<Progress>>,
    /// nginx's id of the request that asks for it.
    pub request_id: &'a str,
}

/// Where the rows of calls go.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Takes them.
    pub store: Arc<dyn Store>,
    /// Says when a call ended.
    pub clock: Arc<dyn Clock>,
}

/// Calls tools.
#[derive(Debug, Clone)]
pub struct Invoke {
    client: Client,
    table: watch::Receiver<Arc<Table>>,
    rights: watch::Receiver<Arc<Rights>>,
    held: watch::Receiver<Arc<Held>>,
    within: Duration,
    rows: Option<Rows>,
}

impl Invoke {
    /// Over the present servers and rights; a call may take so long. Without `rows` calls leave none.
    pub fn new(
        client: Client,
        table: watch::Receiver<Arc<Table>>,
        (rights, held): (watch::Receiver<Arc<Rights>>, watch::Receiver<Arc<Held>>),
        within: Duration,
        rows: Option<Rows>,
    ) -> Self {
        Self {
            client,
            table,
            rights,
            held,
            within,
            rows,
        }
    }

    /// Whether they may call this tool now. A no has its row, too.
    pub async fn ask(&self, who: &Identity, server: &ServerPath, tool: &str, id: &str) -> Result<(), Error> {
        let began = Instant::now();
        let asked = self.may(who, server, tool).map(|_| Value::Null);
        if asked.is_err() {
            self.write(row(who, server, tool, id), began, &asked).await;
        }
        asked.map(drop)
    }

    /// Where it leads, if they may call it now.
    fn may(&self, who: &Identity, server: &ServerPath, tool: &str) -> Result<Arc<Route>, Error> {
        let act = Act::Message {
            method: "tools/call",
            thing: Some(tool),
        };
        decide(who, &Call::Mcp { server, act }, &self.rights.borrow()).map_err(|_| Error::Denied)?;
        let held = self.held.borrow();
        if held
            .get(server.as_str())
            .is_some_and(|names| names.contains(tool))
        {
            return Err(Error::Held);
        }
        let table = self.table.borrow();
        table.routes.get(server.as_str()).cloned().ok_or(Error::NoServer)
    }

    /// Call it, until it answers or `left`; the result as the server gave it.
    pub async fn call(
        &self,
        who: &Identity,
        order: Order<'_>,
        left: impl Future<Output = ()>,
    ) -> Result<Value, Error> {
        let began = Instant::now();
        let row = kept::Call {
            bytes_in: size(&order.arguments),
            ..row(who, order.server, order.tool, order.request_id)
        };
        let called = self.called(who, order, left).await;
        self.write(row, began, &called).await;
        called
    }

    /// A failure costs the row, not the answer.
    async fn write(&self, mut row: kept::Call, began: Instant, called: &Result<Value, Error>) {
        let Some(rows) = &self.rows else { return };
        row.at_ms = rows.clock.now().unix_ms();
        row.duration_ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
        (row.status, row.bytes_out) = match called {
            Ok(result) => (200, size(result)),
            Err(error) => (error.status(), 0),
        };
        row.way = match called {
            Ok(_) | Err(Error::Upstream(_) | Error::Left) => Way::Carried,
            Err(_) => Way::Refused,
        };
        if let Err(error) = rows.store.write_calls(vec![row], None).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the row of a call could not be kept");
        }
    }

    async fn called(
        &self,
        who: &Identity,
        order: Order<'_>,
        left: impl Future<Output = ()>,
    ) -> Result<Value, Error> {
        let route = self.may(who, order.server, order.tool)?;
        let schema = order
            .definition
            .and_then(|definition| definition.get("inputSchema")?.as_object());
        if let Some(schema) = schema {
            // What cannot be read is the server's own to judge.
            let faults = schema::faults(schema, &order.arguments).unwrap_or_default();
            if !faults.is_empty() {
                return Err(Error::Arguments(faults));
            }
        }
        let own = route.lines.as_ref().ok_or(Error::Sealed)?;
        let permit = call_headers(who, &route.server, order.tool);
        // Its own lines last: they win.
        let mut lines: Vec<_> = lines_about_the_caller(&permit).collect();
        lines.retain(|(name, _)| own.iter().all(|(known, _)| known != name));
        lines.extend(own.iter().cloned());
        route.count();
        let whom = Whom {
            profile: &route.server.profile,
            lines: &lines,
            known: order.known,
            within: HELLO,
        };
        let wanted = Wanted {
            tool: order.tool,
            arguments: order.arguments,
            schema,
            heard: order.heard,
            within: self.within,
        };
        let called = call::call(&self.client, whom, wanted, left).await?;
        called.ok_or(Error::Left)
    }
}

/// What is known of a call before it is made.
fn row(who: &Identity, server: &ServerPath, tool: &str, request_id: &str) -> kept::Call {
    kept::Call {
        request_id: request_id.to_owned(),
        server: server.as_str().to_owned(),
        method: "tools/call".to_owned(),
        tool: kept::bounded(tool).into_owned(),
        principal: kept::bounded(&who.principal()).into_owned(),
        ..kept::Call::default()
    }
}

/// Bytes of it as JSON.
fn size(value: &impl serde::Serialize) -> i64 {
    let text = serde_json::to_vec(value).unwrap_or_default();
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}
