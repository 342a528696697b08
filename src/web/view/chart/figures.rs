//! What a drawing says in words: of each piece when somebody points at it, and of all of them in a table, which those read
//! who see no drawing or have no mouse.
//!
//! Times are RFC 3339, as everywhere: the page writes them in UTC, and its script in the reader's zone.

use serde::Serialize;

use crate::clock::Timestamp;

/// What one piece says.
#[derive(Debug, Clone, Serialize)]
pub struct Title {
    /// When it begins.
    pub at: String,
    /// The rest.
    pub words: String,
}

impl Title {
    pub(super) fn new(begin_ms: i64, words: String) -> Self {
        let at = Timestamp::from_unix_ms(begin_ms).to_string();
        Self { at, words }
    }
}

/// The place of one piece, as high as the drawing.
#[derive(Debug, Clone, Serialize)]
pub struct Column {
    /// Where it begins.
    pub x: String,
    /// How wide it is.
    pub width: String,
    /// What it says.
    pub title: Title,
}

/// The figures of one piece.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// When it begins.
    pub at: String,
    /// The figures, in the order of the table's columns.
    pub figures: Vec<String>,
}

impl Row {
    pub(super) fn new(begin_ms: i64, figures: impl IntoIterator<Item = String>) -> Self {
        Self {
            at: Timestamp::from_unix_ms(begin_ms).to_string(),
            figures: figures.into_iter().collect(),
        }
    }
}
