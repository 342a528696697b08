//! Somebody who listens to the feed.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{Gateway, PATIENCE};

pub struct Listener(WebSocketStream<TcpStream>);

/// What came.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Said(Value),
    Ping,
    /// Closed with a code and words; 0 when it just broke off.
    Closed(u16, String),
}

impl Listener {
    pub async fn new(gateway: &Gateway, path: &str) -> Self {
        Self::with(gateway, path, &[]).await
    }

    pub async fn with(gateway: &Gateway, path: &str, headers: &[(&'static str, &str)]) -> Self {
        let authority = gateway.base.trim_start_matches("http://");
        let mut request = format!("ws://{authority}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(authority).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        Self(socket)
    }

    pub async fn next(&mut self) -> Heard {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await;
            return match message.expect("nothing was heard") {
                Some(Ok(Message::Text(text))) => Heard::Said(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_))) => Heard::Ping,
                Some(Ok(Message::Close(Some(frame)))) => {
                    Heard::Closed(frame.code.into(), frame.reason.as_str().to_owned())
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => Heard::Closed(0, String::new()),
                Some(Ok(_)) => continue,
            };
        }
    }

    /// The next words, whatever pings come before them.
    pub async fn said(&mut self) -> Value {
        loop {
            match self.next().await {
                Heard::Said(value) => return value,
                Heard::Ping => {}
                closed @ Heard::Closed(..) => panic!("{closed:?}"),
            }
        }
    }

    /// Wait until a server is said to have a status that begins so; every message until then.
    pub async fn until(&mut self, path: &str, status: &str) -> Vec<Value> {
        let (mut heard, began) = (Vec::new(), std::time::Instant::now());
        loop {
            assert!(
                began.elapsed() < PATIENCE,
                "{path} never became {status}: {heard:?}"
            );
            let said = self.said().await;
            let found = said
                .get(path)
                .is_some_and(|row| row["status"].as_str().unwrap().starts_with(status));
            heard.push(said);
            if found {
                return heard;
            }
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn leave(mut self) {
        self.0.close(None).await.unwrap();
    }
}
