//! An MCP server that remembers what it received and answers as it is told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Clone)]
struct Shared {
    received: Arc<Mutex<Vec<Received>>>,
    extra: Arc<Vec<(String, String)>>,
}

pub struct Upstream {
    pub url: String,
    shared: Shared,
    task: tokio::task::JoinHandle<()>,
}

impl Upstream {
    pub async fn new() -> Self {
        Self::answering(&[]).await
    }

    /// With these headers on each answer.
    pub async fn answering(extra: &[(&str, &str)]) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), extra)
    }

    /// On another address of this machine.
    pub async fn at(address: &str, port: Option<u16>) -> Self {
        Self::listening(
            TcpListener::bind((address, port.unwrap_or(0))).await.unwrap(),
            &[],
        )
    }

    fn listening(listener: TcpListener, extra: &[(&str, &str)]) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let extra = extra
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let shared = Shared {
            received: Arc::default(),
            extra: Arc::new(extra),
        };
        let routes = Router::new().fallback(answer).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, shared, task }
    }

    /// What came, and forget it.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.shared.received.lock().unwrap())
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let result = json!({"content": [{"type": "text", "text": "done"}], "isError": false});
    let reply = json!({"jsonrpc": "2.0", "id": message.get("id"), "result": result});
    shared.received.lock().unwrap().push(Received {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers,
        body,
    });
    let mut response = Response::builder().header("content-type", "application/json");
    for (name, value) in shared.extra.iter() {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.to_string())).unwrap()
}
