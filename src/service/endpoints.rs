//! Message addresses of legacy SSE streams (HTTP+SSE, MCP 2024-11-05): what the `endpoint` event of an open stream
//! named, and whose stream it is.
//!
//! The upstream's address names its session. While such a stream is open at a server, a POST beside its MCP endpoint
//! must be to one of these addresses, letter by letter: another spelling might be the same session to the upstream.
//!
//! **Invariants:** an address is good for the principal whose stream named it, and no longer than the stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use url::Url;

use crate::domain::path::ServerPath;
use crate::domain::route::{Route, base};

/// Open streams' addresses that one principal may hold at one server; a further stream is refused.
const MOST_OF_ONE: usize = 1_000;

#[derive(Debug)]
struct Endpoint {
    principal: String,
    target: String,
}

/// The open message addresses.
#[derive(Debug, Clone, Default)]
pub struct Endpoints(Arc<Mutex<HashMap<ServerPath, HashMap<String, Endpoint>>>>);

/// Where a POST beside the MCP endpoint leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// To what the upstream's event said: path and query there.
    Mine(String),
    /// Nowhere: somebody else's, closed, or never named.
    Unknown,
    /// No stream of this kind is open here; the address is an ordinary one.
    Ordinary,
}

/// An address that a stream named; it is forgotten with this value.
#[derive(Debug)]
pub struct Named {
    endpoints: Endpoints,
    server: ServerPath,
    key: String,
}

/// Why an `endpoint` event is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It leads elsewhere, or is no address.
    #[error("the `endpoint` event names another authority or no address")]
    Elsewhere,
    /// Too many streams of one principal.
    #[error("too many open streams")]
    TooMany,
}

impl Endpoints {
    /// The stream of `principal`, opened at `target` of the upstream, named `said`. The answer is the client's address
    /// for it: under the mount, in the upstream's own words where they fit there.
    pub fn name(
        &self,
        route: &Route,
        target: &str,
        said: &str,
        principal: &str,
    ) -> Result<(String, Named), Refused> {
        let server = &route.server;
        let upstream = address(route, target, said).ok_or(Refused::Elsewhere)?;
        let query = upstream
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let target = format!("{}{query}", upstream.path());
        let plain = |path: &str| {
            path.starts_with('/')
                && !path.contains("//")
                && path
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b))
        };
        let rest = match upstream.path().strip_prefix(base(&server.profile)) {
            Some(rest) if plain(rest) => rest.to_owned(),
            Some(_) | None => {
                let digest = Sha256::digest(upstream.path());
                format!("/messages/{}", hex::encode(digest.get(..8).unwrap_or_default()))
            }
        };
        let key = format!("{rest}{query}");
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.entry(server.path.clone()).or_default();
        if open
            .values()
            .filter(|endpoint| endpoint.principal == principal)
            .count()
            >= MOST_OF_ONE
        {
            return Err(Refused::TooMany);
        }
        let endpoint = Endpoint {
            principal: principal.to_owned(),
            target,
        };
        open.insert(key.clone(), endpoint);
        drop(all);
        let shown = format!("{}{key}", server.path);
        let named = Named {
            endpoints: self.clone(),
            server: server.path.clone(),
            key,
        };
        Ok((shown, named))
    }

    /// Where a POST of `principal` to `rest` behind the mount leads.
    /// Otherwise it would lead to `ordinary`.
    pub fn find(
        &self,
        server: &ServerPath,
        (rest, query): (&str, Option<&str>),
        ordinary: &str,
        principal: &str,
    ) -> Found {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = all.get(server) else {
            return Found::Ordinary;
        };
        let key = query.map_or_else(|| rest.to_owned(), |query| format!("{rest}?{query}"));
        match open.get(&key) {
            Some(endpoint) if endpoint.principal == principal => Found::Mine(endpoint.target.clone()),
            Some(_) => Found::Unknown,
            None => {
                // By where it leads: the MCP endpoint has several spellings.
                let path = |target: &str| target.split('?').next().map(str::to_owned);
                let named_so = || {
                    open.values()
                        .any(|endpoint| path(&endpoint.target) == path(ordinary))
                };
                let is_mcp = matches!(rest, "" | "/" | "/mcp") && !named_so();
                if is_mcp { Found::Ordinary } else { Found::Unknown }
            }
        }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let mut all = self.endpoints.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = all.get_mut(&self.server) {
            open.remove(&self.key);
            if open.is_empty() {
                all.remove(&self.server);
            }
        }
    }
}

