//! The gate: who is it, which server, may they; and how the call goes on.
//!
//! One decision for both doors. A permitted call goes **direct** (nginx replays the bytes that were judged to an
//! upstream block that this worker has) or is **carried** by `service::relay`.
//!
//! **Invariants:** every yes comes from `domain::access::decide`; 401 comes before 404; for a denied tool and an
//! unknown one a caller gets the same refusal, word for word.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use tokio::sync::watch;

use super::advertised::Advertised;
use super::callers::{self, Caller, Callers, sender};
use super::catalog::Held;
use super::endpoints::{Endpoints, Found};
use super::mcp_sessions::McpSessions;
use super::permit::{CALL, PermitHeaders, direct_headers, permit_headers};
use super::permits::Permits;
use super::question::{Asked, Question};
use super::reading::{check_era, check_headers, read, session_id};
use super::refusal::{Reason, Refusal, away, denied, no_server, no_session, refuse, unknown_caller};
use super::until::Until;
use super::wording::{self, Seen};
use crate::domain::access::{Act, Call, LISTS, List, Rights, decide};
use crate::domain::call::{self, PermitNumber};
use crate::domain::identity::Identity;
use crate::domain::path::{ServerPath, is_other_name, is_reserved};
use crate::domain::route::{Route, Table, Texts, rest_of, target};
use crate::mcp::Message;
use crate::mcp::message::Shape;

/// A stream's right is looked at again after this time at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// And not before this one, whatever the clock says.
const AT_LEAST: Duration = Duration::from_millis(100);

/// How a permitted call goes on.
#[derive(Debug)]
pub enum Way {
    /// nginx takes it to the block that the headers name.
    Direct(PermitHeaders),
    /// We carry it.
    Carry(Order),
}

/// A permitted call that we carry.
#[derive(Debug)]
pub struct Order {
    /// To which server.
    pub route: Arc<Route>,
    /// Path and query there.
    pub target: String,
    /// The permit.
    pub permit: PermitHeaders,
    /// Whether the request speaks the modern revision, so that its `Mcp-*` headers go on and those of sessions do not.
    pub modern: bool,
    /// The JSON-RPC id, for a failure of the upstream's.
    pub id: Value,
    /// What we look at in the answer.
    pub care: Care,
    /// What the call log says of it, and its permit.
    pub said: Option<(HeaderValue, Option<PermitNumber>)>,
}

/// What a carried answer needs beside being passed on.
#[derive(Debug)]
pub struct Care {
    /// Whose the call is.
    pub caller: Arc<Identity>,
    /// It opens a session (a legacy `initialize`).
    pub opens_session: bool,
    /// It may hold lists with entries that the caller may not see.
    pub sifts: bool,
    /// It is a stream (a `GET`, a subscription): it ends with the right that opened it.
    pub until: Option<Until>,
    /// It may name the address for messages (a `GET`: legacy SSE).
    pub names_endpoint: bool,
}

/// What `GET /validate` answers (contract, section 4.4).
#[derive(Debug)]
pub struct Validated {
    /// Who.
    pub identity: Arc<Identity>,
    /// Which server the address means, if it means one.
    pub server: Option<ServerPath>,
}

/// What the gate knows.
#[derive(Debug, Clone)]
pub struct Known {
    /// Who is asking.
    pub callers: Callers,
    /// The present policy.
    pub rights: watch::Receiver<Arc<Rights>>,
    /// The present servers.
    pub table: watch::Receiver<Arc<Table>>,
    /// What each nginx text has.
    pub texts: watch::Receiver<Arc<Texts>>,
    /// Whose MCP sessions are.
    pub sessions: McpSessions,
    /// The message addresses of open legacy streams.
    pub endpoints: Endpoints,
    /// Tools of pinned servers that wait for approval.
    pub held: watch::Receiver<Arc<Held>>,
    /// What a refused client is told, and how browsers call us.
    pub advertised: Advertised,
    /// Counts permits for the call log; none when there is no log.
    pub permits: Option<Permits>,
}

/// Answers nginx.
#[derive(Debug, Clone)]
pub struct Gate(Known);

