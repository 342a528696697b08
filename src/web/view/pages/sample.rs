//! Values for samples that nobody wishes to see on a page.

use super::Fault;
pub(super) use super::hostile;

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
