//! Where a page stands in a list that is cut.

use serde::Serialize;

/// Where a page stands in a list that is cut, and the pages beside it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Pager {
    /// The number of the first one shown; 0 when there is none.
    pub first: usize,
    /// And of the last one.
    pub last: usize,
    /// How many there are.
    pub total: usize,
    /// The address of the page before.
    pub previous: Option<String>,
    /// And of the one after.
    pub next: Option<String>,
}

impl Pager {
    pub(super) fn sample() -> Self {
        Self {
            first: 51,
            last: 54,
            total: 120,
            previous: Some("/x".to_owned()),
            next: Some("/x?page=3".to_owned()),
        }
    }
}
