//! Settings as written: flags over environment over file, each with where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use super::Fault;
use super::keys::{all, find};

/// A text and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) origin: String,
    pub(super) layer: Layer,
}

/// Where a setting may be written; later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    File,
    Environment,
    Flag,
}

/// Every key optional, as written.
#[derive(Clone, Default)]
pub(super) struct Raw(BTreeMap<&'static str, Written>);

impl Raw {
    /// Merge the layers; what cannot be a setting is a fault.
    pub(super) fn gather(
        flags: &[(String, String)],
        environment: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> (Self, Vec<Fault>) {
        let mut raw = Self::default();
        let mut faults = Vec::new();
        if let Some(file) = file {
            raw.read_file(file, &mut faults);
        }
        for key in all() {
            // An empty variable is how compose files say "not set".
            if let Some(text) = environment(key.variable).filter(|text| !text.is_empty()) {
                raw.0.insert(
                    key.name,
                    Written {
                        text,
                        origin: format!("the variable {}", key.variable),
                        layer: Layer::Environment,
                    },
                );
            }
        }
        for (name, text) in flags {
            let Some(key) = find(name) else { continue };
            let origin = format!("the flag --{}", key.name.replace('_', "-"));
            raw.0.insert(
                key.name,
                Written {
                    text: text.clone(),
                    origin,
                    layer: Layer::Flag,
                },
            );
        }
        (raw, faults)
    }

    fn read_file(&mut self, file: &Path, faults: &mut Vec<Fault>) {
        let origin = format!("the file {}", file.display());
        let table: Result<toml::Table, String> = std::fs::read_to_string(file)
            .map_err(|error| error.to_string())
            .and_then(|text| text.parse().map_err(|error: toml::de::Error| error.to_string()));
        let table = match table {
            Ok(table) => table,
            Err(words) => return faults.push(Fault::new("--config", &origin, words)),
        };
        for (name, value) in table {
            let Some(key) = find(&name) else {
                faults.push(Fault::new(&name, &origin, "there is no such setting".to_owned()));
                continue;
            };
            match text_of(&value) {
                Some(text) => drop(self.0.insert(
                    key.name,
                    Written {
                        text,
                        origin: origin.clone(),
                        layer: Layer::File,
                    },
                )),
                None => faults.push(Fault::new(
                    &name,
                    &origin,
                    "expected a text, a number, a bool or a list".to_owned(),
                )),
            }
        }
    }

    /// Where each setting was written.
    pub(super) fn origins(&self) -> BTreeMap<&'static str, String> {
        self.0
            .iter()
            .map(|(name, written)| (*name, written.origin.clone()))
            .collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Written> {
        self.0.get(name)
    }
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(rows) => {
            let rows: Option<Vec<String>> = rows.iter().map(text_of).collect();
            rows.map(|rows| rows.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
