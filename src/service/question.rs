//! What nginx asks about one request on a mount path, borrowed while it is decided and kept while its stream is open.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};

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
            headers: question.headers.clone(),
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
