//! The strict JSON-RPC reader that the body gate trusts.
//!
//! The bytes that are judged are forwarded as they are, so they must mean the same to every parser behind us: one
//! JSON value in UTF-8, nothing around it, no key on the decision path twice in any spelling that some parser would
//! take for it (Go's folds case, also `ſ` and the Kelvin sign).
//!
//! **Invariant:** what is read here is what any upstream reads.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// How deep values may nest; serde's own parsers stop at 128.
const MAX_DEPTH: usize = 64;

/// The key of a modern request's version (MCP 2026-07-28).
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Which of the three kinds of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It has a method and an id.
    Request,
    /// It has a method and no id.
    Notification,
    /// It answers a question of the server's.
    Response,
}

/// What decides about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Request, notification or response.
    pub shape: Shape,
    /// The request's id, to be repeated in a refusal.
    pub id: Value,
    /// The method; empty for a response.
    pub method: String,
    /// `params.name`.
    pub name: Option<String>,
    /// `params.uri`.
    pub uri: Option<String>,
    /// `params.taskId`.
    pub task: Option<String>,
    /// What `params.ref` of a completion names: a prompt's name or a resource's address.
    pub reference: Option<String>,
    /// The resources that a subscription wants to hear of (`params.notifications.resourceSubscriptions`).
    pub resources: Vec<String>,
    /// The protocol version in `params._meta`.
    pub meta_version: Option<String>,
}

/// Why a body is not one plain message; the code and words of JSON-RPC 2.0, section 5.1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unreadable {
    /// -32700 for what is no JSON, -32600 for what is no single request.
    pub code: i32,
    /// For the caller.
    pub message: String,
    /// The id, where one could be read.
    pub id: Value,
}

fn unreadable(code: i32, message: impl Into<String>) -> Unreadable {
    Unreadable {
        code,
        message: message.into(),
        id: Value::Null,
    }
}

impl Message {
    /// Read a body. `Err` means that it must not be forwarded.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(body).map_err(|_| unreadable(-32700, "the body is not UTF-8"))?;
        if text.starts_with('\u{feff}') {
            return Err(unreadable(-32700, "the body begins with a byte order mark"));
        }
        if too_deep(body) {
            return Err(unreadable(
                -32600,
                format!("the body nests deeper than {MAX_DEPTH} levels"),
            ));
        }
        if text.trim_start().starts_with('[') {
            return Err(unreadable(
                -32600,
                "batches are not accepted; send one message a request",
            ));
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let top = Top::deserialize(&mut deserializer).map_err(|error| syntax_or_shape(&error))?;
        deserializer
            .end()
            .map_err(|_| unreadable(-32700, "something follows the JSON value"))?;
        top.message()
    }

    /// The tool, prompt, resource or task that the message names, if its method names one.
    pub fn thing(&self) -> Option<&str> {
        match self.method.as_str() {
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => self.uri.as_deref(),
            "completion/complete" => self.reference.as_deref(),
            "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => None,
            _ => self.name.as_deref(),
        }
    }

    /// Whether its method calls a thing by name and no name is there.
    pub fn lacks_its_name(&self) -> bool {
        match self.method.as_str() {
            "tools/call" | "prompts/get" => self.name.is_none(),
            "completion/complete" => self.reference.is_none(),
            "resources/read" => self.uri.is_none(),
            // The modern revision has no such methods, and its servers say so.
            "resources/subscribe" | "resources/unsubscribe" => {
                self.uri.is_none() && self.meta_version.is_none()
            }
            _ => false,
        }
    }

    /// What `Mcp-Name` must say (MCP 2026-07-28, standard request headers).
    pub fn header_name(&self) -> Option<&str> {
        match self.method.as_str() {
            "tools/call" | "prompts/get" => self.name.as_deref(),
            "resources/read" => self.uri.as_deref(),
            "tasks/get" | "tasks/update" | "tasks/cancel" => self.task.as_deref(),
            _ => None,
        }
    }
}

fn syntax_or_shape(error: &serde_json::Error) -> Unreadable {
    // Our own refusals come through serde as data errors and keep their words; a parser's words would only confuse.
    if error.is_data() {
        let words = error.to_string();
        let words = words
            .rsplit_once(" at line ")
            .map_or(words.as_str(), |(words, _)| words);
        return unreadable(-32600, words);
    }
    unreadable(-32700, "the body is not one JSON value")
}

