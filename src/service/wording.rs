//! What the call log says of a call, from what the gate knows of it.
//!
//! **Invariant:** of an address that a message names nothing is said that could hold a secret: no query, no password.

use std::sync::Arc;

use http::{HeaderValue, Method};

use super::permits::Permits;
use super::question::Question;
use crate::domain::call::{PermitNumber, Said, Way};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::route::Table;
use crate::mcp::Message;

/// What is known of a request while it is judged; a refused one is logged too.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) caller: Option<Arc<Identity>>,
    pub(super) message: Option<Message>,
}

/// Of a permitted call: a header's value, and the permit. Only an answer that ends by itself owes a line soon.
pub(super) fn permitted(
    permits: &Permits,
    way: Way,
    (server, message, method): (&ServerPath, Option<&Message>, &Method),
    who: &Identity,
) -> Option<(HeaderValue, Option<PermitNumber>)> {
    let permit = (way != Way::Stream).then(|| permits.give());
    let said = Said {
        way,
        permit,
        server: server.as_str().into(),
        method: message.map_or(method.as_str(), |message| &message.method).into(),
        tool: message.and_then(named).unwrap_or_default().into(),
        principal: who.principal().into(),
    };
    Some((HeaderValue::try_from(said.header()).ok()?, permit))
}

/// Of a refused one, as far as anything is known.
pub(super) fn refused(table: &Table, question: &Question<'_>, seen: &Seen) -> Option<HeaderValue> {
    let route = table.find(question.asked);
    let message = seen.message.as_ref();
    let without_body = question.body.is_none().then(|| question.method.as_str());
    let method = message.map(|message| message.method.as_str()).or(without_body);
    let said = Said {
        server: route.map_or("", |route| route.server.path.as_str()).into(),
        method: method.unwrap_or_default().into(),
        tool: message.and_then(named).unwrap_or_default().into(),
        principal: seen
            .caller
            .as_ref()
            .map(|who| who.principal())
            .unwrap_or_default()
            .into(),
        ..Said::default()
    };
    HeaderValue::try_from(said.header()).ok()
}

/// What a message names.
fn named(message: &Message) -> Option<&str> {
    let thing = message.thing()?;
    if matches!(message.method.as_str(), "tools/call" | "prompts/get") {
        return Some(thing);
    }
    let address = thing.split(['?', '#']).next().unwrap_or_default();
    let Some((_, rest)) = address.split_once("://") else {
        return Some(address);
    };
    let authority = rest.split('/').next().unwrap_or_default();
    Some(match authority.rfind('@') {
        Some(at) => rest.get(at + 1..).unwrap_or_default(),
        None => address,
    })
}
