//! What a person sees when a page cannot be shown.

use serde::Serialize;

use super::{Chrome, Page};

/// A refusal: no such page, no rights, something broke.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    /// Around it.
    pub chrome: Chrome,
    /// The status.
    pub status: u16,
    /// Its meaning in a few words.
    pub title: String,
    /// What went wrong, in a sentence.
    pub detail: String,
}

impl Page for Refusal {
    const NAME: &'static str = "pages/refusal.html";

    fn samples() -> Vec<Self> {
        let one = |chrome, status, title: &str| Self {
            chrome,
            status,
            title: title.to_owned(),
            detail: "there is nothing at `/<b>`".to_owned(),
        };
        vec![
            one(Chrome::stranger(), 401, "Unauthorized"),
            one(Chrome::sample(), 403, "Forbidden"),
            one(Chrome::sample(), 404, "Not Found"),
            one(Chrome::sample(), 500, "Internal Server Error"),
        ]
    }
}
