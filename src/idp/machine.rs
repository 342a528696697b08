//! Machines that ask us for a token of their provider: handed through (RFC 6749 section 4.4).

use serde_json::Value;

use super::http::form;
use super::metadata::away;
use super::provider::Provider;
use super::{Error, Providers};
use crate::domain::secret::Secret;

/// What the provider answered.
#[derive(Debug)]
pub enum Granted {
    /// A token, and what is said about it.
    Token {
        /// The token.
        access_token: Secret<String>,
        /// How many seconds it lives.
        expires_in: i64,
        /// Its scopes, separated by spaces.
        scope: Option<String>,
    },
    /// An error code of RFC 6749 section 5.2.
    No(&'static str),
}

/// The codes that are passed on; another becomes the first.
const CODES: &[&str] = &[
    "invalid_client",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
];

impl Providers {
    /// Ask the provider's token endpoint with a machine's own id and secret.
    pub async fn client_credentials(
        &self,
        provider: &Provider,
        client_id: &str,
        client_secret: &Secret<String>,
        scope: Option<&str>,
    ) -> Result<Granted, Error> {
        let located = self.locate(provider, |has| has.token.is_some()).await?;
        let address = located.endpoints.token;
        let address = address.ok_or_else(|| Error::Lacks(provider.name.clone(), "token endpoint"))?;
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", client_secret.expose()),
        ];
        fields.extend(scope.map(|scope| ("scope", scope)));
        let request = form(&address, &fields).map_err(|fault| away(provider, &fault))?;
        let answer = self
            .0
            .http
            .send(request)
            .await
            .map_err(|fault| away(provider, &fault))?;
        let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let text = |field: &str| said.get(field).and_then(Value::as_str);
        match (answer.status().as_u16(), text("access_token")) {
            (200, Some(token)) => Ok(Granted::Token {
                access_token: Secret::new(token.to_owned()),
                expires_in: said.get("expires_in").and_then(Value::as_i64).unwrap_or(300),
                scope: text("scope").map(str::to_owned),
            }),
            (400 | 401 | 403, _) => {
                let code = text("error").unwrap_or_default();
                let known = CODES.iter().find(|known| **known == code);
                Ok(Granted::No(known.copied().unwrap_or("invalid_client")))
            }
            (status, _) => Err(away(provider, &format!("it answered with status {status}"))),
        }
    }
}
