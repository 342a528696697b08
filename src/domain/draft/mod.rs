//! A registration as somebody wrote it: form or JSON, under the field names of every client generation.
//!
//! Forms send texts, programs send numbers and lists; both mean the same. All faults come back at once, by field, and
//! fields that nobody knows are named too, so that nothing is lost in silence.

mod credentials;

use serde_json::{Map, Value};

use self::credentials::scheme_of_type;
use super::FieldFault;
use super::path::ServerPath;
use super::scalar;
use super::server::{Edit, NewServer, Profile};
use super::upstream::UpstreamUrl;

/// The fields as written, last one wins.
#[derive(Debug, Clone, Default)]
pub struct Draft(pub Map<String, Value>);

/// Whether an empty description is a fault: the registration form asks for one (API documentation, `POST /register`),
/// the management API does not (service management guide, "Optional Fields").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Description {
    /// It must be there.
    Required,
    /// It may be left out.
    Optional,
}

const KNOWN: &[&str] = &[
    "name",
    "server_name",
    "description",
    "path",
    "proxy_pass_url",
    "tags",
    "num_tools",
    "num_stars",
    "is_python",
    "license",
    "metadata",
    "mcp_endpoint",
    "sse_endpoint",
    "append_mcp_path",
    "pinned",
    "wait",
    "supported_transports",
    "trusted",
    "headers",
    "custom_headers",
    "auth_scheme",
    "auth_header_name",
    "auth_credential",
    "identity_headers",
    "csrf_token",
    "if_match",
];

