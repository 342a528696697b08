//! What every page shows around itself: the way to the other pages, who is signed in, and how they like to look at it.

use serde::Serialize;

use crate::web::links;

/// The families of pages, in the order in which the sidebar names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// The list of servers and everything about one.
    Servers,
    /// The tools of all servers, searched.
    Tools,
    /// Calls and figures over time.
    Usage,
    /// Groups, scopes, sessions, machine accounts.
    Access,
    /// One's own tokens.
    Tokens,
    /// What nginx runs.
    Operations,
    /// None of them.
    Elsewhere,
}

/// An entry of the sidebar.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Where it leads.
    pub href: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// Its picture among those of `parts/icons.html`.
    pub icon: &'static str,
    /// Whether the page belongs to it.
    pub is_here: bool,
}

/// What every page shows around itself.
#[derive(Debug, Clone, Serialize)]
pub struct Chrome {
    /// Who is signed in; none on the pages of strangers.
    pub user: Option<String>,
    /// For forms; none when a token and no session shows the page.
    pub csrf_token: Option<String>,
    /// `system`, `light` or `dark`.
    pub theme: &'static str,
    /// `open` or `closed`.
    pub sidebar: &'static str,
    /// The ways that concern this person.
    pub entries: Vec<Entry>,
}

impl Chrome {
    /// For somebody signed in, at `here`.
    pub fn member(user: &str, csrf_token: Option<String>, here: Section, is_admin: bool) -> Self {
        let all = [
            (Section::Servers, links::HOME, "Servers", "servers"),
            (Section::Tools, links::TOOLS, "Tools", "tools"),
            (Section::Usage, links::USAGE, "Calls", "usage"),
            (Section::Tokens, links::TOKENS, "Tokens", "tokens"),
            (Section::Access, links::ACCESS, "Access", "access"),
            (Section::Operations, links::OPERATIONS, "Operations", "operations"),
        ];
        let concerns = |section| is_admin || !matches!(section, Section::Access | Section::Operations);
        let entries = all.into_iter().filter(|(section, ..)| concerns(*section));
        Self {
            user: Some(user.to_owned()),
            csrf_token,
            entries: entries
                .map(|(section, href, name, icon)| Entry {
                    href,
                    name,
                    icon,
                    is_here: section == here,
                })
                .collect(),
            ..Self::stranger()
        }
    }

    /// For whoever is not signed in.
    pub fn stranger() -> Self {
        Self {
            user: None,
            csrf_token: None,
            theme: "system",
            sidebar: "open",
            entries: Vec::new(),
        }
    }

    pub(super) fn sample() -> Self {
        Self::member("ada", Some("0123".to_owned()), Section::Servers, true)
    }
}
