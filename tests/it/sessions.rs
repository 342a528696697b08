//! MCP sessions belong to people, and lists hold what a caller may use.

use serde_json::{Value, json};

use crate::harness::stream::Asked;
use crate::harness::{Actor, Answer, Gateway, Scripted, Setup, request, tool_call};

const POLICY: &str = "
UI-Scopes: {maker: {register_service: [all]}}
all: [{server: '*', methods: ['*'], tools: ['*']}]
few:
  - {server: w, methods: [tools/list, tools/call], tools: [b, d]}
  - {server: w, methods: [prompts/list, prompts/get], tools: [hello]}
  - {server: w, methods: [resources/list, resources/templates/list, resources/read], tools: ['a:1', 'a:{x}']}
readers: [{server: w, methods: [tools/list], tools: ['*']}]
";

async fn mounted() -> (Gateway, Scripted) {
    let upstream = Scripted::new().await;
    let gateway = Setup::new().with_policy(POLICY).start();
    gateway.register("/w", &upstream.url).await;
    gateway.until_blocks(1).await;
    (gateway, upstream)
}

/// Call, and let the upstream answer.
async fn call(actor: &Actor, message: &Value, upstream: &Scripted, reply: impl FnOnce(Asked)) -> Answer {
    let (answer, ()) = tokio::join!(actor.mcp("/w/mcp", message), async {
        reply(upstream.next().await);
    });
    answer
}

async fn initialize(actor: &Actor, upstream: &Scripted, id: &str) -> Answer {
    let message = request("initialize", json!({"protocolVersion": "2025-11-25"}));
    let headers = [("content-type", "application/json"), ("mcp-session-id", id)];
    call(actor, &message, upstream, |asked| {
        asked.reply(200, &headers, "{}");
    })
    .await
}

async fn is_theirs(actor: &Actor, upstream: &Scripted, id: &str) -> bool {
    let actor = actor.clone().with("mcp-session-id", id);
    let message = tool_call("b");
    let answer = call(&actor, &message, upstream, |asked| {
        assert_eq!(asked.header("mcp-session-id"), id);
        asked.json("{}");
    });
    answer.await.status == 200
}

async fn is_nobodys(actor: &Actor, upstream: &Scripted, id: &str) {
    let actor = actor.clone().with("mcp-session-id", id);
    let post = actor.mcp("/w/mcp", &tool_call("b")).await;
    assert_eq!((post.status, post.code()), (404, 404), "{}", post.text());
    for method in ["GET", "DELETE"] {
        let answer = actor.send(method, "/w/mcp", "", Vec::new()).await;
        assert_eq!((answer.status, answer.code()), (404, 404), "{method}");
        assert!(answer.text().contains("initialize again"), "{}", answer.text());
    }
    assert!(upstream.is_quiet(), "nothing reached the server");
}

#[tokio::test]
async fn a_session_is_its_openers_alone_across_reloads_and_restarts() {
    let (gateway, upstream) = mounted().await;
    let ada_token = gateway.token(&["--user", "ada", "--scopes", "all"]);
    let bob_token = gateway.token(&["--user", "bob", "--scopes", "all"]);
    let both = |gateway: &Gateway| {
        let known = |token: &str| gateway.anonymous().bearer(token);
        (known(&ada_token), known(&bob_token))
    };
    let (ada, bob) = both(&gateway);
    let opened = initialize(&ada, &upstream, "s-1").await;
    assert_eq!((opened.status, opened.header("mcp-session-id")), (200, "s-1"));
    assert!(is_theirs(&ada, &upstream, "s-1").await);
    is_nobodys(&bob, &upstream, "s-1").await;
    is_nobodys(&ada, &upstream, "never-opened").await;
    // The same id of the server's for somebody else: one of the two would sit in the other's session.
    assert_eq!(initialize(&bob, &upstream, "s-1").await.status, 502);

    let other = Scripted::new().await;
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let body = json!({"server_name": "o", "path": "/o", "proxy_pass_url": other.url});
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    gateway.until_blocks(2).await;
    assert!(is_theirs(&ada, &upstream, "s-1").await);
    // An id is good at its server only.
    let elsewhere = ada.clone().with("mcp-session-id", "s-1");
    assert_eq!(elsewhere.mcp("/o/mcp", &tool_call("b")).await.status, 404);

    let gateway = gateway.kill().start();
    let (ada, bob) = both(&gateway);
    assert!(is_theirs(&ada, &upstream, "s-1").await);
    is_nobodys(&bob, &upstream, "s-1").await;
}

#[tokio::test]
async fn a_session_header_that_is_none_is_refused_and_a_modern_request_has_no_session() {
    let (gateway, upstream) = mounted().await;
    let ada = gateway.with_scopes("ada", &["all"]);
    let twice = ada
        .clone()
        .with("mcp-session-id", "a")
        .with("mcp-session-id", "b");
    assert_eq!(twice.mcp("/w/mcp", &tool_call("b")).await.status, 400);
    let long = ada.clone().with("mcp-session-id", &"x".repeat(2_000));
    assert_eq!(long.mcp("/w/mcp", &tool_call("b")).await.status, 400);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let message = request("tools/call", json!({"name": "b", "_meta": meta}));
    let modern = ada
        .with("mcp-protocol-version", "2026-07-28")
        .with("mcp-method", "tools/call")
        .with("mcp-name", "b")
        .with("mcp-session-id", "somebody-elses")
        .with("last-event-id", "7");
    let answer = call(&modern, &message, &upstream, |asked| {
        assert_eq!(
            (asked.header("mcp-session-id"), asked.header("last-event-id")),
            ("", "")
        );
        assert_eq!(asked.header("mcp-name"), "b");
        asked.json("{}");
    });
    assert_eq!(answer.await.status, 200);
}

