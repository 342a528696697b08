//! Where to send a browser after it has signed in: a path of ours, by type.
//!
//! **Invariant:** an open redirect cannot be written down.

/// An absolute path on this very site, such as `/edit/weather?x=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPath(String);

impl LocalPath {
    /// The path, if it is one of ours; `//host` and `/\host` are addresses to a browser, control characters vanish in
    /// one.
    pub fn parse(text: &str) -> Option<Self> {
        let inside = text.starts_with('/') && !text.starts_with("//") && !text.contains('\\');
        let plain = text.len() <= 2000 && text.bytes().all(|b| (0x21..=0x7e).contains(&b));
        (inside && plain).then(|| Self(text.to_owned()))
    }

    /// The path as it goes into `Location`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LocalPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_taken() {
        assert!(LocalPath::parse("/edit/weather?x=1").is_some());
        for text in [
            "",
            "x",
            "//evil",
            "/\\evil",
            "/a\\b",
            "https://evil",
            "/\tx",
            "/ x",
            "/\n/evil",
            "javascript:x",
        ] {
            assert_eq!(LocalPath::parse(text), None, "{text:?}");
        }
    }
}
