//! Groups and scopes as people change them: from a wish to what the store shall say.
//!
//! The scopes file is the base. **The store wins over the file, name by name:** what it says of a scope replaces the
//! file's scope of that name wholly, a name that it hides is gone, and a name that is reset is the file's again.
//!
//! What earlier systems call a group is a group of people and a scope of the same name that it has. Nothing here
//! changes anything: each wish gives the changes that would fulfil it, or says why it cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::identity::check_name;
use super::policy::Policy;
use super::scope::{AGENT_PERMISSIONS, Names, Rule, Scope};
use super::scope_document::{ScopeChange, ScopeDocument, StoredScope, check_scope_name};
use super::{FieldFault, Kind};

/// Groups that the sample file brings and clients rely on; they go only by force.
pub const BUILT_IN: &[&str] = &[
    "mcp-registry-admin",
    "mcp-registry-developer",
    "mcp-registry-operator",
    "mcp-registry-user",
    "mcp-servers-unrestricted",
    "mcp-servers-unrestricted/read",
    "mcp-servers-unrestricted/execute",
    "mcp-servers-restricted",
    "mcp-servers-restricted/read",
    "mcp-servers-restricted/execute",
];

/// Why a wish cannot be fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such group or scope.
    #[error("Group not found: {0}")]
    Unknown(String),
    /// There is one already.
    #[error("Group already exists: {0}")]
    Exists(String),
    /// It came with the sample file.
    #[error("Group is built in: {0}; say `force` to remove it all the same")]
    BuiltIn(String),
    /// Nothing but the file speaks of it, and says nothing.
    #[error("the group {0} has no scope; take it out of the scopes file")]
    Empty(String),
    /// The store says nothing of this name.
    #[error("the store says nothing of the scope {0}; the file counts already")]
    NotStored(String),
    /// The scope is not the one any more that was looked at.
    #[error("somebody has changed it meanwhile; nothing was saved")]
    Changed,
    /// A field cannot be taken.
    #[error("a field cannot be taken")]
    Field(FieldFault),
}

impl Refused {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unknown(_) | Self::NotStored(_) => Kind::NotFound,
            Self::Exists(_) | Self::Empty(_) | Self::Changed => Kind::Conflict,
            Self::BuiltIn(_) => Kind::Forbidden,
            Self::Field(_) => Kind::Invalid,
        }
    }
}

/// Who says what holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The scopes file.
    File,
    /// The store.
    Store,
}

impl Source {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Store => "store",
        }
    }
}

/// The file, what the store says, and what holds.
#[derive(Debug, Clone)]
pub struct Groups {
    file: Arc<Policy>,
    stored: BTreeMap<String, StoredScope>,
    policy: Policy,
}

impl Groups {
    /// What holds when the store says this beside the file.
    pub fn new(file: Arc<Policy>, stored: Vec<StoredScope>) -> Self {
        let policy = file.with_stored(&stored);
        let stored = stored.into_iter().map(|row| (row.name.clone(), row)).collect();
        Self { file, stored, policy }
    }

    /// What holds.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same after some changes.
    #[must_use]
    pub fn after(&self, changes: &[ScopeChange]) -> Self {
        let mut stored = self.stored.clone();
        for change in changes {
            let name = change.name().to_owned();
            let document = match change {
                ScopeChange::Put(document) => Some(document.clone()),
                ScopeChange::Hide(_) => None,
                ScopeChange::Reset(_) => {
                    stored.remove(&name);
                    continue;
                }
            };
            stored.insert(name.clone(), StoredScope { name, document });
        }
        Self::new(Arc::clone(&self.file), stored.into_values().collect())
    }

    /// Who says what a scope is.
    pub fn source(&self, scope: &str) -> Source {
        if self.stored.contains_key(scope) {
            Source::Store
        } else {
            Source::File
        }
    }

    /// Whether the store replaces or hides what the file says of a scope.
    pub fn overrides_file(&self, scope: &str) -> bool {
        self.stored.contains_key(scope) && self.file.knows(scope)
    }

