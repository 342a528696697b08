//! Upstreams that are not well: bytes as a test wants them, one request a connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server sends: all at once, or a byte at a time.
pub enum Said {
    Whole(Vec<u8>),
    Dripping(Vec<u8>),
}

/// A server that answers as it is told.
pub struct Ailing {
    pub url: String,
    /// The heads of all requests.
    pub heard: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Ailing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ailing {
    pub async fn new(answer: impl Fn(&Value) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let (heads, answer) = (Arc::clone(&heard), Arc::new(answer));
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (heads, answer) = (Arc::clone(&heads), Arc::clone(&answer));
                tokio::spawn(async move { one(socket, &heads, &*answer).await });
            }
        });
        Self { url, heard, task }
    }

    /// The same whatever is asked.
    pub async fn always(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |_| Said::Whole(bytes.clone())).await
    }
}

async fn one(
    mut socket: TcpStream,
    heads: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&Value) -> Said + Send + Sync),
) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut piece = [0; 4096];
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let lower = head.to_ascii_lowercase();
        let length = lower
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            break (head.to_owned(), body.to_owned());
        }
    };
    heads.lock().unwrap().push(head);
    match answer(&serde_json::from_str(&body).unwrap_or_default()) {
        Said::Whole(bytes) => drop(socket.write_all(&bytes).await),
        Said::Dripping(bytes) => {
            for byte in bytes {
                if socket.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(socket.shutdown().await);
}

/// A whole answer; the connection ends with it.
pub fn http(status: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// An MCP server that is well but for what `list` says to a list; `None` is an error of its own.
pub async fn well_but(list: impl Fn(&str, &Value) -> Option<Value> + Send + Sync + 'static) -> Ailing {
    Ailing::new(move |message| {
        let method = message["method"].as_str().unwrap_or_default();
        let id = &message["id"];
        let answer = match method {
            "initialize" => json!({"jsonrpc": "2.0", "id": id, "result": {
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
                "serverInfo": {"name": "ailing", "version": "7.1"}}}),
            _ if id.is_null() => return Said::Whole(http("202 Accepted", "application/json", "")),
            _ => match list(method, &message["params"]) {
                Some(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
                None => {
                    let error = json!({"code": -32601, "message": "no such method"});
                    json!({"jsonrpc": "2.0", "id": id, "error": error})
                }
            },
        };
        Said::Whole(http("200 OK", "application/json", &answer.to_string()))
    })
    .await
}
