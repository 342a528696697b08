//! One of several views of a page.

use serde::Serialize;

/// One of several views of a page.
#[derive(Debug, Clone, Serialize)]
pub struct Aspect {
    /// Where it leads.
    pub href: String,
    /// What it is called.
    pub name: &'static str,
    /// Whether it is shown.
    pub is_here: bool,
}

impl Aspect {
    pub(super) fn samples() -> Vec<Self> {
        [("1 hour", true), ("24 hours", false)]
            .map(|(name, is_here)| Self {
                href: "/x?span=1h".to_owned(),
                name,
                is_here,
            })
            .to_vec()
    }
}
