//! How long it takes: a search among so many tools, building an index, and being ready again after a start.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gatehouse::clock::Timestamp;
use gatehouse::domain::audit::{Deed, Event};
use gatehouse::domain::catalog::{Entry, EntryKind, take_over};
use gatehouse::domain::draft::{Description, Draft};
use gatehouse::domain::search::document::{Document, TextKey, mixed};
use gatehouse::domain::search::query::Text;
use gatehouse::domain::search::{Weights, rank};
use gatehouse::domain::server::Server;
use gatehouse::embed::{Embedder, Error, Vector};
use gatehouse::index::{Index, Settings};
use gatehouse::service::indexing::Indexing;
use gatehouse::store::{self, Store};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::sets::{Set, Vectors};

pub(crate) const DIMENSIONS: usize = 384;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f32::from((self.0 >> 48) as u16) / 32_768.0 - 1.0
    }

    fn around(&mut self, center: &[f32], noise: f32) -> Vec<f32> {
        let mut vector: Vec<f32> = center.iter().map(|x| x + noise * self.next()).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        for x in &mut vector {
            *x /= length;
        }
        vector
    }
}

/// Tools of all sets and their vectors; copies with a little noise when more are wanted.
pub(crate) struct Pool {
    documents: Vec<Document>,
    vectors: Vec<Vec<f32>>,
    questions: Vec<(Text, Vec<Vec<f32>>)>,
    numbers: Numbers,
}

impl Pool {
    pub(crate) async fn new(sets: &[Set], vectors: &mut Vectors) -> Self {
        let mut numbers = Numbers(7);
        let (mut documents, mut known, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for set in sets {
            let own: Vec<Document> = set
                .documents()
                .into_iter()
                .filter(|document| seen.insert(document.digest()))
                .collect();
            let names = vectors
                .of_documents(own.iter().map(|one| one.texts.name.clone()).collect())
                .await;
            let fulls = vectors
                .of_documents(own.iter().map(|one| one.texts.full.clone()).collect())
                .await;
            known.extend(names.iter().zip(&fulls).map(|(name, full)| mixed(name, full)));
            documents.extend(own);
        }
        let mut questions = Vec::new();
        for (question, _) in sets.iter().flat_map(|set| set.questions.iter().step_by(9)) {
            let text = Text::new(question).unwrap();
            let parts: Vec<String> = text.parts.iter().map(|part| part.text.to_string()).collect();
            questions.push((text, vectors.of_questions(parts).await));
        }
        let zero = vec![0.0; DIMENSIONS];
        let centers: Vec<Vec<f32>> = (0..200).map(|_| numbers.around(&zero, 1.0)).collect();
        for (place, vector) in known
            .iter_mut()
            .enumerate()
            .filter(|(_, vector)| vector.is_empty())
        {
            *vector = numbers.around(&centers[place % centers.len()], 0.05);
        }
        for (text, parts) in &mut questions {
            let missing = text.parts.len() - parts.len();
            parts.extend((0..missing).map(|_| numbers.around(&centers[0], 0.1)));
        }
        Self {
            documents,
            vectors: known,
            questions,
            numbers,
        }
    }

    /// Questions of one sentence that somebody might ask, each another one.
    pub(crate) fn texts_of_one_sentence(&self) -> impl Iterator<Item = Text> {
        let texts = self.questions.iter().map(|(text, _)| text.clone());
        texts.filter(|text| text.parts.len() == 1)
    }

    pub(crate) fn of_size(&mut self, size: usize) -> (Vec<Document>, HashMap<TextKey, Vec<f32>>) {
        let (mut documents, mut vectors) = (Vec::new(), HashMap::new());
        for number in 0..size {
            let place = number % self.documents.len();
            let mut document = self.documents[place].clone();
            let copy = number / self.documents.len();
            let mut vector = self.vectors[place].clone();
            if copy > 0 {
                document.tool = Some(format!("{}#{copy}", document.tool.unwrap()).into());
                document.texts.name = format!("{} {copy}", document.texts.name);
                vector = self.numbers.around(&vector, 0.01);
            }
            vectors.insert(document.digest(), vector);
            documents.push(document);
        }
        (documents, vectors)
    }
}

pub(crate) fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    format!("{:.2} | {:.2}", at(0.5), at(0.99))
}

