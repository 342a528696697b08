//! What goes wrong outside, and what the caller sees.

use serde_json::json;

use crate::harness::{Gateway, Scripted, Setup, Upstream, request, signal_to, stand_still, tool_call, until};

#[tokio::test]
async fn a_name_that_does_not_resolve_is_stored_says_why_and_stops_nobody() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    let stored = gateway.register("/lost", "http://no-such-host.invalid:9/").await;
    assert_eq!(stored["state"], "pending");
    assert!(
        stored["reason"]
            .as_str()
            .unwrap()
            .contains("no-such-host.invalid"),
        "{stored}"
    );
    let answer = gateway.admin().mcp("/lost/mcp", &tool_call("x")).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (502, "application/json")
    );
    assert!(
        answer.text().contains("/lost") && !answer.text().contains("no-such-host"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.value()["id"], 1);
    // The others live, and so does a start with it.
    gateway.register("/here", &upstream.url).await;
    gateway.until_blocks(1).await;
    let (setup, _) = gateway.stop();
    let gateway = setup.start();
    assert_eq!(
        gateway.admin().mcp("/here/mcp", &tool_call("x")).await.status,
        200
    );
    let details = gateway.admin().get("/api/server_details/lost").await.value();
    assert_eq!(details["state"], "pending");
}

