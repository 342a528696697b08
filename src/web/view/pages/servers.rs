//! The list of servers.

use serde::Serialize;

use super::{Chrome, Page};

/// The list of servers.
#[derive(Debug, Clone, Serialize)]
pub struct Servers {
    /// Around it.
    pub chrome: Chrome,
    /// Whether the person may register one.
    pub may_register: bool,
    /// Why nginx does not run the newest configuration; for administrators.
    pub fault: Option<String>,
    /// The servers that the person may see.
    pub servers: Vec<ServerRow>,
}

/// A server in the list.
#[derive(Debug, Clone, Serialize)]
pub struct ServerRow {
    /// Display name.
    pub name: String,
    /// Mount path.
    pub path: String,
    /// What it is for.
    pub description: String,
    /// What a client calls.
    pub url: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether an administrator trusts it.
    pub trusted: bool,
    /// `live`, `pending` or `disabled`.
    pub state: String,
    /// Why it is pending.
    pub reason: Option<String>,
    /// How it is: the word for the colour.
    pub health: String,
    /// And all that is said of it.
    pub health_words: String,
    /// How many tools it has.
    pub tools: i64,
    /// Whether the person may switch it.
    pub may_toggle: bool,
    /// Whether the person may edit it.
    pub may_edit: bool,
}

impl Page for Servers {
    const NAME: &'static str = "pages/servers.html";

    fn samples() -> Vec<Self> {
        let row = |state: &str, reason: Option<&str>| ServerRow {
            name: "Weather".to_owned(),
            path: "/weather".to_owned(),
            description: "Forecasts".to_owned(),
            url: "http://127.0.0.1:8080/weather/mcp".to_owned(),
            tags: vec!["forecast".to_owned()],
            enabled: state != "disabled",
            trusted: state == "live",
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            health: "unhealthy".to_owned(),
            health_words: "unhealthy: it is gone".to_owned(),
            tools: 3,
            may_toggle: state == "live",
            may_edit: state == "live",
        };
        let rows = vec![
            row("live", None),
            row("pending", Some("the name does not resolve")),
            row("disabled", None),
        ];
        let empty = Self {
            chrome: Chrome::sample(),
            may_register: true,
            fault: None,
            servers: Vec::new(),
        };
        let nobody = Self {
            chrome: Chrome {
                csrf_token: None,
                ..Chrome::sample()
            },
            may_register: false,
            ..empty.clone()
        };
        let full = Self {
            fault: Some("a port is taken".to_owned()),
            servers: rows,
            ..empty.clone()
        };
        vec![empty, nobody, full]
    }
}
