//! The calls that we carry ourselves: to strangers, and to whatever has no block in the nginx file of this worker.
//!
//! **Invariant:** an answer brings along only the headers of an allow-list, because nginx obeys what the daemon says.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName,
    HeaderValue, LOCATION,
};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::sync::watch;

use super::catalog::Held;
use super::endpoints::Endpoints;
use super::gate::Order;
use super::mcp_sessions::{self, McpSessions};
use super::permit::{PASSES, lines_about_the_caller};
use super::reading::in_utf8;
use super::sieve::RightsSieve;
use super::stream::{Coming, Naming, Stream};
use crate::domain::access::Rights;
use crate::domain::headers::{CARRIED_BACK, CLEARED, IDENTITY, MODERN, PERMIT};
use crate::domain::route::base;
use crate::mcp::{self, Client, exchange, listing, sse};

pub use crate::mcp::Error as UpstreamError;

/// Why a carried call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The upstream gave none.
    #[error(transparent)]
    Upstream(#[from] mcp::Error),
    /// Whose session it is could not be kept.
    #[error(transparent)]
    Session(#[from] mcp_sessions::Error),
    /// The server's credentials cannot be opened.
    #[error("the server's credentials cannot be read")]
    Sealed,
}

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

impl Error {
    fn unusable() -> Self {
        Self::Upstream(mcp::Error::Unusable)
    }
}

/// What the client sent, beside the order.
#[derive(Debug)]
pub struct Sent<'a> {
    /// Its method.
    pub method: Method,
    /// Path and query as it wrote them.
    pub written: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body; empty where there can be none.
    pub body: Bytes,
    /// Whence it comes.
    pub client: Option<IpAddr>,
}

/// The beginning of an answer; its body is still coming.
#[derive(Debug)]
pub struct Carried {
    /// The upstream's status.
    pub status: StatusCode,
    /// The headers that may come along.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// What of an answer's body goes on.
#[derive(Debug)]
pub enum Body {
    /// As it comes.
    Untouched(Coming),
    /// Looked into while it comes.
    Stream(Box<Stream>),
    /// A list, cut down.
    Whole(Bytes),
}

/// Carries calls.
#[derive(Debug, Clone)]
pub struct Relay {
    client: Client,
    sessions: McpSessions,
    endpoints: Endpoints,
    rights: watch::Receiver<Arc<Rights>>,
    held: watch::Receiver<Arc<Held>>,
    settings: Settings,
}

/// How calls are carried.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How the public reaches us: `http` or `https`.
    pub public_scheme: &'static str,
    /// How long a server may be silent; whoever waits for a stream hears from us before that.
    pub read_timeout: Duration,
}

/// We speak on a silent stream after this time at the latest.
const SILENCE: Duration = Duration::from_secs(15);

impl Relay {
    /// Over an HTTP client.
    pub fn new(
        client: Client,
        sessions: McpSessions,
        endpoints: Endpoints,
        (rights, held): (watch::Receiver<Arc<Rights>>, watch::Receiver<Arc<Held>>),
        settings: Settings,
    ) -> Self {
        Self {
            client,
            sessions,
            endpoints,
            rights,
            held,
            settings,
        }
    }

    /// Make the call and wait for the answer's head.
    pub async fn carry(&self, order: &mut Order, sent: Sent<'_>) -> Result<Carried, Error> {
        if order.route.lines.is_none() {
            return Err(Error::Sealed);
        }
        let origin = order.route.server.profile.proxy_pass_url.origin();
        let headers = self.onward(order, &sent);
        let call = exchange::Call {
            origin,
            method: sent.method,
            target: order.target.clone(),
            headers,
            body: sent.body,
        };
        let answer = self.client.send(call).await?;
        self.pass_on(order, answer.map(Coming::Upstream)).await
    }