    /// Who gives a group its scopes: the file, if it gives just these.
    pub fn group_source(&self, group: &str) -> Source {
        if self.file.groups().get(group) == self.policy.groups().get(group) {
            Source::File
        } else {
            Source::Store
        }
    }

    /// Whether the file gives this group anything else.
    pub fn overrides_group(&self, group: &str) -> bool {
        self.file.groups().contains_key(group) && self.group_source(group) == Source::Store
    }

    /// Names of the file that the store hides.
    pub fn hidden(&self) -> Vec<&str> {
        let hidden = self.stored.values().filter(|row| row.document.is_none());
        hidden.map(|row| row.name.as_str()).collect()
    }

    /// Make a group, and a scope of its name that it has.
    pub fn create(&self, name: &str, description: &str) -> Result<Vec<ScopeChange>, Refused> {
        let check = check_scope_name(name).and_then(|()| check_name(name));
        check.map_err(|words| Refused::Field(FieldFault::new("group_name", words)))?;
        if self.policy.groups().contains_key(name) || self.policy.knows(name) {
            return Err(Refused::Exists(name.to_owned()));
        }
        let scope = Scope {
            description: description.to_owned(),
            ..Scope::default()
        };
        Ok(vec![ScopeChange::Put(ScopeDocument {
            name: name.to_owned(),
            groups: BTreeSet::from([name.to_owned()]),
            scope,
        })])
    }

    /// Remove a group, and the scope of its name.
    pub fn delete(&self, name: &str, force: bool) -> Result<Vec<ScopeChange>, Refused> {
        let scopes = self.policy.groups().get(name);
        if scopes.is_none() && !self.policy.knows(name) {
            return Err(Refused::Unknown(name.to_owned()));
        }
        if BUILT_IN.contains(&name) && !force {
            return Err(Refused::BuiltIn(name.to_owned()));
        }
        let others = scopes.into_iter().flatten().filter(|scope| *scope != name);
        let mut changes: Vec<ScopeChange> = others
            .filter_map(|scope| self.policy.document(scope))
            .map(|mut document| {
                document.groups.remove(name);
                self.put(document)
            })
            .collect();
        if self.file.knows(name) {
            changes.push(ScopeChange::Hide(name.to_owned()));
        } else if self.stored.contains_key(name) {
            changes.push(ScopeChange::Reset(name.to_owned()));
        }
        if changes.is_empty() {
            return Err(Refused::Empty(name.to_owned()));
        }
        Ok(changes)
    }

    /// Give groups everything that a server's tools and resources need. What they have already stays as it is.
    pub fn add_server(&self, server: &str, groups: &[String]) -> Result<Vec<ScopeChange>, Refused> {
        let rule = Rule::usual(server);
        self.each(groups, |scope| {
            if !scope.rules.contains(&rule) {
                scope.rules.push(rule.clone());
            }
            let listed = scope.ui.entry("list_service".to_owned());
            listed.or_insert_with(|| Names::of([""; 0])).insert(server);
        })
    }

    /// Take a server, by all its names, away from groups; rules for every server stay.
    pub fn remove_server(
        &self,
        server: &str,
        names: &[&str],
        groups: &[String],
    ) -> Result<Vec<ScopeChange>, Refused> {
        self.each(groups, |scope| {
            scope.rules.retain(|rule| rule.server() != Some(server));
            let about_servers = |permission: &&str| !AGENT_PERMISSIONS.contains(permission);
            let rows = scope.ui.iter_mut();
            for (_, permitted) in rows.filter(|(permission, _)| about_servers(&permission.as_str())) {
                permitted.remove(|name| names.contains(&name));
            }
        })
    }

    fn each(&self, groups: &[String], change: impl Fn(&mut Scope)) -> Result<Vec<ScopeChange>, Refused> {
        let mut changes = Vec::new();
        for group in groups {
            let document = self.policy.document(group);
            let document = match document {
                Some(document) => document,
                // A group without a scope of its own name gets one.
                None if self.policy.groups().contains_key(group) => ScopeDocument {
                    name: group.clone(),
                    groups: BTreeSet::from([group.clone()]),
                    scope: Scope::default(),
                },
                None => return Err(Refused::Unknown(group.clone())),
            };
            let mut changed = document.clone();
            change(&mut changed.scope);
            if changed != document {
                changes.push(self.put(changed));
            }
        }
        Ok(changes)
    }

