//! What a server offers: tools, prompts, resources, and how their definitions change.
//!
//! A definition is known by a fingerprint of what an agent reads of it. A language model believes a description, so a
//! description that changes after somebody looked at it is a change like one of the schema ("rug pull").

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::diff::told;
use crate::clock::Timestamp;

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource.
    Resource,
    /// A template of resources.
    ResourceTemplate,
}

impl EntryKind {
    /// All of them, in the order in which they are asked for.
    pub const ALL: [Self; 4] = [Self::Tool, Self::Prompt, Self::Resource, Self::ResourceTemplate];

    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::ResourceTemplate => "resource_template",
        }
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The method that lists them, the key of the list, the field that names an entry, and the capability that a server
    /// with them declares.
    pub fn list(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Tool => ("tools/list", "tools", "name", "tools"),
            Self::Prompt => ("prompts/list", "prompts", "name", "prompts"),
            Self::Resource => ("resources/list", "resources", "uri", "resources"),
            Self::ResourceTemplate => (
                "resources/templates/list",
                "resourceTemplates",
                "uriTemplate",
                "resources",
            ),
        }
    }
}

/// One entry as its server defines it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its name (a resource's address).
    pub name: String,
    /// All that the server says of it.
    pub definition: Map<String, Value>,
}

/// SHA-256 in hex of a definition in one canonical form: members in order, no spaces, without what hosts may set
/// (`_meta`).
pub fn fingerprint(definition: &Map<String, Value>) -> String {
    let counted: Map<String, Value> = definition
        .iter()
        .filter(|(key, _)| *key != "_meta")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    // Maps of `serde_json` are ordered by name.
    hex::encode(Sha256::digest(Value::Object(counted).to_string()))
}

/// An entry as the book keeps it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// What it is.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
    /// The definition that holds.
    pub definition: Map<String, Value>,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Since when it holds.
    pub since: Timestamp,
    /// On a pinned server: what the server says instead, and nobody has approved yet. The gate refuses it until then.
    pub held: Option<Map<String, Value>>,
    /// Whether nobody has ever approved it: it is new on a pinned server.
    pub is_new: bool,
}

impl Kept {
    /// Whether the gate refuses it for now.
    pub fn is_held(&self) -> bool {
        self.is_new || self.held.is_some()
    }
}

/// A version that an entry once had.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Version {
    /// What it is.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
    /// When it was first seen.
    pub at: Timestamp,
    /// The definition; none when the entry was gone.
    pub definition: Option<Map<String, Value>>,
    /// Whether there was none before it, or the entry had been gone.
    #[serde(skip)]
    pub is_first: bool,
    /// The lines that changed against the version before, `-` and `+` first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<String>,
}

/// What taking over a server's lists comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Entries as they are to be kept.
    pub kept: Vec<Kept>,
    /// Versions to remember.
    pub versions: Vec<Version>,
    /// Whether anything that is offered changed: a name, a definition, what is held.
    pub changed: bool,
}

/// What a server lists now, once by name. Of two under one name the one that differs from what is kept counts: a server
/// that lists a tool twice may mean either.
fn once(now: Vec<Entry>, before: &Known<'_>) -> BTreeMap<(EntryKind, String), (Entry, String)> {
    let mut entries: BTreeMap<(EntryKind, String), (Entry, String)> = BTreeMap::new();
    for entry in now {
        let print = fingerprint(&entry.definition);
        let key = (entry.kind, entry.name.clone());
        let is_kept = before
            .get(&(key.0, key.1.as_str()))
            .is_some_and(|kept| kept.fingerprint == print);
        if !(is_kept && entries.contains_key(&key)) {
            entries.insert(key, (entry, print));
        }
    }
    entries
}

type Known<'a> = HashMap<(EntryKind, &'a str), &'a Kept>;

