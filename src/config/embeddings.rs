//! The settings of embeddings: which model, where, and what may wait.
//!
//! Names as people know them from LiteLLM: a provider stands before the model's name, `openai/…` or `bedrock/…`. A key
//! or an address of the part itself wins over the one for all parts (`LLM_…`).

use std::path::{Path, PathBuf};

use super::keys::{Key, key};
use super::reader::Reader;
use crate::domain::secret::Secret;
use crate::embed::{Bedrock, Limits, Local, MODEL, OpenAi, Settings, Source, known_size};

/// The rows of the register.
pub(super) const KEYS: &[Key] = &[
    key(
        "embeddings_provider",
        "EMBEDDINGS_PROVIDER",
        "sentence-transformers",
        "Where the vectors of search come from: `sentence-transformers` in this process, `openai` or `litellm` for anything that speaks OpenAI's `/embeddings`, `bedrock`, `off`; `hashed` is for tests.",
    ),
    key(
        "embeddings_model_name",
        "EMBEDDINGS_MODEL_NAME",
        "all-MiniLM-L6-v2",
        "The model; a provider needs the name that it knows, such as `text-embedding-3-small` or `amazon.titan-embed-text-v2:0`.",
    ),
    key(
        "embeddings_model_dimensions",
        "EMBEDDINGS_MODEL_DIMENSIONS",
        "what the model says",
        "How many numbers a vector has; anything else is refused. `text-embedding-3-…` and Titan are asked for so many.",
    ),
    key(
        "embeddings_api_key",
        "EMBEDDINGS_API_KEY",
        "llm_api_key",
        "The key for the provider.",
    ),
    key(
        "embeddings_api_base",
        "EMBEDDINGS_API_BASE",
        "llm_api_base, or the provider's own",
        "The address before `/embeddings`, such as that of a LiteLLM proxy; any model but OpenAI's own and Bedrock's needs one.",
    ),
    key(
        "embeddings_aws_region",
        "EMBEDDINGS_AWS_REGION",
        "us-east-1",
        "The region of Bedrock.",
    ),
    key(
        "embeddings_ca_file",
        "GATEHOUSE_EMBEDDINGS_CA_FILE",
        "the machine's own",
        "A PEM file of certificate authorities that the provider is checked against, instead of the machine's.",
    ),
    key(
        "embeddings_timeout_seconds",
        "GATEHOUSE_EMBEDDINGS_TIMEOUT_SECONDS",
        "5",
        "How long one answer of the provider, or the vector of a question, may take; a question waits no longer than search_seconds either way.",
    ),
    key(
        "embeddings_batch",
        "GATEHOUSE_EMBEDDINGS_BATCH",
        "64",
        "How many texts a provider is sent at once.",
    ),
    key(
        "embeddings_queue",
        "GATEHOUSE_EMBEDDINGS_QUEUE",
        "256",
        "How many questions may wait for their vectors; more are answered by words.",
    ),
    key(
        "embeddings_remembered",
        "GATEHOUSE_EMBEDDINGS_REMEMBERED",
        "2048",
        "How many questions' vectors are remembered.",
    ),
    key(
        "embeddings_threads",
        "GATEHOUSE_EMBEDDINGS_THREADS",
        "one for each core",
        "How many texts the model in this process works on at the same time.",
    ),
    key(
        "model_dir",
        "GATEHOUSE_MODEL_DIR",
        "model, in data_dir",
        "The folder of the model in this process: `model.safetensors`, `tokenizer.json`, `config.json`; without them, or without the folder, search goes by words.",
    ),
    key(
        "embeddings_unverified_model",
        "GATEHOUSE_EMBEDDINGS_UNVERIFIED_MODEL",
        "false",
        "Whether a model may be loaded whose checksums are not pinned: any but all-MiniLM-L6-v2.",
    ),
    key(
        "llm_api_key",
        "LLM_API_KEY",
        "none",
        "The key for every part that asks a model and has none of its own.",
    ),
    key(
        "llm_api_base",
        "LLM_API_BASE",
        "none",
        "The address for every part that asks a model and has none of its own.",
    ),
    key(
        "aws_access_key_id",
        "AWS_ACCESS_KEY_ID",
        "none",
        "The id of the access key for Bedrock.",
    ),
    key(
        "aws_secret_access_key",
        "AWS_SECRET_ACCESS_KEY",
        "none",
        "The access key for Bedrock.",
    ),
    key(
        "aws_session_token",
        "AWS_SESSION_TOKEN",
        "none",
        "The token of a temporary access key.",
    ),
];

