//! The threads that do the arithmetic, and the order in which they take what waits: questions first, then their sentences.
//!
//! One thread answers one question; two would not be twice as fast, and under load they would be slower. Where there
//! are several threads, one never takes documents, so that a question finds it free. In a crowd a thread takes several
//! questions of like length together: half of the time of a short one goes by before its first word is looked at.
//!
//! What has waited too long is not begun: whoever asked would not wait for its end, and those behind would be late, too.
//!
//! **Invariants:** a question waits for at most one batch of documents; both queues have a bound; the threads end with
//! the value.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::embed::{Error, Vector};

/// A batch has at most so many texts...
pub(super) const BATCH_TEXTS: usize = 8;
/// ...and so many bytes, about 250 word pieces: it is what a question may have to wait for.
pub(super) const BATCH_BYTES: usize = 1000;
/// What a text counts for at most: the rest of it is cut.
const COUNTED_BYTES: usize = 1200;

/// What waits longer when both do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits for the answer.
    Question,
    /// The answer is better with it, and does without.
    Sentence,
    /// It is for later.
    Documents,
}

/// Texts to vectors; what the threads do.
pub(super) type Work = dyn Fn(&[String]) -> Result<Vec<Vector>, Error> + Send + Sync;

type Reply = oneshot::Sender<Result<Vec<Vector>, Error>>;

/// What is to be done for one asker.
struct Job {
    texts: Vec<String>,
    reply: Reply,
    /// When it is too late to begin; documents have time.
    until: Option<Instant>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.texts.iter().map(|text| counted(text)).sum()
    }

    /// Whether somebody still waits for it, and will when it is done.
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed() && self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// Bytes that a text counts for.
pub(super) fn counted(text: &str) -> usize {
    text.len().min(COUNTED_BYTES)
}

#[derive(Default)]
struct Queues {
    questions: VecDeque<Job>,
    sentences: VecDeque<Job>,
    documents: VecDeque<Job>,
    /// Threads that are at documents now.
    at_documents: usize,
    closed: bool,
}

struct Shared {
    queues: Mutex<Queues>,
    changed: Condvar,
    /// How many may wait in each queue.
    bound: usize,
    threads: usize,
    /// How many threads may be at documents.
    most_at_documents: usize,
    /// How long a question may wait; a sentence a quarter of it.
    turn: Duration,
}

