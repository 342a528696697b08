//! Example MCP servers of ours (contract, section 8.2): something to call in the first minute, and upstreams for tests.
//!
//! Stateless, so that either era of clients is served without a session.

mod currenttime;
mod realserverfaketools;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// An example server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demo {
    /// Tells the time in a zone.
    CurrentTime,
    /// Tools with schemas of every shape, answering with made-up data.
    RealServerFakeTools,
}

impl Demo {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::CurrentTime, Self::RealServerFakeTools];

    /// Its name, which is also its path on the gateway.
    pub fn name(self) -> &'static str {
        match self {
            Self::CurrentTime => "currenttime",
            Self::RealServerFakeTools => "realserverfaketools",
        }
    }

    /// What it is for.
    pub fn description(self) -> &'static str {
        match self {
            Self::CurrentTime => "Tells the current time in any time zone",
            Self::RealServerFakeTools => {
                "Tools with schemas of every shape that answer with made-up data, for trying things out"
            }
        }
    }

    /// Words to find it by.
    pub fn tags(self) -> &'static [&'static str] {
        match self {
            Self::CurrentTime => &["time", "timezone", "demo"],
            Self::RealServerFakeTools => &["demo", "testing"],
        }
    }

    /// How many tools it has.
    pub fn num_tools(self) -> i64 {
        match self {
            Self::CurrentTime => 1,
            Self::RealServerFakeTools => 6,
        }
    }
}

/// Serve one until `stop`.
pub async fn serve(demo: Demo, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    let routes = match demo {
        Demo::CurrentTime => routes(address, || Ok(currenttime::CurrentTime)),
        Demo::RealServerFakeTools => routes(address, || Ok(realserverfaketools::FakeTools)),
    };
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn routes<S, F>(address: SocketAddr, make: F) -> Router
where
    S: rmcp::ServerHandler + Send + 'static,
    F: Fn() -> Result<S, std::io::Error> + Send + Sync + 'static,
{
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts([
            address.to_string(),
            format!("localhost:{}", address.port()),
            "localhost".to_owned(),
        ])
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let service = StreamableHttpService::new(make, LocalSessionManager::default().into(), config);
    let healthy = || async { axum::Json(serde_json::json!({"status": "healthy"})) };
    Router::new()
        .route("/health", get(healthy))
        .nest_service("/mcp", service)
}
