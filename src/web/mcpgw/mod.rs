//! Our own MCP server, at `/mcpgw` and `/mcp`: it finds tools, calls them, and manages the registry.
//!
//! It stands behind the gate like every mount: what comes here has been judged, and its answer goes back through the relay,
//! which cuts its lists and ends its streams as anybody's. Requests are stateless in both eras; only the transport of
//! 2024-11-05 has streams that stay.
//!
//! **Invariant:** who is asking is what the gate found out, handed over in this process and never in a header.

mod legacy;
mod server;
mod tools;
mod under_way;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::legacy::Streams;
use self::server::Server;
use super::refusal::json_rpc;
use super::state::AppState;
use crate::domain::identity::Identity;
use crate::domain::route::base;
use crate::service::gate::Order;
use crate::service::stream::{Cause, Coming};

pub(super) use self::tools::own_tools;
pub use self::tools::{count as tool_count, names as tool_names};

/// nginx bounds bodies before they come here.
const MOST_BODY: usize = 64 * 1024 * 1024;
/// What an error of the protocol library's may say.
const MOST_WORDS: usize = 64 * 1024;
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// Who is asking, and with which headers.
#[derive(Debug, Clone)]
struct Asking {
    who: Arc<Identity>,
    headers: Arc<HeaderMap>,
    /// Ends when the caller gives the request up, where that is told by a message of its own.
    left: Option<CancellationToken>,
}

/// The server.
pub(super) struct Own {
    service: StreamableHttpService<Server, NeverSessionManager>,
    streams: Streams,
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own")
    }
}

impl Own {
    pub(super) fn new(state: AppState) -> Self {
        // nginx has looked at `Host` and `Origin` already.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(MOST_BODY);
        let server = Server::new(state);
        let one = server.clone();
        Self {
            service: StreamableHttpService::new(
                move || Ok(one.clone()),
                Arc::new(NeverSessionManager::default()),
                config,
            ),
            streams: Streams::new(server),
        }
    }

    /// Answer a request that the gate let through.
    pub(super) async fn answer(&self, order: &mut Order, head: &Parts, body: Bytes) -> Response<Coming> {
        let base = base(&order.route.server.profile);
        let rest = order.target.strip_prefix(base).unwrap_or(&order.target);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let asking = Asking {
            who: Arc::clone(&order.care.caller),
            headers: Arc::new(head.headers.clone()),
            left: None,
        };
        match (rest, &head.method) {
            ("/mcp", _) => self.stateless(order, head, asking, body).await,
            ("/sse", &Method::GET) => self.streams.open(&asking, base),
            ("/messages/", &Method::POST) => self.streams.post(asking, query, &body, &order.id),
            _ => refuse(
                StatusCode::NOT_FOUND,
                404,
                "there is nothing here; this server answers at `/mcpgw/mcp`, `/mcp` and `/mcpgw/sse`",
                &order.id,
            ),
        }
    }

    async fn stateless(
        &self,
        order: &mut Order,
        head: &Parts,
        asking: Asking,
        body: Bytes,
    ) -> Response<Coming> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = head.method.clone();
        *request.headers_mut() = onward(&head.headers, order.modern);
        request.extensions_mut().insert(asking);
        let (head, body) = self.service.handle(request).await.into_parts();
        let kind = head.headers.get(header::CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        if head.status.is_success() || is_json {
            return Response::from_parts(head, Coming::Own(boxed(body)));
        }
        // The library refuses in plain text; clients take that for another protocol.
        let body = axum::body::Body::new(body);
        let words = to_bytes(body, MOST_WORDS).await.unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        let mut refusal = refuse(head.status, -32600, words.trim(), &order.id);
        if let Some(allow) = head.headers.get(header::ALLOW) {
            refusal.headers_mut().insert(header::ALLOW, allow.clone());
        }
        refusal
    }
}

/// What of a request's headers belongs to the protocol. Whoever says nothing of what they accept accepts both forms.
fn onward(given: &HeaderMap, modern: bool) -> HeaderMap {
    let passes = |name: &HeaderName| match name.as_str() {
        "accept" | "content-type" | "mcp-protocol-version" => true,
        name => modern && (matches!(name, "mcp-method" | "mcp-name") || name.starts_with("mcp-param-")),
    };
    let mut headers: HeaderMap = given
        .iter()
        .filter(|(name, _)| passes(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    // The library insists on one, and nginx has judged the real one.
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    let accept = headers.get(header::ACCEPT).map(HeaderValue::as_bytes);
    if accept.is_none_or(|accept| accept == b"*/*") {
        headers.insert(header::ACCEPT, BOTH);
    }
    headers
}

fn boxed<B>(body: B) -> UnsyncBoxBody<Bytes, Cause>
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    body.map_err(|never| match never {}).boxed_unsync()
}

fn refuse(status: StatusCode, code: i32, words: &str, id: &Value) -> Response<Coming> {
    let response = json_rpc(status, code, words, id);
    response.map(|body| Coming::Own(body.map_err(Cause::from).boxed_unsync()))
}
