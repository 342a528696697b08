//! Finding tools and servers: what is asked.

use super::FieldFault;

/// How an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By words and by meaning.
    Hybrid,
    /// By words alone.
    LexicalOnly,
}

impl Mode {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::LexicalOnly => "lexical-only",
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The words, in lower case; none when only tags are asked for.
    pub text: Option<String>,
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

impl Query {
    /// Read a question.
    pub fn parse(text: &str, tags: &[String], limit: Option<i64>) -> Result<Self, FieldFault> {
        let limit = usize::try_from(limit.unwrap_or(10)).unwrap_or(0);
        if !(1..=50).contains(&limit) {
            return Err(FieldFault::new(
                "max_results",
                "expected a whole number from 1 to 50",
            ));
        }
        let text = text.trim().to_lowercase();
        let tags: Vec<String> = tags.iter().map(|tag| tag.trim().to_lowercase()).collect();
        if text.is_empty() && tags.is_empty() {
            return Err(FieldFault::new("query", "expected words, or tags"));
        }
        Ok(Self {
            text: Some(text).filter(|text| !text.is_empty()),
            tags,
            limit,
            servers: true,
            tools: true,
            within: None,
            include_disabled: false,
        })
    }
}
