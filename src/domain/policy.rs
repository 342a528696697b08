//! Groups, scopes and what they allow: the whole of `auth/scopes.yml` (contract, section 5.1).
//!
//! Rules add up; there is no rule that denies. A file is taken whole or not at all: the first fault refuses it, so a
//! typing mistake can never open half a door.
//!
//! **Invariant:** a policy that is written as YAML and read again is the same policy.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::path::ServerPath;
pub use super::scope::{AgentRule, InvalidScope, Names, Rule, Scope};
use super::scope::{fault, mapping, texts};
use super::scope_document::{ScopeDocument, StoredScope};

/// Scopes that a challenge names at most.
const MOST_NAMED: usize = 8;

/// The parts of the file that are no scopes.
const GROUPS: &str = "group_mappings";
const PERMISSIONS: &str = "UI-Scopes";
const DESCRIPTIONS: &str = "descriptions";
/// Names that no scope can have.
pub const RESERVED: &[&str] = &[GROUPS, PERMISSIONS, DESCRIPTIONS];

/// Which groups have which scopes, and what those allow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    groups: BTreeMap<String, BTreeSet<String>>,
    scopes: BTreeMap<String, Scope>,
}

impl Policy {
    /// Read a scopes file.
    pub fn parse(yaml: &str) -> Result<Self, InvalidScope> {
        let whole = super::yaml::parse(yaml).map_err(|words| fault("the file", words))?;
        let mut policy = Self::default();
        for (key, value) in mapping(&whole, "the file")? {
            match key.as_str() {
                GROUPS => {
                    for (group, scopes) in mapping(value, key)? {
                        let scopes = texts(scopes, &format!("{key}.{group}"))?;
                        policy.groups.insert(group.clone(), scopes.into_iter().collect());
                    }
                }
                PERMISSIONS => {
                    for (scope, rows) in mapping(value, key)? {
                        let place = format!("{key}.{scope}");
                        policy
                            .scope_named(scope, &place)?
                            .read_permissions(rows, &place)?;
                    }
                }
                DESCRIPTIONS => {
                    for (scope, text) in mapping(value, key)? {
                        let place = format!("{key}.{scope}");
                        let text = text.as_str().ok_or_else(|| fault(&place, "expected a text"))?;
                        text.clone_into(&mut policy.scope_named(scope, &place)?.description);
                    }
                }
                scope => policy.scope_named(scope, scope)?.read_rules(value, scope)?,
            }
        }
        Ok(policy)
    }

    fn scope_named(&mut self, name: &str, place: &str) -> Result<&mut Scope, InvalidScope> {
        if RESERVED.contains(&name) {
            return Err(fault(place, "a scope cannot have this name"));
        }
        Ok(self.scopes.entry(name.to_owned()).or_default())
    }

    /// The same as a scopes file.
    pub fn to_yaml(&self) -> Result<String, InvalidScope> {
        let mut whole = Map::new();
        whole.insert(GROUPS.to_owned(), json!(self.groups));
        let described = self
            .scopes
            .iter()
            .filter(|(_, scope)| !scope.description.is_empty());
        let described: BTreeMap<_, _> = described
            .map(|(name, scope)| (name, &scope.description))
            .collect();
        if !described.is_empty() {
            whole.insert(DESCRIPTIONS.to_owned(), json!(described));
        }
        let mut permissions = Map::new();
        for (name, scope) in &self.scopes {
            if !scope.ui.is_empty() {
                permissions.insert(name.clone(), scope.permissions_value());
            }
            // A scope of permissions alone needs no list of rules.
            if scope.ui.is_empty() || !scope.rules.is_empty() || !scope.agents.is_empty() {
                whole.insert(name.clone(), scope.rules_value());
            }
        }
        whole.insert(PERMISSIONS.to_owned(), Value::Object(permissions));
        serde_saphyr::to_string(&whole).map_err(|e| fault("the file", e.to_string()))
    }

