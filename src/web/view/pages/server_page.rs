//! Everything about one server.

use serde::Serialize;

use super::sample::{hostile, moment};
use super::{Approval, Aspect, Chrome, Diff, DiffLine, Held, Offer, Page, Pager, Past, VersionRow};
use crate::domain::health::Transport;
use crate::web::view::chart::{Line, Sight, Stack, Uptime, Window, line, stack, uptime};
use crate::web::view::connect::{Recipe, recipes};

/// Everything about one server.
#[derive(Debug, Clone, Serialize)]
pub struct ServerPage {
    /// Around it.
    pub chrome: Chrome,
    /// Who it is.
    pub server: Portrait,
    /// How far back the drawings look.
    pub spans: Vec<Aspect>,
    /// Below them, from left to right.
    pub marks: Vec<&'static str>,
    /// Whether it answered.
    pub uptime: Uptime,
    /// How long checks are kept, when the drawings reach back further.
    pub forgotten: Option<String>,
    /// How quickly.
    pub latency: Option<Line>,
    /// What was called.
    pub calls: CallsPart,
    /// What it offers, a page of it.
    pub offers: Vec<Offer>,
    /// Where that stands in all of it.
    pub pager: Pager,
    /// These as one text: a page that says another is of another time.
    pub fingerprint: String,
    /// What waits for approval, for those who may give it.
    pub approval: Option<Approval>,
    /// How its offers changed, newest first.
    pub versions: Vec<VersionRow>,
    /// Which rules let somebody in.
    pub openings: Vec<Opening>,
    /// Whether these are everybody's, and not the reader's own.
    pub is_admin: bool,
    /// How clients are told.
    pub recipes: Vec<Recipe>,
    /// What was done to it; none when it is not for the reader.
    pub history: Option<Vec<Past>>,
}

/// Who a server is and how it is now.
#[derive(Debug, Clone, Serialize)]
pub struct Portrait {
    /// Display name.
    pub name: String,
    /// Mount path.
    pub path: String,
    /// What it is for.
    pub description: String,
    /// What a client calls.
    pub url: String,
    /// Where it is; for those who may change it.
    pub upstream: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether it is our own, which nobody checks or changes.
    pub built_in: bool,
    /// Whether an administrator trusts it.
    pub trusted: bool,
    /// Whether its tools change only with approval.
    pub pinned: bool,
    /// `live`, `pending` or `disabled`.
    pub standing: &'static str,
    /// Why it is pending.
    pub reason: Option<String>,
    /// The word for the colour of its health: `good`, `warn`, `bad` or nothing.
    pub mood: &'static str,
    /// All that is said of its health.
    pub health: String,
    /// The last check.
    pub checked_at: Option<String>,
    /// Since when it is so.
    pub since: Option<String>,
    /// How long its first answer took last time.
    pub latency: Option<String>,
    /// How it is spoken with.
    pub transport: Option<&'static str>,
    /// What it calls itself, with its version.
    pub software: Option<String>,
    /// How many tools it has.
    pub tools: i64,
    /// Licence.
    pub license: String,
    /// Who registered it.
    pub registered_by: String,
    /// When.
    pub registered_at: String,
    /// Whether the reader may change it.
    pub may_edit: bool,
    /// Whether the reader may switch it.
    pub may_toggle: bool,
    /// Whether the reader may have it checked.
    pub may_check: bool,
    /// Whether the person may remove it.
    pub may_remove: bool,
}

/// Calls of a span.
#[derive(Debug, Clone, Serialize)]
pub struct CallsPart {
    /// Drawn.
    pub chart: Option<Stack>,
    /// How many.
    pub total: String,
    /// How many of them were errors.
    pub errors: String,
    /// 95 of 100 took no longer.
    pub p95: String,
    /// By tool, the busiest first.
    pub tools: Vec<ToolCalls>,
    /// Where one reads them one by one.
    pub href: String,
}

/// Calls of one tool.
#[derive(Debug, Clone, Serialize)]
pub struct ToolCalls {
    /// The tool; none for calls of no tool.
    pub name: Option<String>,
    /// How many.
    pub calls: String,
    /// How many were errors; none if there are none.
    pub errors: Option<String>,
}

/// A rule that lets somebody in.
#[derive(Debug, Clone, Serialize)]
pub struct Opening {
    /// The scope.
    pub scope: String,
    /// Where an administrator changes it.
    pub href: Option<String>,
    /// Groups that have it.
    pub groups: Vec<String>,
    /// Which methods.
    pub methods: String,
    /// Which tools.
    pub tools: String,
}

impl Page for ServerPage {
    const NAME: &'static str = "pages/server.html";

    fn samples() -> Vec<Self> {
        let empty = empty();
        let own = ServerPage {
            server: Portrait {
                built_in: true,
                ..empty.server.clone()
            },
            ..empty.clone()
        };
        vec![empty, own, full("Weather"), full(&hostile())]
    }
}

