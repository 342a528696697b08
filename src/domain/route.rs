//! From a path to a server, and from a client's path to what the upstream is asked (gateway document, section 2).
//!
//! **Invariants:** a mount is matched by whole segments, so `/a` is not `/ab`; a path means one thing, so what nginx
//! normalised and what the client wrote must agree about the mount, letter by letter.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::path::{ServerPath, is_other_name};
use super::scope::OWN_SERVER;
use super::server::{Profile, Revision, Server};
use super::upstream::{Origin, Scheme};

/// An enabled server, as calls find it.
#[derive(Debug)]
pub struct Route {
    /// The record.
    pub server: Server,
    /// Its own header lines, opened; none when they cannot be opened, and then it cannot be called.
    pub lines: Option<Vec<(HeaderName, HeaderValue)>>,
    calls: Arc<AtomicU64>,
}

impl Route {
    /// A route to `server`; calls are counted on from `before`, its earlier record.
    pub fn new(server: Server, lines: Option<Vec<(HeaderName, HeaderValue)>>, before: Option<&Self>) -> Self {
        let calls = before.map(|route| Arc::clone(&route.calls)).unwrap_or_default();
        Self { server, lines, calls }
    }

    /// Whether a client's header only looks different from one of the server's own: `x_api_key`.
    pub fn is_disguised(&self, name: &str) -> bool {
        let lines = self.lines.iter().flatten();
        let ours = |(own, _): &(HeaderName, HeaderValue)| {
            let own = own.as_str();
            own != name && own.replace(['_', '.'], "-") == name.replace(['_', '.'], "-")
        };
        lines.into_iter().any(ours)
    }

    /// Count one permitted call.
    pub fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Permitted calls since the start.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Every enabled server, and where each origin's name leads now. Swapped whole.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The register's revision that this table shows.
    pub revision: Revision,
    /// Our own server; it has no upstream, so nothing that goes through the routes meets it.
    pub own: Option<Arc<Route>>,
    /// By mount path.
    pub routes: HashMap<Arc<str>, Arc<Route>>,
    /// Present addresses of the origins in use, as far as they are known. Shared between tables: a new server is
    /// found in a table of 10,000 without copying what is known of the others.
    pub blocks: Arc<HashMap<Origin, Arc<Block>>>,
    /// Why an origin in use leads nowhere.
    pub faults: Arc<HashMap<Origin, String>>,
}

/// The addresses of one origin under a name that says all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Letters, digits and `_`.
    pub name: Arc<str>,
    /// Where it leads now.
    pub addresses: Vec<SocketAddr>,
}

impl Block {
    /// The block of an origin with these addresses. Another address is another name, so a worker that knows the name
    /// knows the right addresses; two names never share a block, because nginx checks a certificate only against the
    /// first.
    pub fn new(origin: &Origin, addresses: Vec<SocketAddr>) -> Self {
        let digest = Sha256::digest(format!("{origin} {addresses:?}"));
        let hex = hex::encode(digest.get(..12).unwrap_or_default());
        Self {
            name: format!("b_{hex}").into(),
            addresses,
        }
    }
}

impl Table {
    /// The server whose mount is a whole-segment prefix of `path`. At most one is, because nested mounts clash.
    pub fn find(&self, path: &str) -> Option<&Arc<Route>> {
        let first = path.split('/').nth(1).unwrap_or_default();
        if first == OWN_SERVER || is_other_name(path) {
            return self.own.as_ref();
        }
        let ends = path
            .match_indices('/')
            .skip(1)
            .map(|(end, _)| end)
            .chain([path.len()]);
        ends.take(9).find_map(|end| self.routes.get(path.get(..end)?))
    }
}

/// Which upstream blocks each text has that some worker may run, by the text's hash.
pub type Texts = HashMap<String, std::collections::HashSet<Arc<str>>>;

/// Whether nginx can check the certificate of such an origin: it compares names only, so https to an address is not
/// for it.
pub fn may_have_block(origin: &Origin) -> bool {
    origin.scheme == Scheme::Http || origin.literal().is_none()
}

