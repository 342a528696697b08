//! What a draft says of how requests to the server are signed.

use serde_json::{Map, Value};

use super::Reader;
use crate::domain::egress::{self, AuthScheme, Egress, Written, WrittenHeaders};
use crate::domain::secret::Secret;

impl Reader<'_> {
    pub(super) fn egress(&mut self, old: Option<&Egress>) -> Egress {
        let old = old.cloned().unwrap_or_default();
        let written = self.text("auth_scheme");
        let scheme = match written.as_deref().or_else(|| scheme_of_type(self.draft)) {
            None => old.auth_scheme,
            Some("none") => AuthScheme::None,
            Some("bearer") => AuthScheme::Bearer,
            Some("api_key" | "api-key") => AuthScheme::ApiKey,
            Some(_) => {
                self.fault("auth_scheme", "expected `none`, `bearer` or `api_key`");
                old.auth_scheme
            }
        };
        let auth_header_name = if self.draft.contains_key("auth_header_name") {
            self.text("auth_header_name")
        } else {
            old.auth_header_name
        };
        if let Some(Err(words)) = auth_header_name.as_deref().map(egress::check_name) {
            self.fault("auth_header_name", words);
        }
        let custom_header_names = match self.headers() {
            Some(headers) => headers.into_iter().map(|(name, _)| name).collect(),
            None => old.custom_header_names,
        };
        Egress {
            auth_scheme: scheme,
            auth_header_name,
            custom_header_names,
            identity_headers: self.flag("identity_headers").unwrap_or(old.identity_headers),
        }
    }

    fn headers(&self) -> Option<WrittenHeaders> {
        let headers = self
            .draft
            .get("headers")
            .or_else(|| self.draft.get("custom_headers"))?;
        egress::read_headers(headers).ok()
    }

    /// Secrets: they are read once and never said again, in no fault either. One that `scheme` would throw away is a fault,
    /// unless an `auth_type` says why, which is named as ignored.
    pub(super) fn written(&mut self, scheme: Option<AuthScheme>) -> Written {
        for field in ["headers", "custom_headers"] {
            if let Some(Err(words)) = self.draft.get(field).map(egress::read_headers) {
                self.fault(field, words);
            }
        }
        let auth = match self.draft.get("auth_credential") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Some(_) => {
                self.fault("auth_credential", "expected a text");
                None
            }
        };
        if let Some(Err(words)) = auth.as_deref().map(egress::check_value) {
            self.fault("auth_credential", words);
        }
        let other = self.draft.get("auth_type").and_then(Value::as_str);
        if auth.is_some() && scheme == Some(AuthScheme::None) && matches!(other, None | Some("none")) {
            self.fault(
                "auth_scheme",
                "expected `bearer` or `api_key`: there is a credential",
            );
        }
        Written {
            auth: auth.map(Secret::new),
            headers: self.headers(),
        }
    }
}

/// The scheme that `auth_type` means, the word of earlier systems. With theirs the credential stood among the headers; a
/// scheme of ours wants it by itself.
pub(super) fn scheme_of_type(draft: &Map<String, Value>) -> Option<&'static str> {
    let text = |field: &str| draft.get(field).and_then(Value::as_str).map(str::trim);
    let has_credential = text("auth_credential").is_some_and(|text| !text.is_empty());
    match text("auth_type").filter(|_| has_credential)? {
        "bearer" => Some("bearer"),
        "api_key" | "api-key" => Some("api_key"),
        _ => None,
    }
}
