//! A provider of embeddings for tests: speaks HTTP on loopback, and makes its vectors as [`super::hashed`] does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::Limits;
use super::hashed::vector;

type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A provider that listens until it is dropped.
pub(super) struct Provider {
    address: SocketAddr,
    asked: Asked,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Small ones, that a test reaches.
pub(super) fn limits() -> Limits {
    Limits {
        queue: 4,
        remembered: 8,
        turn: Duration::from_secs(5),
        within: Duration::from_secs(5),
        batch: 2,
    }
}

impl Provider {
    /// One that speaks OpenAI's `/embeddings`, and answers in another order than it was asked.
    pub(super) fn openai() -> Self {
        Self::start(|body| {
            let texts = body["input"].as_array().unwrap();
            let row = |(index, text): (usize, &Value)| json!({"index": index, "embedding": vector(text.as_str().unwrap())});
            json!({"object": "list", "data": texts.iter().enumerate().rev().map(row).collect::<Vec<_>>()})
        })
    }

    /// One that speaks as Titan does.
    pub(super) fn titan() -> Self {
        Self::start(
            |body| json!({"embedding": vector(body["inputText"].as_str().unwrap()), "inputTextTokenCount": 3}),
        )
    }

    /// One that always says this; nothing at all keeps the connection open.
    pub(super) fn saying(words: &'static str) -> Self {
        Self::listen(move |_| words.to_owned())
    }

    /// What stands before `/embeddings`.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked: heads and bodies.
    pub(super) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    fn start(answer: impl Fn(&Value) -> Value + Send + 'static) -> Self {
        Self::listen(move |body| {
            let body = answer(body).to_string();
            let length = body.len();
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        })
    }

    fn listen(answer: impl Fn(&Value) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, ended) = (Asked::default(), Arc::new(AtomicBool::new(false)));
        let (all, end) = (Arc::clone(&asked), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (head, body) = read(&stream);
                let words = answer(&body);
                all.lock().unwrap().push((head, body));
                if words.is_empty() {
                    open.push(stream);
                } else {
                    (&stream).write_all(words.as_bytes()).ok();
                }
            }
        });
        Self {
            address,
            asked,
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        TcpStream::connect(self.address).ok();
        self.thread.take().map(|thread| thread.join().ok());
    }
}

/// One request: its head, and its body as JSON.
fn read(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|count| count > 0) {}
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok();
    (head, serde_json::from_slice(&body).unwrap_or_default())
}
