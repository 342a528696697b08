//! Words of calls that nginx never heard, because the caller left before the answer's head.
//!
//! nginx then writes a line with an id and nothing else. Whoever takes it into the table finds here who called what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;

use crate::domain::call::Said;

/// Words kept at most: a line comes within seconds, or never.
const MOST: usize = 4_096;

/// Words by request id.
#[derive(Debug, Clone, Default)]
pub struct Unsaid(Arc<Mutex<HashMap<String, HeaderValue>>>);

/// Words on their way to nginx. Dropped before they are heard, they are kept.
#[derive(Debug)]
pub struct OnTheWay {
    unsaid: Unsaid,
    call: Option<(String, HeaderValue)>,
}

impl Unsaid {
    /// Hold these words until nginx has heard them.
    pub fn hold(&self, request_id: &str, said: &HeaderValue) -> OnTheWay {
        OnTheWay {
            unsaid: self.clone(),
            call: Some((request_id.to_owned(), said.clone())),
        }
    }

    /// The words of a call without any, once.
    pub fn take(&self, request_id: &str) -> Option<Said<'static>> {
        let words = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(request_id)?;
        Said::read(words.to_str().ok()?)
    }
}

impl OnTheWay {
    /// The answer goes out with them.
    pub fn heard(mut self) {
        self.call = None;
    }
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        let Some((id, said)) = self.call.take() else {
            return;
        };
        let mut kept = self.unsaid.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(id, said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_were_not_heard_are_found_once() {
        let (unsaid, said) = (Unsaid::default(), HeaderValue::from_static("carried - /a x y z"));
        unsaid.hold("heard", &said).heard();
        drop(unsaid.hold("left", &said));
        assert_eq!(unsaid.take("heard"), None);
        assert_eq!(unsaid.take("left").unwrap().server, "/a");
        assert_eq!(unsaid.take("left"), None);
        for number in 0..3 * MOST {
            drop(unsaid.hold(&number.to_string(), &said));
        }
        assert!(unsaid.0.lock().unwrap().len() <= MOST);
    }
}
