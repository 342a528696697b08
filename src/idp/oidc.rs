//! Signing in by the authorization code flow (OpenID Connect Core 1.0 section 3.1), with PKCE, state and nonce; keeping
//! and ending what it began.

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
    CoreTokenResponse,
};
use openidconnect::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardErrorResponse, TokenUrl,
};
use serde_json::Value;

use super::bearer::{LEEWAY, payload};
use super::claims::{Claims, has_overage, text, vouched};
use super::http::{Fault, question, with_bearer};
use super::keys::Why;
use super::metadata::{Located, away, refused};
use super::provider::Provider;
use super::{Error, Providers};
use crate::clock::Timestamp;
use crate::domain::identity::{Vendor, Vouched};
use crate::domain::secret::Secret;

/// What one try to sign in is bound to. All of it is secret to the browser that began it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Comes back in the callback (RFC 6749 section 10.12).
    pub state: Secret<String>,
    /// Comes back in the ID token.
    pub nonce: Secret<String>,
    /// The PKCE code verifier (RFC 7636 section 4.1).
    pub verifier: Secret<String>,
    /// Where the browser comes back to.
    pub redirect_uri: String,
}

/// Somebody who signed in, and what is needed to ask for them again.
#[derive(Debug)]
pub struct SignedIn {
    /// Who they are.
    pub vouched: Vouched,
    /// Their ID token: the hint at the end (RP-Initiated Logout 1.0 section 2).
    pub id_token: Option<Secret<String>>,
    /// With it the provider can be asked whether they are still welcome.
    pub refresh_token: Option<Secret<String>>,
}

/// What asking about somebody came to.
#[derive(Debug)]
pub struct Refreshed {
    /// What to ask with next time: the one of before may be used up.
    pub refresh_token: Secret<String>,
    /// Who they are now, without a refresh token, or why that is not known.
    pub outcome: Result<SignedIn, Error>,
}

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointNotSet>;

