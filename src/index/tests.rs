//! The graph answers above the threshold, and finds what the exact comparison finds.

use std::collections::HashSet;

use super::*;
use crate::domain::search::query::Query;
use crate::domain::search::{Labels, Weights, rank};

const DIMENSIONS: usize = 32;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(self.0 >> 48).unwrap()) / 32_768.0 - 1.0
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

fn document(number: usize) -> Document {
    let server: crate::domain::path::ServerPath = format!("/s{}", number % 40).parse().unwrap();
    let profile = crate::domain::server::Server::sample("/x", "http://127.0.0.1:9/", &[]).profile;
    let labels = Arc::new(Labels::of(&profile));
    Document::of_tool(
        &server,
        &profile,
        &labels,
        &format!("tool{number:05}"),
        &serde_json::Map::new(),
    )
}

/// Documents, their vectors, and questions near them.
type Clusters = (
    Vec<Document>,
    std::collections::HashMap<TextKey, Vec<f32>>,
    Vec<Vec<f32>>,
);

/// Tools in clusters, as tools of the same kind are.
fn clusters(count: usize) -> Clusters {
    let mut numbers = Numbers(7);
    let zero = vec![0.0; DIMENSIONS];
    let centers: Vec<Vec<f32>> = (0..60).map(|_| numbers.around(&zero, 1.0)).collect();
    let documents: Vec<Document> = (0..count).map(document).collect();
    let vectors = documents.iter().enumerate().map(|(number, document)| {
        let center = centers.get(number % centers.len()).unwrap();
        (document.digest(), numbers.around(center, 0.25))
    });
    let vectors = vectors.collect();
    let questions = centers
        .iter()
        .take(30)
        .map(|center| numbers.around(center, 0.3))
        .collect();
    (documents, vectors, questions)
}

fn up_to(exact_up_to: usize) -> Settings {
    Settings {
        exact_up_to,
        ..Settings::default()
    }
}

fn text(words: &str) -> Text {
    Query::parse(words, &[], None).unwrap().text.unwrap()
}

fn best(index: &Index, vector: &[f32], keeps: &[bool], settings: Settings) -> (Vec<u32>, usize) {
    let vectors = [vector.to_vec()];
    let sheet = index.look(Some(&text("zzz")), Some(&vectors), keeps, settings);
    let ranked = rank(&sheet, Weights::default());
    (
        ranked.iter().take(10).map(|one| one.row).collect(),
        sheet.rows.len(),
    )
}

#[test]
fn above_the_threshold_a_graph_answers_and_finds_what_the_exact_comparison_finds() {
    let (documents, vectors, questions) = clusters(1_500);
    let (settings, exact) = (up_to(500), up_to(usize::MAX));
    let build = || Index::build(documents.clone(), &|digest| vectors.get(digest).cloned());
    let mut index = build();
    assert!(index.wants_graph(settings) && !index.wants_graph(exact));
    let graph = Arc::new(index.new_graph(&|| true).unwrap());
    assert!(index.link(Arc::clone(&graph)));
    let keeps = vec![true; 1_500];
    let (mut found, mut compared) = (0, 0);
    for question in &questions {
        let (truth, all) = best(&index, question, &keeps, exact);
        let (near, few) = best(&index, question, &keeps, settings);
        assert_eq!(all, 1_500);
        assert!(few < 700, "the graph did not answer: {few} were compared");
        let truth: HashSet<u32> = truth.into_iter().collect();
        found += near.iter().filter(|row| truth.contains(row)).count();
        compared += 10;
        assert_eq!(best(&index, question, &keeps, settings).0, near, "the same again");
    }
    assert!(found * 100 >= compared * 95, "{found} of {compared}");
    // The same vectors make the same graph.
    let mut again = build();
    assert!(again.link(Arc::new(build().new_graph(&|| true).unwrap())));
    let first = questions.first().unwrap();
    assert_eq!(
        best(&again, first, &keeps, settings),
        best(&index, first, &keeps, settings)
    );

    // A filter that keeps little is answered exactly, and one that keeps most through the graph.
    let tenth: Vec<bool> = (0..1_500).map(|row| row % 10 == 0).collect();
    let (rows, compared) = best(&index, first, &tenth, up_to(50));
    assert_eq!(compared, 150);
    assert!(rows.iter().all(|row| row % 10 == 0));
    let most: Vec<bool> = (0..1_500).map(|row| row % 10 != 0).collect();
    let (rows, compared) = best(&index, first, &most, settings);
    assert!(compared < 700 && rows.iter().all(|row| row % 10 != 0));
    assert!(best(&index, first, &vec![false; 1_500], settings).0.is_empty());

    // What is new is found beside the graph; when too much is, it no longer fits.
    let (mut more, mut theirs) = (documents.clone(), vectors.clone());
    let new = document(99_999);
    theirs.insert(new.digest(), first.clone());
    more.push(new);
    let mut grown = Index::build(more, &|digest| theirs.get(digest).cloned());
    assert!(grown.link(Arc::clone(&graph)));
    let (rows, compared) = best(&grown, first, &vec![true; 1_501], settings);
    let found = grown.documents().get(*rows.first().unwrap() as usize).unwrap();
    assert_eq!(found.tool.as_deref(), Some("tool99999"));
    assert!(compared < 700);
    let half = documents.iter().take(750).cloned().collect();
    assert!(!Index::build(half, &|digest| vectors.get(digest).cloned()).link(graph));
    assert!(index.new_graph(&|| false).is_none());
}

