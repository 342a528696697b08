//! Tools: those of one server, and all of them searched.

use serde::Serialize;

use super::{Chrome, Page, Pager, hostile};

/// A tool.
#[derive(Debug, Clone, Serialize)]
pub struct ToolView {
    /// Its name.
    pub name: String,
    /// Its title for people, if it has one.
    pub title: Option<String>,
    /// What it says it does.
    pub description: String,
    /// The schema of its arguments, indented.
    pub schema: String,
    /// What its server hints at: `reads only`, `may destroy`, …
    pub hints: Vec<&'static str>,
    /// Whether it waits for approval.
    pub is_held: bool,
    /// The server that has it.
    pub server_name: String,
    /// And its path.
    pub server_path: String,
    /// Where it is shown among the tools of its server.
    pub href: String,
}

impl ToolView {
    fn sample(text: &str) -> Self {
        Self {
            name: text.to_owned(),
            title: Some(text.to_owned()),
            description: text.to_owned(),
            schema: "{\n  \"type\": \"object\"\n}".to_owned(),
            hints: vec!["reads only"],
            is_held: true,
            server_name: text.to_owned(),
            server_path: "/weather".to_owned(),
            href: "/tools/weather?tool=x".to_owned(),
        }
    }
}

/// The tools of one server.
#[derive(Debug, Clone, Serialize)]
pub struct ServerTools {
    /// Around it.
    pub chrome: Chrome,
    /// The server's name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// Whether calls can reach it: it is switched on.
    pub enabled: bool,
    /// How it is spoken with; empty when nobody has asked it yet.
    pub transport: &'static str,
    /// Its tools, as far as the person may see them.
    pub tools: Vec<ToolView>,
    /// Where they stand among all of them.
    pub pager: Pager,
    /// Where all of them can be searched.
    pub search: String,
}

impl Page for ServerTools {
    const NAME: &'static str = "pages/server_tools.html";

    fn samples() -> Vec<Self> {
        let full = Self {
            chrome: Chrome::sample(),
            name: "Weather".to_owned(),
            path: "/weather".to_owned(),
            enabled: true,
            transport: "modern",
            tools: vec![ToolView::sample("forecast"), ToolView::sample(&hostile())],
            pager: Pager::sample(),
            search: "/tools?q=%2Fweather".to_owned(),
        };
        let off = Self {
            enabled: false,
            pager: Pager {
                total: 2,
                ..Pager::default()
            },
            ..full.clone()
        };
        let empty = Self {
            tools: Vec::new(),
            pager: Pager::default(),
            ..full.clone()
        };
        vec![full, off, empty]
    }
}

/// The same alone, for a dialog.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct ToolDialog(pub ServerTools);

impl Page for ToolDialog {
    const NAME: &'static str = "parts/server_tools.html";

    fn samples() -> Vec<Self> {
        ServerTools::samples().into_iter().map(Self).collect()
    }
}

/// The tools of every server, searched.
#[derive(Debug, Clone, Serialize)]
pub struct Tools {
    /// Around it.
    pub chrome: Chrome,
    /// What is looked for.
    pub query: String,
    /// Those of this page.
    pub tools: Vec<ToolView>,
    /// Where they stand among what was found.
    pub pager: Pager,
}

impl Page for Tools {
    const NAME: &'static str = "pages/tools.html";

    fn samples() -> Vec<Self> {
        let full = Self {
            chrome: Chrome::sample(),
            query: hostile(),
            pager: Pager::sample(),
            tools: vec![ToolView::sample("forecast"), ToolView::sample(&hostile())],
        };
        let none = Self {
            tools: Vec::new(),
            pager: Pager::default(),
            ..full.clone()
        };
        let empty = Self {
            query: String::new(),
            ..none.clone()
        };
        vec![full, none, empty]
    }
}

/// The same list alone.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct ToolList(pub Tools);

impl Page for ToolList {
    const NAME: &'static str = "parts/tools.html";

    fn samples() -> Vec<Self> {
        Tools::samples().into_iter().map(Self).collect()
    }
}
