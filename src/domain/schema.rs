//! Arguments against a tool's JSON Schema (drafts 4 to 2020-12), in words for whoever wrote them.
//!
//! Schemas come from strangers: patterns run in linear time, and nothing is fetched that a schema refers to.

use jsonschema::PatternOptions;
use serde_json::{Map, Value};

/// So many faults are named.
const MOST_FAULTS: usize = 5;
/// And so much is said of each.
const MOST_WORDS: usize = 300;

/// The schema itself cannot be read, so nothing can be held against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tool's schema cannot be read")]
pub struct Unreadable;

/// What is wrong with these arguments; nothing, when they fit.
pub fn faults(
    schema: &Map<String, Value>,
    arguments: &Map<String, Value>,
) -> Result<Vec<String>, Unreadable> {
    let schema = Value::Object(schema.clone());
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    let validator = options.build(&schema).map_err(|_| Unreadable)?;
    let arguments = Value::Object(arguments.clone());
    let found = validator.iter_errors(&arguments).take(MOST_FAULTS).map(|error| {
        let place = error.instance_path().to_string();
        let words: String = error.to_string().chars().take(MOST_WORDS).collect();
        match place.trim_start_matches('/') {
            "" => words,
            place => format!("`{place}`: {words}"),
        }
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(schema: &Value, arguments: &Value) -> Result<Vec<String>, Unreadable> {
        faults(schema.as_object().unwrap(), arguments.as_object().unwrap())
    }

    #[test]
    fn each_fault_names_its_place() {
        let schema = json!({
            "type": "object",
            "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}, "days": {"$ref": "#/$defs/days"}},
            "required": ["city"],
            "$defs": {"days": {"type": "integer", "maximum": 7}},
        });
        assert_eq!(of(&schema, &json!({"city": "Bonn", "days": 3})), Ok(vec![]));
        let faults = of(&schema, &json!({"days": 9})).unwrap();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults.iter().any(|fault| fault.starts_with("`days`: 9")));
        assert!(
            faults
                .iter()
                .any(|fault| fault.contains("\"city\" is a required"))
        );
        assert!(of(&schema, &json!({"city": "bonn"})).unwrap()[0].starts_with("`city`"));
    }

    #[test]
    fn nothing_is_fetched_and_nothing_runs_for_long() {
        let elsewhere = json!({"$ref": "http://127.0.0.1:1/schema.json"});
        assert_eq!(of(&elsewhere, &json!({})), Err(Unreadable));
        assert_eq!(of(&json!({"type": 7}), &json!({})), Err(Unreadable));
        let slow = json!({"properties": {"a": {"pattern": "^(a+)+$"}}});
        let word = format!("{}b", "a".repeat(50_000));
        assert_eq!(of(&slow, &json!({"a": word})).unwrap().len(), 1);
    }
}
