//! The transport of MCP 2024-11-05: a stream that stays open, and messages posted to the address that its first event names.
//!
//! The protocol library has no such transport any more, and clients of the earlier systems know no other way.
//!
//! **Invariants:** an address is its principal's alone (the gate binds it), and dies with its stream; queues and the requests
//! under way are bounded, so a client that does not read holds up nobody but itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, GetExtensions, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::service::{RunningService, serve_directly};
use serde_json::Value;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::{DropGuard, PollSender};

use super::server::Server;
use super::under_way::{NoPlace, UnderWay};
use super::{Asking, boxed, refuse};
use crate::service::stream::Coming;

/// Open streams of one principal, and of all.
const MOST_OF_ONE: usize = 32;
const MOST: usize = 1_000;
/// Messages that wait, in each direction.
const QUEUE: usize = 32;
const TOO_MANY: &str = "too many requests or messages wait on this stream; read its answers first";

/// An open stream, seen by whoever posts to it.
#[derive(Debug)]
struct Open {
    principal: String,
    questions: mpsc::Sender<ClientJsonRpcMessage>,
    under_way: UnderWay,
}

type Book = Arc<Mutex<HashMap<String, Open>>>;

/// The open streams.
#[derive(Debug)]
pub(super) struct Streams {
    server: Server,
    open: Book,
}

/// Takes its stream out of the book.
struct Listed {
    open: Book,
    id: String,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.id);
    }
}

/// What a stream holds while it is read; dropping it ends the conversation.
struct Conversation {
    first: Option<Bytes>,
    answers: mpsc::Receiver<ServerJsonRpcMessage>,
    under_way: UnderWay,
    _listed: Listed,
    _until: DropGuard,
    _running: RunningService<RoleServer, Server>,
}

impl Conversation {
    /// The next message that the reader wants.
    async fn next(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            let message = self.answers.recv().await?;
            if self.under_way.take(&message) {
                return Some(message);
            }
        }
    }
}

impl Streams {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            open: Book::default(),
        }
    }

    /// Open a stream; `base` is where our server stands.
    pub(super) fn open(&self, asking: &Asking, base: &str) -> Response<Coming> {
        // nginx made it from 16 random bytes. The gate binds the address to its principal besides.
        let id = asking.headers.get("x-gate-request-id");
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let (questions, mut asked) = mpsc::channel(QUEUE);
        let (said, answers) = mpsc::channel(QUEUE);
        let principal = asking.who.principal();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.values().filter(|known| known.principal == principal).count();
        if own >= MOST_OF_ONE || open.len() >= MOST || id.is_empty() || open.contains_key(&id) {
            let words = "too many open streams; close some, or use `/mcpgw/mcp`";
            return refuse(StatusCode::SERVICE_UNAVAILABLE, 503, words, &Value::Null);
        }
        let under_way = UnderWay::default();
        let known = Open {
            principal,
            questions,
            under_way: under_way.clone(),
        };
        open.insert(id.clone(), known);
        drop(open);
        let listed = Listed {
            open: Arc::clone(&self.open),
            id: id.clone(),
        };
        let sink = PollSender::new(said).sink_map_err(|_| std::io::Error::other("the stream is closed"));
        let source = stream::poll_fn(move |context| asked.poll_recv(context));
        let conversation = Conversation {
            first: Some(format!("event: endpoint\ndata: {base}/messages/?session_id={id}\n\n").into()),
            answers,
            _until: under_way.until_dropped(),
            under_way,
            _listed: listed,
            _running: serve_directly(self.server.clone(), (Box::pin(sink), source), None),
        };
        let events = stream::unfold(conversation, |mut conversation| async move {
            let event = match conversation.first.take() {
                Some(first) => first,
                None => event(&conversation.next().await?),
            };
            Some((Ok(Frame::data(event)), conversation))
        });
        let mut response = Response::new(Coming::Own(boxed(StreamBody::new(events.boxed()))));
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    /// Take a message for a stream; its answer comes there.
    pub(super) fn post(&self, asking: Asking, query: &str, body: &[u8], id: &Value) -> Response<Coming> {
        let session = query.split('&').find_map(|pair| pair.strip_prefix("session_id="));
        let known = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let known = session.and_then(|session| open.get(session));
            known
                .filter(|known| known.principal == asking.who.principal())
                .map(|known| (known.questions.clone(), known.under_way.clone()))
        };
        let Some((questions, under_way)) = known else {
            return refuse(
                StatusCode::NOT_FOUND,
                404,
                "there is no such stream; open one",
                id,
            );
        };
        let Ok(message) = serde_json::from_slice::<ClientJsonRpcMessage>(body) else {
            let words = "this is no message of the protocol";
            return refuse(StatusCode::BAD_REQUEST, -32600, words, id);
        };
        match send(&questions, &under_way, asking, message) {
            Ok(()) => {
                let mut taken = Response::new(Coming::Own(boxed(http_body_util::Empty::new())));
                *taken.status_mut() = StatusCode::ACCEPTED;
                taken
            }
            Err((status, code, words)) => refuse(status, code, words, id),
        }
    }
}

/// A refusal: status, code and words.
type Refused = (StatusCode, i32, &'static str);

/// Send a message on. A request has its place from here on; what is cancelled the library does not hear of.
fn send(
    questions: &mpsc::Sender<ClientJsonRpcMessage>,
    under_way: &UnderWay,
    asking: Asking,
    mut message: ClientJsonRpcMessage,
) -> Result<(), Refused> {
    let mut began: Option<RequestId> = None;
    match &mut message {
        JsonRpcMessage::Request(request) => {
            let left = under_way.begin(&request.id).map_err(no_place)?;
            began = Some(request.id.clone());
            // As it is with a request of its own: the tools look for the caller there.
            let mut head = Request::new(()).into_parts().0;
            head.extensions.insert(Asking {
                left: Some(left),
                ..asking
            });
            request.request.extensions_mut().insert(head);
        }
        JsonRpcMessage::Notification(notification) => {
            if let ClientNotification::CancelledNotification(cancelled) = &notification.notification {
                if let Some(id) = &cancelled.params.request_id {
                    under_way.give_up(id);
                }
                return Ok(());
            }
        }
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
    }
    let sent = questions.try_send(message);
    if let (Err(_), Some(id)) = (&sent, &began) {
        under_way.forget(id);
    }
    sent.map_err(|error| match error {
        TrySendError::Full(_) => (StatusCode::SERVICE_UNAVAILABLE, 503, TOO_MANY),
        TrySendError::Closed(_) => (StatusCode::NOT_FOUND, 404, "this stream has ended; open another"),
    })
}

fn no_place(why: NoPlace) -> Refused {
    match why {
        NoPlace::Full => (StatusCode::SERVICE_UNAVAILABLE, 503, TOO_MANY),
        NoPlace::Known => (
            StatusCode::BAD_REQUEST,
            -32600,
            "a request with this id is under way on this stream; take another id",
        ),
    }
}

fn event(message: &ServerJsonRpcMessage) -> Bytes {
    let text = serde_json::to_string(message).unwrap_or_default();
    format!("event: message\ndata: {text}\n\n").into()
}