/// Where OpenAI itself answers.
const OPENAI: &str = "https://api.openai.com/v1";

/// What people may write, and what they mean by it.
#[derive(Debug, Clone, Copy)]
enum Provider {
    Off,
    Local,
    LiteLlm,
    OpenAi,
    Bedrock,
    Hashed,
}

const PROVIDERS: [(&str, Provider); 6] = [
    ("sentence-transformers", Provider::Local),
    ("litellm", Provider::LiteLlm),
    ("openai", Provider::OpenAi),
    ("bedrock", Provider::Bedrock),
    ("hashed", Provider::Hashed),
    ("off", Provider::Off),
];

impl Reader {
    pub(super) fn embeddings(&mut self, data: &Path) -> Settings {
        let provider = self
            .choice("embeddings_provider", &PROVIDERS)
            .unwrap_or(Provider::Local);
        let source = match provider {
            Provider::Off => Source::Off,
            Provider::Hashed => Source::Hashed,
            Provider::Local => Source::Local(self.local_model(data)),
            Provider::Bedrock => self.bedrock(),
            Provider::OpenAi => self.openai(),
            Provider::LiteLlm => match self.text("embeddings_model_name") {
                Some(name) if name.starts_with("bedrock/") && self.base().is_none() => self.bedrock(),
                _ => self.openai(),
            },
        };
        Settings {
            source,
            dimensions: self.count("embeddings_model_dimensions", 1, 16_384),
            limits: Limits {
                queue: self.count("embeddings_queue", 1, 10_000).unwrap_or(256),
                // The settings of search say how long a question waits.
                turn: std::time::Duration::ZERO,
                remembered: self.count("embeddings_remembered", 1, 1_000_000).unwrap_or(2_048),
                within: self.seconds("embeddings_timeout_seconds", 5, 300),
                batch: self.count("embeddings_batch", 1, 2_048).unwrap_or(64),
            },
            ca_file: self.file("embeddings_ca_file"),
        }
    }

    fn local_model(&mut self, data: &Path) -> Local {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let model = self.text("embeddings_model_name");
        Local {
            // No fault when it is not there: without a model words answer, and the start says so.
            folder: self
                .text("model_dir")
                .map_or_else(|| data.join("model"), PathBuf::from),
            model: model.unwrap_or_else(|| MODEL.to_owned()),
            unverified: self.flag("embeddings_unverified_model").unwrap_or(false),
            threads: self.count("embeddings_threads", 1, 256).unwrap_or(cores),
        }
    }

    /// The name without the provider before it; a remote model has no default.
    fn remote_model(&mut self, providers: &[&str]) -> String {
        let Some(name) = self.text("embeddings_model_name") else {
            self.fault(
                "embeddings_model_name",
                "a provider needs the name of a model of its own",
            );
            return String::new();
        };
        let bare = providers.iter().find_map(|provider| name.strip_prefix(provider));
        bare.unwrap_or(&name).to_owned()
    }

    fn base(&mut self) -> Option<String> {
        let key = ["embeddings_api_base", "llm_api_base"]
            .into_iter()
            .find(|key| self.text(key).is_some())?;
        let text = self.text(key)?;
        let usable = url::Url::parse(&text).ok().filter(|url| {
            let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
            matches!(url.scheme(), "http" | "https") && bare
        });
        if usable.is_none() {
            // Not a word of the text: people write passwords into addresses.
            self.fault(
                key,
                format!("expected an http or https address such as `{OPENAI}`"),
            );
        }
        Some(text)
    }

    fn secret(&self, key: &str) -> Option<Secret<String>> {
        self.text(key).map(Secret::new)
    }

