//! What is asked: words, tags, exact terms, and how much of an answer is wanted.

use std::sync::Arc;

use super::text::{asked, sentences};
use crate::domain::FieldFault;

/// Characters of a question.
const MOST_CHARACTERS: usize = 512;
/// Answers at once, and without a wish.
const MOST: usize = 50;
const USUAL: i64 = 10;
/// Tags of one question, and the characters of one.
const MOST_TAGS: usize = 32;
const MOST_TAG: usize = 100;

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The words; none when only tags are asked for.
    pub text: Option<Text>,
    /// Every one of them must be there, in lower case.
    pub tags: Vec<String>,
    /// The longest list wanted.
    pub limit: usize,
    /// Whether servers are asked for.
    pub servers: bool,
    /// Whether tools are asked for.
    pub tools: bool,
    /// Tools only of the best so many servers.
    pub within: Option<usize>,
    /// Whether servers that are switched off count too, for whoever may switch them.
    pub include_disabled: bool,
}

/// Words that are looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The whole question, and its sentences if it has several.
    pub parts: Vec<Part>,
    /// What may stand letter by letter in metadata or among tags.
    pub terms: Vec<Term>,
}

/// A question or a sentence of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// As it was written.
    pub text: Arc<str>,
    /// The stems of its words, each once.
    pub words: Vec<String>,
}

/// Something that is looked for letter by letter, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// `team:finance-platform`.
    Pair(String, String),
    /// `bob@example.com`, `us-east-1`: a value of metadata, or a tag. A plain word is none, because it may mean anything.
    Value(String),
}

impl Query {
    /// Read a question. `#word` in the text is a tag.
    pub fn parse(text: &str, tags: &[String], limit: Option<i64>) -> Result<Self, FieldFault> {
        if text.chars().count() > MOST_CHARACTERS {
            let message = format!("expected at most {MOST_CHARACTERS} characters");
            return Err(FieldFault::new("query", message));
        }
        let limit = usize::try_from(limit.unwrap_or(USUAL)).unwrap_or(0);
        if !(1..=MOST).contains(&limit) {
            let message = format!("expected a whole number from 1 to {MOST}");
            return Err(FieldFault::new("max_results", message));
        }
        let (tagged, words): (Vec<&str>, Vec<&str>) = lines(text).partition(|word| hash_tag(word).is_some());
        let tagged = tagged.into_iter().filter_map(hash_tag).map(str::to_owned);
        let mut all: Vec<String> = tags
            .iter()
            .cloned()
            .chain(tagged)
            .map(|tag| tag.trim().trim_start_matches('#').to_lowercase())
            .filter(|tag| !tag.is_empty())
            .collect();
        all.sort();
        all.dedup();
        if all.len() > MOST_TAGS || all.iter().any(|tag| tag.chars().count() > MOST_TAG) {
            let message = format!("expected at most {MOST_TAGS} tags of at most {MOST_TAG} characters");
            return Err(FieldFault::new("tags", message));
        }
        let text = Text::new(&words.concat());
        if text.is_none() && all.is_empty() {
            let message = format!("expected 1 to {MOST_CHARACTERS} characters, or tags");
            return Err(FieldFault::new("query", message));
        }
        Ok(Self {
            text,
            tags: all,
            limit,
            servers: true,
            tools: true,
            within: None,
            include_disabled: false,
        })
    }
}

/// The words of a text, each with the spaces before it, so that line ends stay.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(|c: char| !c.is_whitespace())?;
        let end = rest.get(start..)?.find(char::is_whitespace);
        let end = end.map_or(rest.len(), |end| start + end);
        let (word, behind) = rest.split_at(end);
        rest = behind;
        Some(word)
    })
}

/// The tag that a word is: `#finance`. `#1` is a number, and `C#` a language.
fn hash_tag(word: &str) -> Option<&str> {
    let tag = word.trim().strip_prefix('#')?.trim_end_matches(PUNCTUATION);
    tag.starts_with(char::is_alphabetic).then_some(tag)
}

const PUNCTUATION: &[char] = &['.', ',', ';', ':', '!', '?', '"', '\'', '(', ')'];

impl Text {
    /// Of a question of any length; none without a word.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let whole = std::iter::once(text.to_owned());
        let parts = whole.chain(sentences(text)).map(|text| Part {
            words: asked(&text),
            text: text.into(),
        });
        let terms = text.split_whitespace().filter_map(Term::of);
        Some(Self {
            parts: parts.collect(),
            terms: terms.collect(),
        })
    }

    /// The words of the whole question.
    pub fn words(&self) -> &[String] {
        self.parts.first().map_or(&[], |whole| &whole.words)
    }
}

impl Term {
    fn of(word: &str) -> Option<Self> {
        let word = word.trim_matches(PUNCTUATION).to_lowercase();
        if let Some((key, value)) = word.split_once(':')
            && is_key(key)
            && !value.is_empty()
            && !value.starts_with("//")
        {
            return Some(Self::Pair(key.to_owned(), value.to_owned()));
        }
        let is_special = |c: char| !c.is_alphabetic();
        (word.chars().count() > 2 && word.contains(is_special)).then_some(Self::Value(word))
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, tags: &[&str], limit: Option<i64>) -> Result<Query, String> {
        let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
        Query::parse(text, &tags, limit).map_err(|fault| fault.field)
    }

    #[test]
    fn what_cannot_be_asked_names_its_field() {
        for (text, tags, limit, field) in [
            ("", &[][..], None, "query"),
            (" \n", &[], None, "query"),
            ("é".repeat(513).as_str(), &[], None, "query"),
            ("x", &[], Some(0), "max_results"),
            ("x", &[], Some(51), "max_results"),
            ("x", &[], Some(-1), "max_results"),
            ("x", &["t".repeat(101).as_str()], None, "tags"),
        ] {
            assert_eq!(
                parsed(text, tags, limit).unwrap_err(),
                field,
                "{text:?} {limit:?}"
            );
        }
        assert_eq!(parsed(&"é".repeat(512), &[], Some(50)).unwrap().limit, 50);
    }

    #[test]
    fn tags_are_taken_out_of_the_words() {
        let query = parsed("#Finance C# tools, #pay-ments. #1", &["EU", "finance"], None).unwrap();
        assert_eq!(query.tags, ["eu", "finance", "pay-ments"]);
        let text = query.text.unwrap();
        assert_eq!(&*text.parts.first().unwrap().text, "C# tools, #1");
        let tags = parsed("#finance", &[], None).unwrap();
        assert_eq!(
            (tags.text, tags.tags.as_slice()),
            (None, &["finance".to_owned()][..])
        );
    }

    #[test]
    fn exact_terms_are_pairs_and_values_that_are_no_plain_words() {
        let terms = |text: &str| parsed(text, &[], None).unwrap().text.unwrap().terms;
        let value = |text: &str| Term::Value(text.to_owned());
        let pair = Term::Pair("team".to_owned(), "finance-platform".to_owned());
        assert_eq!(terms("team:finance-platform servers"), [pair]);
        assert_eq!(terms("PCI-DSS compliant services"), [value("pci-dss")]);
        assert_eq!(terms("bob@example.com owned servers"), [value("bob@example.com")]);
        assert_eq!(terms("(us-east-1) deployed services."), [value("us-east-1")]);
        assert_eq!(terms("see https://example.com"), [value("https://example.com")]);
        assert!(terms("servers in production: a b").is_empty());
    }
}
