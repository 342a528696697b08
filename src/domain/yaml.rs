//! Texts in YAML that people write: scopes files, and single scopes on their page.

use serde_json::Value;
use serde_saphyr::{RenderOptions, SnippetMode, UserMessageFormatter};

/// The value of a text; else what is wrong with it in one line, with line and column.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        let mut options = RenderOptions::new(&UserMessageFormatter);
        options.snippets = SnippetMode::Off;
        error.render_with_options(options)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_its_place() {
        for (text, place) in [
            ("a: b: c", "line 1"),
            ("a: 1\nb: [", "line 2"),
            ("a: 1\na: 2", "line 2"),
        ] {
            let words = parse(text).unwrap_err();
            assert!(words.contains(place) && words.lines().count() == 1, "{words}");
            assert!(!words.contains("Options"), "the library's own words: {words}");
        }
    }
}
