//! The official conformance suite against a fixture server, with and without the gateway: a server behind the gateway
//! behaves as it does without it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::fixture;
use crate::harness::{Gateway, Setup, request, tools};

/// How each check ended, by scenario and check.
type Score = BTreeMap<String, Vec<String>>;

/// What the suite says of a server in one revision. It may be asked with a token.
async fn score(url: &str, revision: &str, token: Option<&str>) -> Score {
    let out = tempfile::tempdir().unwrap();
    let suite = tools().join("node_modules/@modelcontextprotocol/conformance/dist/index.js");
    let mut command = Command::new(crate::harness::peers::node());
    if let Some(token) = token {
        let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/headers.mjs");
        command.arg("--import").arg(headers);
        command.env("HEADER", format!("authorization: Bearer {token}"));
    }
    command
        .arg(suite)
        .args(["server", "--url", url, "--requirements", revision, "-o"]);
    command.arg(out.path()).current_dir(tools());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = tokio::time::timeout(std::time::Duration::from_secs(120), output)
        .await
        .unwrap()
        .unwrap();
    let score = read(out.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        score.len() >= 30,
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    score
}

fn read(folder: &Path) -> Score {
    let mut score = Score::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path().join("checks.json")) else {
            continue;
        };
        let checks: Vec<Value> = serde_json::from_str(&text).unwrap();
        // The folder's name ends with the time of the run.
        let name = entry.file_name().into_string().unwrap();
        let scenario = name
            .split("-2026-")
            .next()
            .unwrap()
            .split("-2027-")
            .next()
            .unwrap();
        let word = |check: &Value, key: &str| {
            check
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let mut ended: Vec<String> = checks
            .iter()
            .map(|check| format!("{} {}", word(check, "id"), word(check, "status")))
            .collect();
        ended.sort();
        score.insert(scenario.to_owned(), ended);
    }
    score
}

/// The fixture's tools by name, but for one; whatever is no tool by method.
fn policy() -> String {
    let names = fixture::tool_names().join(", ");
    let methods = "logging/setLevel, completion/complete, resources/list, resources/templates/list, resources/read, \
        resources/subscribe, resources/unsubscribe, prompts/list, prompts/get, tasks/get, tasks/update, tasks/cancel, \
        tasks/list, tasks/result, unknown/method";
    format!(
        "suite:\n  - {{server: fixture, methods: [tools/list, tools/call], tools: [{names}]}}\n  \
         - {{server: fixture, methods: [{methods}], tools: ['*']}}\n"
    )
}

async fn mounted() -> (Gateway, fixture::Running) {
    let fixture = fixture::serve_on(0).await.unwrap();
    let gateway = Setup::new().with_policy(&policy()).start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let body = json!({"server_name": "fixture", "path": "/fixture", "proxy_pass_url": fixture.url()});
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    gateway.until_blocks(1).await;
    (gateway, fixture)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_scores_the_same_with_and_without_the_gateway_in_both_revisions() {
    let (gateway, fixture) = mounted().await;
    let token = gateway.token(&["--user", "suite", "--scopes", "suite"]);
    let behind = format!("{}/fixture/mcp", gateway.base);
    for (revision, passed) in [("2025-11-25", 80), ("2026-07-28", 190)] {
        let plain = score(&fixture.url(), revision, None).await;
        let gated = score(&behind, revision, Some(&token)).await;
        for (scenario, ended) in &plain {
            assert_eq!(gated.get(scenario), Some(ended), "{revision} {scenario}");
        }
        assert_eq!(plain.len(), gated.len());
        let all = || plain.values().flatten();
        assert!(!all().any(|check| check.ends_with("FAILURE")), "{plain:?}");
        let good = all().filter(|check| check.ends_with("SUCCESS")).count();
        assert!(good >= passed, "{revision}: {good} checks passed");
    }
    // One tool is not in the rule: it is not to be seen and not to be called.
    let caller = gateway.anonymous().bearer(&token);
    let denied = caller
        .mcp(
            "/fixture/mcp",
            &request("tools/call", json!({"name": fixture::HIDDEN_TOOL})),
        )
        .await;
    let unknown = caller
        .mcp(
            "/fixture/mcp",
            &request("tools/call", json!({"name": "no_such_tool"})),
        )
        .await;
    assert_eq!((denied.status, denied.text()), (403, unknown.text()));
}

/// Scenarios that ask nothing of a server but the protocol and that it has tools. The others call tools, prompts and
/// resources by names that only a server made for the suite has.
const OWN_LEGACY: &[&str] = &[
    "server-dns-rebinding-protection",
    "server-ping",
    "server-server-initialize",
    "server-tools-list",
];
const OWN_MODERN: &[&str] = &[
    "server-caching",
    "server-dns-rebinding-protection",
    "server-http-header-validation",
    "server-server-sse-multiple-streams",
    "server-server-stateless",
    "server-tools-list",
];
/// Checks of those scenarios that call the suite's own tools all the same, or want prompts.
const NOT_FOR_US: &[&str] = &[
    "sep-2575-http-server-no-independent-requests-on-stream",
    "sep-2575-missing-capability-http-400",
    "sep-2575-server-declares-prompts-in-discover",
    "sep-2575-server-no-log-without-loglevel",
    "sep-2575-server-rejects-undeclared-capability",
];

#[tokio::test(flavor = "multi_thread")]
async fn our_own_server_passes_every_scenario_that_applies() {
    let gateway = Setup::new()
        .with_policy("suite: [{server: mcpgw, methods: ['*'], tools: ['*']}]")
        .start();
    let token = gateway.token(&["--user", "suite", "--scopes", "suite"]);
    for (revision, scenarios, passed) in [("2025-11-25", OWN_LEGACY, 9), ("2026-07-28", OWN_MODERN, 48)] {
        let url = format!("{}/mcpgw/mcp", gateway.base);
        let score = score(&url, revision, Some(&token)).await;
        let ours = |check: &&String| !NOT_FOR_US.iter().any(|id| check.starts_with(&format!("{id} ")));
        let mut good = 0;
        for scenario in scenarios {
            let ended = score
                .get(*scenario)
                .unwrap_or_else(|| panic!("{revision} {scenario}: {score:?}"));
            let checks: Vec<&String> = ended.iter().filter(ours).collect();
            assert!(
                !checks.iter().any(|check| check.ends_with("FAILURE")),
                "{revision} {scenario}: {ended:?}"
            );
            let passes = checks.iter().filter(|check| check.ends_with("SUCCESS")).count();
            assert!(passes > 0, "{revision} {scenario}: {ended:?}");
            good += passes;
        }
        assert!(good >= passed, "{revision}: {good} checks passed");
    }
}
