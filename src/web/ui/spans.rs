//! How far back a page looks, as the reader chooses it.

use crate::clock::Timestamp;
use crate::service::usage::Question;
use crate::web::links;
use crate::web::view::chart::{Span, Window};
use crate::web::view::pages::Aspect;

/// The choices, each with the other questions of the page.
pub(super) fn tabs(page: &str, here: Span, others: &[(&str, &str)]) -> Vec<Aspect> {
    let tab = |span: Span| {
        let mut questions = vec![("span", span.word)];
        questions.extend_from_slice(others);
        Aspect {
            href: links::asking(page, &questions),
            name: span.name,
            is_here: span == here,
        }
    };
    Span::ALL.into_iter().map(tab).collect()
}

/// The question for the figures of a window.
pub(super) fn question(window: Window) -> Question {
    let moment = |at_ms| Some(Timestamp::from_unix_ms(at_ms).to_string());
    Question {
        from: moment(window.from_ms),
        to: moment(window.begin(window.pieces)),
        step: Some((window.step_ms / 1000).to_string()),
        ..Question::default()
    }
}
