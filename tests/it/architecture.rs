//! The floors of the house, held against `src/`. Needs only `std`, so that it also runs by `rustc --test` before
//! anything is built.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each part, its floor, and whether its members are strangers to the other parts of that floor.
const FLOORS: &[(&str, u8)] = &[
    ("clock", 0),
    ("domain", 0),
    ("telemetry", 1),
    ("store", 1),
    ("nginx", 1),
    ("token", 1),
    ("mcp", 1),
    ("watch", 1),
    ("demo", 1),
    ("ec2", 1),
    ("idp", 1),
    ("embed", 1),
    ("index", 1),
    ("service", 2),
    ("web", 3),
    ("config", 4),
    ("app", 4),
    ("cli", 5),
];

/// Names across one floor that are argued for. Assembly reads the settings; `domain` tells times by the clock's type.
const ACROSS: &[(&str, &str)] = &[("app", "config"), ("domain", "clock")];

/// Parts that may not be named from above although they are lower: the face does not reach the drivers.
const FORBIDDEN: &[(&str, &[&str])] = &[(
    "web",
    &[
        "store", "nginx", "token", "mcp", "watch", "demo", "ec2", "idp", "embed", "index",
    ],
)];

/// Use cases are strangers, but for the one that says who is asking, the one whose orders are carried, the headers that
/// say so, and what the call log counts.
const BETWEEN_USE_CASES: &[(&str, &str)] = &[
    ("advertised", "refusal"),
    ("call_log", "permits"),
    ("call_log", "unsaid"),
    ("callers", "bearers"),
    ("gate", "advertised"),
    ("gate", "catalog"),
    ("feed", "monitor"),
    ("check", "catalog"),
    ("indexing", "embedding"),
    ("invoke", "catalog"),
    ("invoke", "permit"),
    ("monitor", "catalog"),
    ("monitor", "check"),
    ("monitor", "results"),
    ("monitor", "states"),
    ("monitor", "schedule"),
    ("relay", "catalog"),
    ("search", "catalog"),
    ("search", "indexing"),
    ("search", "sight"),
    ("sieve", "catalog"),
    ("sight", "catalog"),
    ("sight", "indexing"),
    ("gate", "callers"),
    ("gate", "endpoints"),
    ("gate", "mcp_sessions"),
    ("gate", "permit"),
    ("gate", "permits"),
    ("gate", "question"),
    ("gate", "reading"),
    ("gate", "refusal"),
    ("gate", "until"),
    ("gate", "wording"),
    ("permit", "callers"),
    ("reading", "refusal"),
    ("refusal", "callers"),
    ("renewal", "callers"),
    ("renewal", "sign_in"),
    ("renewal", "tokens"),
    ("relay", "endpoints"),
    ("relay", "gate"),
    ("relay", "mcp_sessions"),
    ("relay", "permit"),
    ("relay", "reading"),
    ("relay", "sieve"),
    ("relay", "stream"),
    ("stream", "endpoints"),
    ("stream", "sieve"),
    ("stream", "until"),
    ("tokens", "vending"),
    ("usage", "call_log"),
    ("usage", "permits"),
    ("wording", "permits"),
    ("wording", "question"),
];

const MOST_LINES: usize = 400;
/// Tables, which are as long as what they list: every setting has its row in one place.
const TABLES: &[&str] = &["config/keys.rs"];

fn root() -> PathBuf {
    option_env!("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every file of `src` with its text, by its path below `src`.
fn sources() -> BTreeMap<String, String> {
    let src = root().join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    let name = |path: &PathBuf| path.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
    found
        .iter()
        .map(|path| (name(path), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The text without comments and without unit tests, which stand at the end.
fn code(text: &str) -> String {
    let before_tests = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let uncommented = before_tests
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    uncommented.collect::<Vec<_>>().join("\n")
}

/// The parts that a text names as `crate::part`, also in `use crate::{a, b}`.
fn named_parts(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let word = |text: &str| {
            text.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect::<String>()
        };
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap();
                names.extend(group.split(',').map(|part| word(part.trim())));
            }
            None => names.push(word(rest)),
        }
    }
    names.retain(|name| !name.is_empty() && name != "self");
    names
}

fn part_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

fn floor(part: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(name, _)| *name == part)
        .map(|(_, floor)| *floor)
}

#[test]
fn names_point_down_and_drivers_are_strangers() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        let part = part_of(&file);
        if matches!(part, "main" | "lib") {
            continue;
        }
        let Some(own) = floor(part) else {
            faults.push(format!("{file}: `{part}` has no floor"));
            continue;
        };
        for named in named_parts(&code(&text)) {
            let Some(theirs) = floor(&named) else { continue };
            let argued = ACROSS.contains(&(part, named.as_str()));
            let forbidden = FORBIDDEN
                .iter()
                .any(|(who, what)| *who == part && what.contains(&named.as_str()));
            if named != part && ((theirs >= own && !argued) || forbidden) {
                faults.push(format!("{file} (floor {own}) names `{named}` (floor {theirs})"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn use_cases_are_strangers() {
    let mut faults = Vec::new();
    for (file, text) in sources()
        .into_iter()
        .filter(|(file, _)| file.starts_with("service/"))
    {
        let own = file
            .trim_start_matches("service/")
            .trim_end_matches(".rs")
            .to_owned();
        let code = code(&text);
        let ours = code
            .split("super::")
            .skip(1)
            .chain(code.split("crate::service::").skip(1));
        for rest in ours {
            let named: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let is_use_case = root().join("src/service").join(format!("{named}.rs")).is_file();
            if is_use_case && named != own && !BETWEEN_USE_CASES.contains(&(own.as_str(), named.as_str())) {
                faults.push(format!("{file} names the use case `{named}`"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_file_says_what_it_is_and_is_one_idea() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//!") {
            faults.push(format!("{file} does not begin with `//!`"));
        }
        let lines = code(&text).lines().filter(|line| !line.trim().is_empty()).count();
        if lines > MOST_LINES && !TABLES.contains(&file.as_str()) {
            faults.push(format!(
                "{file} has {lines} lines of code; {MOST_LINES} is the stop"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_is_called_by_a_name_that_says_nothing() {
    let empty = ["utils", "helpers", "common", "manager", "handler", "types"];
    for file in sources().keys() {
        let words: Vec<&str> = file.split(['/', '.']).collect();
        assert!(!words.iter().any(|word| empty.contains(word)), "{file}");
    }
}

#[test]
fn every_setting_of_the_environment_is_read_in_one_place() {
    let readers: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| code(text).contains("env::var"))
        .map(|(file, _)| file)
        .collect();
    assert!(
        readers.iter().all(|file| part_of(file) == "config"),
        "{readers:?}"
    );
}
