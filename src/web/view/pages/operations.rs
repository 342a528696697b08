//! What nginx runs, and where the load goes.

use serde::Serialize;

use super::sample::hostile;
use super::{Aspect, Chrome, Page};
use crate::web::view::chart::{Flow, Load, Side, flow};

/// What nginx runs, and where the load goes.
#[derive(Debug, Clone, Serialize)]
pub struct Operations {
    /// Around it.
    pub chrome: Chrome,
    /// Whether an nginx of ours carries the traffic.
    pub has_nginx: bool,
    /// Hash of the text that nginx confirmed.
    pub live: Option<String>,
    /// The register's revision up to which that was tried.
    pub tried: i64,
    /// The register's newest revision.
    pub newest: i64,
    /// Whether there are changes that were not tried yet.
    pub is_pending: bool,
    /// Servers that are switched on.
    pub routes: usize,
    /// Upstream blocks in the text.
    pub blocks: usize,
    /// Workers of earlier texts that finish their streams.
    pub draining: usize,
    /// Why the newest wish is not live.
    pub fault: Option<String>,
    /// Blocks that nginx refused.
    pub refused: Vec<Reason>,
    /// Names that lead nowhere.
    pub unresolved: Vec<Reason>,
    /// What the call log has done.
    pub log: Option<LogPart>,
    /// How many listen to the feed.
    pub listeners: String,
    /// How far back the map looks.
    pub spans: Vec<Aspect>,
    /// Where the load goes.
    pub map: Option<Flow>,
    /// Calls of the map.
    pub calls: String,
    /// Whether these are all calls of that time, and not the newest alone.
    pub is_complete: bool,
}

/// An origin, and why it is not as wished.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    /// Which origin.
    pub origin: String,
    /// Why.
    pub why: String,
}

/// What the call log has done.
#[derive(Debug, Clone, Serialize)]
pub struct LogPart {
    /// Rows written.
    pub written: String,
    /// Lines that could not be read.
    pub skipped: String,
    /// Calls of nobody that got no row.
    pub unrecorded: String,
    /// Bytes still to be read.
    pub behind: String,
    /// Permits without a line.
    pub unlogged: String,
    /// Whether it cannot be written now.
    pub is_failing: bool,
}

impl Page for Operations {
    const NAME: &'static str = "pages/operations.html";

    fn samples() -> Vec<Self> {
        let without = Self {
            chrome: Chrome::sample(),
            has_nginx: false,
            live: None,
            tried: 0,
            newest: 0,
            is_pending: false,
            routes: 0,
            blocks: 0,
            draining: 0,
            fault: None,
            refused: Vec::new(),
            unresolved: Vec::new(),
            log: None,
            listeners: "0".to_owned(),
            spans: Aspect::samples(),
            map: None,
            calls: "0".to_owned(),
            is_complete: true,
        };
        let side = |loads: &[Load]| Side {
            loads: loads.to_vec(),
            others: (2, 3, 1),
        };
        let reason = || Reason {
            origin: hostile(),
            why: hostile(),
        };
        let load = |text: &str, errors| Load {
            name: text.to_owned(),
            href: Some("/servers/x".to_owned()),
            calls: 7,
            errors,
        };
        let plain = Load {
            href: None,
            ..load("x", 0)
        };
        let full = Self {
            has_nginx: true,
            live: Some("0123456789abcdef".to_owned()),
            newest: 2,
            is_pending: true,
            draining: 2,
            fault: Some(hostile()),
            refused: vec![reason()],
            unresolved: vec![reason()],
            log: Some(LogPart {
                written: "7".to_owned(),
                skipped: "0".to_owned(),
                unrecorded: "0".to_owned(),
                behind: "0".to_owned(),
                unlogged: "0".to_owned(),
                is_failing: true,
            }),
            is_complete: false,
            map: flow(side(&[load(&hostile(), 1), plain]), side(&[load(&hostile(), 0)])),
            ..without.clone()
        };
        let starting = Self {
            live: None,
            fault: None,
            ..full.clone()
        };
        vec![without, full, starting]
    }
}

/// The file that nginx runs.
#[derive(Debug, Clone, Serialize)]
pub struct NginxText {
    /// Around it.
    pub chrome: Chrome,
    /// Its hash.
    pub live: Option<String>,
    /// Its text.
    pub text: Option<String>,
    /// How many lines it has.
    pub lines: usize,
}

impl Page for NginxText {
    const NAME: &'static str = "pages/nginx.html";

    fn samples() -> Vec<Self> {
        let none = Self {
            chrome: Chrome::sample(),
            live: None,
            text: None,
            lines: 0,
        };
        let some = Self {
            live: Some("0123".to_owned()),
            text: Some(hostile()),
            lines: 1,
            ..none.clone()
        };
        vec![none, some]
    }
}
