//! The gate: who is it, which server, may they; and how the call goes on.
//!
//! One decision for both doors. A permitted call goes **direct** (nginx replays the bytes that were judged to an
//! upstream block that this worker has) or is **carried** by `service::relay`.
//!
//! **Invariants:** every yes comes from `domain::access::decide`; 401 comes before 404; for a denied tool and an
//! unknown one a caller gets the same refusal, word for word.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::sync::watch;

use super::callers::{Callers, Error as CallerError, sender};
use super::permit::{PermitHeaders, direct_headers, permit_headers};
use crate::domain::access::{Act, Call, Rights, decide};
use crate::domain::headers;
use crate::domain::identity::Identity;
use crate::domain::path::{ServerPath, is_reserved};
use crate::domain::route::{Route, Table, Texts, rest_of, target};
use crate::mcp::Message;
use crate::mcp::message::Shape;

/// First modern revision: its requests say method and name in headers (MCP 2026-07-28).
const MODERN: &str = "2026-07-28";
/// More headers than this are refused in words.
const MOST_HEADERS: usize = 200;

/// What nginx asks about one request on a mount path.
#[derive(Debug)]
pub struct Question<'a> {
    /// The client's method.
    pub method: &'a Method,
    /// The path as nginx normalised it.
    pub asked: &'a str,
    /// Path and query as the client wrote them.
    pub written: &'a str,
    /// Hash of the text that this worker runs; none when it is not our nginx.
    pub text: &'a str,
    /// Whence the request comes.
    pub client: Option<IpAddr>,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The whole body of a POST; none where there can be none.
    pub body: Option<&'a [u8]>,
}

/// Why a call does not go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Which kind of no.
    pub reason: Reason,
    /// For the caller.
    pub message: String,
    /// The JSON-RPC id, where one could be read.
    pub id: Value,
}

/// Kinds of no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A header or path that means two things.
    Ambiguous,
    /// Too many headers.
    TooLarge,
    /// Nobody known.
    Unauthenticated,
    /// No server is mounted there, or it is switched off.
    Unknown,
    /// Their scopes do not allow it.
    Denied,
    /// Not `application/json` in UTF-8 without an encoding.
    MediaType,
    /// Not one plain JSON-RPC message; the JSON-RPC code.
    Message(i32),
    /// Too many invalid credentials from there; wait so many seconds.
    Slowed(u64),
    /// The gate cannot decide now.
    Away,
}

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
    /// Whether the request speaks the modern revision, so that its `Mcp-*` headers go on.
    pub modern: bool,
    /// The JSON-RPC id, for a failure of the upstream's.
    pub id: Value,
}

/// What `GET /validate` answers (contract, section 4.4).
#[derive(Debug)]
pub struct Validated {
    /// Who.
    pub identity: Arc<Identity>,
    /// Which server the address means, if it means one.
    pub server: Option<ServerPath>,
}

/// Answers nginx.
#[derive(Debug, Clone)]
pub struct Gate {
    callers: Callers,
    rights: watch::Receiver<Arc<Rights>>,
    table: watch::Receiver<Arc<Table>>,
    texts: watch::Receiver<Arc<Texts>>,
    public_url: Arc<str>,
}

impl Gate {
    /// Over the present policy, table and texts; `public_url` is how browsers call us.
    pub fn new(
        callers: Callers,
        rights: watch::Receiver<Arc<Rights>>,
        table: watch::Receiver<Arc<Table>>,
        texts: watch::Receiver<Arc<Texts>>,
        public_url: &str,
    ) -> Self {
        Self {
            callers,
            rights,
            table,
            texts,
            public_url: public_url.into(),
        }
    }

    /// Decide one request.
    pub async fn decide(&self, question: &Question<'_>) -> Result<Way, Refusal> {
        check_headers(question.headers)?;
        let caller = self
            .callers
            .identify(question.headers, question.client)
            .await
            .map_err(unknown_caller)?;
        if caller.by_cookie && !sender(question.headers).is_this_site(&self.public_url) {
            return Err(refuse(Reason::Denied, "the call was sent by another site"));
        }
        let table = Arc::clone(&self.table.borrow());
        let route = table.find(question.asked).ok_or_else(no_server)?;
        let mount = &route.server.path;
        let rest = rest_of(mount, question.asked, question.written);
        let rest =
            rest.ok_or_else(|| refuse(Reason::Ambiguous, "the address is written in an ambiguous way"))?;
        let message = question
            .body
            .map(|body| read(question.headers, body))
            .transpose()?;
        let modern = message
            .as_ref()
            .map(|message| check_era(question.headers, message))
            .transpose()?
            .unwrap_or(false);
        let act = match &message {
            Some(message) if message.shape != Shape::Response => Act::Message {
                method: &message.method,
                thing: message.thing(),
            },
            Some(_) | None => Act::Session,
        };
        let call = Call::Mcp { server: mount, act };
        let id = || message.as_ref().map_or(Value::Null, |message| message.id.clone());
        // Nothing is named, so nothing could be granted; what an upstream would make of it is anybody's guess.
        if message.as_ref().is_some_and(Message::lacks_its_name) {
            let words = "expected `params` to name what is called";
            return Err(Refusal {
                id: id(),
                ..refuse(Reason::Message(-32602), words)
            });
        }
        if decide(&caller.identity, &call, &self.rights.borrow()).is_err() {
            return Err(Refusal { id: id(), ..denied() });
        }
        route.count();
        let query = question.written.split_once('?').map(|(_, query)| query);
        let target = target(&route.server.profile, &rest, query);
        let permit = permit_headers(&caller, mount, message.as_ref(), modern);
        let params = question
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("mcp-param-"));
        let block = self
            .block(&table, route, question.text)
            .filter(|_| modern || !params);
        Ok(match block {
            Some(block) => Way::Direct(direct_headers(permit, route, &block, &target)),
            None => Way::Carry(Order {
                route: Arc::clone(route),
                target,
                permit,
                modern,
                id: id(),
            }),
        })
    }

    /// The check for people with their own nginx. It sees no body, so a POST needs a rule of everything.
    pub async fn validate(
        &self,
        headers: &HeaderMap,
        method: &Method,
        path: &str,
    ) -> Result<Validated, Refusal> {
        let caller = self
            .callers
            .identify(headers, None)
            .await
            .map_err(unknown_caller)?;
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
        if first.is_empty() || is_reserved(first) {
            return Ok(Validated {
                identity: caller.identity,
                server: None,
            });
        }
        let table = Arc::clone(&self.table.borrow());
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
            &self.rights.borrow(),
        )
        .map_err(|_| denied())?;
        Ok(Validated {
            identity: caller.identity,
            server: Some(server.clone()),
        })
    }

    /// The block for this server that the asking worker has, with the addresses that are right now.
    fn block(&self, table: &Table, route: &Route, text: &str) -> Option<Arc<str>> {
        if !route.server.trusted {
            return None;
        }
        let block = table.blocks.get(route.server.profile.proxy_pass_url.origin())?;
        let has = self
            .texts
            .borrow()
            .get(text)
            .is_some_and(|blocks| blocks.contains(&block.name));
        has.then(|| Arc::clone(&block.name))
    }
}

