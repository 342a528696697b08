//! `auth/oauth2_providers.yml`: from what a person wrote to [`Declaration`]s.
//!
//! The form is that of earlier systems (contract, section 4.5): one mapping for each provider, perhaps under
//! `providers`, with `${NAME}` and `${NAME:-default}` for variables. A provider that needs a variable which is not set is
//! left out and named; anything else that is wrong refuses the file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::Error;
use super::provider::{Declaration, Endpoints, Mapping, Provider};
use super::vendors::{Derived, usual_claims};
use crate::domain::identity::Vendor;
use crate::domain::secret::Secret;

/// The process's environment, as the settings read it.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// These names and values.
    pub fn new(all: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(all.into_iter().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Variables")
    }
}

/// A provider that could not be used for want of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub provider: String,
    /// The variable that is not set.
    pub variable: String,
}

/// A file's top level may hold these beside providers.
const NOT_PROVIDERS: &[&str] = &["session", "registry"];

/// Names that would mean something else: in addresses, in the names of accounts.
const RESERVED: &[&str] = &["callback", "api-key", "local", "session", "registry"];

/// Where the text is broken, without a word of it: it holds secrets.
fn place_of(error: &serde_saphyr::Error) -> String {
    match error.location() {
        Some(place) => format!(
            "the text is no YAML at line {}, column {}",
            place.line(),
            place.column()
        ),
        None => "the text is no YAML".to_owned(),
    }
}

pub(super) fn parse(yaml: &str, variables: &Variables) -> Result<(Vec<Provider>, Vec<LeftOut>), Error> {
    let whole: Value = serde_saphyr::from_str(yaml).map_err(|error| Error::Declared(place_of(&error)))?;
    let top = match whole {
        Value::Null => Map::new(),
        Value::Object(mut top) => match top.remove("providers") {
            Some(Value::Object(providers)) => providers,
            Some(Value::Null) => Map::new(),
            Some(_) => return Err(Error::Declared("expected `providers` to be a mapping".to_owned())),
            None => top,
        },
        _ => return Err(Error::Declared("expected a mapping of providers".to_owned())),
    };
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for (name, value) in top {
        // Settings of earlier systems; a provider of such a name would be lost in silence.
        if NOT_PROVIDERS.contains(&name.as_str()) && value.get("client_id").is_none() {
            continue;
        }
        match one(&name, value, variables) {
            Ok(Some(declaration)) => found.push(Provider::new(declaration)),
            Ok(None) => {}
            Err(Fault::Unset(variable)) => left_out.push(LeftOut {
                provider: name,
                variable,
            }),
            Err(Fault::Wrong(words)) => return Err(Error::Declared(format!("{name}: {words}"))),
        }
    }
    let mut issuers: Vec<&String> = found.iter().flat_map(|one| &one.declared.issuers).collect();
    issuers.sort();
    if let Some([twice, _]) = issuers.windows(2).find(|pair| pair.first() == pair.last()) {
        return Err(Error::Declared(format!(
            "two providers have the issuer `{twice}`"
        )));
    }
    Ok((found, left_out))
}

pub(super) enum Fault {
    Unset(String),
    Wrong(String),
}

pub(super) fn wrong(words: impl Into<String>) -> Fault {
    Fault::Wrong(words.into())
}

/// What a declaration may say. Unknown keys are refused, so that a slip of the pen is not silently another meaning.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    r#type: Option<String>,
    enabled: Option<Value>,
    display_name: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret<String>>,
    pub(super) issuer: Option<String>,
    issuers: Vec<String>,
    #[serde(alias = "well_known_url")]
    discovery_url: Option<String>,
    #[serde(alias = "jwks_uri")]
    jwks_url: Option<String>,
    pub(super) auth_url: Option<String>,
    token_url: Option<String>,
    pub(super) user_info_url: Option<String>,
    logout_url: Option<String>,
    device_url: Option<String>,
    scopes: Option<Vec<String>>,
    username_claim: Option<String>,
    groups_claim: Option<String>,
    client_claim: Option<String>,
    audiences: Vec<String>,
    clients: Vec<String>,
    client_groups: BTreeMap<String, Vec<String>>,
    resource_servers: Vec<String>,
    pub(super) tenant_id: Option<String>,
    pub(super) user_pool_id: Option<String>,
    graph_url: Option<String>,
    api_url: Option<String>,
    organizations: Vec<String>,
    // Said by files of earlier systems, and true of every provider here or of no use to us.
    #[serde(rename = "response_type")]
    _response_type: Option<IgnoredAny>,
    #[serde(rename = "grant_type")]
    _grant_type: Option<IgnoredAny>,
    #[serde(rename = "email_claim")]
    _email_claim: Option<IgnoredAny>,
    #[serde(rename = "name_claim")]
    _name_claim: Option<IgnoredAny>,
    #[serde(rename = "conditional_access")]
    _conditional_access: Option<IgnoredAny>,
    #[serde(rename = "mfa_enabled")]
    _mfa_enabled: Option<IgnoredAny>,
    #[serde(rename = "microsoft_365_integration")]
    _microsoft_365: Option<IgnoredAny>,
}

