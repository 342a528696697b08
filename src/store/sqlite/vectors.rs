//! Vectors of texts, by model and by the SHA-256 of the text.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Transaction};

use super::db::backend;
use crate::domain::search::document::TextKey;
use crate::store::Error;

fn blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Rows are outside input too: what is no row of numbers is as if it were not there.
fn vector(blob: &[u8]) -> Option<Vec<f32>> {
    let (numbers, rest) = blob.as_chunks::<4>();
    let numbers: Vec<f32> = numbers.iter().copied().map(f32::from_le_bytes).collect();
    (rest.is_empty() && numbers.iter().all(|number| number.is_finite())).then_some(numbers)
}

pub(super) fn find(
    tx: &Transaction<'_>,
    model: &str,
    digests: &[TextKey],
) -> Result<Vec<(TextKey, Vec<f32>)>, Error> {
    let mut statement = tx.prepare_cached("SELECT vector FROM vectors WHERE model = ?1 AND digest = ?2")?;
    let mut found = Vec::new();
    for digest in digests {
        let blob: Option<Vec<u8>> = statement
            .query_row((model, digest), |row| row.get(0))
            .optional()?;
        found.extend(blob.as_deref().and_then(vector).map(|vector| (*digest, vector)));
    }
    Ok(found)
}

pub(super) fn put(tx: &Transaction<'_>, model: &str, vectors: &[(TextKey, Vec<f32>)]) -> Result<(), Error> {
    let mut insert =
        tx.prepare_cached("INSERT OR REPLACE INTO vectors (model, digest, vector) VALUES (?1, ?2, ?3)")?;
    for (digest, vector) in vectors {
        insert.execute((model, digest, blob(vector)))?;
    }
    Ok(())
}

/// Forget what is not among `keep`; of other models everything.
pub(super) fn trim(
    tx: &Transaction<'_>,
    model: &str,
    keep: &HashSet<TextKey>,
    most: u32,
) -> Result<u32, Error> {
    let mut statement = tx.prepare_cached("SELECT rowid, model, digest FROM vectors")?;
    let mut rows = statement.query(())?;
    let mut stale: Vec<i64> = Vec::new();
    while let Some(row) = rows.next()? {
        if stale.len() >= most as usize {
            break;
        }
        let digest: Vec<u8> = row.get(2)?;
        let is_ours = row.get_ref(1)?.as_str().map_err(backend)? == model;
        let digest: Option<TextKey> = digest.try_into().ok();
        if !is_ours || !digest.is_some_and(|digest| keep.contains(&digest)) {
            stale.push(row.get(0)?);
        }
    }
    let mut delete = tx.prepare_cached("DELETE FROM vectors WHERE rowid = ?1")?;
    for row in &stale {
        delete.execute([row])?;
    }
    u32::try_from(stale.len()).map_err(backend)
}
