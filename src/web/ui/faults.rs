//! What was wrong with a form, for the page that shows it again.

use axum::http::StatusCode;

use crate::domain::Kind;
use crate::web::problem::{Problem, status};
use crate::web::view::pages::Fault;

/// Faults beside their fields; without a field the fault is the whole form's.
pub(super) fn of(problem: &Problem) -> (StatusCode, Vec<Fault>) {
    let faults = problem.faults().iter().map(|fault| Fault {
        field: fault.field.clone(),
        message: in_prose(&fault.message),
    });
    let mut faults: Vec<Fault> = faults.collect();
    if faults.is_empty() {
        faults.push(whole(in_prose(problem.detail())));
    }
    let (status, _) = status(problem.kind());
    (status, faults)
}

/// The fault of a form whose thing somebody else has changed.
pub(super) fn changed() -> (StatusCode, Fault) {
    let words = "Somebody has changed it meanwhile, and nothing was saved. What is different now is shown below; save again to \
                 put yours in its place.";
    (status(Kind::Conflict).0, whole(words.to_owned()))
}

fn whole(message: String) -> Fault {
    Fault {
        field: String::new(),
        message,
    }
}

/// The words of an answer as people read them: what a program would see between backticks stands between quotation marks.
pub(in crate::web) fn in_prose(words: &str) -> String {
    let mut pieces = words.split('`');
    let mut prose = pieces.next().unwrap_or_default().to_owned();
    for (at, piece) in pieces.enumerate() {
        prose.push(if at % 2 == 0 { '“' } else { '”' });
        prose.push_str(piece);
    }
    prose
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_become_quotation_marks() {
        assert_eq!(in_prose("expected `on` or `off`"), "expected “on” or “off”");
        assert_eq!(in_prose("nothing"), "nothing");
    }
}
