//! Why somebody may do something, or not.

use serde::Serialize;

use super::sample::{fault, hostile};
use super::{Chrome, Fault, Page};

/// The question, and its answer.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainPage {
    /// Around it.
    pub chrome: Chrome,
    /// What was asked.
    pub asked: Asked,
    /// What was wrong with it.
    pub faults: Vec<Fault>,
    /// The answer.
    pub answer: Option<Verdict>,
    /// Servers that can be chosen.
    pub servers: Vec<String>,
    /// Groups that can be chosen.
    pub groups: Vec<String>,
}

/// What was asked, as it was typed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Asked {
    /// A local account.
    pub user: String,
    /// Groups, with commas.
    pub groups: String,
    /// Scopes, with commas.
    pub scopes: String,
    /// A server.
    pub server: String,
    /// A method.
    pub method: String,
    /// A tool.
    pub tool: String,
    /// A permission.
    pub permission: String,
}

/// Yes or no, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// What was asked about and is not there.
    pub notes: Vec<&'static str>,
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why, in a sentence.
    pub sentence: String,
    /// The rule that decided, as JSON.
    pub rule: Option<String>,
    /// What rules lack, in a sentence each.
    pub missing: Vec<String>,
    /// Scopes that would open it.
    pub would_open: Vec<String>,
    /// The scopes that were counted.
    pub scopes: Vec<String>,
    /// Groups that no scopes belong to.
    pub groups_without_scopes: Vec<String>,
}

impl Page for ExplainPage {
    const NAME: &'static str = "pages/explain.html";

    fn samples() -> Vec<Self> {
        let empty = Self {
            chrome: Chrome::sample(),
            asked: Asked::default(),
            faults: Vec::new(),
            answer: None,
            servers: vec!["/weather".to_owned()],
            groups: vec!["readers".to_owned()],
        };
        let fields = [
            "user",
            "groups",
            "scopes",
            "server",
            "method",
            "tool",
            "permission",
            "",
        ];
        let refused = Self {
            faults: fields.map(fault).to_vec(),
            ..empty.clone()
        };
        let no = Verdict {
            allowed: false,
            notes: vec!["No such server is registered."],
            sentence: hostile(),
            rule: None,
            missing: vec![hostile()],
            would_open: vec![hostile()],
            scopes: Vec::new(),
            groups_without_scopes: vec![hostile()],
        };
        let yes = Verdict {
            notes: Vec::new(),
            allowed: true,
            rule: Some(hostile()),
            scopes: vec![hostile()],
            missing: Vec::new(),
            would_open: Vec::new(),
            groups_without_scopes: Vec::new(),
            ..no.clone()
        };
        let told = |answer| Self {
            answer: Some(answer),
            ..empty.clone()
        };
        vec![empty.clone(), refused, told(no), told(yes)]
    }
}
