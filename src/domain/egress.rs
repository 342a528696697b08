//! What a server wants to be told beside the call: its credential, headers of its own, who is asking.
//!
//! Names are part of the record and shown; values are secrets: they are sealed at rest and never shown again.
//!
//! **Invariant:** a name is a token that only the owner may set (RFC 9110, section 5.6.2), a value is 0x20–0x7e without
//! spaces at its ends, so neither can break out of its header line.

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::FieldFault;
use super::headers;
use super::secret::Secret;

/// How the credential is presented (contract, section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthScheme {
    /// There is none.
    #[default]
    None,
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// A header with the key alone.
    ApiKey,
}

/// What is known of it to everybody who may see the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Egress {
    /// How the credential is presented.
    pub auth_scheme: AuthScheme,
    /// In which header; none means the scheme's own.
    pub auth_header_name: Option<String>,
    /// Further headers.
    pub custom_header_names: Vec<String>,
    /// Whether it is told who is asking (contract, section 4.4).
    pub identity_headers: bool,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            auth_scheme: AuthScheme::None,
            auth_header_name: None,
            custom_header_names: Vec::new(),
            identity_headers: true,
        }
    }
}

impl AuthScheme {
    /// `none`, `bearer` or `api_key`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer => "bearer",
            Self::ApiKey => "api_key",
        }
    }
}

/// The values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The credential.
    pub auth: Option<Secret<String>>,
    /// The values of the further headers, by name.
    pub headers: Vec<(String, Secret<String>)>,
}

/// Header names with their new values, if they have new ones.
pub type WrittenHeaders = Vec<(String, Option<Secret<String>>)>;

/// What somebody wrote about them; what is not written stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// A new credential.
    pub auth: Option<Secret<String>>,
    /// All further headers; one without a value keeps the value it has.
    pub headers: Option<WrittenHeaders>,
}

const MOST_HEADERS: usize = 20;
const LONGEST_VALUE: usize = 8_000;
const DEFAULT_KEY_HEADER: &str = "X-API-Key";

impl Credentials {
    /// The values for `egress`, from what is there and what was written. `moved` says that they would go somewhere else
    /// now, or under another name: a value that was entered for one place is not sent to another.
    pub fn merged(&self, written: &Written, egress: &Egress, moved: bool) -> Result<Self, FieldFault> {
        let again = "enter it again: the server's address has changed, or the header";
        let kept = |value: Option<&Secret<String>>, field: &str, lacking: &str| match value {
            Some(_) if moved => Err(FieldFault::new(field, again)),
            Some(value) => Ok(value.clone()),
            None => Err(FieldFault::new(field, lacking)),
        };
        let auth = match (egress.auth_scheme, &written.auth) {
            (AuthScheme::None, _) => None,
            (_, Some(new)) => Some(new.clone()),
            (_, None) => {
                let lacking = "it is required with this `auth_scheme`";
                Some(kept(self.auth.as_ref(), "auth_credential", lacking)?)
            }
        };
        let unchanged = || {
            self.headers
                .iter()
                .map(|(name, _)| (name.clone(), None))
                .collect()
        };
        let wanted = written.headers.clone().unwrap_or_else(unchanged);
        let value = |(name, new): (String, Option<Secret<String>>)| {
            let same = |known: &&(String, Secret<String>)| known.0.eq_ignore_ascii_case(&name);
            let old = self.headers.iter().find(same).map(|(_, value)| value);
            let value = new.map_or_else(|| kept(old, "headers", &format!("`{name}` has no value")), Ok)?;
            Ok((name, value))
        };
        let headers = wanted.into_iter().map(value).collect::<Result<_, FieldFault>>()?;
        Ok(Self { auth, headers })
    }

    /// Header lines for a request to the server.
    pub fn lines(&self, egress: &Egress) -> Vec<(HeaderName, HeaderValue)> {
        let auth = self.auth.as_ref().map(|secret| match egress.auth_scheme {
            AuthScheme::Bearer => (auth_header(egress), format!("Bearer {}", secret.expose())),
            AuthScheme::None | AuthScheme::ApiKey => (auth_header(egress), secret.expose().clone()),
        });
        let further = self.headers.iter();
        let further = further.map(|(name, value)| (name.as_str(), value.expose().clone()));
        let line = |(name, value): (&str, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        };
        auth.into_iter().chain(further).filter_map(line).collect()
    }

    /// As text, to be sealed.
    pub fn to_text(&self) -> Secret<String> {
        let headers = self.headers.iter();
        let headers: Map<String, Value> = headers
            .map(|(name, value)| (name.clone(), value.expose().clone().into()))
            .collect();
        let auth = self.auth.as_ref().map(|secret| secret.expose().clone());
        Secret::new(serde_json::json!({"auth": auth, "headers": headers}).to_string())
    }

    /// From that text.
    pub fn from_text(text: &Secret<String>) -> Option<Self> {
        let value: Value = serde_json::from_str(text.expose()).ok()?;
        let secret = |value: &Value| value.as_str().map(|text| Secret::new(text.to_owned()));
        let headers = value.get("headers")?.as_object()?.iter();
        let headers = headers.map(|(name, value)| Some((name.clone(), secret(value)?)));
        Some(Self {
            auth: value.get("auth").and_then(secret),
            headers: headers.collect::<Option<_>>()?,
        })
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.auth.is_none() && self.headers.is_empty()
    }
}

fn auth_header(egress: &Egress) -> &str {
    let own = match egress.auth_scheme {
        AuthScheme::ApiKey => DEFAULT_KEY_HEADER,
        AuthScheme::None | AuthScheme::Bearer => "Authorization",
    };
    egress.auth_header_name.as_deref().unwrap_or(own)
}