    /// Take documents in as they are; those that say what holds already change nothing.
    pub fn import(&self, documents: Vec<ScopeDocument>) -> Vec<ScopeChange> {
        documents
            .into_iter()
            .filter(|document| self.policy.document(&document.name).as_ref() != Some(document))
            .map(|document| self.put(document))
            .collect()
    }

    /// Let the file count again for a name.
    pub fn reset(&self, name: &str) -> Result<Vec<ScopeChange>, Refused> {
        if !self.stored.contains_key(name) {
            return Err(Refused::NotStored(name.to_owned()));
        }
        Ok(vec![ScopeChange::Reset(name.to_owned())])
    }

    /// A document that says what the file says need not be kept.
    pub(super) fn put(&self, document: ScopeDocument) -> ScopeChange {
        let stored = self.stored.contains_key(&document.name);
        if stored && self.file.document(&document.name).as_ref() == Some(&document) {
            ScopeChange::Reset(document.name)
        } else {
            ScopeChange::Put(document)
        }
    }
}

/// The documents of a text: one, or all that a scopes file says. JSON is YAML too.
pub fn documents_of(yaml: &str) -> Result<Vec<ScopeDocument>, Vec<FieldFault>> {
    let value = super::yaml::parse(yaml).map_err(|words| vec![FieldFault::new("the text", words)])?;
    if let Some(fields) = value
        .as_object()
        .filter(|fields| fields.contains_key("scope_name"))
    {
        return ScopeDocument::read(fields).map(|document| vec![document]);
    }
    let policy = Policy::parse(yaml).map_err(|fault| vec![FieldFault::new(&fault.place, fault.reason)])?;
    let mapped = policy.groups().values().flatten();
    let names: BTreeSet<&String> = policy.scopes().keys().chain(mapped).collect();
    Ok(names
        .into_iter()
        .filter_map(|name| policy.document(name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
group_mappings: {staff: [staff, tools], others: [tools], bare: []}
descriptions: {staff: people}
UI-Scopes: {staff: {list_service: [a]}}
staff: [{server: a, methods: ['*'], tools: ['*']}]
tools: [{server: '*', methods: [tools/list]}]
";

    fn groups() -> Groups {
        Groups::new(Arc::new(Policy::parse(FILE).unwrap()), Vec::new())
    }

    fn servers(groups: &Groups, group: &str) -> Vec<String> {
        let policy = groups.policy();
        policy
            .servers(&policy.scopes_for(&[group.to_owned()]))
            .into_iter()
            .collect()
    }

    #[test]
    fn a_group_is_made_gets_a_server_loses_it_and_goes() {
        let start = groups();
        let made = start.after(&start.create("finance/read", "money").unwrap());
        assert_eq!(
            made.create("finance/read", ""),
            Err(Refused::Exists("finance/read".to_owned()))
        );
        let to = vec!["finance/read".to_owned(), "others".to_owned()];
        let added = made.after(&made.add_server("w", &to).unwrap());
        assert_eq!(servers(&added, "finance/read"), ["w"]);
        assert_eq!(servers(&added, "others"), ["*", "w"]);
        assert_eq!(added.add_server("w", &to).unwrap(), [], "twice changes nothing");
        let document = added.policy().document("finance/read").unwrap();
        assert_eq!(document.scope.description, "money");
        assert!(document.scope.ui["list_service"].has("w"));
        let taken = added.after(&added.remove_server("w", &["w", "/w", "Weather"], &to).unwrap());
        assert_eq!(
            (servers(&taken, "finance/read"), servers(&taken, "others")),
            (vec![], vec!["*".to_owned()])
        );
        let gone = taken.after(&taken.delete("finance/read", false).unwrap());
        assert_eq!(
            gone.delete("finance/read", false),
            Err(Refused::Unknown("finance/read".to_owned()))
        );
        assert!(gone.hidden().is_empty());
    }

    #[test]
    fn the_store_wins_name_by_name_and_a_reset_gives_the_name_back_to_the_file() {
        let start = groups();
        let hidden = start.after(&start.delete("staff", false).unwrap());
        assert_eq!(hidden.hidden(), ["staff"]);
        assert!(!hidden.policy().groups().contains_key("staff"));
        assert_eq!(
            servers(&hidden, "others"),
            ["*"],
            "the other group keeps the scope that both had"
        );
        assert_eq!(
            (hidden.source("tools"), hidden.overrides_file("tools")),
            (Source::Store, true)
        );
        let back = hidden.after(&hidden.reset("staff").unwrap());
        let back = back.after(&back.reset("tools").unwrap());
        assert_eq!(back.policy(), start.policy());
        assert_eq!(back.source("staff"), Source::File);
        assert_eq!(back.reset("staff"), Err(Refused::NotStored("staff".to_owned())));
    }

    #[test]
    fn what_is_imported_replaces_its_name_and_what_the_file_says_is_not_kept() {
        let start = groups();
        let same = start.policy().document("staff").unwrap();
        assert_eq!(start.import(vec![same.clone()]), []);
        let mut other = same.clone();
        other.groups = BTreeSet::from(["new".to_owned()]);
        let changed = start.after(&start.import(vec![other]));
        assert_eq!(servers(&changed, "new"), ["a"]);
        assert_eq!(changed.group_source("new"), Source::Store);
        assert!(changed.overrides_group("staff") && !changed.overrides_group("others"));
        assert_eq!(
            changed.import(vec![same]),
            [ScopeChange::Reset("staff".to_owned())]
        );
    }

    #[test]
    fn an_exported_file_that_is_imported_elsewhere_holds_there_too() {
        let start = groups();
        let exported = start.policy().to_yaml().unwrap();
        let elsewhere = Groups::new(Arc::default(), Vec::new());
        let imported = elsewhere.after(&elsewhere.import(documents_of(&exported).unwrap()));
        // But for the group that has nothing at all.
        let meant = Policy::parse(&FILE.replace(", bare: []", "")).unwrap();
        assert_eq!(*imported.policy(), meant);
        assert_eq!(
            start.import(documents_of(&exported).unwrap()),
            [],
            "nothing is kept that the file says"
        );
        let one = r#"{"scope_name": "new", "group_mappings": ["staff"]}"#;
        assert_eq!(documents_of(one).unwrap().len(), 1);
        assert_eq!(documents_of("s: {}").unwrap_err().first().unwrap().field, "s");
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        let start = groups();
        let field = |outcome: Result<Vec<ScopeChange>, Refused>| matches!(outcome, Err(Refused::Field(f)) if f.field == "group_name");
        assert!(
            field(start.create("a b", ""))
                && field(start.create("", ""))
                && field(start.create("UI-Scopes", ""))
        );
        assert_eq!(
            start.create("tools", ""),
            Err(Refused::Exists("tools".to_owned()))
        );
        assert_eq!(
            start.delete("bare", false),
            Err(Refused::Empty("bare".to_owned()))
        );
        let nobody = ["nobody".to_owned()];
        assert_eq!(
            start.add_server("w", &nobody),
            Err(Refused::Unknown("nobody".to_owned()))
        );
        let built_in = start.after(&start.create("mcp-registry-user", "").unwrap());
        assert!(matches!(
            built_in.delete("mcp-registry-user", false),
            Err(Refused::BuiltIn(_))
        ));
        assert!(built_in.delete("mcp-registry-user", true).is_ok());
    }

    #[test]
    fn a_group_without_a_scope_of_its_name_gets_one_when_it_gets_a_server() {
        let start = groups();
        let added = start.after(&start.add_server("w", &["others".to_owned()]).unwrap());
        assert_eq!(
            added.policy().groups()["others"].iter().collect::<Vec<_>>(),
            ["others", "tools"]
        );
    }
}