/// Whether brackets outside strings nest too deep; runs before the parser so that nothing recurses on it.
pub(super) fn too_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in body {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Whether a parser that ignores case takes both for one key.
pub(super) fn same_folded(key: &str, known: &str) -> bool {
    let folded = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(folded).eq(known.chars().map(folded))
}

/// Refuses a decision key that comes twice, or in a spelling that only some parsers would take for it.
struct Keys {
    watched: &'static [&'static str],
    seen: Vec<&'static str>,
}

impl Keys {
    fn new(watched: &'static [&'static str]) -> Self {
        Self {
            watched,
            seen: Vec::with_capacity(watched.len()),
        }
    }

    /// The watched key that `key` is, if any.
    fn take(&mut self, key: &str) -> Result<Option<&'static str>, String> {
        let Some(known) = self.watched.iter().find(|known| same_folded(key, known)) else {
            return Ok(None);
        };
        if *known != key {
            return Err(format!("the key `{known}` is spelt in an unusual case"));
        }
        if self.seen.contains(known) {
            return Err(format!("the key `{known}` stands twice"));
        }
        self.seen.push(known);
        Ok(Some(known))
    }
}

#[derive(Default)]
struct Top {
    version: Option<Value>,
    id: Option<Value>,
    method: Option<Value>,
    params: Params,
    answers: bool,
}

#[derive(Default)]
struct Params {
    name: Option<Value>,
    uri: Option<Value>,
    task: Option<Value>,
    /// Read only for the methods that give them a meaning; elsewhere they may be anything.
    reference: Option<Box<RawValue>>,
    notifications: Option<Box<RawValue>>,
    meta: Meta,
}

/// `params.ref` of `completion/complete`.
#[derive(Default)]
struct Reference {
    kind: Option<Value>,
    name: Option<Value>,
    uri: Option<Value>,
}

/// `params.notifications` of `subscriptions/listen` (MCP 2026-07-28).
#[derive(Default)]
struct Wanted {
    resources: Option<Value>,
}

impl Reference {
    /// What it names: by its type, so that nothing else in it could be meant.
    fn named(self) -> Option<String> {
        let named = match self.kind.as_ref().and_then(Value::as_str)? {
            "ref/prompt" => self.name,
            "ref/resource" => self.uri,
            _ => None,
        };
        named?.as_str().map(str::to_owned)
    }
}

impl Wanted {
    /// The resources; `None` when they are no list of texts.
    fn resources(self) -> Option<Vec<String>> {
        let Some(resources) = self.resources else {
            return Some(Vec::new());
        };
        let texts = resources.as_array()?.iter();
        texts.map(|text| text.as_str().map(str::to_owned)).collect()
    }
}

#[derive(Default)]
struct Meta {
    version: Option<Value>,
}

impl Top {
    fn message(self) -> Result<Message, Unreadable> {
        let id = self.id.clone();
        let fault = |message: &str| Unreadable {
            id: id
                .clone()
                .filter(|id| id.is_string() || id.is_number())
                .unwrap_or(Value::Null),
            ..unreadable(-32600, message)
        };
        if self.version.as_ref().and_then(Value::as_str) != Some("2.0") {
            return Err(fault("expected `jsonrpc` to be \"2.0\""));
        }
        let text = |value: Option<Value>, words: &str| match value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(fault(words)),
        };
        let method = text(self.method, "expected `method` to be a text")?;
        let shape = match (&method, &self.id, self.answers) {
            (Some(_), None, false) => Shape::Notification,
            (Some(_), Some(id), false) if id.is_string() || id.is_number() => Shape::Request,
            (None, Some(_), true) => Shape::Response,
            (Some(_), Some(_), false) => return Err(fault("expected `id` to be a text or a number")),
            (Some(_), _, true) => return Err(fault("a message cannot be both a request and a response")),
            (None, ..) => return Err(fault("expected a `method`")),
        };
        let (mut reference, mut resources) = (None, Vec::new());
        match (
            method.as_deref(),
            self.params.reference,
            self.params.notifications,
        ) {
            (Some("completion/complete"), Some(raw), _) => {
                let read = inner::<Reference>(&raw).map_err(|words| fault(&words))?;
                reference = read.named();
            }
            (Some("subscriptions/listen"), _, Some(raw)) => {
                let read = inner::<Wanted>(&raw).map_err(|words| fault(&words))?;
                let words = "expected `resourceSubscriptions` to be a list of texts";
                resources = read.resources().ok_or_else(|| fault(words))?;
            }
            _ => {}
        }
        Ok(Message {
            shape,
            reference,
            resources,
            name: text(self.params.name, "expected `params.name` to be a text")?,
            uri: text(self.params.uri, "expected `params.uri` to be a text")?,
            task: text(self.params.task, "expected `params.taskId` to be a text")?,
            meta_version: text(
                self.params.meta.version,
                "expected the protocol version to be a text",
            )?,
            id: self.id.unwrap_or(Value::Null),
            method: method.unwrap_or_default(),
        })
    }
}

