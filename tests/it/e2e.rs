//! The pages as people use them: a real browser, through nginx. The scripts are in `tests/e2e`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::peers::{KINDS, Peer, node};
use crate::harness::{Gateway, PASSWORD, Setup, tools};

/// Checks are quick, so that a walk sees them.
fn setup() -> Setup {
    Setup::new()
        .with(&["--health-checks", "on", "--health-check-interval", "1"])
        .with(&["--health-check-timeout-seconds", "5"])
}

/// Run a script of `tests/e2e` against a gateway that runs.
fn run(script: &str, gateway: &Gateway) {
    // Somebody known, of no group that may do anything; and somebody who may see servers and call them, and no more.
    let nobody = gateway.token(&["--user", "bob", "--groups", "nobody-knows"]);
    let reader = gateway.token(&["--user", "ada", "--groups", "mcp-servers-unrestricted"]);
    let wish = json!({"gateway": gateway.base, "password": PASSWORD, "nobody": nobody, "reader": reader});
    run_at(script, wish);
}

/// Run a script; every line that it says is one thing that went well.
fn run_at(script: &str, mut wish: Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    wish["pictures"] = json!(root.join("target/screenshots"));
    let output = Command::new(node())
        .arg(root.join("tests/e2e").join(script))
        .arg(wish.to_string())
        .current_dir(tools())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("ok "),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn people_register_watch_search_and_call_in_a_browser() {
    run("walks.mjs", &setup().start());
}

#[tokio::test]
async fn every_page_can_be_read_by_everybody_in_both_themes_and_on_a_phone() {
    run("looks.mjs", &setup().start());
}

#[tokio::test]
async fn what_a_page_becomes_can_be_read_by_everybody_too() {
    // Two providers that are away: their buttons are there, and lead to words.
    let provider = |name: &str| {
        let key = name.to_lowercase();
        let more = "client_id: web, client_secret: none";
        format!("{key}: {{display_name: {name}, issuer: 'http://127.0.0.1:9/{key}', {more}}}\n")
    };
    let key = json!({"deploy": {"key": "k".repeat(40), "groups": ["mcp-registry-user"]}});
    let gateway = setup()
        .with_providers(&["Elsewhere", "Another"].map(provider).concat())
        .with_variable("REGISTRY_STATIC_TOKEN_AUTH_ENABLED", "true")
        .with_variable("REGISTRY_API_KEYS", &key.to_string())
        .start();
    run("states.mjs", &gateway);
}

#[tokio::test]
async fn the_page_that_stands_in_for_a_registry_that_is_away_can_be_read_too() {
    let gateway = Gateway::new();
    let base = gateway.base.clone();
    // The nginx of this folder stays until this is dropped.
    let _setup = gateway.kill();
    run_at("away.mjs", json!({"gateway": base, "password": ""}));
}

#[tokio::test]
async fn a_tool_is_called_from_the_page_however_its_server_is_spoken_with() {
    let gateway = setup().start();
    let admin = gateway.admin();
    let kinds = KINDS.into_iter().filter(|kind| kind.mount.starts_with("python"));
    let peers = Peer::start(kinds).await;
    for peer in &peers {
        let body = json!({
            "server_name": peer.mount(), "path": format!("/{}", peer.mount()), "proxy_pass_url": peer.url(), "wait": 20,
        });
        let added = admin.json("/api/management/servers", &body).await;
        assert_eq!(added.value()["health_status"], "healthy", "{}", added.text());
    }
    run("calls.mjs", &gateway);
}
