//! A scope as one JSON document: how requests bring it, and how the store keeps it (contract, section 5.2).
//!
//! The file says for each group which scopes it has; a document says for one scope which groups have it. So a document
//! is all there is to know of its name.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::FieldFault;
use super::identity::check_in_address;
use super::policy::RESERVED;
use super::scope::{InvalidScope, Scope, fault, texts};

/// A scope, its name, and the groups that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeDocument {
    /// The scope's name.
    pub name: String,
    /// Groups that have it.
    pub groups: BTreeSet<String>,
    /// What it allows.
    pub scope: Scope,
}

/// What the store says of a scope's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredScope {
    /// The name.
    pub name: String,
    /// What it is instead of what the file says; none hides the name.
    pub document: Option<ScopeDocument>,
}

/// A change of what the store says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeChange {
    /// It says this from now on.
    Put(ScopeDocument),
    /// It hides what the file says.
    Hide(String),
    /// It says nothing: the file counts again.
    Reset(String),
}

impl ScopeChange {
    /// The scope's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Put(document) => &document.name,
            Self::Hide(name) | Self::Reset(name) => name,
        }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    scope_name: &'a str,
    description: &'a str,
    group_mappings: &'a BTreeSet<String>,
    server_access: Value,
    ui_permissions: Value,
}

/// What a document may say; the rest are notes of other systems.
const KNOWN: &[&str] = &[
    "scope_name",
    "description",
    "group_mappings",
    "server_access",
    "ui_permissions",
    "_id",
    "group_name",
    "create_in_idp",
    "created_at",
    "updated_at",
    "source",
    "overrides_file",
    "scopes",
    "csrf_token",
];

impl ScopeDocument {
    /// Read what somebody brings; every fault by its field.
    pub fn read(fields: &Map<String, Value>) -> Result<Self, Vec<FieldFault>> {
        let mut faults = Vec::new();
        for unknown in fields.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
            faults.push(FieldFault::new(unknown, "a scope document has no such field"));
        }
        let name = fields.get("scope_name").or_else(|| fields.get("group_name"));
        let name = name.and_then(Value::as_str).unwrap_or_default();
        if let Err(words) = check_scope_name(name) {
            faults.push(FieldFault::new("scope_name", words));
        }
        let document = match Self::of(name, fields) {
            Ok(document) => document,
            Err(found) => {
                faults.extend(found);
                return Err(faults);
            }
        };
        for group in &document.groups {
            if let Err(words) = super::identity::check_name(group) {
                faults.push(FieldFault::new("group_mappings", format!("`{group}`: {words}")));
            }
        }
        if faults.is_empty() {
            Ok(document)
        } else {
            Err(faults)
        }
    }

    /// Read what is said of a name that is known already; the scopes file may give any.
    pub fn of(name: &str, fields: &Map<String, Value>) -> Result<Self, Vec<FieldFault>> {
        let mut faults = Vec::new();
        let mut note = |outcome: Result<(), InvalidScope>| {
            if let Err(InvalidScope { place, reason }) = outcome {
                faults.push(FieldFault::new(&place, reason));
            }
        };
        let (mut scope, mut groups) = (Scope::default(), BTreeSet::new());
        match fields.get("description") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => text.clone_into(&mut scope.description),
            Some(_) => note(Err(fault("description", "expected a text"))),
        }
        if let Some(value) = given(fields, "group_mappings") {
            let read = texts(&value, "group_mappings").map(|names| groups.extend(names));
            note(read);
        }
        if let Some(value) = given(fields, "server_access") {
            note(scope.read_rules(&value, "server_access"));
        }
        if let Some(value) = given(fields, "ui_permissions") {
            note(scope.read_permissions(&value, "ui_permissions"));
        }
        if faults.is_empty() {
            let name = name.to_owned();
            Ok(Self { name, groups, scope })
        } else {
            Err(faults)
        }
    }

    /// As requests and answers show it.
    pub fn value(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("scope_name".to_owned(), json!(self.name));
        fields.insert("description".to_owned(), json!(self.scope.description));
        fields.insert("group_mappings".to_owned(), json!(self.groups));
        fields.insert("server_access".to_owned(), self.scope.rules_value());
        fields.insert("ui_permissions".to_owned(), self.scope.permissions_value());
        fields
    }

    /// The same as YAML, for people to edit: in the order in which people read it.
    pub fn to_yaml(&self) -> Result<String, InvalidScope> {
        let written = Written {
            scope_name: &self.name,
            description: &self.scope.description,
            group_mappings: &self.groups,
            server_access: self.scope.rules_value(),
            ui_permissions: self.scope.permissions_value(),
        };
        serde_saphyr::to_string(&written).map_err(|error| fault("the scope", error.to_string()))
    }
}

/// A field that says something; a form says lists as JSON text.
fn given(fields: &Map<String, Value>, field: &str) -> Option<Value> {
    match fields.get(field)? {
        Value::Null => None,
        Value::String(text) => Some(serde_json::from_str(text).unwrap_or_else(|_| json!(text))),
        other => Some(other.clone()),
    }
}

/// A name that a new scope may have: tokens list scopes separated by spaces, challenges quote them (RFC 6749 section 3.3).
pub fn check_scope_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 128 {
        return Err("it must have 1 to 128 characters");
    }
    let sayable = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    if !name.bytes().all(sayable) {
        return Err("it may hold printable ASCII only, without spaces, quotes and backslashes");
    }
    check_in_address(name)?;
    if RESERVED.contains(&name) {
        return Err("this name has a meaning of its own in the scopes file");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ScopeDocument, Vec<FieldFault>> {
        ScopeDocument::read(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_document_is_read_and_written_in_one_shape() {
        let text = r#"{"scope_name": "s/read", "description": "d", "group_mappings": ["g"], "create_in_idp": false,
            "server_access": [{"server": "x", "methods": ["all"], "tools": "*"},
                              {"agents": {"actions": [{"action": "list_agents", "resources": ["/a"]}]}}],
            "ui_permissions": {"list_service": ["x"]}}"#;
        let document = read(text).unwrap();
        assert_eq!(ScopeDocument::read(&document.value()).unwrap(), document);
        assert_eq!((document.scope.rules.len(), document.scope.agents.len()), (1, 1));
        // A form says the lists as text.
        let form = json!({"scope_name": "s", "server_access": r#"[{"server": "x"}]"#});
        let form = ScopeDocument::read(form.as_object().unwrap()).unwrap();
        assert_eq!(form.scope.rules.len(), 1);
    }

    #[test]
    fn every_fault_names_its_field() {
        let faults = [
            (r#"{"description": "d"}"#, "scope_name"),
            (r#"{"scope_name": "a b"}"#, "scope_name"),
            (r#"{"scope_name": "UI-Scopes"}"#, "scope_name"),
            (r#"{"scope_name": "s", "description": 1}"#, "description"),
            (r#"{"scope_name": "s", "group_mappings": "g"}"#, "group_mappings"),
            (
                r#"{"scope_name": "s", "group_mappings": [" g"]}"#,
                "group_mappings",
            ),
            (
                r#"{"scope_name": "s", "server_access": [{}]}"#,
                "server_access[0]",
            ),
            (
                r#"{"scope_name": "s", "ui_permissions": {"a": 1}}"#,
                "ui_permissions.a",
            ),
            (r#"{"scope_name": "s", "rules": []}"#, "rules"),
        ];
        for (text, field) in faults {
            let found = read(text).unwrap_err();
            assert_eq!(
                found.first().map(|fault| fault.field.as_str()),
                Some(field),
                "{text}"
            );
        }
    }
}
