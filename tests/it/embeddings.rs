//! The real model: it says what an implementation of its own, with 64 bits and in another language, says.
//!
//! `make model` fetches the weights. Without them these tests fail, in CI and elsewhere, and say so: a search that was
//! never tried with its model has not been tried.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use gatehouse::embed::{self, Embedder, Limits, Local, Settings, Source};
use serde::Deserialize;

/// Texts and what `tests/data/minilm_reference.py` makes of them; 16 bits for each number.
#[derive(Deserialize)]
struct Reference {
    texts: Vec<String>,
    vectors: String,
}

fn reference() -> (Vec<String>, Vec<Vec<f32>>) {
    let file: Reference = serde_json::from_str(include_str!("../data/minilm_reference.json")).unwrap();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(file.vectors)
        .unwrap();
    let number = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32767.0;
    let numbers: Vec<f32> = bytes.chunks(2).map(number).collect();
    (file.texts, numbers.chunks(384).map(<[f32]>::to_vec).collect())
}

fn settings(dimensions: usize) -> Settings {
    Settings {
        source: Source::Local(Local {
            folder: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/model"),
            model: embed::MODEL.to_owned(),
            unverified: false,
            threads: 2,
        }),
        dimensions: Some(dimensions),
        limits: Limits {
            queue: 64,
            remembered: 8,
            turn: Duration::from_secs(60),
            within: Duration::from_secs(60),
            batch: 64,
        },
        ca_file: None,
    }
}

fn model() -> Arc<dyn Embedder> {
    embed::open(&settings(384))
        .unwrap()
        .expect("there is no model in data/model: run `make model`")
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let length = b.iter().map(|b| b * b).sum::<f32>().sqrt();
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / length
}

#[tokio::test]
async fn the_real_model_says_what_the_reference_says() {
    let (texts, expected) = reference();
    assert_eq!((texts.len(), expected.len()), (100, 100));
    let model = model();
    assert!(
        model
            .model()
            .starts_with("sentence-transformers/all-MiniLM-L6-v2@")
    );
    let documents = model.documents(&texts).await.unwrap();
    for ((text, expected), document) in texts.iter().zip(&expected).zip(&documents) {
        let query = model.query(text).await.unwrap();
        for vector in [document, &query] {
            let cosine = cosine(vector, expected);
            assert!(cosine > 0.9999, "{cosine} for {text:?}");
        }
    }
}

#[test]
fn a_size_that_is_not_the_models_is_refused_with_both_numbers() {
    drop(model());
    let words = embed::open(&settings(1024)).unwrap_err().to_string();
    assert!(
        words.ends_with("have 384 numbers, expected 1024: correct embeddings_model_dimensions"),
        "{words}"
    );
}
