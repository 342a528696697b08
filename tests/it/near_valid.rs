//! Values that are almost right, for every field that reaches nginx: what is accepted means what it says, and the rest
//! is refused by field.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::harness::{Gateway, Setup, Upstream, tool_call, tools, until};

const BLOCKS: usize = 500;

/// A piece that is right more often than not.
fn mostly(right: &'static [&'static str], odd: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![6 => select(right), 1 => select(odd)].prop_map(str::to_owned)
}

/// An address of a server; each octet and port new, so that hardly two lead to the same place.
fn address() -> impl Strategy<Value = String> {
    let scheme = mostly(
        &["http://", "http://", "HTTP://"],
        &["https://", "ftp://", "http:/", "//", "", "http://u:p@"],
    );
    let host = prop_oneof![
        8 => (0..=255_u8, 1..=254_u8).prop_map(|(a, b)| format!("127.{a}.{b}.9")),
        2 => select(vec!["localhost", "LOCALHOST", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
            .prop_map(str::to_owned),
        3 => select(vec![
            "a b", "x;y", "evil{", "}", "$host", "unix:/x", "127.0.0.1#", "loc\talhost", "%6cocalhost", "127.0.0.1\\", "",
            "[::1", "::1", "256.1.1.1", "a..b", "-", "\u{202e}localhost", "local\u{0}host", "\"x\"", "'", "169.254.169.254", "fe80::1", "lоcalhost",
        ]).prop_map(str::to_owned),
    ];
    let port = prop_oneof![
        6 => (1024..=65_535_u16).prop_map(|port| format!(":{port}")),
        1 => select(vec!["", ":0", ":65536", ":080", ":+80", ": 80", ":80;", ":80}", ":", ":8e1"]).prop_map(str::to_owned),
    ];
    let path = mostly(
        &[
            "", "/", "/mcp", "/a;b", "/a{b}", "/$host", "/a'b", "/x?q=;}", "/%7B%0d",
        ],
        &[
            "/\"x\"",
            "/a b",
            "/\r\nX: y",
            "/é",
            "/#frag",
            "/a\\b",
            "\\",
            "/%zz",
            "/\u{0}",
            "/..;/x",
        ],
    );
    (scheme, host, port, path).prop_map(|(a, b, c, d)| format!("{a}{b}{c}{d}"))
}

fn mount() -> impl Strategy<Value = String> {
    let tail = mostly(
        &["", "-x", "_y", ".z", "/sub", "/"],
        &[
            ";", "{", "}", "$uri", " ", "\n", "%2f", "é", "\"", "\\", "//", "/..", "/mcp", "'", "#", "\u{0}",
            "*", "/.x",
        ],
    );
    (1..1_000_000_u32, tail).prop_map(|(number, tail)| format!("/m{number}{tail}"))
}

/// Of one line.
fn name() -> impl Strategy<Value = String> {
    mostly(
        &["Weather", "a; b", "} server {", "$host \"x\""],
        &["\u{7}", "\u{202e}x", "'; return 200;", "}\nserver {"],
    )
}

fn prose() -> impl Strategy<Value = String> {
    mostly(
        &["Weather", "a; b", "}\nserver {", "$host \"x\""],
        &["\u{7}", "\u{202e}x", "'; return 200;"],
    )
}

fn sample<T: std::fmt::Debug>(runner: &mut TestRunner, from: &impl Strategy<Value = T>) -> T {
    from.new_tree(runner).unwrap().current()
}

/// What nginx.conf holds, read by crossplane.
fn read_back(gateway: &Gateway) -> Value {
    let script = format!("{}/tests/clients/nginx_file.py", env!("CARGO_MANIFEST_DIR"));
    let file = gateway.setup.data().join("nginx/nginx.conf");
    let output = Command::new(tools().join("venv/bin/python"))
        .arg(script)
        .arg(file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Where the record's address leads, if nginx gets a block for it: its whole origin, and the addresses.
fn expected(record: &str) -> Option<(String, BTreeSet<String>)> {
    let url = url::Url::parse(record).unwrap();
    let port = url.port_or_known_default().unwrap();
    let addresses = match url.host().unwrap() {
        // nginx compares certificates with names only.
        url::Host::Ipv4(_) | url::Host::Ipv6(_) if url.scheme() == "https" => return None,
        url::Host::Ipv4(ip) => BTreeSet::from([format!("{ip}:{port}")]),
        url::Host::Ipv6(ip) => BTreeSet::from([format!("[{ip}]:{port}")]),
        url::Host::Domain(name) => {
            // A name that leads nowhere yet is taken and has no block.
            let found = std::net::ToSocketAddrs::to_socket_addrs(&(name, port)).ok()?;
            found.map(|address| address.to_string()).collect()
        }
    };
    Some((url.origin().ascii_serialization(), addresses))
}

#[tokio::test]
async fn accepted_addresses_render_to_exactly_their_blocks() {
    let gateway = Setup::new().start();
    let empty = read_back(&gateway);
    let admin = gateway.admin();
    let mut runner = TestRunner::deterministic();
    let values = (address(), mount(), name(), prose());
    let (mut tried, mut accepted, mut origins) = (0, 0, BTreeMap::new());
    while origins.len() < BLOCKS {
        let (url, path, name, description) = sample(&mut runner, &values);
        let body =
            json!({"server_name": name, "path": path, "proxy_pass_url": url, "description": description});
        let answer = admin.json("/api/management/servers", &body).await;
        tried += 1;
        match answer.status {
            201 => {
                accepted += 1;
                let record = answer.value();
                let record = record
                    .pointer("/server/proxy_pass_url")
                    .or_else(|| record.get("proxy_pass_url"));
                origins.extend(expected(record.unwrap().as_str().unwrap()));
            }
            409 => {}
            422 => assert!(
                !answer.value()["errors"].as_array().unwrap().is_empty(),
                "{body}: {}",
                answer.text()
            ),
            other => panic!("{other} for {body}: {}", answer.text()),
        }
        assert!(tried < 5_000, "{accepted} of {tried} were accepted");
    }
    assert!(accepted * 10 >= tried * 3, "{accepted} of {tried} were accepted");
    gateway.until_blocks(BLOCKS as u64).await;

    let full = read_back(&gateway);
    let blocks = full["upstreams"].as_object().unwrap().clone();
    let own = |name: &String| name == "gatehouse_gate" || name == "gatehouse_web";
    let mut written: Vec<BTreeSet<String>> = Vec::new();
    for (name, servers) in &blocks {
        assert!(
            own(name) || (name.starts_with("b_") && name.bytes().skip(2).all(|b| b.is_ascii_hexdigit())),
            "{name}"
        );
        if !own(name) {
            written.push(
                servers
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| one.as_str().unwrap().to_owned())
                    .collect(),
            );
        }
    }
    let mut wanted: Vec<BTreeSet<String>> = origins.into_values().collect();
    written.sort();
    wanted.sort();
    assert_eq!(written, wanted);
    // Nothing else is another one than before.
    for part in ["directives", "listens", "locations"] {
        assert_eq!(full[part], empty[part], "{part}");
    }

    // gixy looks for injections and traversals. Two of its checks do not fit: the Host of a page goes to our own
    // daemon, which compares it with `Origin`; and the variable target is always the name of a block, never resolved.
    let skips = "host_spoofing,missing_resolver";
    let mut gixy = Command::new(tools().join("venv/bin/gixy"));
    gixy.args(["-f", "json", "--skips", skips])
        .arg(gateway.setup.data().join("nginx/nginx.conf"));
    let found: Value = serde_json::from_slice(&gixy.output().unwrap().stdout).unwrap();
    assert_eq!(found, json!([]));
}

#[tokio::test]
async fn an_accepted_endpoint_is_asked_for_to_the_letter() {
    let upstream = Upstream::answering(&[("x-note", "kept")]).await;
    let gateway = Setup::new().start();
    let admin = gateway.admin();
    let mut runner = TestRunner::deterministic();
    let pieces: &[&str] = &[
        "/a", ";b", "{c}", "$uri", "'", "%20", "%2f", "%0d%0a", "?", "&", "=", "#", " ", "\"", "..", "//",
        "é", "\\", "\n", "~", "%",
    ];
    let endpoint = proptest::collection::vec(select(pieces), 1..6).prop_map(|pieces| pieces.concat());
    let (mut tried, mut accepted) = (0, Vec::new());
    while accepted.len() < 100 {
        let path = format!("/e{tried}");
        let url = format!("{}/{}", upstream.url, sample(&mut runner, &endpoint));
        let body =
            json!({"server_name": "e", "path": path, "proxy_pass_url": upstream.url, "mcp_endpoint": url});
        let answer = admin.json("/api/management/servers", &body).await;
        tried += 1;
        assert!(
            answer.status == 201 || answer.status == 422,
            "{body}: {}",
            answer.text()
        );
        if answer.status == 201 {
            accepted.push(path);
        }
    }
    assert!(
        accepted.len() * 10 >= tried * 3,
        "{} of {tried} were accepted",
        accepted.len()
    );
    gateway.until_blocks(1).await;
    for path in &accepted {
        let record = admin.get(&format!("/api/server_details{path}")).await.value();
        let endpoint = record["mcp_endpoint"].as_str().unwrap().to_owned();
        let target = endpoint.strip_prefix(&upstream.url).unwrap().to_owned();
        let answer = admin.mcp(&format!("{path}/mcp"), &tool_call("x")).await;
        assert_eq!(
            (answer.status, answer.header("x-note")),
            (200, "kept"),
            "{endpoint}: {}",
            answer.text()
        );
        let received = upstream.take();
        // Quotes and braces are encoded on the way; what they mean stays.
        let meaning = |text: &str| {
            percent_encoding::percent_decode_str(text.trim_end_matches('?')).collect::<Vec<u8>>()
        };
        let asked: Vec<_> = received.iter().map(|got| meaning(&got.target)).collect();
        assert_eq!(asked, [meaning(&target)], "{endpoint}");
    }
    until("nothing else came", || async { upstream.take().is_empty() }).await;
}
