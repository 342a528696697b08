//! What was wrong with a form, for the page that shows it again.

use axum::http::StatusCode;

use crate::web::problem::{Problem, status};
use crate::web::view::pages::Fault;

/// Faults beside their fields; without a field the fault is the whole form's.
pub(super) fn of(problem: &Problem) -> (StatusCode, Vec<Fault>) {
    let faults = problem.faults().iter().map(|fault| Fault {
        field: fault.field.clone(),
        message: fault.message.clone(),
    });
    let mut faults: Vec<Fault> = faults.collect();
    if faults.is_empty() {
        faults.push(Fault {
            field: String::new(),
            message: problem.detail().to_owned(),
        });
    }
    let (status, _) = status(problem.kind());
    (status, faults)
}