    fn openai(&mut self) -> Source {
        let base = self.base();
        // Nobody but OpenAI gets what is meant for somebody else: neither the texts nor the key.
        let providers = if base.is_some() {
            &["openai/", "litellm_proxy/"][..]
        } else {
            &["openai/"]
        };
        let model = self.remote_model(providers);
        if base.is_none() && model.contains('/') {
            let words = format!("`{model}` is no model of OpenAI's own: say where it is asked");
            self.fault("embeddings_api_base", words);
        }
        let key = self
            .secret("embeddings_api_key")
            .or_else(|| self.secret("llm_api_key"));
        if key.is_none() && base.is_none() {
            self.fault(
                "embeddings_api_key",
                "OpenAI needs a key; another provider needs embeddings_api_base",
            );
        }
        let unprintable = |key: &Secret<String>| !key.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if key.as_ref().is_some_and(unprintable) {
            self.fault("embeddings_api_key", "it holds characters that no key has");
        }
        let sized = known_size(&model).is_some() || self.text("embeddings_model_dimensions").is_some();
        if !sized {
            self.fault(
                "embeddings_model_dimensions",
                format!("say how many numbers a vector of `{model}` has"),
            );
        }
        Source::OpenAi(OpenAi {
            base: base.unwrap_or_else(|| OPENAI.to_owned()),
            key,
            model,
        })
    }

