//! What cannot be taken back is asked about first. With a script a dialog asks, and its yes comes along as `sure`; a form
//! that comes without it is answered with a page that asks, and sends the same form again.

use axum::http::StatusCode;
use axum::response::Response;

use super::chrome::chrome;
use crate::web::extract::change::Change;
use crate::web::state::AppState;
use crate::web::view::pages::{Question, Section};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    pub(super) title: &'static str,
    /// What becomes of it.
    pub(super) words: &'static str,
    /// What the button says.
    pub(super) verb: &'static str,
    pub(super) section: Section,
}

/// The field that says yes.
const SURE: &str = "sure";

/// [`first`] for an action, if it is one of those that are asked about.
pub(super) fn first_of(
    state: &AppState,
    change: &Change,
    places: (&str, &str),
    (action, doubts): (&str, &[(&str, Doubt)]),
) -> Option<Response> {
    let (_, doubt) = doubts.iter().find(|(word, _)| *word == action)?;
    first(state, change, places, *doubt)
}

/// The question, unless whoever sends this has been asked, or is a program, which nobody asks. `at` is where the form
/// was sent and the yes goes, `back` the page that it stood on.
pub(super) fn first(
    state: &AppState,
    change: &Change,
    (at, back): (&str, &str),
    doubt: Doubt,
) -> Option<Response> {
    let fields = &change.draft.0;
    let is_sure = fields.get(SURE).and_then(|value| value.as_str()) == Some("yes");
    if is_sure || !change.from_page {
        return None;
    }
    let sent = fields
        .iter()
        .filter(|(name, _)| !["csrf_token", SURE].contains(&name.as_str()));
    let page = Question {
        chrome: chrome(state, &change.caller, &change.headers, doubt.section),
        title: doubt.title.to_owned(),
        words: doubt.words.to_owned(),
        verb: doubt.verb,
        action: at.to_owned(),
        fields: sent
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect(),
        back: back.to_owned(),
    };
    Some(state.view.page(StatusCode::OK, &page))
}