    /// What of an answer goes on to the caller. Our own server's answers come this way too.
    pub async fn pass_on(&self, order: &mut Order, answer: Response<Coming>) -> Result<Carried, Error> {
        let (head, body) = answer.into_parts();
        let mut headers = HeaderMap::new();
        for name in BACK.iter() {
            for value in head.headers.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let location = head.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        if let Some(kept) = location.and_then(|value| kept_location(value, order)) {
            headers.insert(LOCATION, kept);
        }
        if order.care.opens_session
            && let Some(id) = head.headers.get(SESSION_ID)
        {
            let id = id.to_str().map_err(|_| Error::unusable())?;
            let (server, principal) = (&order.route.server.path, order.care.caller.principal());
            self.sessions.bind(server, id, &principal).await?;
        }
        let body = self.body(order, head.status, &head.headers, body).await?;
        Ok(Carried {
            status: head.status,
            headers,
            body,
        })
    }

    async fn body(
        &self,
        order: &mut Order,
        status: StatusCode,
        headers: &HeaderMap,
        body: Coming,
    ) -> Result<Body, Error> {
        let care = &mut order.care;
        if !care.sifts && care.until.is_none() {
            return Ok(Body::Untouched(body));
        }
        let sieve = care.sifts.then(|| RightsSieve {
            rights: self.rights.clone(),
            caller: Arc::clone(&care.caller),
            server: order.route.server.path.clone(),
            held: self.held.clone(),
        });
        // Two types, or an encoding that we do not read: a client might see a list where we see none.
        if headers.get_all(CONTENT_TYPE).iter().count() > 1 {
            return Err(Error::unusable());
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = in_utf8(kind.unwrap_or_default());
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let plain = encodings.all(|encoding| encoding == "identity");
        let is = |known: &str| plain && kind.is_some_and(|kind| kind.eq_ignore_ascii_case(known));
        if is("text/event-stream") {
            let naming = care.names_endpoint.then(|| Naming {
                endpoints: self.endpoints.clone(),
                route: Arc::clone(&order.route),
                target: order.target.clone(),
                principal: care.caller.principal(),
            });
            let silence = SILENCE.min(self.settings.read_timeout / 2);
            let stream = Stream::new(body, care.until.take(), sieve, naming, silence);
            return Ok(Body::Stream(Box::new(stream)));
        }
        match sieve {
            // Lists come as answers to requests; what a `GET` brings beside streams is none.
            Some(sieve) if is("application/json") && !care.names_endpoint => {
                self.cut(sieve, status, body).await
            }
            // A list in a form that we cannot read could hold anything; an error, or nothing at all, holds none.
            Some(_) if status.is_success() && !care.names_endpoint && status != StatusCode::ACCEPTED => {
                Err(Error::unusable())
            }
            Some(_) | None => match care.until.take() {
                Some(until) => Ok(Body::Stream(Box::new(Stream::raw(body, until, SILENCE)))),
                None => Ok(Body::Untouched(body)),
            },
        }
    }

    async fn cut(&self, sieve: RightsSieve, status: StatusCode, body: Coming) -> Result<Body, Error> {
        let whole = Limited::new(body, sse::MOST_EVENT).collect();
        let whole = tokio::time::timeout(self.settings.read_timeout, whole).await;
        let whole = whole
            .map_err(|_| mcp::Error::Slow)?
            .map_err(|_| Error::unusable())?
            .to_bytes();
        match listing::sift(&whole, &sieve) {
            Ok(Some(cut)) => Ok(Body::Whole(cut.into())),
            Ok(None) => Ok(Body::Whole(whole)),
            Err(listing::Unreadable) if !status.is_success() => Ok(Body::Whole(whole)),
            Err(listing::Unreadable) => Err(Error::unusable()),
        }
    }

    /// The client's headers without what is not the upstream's business, and who is asking.
    fn onward(&self, order: &Order, sent: &Sent<'_>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(sent.headers.len() + 8);
        let named_by_connection: Vec<String> = sent
            .headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let passes_authorization = order
            .permit
            .get(PASSES)
            .is_some_and(|passes| passes == "authorization" || passes == "both");
        for (name, value) in sent.headers {
            let word = name.as_str();
            let stays = OURS.contains(word)
                || named_by_connection.iter().any(|named| named == word)
                || (*name == AUTHORIZATION && !passes_authorization)
                || (!order.modern && is_modern(word))
                || (order.modern && matches!(word, "mcp-session-id" | "last-event-id"))
                || (order.care.sifts && *name == ACCEPT_ENCODING);
            if !stays {
                headers.append(name.clone(), value.clone());
            }
        }
        headers.extend(lines_about_the_caller(&order.permit).map(|(name, value)| (Some(name), value)));
        for (name, value) in order.route.lines.iter().flatten() {
            headers.insert(name.clone(), value.clone());
        }
        let client = sent.client.map(|client| client.to_string());
        set(&mut headers, "x-real-ip", client.as_deref());
        set(&mut headers, "x-forwarded-for", client.as_deref());
        set(
            &mut headers,
            "x-forwarded-proto",
            Some(self.settings.public_scheme),
        );
        let host = sent
            .headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        set(
            &mut headers,
            "x-original-url",
            Some(&format!(
                "{}://{host}{}",
                self.settings.public_scheme, sent.written
            )),
        );
        headers
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: Option<&str>) {
    let name = HeaderName::from_bytes(name.as_bytes());
    let value = value
        .filter(|value| !value.is_empty())
        .and_then(|value| HeaderValue::from_str(value).ok());
    if let (Ok(name), Some(value)) = (name, value) {
        headers.insert(name, value);
    }
}

/// Headers of a client (in lower case) that stay here: names that only we may set towards an upstream, what is between
/// nginx and us, what speaks of one connection only (RFC 9110 section 7.6.1), and what the HTTP client writes itself.
static OURS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let forwarded = [
        "x-real-ip",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-original-url",
    ];
    let hop = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
    ];
    let written = [
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "host",
        "expect",
    ];
    let names = [&forwarded[..], &hop, &written, CLEARED].concat();
    let identity = IDENTITY.iter().map(|(name, _)| *name);
    let permit = PERMIT.iter().map(|(_, name)| *name);
    let all = names.into_iter().chain(identity).chain(permit);
    all.map(str::to_ascii_lowercase).collect()
});

/// [`CARRIED_BACK`], ready to be looked up.
static BACK: LazyLock<Vec<HeaderName>> = LazyLock::new(|| {
    CARRIED_BACK
        .iter()
        .map(|name| HeaderName::from_static(name))
        .collect()
});

/// Headers that only a modern request has, compared with its body by the gate.
fn is_modern(name: &str) -> bool {
    name.starts_with("mcp-param-") || MODERN.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A redirect stays only with the same upstream, and then under the mount: a client resends what it sent, its token too.
fn kept_location(value: &str, order: &Order) -> Option<HeaderValue> {
    let server = &order.route.server;
    let origin = server.profile.proxy_pass_url.origin().to_string();
    let rest = value
        .strip_prefix(&origin)
        .unwrap_or(value)
        .strip_prefix(base(&server.profile))?;
    let inside = rest.starts_with('/') && !rest.starts_with("//");
    // Readers of URLs take all of these for ways up or out.
    let lower = rest.to_ascii_lowercase();
    let way_out = ["..", "/.", "\\", "%2e"].iter().any(|way| lower.contains(way));
    let plain = rest.bytes().all(|b| (0x21..=0x7e).contains(&b));
    (inside && plain && !way_out).then(|| HeaderValue::from_str(&format!("{}{rest}", server.path)).ok())?
}
