//! A scope: what whoever holds it may do (contract, sections 5.1 and 5.2).
//!
//! A scope has permissions in the registry (`UI-Scopes`), rules for servers, and rules for agents. It is read from the
//! same JSON values whether they come from the YAML file, a request or the store, and written back into the same
//! shapes. Lists come out in the order of their names, and a rule for servers and agents as two; nothing else changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::path::ServerPath;

/// Our own server, of which rules may speak although nobody registers it.
pub const OWN_SERVER: &str = "mcpgw";

/// What a rule needs so that its server can be used at all (contract, section 5.1, group operations).
pub const USUAL_METHODS: &[&str] = &[
    "initialize",
    "notifications/initialized",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
];

/// The permissions that are about agents: only these may also stand in rules for agents, so that such a rule never opens
/// anything of the registry of servers.
pub const AGENT_PERMISSIONS: &[&str] = &[
    "list_agents",
    "get_agent",
    "publish_agent",
    "modify_agent",
    "delete_agent",
];

/// Why something about scopes was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scopes: {place}: {reason}")]
pub struct InvalidScope {
    /// Where.
    pub place: String,
    /// Why, and what was expected.
    pub reason: String,
}

pub(super) fn fault(place: impl Into<String>, reason: impl Into<String>) -> InvalidScope {
    InvalidScope {
        place: place.into(),
        reason: reason.into(),
    }
}

/// The names a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// `*` or `all` is among them.
    All,
    /// Just these.
    These(BTreeSet<String>),
}

impl Names {
    /// From the names as written.
    pub fn of<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
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

    /// Whether an agent is among them; slashes at the ends do not matter.
    pub fn has_agent(&self, agent: &str) -> bool {
        let bare = |name: &str| name.trim_matches('/') == agent.trim_matches('/');
        match self {
            Self::All => true,
            Self::These(names) => names.iter().any(|name| bare(name)),
        }
    }

    /// Whether they name nothing.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::These(names) if names.is_empty())
    }

    /// Add one.
    pub fn insert(&mut self, name: &str) {
        if let Self::These(names) = self {
            names.insert(name.to_owned());
        }
    }

    /// Take some away; what all names stand for stays.
    pub fn remove(&mut self, is_meant: impl Fn(&str) -> bool) {
        if let Self::These(names) = self {
            names.retain(|name| !is_meant(name));
        }
    }

    /// The names, `every` standing for all of them.
    pub fn listed(&self, every: &str) -> BTreeSet<String> {
        match self {
            Self::All => BTreeSet::from([every.to_owned()]),
            Self::These(names) => names.clone(),
        }
    }

    pub(super) fn read(value: &Value, place: &str) -> Result<Self, InvalidScope> {
        match value {
            Value::String(name) => Ok(Self::of([name.clone()])),
            _ => texts(value, place).map(Self::of),
        }
    }
}

/// One rule of a scope: which methods and tools of which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The server's name without slashes at its ends; none means every server.
    server: Option<String>,
    /// JSON-RPC methods.
    pub methods: Names,
    /// Tools, and whatever else a call names (a prompt, a resource).
    pub tools: Names,
}

impl Rule {
    /// What a server gets that is added to a group: everything that tools and resources need.
    pub fn usual(server: &str) -> Self {
        Self {
            server: Some(server.trim_matches('/').to_owned()),
            methods: Names::of(USUAL_METHODS.iter().copied()),
            tools: Names::All,
        }
    }

    /// Whether the rule speaks of this server; slashes at the ends do not matter.
    pub fn names_server(&self, path: &ServerPath) -> bool {
        self.names(path.name())
    }

    /// The same for a server's name.
    pub fn names(&self, server: &str) -> bool {
        self.server
            .as_deref()
            .is_none_or(|own| own == server.trim_matches('/'))
    }

    /// Whether the rule is for every server.
    pub fn is_for_every_server(&self) -> bool {
        self.server.is_none()
    }

    /// The one server that the rule is for.
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// As it is written in a file or document.
    pub fn value(&self) -> Value {
        json!({
            "server": self.server.as_deref().unwrap_or("*"),
            "methods": self.methods.listed("*"),
            "tools": self.tools.listed("*"),
        })
    }
}

/// One rule for agents: which action with which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRule {
    /// The permission's name, `list_agents` for one.
    pub action: String,
    /// The agents, by their paths.
    pub resources: Names,
}

