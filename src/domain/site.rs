//! Whether a browser says that another site sent a request.
//!
//! Browsers attach a session cookie to what other sites make them send, and say whence it comes. Programs say nothing,
//! and pass: they attach a cookie only when their owner told them to.

/// What a request says about its origin.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender<'a> {
    /// `Sec-Fetch-Site` (Fetch Metadata).
    pub fetch_site: Option<&'a str>,
    /// `Origin` (RFC 6454 section 7).
    pub origin: Option<&'a str>,
    /// `Host`.
    pub host: &'a str,
}

impl Sender<'_> {
    /// Whether it comes from this very site, or from no browser. `public_url` is how the public calls us.
    pub fn is_this_site(&self, public_url: &str) -> bool {
        if self
            .fetch_site
            .is_some_and(|from| from != "same-origin" && from != "none")
        {
            return false;
        }
        let Some(origin) = self.origin else { return true };
        let of_this_host = origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(self.host));
        of_this_host || origin == public_url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_holds() {
        let rows = [
            (None, None, true),
            (Some("same-origin"), None, true),
            (Some("none"), None, true),
            (Some("same-site"), None, false),
            (Some("cross-site"), Some("http://h:1"), false),
            (None, Some("http://h:1"), true),
            (None, Some("https://mcp.example"), true),
            (None, Some("http://h:2"), false),
            (None, Some("null"), false),
        ];
        for (fetch_site, origin, expected) in rows {
            let sender = Sender {
                fetch_site,
                origin,
                host: "h:1",
            };
            assert_eq!(sender.is_this_site("https://mcp.example"), expected, "{sender:?}");
        }
    }
}
