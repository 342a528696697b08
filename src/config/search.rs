//! The settings of search.

use std::time::Duration;

use super::reader::Reader;
use crate::domain::search::Weights;
use crate::embed::Source;
use crate::index;
use crate::service::search::Settings;

impl Reader {
    pub(super) fn search(&mut self, source: &Source) -> Settings {
        let usual = Weights::default();
        let weights = Weights {
            words: self.share("search_keyword_weight", usual.words),
            meaning: self.share("search_vector_weight", usual.meaning),
        };
        if weights.words + weights.meaning <= 0.0 {
            self.fault(
                "search_keyword_weight",
                "one of the two weights must be more than 0",
            );
        }
        let graph = index::Settings::default();
        Settings {
            weights,
            floor: self.share("search_floor", 0.15),
            words_floor: self.share("search_keyword_floor", 0.1),
            within: self.patience(source),
            at_once: std::thread::available_parallelism().map_or(2, usize::from),
            index: index::Settings {
                exact_up_to: self
                    .count("search_exact_up_to", 0, 1_000_000)
                    .unwrap_or(graph.exact_up_to),
                width: self
                    .count("vector_search_ef_search", 1, 10_000)
                    .unwrap_or(graph.width),
            },
        }
    }

    /// How long a question waits for its vectors: a provider is further away than a model in this process.
    fn patience(&mut self, source: &Source) -> Duration {
        let usual = match source {
            Source::OpenAi(_) | Source::Bedrock(_) => 2.0,
            Source::Off | Source::Local(_) | Source::Hashed => 0.8,
        };
        let seconds = self.parsed::<f64>("search_seconds", "a number such as 0.8");
        let seconds = seconds.unwrap_or(usual);
        if !(0.05..=60.0).contains(&seconds) {
            self.fault(
                "search_seconds",
                format!("`{seconds}` is not between 0.05 and 60"),
            );
            return Duration::from_secs(1);
        }
        Duration::from_secs_f64(seconds)
    }

    /// A number from 0 to 1.
    fn share(&mut self, key: &str, default: f32) -> f32 {
        let Some(number) = self.parsed::<f32>(key, "a number such as 0.3") else {
            return default;
        };
        if !(0.0..=1.0).contains(&number) {
            self.fault(key, format!("`{number}` is not between 0 and 1"));
        }
        number
    }
}
