//! From texts to ready values: each fault with its key and where it was written.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::raw::Raw;
use super::{Fault, NginxNeed};

/// Reads the layers, and gathers what is wrong.
pub(super) struct Reader {
    pub(super) raw: Raw,
    pub(super) faults: Vec<Fault>,
    pub(super) need: NginxNeed,
}

impl Reader {
    pub(super) fn fault(&mut self, key: &str, words: impl Into<String>) {
        let origin = self
            .raw
            .get(key)
            .map_or("not set", |written| written.origin.as_str())
            .to_owned();
        self.faults.push(Fault::new(key, &origin, words.into()));
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.raw
            .get(key)
            .map(|written| written.text.trim().to_owned())
            .filter(|text| !text.is_empty())
    }

    /// What stands between commas or spaces.
    pub(super) fn words(&self, key: &str) -> Vec<String> {
        let text = self.text(key).unwrap_or_default();
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    }

    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, expected: &str) -> Option<T> {
        let text = self.text(key)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fault(key, format!("`{text}` is not {expected}"));
        }
        parsed
    }

    pub(super) fn folder(&mut self, key: &str) -> Option<PathBuf> {
        let folder = PathBuf::from(self.text(key)?);
        if !folder.is_dir() {
            self.fault(key, format!("there is no folder `{}`", folder.display()));
        }
        Some(folder)
    }

    pub(super) fn file(&mut self, key: &str) -> Option<PathBuf> {
        let file = PathBuf::from(self.text(key)?);
        if !file.is_file() {
            self.fault(key, format!("there is no file `{}`", file.display()));
        }
        Some(file)
    }

    pub(super) fn name(&mut self, key: &str, default: &str) -> String {
        let name = self.text(key).unwrap_or_else(|| default.to_owned());
        if let Err(reason) = crate::domain::identity::check_name(&name) {
            self.fault(key, reason);
        }
        name
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.choice(
            key,
            &[("true", true), ("false", false), ("1", true), ("0", false)],
        )
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(&text))
            .map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.fault(key, format!("`{text}` is none of: {}", words.join(", ")));
        }
        found
    }

    pub(super) fn number(&mut self, key: &str, least: u64, most: u64) -> Option<u64> {
        let number: u64 = self.parsed(key, "a whole number")?;
        if !(least..=most).contains(&number) {
            self.fault(key, format!("`{number}` is not between {least} and {most}"));
        }
        Some(number)
    }

    pub(super) fn count(&mut self, key: &str, least: u64, most: u64) -> Option<usize> {
        self.number(key, least, most)
            .and_then(|n| usize::try_from(n).ok())
    }

    pub(super) fn seconds(&mut self, key: &str, default: u64, most: u64) -> Duration {
        Duration::from_secs(self.number(key, 1, most).unwrap_or(default))
    }

    pub(super) fn days(&mut self, key: &str, default: u64, most: u64) -> Duration {
        Duration::from_secs(86_400 * self.number(key, 1, most).unwrap_or(default))
    }
}
