//! Finding tools and servers: what is asked, what is looked through, and in which order the answer stands.
//!
//! Tools are documents of their own, and servers are others: a question for a tool is answered by tools, one for a server
//! by servers, in two lists. The recipe was measured (`docs/search.md`): words and meaning, each brought to 0 … 1 among
//! what the caller may see, then mixed; long questions also by their sentences.
//!
//! **Invariants:** what a caller may not see is out before anything is compared; the same question over the same
//! documents has the same answer in the same order.

pub mod document;
pub mod query;
pub mod rank;
pub mod text;

pub use document::{Document, Labels};
pub use query::Query;
pub use rank::{Ranked, Sheet, Weights, rank};

/// How an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By words and by meaning.
    Hybrid,
    /// By words alone: there is no model, or it could not be asked.
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
