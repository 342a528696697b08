//! What a request says, if it says the same to everybody: its headers, its body, and whether the two agree.
//!
//! **Invariant:** what passes here means one thing to every parser behind us, or it is refused.

use http::HeaderMap;

use super::refusal::{Reason, Refusal, refuse};
use crate::domain::headers;
use crate::mcp::Message;

/// First modern revision: its requests say method and name in headers (MCP 2026-07-28).
const MODERN: &str = "2026-07-28";
/// More headers than this are refused in words.
const MOST_HEADERS: usize = 200;
/// No session id is longer.
const LONGEST_ID: usize = 1_024;

pub(super) fn check_headers(given: &HeaderMap) -> Result<(), Refusal> {
    if given.len() > MOST_HEADERS {
        return Err(refuse(
            Reason::TooLarge,
            format!("at most {MOST_HEADERS} headers are accepted"),
        ));
    }
    // nginx and a browser's reader could believe two different ones.
    if given.get_all(http::header::ORIGIN).iter().count() > 1 {
        return Err(refuse(Reason::Ambiguous, "the header `Origin` came twice"));
    }
    match given.keys().find(|name| headers::is_disguised(name.as_str())) {
        Some(name) => Err(refuse(
            Reason::Ambiguous,
            format!("the header `{name}` is not accepted; write it with `-`"),
        )),
        None => Ok(()),
    }
}

/// The MCP session that the request belongs to (MCP 2025-11-25, session management).
pub(super) fn session_id(given: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = given.get_all("mcp-session-id").iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    let id = first.to_str().ok().filter(|id| id.len() <= LONGEST_ID);
    match (id, values.next()) {
        (Some(id), None) => Ok(Some(id)),
        _ => Err(refuse(
            Reason::Ambiguous,
            "expected one `Mcp-Session-Id` of at most 1024 visible characters",
        )),
    }
}

/// The message in a POST, if it means the same to everybody.
pub(super) fn read(given: &HeaderMap, body: &[u8]) -> Result<Message, Refusal> {
    let media = || {
        refuse(
            Reason::MediaType,
            "expected `application/json` in UTF-8 without `Content-Encoding`",
        )
    };
    let mut types = given.get_all(http::header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else {
        return Err(media());
    };
    if given.contains_key(http::header::CONTENT_ENCODING) || !is_json(kind.to_str().unwrap_or_default()) {
        return Err(media());
    }
    Message::read(body).map_err(|unreadable| Refusal {
        reason: Reason::Message(unreadable.code),
        message: unreadable.message,
        id: unreadable.id,
        scopes: Vec::new(),
        metadata: None,
        said: None,
    })
}

fn is_json(kind: &str) -> bool {
    in_utf8(kind).is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

/// A media type without its parameters; none when it says another charset than UTF-8.
pub(super) fn in_utf8(kind: &str) -> Option<&str> {
    let mut parts = kind.split(';').map(str::trim);
    let essence = parts.next()?;
    let in_utf8 = parts.all(|parameter| {
        let charset = parameter
            .split_once('=')
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        charset.is_none_or(|(_, value)| value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"))
    });
    in_utf8.then_some(essence)
}

/// Whether the request is modern; then its headers must say once what its body says (MCP 2026-07-28, 1.3).
pub(super) fn check_era(given: &HeaderMap, message: &Message) -> Result<bool, Refusal> {
    let mismatch = |words: &str| Refusal {
        id: message.id.clone(),
        ..refuse(Reason::Message(-32020), words)
    };
    let one = |name: &str| {
        let mut values = given
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap_or("\u{fffd}"));
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(mismatch(&format!("the header `{name}` came twice"))),
        }
    };
    let version = one("mcp-protocol-version")?;
    let is_modern = |version: &str| version.len() == MODERN.len() && version >= MODERN;
    // Only modern requests have a version in their body, whichever it is: an unknown one is the server's to refuse.
    if !version.is_some_and(is_modern) && message.meta_version.is_none() {
        return Ok(false);
    }
    if message.meta_version.is_some() && message.meta_version.as_deref() != version {
        return Err(mismatch(
            "`MCP-Protocol-Version` and the version in the body disagree",
        ));
    }
    if one("mcp-method")? != Some(message.method.as_str()) {
        return Err(mismatch("`Mcp-Method` must say the method of the body"));
    }
    let name = one("mcp-name")?.map(decode_name).transpose().map_err(mismatch)?;
    if name.as_deref() != message.header_name() {
        return Err(mismatch("`Mcp-Name` must say the name of the body"));
    }
    Ok(true)
}

/// A plain value, or `=?base64?…?=`.
fn decode_name(value: &str) -> Result<String, &'static str> {
    use base64::Engine;
    let Some(inner) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Ok(value.to_owned());
    };
    let bytes = base64::prelude::BASE64_STANDARD
        .decode(inner)
        .map_err(|_| "`Mcp-Name` is not base64")?;
    String::from_utf8(bytes).map_err(|_| "`Mcp-Name` is not UTF-8")
}
