//! The lists in a server's answers, cut down to what a caller may see.
//!
//! An answer is known for a list by what its result holds, not by its request: on a legacy stream, and on one that is
//! taken up again, answers come apart from their requests. Entries stay byte for byte as they came, in the order of
//! their names, because the caches of language models depend on a stable order.
//!
//! **Invariants:** an entry that cannot be read is left out; an answer that cannot be read is not passed on.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::message::{same_folded, too_deep};

/// An answer that is not JSON, or not the same to every reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be read")]
pub struct Unreadable;

/// Which entries of which list stay: the list's key in the result and the entry's own text.
pub trait Sieve {
    /// The field that names an entry of the list that stands under `key`; `None` when nothing is to be cut from it.
    fn name_field(&self, key: &str) -> Option<&'static str>;
    /// Whether a list's key is `like` this: one that only looks like a list's is not passed on.
    fn has_key(&self, like: &dyn Fn(&str) -> bool) -> bool;
    /// Whether the entry named so stays.
    fn keeps(&self, key: &str, name: &str) -> bool;
}

/// The longest time a client may keep a cut list, in milliseconds: rights change.
const MOST_TTL_MS: u64 = 300_000;

/// Cut the lists of one JSON-RPC message; `None` when there is nothing to cut.
pub fn sift(message: &[u8], sieve: &dyn Sieve) -> Result<Option<String>, Unreadable> {
    let text = std::str::from_utf8(message).map_err(|_| Unreadable)?;
    if too_deep(message) {
        return Err(Unreadable);
    }
    if !text.trim_start().starts_with('[') {
        return sift_message(text, sieve);
    }
    // A batch of an earlier revision (2025-03-26) may hold several answers; batches do not nest.
    let messages: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Unreadable)?;
    let mut changed = false;
    let mut all = Vec::with_capacity(messages.len());
    for message in messages {
        let new = sift_message(message.get(), sieve)?;
        changed |= new.is_some();
        all.push(new.unwrap_or_else(|| message.get().to_owned()));
    }
    Ok(changed.then(|| format!("[{}]", all.join(","))))
}

fn sift_message(text: &str, sieve: &dyn Sieve) -> Result<Option<String>, Unreadable> {
    let Members(members) = serde_json::from_str(text).map_err(|_| Unreadable)?;
    let mut changed = false;
    let mut out = Object::default();
    for (key, value) in &members {
        if key != "result" && same_folded(key, "result") {
            return Err(Unreadable);
        }
        let cut = if key == "result" {
            sift_result(value, sieve)?
        } else {
            None
        };
        changed |= cut.is_some();
        out.member(key, cut.as_deref().unwrap_or(value.get()));
    }
    Ok(changed.then(|| out.end()))
}

fn sift_result(result: &RawValue, sieve: &dyn Sieve) -> Result<Option<String>, Unreadable> {
    if !result.get().starts_with('{') {
        return Ok(None);
    }
    let Members(members) = serde_json::from_str(result.get()).map_err(|_| Unreadable)?;
    let disguised = |key: &str| sieve.has_key(&|known| known != key && same_folded(key, known));
    if members.iter().any(|(key, _)| disguised(key)) {
        return Err(Unreadable);
    }
    let is_list = |key: &str| sieve.name_field(key).is_some();
    if !members.iter().any(|(key, _)| is_list(key)) {
        return Ok(None);
    }
    let mut out = Object::default();
    for (key, value) in &members {
        match (key.as_ref(), sieve.name_field(key)) {
            (_, Some(field)) => out.member(key, &sift_list(key, value, field, sieve)),
            // What one caller may see is not for another's cache (MCP 2026-07-28, caching).
            ("cacheScope", None) => out.member(key, "\"private\""),
            ("ttlMs", None) => {
                let ttl: u64 = value.get().parse().unwrap_or_default();
                out.member(key, &ttl.min(MOST_TTL_MS).to_string());
            }
            _ => out.member(key, value.get()),
        }
    }
    Ok(Some(out.end()))
}