impl AgentRule {
    /// Whether the action is one that agents know; any other means nothing.
    pub fn is_about_agents(&self) -> bool {
        AGENT_PERMISSIONS.contains(&self.action.as_str())
    }
}

/// What whoever holds a scope may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// What it is for, in words.
    pub description: String,
    /// Permissions in the registry: for each, the services or agents it is for.
    pub ui: BTreeMap<String, Names>,
    /// Rules for servers.
    pub rules: Vec<Rule>,
    /// Rules for agents.
    pub agents: Vec<AgentRule>,
}

impl Scope {
    /// Take in a list of rules, as it stands under a scope's name.
    pub(super) fn read_rules(&mut self, value: &Value, place: &str) -> Result<(), InvalidScope> {
        let Value::Array(rows) = value else {
            return Err(fault(place, "expected a list of rules"));
        };
        for (index, row) in rows.iter().enumerate() {
            self.read_rule(row, &format!("{place}[{index}]"))?;
        }
        Ok(())
    }

    fn read_rule(&mut self, row: &Value, place: &str) -> Result<(), InvalidScope> {
        let row = mapping(row, place)?;
        let known = ["server", "methods", "tools", "agents"];
        if let Some(unknown) = row.keys().find(|key| !known.contains(&key.as_str())) {
            let words = format!("unknown key `{unknown}`; expected server, methods, tools or agents");
            return Err(fault(place, words));
        }
        if let Some(agents) = row.get("agents") {
            self.read_agents(agents, &format!("{place}.agents"))?;
            if !row.contains_key("server") {
                return Ok(());
            }
        }
        let server = match row.get("server") {
            Some(Value::String(name)) if !name.trim_matches('/').is_empty() => name.trim_matches('/'),
            _ => return Err(fault(place, "expected `server` to be a server's name or `*`")),
        };
        self.rules.push(Rule {
            server: Some(server.to_owned()).filter(|name| name != "*" && name != "all"),
            methods: optional_names(row, "methods", place)?,
            tools: optional_names(row, "tools", place)?,
        });
        Ok(())
    }

    fn read_agents(&mut self, value: &Value, place: &str) -> Result<(), InvalidScope> {
        let place = format!("{place}.actions");
        let actions = value.get("actions").and_then(Value::as_array);
        let actions = actions.ok_or_else(|| fault(&place, "expected a list of actions"))?;
        for (index, row) in actions.iter().enumerate() {
            let place = format!("{place}[{index}]");
            let row = mapping(row, &place)?;
            let action = row.get("action").and_then(Value::as_str);
            let action =
                action.ok_or_else(|| fault(&place, "expected `action` to be a permission's name"))?;
            self.agents.push(AgentRule {
                action: action.to_owned(),
                resources: optional_names(row, "resources", &place)?,
            });
        }
        Ok(())
    }

    /// Take in the permissions in the registry.
    pub(super) fn read_permissions(&mut self, value: &Value, place: &str) -> Result<(), InvalidScope> {
        for (permission, names) in mapping(value, place)? {
            let names = Names::read(names, &format!("{place}.{permission}"))?;
            self.ui.insert(permission.clone(), names);
        }
        Ok(())
    }

    /// The rules for servers and agents, as a file or document lists them.
    pub fn rules_value(&self) -> Value {
        let mut rows: Vec<Value> = self.rules.iter().map(Rule::value).collect();
        let actions = self.agents.iter().map(|rule| {
            let resources = rule.resources.listed("all");
            json!({"action": rule.action, "resources": resources})
        });
        let actions: Vec<Value> = actions.collect();
        if !actions.is_empty() {
            rows.push(json!({"agents": {"actions": actions}}));
        }
        Value::Array(rows)
    }

    /// The permissions in the registry, as a file or document lists them.
    pub fn permissions_value(&self) -> Value {
        let rows = self.ui.iter();
        rows.map(|(permission, names)| (permission.clone(), json!(names.listed("all"))))
            .collect::<Map<_, _>>()
            .into()
    }
}

fn optional_names(row: &Map<String, Value>, key: &str, place: &str) -> Result<Names, InvalidScope> {
    match row.get(key) {
        None | Some(Value::Null) => Ok(Names::These(BTreeSet::new())),
        Some(value) => Names::read(value, &format!("{place}.{key}")),
    }
}

pub(super) fn mapping<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>, InvalidScope> {
    value
        .as_object()
        .ok_or_else(|| fault(place, "expected a mapping"))
}

pub(super) fn texts(value: &Value, place: &str) -> Result<Vec<String>, InvalidScope> {
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
