//! The texts that are compared: names split into words, views of a document, sentences of a question.
//!
//! Names of tools are identifiers (`get_stock_price`), so they are split before anything looks at them: a model and a
//! keyword index both know the words and not the compound. Descriptions of parameters are left out, their names are in;
//! both were measured to be better.

use std::collections::HashSet;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};
use serde_json::{Map, Value};

/// So much of a description is looked at; a model reads less.
const MOST_DESCRIPTION: usize = 8 * 1024;
/// So many parameters of a tool, tools of a server or fields of its metadata.
pub(super) const MOST_NAMES: usize = 256;
/// Sentences shorter than this say too little to look for alone.
const LEAST_SENTENCE: usize = 12;
/// So many sentences of one question.
const MOST_SENTENCES: usize = 12;

static STOP_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let words = stop_words::lookup("en").unwrap_or_default();
    words.iter().copied().collect()
});

/// Words with which people ask and which say nothing of what they ask for. In a document they stay: a tool may be called
/// `help`.
const ASKING: [&str; 27] = [
    "cannot", "could", "give", "hello", "help", "helps", "hey", "hi", "know", "let", "like", "looking",
    "may", "might", "must", "need", "needs", "please", "provide", "shall", "tell", "thank", "thanks", "want",
    "wanted", "wants", "would",
];

/// What is compared of one document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// Its names, for the model.
    pub name: String,
    /// All that it says, for the model.
    pub full: String,
    /// The stems of its words with a space between them, for the keyword index.
    pub words: String,
}

impl Texts {
    /// Of a tool. A server's name is left out when the tool has the same.
    pub fn of_tool(server: &str, name: &str, definition: &Map<String, Value>) -> Self {
        let text = |key: &str| definition.get(key).and_then(Value::as_str).unwrap_or_default();
        let description = cut(text("description"));
        let parameters = definition
            .get("inputSchema")
            .and_then(|schema| schema.get("properties"));
        let parameters = parameters.and_then(Value::as_object).into_iter().flatten();
        let parameters: Vec<String> = parameters.take(MOST_NAMES).map(|(name, _)| split(name)).collect();
        let own = split(name);
        let server = if server == name {
            String::new()
        } else {
            split(server)
        };
        let title = [server.as_str(), own.as_str()].join(" ").trim().to_owned();
        let mut full = format!("{title}: {description}");
        if !parameters.is_empty() {
            full.push_str(" Parameters: ");
            full.push_str(&parameters.join(", "));
        }
        let words = [
            server,
            own.clone(),
            own,
            description.to_owned(),
            parameters.join(" "),
        ];
        Self {
            name: title,
            full,
            words: tokens(&words.join(" ")).join(" "),
        }
    }

    /// Of a server: its tags, its metadata as `key: value`, and those of its tools that everybody who reads this may know.
    pub fn of_server(
        name: &str,
        description: &str,
        tags: &[String],
        metadata: &[(String, String)],
        tools: &[&str],
    ) -> Self {
        let title = split(name);
        let description = cut(description);
        let mut full = format!("{title}: {description}");
        let mut add = |word: &str, list: String| {
            if !list.is_empty() {
                full.push(' ');
                full.push_str(word);
                full.push_str(&list);
            }
        };
        let pairs = metadata.iter().map(|(key, value)| format!("{key}: {value}"));
        let pairs = pairs.collect::<Vec<_>>().join(", ");
        let tools = tools.iter().take(MOST_NAMES).map(|tool| split(tool));
        let tools = tools.collect::<Vec<_>>().join(", ");
        add("Tags: ", tags.join(", "));
        add("", pairs.clone());
        add("Tools: ", tools.clone());
        let words = [
            title.clone(),
            title.clone(),
            description.to_owned(),
            tags.join(" "),
            pairs,
            tools,
        ];
        Self {
            name: title,
            full,
            words: tokens(&words.join(" ")).join(" "),
        }
    }
}

fn cut(text: &str) -> &str {
    let end = text
        .char_indices()
        .nth(MOST_DESCRIPTION)
        .map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}

/// A name as words: `getStockPrice`, `get_stock_price` and `get-stock-price` are `get Stock Price`.
pub fn split(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    let mut after_small = false;
    for c in name.chars() {
        let parts = matches!(c, '_' | '-' | '/' | '.' | ':' | '@') || c.is_whitespace();
        let begins = parts || (after_small && c.is_uppercase());
        if begins && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
        if !parts {
            words.push(c);
        }
        after_small = c.is_lowercase() || c.is_numeric();
    }
    words.truncate(words.trim_end().len());
    words
}

/// The stems of a document's words, without those that every text has.
pub fn tokens(text: &str) -> Vec<String> {
    stems(&words(text))
}

/// The stems of a question's words, each once: who says a word twice does not want it twice as much. Without the words of
/// asking, if there are others.
pub fn asked(text: &str) -> Vec<String> {
    let mut words = words(text);
    if words.iter().any(|word| !ASKING.contains(&word.as_str())) {
        words.retain(|word| !ASKING.contains(&word.as_str()));
    }
    let mut seen = HashSet::new();
    let mut stems = stems(&words);
    stems.retain(|stem| seen.insert(stem.clone()));
    stems
}

fn stems(words: &[String]) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    words.iter().map(|word| stemmer.stem(word).into_owned()).collect()
}

