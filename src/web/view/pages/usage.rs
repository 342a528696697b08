//! Calls, drawn and one by one.

use serde::Serialize;

use super::sample::{fault, hostile, moment};
use super::{Aspect, Chrome, Fault, Page};
use crate::web::view::chart::{Stack, Window, stack};

/// Calls, drawn and one by one.
#[derive(Debug, Clone, Serialize)]
pub struct UsagePage {
    /// Around it.
    pub chrome: Chrome,
    /// Whether the reader sees everybody's calls.
    pub is_admin: bool,
    /// Whether calls are logged at all.
    pub has_log: bool,
    /// How far back it looks.
    pub spans: Vec<Aspect>,
    /// What has a colour of its own.
    pub bys: Vec<Aspect>,
    /// Below the drawing.
    pub marks: Vec<&'static str>,
    /// What the list is narrowed by.
    pub filter: CallFilter,
    /// Servers that can be chosen.
    pub servers: Vec<String>,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// Drawn.
    pub chart: Option<Stack>,
    /// How many.
    pub total: String,
    /// How many of them were errors, with their share.
    pub errors: String,
    /// Half took no longer.
    pub p50: String,
    /// 95 of 100 took no longer.
    pub p95: String,
    /// 99 of 100 took no longer.
    pub p99: String,
    /// Whether these are all: one question counts no more than the newest million.
    pub is_complete: bool,
    /// One by one, newest first.
    pub calls: Vec<CallRow>,
    /// The page of older ones.
    pub older: Option<String>,
    /// The first page, when this is another.
    pub newest: Option<String>,
    /// Whether anything narrows.
    pub is_narrowed: bool,
}

/// What the list is narrowed by, as it was typed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallFilter {
    /// The mount path.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// The method.
    pub method: String,
    /// Whose.
    pub user: String,
    /// The status.
    pub status: String,
    /// The span.
    pub span: String,
    /// What has a colour of its own.
    pub by: String,
}

/// One call.
#[derive(Debug, Clone, Serialize)]
pub struct CallRow {
    /// When it ended.
    pub at: String,
    /// The mount path.
    pub server: String,
    /// Where one reads more of it.
    pub href: Option<String>,
    /// The method.
    pub method: String,
    /// The tool.
    pub tool: String,
    /// Whose.
    pub user: String,
    /// The status.
    pub status: u16,
    /// The colour of that: `good`, `warn` where it led elsewhere, or `bad`.
    pub tone: &'static str,
    /// How long it took.
    pub took: String,
    /// How much went.
    pub bytes: String,
    /// Which way.
    pub way: &'static str,
    /// Its request id.
    pub request_id: String,
}

impl UsagePage {
    /// No call at all.
    pub fn nothing(chrome: Chrome) -> Self {
        Self {
            chrome,
            is_admin: false,
            has_log: false,
            spans: Vec::new(),
            bys: Vec::new(),
            marks: Vec::new(),
            filter: CallFilter::default(),
            servers: Vec::new(),
            faults: Vec::new(),
            chart: None,
            total: "0".to_owned(),
            errors: "0".to_owned(),
            p50: "–".to_owned(),
            p95: "–".to_owned(),
            p99: "–".to_owned(),
            is_complete: true,
            calls: Vec::new(),
            older: None,
            newest: None,
            is_narrowed: false,
        }
    }
}

impl Page for UsagePage {
    const NAME: &'static str = "pages/usage.html";

    fn samples() -> Vec<Self> {
        let empty = Self {
            has_log: true,
            spans: Aspect::samples(),
            bys: Aspect::samples(),
            marks: vec!["1 h ago", "now"],
            ..Self::nothing(Chrome::sample())
        };
        let fields = ["server", "tool", "method", "user", "status", ""];
        let refused = Self {
            is_admin: true,
            is_narrowed: true,
            faults: fields.map(fault).to_vec(),
            ..empty.clone()
        };
        let row = |text: &str, status| CallRow {
            at: moment(),
            server: text.to_owned(),
            href: Some("/servers/x".to_owned()),
            method: text.to_owned(),
            tool: text.to_owned(),
            user: text.to_owned(),
            status,
            tone: if status >= 400 { "bad" } else { "good" },
            took: "7 ms".to_owned(),
            bytes: "1.2k".to_owned(),
            way: "direct",
            request_id: "0123".to_owned(),
        };
        let nothing = CallRow {
            href: None,
            ..row("", 401)
        };
        let full = Self {
            is_admin: true,
            is_complete: false,
            servers: vec![hostile()],
            filter: CallFilter {
                tool: hostile(),
                ..CallFilter::default()
            },
            chart: stack(
                vec![(hostile(), "0".to_owned(), Some("/x".to_owned()), vec![(1, 7)])],
                Window::until(10, 10, 1),
            ),
            calls: vec![row("x", 200), row(&hostile(), 502), nothing],
            older: Some("/usage?cursor=1".to_owned()),
            newest: Some("/usage".to_owned()),
            is_narrowed: true,
            ..empty.clone()
        };
        let off = Self {
            has_log: false,
            ..empty.clone()
        };
        vec![empty, refused, full, off]
    }
}
