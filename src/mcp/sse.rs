//! Server-sent events as they arrive (WHATWG HTML, section 9.2): whole events out of pieces of bytes, bounded.
//!
//! **Invariant:** what is not altered leaves byte for byte as it came.

use bytes::{Bytes, BytesMut};

/// The largest event; a stream with a larger one is ended.
pub const MOST_EVENT: usize = 8 * 1024 * 1024;

/// An event grew too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {MOST_EVENT} bytes")]
pub struct TooLarge;

/// Cuts a stream into events.
#[derive(Debug)]
pub struct Events {
    waiting: BytesMut,
    /// How much of `waiting` has been looked at.
    seen: usize,
    at_line_start: bool,
    after_cr: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            waiting: BytesMut::new(),
            seen: 0,
            at_line_start: true,
            after_cr: false,
        }
    }
}

impl Events {
    /// More bytes have come.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        if self.waiting.len() + bytes.len() > MOST_EVENT {
            return Err(TooLarge);
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole event with its blank line.
    pub fn next_event(&mut self) -> Option<Bytes> {
        let end = self.end()?;
        self.seen = 0;
        self.at_line_start = true;
        Some(self.waiting.split_to(end).freeze())
    }

    /// What is left when the stream has ended: an event that never came whole is none (section 9.2.6), but its bytes
    /// are the client's to judge.
    pub fn rest(&mut self) -> Option<Bytes> {
        self.seen = 0;
        (!self.waiting.is_empty()).then(|| self.waiting.split().freeze())
    }

    /// Whether nothing waits, so that something of ours could be said here.
    pub fn is_between(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Behind the first empty line. Lines end with LF, CR LF or CR; the LF of a CR LF may come much later than its CR.
    /// Each byte is looked at once, however small the pieces are that it came in.
    fn end(&mut self) -> Option<usize> {
        while let Some(&byte) = self.waiting.get(self.seen) {
            self.seen += 1;
            let continues = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            let ends_line = matches!(byte, b'\r' | b'\n') && !continues;
            if ends_line && std::mem::replace(&mut self.at_line_start, true) {
                // The LF of this CR LF, if it is there already, goes along.
                if self.after_cr && self.waiting.get(self.seen) == Some(&b'\n') {
                    self.seen += 1;
                    self.after_cr = false;
                }
                return Some(self.seen);
            }
            if !matches!(byte, b'\r' | b'\n') {
                self.at_line_start = false;
            }
        }
        None
    }
}

/// What an event says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its `event`; empty means `message`.
    pub name: String,
    /// Its `data` lines, joined; none when there is none, and then nobody hears of the event.
    pub data: Option<String>,
}

fn lines(event: &str) -> impl Iterator<Item = &str> {
    event.split("\r\n").flat_map(|line| line.split(['\n', '\r']))
}

/// A line's field and value; a comment has an empty field.
fn field(line: &str) -> (&str, &str) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name, value.strip_prefix(' ').unwrap_or(value))
}

/// Read one whole event; `first` of its stream, where a byte order mark means nothing. `None` when it is no UTF-8.
pub fn read(event: &[u8], first: bool) -> Option<Said> {
    let text = std::str::from_utf8(event).ok()?;
    let text = text.strip_prefix('\u{feff}').filter(|_| first).unwrap_or(text);
    let mut said = Said::default();
    for (name, value) in lines(text).map(field) {
        match name {
            "event" => value.clone_into(&mut said.name),
            "data" => match &mut said.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => said.data = Some(value.to_owned()),
            },
            _ => {}
        }
    }
    Some(said)
}

/// The same event with other data; its other lines stay.
pub fn with_data(event: &[u8], data: &str) -> Bytes {
    let text = String::from_utf8_lossy(event);
    let mut new = String::with_capacity(event.len() + data.len());
    for line in lines(&text).filter(|line| !line.is_empty() && field(line).0 != "data") {
        new.push_str(line);
        new.push('\n');
    }
    for line in data.split('\n') {
        new.push_str("data: ");
        new.push_str(line);
        new.push('\n');
    }
    new.push('\n');
    new.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut all = Vec::new();
        for piece in pieces {
            events.push(piece).unwrap();
            while let Some(event) = events.next_event() {
                all.push(String::from_utf8(event.to_vec()).unwrap());
            }
        }
        all
    }

    #[test]
    fn events_end_with_an_empty_line_of_any_kind() {
        let all = cut(&[b"data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\r\n: e\n\n\n"]);
        let expected = [
            "data: a\n\n",
            "data: b\r\n\r\n",
            "data: c\r\r",
            "data: d\n\r\n",
            ": e\n\n",
            "\n",
        ];
        assert_eq!(all, expected);
        // A CR ends the event; its LF may come whenever it likes.
        assert_eq!(
            cut(&[b"data: a\r", b"\ndata: b\r\n\r", b"\ndata: c\n\n"]),
            ["data: a\r\ndata: b\r\n\r", "\ndata: c\n\n"]
        );
    }

    #[test]
    fn what_an_event_says_is_read_and_can_be_said_otherwise() {
        let event = b"\xef\xbb\xbfid: 7\nevent: endpoint\ndata: one\ndata:two\n: note\n\n";
        let said = read(event, true).unwrap();
        let expected = ("endpoint", Some("one\ntwo"));
        assert_eq!((said.name.as_str(), said.data.as_deref()), expected);
        assert_eq!(read(b"event: x\n\n", true).unwrap().data, None);
        assert_eq!(read("\u{feff}data: x\n\n".as_bytes(), false).unwrap().data, None);
        assert_eq!(read(b"data: \xff\n\n", true), None);
        let new = with_data(b"id: 7\r\nevent: x\r\ndata: one\r\n\r\n", "three\nfour");
        assert_eq!(new.as_ref(), b"id: 7\nevent: x\ndata: three\ndata: four\n\n");
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::default();
        let piece = vec![b'x'; MOST_EVENT / 4];
        for _ in 0..4 {
            events.push(&piece).unwrap();
        }
        assert_eq!(events.push(b"y"), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn cutting_anywhere_changes_nothing(text in "[a:\r\n]{0,40}", at in 0usize..40) {
            let bytes = text.as_bytes();
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            let whole = cut(&[bytes]).concat();
            let mut parts = cut(&[head, tail]).concat();
            // A CR at the very cut may or may not wait for its LF; the bytes are the same.
            prop_assert!(text.starts_with(&parts));
            parts.truncate(whole.len());
            prop_assert!(whole.starts_with(&parts));
        }
    }
}
