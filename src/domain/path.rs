//! Mount paths: where a server stands on the gateway.
//!
//! **Invariant:** nothing that parsed can break out of its place in nginx.conf, or take over a path of ours.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::scope::OWN_SERVER;

/// First segments that are ours, now or by promise. A test holds this list against the router.
pub const RESERVED: &[&str] = &[
    "mcp",
    "mcpgw",
    "api",
    "v0",
    "v0.1",
    "v2",
    "login",
    "logout",
    "auth",
    "oauth",
    "oauth2",
    "register",
    "toggle",
    "edit",
    "ws",
    "static",
    "docs",
    "metrics",
    "health",
    "healthz",
    "readyz",
    "validate",
    "health-check",
    "applications",
    "endpoints",
    "data-agents",
    "virtual",
    "gateway",
    "keycloak",
    "realms",
    "tokens",
    "servers",
    "tools",
    "access",
    "operations",
    "all",
    "groups",
    "usage",
    "preferences",
    "remove",
];

/// Those under which our own MCP server answers, like a server that is mounted there: its path and its other name.
pub const OWN_MOUNTS: &[&str] = &[OWN_SERVER, "mcp"];

/// Segments that belong to the transports: `/weather/mcp` is how a client calls `/weather`.
pub const TRANSPORT_SEGMENTS: &[&str] = &["mcp", "sse", "message", "messages"];

const MAX_LENGTH: usize = 200;
const MAX_SEGMENTS: usize = 8;

/// A mount path such as `/weather`, safe to print into nginx.conf as it is.
///
/// The alphabet is small on purpose: nginx gives meaning to spaces, braces, semicolons, `$` and `~`, and a
/// template engine escapes none of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ServerPath(String);

/// Why a text is not a mount path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a mount path: {reason}")]
pub struct InvalidPath {
    text: String,
    reason: &'static str,
}

impl ServerPath {
    /// The path with its leading slash, as stored and shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its leading slash: what scopes call the server's name.
    pub fn name(&self) -> &str {
        self.0.trim_start_matches('/')
    }

    /// Where our own server stands; nobody can register it.
    pub fn ours() -> Self {
        Self(format!("/{OWN_SERVER}"))
    }

    /// Whether this is our own server's path.
    pub fn is_ours(&self) -> bool {
        self.name() == OWN_SERVER
    }

    /// The path of a server that is there already, ours among them, as somebody writes it.
    pub fn of_known(text: &str) -> Result<Self, InvalidPath> {
        if text.trim_matches('/') == OWN_SERVER {
            Ok(Self::ours())
        } else {
            text.parse()
        }
    }

    /// Whether both cannot stand on one gateway: equal, one under the other, or differing only in case.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let pairs = self.name().split('/').zip(other.name().split('/'));
        pairs.fold(true, |same, (a, b)| same && a.eq_ignore_ascii_case(b))
    }
}

impl FromStr for ServerPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let fault = |reason| InvalidPath {
            text: text.chars().take(80).collect(),
            reason,
        };
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let name = trimmed.strip_prefix('/').unwrap_or(trimmed);
        if name.is_empty() {
            return Err(fault("it must name at least one segment after the `/`"));
        }
        if name.len() >= MAX_LENGTH {
            return Err(fault("it may be at most 200 characters long"));
        }
        let segments: Vec<&str> = name.split('/').collect();
        if segments.len() > MAX_SEGMENTS {
            return Err(fault("it may have at most 8 segments"));
        }
        for segment in &segments {
            check_segment(segment).map_err(fault)?;
        }
        if segments.first().is_some_and(|first| is_reserved(first)) {
            return Err(fault("its first segment is reserved for the gateway itself"));
        }
        Ok(Self(format!("/{name}")))
    }
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    if segment.is_empty() {
        return Err("a segment is empty (two slashes in a row)");
    }
    if segment.starts_with('.') {
        return Err("a segment may not begin with `.`");
    }
    if !segment
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        return Err("only letters, digits, `-`, `_` and `.` may stand in a segment");
    }
    if TRANSPORT_SEGMENTS
        .iter()
        .any(|word| word.eq_ignore_ascii_case(segment))
    {
        return Err("the segments `mcp`, `sse`, `message` and `messages` name transports");
    }
    Ok(())
}

/// Whether a first segment belongs to the gateway.
pub fn is_reserved(first: &str) -> bool {
    first.starts_with(['_', '.']) || RESERVED.iter().any(|word| word.eq_ignore_ascii_case(first))
}

/// Whether a path leads to our own server by its other name, `/mcp`; what this means is `/mcpgw/mcp`.
pub fn is_other_name(path: &str) -> bool {
    matches!(path, "/mcp" | "/mcp/")
}

impl fmt::Display for ServerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ServerPath> for String {
    fn from(path: ServerPath) -> Self {
        path.0
    }
}

impl TryFrom<String> for ServerPath {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, InvalidPath> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> ServerPath {
        text.parse().unwrap()
    }

    #[test]
    fn a_missing_leading_and_a_trailing_slash_are_mended() {
        assert_eq!(path("weather").as_str(), "/weather");
        assert_eq!(path("/weather/").as_str(), "/weather");
        assert_eq!(path("team/weather").name(), "team/weather");
    }

    #[test]
    fn what_nginx_or_the_gateway_would_misread_is_refused() {
        let refused = [
            "",
            "/",
            "//",
            "/a//b",
            "/We ather",
            "/a;b",
            "/a{",
            "/a}",
            "/$a",
            "/~a",
            "/a\nb",
            "/a#",
            "/a%2f",
            "/../a",
            "/.hidden",
            "/_gate",
            "/api",
            "/API/x",
            "/login",
            "/weather/mcp",
            "/a/SSE",
            "/messages",
            "/ä",
            "/a/b/c/d/e/f/g/h/i",
            "/v0.1/x",
            "/all",
        ];
        for text in refused {
            assert!(text.parse::<ServerPath>().is_err(), "{text:?} was taken");
        }
        assert!("a".repeat(200).parse::<ServerPath>().is_err());
    }

    #[test]
    fn paths_clash_by_whole_segments_without_case() {
        assert!(path("/a").clashes_with(&path("/A")));
        assert!(path("/a").clashes_with(&path("/a/b")));
        assert!(path("/A/b").clashes_with(&path("/a")));
        assert!(!path("/a").clashes_with(&path("/ab")));
        assert!(!path("/a/b").clashes_with(&path("/a/c")));
    }

    #[test]
    fn our_own_server_can_be_named_and_not_registered() {
        assert!("/mcpgw".parse::<ServerPath>().is_err());
        for text in ["mcpgw", "/mcpgw", "/mcpgw/"] {
            assert!(ServerPath::of_known(text).unwrap().is_ours(), "{text}");
        }
        assert!(!ServerPath::of_known("/weather").unwrap().is_ours());
        assert!(ServerPath::of_known("/mcpgw/x").is_err());
        assert!(OWN_MOUNTS.iter().all(|word| is_reserved(word)));
    }

    proptest! {
        #[test]
        fn nothing_that_parsed_can_break_out_of_nginx_conf(text in "\\PC{0,40}|[/a-zA-Z0-9._-]{1,40}") {
            if let Ok(path) = text.parse::<ServerPath>() {
                let inert = |b: u8| b.is_ascii_alphanumeric() || b"/-_.".contains(&b);
                prop_assert!(path.as_str().bytes().all(inert));
                prop_assert!(path.as_str().starts_with('/') && !path.as_str().contains("//"));
                prop_assert_eq!(path.as_str().parse::<ServerPath>().unwrap(), path);
            }
        }
    }
}
