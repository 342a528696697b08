//! What every embedder owes, run by each of them.

use super::{Embedder, Vector};

/// The cosine of two vectors of length 1.
pub(super) fn cosine(a: &Vector, b: &Vector) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Run everything.
pub(super) async fn all(embedder: &dyn Embedder) {
    assert!(!embedder.model().is_empty());
    the_same_text_has_the_same_vector(embedder).await;
    every_vector_has_length_one_and_the_size_that_was_said(embedder).await;
    near_is_near(embedder).await;
    order_is_kept(embedder).await;
}

async fn the_same_text_has_the_same_vector(embedder: &dyn Embedder) {
    let first = embedder.query("current time in a zone").await.unwrap();
    let second = embedder.query("current time in a zone").await.unwrap();
    assert_eq!(first, second);
}

async fn every_vector_has_length_one_and_the_size_that_was_said(embedder: &dyn Embedder) {
    let long = "word ".repeat(3_000);
    for text in ["a", "", "  ", "日本語の天気 🌧", "\u{0}", &long] {
        let document = embedder.documents(&[text.to_owned()]).await.unwrap();
        for vector in [embedder.query(text).await.unwrap(), document[0].clone()] {
            assert_eq!(vector.len(), embedder.dimensions());
            assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-4, "{text}");
        }
    }
}

async fn near_is_near(embedder: &dyn Embedder) {
    let texts = [
        "get the weather forecast of a city",
        "delete a user account from the database",
        "convert money between currencies",
    ]
    .map(str::to_owned);
    let documents = embedder.documents(&texts).await.unwrap();
    let queries = [
        "what is the weather forecast for my city",
        "remove the account of a user",
        "convert currencies",
    ];
    for (place, text) in queries.into_iter().enumerate() {
        let query = embedder.query(text).await.unwrap();
        let nearest = (0..texts.len())
            .max_by(|a, b| cosine(&query, &documents[*a]).total_cmp(&cosine(&query, &documents[*b])));
        assert_eq!(nearest, Some(place), "{text}");
    }
}

async fn order_is_kept(embedder: &dyn Embedder) {
    assert!(embedder.documents(&[]).await.unwrap().is_empty());
    let words = ["list", "open", "close", "the", "file", "server", "forecast"];
    let text = |n: usize| {
        let word = |m: usize| words[(n * 5 + m * m) % words.len()];
        (0..=n % 13).map(word).collect::<Vec<_>>().join(" ")
    };
    let texts: Vec<String> = (0..40).map(text).collect();
    let together = embedder.documents(&texts).await.unwrap();
    assert_eq!(together.len(), texts.len());
    for (text, vector) in texts.iter().zip(&together) {
        let alone = embedder.documents(std::slice::from_ref(text)).await.unwrap();
        assert!(cosine(vector, &alone[0]) > 0.9999, "{text}");
    }
}