/// The part of the path behind the mount, ready for a request line; `None` when the two spellings disagree.
///
/// `asked` is nginx's normalised path, `written` the client's own, with its query.
pub fn rest_of(mount: &ServerPath, asked: &str, written: &str) -> Option<String> {
    let raw = written.split(['?', '#']).next().unwrap_or_default();
    if written.contains('#') || asked.contains('#') {
        return None;
    }
    if mount.is_ours() && is_other_name(asked) {
        return (raw == asked).then(|| "/mcp".to_owned());
    }
    let asked_rest = asked.strip_prefix(mount.as_str())?;
    let raw_rest = raw.strip_prefix(mount.as_str())?;
    let is_boundary = |rest: &str| rest.is_empty() || rest.starts_with('/');
    if !is_boundary(asked_rest) || !is_boundary(raw_rest) {
        return None;
    }
    // Ways up for some servers, and for no other reader.
    if asked_rest.contains('\\') || asked_rest.contains("..;") {
        return None;
    }
    if asked_rest == raw_rest && raw_rest.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
        return Some(raw_rest.to_owned());
    }
    // Encoded characters, dots or double slashes: what nginx understood goes on, encoded once.
    Some(encode(asked_rest))
}

fn encode(path: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const UNSAFE: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'%')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'`')
        .add(b'#');
    utf8_percent_encode(path, UNSAFE).to_string()
}

/// Path and query that the upstream is asked for `rest`, the client's path behind the mount.
pub fn target(profile: &Profile, rest: &str, query: Option<&str>) -> String {
    let registered = &profile.proxy_pass_url;
    let (base, ending) = split_transport(registered.path());
    let endpoint = |explicit: &Option<super::upstream::UpstreamUrl>, word: &str| {
        if let Some(explicit) = explicit {
            return (explicit.path().to_owned(), explicit.query().map(str::to_owned));
        }
        let own = registered.query().map(str::to_owned);
        if ending == Some(word) || !profile.append_mcp_path {
            (registered.path().to_owned(), own)
        } else {
            (format!("{base}/{word}"), own)
        }
    };
    let (path, own_query) = match rest {
        "" | "/" | "/mcp" => endpoint(&profile.mcp_endpoint, "mcp"),
        "/sse" => endpoint(&profile.sse_endpoint, "sse"),
        other => (format!("{base}{other}"), registered.query().map(str::to_owned)),
    };
    let joined: Vec<&str> = [own_query.as_deref(), query]
        .into_iter()
        .flatten()
        .filter(|q| !q.is_empty())
        .collect();
    if joined.is_empty() {
        path
    } else {
        format!("{path}?{}", joined.join("&"))
    }
}

/// The part of the upstream's paths that the mount stands for: its address without `/mcp` or `/sse`.
pub fn base(profile: &Profile) -> &str {
    split_transport(profile.proxy_pass_url.path()).0
}

