//! One group of people, with its scopes to be changed.

use serde::Serialize;

use super::sample::{fault, hostile};
use super::{Chrome, Diff, DiffLine, Fault, Page, ScopeRow};

/// A group of people.
#[derive(Debug, Clone, Serialize)]
pub struct GroupPage {
    /// Around it.
    pub chrome: Chrome,
    /// Its name.
    pub name: String,
    /// Where the form goes.
    pub action: String,
    /// Where it is explained what its people may do.
    pub explain: Option<String>,
    /// `file` or `store`.
    pub source: &'static str,
    /// Whether the store says something else than the file.
    pub overrides: bool,
    /// Whether it was saved a moment ago.
    pub is_saved: bool,
    /// Scopes that it has and those that it could have.
    pub scopes: Vec<GroupScope>,
    /// How many more there are than are listed.
    pub more: usize,
    /// Scopes by name that it shall have too, as they were typed.
    pub give: String,
    /// Servers that its scopes have rules for.
    pub servers: Vec<String>,
    /// How many of them are not listed.
    pub more_servers: usize,
    /// Whether there is anything to remove: a group of the file that has nothing is nobody's but the file's.
    pub may_remove: bool,
    /// What was wrong with what was wished.
    pub faults: Vec<Fault>,
    /// What saving would change, when that was asked.
    pub changes: Option<Diff>,
    /// Whether that was asked and it would change nothing.
    pub is_same: bool,
}

/// A scope that a group has or could have.
#[derive(Debug, Clone, Serialize)]
pub struct GroupScope {
    /// The scope.
    pub scope: ScopeRow,
    /// Whether the group has it now.
    pub had: bool,
    /// Whether the group shall have it.
    pub has: bool,
}

impl Page for GroupPage {
    const NAME: &'static str = "pages/group.html";

    fn samples() -> Vec<Self> {
        let empty = Self {
            chrome: Chrome::sample(),
            name: "analysts".to_owned(),
            action: "/access/groups/analysts".to_owned(),
            explain: Some("/access/explain?groups=analysts".to_owned()),
            source: "file",
            overrides: false,
            is_saved: false,
            scopes: Vec::new(),
            more: 0,
            give: String::new(),
            servers: Vec::new(),
            more_servers: 0,
            may_remove: false,
            faults: Vec::new(),
            changes: None,
            is_same: false,
        };
        let scope = |had, has| GroupScope {
            scope: ScopeRow::sample(hostile()),
            had,
            has,
        };
        let checked = Self {
            name: hostile(),
            source: "store",
            overrides: true,
            scopes: vec![scope(true, true), scope(true, false), scope(false, false)],
            more: 7,
            servers: vec![hostile(), "*".to_owned()],
            more_servers: 7,
            may_remove: true,
            changes: Some(Diff {
                lines: vec![DiffLine {
                    word: "came",
                    text: hostile(),
                }],
                more: 0,
            }),
            ..empty.clone()
        };
        let refused = Self {
            give: hostile(),
            faults: ["give", ""].map(fault).to_vec(),
            changes: None,
            ..checked.clone()
        };
        let same = Self {
            is_same: true,
            is_saved: true,
            ..empty.clone()
        };
        vec![empty, checked, refused, same]
    }
}