/// Take over what a server lists now. On a pinned server a new definition is held beside the one that was approved, and a
/// new entry is held whole; only what is there when a server is `first` listed is what somebody looked at.
pub fn take_over(before: &[Kept], now: Vec<Entry>, pinned: bool, first: bool, at: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let known: Known<'_> = before
        .iter()
        .map(|kept| ((kept.kind, kept.name.as_str()), kept))
        .collect();
    let now = once(now, &known);
    for gone in before {
        if !now.contains_key(&(gone.kind, gone.name.clone())) {
            plan.changed = true;
            plan.versions.push(Version {
                kind: gone.kind,
                name: gone.name.clone(),
                at,
                definition: None,
                is_first: false,
                diff: Vec::new(),
            });
        }
    }
    for ((kind, name), (entry, print)) in now {
        let version = || Version {
            kind,
            name: name.clone(),
            at,
            definition: Some(entry.definition.clone()),
            // The book knows, when it is asked.
            is_first: false,
            diff: Vec::new(),
        };
        let kept = match known.get(&(kind, name.as_str())) {
            Some(old) if old.fingerprint == print => {
                plan.changed |= old.held.is_some();
                Kept {
                    held: None,
                    is_new: old.is_new && pinned,
                    ..Kept::clone(old)
                }
            }
            Some(old) if pinned && !old.is_new => {
                let seen_before = old.held.as_ref().is_some_and(|held| fingerprint(held) == print);
                if !seen_before {
                    plan.versions.push(version());
                    plan.changed = true;
                }
                Kept {
                    held: Some(entry.definition.clone()),
                    ..Kept::clone(old)
                }
            }
            _ => {
                plan.versions.push(version());
                plan.changed = true;
                Kept {
                    kind,
                    fingerprint: print,
                    definition: entry.definition.clone(),
                    since: at,
                    held: None,
                    is_new: pinned && !first,
                    name: name.clone(),
                }
            }
        };
        plan.kept.push(kept);
    }
    plan
}

/// The lines in which two definitions differ, `- ` before what went and `+ ` before what came.
pub fn diff(before: Option<&Map<String, Value>>, after: Option<&Map<String, Value>>) -> Vec<String> {
    diff_within(before, after, 0)
}

