//! What nginx asks about one request on a mount path, borrowed while it is decided and kept while its stream is open.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};

/// What nginx asks about one request on a mount path.
#[derive(Debug)]
pub struct Question<'a> {
    /// The client's method.
    pub method: &'a Method,
    /// The path as nginx normalised it.
    pub asked: &'a str,
    /// Path and query as the client wrote them.
    pub written: &'a str,
    /// Hash of the text that this worker runs; none when it is not our nginx.
    pub text: &'a str,
    /// Whence the request comes.
    pub client: Option<IpAddr>,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The whole body of a POST; none where there can be none.
    pub body: Option<&'a [u8]>,
}

/// Values of their own: shared ones would hold the whole buffer that the request came in, for as long as the stream.
fn own_copies(headers: &HeaderMap) -> HeaderMap {
    let copies = headers.iter().map(|(name, value)| {
        let mut copy =
            HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static(""));
        copy.set_sensitive(value.is_sensitive());
        (name.clone(), copy)
    });
    copies.collect()
}

/// A question that can be asked again.
#[derive(Debug)]
pub struct Asked {
    method: Method,
    asked: String,
    written: String,
    client: Option<IpAddr>,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Asked {
    pub(super) fn of(question: &Question<'_>) -> Self {
        Self {
            method: question.method.clone(),
            asked: question.asked.to_owned(),
            written: question.written.to_owned(),
            client: question.client,
            headers: own_copies(question.headers),
            body: question.body.map(Bytes::copy_from_slice),
        }
    }

    pub(super) fn question(&self) -> Question<'_> {
        Question {
            method: &self.method,
            asked: &self.asked,
            written: &self.written,
            text: "",
            client: self.client,
            headers: &self.headers,
            body: self.body.as_deref(),
        }
    }
}