fn one(name: &str, mut value: Value, variables: &Variables) -> Result<Option<Declaration>, Fault> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    if name.is_empty() || name.len() > 40 || RESERVED.contains(&name) || !name.bytes().all(plain) {
        return Err(wrong(
            "expected a name of at most 40 lower-case letters, digits, `-` and `_`, and none of callback, api-key, local, session, registry",
        ));
    }
    // Asked first: a provider that is off may lack its variables.
    let enabled = value.get("enabled").cloned().unwrap_or(Value::Bool(true));
    let enabled = match substituted(enabled, variables)? {
        Value::Bool(enabled) => enabled,
        Value::String(word) if word.eq_ignore_ascii_case("true") => true,
        Value::String(word) if word.eq_ignore_ascii_case("false") => false,
        _ => return Err(wrong("expected `enabled` to be true or false")),
    };
    if !enabled {
        return Ok(None);
    }
    value = substituted(value, variables)?;
    let raw: Raw = serde_json::from_value(value).map_err(|error| {
        let words = error.to_string();
        // Other reasons quote the value, which may be a secret.
        wrong(if words.starts_with("unknown field") {
            words
        } else {
            "a key has a value of the wrong kind".to_owned()
        })
    })?;
    raw.declaration(name, variables).map(Some)
}

/// Every text with its variables in place. Done after the file is parsed, so that no value can change its structure.
fn substituted(value: Value, variables: &Variables) -> Result<Value, Fault> {
    Ok(match value {
        Value::String(text) => Value::String(expand(&text, variables)?),
        Value::Array(rows) => {
            let rows = rows.into_iter().map(|row| substituted(row, variables));
            Value::Array(rows.collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let rows = map
                .into_iter()
                .map(|(key, value)| Ok((key, substituted(value, variables)?)));
            Value::Object(rows.collect::<Result<_, Fault>>()?)
        }
        other => other,
    })
}

fn expand(text: &str, variables: &Variables) -> Result<String, Fault> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, behind) = after
            .split_once('}')
            .ok_or_else(|| wrong("a `${` without its `}`"))?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let value = variables.get(name).or(default);
        out.push_str(before);
        out.push_str(value.ok_or_else(|| Fault::Unset(name.to_owned()))?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

pub(super) fn address(field: &str, text: Option<String>) -> Result<Option<String>, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let parsed = url::Url::parse(&text).ok();
    let good = parsed.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    });
    if good && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Some(text))
    } else {
        Err(wrong(format!(
            "expected `{field}` to be an http or https address without a name or password in it"
        )))
    }
}

