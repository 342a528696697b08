//! Headers and bodies that say two things, before servers that run them: the probes that were measured against each
//! server alone (some ran the forbidden tool), sent through the gateway by somebody who may call one tool.
//!
//! Our small server remembers which tools ran; of the others the answer must be the gateway's own refusal, word for word.
//! In the end somebody who may runs the forbidden tool, to show that it was there.

use serde_json::{Value, json};

use crate::harness::peers::{KINDS, Kind, Peer};
use crate::harness::stream::Session;
use crate::harness::{Actor, Answer, Gateway, Setup, request};

/// What `one` may do; `all` is for looking at what happened.
const POLICY: &str = "
all: [{server: '*', methods: ['*'], tools: ['*']}]
one:
  - {server: realserverfaketools, methods: [tools/list, tools/call], tools: [quantum_flux_analyzer]}
  - {server: everything, methods: [tools/list, tools/call], tools: [echo]}
  - {server: everything-sse, methods: [tools/list, tools/call], tools: [echo]}
  - {server: python, methods: [tools/list, tools/call], tools: [add]}
  - {server: python-sse, methods: [tools/list, tools/call], tools: [add]}
  - {server: fastmcp, methods: [tools/list, tools/call], tools: [add]}
  - {server: fastmcp-sse, methods: [tools/list, tools/call], tools: [add]}
";

/// A server with the tool that its caller may use, and one that it may not.
struct Target {
    mount: &'static str,
    allowed: Value,
    forbidden: Value,
    /// What the allowed call answers.
    says: &'static str,
    /// The server has sessions for legacy callers.
    sessions: bool,
}

fn target(mount: &'static str) -> Target {
    let call = |name, arguments| json!({"name": name, "arguments": arguments});
    let (allowed, forbidden, says) = match mount {
        "realserverfaketools" => (
            call("quantum_flux_analyzer", json!({"energy_level": 3})),
            call("synthetic_data_generator", json!({"schema": {"a": "integer"}})),
            "stable",
        ),
        "everything" | "everything-sse" => (
            call("echo", json!({"message": "hello"})),
            call("get-env", json!({})),
            "hello",
        ),
        _ => (
            call("add", json!({"a": 2, "b": 3})),
            call("forbidden", json!({})),
            "5",
        ),
    };
    let sessions = mount != "realserverfaketools";
    Target {
        mount,
        allowed,
        forbidden,
        says,
        sessions,
    }
}

impl Target {
    fn path(&self) -> String {
        format!("/{}/mcp", self.mount)
    }

    fn allowed_name(&self) -> &str {
        self.allowed["name"].as_str().unwrap()
    }

    fn forbidden_call(&self) -> Value {
        request("tools/call", self.forbidden.clone())
    }

    /// The forbidden call, as a modern client writes it.
    fn modern_call(&self) -> Value {
        let mut params = self.forbidden.clone();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        request("tools/call", params)
    }

    /// A body that one parser reads as the allowed call and another one as the forbidden call.
    fn twice(&self) -> String {
        let allowed = request("tools/call", self.allowed.clone()).to_string();
        let forbidden = self.forbidden["name"].to_string();
        let first = format!("\"name\":\"{}\"", self.allowed_name());
        allowed.replacen(&first, &format!("{first},\"name\":{forbidden}"), 1)
    }
}

fn kinds(mounts: &[&str]) -> Vec<Kind> {
    let wanted = |kind: &Kind| mounts.contains(&kind.mount);
    KINDS.into_iter().filter(wanted).collect()
}

async fn mounted(mounts: &[&str]) -> (Gateway, Vec<Peer>) {
    let peers = Peer::start(kinds(mounts)).await;
    let gateway = Setup::new().with_policy(POLICY).with(&["--demo"]).start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    gateway.mount(&admin, &peers).await;
    gateway.until_blocks(2 + peers.len() as u64).await;
    (gateway, peers)
}

/// A legacy session of this actor, opened through the gateway; servers without sessions give none.
async fn with_session(actor: &Actor, target: &Target) -> Actor {
    let info = json!({"name": "x", "version": "1"});
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
    let answer = actor.mcp(&target.path(), &request("initialize", hello)).await;
    assert_eq!(answer.status, 200, "{}: {}", target.mount, answer.text());
    let id = answer.header("mcp-session-id").to_owned();
    assert_eq!(!id.is_empty(), target.sessions, "{}", target.mount);
    let mut actor = actor.clone().with("mcp-protocol-version", "2025-11-25");
    if target.sessions {
        actor = actor.with("mcp-session-id", &id);
    }
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(actor.mcp(&target.path(), &ready).await.status, 202);
    actor
}