/// Everything that is about time.
pub(crate) async fn measure(mut pool: Pool, vectors: &Vectors) {
    println!(
        "\n| tools | questions | p50 ms | p99 ms | index built, ms for 1,000 tools |\n|---|---|---|---|---|"
    );
    let exact = Settings {
        exact_up_to: usize::MAX,
        ..Settings::default()
    };
    for size in [1_000, 10_000] {
        let (documents, known) = pool.of_size(size);
        let began = Instant::now();
        let index = Index::build(documents, &|key| known.get(key).cloned());
        let built = began.elapsed().as_secs_f64() * 1_000_000.0 / size as f64;
        for (kind, least, most) in [("one sentence", 1, 1), ("several", 2, 99)] {
            let questions = pool.questions.iter();
            let questions = questions.filter(|(text, _)| (least..=most).contains(&text.parts.len()));
            let times = questions.map(|(text, parts)| search(&index, text, parts, exact).1);
            println!(
                "| {size} | {kind} | {} | {built:.1} |",
                percentiles(times.collect())
            );
        }
    }
    graph(&mut pool);
    if let Some(embedder) = vectors.embedder() {
        embedding(&**embedder, &pool).await;
    }
    restart(&mut pool).await;
}

pub(crate) fn search(
    index: &Index,
    text: &Text,
    parts: &[Vec<f32>],
    settings: Settings,
) -> (Vec<u32>, Duration) {
    let keeps = vec![true; index.documents().len()];
    let began = Instant::now();
    let ranked = rank(
        &index.look(Some(text), Some(parts), &keeps, settings),
        Weights::default(),
    );
    (
        ranked.iter().take(10).map(|one| one.row).collect(),
        began.elapsed(),
    )
}

/// Exact comparison and graph, side by side.
fn graph(pool: &mut Pool) {
    println!(
        "\n| tools | exact p50 ms | p99 | graph p50 ms | p99 | same ten | graph built s |\n|---|---|---|---|---|---|---|"
    );
    for size in [20_000, 50_000] {
        let (documents, known) = pool.of_size(size);
        let mut index = Index::build(documents, &|key| known.get(key).cloned());
        let began = Instant::now();
        let graph = index.new_graph(&|| true).unwrap();
        let built = began.elapsed().as_secs_f64();
        assert!(index.link(Arc::new(graph)));
        let (mut exact, mut through, mut same, mut count) = (Vec::new(), Vec::new(), 0, 0);
        for (text, parts) in &pool.questions {
            let (truth, time) = search(
                &index,
                text,
                parts,
                Settings {
                    exact_up_to: usize::MAX,
                    ..Settings::default()
                },
            );
            exact.push(time);
            let near = Settings {
                exact_up_to: 1_000,
                ..Settings::default()
            };
            let (found, time) = search(&index, text, parts, near);
            through.push(time);
            same += found.iter().filter(|row| truth.contains(row)).count();
            count += truth.len();
        }
        let same = same as f64 / count as f64;
        println!(
            "| {size} | {} | {} | {same:.4} | {built:.1} |",
            percentiles(exact),
            percentiles(through)
        );
    }
}

async fn embedding(embedder: &dyn Embedder, pool: &Pool) {
    let mut times = Vec::new();
    for (number, (text, _)) in pool
        .questions
        .iter()
        .filter(|(text, _)| text.parts.len() == 1)
        .take(100)
        .enumerate()
    {
        let question = format!("{} {number}", text.parts[0].text);
        let began = Instant::now();
        embedder.query(&question).await.unwrap();
        times.push(began.elapsed());
    }
    println!("\nvector of a question, p50 | p99 ms: {}", percentiles(times));
    let documents = pool.documents.iter().take(500);
    let texts: Vec<String> = documents
        .enumerate()
        .flat_map(|(number, one)| {
            [
                format!("{} {number}", one.texts.name),
                format!("{} {number}", one.texts.full),
            ]
        })
        .collect();
    let began = Instant::now();
    for lot in texts.chunks(64) {
        embedder.documents(lot).await.unwrap();
    }
    println!(
        "vectors of 1,000 tools (two texts each): {:.1} s",
        began.elapsed().as_secs_f64() * 2.0
    );
}

