//! What stands before every model: the memory of questions, and the bound on those that wait.
//!
//! People ask the same things, and programs more so; a vector that is remembered costs nothing. Whoever finds the
//! queue full, or a provider that has just failed, hears so at once: the caller has an answer without vectors, and a late
//! one would help nobody.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lru::LruCache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::pause::Pause;
use super::{Embedder, Error, Limits, Vector};

/// Longer questions are not remembered: the memory has a bound in bytes, too.
const LONGEST: usize = 2_048;

/// A model with its memory and its queue.
#[derive(Debug)]
pub(super) struct Front<E> {
    model: E,
    remembered: Mutex<LruCache<String, Arc<[f32]>>>,
    places: Semaphore,
    /// The same for sentences, which take no place from a whole question.
    sentences: Semaphore,
    /// Of a provider; a model in this process is busy at most.
    pause: Option<Pause>,
    within: Duration,
}

impl<E: Embedder> Front<E> {
    /// Before a provider, which is left alone for a while when it fails.
    pub(super) fn of_provider(model: E, limits: &Limits) -> Self {
        Self {
            pause: Some(Pause::default()),
            ..Self::new(model, 1, limits)
        }
    }

    /// Before a model in this process; `at_once`: how many questions it answers at the same time.
    pub(super) fn new(model: E, at_once: usize, limits: &Limits) -> Self {
        let remembered = NonZeroUsize::new(limits.remembered).unwrap_or(NonZeroUsize::MIN);
        Self {
            model,
            remembered: Mutex::new(LruCache::new(remembered)),
            places: Semaphore::new(at_once + limits.queue),
            sentences: Semaphore::new(at_once + limits.queue),
            pause: None,
            within: limits.within,
        }
    }

    fn remembered(&self, text: &str) -> Option<Arc<[f32]>> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(text).cloned()
    }

    async fn ask(&self, text: &str, kind: Kind) -> Result<Vector, Error> {
        let vector = match kind {
            Kind::Whole => self.model.query(text),
            Kind::Sentence => self.model.sentence(text),
        };
        let vector = tokio::time::timeout(self.within, vector).await;
        vector.map_err(|_| Error::Slow(self.within)).flatten()
    }

    async fn vector(&self, text: &str, kind: Kind) -> Result<Vector, Error> {
        if let Some(vector) = self.remembered(text) {
            return Ok(vector.to_vec());
        }
        let places = match kind {
            Kind::Whole => &self.places,
            Kind::Sentence => &self.sentences,
        };
        let _place = places.try_acquire().map_err(|_| Error::Busy)?;
        let vector = match &self.pause {
            Some(pause) => {
                let attempt = pause.begin(Instant::now()).ok_or(Error::Paused)?;
                let vector = self.ask(text, kind).await;
                attempt.end(vector.as_ref().err(), Instant::now());
                vector?
            }
            None => self.ask(text, kind).await?,
        };
        if text.len() <= LONGEST {
            let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            remembered.put(text.to_owned(), vector.as_slice().into());
        }
        Ok(vector)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Whole,
    Sentence,
}

#[async_trait]
impl<E: Embedder> Embedder for Front<E> {
    fn model(&self) -> &str {
        self.model.model()
    }

    fn dimensions(&self) -> usize {
        self.model.dimensions()
    }

    async fn query(&self, text: &str) -> Result<Vector, Error> {
        self.vector(text, Kind::Whole).await
    }

    async fn sentence(&self, text: &str) -> Result<Vector, Error> {
        self.vector(text, Kind::Sentence).await
    }

    async fn documents(&self, texts: &[String]) -> Result<Vec<Vector>, Error> {
        self.model.documents(texts).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;

    /// Answers when told to.
    #[derive(Debug)]
    struct Held {
        asked: AtomicUsize,
        gate: Semaphore,
    }

    #[async_trait]
    impl Embedder for Held {
        fn model(&self) -> &'static str {
            "held"
        }

        fn dimensions(&self) -> usize {
            1
        }

        async fn query(&self, text: &str) -> Result<Vector, Error> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if text == "break" {
                return Err(Error::Status(502));
            }
            drop(self.gate.acquire().await.unwrap());
            Ok(vec![1.0])
        }

        async fn documents(&self, _texts: &[String]) -> Result<Vec<Vector>, Error> {
            Ok(Vec::new())
        }
    }

    fn held(gate: usize) -> Held {
        Held {
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(gate),
        }
    }

    fn limits(queue: usize) -> Limits {
        Limits {
            queue,
            remembered: 2,
            turn: Duration::from_secs(5),
            within: Duration::from_secs(5),
            batch: 1,
        }
    }

    fn front(queue: usize, gate: usize) -> Front<Held> {
        Front::new(held(gate), 1, &limits(queue))
    }

    #[tokio::test]
    async fn a_provider_that_failed_is_left_alone_and_what_is_remembered_is_not_lost() {
        let front = Front::of_provider(held(1), &limits(0));
        front.query("known").await.unwrap();
        assert!(matches!(front.query("break").await, Err(Error::Status(502))));
        for _ in 0..3 {
            assert!(matches!(
                front.query("new").now_or_never(),
                Some(Err(Error::Paused))
            ));
        }
        front.query("known").await.unwrap();
        assert_eq!(front.model.asked.load(Ordering::SeqCst), 2);
        // A model in this process is asked again at once.
        let front = Front::new(held(1), 1, &limits(0));
        assert!(front.query("break").await.is_err() && front.query("new").await.is_ok());
    }

    #[tokio::test]
    async fn a_question_that_is_remembered_is_not_asked_again_and_the_oldest_is_forgotten() {
        let front = front(0, 1);
        for text in ["a", "b", "a", "c", "a", "b"] {
            front.query(text).await.unwrap();
        }
        assert_eq!(front.model.asked.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn whoever_finds_the_queue_full_hears_so_at_once() {
        let front = front(1, 0);
        let mut first = Box::pin(front.query("a"));
        let mut second = Box::pin(front.query("b"));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        assert!(matches!(front.query("c").now_or_never(), Some(Err(Error::Busy))));
        drop(first);
        front.model.gate.add_permits(1);
        second.await.unwrap();
        front.query("c").await.unwrap();
    }

    #[tokio::test]
    async fn sentences_take_no_place_from_a_whole_question() {
        let front = front(1, 0);
        let mut sentences: Vec<_> = ["a", "b"].map(|text| Box::pin(front.sentence(text))).into();
        assert!(sentences.iter_mut().all(|one| one.now_or_never().is_none()));
        assert!(matches!(
            front.sentence("c").now_or_never(),
            Some(Err(Error::Busy))
        ));
        assert!(front.query("d").now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_question_ends_in_time() {
        let mut front = front(0, 0);
        front.within = Duration::from_millis(20);
        assert!(matches!(front.query("a").await, Err(Error::Slow(_))));
        assert_eq!(front.places.available_permits(), 1);
    }
}
