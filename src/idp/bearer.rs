//! Access tokens of providers (RFC 9068, and the shapes of vendors that are older than it).

use jsonwebtoken::{Header, Validation};
use serde_json::Value;

use super::claims::{Claims, has_overage, is_machine, text, vouched};
use super::keys::{Found, Key, Why};
use super::provider::Provider;
use super::{Error, Providers};
use crate::clock::Timestamp;
use crate::domain::identity::{Vendor, Vouched};

/// Clocks of two machines may differ by this many seconds.
pub(super) const LEEWAY: i64 = 30;

/// Why a token is not believed. The words are for the log: no caller learns which it was.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No JWT, or of an issuer that nobody declared.
    #[error("{0}")]
    Foreign(&'static str),
    /// It is good, and for somebody else.
    #[error("a token for another audience")]
    Audience,
    /// Anything else that does not hold.
    #[error("{0}")]
    Bad(&'static str),
    /// The provider would have to be asked, and cannot be.
    #[error(transparent)]
    Away(Error),
}

impl Providers {
    /// What an access token vouches for, if a declared provider issued it for us and its time is now.
    pub async fn verify(&self, token: &str) -> Result<Vouched, Refused> {
        let first = first_part(token).ok_or(Refused::Foreign("a token that is no JWT"))?;
        // An unsecured JWT (RFC 7519 section 6); the crate does not know its algorithm.
        if text(&first, "alg").is_some_and(|alg| alg.eq_ignore_ascii_case("none")) {
            return Err(Refused::Bad("a token without a signature"));
        }
        let header = jsonwebtoken::decode_header(token);
        let header = header.map_err(|_| Refused::Foreign("a token that is no JWT"))?;
        // What must be understood and is not (RFC 7515 section 4.1.11).
        if first.contains_key("crit") {
            return Err(Refused::Bad(
                "a token with a critical header that is not understood",
            ));
        }
        // Read before it is verified, only to know whose key to try.
        let unverified = payload(token).ok_or(Refused::Foreign("a token that is no JWT"))?;
        let iss = text(&unverified, "iss").ok_or(Refused::Foreign("a token without an issuer"))?;
        let all = self.all();
        let provider = all.iter().find(|provider| provider.is_issuer(iss));
        let provider = provider.ok_or(Refused::Foreign("a token of another issuer"))?;
        let claims = self.check_signature(provider, token, &header).await?;
        let now = self.0.clock.now();
        let until = check_times(&claims, now)?;
        check_kind(provider, &claims, &header)?;
        let bound_to = self.check_audience(provider, &claims)?;
        let mut vouched = vouched(provider, &claims, until).map_err(Refused::Bad)?;
        if has_overage(provider.vendor, &claims) {
            vouched.groups = self.groups_of(provider, &claims).await.map_err(Refused::Away)?;
        }
        Ok(Vouched { bound_to, ..vouched })
    }

    async fn check_signature(
        &self,
        provider: &Provider,
        token: &str,
        header: &Header,
    ) -> Result<Claims, Refused> {
        let key = match provider.keys.get(header.kid.as_deref()) {
            // Nothing need be asked, and nobody waits for a provider that is slow.
            Some(key) => key,
            None => self.find_key(provider, header).await?,
        };
        if !key.algorithms.contains(&header.alg) {
            return Err(Refused::Bad("a token with an algorithm that is not its key's"));
        }
        let mut rules = Validation::new(header.alg);
        rules.algorithms = vec![header.alg];
        rules.required_spec_claims.clear();
        // Times, issuer and audience are checked here, with the clock that was handed in and the provider's own rule.
        (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false);
        let verified = jsonwebtoken::decode::<Claims>(token, &key.key, &rules);
        verified
            .map(|token| token.claims)
            .map_err(|_| Refused::Bad("a token with a wrong signature"))
    }

    /// A key that is not known yet. Anybody can name one, so both questions are rare and asked by one at a time.
    async fn find_key(&self, provider: &Provider, header: &Header) -> Result<Key, Refused> {
        let address = self.jwks_address(provider).await.map_err(Refused::Away)?;
        let (http, now) = (&self.0.http, self.0.clock.now());
        let (found, new) = provider
            .keys
            .find(http, &address, (header.kid.as_deref(), Why::Somebody), now)
            .await;
        if new {
            self.bump();
        }
        match found {
            Found::Key(key) => Ok(*key),
            Found::Unknown => Err(Refused::Bad("a token signed with an unknown key")),
            Found::Away(fault) => Err(Refused::Away(super::metadata::away(provider, &fault))),
        }
    }

    /// Whether the token is meant for us; paths of ours when it is meant for what lies there alone (RFC 8707).
    fn check_audience(&self, provider: &Provider, claims: &Claims) -> Result<Option<Vec<String>>, Refused> {
        let declared = &provider.declared;
        let audiences: Vec<&str> = match claims.get("aud") {
            None => {
                // Cognito's access tokens name a client instead. A machine's rights come from its scopes or from what
                // the file says of it, so any machine of the pool may come.
                let client = text(claims, "client_id").unwrap_or_default();
                let known = declared.clients.iter().any(|known| known == client);
                let cognito = provider.vendor == Vendor::Cognito;
                return if cognito && (known || is_machine(provider.vendor, claims)) {
                    Ok(None)
                } else {
                    Err(Refused::Audience)
                };
            }
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(rows)) => rows.iter().filter_map(Value::as_str).collect(),
            Some(_) => return Err(Refused::Bad("an `aud` that is no text")),
        };
        let public_url = &self.0.public_url;
        let whole = |aud: &&str| {
            declared.audiences.iter().any(|known| known == aud) || aud.trim_end_matches('/') == public_url
        };
        if audiences.iter().any(whole) {
            return Ok(None);
        }
        let below = |aud: &&str| {
            aud.strip_prefix(public_url.as_str())
                .filter(|rest| rest.starts_with('/'))
                .map(str::to_owned)
        };
        let paths: Vec<String> = audiences.iter().filter_map(below).collect();
        if paths.is_empty() {
            Err(Refused::Audience)
        } else {
            Ok(Some(paths))
        }
    }
}

