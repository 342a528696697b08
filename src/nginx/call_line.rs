//! One line of the call log: what nginx wrote, as a call.
//!
//! **Invariant:** reading never panics, whatever stands there; what is no line is nothing.

use std::borrow::Cow;

use serde::Deserialize;

use crate::domain::call::{Call, PermitNumber, Said};

/// A longer one is no line of ours.
pub(super) const MOST_LINE: usize = 8 * 1024;

/// A line that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The call.
    pub call: Call,
    /// The permit that it had.
    pub permit: Option<PermitNumber>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    at: f64,
    id: &'a str,
    status: &'a str,
    took: f64,
    #[serde(rename = "in")]
    bytes_in: i64,
    out: i64,
    #[serde(borrow)]
    call: Cow<'a, str>,
}

/// Read a line, without its end.
pub(super) fn read(line: &[u8]) -> Option<Line> {
    if line.len() > MOST_LINE {
        return None;
    }
    let raw: Raw<'_> = serde_json::from_slice(line).ok()?;
    if raw.id.len() > 64 {
        return None;
    }
    // What nginx refused by itself has no words.
    let said = Said::read(&raw.call).unwrap_or_default();
    let mut line = Line {
        call: Call {
            at_ms: millis(raw.at)?,
            request_id: raw.id.to_owned(),
            status: raw.status.parse().ok()?,
            duration_ms: u32::try_from(millis(raw.took)?).ok()?,
            bytes_in: raw.bytes_in,
            bytes_out: raw.out,
            ..Call::default()
        },
        permit: None,
    };
    line.put(said);
    Some(line)
}

impl Line {
    /// Take these words for the call's.
    pub fn put(&mut self, said: Said<'static>) {
        self.permit = said.permit;
        self.call.way = said.way;
        self.call.server = said.server.into_owned();
        self.call.method = said.method.into_owned();
        self.call.tool = said.tool.into_owned();
        self.call.principal = said.principal.into_owned();
    }
}

/// nginx writes seconds with three digits behind the point.
#[expect(
    clippy::cast_possible_truncation,
    reason = "within bounds that a float holds exactly"
)]
fn millis(seconds: f64) -> Option<i64> {
    let millis = (seconds * 1000.0).round();
    (0.0..1e15).contains(&millis).then_some(millis as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::call::Way;

    const LINE: &str = r#"{"at":1800000000.123,"id":"ab","status":"200","took":0.015,"in":300,"out":400,"call":"carried 1.2 /w tools/call n%22ow user%20ada"}"#;

    #[test]
    fn a_line_is_read() {
        let Line { call, permit } = read(LINE.as_bytes()).unwrap();
        assert_eq!(permit, Some(PermitNumber { run: 1, slice: 2 }));
        assert_eq!(
            (call.at_ms, call.status, call.duration_ms),
            (1_800_000_000_123, 200, 15)
        );
        assert_eq!(
            (call.bytes_in, call.bytes_out, call.way),
            (300, 400, Way::Carried)
        );
        assert_eq!(
            (call.server.as_str(), call.tool.as_str(), call.principal.as_str()),
            ("/w", "n\"ow", "user ada")
        );
    }

    #[test]
    fn without_words_it_is_a_refusal_and_half_a_line_is_nothing() {
        let bare = LINE.replace("carried 1.2 /w tools/call n%22ow user%20ada", "");
        let line = read(bare.as_bytes()).unwrap();
        assert_eq!(
            (line.call.way, line.call.principal.as_str(), line.permit),
            (Way::Refused, "", None)
        );
        for end in 0..LINE.len() {
            assert_eq!(read(&LINE.as_bytes()[..end]), None);
        }
        assert_eq!(read(LINE.replace("ab", &"a".repeat(MOST_LINE)).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn reading_never_panics(line: Vec<u8>, at in 0..LINE.len(), byte: u8) {
            read(&line);
            let mut broken = LINE.as_bytes().to_vec();
            broken[at] = byte;
            read(&broken);
        }
    }
}