    fn bedrock(&mut self) -> Source {
        let model = self.remote_model(&["bedrock/"]);
        if !model.is_empty() && !model.contains("amazon.titan-embed-text") {
            let words = format!("`{model}` is not a Titan model such as `amazon.titan-embed-text-v2:0`");
            self.fault("embeddings_model_name", words);
        }
        let mut needed = |key: &str| {
            self.secret(key).unwrap_or_else(|| {
                self.fault(key, "Bedrock needs an access key");
                Secret::new(String::new())
            })
        };
        let (access_key, secret_key) = (needed("aws_access_key_id"), needed("aws_secret_access_key"));
        let region = self
            .text("embeddings_aws_region")
            .unwrap_or_else(|| "us-east-1".to_owned());
        if !region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        {
            self.fault(
                "embeddings_aws_region",
                format!("`{region}` is not a region such as `us-east-1`"),
            );
        }
        // The address for all parts is that of a language model, and not of Bedrock.
        let base = self.text("embeddings_api_base").and_then(|_| self.base());
        Source::Bedrock(Bedrock {
            base,
            region,
            model,
            access_key,
            secret_key,
            session_token: self.secret("aws_session_token"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NginxNeed, load_from};
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let environment = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        let (config, faults) = load_from(&[], environment, None, NginxNeed::NotNeeded);
        (
            config.embeddings,
            faults.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn without_a_word_it_is_the_pinned_model_beside_the_data() {
        let (settings, faults) = read(&[("GATEHOUSE_DATA_DIR", "/srv/g")]);
        let Source::Local(local) = settings.source else {
            panic!("{settings:?}")
        };
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(local.folder, Path::new("/srv/g/model"));
        assert_eq!(
            (local.model.as_str(), local.unverified, settings.dimensions),
            (MODEL, false, None)
        );
    }

    #[test]
    fn the_part_wins_over_all_parts_over_the_default() {
        let of = |more: &[(&str, &str)]| {
            let common = [
                ("EMBEDDINGS_PROVIDER", "litellm"),
                ("EMBEDDINGS_MODEL_NAME", "openai/text-embedding-3-small"),
            ];
            let (settings, faults) = read(&[&common, more].concat());
            let Source::OpenAi(provider) = settings.source else {
                panic!("{settings:?}")
            };
            assert_eq!(provider.model, "text-embedding-3-small");
            (
                provider.base,
                provider.key.map(|key| key.expose().clone()),
                faults,
            )
        };
        let (base, key, faults) = of(&[("LLM_API_KEY", "all")]);
        assert_eq!(
            (base.as_str(), key.as_deref(), faults.len()),
            (OPENAI, Some("all"), 0)
        );
        let all = [("LLM_API_KEY", "all"), ("LLM_API_BASE", "http://all:4000")];
        assert_eq!(of(&all).0, "http://all:4000");
        let own = [
            ("EMBEDDINGS_API_KEY", "own"),
            ("EMBEDDINGS_API_BASE", "http://own:4000"),
        ];
        let (base, key, faults) = of(&[&all[..], &own[..]].concat());
        assert_eq!(
            (base.as_str(), key.as_deref(), faults.len()),
            ("http://own:4000", Some("own"), 0)
        );
        let (_, _, faults) = of(&[]);
        assert!(
            faults.len() == 1 && faults[0].starts_with("embeddings_api_key"),
            "{faults:?}"
        );
    }

    #[test]
    fn bedrock_goes_by_its_own_name_and_by_litellms() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
            ("AWS_SESSION_TOKEN", "token"),
        ];
        for (provider, model) in [
            ("bedrock", "amazon.titan-embed-text-v2:0"),
            ("litellm", "bedrock/amazon.titan-embed-text-v2:0"),
        ] {
            let names = [
                ("EMBEDDINGS_PROVIDER", provider),
                ("EMBEDDINGS_MODEL_NAME", model),
            ];
            let (settings, faults) = read(&[&names[..], &keys[..]].concat());
            assert!(faults.is_empty(), "{faults:?}");
            assert!(!format!("{settings:?}").contains("hush"));
            let Source::Bedrock(bedrock) = settings.source else {
                panic!("{settings:?}")
            };
            assert_eq!((bedrock.region.as_str(), bedrock.base), ("us-east-1", None));
            assert_eq!(bedrock.model, "amazon.titan-embed-text-v2:0");
        }
    }

    #[test]
    fn the_key_for_another_provider_is_never_sent_to_openai() {
        for (provider, model, base, is_fault) in [
            ("litellm", "cohere/embed-english-v3.0", None, true),
            ("openai", "azure/text-embedding-3-small", None, true),
            ("openai", "bedrock/amazon.titan-embed-text-v2:0", None, true),
            ("litellm", "litellm_proxy/text-embedding-3-small", None, true),
            ("litellm", "openai/azure/text-embedding-3-small", None, true),
            ("litellm", "openai/text-embedding-3-small", None, false),
            ("litellm", "text-embedding-3-small", None, false),
            (
                "litellm",
                "cohere/embed-english-v3.0",
                Some("http://own:4000"),
                false,
            ),
        ] {
            let mut variables = vec![
                ("EMBEDDINGS_PROVIDER", provider),
                ("EMBEDDINGS_MODEL_NAME", model),
                ("EMBEDDINGS_MODEL_DIMENSIONS", "1024"),
                ("EMBEDDINGS_API_KEY", "k"),
            ];
            variables.extend(base.map(|base| ("EMBEDDINGS_API_BASE", base)));
            let (_, faults) = read(&variables);
            let named = faults.iter().any(|line| line.starts_with("embeddings_api_base"));
            assert_eq!(
                (named, faults.is_empty()),
                (is_fault, !is_fault),
                "{provider} {model}: {faults:?}"
            );
        }
    }

    #[test]
    fn a_folder_of_the_model_that_is_not_there_is_no_fault() {
        let (settings, faults) = read(&[("GATEHOUSE_MODEL_DIR", "/nowhere/at/all")]);
        let Source::Local(local) = settings.source else {
            panic!("{settings:?}")
        };
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(local.folder, Path::new("/nowhere/at/all"));
    }

    #[test]
    fn faults_name_the_key_and_never_a_secret() {
        for (variables, expected) in [
            (&[("EMBEDDINGS_PROVIDER", "oracle")][..], "embeddings_provider"),
            (
                &[("EMBEDDINGS_PROVIDER", "openai"), ("LLM_API_KEY", "k")],
                "embeddings_model_name",
            ),
            (
                &[
                    ("EMBEDDINGS_PROVIDER", "openai"),
                    ("LLM_API_KEY", "k"),
                    ("EMBEDDINGS_MODEL_NAME", "odd"),
                ],
                "embeddings_model_dimensions",
            ),
            (
                &[
                    ("EMBEDDINGS_PROVIDER", "openai"),
                    ("EMBEDDINGS_API_KEY", "hu\nsh"),
                    ("EMBEDDINGS_MODEL_NAME", "text-embedding-ada-002"),
                ],
                "embeddings_api_key",
            ),
            (
                &[
                    ("EMBEDDINGS_PROVIDER", "bedrock"),
                    ("EMBEDDINGS_MODEL_NAME", "amazon.titan-embed-text-v2:0"),
                    ("AWS_ACCESS_KEY_ID", "hush"),
                ],
                "aws_secret_access_key",
            ),
            (
                &[("EMBEDDINGS_MODEL_DIMENSIONS", "0")],
                "embeddings_model_dimensions",
            ),
        ] {
            let (_, faults) = read(variables);
            assert!(
                faults.iter().any(|line| line.starts_with(expected)),
                "{expected}: {faults:?}"
            );
            assert!(!faults.concat().contains("hu"), "{faults:?}");
        }
    }
}