    /// With what the store says of some names: each wins over the file wholly (its rules, permissions and description,
    /// and which groups have it), and a name that the store hides is gone.
    #[must_use]
    pub fn with_stored<'a>(&self, stored: impl IntoIterator<Item = &'a StoredScope>) -> Self {
        let mut policy = self.clone();
        for StoredScope { name, document } in stored {
            policy.scopes.remove(name);
            for scopes in policy.groups.values_mut() {
                scopes.remove(name);
            }
            let Some(document) = document else { continue };
            policy.scopes.insert(name.clone(), document.scope.clone());
            for group in &document.groups {
                policy
                    .groups
                    .entry(group.clone())
                    .or_default()
                    .insert(name.clone());
            }
        }
        // A group that has nothing left is gone, unless the file itself gives it nothing.
        let empty_in_file = |group: &String| self.groups.get(group).is_some_and(BTreeSet::is_empty);
        policy
            .groups
            .retain(|group, scopes| !scopes.is_empty() || empty_in_file(group));
        policy
    }

    /// Why nobody could act as an administrator under this policy. `reachable` are the groups of each person who can
    /// sign in; none means that any group may exist at an identity provider.
    pub fn locks_out(&self, admin_scope: &str, reachable: Option<&[Vec<String>]>) -> Option<String> {
        let gives = |group: &String| {
            let scopes = self.groups.get(group);
            scopes.is_some_and(|scopes| scopes.contains(admin_scope))
        };
        if !self.groups.keys().any(gives) {
            return Some(format!(
                "no group has the administrators' scope `{admin_scope}`, so nobody could administer the registry; give it to \
                 a group under `{GROUPS}`"
            ));
        }
        let reachable = reachable?;
        if reachable.iter().flatten().any(gives) {
            return None;
        }
        let groups: Vec<&str> = self
            .groups
            .keys()
            .filter(|group| gives(group))
            .map(String::as_str)
            .collect();
        Some(format!(
            "nobody who can sign in has the administrators' scope `{admin_scope}`: only the groups {} have it, and no local \
             account is in one of them",
            groups.join(", ")
        ))
    }

    /// Every scope of every group; unknown groups give nothing.
    pub fn scopes_for(&self, groups: &[String]) -> BTreeSet<String> {
        groups
            .iter()
            .filter_map(|group| self.groups.get(group))
            .flatten()
            .cloned()
            .collect()
    }

    /// All groups and their scopes.
    pub fn groups(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.groups
    }

    /// All scopes that say something.
    pub fn scopes(&self) -> &BTreeMap<String, Scope> {
        &self.scopes
    }

    /// Whether anything is said about this scope, if only that a group has it.
    pub fn knows(&self, scope: &str) -> bool {
        self.scopes.contains_key(scope) || self.groups.values().any(|scopes| scopes.contains(scope))
    }

    /// The groups that have this scope.
    pub fn groups_with(&self, scope: &str) -> BTreeSet<String> {
        let groups = self.groups.iter().filter(|(_, scopes)| scopes.contains(scope));
        groups.map(|(group, _)| group.clone()).collect()
    }

    /// A scope as one document, if anything is said about it.
    pub fn document(&self, scope: &str) -> Option<ScopeDocument> {
        self.knows(scope).then(|| ScopeDocument {
            name: scope.to_owned(),
            groups: self.groups_with(scope),
            scope: self.scopes.get(scope).cloned().unwrap_or_default(),
        })
    }

    /// Scopes that would open this method at this server, whatever the call names; without a server, at any. They go
    /// into challenges, so they do not depend on what exists (RFC 6750 section 3; their alphabet is RFC 6749's, 3.3).
    pub fn scopes_that_open(&self, server: Option<&ServerPath>, method: &str) -> Vec<&str> {
        let opens = |rule: &Rule| {
            let there = server.map_or(rule.is_for_every_server(), |path| rule.names_server(path));
            there && rule.methods.has(method) && rule.tools == Names::All
        };
        let sayable = |scope: &str| {
            scope
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        let scopes = self.scopes.iter();
        scopes
            .filter(|(name, scope)| sayable(name) && scope.rules.iter().any(opens))
            .map(|(name, _)| name.as_str())
            .take(MOST_NAMED)
            .collect()
    }

    /// What these scopes say, by name.
    pub fn held<'a>(&'a self, scopes: &'a BTreeSet<String>) -> impl Iterator<Item = (&'a str, &'a Scope)> {
        scopes
            .iter()
            .filter_map(|name| Some((name.as_str(), self.scopes.get(name)?)))
    }

    /// The rules of these scopes.
    pub fn rules<'a>(&'a self, scopes: &'a BTreeSet<String>) -> impl Iterator<Item = &'a Rule> {
        self.held(scopes).flat_map(|(_, scope)| &scope.rules)
    }

    /// The names for which one of these scopes gives `permission` (`list_service`, `register_service`, …), by a
    /// permission in the registry or by a rule for agents.
    pub fn ui<'a>(
        &'a self,
        scopes: &'a BTreeSet<String>,
        permission: &'a str,
    ) -> impl Iterator<Item = &'a Names> {
        self.held(scopes)
            .flat_map(move |(_, scope)| permitted(scope, permission))
    }

    /// All UI permissions of these scopes, added up, as `GET /api/auth/me` shows them.
    pub fn ui_permissions(&self, scopes: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
        let mut sum: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (_, scope) in self.held(scopes) {
            let rules = scope.agents.iter().filter(|rule| rule.is_about_agents());
            let rules = rules.map(|rule| (&rule.action, &rule.resources));
            for (permission, names) in scope.ui.iter().chain(rules) {
                sum.entry(permission.clone())
                    .or_default()
                    .extend(names.listed("all"));
            }
        }
        sum
    }

    /// The servers that these scopes have rules for; `*` stands for all.
    pub fn servers(&self, scopes: &BTreeSet<String>) -> BTreeSet<String> {
        let rules = self.rules(scopes);
        rules
            .map(|rule| rule.server().unwrap_or("*").to_owned())
            .collect()
    }
}