/// The same with so many lines around each difference, which say where it is.
pub fn diff_within(
    before: Option<&Map<String, Value>>,
    after: Option<&Map<String, Value>>,
    around: usize,
) -> Vec<String> {
    let text = |definition: Option<&Map<String, Value>>| {
        let text = definition.map(|definition| serde_json::to_string_pretty(definition).unwrap_or_default());
        text.unwrap_or_default()
    };
    let (old, new) = (text(before), text(after));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    told(&old, &new, around)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(name: &str, description: &str) -> Entry {
        let definition = json!({"name": name, "description": description, "inputSchema": {"type": "object"}});
        Entry {
            kind: EntryKind::Tool,
            name: name.to_owned(),
            definition: definition.as_object().unwrap().clone(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn changes_are_kept_as_versions_and_the_newest_holds() {
        let first = take_over(
            &[],
            vec![entry("b", "one"), entry("a", "one")],
            false,
            true,
            at(1),
        );
        assert_eq!(first.versions.len(), 2);
        let names: Vec<&str> = first.kept.iter().map(|kept| kept.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let same = take_over(
            &first.kept,
            vec![entry("a", "one"), entry("b", "one")],
            false,
            false,
            at(2),
        );
        assert_eq!((same.changed, same.versions.len()), (false, 0));
        let next = take_over(
            &first.kept,
            vec![entry("a", "two"), entry("c", "one")],
            false,
            false,
            at(3),
        );
        assert!(next.changed && next.kept.iter().all(|kept| !kept.is_held()));
        let versions: Vec<_> = next
            .versions
            .iter()
            .map(|v| (v.name.as_str(), v.definition.is_some()))
            .collect();
        assert_eq!(versions, [("b", false), ("a", true), ("c", true)]);
        assert_eq!(next.kept.first().unwrap().since, at(3));
    }

    #[test]
    fn a_pinned_server_changes_nothing_without_approval() {
        let first = take_over(&[], vec![entry("a", "one")], true, true, at(1));
        assert!(!first.kept.first().unwrap().is_held());
        let pulled = take_over(
            &first.kept,
            vec![entry("a", "evil"), entry("new", "x")],
            true,
            false,
            at(2),
        );
        let [a, new] = pulled.kept.as_slice() else {
            panic!("{pulled:?}")
        };
        assert!(a.is_held() && new.is_held());
        assert_eq!(a.definition.get("description"), Some(&json!("one")));
        // Seen again it is no second version; taken back it is held no more.
        let again = take_over(
            &pulled.kept,
            vec![entry("a", "evil"), entry("new", "x")],
            true,
            false,
            at(3),
        );
        assert_eq!((again.changed, again.versions.len()), (false, 0));
        let back = take_over(&again.kept, vec![entry("a", "one")], true, false, at(4));
        assert!(back.changed && !back.kept.first().unwrap().is_held());
        // Unpinned, everything counts.
        let free = take_over(
            &pulled.kept,
            vec![entry("a", "evil"), entry("new", "x")],
            false,
            false,
            at(5),
        );
        assert!(free.kept.iter().all(|kept| !kept.is_held()));
    }

    #[test]
    fn a_pinned_server_that_listed_nothing_for_a_while_gets_nothing_in_unseen() {
        let first = take_over(&[], vec![entry("a", "one")], true, true, at(1));
        let nothing = take_over(&first.kept, Vec::new(), true, false, at(2));
        assert!(nothing.changed && nothing.kept.is_empty());
        let back = take_over(&nothing.kept, vec![entry("a", "evil")], true, false, at(3));
        assert!(back.kept.first().unwrap().is_held(), "{back:?}");
    }

    #[test]
    fn of_two_tools_under_one_name_the_changed_one_is_held() {
        let first = take_over(&[], vec![entry("a", "one")], true, true, at(1));
        for twice in [["one", "evil"], ["evil", "one"]] {
            let now = twice.map(|words| entry("a", words)).to_vec();
            let both = take_over(&first.kept, now, true, false, at(2));
            assert_eq!(both.kept.len(), 1, "{both:?}");
            assert!(both.kept.first().unwrap().is_held(), "{twice:?}");
        }
    }

    #[test]
    fn definitions_of_many_lines_are_compared_in_no_time() {
        let many = |prefix: &str| -> Map<String, Value> {
            (0..200_000)
                .map(|n| (format!("{prefix}{n}"), Value::Null))
                .collect()
        };
        assert_eq!(diff(Some(&many("a")), Some(&many("b"))).len(), 400_000);
    }

    #[test]
    fn a_fingerprint_is_of_what_an_agent_reads() {
        let mut one = entry("a", "x").definition;
        let print = fingerprint(&one);
        one.insert("_meta".to_owned(), json!({"seen": 7}));
        assert_eq!(fingerprint(&one), print);
        one.insert("annotations".to_owned(), json!({"destructiveHint": true}));
        assert_ne!(fingerprint(&one), print);
        let lines = diff(
            Some(&entry("a", "x").definition),
            Some(&entry("a", "y").definition),
        );
        assert_eq!(
            lines,
            ["-   \"description\": \"x\",", "+   \"description\": \"y\","]
        );
    }
    #[test]
    fn a_line_that_stands_elsewhere_already_is_told_too() {
        let rules = |second: &[&str]| {
            let rules = json!({"server_access": [{"server": "a", "tools": ["read", "write"]}, {"server": "b", "tools": second}]});
            rules.as_object().unwrap().clone()
        };
        let (before, after) = (rules(&["read"]), rules(&["read", "write"]));
        assert_eq!(
            diff(Some(&before), Some(&after)),
            ["-         \"read\"", "+         \"read\",", "+         \"write\""]
        );
        let told = diff_within(Some(&before), Some(&after), 2);
        assert_eq!(
            (told.len(), told.first().map(|line| line.trim())),
            (7, Some("\"server\": \"b\","))
        );
    }
}