/// Threads with their queues.
pub(super) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Start so many threads; as many jobs as `bound` may wait in each queue, questions for `turn` at most.
    pub(super) fn start(
        threads: usize,
        bound: usize,
        turn: Duration,
        work: &Arc<Work>,
    ) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            queues: Mutex::default(),
            changed: Condvar::new(),
            bound,
            threads,
            most_at_documents: (threads - 1).max(1),
            turn,
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
        let now = Instant::now();
        let (queue, until) = match urgency {
            Urgency::Question => (&mut queues.questions, Some(now + self.turn)),
            Urgency::Sentence => (&mut queues.sentences, Some(now + self.turn / 4)),
            Urgency::Documents => (&mut queues.documents, None),
        };
        if queue.len() >= self.bound {
            queue.retain(Job::is_wanted);
        }
        if queue.len() >= self.bound {
            return Err(Error::Busy);
        }
        queue.push_back(Job { texts, reply, until });
        drop(queues);
        // All: the one that is woken might be the one that may not take documents.
        self.changed.notify_all();
        Ok(())
    }

    /// The next thing to do; `None` when it is time to end.
    fn next(&self) -> Option<(Urgency, Vec<Job>)> {
        let mut queues = self.lock();
        loop {
            if queues.closed {
                return None;
            }
            for urgency in [Urgency::Question, Urgency::Sentence] {
                let queue = match urgency {
                    Urgency::Question => &mut queues.questions,
                    _ => &mut queues.sentences,
                };
                // The oldest stand in front.
                while let Some(late) = queue.pop_front_if(|job| !job.is_wanted()) {
                    late.reply.send(Err(Error::Busy)).ok();
                }
                let jobs = self.together(queue);
                if !jobs.is_empty() {
                    return Some((urgency, jobs));
                }
            }
            if queues.at_documents < self.most_at_documents
                && let Some(job) = queues.documents.pop_front()
            {
                queues.at_documents += 1;
                return Some((Urgency::Documents, vec![job]));
            }
            queues = self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The oldest of a queue and those of like length, and no more than this thread's share.
    fn together(&self, queue: &mut VecDeque<Job>) -> Vec<Job> {
        let share = queue.len().div_ceil(self.threads).min(BATCH_TEXTS);
        let Some(first) = queue.pop_front() else {
            return Vec::new();
        };
        let mut longest = first.bytes();
        let like = longest / 2..=longest.saturating_mul(2);
        let mut jobs = vec![first];
        let mut place = 0;
        while jobs.len() < share
            && let Some(bytes) = queue.get(place).map(Job::bytes)
        {
            let padded = longest.max(bytes) * (jobs.len() + 1);
            if like.contains(&bytes) && padded <= BATCH_BYTES {
                longest = longest.max(bytes);
                jobs.extend(queue.remove(place));
            } else {
                place += 1;
            }
        }
        jobs
    }

    fn serve(&self, work: &Work) {
        while let Some((urgency, jobs)) = self.next() {
            if urgency != Urgency::Documents || jobs.iter().all(Job::is_wanted) {
                answer(work, jobs);
            }
            if urgency == Urgency::Documents {
                self.lock().at_documents -= 1;
                self.changed.notify_all();
            }
        }
    }
}

/// Do them together, and give each its own. The first hears of a failure; to the others it is a dropped reply.
fn answer(work: &Work, jobs: Vec<Job>) {
    let texts: Vec<String> = jobs.iter().flat_map(|job| job.texts.clone()).collect();
    // A fault of the arithmetic costs these answers, not the thread: the dropped replies say so.
    let Ok(answer) = std::panic::catch_unwind(AssertUnwindSafe(|| work(&texts))) else {
        return;
    };
    match answer {
        Ok(vectors) => {
            let mut vectors = vectors.into_iter();
            for job in jobs {
                let own = vectors.by_ref().take(job.texts.len()).collect();
                job.reply.send(Ok(own)).ok();
            }
        }
        Err(error) => {
            let mut jobs = jobs.into_iter();
            if let Some(first) = jobs.next() {
                first.reply.send(Err(error)).ok();
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
            #[expect(clippy::cast_precision_loss, reason = "short texts")]
            let vectors = texts.iter().map(|text| vec![text.len() as f32]);
            Ok(vectors.collect())
        });
        let workers = Workers::start(threads, bound, Duration::from_secs(60), &work).unwrap();
        (workers, taken, go)
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
    async fn in_a_crowd_questions_of_like_length_are_answered_together_and_sentences_after_them() {
        let (workers, taken, go) = held(1, 8);
        let mut first = Box::pin(workers.vectors(text("q1"), Urgency::Question));
        assert!((&mut first).now_or_never().is_none());
        assert_eq!(taken.recv().unwrap(), "q1");
        let asked = [
            ("a sentence", Urgency::Sentence),
            ("question", Urgency::Question),
            ("a question that is much longer", Urgency::Question),
            ("another", Urgency::Question),
        ];
        let mut waiting = asked.map(|(words, urgency)| Box::pin(workers.vectors(text(words), urgency)));
        for job in &mut waiting {
            assert!(job.now_or_never().is_none());
        }
        (0..4).for_each(|_| go.send(()).unwrap());
        let order: Vec<String> = (0..3).map(|_| taken.recv().unwrap()).collect();
        assert_eq!(
            order,
            ["questionanother", "a question that is much longer", "a sentence"]
        );
        for (job, (words, _)) in waiting.into_iter().zip(asked) {
            #[expect(clippy::cast_precision_loss, reason = "short texts")]
            let own = words.len() as f32;
            assert_eq!(job.await.unwrap(), [[own]], "{words}");
        }
        first.await.unwrap();
    }

    #[tokio::test]
    async fn what_has_waited_too_long_is_not_begun_and_hears_so() {
        let work: Arc<Work> = Arc::new(|_: &[String]| panic!("it was begun"));
        let workers = Workers::start(1, 8, Duration::ZERO, &work).unwrap();
        for urgency in [Urgency::Question, Urgency::Sentence] {
            let late = workers.vectors(text("q"), urgency).await;
            assert!(matches!(late, Err(Error::Busy)), "{late:?}");
        }
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
