//! The form of a server.

use serde::Serialize;

use super::{Chrome, Page, hostile};

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

/// What a server said when it was tried before it was saved.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// Whether it answered as an MCP server does.
    pub answers: bool,
    /// What is to be said of it.
    pub words: String,
    /// What in the form kept it from being asked.
    pub faults: Vec<Fault>,
    /// How it is spoken with.
    pub transport: Option<&'static str>,
    /// How long its first answer took.
    pub latency_ms: Option<u64>,
    /// Its own name and version.
    pub names: String,
    /// How many tools it lists.
    pub count: usize,
    /// The first of them.
    pub tools: Vec<String>,
}

impl Trial {
    fn samples() -> Vec<Self> {
        let good = Self {
            answers: true,
            words: "The server answers.".to_owned(),
            faults: Vec::new(),
            transport: Some("modern"),
            latency_ms: Some(7),
            names: "weather 1.0".to_owned(),
            count: 2,
            tools: vec!["forecast".to_owned(), hostile()],
        };
        let bad = Self {
            answers: false,
            words: hostile(),
            faults: vec![Fault {
                field: "proxy_pass_url".to_owned(),
                message: hostile(),
            }],
            transport: None,
            latency_ms: None,
            names: hostile(),
            count: 0,
            tools: Vec::new(),
        };
        vec![good, bad]
    }
}

/// The same alone, for our script to put into the form.
#[derive(Debug, Clone, Serialize)]
pub struct TrialPart {
    /// What it said.
    pub trial: Option<Trial>,
}

impl Page for TrialPart {
    const NAME: &'static str = "parts/trial.html";

    fn samples() -> Vec<Self> {
        let trials = Trial::samples().into_iter().map(Some);
        trials.chain([None]).map(|trial| Self { trial }).collect()
    }
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
    /// Where it speaks Streamable HTTP, when that is not below its address.
    pub mcp_endpoint: String,
    /// Where it speaks HTTP+SSE, when that is not below its address.
    pub sse_endpoint: String,
    /// Whether one of the two is at fault.
    pub endpoints_at_fault: bool,
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
    /// Which state of the record the form is of; empty for a new one.
    pub if_match: String,
    /// Whether it is trusted.
    pub trusted: bool,
    /// Whether the person may say so.
    pub is_admin: bool,
    /// What the server said when it was tried.
    pub trial: Option<Trial>,
    /// What was wrong with what was typed.
    pub faults: Vec<Fault>,
    /// Whether something secret was typed that did not come back with the page.
    pub has_unkept: bool,
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
            mcp_endpoint: String::new(),
            sse_endpoint: String::new(),
            endpoints_at_fault: false,
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
            if_match: String::new(),
            trusted: true,
            is_admin: true,
            trial: Trial::samples().pop(),
            faults: Vec::new(),
            has_unkept: false,
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
            "auth_credential",
            "headers",
        ];
        let refused = Self {
            faults: fields.map(fault).to_vec(),
            has_unkept: true,
            is_admin: false,
            name: hostile(),
            description: hostile(),
            trial: None,
            ..new.clone()
        };
        let editing = Self {
            editing: Some("/weather".to_owned()),
            mcp_endpoint: "http://127.0.0.1:9/rpc".to_owned(),
            sse_endpoint: hostile(),
            if_match: "0f".repeat(16),
            endpoints_at_fault: true,
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