/// A header's name that a record may set.
pub fn check_name(name: &str) -> Result<(), String> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() || name.len() > 100 {
        return Err(format!("`{name:.100}` is not a header name"));
    }
    if headers::may_be_set(name) {
        Ok(())
    } else {
        Err(format!(
            "the header `{name}` is set by the gateway or speaks of the connection"
        ))
    }
}

/// A header's value; the words never repeat it.
pub fn check_value(value: &str) -> Result<(), &'static str> {
    let plain = value.bytes().all(|b| (0x20..=0x7e).contains(&b)) && value.trim() == value;
    match value.len() {
        0 => Err("it may not be empty"),
        length if length > LONGEST_VALUE => Err("it may be at most 8000 characters long"),
        _ if !plain => Err("it may hold printable ASCII only, without spaces at its ends"),
        _ => Ok(()),
    }
}

/// Headers as written: `{"Name": "value"}`, a list of such or of `{"name": …, "value": …}`, or lines `Name: value`.
pub fn read_headers(value: &Value) -> Result<WrittenHeaders, String> {
    let expected = || "expected headers such as `{\"X-Team\": \"data\"}`, or lines `X-Team: data`".to_owned();
    let mut pairs: Vec<(String, String)> = Vec::new();
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(expected);
    match value {
        Value::String(lines) if lines.trim_start().starts_with(['{', '[']) => {
            let parsed: Value = serde_json::from_str(lines).map_err(|_| expected())?;
            return if parsed.is_string() {
                Err(expected())
            } else {
                read_headers(&parsed)
            };
        }
        Value::String(lines) => {
            for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (name, value) = line.split_once(':').ok_or_else(expected)?;
                pairs.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                pairs.push((name.clone(), text(value)?));
            }
        }
        Value::Array(rows) => {
            for row in rows {
                let row = row.as_object().ok_or_else(expected)?;
                match (row.get("name"), row.get("value")) {
                    (Some(name), value) => {
                        pairs.push((text(name)?, value.map_or_else(|| Ok(String::new()), text)?));
                    }
                    (None, _) => {
                        for (name, value) in row {
                            pairs.push((name.clone(), text(value)?));
                        }
                    }
                }
            }
        }
        _ => return Err(expected()),
    }
    if pairs.len() > MOST_HEADERS {
        return Err(format!("at most {MOST_HEADERS} headers"));
    }
    let mut headers = WrittenHeaders::new();
    for (name, value) in pairs {
        check_name(&name)?;
        if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            return Err(format!("the header `{name}` stands twice"));
        }
        let value = Some(value).filter(|value| !value.is_empty());
        if let Some(value) = &value {
            check_value(value).map_err(|words| format!("the value of `{name}`: {words}"))?;
        }
        headers.push((name, value.map(Secret::new)));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn headers_are_read_in_every_form() {
        let expected = vec![("X-A".to_owned(), Some(secret("1"))), ("X-B".to_owned(), None)];
        for written in [
            json!({"X-A": "1", "X-B": ""}),
            json!([{"X-A": "1"}, {"X-B": ""}]),
            json!([{"name": "X-A", "value": "1"}, {"name": "X-B"}]),
            json!("X-A: 1\r\nX-B:\n"),
            json!("[{\"X-A\": \"1\"}, {\"X-B\": \"\"}]"),
        ] {
            assert_eq!(read_headers(&written).unwrap(), expected, "{written}");
        }
        for odd in [
            json!(1),
            json!({"X-A": 1}),
            json!({"X A": "1"}),
            json!({"X-A": "a\r\nX-B: 1"}),
            json!({"X-A": "é"}),
            json!({"Host": "x"}),
            json!({"X-User": "x"}),
            json!({"x_user": "x"}),
            json!({"Mcp-Session-Id": "x"}),
            json!({"Content-Length": "1"}),
            json!([{"X-A": "1"}, {"x-a": "2"}]),
            json!("no colon"),
        ] {
            assert!(read_headers(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_is_not_written_stays_unless_the_server_has_moved() {
        let egress = Egress {
            auth_scheme: AuthScheme::ApiKey,
            ..Egress::default()
        };
        let old = Credentials {
            auth: Some(secret("k")),
            headers: vec![("X-A".to_owned(), secret("1"))],
        };
        let nothing = Written::default();
        assert_eq!(old.merged(&nothing, &egress, false).unwrap(), old);
        assert_eq!(
            old.merged(&nothing, &egress, true).unwrap_err().field,
            "auth_credential"
        );
        let new = Written {
            auth: Some(secret("n")),
            headers: Some(vec![("x-a".to_owned(), None)]),
        };
        assert_eq!(old.merged(&new, &egress, true).unwrap_err().field, "headers");
        let merged = old.merged(&new, &egress, false).unwrap();
        assert_eq!(
            (merged.auth, merged.headers),
            (Some(secret("n")), vec![("x-a".to_owned(), secret("1"))])
        );
        let none = Egress::default();
        assert_eq!(old.merged(&nothing, &none, false).unwrap().auth, None);
        let text = old.to_text();
        assert_eq!(Credentials::from_text(&text), Some(old.clone()));
        let lines = old.lines(&egress);
        assert_eq!(
            lines[0],
            ("x-api-key".parse().unwrap(), HeaderValue::from_static("k"))
        );
        assert!(!format!("{old:?} {text:?} {lines:?}").contains("\"k\""));
    }
}
