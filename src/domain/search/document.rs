//! What is looked through: a document for each tool and each server.

use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::query::Term;
use super::text::{MOST_NAMES, Texts};
use crate::domain::path::ServerPath;
use crate::domain::server::Profile;

/// The SHA-256 of what a model reads of a document.
pub type TextKey = [u8; 32];

/// How much of a document's vector is its name's; the rest is all of it. Two vectors would rank the same and cost double.
pub const NAME_SHARE: f32 = 0.2 / 0.7;

/// What a server is filed under, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    tags: Vec<String>,
    pairs: Vec<(String, String)>,
}

impl Labels {
    /// Of a server.
    pub fn of(profile: &Profile) -> Self {
        let lower = |text: &String| text.trim().to_lowercase();
        Self {
            tags: profile.tags.iter().map(lower).collect(),
            pairs: pairs(&profile.metadata)
                .iter()
                .map(|(key, value)| (lower(key), lower(value)))
                .collect(),
        }
    }

    /// Whether all of these tags are there.
    pub fn have_all(&self, tags: &[String]) -> bool {
        tags.iter().all(|tag| self.tags.contains(tag))
    }

    /// How many of these terms are there.
    pub fn exact(&self, terms: &[Term]) -> u8 {
        let count = terms.iter().filter(|term| self.shown(term).is_some()).count();
        u8::try_from(count).unwrap_or(u8::MAX)
    }

    /// The label that a term is, in words.
    pub fn shown(&self, term: &Term) -> Option<String> {
        let fits = |(key, value): &&(String, String)| match term {
            Term::Pair(asked, wanted) => key == asked && value == wanted,
            Term::Value(wanted) => value == wanted,
        };
        let pair = self.pairs.iter().find(fits);
        let pair = pair.map(|(key, value)| format!("{key}: {value}"));
        let tag = || match term {
            Term::Value(wanted) if self.tags.contains(wanted) => Some(format!("tag: {wanted}")),
            Term::Pair(key, wanted) if key == "tag" && self.tags.contains(wanted) => {
                Some(format!("tag: {wanted}"))
            }
            Term::Pair(..) | Term::Value(_) => None,
        };
        pair.or_else(tag)
    }
}

/// Metadata as keys and values: each element of a list, fields of objects by `key.field`.
pub fn pairs(metadata: &Map<String, Value>) -> Vec<(String, String)> {
    fn add(key: &str, value: &Value, depth: u8, found: &mut Vec<(String, String)>) {
        if found.len() >= MOST_NAMES || depth > 4 {
            return;
        }
        match value {
            Value::Null => {}
            Value::String(text) => found.push((key.to_owned(), text.clone())),
            Value::Bool(_) | Value::Number(_) => found.push((key.to_owned(), value.to_string())),
            Value::Array(all) => all.iter().for_each(|value| add(key, value, depth + 1, found)),
            Value::Object(fields) => fields
                .iter()
                .for_each(|(field, value)| add(&format!("{key}.{field}"), value, depth + 1, found)),
        }
    }
    let mut found = Vec::new();
    for (key, value) in metadata {
        add(key, value, 0, &mut found);
    }
    found
}

/// One thing that can be found.
#[derive(Debug, Clone)]
pub struct Document {
    /// The server that it is, or that it belongs to.
    pub server: ServerPath,
    /// The tool's name; none for a server.
    pub tool: Option<Arc<str>>,
    /// Whether a server's text names its tools. Who may not use them all gets the other text, so that nobody finds a server
    /// by a tool that is hidden from them.
    pub names_tools: bool,
    /// What the server is filed under.
    pub labels: Arc<Labels>,
    /// What is compared.
    pub texts: Texts,
}

impl Document {
    /// Of a tool.
    pub fn of_tool(
        path: &ServerPath,
        profile: &Profile,
        labels: &Arc<Labels>,
        name: &str,
        definition: &Map<String, Value>,
    ) -> Self {
        Self {
            server: path.clone(),
            tool: Some(name.into()),
            names_tools: false,
            labels: Arc::clone(labels),
            texts: Texts::of_tool(&profile.name, name, definition),
        }
    }

