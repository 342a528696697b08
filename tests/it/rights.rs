//! The rule of every kind of message (`docs/rights.md`): what just suffices passes, anything less does not.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::harness::{Actor, Gateway, Setup, Upstream, request};

/// A message, and a rule that just suffices: methods and things. Without the method or the thing it must be refused.
fn rows() -> Vec<(Value, &'static str, &'static str)> {
    let named = |name: &str| json!({"name": name});
    let at = |uri: &str| json!({"uri": uri});
    vec![
        (request("initialize", json!({})), "", ""),
        (request("ping", json!({})), "", ""),
        (request("server/discover", json!({})), "", ""),
        (
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            "",
            "",
        ),
        (
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
            "",
            "",
        ),
        (
            json!({"jsonrpc": "2.0", "id": 9, "result": {"action": "accept"}}),
            "",
            "",
        ),
        (
            json!({"jsonrpc": "2.0", "id": 9, "error": {"code": 1, "message": "no"}}),
            "",
            "",
        ),
        (
            request(
                "subscriptions/listen",
                json!({"notifications": {"toolsListChanged": true}}),
            ),
            "",
            "",
        ),
        (request("tools/call", named("t")), "tools/call", "t"),
        (request("prompts/get", named("p")), "prompts/get", "p"),
        (request("resources/read", at("r:1")), "resources/read", "'r:1'"),
        (
            request("resources/subscribe", at("r:1")),
            "resources/subscribe",
            "'r:1'",
        ),
        (
            request("resources/unsubscribe", at("r:1")),
            "resources/unsubscribe",
            "'r:1'",
        ),
        (
            request(
                "subscriptions/listen",
                json!({"notifications": {"resourceSubscriptions": ["r:1", "r:2"]}}),
            ),
            "resources/subscribe",
            "'r:1', 'r:2'",
        ),
        (
            request(
                "completion/complete",
                json!({"ref": {"type": "ref/prompt", "name": "p"}, "argument": {}}),
            ),
            "completion/complete",
            "p",
        ),
        (
            request(
                "completion/complete",
                json!({"ref": {"type": "ref/resource", "uri": "r:{x}"}}),
            ),
            "completion/complete",
            "'r:{x}'",
        ),
        (request("tools/list", json!({})), "tools/list", ""),
        (request("prompts/list", json!({})), "prompts/list", ""),
        (request("resources/list", json!({})), "resources/list", ""),
        (
            request("resources/templates/list", json!({})),
            "resources/templates/list",
            "",
        ),
        (
            request("logging/setLevel", json!({"level": "info"})),
            "logging/setLevel",
            "",
        ),
        (request("tasks/get", json!({"taskId": "x"})), "tasks/get", ""),
        (
            request("tasks/update", json!({"taskId": "x"})),
            "tasks/update",
            "",
        ),
        (
            request("tasks/cancel", json!({"taskId": "x"})),
            "tasks/cancel",
            "",
        ),
        (request("tasks/list", json!({})), "tasks/list", ""),
        (request("unknown/method", json!({})), "unknown/method", ""),
        (
            json!({"jsonrpc": "2.0", "method": "notifications/unknown"}),
            "notifications/unknown",
            "",
        ),
    ]
}

async fn status(actor: &Actor, message: &Value) -> (u16, String) {
    let answer = actor.mcp("/w/mcp", message).await;
    (answer.status, answer.text())
}

#[tokio::test]
async fn every_kind_of_message_has_its_rule() {
    let rows = rows();
    let mut policy = String::from("root: [{server: '*', methods: ['*'], tools: ['*']}]\n");
    for (number, (_, methods, things)) in rows.iter().enumerate() {
        let others = "tools/call, prompts/get, resources/read, resources/subscribe, completion/complete";
        let other = others
            .split(", ")
            .filter(|other| other != methods)
            .collect::<Vec<_>>()
            .join(", ");
        writeln!(
            policy,
            "just{number}: [{{server: w, methods: [{methods}], tools: [{things}]}}]"
        )
        .unwrap();
        writeln!(
            policy,
            "method{number}: [{{server: w, methods: [{other}], tools: ['*']}}]"
        )
        .unwrap();
        writeln!(
            policy,
            "thing{number}: [{{server: w, methods: [{methods}], tools: [another, 'r:2']}}]"
        )
        .unwrap();
        writeln!(
            policy,
            "server{number}: [{{server: elsewhere, methods: ['*'], tools: ['*']}}]"
        )
        .unwrap();
    }
    let upstream = Upstream::new().await;
    let gateway: Gateway = Setup::new().with_policy(&policy).start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let body = json!({"server_name": "w", "path": "/w", "proxy_pass_url": upstream.url});
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    for (number, (message, methods, things)) in rows.iter().enumerate() {
        let with = |kind: &str| gateway.with_scopes("ada", &[&format!("{kind}{number}")]);
        assert_eq!(
            status(&with("just"), message).await.0,
            200,
            "{message} with its rule"
        );
        assert_eq!(upstream.take().len(), 1);
        let mut less = vec!["server"];
        less.extend((!methods.is_empty()).then_some("method"));
        less.extend((!things.is_empty()).then_some("thing"));
        for kind in less {
            let (refused, text) = status(&with(kind), message).await;
            assert_eq!(refused, 403, "{message} with {kind}: {text}");
            assert!(upstream.take().is_empty(), "{message} with {kind}");
        }
    }
}