/// A model that must not be asked.
#[derive(Debug)]
struct Unasked;

#[async_trait]
impl Embedder for Unasked {
    fn model(&self) -> &'static str {
        "unasked"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    async fn query(&self, _: &str) -> Result<Vector, Error> {
        Err(Error::Busy)
    }

    async fn documents(&self, _: &[String]) -> Result<Vec<Vector>, Error> {
        Err(Error::Busy)
    }
}

/// From an opened store to an index with every vector.
async fn restart(pool: &mut Pool) {
    const SERVERS: usize = 200;
    const TOOLS: usize = 50;
    let folder = tempfile::tempdir().unwrap();
    let settings = store::Settings {
        file: folder.path().join("x.db"),
    };
    let at = Timestamp::from_unix(1);
    {
        let store = store::open(&settings).unwrap();
        for number in 0..SERVERS {
            let fields = [
                ("name", format!("Server {number}")),
                ("path", format!("/s{number}")),
                ("proxy_pass_url", "http://127.0.0.1:9/".to_owned()),
            ];
            let fields = fields.map(|(key, value)| (key.to_owned(), value)).to_vec();
            let new = Draft::from_pairs(fields)
                .new_server(Description::Optional)
                .unwrap();
            let server = Server {
                path: new.path,
                profile: new.profile,
                enabled: true,
                trusted: false,
                sealed: None,
                registered_by: "bench".to_owned(),
                registered_at: at,
                updated_at: at,
            };
            let path = server.path.as_str().to_owned();
            let event = Event {
                at,
                actor: "bench".to_owned(),
                deed: Deed::ServerRegistered,
                target: path.clone(),
            };
            store.insert_server(server, event).await.unwrap();
            let entries = (0..TOOLS).map(|tool| {
                let texts = &pool.documents[(number * TOOLS + tool) % pool.documents.len()].texts;
                let definition = json!({"name": format!("tool_{tool}"), "description": texts.full,
                    "inputSchema": {"type": "object", "properties": {"first": {"type": "string"}}}});
                Entry {
                    kind: EntryKind::Tool,
                    name: format!("tool_{tool}"),
                    definition: definition.as_object().unwrap().clone(),
                }
            });
            let plan = take_over(&[], entries.collect(), false, true, at);
            store.put_catalog(&path, plan).await.unwrap();
        }
        // The first start without vectors tells which ones are wanted.
        let wanted = started(&store, None).await;
        let zero = vec![0.0; DIMENSIONS];
        let vectors = wanted
            .into_iter()
            .map(|key| (key, pool.numbers.around(&zero, 1.0)))
            .collect();
        store.put_vectors("unasked", vectors).await.unwrap();
    }
    let began = Instant::now();
    let store = store::open(&settings).unwrap();
    started(&store, Some(Arc::new(Unasked))).await;
    println!(
        "\n{} tools of {SERVERS} servers: ready {:.2} s after the store is opened",
        SERVERS * TOOLS,
        began.elapsed().as_secs_f64()
    );
}

/// Run the index until it has everything; the keys of its texts.
async fn started(store: &Arc<dyn Store>, embedder: Option<Arc<dyn Embedder>>) -> Vec<TextKey> {
    let with_vectors = embedder.is_some();
    let (_changes, changes) = watch::channel(0);
    let indexing = Indexing::new(Arc::clone(store), embedder, changes, Settings::default());
    let stop = CancellationToken::new();
    let running = tokio::spawn(indexing.clone().run(stop.clone()));
    loop {
        let snapshot = indexing.snapshot();
        let all = [&snapshot.tools, &snapshot.servers];
        let known = || {
            all.iter()
                .all(|index| (0..index.documents().len()).all(|row| index.vector(row).is_some()))
        };
        if !snapshot.tools.documents().is_empty() && (!with_vectors || known()) {
            stop.cancel();
            running.await.unwrap();
            return all.iter().flat_map(|index| index.digests().to_vec()).collect();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
