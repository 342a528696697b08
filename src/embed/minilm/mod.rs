//! An encoder in this process: `all-MiniLM-L6-v2`, or another of the BERT family.
//!
//! Only files with the pinned checksums are loaded under the pinned name; another model has to be allowed by a setting.
//! Texts never leave the machine, and a question is answered in milliseconds.
//!
//! Considered and left (November 2026): mapping the weights (needs `unsafe`), f16 weights (slower in candle), and two
//! threads for one question (slower under load).

mod encoder;
mod files;
#[cfg(test)]
mod tiny;
mod tokens;
mod workers;

use std::cell::OnceCell;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;

use self::encoder::Encoder;
use self::tokens::Tokens;
use self::workers::{BATCH_BYTES, BATCH_TEXTS, Urgency, Work, Workers, counted};
use super::{Embedder, Error, Limits, Local, Vector};

/// The model whose checksums are pinned.
pub(super) const MODEL: &str = "all-MiniLM-L6-v2";
/// Who publishes it; people write it before the name.
const PUBLISHER: &str = "sentence-transformers/";

/// An encoder with its threads.
pub(super) struct MiniLm {
    name: String,
    dimensions: usize,
    query_prefix: String,
    workers: Workers,
}

impl std::fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MiniLm")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl MiniLm {
    /// Read and check the files, and start the threads; `None` when there are no files.
    pub(super) fn open(local: &Local, limits: &Limits) -> Result<Option<Self>, Error> {
        let fault = |reason: String| Error::Model {
            folder: local.folder.clone(),
            reason,
        };
        let model = local.model.strip_prefix(PUBLISHER).unwrap_or(&local.model);
        let pinned = model == MODEL;
        let Some(files) = files::read(local, pinned)? else {
            return Ok(None);
        };
        if !pinned && !local.unverified {
            return Err(fault(format!(
                "no checksums are pinned for `{}`; embeddings_unverified_model loads it all the same",
                local.model
            )));
        }
        let encoder = Encoder::new(&files.config, files.weights).map_err(&fault)?;
        let tokens = Tokens::new(&files.tokenizer, encoder.most_pieces()).map_err(&fault)?;
        if tokens.size() > encoder.vocabulary() {
            return Err(fault(format!(
                "{} knows {} pieces, and {} only {}",
                files::TOKENIZER,
                tokens.size(),
                files::CONFIG,
                encoder.vocabulary()
            )));
        }
        let short = files.fingerprint.get(..12).unwrap_or_default();
        let bound = local.threads + limits.queue;
        let (dimensions, query_prefix) = (encoder.dimensions(), encoder.query_prefix().to_owned());
        let work: Arc<Work> = Arc::new(move |texts: &[String]| work(&tokens, &encoder, texts));
        Ok(Some(Self {
            name: format!("{PUBLISHER}{model}@{short}"),
            dimensions,
            query_prefix,
            workers: Workers::start(local.threads, bound, limits.turn, &work).map_err(backend)?,
        }))
    }
}

impl MiniLm {
    async fn question(&self, text: &str, urgency: Urgency) -> Result<Vector, Error> {
        let text = format!("{}{text}", self.query_prefix);
        let mut vectors = self.workers.vectors(vec![text], urgency).await?;
        vectors.pop().ok_or(Error::Unusable("there is no vector"))
    }
}

fn backend(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Backend(Box::new(error))
}

fn work(tokens: &Tokens, encoder: &Encoder, texts: &[String]) -> Result<Vec<Vector>, Error> {
    thread_local! {
        // candle hands parts of a product to all cores. Here a thread is a pool of its own, so they stay with it.
        static ALONE: OnceCell<Option<rayon::ThreadPool>> = const { OnceCell::new() };
    }
    let pieces = texts
        .iter()
        .map(|text| tokens.pieces(text))
        .collect::<Result<Vec<_>, _>>();
    let pieces = pieces.map_err(Error::Backend)?;
    ALONE.with(|pool| {
        let builder = || {
            rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .use_current_thread()
        };
        let pool = pool.get_or_init(|| builder().build().ok());
        let vectors = || encoder.vectors(&pieces).map_err(backend);
        pool.as_ref().map_or_else(vectors, |pool| pool.install(vectors))
    })
}

