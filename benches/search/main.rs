//! How well and how fast tools are found: `make bench-search`, with `DATA=folder` for sets of one's own.
//!
//! A set is a folder with `tools.jsonl` and `queries.jsonl` (`benches/data/README.md`). Recipes are compared on the same
//! vectors, which are kept in `target/bench-search` so that a second run needs no model. Compare within one run: the sets
//! have many more tools that would do than are marked, so the figures are no quality by themselves.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a program for people who measure"
)]

mod peer;
mod recipes;
mod sets;
mod speed;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse::embed::{self, Embedder};

use self::recipes::{Recipe, Scored};
use self::sets::{Set, Vectors};

/// What the sets have to reach, as a mean of nDCG@10.
const GOAL: f64 = 0.650;

#[tokio::main]
async fn main() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let data = std::env::var("DATA").map_or_else(|_| root.join("benches/data"), PathBuf::from);
    let cache = root.join("target/bench-search");
    std::fs::create_dir_all(&cache).unwrap();
    let embedder = embedder(&root);
    if embedder.is_none() {
        println!("there is no model: only what goes by words is measured (`make model`)\n");
    }
    let sets = Set::read_all(&data);
    let mut vectors = Vectors::new(embedder.clone(), &cache);
    let mut table: Vec<(Recipe, Vec<Scored>)> = Vec::new();
    let recipes: Vec<Recipe> = Recipe::ALL
        .into_iter()
        .filter(|recipe| embedder.is_some() || !recipe.needs_vectors())
        .collect();
    for set in &sets {
        let ready = set.ready(&mut vectors).await;
        for (place, recipe) in recipes.iter().enumerate() {
            let scored = ready.measure(*recipe);
            match table.get_mut(place) {
                Some((_, row)) => row.push(scored),
                None => table.push((*recipe, vec![scored])),
            }
        }
        if embedder.is_some() {
            ready.show_floor(&set.name);
        }
    }
    show(&sets, &table);
    let mut pool = speed::Pool::new(&sets, &mut vectors).await;
    if let Some(embedder) = &embedder {
        peer::measure(&root, &cache, &**embedder, &mut pool).await;
    }
    speed::measure(pool, &vectors).await;
}

/// The model in this process, where `make model` puts it, or in `GATEHOUSE_MODEL_DIR`.
fn embedder(root: &Path) -> Option<Arc<dyn Embedder>> {
    let folder = std::env::var("GATEHOUSE_MODEL_DIR").map_or_else(|_| root.join("data/model"), PathBuf::from);
    let settings = embed::Settings {
        source: embed::Source::Local(embed::Local {
            folder,
            model: embed::MODEL.to_owned(),
            unverified: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }),
        dimensions: None,
        limits: embed::Limits {
            queue: 64,
            remembered: 1,
            turn: Duration::from_secs(60),
            within: Duration::from_secs(60),
            batch: 64,
        },
        ca_file: None,
    };
    embed::open(&settings).unwrap()
}

fn show(sets: &[Set], table: &[(Recipe, Vec<Scored>)]) {
    for (set, place) in sets.iter().zip(0..) {
        println!(
            "\n{}: {} tools, {} questions\n\n| recipe | nDCG@10 | MRR | recall@1 | @3 | @5 | @10 |\n|---|---|---|---|---|---|---|",
            set.name,
            set.tools.len(),
            set.questions.len()
        );
        for (recipe, row) in table {
            let scored = &row[place];
            let recall = scored.recall.map(|recall| format!("{recall:.3}")).join(" | ");
            println!(
                "| {} | {:.3} | {:.3} | {recall} |",
                recipe.name(),
                scored.ndcg,
                scored.mrr
            );
        }
    }
    println!(
        "\n| nDCG@10 | {} | mean |",
        sets.iter()
            .map(|set| set.name.as_str())
            .collect::<Vec<_>>()
            .join(" | ")
    );
    println!("|---|{}---|", "---|".repeat(sets.len()));
    for (recipe, row) in table {
        let mean = row.iter().map(|scored| scored.ndcg).sum::<f64>() / row.len() as f64;
        let cells = row
            .iter()
            .map(|scored| format!("{:.3}", scored.ndcg))
            .collect::<Vec<_>>();
        let word = if *recipe == Recipe::Shipped && mean < GOAL {
            " (below the goal)"
        } else {
            ""
        };
        println!("| {} | {} | {mean:.4}{word} |", recipe.name(), cells.join(" | "));
    }
}
