//! The three files of a model: read, and held against their checksums.
//!
//! The weights are read a tensor at a time, so that they are never in memory twice; mapping the file would need
//! `unsafe`. The checksum is taken in the same pass, and nothing is handed out unless it fits.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use candle_core::safetensors::Load;
use candle_core::{Device, Tensor};
use safetensors::tensor::{Metadata, TensorView};
use sha2::{Digest, Sha256};

use crate::embed::{Error, Local};

pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const CONFIG: &str = "config.json";

/// The files of `all-MiniLM-L6-v2` as they were published, by SHA-256.
const PINS: [(&str, &str); 3] = [
    (
        WEIGHTS,
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    (
        TOKENIZER,
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
    (
        CONFIG,
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    ),
];

/// The largest header that is believed; that of six layers has 11 kB.
const MOST_HEADER: u64 = 16 * 1024 * 1024;
/// The largest of the two small files; tokenizers of many languages have 17 MB.
const MOST_SMALL: u64 = 64 * 1024 * 1024;

/// What the three files hold.
pub(super) struct Files {
    pub(super) weights: HashMap<String, Tensor>,
    pub(super) tokenizer: Vec<u8>,
    pub(super) config: Vec<u8>,
    /// Of all three together: what their vectors are kept under.
    pub(super) fingerprint: String,
}

/// Read them; `None` when there are none at all. `pinned`: they must be those of [`PINS`].
pub(super) fn read(local: &Local, pinned: bool) -> Result<Option<Files>, Error> {
    let folder = &local.folder;
    let fault = |reason: String| Error::Model {
        folder: folder.clone(),
        reason,
    };
    let names = [WEIGHTS, TOKENIZER, CONFIG];
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| !folder.join(name).is_file())
        .collect();
    if missing.len() == names.len() {
        return Ok(None);
    }
    if !missing.is_empty() {
        return Err(fault(format!("it lacks {}", missing.join(", "))));
    }
    let small =
        |name: &str| read_small(&folder.join(name)).map_err(|words| fault(format!("{name}: {words}")));
    let (tokenizer, config) = (small(TOKENIZER)?, small(CONFIG)?);
    let (weights, checksum) =
        read_weights(&folder.join(WEIGHTS)).map_err(|words| fault(format!("{WEIGHTS}: {words}")))?;
    let found = [
        checksum,
        hex::encode(Sha256::digest(&tokenizer)),
        hex::encode(Sha256::digest(&config)),
    ];
    for ((name, expected), found) in PINS.iter().zip(&found) {
        if pinned && expected != found {
            return Err(fault(format!(
                "{name} has the SHA-256 {found}, expected {expected} of `{}`",
                local.model
            )));
        }
    }
    Ok(Some(Files {
        weights,
        tokenizer,
        config,
        fingerprint: hex::encode(Sha256::digest(found.concat())),
    }))
}

fn read_small(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(file).map_err(|error| error.to_string())?;
    file.take(MOST_SMALL)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The tensors by name, and the checksum of the whole file.
fn read_weights(file: &Path) -> Result<(HashMap<String, Tensor>, String), String> {
    let mut file = File::open(file).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let mut hash = Sha256::new();
    let mut next = |bytes: u64| -> Result<Vec<u8>, String> {
        let bytes = usize::try_from(bytes.min(length)).map_err(|error| error.to_string())?;
        let mut part = vec![0; bytes];
        file.read_exact(&mut part).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => "it is cut short".to_owned(),
            _ => error.to_string(),
        })?;
        hash.update(&part);
        Ok(part)
    };
    let head = next(8)?.try_into().map_err(|_| "it is cut short")?;
    let head = u64::from_le_bytes(head);
    if head > MOST_HEADER.min(length) {
        return Err("it does not begin as a safetensors file does".to_owned());
    }
    let header: Metadata = serde_json::from_slice(&next(head)?).map_err(|error| error.to_string())?;
    let mut weights = HashMap::new();
    let mut place = 0;
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let (from, to) = info.data_offsets;
        if from != place || to < from {
            return Err(format!("`{name}` is not where the one before it ends"));
        }
        place = to;
        let bytes = next((to - from) as u64)?;
        let view = TensorView::new(info.dtype, info.shape.clone(), &bytes);
        let view = view.map_err(|error| format!("`{name}`: {error}"))?;
        let tensor = view
            .load(&Device::Cpu)
            .and_then(|it| it.to_dtype(candle_core::DType::F32));
        weights.insert(
            name.clone(),
            tensor.map_err(|error| format!("`{name}`: {error}"))?,
        );
    }
    if 8 + head + place as u64 != length {
        return Err("there is something behind the last tensor".to_owned());
    }
    Ok((weights, hex::encode(hash.finalize())))
}
