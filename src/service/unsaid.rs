//! Words of calls that nginx never heard, because the caller left before the answer's head.
//!
//! nginx then writes a line with an id and nothing else. Whoever takes it into the table finds here who called what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;

use crate::domain::call::Said;

/// Words kept at most: a line comes within seconds, or never.
const MOST: usize = 4_096;

/// Words by request id.
#[derive(Debug, Clone, Default)]
pub struct Unsaid(Arc<Mutex<Words>>);

#[derive(Debug, Default)]
struct Words {
    /// Of calls that are still being answered: nginx may write that its caller left before we see it.
    waiting: HashMap<String, HeaderValue>,
    /// Of calls whose answer will not be heard.
    left: HashMap<String, HeaderValue>,
}

/// Words on their way to nginx. Dropped before they are heard, they are kept.
#[derive(Debug)]
pub struct OnTheWay {
    unsaid: Unsaid,
    id: String,
    heard: bool,
}

impl Unsaid {
    /// Hold these words until nginx has heard them.
    pub fn hold(&self, request_id: &str, said: &HeaderValue) -> OnTheWay {
        self.words().waiting.insert(request_id.to_owned(), said.clone());
        OnTheWay {
            unsaid: self.clone(),
            id: request_id.to_owned(),
            heard: false,
        }
    }

    /// The words of a call without any, once.
    pub fn take(&self, request_id: &str) -> Option<Said<'static>> {
        let mut words = self.words();
        let left = words.left.remove(request_id);
        let found = left.or_else(|| words.waiting.remove(request_id))?;
        drop(words);
        Said::read(found.to_str().ok()?)
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnTheWay {
    /// The answer goes out with them.
    pub fn heard(mut self) {
        self.heard = true;
    }
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        let mut words = self.unsaid.words();
        let Some(said) = words.waiting.remove(&self.id) else {
            return;
        };
        if self.heard {
            return;
        }
        if words.left.len() >= MOST {
            words.left.clear();
        }
        words.left.insert(std::mem::take(&mut self.id), said);
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
        // nginx may be quicker to write than we are to see that nobody waits any more.
        let still = unsaid.hold("still", &said);
        assert_eq!(unsaid.take("still").unwrap().server, "/a");
        drop(still);
        assert_eq!(unsaid.take("still"), None);
        for number in 0..3 * MOST {
            drop(unsaid.hold(&number.to_string(), &said));
        }
        let words = unsaid.words();
        assert!(words.left.len() <= MOST && words.waiting.is_empty());
    }
}
