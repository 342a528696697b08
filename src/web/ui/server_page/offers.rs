//! What a server offers, what of it is held, and how it changed.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::super::paging::{Cut, said};
use crate::domain::access::{Action, Rights};
use crate::domain::catalog::{EntryKind, Kept, Version, diff_within};
use crate::domain::held::{Which, held_fingerprint};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::web::api::catalog::{kept, seen};
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Approval, Diff, DiffLine, Held, Offer, VersionRow};

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
    /// What is held. Whoever may not change the server sees none of this, and no versions.
    pub(super) approval: Option<Approval>,
    /// What is shown of all this as one text.
    pub(super) fingerprint: String,
    pub(super) versions: Vec<VersionRow>,
}

/// Whose page it is, of which server, and which page of its offers.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) rights: &'a Rights,
    pub(super) who: &'a Identity,
    pub(super) path: &'a ServerPath,
    pub(super) page: &'a str,
}

pub(super) async fn of(state: &AppState, reader: Reader<'_>) -> Result<Offers, Problem> {
    let all = kept(state, reader.path).await?;
    let modify = state.registry.may(reader.who, Action::Modify, reader.path);
    let may_change = modify.await.is_ok();
    let listed = listed(reader, &all, may_change);
    let cut = Cut::of(listed.len(), MOST_OFFERS, reader.page);
    let shown: Vec<&Kept> = cut.rows(listed).collect();
    let offers = shown.iter().map(|kept| Offer {
        held: held(kept, &all).filter(|_| may_change),
        ..offer(kept)
    });
    let offers: Vec<Offer> = offers.collect();
    let (approval, versions) = if may_change {
        let versions = state.catalog.versions(reader.path).await?;
        (approval(&all, &shown, cut), versions)
    } else {
        (None, Vec::new())
    };
    Ok(Offers {
        fingerprint: hex::encode(Sha256::digest(json!([offers, approval]).to_string())),
        offers,
        cut,
        approval,
        versions: versions.iter().take(MOST_VERSIONS).map(version).collect(),
    })
}

/// What is held and stands on a page: whoever approves it there has read that, and nothing else.
pub(super) async fn held_on(state: &AppState, reader: Reader<'_>) -> Result<Which, Problem> {
    let all = kept(state, reader.path).await?;
    let listed = listed(reader, &all, true);
    let cut = Cut::of(listed.len(), MOST_OFFERS, reader.page);
    Ok(held_of(&cut.rows(listed).collect::<Vec<_>>()))
}

/// All that stands on the pages. What waits for somebody comes first, and whoever may change the server sees all of that.
fn listed<'a>(reader: Reader<'_>, all: &'a [Kept], may_change: bool) -> Vec<&'a Kept> {
    let Reader {
        rights, who, path, ..
    } = reader;
    let kinds = EntryKind::ALL.into_iter();
    let seen = kinds.flat_map(|kind| seen(rights, who, path, kind, all));
    let (mut held, rest): (Vec<_>, Vec<_>) = seen.partition(|kept| kept.is_held());
    if may_change {
        held = all.iter().filter(|kept| kept.is_held()).collect();
        held.sort_by_key(|kept| kept.kind);
    }
    [held, rest].concat()
}

fn held_of(shown: &[&Kept]) -> Which {
    let held = shown.iter().filter(|kept| kept.is_held());
    Which::These(held.map(|kept| (kept.kind, kept.name.clone())).collect())
}

fn approval(all: &[Kept], shown: &[&Kept], cut: Cut) -> Option<Approval> {
    let held = all.iter().filter(|kept| kept.is_held()).count();
    (held > 0).then(|| Approval {
        held,
        here: shown.iter().filter(|kept| kept.is_held()).count(),
        page: said(cut.number),
        fingerprint: held_fingerprint(all, &held_of(shown)),
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
        kind: kept.kind.as_str(),
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
        fingerprint: held_fingerprint(all, &held_of(&[kept])),
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
        kind: version.kind.as_str(),
        name: version.name.clone(),
        deed,
        diff: lines(&version.diff),
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
