//! The form of a server.

use serde::Serialize;

use super::{Chrome, Page};

/// A fault beside its field; without a field it is the whole form's.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// The field's name.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// One line of a server's history.
#[derive(Debug, Clone, Serialize)]
pub struct Past {
    /// When, as RFC 3339 writes it.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What, in a few words.
    pub deed: &'static str,
}

/// The form of a server.
#[derive(Debug, Clone, Serialize)]
pub struct ServerForm {
    /// Around it.
    pub chrome: Chrome,
    /// Where it is sent.
    pub action: String,
    /// The server that is edited; none when a new one is registered.
    pub editing: Option<String>,
    /// Display name.
    pub name: String,
    /// Mount path.
    pub path: String,
    /// The upstream's address.
    pub proxy_pass_url: String,
    /// What it is for.
    pub description: String,
    /// Tags with commas.
    pub tags: String,
    /// How many tools.
    pub num_tools: String,
    /// Stars.
    pub num_stars: String,
    /// Licence.
    pub license: String,
    /// A JSON object.
    pub metadata: String,
    /// How its credential is presented: `none`, `bearer` or `api_key`.
    pub auth_scheme: String,
    /// In which header; empty means the scheme's own.
    pub auth_header_name: String,
    /// Names of its own headers, each with a colon, a line each; values are never shown.
    pub headers: String,
    /// Whether it is told who is asking.
    pub identity_headers: bool,
    /// Whether it is written in Python.
    pub is_python: bool,
    /// Whether its tools change only with approval.
    pub pinned: bool,
    /// Whether it is trusted.
    pub trusted: bool,
    /// Whether the person may say so.
    pub is_admin: bool,
    /// What was wrong with what was typed.
    pub faults: Vec<Fault>,
    /// What was done to it of late.
    pub history: Vec<Past>,
}

impl Page for ServerForm {
    const NAME: &'static str = "pages/server_form.html";

    fn samples() -> Vec<Self> {
        let new = Self {
            chrome: Chrome::sample(),
            action: "/register".to_owned(),
            editing: None,
            name: String::new(),
            path: String::new(),
            proxy_pass_url: String::new(),
            description: String::new(),
            tags: String::new(),
            num_tools: String::new(),
            num_stars: String::new(),
            license: String::new(),
            metadata: String::new(),
            auth_scheme: "none".to_owned(),
            auth_header_name: String::new(),
            headers: String::new(),
            identity_headers: true,
            is_python: false,
            pinned: false,
            trusted: true,
            is_admin: true,
            faults: Vec::new(),
            history: Vec::new(),
        };
        let fault = |field: &str| Fault {
            field: field.to_owned(),
            message: "it is required".to_owned(),
        };
        let fields = [
            "",
            "name",
            "path",
            "proxy_pass_url",
            "description",
            "tags",
            "num_tools",
            "license",
            "metadata",
        ];
        let refused = Self {
            faults: fields.map(fault).to_vec(),
            is_admin: false,
            ..new.clone()
        };
        let editing = Self {
            editing: Some("/weather".to_owned()),
            action: "/edit/weather".to_owned(),
            history: vec![Past {
                at: "2026-01-02T03:04:05Z".to_owned(),
                actor: "ada".to_owned(),
                deed: "trusted",
            }],
            ..new.clone()
        };
        vec![new, refused, editing]
    }
}