const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What an ID token must say beside its signature, issuer, audience and time.
#[derive(Clone, Copy)]
enum Expect<'a> {
    Nonce(&'a Secret<String>),
    /// A refreshed one: the same person (Core section 12.2).
    Subject(&'a str),
    /// One that came without a browser.
    Anybody,
}

impl Providers {
    /// Where to send the browser.
    pub async fn authorize_url(&self, provider: &Provider, attempt: &Attempt) -> Result<String, Error> {
        if provider.vendor == Vendor::Github {
            return self.github_authorize_url(provider, attempt);
        }
        let (client, _) = self.client(provider, Value::Null).await?;
        let verifier = PkceCodeVerifier::new(attempt.verifier.expose().clone());
        let redirect = redirect(provider, attempt)?;
        let (state, nonce) = (attempt.state.expose().clone(), attempt.nonce.expose().clone());
        // `openid` is asked for by the crate. Entra gives refresh tokens only to those who ask.
        let offline = (provider.vendor == Vendor::Entra).then(|| "offline_access".to_owned());
        let others = provider.scopes().iter().chain(offline.as_ref());
        let others = others.filter(|scope| *scope != "openid");
        let (url, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || CsrfToken::new(state),
                || Nonce::new(nonce),
            )
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect))
            .add_scopes(others.map(|scope| Scope::new(scope.clone())))
            .url();
        Ok(url.to_string())
    }

    /// Whether the callback may come from this provider: it says who it is, or need not (RFC 9207 section 2.4).
    pub async fn is_from(&self, provider: &Provider, iss: Option<&str>) -> bool {
        let Some(issuer) = provider.issuer() else {
            return true;
        };
        if let Some(iss) = iss {
            return iss == issuer;
        }
        let located = self.locate(provider, |has| has.authorization.is_some()).await;
        !located.is_ok_and(|located| located.metadata.is_some_and(|said| said.always_says_issuer()))
    }

    /// Trade the code for who signed in.
    pub async fn exchange(
        &self,
        provider: &Provider,
        attempt: &Attempt,
        code: &str,
    ) -> Result<SignedIn, Error> {
        if provider.vendor == Vendor::Github {
            return self.github_exchange(provider, attempt, code).await;
        }
        let (client, located) = self.client(provider, Value::Null).await?;
        let redirect = redirect(provider, attempt)?;
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect))
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.expose().clone()))
            .request_async(&self.0.http)
            .await
            .map_err(|error| explained(provider, &error))?;
        let expect = Expect::Nonce(&attempt.nonce);
        self.signed_in(provider, &located, &answer, expect).await
    }

    /// Ask whether somebody is still welcome, and with which groups. [`Error::Refused`] is a no; everything else is none: a
    /// provider that is overloaded, or does not know our own client any more, says nothing of the person.
    pub async fn refresh(
        &self,
        provider: &Provider,
        refresh_token: &Secret<String>,
        known: &Vouched,
        subject: &str,
    ) -> Refreshed {
        let same = |outcome| Refreshed {
            refresh_token: refresh_token.clone(),
            outcome,
        };
        if provider.vendor == Vendor::Github {
            return same(self.github_signed_in(provider, refresh_token).await);
        }
        let (client, located) = match self.client(provider, Value::Null).await {
            Ok(found) => found,
            Err(error) => return same(Err(error)),
        };
        let token = RefreshToken::new(refresh_token.expose().clone());
        let asked = client
            .exchange_refresh_token(&token)
            .request_async(&self.0.http)
            .await;
        let answer = match asked {
            Ok(answer) => answer,
            Err(RequestTokenError::ServerResponse(said)) if said.error().as_ref() == "invalid_grant" => {
                return same(Err(refused(provider, "invalid_grant")));
            }
            Err(error) => {
                let words = explained(provider, &error).to_string();
                return same(Err(away(provider, &words.chars().take(200).collect::<String>())));
            }
        };
        let rotated = answer
            .refresh_token()
            .map(|token| Secret::new(token.secret().clone()));
        // From here on the old one may be used up, whatever becomes of the rest.
        let refresh_token = rotated.unwrap_or_else(|| refresh_token.clone());
        // A provider may answer without an ID token: then nothing is said about groups.
        let outcome = if answer.extra_fields().id_token().is_none() {
            Ok(SignedIn {
                vouched: known.clone(),
                id_token: None,
                refresh_token: None,
            })
        } else {
            let expect = Expect::Subject(subject);
            let signed_in = self.signed_in(provider, &located, &answer, expect).await;
            // An answer that does not hold together is no word about the person either.
            signed_in.map_err(|error| away(provider, &error))
        };
        Refreshed {
            refresh_token,
            outcome,
        }
    }

    /// Who the tokens of a flow without a browser speak of.
    pub(super) async fn by_answer(&self, provider: &Provider, answer: Value) -> Result<SignedIn, Error> {
        let (_, located) = self.client(provider, Value::Null).await?;
        let answer: CoreTokenResponse =
            serde_json::from_value(answer).map_err(|_| refused(provider, "its answer holds no tokens"))?;
        self.signed_in(provider, &located, &answer, Expect::Anybody).await
    }

    /// Where to send a browser to end the provider's own session; none when it offers nothing of the kind.
    pub async fn logout_address(
        &self,
        provider: &Provider,
        id_token: Option<&Secret<String>>,
        back_to: &str,
    ) -> Option<String> {
        let located = self
            .locate(provider, |has| has.end_session.is_some())
            .await
            .ok()?;
        let mut address = url::Url::parse(&located.endpoints.end_session?).ok()?;
        let client_id = provider.declared.client_id.as_str();
        let mut query = address.query_pairs_mut();
        if provider.vendor == Vendor::Cognito {
            query
                .append_pair("client_id", client_id)
                .append_pair("logout_uri", back_to);
        } else {
            query
                .append_pair("client_id", client_id)
                .append_pair("post_logout_redirect_uri", back_to);
            if let Some(token) = id_token {
                query.append_pair("id_token_hint", token.expose());
            }
        }
        drop(query);
        Some(address.to_string())
    }

    /// The provider's keys, asked for again when the one of this ID token is not among them.
    async fn keys_for(&self, provider: &Provider, id_token: &CoreIdToken) -> Result<Value, Error> {
        let address = self.jwks_address(provider).await?;
        let header = jsonwebtoken::decode_header(id_token.to_string());
        let id = header.ok().and_then(|header| header.kid);
        let (http, now) = (&self.0.http, self.0.clock.now());
        let (_, changed) = provider
            .keys
            .find(http, &address, (id.as_deref(), Why::Provider), now)
            .await;
        if changed {
            self.bump();
        }
        let keys = provider.keys.document(http, &address, now).await;
        keys.map_err(|fault| away(provider, &fault))
    }

    async fn client(&self, provider: &Provider, keys: Value) -> Result<(Client, Located), Error> {
        let declared = &provider.declared;
        let located = self
            .locate(provider, |has| has.authorization.is_some() && has.token.is_some())
            .await?;
        let lacks = |what| Error::Lacks(provider.name.clone(), what);
        let authorization = located.endpoints.authorization.clone();
        let authorization = authorization.ok_or_else(|| lacks("authorization endpoint"))?;
        let token = located
            .endpoints
            .token
            .clone()
            .ok_or_else(|| lacks("token endpoint"))?;
        let unusable = |_| away(provider, &"an address of its own cannot be used");
        let keys: CoreJsonWebKeySet = match keys {
            Value::Null => CoreJsonWebKeySet::new(Vec::new()),
            keys => serde_json::from_value(keys).map_err(|_| away(provider, &"its keys cannot be read"))?,
        };
        let issuer = IssuerUrl::new(declared.issuer.clone()).map_err(unusable)?;
        let mut client = CoreClient::new(ClientId::new(declared.client_id.clone()), issuer, keys)
            .set_auth_uri(AuthUrl::new(authorization).map_err(unusable)?)
            .set_token_uri(TokenUrl::new(token).map_err(unusable)?);
        if let Some(secret) = &declared.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().clone()));
        }
        if located
            .metadata
            .as_ref()
            .is_some_and(|said| said.wants_secret_in_body())
        {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        Ok((client, located))
    }

    async fn signed_in(
        &self,
        provider: &Provider,
        located: &Located,
        answer: &CoreTokenResponse,
        expect: Expect<'_>,
    ) -> Result<SignedIn, Error> {
        let id_token = answer.extra_fields().id_token();
        let id_token = id_token.ok_or_else(|| refused(provider, "it gave no ID token"))?;
        let (client, _) = self
            .client(provider, self.keys_for(provider, id_token).await?)
            .await?;
        let mut claims = self.check_id_token(provider, &client, id_token, expect)?;
        let userinfo = located
            .endpoints
            .userinfo
            .as_deref()
            .filter(|_| provider.vendor != Vendor::Entra);
        let lacks = |names: &[String]| !names.iter().any(|name| claims.contains_key(name));
        let mapping = &provider.declared.mapping;
        if let Some(address) = userinfo.filter(|_| lacks(&mapping.groups) || lacks(&mapping.username)) {
            let more = self.userinfo(address, answer.access_token().secret()).await;
            let more = more.map_err(|fault| away(provider, &fault))?;
            // Somebody else's answer says nothing about this person (Core section 5.3.2).
            if text(&more, "sub") != text(&claims, "sub") {
                return Err(refused(provider, "its user info is about somebody else"));
            }
            more.into_iter().for_each(|(name, value)| {
                claims.entry(name).or_insert(value);
            });
        }
        let until = Timestamp::from_unix(i64::MAX);
        let mut vouched = vouched(provider, &claims, until).map_err(|words| refused(provider, words))?;
        if has_overage(provider.vendor, &claims) {
            vouched.groups = self.groups_of(provider, &claims).await?;
        }
        Ok(SignedIn {
            vouched,
            id_token: Some(Secret::new(id_token.to_string())),
            refresh_token: answer
                .refresh_token()
                .map(|token| Secret::new(token.secret().clone())),
        })
    }

    /// Signature, issuer, audience and time by the crate; then all claims as they came.
    fn check_id_token(
        &self,
        provider: &Provider,
        client: &Client,
        id_token: &CoreIdToken,
        expect: Expect<'_>,
    ) -> Result<Claims, Error> {
        let earlier = self.0.clock.now().unix().saturating_sub(LEEWAY);
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || chrono::DateTime::from_timestamp(earlier, 0).unwrap_or_default());
        let verified = match expect {
            Expect::Nonce(nonce) => id_token.claims(&verifier, &Nonce::new(nonce.expose().clone())),
            Expect::Subject(_) | Expect::Anybody => {
                id_token.claims(&verifier, |_: Option<&Nonce>| Ok::<(), String>(()))
            }
        };
        let verified = verified.map_err(|error| refused(provider, format!("its ID token: {error}")))?;
        if let Expect::Subject(subject) = expect
            && verified.subject().as_str() != subject
        {
            return Err(refused(provider, "its ID token is about somebody else"));
        }
        payload(&id_token.to_string()).ok_or_else(|| refused(provider, "its ID token cannot be read"))
    }

    async fn userinfo(&self, address: &str, token: &str) -> Result<Claims, Fault> {
        let ask = with_bearer(question(::http::Method::GET, address, Vec::new())?, token)?;
        match self.0.http.json(ask).await? {
            Value::Object(claims) => Ok(claims),
            _ => Err(Fault::NotJson),
        }
    }
}

impl SignedIn {
    /// `sub` of the ID token: who it is at the provider, whatever their name.
    pub fn subject(&self) -> Option<String> {
        let claims = payload(self.id_token.as_ref()?.expose())?;
        text(&claims, "sub").map(str::to_owned)
    }
}

fn redirect(provider: &Provider, attempt: &Attempt) -> Result<RedirectUrl, Error> {
    let redirect = RedirectUrl::new(attempt.redirect_uri.clone());
    redirect.map_err(|_| refused(provider, "our own address cannot be used"))
}

/// The provider's own error code is worth a log line; its free text is anybody's.
fn explained<C>(provider: &Provider, error: &RequestTokenError<Fault, StandardErrorResponse<C>>) -> Error
where
    C: openidconnect::ErrorResponseType + std::fmt::Display + 'static,
{
    match error {
        RequestTokenError::ServerResponse(said) => refused(provider, said.error()),
        RequestTokenError::Request(fault) => away(provider, fault),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            away(provider, &"its answer cannot be read")
        }
    }
}
