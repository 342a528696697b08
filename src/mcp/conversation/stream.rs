//! The conversation of 2024-11-05: answers come on a stream that stays open, questions are posted to the address that its
//! first event names.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::post::{Budget, MOST_MB, by_status, result_of};
use super::{Failure, Question, Whom, hear};
use crate::mcp::exchange::Call;
use crate::mcp::{Client, sse};

pub(in crate::mcp) struct Streaming<'a> {
    client: &'a Client,
    whom: Whom<'a>,
    /// Where questions are posted: path and query.
    target: String,
    answers: Answers,
    id: u64,
}

/// What comes on the stream.
struct Answers {
    body: Incoming,
    events: sse::Events,
    budget: Budget,
}

/// The server's own lines, and nothing of anybody else's. Its owner can tell our questions from calls by the name.
pub(super) fn own_lines(whom: Whom<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let name = concat!("gatehouse/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(name));
    headers.extend(
        whom.lines
            .iter()
            .map(|(name, value)| (Some(name.clone()), value.clone())),
    );
    headers
}

impl<'a> Streaming<'a> {
    pub(super) async fn open(client: &'a Client, whom: Whom<'a>, target: String) -> Result<Self, Failure> {
        let mut headers = own_lines(whom);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let origin = whom.profile.proxy_pass_url.origin();
        let call = Call {
            origin,
            method: Method::GET,
            target: target.clone(),
            headers,
            body: Bytes::new(),
        };
        let slow = || Failure::Slow(whom.within.as_secs());
        let opening = async {
            let answer = client.send(call).await;
            let answer = answer.map_err(|error| Failure::of(&error, whom.within.as_secs()))?;
            if !answer.status().is_success() {
                return Err(by_status(answer.status().as_u16()));
            }
            let kind = answer
                .headers()
                .get(CONTENT_TYPE)
                .and_then(|kind| kind.to_str().ok());
            if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
                return Err(Failure::NotMcp);
            }
            let mut answers = Answers {
                body: answer.into_body(),
                events: sse::Events::default(),
                budget: Budget::whole(),
            };
            loop {
                let said = answers.next().await?;
                if said.name == "endpoint" {
                    return Ok((answers, said.data.unwrap_or_default()));
                }
            }
        };
        let (answers, named) = tokio::time::timeout(whom.within, opening)
            .await
            .map_err(|_| slow())??;
        // The same authority only: a stream that names another would send our credential there.
        let base = url::Url::parse(&format!("{origin}{target}")).map_err(|_| Failure::NotMcp)?;
        let named = base.join(named.trim()).map_err(|_| Failure::NotMcp)?;
        if named.origin() != base.origin() {
            return Err(Failure::NotMcp);
        }
        let query = named.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Self {
            client,
            whom,
            target: format!("{}{query}", named.path()),
            answers,
            id: 0,
        })
    }

    pub(super) fn last_id(&self) -> u64 {
        self.id
    }

    pub(super) async fn ask(&mut self, mut question: Question<'_>) -> Result<Value, Failure> {
        self.id += 1;
        question.with_meta(self.id, Map::new());
        let Question {
            method,
            params,
            heard,
            ..
        } = question;
        let message = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params});
        let (within, id) = (question.within.unwrap_or(self.whom.within), self.id);
        let posting = post(self.client, self.whom, &self.target, &message);
        let answers = &mut self.answers;
        let reading = async {
            loop {
                let said = answers.next().await?.data.unwrap_or_default();
                let mut message: Value = serde_json::from_str(&said).unwrap_or_default();
                if let Some(result) = result_of(&message, id) {
                    return result;
                }
                hear(&mut message, id, heard).await;
            }
        };
        // A server may answer on the stream before it answers the POST.
        let exchange = async {
            let (posted, answer) = tokio::try_join!(posting, async { Ok(reading.await) })?;
            let () = posted;
            answer
        };
        tokio::time::timeout(within, exchange)
            .await
            .map_err(|_| Failure::Slow(within.as_secs()))?
    }

    pub(super) async fn notify(&self, method: &str, params: Map<String, Value>) -> Result<(), Failure> {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        let within = self.whom.within;
        tokio::time::timeout(within, post(self.client, self.whom, &self.target, &message))
            .await
            .map_err(|_| Failure::Slow(within.as_secs()))?
    }
}

async fn post(client: &Client, whom: Whom<'_>, target: &str, message: &Value) -> Result<(), Failure> {
    let mut headers = own_lines(whom);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let call = Call {
        origin: whom.profile.proxy_pass_url.origin(),
        method: Method::POST,
        target: target.to_owned(),
        headers,
        body: message.to_string().into(),
    };
    let answer = client.send(call).await;
    let answer = answer.map_err(|error| Failure::of(&error, whom.within.as_secs()))?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(by_status(answer.status().as_u16()))
    }
}

impl Answers {
    /// The next whole event.
    async fn next(&mut self) -> Result<sse::Said, Failure> {
        loop {
            if let Some(event) = self.events.next_event() {
                return sse::read(&event, false).ok_or(Failure::Garbage);
            }
            let frame = self.body.frame().await.ok_or(Failure::Garbage)?;
            let frame = frame.map_err(|_| Failure::Garbage)?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            self.budget.take(data.len())?;
            self.events.push(data).map_err(|_| Failure::TooLarge(MOST_MB))?;
        }
    }
}
