//! The threads that do the arithmetic, and the order in which they take what waits: questions first.
//!
//! One thread answers one question; two would not be twice as fast, and under load they would be slower. Where there
//! are several threads, one never takes documents, so that a question finds it free.
//!
//! **Invariants:** a question waits for at most one batch of documents; both queues have a bound; the threads end with
//! the value.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::embed::{Error, Vector};

/// What waits longer when both do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits for the answer.
    Question,
    /// It is for later.
    Documents,
}

/// Texts to vectors; what the threads do.
pub(super) type Work = dyn Fn(&[String]) -> Result<Vec<Vector>, Error> + Send + Sync;

type Reply = oneshot::Sender<Result<Vec<Vector>, Error>>;

#[derive(Default)]
struct Queues {
    questions: VecDeque<(Vec<String>, Reply)>,
    documents: VecDeque<(Vec<String>, Reply)>,
    /// Threads that are at documents now.
    at_documents: usize,
    closed: bool,
}

struct Shared {
    queues: Mutex<Queues>,
    changed: Condvar,
    /// How many may wait in each queue.
    bound: usize,
    /// How many threads may be at documents.
    most_at_documents: usize,
}

/// Threads with their queues.
pub(super) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Start so many threads; as many jobs as `bound` may wait.
    pub(super) fn start(threads: usize, bound: usize, work: &Arc<Work>) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            queues: Mutex::default(),
            changed: Condvar::new(),
            bound,
            most_at_documents: (threads - 1).max(1),
        });
        let mut workers = Self {
            shared,
            threads: Vec::new(),
        };
        for number in 0..threads {
            let (shared, work) = (Arc::clone(&workers.shared), Arc::clone(work));
            let thread = std::thread::Builder::new().name(format!("embed-{number}"));
            // When one cannot be started, those before it end with the value.
            workers.threads.push(thread.spawn(move || shared.serve(&*work))?);
        }
        Ok(workers)
    }

    /// How many batches of documents are worked on at the same time.
    pub(super) fn most_at_documents(&self) -> usize {
        self.shared.most_at_documents
    }

    /// Have vectors made; whoever stops waiting is passed over.
    pub(super) async fn vectors(&self, texts: Vec<String>, urgency: Urgency) -> Result<Vec<Vector>, Error> {
        let (reply, answer) = oneshot::channel();
        self.shared.put(texts, reply, urgency)?;
        answer.await.map_err(|gone| Error::Backend(Box::new(gone)))?
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, texts: Vec<String>, reply: Reply, urgency: Urgency) -> Result<(), Error> {
        let mut queues = self.lock();
        let queue = match urgency {
            Urgency::Question => &mut queues.questions,
            Urgency::Documents => &mut queues.documents,
        };
        if queue.len() >= self.bound {
            queue.retain(|(_, reply)| !reply.is_closed());
        }
        if queue.len() >= self.bound {
            return Err(Error::Busy);
        }
        queue.push_back((texts, reply));
        drop(queues);
        // All: the one that is woken might be the one that may not take documents.
        self.changed.notify_all();
        Ok(())
    }

    /// The next thing to do; `None` when it is time to end.
    fn next(&self) -> Option<(Urgency, Vec<String>, Reply)> {
        let mut queues = self.lock();
        loop {
            if queues.closed {
                return None;
            }
            if let Some((texts, reply)) = queues.questions.pop_front() {
                return Some((Urgency::Question, texts, reply));
            }
            if queues.at_documents < self.most_at_documents
                && let Some((texts, reply)) = queues.documents.pop_front()
            {
                queues.at_documents += 1;
                return Some((Urgency::Documents, texts, reply));
            }
            queues = self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn serve(&self, work: &Work) {
        while let Some((urgency, texts, reply)) = self.next() {
            if !reply.is_closed() {
                // A fault of the arithmetic costs this answer, not the thread: the dropped reply says so.
                let answer = std::panic::catch_unwind(AssertUnwindSafe(|| work(&texts)));
                answer.map(|answer| reply.send(answer).ok()).ok();
            }
            if urgency == Urgency::Documents {
                self.lock().at_documents -= 1;
                self.changed.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    /// Threads that say what they took, and go on when told to.
    fn held(threads: usize, bound: usize) -> (Workers, mpsc::Receiver<String>, mpsc::Sender<()>) {
        let (took, taken) = mpsc::channel();
        let (go, going) = mpsc::channel();
        let going = Mutex::new(going);
        let work: Arc<Work> = Arc::new(move |texts: &[String]| {
            let text = texts.concat();
            took.send(text.clone()).ok();
            going.lock().unwrap().recv().ok();
            assert!(text != "broken");
            Ok(vec![vec![1.0]])
        });
        (Workers::start(threads, bound, &work).unwrap(), taken, go)
    }

    fn text(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[tokio::test]
    async fn a_question_waits_for_one_batch_of_documents_and_no_more() {
        let (workers, taken, go) = held(1, 8);
        let mut documents: Vec<_> = ["d1", "d2", "d3"]
            .map(|name| Box::pin(workers.vectors(text(name), Urgency::Documents)))
            .into();
        for job in &mut documents {
            assert!(job.now_or_never().is_none());
        }
        assert_eq!(taken.recv().unwrap(), "d1");
        let mut question = Box::pin(workers.vectors(text("q"), Urgency::Question));
        assert!((&mut question).now_or_never().is_none());
        go.send(()).unwrap();
        assert_eq!(taken.recv().unwrap(), "q");
        (0..3).for_each(|_| go.send(()).unwrap());
        question.await.unwrap();
        futures_util::future::try_join_all(documents).await.unwrap();
    }

    #[tokio::test]
    async fn one_of_several_threads_is_kept_for_questions() {
        let (workers, taken, go) = held(2, 8);
        let mut first = Box::pin(workers.vectors(text("d1"), Urgency::Documents));
        let mut second = Box::pin(workers.vectors(text("d2"), Urgency::Documents));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        assert_eq!(taken.recv().unwrap(), "d1");
        let mut question = Box::pin(workers.vectors(text("q"), Urgency::Question));
        assert!((&mut question).now_or_never().is_none());
        assert_eq!(taken.recv().unwrap(), "q");
        (0..3).for_each(|_| go.send(()).unwrap());
        question.await.unwrap();
        first.await.unwrap();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_full_queue_says_so_and_makes_room_of_those_who_left() {
        let (workers, taken, go) = held(1, 1);
        let mut first = Box::pin(workers.vectors(text("q1"), Urgency::Question));
        assert!((&mut first).now_or_never().is_none());
        assert_eq!(taken.recv().unwrap(), "q1");
        let mut second = Box::pin(workers.vectors(text("q2"), Urgency::Question));
        assert!((&mut second).now_or_never().is_none());
        let third = workers.vectors(text("q3"), Urgency::Question).await;
        assert!(matches!(third, Err(Error::Busy)));
        drop(second);
        let mut fourth = Box::pin(workers.vectors(text("q4"), Urgency::Question));
        assert!((&mut fourth).now_or_never().is_none());
        (0..2).for_each(|_| go.send(()).unwrap());
        first.await.unwrap();
        fourth.await.unwrap();
        assert_eq!(taken.recv().unwrap(), "q4");
    }

    #[tokio::test]
    async fn a_fault_costs_one_answer_and_no_thread_and_threads_end_with_the_value() {
        let (workers, taken, go) = held(1, 4);
        (0..2).for_each(|_| go.send(()).unwrap());
        let broken = workers.vectors(text("broken"), Urgency::Question).await;
        assert!(matches!(broken, Err(Error::Backend(_))));
        workers.vectors(text("well"), Urgency::Question).await.unwrap();
        drop(workers);
        // Nobody is left who could take anything.
        assert_eq!(taken.iter().collect::<Vec<_>>(), ["broken", "well"]);
    }
}