/// Texts of like length together, so that little is padded: each batch as places in `texts`.
fn batches(texts: &[String]) -> Vec<Vec<usize>> {
    let mut order: Vec<(usize, usize)> = texts
        .iter()
        .enumerate()
        .map(|(place, text)| (counted(text), place))
        .collect();
    // Longest first: the last batches are small, and the threads end together.
    order.sort_by(|a, b| b.cmp(a));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut longest = 0;
    for (bytes, place) in order {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_TEXTS && longest * (batch.len() + 1) <= BATCH_BYTES => {
                batch.push(place);
            }
            _ => {
                longest = bytes;
                batches.push(vec![place]);
            }
        }
    }
    batches
}

#[async_trait]
impl Embedder for MiniLm {
    fn model(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn query(&self, text: &str) -> Result<Vector, Error> {
        self.question(text, Urgency::Question).await
    }

    async fn sentence(&self, text: &str) -> Result<Vector, Error> {
        self.question(text, Urgency::Sentence).await
    }

    async fn documents(&self, texts: &[String]) -> Result<Vec<Vector>, Error> {
        let mut vectors = vec![Vector::new(); texts.len()];
        let mut waiting = batches(texts).into_iter();
        let submit = |places: Vec<usize>| async move {
            let batch = places
                .iter()
                .filter_map(|&place| texts.get(place).cloned())
                .collect();
            let made = self.workers.vectors(batch, Urgency::Documents).await?;
            Ok::<_, Error>((places, made))
        };
        // As many as are worked on: whoever stops waiting leaves no more than that behind.
        let first = waiting.by_ref().take(self.workers.most_at_documents());
        let mut running: FuturesUnordered<_> = first.map(submit).collect();
        while let Some((places, made)) = running.try_next().await? {
            running.extend(waiting.next().map(submit));
            for (place, vector) in places.into_iter().zip(made) {
                if let Some(slot) = vectors.get_mut(place) {
                    *slot = vector;
                }
            }
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::embed::conformance;

    fn local(folder: &Path) -> Local {
        Local {
            folder: folder.to_owned(),
            model: "tiny".to_owned(),
            unverified: true,
            threads: 2,
        }
    }

    fn limits() -> Limits {
        Limits {
            queue: 8,
            remembered: 8,
            turn: Duration::from_secs(30),
            within: Duration::from_secs(30),
            batch: 8,
        }
    }

    /// A model of two layers, with this in its configuration.
    fn tiny(more: &Value) -> (tempfile::TempDir, Result<Option<MiniLm>, Error>) {
        let folder = tempfile::tempdir().unwrap();
        tiny::write(folder.path(), more);
        let model = MiniLm::open(&local(folder.path()), &limits());
        (folder, model)
    }

    fn reason(folder: &Path, local: &Local) -> String {
        match MiniLm::open(local, &limits()) {
            Err(Error::Model {
                folder: named,
                reason,
            }) if named == folder => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn it_owes_what_every_embedder_owes() {
        for more in [json!({}), json!({"pooling": "cls"})] {
            let (_folder, model) = tiny(&more);
            let model = model.unwrap().unwrap();
            assert_eq!(model.dimensions(), 32);
            conformance::all(&model).await;
        }
    }

    #[tokio::test]
    async fn the_configuration_says_pooling_prefix_and_length() {
        let of = async |more: Value, text: &str| {
            let (_folder, model) = tiny(&more);
            let model = model.unwrap().unwrap();
            let documents = model.documents(&[text.to_owned()]).await.unwrap();
            (model.query(text).await.unwrap(), documents[0].clone())
        };
        let (query, document) = of(json!({}), "weather forecast").await;
        assert_eq!(query, document);
        let (prefixed, same) = of(json!({"query_prefix": "what is the "}), "weather forecast").await;
        assert_eq!(same, document);
        assert_eq!(prefixed, of(json!({}), "what is the weather forecast").await.0);
        assert_ne!(
            of(json!({"pooling": "cls"}), "weather forecast").await.1,
            document
        );
        // Four pieces: two of them begin and end the text.
        let cut = json!({"max_tokens": 4});
        assert_eq!(
            of(cut.clone(), "get the weather").await,
            of(cut, "get the city").await
        );
    }

    #[test]
    fn padding_and_cut_are_ours_and_not_the_files() {
        let folder = tempfile::tempdir().unwrap();
        tiny::write(folder.path(), &json!({}));
        let file = std::fs::read(folder.path().join(files::TOKENIZER)).unwrap();
        let tokens = Tokens::new(&file, 256).unwrap();
        assert_eq!(tokens.pieces("get the weather").unwrap().len(), 5);
        assert_eq!(tokens.pieces(&"city ".repeat(1_000)).unwrap().len(), 256);
    }

    #[test]
    fn a_folder_without_a_model_is_no_fault_and_half_a_model_is() {
        let folder = tempfile::tempdir().unwrap();
        let none = MiniLm::open(&local(folder.path()), &limits());
        assert!(matches!(none, Ok(None)));
        let nowhere = MiniLm::open(&local(&folder.path().join("nowhere")), &limits());
        assert!(matches!(nowhere, Ok(None)));
        tiny::write(folder.path(), &json!({}));
        std::fs::remove_file(folder.path().join(files::TOKENIZER)).unwrap();
        assert_eq!(
            reason(folder.path(), &local(folder.path())),
            "it lacks tokenizer.json"
        );
    }

    #[test]
    fn only_the_published_files_go_by_the_pinned_name_and_others_need_a_word() {
        let (folder, _) = tiny(&json!({}));
        let folder = folder.path();
        let pinned = Local {
            model: "sentence-transformers/all-MiniLM-L6-v2".to_owned(),
            ..local(folder)
        };
        let words = reason(folder, &pinned);
        assert!(
            words.starts_with("model.safetensors has the SHA-256 ") && words.contains("53aa51172d14"),
            "{words}"
        );
        let unsaid = Local {
            unverified: false,
            ..local(folder)
        };
        assert!(reason(folder, &unsaid).starts_with("no checksums are pinned for `tiny`"));
    }

    #[test]
    fn the_name_changes_with_the_files() {
        let name = |more: &Value| tiny(more).1.unwrap().unwrap().model().to_owned();
        assert_eq!(name(&json!({})), name(&json!({})));
        assert_ne!(name(&json!({})), name(&json!({"pooling": "cls"})));
        assert!(name(&json!({})).starts_with("sentence-transformers/tiny@"));
    }

    #[test]
    fn a_broken_model_says_what_is_wrong() {
        for (more, words) in [
            (
                json!({"model_type": "roberta"}),
                "`roberta` is not a model_type that is known: bert",
            ),
            (
                json!({"num_attention_heads": 5}),
                "hidden_size 32 cannot be parted among 5 heads",
            ),
            (
                json!({"num_attention_heads": 0}),
                "hidden_size 32 cannot be parted among 0 heads",
            ),
            (json!({"num_hidden_layers": 3}), "encoder.layer.2"),
            (json!({"hidden_size": 64}), "shape"),
            (json!({"pooling": "sum"}), "unknown variant `sum`"),
            (json!({"vocab_size": 8}), "shape"),
        ] {
            let (folder, _) = tiny(&more);
            let reason = reason(folder.path(), &local(folder.path()));
            assert!(reason.contains(words), "{words}: {reason}");
        }
        let (folder, _) = tiny(&json!({}));
        let weights = folder.path().join(files::WEIGHTS);
        let whole = std::fs::read(&weights).unwrap();
        let longer = [whole.as_slice(), b"x"].concat();
        let mut large = whole.clone();
        large[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        for (bytes, words) in [
            (&whole[..4], "it is cut short"),
            (&whole[..40], "it does not begin"),
            (&whole[..whole.len() - 1], "it is cut short"),
            (&longer, "something behind the last tensor"),
            (&large, "it does not begin"),
        ] {
            std::fs::write(&weights, bytes).unwrap();
            let reason = reason(folder.path(), &local(folder.path()));
            assert!(reason.contains(words), "{words}: {reason}");
        }
    }

    #[test]
    fn batches_are_of_like_length_and_small() {
        let texts: Vec<String> = (0..50)
            .map(|n| "x".repeat(n * 37 % 400))
            .chain(["y".repeat(9_000)])
            .collect();
        let batches = batches(&texts);
        let mut all: Vec<usize> = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..51).collect::<Vec<_>>());
        for batch in &batches {
            let sizes = batch.iter().map(|place| counted(&texts[*place]));
            let (longest, count) = (sizes.max().unwrap(), batch.len());
            assert!(count == 1 || (count <= BATCH_TEXTS && longest * count <= BATCH_BYTES));
        }
        assert!(batches.len() < 25, "{}", batches.len());
    }
}
