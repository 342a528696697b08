//! Servers that do not behave, behind the gateway: what their callers see, and that nothing else of theirs gets through.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Gateway, PATIENCE, Setup, request};

const POLICY: &str = "
root: [{server: '*', methods: ['*'], tools: ['*']}]
UI-Scopes: {maker: {register_service: [all]}}
";

/// A gateway with a stranger at `/stranger` (carried) and a trusted server at `/trusted` (direct), both of them us.
async fn gateway() -> (Gateway, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = Setup::new().with_policy(POLICY).start();
    for (path, scope) in [("/stranger", "maker"), ("/trusted", "mcp-registry-admin")] {
        let body = json!({"server_name": path, "path": path, "proxy_pass_url": url});
        let maker = gateway.with_scopes("maker", &[scope]);
        assert_eq!(maker.json("/api/management/servers", &body).await.status, 201);
    }
    gateway.until_blocks(1).await;
    (gateway, listener)
}

/// Two calls on one connection; the upstream answers the first with `bytes` and closes. All that comes back.
async fn exchange(gateway: &Gateway, listener: &TcpListener, mount: &str, bytes: &[u8]) -> String {
    let token = gateway.token(&["--user", "a", "--scopes", "root"]);
    let body = request("tools/call", json!({"name": "x"})).to_string();
    let call = format!(
        "POST /{mount}/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut client = TcpStream::connect(gateway.anonymous().authority()).await.unwrap();
    let serving = async {
        let (mut server, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 65_536];
        let mut seen = Vec::new();
        while !seen.ends_with(body.as_bytes()) {
            let read = server.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the call broke off");
            seen.extend_from_slice(&buffer[..read]);
        }
        // It may be cut off for what it writes.
        server.write_all(bytes).await.ok();
        server.shutdown().await.ok();
    };
    let calling = async {
        client.write_all(call.as_bytes()).await.unwrap();
        client.write_all(last.as_bytes()).await.ok();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.ok();
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(serving, calling).1 })
        .await
        .expect("an end in time")
}

const FORGED: &str =
    "HTTP/1.1 200 OK\r\nSet-Cookie: evil=1\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nevil";

#[tokio::test]
async fn a_stranger_cannot_forge_a_second_answer() {
    let (gateway, listener) = gateway().await;
    let good = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let rows = [
        (
            "an early hint with an answer behind it",
            format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{good}"),
            "200",
        ),
        (
            "a 100 with an answer behind it",
            format!("HTTP/1.1 100 Continue\r\n\r\n{good}"),
            "200",
        ),
        (
            "a second answer behind the first",
            format!("{good}{FORGED}"),
            "200",
        ),
        (
            "a change of protocols",
            format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{FORGED}"),
            "502",
        ),
        (
            "a status line that is none",
            format!("HTTP/9.9 whatever\r\n\r\n{FORGED}"),
            "502",
        ),
        ("raw bytes", FORGED.replace("HTTP/1.1 200 OK", "evil"), "502"),
        ("nothing", String::new(), "502"),
        (
            "a header without a colon",
            format!("HTTP/1.1 200 OK\r\nevil\r\n\r\n{FORGED}"),
            "502",
        ),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x".to_owned(),
            "502",
        ),
    ];
    for (what, bytes, status) in rows {
        let answer = exchange(&gateway, &listener, "stranger", bytes.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{what}: {answer}"
        );
        assert!(!answer.contains("evil"), "{what}: {answer}");
        // The next answer on the connection is ours.
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{what}: {answer}");
        assert!(answer.ends_with("{\"status\":\"ok\"}"), "{what}: {answer}");
    }
}

#[tokio::test]
async fn headers_without_end_are_cut_either_way() {
    let (gateway, listener) = gateway().await;
    let endless = format!(
        "HTTP/1.1 200 OK\r\n{}",
        "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(40_000)
    );
    for mount in ["stranger", "trusted"] {
        let answer = exchange(&gateway, &listener, mount, endless.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 502 ") && answer.contains("application/json"),
            "{mount}: {answer:.300}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_stops_half_way_does_not_look_whole() {
    let (gateway, listener) = gateway().await;
    let whole = |answer: &str| answer.contains("\r\n0\r\n\r\n") || answer.contains("Content-Length: 10\r\n");
    for mount in ["stranger", "trusted"] {
        for half in [
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half\":",
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"half\":\r\n",
        ] {
            let answer = exchange(&gateway, &listener, mount, half.as_bytes()).await;
            assert!(
                answer.starts_with("HTTP/1.1 200 ") && !whole(&answer),
                "{mount}: {answer}"
            );
            assert!(
                !answer.contains("{\"status\":\"ok\"}"),
                "{mount}: the connection cannot go on: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn an_endless_answer_is_passed_on_piece_by_piece_and_ends_with_its_reader() {
    let (gateway, listener) = gateway().await;
    let resident = || gateway.resident_kib();
    for mount in ["stranger", "trusted"] {
        let token = gateway.token(&["--user", "a", "--scopes", "root"]);
        let body = request("tools/call", json!({"name": "x"})).to_string();
        let call = format!(
            "POST /{mount}/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut client = TcpStream::connect(gateway.anonymous().authority()).await.unwrap();
        client.write_all(call.as_bytes()).await.unwrap();
        let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await;
        let (mut server, _) = accepted.expect("a connection in time").unwrap();
        let before = resident();
        let piece = vec![b'x'; 1 << 20];
        let flooding = async {
            // An answer that is there before its question would be none.
            let mut asked = vec![0; 1 << 16];
            assert!(server.read(&mut asked).await.unwrap() > 0);
            server
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
                .await
                .unwrap();
            let mut written = 0_u64;
            while server.write_all(&piece).await.is_ok() {
                written += 1;
            }
            written
        };
        let reading = async {
            let mut buffer = vec![0; 1 << 16];
            let mut seen = 0_usize;
            // A hundred megabytes, and then the reader goes away.
            while seen < 100 << 20 {
                let read = client.read(&mut buffer).await.unwrap();
                assert!(
                    read > 0,
                    "{mount}: the answer broke off after {seen} bytes: {}",
                    String::from_utf8_lossy(&buffer[..500])
                );
                seen += read;
            }
            let grown = resident().saturating_sub(before);
            drop(client);
            grown
        };
        let both = tokio::time::timeout(PATIENCE * 3, async { tokio::join!(flooding, reading) });
        let (written, grown) = both.await.expect("the upstream is told that nobody reads");
        assert!((100..200).contains(&written), "{mount}: {written} MiB were taken");
        assert!(grown < 40_000, "{mount}: the daemon grew by {grown} kB");
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed_with_a_credential() {
    let (gateway, listener) = gateway().await;
    let elsewhere = crate::harness::Upstream::new().await;
    for mount in ["stranger", "trusted"] {
        for status in [
            "301 Moved",
            "302 Found",
            "303 See Other",
            "307 Temporary Redirect",
            "308 Permanent Redirect",
        ] {
            let redirect = format!(
                "HTTP/1.1 {status}\r\nLocation: {}/mcp\r\nContent-Length: 0\r\n\r\n",
                elsewhere.url
            );
            let answer = exchange(&gateway, &listener, mount, redirect.as_bytes()).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {}", &status[..3])),
                "{mount}: {answer}"
            );
            assert!(!answer.to_lowercase().contains("location:"), "{mount}: {answer}");
            assert!(elsewhere.take().is_empty(), "{mount}: {status} was followed");
        }
    }
}
