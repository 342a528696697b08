//! Scopes and what they allow, as `auth/scopes.yml` says (contract, section 5.1).
//!
//! Rules add up; there is no rule that denies. A file is taken whole or not at all: the first fault refuses it, so a
//! typing mistake can never open half a door.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::ServerPath;

/// The names a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// `*` or `all` is among them.
    All,
    /// Just these.
    These(BTreeSet<String>),
}

impl Names {
    fn from_iter(names: impl IntoIterator<Item = String>) -> Self {
        let names: BTreeSet<String> = names.into_iter().collect();
        if names.contains("*") || names.contains("all") {
            Self::All
        } else {
            Self::These(names)
        }
    }

    /// Whether `name` is among them, letter by letter.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(name),
        }
    }
}

/// Scopes that a challenge names at most.
const MOST_NAMED: usize = 8;

/// One rule of a scope: which methods and tools of which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    server: Names,
    /// JSON-RPC methods.
    pub methods: Names,
    /// Tools, and whatever else a call names (a prompt, a resource).
    pub tools: Names,
}

impl Rule {
    /// Whether the rule speaks of this server; slashes at the ends do not matter.
    pub fn names_server(&self, path: &ServerPath) -> bool {
        self.server.has(path.name())
    }
}

/// Everything the scopes file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    groups: BTreeMap<String, Vec<String>>,
    ui: BTreeMap<String, BTreeMap<String, Names>>,
    rules: BTreeMap<String, Vec<Rule>>,
}

/// Why a scopes file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scopes: {place}: {reason}")]
pub struct InvalidPolicy {
    place: String,
    reason: String,
}

fn fault(place: impl Into<String>, reason: impl Into<String>) -> InvalidPolicy {
    InvalidPolicy {
        place: place.into(),
        reason: reason.into(),
    }
}

impl Policy {
    /// Read a scopes file.
    pub fn parse(yaml: &str) -> Result<Self, InvalidPolicy> {
        let whole: Value = serde_saphyr::from_str(yaml).map_err(|e| fault("the file", e.to_string()))?;
        let mut policy = Self::default();
        for (key, value) in mapping(&whole, "the file")? {
            match key.as_str() {
                "group_mappings" => {
                    for (group, scopes) in mapping(value, key)? {
                        let scopes = texts(scopes, &format!("{key}.{group}"))?;
                        policy.groups.insert(group.clone(), scopes);
                    }
                }
                "UI-Scopes" => {
                    for (scope, rows) in mapping(value, key)? {
                        let place = format!("{key}.{scope}");
                        let mut permissions = BTreeMap::new();
                        for (permission, names) in mapping(rows, &place)? {
                            let names = names_of(names, &format!("{place}.{permission}"))?;
                            permissions.insert(permission.clone(), names);
                        }
                        policy.ui.insert(scope.clone(), permissions);
                    }
                }
                scope => {
                    policy.rules.insert(scope.to_owned(), rules_of(scope, value)?);
                }
            }
        }
        Ok(policy)
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

    /// Whether the file says anything of this scope.
    pub fn knows(&self, scope: &str) -> bool {
        self.ui.contains_key(scope) || self.rules.contains_key(scope)
    }

    /// Scopes that would open this method at this server, whatever the call names; without a server, at any. They go
    /// into challenges, so they do not depend on what exists (RFC 6750 section 3; their alphabet is RFC 6749's, 3.3).
    pub fn scopes_that_open(&self, server: Option<&ServerPath>, method: &str) -> Vec<&str> {
        let opens = |rule: &Rule| {
            let there = server.map_or(rule.server == Names::All, |path| rule.names_server(path));
            there && rule.methods.has(method) && rule.tools == Names::All
        };
        let sayable = |scope: &str| {
            scope
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        let scopes = self.rules.iter();
        scopes
            .filter(|(scope, rules)| sayable(scope) && rules.iter().any(opens))
            .map(|(scope, _)| scope.as_str())
            .take(MOST_NAMED)
            .collect()
    }

    /// The rules of these scopes.
    pub fn rules<'a>(&'a self, scopes: &'a BTreeSet<String>) -> impl Iterator<Item = &'a Rule> {
        scopes.iter().filter_map(|scope| self.rules.get(scope)).flatten()
    }

    /// The names for which one of these scopes gives `permission` (`list_service`, `register_service`, …).
    pub fn ui<'a>(
        &'a self,
        scopes: &'a BTreeSet<String>,
        permission: &'a str,
    ) -> impl Iterator<Item = &'a Names> {
        scopes
            .iter()
            .filter_map(|scope| self.ui.get(scope))
            .filter_map(move |rows| rows.get(permission))
    }