impl Draft {
    /// From the pairs of an urlencoded form.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(key, value)| (key, Value::String(value)))
                .collect(),
        )
    }

    /// Names of fields that were sent and mean nothing to us.
    pub fn unknown(&self) -> Vec<String> {
        self.0
            .keys()
            .filter(|key| !KNOWN.contains(&key.as_str()))
            .filter(|key| *key != "auth_type" || !self.heeds_auth_type())
            .cloned()
            .collect()
    }

    /// Whether nothing is lost of it.
    fn heeds_auth_type(&self) -> bool {
        let is_none = self.0.get("auth_type").and_then(Value::as_str) == Some("none");
        is_none || (scheme_of_type(&self.0).is_some() && !self.0.contains_key("auth_scheme"))
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            draft: &self.0,
            faults: Vec::new(),
        }
    }

    /// Read it as a new server.
    pub fn new_server(&self, description: Description) -> Result<NewServer, Vec<FieldFault>> {
        let mut reader = self.reader();
        let path = reader.parsed::<ServerPath>("path", Need::Required);
        if description == Description::Required && reader.text("description").is_none() {
            reader.fault("description", "it is required");
        }
        let trusted = reader.flag("trusted");
        let profile = reader.profile(None);
        let written = reader.written(profile.as_ref().map(|profile| profile.egress.auth_scheme));
        match (path, profile, reader.faults) {
            (Some(path), Some(profile), faults) if faults.is_empty() => Ok(NewServer {
                path,
                profile,
                trusted,
                written,
            }),
            (_, _, faults) => Err(faults),
        }
    }

    /// Read it as a change of `old`: what is not written stays.
    pub fn changed(&self, old: &Profile) -> Result<Edit, Vec<FieldFault>> {
        let mut reader = self.reader();
        let trusted = reader.flag("trusted");
        let profile = reader.profile(Some(old));
        let written = reader.written(profile.as_ref().map(|profile| profile.egress.auth_scheme));
        let if_match = reader.text("if_match");
        match (profile, reader.faults) {
            (Some(profile), faults) if faults.is_empty() => Ok(Edit {
                profile,
                trusted,
                written,
                if_match,
            }),
            (_, faults) => Err(faults),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

struct Reader<'a> {
    draft: &'a Map<String, Value>,
    faults: Vec<FieldFault>,
}

impl Reader<'_> {
    fn fault(&mut self, field: &str, message: impl std::fmt::Display) {
        self.faults.push(FieldFault::new(field, message));
    }

    fn profile(&mut self, old: Option<&Profile>) -> Option<Profile> {
        let name = self.name();
        let url = self.parsed::<UpstreamUrl>("proxy_pass_url", Need::Required);
        let description = self
            .bounded("description", 10_000)
            .or_else(|| old.map(|o| o.description.clone()));
        let license = self
            .bounded("license", 200)
            .or_else(|| old.map(|o| o.license.clone()));
        let profile = Profile {
            name: name.unwrap_or_default(),
            description: description.unwrap_or_default(),
            tags: self
                .words("tags", 50)
                .or_else(|| old.map(|o| o.tags.clone()))
                .unwrap_or_default(),
            num_tools: self.count("num_tools").or(old.map(|o| o.num_tools)).unwrap_or(0),
            num_stars: self.count("num_stars").or(old.map(|o| o.num_stars)).unwrap_or(0),
            is_python: self.flag_or("is_python", old.map(|o| o.is_python), false),
            license: license
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| "N/A".to_owned()),
            metadata: self
                .metadata()
                .or_else(|| old.map(|o| o.metadata.clone()))
                .unwrap_or_default(),
            mcp_endpoint: self.endpoint("mcp_endpoint", old.and_then(|o| o.mcp_endpoint.clone())),
            sse_endpoint: self.endpoint("sse_endpoint", old.and_then(|o| o.sse_endpoint.clone())),
            append_mcp_path: self.flag_or("append_mcp_path", old.map(|o| o.append_mcp_path), true),
            pinned: self.flag_or("pinned", old.map(|o| o.pinned), false),
            supported_transports: self
                .words("supported_transports", 5)
                .or_else(|| old.map(|o| o.supported_transports.clone()))
                .unwrap_or_else(|| vec!["streamable-http".to_owned()]),
            egress: self.egress(old.map(|o| &o.egress)),
            proxy_pass_url: url?,
        };
        for (field, endpoint) in [
            ("mcp_endpoint", &profile.mcp_endpoint),
            ("sse_endpoint", &profile.sse_endpoint),
        ] {
            if endpoint
                .as_ref()
                .is_some_and(|e| e.origin() != profile.proxy_pass_url.origin())
            {
                self.fault(
                    field,
                    "it must have the scheme, host and port of `proxy_pass_url`",
                );
            }
        }
        Some(profile)
    }

    fn flag_or(&mut self, field: &str, old: Option<bool>, default: bool) -> bool {
        self.flag(field).or(old).unwrap_or(default)
    }

    fn name(&mut self) -> Option<String> {
        let field = if self.draft.contains_key("server_name") {
            "server_name"
        } else {
            "name"
        };
        match self.bounded(field, 200) {
            Some(name) if name.contains(['\n', '\r', '\t']) => {
                self.fault(field, "it may hold no control characters");
                None
            }
            Some(name) if !name.trim().is_empty() => Some(name.trim().to_owned()),
            Some(_) | None => {
                if !self.faults.iter().any(|fault| fault.field == field) {
                    self.fault(field, "it is required and may not be empty");
                }
                None
            }
        }
    }

    /// The text of a field; nothing when it is absent or empty.
    fn text(&mut self, field: &str) -> Option<String> {
        match self.draft.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Some(other) => {
                self.fault(field, format_args!("expected a text, not `{}`", shorten(other)));
                None
            }
        }
    }

    fn bounded(&mut self, field: &str, most: usize) -> Option<String> {
        let present = matches!(self.draft.get(field), Some(Value::String(_)));
        let text = self.text(field).or_else(|| present.then(String::new))?;
        if text.chars().count() > most {
            self.fault(field, format_args!("it may be at most {most} characters long"));
            return None;
        }
        if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            self.fault(field, "it may hold no control characters");
            return None;
        }
        Some(text)
    }

    fn parsed<T>(&mut self, field: &str, need: Need) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let before = self.faults.len();
        let Some(text) = self.text(field) else {
            if need == Need::Required && self.faults.len() == before {
                self.fault(field, "it is required");
            }
            return None;
        };
        text.parse()
            .map_err(|fault: T::Err| self.fault(field, fault))
            .ok()
    }

    fn endpoint(&mut self, field: &str, old: Option<UpstreamUrl>) -> Option<UpstreamUrl> {
        // An empty text takes an endpoint away; an absent field leaves it.
        if self.draft.contains_key(field) {
            self.parsed(field, Need::Optional)
        } else {
            old
        }
    }

    /// A number; an empty text is none of it.
    fn count(&mut self, field: &str) -> Option<i64> {
        let number = match self.draft.get(field)? {
            Value::Null => return None,
            Value::String(text) if text.trim().is_empty() => Some(0),
            other => scalar::whole(other),
        };
        match number {
            Some(number @ 0..=1_000_000) => Some(number),
            _ => {
                self.fault(field, "expected a whole number from 0 to 1000000");
                None
            }
        }
    }

    fn flag(&mut self, field: &str) -> Option<bool> {
        let flag = match self.draft.get(field)? {
            Value::Null => return None,
            Value::String(text) if text.trim().is_empty() => return None,
            other => scalar::flag(other),
        };
        if flag.is_none() {
            self.fault(field, "expected `true` or `false`");
        }
        flag
    }

    /// A list, or a text with commas.
    fn words(&mut self, field: &str, most: usize) -> Option<Vec<String>> {
        let words: Option<Vec<String>> = match self.draft.get(field)? {
            Value::Null => return None,
            Value::String(text) => Some(text.split(',').map(str::to_owned).collect()),
            Value::Array(rows) => rows.iter().map(|row| row.as_str().map(str::to_owned)).collect(),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        };
        let Some(words) = words else {
            self.fault(field, "expected a list of texts, or one text with commas");
            return None;
        };
        let mut clean: Vec<String> = Vec::new();
        for word in words
            .iter()
            .map(|word| word.trim())
            .filter(|word| !word.is_empty())
        {
            if word.chars().count() > 64 || word.chars().any(char::is_control) {
                self.fault(
                    field,
                    "each entry may have at most 64 characters and no control characters",
                );
                return None;
            }
            if !clean.iter().any(|known| known == word) {
                clean.push(word.to_owned());
            }
        }
        if clean.len() > most {
            self.fault(field, format_args!("at most {most} entries"));
            return None;
        }
        Some(clean)
    }

    /// An object, or its JSON as a text.
    fn metadata(&mut self) -> Option<Map<String, Value>> {
        let map = match self.draft.get("metadata")? {
            Value::Null => return None,
            Value::String(text) if text.trim().is_empty() => Some(Map::new()),
            Value::String(text) => serde_json::from_str(text).ok(),
            Value::Object(map) => Some(map.clone()),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        };
        match map {
            Some(map) if Value::Object(map.clone()).to_string().len() <= 16_384 => Some(map),
            Some(_) => {
                self.fault("metadata", "it may be at most 16384 bytes of JSON");
                None
            }
            None => {
                self.fault(
                    "metadata",
                    "expected a JSON object such as `{\"team\": \"data\"}`",
                );
                None
            }
        }
    }
}