fn sift_list(key: &str, list: &RawValue, field: &str, sieve: &dyn Sieve) -> String {
    let entries: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
    let mut kept: Vec<(String, &str)> = entries
        .into_iter()
        .filter_map(|entry| Some((name_of(entry, field)?, entry.get())))
        .filter(|(name, _)| sieve.keeps(key, name))
        .collect();
    kept.sort_by(|(a, _), (b, _)| a.cmp(b));
    let kept: Vec<&str> = kept.into_iter().map(|(_, entry)| entry).collect();
    format!("[{}]", kept.join(","))
}

/// An entry's name, if it has one and only one.
fn name_of(entry: &RawValue, field: &str) -> Option<String> {
    let Members(members) = serde_json::from_str(entry.get()).ok()?;
    let mut names = members.iter().filter(|(key, _)| same_folded(key, field));
    match (names.next(), names.next()) {
        (Some((key, name)), None) if key == field => serde_json::from_str(name.get()).ok(),
        _ => None,
    }
}

/// An object's members in their order, with their own texts.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(key) = map.next_key::<String>()? {
                    members.push((Cow::Owned(key), map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// An object being written.
#[derive(Default)]
struct Object(String);

impl Object {
    fn member(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::Value::from(key).to_string());
        self.0.push(':');
        self.0.push_str(value);
    }

    fn end(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Only(&'static [&'static str]);

    impl Sieve for Only {
        fn name_field(&self, key: &str) -> Option<&'static str> {
            (key == "tools").then_some("name")
        }

        fn has_key(&self, like: &dyn Fn(&str) -> bool) -> bool {
            like("tools")
        }

        fn keeps(&self, _: &str, name: &str) -> bool {
            self.0.contains(&name)
        }
    }

    fn sifted(message: &str) -> Option<String> {
        sift(message.as_bytes(), &Only(&["a", "b"])).unwrap()
    }

    #[test]
    fn only_what_may_be_used_stays_and_stays_as_it_was() {
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"b","x":1.0e0,"z":0,"y":1},{"name":"c"},
            {"x":1},{"name":"a"},7,{"name":"a","name":"c"},{"n\u0061me":"b","k":1}],"nextCursor":"q","ttlMs":9999999,"cacheScope":"public"}}"#;
        assert_eq!(
            sifted(answer).unwrap(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b","x":1.0e0,"z":0,"y":1},{"n\u0061me":"b","k":1}],"nextCursor":"q","ttlMs":300000,"cacheScope":"private"}}"#
        );
    }

    #[test]
    fn a_list_that_hides_is_found() {
        for hidden in [
            r#"{"result":{"tools":[{"name":"c"}],"tools":[{"name":"c"}]}}"#,
            r#"{"result":{"t\u006fols":[{"name":"c"}]}}"#,
            r#"{"result":{"tools":{"name":"c"}}}"#,
            r#"{"result":{},"result":{"tools":[{"name":"c"}]}}"#,
            r#"[{"result":{"tools":[{"name":"c"}]}}]"#,
        ] {
            assert!(!sifted(hidden).unwrap().contains("\"c\""), "{hidden}");
        }
    }

    #[test]
    fn what_is_no_list_is_left_alone() {
        for other in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"tools":[{"name":"c"}]}]}}"#,
            r#"{"method":"notifications/tools/list_changed"}"#,
            r#"{"result":null}"#,
            "{}",
        ] {
            assert_eq!(sifted(other), None, "{other}");
        }
    }

    #[test]
    fn what_not_every_reader_reads_the_same_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for odd in [
            "tools",
            r#"{"result":{}} x"#,
            r#"{"Result":{"tools":[{"name":"c"}]}}"#,
            r#"{"result":{"Tools":[{"name":"c"}]}}"#,
            r#"{"result":{"\ud800":1,"tools":[{"name":"c"}]}}"#,
            r#"{"result":{"tools":[{"name":"c","x":NaN}]}}"#,
            r#"[[{"result":{"tools":[{"name":"c"}]}}]]"#,
            deep.as_str(),
        ] {
            assert_eq!(sift(odd.as_bytes(), &Only(&[])), Err(Unreadable), "{odd:.80}");
        }
        let entry = r#"{"result":{"tools":[{"name":"a","Name":"c"}]}}"#;
        assert_eq!(sifted(entry).unwrap(), r#"{"result":{"tools":[]}}"#);
    }
}
