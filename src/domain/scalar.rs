//! Numbers, switches and lists of names as clients write them: forms send texts, and some languages write every number with a point.

use serde_json::Value;

/// A whole number: `5`, `5.0` or `"5"`.
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| exact(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A switch: `true`, `"true"`, `"on"`, `"1"` or `"yes"`, and their opposites.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "1" | "yes" => Some(true),
            "false" | "off" | "0" | "no" => Some(false),
            _ => None,
        },
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Names with commas between them; blanks around them and empty ones are nothing.
pub fn names(text: &str) -> impl Iterator<Item = String> + '_ {
    let names = text.split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The whole number that this is exactly. Beyond 2^53 a float says no number exactly.
fn exact(float: f64) -> Option<i64> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    let is_whole = float.fract() == 0.0 && float.abs() <= MOST;
    // Through its text, which is exact here: there is no conversion that would say when it cuts.
    is_whole.then(|| format!("{float:.0}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_come_in_three_forms() {
        let rows = [
            (json!(5), Some(5)),
            (json!(5.0), Some(5)),
            (json!(-3.0), Some(-3)),
            (json!(0.0), Some(0)),
            (json!(-0.0), Some(0)),
            (json!(" 10 "), Some(10)),
            (json!(5.5), None),
            (json!(1e300), None),
            (json!("5.5"), None),
            (json!("many"), None),
            (json!(""), None),
            (json!(true), None),
            (json!([5]), None),
            (Value::Null, None),
        ];
        for (value, expected) in rows {
            assert_eq!(whole(&value), expected, "{value}");
        }
    }

    #[test]
    fn switches_come_as_words_too() {
        let rows = [
            (json!(true), Some(true)),
            (json!("on"), Some(true)),
            (json!(" True "), Some(true)),
            (json!("0"), Some(false)),
            (json!("no"), Some(false)),
            (json!(1), None),
            (json!("perhaps"), None),
            (json!(""), None),
        ];
        for (value, expected) in rows {
            assert_eq!(flag(&value), expected, "{value}");
        }
    }
}
