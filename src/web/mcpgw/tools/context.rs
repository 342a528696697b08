//! What the gateway knows of the caller: for finding out why something is allowed or not.

use serde_json::{Map, Value, json};

use super::Call;

/// Values of headers with one of these in their name are blacked out.
const SECRET: &[&str] = &[
    "auth",
    "cookie",
    "token",
    "key",
    "secret",
    "password",
    "credential",
    "session",
    "signature",
    "assertion",
];

pub(super) fn who(call: Call<'_>) -> Value {
    let who = call.who();
    let rights = call.state.rights.borrow().clone();
    json!({
        "username": who.username,
        "client_id": who.client_id,
        "provider": who.provider.as_deref().unwrap_or("local"),
        "auth_method": who.method.as_str(),
        "scopes": who.scopes,
        "groups": who.groups,
        "is_admin": rights.is_administrator(who),
        "ui_permissions": rights.policy.ui_permissions(&who.scopes),
        "accessible_servers": rights.policy.servers(&who.scopes),
        "token_is_for": who.bound_to,
        "expires_at": who.until,
    })
}

/// The request's headers as they came to the gateway, without what nginx adds for the gate.
pub(super) fn headers(call: Call<'_>) -> Value {
    let given = call.asking.headers.iter();
    let shown = given.filter(|(name, _)| !name.as_str().starts_with("x-gate-"));
    let rows: Map<String, Value> = shown
        .map(|(name, value)| {
            let name = name.as_str();
            let value = if SECRET.iter().any(|word| name.contains(word)) {
                "********".into()
            } else {
                String::from_utf8_lossy(value.as_bytes())
            };
            (name.to_owned(), json!(value))
        })
        .collect();
    json!({"headers": rows})
}
