//! What a server offers, what of it is held, and how it changed.

use serde_json::{Map, Value};

use super::super::paging::Cut;
use crate::domain::access::{Action, Rights};
use crate::domain::catalog::{EntryKind, Kept, Version, diff_within, held_fingerprint};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::web::api::catalog::{kept, seen};
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Diff, DiffLine, Held, Offer, VersionRow};

/// Tools, prompts and resources on the page.
const MOST_OFFERS: usize = 50;
/// Versions on the page.
const MOST_VERSIONS: usize = 50;
/// Lines of a difference on the page.
const MOST_LINES: usize = 200;
/// Lines around each difference.
pub(in crate::web::ui) const AROUND: usize = 2;
/// Characters of a line, and of a definition.
const MOST_LETTERS: usize = 20_000;

/// What the page says of it.
pub(super) struct Offers {
    pub(super) offers: Vec<Offer>,
    /// Which page of them that is.
    pub(super) cut: Cut,
    /// How many are held. Whoever may not change the server sees none of this and of what follows.
    pub(super) held: usize,
    /// What all that is held comes to.
    pub(super) fingerprint: String,
    pub(super) versions: Vec<VersionRow>,
}

pub(super) async fn of(
    state: &AppState,
    rights: &Rights,
    who: &Identity,
    (path, page): (&ServerPath, &str),
) -> Result<Offers, Problem> {
    let all = kept(state, path).await?;
    let may_change = state.registry.may(who, Action::Modify, path).await.is_ok();
    let kinds = EntryKind::ALL.into_iter();
    let visible = kinds.flat_map(|kind| seen(rights, who, path, kind, &all));
    let mut visible: Vec<&Kept> = visible.collect();
    // What waits for somebody comes first.
    visible.sort_by_key(|kept| !kept.is_held());
    let cut = Cut::of(visible.len(), MOST_OFFERS, page);
    let offers = cut
        .rows(visible)
        .map(|kept| Offer {
            held: held(kept, &all).filter(|_| may_change),
            ..offer(kept)
        })
        .collect();
    if !may_change {
        return Ok(Offers {
            offers,
            cut,
            held: 0,
            fingerprint: String::new(),
            versions: Vec::new(),
        });
    }
    let versions = state.catalog.versions(path).await?;
    Ok(Offers {
        offers,
        cut,
        held: all.iter().filter(|kept| kept.is_held()).count(),
        fingerprint: held_fingerprint(&all, None),
        versions: versions.iter().take(MOST_VERSIONS).map(version).collect(),
    })
}

fn offer(kept: &Kept) -> Offer {
    let text = |field: &str| {
        kept.definition
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    Offer {
        kind: word(kept.kind),
        name: kept.name.clone(),
        description: text("description").to_owned(),
        definition: pretty(&kept.definition),
        since: kept.since.to_string(),
        is_new: kept.is_new,
        is_held: kept.is_held(),
        held: None,
    }
}

/// What waits for approval, for whoever may give it.
fn held(kept: &Kept, all: &[Kept]) -> Option<Held> {
    kept.is_held().then(|| Held {
        fingerprint: held_fingerprint(all, Some(&kept.name)),
        diff: kept
            .held
            .as_ref()
            .map(|held| lines(&diff_within(Some(&kept.definition), Some(held), AROUND))),
        definition: kept.held.as_ref().map(pretty),
    })
}

fn version(version: &Version) -> VersionRow {
    let deed = match &version.definition {
        None => "went",
        Some(_) if version.is_first => "came",
        Some(_) => "changed",
    };
    VersionRow {
        at: version.at.to_string(),
        kind: word(version.kind),
        name: version.name.clone(),
        deed,
        diff: lines(&version.diff),
    }
}

fn word(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Tool => "tool",
        EntryKind::Prompt => "prompt",
        EntryKind::Resource => "resource",
        EntryKind::ResourceTemplate => "template",
    }
}

/// Lines of a difference by what became of them, and how many more there are.
pub(in crate::web::ui) fn lines(diff: &[String]) -> Diff {
    let line = |line: &String| DiffLine {
        word: match line.chars().next() {
            Some('+') => "came",
            Some('-') => "went",
            _ => "same",
        },
        text: cut(line),
    };
    Diff {
        lines: diff.iter().take(MOST_LINES).map(line).collect(),
        more: diff.len().saturating_sub(MOST_LINES),
    }
}

fn pretty(definition: &Map<String, Value>) -> String {
    cut(&serde_json::to_string_pretty(definition).unwrap_or_default())
}

/// A server may send megabytes on purpose.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_LETTERS) {
        Some((end, _)) => {
            let (shown, rest) = text.split_at(end);
            format!("{shown}… and {} more characters", rest.chars().count())
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;

    fn kept(definition: &Value, held: Option<&Value>) -> Kept {
        let map = |value: &Value| value.as_object().unwrap().clone();
        Kept {
            kind: EntryKind::Tool,
            name: "now".to_owned(),
            definition: map(definition),
            fingerprint: String::new(),
            since: Timestamp::from_unix(0),
            held: held.map(map),
            is_new: false,
        }
    }

    #[test]
    fn what_is_held_is_marked_and_can_be_approved_whatever_differs() {
        let (one, other) = (json!({"name": "now"}), json!({"name": "now", "_meta": {}}));
        let all = [kept(&one, Some(&one)), kept(&one, Some(&other)), kept(&one, None)];
        for (kept, is_held) in all.iter().zip([true, true, false]) {
            assert_eq!(offer(kept).is_held, is_held);
            assert_eq!(held(kept, &all).is_some(), is_held);
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        let diff: Vec<String> = (0..MOST_LINES + 7).map(|n| format!("+ {n}")).collect();
        let shown = lines(&diff);
        assert_eq!((shown.lines.len(), shown.more), (MOST_LINES, 7));
        let long = "x".repeat(MOST_LETTERS + 3);
        assert!(cut(&long).ends_with("x… and 3 more characters"));
    }

    #[test]
    fn only_what_was_not_there_before_came() {
        let row = |definition: Option<Value>, is_first, diff: &[&str]| {
            let version = Version {
                kind: EntryKind::Tool,
                name: "now".to_owned(),
                at: Timestamp::from_unix(0),
                definition: definition.map(|one| one.as_object().unwrap().clone()),
                is_first,
                diff: diff.iter().map(|line| (*line).to_owned()).collect(),
            };
            super::version(&version).deed
        };
        let one = || Some(json!({"name": "now"}));
        assert_eq!(row(one(), true, &[]), "came");
        assert_eq!(row(one(), false, &["+ x"]), "changed");
        assert_eq!(row(one(), false, &[]), "changed");
        assert_eq!(row(None, false, &["- x"]), "went");
    }
}
