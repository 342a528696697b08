//! The feed of how servers are: who hears what, and for how long.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::listener::{Heard, Listener};
use crate::harness::{Gateway, PATIENCE, Setup, administered, tools, until};

const FEED: &str = "/ws/health_status";
/// Nobody listens there.
const GONE: &str = "http://127.0.0.1:9/";

fn checked() -> Setup {
    Setup::new().with(&["--health-checks", "on", "--health-check-timeout-seconds", "2"])
}

async fn remove(gateway: &Gateway, path: &str) {
    let path = format!("/api/management/servers{path}");
    let answer = gateway.admin().send("DELETE", &path, "", Vec::new()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn everything_comes_first_and_then_every_change_in_the_shape_of_the_guide() {
    let gateway = checked().start();
    let listening = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listening.local_addr().unwrap());
    let mut early = Listener::new(&gateway, FEED).await;
    gateway.register("/weather", &silent).await;
    // What it was checked for is told when it is known; nobody asks twice.
    let heard = early.until("/weather", "unhealthy").await;
    assert_eq!(heard[0]["/weather"]["status"], "checking", "{heard:?}");
    assert_eq!(heard[0]["/weather"]["last_checked_iso"], Value::Null);
    let row = heard.last().unwrap()["/weather"].as_object().unwrap().clone();
    let mut fields: Vec<&String> = row.keys().collect();
    fields.sort();
    assert_eq!(fields, ["last_checked_iso", "num_tools", "status"]);
    assert!(
        row["last_checked_iso"].as_str().unwrap().ends_with('Z'),
        "{row:?}"
    );

    // The same map for whoever comes later, by either address, and over GET.
    for path in [FEED, "/api/health/ws/health_status"] {
        let mut late = Listener::new(&gateway, path).await;
        let first = late.said().await;
        assert_eq!(
            first.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["/weather"]
        );
        assert_eq!(gateway.anonymous().get(path).await.value(), first);
        late.leave().await;
    }
    // What a listener says is not expected, and hurts nothing.
    early.say("hello").await;
    let admin = gateway.admin();
    assert_eq!(admin.form("/toggle/weather", "").await.status, 200);
    let heard = early.until("/weather", "disabled").await;
    assert_eq!(heard.last().unwrap().as_object().unwrap().len(), 1);
    assert_eq!(admin.form("/toggle/weather", "enabled=on").await.status, 200);
    early.until("/weather", "checking").await;
    remove(&gateway, "/weather").await;
    let heard = early.until("/weather", "removed").await;
    assert_eq!(
        heard.last().unwrap()["/weather"],
        json!({"status": "removed", "last_checked_iso": null, "num_tools": 0})
    );
    until("those who left are gone", || async {
        let stats = gateway.anonymous().get("/ws/stats").await.value();
        stats["active_connections"] == 1 && stats["total_broadcasts"].as_u64().unwrap() >= 5
    })
    .await;
    let stats = gateway.anonymous().get("/api/health/ws/stats").await.value();
    assert_eq!(
        (
            &stats["failed_sends"],
            &stats["failed_connections"],
            &stats["pending_updates"]
        ),
        (&json!(0), &json!(0), &json!(0)),
        "{stats}"
    );
    // A stop says so.
    let (_, ended) = gateway.stop();
    assert!(ended);
    let last = loop {
        match early.next().await {
            Heard::Said(_) | Heard::Ping => {}
            Heard::Closed(code, _) => break code,
        }
    };
    assert_eq!(last, 1001);
}

#[tokio::test]
async fn a_hundred_listen_and_the_next_is_told_that_the_house_is_full() {
    let gateway = checked().start();
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(Listener::new(&gateway, FEED).await);
    }
    let mut one_more = Listener::new(&gateway, FEED).await;
    let full = Heard::Closed(1008, "Server at capacity".to_owned());
    assert_eq!(one_more.next().await, full);
    let stats = gateway.anonymous().get("/ws/stats").await.value();
    assert_eq!(
        (&stats["active_connections"], &stats["failed_connections"]),
        (&json!(100), &json!(1))
    );
    // All hear of a change; those who ask over GET need no seat.
    gateway.register("/weather", GONE).await;
    let heard = all.iter_mut().map(|one| one.until("/weather", "unhealthy"));
    futures_util::future::join_all(heard).await;
    let now = gateway.anonymous().get(FEED).await.value();
    assert!(now["/weather"]["status"].is_string());
    // A seat that is free is given away.
    all.pop().unwrap().leave().await;
    until("another may come", || async {
        let mut another = Listener::new(&gateway, FEED).await;
        another.next().await != full
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_sleeps_is_let_go_and_hurts_nobody() {
    let gateway = checked().with(&["--feed-ping-seconds", "1"]).start();
    // It connects, and then never reads.
    let authority = gateway.base.trim_start_matches("http://");
    let mut asleep = tokio::net::TcpStream::connect(authority).await.unwrap();
    let hello = format!(
        "GET {FEED} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    asleep.write_all(hello.as_bytes()).await.unwrap();
    let mut listener = Listener::new(&gateway, FEED).await;
    gateway.register("/weather", GONE).await;
    listener.until("/weather", "unhealthy").await;
    let mut stats = Value::Null;
    while stats["failed_sends"] != 1 {
        // Whoever is awake answers pings, and stays.
        assert!(!matches!(listener.next().await, Heard::Closed(..)));
        stats = gateway.anonymous().get("/ws/stats").await.value();
    }
    assert_eq!(stats["active_connections"], 1, "{stats}");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, asleep.read_to_end(&mut rest)).await;
    assert!(read.is_ok() && rest.starts_with(b"HTTP/1.1 101"));
}

/// nginx's limits for what is silent, scaled down to a second.
fn impatient(ping_seconds: &str) -> Gateway {
    let setup = checked()
        .with_copy_of("nginx")
        .with(&["--feed-ping-seconds", ping_seconds]);
    let part = setup.folder.path().join("nginx/part_web.tera");
    let text = std::fs::read_to_string(&part).unwrap();
    let hasty = text.replace("proxy_read_timeout 60s", "proxy_read_timeout 2s");
    assert_ne!(text, hasty);
    std::fs::write(&part, hasty).unwrap();
    setup.start()
}

#[tokio::test]
async fn who_hears_nothing_for_long_still_listens() {
    let gateway = impatient("1");
    let mut listener = Listener::new(&gateway, FEED).await;
    for _ in 0..6 {
        assert_eq!(listener.next().await, Heard::Ping);
    }
    gateway.register("/weather", GONE).await;
    listener.until("/weather", "unhealthy").await;
    // Without pings nginx would have ended it.
    let gateway = impatient("50");
    let mut listener = Listener::new(&gateway, FEED).await;
    assert_eq!(listener.next().await, Heard::Closed(0, String::new()));
}

#[tokio::test]
async fn where_only_members_listen_each_hears_what_it_may_see() {
    let policy = |rules: &str| {
        administered(&format!(
            "UI-Scopes: {{readers: {{list_service: [{rules}]}}}}\ngroup_mappings: {{readers: [readers]}}"
        ))
    };
    let gateway = checked()
        .with_policy(&policy("weather"))
        .with(&["--feed", "members"])
        .start();
    gateway.register("/weather", GONE).await;
    gateway.register("/secret", GONE).await;
    let mut nobody = Listener::new(&gateway, FEED).await;
    assert_eq!(
        nobody.next().await,
        Heard::Closed(1008, "Authentication required".to_owned())
    );
    let mut bad = Listener::with(
        &gateway,
        FEED,
        &[("authorization", &format!("Bearer {}", "x".repeat(40)))],
    )
    .await;
    assert_eq!(
        bad.next().await,
        Heard::Closed(1008, "Authentication failed".to_owned())
    );
    for path in [FEED, "/ws/stats"] {
        assert_eq!(gateway.anonymous().get(path).await.status, 401);
    }

    let token = gateway.token(&["--user", "ada", "--groups", "readers"]);
    let bearer = format!("Bearer {token}");
    let mut ada = Listener::with(&gateway, FEED, &[("authorization", &bearer)]).await;
    let first = ada.said().await;
    assert_eq!(
        first.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["/weather"]
    );
    let now = gateway.anonymous().bearer(&token).get(FEED).await.value();
    assert_eq!(now.as_object().unwrap().keys().collect::<Vec<_>>(), ["/weather"]);
    let admin = gateway.admin();
    admin.form("/toggle/secret", "").await;
    admin.form("/toggle/weather", "").await;
    let heard = ada.until("/weather", "disabled").await;
    assert!(
        heard.iter().all(|said| said.get("/secret").is_none()),
        "{heard:?}"
    );

    // Another right: told as if the servers had come and gone.
    let file = gateway.setup.folder.path().join("auth/scopes.yml");
    std::fs::write(&file, policy("secret")).unwrap();
    let heard = ada.until("/secret", "disabled").await;
    let last = heard.last().unwrap();
    assert_eq!(last["/weather"]["status"], "removed", "{heard:?}");

    // A page elsewhere cannot listen with its visitor's cookie, and who signs out hears no more.
    let browser = gateway.signed_in().await;
    let cookie = browser.cookie();
    let foreign = [
        ("cookie", cookie.as_str()),
        ("origin", "https://elsewhere.example"),
    ];
    let mut foreign = Listener::with(&gateway, FEED, &foreign).await;
    assert!(matches!(foreign.next().await, Heard::Closed(1008, _)));
    let mut own = Listener::with(&gateway, FEED, &[("cookie", &cookie), ("origin", &gateway.base)]).await;
    assert_eq!(own.said().await.as_object().unwrap().len(), 2);
    assert_eq!(browser.form("/logout", "").await.status, 303);
    assert!(matches!(own.next().await, Heard::Closed(1008, _)));
}

/// Start a program that listens; it is at it when this returns.
fn listening(command: &mut Command) -> (std::process::Child, BufReader<std::process::ChildStdout>) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "connected\n");
    (child, lines)
}

#[tokio::test]
async fn the_guides_python_program_and_a_browser_hear_of_a_change() {
    let gateway = checked().start();
    gateway.register("/before", GONE).await;
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let uri = format!("{}{FEED}", gateway.base.replace("http", "ws"));
    let mut python = Command::new(tools().join("venv/bin/python"));
    python
        .arg(here.join("feed.py"))
        .args([&uri, "/weather", "disabled"]);
    let mut browser = Command::new(crate::harness::peers::node());
    browser
        .arg(here.join("feed.mjs"))
        .args([&gateway.base, "/weather", "disabled"]);
    browser.current_dir(tools());
    let mut clients = [listening(&mut python), listening(&mut browser)];
    gateway.register("/weather", GONE).await;
    gateway.admin().form("/toggle/weather", "").await;
    for (child, lines) in &mut clients {
        assert!(child.wait().unwrap().success());
        let said: String = lines.lines().map(Result::unwrap).collect();
        assert!(said.contains("/weather"), "{said}");
    }
}
