//! The sets, and the vectors of their texts.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use gatehouse::domain::search::document::{Document, Labels, TextKey, mixed};
use gatehouse::domain::search::query::Text;
use gatehouse::domain::search::text::Texts;
use gatehouse::embed::Embedder;
use gatehouse::index::Index;
use gatehouse::store::{self, Store};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::recipes::Ready;

/// Texts that the model gets at once.
const LOT: usize = 64;

/// A tool of a set.
pub(crate) struct Tool {
    pub(crate) id: String,
    pub(crate) texts: Texts,
}

/// One set.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) tools: Vec<Tool>,
    /// Questions, and the ids of the tools that would do.
    pub(crate) questions: Vec<(String, HashSet<String>)>,
}

fn rows(file: &Path) -> Vec<Map<String, Value>> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

impl Set {
    /// Every set below a folder; each file of questions is one.
    pub(crate) fn read_all(data: &Path) -> Vec<Self> {
        let mut sets = Vec::new();
        let mut folders: Vec<_> = std::fs::read_dir(data)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        folders.sort();
        for folder in folders
            .into_iter()
            .filter(|folder| folder.join("tools.jsonl").is_file())
        {
            let mut files: Vec<_> = std::fs::read_dir(&folder)
                .unwrap()
                .flatten()
                .map(|entry| entry.path())
                .collect();
            files.sort();
            for file in files {
                let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
                if let Some(more) = stem.strip_prefix("queries") {
                    let name = folder.file_name().unwrap().to_string_lossy() + more;
                    sets.push(Self::read(name.into_owned(), &folder, &file));
                }
            }
        }
        sets
    }

    fn read(name: String, folder: &Path, questions: &Path) -> Self {
        let tools = rows(&folder.join("tools.jsonl")).into_iter().map(|row| {
            let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
            let server = Some(text("server_title")).filter(|title| !title.is_empty());
            let mut definition = Map::new();
            definition.insert("description".to_owned(), json!(text("description")));
            definition.insert(
                "inputSchema".to_owned(),
                row.get("input_schema").cloned().unwrap_or_default(),
            );
            Tool {
                id: text("id").to_owned(),
                texts: Texts::of_tool(server.unwrap_or(text("server")), text("name"), &definition),
            }
        });
        let questions = rows(questions).into_iter().map(|row| {
            let relevant = row["relevant"].as_array().unwrap();
            let relevant = relevant.iter().map(|id| id.as_str().unwrap().to_owned());
            (row["query"].as_str().unwrap().to_owned(), relevant.collect())
        });
        Self {
            name,
            tools: tools.collect(),
            questions: questions.collect(),
        }
    }

    /// Documents of the tools; the id stands where a tool's name does, so that the index gives it back.
    pub(crate) fn documents(&self) -> Vec<Document> {
        let server = "/x".parse().unwrap();
        let labels = Arc::new(Labels::default());
        let tools = self.tools.iter().map(|tool| Document {
            server: gatehouse::domain::path::ServerPath::clone(&server),
            tool: Some(tool.id.as_str().into()),
            names_tools: false,
            labels: Arc::clone(&labels),
            texts: tool.texts.clone(),
        });
        tools.collect()
    }

    /// Everything that the recipes need.
    pub(crate) async fn ready(&self, vectors: &mut Vectors) -> Ready<'_> {
        let documents = self.documents();
        let views =
            |pick: fn(&Texts) -> &String| documents.iter().map(|one| pick(&one.texts).clone()).collect();
        let names = vectors.of_documents(views(|texts| &texts.name)).await;
        let fulls = vectors.of_documents(views(|texts| &texts.full)).await;
        let mut by_key: HashMap<TextKey, Vec<f32>> = HashMap::new();
        for ((document, name), full) in documents.iter().zip(&names).zip(&fulls) {
            by_key.insert(document.digest(), mixed(name, full));
        }
        let mut views = HashMap::new();
        for ((document, name), full) in documents.iter().zip(names).zip(fulls) {
            views.insert(document.tool.as_deref().unwrap().to_owned(), (name, full));
        }
        let index = Index::build(documents, &|key| by_key.get(key).cloned());
        let mut questions = Vec::new();
        for (question, relevant) in &self.questions {
            let text = Text::new(question).unwrap();
            let parts = text.parts.iter().map(|part| part.text.to_string()).collect();
            let parts = vectors.of_questions(parts).await;
            questions.push((text, parts, relevant));
        }
        Ready {
            views: index
                .documents()
                .iter()
                .map(|document| {
                    views
                        .remove(document.tool.as_deref().unwrap())
                        .unwrap_or_default()
                })
                .collect(),
            index,
            questions,
        }
    }
}

/// Vectors of texts, made once.
pub(crate) struct Vectors {
    embedder: Option<Arc<dyn Embedder>>,
    store: Arc<dyn Store>,
}

impl Vectors {
    pub(crate) fn new(embedder: Option<Arc<dyn Embedder>>, folder: &Path) -> Self {
        let file = folder.join("vectors.db");
        Self {
            embedder,
            store: store::open(&store::Settings { file }).unwrap(),
        }
    }

    pub(crate) fn embedder(&self) -> Option<&Arc<dyn Embedder>> {
        self.embedder.as_ref()
    }

    pub(crate) async fn of_documents(&mut self, texts: Vec<String>) -> Vec<Vec<f32>> {
        let Some(embedder) = self.embedder.clone() else {
            return texts.iter().map(|_| Vec::new()).collect();
        };
        let key = |text: &str| -> TextKey { Sha256::digest(format!("document {text}")).into() };
        let keys: Vec<TextKey> = texts.iter().map(|text| key(text)).collect();
        let known = self.store.vectors(embedder.model(), keys.clone()).await.unwrap();
        let mut known: HashMap<TextKey, Vec<f32>> = known.into_iter().collect();
        let mut missing: Vec<&String> = texts
            .iter()
            .filter(|text| !known.contains_key(&key(text)))
            .collect();
        missing.sort();
        missing.dedup();
        for lot in missing.chunks(LOT) {
            let lot: Vec<String> = lot.iter().map(|text| (*text).clone()).collect();
            let made = embedder.documents(&lot).await.unwrap();
            let made: Vec<_> = lot.iter().map(|text| key(text)).zip(made).collect();
            known.extend(made.iter().cloned());
            self.store.put_vectors(embedder.model(), made).await.unwrap();
        }
        keys.iter().map(|key| known[key].clone()).collect()
    }

    pub(crate) async fn of_questions(&mut self, texts: Vec<String>) -> Vec<Vec<f32>> {
        let Some(embedder) = self.embedder.clone() else {
            return Vec::new();
        };
        let key = |text: &str| -> TextKey { Sha256::digest(format!("question {text}")).into() };
        let keys: Vec<TextKey> = texts.iter().map(|text| key(text)).collect();
        let known = self.store.vectors(embedder.model(), keys.clone()).await.unwrap();
        let mut known: HashMap<TextKey, Vec<f32>> = known.into_iter().collect();
        let mut made = Vec::new();
        for text in &texts {
            if let std::collections::hash_map::Entry::Vacant(place) = known.entry(key(text)) {
                let vector = embedder.query(text).await.unwrap();
                place.insert(vector.clone());
                made.push((key(text), vector));
            }
        }
        if !made.is_empty() {
            self.store.put_vectors(embedder.model(), made).await.unwrap();
        }
        keys.iter().map(|key| known[key].clone()).collect()
    }
}
