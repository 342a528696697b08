//! What a request is made with, in a few words: enough to tell one's own browsers apart, and nothing to follow anybody by.

use axum::http::{HeaderMap, header};

/// The first that is found counts: nearly every browser says that it is Safari, and most that they are Chrome.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("gatehouse/", "gatehouse"),
    ("python", "Python"),
];
const SYSTEMS: &[(&str, &str)] = &[
    ("Windows", "Windows"),
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// `Firefox on Linux`; empty when the request does not say, or says what nobody knows.
pub(crate) fn agent(headers: &HeaderMap) -> String {
    let said = headers
        .get(header::USER_AGENT)
        .and_then(|said| said.to_str().ok());
    let said = said.unwrap_or_default();
    let first = |known: &[(&str, &'static str)]| {
        let mut known = known.iter();
        known.find(|(mark, _)| said.contains(mark)).map(|(_, word)| *word)
    };
    match (first(PROGRAMS), first(SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(word), None) | (None, Some(word)) => word.to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_by_what_it_is_and_not_by_what_it_resembles() {
        let rows = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile Safari/604.1",
                "Chrome on an iPhone",
            ),
            ("curl/8.9.0", "curl"),
            ("<script>", ""),
            ("", ""),
        ];
        for (said, expected) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, said.parse().unwrap());
            assert_eq!(agent(&headers), expected, "{said}");
        }
        assert_eq!(agent(&HeaderMap::new()), "");
    }
}
