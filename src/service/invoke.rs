//! A tool of a registered server called by us as somebody: with their rights, and under their name.
//!
//! **Invariant:** what is called passed the same decision as a call on the server's mount path would.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};

use super::catalog::Held;
use super::permit::{call_headers, lines_about_the_caller};
use crate::domain::Kind;
use crate::domain::access::{Act, Call, Rights, decide};
use crate::domain::health::Transport;
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::route::{Route, Table};
use crate::domain::schema;
use crate::mcp::Client;
use crate::mcp::call::{self, Failure, Wanted, Whom};

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
}

/// Calls tools.
#[derive(Debug, Clone)]
pub struct Invoke {
    client: Client,
    table: watch::Receiver<Arc<Table>>,
    rights: watch::Receiver<Arc<Rights>>,
    held: watch::Receiver<Arc<Held>>,
    within: Duration,
}

impl Invoke {
    /// Over the present servers and rights; a call may take so long.
    pub fn new(
        client: Client,
        table: watch::Receiver<Arc<Table>>,
        (rights, held): (watch::Receiver<Arc<Rights>>, watch::Receiver<Arc<Held>>),
        within: Duration,
    ) -> Self {
        Self {
            client,
            table,
            rights,
            held,
            within,
        }
    }

    /// Whether they may call this tool now; where it leads.
    pub fn may(&self, who: &Identity, server: &ServerPath, tool: &str) -> Result<Arc<Route>, Error> {
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
