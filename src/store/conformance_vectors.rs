//! What every backend owes the vectors of texts.

use std::collections::HashSet;

use super::Store;

/// They are found by model and text, replaced, and go when nobody needs them.
pub(super) async fn vectors_are_kept_by_model_and_text_and_trimmed(store: &dyn Store) {
    let digest = |n: u8| [n; 32];
    let vector = |n: f32| vec![n, -0.5, f32::MIN_POSITIVE];
    let both = vec![(digest(1), vector(1.0)), (digest(2), vector(2.0))];
    store.put_vectors("a", both.clone()).await.unwrap();
    store
        .put_vectors("b", vec![(digest(1), vector(3.0))])
        .await
        .unwrap();
    let all = vec![digest(1), digest(3), digest(2)];
    assert_eq!(store.vectors("a", all.clone()).await.unwrap(), both);
    store
        .put_vectors("a", vec![(digest(2), vector(4.0))])
        .await
        .unwrap();
    let keep = HashSet::from([digest(2)]);
    // Of two that are stale, one at a time.
    assert_eq!(store.trim_vectors("a", keep.clone(), 1).await.unwrap(), 1);
    assert_eq!(store.trim_vectors("a", keep.clone(), 9).await.unwrap(), 1);
    assert_eq!(store.trim_vectors("a", keep, 9).await.unwrap(), 0);
    assert_eq!(
        store.vectors("a", all.clone()).await.unwrap(),
        [(digest(2), vector(4.0))]
    );
    assert!(store.vectors("b", all).await.unwrap().is_empty());
}
