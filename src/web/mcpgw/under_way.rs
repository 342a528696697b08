//! The requests of one stream that are under way: from the post that brought each until its answer is with the reader.
//!
//! Cancelling is done here and not in the protocol library, which drops the answer of what was cancelled: so each request has
//! exactly one answer, and gives its place back by it. The answer of one that was cancelled goes no further.
//!
//! **Invariant:** a request has its place until its answer is taken, cancelled or not; so whoever does not read, or cancels
//! what it began, has no more of them than others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Requests at once.
const MOST: usize = 32;

/// The requests, for whoever posts and whoever reads.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    left: CancellationToken,
    requests: Mutex<HashMap<RequestId, CancellationToken>>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Too many are under way.
    Full,
    /// One of the same id is.
    Known,
}

impl UnderWay {
    /// Take a place; the token says when the caller gives the request up.
    pub(super) fn begin(&self, id: &RequestId) -> Result<CancellationToken, NoPlace> {
        let mut requests = self.requests();
        if requests.contains_key(id) {
            return Err(NoPlace::Known);
        }
        if requests.len() >= MOST {
            return Err(NoPlace::Full);
        }
        let left = self.0.left.child_token();
        requests.insert(id.clone(), left.clone());
        Ok(left)
    }

    /// The caller wants no answer to this one any more.
    pub(super) fn give_up(&self, id: &RequestId) {
        if let Some(left) = self.requests().get(id) {
            left.cancel();
        }
    }

    /// It did not begin after all.
    pub(super) fn forget(&self, id: &RequestId) {
        self.requests().remove(id);
    }

    /// The reader takes this message: an answer gives its place back. Whether the reader wants it.
    pub(super) fn take(&self, message: &ServerJsonRpcMessage) -> bool {
        let id = match message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let ended = id.and_then(|id| self.requests().remove(id));
        ended.is_none_or(|left| !left.is_cancelled())
    }

    /// Gives all of them up when the stream ends.
    pub(super) fn until_dropped(&self) -> DropGuard {
        self.0.left.clone().drop_guard()
    }

    fn requests(&self) -> std::sync::MutexGuard<'_, HashMap<RequestId, CancellationToken>> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::ErrorData;

    fn id(number: i64) -> RequestId {
        RequestId::Number(number)
    }

    fn answer(number: i64) -> ServerJsonRpcMessage {
        ServerJsonRpcMessage::error(ErrorData::internal_error("no", None), Some(id(number)))
    }

    #[test]
    fn a_place_is_given_back_by_the_answer_and_by_nothing_else() {
        let under_way = UnderWay::default();
        let most = i64::try_from(MOST).unwrap();
        let tokens: Vec<_> = (0..most)
            .map(|number| under_way.begin(&id(number)).unwrap())
            .collect();
        assert_eq!(under_way.begin(&id(0)).unwrap_err(), NoPlace::Known);
        assert_eq!(under_way.begin(&id(most)).unwrap_err(), NoPlace::Full);
        // Giving up ends the work, and keeps the place until the answer is taken.
        under_way.give_up(&id(0));
        under_way.give_up(&id(most));
        assert!(tokens[0].is_cancelled() && !tokens[1].is_cancelled());
        assert_eq!(under_way.begin(&id(most)).unwrap_err(), NoPlace::Full);
        assert!(!under_way.take(&answer(0)), "nobody wants it any more");
        assert!(under_way.take(&answer(1)));
        assert!(under_way.take(&answer(1)), "what is not ours passes");
        assert!(under_way.begin(&id(most)).is_ok() && under_way.begin(&id(0)).is_ok());
        assert_eq!(under_way.begin(&id(1)).unwrap_err(), NoPlace::Full);
        under_way.forget(&id(0));
        assert!(under_way.begin(&id(1)).is_ok());
        drop(under_way.until_dropped());
        assert!(tokens[2].is_cancelled());
    }
}