#[tokio::test]
async fn a_challenge_names_what_would_help_and_nothing_that_exists() {
    let policy = "
few: [{server: w, methods: [tools/call], tools: [one]}]
wide: [{server: w, methods: [tools/call], tools: ['*']}]
wider: [{server: '*', methods: ['*'], tools: ['*']}]
other: [{server: other, methods: ['*'], tools: ['*']}]
";
    let upstream = Upstream::new().await;
    let gateway: Gateway = Setup::new().with_policy(policy).start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let body = json!({"server_name": "w", "path": "/w", "proxy_pass_url": upstream.url});
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    let few = gateway.with_scopes("ada", &["few"]);
    let call = |name: &str| request("tools/call", json!({"name": name}));
    let (denied, unknown) = (
        few.mcp("/w/mcp", &call("two")).await,
        few.mcp("/w/mcp", &call("none")).await,
    );
    let metadata = |path: &str| {
        let url = &gateway.base;
        format!("resource_metadata=\"{url}/.well-known/oauth-protected-resource{path}\"")
    };
    let challenge = format!(
        "Bearer realm=\"mcp\", error=\"insufficient_scope\", scope=\"wide wider\", {}",
        metadata("/w/mcp")
    );
    let challenge = challenge.as_str();
    assert_eq!(
        (denied.status, denied.header("www-authenticate")),
        (403, challenge)
    );
    assert_eq!(
        (unknown.text(), unknown.header("www-authenticate")),
        (denied.text(), challenge)
    );
    let stream = gateway.with_scopes("ada", &["other"]).get("/w/mcp").await;
    assert_eq!(stream.status, 403);
    assert!(
        stream.header("www-authenticate").contains("scope=\"wider\""),
        "{:?}",
        stream.headers
    );
    // Nobody learns without a token which servers there are.
    for path in ["/w/mcp", "/none/mcp"] {
        for method in ["GET", "DELETE", "POST"] {
            let answer = gateway.anonymous().send(method, path, "", Vec::new()).await;
            assert_eq!(
                (answer.status, answer.header("www-authenticate")),
                (
                    401,
                    format!("Bearer realm=\"mcp\", scope=\"wider\", {}", metadata(path)).as_str()
                )
            );
        }
    }
    // Where no scope would help there is no challenge: a client would sign people in for ever.
    let gateway: Gateway = Setup::new()
        .with_policy("few: [{server: w, methods: [tools/call], tools: [one]}]")
        .start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    let answer = gateway
        .with_scopes("ada", &["few"])
        .mcp("/w/mcp", &call("two"))
        .await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (403, ""));
}

#[tokio::test]
async fn a_check_now_needs_the_permission_for_checks_and_not_only_sight() {
    let policy = "
group_mappings: {mcp-registry-admin: [mcp-registry-admin]}
UI-Scopes:
  reader: {list_service: [all]}
  checker: {list_service: [all], health_check_service: [w]}
";
    let upstream = Upstream::new().await;
    let gateway: Gateway = Setup::new().with_policy(policy).start();
    for path in ["/w", "/v"] {
        gateway.register(path, &upstream.url).await;
    }
    for (scope, path, expected) in [
        ("reader", "w", 403),
        ("checker", "v", 403),
        ("checker", "w", 200),
        ("unknown", "w", 403),
    ] {
        let who = gateway.with_scopes("somebody", &[scope]);
        let answer = who.form(&format!("/api/refresh/{path}"), "").await;
        assert_eq!(answer.status, expected, "{scope} {path}: {}", answer.text());
    }
}
