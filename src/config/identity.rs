//! The settings of who is believed: API keys, and which provider comes first.

use serde::Deserialize;
use serde_json::Value;

use super::reader::Reader;
use crate::clock::Timestamp;
use crate::domain::identity::check_name;
use crate::token::api_keys::{ApiKey, fingerprint};

/// A shorter key could be guessed (contract, section 4.2).
const SHORTEST_KEY: usize = 32;
/// Groups of `REGISTRY_API_TOKEN`, and who comes with it (contract, section 4.2).
const TOKEN_GROUP: &str = "mcp-registry-admin";
const TOKEN_NAME: &str = "network-trusted";
const TOKEN_CLIENT: &str = "network-user";

/// One entry of `REGISTRY_API_KEYS`: the key itself, or the SHA-256 of it in hex.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: Option<String>,
    sha256: Option<String>,
    groups: Vec<String>,
    expires_at: Option<String>,
}

impl Reader {
    /// Every API key that counts; none unless they are switched on.
    pub(super) fn api_keys(&mut self) -> Vec<ApiKey> {
        let enabled = self.flag("static_token_auth").unwrap_or(false);
        let mut keys = self.named_keys();
        if let Some(token) = self.text("registry_api_token") {
            if token.len() < SHORTEST_KEY {
                self.fault(
                    "registry_api_token",
                    format!("it must have at least {SHORTEST_KEY} characters"),
                );
            }
            keys.push(ApiKey {
                name: TOKEN_NAME.to_owned(),
                client: TOKEN_CLIENT.to_owned(),
                fingerprint: fingerprint(&token),
                groups: vec![TOKEN_GROUP.to_owned()],
                expires_at: None,
            });
        }
        if enabled { keys } else { Vec::new() }
    }

    fn named_keys(&mut self) -> Vec<ApiKey> {
        const KEY: &str = "registry_api_keys";
        let Some(text) = self.text(KEY) else {
            return Vec::new();
        };
        let Ok(Value::Object(entries)) = serde_json::from_str(&text) else {
            // Not a word of the text: it holds secrets.
            self.fault(
                KEY,
                "expected a JSON object: {\"name\": {\"key\": \"…\", \"groups\": [\"…\"]}}",
            );
            return Vec::new();
        };
        let mut keys = Vec::new();
        for (name, entry) in entries {
            match api_key(&name, entry) {
                Ok(key) => keys.push(key),
                Err(words) => self.fault(KEY, format!("`{name}`: {words}")),
            }
        }
        keys
    }

    /// The name of a provider, as people write it.
    pub(super) fn auth_provider(&self) -> Option<String> {
        let name = self.text("auth_provider")?.to_ascii_lowercase();
        // The file of earlier systems calls it otherwise than their variable does.
        Some(if name == "entra" {
            "entra_id".to_owned()
        } else {
            name
        })
    }
}

fn api_key(name: &str, entry: Value) -> Result<ApiKey, String> {
    check_name(name)?;
    // The reason of serde would quote what it found.
    let entry: Entry = serde_json::from_value(entry)
        .map_err(|_| "expected `key` or `sha256`, `groups`, and perhaps `expires_at`".to_owned())?;
    let fingerprint = match (&entry.key, &entry.sha256) {
        (Some(key), None) if key.len() >= SHORTEST_KEY => fingerprint(key),
        (Some(_), None) => return Err(format!("`key` must have at least {SHORTEST_KEY} characters")),
        (None, Some(hash)) => hex::decode(hash)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or("`sha256` must have 64 hex digits")?,
        _ => return Err("expected either `key` or `sha256`".to_owned()),
    };
    let expires_at = entry.expires_at.map(|text| text.parse::<Timestamp>());
    let expires_at = expires_at
        .transpose()
        .map_err(|_| "`expires_at` is no time such as 2027-01-31T00:00:00Z")?;
    for group in &entry.groups {
        check_name(group)?;
    }
    Ok(ApiKey {
        name: name.to_owned(),
        client: String::new(),
        fingerprint,
        groups: entry.groups,
        expires_at,
    })
}