    /// All UI permissions of these scopes, added up, as `GET /api/auth/me` shows them.
    pub fn ui_permissions(&self, scopes: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
        let mut sum: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (permission, names) in scopes.iter().filter_map(|scope| self.ui.get(scope)).flatten() {
            let row = sum.entry(permission.clone()).or_default();
            match names {
                Names::All => {
                    row.insert("all".to_owned());
                }
                Names::These(names) => row.extend(names.iter().cloned()),
            }
        }
        sum
    }

    /// The servers that these scopes have rules for; `*` stands for all.
    pub fn servers(&self, scopes: &BTreeSet<String>) -> BTreeSet<String> {
        let mut servers = BTreeSet::new();
        for rule in self.rules(scopes) {
            match &rule.server {
                Names::All => {
                    servers.insert("*".to_owned());
                }
                Names::These(names) => servers.extend(names.iter().cloned()),
            }
        }
        servers
    }
}

fn rules_of(scope: &str, value: &Value) -> Result<Vec<Rule>, InvalidPolicy> {
    let Value::Array(rows) = value else {
        return Err(fault(scope, "expected a list of rules"));
    };
    let mut rules = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let place = format!("{scope}[{index}]");
        let row = mapping(row, &place)?;
        if let Some(unknown) = row
            .keys()
            .find(|key| !matches!(key.as_str(), "server" | "methods" | "tools" | "agents"))
        {
            return Err(fault(
                &place,
                format!("unknown key `{unknown}`; expected server, methods, tools or agents"),
            ));
        }
        // Rules for agents share these lists (contract 5.1); they say nothing about MCP servers.
        if row.contains_key("agents") && !row.contains_key("server") {
            continue;
        }
        let server = match row.get("server") {
            Some(Value::String(name)) if !name.trim_matches('/').is_empty() => {
                name.trim_matches('/').to_owned()
            }
            _ => return Err(fault(&place, "expected `server` to be a server's name or `*`")),
        };
        rules.push(Rule {
            server: Names::from_iter([server]),
            methods: optional_names(row, "methods", &place)?,
            tools: optional_names(row, "tools", &place)?,
        });
    }
    Ok(rules)
}

fn optional_names(row: &Map<String, Value>, key: &str, place: &str) -> Result<Names, InvalidPolicy> {
    match row.get(key) {
        None | Some(Value::Null) => Ok(Names::These(BTreeSet::new())),
        Some(value) => names_of(value, &format!("{place}.{key}")),
    }
}

fn names_of(value: &Value, place: &str) -> Result<Names, InvalidPolicy> {
    match value {
        Value::String(name) => Ok(Names::from_iter([name.clone()])),
        _ => texts(value, place).map(Names::from_iter),
    }
}

fn mapping<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>, InvalidPolicy> {
    value
        .as_object()
        .ok_or_else(|| fault(place, "expected a mapping"))
}

fn texts(value: &Value, place: &str) -> Result<Vec<String>, InvalidPolicy> {
    let rows = value
        .as_array()
        .ok_or_else(|| fault(place, "expected a list of names"))?;
    let text = |row: &Value| {
        row.as_str()
            .map(str::to_owned)
            .ok_or_else(|| fault(place, "expected a list of names"))
    };
    rows.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_and_the_seeds_shapes_are_read() {
        let policy = Policy::parse(include_str!("../../auth/scopes.yml")).unwrap();
        let admin = policy.scopes_for(&["mcp-registry-admin".to_owned()]);
        assert!(admin.contains("mcp-registry-admin") && admin.contains("mcp-servers-unrestricted/execute"));
        assert!(policy.scopes_for(&["nobody".to_owned()]).is_empty());
    }

    #[test]
    fn a_fault_names_its_place() {
        let faults = [
            ("a: b: c", "the file"),
            ("s: {}", "s:"),
            ("s: [{methods: [x]}]", "s[0]"),
            ("s: [{server: x, method: [y]}]", "unknown key `method`"),
            ("s: [{server: x, tools: [1]}]", "s[0].tools"),
            ("group_mappings: {g: s}", "group_mappings.g"),
        ];
        for (yaml, place) in faults {
            let error = Policy::parse(yaml).unwrap_err().to_string();
            assert!(error.contains(place), "{yaml}: {error}");
        }
    }

    #[test]
    fn a_tools_string_is_one_name_and_no_substring() {
        let policy = Policy::parse("s: [{server: /a/, methods: '*', tools: get_time}]").unwrap();
        let scopes = BTreeSet::from(["s".to_owned()]);
        let rule = policy.rules(&scopes).next().unwrap();
        assert!(rule.names_server(&"/a".parse().unwrap()) && !rule.names_server(&"/ab".parse().unwrap()));
        assert!(rule.tools.has("get_time") && !rule.tools.has("time") && !rule.tools.has("get_time_x"));
    }
}