fn listed(key: &str, field: &str, names: &[&str]) -> String {
    let entries: Vec<Value> = names
        .iter()
        .map(|name| json!({field: name, "z": 1, "a": 2}))
        .collect();
    json!({"jsonrpc": "2.0", "id": 1, "result": {key: entries, "nextCursor": "more", "cacheScope": "public"}})
        .to_string()
}

#[tokio::test]
async fn every_list_holds_only_what_the_caller_may_use_in_both_forms_of_an_answer() {
    let (gateway, upstream) = mounted().await;
    let (few, all) = (
        gateway.with_scopes("ada", &["few"]),
        gateway.with_scopes("bob", &["all"]),
    );
    let rows = [
        ("tools/list", "tools", "name", ["d", "c", "b"], &["b", "d"][..]),
        ("prompts/list", "prompts", "name", ["hello", "b", "x"], &["hello"]),
        (
            "resources/list",
            "resources",
            "uri",
            ["a:2", "a:1", "hello"],
            &["a:1"],
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
            ["a:{x}", "b:{x}", "d"],
            &["a:{x}"],
        ),
    ];
    for (method, key, field, there, seen) in rows {
        // The second page is cut like the first.
        for params in [json!({}), json!({"cursor": "more"})] {
            let message = request(method, params);
            let body = listed(key, field, &there);
            let names = |answer: &Value| -> Vec<String> {
                let entries = answer
                    .pointer(&format!("/result/{key}"))
                    .unwrap()
                    .as_array()
                    .unwrap();
                entries
                    .iter()
                    .map(|entry| entry[field].as_str().unwrap().to_owned())
                    .collect()
            };
            let answer = call(&few, &message, &upstream, |asked| asked.json(&body)).await;
            assert_eq!(names(&answer.value()), seen, "{method}");
            assert_eq!(answer.value().pointer("/result/cacheScope").unwrap(), "private");
            assert_eq!(answer.value().pointer("/result/nextCursor").unwrap(), "more");

            let text = message.to_string();
            let (mut open, ()) = tokio::join!(few.open("POST", "/w/mcp", &text), async {
                upstream
                    .next()
                    .await
                    .stream()
                    .say(&format!("id: 1\ndata: {body}\n\n"));
            });
            let event = open.event().await.unwrap();
            let data = event.strip_prefix("id: 1\ndata: ").unwrap();
            assert_eq!(
                names(&serde_json::from_str(data.trim()).unwrap()),
                seen,
                "{method} by events"
            );

            // With all rights the answer goes the fast way, untouched.
            let answer = call(&all, &message, &upstream, |asked| {
                let headers = [("content-type", "application/json"), ("x-note", "kept")];
                asked.reply(200, &headers, &body);
            });
            let answer = answer.await;
            assert_eq!(
                (answer.text(), answer.header("x-note")),
                (body.clone(), "kept"),
                "{method}"
            );
        }
    }
    // Who may list everything sees everything, and still may call nothing.
    let reader = gateway.with_scopes("eve", &["readers"]);
    let body = listed("tools", "name", &["d", "c"]);
    let message = request("tools/list", json!({}));
    let answer = call(&reader, &message, &upstream, |asked| asked.json(&body));
    assert_eq!(answer.await.text(), body);
    assert_eq!(reader.mcp("/w/mcp", &tool_call("d")).await.status, 403);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_not_passed_on_and_an_error_is() {
    let (gateway, upstream) = mounted().await;
    let few = gateway
        .with_scopes("ada", &["few"])
        .with("accept-encoding", "gzip");
    let list = request("tools/list", json!({}));
    let json = ("content-type", "application/json");
    for (headers, body) in [
        (vec![json], "{\"result\":{\"tools\":[{\"name\":\"c\"}]}} and more"),
        (
            vec![json, ("content-encoding", "gzip")],
            "{\"result\":{\"tools\":[{\"name\":\"c\"}]}}",
        ),
        (
            vec![("content-type", "text/plain")],
            "{\"result\":{\"tools\":[{\"name\":\"c\"}]}}",
        ),
    ] {
        let answer = call(&few, &list, &upstream, |asked| {
            assert_eq!(asked.header("accept-encoding"), "");
            asked.reply(200, &headers, body);
        });
        let answer = answer.await;
        assert_eq!(answer.status, 502, "{headers:?}");
        assert!(!answer.text().contains("\"c\""), "{}", answer.text());
    }
    for (status, body) in [
        (400, "{\"error\":{\"code\":-32602}}"),
        (503, "busy"),
        (429, "slow down"),
    ] {
        let headers = [("content-type", "text/plain"), ("retry-after", "7")];
        let answer = call(&few, &list, &upstream, |asked| {
            asked.reply(status, &headers, body);
        })
        .await;
        assert_eq!(
            (
                answer.status,
                answer.text().as_str(),
                answer.header("retry-after")
            ),
            (status, body, "7")
        );
    }
}
