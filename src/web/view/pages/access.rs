//! Groups, scopes, keys, machines and sessions, for administrators.

use serde::Serialize;

use super::sample::{fault, hostile, moment};
use super::{Chrome, Diff, DiffLine, Fault, Page, Pager};

/// Groups and scopes.
#[derive(Debug, Clone, Serialize)]
pub struct AccessPage {
    /// Around it.
    pub chrome: Chrome,
    /// Groups of people, a page of them.
    pub groups: Vec<GroupRow>,
    /// Where that stands in all of them.
    pub groups_pager: Pager,
    /// Scopes, a page of them.
    pub scopes: Vec<ScopeRow>,
    /// Where that stands in all of them.
    pub scopes_pager: Pager,
    /// Scopes of the file that the store hides.
    pub hidden: Vec<String>,
    /// The group that was to be made, as it was typed.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The scopes that it was to get.
    pub give: String,
    /// What was wrong with it.
    pub faults: Vec<Fault>,
}

/// A group.
#[derive(Debug, Clone, Serialize)]
pub struct GroupRow {
    /// Its name.
    pub name: String,
    /// Where it is shown.
    pub href: String,
    /// Its scopes, and where each is shown.
    pub scopes: Vec<(String, String)>,
    /// Scopes that are not listed here.
    pub more: usize,
    /// `file` or `store`.
    pub source: &'static str,
    /// Whether the store says something else than the file.
    pub overrides: bool,
}

/// A scope.
#[derive(Debug, Clone, Serialize)]
pub struct ScopeRow {
    /// Its name.
    pub name: String,
    /// Where it is shown.
    pub href: String,
    /// What it is for.
    pub description: String,
    /// How many groups have it.
    pub groups: usize,
    /// Servers that it names.
    pub servers: Vec<String>,
    /// Servers that are not listed here.
    pub more: usize,
    /// `file` or `store`.
    pub source: &'static str,
    /// Whether the store says something else than the file.
    pub overrides: bool,
    /// Whether it makes administrators.
    pub is_admin: bool,
}

impl ScopeRow {
    pub(super) fn sample(text: String) -> Self {
        Self {
            name: text.clone(),
            href: "/access/scopes/x".to_owned(),
            description: text.clone(),
            groups: 1,
            servers: vec![text],
            more: 7,
            source: "store",
            overrides: true,
            is_admin: true,
        }
    }
}

impl Page for AccessPage {
    const NAME: &'static str = "pages/access.html";

    fn samples() -> Vec<Self> {
        let empty = Self {
            chrome: Chrome::sample(),
            groups: Vec::new(),
            groups_pager: Pager::default(),
            scopes: Vec::new(),
            scopes_pager: Pager::default(),
            hidden: Vec::new(),
            name: String::new(),
            description: String::new(),
            give: String::new(),
            faults: Vec::new(),
        };
        let full = |text: String| Self {
            groups: vec![GroupRow {
                name: text.clone(),
                href: "/access/groups/x".to_owned(),
                scopes: vec![(text.clone(), "/access/scopes/x".to_owned())],
                more: 7,
                source: "store",
                overrides: true,
            }],
            scopes: vec![ScopeRow::sample(text.clone())],
            groups_pager: Pager::sample(),
            scopes_pager: Pager::sample(),
            hidden: vec![text.clone()],
            give: text.clone(),
            name: text,
            faults: ["group_name", "description", "give", ""].map(fault).to_vec(),
            ..empty.clone()
        };
        vec![empty.clone(), full("readers".to_owned()), full(hostile())]
    }
}

/// One scope, with its text to be changed.
#[derive(Debug, Clone, Serialize)]
pub struct ScopePage {
    /// Around it.
    pub chrome: Chrome,
    /// Its name; empty for a new one.
    pub name: String,
    /// Where the form goes.
    pub action: String,
    /// Its text.
    pub text: String,
    /// Which state of the scope the form is of; empty when there is none.
    pub if_match: String,
    /// Whether it was saved a moment ago.
    pub is_saved: bool,
    /// Servers that it names and nobody has registered.
    pub unknown_servers: Vec<String>,
    /// `file` or `store`.
    pub source: &'static str,
    /// Whether the store says something else than the file.
    pub overrides: bool,
    /// What was wrong with what was typed.
    pub faults: Vec<Fault>,
    /// What saving would change, when that was asked; of a text that says what holds already nothing.
    pub changes: Option<Diff>,
    /// Whether that was asked and the text says what holds already.
    pub is_same: bool,
    /// Whether there is such a scope now.
    pub is_known: bool,
}

impl Page for ScopePage {
    const NAME: &'static str = "pages/scope.html";