/// What the event said, seen from the stream's own address; `None` unless it stays with the upstream.
fn address(route: &Route, target: &str, said: &str) -> Option<Url> {
    let origin = route.server.profile.proxy_pass_url.origin().to_string();
    let stream = Url::parse(&format!("{origin}{target}")).ok()?;
    let named = stream.join(said.trim()).ok()?;
    let stays = named.origin() == stream.origin()
        && named.username().is_empty()
        && named.password().is_none()
        && named.fragment().is_none();
    let text = named.as_str();
    (stays && text.bytes().all(|b| (0x21..=0x7e).contains(&b)) && text.len() <= 4_000).then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::server::Server;

    fn route(url: &str) -> Route {
        let server = Server::sample("/w", url, &[]);
        Route::new(server, Some(Vec::new()), None)
    }

    #[test]
    fn all_four_forms_come_under_the_mount_and_lead_where_the_upstream_said() {
        let rows = [
            (
                "http://u:1",
                "/sse",
                "/message?sessionId=a",
                "/w/message?sessionId=a",
                "/message?sessionId=a",
            ),
            (
                "http://u:1",
                "/sse",
                "http://u:1/messages/?s=a",
                "/w/messages/?s=a",
                "/messages/?s=a",
            ),
            (
                "http://u:1/x/sse",
                "/x/sse",
                "messages?s=a",
                "/w/messages?s=a",
                "/x/messages?s=a",
            ),
            (
                "http://u:1/x/sse",
                "/x/sse?k=v",
                "?s=a",
                "/w/sse?s=a",
                "/x/sse?s=a",
            ),
        ];
        for (url, stream, said, shown, target) in rows {
            let (endpoints, route) = (Endpoints::default(), route(url));
            let (address, _named) = endpoints.name(&route, stream, said, "ada").unwrap();
            assert_eq!(address, shown);
            let rest = shown.strip_prefix("/w").unwrap();
            let (rest, query) = rest.split_once('?').unwrap();
            let found = endpoints.find(&route.server.path, (rest, Some(query)), "", "ada");
            assert_eq!(found, Found::Mine(target.to_owned()), "{said}");
        }
    }

    #[test]
    fn what_does_not_fit_under_the_mount_gets_a_name_of_ours() {
        let (endpoints, route) = (Endpoints::default(), route("http://u:1/x/sse"));
        for said in ["/elsewhere?s=a", "/x/a%2fb?s=a", "/x//b?s=a"] {
            let (shown, _named) = endpoints.name(&route, "/x/sse", said, "ada").unwrap();
            assert!(
                shown.starts_with("/w/messages/") && shown.ends_with("?s=a"),
                "{shown}"
            );
            let (rest, query) = shown.strip_prefix("/w").unwrap().split_once('?').unwrap();
            let found = endpoints.find(&route.server.path, (rest, Some(query)), "", "ada");
            assert_eq!(found, Found::Mine(said.to_owned()));
        }
    }

    #[test]
    fn another_authority_is_refused() {
        let (endpoints, route) = (Endpoints::default(), route("http://u:1/"));
        for said in [
            "http://u:2/m",
            "https://u:1/m",
            "//evil/m",
            "http://a@u:1/m",
            "javascript:1",
            "/m#f",
        ] {
            let refused = endpoints.name(&route, "/sse", said, "ada").unwrap_err();
            assert_eq!(refused, Refused::Elsewhere, "{said}");
        }
    }

    #[test]
    fn an_address_is_one_principals_and_ends_with_its_stream() {
        let (endpoints, route) = (Endpoints::default(), route("http://u:1/"));
        let server = &route.server.path;
        let find = |rest, query, who| endpoints.find(server, (rest, query), "/mcp", who);
        assert_eq!(find("/messages/", Some("s=a"), "ada"), Found::Ordinary);
        let (_, named) = endpoints.name(&route, "/sse", "/messages/?s=a", "ada").unwrap();
        assert!(matches!(find("/messages/", Some("s=a"), "ada"), Found::Mine(_)));
        for (rest, query, who) in [
            ("/messages/", Some("s=a"), "bob"),
            ("/messages/", Some("s=A"), "bob"),
            ("/messages/", Some("s=%61"), "bob"),
            ("/messages", Some("s=a"), "bob"),
            ("/messages/", Some("x=1&s=a"), "bob"),
        ] {
            assert_eq!(find(rest, query, who), Found::Unknown, "{rest}?{query:?}");
        }
        assert_eq!(find("/mcp", None, "bob"), Found::Ordinary);
        let (_, at_mcp) = endpoints.name(&route, "/mcp", "?s=b", "ada").unwrap();
        for rest in ["", "/", "/mcp"] {
            assert_eq!(find(rest, Some("s=B"), "bob"), Found::Unknown, "`{rest}`");
        }
        drop(at_mcp);
        drop(named);
        assert_eq!(find("/messages/", Some("s=a"), "ada"), Found::Ordinary);
    }
}
