//! What clients are told about getting in: which issuers we believe, what to ask them for, and where that is written
//! (RFC 9728, MCP authorization).

use std::sync::Arc;

use super::refusal::{Reason, Refusal};
use crate::idp::Providers;

/// What we tell.
#[derive(Debug, Clone)]
pub struct Advertised {
    /// The declared providers.
    pub providers: Providers,
    /// The one that comes first, if the settings name it.
    pub first: Option<String>,
    /// What to ask an issuer for, if the settings say so.
    pub scopes: Arc<Vec<String>>,
    /// The base of every address of ours.
    pub public_url: Arc<str>,
}

impl Advertised {
    /// The base of every address of ours.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Issuers whose tokens are taken, the first one first; and what to ask it for.
    pub fn issuers(&self) -> (Vec<String>, Vec<String>) {
        let all = self.providers.all();
        let mut issuers: Vec<_> = all
            .iter()
            .filter_map(|one| Some((one, one.issuer()?.to_owned())))
            .collect();
        issuers.sort_by_key(|(one, _)| self.first.as_ref() != Some(&one.name));
        let usual = issuers.first().map(|(one, _)| one.scopes().to_vec());
        let scopes = if self.scopes.is_empty() {
            usual.unwrap_or_default()
        } else {
            self.scopes.to_vec()
        };
        (issuers.into_iter().map(|(_, issuer)| issuer).collect(), scopes)
    }

    /// The address of the document about a path of ours (RFC 9728 section 3.1). A path with anything but plain characters
    /// stays out of the header; the document of the whole site says the same.
    pub fn metadata(&self, path: &str) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/_.~-".contains(&b);
        let path = if path.bytes().all(plain) {
            path.trim_end_matches('/')
        } else {
            ""
        };
        format!("{}/.well-known/oauth-protected-resource{path}", self.public_url)
    }

    /// Tell a refused client where to look. Scopes of ours mean nothing to an issuer of somebody else's: where there is
    /// one, its own stand in the challenge, and a right that is missing is no reason to sign in again.
    pub(super) fn complete(&self, refusal: Refusal, path: &str) -> Refusal {
        if !matches!(refusal.reason, Reason::Unauthenticated | Reason::Denied) {
            return refusal;
        }
        let (issuers, scopes) = self.issuers();
        let scopes = match (issuers.is_empty(), refusal.reason) {
            (true, _) => refusal.scopes,
            (false, Reason::Unauthenticated) => {
                scopes.into_iter().filter(|scope| is_sayable(scope)).collect()
            }
            (false, _) => Vec::new(),
        };
        Refusal {
            scopes,
            metadata: Some(self.metadata(path).into()),
            ..refusal
        }
    }
}

/// The alphabet of RFC 6749 section 3.3.
fn is_sayable(scope: &str) -> bool {
    let inert = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    !scope.is_empty() && scope.bytes().all(inert)
}
