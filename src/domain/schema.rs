//! Arguments against a tool's JSON Schema (drafts 4 to 2020-12), in words for whoever wrote them.
//!
//! Schemas come from strangers: patterns run in linear time, and nothing is fetched that a schema refers to.
//!
//! **Invariant:** no fault repeats a value that was given: whoever errs about a field may have put a secret there.

use jsonschema::PatternOptions;
use serde_json::{Map, Value};

/// So many faults are named.
const MOST_FAULTS: usize = 5;
/// And so much is said of each.
const MOST_WORDS: usize = 300;

/// What stands for a value that does not fit.
const VALUE: &str = "the value";

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
        let words: String = error
            .masked_with(VALUE)
            .to_string()
            .chars()
            .take(MOST_WORDS)
            .collect();
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
        assert!(
            faults
                .iter()
                .any(|fault| fault == "`days`: the value is greater than the maximum of 7")
        );
        assert!(
            faults
                .iter()
                .any(|fault| fault.contains("\"city\" is a required"))
        );
        assert!(of(&schema, &json!({"city": "bonn"})).unwrap()[0].starts_with("`city`"));
    }

    #[test]
    fn no_value_is_repeated() {
        let secret = json!({"key": "s3cret", "deep": {"token": "s3cret"}, "many": ["s3cret", "s3cret"]});
        let schemas = [
            json!({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({"oneOf": [{"required": ["a"]}, {"type": "array"}]}),
            json!({"not": {"required": ["key"]}}),
            json!({"maxProperties": 1}),
            json!({"additionalProperties": false}),
            json!({"properties": {"key": {"type": "integer"}}}),
            json!({"properties": {"key": {"enum": ["a", "b"]}, "deep": {"const": 1}}}),
            json!({"properties": {"key": {"pattern": "^a"}, "deep": false, "many": {"uniqueItems": true}}}),
            json!({"properties": {"key": {"maxLength": 2}, "many": {"contains": {"type": "null"}}}}),
            json!({"properties": {"key": {"format": "date"}, "deep": {"type": ["string", "null"]}}}),
        ];
        for schema in schemas {
            let faults = of(&schema, &secret).unwrap();
            assert!(!faults.is_empty(), "{schema}");
            assert!(faults.iter().all(|fault| !fault.contains("s3cret")), "{faults:?}");
        }
        let lacking = of(&json!({"required": ["city"]}), &secret).unwrap();
        assert_eq!(lacking, ["\"city\" is a required property"]);
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
