//! The list of servers.

use serde::Serialize;

use super::{Chrome, Page, Pager, hostile};

/// The list of servers with everything around it.
#[derive(Debug, Clone, Serialize)]
pub struct Servers {
    /// Around it.
    pub chrome: Chrome,
    /// Whether the person may register one.
    pub may_register: bool,
    /// Why nginx does not run the newest configuration; for administrators.
    pub fault: Option<String>,
    /// The server that was saved a moment ago.
    pub saved: Option<ServerRow>,
    /// The path of one that was saved by somebody who may not see it.
    pub saved_unseen: Option<String>,
    /// The list.
    pub list: List,
}

/// The list alone, for our script to put in the place of the one before.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct ServerList(pub Servers);

/// A page of the list.
#[derive(Debug, Clone, Serialize)]
pub struct List {
    /// Its address.
    pub here: String,
    /// What is looked for.
    pub query: String,
    /// Which filter is on.
    pub show: &'static str,
    /// `table` or `cards`.
    pub view: &'static str,
    /// The filters.
    pub tabs: Vec<Tab>,
    /// What it can be sorted by.
    pub columns: Vec<Column>,
    /// What it is sorted by, as the address says it.
    pub sort: Option<String>,
    /// Figures over everything that the person may see.
    pub figures: Figures,
    /// Whether nobody has registered one that the person may see.
    pub none_yet: bool,
    /// The servers.
    pub rows: Vec<ServerRow>,
    /// Where they stand among those behind this filter.
    pub pager: Pager,
}

/// A filter.
#[derive(Debug, Clone, Serialize)]
pub struct Tab {
    /// Its word in the address.
    pub show: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// How many servers pass it.
    pub count: usize,
    /// Where it leads.
    pub href: String,
    /// Whether it is on.
    pub is_here: bool,
}

/// A column that the list can be sorted by.
#[derive(Debug, Clone, Serialize)]
pub struct Column {
    /// Its word in the address.
    pub word: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// The way round, if it is the one.
    pub direction: Option<Direction>,
    /// Where it leads: to the list sorted by it, or the other way round.
    pub href: String,
}

/// Which way round, in the words of `aria-sort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The smallest first.
    Ascending,
    /// The greatest first.
    Descending,
}

impl Direction {
    /// The other way round.
    #[must_use]
    pub fn turned(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

/// Figures over everything that the person may see.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// Servers.
    pub servers: usize,
    /// Of them switched on.
    pub enabled: usize,
    /// Of them well.
    pub healthy: usize,
    /// Of them not.
    pub issues: usize,
    /// Their tools.
    pub tools: i64,
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
    /// The colour of how it is: `good`, `warn`, `bad` or `off`.
    pub tone: &'static str,
    /// The word for it.
    pub word: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// How it is in the words of the feed.
    pub status: String,
    /// How it is spoken with, if that is known.
    pub transport: Option<&'static str>,
    /// How long its last first answer took.
    pub latency_ms: Option<u64>,
    /// When it was last asked.
    pub checked_at: Option<String>,
    /// How many tools it has.
    pub tools: i64,
    /// Whether the feed says the same number to the person.
    pub follows_tools: bool,
    /// Its owner's rating.
    pub stars: i64,
    /// Who registered it.
    pub source: String,
    /// Whether it is our own.
    pub built_in: bool,
    /// Whether the person may switch it.
    pub may_toggle: bool,
    /// Whether the person may edit it.
    pub may_edit: bool,
    /// Whether the person may have it checked.
    pub may_check: bool,
    /// Whether the person may remove it.
    pub may_remove: bool,
}

impl ServerRow {
    /// One that answers; the other states differ from it.
    pub(super) fn sample() -> Self {
        Self {
            name: "Weather".to_owned(),
            path: "/weather".to_owned(),
            description: "Forecasts".to_owned(),
            url: "http://127.0.0.1:8080/weather/mcp".to_owned(),
            tags: vec!["forecast".to_owned()],
            enabled: true,
            trusted: true,
            tone: "good",
            word: "Healthy",
            reason: None,
            status: "healthy".to_owned(),
            transport: Some("modern"),
            latency_ms: Some(12),
            checked_at: Some("2026-01-02T03:04:05Z".to_owned()),
            tools: 3,
            follows_tools: true,
            stars: 4,
            source: "ada".to_owned(),
            built_in: false,
            may_toggle: true,
            may_edit: true,
            may_check: true,
            may_remove: true,
        }
    }
}

fn rows() -> Vec<ServerRow> {
    let row = ServerRow::sample();
    let pending = ServerRow {
        tone: "warn",
        word: "Pending",
        reason: Some("the name does not resolve".to_owned()),
        transport: None,
        latency_ms: None,
        checked_at: None,
        ..row.clone()
    };
    let off = ServerRow {
        enabled: false,
        tone: "off",
        word: "Disabled",
        built_in: true,
        status: "disabled".to_owned(),
        may_toggle: false,
        may_edit: false,
        may_check: false,
        may_remove: false,
        ..row.clone()
    };
    let bad = ServerRow {
        name: hostile(),
        description: hostile(),
        tags: vec![hostile(); 3],
        trusted: false,
        tone: "bad",
        word: "Unhealthy",
        reason: Some(hostile()),
        source: hostile(),
        ..row.clone()
    };
    vec![row, pending, off, bad]
}

impl Page for Servers {
    const NAME: &'static str = "pages/servers.html";

    fn samples() -> Vec<Self> {
        let tab = |show, name, is_here| Tab {
            show,
            name,
            count: 3,
            href: format!("/?show={show}"),
            is_here,
        };
        let column = |word, direction| Column {
            word,
            name: word,
            direction,
            href: format!("/?sort={word}"),
        };
        let empty = Self {
            chrome: Chrome::sample(),
            may_register: true,
            fault: None,
            saved: None,
            saved_unseen: None,
            list: List {
                here: "/".to_owned(),
                query: String::new(),
                show: "all",
                view: "table",
                tabs: vec![tab("all", "All", true), tab("issues", "Issues", false)],
                columns: vec![column("name", None), column("tools", Some(Direction::Descending))],
                sort: Some("tools".to_owned()),
                figures: Figures::default(),
                none_yet: true,
                rows: Vec::new(),
                pager: Pager::default(),
            },
        };
        let nobody = Self {
            chrome: Chrome {
                csrf_token: None,
                ..Chrome::sample()
            },
            saved_unseen: Some("/weather".to_owned()),
            may_register: false,
            ..empty.clone()
        };
        let none_found = Self {
            list: List {
                query: hostile(),
                none_yet: false,
                show: "issues",
                figures: Figures {
                    servers: 3,
                    ..Figures::default()
                },
                ..empty.list.clone()
            },
            ..empty.clone()
        };
        let full = Self {
            fault: Some("a port is taken".to_owned()),
            saved: rows().pop(),
            list: List {
                rows: rows(),
                none_yet: false,
                figures: Figures {
                    servers: 4,
                    ..Figures::default()
                },
                pager: Pager::sample(),
                ..empty.list.clone()
            },
            ..empty.clone()
        };
        let cards = Self {
            list: List {
                view: "cards",
                ..full.list.clone()
            },
            saved: Some(ServerRow::sample()),
            ..full.clone()
        };
        vec![empty, nobody, none_found, full, cards]
    }
}

impl Page for ServerList {
    const NAME: &'static str = "parts/servers.html";

    fn samples() -> Vec<Self> {
        Servers::samples().into_iter().map(Self).collect()
    }
}