#[tokio::test]
async fn a_dead_upstream_is_a_502_in_json_either_way_and_its_address_is_not_told() {
    let gateway = Gateway::new();
    let port = crate::harness::free_port();
    gateway
        .register("/dead", &format!("http://127.0.0.1:{port}/"))
        .await;
    for blocks in [0, 1] {
        if blocks == 1 {
            gateway.until_blocks(1).await;
        }
        let answer = gateway.admin().mcp("/dead/mcp", &tool_call("x")).await;
        assert_eq!(
            (answer.status, answer.code(), answer.header("content-type")),
            (502, 502, "application/json")
        );
        assert!(
            answer.text().contains("/dead") && !answer.text().contains(&port.to_string()),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_daemon_killed_between_commit_and_reload_finds_the_server_live_when_it_starts() {
    let upstream = Upstream::answering(&[("x-note", "kept")]).await;
    // After the first text no reload comes for a minute, so the kill falls before it.
    let gateway = Setup::new().with(&["--reload-seconds", "60"]).start();
    gateway.register("/first", "http://127.0.0.1:9/").await;
    gateway.until_blocks(1).await;
    gateway.register("/late", &upstream.url).await;
    let conf = std::fs::read_to_string(gateway.setup.data().join("nginx/nginx.conf")).unwrap();
    assert!(
        !conf.contains(upstream.url.trim_start_matches("http://")),
        "not in nginx yet"
    );
    let gateway = gateway.kill().start();
    let answer = gateway.admin().mcp("/late/mcp", &tool_call("x")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    gateway.until_blocks(2).await;
    assert_eq!(
        gateway
            .admin()
            .mcp("/late/mcp", &tool_call("x"))
            .await
            .header("x-note"),
        "kept"
    );
}

#[tokio::test]
async fn while_the_daemon_is_away_nobody_passes_and_everybody_is_told_in_json() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/a", &upstream.url).await;
    gateway.until_blocks(1).await;
    let admin = gateway.admin();
    let setup = gateway.kill();
    for method in ["POST", "GET", "DELETE"] {
        let (kind, body) = if method == "POST" {
            ("application/json", tool_call("x").to_string().into_bytes())
        } else {
            ("", Vec::new())
        };
        let answer = admin.send(method, "/a/mcp", kind, body).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (503, "application/json"),
            "{method}: {}",
            answer.text()
        );
        assert_eq!(answer.header("retry-after"), "2");
    }
    let page = admin.get("/api/servers").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (503, "application/json")
    );
    // People get a page, which looks again by itself unless they sent something.
    let person = admin.with("accept", "text/html,application/xhtml+xml");
    for (method, path, refresh) in [
        ("GET", "/", "10"),
        ("GET", "/servers/a", "10"),
        ("POST", "/register", ""),
    ] {
        let page = person.send(method, path, "", Vec::new()).await;
        assert_eq!(
            (page.status, page.header("content-type"), page.header("refresh")),
            (503, "text/html; charset=utf-8", refresh),
            "{path}"
        );
        assert!(
            page.text().contains("The registry is not running"),
            "{}",
            page.text()
        );
        assert!(
            page.header("content-security-policy")
                .contains("default-src 'none'")
        );
        assert_eq!(page.header("retry-after"), "2");
    }
    assert!(upstream.take().is_empty());
    let gateway = setup.start();
    assert_eq!(gateway.admin().mcp("/a/mcp", &tool_call("x")).await.status, 200);
}

#[tokio::test]
async fn a_stopped_daemon_recovers_by_itself() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/a", &upstream.url).await;
    let admin = gateway.admin();
    stand_still(gateway.pid()).await;
    let message = tool_call("x");
    let waiting = admin.mcp("/a/mcp", &message);
    let going_on = async {
        until("it is stopped", || async {
            std::fs::read_to_string(format!("/proc/{}/stat", gateway.pid()))
                .unwrap()
                .contains(") T")
        })
        .await;
        signal_to(gateway.pid(), "-CONT");
    };
    let (answer, ()) = tokio::join!(waiting, going_on);
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_answer_streams_through_either_way_as_it_comes() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::new();
    gateway
        .register("/s", &format!("http://{}/", listener.local_addr().unwrap()))
        .await;
    for blocks in [0, 1] {
        if blocks == 1 {
            gateway.until_blocks(1).await;
        }
        let token = gateway.token(&["--user", "a", "--groups", "mcp-registry-admin"]);
        let body = request("tools/call", json!({"name": "x"})).to_string();
        let mut client = tokio::net::TcpStream::connect(gateway.anonymous().authority())
            .await
            .unwrap();
        let head = format!(
            "POST /s/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let accepted = tokio::time::timeout(crate::harness::PATIENCE, listener.accept()).await;
        let (mut server, _) = accepted.expect("a connection in time").unwrap();
        let mut buffer = vec![0; 65_536];
        let _ = server.read(&mut buffer).await.unwrap();
        server
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n")
            .await
            .unwrap();
        let mut seen = String::new();
        // The first event is there while the upstream still holds the answer open.
        while !seen.contains("data: one") {
            let read = tokio::time::timeout(crate::harness::PATIENCE, client.read(&mut buffer))
                .await
                .unwrap()
                .unwrap();
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        // A client that goes away is told to the upstream: that is the cancel signal.
        drop(client);
        let gone = tokio::time::timeout(crate::harness::PATIENCE, server.read(&mut buffer))
            .await
            .unwrap();
        assert!(matches!(gone, Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn a_silent_upstream_is_a_504_in_json_either_way_that_names_the_server() {
    let upstream = Scripted::new().await;
    let gateway = Setup::new().with(&["--upstream-read-seconds", "1"]).start();
    gateway.register("/slow", &upstream.url).await;
    for blocks in [0, 1] {
        if blocks == 1 {
            gateway.until_blocks(1).await;
        }
        let (admin, call) = (gateway.admin(), tool_call("x"));
        // The request is held, and nothing is said.
        let (answer, _asked) = tokio::join!(admin.mcp("/slow/mcp", &call), upstream.next());
        assert_eq!((answer.status, answer.code()), (504, 504), "{}", answer.text());
        let port = upstream.url.rsplit(':').next().unwrap();
        assert!(
            answer.text().contains("/slow") && !answer.text().contains(port),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn what_an_upstream_refuses_arrives_as_it_said_it_either_way() {
    let upstream = Scripted::new().await;
    let gateway = Gateway::new();
    gateway.register("/a", &upstream.url).await;
    for blocks in [0, 1] {
        if blocks == 1 {
            gateway.until_blocks(1).await;
        }
        for status in [400, 401, 403, 404, 405, 406, 409, 418, 429, 500, 502, 503, 504] {
            let (admin, call) = (gateway.admin(), tool_call("x"));
            let headers = [
                ("content-type", "application/json"),
                ("www-authenticate", "Bearer realm=\"theirs\""),
                ("retry-after", "7"),
            ];
            let body = format!("{{\"theirs\":{status}}}");
            let (answer, ()) = tokio::join!(admin.mcp("/a/mcp", &call), async {
                upstream.next().await.reply(status, &headers, &body);
            });
            assert_eq!((answer.status, answer.text()), (status, body), "{blocks}");
            for (name, value) in headers {
                assert_eq!(answer.header(name), value, "{status} {blocks}");
            }
        }
    }
}
