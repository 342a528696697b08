//! Upstream addresses: where a registered server really is, and which addresses we never reach.
//!
//! **Invariant:** the authority of a parsed [`UpstreamUrl`] holds only letters, digits, `-`, `_`, `.`, `:`, `[`, `]`,
//! so it is inert in nginx.conf; its path and query hold only 0x21–0x7e, so they are inert in a request line.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// How the upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS; the certificate is checked against the host.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Scheme and authority: what one keep-alive pool may serve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// The host without brackets: a name in lower case or an address literal.
    pub host: String,
    /// The port, given or the scheme's own.
    pub port: u16,
}

impl Origin {
    /// The address, when the host is a literal.
    pub fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// What goes into `Host`: the port is left out when it is the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

/// An address that we may proxy to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UpstreamUrl {
    text: String,
    origin: Origin,
    path: String,
    query: Option<String>,
}

/// Why a text is not an upstream address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an upstream address: {reason}")]
pub struct InvalidUpstream {
    text: String,
    reason: &'static str,
}

impl UpstreamUrl {
    /// The address as it was registered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path, `/` at least.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query without its `?`.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

impl FromStr for UpstreamUrl {
    type Err = InvalidUpstream;

    fn from_str(text: &str) -> Result<Self, InvalidUpstream> {
        let fault = |reason| InvalidUpstream {
            text: text.chars().take(120).collect(),
            reason,
        };
        if text.len() > 2000 {
            return Err(fault("it may be at most 2000 characters long"));
        }
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Err(fault("it must start with `http://` or `https://`"));
        }
        if !text.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return Err(fault("it may hold printable ASCII only, without spaces"));
        }
        // A parser of URLs takes it for `/`, so what was written would not be what is asked for.
        if text.contains('\\') {
            return Err(fault("it may hold no backslash"));
        }
        let url = Url::parse(text).map_err(|_| fault("it does not read as a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("a name or password may not stand in it"));
        }
        if url.fragment().is_some() {
            return Err(fault("a fragment (`#…`) may not stand in it"));
        }
        let path = text.split('?').next().unwrap_or_default();
        let is_dots = |segment: &str| {
            matches!(
                segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
                "." | ".."
            )
        };
        if path.split('/').skip(3).any(is_dots) {
            return Err(fault("its path may hold no `.` or `..` segment"));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                let inert = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                if name.is_empty() || name.len() > 253 || !name.bytes().all(inert) {
                    return Err(fault("its host is not a DNS name"));
                }
                name.to_owned()
            }
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(fault("it names no host")),
        };
        let scheme = if url.scheme() == "https" {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or_else(|| fault("its port may not be 0"))?;
        Ok(Self {
            text: text.to_owned(),
            origin: Origin { scheme, host, port },
            path: url.path().to_owned(),
            query: url.query().map(str::to_owned),
        })
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<UpstreamUrl> for String {
    fn from(url: UpstreamUrl) -> Self {
        url.text
    }
}

impl TryFrom<String> for UpstreamUrl {
    type Error = InvalidUpstream;

    fn try_from(text: String) -> Result<Self, InvalidUpstream> {
        text.parse()
    }
}

/// Which addresses may be reached. Asked at registration and again at every connect, because a name can change.
#[derive(Debug, Clone)]
pub struct AddressRules {
    /// Whether loopback and private networks may be reached.
    pub allow_private: bool,
    /// Where we listen ourselves; never reached, or a call could go round in circles.
    pub own: Vec<SocketAddr>,
}

/// Why an address may not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` may not be reached: {reason}")]
pub struct ForbiddenAddress {
    address: SocketAddr,
    reason: &'static str,
}

impl AddressRules {
    /// Whether this address may be reached, however it is written (an IPv4 address inside IPv6 is unwrapped first).
    pub fn judge(&self, address: SocketAddr) -> Result<(), ForbiddenAddress> {
        let fault = |reason| Err(ForbiddenAddress { address, reason });
        let ip = unwrap_v4(address.ip());
        if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return fault("it is no host's address");
        }
        if is_link_local(ip) {
            return fault("it is link-local, where cloud machines keep their credentials");
        }
        if !self.allow_private && is_private(ip) {
            return fault("it is in a loopback or private network, and the settings do not allow those");
        }
        let own = self.own.iter().any(|own| {
            own.port() == address.port()
                && (own.ip() == ip || (own.ip().is_unspecified() && ip.is_loopback()))
        });
        if own {
            return fault("it is the gateway's own listener");
        }
        Ok(())
    }
}

fn unwrap_v4(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let [a, b, c, d, e, f, hi, lo] = v6.segments();
    let inner = |hi: u16, lo: u16| {
        let [h1, h2] = hi.to_be_bytes();
        let [l1, l2] = lo.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(h1, h2, l1, l2))
    };
    match (a, b, c, d, e, f) {
        // ::ffff:a.b.c.d (mapped), ::a.b.c.d (compatible, but not :: and ::1), 64:ff9b::a.b.c.d (NAT64).
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => inner(hi, lo),
        (0, 0, 0, 0, 0, 0) if hi != 0 => inner(hi, lo),
        // 2002:aabb:ccdd:: (6to4).
        (0x2002, v4_hi, v4_lo, ..) => inner(v4_hi, v4_lo),
        _ => ip,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    const EC2_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == EC2_METADATA,
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        // 100.64/10 is carrier-grade NAT (RFC 6598), private in all but name; 0/8 is "this network" (RFC 1122).
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || a == 0 || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> UpstreamUrl {
        text.parse().unwrap()
    }

    #[test]
    fn authority_and_parts_are_read() {
        let parsed = url("http://Localhost:8000/x/mcp?k=v");
        assert_eq!(parsed.origin().authority(), "localhost:8000");
        assert_eq!((parsed.path(), parsed.query()), ("/x/mcp", Some("k=v")));
        assert_eq!(url("https://example.com:443").origin().authority(), "example.com");
        assert_eq!(url("http://[::1]:9/").origin().authority(), "[::1]:9");
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for text in [
            "",
            "weather",
            "ftp://a/",
            "http://",
            "http://a b/",
            "http://u:p@a/",
            "http://a/#f",
            "http://a;b/",
            "http://a{b}/",
            "http://a$b/",
            "http://a:0/",
            "http://a\n/",
            "http://ä/",
            "HTTP://a/",
            "http://a:99999/",
        ] {
            assert!(text.parse::<UpstreamUrl>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn link_local_is_never_reached_however_it_is_written() {
        let rules = AddressRules {
            allow_private: true,
            own: vec!["127.0.0.1:8080".parse().unwrap()],
        };
        for text in [
            "http://169.254.169.254/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://0/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:a9fe:a9fe::1]/",
            "http://127.0.0.1:8080/",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://224.0.0.1/",
        ] {
            let origin = url(text).origin().clone();
            let address = SocketAddr::new(origin.literal().unwrap(), origin.port);
            assert!(rules.judge(address).is_err(), "{text} was allowed");
        }
        for text in [
            "http://127.0.0.1:8000/",
            "http://10.1.2.3/",
            "http://[::1]:8080/",
            "http://8.8.8.8/",
        ] {
            let origin = url(text).origin().clone();
            assert_eq!(
                rules.judge(SocketAddr::new(origin.literal().unwrap(), origin.port)),
                Ok(())
            );
        }
        let strict = AddressRules {
            allow_private: false,
            own: Vec::new(),
        };
        for address in [
            "127.0.0.1:1",
            "10.0.0.1:1",
            "192.168.1.1:1",
            "[::1]:1",
            "[fd12::1]:1",
            "100.64.0.1:1",
        ] {
            assert!(
                strict.judge(address.parse().unwrap()).is_err(),
                "{address} was allowed"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_that_parsed_can_break_out_of_nginx_conf(text in "https?://[ -~]{1,40}") {
            if let Ok(parsed) = text.parse::<UpstreamUrl>() {
                let inert = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b);
                prop_assert!(parsed.origin().authority().bytes().all(inert));
                prop_assert!(parsed.path().bytes().all(|b| (0x21..=0x7e).contains(&b)));
            }
        }
    }
}