fn refuse(reason: Reason, message: impl Into<String>) -> Refusal {
    Refusal {
        reason,
        message: message.into(),
        id: Value::Null,
    }
}

fn no_server() -> Refusal {
    refuse(Reason::Unknown, "no server is mounted here")
}

fn denied() -> Refusal {
    refuse(Reason::Denied, "your scopes do not allow this")
}

fn unknown_caller(error: CallerError) -> Refusal {
    match error {
        CallerError::Nobody | CallerError::Bad(_) => {
            refuse(Reason::Unauthenticated, "a valid token is needed")
        }
        CallerError::Slowed(seconds) => refuse(Reason::Slowed(seconds), error.to_string()),
        CallerError::Away(ref error) => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a session could not be checked"
            );
            refuse(Reason::Away, "the gate cannot decide now")
        }
    }
}

fn check_headers(given: &HeaderMap) -> Result<(), Refusal> {
    if given.len() > MOST_HEADERS {
        return Err(refuse(
            Reason::TooLarge,
            format!("at most {MOST_HEADERS} headers are accepted"),
        ));
    }
    match given.keys().find(|name| headers::is_disguised(name.as_str())) {
        Some(name) => Err(refuse(
            Reason::Ambiguous,
            format!("the header `{name}` is not accepted; write it with `-`"),
        )),
        None => Ok(()),
    }
}

/// The message in a POST, if it means the same to everybody.
fn read(given: &HeaderMap, body: &[u8]) -> Result<Message, Refusal> {
    let media = || {
        refuse(
            Reason::MediaType,
            "expected `application/json` in UTF-8 without `Content-Encoding`",
        )
    };
    let mut types = given.get_all(http::header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else {
        return Err(media());
    };
    if given.contains_key(http::header::CONTENT_ENCODING) || !is_json(kind.to_str().unwrap_or_default()) {
        return Err(media());
    }
    Message::read(body).map_err(|unreadable| Refusal {
        reason: Reason::Message(unreadable.code),
        message: unreadable.message,
        id: unreadable.id,
    })
}

fn is_json(kind: &str) -> bool {
    let mut parts = kind.split(';').map(str::trim);
    let json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    json && parts.all(|parameter| {
        let charset = parameter
            .split_once('=')
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        charset.is_none_or(|(_, value)| value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"))
    })
}

/// Whether the request is modern; then its headers must say once what its body says (MCP 2026-07-28, 1.3).
fn check_era(given: &HeaderMap, message: &Message) -> Result<bool, Refusal> {
    let mismatch = |words: &str| Refusal {
        id: message.id.clone(),
        ..refuse(Reason::Message(-32020), words)
    };
    let one = |name: &str| {
        let mut values = given
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap_or("\u{fffd}"));
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(mismatch(&format!("the header `{name}` came twice"))),
        }
    };
    let version = one("mcp-protocol-version")?;
    let is_modern = |version: &str| version.len() == MODERN.len() && version >= MODERN;
    let (header_modern, body_modern) = (
        version.is_some_and(is_modern),
        message.meta_version.as_deref().is_some_and(is_modern),
    );
    if !header_modern && !body_modern {
        return Ok(false);
    }
    if message.meta_version.is_some() && message.meta_version.as_deref() != version {
        return Err(mismatch(
            "`MCP-Protocol-Version` and the version in the body disagree",
        ));
    }
    if one("mcp-method")? != Some(message.method.as_str()) {
        return Err(mismatch("`Mcp-Method` must say the method of the body"));
    }
    let name = one("mcp-name")?.map(decode_name).transpose().map_err(mismatch)?;
    if name.as_deref() != message.header_name() {
        return Err(mismatch("`Mcp-Name` must say the name of the body"));
    }
    Ok(true)
}

/// A plain value, or `=?base64?…?=`.
fn decode_name(value: &str) -> Result<String, &'static str> {
    use base64::Engine;
    let Some(inner) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Ok(value.to_owned());
    };
    let bytes = base64::prelude::BASE64_STANDARD
        .decode(inner)
        .map_err(|_| "`Mcp-Name` is not base64")?;
    String::from_utf8(bytes).map_err(|_| "`Mcp-Name` is not UTF-8")
}
