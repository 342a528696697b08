//! Actors: one kind of login each, all with the same words.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug, Clone)]
pub struct Actor {
    authority: String,
    headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}: {}", self.status, self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON-RPC error's code.
    pub fn code(&self) -> i64 {
        self.value()
            .pointer("/error/code")
            .and_then(Value::as_i64)
            .unwrap_or(0)
    }
}

impl Actor {
    pub fn new(base: &str) -> Self {
        Self {
            authority: base.trim_start_matches("http://").to_owned(),
            headers: Vec::new(),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", Vec::new()).await
    }

    pub async fn json(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "application/json", body.to_string().into_bytes())
            .await
    }

    pub async fn form(&self, path: &str, body: &str) -> Answer {
        self.send(
            "POST",
            path,
            "application/x-www-form-urlencoded",
            body.as_bytes().to_vec(),
        )
        .await
    }

    /// A JSON-RPC message to a mount.
    pub async fn mcp(&self, path: &str, message: &Value) -> Answer {
        self.clone()
            .with("accept", "application/json, text/event-stream")
            .json(path, message)
            .await
    }

    /// A request with this actor's headers.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let mut request = http::Request::builder().method(method).uri(path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", &self.authority);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    pub async fn send(&self, method: &str, path: &str, kind: &str, body: Vec<u8>) -> Answer {
        let stream = TcpStream::connect(&self.authority).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let mut request = self.request(method, path);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let asking = async move {
            let (head, body) = sender.send_request(request).await.unwrap().into_parts();
            (head, body.collect().await.unwrap().to_bytes())
        };
        let asking = tokio::time::timeout(super::PATIENCE, async { tokio::join!(asking, connection).0 });
        let (head, body) = asking.await.expect("an answer in time");
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    /// The status of an answer, if the gateway lives to give one.
    pub async fn try_json(&self, path: &str, body: String) -> Option<u16> {
        let mut stream = TcpStream::connect(&self.authority).await.ok()?;
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        let reading = stream.read_to_end(&mut answer);
        tokio::time::timeout(super::PATIENCE, reading).await.ok()?.ok()?;
        String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
    }

    /// Bytes as they are; everything that comes back until the other side closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.authority).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let reading = stream.read_to_end(&mut answer);
        tokio::time::timeout(super::PATIENCE, reading)
            .await
            .expect("an end in time")
            .unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The cookie of a signed-in browser.
    pub fn cookie(&self) -> String {
        let mut headers = self.headers.iter();
        headers.find(|(name, _)| name == "cookie").unwrap().1.clone()
    }

    pub fn authority(&self) -> &str {
        &self.authority
    }
}
