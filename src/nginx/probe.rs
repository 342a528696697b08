//! Ask the running nginx which text it serves, until it is steady.
//!
//! Old workers answer for some tens of milliseconds after a good reload, so several fresh answers in a row are wanted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

const IN_A_ROW: u32 = 5;
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

pub(super) fn socket(run: &Path) -> PathBuf {
    run.join("probe.sock")
}

/// Whether nginx answers `hash` five times in a row within the limit.
pub(super) async fn until_steady(run: &Path, hash: &str) -> bool {
    let socket = socket(run);
    let asking = async {
        let mut good = 0;
        while good < IN_A_ROW {
            let answer = timeout(Duration::from_secs(1), ask(&socket)).await;
            good = if matches!(answer, Ok(Ok(text)) if text.ends_with(hash)) {
                good + 1
            } else {
                0
            };
            sleep(PAUSE).await;
        }
    };
    timeout(LIMIT, asking).await.is_ok()
}

async fn ask(socket: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