/// The gateway's own words, so that it is known not to be the server's refusal.
fn is_refused(answer: &Answer, what: &str, status: u16, words: &str) {
    let said = answer.text();
    assert_eq!(answer.status, status, "{what}: {said}");
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
    let message = answer
        .value()
        .pointer("/error/message")
        .cloned()
        .unwrap_or_default();
    let message = message.as_str().unwrap();
    assert!(message.contains(words), "{what}: {said}");
}

/// The session still works, and only for the allowed tool.
async fn is_healthy(actor: &Actor, target: &Target) {
    let call = request("tools/call", target.allowed.clone());
    let answer = actor.mcp(&target.path(), &call).await;
    assert_eq!(answer.status, 200, "{}: {}", target.mount, answer.text());
    assert!(
        answer.text().contains(target.says),
        "{}: {}",
        target.mount,
        answer.text()
    );
}

/// A: a modern request whose headers say something else than its body, or nothing.
async fn modern_headers_lie(one: &Actor, target: &Target) {
    let (path, call) = (target.path(), target.modern_call());
    let (allowed, forbidden) = (target.allowed_name(), target.forbidden["name"].as_str().unwrap());
    let modern = one.clone().with("mcp-protocol-version", "2026-07-28");
    let calls = modern.clone().with("mcp-method", "tools/call");
    let lists = modern.clone().with("mcp-method", "tools/list");
    let older = one.clone().with("mcp-protocol-version", "2025-11-25");
    let older = older.with("mcp-method", "tools/call").with("mcp-name", allowed);
    let both = |first, second| calls.clone().with("mcp-name", first).with("mcp-name", second);
    let rows = [
        ("A1", calls.clone().with("mcp-name", allowed), "`Mcp-Name` must"),
        ("A2", lists.with("mcp-name", forbidden), "`Mcp-Method` must"),
        ("A3", modern, "`Mcp-Method` must"),
        ("A3, no name", calls.clone(), "`Mcp-Name` must"),
        ("A4", both(allowed, forbidden), "came twice"),
        ("A4, turned", both(forbidden, allowed), "came twice"),
        ("A5", older, "disagree"),
    ];
    for (probe, actor, words) in rows {
        let what = format!("{probe} at {}", target.mount);
        let answer = actor.mcp(&path, &call).await;
        is_refused(&answer, &what, 400, words);
        assert_eq!(answer.code(), -32020, "{what}");
    }
    let honest = calls.with("mcp-name", forbidden);
    is_refused(&honest.mcp(&path, &call).await, "honest", 403, "do not allow");
}

/// B: a legacy request with headers of a modern one, to an address that may stand for a session.
async fn legacy_headers_lie(one: &Actor, target: &Target, path: &str) {
    let (allowed, forbidden) = (target.allowed_name(), target.forbidden["name"].as_str().unwrap());
    let lying = one
        .clone()
        .with("mcp-method", "tools/call")
        .with("mcp-name", allowed);
    let under = |actor: &Actor| actor.clone().with("mcp-protocol-version", "2026-07-28");
    let truthful = one
        .clone()
        .with("mcp-method", "tools/call")
        .with("mcp-name", forbidden);
    let rows = [
        ("no headers", one.clone(), 403, "do not allow"),
        ("B1", lying.clone(), 403, "do not allow"),
        ("B2", under(one), 400, "`Mcp-Method` must"),
        ("B2, lying", under(&lying), 400, "`Mcp-Name` must"),
        ("B2, truthful", under(&truthful), 403, "do not allow"),
    ];
    for (probe, actor, status, words) in rows {
        let what = format!("{probe} at {path}");
        let answer = actor.mcp(path, &target.forbidden_call()).await;
        is_refused(&answer, &what, status, words);
    }
}

/// C: bodies that parsers read differently.
async fn bodies_are_ambiguous(one: &Actor, target: &Target, path: &str) {
    let (forbidden, allowed) = (
        target.forbidden_call(),
        request("tools/call", target.allowed.clone()),
    );
    let text = forbidden.to_string();
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = format!("\u{feff}{text}").into_bytes();
    let escaped = text.replacen("\"name\"", "\"n\\u0061me\"", 1).into_bytes();
    let rows = [
        ("C1", target.twice().into_bytes(), 400, "stands twice"),
        ("C2", json!([forbidden]).to_string().into_bytes(), 400, "batches"),
        (
            "C3",
            json!([allowed, forbidden]).to_string().into_bytes(),
            400,
            "batches",
        ),
        ("C5", utf16, 400, "JSON"),
        ("C6", marked, 400, "byte order mark"),
        ("C7", escaped, 403, "do not allow"),
    ];
    let one = one.clone().with("accept", "application/json, text/event-stream");
    for (probe, body, status, words) in rows {
        let what = format!("{probe} at {path}");
        is_refused(
            &one.send("POST", path, "application/json", body).await,
            &what,
            status,
            words,
        );
    }
    let packed = one.with("content-encoding", "gzip");
    let answer = packed
        .send("POST", path, "application/json", text.into_bytes())
        .await;
    is_refused(&answer, &format!("C4 at {path}"), 415, "Content-Encoding");
}