fn shorten(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::egress::AuthScheme;

    fn draft(value: Value) -> Draft {
        Draft(value.as_object().unwrap().clone())
    }

    #[test]
    fn a_form_and_json_mean_the_same() {
        let form = Draft::from_pairs(
            [
                ("name", "Weather Service"),
                ("description", "Forecasts"),
                ("path", "weather/"),
                ("proxy_pass_url", "http://localhost:8000"),
                ("tags", "weather, forecast,"),
                ("num_tools", "3"),
                ("is_python", "true"),
                ("metadata", "{\"team\": \"x\"}"),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .to_vec(),
        );
        let json = draft(json!({
            "server_name": "Weather Service", "description": "Forecasts", "path": "/weather",
            "proxy_pass_url": "http://localhost:8000", "tags": ["weather", "forecast"], "num_tools": 3,
            "is_python": true, "metadata": {"team": "x"},
        }));
        let read = |draft: &Draft| draft.new_server(Description::Required).unwrap();
        assert_eq!(read(&form), read(&json));
        assert_eq!(read(&form).profile.license, "N/A");
    }

    #[test]
    fn every_fault_comes_back_at_once_by_field() {
        let faulty = draft(json!({
            "path": "/", "proxy_pass_url": "ftp://x", "tags": 3, "num_tools": -1, "num_stars": "many",
            "is_python": "perhaps", "metadata": "[]", "license": 7,
        }));
        let faults = faulty.new_server(Description::Required).unwrap_err();
        for field in [
            "path",
            "proxy_pass_url",
            "tags",
            "num_tools",
            "num_stars",
            "is_python",
            "metadata",
            "license",
            "name",
            "description",
        ] {
            assert_eq!(
                faults.iter().filter(|f| f.field == field).count(),
                1,
                "{field}: {faults:?}"
            );
        }
    }

    #[test]
    fn what_an_edit_does_not_write_stays() {
        let all = draft(json!({
            "name": "a", "path": "/a", "proxy_pass_url": "http://a/", "description": "d", "tags": "x",
            "num_tools": 2, "license": "MIT", "mcp_endpoint": "http://a/rpc",
        }));
        let old = all.new_server(Description::Required).unwrap().profile;
        let edit = draft(json!({"name": "b", "proxy_pass_url": "http://a/"}));
        let edit = edit.changed(&old).unwrap();
        assert_eq!(
            (edit.profile, edit.trusted),
            (
                Profile {
                    name: "b".to_owned(),
                    ..old
                },
                None
            )
        );
    }

    #[test]
    fn what_is_emptied_is_empty_and_what_is_absent_stays() {
        let whole = draft(json!({
            "name": "a", "path": "/a", "proxy_pass_url": "http://a/", "license": "MIT", "num_tools": 3, "num_stars": 4,
        }));
        let old = whole.new_server(Description::Optional).unwrap().profile;
        let edited = |more: Value| {
            let mut edit = draft(json!({"name": "a", "proxy_pass_url": "http://a/"}));
            edit.0.extend(more.as_object().unwrap().clone());
            let now = edit.changed(&old).unwrap().profile;
            (now.license, now.num_tools, now.num_stars)
        };
        assert_eq!(edited(json!({})), ("MIT".to_owned(), 3, 4));
        let emptied = json!({"license": " ", "num_tools": "", "num_stars": ""});
        assert_eq!(edited(emptied), ("N/A".to_owned(), 0, 0));
    }

    #[test]
    fn a_credential_without_a_scheme_is_not_thrown_away() {
        for more in [
            json!({"auth_scheme": "none"}),
            json!({"auth_scheme": ""}),
            json!({}),
            json!({"auth_type": "none"}),
        ] {
            let mut typed = draft(json!({"name": "a", "path": "/a", "proxy_pass_url": "http://a/"}));
            typed.0.extend(more.as_object().unwrap().clone());
            let old = typed.new_server(Description::Optional).unwrap().profile;
            typed.0.insert("auth_credential".to_owned(), json!("x"));
            let faults = typed.new_server(Description::Optional).unwrap_err();
            assert_eq!(faults.first().unwrap().field, "auth_scheme", "{more}");
            assert_eq!(typed.changed(&old).unwrap_err(), faults, "{more}");
        }
    }

    #[test]
    fn unknown_fields_are_named() {
        assert_eq!(
            draft(json!({"name": "a", "visibility": "public"})).unknown(),
            ["visibility"]
        );
    }

    #[test]
    fn the_older_word_for_the_scheme_counts_where_it_means_the_same() {
        // What is written besides; the scheme, and what is ignored.
        let rows = [
            (json!({"auth_type": "none"}), AuthScheme::None, false),
            (
                json!({"auth_type": "bearer", "auth_credential": "x"}),
                AuthScheme::Bearer,
                false,
            ),
            (
                json!({"auth_type": "api-key", "auth_credential": "x"}),
                AuthScheme::ApiKey,
                false,
            ),
            // The key stands among the headers.
            (
                json!({"auth_type": "api-key", "headers": [{"X-Key": "x"}]}),
                AuthScheme::None,
                true,
            ),
            (
                json!({"auth_type": "oauth", "auth_credential": "x"}),
                AuthScheme::None,
                true,
            ),
            (json!({"auth_type": "custom"}), AuthScheme::None, true),
            (
                json!({"auth_type": "api-key", "auth_scheme": "bearer", "auth_credential": "x"}),
                AuthScheme::Bearer,
                true,
            ),
        ];
        for (more, scheme, is_ignored) in rows {
            let mut all = draft(json!({"name": "a", "path": "/a", "proxy_pass_url": "http://a/"}));
            all.0.extend(more.as_object().unwrap().clone());
            let new = all.new_server(Description::Optional).unwrap();
            assert_eq!(new.profile.egress.auth_scheme, scheme, "{more}");
            assert_eq!(
                all.unknown().contains(&"auth_type".to_owned()),
                is_ignored,
                "{more}"
            );
        }
    }
}
