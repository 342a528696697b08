//! Streams: copied as they come, ended with the right that opened them, and what a legacy one names and lists.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Gateway, Scripted, Setup, administered, free_port, request, tool_call, until};

const POLICY: &str = "
all: [{server: '*', methods: ['*'], tools: ['*']}]
few: [{server: '*', methods: [tools/list, tools/call], tools: [b, d]}]
";

/// What takes the right to anything but another server away.
const OTHER: &str = "all: [{server: other, methods: ['*'], tools: ['*']}]";

async fn mounted(setup: Setup) -> (Gateway, Scripted) {
    let upstream = Scripted::new().await;
    let gateway = setup.with_policy(POLICY).start();
    gateway.register("/w", &upstream.url).await;
    (gateway, upstream)
}

#[tokio::test]
async fn a_stream_is_copied_byte_for_byte_and_leaving_it_ends_it_upstream() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let ada = gateway.with_scopes("ada", &["all"]).with("last-event-id", "7");
    let (mut open, said) = tokio::join!(ada.open("GET", "/w/mcp", ""), async {
        let asked = upstream.next().await;
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/mcp"));
        assert_eq!(asked.header("last-event-id"), "7");
        asked.stream()
    });
    assert_eq!(open.status, 200);
    assert_eq!(
        open.headers.get("content-type").unwrap().to_str().unwrap(),
        "text/event-stream"
    );
    for event in [
        "id: 1\nretry: 5\ndata:\n\n",
        "event: message\ndata: {\"a\" :1}\n\n",
        ": note\n\n",
    ] {
        let (head, tail) = event.split_at(event.len() / 2);
        said.say(head);
        said.say(tail);
        assert_eq!(open.next().await.unwrap(), event);
    }
    drop(open);
    said.until_left().await;
}

#[tokio::test]
async fn a_stream_ends_at_once_with_a_revocation_and_with_its_rule_and_its_server() {
    let setup = Setup::new();
    let scopes = setup.folder.path().join("auth/scopes.yml");
    let (gateway, upstream) = mounted(setup).await;
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    for ending in ["revocation", "rule", "server"] {
        let token = gateway.token(&["--user", "ada", "--scopes", "all"]);
        let ada = gateway.anonymous().bearer(&token);
        for (method, body) in [("GET", String::new()), ("POST", listen())] {
            let caller = if body.is_empty() {
                ada.clone()
            } else {
                modern(&ada, "subscriptions/listen")
            };
            let opening = caller.open(method, "/w/mcp", &body);
            let (mut open, said) = tokio::join!(opening, async { upstream.next().await.stream() });
            assert_eq!(open.status, 200, "{ending} {method}");
            said.say("data: 1\n\n");
            assert_eq!(open.event().await.unwrap(), "data: 1\n\n");
            let began = Instant::now();
            match (ending, method) {
                ("revocation", "POST") => {
                    let listed = ada.get("/api/tokens").await.value();
                    let id = listed.pointer("/tokens/0/id").unwrap().as_str().unwrap();
                    let answer = admin
                        .send("DELETE", &format!("/api/tokens/{id}"), "", Vec::new())
                        .await;
                    assert!(answer.status < 300, "{}", answer.text());
                }
                ("rule", "POST") => {
                    std::fs::write(&scopes, administered(OTHER)).unwrap();
                }
                ("server", "POST") => {
                    let answer = admin.form("/toggle/w", "").await;
                    assert!(answer.status < 400, "{}", answer.text());
                }
                _ => {
                    drop(open);
                    said.until_left().await;
                    continue;
                }
            }
            assert_eq!(open.event().await, None, "{ending}");
            assert!(began.elapsed() < Duration::from_secs(5), "{ending}");
            said.until_left().await;
        }
        std::fs::write(&scopes, administered(POLICY)).unwrap();
        if ending == "rule" {
            let ada = gateway.with_scopes("ada", &["all"]);
            until("the scopes are back", || async {
                let call = tool_call("x");
                let asking = ada.mcp("/w/mcp", &call);
                let (answer, ()) = tokio::join!(asking, async {
                    if let Ok(asked) = tokio::time::timeout(Duration::from_millis(300), upstream.next()).await
                    {
                        asked.json("{}");
                    }
                });
                answer.status == 200
            })
            .await;
        }
    }
}

fn listen() -> String {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    request(
        "subscriptions/listen",
        json!({"notifications": {}, "_meta": meta}),
    )
    .to_string()
}

