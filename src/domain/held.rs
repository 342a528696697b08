//! What somebody approves of what is held, and what they have read of it.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::catalog::{EntryKind, Kept, fingerprint};

/// Which of the held entries of a server somebody means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those of this name, of whatever kind.
    Named(String),
    /// These.
    These(Vec<(EntryKind, String)>),
}

impl Which {
    /// Whether this one is held, and meant.
    pub fn means(&self, kept: &Kept) -> bool {
        kept.is_held()
            && match self {
                Self::All => true,
                Self::Named(name) => *name == kept.name,
                Self::These(entries) => entries
                    .iter()
                    .any(|(kind, name)| *kind == kept.kind && *name == kept.name),
            }
    }
}

/// What is held of these as one text: whoever approves it says with this what they have read.
pub fn held_fingerprint(all: &[Kept], which: &Which) -> String {
    let held = all.iter().filter(|kept| which.means(kept));
    let mut prints: Vec<String> = held
        .map(|kept| {
            let wanted = kept.held.as_ref().unwrap_or(&kept.definition);
            format!("{} {} {}", kept.kind.as_str(), fingerprint(wanted), kept.name)
        })
        .collect();
    prints.sort();
    hex::encode(Sha256::digest(json!(prints).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::catalog::{Entry, take_over};

    fn entry(kind: EntryKind, name: &str, description: &str) -> Entry {
        let definition = json!({"name": name, "description": description});
        Entry {
            kind,
            name: name.to_owned(),
            definition: definition.as_object().unwrap().clone(),
        }
    }

    /// A tool `a`, a tool `b` and a prompt `a`.
    fn entries(words: [&str; 3]) -> Vec<Entry> {
        let [a, b, prompt] = words;
        vec![
            entry(EntryKind::Tool, "a", a),
            entry(EntryKind::Tool, "b", b),
            entry(EntryKind::Prompt, "a", prompt),
        ]
    }

    #[test]
    fn what_somebody_has_read_is_told_apart_from_what_is_held_now() {
        let at = Timestamp::from_unix;
        let first = take_over(&[], entries(["one"; 3]), true, true, at(1)).kept;
        let held = |words| take_over(&first, entries(words), true, false, at(2)).kept;
        let read = held(["two"; 3]);
        let these = |kind, name: &str| Which::These(vec![(kind, name.to_owned())]);
        // What is meant, and of which of the three a change after the reading is seen.
        let rows = [
            (Which::All, [true, true, true]),
            (Which::Named("a".to_owned()), [true, false, true]),
            (these(EntryKind::Tool, "a"), [true, false, false]),
            (these(EntryKind::Prompt, "a"), [false, false, true]),
            (these(EntryKind::Prompt, "b"), [false, false, false]),
        ];
        for (which, sees) in rows {
            let before = held_fingerprint(&read, &which);
            for (changed, sees) in sees.into_iter().enumerate() {
                let mut words = ["two"; 3];
                words[changed] = "three";
                let now = held_fingerprint(&held(words), &which);
                assert_eq!(before != now, sees, "{which:?} {changed}");
                words[changed] = "one";
                let now = held_fingerprint(&held(words), &which);
                assert_eq!(before != now, sees, "{which:?} {changed} is back");
            }
        }
    }
}