/// A path without its trailing slash and transport segment, and which segment that was.
fn split_transport(path: &str) -> (&str, Option<&'static str>) {
    let trimmed = path.trim_end_matches('/');
    for word in ["mcp", "sse"] {
        if let Some(base) = trimmed.strip_suffix(word).and_then(|base| base.strip_suffix('/')) {
            return (base, Some(word));
        }
    }
    (trimmed, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(path: &str, url: &str, more: &[(&str, &str)]) -> Server {
        Server::sample(path, url, more)
    }

    #[test]
    fn a_mount_catches_whole_segments_only() {
        let mut table = Table::default();
        for path in ["/a", "/t/b"] {
            let route = Route::new(server(path, "http://x/", &[]), Some(Vec::new()), None);
            table.routes.insert(path.into(), Arc::new(route));
        }
        let found = |path: &str| {
            table
                .find(path)
                .map(|route| route.server.path.as_str().to_owned())
        };
        assert_eq!(found("/a").as_deref(), Some("/a"));
        assert_eq!(found("/a/").as_deref(), Some("/a"));
        assert_eq!(found("/a/x/y").as_deref(), Some("/a"));
        assert_eq!(found("/t/b/mcp").as_deref(), Some("/t/b"));
        for path in ["/ab", "/ab/a", "/", "", "/t", "/A", "/x/a", "a"] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn our_own_server_has_two_names() {
        let server = Server {
            path: ServerPath::ours(),
            ..server("/x", "http://localhost:8080/mcpgw/mcp", &[])
        };
        let profile = server.profile.clone();
        let mount = server.path.clone();
        let mut table = Table::default();
        assert!(table.find("/mcpgw/mcp").is_none());
        table.own = Some(Arc::new(Route::new(server, Some(Vec::new()), None)));
        for path in ["/mcpgw", "/mcpgw/mcp", "/mcpgw/sse", "/mcp", "/mcp/"] {
            assert!(table.find(path).is_some(), "{path}");
        }
        for path in ["/mcp/x", "/mcpg", "/mcpgwx/mcp", "/MCP", "//mcp"] {
            assert!(table.find(path).is_none(), "{path}");
        }
        assert_eq!(rest_of(&mount, "/mcp", "/mcp?a=1").as_deref(), Some("/mcp"));
        assert_eq!(
            rest_of(&mount, "/mcpgw/mcp", "/mcpgw/mcp").as_deref(),
            Some("/mcp")
        );
        for written in ["/%6dcp", "/x/../mcp", "//mcp"] {
            assert_eq!(rest_of(&mount, "/mcp", written), None, "{written}");
        }
        assert_eq!(target(&profile, "/mcp", None), "/mcpgw/mcp");
        assert_eq!(target(&profile, "/sse", None), "/mcpgw/sse");
    }

    #[test]
    fn the_mount_must_be_written_as_it_is_understood() {
        let mount: ServerPath = "/w".parse().unwrap();
        let rest = |asked, written| rest_of(&mount, asked, written);
        assert_eq!(rest("/w/mcp", "/w/mcp?x=1").as_deref(), Some("/mcp"));
        assert_eq!(rest("/w", "/w").as_deref(), Some(""));
        assert_eq!(rest("/w/a b%c", "/w/a%20b%25c").as_deref(), Some("/a%20b%25c"));
        assert_eq!(rest("/w/y", "/w/x/../y").as_deref(), Some("/y"));
        assert_eq!(rest("/w/ü", "/w/%C3%BC").as_deref(), Some("/%C3%BC"));
        for (asked, written) in [
            ("/w/mcp", "//w/mcp"),
            ("/w/mcp", "/%77/mcp"),
            ("/w/mcp", "/x/../w/mcp"),
            ("/w/#", "/w/%23"),
            ("/w", "/w#f"),
            ("/wx", "/wx"),
        ] {
            assert_eq!(rest(asked, written), None, "{written}");
        }
    }

    #[test]
    fn every_row_of_the_address_table_holds() {
        let rows = [
            ("http://x", "", None, "/mcp"),
            ("http://x/", "/", None, "/mcp"),
            ("http://x/", "/mcp", Some("a=1"), "/mcp?a=1"),
            ("http://x/base/mcp?k=v", "/mcp", Some("a=1"), "/base/mcp?k=v&a=1"),
            ("http://x/base/mcp/", "", None, "/base/mcp/"),
            ("http://x/base", "/sse", None, "/base/sse"),
            ("http://x/base/sse", "/sse", None, "/base/sse"),
            ("http://x/base/mcp", "/sse", None, "/base/sse"),
            ("http://x/base/mcp", "/health", None, "/base/health"),
            ("http://x/base/", "/a/b", Some("q"), "/base/a/b?q"),
            (
                "http://x/mcp",
                "/messages/",
                Some("session_id=1"),
                "/messages/?session_id=1",
            ),
        ];
        for (url, rest, query, expected) in rows {
            assert_eq!(
                target(&server("/w", url, &[]).profile, rest, query),
                expected,
                "{url} {rest}"
            );
        }
        let plain = server("/w", "http://x/rpc", &[("append_mcp_path", "false")]);
        assert_eq!(target(&plain.profile, "/mcp", None), "/rpc");
        let explicit = server("/w", "http://x/rpc", &[("mcp_endpoint", "http://x/v1?z")]);
        assert_eq!(target(&explicit.profile, "", None), "/v1?z");
    }

    #[test]
    fn a_block_is_another_when_its_addresses_are() {
        let origin = server("/w", "http://x:1/", &[])
            .profile
            .proxy_pass_url
            .origin()
            .clone();
        let block = |address: &str| Block::new(&origin, vec![address.parse().unwrap()]);
        assert_eq!(block("127.0.0.1:1"), block("127.0.0.1:1"));
        assert_ne!(block("127.0.0.1:1").name, block("127.0.0.2:1").name);
        assert!(!may_have_block(
            server("/w", "https://127.0.0.1/", &[])
                .profile
                .proxy_pass_url
                .origin()
        ));
    }
}