#[tokio::test]
async fn what_two_readers_take_differently_runs_on_no_streamable_server() {
    let (gateway, _peers) = mounted(&["everything", "python", "fastmcp"]).await;
    let (one, all) = (
        gateway.with_scopes("ada", &["one"]),
        gateway.with_scopes("bob", &["all"]),
    );
    for mount in ["realserverfaketools", "everything", "python", "fastmcp"] {
        let (target, path) = (target(mount), format!("/{mount}/mcp"));
        modern_headers_lie(&one, &target).await;
        legacy_headers_lie(&one, &target, &path).await;
        bodies_are_ambiguous(&one, &target, &path).await;
        let session = with_session(&one, &target).await;
        bodies_are_ambiguous(&session, &target, &path).await;
        let lying = session
            .clone()
            .with("mcp-method", "tools/call")
            .with("mcp-name", target.allowed_name());
        let answer = lying.mcp(&path, &target.forbidden_call()).await;
        is_refused(
            &answer,
            &format!("B1 in a session at {mount}"),
            403,
            "do not allow",
        );
        // Said of the allowed call, the lie changes nothing: headers of another revision stay here.
        is_healthy(&session.with("mcp-name", "forbidden"), &target).await;
        shows_only_the_allowed(&one, &target).await;
        let free = with_session(&all, &target).await;
        if target.says == "5" {
            let answer = free.mcp(&path, &history()).await.text();
            assert!(
                answer.contains("add") && !answer.contains("forbidden"),
                "{mount}: {answer}"
            );
        }
        let answer = free.mcp(&path, &target.forbidden_call()).await;
        let ran = answer.status == 200
            && answer.text().contains("content")
            && !answer.text().contains("\"isError\":true");
        assert!(ran, "{mount}: {}", answer.text());
    }
}

/// Which tools ran in a server of ours.
fn history() -> Value {
    request("tools/call", json!({"name": "history", "arguments": {}}))
}

async fn shows_only_the_allowed(one: &Actor, target: &Target) {
    let session = with_session(one, target).await;
    let answer = session
        .mcp(&target.path(), &request("tools/list", json!({})))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let said = answer.text();
    let data = said
        .lines()
        .find_map(|line| line.strip_prefix("data: {").map(|rest| format!("{{{rest}")));
    let list: Value = serde_json::from_str(data.as_deref().unwrap_or(&said)).unwrap();
    let tools = list.pointer("/result/tools").unwrap().as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, [target.allowed_name()], "{}", target.mount);
}

#[tokio::test]
async fn what_two_readers_take_differently_runs_on_no_legacy_stream() {
    let mounts = ["everything-sse", "python-sse", "fastmcp-sse"];
    let (gateway, _peers) = mounted(&mounts).await;
    let (one, all) = (
        gateway.with_scopes("ada", &["one"]),
        gateway.with_scopes("bob", &["all"]),
    );
    for mount in mounts {
        let target = target(mount);
        let mut session = Session::open(&one, mount).await;
        let address = session.address().to_owned();
        legacy_headers_lie(&one, &target, &address).await;
        bodies_are_ambiguous(&one, &target, &address).await;
        let stranger = all.mcp(&address, &target.forbidden_call()).await;
        is_refused(
            &stranger,
            &format!("somebody else's {address}"),
            404,
            "no such session",
        );
        // Had one of them run, its answer would be the next on the stream.
        let call = json!({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": target.allowed});
        let lying = [("mcp-method", "tools/call"), ("mcp-name", "forbidden")];
        let answer = session.ask(&lying, &call).await;
        assert_eq!(answer["id"], 77, "{mount}: {answer}");
        assert!(answer.to_string().contains(target.says), "{mount}: {answer}");
        let list = session.ask(&[], &request("tools/list", json!({}))).await;
        let tools = list.pointer("/result/tools").unwrap().as_array().unwrap();
        assert_eq!(tools.len(), 1, "{mount}: {list}");
        assert_eq!(tools[0]["name"], target.allowed_name());
        let mut free = Session::open(&all, mount).await;
        if target.says == "5" {
            let answer = free.ask(&[], &history()).await.to_string();
            assert!(
                answer.contains("add") && !answer.contains("forbidden"),
                "{mount}: {answer}"
            );
        }
        let answer = free.ask(&[], &target.forbidden_call()).await;
        let ran = answer.pointer("/result/content").is_some() && answer["result"]["isError"] != true;
        assert!(ran, "{mount}: {answer}");
    }
}