fn modern(actor: &crate::harness::Actor, method: &str) -> crate::harness::Actor {
    let actor = actor.clone().with("mcp-protocol-version", "2026-07-28");
    actor.with("mcp-method", method)
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let secret = "0123456789abcdef0123456789abcdef";
    let (gateway, upstream) = mounted(Setup::new().with_variable("SECRET_KEY", secret)).await;
    let lasts = |seconds: u64| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let claims = json!({
            "iss": "mcp-auth-server", "aud": "mcp-registry", "sub": "ada", "scope": "all", "token_use": "access",
            "jti": "x", "client_id": "user-generated", "iat": now, "nbf": now, "exp": now + seconds,
        });
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    let ada = gateway.anonymous().bearer(&lasts(3));
    let (mut open, _said) = tokio::join!(ada.open("GET", "/w/mcp", ""), async {
        upstream.next().await.stream()
    });
    assert_eq!(open.status, 200);
    let began = Instant::now();
    assert_eq!(open.event().await, None);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_silent_stream_stays_open_far_beyond_the_limit_for_silence() {
    let (gateway, upstream) = mounted(Setup::new().with(&["--upstream-read-seconds", "2"])).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    let (mut get, get_said) = tokio::join!(ada.open("GET", "/w/mcp", ""), async {
        upstream.next().await.stream()
    });
    let listening = modern(&ada, "subscriptions/listen");
    let body = listen();
    let (mut post, post_said) = tokio::join!(listening.open("POST", "/w/mcp", &body), async {
        upstream.next().await.stream()
    });
    // Twenty seconds and more of our comments, each within the limit of the one before.
    for _ in 0..20 {
        assert_eq!(get.next().await.unwrap(), ": still here\n\n");
        assert_eq!(post.next().await.unwrap(), ": still here\n\n");
    }
    for (open, said) in [(&mut get, &get_said), (&mut post, &post_said)] {
        said.say("data: at last\n\n");
        assert_eq!(open.event().await.unwrap(), "data: at last\n\n");
    }
}

#[tokio::test]
async fn the_message_address_of_a_legacy_stream_is_named_under_the_mount_and_is_its_owners_alone() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let (ada, bob) = (
        gateway.with_scopes("ada", &["all"]),
        gateway.with_scopes("bob", &["all"]),
    );
    let forms = [
        (
            "/message?sessionId=a1".to_owned(),
            "/w/message?sessionId=a1",
            "/message?sessionId=a1",
        ),
        (
            format!("{}/messages/?session_id=a2", upstream.url),
            "/w/messages/?session_id=a2",
            "/messages/?session_id=a2",
        ),
        (
            "messages?session_id=a3".to_owned(),
            "/w/messages?session_id=a3",
            "/messages?session_id=a3",
        ),
        (
            "?session_id=a4".to_owned(),
            "/w/sse?session_id=a4",
            "/sse?session_id=a4",
        ),
    ];
    for (said_by_upstream, shown, target) in forms {
        let (mut open, said) = tokio::join!(ada.open("GET", "/w/sse", ""), async {
            let asked = upstream.next().await;
            assert_eq!(asked.target, "/sse");
            asked.stream()
        });
        said.say(&format!("event: endpoint\ndata: {said_by_upstream}\n\n"));
        assert_eq!(
            open.event().await.unwrap(),
            format!("event: endpoint\ndata: {shown}\n\n")
        );
        // One without data is none; clients believe the last, so the same is said again under the mount.
        said.say("event: endpoint\n\n");
        assert_eq!(open.event().await.unwrap(), "event: endpoint\n\n");
        said.say(&format!("event: endpoint\ndata: {said_by_upstream}\n\n"));
        assert_eq!(
            open.event().await.unwrap(),
            format!("event: endpoint\ndata: {shown}\n\n")
        );

        let message = tool_call("x");
        let (answer, ()) = tokio::join!(ada.mcp(shown, &message), async {
            let asked = upstream.next().await;
            assert_eq!(asked.target, target);
            asked.reply(202, &[], "");
        });
        assert_eq!(answer.status, 202);
        let other_spelling = format!("{shown}&x=1");
        for (actor, path) in [(&bob, shown), (&bob, &other_spelling), (&ada, &other_spelling)] {
            assert_eq!(actor.mcp(path, &message).await.status, 404, "{path}");
        }
        assert!(upstream.is_quiet());
        drop(open);
        said.until_left().await;
        until("the address is forgotten", || async {
            let asking = ada.mcp(shown, &message);
            let (answer, ()) = tokio::join!(asking, async {
                if let Ok(asked) = tokio::time::timeout(Duration::from_millis(300), upstream.next()).await {
                    asked.reply(404, &[], "gone");
                }
            });
            answer.text() == "gone"
        })
        .await;
    }
}

#[tokio::test]
async fn a_message_address_elsewhere_is_refused() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    let elsewhere = format!("http://127.0.0.1:{}/message", free_port());
    for named in [
        elsewhere.as_str(),
        "//example.com/message",
        "https://example.com/",
    ] {
        let (mut open, said) = tokio::join!(ada.open("GET", "/w/sse", ""), async {
            upstream.next().await.stream()
        });
        said.say(&format!("event: endpoint\ndata: {named}\n\n"));
        assert_eq!(open.event().await, None, "{named}");
    }
}

