//! What a server offers, and how that changed.

use serde::Serialize;

/// A tool, prompt or resource.
#[derive(Debug, Clone, Serialize)]
pub struct Offer {
    /// `tool`, `prompt`, `resource` or `resource_template`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub description: String,
    /// Its definition, in JSON.
    pub definition: String,
    /// Since when it is so.
    pub since: String,
    /// Whether nobody has approved it yet.
    pub is_new: bool,
    /// Whether it waits for approval, as a whole or as it wants to be instead.
    pub is_held: bool,
    /// What waits; for those who may approve it.
    pub held: Option<Held>,
}

/// What waits for approval.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// What it comes to, for whoever approves it as it is shown.
    pub fingerprint: String,
    /// How it differs from what holds; none of what is new.
    pub diff: Option<Diff>,
    /// The whole definition, in JSON; none of what is new.
    pub definition: Option<String>,
}

/// What waits for approval of a server, and how much of that stands on a page.
#[derive(Debug, Clone, Serialize)]
pub struct Approval {
    /// Everything that waits.
    pub held: usize,
    /// What of it is on the page.
    pub here: usize,
    /// The page's number; empty for the first.
    pub page: String,
    /// What that comes to, for whoever approves it as it is shown.
    pub fingerprint: String,
}

/// A difference.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Diff {
    /// Its lines, up to a bound.
    pub lines: Vec<DiffLine>,
    /// How many more there are.
    pub more: usize,
}

/// One line of a difference.
#[derive(Debug, Clone, Serialize)]
pub struct DiffLine {
    /// `came`, `went` or `same`.
    pub word: &'static str,
    /// The line.
    pub text: String,
}

/// How one offer changed.
#[derive(Debug, Clone, Serialize)]
pub struct VersionRow {
    /// When.
    pub at: String,
    /// What it is.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// `came`, `changed` or `went`.
    pub deed: &'static str,
    /// The lines that differ.
    pub diff: Diff,
}