/// A request that may go on.
struct Judged {
    caller: Caller,
    table: Arc<Table>,
    route: Arc<Route>,
    target: String,
    message: Option<Message>,
    modern: bool,
}

impl Gate {
    /// Over the present policy, table and texts.
    pub fn new(known: Known) -> Self {
        Self(known)
    }

    /// Decide one request.
    pub async fn decide(&self, question: &Question<'_>) -> Result<Way, Refusal> {
        let mut seen = Seen::default();
        let judged = self.judge(question, &mut seen).await.map_err(|refusal| {
            let table = self.0.table.borrow();
            let said = self
                .0
                .permits
                .as_ref()
                .and_then(|_| wording::refused(&table, question, &seen));
            let refusal = self.0.advertised.complete(refusal, question.asked);
            Refusal {
                said: said.map(Box::new),
                ..refusal
            }
        })?;
        let Judged {
            caller,
            route,
            message,
            ..
        } = &judged;
        route.count();
        let permit = permit_headers(caller, &route.server, message.as_ref(), judged.modern);
        let (care, cared_for) = self.care(&judged, question);
        let block = self.block(&judged.table, route, question.text);
        let way = match &block {
            Some(_) if !cared_for => call::Way::Direct,
            _ if care.until.is_some() => call::Way::Stream,
            _ => call::Way::Carried,
        };
        let said = self.0.permits.as_ref().and_then(|permits| {
            let words = (&judged.route.server.path, message.as_ref(), question.method);
            wording::permitted(permits, way, words, &caller.identity)
        });
        Ok(match block {
            Some(block) if !cared_for => {
                let mut headers = direct_headers(permit, route, &block, &judged.target);
                if let Some((said, _)) = said {
                    headers.insert(CALL, said);
                }
                Way::Direct(headers)
            }
            Some(_) | None => Way::Carry(Order {
                said,
                permit,
                care,
                id: message.as_ref().map_or(Value::Null, |message| message.id.clone()),
                modern: judged.modern,
                target: judged.target,
                route: judged.route,
            }),
        })
    }

    /// A permit that is not used: nginx asks again.
    pub fn take_back(&self, order: &Order) {
        let permit = order.said.as_ref().and_then(|(_, permit)| *permit);
        if let (Some(permits), Some(permit)) = (&self.0.permits, permit) {
            permits.came([permit]);
        }
    }

    /// Until the same request would be refused.
    pub(super) async fn until_refused(&self, asked: &Asked) {
        let mut rights = self.0.rights.clone();
        let mut table = self.0.table.clone();
        let mut credentials = self.0.callers.changes();
        // A change while we decide is seen, because these look from now on.
        rights.mark_unchanged();
        table.mark_unchanged();
        credentials.mark_unchanged();
        // Boxed, so that a stream that waits does not hold the room that deciding takes.
        while let Ok(judged) = Box::pin(self.judge(&asked.question(), &mut Seen::default())).await {
            let left = self.0.callers.left(&judged.caller);
            drop(judged);
            tokio::select! {
                changed = rights.changed() => if changed.is_err() { return },
                changed = table.changed() => if changed.is_err() { return },
                changed = credentials.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(left.clamp(AT_LEAST, LOOK_AGAIN)) => {}
            }
        }
    }

