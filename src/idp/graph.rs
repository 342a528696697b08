//! The groups of somebody who has more than a token can hold: Microsoft Graph is asked with our own client.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::claims::{Claims, text, usable};
use super::http::{form, question, with_bearer};
use super::metadata::{away, refused};
use super::provider::Provider;
use super::{Error, Providers};
use crate::clock::Timestamp;

/// After Graph has not answered, everybody else goes without for so long: each token with too many groups would ask.
const PAUSE: Duration = Duration::from_secs(10);

/// When Graph last did not answer.
#[derive(Debug, Default)]
pub(super) struct Pause(Mutex<Option<Timestamp>>);

impl Pause {
    fn holds(&self, now: Timestamp) -> bool {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|when| now.since(when) < PAUSE)
    }

    fn set(&self, failed: Option<Timestamp>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }
}

impl Providers {
    /// Ids of all groups of the person that these claims speak of, also those within groups
    /// (`directoryObject: getMemberGroups`, at most 11,000).
    pub(super) async fn groups_of(&self, provider: &Provider, claims: &Claims) -> Result<Vec<String>, Error> {
        if provider.graph.holds(self.0.clock.now()) {
            return Err(away(provider, &"its list of groups did not answer a moment ago"));
        }
        let outcome = self.ask_graph(provider, claims).await;
        let away = matches!(outcome, Err(Error::Away(..)));
        provider.graph.set(away.then(|| self.0.clock.now()));
        outcome
    }

    async fn ask_graph(&self, provider: &Provider, claims: &Claims) -> Result<Vec<String>, Error> {
        let graph = provider.declared.graph_url.as_deref();
        let graph = graph.ok_or_else(|| Error::Lacks(provider.name.clone(), "list of groups"))?;
        let person =
            text(claims, "oid").filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        let person = person.ok_or_else(|| refused(provider, "the token names no object"))?;
        let token = self.graph_token(provider, graph).await?;
        let http = &self.0.http;
        let address = format!("{}/users/{person}/getMemberGroups", graph.trim_end_matches('/'));
        let body = json!({"securityEnabledOnly": false}).to_string().into_bytes();
        let ask = async {
            let mut ask = with_bearer(question(Method::POST, &address, body)?, &token)?;
            let kind = HeaderValue::from_static("application/json");
            ask.headers_mut().insert(header::CONTENT_TYPE, kind);
            http.json(ask).await
        };
        let answer = ask.await.map_err(|fault| away(provider, &fault))?;
        let rows = answer.get("value").and_then(Value::as_array);
        let rows = rows.ok_or_else(|| away(provider, &"its list of groups has no `value`"))?;
        Ok(usable(rows.iter().filter_map(Value::as_str)))
    }

    async fn graph_token(&self, provider: &Provider, graph: &str) -> Result<String, Error> {
        let located = self.locate(provider, |has| has.token.is_some()).await?;
        let address = located.endpoints.token;
        let address = address.ok_or_else(|| Error::Lacks(provider.name.clone(), "token endpoint"))?;
        let secret = provider.declared.client_secret.as_ref();
        let secret = secret.ok_or_else(|| refused(provider, "asking for groups needs a `client_secret`"))?;
        let host = url::Url::parse(graph)
            .ok()
            .map(|url| url.origin().ascii_serialization());
        let scope = format!("{}/.default", host.unwrap_or_default());
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", provider.declared.client_id.as_str()),
            ("client_secret", secret.expose()),
            ("scope", &scope),
        ];
        let ask = async { self.0.http.json(form(&address, &fields)?).await };
        let answer = ask.await.map_err(|fault| away(provider, &fault))?;
        let token = answer.get("access_token").and_then(Value::as_str);
        token
            .map(str::to_owned)
            .ok_or_else(|| away(provider, &"it gave no token for its list of groups"))
    }
}