    /// Of a server with these tools: one text that names them and, when there are any, one that does not.
    pub fn of_server(
        path: &ServerPath,
        profile: &Profile,
        labels: &Arc<Labels>,
        tools: &[&str],
    ) -> Vec<Self> {
        let metadata = pairs(&profile.metadata);
        let document = |tools: &[&str], names_tools| Self {
            server: path.clone(),
            tool: None,
            names_tools,
            labels: Arc::clone(labels),
            texts: Texts::of_server(
                &profile.name,
                &profile.description,
                &profile.tags,
                &metadata,
                tools,
            ),
        };
        let bare = document(&[], false);
        if tools.is_empty() {
            return vec![bare];
        }
        vec![bare, document(tools, true)]
    }

    /// What it is known by, in the order of answers that are as good as each other.
    pub fn id(&self) -> (&str, Option<&str>, bool) {
        (self.server.as_str(), self.tool.as_deref(), self.names_tools)
    }

    /// What its vector is known by. The first word names how the two views are mixed.
    pub fn digest(&self) -> TextKey {
        let mut hash = Sha256::new();
        hash.update(b"2:5\0");
        hash.update(&self.texts.name);
        hash.update(b"\0");
        hash.update(&self.texts.full);
        hash.finalize().into()
    }
}

/// The one vector of a document, from those of its two views. It is no longer than 1.
pub fn mixed(name: &[f32], full: &[f32]) -> Vec<f32> {
    let both = name.iter().zip(full);
    both.map(|(name, full)| NAME_SHARE * name + (1.0 - NAME_SHARE) * full)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::server::Server;

    fn profile(metadata: Value, tags: &str) -> Profile {
        let mut server = Server::sample("/pay", "http://127.0.0.1:9/", &[("tags", tags)]);
        server.profile.metadata = metadata.as_object().unwrap().clone();
        server.profile
    }

    #[test]
    fn labels_are_found_letter_by_letter_but_for_case() {
        let profile = profile(
            json!({"team": "Finance-Platform", "zones": ["us-east-1", "eu-1"], "a": {"b": 7}, "none": null}),
            "finance,PCI-DSS",
        );
        let labels = Labels::of(&profile);
        let pair = |key: &str, value: &str| Term::Pair(key.to_owned(), value.to_owned());
        let value = |text: &str| Term::Value(text.to_owned());
        assert_eq!(
            labels.shown(&pair("team", "finance-platform")).as_deref(),
            Some("team: finance-platform")
        );
        assert_eq!(labels.shown(&value("eu-1")).as_deref(), Some("zones: eu-1"));
        assert_eq!(labels.shown(&value("pci-dss")).as_deref(), Some("tag: pci-dss"));
        assert_eq!(labels.shown(&pair("a.b", "7")).as_deref(), Some("a.b: 7"));
        assert_eq!(labels.shown(&pair("team", "finance")), None);
        assert_eq!(
            labels.exact(&[value("eu-1"), value("us-east-1"), value("x-1")]),
            2
        );
        assert!(labels.have_all(&["finance".to_owned()]));
        assert!(!labels.have_all(&["finance".to_owned(), "other".to_owned()]));
    }

    #[test]
    fn a_server_has_a_text_without_its_tools_for_those_who_may_not_use_them_all() {
        let profile = profile(json!({"team": "x"}), "a,b");
        let labels = Arc::new(Labels::of(&profile));
        let documents = Document::of_server(&"/pay".parse().unwrap(), &profile, &labels, &["refund_all"]);
        let [bare, whole] = documents.as_slice() else {
            panic!("{documents:?}")
        };
        assert_eq!(bare.texts.full, "x:  Tags: a, b team: x");
        assert_eq!(whole.texts.full, "x:  Tags: a, b team: x Tools: refund all");
        assert!(!bare.texts.words.contains("refund") && whole.texts.words.contains("refund"));
        assert_ne!(bare.digest(), whole.digest());
        assert!(bare.id() < whole.id());
    }
}