/// Lower case, without stop words. Han, kana and hangul have no spaces between words, so each sign is one.
fn words(text: &str) -> Vec<String> {
    let lower = split(text).to_lowercase();
    let mut words = Vec::new();
    for run in lower.split(|c: char| !c.is_alphanumeric()) {
        let mut rest = run;
        while let Some((at, sign)) = rest.char_indices().find(|(_, c)| is_a_word(*c)) {
            let (before, from) = rest.split_at(at);
            let (sign, behind) = from.split_at(sign.len_utf8());
            words.push(before);
            words.push(sign);
            rest = behind;
        }
        words.push(rest);
    }
    let words = words
        .into_iter()
        .filter(|word| !word.is_empty() && !STOP_WORDS.contains(word));
    words.map(str::to_owned).collect()
}

fn is_a_word(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff)
}

/// The sentences of a question, if it has several: after `.`, `!`, `?` and `;`, at line ends, at `, and ` and `; then`.
pub fn sentences(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let joins = |six: &str| six.eq_ignore_ascii_case(", and ");
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        let ends =
            matches!(c, '.' | '!' | '?' | ';') && behind.chars().next().is_none_or(char::is_whitespace);
        if rest.get(..6).is_some_and(joins) {
            parts.push(String::new());
            rest = rest.get(6..).unwrap_or_default();
            continue;
        }
        if let Some(part) = parts.last_mut().filter(|_| c != '\n') {
            part.push(c);
        }
        if ends || c == '\n' {
            parts.push(String::new());
        }
        rest = behind;
    }
    let mut parts: Vec<String> = parts
        .iter()
        .map(|part| part.trim().trim_end_matches(';'))
        .map(|part| part.strip_prefix("then ").unwrap_or(part).trim().to_owned())
        .filter(|part| part.chars().count() > LEAST_SENTENCE)
        .collect();
    parts.truncate(MOST_SENTENCES);
    if parts.len() < 2 {
        parts.clear();
    }
    parts
}

/// Which share of the words of a question a document has, 0 to 1. It depends on nothing but the two.
pub fn coverage(asked: &[String], words: &str) -> f32 {
    let asked: HashSet<&str> = asked.iter().map(String::as_str).collect();
    if asked.is_empty() {
        return 0.0;
    }
    let has: HashSet<&str> = words.split(' ').collect();
    let found = asked.iter().filter(|word| has.contains(*word)).count();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a question has at most some hundred words"
    )]
    let share = found as f32 / asked.len() as f32;
    share
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_split_into_words() {
        for (name, words) in [
            ("get_stock_price", "get stock price"),
            ("getStockPrice", "get Stock Price"),
            ("acme/Search-v2.all:x@y", "acme Search v2 all x y"),
            ("HTTPServer", "HTTPServer"),
            ("__a__", "a"),
            ("", ""),
        ] {
            assert_eq!(split(name), words);
        }
    }

    #[test]
    fn a_tool_is_its_names_its_description_and_its_parameters() {
        let definition = json!({"name": "get_stock_price", "description": "The price of a share.",
            "inputSchema": {"type": "object", "properties": {"tickerSymbol": {"description": "secret"}, "day": {}}}});
        let definition = definition.as_object().unwrap();
        let texts = Texts::of_tool("fin-info", "get_stock_price", definition);
        assert_eq!(texts.name, "fin info get stock price");
        assert_eq!(
            texts.full,
            "fin info get stock price: The price of a share. Parameters: day, ticker Symbol"
        );
        assert_eq!(
            texts.words,
            "fin info get stock price get stock price price share day ticker symbol"
        );
        let same = Texts::of_tool("copilot", "copilot", &Map::new());
        assert_eq!((same.name.as_str(), same.full.as_str()), ("copilot", "copilot: "));
    }

    #[test]
    fn words_are_stemmed_and_those_of_every_text_are_left_out() {
        assert_eq!(tokens("What is the pricing of shares?"), ["price", "share"]);
        assert_eq!(tokens("使用 Bing搜索"), ["使", "用", "bing", "搜", "索"]);
        assert!(tokens("the of and").is_empty());
    }

    #[test]
    fn a_question_is_what_it_asks_for() {
        assert_eq!(
            asked("Hi! Could you please help me? I would like the price of shares, the pricing of shares."),
            ["price", "share"]
        );
        assert_eq!(asked("help, please"), ["help", "pleas"]);
        assert!(tokens("Could you help me?").contains(&"help".to_owned()));
    }

    #[test]
    fn a_long_question_is_also_its_sentences() {
        let text = "Find flights to Rome. Then book a hotel near it, and tell me about the weather!\nVersion 3.5 only";
        assert_eq!(
            sentences(text),
            [
                "Find flights to Rome.",
                "Then book a hotel near it",
                "tell me about the weather!",
                "Version 3.5 only"
            ]
        );
        assert!(sentences("What is the weather in Paris?").is_empty());
        assert!(sentences("Hello. What is the weather in Paris?").is_empty());
        let long = "This is a sentence. ".repeat(40);
        assert_eq!(sentences(&long).len(), MOST_SENTENCES);
        sentences(", andé, and ü; then x, an");
    }

    #[test]
    fn coverage_is_the_share_of_the_words_asked_for() {
        let asked = tokens("stock price of apples");
        assert!((coverage(&asked, "stock price share") - 2.0 / 3.0).abs() < 1e-6);
        assert!(coverage(&[], "x").abs() < 1e-6);
    }
}
