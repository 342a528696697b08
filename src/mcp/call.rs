//! Calling one tool of a server, as a client of it: hello, the call, its progress, goodbye.
//!
//! **Invariant:** a call that is left is said to be left, and its session is closed.

use std::future::Future;
use std::time::Duration;

use base64::Engine;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::Client;
pub use super::conversation::{Failure, Progress, Whom};
use super::conversation::{Question, greet};

/// What is called.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The tool.
    pub tool: &'a str,
    /// With what.
    pub arguments: Map<String, Value>,
    /// What the tool takes: it says which arguments a modern server wants in headers too.
    pub schema: Option<&'a Map<String, Value>>,
    /// Who hears of the progress, if anybody does.
    pub heard: Option<mpsc::Sender<Progress>>,
    /// How long the call itself may take.
    pub within: Duration,
}

/// Call a tool; its result as the server gave it. `None` when `left` came first.
pub async fn call(
    client: &Client,
    whom: Whom<'_>,
    wanted: Wanted<'_>,
    left: impl Future<Output = ()>,
) -> Result<Option<Value>, Failure> {
    tokio::pin!(left);
    let greeted = tokio::select! {
        greeted = greet(client, whom) => greeted?,
        () = &mut left => return Ok(None),
    };
    let (mut conversation, ..) = greeted;
    let said = headers(&wanted);
    let mut params = Map::new();
    params.insert("name".to_owned(), json!(wanted.tool));
    params.insert("arguments".to_owned(), Value::Object(wanted.arguments));
    let question = Question {
        method: "tools/call",
        params,
        said,
        heard: wanted.heard.as_ref(),
        within: Some(wanted.within),
    };
    let outcome = tokio::select! {
        answer = conversation.ask(question) => Some(answer),
        () = &mut left => None,
    };
    if !matches!(outcome, Some(Ok(_) | Err(Failure::Refused { .. }))) {
        // It may be gone; then there is nobody to tell.
        drop(conversation.leave().await);
    }
    conversation.end().await;
    outcome.transpose()
}

/// `Mcp-Name` and `Mcp-Param-*` (MCP 2026-07-28, standard request headers).
fn headers(wanted: &Wanted<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(name) = HeaderValue::from_str(&encoded(wanted.tool)) {
        headers.insert("mcp-name", name);
    }
    if let Some(properties) = wanted.schema.and_then(|schema| schema.get("properties")) {
        parameters(properties, &wanted.arguments, &mut headers);
    }
    headers
}

/// Headers for the arguments that the schema marks, those inside objects too.
fn parameters(properties: &Value, arguments: &Map<String, Value>, headers: &mut HeaderMap) {
    for (name, schema) in properties.as_object().into_iter().flatten() {
        let Some(value) = arguments.get(name) else {
            continue;
        };
        let word = schema.get("x-mcp-header").and_then(Value::as_str);
        let text = match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        if let (Some(word), Some(text)) = (word, text) {
            let name = HeaderName::from_bytes(format!("mcp-param-{word}").as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&encoded(&text))) {
                headers.insert(name, value);
            }
        }
        if let (Some(inner), Some(value)) = (schema.get("properties"), value.as_object()) {
            parameters(inner, value, headers);
        }
    }
}

/// As it is where a header can say it, else in base64.
fn encoded(text: &str) -> String {
    let plain = text.bytes().all(|b| (0x20..=0x7e).contains(&b)) && text.trim() == text;
    let looks_encoded = text.starts_with("=?base64?") && text.ends_with("?=");
    if plain && !looks_encoded {
        return text.to_owned();
    }
    format!("=?base64?{}?=", base64::prelude::BASE64_STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_arguments_are_said_in_headers_too() {
        let schema = json!({"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"type": "object", "properties": {"flag": {"type": "boolean", "x-mcp-header": "Deep_Flag"}}},
            "absent": {"type": "string", "x-mcp-header": "Absent"},
            "plain": {"type": "string"},
        }});
        let arguments = json!({"region": "Zürich", "deep": {"flag": true}, "plain": "x", "absent": null});
        let wanted = Wanted {
            tool: "=?base64?x?=",
            arguments: arguments.as_object().unwrap().clone(),
            schema: schema.as_object(),
            heard: None,
            within: Duration::ZERO,
        };
        let headers = headers(&wanted);
        let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(said("mcp-name"), Some("=?base64?PT9iYXNlNjQ/eD89?="));
        assert_eq!(said("mcp-param-region"), Some("=?base64?WsO8cmljaA==?="));
        assert_eq!(said("mcp-param-deep_flag"), Some("true"));
        assert_eq!(headers.len(), 3);
    }
}
