//! The pages as people use them: a real browser, through nginx. The scripts are in `tests/e2e`.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::peers::{KINDS, Peer, node};
use crate::harness::{Gateway, PASSWORD, Setup, tools};

/// Checks are quick, so that a walk sees them.
fn gateway() -> Gateway {
    Setup::new()
        .with(&["--health-checks", "on", "--health-check-interval", "1"])
        .with(&["--health-check-timeout-seconds", "5"])
        .start()
}

/// Run a script of `tests/e2e`; every line that it says is one thing that went well.
fn run(script: &str, gateway: &Gateway) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wish = json!({
        "gateway": gateway.base,
        "password": PASSWORD,
        // Somebody known, of no group that may do anything.
        "nobody": gateway.token(&["--user", "bob", "--groups", "nobody-knows"]),
        "pictures": root.join("target/screenshots"),
    });
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
    run("walks.mjs", &gateway());
}

#[tokio::test]
async fn every_page_can_be_read_by_everybody_in_both_themes_and_on_a_phone() {
    run("looks.mjs", &gateway());
}

#[tokio::test]
async fn a_tool_is_called_from_the_page_however_its_server_is_spoken_with() {
    let gateway = gateway();
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
