//! The conversation over streamable HTTP: one POST a message, answered by JSON or by a stream of events.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{Failure, LEGACY, MODERN, Progress, Question, Whom, client_info, hear};
use crate::mcp::exchange::Call;
use crate::mcp::{Client, sse};

/// So much is read of all answers of one conversation together.
pub(super) const MOST_MB: usize = 8;
/// Whoever does not answer to a goodbye keeps its session.
const GOODBYE: Duration = Duration::from_secs(1);

/// What may still be read.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn whole() -> Self {
        Self(MOST_MB * 1024 * 1024)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Failure> {
        self.0 = self.0.checked_sub(bytes).ok_or(Failure::TooLarge(MOST_MB))?;
        Ok(())
    }
}

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

pub(in crate::mcp) struct Posting<'a> {
    client: &'a Client,
    whom: Whom<'a>,
    target: String,
    modern: bool,
    version: Option<HeaderValue>,
    session: Option<HeaderValue>,
    id: u64,
    budget: Budget,
}

impl<'a> Posting<'a> {
    pub(super) fn new(client: &'a Client, whom: Whom<'a>, target: String, modern: bool) -> Self {
        Self {
            client,
            whom,
            target,
            modern,
            version: modern.then(|| HeaderValue::from_static(MODERN)),
            session: None,
            id: 0,
            budget: Budget::whole(),
        }
    }

    /// From here on the revision that the server chose is spoken.
    pub(super) fn agree(&mut self, hello: &Value) {
        let chosen = hello
            .get("protocolVersion")
            .and_then(Value::as_str)
            .unwrap_or(LEGACY);
        self.version = HeaderValue::from_str(chosen).ok();
    }

    pub(super) fn is_modern(&self) -> bool {
        self.modern
    }

    pub(super) fn last_id(&self) -> u64 {
        self.id
    }

    pub(super) async fn request(
        &mut self,
        method: &str,
        params: Map<String, Value>,
    ) -> Result<Value, Failure> {
        self.ask(Question::new(method, params)).await
    }

    pub(super) async fn ask(&mut self, mut question: Question<'_>) -> Result<Value, Failure> {
        self.id += 1;
        let mut meta = Map::new();
        if self.modern {
            let words = [
                ("protocolVersion", json!(MODERN)),
                ("clientCapabilities", json!({})),
                ("clientInfo", client_info()),
            ];
            meta.extend(words.map(|(word, value)| (format!("io.modelcontextprotocol/{word}"), value)));
        }
        question.with_meta(self.id, meta);
        let Question {
            method,
            params,
            said,
            heard,
            within,
        } = question;
        let message = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params});
        let within = within.unwrap_or(self.whom.within);
        let exchange = async {
            let answer = self.post(method, &message, said).await?;
            if method == "initialize" {
                self.session = answer.headers().get(SESSION).cloned();
            }
            read(answer, self.id, heard, &mut self.budget).await
        };
        let outcome = tokio::time::timeout(within, exchange).await;
        outcome.map_err(|_| Failure::Slow(within.as_secs()))?
    }

    pub(super) async fn notify(&self, method: &str, params: Map<String, Value>) -> Result<(), Failure> {
        let mut message = json!({"jsonrpc": "2.0", "method": method});
        if let (false, Some(fields)) = (params.is_empty(), message.as_object_mut()) {
            fields.insert("params".to_owned(), Value::Object(params));
        }
        let within = self.whom.within;
        let outcome = tokio::time::timeout(within, self.post(method, &message, HeaderMap::new())).await;
        outcome.map_err(|_| Failure::Slow(within.as_secs()))?.map(drop)
    }

    /// Close the session, so that the server need not keep it; whether that works is its own matter.
    pub(super) async fn end(self) {
        if self.session.is_none() {
            return;
        }
        let headers = self.headers("");
        let call = Call {
            origin: self.whom.profile.proxy_pass_url.origin(),
            method: Method::DELETE,
            target: self.target.clone(),
            headers,
            body: Bytes::new(),
        };
        drop(tokio::time::timeout(self.whom.within.min(GOODBYE), self.client.send(call)).await);
    }

    fn headers(&self, method: &str) -> HeaderMap {
        let mut headers = super::stream::own_lines(self.whom);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        if let Some(version) = &self.version {
            headers.insert(VERSION, version.clone());
        }
        if let Some(session) = &self.session {
            headers.insert(SESSION, session.clone());
        }
        if let (true, Ok(method)) = (self.modern, HeaderValue::from_str(method)) {
            headers.insert("mcp-method", method);
        }
        headers
    }

    async fn post(
        &self,
        method: &str,
        message: &Value,
        said: HeaderMap,
    ) -> Result<Response<Incoming>, Failure> {
        let mut headers = self.headers(method);
        if self.modern {
            headers.extend(said);
        }
        let call = Call {
            origin: self.whom.profile.proxy_pass_url.origin(),
            method: Method::POST,
            target: self.target.clone(),
            headers,
            body: message.to_string().into(),
        };
        let answer = self.client.send(call).await;
        let answer = answer.map_err(|error| Failure::of(&error, self.whom.within.as_secs()))?;
        match answer.status().as_u16() {
            200..=299 => Ok(answer),
            // The words of a refusal tell more than its status: which revision, which method.
            400 | 404 => match read_error(answer).await {
                (_, Some(failure)) => Err(failure),
                (status, None) => Err(Failure::Status(status)),
            },
            status => Err(by_status(status)),
        }
    }
}