    /// Who, where, what, and whether they may.
    async fn judge(&self, question: &Question<'_>, seen: &mut Seen) -> Result<Judged, Refusal> {
        check_headers(question.headers)?;
        let caller = self
            .0
            .callers
            .identify(question.headers, question.client)
            .await
            .map_err(|error| self.unknown(error))?;
        seen.caller = Some(Arc::clone(&caller.identity));
        if caller.by_cookie && !sender(question.headers).is_this_site(self.0.advertised.public_url()) {
            return Err(refuse(Reason::Denied, "the call was sent by another site"));
        }
        let table = Arc::clone(&self.0.table.borrow());
        let route = Arc::clone(table.find(question.asked).ok_or_else(no_server)?);
        let mount = &route.server.path;
        // Before anything that depends on the server: who has no right there learns nothing of it.
        self.check_rights(&caller.identity, mount, None)?;
        if let Some(name) = question
            .headers
            .keys()
            .find(|name| route.is_disguised(name.as_str()))
        {
            let words = format!("the header `{name}` is not accepted; write it with `-`");
            return Err(refuse(Reason::Ambiguous, words));
        }
        let rest = rest_of(mount, question.asked, question.written);
        let rest =
            rest.ok_or_else(|| refuse(Reason::Ambiguous, "the address is written in an ambiguous way"))?;
        seen.message = question
            .body
            .map(|body| read(question.headers, body))
            .transpose()?;
        let message = seen.message.as_ref();
        let modern = message
            .map(|message| check_era(question.headers, message))
            .transpose()?
            .unwrap_or(false);
        if let Some(known) = message {
            self.check_rights(&caller.identity, mount, message)?;
            if known.method == "tools/call" && self.holds(mount, known.thing()) {
                let words = "the definition of this tool has changed and waits for approval";
                return Err(with_id(refuse(Reason::Denied, words), message));
            }
        }
        let principal = caller.identity.principal();
        if !modern && let Some(id) = session_id(question.headers)? {
            let belongs = self.0.sessions.belongs(mount, id, &principal).await;
            if !belongs.map_err(|error| away(&error))? {
                return Err(with_id(no_session(), message));
            }
        }
        let query = question.written.split_once('?').map(|(_, query)| query);
        let ordinary = target(&route.server.profile, &rest, query);
        let found = match message {
            Some(_) => self
                .0
                .endpoints
                .find(mount, (&rest, query), &ordinary, &principal),
            None => Found::Ordinary,
        };
        let target = match found {
            Found::Mine(target) => target,
            Found::Ordinary => ordinary,
            Found::Unknown => return Err(with_id(no_session(), message)),
        };
        Ok(Judged {
            caller,
            table,
            route,
            target,
            message: seen.message.take(),
            modern,
        })
    }

    fn check_rights(
        &self,
        who: &Identity,
        server: &ServerPath,
        message: Option<&Message>,
    ) -> Result<(), Refusal> {
        let rights = self.0.rights.borrow();
        let may = |act| decide(who, &Call::Mcp { server, act }, &rights).is_ok();
        let Some(message) = message.filter(|message| message.shape != Shape::Response) else {
            return if may(Act::Session) {
                Ok(())
            } else {
                Err(denied(
                    &rights.policy.scopes_that_open(Some(server), "initialize"),
                ))
            };
        };
        // Nothing is named, so nothing could be granted; what an upstream would make of it is anybody's guess.
        if message.lacks_its_name() {
            let refusal = refuse(
                Reason::Message(-32602),
                "expected `params` to name what is called",
            );
            return Err(with_id(refusal, Some(message)));
        }
        let method = message.method.as_str();
        let thing = message.thing();
        // A subscription to a resource needs what the older method for it needs.
        let subscribed = message.resources.iter().map(|uri| Act::Message {
            method: "resources/subscribe",
            thing: Some(uri),
        });
        if subscribed.chain([Act::Message { method, thing }]).all(may) {
            return Ok(());
        }
        let scopes = rights.policy.scopes_that_open(Some(server), method);
        Err(with_id(denied(&scopes), Some(message)))
    }

    /// Whether a tool of this server waits for approval.
    fn holds(&self, server: &ServerPath, tool: Option<&str>) -> bool {
        let held = self.0.held.borrow();
        let names = held.get(server.as_str());
        tool.is_some_and(|tool| names.is_some_and(|names| names.contains(tool)))
    }