impl Raw {
    fn vendor(&self, name: &str) -> Result<Vendor, Fault> {
        Ok(match self.r#type.as_deref().unwrap_or(name) {
            "keycloak" => Vendor::Keycloak,
            "cognito" => Vendor::Cognito,
            "entra" | "entra_id" => Vendor::Entra,
            "github" => Vendor::Github,
            "oidc" | "google" => Vendor::Oidc,
            _ if self.r#type.is_none() => Vendor::Oidc,
            other => {
                return Err(wrong(format!(
                    "unknown `type` `{other}`; expected keycloak, cognito, entra_id, github or oidc"
                )));
            }
        })
    }

    fn declaration(self, name: &str, variables: &Variables) -> Result<Declaration, Fault> {
        let vendor = self.vendor(name)?;
        let client_id = self.client_id.clone().filter(|id| !id.is_empty());
        let client_id = client_id.ok_or_else(|| wrong("`client_id` is required"))?;
        if vendor == Vendor::Github && self.device_url.as_ref().is_some_and(|url| !url.is_empty()) {
            return Err(wrong(
                "`device_url` cannot be used with github: its device sign-in gives no ID token",
            ));
        }
        let derived = Derived::of(vendor, name, &self, &client_id, variables)?;
        let endpoints = Endpoints {
            authorization: address("auth_url", self.auth_url)?,
            token: address("token_url", self.token_url)?,
            userinfo: address("user_info_url", self.user_info_url)?,
            jwks: address("jwks_url", self.jwks_url)?,
            end_session: address("logout_url", self.logout_url)?,
            device: address("device_url", self.device_url)?,
        };
        let mut issuers = self.issuers;
        issuers.extend(derived.issuers);
        issuers.retain(|issuer| !issuer.is_empty());
        issuers.sort();
        issuers.dedup();
        let claim = |given: Option<String>, usual: &[&str]| match given {
            Some(claim) => vec![claim],
            None => usual.iter().map(|&claim| claim.to_owned()).collect(),
        };
        let (username, groups, client) = usual_claims(vendor);
        let discovery = address("discovery_url", self.discovery_url)?.unwrap_or_else(|| {
            let issuer = derived.issuer.trim_end_matches('/');
            format!("{issuer}/.well-known/openid-configuration")
        });
        let usual_scopes = if vendor == Vendor::Github {
            &["read:user", "read:org"][..]
        } else {
            &["openid", "email", "profile"]
        };
        Ok(Declaration {
            display_name: self.display_name.unwrap_or_else(|| name.to_owned()),
            name: name.to_owned(),
            vendor,
            client_secret: self.client_secret.filter(|secret| !secret.expose().is_empty()),
            issuer: derived.issuer,
            issuers,
            discovery_url: discovery,
            endpoints: endpoints.or(&derived.endpoints),
            scopes: self
                .scopes
                .unwrap_or_else(|| usual_scopes.iter().map(|&scope| scope.to_owned()).collect()),
            mapping: Mapping {
                username: claim(self.username_claim, username),
                groups: claim(self.groups_claim, groups),
                client: claim(self.client_claim, client),
            },
            audiences: [self.audiences, derived.audiences].concat(),
            clients: [self.clients, vec![client_id.clone()]].concat(),
            client_groups: self.client_groups,
            resource_servers: self.resource_servers,
            graph_url: address("graph_url", self.graph_url)?.or(derived.graph_url),
            api_url: address("api_url", self.api_url)?
                .unwrap_or_else(|| "https://api.github.com".to_owned())
                .trim_end_matches('/')
                .to_owned(),
            organizations: self.organizations,
            client_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the document of the product writes it (its section 7.3).
    const SEED: &str = r#"
keycloak:
  display_name: "Keycloak"
  client_id: "${KEYCLOAK_CLIENT_ID}"
  client_secret: "${KEYCLOAK_CLIENT_SECRET}"
  auth_url: "${KEYCLOAK_URL}/realms/${KEYCLOAK_REALM}/protocol/openid-connect/auth"
  token_url: "${KEYCLOAK_URL}/realms/${KEYCLOAK_REALM}/protocol/openid-connect/token"
  user_info_url: "${KEYCLOAK_URL}/realms/${KEYCLOAK_REALM}/protocol/openid-connect/userinfo"
  logout_url: "${KEYCLOAK_URL}/realms/${KEYCLOAK_REALM}/protocol/openid-connect/logout"
  scopes: ["openid", "email", "profile"]
  groups_claim: "groups"
  enabled: true
cognito:
  display_name: "Amazon Cognito"
  client_id: "${COGNITO_CLIENT_ID}"
  client_secret: "${COGNITO_CLIENT_SECRET}"
  auth_url: "https://${COGNITO_DOMAIN}.auth.${AWS_REGION}.amazoncognito.com/oauth2/authorize"
  token_url: "https://${COGNITO_DOMAIN}.auth.${AWS_REGION}.amazoncognito.com/oauth2/token"
  user_info_url: "https://${COGNITO_DOMAIN}.auth.${AWS_REGION}.amazoncognito.com/oauth2/userInfo"
  logout_url: "https://${COGNITO_DOMAIN}.auth.${AWS_REGION}.amazoncognito.com/logout"
  scopes: ["openid", "email", "profile"]
  groups_claim: "cognito:groups"
  enabled: true
entra_id:
  display_name: "Microsoft Entra ID"
  client_id: "${ENTRA_CLIENT_ID}"
  client_secret: "${ENTRA_CLIENT_SECRET}"
  tenant_id: "${ENTRA_TENANT_ID}"
  auth_url: "https://login.microsoftonline.com/${ENTRA_TENANT_ID}/oauth2/v2.0/authorize"
  token_url: "https://login.microsoftonline.com/${ENTRA_TENANT_ID}/oauth2/v2.0/token"
  user_info_url: "https://graph.microsoft.com/v1.0/me"
  logout_url: "https://login.microsoftonline.com/${ENTRA_TENANT_ID}/oauth2/v2.0/logout"
  scopes: ["openid", "email", "profile", "User.Read"]
  groups_claim: "groups"
  enabled: true
  # Enterprise features
  conditional_access: true
  mfa_enabled: true
  microsoft_365_integration: true
"#;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables::new(
            pairs
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned())),
        )
    }

    fn declared(yaml: &str, pairs: &[(&str, &str)]) -> (Vec<Provider>, Vec<LeftOut>) {
        parse(yaml, &variables(pairs)).unwrap()
    }

    #[test]
    fn the_seeds_file_works_unchanged_and_issuer_and_keys_follow() {
        let all = [
            ("KEYCLOAK_URL", "http://keycloak:8080"),
            ("KEYCLOAK_REALM", "mcp-gateway"),
            ("KEYCLOAK_EXTERNAL_URL", "https://login.example.com/"),
            ("KEYCLOAK_CLIENT_ID", "web"),
            ("KEYCLOAK_CLIENT_SECRET", "s: [hush]"),
            ("COGNITO_CLIENT_ID", "c"),
            ("COGNITO_CLIENT_SECRET", "s"),
            ("COGNITO_DOMAIN", "d"),
            ("COGNITO_USER_POOL_ID", "us-east-1_vm1115QSU"),
            ("AWS_REGION", "us-east-1"),
            ("ENTRA_CLIENT_ID", "e"),
            ("ENTRA_CLIENT_SECRET", "s"),
            ("ENTRA_TENANT_ID", "t-1"),
        ];
        let (found, left_out) = declared(SEED, &all);
        assert!(left_out.is_empty(), "{left_out:?}");
        let [cognito, entra, keycloak] = found.as_slice() else {
            panic!("{found:?}")
        };
        let of = |one: &Provider| {
            (
                one.declared.issuer.clone(),
                one.declared.issuers.clone(),
                one.declared.endpoints.jwks.clone().unwrap(),
            )
        };
        assert_eq!(
            of(keycloak),
            (
                "http://keycloak:8080/realms/mcp-gateway".to_owned(),
                vec![
                    "http://keycloak:8080/realms/mcp-gateway".to_owned(),
                    "https://login.example.com/realms/mcp-gateway".to_owned(),
                ],
                "http://keycloak:8080/realms/mcp-gateway/protocol/openid-connect/certs".to_owned(),
            )
        );
        let pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_vm1115QSU";
        assert_eq!(
            of(cognito),
            (
                pool.to_owned(),
                vec![pool.to_owned()],
                format!("{pool}/.well-known/jwks.json")
            )
        );
        assert_eq!(
            of(entra),
            (
                "https://login.microsoftonline.com/t-1/v2.0".to_owned(),
                vec![
                    "https://login.microsoftonline.com/t-1/v2.0".to_owned(),
                    "https://sts.windows.net/t-1/".to_owned(),
                ],
                "https://login.microsoftonline.com/t-1/discovery/v2.0/keys".to_owned(),
            )
        );
        assert_eq!(entra.declared.audiences, ["e", "api://e"]);
        // A value cannot change the structure of the file.
        let secret = keycloak.declared.client_secret.as_ref().unwrap();
        assert_eq!(secret.expose(), "s: [hush]");
        assert!(!format!("{keycloak:?}").contains("hush"));
    }

    #[test]
    fn a_provider_without_its_variables_is_left_out_and_a_wrong_one_refuses_the_file() {
        let (found, left_out) = declared(SEED, &[("KEYCLOAK_URL", "http://k"), ("KEYCLOAK_REALM", "")]);
        assert!(found.is_empty());
        assert_eq!(left_out.len(), 3);
        let yaml = "a: {issuer: 'https://a', client_id: '${X:-x}', enabled: '${ON:-false}'}";
        assert!(declared(yaml, &[]).0.is_empty());
        assert_eq!(declared(yaml, &[("ON", "TRUE")]).0.len(), 1);
        assert!(declared("", &[]).0.is_empty() && declared("providers:\nsession: {x: 1}", &[]).0.is_empty());
        for (yaml, words) in [
            ("a: {client_id: x}", "a: `issuer` is required"),
            ("a: {issuer: 'https://a'}", "a: `client_id` is required"),
            ("a: {issuer: 'https://a', client_id: x, isuer: y}", "isuer"),
            ("a: {issuer: 'ftp://a', client_id: x}", "`issuer`"),
            ("a: {issuer: 'https://a', client_id: x, type: saml}", "`type`"),
            ("Acme!: {issuer: 'https://a', client_id: x}", "expected a name"),
            ("callback: {issuer: 'https://a', client_id: x}", "expected a name"),
            ("a: {issuer: 'https://a', client_id: '${x'}", "without its `}`"),
            (
                "a: {issuer: 'https://a', client_id: x, enabled: maybe}",
                "`enabled`",
            ),
            (
                "a: {issuer: 'https://a', client_id: x}\nb: {issuer: 'https://a', client_id: x}",
                "two providers",
            ),
            (
                "github: {client_id: x, device_url: 'https://github.com/login/device/code'}",
                "`device_url`",
            ),
            ("[]", "expected a mapping"),
            ("a: b: c", "line 1"),
            ("local: {issuer: 'https://a', client_id: x}", "expected a name"),
            ("session: {issuer: 'https://a', client_id: x}", "expected a name"),
        ] {
            let error = parse(yaml, &Variables::default()).unwrap_err().to_string();
            assert!(error.contains(words), "{yaml}: {error}");
        }
    }

    #[test]
    fn no_secret_of_a_broken_file_is_repeated() {
        for yaml in [
            "a: {issuer: 'https://a', client_id: x, client_secret: 'hunter2",
            "a:\n  client_secret: 'hunter2-secret\n  issuer: b",
            "a: {issuer: 'https://u:hunter2@a', client_id: x}",
            "a: {issuer: 'https://:hunter2@a', client_id: x}",
            "a: {issuer: 'https://a', client_id: x, client_secret: [hunter2]}",
            "a: {issuer: 'https://a', client_id: x, scopes: hunter2}",
        ] {
            let error = parse(yaml, &Variables::default()).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_shipped_file_is_read_and_declares_nobody_by_itself() {
        let shipped = include_str!("../../auth/oauth2_providers.yml");
        let (found, left_out) = declared(shipped, &[]);
        assert!(found.is_empty() && left_out.is_empty(), "{found:?} {left_out:?}");
        let variables = [
            ("GOOGLE_ENABLED", "true"),
            ("GOOGLE_CLIENT_ID", "g"),
            ("GOOGLE_CLIENT_SECRET", "s"),
        ];
        let (found, left_out) = declared(shipped, &variables);
        let ([google], []) = (found.as_slice(), left_out.as_slice()) else {
            panic!("{found:?} {left_out:?}")
        };
        assert_eq!(
            (google.vendor, google.display_name.as_str()),
            (Vendor::Oidc, "Google")
        );
        let said = &google.declared;
        assert_eq!(
            (said.issuers.as_slice(), said.discovery_url.as_str()),
            (
                &["https://accounts.google.com".to_owned()][..],
                "https://accounts.google.com/.well-known/openid-configuration"
            )
        );
        assert_eq!(
            (&said.audiences, &said.mapping.username),
            (&vec!["g".to_owned()], &vec!["email".to_owned()])
        );
    }
}
