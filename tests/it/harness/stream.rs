//! Answers that stay open: read event by event, and upstreams that are told what to say.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{Actor, PATIENCE};

/// An answer whose end has not come.
pub struct Open {
    pub status: u16,
    pub headers: http::HeaderMap,
    body: Incoming,
    seen: String,
    connection: tokio::task::JoinHandle<()>,
}

impl Open {
    /// The next event with its blank line; comments are events too. `None` at the end, clean or not.
    pub async fn next(&mut self) -> Option<String> {
        let next = async {
            loop {
                let ends = ["\n\n", "\r\n\r\n"].map(|end| Some(self.seen.find(end)? + end.len()));
                if let Some(end) = ends.into_iter().flatten().min() {
                    let rest = self.seen.split_off(end);
                    return Some(std::mem::replace(&mut self.seen, rest));
                }
                let frame = self.body.frame().await?.ok()?;
                self.seen
                    .push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, next)
            .await
            .expect("an event in time")
    }

    /// The next event that is no comment.
    pub async fn event(&mut self) -> Option<String> {
        let event = async {
            loop {
                let event = self.next().await?;
                if !event.starts_with(':') {
                    return Some(event);
                }
            }
        };
        tokio::time::timeout(PATIENCE, event)
            .await
            .expect("an event in time")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Actor {
    /// Ask, and leave the answer open.
    pub async fn open(&self, method: &str, path: &str, body: &str) -> Open {
        let socket = TcpStream::connect(self.authority()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let request = self.request(method, path);
        let request = if body.is_empty() {
            request
        } else {
            request.header("content-type", "application/json")
        };
        let request = request
            .header("accept", "application/json, text/event-stream")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
        let (head, body) = answer.expect("an answer in time").unwrap().into_parts();
        Open {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            seen: String::new(),
            connection,
        }
    }
}

/// A legacy stream, opened through the gateway, and the address for its messages.
pub struct Session {
    actor: Actor,
    open: Open,
    address: String,
}

impl Session {
    /// Open it and say hello.
    pub async fn open(actor: &Actor, mount: &str) -> Self {
        let mut open = actor.open("GET", &format!("/{mount}/sse"), "").await;
        assert_eq!(open.status, 200, "{mount}");
        let event = open.event().await.unwrap();
        let address = event
            .lines()
            .find_map(|line| line.strip_prefix("data: "))
            .unwrap();
        assert!(address.starts_with(&format!("/{mount}/")), "{event}");
        let (actor, address) = (actor.clone(), address.to_owned());
        let mut session = Self { actor, open, address };
        let info = json!({"name": "x", "version": "1"});
        let hello = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info});
        session.ask(&[], &super::request("initialize", hello)).await;
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(session.actor.mcp(&session.address, &ready).await.status, 202);
        session
    }

    /// The client's address for messages.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Post, and the next answer on the stream.
    pub async fn ask(&mut self, headers: &[(&str, &str)], message: &Value) -> Value {
        let actor = headers
            .iter()
            .fold(self.actor.clone(), |actor, (name, value)| actor.with(name, value));
        let accepted = actor.mcp(&self.address, message).await;
        assert_eq!(accepted.status, 202, "{}", accepted.text());
        loop {
            let event = self.open.event().await.unwrap();
            let data = event
                .lines()
                .find_map(|line| line.strip_prefix("data: "))
                .unwrap();
            let value: Value = serde_json::from_str(data).unwrap();
            if value.get("method").is_none() {
                return value;
            }
        }
    }
}

/// One request to a scripted upstream: what came, and the way to answer.
pub struct Asked {
    pub method: String,
    pub target: String,
    pub headers: http::HeaderMap,
    answer: tokio::sync::oneshot::Sender<Response>,
}

/// The upstream's side of an event stream; it ends when dropped.
pub struct Saying(mpsc::UnboundedSender<Bytes>);

impl Saying {
    pub fn say(&self, text: &str) -> bool {
        self.0.send(Bytes::from(text.to_owned())).is_ok()
    }

    /// Until whoever listened has gone.
    pub async fn until_left(&self) {
        tokio::time::timeout(PATIENCE, self.0.closed())
            .await
            .expect("the reader's end in time");
    }
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn reply(self, status: u16, headers: &[(&str, &str)], body: &str) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        drop(
            self.answer
                .send(response.body(Body::from(body.to_owned())).unwrap()),
        );
    }

    pub fn json(self, body: &str) {
        self.reply(200, &[("content-type", "application/json")], body);
    }

    /// Open an event stream.
    pub fn stream(self) -> Saying {
        self.stream_of("text/event-stream")
    }

    /// Open a stream of some type.
    pub fn stream_of(self, kind: &str) -> Saying {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Bytes>();
        let said = stream::poll_fn(move |context| receiver.poll_recv(context)).map(Ok::<_, Infallible>);
        let response = Response::builder().header("content-type", kind);
        drop(self.answer.send(response.body(Body::from_stream(said)).unwrap()));
        Saying(sender)
    }
}

/// An event stream that is said as fast as it is taken.
pub struct Endless(Arc<std::sync::atomic::AtomicU64>);

impl Endless {
    pub fn sent(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Until nothing has been taken for a while.
    pub async fn until_stuck(&self) {
        let last = std::cell::Cell::new((self.sent(), std::time::Instant::now()));
        super::until("the stream is stuck", || async {
            let (sent, since) = last.get();
            if self.sent() != sent {
                last.set((self.sent(), std::time::Instant::now()));
            }
            since.elapsed() > std::time::Duration::from_millis(500) && self.sent() == sent
        })
        .await;
    }
}

impl Asked {
    /// Open an event stream without end.
    pub fn endless(self) -> Endless {
        let sent = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let counted = Arc::clone(&sent);
        let event = Bytes::from(format!("data: {}\n\n", "x".repeat(64 * 1024)));
        let said = stream::repeat_with(move || {
            counted.fetch_add(event.len() as u64, std::sync::atomic::Ordering::Relaxed);
            Ok::<_, Infallible>(event.clone())
        });
        let response = Response::builder().header("content-type", "text/event-stream");
        drop(self.answer.send(response.body(Body::from_stream(said)).unwrap()));
        Endless(sent)
    }
}

/// An upstream that does nothing by itself: the test takes each request and answers it.
pub struct Scripted {
    pub url: String,
    asked: Mutex<mpsc::UnboundedReceiver<Asked>>,
    task: tokio::task::JoinHandle<()>,
}

impl Scripted {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, asked) = mpsc::unbounded_channel();
        let routes = axum::Router::new().fallback(hear).with_state(Arc::new(sender));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            url,
            asked: Mutex::new(asked),
            task,
        }
    }

    /// The next request.
    pub async fn next(&self) -> Asked {
        let next = std::future::poll_fn(|context| self.asked.lock().unwrap().poll_recv(context));
        tokio::time::timeout(PATIENCE, next)
            .await
            .expect("a request in time")
            .unwrap()
    }

    /// Whether nobody has asked anything.
    pub fn is_quiet(&self) -> bool {
        self.asked.lock().unwrap().is_empty()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hear(State(sender): State<Arc<mpsc::UnboundedSender<Asked>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    drop(axum::body::to_bytes(body, usize::MAX).await.unwrap());
    let (answer, answered) = tokio::sync::oneshot::channel();
    let asked = Asked {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers,
        answer,
    };
    drop(sender.send(asked));
    answered.await.unwrap_or_default()
}