fn empty() -> ServerPage {
    let server = Portrait {
        name: "Weather".to_owned(),
        path: "/weather".to_owned(),
        description: String::new(),
        url: "http://127.0.0.1:8080/weather/mcp".to_owned(),
        upstream: None,
        tags: Vec::new(),
        enabled: false,
        built_in: false,
        trusted: true,
        pinned: false,
        standing: "disabled",
        reason: None,
        mood: "",
        health: "disabled".to_owned(),
        checked_at: None,
        since: None,
        latency: None,
        transport: None,
        software: None,
        tools: 0,
        license: String::new(),
        registered_by: "ada".to_owned(),
        registered_at: moment(),
        may_edit: false,
        may_toggle: false,
        may_check: false,
        may_remove: false,
    };
    let window = Window::until(600_000, 10_000, 60);
    ServerPage {
        chrome: Chrome::sample(),
        recipes: recipes("weather", &server.url, Some(Transport::Sse)),
        server,
        spans: Aspect::samples(),
        marks: vec!["1 h ago", "now"],
        uptime: uptime(&[], window, 0),
        forgotten: None,
        latency: None,
        calls: CallsPart {
            chart: None,
            total: "0".to_owned(),
            errors: "0".to_owned(),
            p95: "–".to_owned(),
            tools: Vec::new(),
            href: "/usage?server=%2Fweather".to_owned(),
        },
        offers: Vec::new(),
        pager: Pager::default(),
        fingerprint: String::new(),
        approval: None,
        versions: Vec::new(),
        openings: Vec::new(),
        is_admin: false,
        history: None,
    }
}

fn full(text: &str) -> ServerPage {
    let text = text.to_owned();
    let window = Window::until(600_000, 10_000, 60);
    let lines = ["came", "went", "same"].map(|word| DiffLine {
        word,
        text: text.clone(),
    });
    let diff = Diff {
        lines: lines.to_vec(),
        more: 7,
    };
    let offer = Offer {
        kind: "tool",
        name: text.clone(),
        description: text.clone(),
        definition: text.clone(),
        since: moment(),
        is_new: false,
        is_held: false,
        held: None,
    };
    let held = |diff: Option<Diff>| Offer {
        is_new: diff.is_none(),
        is_held: true,
        held: Some(Held {
            fingerprint: "0123".to_owned(),
            definition: diff.as_ref().map(|_| text.clone()),
            diff,
        }),
        ..offer.clone()
    };
    let elsewhere = Offer {
        is_held: true,
        ..offer.clone()
    };
    let offers = vec![
        offer.clone(),
        held(Some(diff.clone())),
        held(Some(Diff::default())),
        held(None),
        elsewhere,
    ];
    let before = empty();
    ServerPage {
        server: Portrait {
            name: text.clone(),
            description: text.clone(),
            upstream: Some(text.clone()),
            tags: vec![text.clone()],
            enabled: true,
            trusted: false,
            pinned: true,
            standing: "pending",
            reason: Some(text.clone()),
            mood: "bad",
            health: format!("unhealthy: {text}"),
            checked_at: Some(moment()),
            since: Some(moment()),
            latency: Some("7 ms".to_owned()),
            transport: Some("streamable-http"),
            software: Some(text.clone()),
            tools: 3,
            license: text.clone(),
            may_edit: true,
            may_toggle: true,
            may_check: true,
            may_remove: true,
            ..before.server
        },
        uptime: uptime(&[(1, Sight::Up), (2, Sight::Down)], window, 300_000),
        forgotten: Some("7 days".to_owned()),
        latency: line(&[(1, 7), (20_000, 9)], window),
        calls: CallsPart {
            chart: stack(vec![(text.clone(), "ok".to_owned(), None, vec![(1, 7)])], window),
            tools: vec![
                ToolCalls {
                    name: Some(text.clone()),
                    calls: "7".to_owned(),
                    errors: Some("1".to_owned()),
                },
                ToolCalls {
                    name: None,
                    calls: "7".to_owned(),
                    errors: None,
                },
            ],
            ..before.calls
        },
        offers,
        pager: Pager::sample(),
        fingerprint: "0123".to_owned(),
        approval: Some(Approval {
            held: 7,
            here: 3,
            page: "2".to_owned(),
            fingerprint: "0123".to_owned(),
        }),
        versions: ["came", "changed", "went"]
            .map(|deed| VersionRow {
                at: moment(),
                kind: "tool",
                name: text.clone(),
                deed,
                diff: diff.clone(),
            })
            .to_vec(),
        openings: vec![Opening {
            scope: text.clone(),
            href: Some("/access/scopes/x".to_owned()),
            groups: vec![text.clone()],
            methods: text.clone(),
            tools: text.clone(),
        }],
        is_admin: true,
        history: Some(vec![Past {
            at: moment(),
            actor: text,
            deed: "changed",
        }]),
        ..before
    }
}
