//! What a server offers, what of it is held, and how it changed.

use serde_json::{Map, Value};

use crate::domain::access::{Action, Rights};
use crate::domain::catalog::{EntryKind, Kept, Version, diff};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::web::api::catalog::seen;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{DiffLine, Offer, VersionRow};

/// Versions on the page.
const MOST_VERSIONS: usize = 50;
/// Lines of a difference on the page.
const MOST_LINES: usize = 200;
/// Characters of a line, and of a definition.
const MOST_LETTERS: usize = 20_000;

/// Offers, how many are held, and versions. Whoever may not change the server sees neither of the last two.
pub(super) async fn of(
    state: &AppState,
    rights: &Rights,
    who: &Identity,
    path: &ServerPath,
) -> Result<(Vec<Offer>, usize, Vec<VersionRow>), Problem> {
    let rows = state.catalog.entries(Some(path)).await?;
    let all: Vec<Kept> = rows.into_iter().map(|(_, kept)| kept).collect();
    let may_change = state.registry.may(who, Action::Modify, path).await.is_ok();
    let kinds = EntryKind::ALL.into_iter();
    let visible = kinds.flat_map(|kind| seen(rights, who, path, kind, &all));
    let offers: Vec<Offer> = visible.map(|kept| offer(kept, may_change)).collect();
    if !may_change {
        return Ok((offers, 0, Vec::new()));
    }
    let held = all.iter().filter(|kept| kept.is_held()).count();
    let versions = state.catalog.versions(path).await?;
    let versions = versions.iter().take(MOST_VERSIONS).map(version).collect();
    Ok((offers, held, versions))
}

fn offer(kept: &Kept, may_change: bool) -> Offer {
    let text = |field: &str| {
        kept.definition
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let held = kept.held.as_ref().filter(|_| may_change);
    Offer {
        kind: word(kept.kind),
        name: kept.name.clone(),
        description: text("description").to_owned(),
        definition: pretty(&kept.definition),
        since: kept.since.to_string(),
        is_new: kept.is_new,
        held: held.map(|held| lines(&diff(Some(&kept.definition), Some(held)))),
    }
}

fn version(version: &Version) -> VersionRow {
    let deed = match &version.definition {
        None => "went",
        Some(_) if version.diff.is_empty() || version.diff.iter().all(|line| line.starts_with('+')) => "came",
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

/// Lines of a difference by what became of them.
pub(in crate::web::ui) fn lines(diff: &[String]) -> Vec<DiffLine> {
    let line = |line: &String| DiffLine {
        word: if line.starts_with('+') { "came" } else { "went" },
        text: cut(line),
    };
    diff.iter().take(MOST_LINES).map(line).collect()
}

fn pretty(definition: &Map<String, Value>) -> String {
    cut(&serde_json::to_string_pretty(definition).unwrap_or_default())
}

/// A server may send megabytes on purpose.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_LETTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