    /// What the answer needs, and whether that is anything.
    fn care(&self, judged: &Judged, question: &Question<'_>) -> (Care, bool) {
        let Judged {
            caller,
            route,
            message,
            modern,
            ..
        } = judged;
        let method = message.as_ref().map_or("", |message| message.method.as_str());
        let is_get = *question.method == Method::GET;
        let list = LISTS.iter().find(|list| list.method == method);
        let rights = self.0.rights.borrow();
        let all = |list: &List| rights.may_see_all(&caller.identity, &route.server.path, list);
        let holds = self.0.held.borrow().contains_key(route.server.path.as_str());
        let sifts = is_get || list.is_some_and(|list| holds || !all(list));
        let opens_session = !modern && method == "initialize";
        let stays = is_get || method == "subscriptions/listen";
        // Headers that nginx cannot take away: a family of names, or for one revision only.
        let foreign = |name: &http::HeaderName| match name.as_str() {
            "mcp-session-id" | "last-event-id" => *modern,
            name => !modern && name.starts_with("mcp-param-"),
        };
        let cared_for = sifts || opens_session || stays || question.headers.keys().any(foreign);
        let care = Care {
            caller: Arc::clone(&caller.identity),
            opens_session,
            sifts,
            until: stays.then(|| {
                let (gate, asked) = (self.clone(), Asked::of(question));
                Until::new(async move { gate.until_refused(&asked).await })
            }),
            names_endpoint: is_get,
        };
        (care, cared_for)
    }

    fn unknown(&self, error: callers::Error) -> Refusal {
        let refusal = unknown_caller(error);
        if refusal.reason != Reason::Unauthenticated {
            return refusal;
        }
        // The same for every path: nobody learns here what exists.
        let rights = self.0.rights.borrow();
        let scopes = rights.policy.scopes_that_open(None, "initialize");
        let scopes = scopes.into_iter().map(str::to_owned).collect();
        Refusal { scopes, ..refusal }
    }

    /// The check for people with their own nginx. It sees no body, so a POST needs a rule of everything.
    pub async fn validate(
        &self,
        headers: &HeaderMap,
        method: &Method,
        path: &str,
    ) -> Result<Validated, Refusal> {
        let caller = self
            .0
            .callers
            .identify(headers, None)
            .await
            .map_err(|error| self.unknown(error))?;
        // Nobody has normalised this path for us, so it must be written in the one way that needs no normalising.
        let is_dots = |segment: &str| segment == "." || segment == "..";
        if !path.starts_with('/')
            || path.contains("//")
            || path.contains(['%', '\\', '#', ';'])
            || path.split('/').any(is_dots)
        {
            return Err(refuse(
                Reason::Ambiguous,
                "the address is written in an ambiguous way",
            ));
        }
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let is_own = first == ServerPath::ours().name() || is_other_name(path);
        if first.is_empty() || (is_reserved(first) && !is_own) {
            if caller.identity.bound_to.is_some() {
                return Err(denied(&[]));
            }
            return Ok(Validated {
                identity: caller.identity,
                server: None,
            });
        }
        let table = Arc::clone(&self.0.table.borrow());
        let route = table.find(path).ok_or_else(no_server)?;
        let server = &route.server.path;
        let act = if *method == Method::POST {
            Act::Unseen
        } else {
            Act::Session
        };
        decide(
            &caller.identity,
            &Call::Mcp { server, act },
            &self.0.rights.borrow(),
        )
        .map_err(|_| denied(&[]))?;
        Ok(Validated {
            identity: caller.identity,
            server: Some(server.clone()),
        })
    }

    /// The block for this server that the asking worker has, with the addresses that are right now.
    fn block(&self, table: &Table, route: &Route, text: &str) -> Option<Arc<str>> {
        // A server's own header lines are written by us: so no secret is ever in nginx, and it costs no more.
        if route.server.is_built_in()
            || !route.server.trusted
            || route.lines.as_ref().is_none_or(|lines| !lines.is_empty())
        {
            return None;
        }
        let block = table.blocks.get(route.server.profile.proxy_pass_url.origin())?;
        let has = self
            .0
            .texts
            .borrow()
            .get(text)
            .is_some_and(|blocks| blocks.contains(&block.name));
        has.then(|| Arc::clone(&block.name))
    }
}

fn with_id(refusal: Refusal, message: Option<&Message>) -> Refusal {
    let id = message.map_or(Value::Null, |message| message.id.clone());
    Refusal { id, ..refusal }
}
