//! Real clients against real servers, in each era that they speak, over both transports, direct and carried.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::harness::peers::{KINDS, Peer, node, package, python, script};
use crate::harness::{Gateway, Setup, tools};

const POLICY: &str = "
group_mappings: {mcp-registry-admin: [root, mcp-registry-admin]}
UI-Scopes:
  maker: {register_service: [all]}
root: [{server: '*', methods: ['*'], tools: ['*']}]
";

/// A row of the matrix: a server, and what every client asks of it.
#[derive(Deserialize)]
struct Row {
    mount: String,
    door: String,
    modern: bool,
    /// It tells every client what it tells one of them, so it can have one at a time (supergateway over HTTP+SSE).
    #[serde(default)]
    alone: bool,
    tool: String,
}

fn rows(alone: bool) -> impl Iterator<Item = Row> {
    let text = std::fs::read_to_string(script("calls.json")).unwrap();
    let rows: Vec<Row> = serde_json::from_str(&text).unwrap();
    rows.into_iter().filter(move |row| row.alone == alone)
}

/// Run a client; it must succeed and say these lines, in any order and nothing else.
async fn says(gateway: &Gateway, program: &Path, name: &str, alone: bool, mut expected: Vec<String>) {
    let mut command = vec![
        program.display().to_string(),
        script(name).display().to_string(),
        gateway.base.clone(),
    ];
    command.extend(alone.then(|| "alone".to_owned()));
    let said = run(gateway, &command).await;
    let mut said: Vec<&str> = said.lines().collect();
    said.sort_unstable();
    expected.sort_unstable();
    assert_eq!(said, expected, "{command:?}");
}

async fn run(gateway: &Gateway, command: &[String]) -> String {
    let token = gateway.token(&["--user", "ada", "--groups", "mcp-registry-admin"]);
    let mut client = tokio::process::Command::new(&command[0]);
    client.args(&command[1..]).env("TOKEN", token);
    client.current_dir(tools()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(90), client.output());
    let output = output.await.expect("an end in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}\n{complained}");
    said
}

/// The Python SDK: both eras, progress, elicitation, and calls that are left.
fn python_lines(alone: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows(alone) {
        let mount = &row.mount;
        lines.push(format!("{mount} legacy: legacy"));
        let auto = row.door == "mcp";
        if auto {
            let era = if row.modern { "modern" } else { "legacy" };
            lines.push(format!("{mount} auto: {era}"));
        }
        // Those that run our own server.
        if row.tool == "add" {
            for mode in if auto {
                &["legacy", "auto"][..]
            } else {
                &["legacy"]
            } {
                lines.extend(["progress", "left", "asked"].map(|what| format!("{mount} {mode}: {what}")));
            }
        }
    }
    lines
}

/// The TypeScript SDK: the older generation over both transports, the newer one in both eras.
fn typescript_lines(alone: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows(alone) {
        let mount = &row.mount;
        lines.push(format!("{mount} v1: legacy"));
        if row.door == "mcp" {
            let era = if row.modern { "modern" } else { "legacy" };
            lines.push(format!("{mount} v2: legacy"));
            lines.push(format!("{mount} v2 auto: {era}"));
        }
        if row.tool == "add" {
            lines.push(format!("{mount} v1: progress"));
        }
    }
    lines
}

async fn python_sdk(gateway: &Gateway, alone: bool) {
    says(gateway, &python(), "python_sdk.py", alone, python_lines(alone)).await;
}

async fn typescript_sdk(gateway: &Gateway, alone: bool) {
    let lines = typescript_lines(alone);
    says(gateway, &node(), "typescript_sdk.mjs", alone, lines).await;
}

async fn fastmcp(gateway: &Gateway, alone: bool) {
    let lines = rows(alone).map(|row| format!("{} fastmcp: ok", row.mount));
    says(gateway, &python(), "fastmcp_client.py", alone, lines.collect()).await;
}

/// MCP Inspector's command line, over both transports.
async fn inspector(gateway: &Gateway) {
    let token = gateway.token(&["--user", "ada", "--groups", "mcp-registry-admin"]);
    let launcher = package("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
    for (mount, transport, door) in [("everything", "http", "mcp"), ("everything-sse", "sse", "sse")] {
        let mut ask = vec![
            node().display().to_string(),
            launcher.display().to_string(),
            "--cli".to_owned(),
            format!("{}/{mount}/{door}", gateway.base),
            format!("--transport={transport}"),
            "--header".to_owned(),
            format!("Authorization: Bearer {token}"),
        ];
        let list = run(gateway, &[&ask[..], &["--method=tools/list".to_owned()]].concat()).await;
        assert!(list.contains("\"echo\""), "{mount}: {list}");
        let call = [
            "--method=tools/call",
            "--tool-name=echo",
            "--tool-arg=message=hello",
        ];
        ask.extend(call.map(str::to_owned));
        let answer = run(gateway, &ask).await;
        assert!(answer.contains("Echo: hello"), "{mount}: {answer}");
    }
}

#[tokio::test]
async fn every_client_lists_and_calls_tools_of_every_server_direct_and_carried() {
    let peers = Peer::start(KINDS).await;
    let setup = || Setup::new().with_policy(POLICY).with(&["--demo"]);
    let (direct, carried) = (setup().start(), setup().start());
    let trusted = direct.with_scopes("root", &["mcp-registry-admin"]);
    direct.mount(&trusted, &peers).await;
    // What no administrator registered is carried.
    carried
        .mount(&carried.with_scopes("maker", &["maker"]), &peers)
        .await;
    direct.until_blocks(2 + peers.len() as u64).await;
    tokio::join!(
        python_sdk(&direct, false),
        typescript_sdk(&direct, false),
        fastmcp(&direct, false),
        inspector(&direct),
    );
    // FastMCP's client and the inspector stand on these two.
    tokio::join!(python_sdk(&carried, false), typescript_sdk(&carried, false));
    for gateway in [&direct, &carried] {
        python_sdk(gateway, true).await;
        typescript_sdk(gateway, true).await;
        fastmcp(gateway, true).await;
    }
}
