//! Who looks at a page and how they like it: the frame around every page, from the request.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

use crate::service::callers::Caller;
use crate::web::extract::change::csrf_token;
use crate::web::state::AppState;
use crate::web::view::pages::{Chrome, Section};

/// The cookie of the colours.
pub(super) const THEME: (&str, &[&str]) = ("gatehouse_theme", &["system", "light", "dark"]);
/// The cookie of the sidebar.
pub(super) const SIDEBAR: (&str, &[&str]) = ("gatehouse_sidebar", &["open", "closed"]);

/// The frame for somebody signed in.
pub(in crate::web) fn chrome(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    here: Section,
) -> Chrome {
    let who = &caller.identity;
    let is_admin = state.rights.borrow().is_administrator(who);
    liked(
        Chrome::member(&who.username, csrf_token(headers), here, is_admin),
        headers,
    )
}

/// The frame for whoever is not.
pub(in crate::web) fn stranger(headers: &HeaderMap) -> Chrome {
    liked(Chrome::stranger(), headers)
}

fn liked(chrome: Chrome, headers: &HeaderMap) -> Chrome {
    Chrome {
        theme: kept(headers, THEME),
        sidebar: kept(headers, SIDEBAR),
        ..chrome
    }
}

/// What a cookie says if it is one of the words, or else the first of them.
pub(super) fn kept(headers: &HeaderMap, (name, words): (&str, &'static [&'static str])) -> &'static str {
    let lines = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let said = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .next_back();
    let known = words.iter().find(|word| said == Some(**word));
    known.or_else(|| words.first()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_cookie_says_one_of_our_words_or_nothing() {
        let said = |line: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(line));
            kept(&headers, THEME)
        };
        assert_eq!(said("a=b; gatehouse_theme=dark"), "dark");
        assert_eq!(said("gatehouse_theme=\"><script>"), "system");
        assert_eq!(said("gatehouse_theme"), "system");
    }
}