/// Read an object within the message as strictly as the message itself.
fn inner<T: Watched>(raw: &RawValue) -> Result<T, String> {
    let read = Object::<T>::default().deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
    read.map_err(|error| syntax_or_shape(&error).message)
}

/// One object of the decision path: which keys it watches, and what becomes of each.
trait Watched: Default {
    const KEYS: &'static [&'static str];
    const WORDS: &'static str;

    fn set<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut M) -> Result<(), M::Error>;
}

impl Watched for Top {
    const KEYS: &'static [&'static str] = &["jsonrpc", "id", "method", "params", "result", "error"];
    const WORDS: &'static str = "one JSON-RPC message (an object)";

    fn set<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "jsonrpc" => self.version = Some(map.next_value()?),
            "id" => self.id = Some(map.next_value()?),
            "method" => self.method = Some(map.next_value()?),
            "params" => self.params = map.next_value_seed(Object::<Params>::default())?,
            _ => {
                map.next_value::<IgnoredAny>()?;
                self.answers = true;
            }
        }
        Ok(())
    }
}

impl Watched for Params {
    const KEYS: &'static [&'static str] = &["name", "uri", "taskId", "ref", "notifications", "_meta"];
    const WORDS: &'static str = "`params` to be an object";

    fn set<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "name" => self.name = Some(map.next_value()?),
            "uri" => self.uri = Some(map.next_value()?),
            "taskId" => self.task = Some(map.next_value()?),
            "ref" => self.reference = Some(map.next_value()?),
            "notifications" => self.notifications = Some(map.next_value()?),
            _ => self.meta = map.next_value_seed(Object::<Meta>::default())?,
        }
        Ok(())
    }
}

impl Watched for Reference {
    const KEYS: &'static [&'static str] = &["type", "name", "uri"];
    const WORDS: &'static str = "`params.ref` to be an object";

    fn set<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut M) -> Result<(), M::Error> {
        let place = match key {
            "type" => &mut self.kind,
            "name" => &mut self.name,
            _ => &mut self.uri,
        };
        *place = Some(map.next_value()?);
        Ok(())
    }
}

impl Watched for Wanted {
    const KEYS: &'static [&'static str] = &["resourceSubscriptions"];
    const WORDS: &'static str = "`params.notifications` to be an object";

    fn set<'de, M: MapAccess<'de>>(&mut self, _: &'static str, map: &mut M) -> Result<(), M::Error> {
        self.resources = Some(map.next_value()?);
        Ok(())
    }
}

impl Watched for Meta {
    const KEYS: &'static [&'static str] = &[META_VERSION];
    const WORDS: &'static str = "`_meta` to be an object";

    fn set<'de, M: MapAccess<'de>>(&mut self, _: &'static str, map: &mut M) -> Result<(), M::Error> {
        self.version = Some(map.next_value()?);
        Ok(())
    }
}

struct Object<T>(std::marker::PhantomData<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<'de, T: Watched> DeserializeSeed<'de> for Object<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Watched> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WORDS)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<T, M::Error> {
        let mut keys = Keys::new(T::KEYS);
        let mut object = T::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            match keys.take(&key).map_err(M::Error::custom)? {
                Some(known) => object.set(known, &mut map)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(object)
    }
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Object::<Self>::default().deserialize(deserializer)
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
