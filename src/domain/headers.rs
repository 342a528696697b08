//! The header names that daemon and nginx use between themselves, and those that say to an upstream who is asking.
//!
//! One list for the template, the gate and the tests: a name that is missing from a list is a hole.
//!
//! **Invariant:** identity headers from outside never reach an upstream; the template clears the exact spelling, the
//! gate refuses the others ([`is_disguised`]), because CGI and WSGI upstreams read `X_User` as `X-User`.

/// A permit's headers, each with the nginx variable that takes it. nginx looks for each variable among all headers of
/// the answer, so every one of them costs every call: they are as few as they can be.
pub const PERMIT: &[(&str, &str)] = &[
    ("target", "x-gate-target"),
    ("authority", "x-gate-authority"),
    ("base", "x-gate-base"),
    ("passes", "x-gate-passes"),
    ("who_user", "x-user"),
    ("who_client", "x-client-id"),
    ("who_scopes", "x-scopes"),
    ("who_method", "x-auth-method"),
    ("server_word", "x-server-name"),
    ("tool_word", "x-tool-name"),
    (CALL_SAID, "x-gate-call"),
];

/// The variable that holds what the call log says of a call; without a log nobody sets it.
pub const CALL_SAID: &str = "call_said";

/// What an upstream learns (contract, section 4.4), and the variable that holds it. Empty ones are not sent.
pub const IDENTITY: &[(&str, &str)] = &[
    ("X-User", "who_user"),
    ("X-Username", "who_user"),
    ("X-Client-Id", "who_client"),
    ("X-Client-Id-Auth", "who_client"),
    ("X-Scopes", "who_scopes"),
    ("X-Auth-Method", "who_method"),
    ("X-Server-Name", "server_word"),
    ("X-Tool-Name", "tool_word"),
];

/// The client's own, and only when the gate has compared them with the body: the call is modern
/// (MCP 2026-07-28, standard request headers).
pub const MODERN: &[&str] = &["Mcp-Method", "Mcp-Name"];

/// Never sent upstream, whatever the client wrote.
pub const CLEARED: &[&str] = &[
    "X-Authorization",
    "Cookie",
    "X-Groups",
    "X-Internal-Token",
    "X-Internal-Token-Registry",
    "X-Gate-Door",
    "X-Gate-Uri",
    "X-Gate-Request-Uri",
    "X-Gate-Method",
    "X-Gate-Client",
    "X-Gate-Request-Id",
    "X-Gate-Text",
    "X-Gate-Target",
    "X-Gate-Authority",
    "X-Gate-Base",
    "X-Gate-Passes",
    "X-Gate-Call",
    "X-Body",
    "Proxy",
    "Forwarded",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Http-Method",
    "X-Http-Method-Override",
    "X-Method-Override",
    "Upgrade",
];

/// Further names that only their exact spelling may stand for.
const EXACT: &[&str] = &[
    "authorization",
    "host",
    "content-length",
    "transfer-encoding",
    "content-type",
    "content-encoding",
    "connection",
    "mcp-session-id",
    "mcp-protocol-version",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-original-url",
];

/// Of a connection, or of what the client may be answered; no record may set them.
const NOT_FOR_RECORDS: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a server's record may set this header: it is neither ours nor the connection's, in any spelling.
pub fn may_be_set(name: &str) -> bool {
    let folded = name.to_ascii_lowercase().replace('_', "-");
    let among = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(&folded));
    let ours = IDENTITY
        .iter()
        .any(|(known, _)| known.eq_ignore_ascii_case(&folded))
        || PERMIT.iter().any(|(_, known)| *known == folded);
    let may_be = folded == "authorization" || !among(EXACT);
    may_be
        && !ours
        && !among(CLEARED)
        && !among(NOT_FOR_RECORDS)
        && !folded.starts_with("x-gate-")
        && !folded.starts_with("mcp-")
}

/// Never passed back from an upstream: what nginx would obey, what the daemon says to nginx, and what a browser would
/// take as ours (gateway document, section 3).
pub const HIDDEN: &[&str] = &[
    "X-Accel-Redirect",
    "X-Accel-Expires",
    "X-Accel-Limit-Rate",
    "X-Accel-Buffering",
    "X-Accel-Charset",
    "Set-Cookie",
    "Clear-Site-Data",
    "Service-Worker-Allowed",
    "Location",
    "Refresh",
    "Server",
    "X-Powered-By",
    "Alt-Svc",
    "Strict-Transport-Security",
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "X-Gate-Status",
    "X-Gate-Target",
    "X-Gate-Authority",
    "X-Gate-Base",
    "X-Gate-Passes",
    "X-Gate-Call",
    "X-User",
    "X-Username",
    "X-Client-Id-Auth",
    "X-Client-Id",
    "X-Scopes",
    "X-Auth-Method",
    "X-Server-Name",
    "X-Tool-Name",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
];

/// What a carried answer may bring along; everything else stays behind, because nginx obeys what the daemon says.
pub const CARRIED_BACK: &[&str] = &[
    "content-type",
    "content-encoding",
    "mcp-session-id",
    "mcp-protocol-version",
    "cache-control",
    "retry-after",
    "www-authenticate",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "allow",
    "etag",
    "last-modified",
    "vary",
];

/// Whether a client's header (in lower case) only looks different from one of ours: `x_user`, `x_gate_uri`.
pub fn is_disguised(name: &str) -> bool {
    if !name.contains(['_', '.']) {
        return false;
    }
    let folded = name.replace(['_', '.'], "-");
    let ours = |known: &str| known.eq_ignore_ascii_case(&folded);
    CLEARED.iter().any(|known| ours(known))
        || EXACT.iter().any(|known| ours(known))
        || IDENTITY.iter().any(|(known, _)| ours(known))
        || folded.starts_with("x-gate-")
        || (folded.starts_with("mcp-") && !name.starts_with("mcp-param-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disguises_are_refused() {
        for name in [
            "x_user",
            "x-auth_method",
            "x_authorization",
            "mcp_name",
            "content_length",
            "x_gate_new",
            "mcp_param-x",
            "x.user",
            "mcp.session.id",
        ] {
            assert!(is_disguised(name), "{name}");
        }
        for name in ["x-user", "mcp-param-a_b", "x_trace_id", "accept", "mcp-param-x"] {
            assert!(!is_disguised(name), "{name}");
        }
    }

    #[test]
    fn every_permit_header_is_hidden_and_every_identity_variable_is_set() {
        for (_, header) in PERMIT {
            assert!(
                HIDDEN.iter().any(|hidden| hidden.eq_ignore_ascii_case(header)),
                "{header} is not hidden"
            );
        }
        for (_, variable) in IDENTITY {
            assert!(
                PERMIT.iter().any(|(known, _)| known == variable),
                "{variable} is never set"
            );
        }
    }
}
