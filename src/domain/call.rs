//! A call as it is kept: who called what, how it went, never what was said.
//!
//! The gate knows the words (server, method, tool, principal), nginx knows the rest. So the gate says its words to nginx in
//! one header value ([`Said`]) of an alphabet that needs no escaping, nginx writes it into its line, and whoever follows the
//! log reads it again.
//!
//! **Invariants:** what [`Said::header`] writes is printable ASCII without spaces, quotes and backslashes inside a word, and
//! bounded; two different words stay different when they are cut.

use std::borrow::Cow;
use std::fmt::Write;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// Bytes of one word at most; a longer one ends with the hash of the whole.
const MOST_WORD: usize = 160;
/// Hex digits of that hash.
const HASH: usize = 16;
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'"').add(b'\\');
/// Stands for a word that nobody knows.
const NONE: &str = "-";

/// Which way a call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// nginx took it to the upstream.
    Direct,
    /// The daemon made the upstream request.
    Carried,
    /// The daemon did, and the answer stays open.
    Stream,
    /// It did not go on.
    #[default]
    Refused,
}

impl Way {
    const ALL: [Self; 4] = [Self::Direct, Self::Carried, Self::Stream, Self::Refused];

    /// The word in answers and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Carried => "carried",
            Self::Stream => "stream",
            Self::Refused => "refused",
        }
    }

    /// The way of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == word)
    }
}

/// When a permit was given: in which run of the daemon, and in which slice of that run's time. Nothing is written twice, so
/// counting by slices says as much as numbering each permit would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitNumber {
    /// The run.
    pub run: u32,
    /// The slice.
    pub slice: u32,
}

/// What the gate says of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said<'a> {
    /// The way.
    pub way: Way,
    /// The permit, where a line is owed for it soon.
    pub permit: Option<PermitNumber>,
    /// The mount path.
    pub server: Cow<'a, str>,
    /// The JSON-RPC method, or HTTP's where there is no message.
    pub method: Cow<'a, str>,
    /// The tool, prompt or resource.
    pub tool: Cow<'a, str>,
    /// [`super::identity::Identity::principal`].
    pub principal: Cow<'a, str>,
}

impl Said<'_> {
    /// As one header value.
    pub fn header(&self) -> String {
        let mut text = String::with_capacity(128);
        text.push_str(self.way.as_str());
        match self.permit {
            // Writing to a string cannot fail.
            Some(PermitNumber { run, slice }) => write!(text, " {run:x}.{slice:x}").unwrap_or_default(),
            None => text.push_str(" -"),
        }
        for word in [&self.server, &self.method, &self.tool, &self.principal] {
            text.push(' ');
            match bounded(word).as_ref() {
                "" => text.push_str(NONE),
                NONE => text.push_str("%2D"),
                word => text.extend(utf8_percent_encode(word, UNSAFE)),
            }
        }
        text
    }

    /// Read such a value. Whatever is no such value says nothing.
    pub fn read(text: &str) -> Option<Said<'static>> {
        let mut parts = text.split(' ');
        let way = Way::from_word(parts.next()?)?;
        let permit = match parts.next()? {
            NONE => None,
            number => {
                let (run, slice) = number.split_once('.')?;
                let digits = |text| u32::from_str_radix(text, 16).ok();
                Some(PermitNumber {
                    run: digits(run)?,
                    slice: digits(slice)?,
                })
            }
        };
        let mut word = || {
            let part = parts.next()?;
            let word = if part == NONE {
                Cow::Borrowed("")
            } else {
                percent_decode_str(part).decode_utf8().ok()?
            };
            Some(Cow::Owned(bounded(&word).into_owned()))
        };
        let said = Said {
            way,
            permit,
            server: word()?,
            method: word()?,
            tool: word()?,
            principal: word()?,
        };
        parts.next().is_none().then_some(said)
    }
}

/// A word in its kept length. Asking for a long word must cut it in the same way.
pub fn bounded(word: &str) -> Cow<'_, str> {
    if word.len() <= MOST_WORD {
        return Cow::Borrowed(word);
    }
    let hash = hex::encode(Sha256::digest(word));
    let most = MOST_WORD - HASH - '…'.len_utf8();
    let end = word.floor_char_boundary(most);
    let kept = [word.get(..end), Some("…"), hash.get(..HASH)];
    Cow::Owned(kept.into_iter().flatten().collect())
}

/// One call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// nginx's id of the request.
    pub request_id: String,
    /// The HTTP status; 499 when the caller went away first.
    pub status: u16,
    /// From the first byte of the request to the last of the answer.
    pub duration_ms: u32,
    /// Bytes that came, with the head.
    pub bytes_in: i64,
    /// Bytes that went, with the head.
    pub bytes_out: i64,
    /// Which way it took.
    pub way: Way,
    /// The mount path; empty when no server is mounted there.
    pub server: String,
    /// The JSON-RPC method, or HTTP's where there is no message; empty when nobody read it.
    pub method: String,
    /// The tool, prompt or resource; empty when it names none.
    pub tool: String,
    /// Who; empty when nobody is known.
    pub principal: String,
}

/// A call in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its place: later calls have larger ones.
    pub id: i64,
    /// The call.
    pub call: Call,
}

/// How calls are narrowed. What is `None` narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The mount path.
    pub server: Option<String>,
    /// The tool.
    pub tool: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// One of these principals.
    pub principals: Option<[String; 2]>,
    /// The least and the largest status.
    pub status: Option<(u16, u16)>,
    /// From this moment on, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Before this one.
    pub to_ms: Option<i64>,
}

/// How far a log file has been read; kept in one transaction with what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The file: its inode.
    pub file: u64,
    /// Bytes of it that are in the table.
    pub offset: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(words: [&str; 4]) -> Said<'static> {
        let [server, method, tool, principal] = words.map(|word| Cow::Owned(word.to_owned()));
        Said {
            way: Way::Direct,
            permit: Some(PermitNumber { run: 7, slice: 255 }),
            server,
            method,
            tool,
            principal,
        }
    }

    #[test]
    fn a_permit_in_words() {
        let text = said(["/w", "tools/call", "now", "user ada"]).header();
        assert_eq!(text, "direct 7.ff /w tools/call now user%20ada");
        assert_eq!(Said::default().header(), "refused - - - - -");
        assert_eq!(Said::read("refused - - - - -"), Some(Said::default()));
        for odd in [
            "",
            "x",
            "direct",
            "direct - a b c",
            "direct - a b c d e",
            "direct 1 a b c d",
            "direct - a b c %ff",
        ] {
            assert_eq!(Said::read(odd), None, "{odd}");
        }
    }

    #[test]
    fn long_words_are_cut_and_stay_different() {
        let (long, other) = ("ü".repeat(4000), format!("{}x", "ü".repeat(3999)));
        assert!(bounded(&long).len() <= MOST_WORD);
        assert_ne!(bounded(&long), bounded(&other));
        assert_eq!(bounded(&bounded(&long)), bounded(&long));
    }

    proptest! {
        #[test]
        fn whatever_is_said_fits_a_line_and_is_read_again(words: [String; 4]) {
            let [a, b, c, d] = &words;
            let said = said([a, b, c, d]);
            let text = said.header();
            prop_assert!(text.len() < 2200);
            prop_assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\'));
            let read = Said::read(&text).unwrap();
            prop_assert_eq!(read.tool, bounded(&said.tool));
            prop_assert_eq!(read.principal, bounded(&said.principal));
        }

        #[test]
        fn reading_never_panics(text: String) {
            Said::read(&text);
        }
    }
}
