//! What is usual at each vendor: names of claims, and the addresses that follow from the few which files hold.

use super::declared::{Fault, Raw, Variables, address, wrong};
use super::provider::Endpoints;
use crate::domain::identity::Vendor;

/// Claims of the user's name, the groups and the client, as each vendor calls them.
pub(super) fn usual_claims(
    vendor: Vendor,
) -> (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
) {
    match vendor {
        Vendor::Keycloak => (&["preferred_username"], &["groups"], &["azp", "client_id"]),
        Vendor::Cognito => (
            &["cognito:username", "username"],
            &["cognito:groups"],
            &["client_id"],
        ),
        Vendor::Entra => (
            &["preferred_username", "upn", "unique_name"],
            &["groups"],
            &["azp", "appid"],
        ),
        Vendor::Github | Vendor::Oidc => (
            &["preferred_username", "email", "sub"],
            &["groups"],
            &["azp", "client_id"],
        ),
    }
}

/// What follows from the vendor and the few addresses that files of earlier systems hold.
#[derive(Default)]
pub(super) struct Derived {
    pub(super) issuer: String,
    pub(super) issuers: Vec<String>,
    pub(super) endpoints: Endpoints,
    pub(super) audiences: Vec<String>,
    pub(super) graph_url: Option<String>,
}

impl Derived {
    pub(super) fn of(
        vendor: Vendor,
        name: &str,
        raw: &Raw,
        client_id: &str,
        variables: &Variables,
    ) -> Result<Self, Fault> {
        let issuer = address("issuer", raw.issuer.clone())?;
        let auth_url = raw.auth_url.as_deref().unwrap_or_default();
        let missing = |how: &str| wrong(format!("`issuer` is required{how}"));
        let mut derived = match vendor {
            Vendor::Keycloak => {
                let realm = auth_url.strip_suffix("/protocol/openid-connect/auth");
                let realm = realm
                    .map(str::to_owned)
                    .or_else(|| issuer.clone())
                    .ok_or_else(|| missing(", or `auth_url` ending in `/protocol/openid-connect/auth`"))?;
                // The variables speak of the entry that has their name.
                let named = (name == "keycloak").then_some(variables);
                keycloak(&realm, issuer.as_deref(), client_id, named)
            }
            Vendor::Cognito => cognito(issuer.as_deref(), raw.user_pool_id.as_deref(), variables)
                .ok_or_else(|| missing(", or `user_pool_id`, or the variable COGNITO_USER_POOL_ID"))?,
            Vendor::Entra => {
                let tenant = auth_url.strip_suffix("/oauth2/v2.0/authorize").map(str::to_owned);
                let usual = raw
                    .tenant_id
                    .as_ref()
                    .map(|tenant| format!("https://login.microsoftonline.com/{tenant}"));
                let base = tenant
                    .or(usual)
                    .ok_or_else(|| missing(", or `tenant_id`, or `auth_url`"))?;
                entra(&base, issuer.as_deref(), client_id, raw)
            }
            Vendor::Github => Self {
                endpoints: Endpoints {
                    authorization: Some("https://github.com/login/oauth/authorize".to_owned()),
                    token: Some("https://github.com/login/oauth/access_token".to_owned()),
                    ..Endpoints::default()
                },
                ..Self::default()
            },
            Vendor::Oidc => {
                let google = (name == "google").then(|| "https://accounts.google.com".to_owned());
                Self {
                    issuer: issuer.or(google).ok_or_else(|| missing(""))?,
                    audiences: vec![client_id.to_owned()],
                    ..Self::default()
                }
            }
        };
        derived.issuers.push(derived.issuer.clone());
        Ok(derived)
    }
}

fn keycloak(realm: &str, issuer: Option<&str>, client_id: &str, named: Option<&Variables>) -> Derived {
    let variable = |name: &str| named.and_then(|variables| variables.get(name));
    let at = |end: &str| Some(format!("{realm}/protocol/openid-connect/{end}"));
    let mut issuers = vec![realm.to_owned()];
    if let (Some(outside), Some(name)) = (variable("KEYCLOAK_EXTERNAL_URL"), variable("KEYCLOAK_REALM")) {
        issuers.push(format!("{}/realms/{name}", outside.trim_end_matches('/')));
    }
    // What Keycloak writes into `aud` without a mapper is `account`; the others are this product's own clients.
    let machines = variable("KEYCLOAK_M2M_CLIENT_ID");
    let audiences = ["account", client_id, "mcp-gateway"].into_iter().chain(machines);
    Derived {
        issuer: issuer.unwrap_or(realm).to_owned(),
        issuers,
        endpoints: Endpoints {
            authorization: at("auth"),
            token: at("token"),
            userinfo: at("userinfo"),
            jwks: at("certs"),
            end_session: at("logout"),
            device: at("auth/device"),
        },
        audiences: audiences.map(str::to_owned).collect(),
        graph_url: None,
    }
}

/// The issuer holds the pool, which the addresses of the hosted pages do not name. There is no audience: access tokens
/// carry none.
fn cognito(issuer: Option<&str>, pool: Option<&str>, variables: &Variables) -> Option<Derived> {
    let pool = pool.or_else(|| variables.get("COGNITO_USER_POOL_ID"));
    let usual = pool.map(|pool| {
        let region = pool.split('_').next().unwrap_or_default();
        format!("https://cognito-idp.{region}.amazonaws.com/{pool}")
    });
    let issuer = issuer.map(str::to_owned).or(usual)?;
    Some(Derived {
        endpoints: Endpoints {
            jwks: Some(format!("{issuer}/.well-known/jwks.json")),
            ..Endpoints::default()
        },
        issuer,
        ..Derived::default()
    })
}

/// Tokens of version 1 name another issuer than the discovery document does.
fn entra(base: &str, issuer: Option<&str>, client_id: &str, raw: &Raw) -> Derived {
    let tenant = raw
        .tenant_id
        .as_deref()
        .or_else(|| base.rsplit('/').next())
        .unwrap_or_default();
    let graph = raw
        .user_info_url
        .as_deref()
        .and_then(|address| address.strip_suffix("/me"))
        .unwrap_or("https://graph.microsoft.com/v1.0");
    let at = |end: &str| Some(format!("{base}/{end}"));
    Derived {
        issuer: issuer.map_or_else(|| format!("{base}/v2.0"), str::to_owned),
        issuers: vec![
            format!("{base}/v2.0"),
            format!("https://sts.windows.net/{tenant}/"),
        ],
        endpoints: Endpoints {
            authorization: at("oauth2/v2.0/authorize"),
            token: at("oauth2/v2.0/token"),
            jwks: at("discovery/v2.0/keys"),
            end_session: at("oauth2/v2.0/logout"),
            device: at("oauth2/v2.0/devicecode"),
            // Graph's `/me` is not OpenID's userinfo: it has no `sub`.
            userinfo: None,
        },
        audiences: vec![client_id.to_owned(), format!("api://{client_id}")],
        graph_url: Some(graph.to_owned()),
    }
}