pub(super) fn by_status(status: u16) -> Failure {
    match status {
        401 | 403 => Failure::Unauthorized(status),
        300..=399 => Failure::Redirects(status),
        status => Failure::Status(status),
    }
}

async fn read_error(answer: Response<Incoming>) -> (u16, Option<Failure>) {
    let status = answer.status().as_u16();
    let body = whole(answer.into_body(), &mut Budget::whole())
        .await
        .unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, error_of(&message))
}

fn error_of(message: &Value) -> Option<Failure> {
    let error = message.get("error")?;
    let code = error.get("code").and_then(Value::as_i64)?;
    let words = error.get("message").and_then(Value::as_str).unwrap_or_default();
    Some(Failure::refused(code, words))
}

/// The result of the message with this id; none when it is about something else.
pub(super) fn result_of(message: &Value, id: u64) -> Option<Result<Value, Failure>> {
    if message.get("id").and_then(Value::as_u64) != Some(id) {
        return None;
    }
    if let Some(failure) = error_of(message) {
        return Some(Err(failure));
    }
    Some(message.get("result").cloned().ok_or(Failure::Garbage))
}

async fn read(
    answer: Response<Incoming>,
    id: u64,
    heard: Option<&mpsc::Sender<Progress>>,
    budget: &mut Budget,
) -> Result<Value, Failure> {
    let kind = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    if kind.starts_with("text/event-stream") {
        return read_events(answer.into_body(), id, heard, budget).await;
    }
    let body = whole(answer.into_body(), budget).await?;
    let message: Value = serde_json::from_slice(&body).map_err(|_| {
        if kind.contains("json") {
            Failure::Garbage
        } else {
            Failure::NotMcp
        }
    })?;
    result_of(&message, id).unwrap_or(Err(Failure::NotMcp))
}

async fn whole(mut body: Incoming, budget: &mut Budget) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::Garbage)?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        budget.take(data.len())?;
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

async fn read_events(
    mut body: Incoming,
    id: u64,
    heard: Option<&mpsc::Sender<Progress>>,
    budget: &mut Budget,
) -> Result<Value, Failure> {
    let mut events = sse::Events::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::Garbage)?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        budget.take(data.len())?;
        events.push(data).map_err(|_| Failure::TooLarge(MOST_MB))?;
        while let Some(event) = events.next_event() {
            let said = sse::read(&event, false)
                .and_then(|said| said.data)
                .unwrap_or_default();
            let mut message: Value = serde_json::from_str(&said).unwrap_or_default();
            if let Some(result) = result_of(&message, id) {
                return result;
            }
            hear(&mut message, id, heard).await;
        }
    }
    Err(Failure::Garbage)
}
