//! Values for samples that nobody wishes to see on a page.

use super::Fault;

/// Markup, a mark that turns the direction of writing, and ten thousand characters without a space.
pub(super) fn hostile() -> String {
    format!("<script>alert(1)</script>\"'&\u{202e}{}", "x".repeat(10_000))
}

/// A moment.
pub(super) fn moment() -> String {
    "2026-01-02T03:04:05Z".to_owned()
}

/// A fault of a field.
pub(super) fn fault(field: &str) -> Fault {
    Fault {
        field: field.to_owned(),
        message: "it is required".to_owned(),
    }
}
