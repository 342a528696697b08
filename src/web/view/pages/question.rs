//! A question before something that cannot be taken back.

use serde::Serialize;

use super::{Chrome, Page, hostile};

/// A question before something that cannot be taken back; its form says yes.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// Around it.
    pub chrome: Chrome,
    /// The question.
    pub title: String,
    /// What becomes of it.
    pub words: String,
    /// What the button says.
    pub verb: &'static str,
    /// Where the yes is sent.
    pub action: String,
    /// What is sent along: names and values of the form that was asked about.
    pub fields: Vec<(String, String)>,
    /// Where a no leads.
    pub back: String,
}

impl Page for Question {
    const NAME: &'static str = "pages/question.html";

    fn samples() -> Vec<Self> {
        vec![Self {
            chrome: Chrome::sample(),
            title: hostile(),
            words: hostile(),
            verb: "Remove",
            action: "/remove/weather".to_owned(),
            fields: vec![("name".to_owned(), hostile())],
            back: "/".to_owned(),
        }]
    }
}