    fn samples() -> Vec<Self> {
        let new = Self {
            chrome: Chrome::sample(),
            name: String::new(),
            action: "/access/scopes".to_owned(),
            text: "scope_name: x".to_owned(),
            if_match: String::new(),
            is_saved: false,
            unknown_servers: Vec::new(),
            source: "store",
            overrides: false,
            faults: Vec::new(),
            changes: None,
            is_same: false,
            is_known: false,
        };
        let known = Self {
            name: hostile(),
            text: hostile(),
            overrides: true,
            is_known: true,
            changes: Some(Diff {
                lines: vec![DiffLine {
                    word: "came",
                    text: hostile(),
                }],
                more: 7,
            }),
            ..new.clone()
        };
        let same = Self {
            changes: None,
            is_same: true,
            is_saved: true,
            unknown_servers: vec![hostile(), "none".to_owned()],
            source: "file",
            overrides: false,
            ..known.clone()
        };
        let refused = Self {
            faults: vec![fault("server_access[1]"), fault("")],
            ..new.clone()
        };
        vec![new, known, same, refused]
    }
}

/// Keys of the settings.
#[derive(Debug, Clone, Serialize)]
pub struct KeysPage {
    /// Around it.
    pub chrome: Chrome,
    /// The keys.
    pub keys: Vec<KeyRow>,
}

/// One key: never the key itself.
#[derive(Debug, Clone, Serialize)]
pub struct KeyRow {
    /// Who comes with it.
    pub name: String,
    /// With which groups.
    pub groups: Vec<String>,
    /// When it ends.
    pub expires_at: Option<String>,
    /// Whether it has.
    pub has_ended: bool,
}

impl Page for KeysPage {
    const NAME: &'static str = "pages/keys.html";

    fn samples() -> Vec<Self> {
        let empty = Self {
            chrome: Chrome::sample(),
            keys: Vec::new(),
        };
        let key = |ends: Option<String>, has_ended| KeyRow {
            name: hostile(),
            groups: vec![hostile()],
            expires_at: ends,
            has_ended,
        };
        let full = Self {
            keys: vec![key(None, false), key(Some(moment()), true)],
            ..empty.clone()
        };
        vec![empty, full]
    }
}

/// Machine accounts.
#[derive(Debug, Clone, Serialize)]
pub struct MachinesPage {
    /// Around it.
    pub chrome: Chrome,
    /// The accounts, the first of them by name.
    pub machines: Vec<MachineRow>,
    /// How many there are.
    pub total: u64,
    /// Groups that can be chosen.
    pub known_groups: Vec<String>,
    /// What was typed: the name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its groups.
    pub groups: String,
    /// What was wrong with it.
    pub faults: Vec<Fault>,
    /// The account that was made a moment ago, with its secret: shown this once.
    pub made: Option<(String, String)>,
    /// Where it gets its tokens.
    pub token_url: String,
}

/// One machine account.
#[derive(Debug, Clone, Serialize)]
pub struct MachineRow {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its groups, and whether a scope belongs to each.
    pub groups: Vec<(String, bool)>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: String,
}

impl Page for MachinesPage {
    const NAME: &'static str = "pages/machines.html";

    fn samples() -> Vec<Self> {
        let empty = Self {
            chrome: Chrome::sample(),
            machines: Vec::new(),
            total: 0,
            known_groups: vec!["readers".to_owned()],
            name: String::new(),
            description: String::new(),
            groups: String::new(),
            faults: Vec::new(),
            made: None,
            token_url: "http://127.0.0.1:8080/api/auth/token".to_owned(),
        };
        let made = Self {
            machines: vec![MachineRow {
                name: hostile(),
                description: hostile(),
                groups: vec![(hostile(), false), ("readers".to_owned(), true)],
                created_by: hostile(),
                created_at: moment(),
            }],
            total: 1_234,
            made: Some(("ci".to_owned(), "hush".to_owned())),
            ..empty.clone()
        };
        let refused = Self {
            name: hostile(),
            faults: ["name", "description", "groups", ""].map(fault).to_vec(),
            ..empty.clone()
        };
        vec![empty, made, refused]
    }
}

/// Open sessions.
#[derive(Debug, Clone, Serialize)]
pub struct SessionsPage {
    /// Around it.
    pub chrome: Chrome,
    /// The newest sessions.
    pub sessions: Vec<SessionRow>,
    /// How many there are.
    pub total: u64,
}

/// An open session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionRow {
    /// Its name in the list.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What it was begun with; empty when that is not known.
    pub agent: String,
    /// Since when.
    pub created_at: String,
    /// Until when.
    pub expires_at: String,
    /// Whether it is that of the browser that shows the page.
    pub is_here: bool,
}

impl SessionRow {
    pub(super) fn sample() -> Self {
        Self {
            id: "0123456789abcdef".to_owned(),
            user: hostile(),
            agent: "Firefox on Linux".to_owned(),
            created_at: moment(),
            expires_at: moment(),
            is_here: true,
        }
    }
}

impl Page for SessionsPage {
    const NAME: &'static str = "pages/sessions.html";

    fn samples() -> Vec<Self> {
        let empty = Self {
            chrome: Chrome::sample(),
            sessions: Vec::new(),
            total: 0,
        };
        let full = Self {
            sessions: vec![SessionRow::sample()],
            total: 1_234,
            ..empty.clone()
        };
        vec![empty, full]
    }
}