/// The claims without a look at the signature.
pub(super) fn payload(token: &str) -> Option<Claims> {
    object(token.split('.').nth(1)?)
}

fn first_part(token: &str) -> Option<Claims> {
    object(token.split('.').next()?)
}

fn object(part: &str) -> Option<Claims> {
    use base64::Engine;
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<Timestamp, Refused> {
    // A NumericDate may have a fraction (RFC 7519 section 2).
    #[expect(clippy::cast_possible_truncation, reason = "times of this century fit")]
    let time = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_f64)
            .map(|seconds| seconds as i64)
    };
    let (now, exp) = (
        now.unix(),
        time("exp").ok_or(Refused::Bad("a token without an end"))?,
    );
    if exp.saturating_add(LEEWAY) <= now {
        return Err(Refused::Bad("an expired token"));
    }
    let latest = now.saturating_add(LEEWAY);
    if time("nbf").is_some_and(|nbf| nbf > latest) || time("iat").is_some_and(|iat| iat > latest) {
        return Err(Refused::Bad("a token that is not valid yet"));
    }
    Ok(Timestamp::from_unix(exp.saturating_add(LEEWAY)))
}

/// An ID token proves to a client that somebody signed in; it is no key to a server (RFC 9068 section 4, RFC 8725
/// section 3.11). Where a vendor has no word for the kind, only what ID tokens do not have counts.
fn check_kind(provider: &Provider, claims: &Claims, header: &Header) -> Result<(), Refused> {
    let no_access = Err(Refused::Bad("an ID token, or another that is no access token"));
    // Bound to a key whose proof we do not ask for: as a bearer token it was stolen (RFC 7800 section 3).
    if claims.contains_key("cnf") {
        return Err(Refused::Bad("a token that is bound to a key"));
    }
    let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    if !matches!(kind.as_str(), "jwt" | "at+jwt" | "application/at+jwt") {
        return no_access;
    }
    // Keycloak's word, and Cognito's.
    if let Some(word) = text(claims, "typ") {
        return if word == "Bearer" { Ok(()) } else { no_access };
    }
    if let Some(word) = text(claims, "token_use") {
        return if word == "access" { Ok(()) } else { no_access };
    }
    if kind != "jwt" {
        return Ok(());
    }
    let has = |names: &[&str]| names.iter().any(|name| claims.contains_key(*name));
    // `events`: a message about a sign-out (Back-Channel Logout 1.0 section 2.4).
    if has(&["nonce", "at_hash", "c_hash", "events"]) {
        return no_access;
    }
    let telling: &[&str] = match provider.vendor {
        Vendor::Entra => &["azp", "appid"],
        _ => &["scope", "scp", "client_id"],
    };
    // An audience that is not a client's is no ID token's either.
    let client = provider.declared.client_id.as_str();
    let for_client = match claims.get("aud") {
        Some(Value::String(one)) => one == client,
        Some(Value::Array(rows)) => rows.iter().any(|row| row.as_str() == Some(client)),
        _ => false,
    };
    if has(telling) || !for_client {
        Ok(())
    } else {
        no_access
    }
}
