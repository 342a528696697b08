//! Where a browser on this very machine brings the answer to a sign-in of the command line (RFC 8252 section 7.3).

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long the person may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// For one request of the browser.
const ONE: Duration = Duration::from_secs(10);
/// A request line and headers of a browser are smaller.
const MOST_BYTES: usize = 16 * 1024;
const PATH: &str = "/callback";

/// A listener for one answer.
#[derive(Debug)]
pub(super) struct Loopback {
    listener: TcpListener,
    address: String,
}

impl Loopback {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("listening for the browser on 127.0.0.1")?;
        let port = listener.local_addr()?.port();
        Ok(Self {
            listener,
            address: format!("http://127.0.0.1:{port}{PATH}"),
        })
    }

    /// The redirect address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The code that comes with this state. Whatever else asks is told that there is nothing, and changes nothing.
    pub(super) async fn code(self, state: &str) -> anyhow::Result<String> {
        let waiting = async {
            // Browsers open connections ahead and leave them idle: nobody waits behind those.
            let mut open = FuturesUnordered::new();
            loop {
                tokio::select! {
                    accepted = self.listener.accept() => {
                        let (stream, _) = accepted.context("waiting for the browser")?;
                        open.push(tokio::time::timeout(ONE, answer(stream, state)));
                    }
                    Some(answered) = open.next(), if !open.is_empty() => {
                        if let Ok(Ok(Some(code))) = answered {
                            return Ok(code);
                        }
                    }
                }
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(code) => code,
            Err(_) => bail!("nobody signed in within {} minutes", PATIENCE.as_secs() / 60),
        }
    }
}

async fn answer(mut stream: TcpStream, state: &str) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut part = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MOST_BYTES {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(part.get(..read).unwrap_or_default());
    }
    let head = String::from_utf8_lossy(&head);
    let code = code_of(head.lines().next().unwrap_or_default(), state);
    let (status, words) = match code {
        Some(_) => (
            "200 OK",
            "You are signed in. You can close this window and go back to the terminal.",
        ),
        None => ("404 Not Found", "There is nothing here."),
    };
    let page = format!("<!doctype html><meta charset=utf-8><title>Gatehouse</title><p>{words}</p>");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\r\n{page}",
        page.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(code)
}

fn code_of(line: &str, state: &str) -> Option<String> {
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    let (path, query) = target.split_once('?')?;
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    (path == PATH && find("state").is_some_and(|said| said == state)).then(|| find("code").cloned())?
}

#[cfg(test)]
mod tests {
    use super::code_of;

    #[test]
    fn only_the_answer_to_our_own_question_counts() {
        let of = |line| code_of(line, "s1");
        assert_eq!(
            of("GET /callback?code=abc&state=s1 HTTP/1.1").as_deref(),
            Some("abc")
        );
        for line in [
            "GET /callback?code=abc&state=s2 HTTP/1.1",
            "GET /callback?code=abc HTTP/1.1",
            "GET /callback?state=s1 HTTP/1.1",
            "GET /favicon.ico HTTP/1.1",
            "POST /callback?code=abc&state=s1 HTTP/1.1",
            "",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