/// The names for which a scope gives `permission`.
pub fn permitted<'a>(scope: &'a Scope, permission: &'a str) -> impl Iterator<Item = &'a Names> {
    let rules = scope.agents.iter().filter(|rule| rule.is_about_agents());
    let rules = rules.filter(move |rule| rule.action == permission);
    let rules = rules.map(|rule| &rule.resources);
    scope.ui.get(permission).into_iter().chain(rules)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHIPPED: &str = include_str!("../../auth/scopes.yml");

    #[test]
    fn the_shipped_file_and_the_seeds_shapes_are_read() {
        let policy = Policy::parse(SHIPPED).unwrap();
        let admin = policy.scopes_for(&["mcp-registry-admin".to_owned()]);
        assert!(admin.contains("mcp-registry-admin") && admin.contains("mcp-servers-unrestricted/execute"));
        assert!(policy.scopes_for(&["nobody".to_owned()]).is_empty());
        let administrators = policy.groups_with("mcp-registry-admin");
        assert_eq!(
            administrators.into_iter().collect::<Vec<_>>(),
            ["mcp-registry-admin", "registry-admins"]
        );
        for (group, scopes) in policy.groups() {
            for scope in scopes {
                assert!(
                    policy.scopes().contains_key(scope),
                    "{group} has {scope}, which says nothing"
                );
            }
        }
    }

    #[test]
    fn a_fault_names_its_place() {
        let faults = [
            ("a: b: c", "the file"),
            ("s: {}", "s:"),
            ("s: [{methods: [x]}]", "s[0]"),
            ("s: [{server: x, method: [y]}]", "unknown key `method`"),
            ("s: [{server: x, tools: [1]}]", "s[0].tools"),
            ("s: [{agents: [x]}]", "s[0].agents.actions"),
            (
                "s: [{agents: {actions: [{resources: [x]}]}}]",
                "s[0].agents.actions[0]",
            ),
            ("group_mappings: {g: s}", "group_mappings.g"),
            ("descriptions: {s: [x]}", "descriptions.s"),
            ("UI-Scopes: {descriptions: {}}", "UI-Scopes.descriptions"),
        ];
        for (yaml, place) in faults {
            let error = Policy::parse(yaml).unwrap_err().to_string();
            assert!(error.contains(place), "{yaml}: {error}");
        }
    }

    #[test]
    fn rules_of_older_files_for_paths_of_the_registry_do_no_harm() {
        let policy =
            Policy::parse("s: [{server: api, methods: [GET]}, {server: v0.1, methods: [GET]}]").unwrap();
        assert_eq!(policy.rules(&BTreeSet::from(["s".to_owned()])).count(), 2);
    }

    #[test]
    fn a_tools_string_is_one_name_and_no_substring() {
        let policy = Policy::parse("s: [{server: /a/, methods: '*', tools: get_time}]").unwrap();
        let scopes = BTreeSet::from(["s".to_owned()]);
        let rule = policy.rules(&scopes).next().unwrap();
        assert!(rule.names_server(&"/a".parse().unwrap()) && !rule.names_server(&"/ab".parse().unwrap()));
        assert!(rule.tools.has("get_time") && !rule.tools.has("time") && !rule.tools.has("get_time_x"));
    }

    #[test]
    fn an_export_reads_as_the_same_policy() {
        let every_shape = "
group_mappings: {g: [s, nothing], empty: [], 'null': [s], '1.0': ['true', '~']}
descriptions: {s: 'what: it\nis \"for\"', said: '- no rules'}
UI-Scopes: {s: {list_service: all, toggle_service: []}, ui-only: {get_agent: [/a]}, bare: {}}
s:
  - {server: '*', methods: all, tools: ['*', x]}
  - {server: a, methods: [b, 'yes', '0x1', '']}
  - {server: c, agents: {actions: [{action: list_agents, resources: [all]}, {action: get_agent}]}}
'# odd: name': []
";
        for yaml in [SHIPPED, every_shape, "{}"] {
            let policy = Policy::parse(yaml).unwrap();
            let exported = policy.to_yaml().unwrap();
            assert_eq!(Policy::parse(&exported).unwrap(), policy, "{exported}");
        }
    }

    #[test]
    fn what_the_store_says_of_a_name_wins_over_the_file_wholly() {
        let file = Policy::parse(
            "
group_mappings: {a: [s, t], b: [s], none: []}
UI-Scopes: {s: {list_service: [all]}}
s: [{server: x}]
t: [{server: w}]
",
        )
        .unwrap();
        let document = Policy::parse("group_mappings: {c: [s]}\ns: [{server: z}]").unwrap();
        let put = StoredScope {
            name: "s".to_owned(),
            document: document.document("s"),
        };
        let hide = StoredScope {
            name: "t".to_owned(),
            document: None,
        };
        let merged = file.with_stored([&put, &hide]);
        let expected = Policy::parse("group_mappings: {c: [s], none: []}\ns: [{server: z}]").unwrap();
        assert_eq!(merged, expected);
        assert_eq!(file.with_stored([]), file);
    }

    #[test]
    fn who_would_be_locked_out_is_told_in_a_sentence() {
        let policy = |yaml: &str| Policy::parse(yaml).unwrap();
        let local = |group: &str| vec![vec!["other".to_owned()], vec![group.to_owned()]];
        let good = policy("group_mappings: {bosses: [boss]}");
        assert_eq!(good.locks_out("boss", None), None);
        assert_eq!(good.locks_out("boss", Some(&local("bosses"))), None);
        let words = good.locks_out("boss", Some(&local("staff"))).unwrap();
        assert!(words.contains("bosses") && words.contains("local"), "{words}");
        for reachable in [None, Some(local("bosses"))] {
            let none = policy("group_mappings: {bosses: [other]}\nboss: [{server: '*'}]");
            let words = none.locks_out("boss", reachable.as_deref()).unwrap();
            assert!(
                words.contains("`boss`") && words.contains("group_mappings"),
                "{words}"
            );
        }
    }

    /// Texts that YAML gives a meaning of their own, among any others.
    fn text() -> impl Strategy<Value = String> {
        let odd = [
            "null",
            "~",
            "y",
            "Off",
            "1e3",
            "0o7",
            ".inf",
            "2026-01-01",
            "<<",
            "-",
            "- a",
            "? a",
            "a: b",
            "a #b",
            "# c",
            "'",
            "\"",
            "\n",
            "a\n  b\n\n",
            " a",
            "a ",
            "\ta",
            "[",
            "{}",
            "&a",
            "*a",
            "!t",
            "%a",
            "@a",
            "`",
            "---",
            "...",
            "\u{feff}a",
            "\u{85}",
            "\u{2028}",
            "",
        ];
        prop_oneof![
            prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
            "(?s).{0,8}"
        ]
    }

    fn names() -> impl Strategy<Value = Names> {
        prop::collection::vec(text(), 0..3).prop_map(Names::of)
    }

    fn scopes() -> impl Strategy<Value = Scope> {
        let rule = (text(), names(), names()).prop_map(|(server, methods, tools)| {
            let rule = json!({"server": format!("x{server}x"), "methods": methods.listed("*"), "tools": tools.listed("*")});
            let mut scope = Scope::default();
            scope.read_rules(&json!([rule]), "s").unwrap();
            scope.rules
        });
        let agent = (text(), names()).prop_map(|(action, resources)| AgentRule { action, resources });
        (
            text(),
            prop::collection::btree_map(text(), names(), 0..3),
            prop::collection::vec(rule, 0..3),
            prop::collection::vec(agent, 0..3),
        )
            .prop_map(|(description, ui, rules, agents)| Scope {
                description,
                ui,
                rules: rules.concat(),
                agents,
            })
    }

    proptest! {
        #[test]
        fn an_export_of_anything_reads_as_the_same_policy(
            groups in prop::collection::btree_map(
                text(),
                prop::collection::btree_set(text(), 0..3),
                0..4,
            ),
            scopes in prop::collection::btree_map(text(), scopes(), 0..4),
        ) {
            let policy = Policy { groups, scopes };
            let exported = policy.to_yaml().unwrap();
            prop_assert_eq!(Policy::parse(&exported).unwrap(), policy, "{}", exported);
        }
    }
}
