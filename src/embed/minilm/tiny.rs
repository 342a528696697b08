//! A BERT of two layers, written by the test that loads it; so no test of the loader needs a download.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::{Value, json};

use super::files::{CONFIG, TOKENIZER, WEIGHTS};

const SIZE: usize = 32;
const INNER: usize = 64;

const WORDS: &str = "get the weather forecast of a city delete user account from database convert money between \
                     currencies what is for my remove current time in zone list open close file server word";

/// Numbers that look like chance, the same in every run.
struct Dice(u64);

impl Dice {
    fn tensor(&mut self, shape: &[usize], scale: f32, middle: f32) -> Tensor {
        let mut number = || {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let part = u16::try_from(self.0 >> 48).unwrap();
            (f32::from(part) / 32768.0 - 1.0) * scale + middle
        };
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| number()).collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
    }
}

/// Write the three files; `more` is added to the configuration.
pub(super) fn write(folder: &Path, more: &Value) {
    std::fs::create_dir_all(folder).unwrap();
    let vocabulary = vocabulary();
    let mut config = json!({
        "model_type": "bert", "vocab_size": vocabulary.len(), "hidden_size": SIZE, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": INNER, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "max_position_embeddings": 64, "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    std::fs::write(folder.join(CONFIG), config.to_string()).unwrap();
    std::fs::write(folder.join(TOKENIZER), tokenizer(&vocabulary).to_string()).unwrap();
    let weights = weights(vocabulary.len());
    candle_core::safetensors::save(&weights, folder.join(WEIGHTS)).unwrap();
}

fn vocabulary() -> Vec<String> {
    let mut all: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned).to_vec();
    all.extend(WORDS.split_whitespace().map(str::to_owned));
    for letter in 'a'..='z' {
        all.push(letter.to_string());
        all.push(format!("##{letter}"));
    }
    // "a" is a word and a letter; each piece has one number.
    let mut seen = std::collections::HashSet::new();
    all.retain(|piece| seen.insert(piece.clone()));
    all
}

/// With the padding and the cut that the published file has.
fn tokenizer(vocabulary: &[String]) -> Value {
    let numbers: HashMap<&str, usize> = vocabulary
        .iter()
        .enumerate()
        .map(|(n, piece)| (piece.as_str(), n))
        .collect();
    json!({
        "version": "1.0",
        "truncation": {"max_length": 128, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": numbers},
    })
}

fn weights(words: usize) -> HashMap<String, Tensor> {
    let mut dice = Dice(7);
    let mut all = HashMap::new();
    let mut put = |name: String, shape: &[usize], scale, middle| {
        all.insert(name, dice.tensor(shape, scale, middle));
    };
    // Words weigh more than places, and layers change little: so texts with the same words are near.
    put(
        "embeddings.word_embeddings.weight".to_owned(),
        &[words, SIZE],
        1.0,
        0.0,
    );
    put(
        "embeddings.position_embeddings.weight".to_owned(),
        &[64, SIZE],
        0.05,
        0.0,
    );
    put(
        "embeddings.token_type_embeddings.weight".to_owned(),
        &[2, SIZE],
        0.05,
        0.0,
    );
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in 0..2 {
        let at = |name: &str| format!("encoder.layer.{layer}.{name}");
        for name in [
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        ] {
            put(at(&format!("{name}.weight")), &[SIZE, SIZE], 0.1, 0.0);
            put(at(&format!("{name}.bias")), &[SIZE], 0.02, 0.0);
        }
        put(at("intermediate.dense.weight"), &[INNER, SIZE], 0.1, 0.0);
        put(at("intermediate.dense.bias"), &[INNER], 0.02, 0.0);
        put(at("output.dense.weight"), &[SIZE, INNER], 0.1, 0.0);
        put(at("output.dense.bias"), &[SIZE], 0.02, 0.0);
        norms.extend([at("attention.output.LayerNorm"), at("output.LayerNorm")]);
    }
    for norm in norms {
        put(format!("{norm}.weight"), &[SIZE], 0.1, 1.0);
        put(format!("{norm}.bias"), &[SIZE], 0.02, 0.0);
    }
    all
}
