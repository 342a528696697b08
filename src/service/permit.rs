//! A permit in headers: what nginx needs to take a call on, and who the upstream learns is asking.

use std::borrow::Cow;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::callers::Caller;
use crate::domain::headers::{IDENTITY, PERMIT};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::route::{Route, base};
use crate::domain::server::Server;
use crate::mcp::Message;

/// A permit's headers towards nginx or the upstream, by the names of [`crate::domain::headers::PERMIT`].
pub type PermitHeaders = HeaderMap;

const X_USER: HeaderName = HeaderName::from_static("x-user");
const X_CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
const X_SCOPES: HeaderName = HeaderName::from_static("x-scopes");
const X_AUTH_METHOD: HeaderName = HeaderName::from_static("x-auth-method");
const X_SERVER_NAME: HeaderName = HeaderName::from_static("x-server-name");
const X_TOOL_NAME: HeaderName = HeaderName::from_static("x-tool-name");
const TARGET: HeaderName = HeaderName::from_static("x-gate-target");
const AUTHORITY: HeaderName = HeaderName::from_static("x-gate-authority");
const BASE: HeaderName = HeaderName::from_static("x-gate-base");
/// What of the client's own goes on: `authorization`, `modern` (its `Mcp-*` headers) or `both`.
pub const PASSES: HeaderName = HeaderName::from_static("x-gate-passes");
/// What nginx writes into the call log, in any answer of the gate's ([`crate::domain::call::Said`]).
pub const CALL: HeaderName = HeaderName::from_static("x-gate-call");

/// Who is asking, in the header contract's words (contract, section 4.4).
pub fn identity_headers(who: &Identity, server: Option<&ServerPath>) -> PermitHeaders {
    let mut permit = HeaderMap::with_capacity(16);
    set(&mut permit, X_USER, printable(&who.username));
    set(&mut permit, X_CLIENT_ID, printable(&who.client_id));
    set(&mut permit, X_SCOPES, printable(&who.scope_line()));
    permit.insert(X_AUTH_METHOD, HeaderValue::from_static(who.method.as_str()));
    if let Some(server) = server {
        set(&mut permit, X_SERVER_NAME, server.name());
    }
    permit
}

/// What a permit says in any case.
pub(super) fn permit_headers(
    caller: &Caller,
    server: &Server,
    message: Option<&Message>,
    modern: bool,
) -> PermitHeaders {
    let mut permit = if server.profile.egress.identity_headers {
        identity_headers(&caller.identity, Some(&server.path))
    } else {
        let mut nameless = HeaderMap::with_capacity(8);
        set(&mut nameless, X_SERVER_NAME, server.path.name());
        nameless
    };
    let tool = message
        .filter(|message| message.method == "tools/call")
        .and_then(|message| message.name.as_deref());
    if let Some(tool) = tool {
        set(&mut permit, X_TOOL_NAME, printable(tool));
    }
    let passes = match (caller.pass_authorization, modern) {
        (true, true) => "both",
        (true, false) => "authorization",
        (false, true) => "modern",
        (false, false) => return permit,
    };
    permit.insert(PASSES, HeaderValue::from_static(passes));
    permit
}

/// What it says beside that to an nginx that takes the call to `block`.
pub(super) fn direct_headers(
    mut permit: PermitHeaders,
    route: &Route,
    block: &str,
    target: &str,
) -> PermitHeaders {
    let origin = route.server.profile.proxy_pass_url.origin();
    let scheme = origin.scheme.as_str();
    set(&mut permit, TARGET, format!("{scheme}://{block}{target}"));
    set(&mut permit, AUTHORITY, origin.authority());
    set(&mut permit, BASE, base(&route.server.profile));
    permit
}

/// What a permit says to an upstream that is called by us, not for somebody's own request.
pub(super) fn call_headers(who: &Identity, server: &Server, tool: &str) -> PermitHeaders {
    let mut permit = if server.profile.egress.identity_headers {
        identity_headers(who, Some(&server.path))
    } else {
        let mut nameless = HeaderMap::with_capacity(8);
        set(&mut nameless, X_SERVER_NAME, server.path.name());
        nameless
    };
    set(&mut permit, X_TOOL_NAME, printable(tool));
    permit
}

/// The lines by which an upstream learns who is asking.
pub(super) fn lines_about_the_caller(
    permit: &PermitHeaders,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    WHO.iter().filter_map(|(shown, said)| {
        let value = permit.get(said).filter(|value| !value.is_empty())?;
        Some((shown.clone(), value.clone()))
    })
}

/// What an upstream learns of who is asking, and the permit's header that says it.
static WHO: LazyLock<Vec<(HeaderName, HeaderName)>> = LazyLock::new(|| {
    let permit = |variable| PERMIT.iter().find(|(known, _)| *known == variable);
    let pairs = IDENTITY.iter().filter_map(|(shown, variable)| {
        let shown = HeaderName::from_bytes(shown.as_bytes()).ok()?;
        Some((shown, HeaderName::from_static(permit(*variable)?.1)))
    });
    pairs.collect()
});

/// Everything that is set is printable, so nothing is lost here.
fn set(permit: &mut PermitHeaders, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        permit.insert(name, value);
    }
}

/// A header value may hold visible ASCII and spaces; the rest is percent-encoded.
fn printable(text: &str) -> Cow<'_, str> {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const UNSAFE: &AsciiSet = &CONTROLS.add(b'%');
    utf8_percent_encode(text, UNSAFE).into()
}
