//! Whence a request comes.
//!
//! Behind our nginx it says so on a socket that nobody else can open; without it the connection says so, and forwarded
//! addresses count only from proxies that the settings trust.

use std::net::IpAddr;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::web::state::Site;

/// How a request arrived; every server of ours puts one into each request.
#[derive(Debug, Clone, Copy)]
pub enum Arrival {
    /// On a unix socket, from our nginx.
    Nginx,
    /// On a TCP listener of our own.
    Direct(IpAddr),
}

/// The client's address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientIp(pub(crate) IpAddr);

impl<S> FromRequestParts<S> for ClientIp
where
    S: Send + Sync,
    Site: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let site = Site::from_ref(state);
        let unknown = IpAddr::from([0, 0, 0, 0]);
        Ok(Self(match parts.extensions.get::<Arrival>() {
            Some(Arrival::Nginx) => said_by_nginx(&parts.headers).unwrap_or(unknown),
            Some(Arrival::Direct(peer)) => forwarded(*peer, &parts.headers, &site),
            None => unknown,
        }))
    }
}

/// `X-Gate-Client`; absent when the client of our nginx is a unix socket.
pub(crate) fn said_by_nginx(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("x-gate-client")?.to_str().ok()?.parse().ok()
}

/// The nearest address that is no proxy we trust, read from the right.
fn forwarded(peer: IpAddr, headers: &HeaderMap, site: &Site) -> IpAddr {
    let trusted = |ip: &IpAddr| site.trusted_proxies.iter().any(|network| network.contains(ip));
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    let written = lines.iter().flat_map(|line| line.split(',')).map(str::trim).rev();
    let mut nearest = peer;
    for text in written {
        if !trusted(&nearest) {
            break;
        }
        let Ok(ip) = text.parse() else { break };
        nearest = ip;
    }
    nearest
}