#[test]
fn the_same_text_twice_is_found_twice() {
    let twins: Vec<Document> = (0..60)
        .map(|number| {
            let mut twin = document(number % 2);
            twin.server = format!("/s{number:02}").parse().unwrap();
            twin
        })
        .collect();
    let mut numbers = Numbers(3);
    let zero = vec![0.0; DIMENSIONS];
    let known: std::collections::HashMap<TextKey, Vec<f32>> = twins
        .iter()
        .map(|twin| (twin.digest(), numbers.around(&zero, 1.0)))
        .collect();
    let index = Index::build(twins, &|digest| known.get(digest).cloned());
    let question = known.values().next().unwrap();
    let (rows, _) = best(&index, question, &[true; 60], Settings::default());
    assert_eq!(rows.len(), 10);
    assert!(rows.is_sorted(), "equal ones stand by id: {rows:?}");
}

#[test]
fn above_the_threshold_every_twin_is_found_and_none_is_new_to_the_graph() {
    // Replicas under one name: the same tools again on each, at different paths.
    for (tools, replicas) in [(400, 3), (4, 300)] {
        let (one, vectors, questions) = clusters(tools);
        let documents: Vec<Document> = (0..replicas)
            .flat_map(|replica| {
                one.iter().map(move |document| Document {
                    server: format!("{}-{replica:03}", document.server).parse().unwrap(),
                    ..document.clone()
                })
            })
            .collect();
        let count = documents.len();
        let mut index = Index::build(documents, &|digest| vectors.get(digest).cloned());
        let graph = Arc::new(index.new_graph(&|| true).unwrap());
        assert!(index.link(graph), "{tools} tools, {replicas} times");
        let keeps = vec![true; count];
        let (mut found, mut compared) = (0, 0);
        for question in &questions {
            let (truth, _) = best(&index, question, &keeps, up_to(usize::MAX));
            let (near, few) = best(&index, question, &keeps, up_to(500));
            assert!(few < 700, "the graph did not answer: {few} were compared");
            found += near.iter().filter(|row| truth.contains(row)).count();
            compared += truth.len();
        }
        assert!(found * 100 >= compared * 95, "{found} of {compared}");
    }
}

#[test]
fn without_vectors_words_alone_answer_and_without_words_everything_stays() {
    let index = Index::build((0..20).map(document).collect(), &|_| None);
    assert!(!index.has_vectors());
    let question = [vec![1.0; DIMENSIONS]];
    let sheet = index.look(
        Some(&text("tool00007")),
        Some(&question),
        &[true; 20],
        Settings::default(),
    );
    assert!(sheet.meaning.is_none());
    let ranked = rank(&sheet, Weights::default());
    assert_eq!(ranked.len(), 1);
    let sheet = index.look(None, None, &[true; 20], Settings::default());
    assert_eq!(rank(&sheet, Weights::default()).len(), 20);
    let empty = Index::default().look(Some(&text("x")), Some(&question), &[], Settings::default());
    assert!(rank(&empty, Weights::default()).is_empty());
}