#[tokio::test]
async fn lists_that_come_by_a_stream_hold_only_what_the_caller_may_use() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let list = r#"{"jsonrpc":"2.0","id":5,"result":{"tools":[{"name":"d"},{"name":"c"},{"name":"b"}]}}"#;
    let cut = r#"{"jsonrpc":"2.0","id":5,"result":{"tools":[{"name":"b"},{"name":"d"}]}}"#;
    for (scope, expected) in [("few", cut), ("all", list)] {
        let caller = gateway.with_scopes("ada", &[scope]);
        let (mut open, said) = tokio::join!(caller.open("GET", "/w/sse", ""), async {
            upstream.next().await.stream()
        });
        said.say(&format!("id: 3\nevent: message\ndata: {list}\n\n"));
        let event = open.event().await.unwrap();
        assert_eq!(
            event,
            format!("id: 3\nevent: message\ndata: {expected}\n\n"),
            "{scope}"
        );
    }
}

#[tokio::test]
async fn five_hundred_streams_through_a_reload_lose_no_event() {
    const STREAMS: usize = 500;
    let (gateway, upstream) = mounted(Setup::new()).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let opening = ada.open("GET", "/w/mcp", "");
        streams.push(tokio::join!(opening, async { upstream.next().await.stream() }));
    }
    let blocks = gateway.nginx().await.get("blocks").unwrap().as_u64().unwrap();
    for round in 0..3 {
        for (_, said) in &streams {
            assert!(said.say(&format!("data: {round}\n\n")));
        }
        let other = format!("http://127.0.0.1:{}", free_port());
        let name = format!("/other{round}");
        let body = json!({"server_name": name, "path": name, "proxy_pass_url": other});
        assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
        until("another text is live", || async {
            gateway.nginx().await.get("blocks").unwrap().as_u64() > Some(blocks + round)
        })
        .await;
    }
    for (open, _) in &mut streams {
        for round in 0..3 {
            assert_eq!(open.event().await.unwrap(), format!("data: {round}\n\n"));
        }
    }
}

#[tokio::test]
async fn a_reader_that_sleeps_costs_no_memory_and_holds_up_nobody() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    let (asleep, endless) = tokio::join!(ada.open("GET", "/w/mcp", ""), async {
        upstream.next().await.endless()
    });
    let before = gateway.resident_kib();
    // More than all buffers between could hold; then nothing moves any more.
    endless.until_stuck().await;
    assert!(endless.sent() < 64 << 20, "{} bytes were taken", endless.sent());
    assert!(gateway.resident_kib() < before + 20_000);
    let call = tool_call("x");
    let (answer, ()) = tokio::join!(ada.mcp("/w/mcp", &call), async {
        upstream.next().await.json("{}");
    });
    assert_eq!(answer.status, 200);
    drop(asleep);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call_upstream_either_way() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    for blocks in [None, Some(1)] {
        if let Some(blocks) = blocks {
            gateway.until_blocks(blocks).await;
        }
        let call = tool_call("slow").to_string();
        let (mut open, said) = tokio::join!(ada.open("POST", "/w/mcp", &call), async {
            upstream.next().await.stream()
        });
        let progress = "data: {\"method\":\"notifications/progress\"}\n\n";
        said.say(progress);
        assert_eq!(open.event().await.unwrap(), progress);
        drop(open);
        said.until_left().await;
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_ends_its_stream_and_nothing_else() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let deep = format!("data: {}{}\n\n", "[".repeat(50_000), "]".repeat(50_000));
    let list = r#"{"result":{"tools":[{"name":"secret"}]}}"#;
    let odd = [
        format!("data: {{{deep}"),
        format!("data: {}\n\n", list.replace("\"secret\"", "\"secret\",\"x\":NaN")),
        format!("data: {}\n\n", list.replace("result", "Result")),
        format!("data: {list}"),
        format!("data: {list}\n"),
    ];
    let few = gateway.with_scopes("ada", &["few"]);
    for event in odd.iter().chain([&deep]) {
        let (mut open, said) = tokio::join!(few.open("GET", "/w/mcp", ""), async {
            upstream.next().await.stream()
        });
        said.say("data: {}\n\n");
        assert_eq!(open.event().await.unwrap(), "data: {}\n\n");
        said.say(event);
        drop(said);
        let seen = open.event().await;
        assert!(seen.is_none_or(|seen| !seen.contains("secret")), "{event:.80}");
    }
    let call = tool_call("b");
    let (answer, ()) = tokio::join!(few.mcp("/w/mcp", &call), async {
        upstream.next().await.json("{}");
    });
    assert_eq!(answer.status, 200, "the daemon lives");
}

#[tokio::test]
async fn a_stream_of_another_kind_ends_with_its_right_too() {
    let setup = Setup::new();
    let scopes = setup.folder.path().join("auth/scopes.yml");
    let (gateway, upstream) = mounted(setup).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    let (mut open, said) = tokio::join!(ada.open("GET", "/w/log", ""), async {
        upstream.next().await.stream_of("text/plain")
    });
    said.say("line\n\n");
    assert_eq!(open.next().await.unwrap(), "line\n\n");
    std::fs::write(&scopes, administered(OTHER)).unwrap();
    assert_eq!(open.next().await, None);
}
