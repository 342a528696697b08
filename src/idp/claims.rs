//! From a provider's claims to what it vouches for, by its declared mapping.

use serde_json::{Map, Value};

use super::provider::Provider;
use crate::clock::Timestamp;
use crate::domain::identity::{MACHINE, Vendor, Vouched, check_name};

/// Groups of one person at most; Entra itself stops listing at 200.
const MOST_GROUPS: usize = 2_000;

pub(super) type Claims = Map<String, Value>;

pub(super) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

fn first<'a>(claims: &'a Claims, names: &[String]) -> Option<&'a str> {
    names.iter().find_map(|name| text(claims, name))
}

/// Whether the groups stand elsewhere because there are too many (Entra's "groups overage claim").
pub(super) fn has_overage(vendor: Vendor, claims: &Claims) -> bool {
    if vendor != Vendor::Entra {
        return false;
    }
    let names = claims.get("_claim_names").and_then(Value::as_object);
    names.is_some_and(|names| names.contains_key("groups"))
        || claims.get("hasgroups").and_then(Value::as_bool) == Some(true)
}

/// Whether a machine speaks for itself: no person stands behind this token.
pub(super) fn is_machine(vendor: Vendor, claims: &Claims) -> bool {
    match vendor {
        // The word of optional claim `idtyp`; without it, an application's token has no scopes and its own object as subject.
        Vendor::Entra => {
            text(claims, "idtyp") == Some("app")
                || (claims.contains_key("roles")
                    && !claims.contains_key("scp")
                    && text(claims, "sub") == text(claims, "oid"))
        }
        Vendor::Cognito => text(claims, "username").is_none() && text(claims, "cognito:username").is_none(),
        // A person could choose such a name; only a service account's is that of the client which asked.
        Vendor::Keycloak => {
            let name =
                text(claims, "preferred_username").and_then(|name| name.strip_prefix("service-account-"));
            let client = text(claims, "client_id").filter(|client| text(claims, "azp") == Some(client));
            matches!((name, client), (Some(name), Some(client)) if name.eq_ignore_ascii_case(client))
        }
        Vendor::Github | Vendor::Oidc => {
            text(claims, "sub").is_some() && text(claims, "sub") == text(claims, "client_id")
        }
    }
}

/// What these claims vouch for until `until`; the error says which claim cannot be used.
pub(super) fn vouched(
    provider: &Provider,
    claims: &Claims,
    until: Timestamp,
) -> Result<Vouched, &'static str> {
    let declared = &provider.declared;
    let machine = is_machine(provider.vendor, claims);
    let client_id = first(claims, &declared.mapping.client)
        .unwrap_or_default()
        .to_owned();
    // A machine has no other name than its client's; Keycloak gives its account one.
    let username = match (machine, provider.vendor) {
        (true, vendor) if vendor != Vendor::Keycloak => "",
        _ => name_of(claims, &declared.mapping.username).ok_or("no claim with the user's name")?,
    };
    if !username.is_empty() {
        check_name(username).map_err(|_| "a user name that cannot be used")?;
        if username.starts_with(MACHINE) {
            return Err("a user name that cannot be used");
        }
    } else if client_id.is_empty() {
        return Err("no claim with the client");
    }
    if !client_id.is_empty() {
        check_name(&client_id).map_err(|_| "a client that cannot be used")?;
    }
    let mut groups = groups(provider, claims, machine);
    if machine && let Some(kept) = declared.client_groups.get(&client_id) {
        groups.extend(kept.iter().cloned());
    }
    let scopes = match (machine, provider.vendor) {
        (true, Vendor::Cognito) => own_scopes(claims, &declared.resource_servers),
        _ => Vec::new(),
    };
    Ok(Vouched {
        provider: provider.name.as_str().into(),
        vendor: provider.vendor,
        username: username.to_owned(),
        client_id,
        groups,
        scopes,
        until,
        bound_to: None,
    })
}

/// The first claim with a name; an address of mail is one only when the provider has seen that it is the person's.
fn name_of<'a>(claims: &'a Claims, names: &[String]) -> Option<&'a str> {
    let verified = claims.get("email_verified").and_then(Value::as_bool) == Some(true);
    let names = names.iter().filter(|name| name.as_str() != "email" || verified);
    names.map(String::as_str).find_map(|name| text(claims, name))
}

/// The scopes in a token, without the names of our own resource servers before them. Other resource servers' scopes stay as
/// they are: `billing/x` is no `x`.
fn own_scopes(claims: &Claims, resource_servers: &[String]) -> Vec<String> {
    let scopes = text(claims, "scope").unwrap_or_default().split_whitespace();
    let own = scopes.map(|scope| {
        let behind = |server: &String| scope.strip_prefix(server.as_str())?.strip_prefix('/');
        resource_servers.iter().find_map(behind).unwrap_or(scope)
    });
    own.map(str::to_owned).collect()
}

fn groups(provider: &Provider, claims: &Claims, machine: bool) -> Vec<String> {
    // An application at Entra is given roles where a person is given groups.
    let roles = (machine && provider.vendor == Vendor::Entra).then(|| "roles".to_owned());
    let names = provider.declared.mapping.groups.iter().chain(roles.as_ref());
    let rows = names
        .filter_map(|name| claims.get(name))
        .flat_map(|value| match value {
            Value::Array(rows) => rows.iter().filter_map(Value::as_str).collect(),
            Value::String(one) => vec![one.as_str()],
            _ => Vec::new(),
        });
    let named = rows.map(|name| match provider.vendor {
        // With full paths a top-level group is `/name`.
        Vendor::Keycloak => name.strip_prefix('/').unwrap_or(name),
        _ => name,
    });
    usable(named)
}

/// Names that can be groups, and not without end.
pub(super) fn usable<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names = names.filter(|name| check_name(name).is_ok());
    names.take(MOST_GROUPS).map(str::to_owned).collect()
}
