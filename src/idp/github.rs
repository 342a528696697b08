//! GitHub: plain OAuth 2.0, without ID tokens. Who somebody is, and their groups, come from its API.
//!
//! Anybody can found an organisation of any name, so only the organisations that the file names count: `acme` becomes the
//! group `acme`, its team `platform` the group `acme/platform`.

use ::http::Method;
use serde_json::Value;

use super::http::{Fault, form, question, with_bearer};
use super::metadata::{away, refused};
use super::provider::Provider;
use super::{Attempt, Error, Providers, SignedIn};
use crate::clock::Timestamp;
use crate::domain::identity::{MACHINE, Vendor, Vouched, check_name};
use crate::domain::secret::Secret;

/// Pages of a list at most, a hundred rows each.
const MOST_PAGES: u32 = 20;

impl Providers {
    pub(super) fn github_authorize_url(
        &self,
        provider: &Provider,
        attempt: &Attempt,
    ) -> Result<String, Error> {
        let declared = &provider.declared;
        let address = declared.endpoints.authorization.as_deref().unwrap_or_default();
        let mut address = url::Url::parse(address).map_err(|error| away(provider, &error))?;
        let verifier = openidconnect::PkceCodeVerifier::new(attempt.verifier.expose().clone());
        let challenge = openidconnect::PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        address
            .query_pairs_mut()
            .append_pair("client_id", &declared.client_id)
            .append_pair("redirect_uri", &attempt.redirect_uri)
            .append_pair("scope", &declared.scopes.join(" "))
            .append_pair("state", attempt.state.expose())
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", challenge.method().as_str());
        Ok(address.to_string())
    }

    pub(super) async fn github_exchange(
        &self,
        provider: &Provider,
        attempt: &Attempt,
        code: &str,
    ) -> Result<SignedIn, Error> {
        let declared = &provider.declared;
        let secret = declared
            .client_secret
            .as_ref()
            .map_or("", |secret| secret.expose().as_str());
        let fields = [
            ("client_id", declared.client_id.as_str()),
            ("client_secret", secret),
            ("code", code),
            ("redirect_uri", &attempt.redirect_uri),
            ("code_verifier", attempt.verifier.expose()),
        ];
        let address = declared.endpoints.token.as_deref().unwrap_or_default();
        let ask = async { self.0.http.json(form(address, &fields)?).await };
        let answer = ask.await.map_err(|fault| away(provider, &fault))?;
        // A refusal comes with status 200 here.
        let token = answer.get("access_token").and_then(Value::as_str);
        let token = token.ok_or_else(|| {
            let code = answer
                .get("error")
                .and_then(Value::as_str)
                .unwrap_or("it gave no token");
            refused(provider, code)
        })?;
        let token = Secret::new(token.to_owned());
        let signed_in = self.github_signed_in(provider, &token).await?;
        Ok(SignedIn {
            // It has no end; with it the API says later whether the person is still welcome.
            refresh_token: Some(token),
            ..signed_in
        })
    }

    /// Who somebody with this access token is.
    pub(super) async fn github_signed_in(
        &self,
        provider: &Provider,
        token: &Secret<String>,
    ) -> Result<SignedIn, Error> {
        let token = token.expose();
        let user = self.github_get(provider, "/user", token).await?;
        let login = user.get("login").and_then(Value::as_str).unwrap_or_default();
        if check_name(login).is_err() || login.starts_with(MACHINE) {
            return Err(refused(provider, "a user name that cannot be used"));
        }
        Ok(SignedIn {
            vouched: Vouched {
                provider: provider.name.as_str().into(),
                vendor: Vendor::Github,
                username: login.to_owned(),
                client_id: provider.declared.client_id.clone(),
                groups: self.github_groups(provider, token).await?,
                scopes: Vec::new(),
                until: Timestamp::from_unix(i64::MAX),
                bound_to: None,
            },
            id_token: None,
            refresh_token: None,
        })
    }

    async fn github_groups(&self, provider: &Provider, token: &str) -> Result<Vec<String>, Error> {
        let counts = |organization: &str| {
            let mut ours = provider.declared.organizations.iter();
            ours.any(|known| known.eq_ignore_ascii_case(organization))
        };
        let mut groups = Vec::new();
        if provider.declared.organizations.is_empty() {
            return Ok(groups);
        }
        let login = |row: &Value| row.get("login").and_then(Value::as_str).map(str::to_owned);
        for row in self.github_list(provider, "/user/orgs", token).await? {
            groups.extend(login(&row).filter(|organization| counts(organization)));
        }
        for row in self.github_list(provider, "/user/teams", token).await? {
            let organization = row.get("organization").and_then(login);
            let slug = row.get("slug").and_then(Value::as_str);
            if let (Some(organization), Some(slug)) = (organization.filter(|name| counts(name)), slug) {
                groups.push(format!("{organization}/{slug}"));
            }
        }
        groups.retain(|name| check_name(name).is_ok());
        Ok(groups)
    }

    async fn github_list(&self, provider: &Provider, path: &str, token: &str) -> Result<Vec<Value>, Error> {
        let mut rows = Vec::new();
        for page in 1..=MOST_PAGES {
            let path = format!("{path}?per_page=100&page={page}");
            let Value::Array(more) = self.github_get(provider, &path, token).await? else {
                return Err(away(provider, &"its answer is no list"));
            };
            let last = more.len() < 100;
            rows.extend(more);
            if last {
                break;
            }
        }
        Ok(rows)
    }

    async fn github_get(&self, provider: &Provider, path: &str, token: &str) -> Result<Value, Error> {
        let address = format!("{}{path}", provider.declared.api_url);
        let ask = async {
            let ask = with_bearer(question(Method::GET, &address, Vec::new())?, token)?;
            self.0.http.json(ask).await
        };
        ask.await.map_err(|fault| match fault {
            Fault::Status(401) => refused(provider, "the access token is not valid any more"),
            other => away(provider, &other),
        })
    }
}
