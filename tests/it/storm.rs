//! Many changes while many calls run: nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::harness::{Gateway, PATIENCE, Setup, Upstream, request, tool_call};

const STREAMS: usize = 100;

fn call(mount: &str, token: &str, body: &str) -> String {
    format!(
        "POST /{mount}/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An upstream whose answers are streams that end when it is told.
async fn streaming(end: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut end = end.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                let _ = stream.read(&mut buffer).await.unwrap();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: begun\n\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                end.wait_for(|end| *end).await.unwrap();
                stream.write_all(b"data: whole\n\n").await.ok();
            });
        }
    });
    url
}

async fn read_until(stream: &mut TcpStream, seen: &mut String, words: &str) {
    let mut buffer = vec![0; 65_536];
    while !seen.contains(words) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(read > 0, "the stream was cut: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
}

/// Call after call on one connection that is kept; how many, and how often nginx had closed it before it answered.
async fn keep_calling(gateway: &Gateway, token: &str, stop: &AtomicBool) -> (u64, u64) {
    let text = call("busy", token, &tool_call("x").to_string());
    let (mut calls, mut resets) = (0, 0);
    let mut stream = TcpStream::connect(gateway.anonymous().authority()).await.unwrap();
    let mut buffer = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let mut seen = String::new();
        let asked = stream.write_all(text.as_bytes()).await.is_ok();
        while asked && !seen.contains("\"done\"") {
            match tokio::time::timeout(PATIENCE, stream.read(&mut buffer))
                .await
                .unwrap()
            {
                Ok(read) if read > 0 => seen.push_str(&String::from_utf8_lossy(&buffer[..read])),
                Ok(_) | Err(_) => break,
            }
            assert!(seen.starts_with("HTTP/1.1 200 "), "{seen}");
        }
        if seen.is_empty() {
            resets += 1;
            stream = TcpStream::connect(gateway.anonymous().authority()).await.unwrap();
        } else {
            assert!(seen.contains("\"done\""), "half an answer: {seen}");
            calls += 1;
        }
    }
    (calls, resets)
}

fn reloads(gateway: &Gateway) -> usize {
    gateway.log().matches("configuration live").count()
}

#[tokio::test]
async fn a_thousand_registrations_cut_no_stream_and_fail_no_call() {
    let (busy, gateway) = (Upstream::new().await, Setup::new().start());
    let (end, ends) = watch::channel(false);
    let url = streaming(ends).await;
    gateway.register("/streams", &url).await;
    gateway.register("/busy", &busy.url).await;
    gateway.until_blocks(2).await;
    let token = gateway.token(&["--user", "a", "--groups", "mcp-registry-admin"]);

    // Streams that stay open all the while.
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = TcpStream::connect(gateway.anonymous().authority()).await.unwrap();
        stream
            .write_all(call("streams", &token, &tool_call("x").to_string()).as_bytes())
            .await
            .unwrap();
        streams.push((stream, String::new()));
    }
    for (stream, seen) in &mut streams {
        read_until(stream, seen, "data: begun").await;
    }
    // An upload of which one half is sent before the changes and the other after them.
    let body = request(
        "tools/call",
        json!({"name": "x", "arguments": {"text": "y".repeat(400_000)}}),
    )
    .to_string();
    let upload = call("busy", &token, &body);
    let (first, second) = upload.split_at(200_000);
    let mut slow = TcpStream::connect(gateway.anonymous().authority()).await.unwrap();
    slow.write_all(first.as_bytes()).await.unwrap();

    let (stop, registered) = (AtomicBool::new(false), AtomicU64::new(0));
    let before = reloads(&gateway);
    let changing = async {
        let (admin, registered) = (Arc::new(gateway.admin()), &registered);
        let all = futures_util::stream::iter(0..1000_u32).for_each_concurrent(None, |number| {
            let admin = Arc::clone(&admin);
            async move {
                let url = format!("http://127.0.{}.{}:9/", number / 250, number % 250 + 1);
                let body = json!({"server_name": "s", "path": format!("/s{number}"), "proxy_pass_url": url});
                let answer = admin.json("/api/management/servers", &body).await;
                assert_eq!(answer.status, 201, "{}", answer.text());
                registered.fetch_add(1, Ordering::Relaxed);
            }
        });
        all.await;
        gateway.until_published(1002).await;
        stop.store(true, Ordering::Relaxed);
    };
    let load = futures_util::future::join_all((0..4).map(|_| keep_calling(&gateway, &token, &stop)));
    let ((), load) = tokio::join!(changing, load);
    assert_eq!(registered.load(Ordering::Relaxed), 1000);
    let (calls, resets) = load
        .iter()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let reloaded = (reloads(&gateway) - before) as u64;
    // The first change reloads at once, the others at most once a second.
    assert!((1..60).contains(&reloaded), "{reloaded} reloads for 1000 changes");
    // nginx closes kept connections at a reload: at most each of the four, each time.
    assert!(
        calls > 100 && resets <= 4 * reloaded,
        "{resets} resets in {calls} calls over {reloaded} reloads"
    );

    slow.write_all(second.as_bytes()).await.unwrap();
    read_until(&mut slow, &mut String::new(), "\"done\"").await;
    end.send(true).unwrap();
    for (stream, seen) in &mut streams {
        read_until(stream, seen, "data: whole").await;
    }
}
