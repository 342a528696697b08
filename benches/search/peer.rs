//! The same questions answered by sentence-transformers and FAISS in Python, in turns with ours: a ratio of one run.
//!
//! Ours does more in the same time: words, sentences, and one order of both.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use gatehouse::domain::search::query::Text;
use gatehouse::embed::Embedder;
use gatehouse::index::{Index, Settings};
use serde_json::{Value, json};

use crate::speed::{DIMENSIONS, Pool, percentiles, search};

/// Turns, and questions in each.
const TURNS: usize = 6;
const QUESTIONS: usize = 25;

/// The other one.
struct Peer {
    child: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Peer {
    fn start(root: &Path, folder: &Path, vectors: &[f32]) -> Self {
        let file = folder.join("vectors.f32");
        let bytes: Vec<u8> = vectors.iter().flat_map(|number| number.to_le_bytes()).collect();
        std::fs::write(&file, bytes).unwrap();
        let mut child = Command::new(folder.join("peer/bin/python"))
            .arg(root.join("benches/search/peer.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut asks = child.stdin.take().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        let begin = json!({"model": root.join("data/model"), "vectors": file, "dimensions": DIMENSIONS});
        writeln!(asks, "{begin}").unwrap();
        let mut peer = Self { child, asks, says };
        assert_eq!(peer.line().trim(), "ready", "the other one did not start");
        peer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self, questions: &[&Text], tools: usize) -> Vec<Duration> {
        let texts: Vec<&str> = questions.iter().map(|text| &*text.parts[0].text).collect();
        writeln!(self.asks, "{}", json!({"questions": texts, "tools": tools})).unwrap();
        let times: Vec<Value> = serde_json::from_str(&self.line()).unwrap();
        let times = times.iter().map(|time| time.as_f64().unwrap() / 1000.0);
        times.map(Duration::from_secs_f64).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Side by side, if `benches/search/peer-install` has put the other one there.
pub(crate) async fn measure(root: &Path, folder: &Path, embedder: &dyn Embedder, pool: &mut Pool) {
    if !folder.join("peer/ready").exists() {
        println!(
            "\nsentence-transformers and FAISS are not here (`benches/search/peer-install target/bench-search/peer`)"
        );
        return;
    }
    let exact = Settings {
        exact_up_to: usize::MAX,
        ..Settings::default()
    };
    let (documents, known) = pool.of_size(10_000);
    let flat: Vec<f32> = documents
        .iter()
        .flat_map(|document| known[&document.digest()].clone())
        .collect();
    let mut peer = Peer::start(root, folder, &flat);
    let questions: Vec<Text> = pool.texts_of_one_sentence().take(TURNS * QUESTIONS).collect();
    println!(
        "\n| {} questions of one sentence, in turns | ours p50 ms | p99 | Python p50 ms | p99 | ratio of p50 |\n|---|---|---|---|---|---|",
        questions.len()
    );
    for tools in [0, 1_000, 10_000] {
        let mut some = documents.clone();
        some.truncate(tools);
        let index = Index::build(some, &|key| known.get(key).cloned());
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for turn in questions.chunks(QUESTIONS) {
            for text in turn {
                let began = Instant::now();
                let vector = embedder.query(&text.parts[0].text).await.unwrap();
                if tools > 0 {
                    search(&index, text, &[vector], exact);
                }
                ours.push(began.elapsed());
            }
            theirs.extend(peer.ask(&turn.iter().collect::<Vec<_>>(), tools));
        }
        let name = match tools {
            0 => "the vector alone".to_owned(),
            tools => format!("the whole search, {tools} tools"),
        };
        let middle = |times: &[Duration]| {
            let mut times = times.to_vec();
            times.sort();
            times[times.len() / 2].as_secs_f64()
        };
        let ratio = middle(&ours) / middle(&theirs);
        println!(
            "| {name} | {} | {} | {ratio:.2} |",
            percentiles(ours),
            percentiles(theirs)
        );
    }
}
