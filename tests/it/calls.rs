//! The call log: every call has one row, whatever happens to files, nginx and daemon meanwhile.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{
    Actor, Gateway, PASSWORD, Scripted, Setup, Upstream, request, signal_to, tool_call, until,
};

const POLICY: &str = "
all: [{server: '*', methods: ['*'], tools: ['*']}]
one: [{server: '*', methods: [tools/call], tools: [x]}]
";

async fn mounted(setup: Setup) -> (Gateway, Upstream) {
    let upstream = Upstream::new().await;
    let gateway = setup.with_policy(POLICY).start();
    gateway.register("/w", &upstream.url).await;
    (gateway, upstream)
}

fn auditor(gateway: &Gateway) -> Actor {
    gateway.with_scopes("root", &["mcp-registry-admin"])
}

async fn calls(actor: &Actor, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = actor.get(&format!("/api/calls?limit=1000{query}{cursor}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut page = answer.value();
        all.append(page.get_mut("calls").unwrap().as_array_mut().unwrap());
        match page.get("next").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// The rows, once there are so many; never more.
async fn until_calls(actor: &Actor, query: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} rows are there"), || async {
        calls(actor, query).await.len() >= count
    })
    .await;
    let rows = calls(actor, query).await;
    assert_eq!(rows.len(), count, "{rows:?}");
    let ids: BTreeSet<&str> = rows.iter().map(|row| text(row, "request_id")).collect();
    assert_eq!(ids.len(), count, "a call came twice");
    rows
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or("-")
}

/// What a row says that does not depend on the moment.
fn said(row: &Value) -> String {
    let status = row.get("status").unwrap();
    let words = ["way", "server", "method", "tool", "user"].map(|field| text(row, field));
    format!("{status} {}", words.join(" "))
}

#[tokio::test]
async fn each_call_has_one_row_whichever_way_it_took() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let streams = Scripted::new().await;
    gateway.register("/s", &streams.url).await;
    let (ada, bob) = (
        gateway.with_scopes("ada", &["all"]),
        gateway.with_scopes("bob", &["one"]),
    );
    // Before nginx has its blocks: carried.
    gateway.until_blocks(2).await;
    assert_eq!(ada.mcp("/w/mcp", &tool_call("x")).await.status, 200);
    assert_eq!(bob.mcp("/w/mcp", &tool_call("y")).await.status, 403);
    assert_eq!(
        ada.mcp("/w/mcp", &request("initialize", json!({}))).await.status,
        200
    );
    let read = request(
        "resources/read",
        json!({"uri": "https://u:hush@h/p?key=hush#hush"}),
    );
    assert_eq!(ada.mcp("/w/mcp?hush=hush", &read).await.status, 200);
    assert_eq!(ada.send("DELETE", "/w/mcp", "", Vec::new()).await.status, 200);
    assert_eq!(bob.mcp("/none/mcp", &tool_call("x")).await.status, 404);
    assert_eq!(ada.send("PUT", "/w/mcp", "", Vec::new()).await.status, 405);
    assert_eq!(
        ada.send("POST", "/w/mcp", "application/json", b"{".to_vec())
            .await
            .status,
        400
    );
    let nobody = gateway.anonymous();
    assert_eq!(nobody.mcp("/w/mcp", &tool_call("x")).await.status, 401);
    assert_eq!(
        nobody
            .clone()
            .bearer("hush")
            .send("DELETE", "/w/mcp", "", Vec::new())
            .await
            .status,
        401
    );
    assert_eq!(
        nobody
            .with("origin", &gateway.base)
            .send("OPTIONS", "/w/mcp", "", Vec::new())
            .await
            .status,
        204
    );
    let (open, saying) = tokio::join!(ada.open("GET", "/s/mcp", ""), async {
        streams.next().await.stream()
    });
    let admin = auditor(&gateway);
    let before = until_calls(&admin, "", 10).await;
    assert!(
        before.iter().all(|row| text(row, "way") != "stream"),
        "its row comes with its end"
    );
    drop(saying);
    drop(open);
    let rows = until_calls(&admin, "", 11).await;
    let mut seen: Vec<String> = rows.iter().map(said).collect();
    seen.sort();
    let expected = [
        "200 carried /w initialize - ada",
        "200 direct /w DELETE - ada",
        "200 direct /w resources/read h/p ada",
        "200 direct /w tools/call x ada",
        "200 stream /s GET - ada",
        "400 refused /w - - ada",
        "401 refused /w - - -",
        "401 refused /w DELETE - -",
        "403 refused /w tools/call y bob",
        "404 refused - - - bob",
        "405 refused - - - -",
    ];
    assert_eq!(seen, expected);
    for row in &rows {
        assert!(row.get("bytes_in").unwrap().as_i64().unwrap() > 30 && text(row, "request_id").len() == 32);
        assert!(
            text(row, "at").ends_with('Z') && text(row, "at").len() == 24,
            "{row}"
        );
    }
    // nginx has nothing to complain about: no variable is read that nobody set.
    let complaints = std::fs::read_to_string(gateway.setup.data().join("logs/nginx-error.log")).unwrap();
    assert_eq!(complaints, "");
    // Nothing secret anywhere, and the file is for us alone.
    let log = gateway.setup.data().join("logs/calls.log");
    let written = std::fs::read_to_string(&log).unwrap();
    assert!(!written.contains("hush") && !json!(rows).to_string().contains("hush"));
    assert_eq!(
        std::fs::metadata(&log).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // And none of it goes to anybody else.
    let answer = ada
        .clone()
        .with("x-gate-call", "direct - /forged x y user%20eve")
        .mcp("/w/mcp", &tool_call("x"))
        .await;
    assert!(answer.header("x-gate-call").is_empty());
    assert!(
        upstream
            .take()
            .iter()
            .all(|asked| asked.header("x-gate-call").is_empty())
    );
    let rows = until_calls(&admin, "", 12).await;
    assert_eq!(said(rows.first().unwrap()), "200 direct /w tools/call x ada");
}

#[tokio::test]
async fn hostile_names_break_no_line_and_forge_none() {
    let (gateway, _upstream) = mounted(Setup::new()).await;
    let forging = Upstream::answering(&[("x-gate-call", "direct - /forged x y user%20eve")]).await;
    gateway.register("/f", &forging.url).await;
    let odd = [
        "\"},{\"x\":\"\\",
        "a\nb\r\n\u{0}",
        "ü%20-☃",
        "-",
        " ",
        "direct - /a b c d",
    ]
    .map(str::to_owned);
    let long = ["x".repeat(4000), "ü".repeat(4000)];
    let (ada, admin) = (gateway.with_scopes("ada", &["all"]), auditor(&gateway));
    let names: Vec<&String> = odd.iter().chain(&long).collect();
    for blocks in [0, 2] {
        if blocks > 0 {
            gateway.until_blocks(blocks).await;
        }
        for name in &names {
            for mount in ["/w", "/f"] {
                let answer = ada.mcp(&format!("{mount}/mcp"), &tool_call(name)).await;
                assert_eq!(answer.status, 200, "{name:?}");
                assert!(answer.header("x-gate-call").is_empty());
            }
        }
    }
    let rows = until_calls(&admin, "", names.len() * 4).await;
    for name in &odd {
        assert_eq!(
            rows.iter().filter(|row| text(row, "tool") == name).count(),
            4,
            "{name:?}"
        );
    }
    for name in &long {
        let rows = calls(&admin, &format!("&tool={}", percent(name))).await;
        assert_eq!(rows.len(), 4);
        assert!(
            rows.iter()
                .all(|row| text(row, "tool").len() <= 160 && text(row, "server") != "/forged")
        );
    }
}

fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Calls, some at once, while something happens to the gateway; how many were answered.
async fn load(gateway: &Gateway, token: &str, count: usize) -> usize {
    let one = async || {
        let mut answered = 0;
        for _ in 0..count {
            let actor = gateway.anonymous().bearer(token);
            let status = actor.try_json("/w/mcp", tool_call("x").to_string()).await;
            answered += usize::from(status == Some(200));
        }
        answered
    };
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    a + b + c + d
}

#[tokio::test]
async fn rotated_reloaded_and_killed_in_the_middle_nothing_is_lost_and_nothing_twice() {
    let setup = Setup::new().with(&["--call-log-bytes", "4096"]);
    let (mut gateway, upstream) = mounted(setup).await;
    gateway.until_blocks(1).await;
    let token = gateway.token(&["--user", "ada", "--scopes", "all"]);
    let mut sent = 0;
    for round in 0..3 {
        // Rotations come by themselves: some 20 lines fill a file. The new server is a reload.
        let url = format!(
            "{}/{round}",
            upstream
                .url
                .replace("127.0.0.1", &format!("127.0.0.{}", round + 2))
        );
        let mount = format!("/r{round}");
        let (answered, _) = tokio::join!(load(&gateway, &token, 100), gateway.register(&mount, &url));
        assert_eq!(answered, 400);
        sent += answered;
        let setup = gateway.kill();
        gateway = setup.start();
        gateway.until_published(2 + round).await;
    }
    // Rows of this process and of the killed ones; refused ones there are none.
    let admin = auditor(&gateway);
    let rows = until_calls(&admin, "&status=200", sent).await;
    assert!(rows.iter().all(|row| text(row, "tool") == "x"));
    let logs = gateway.setup.data().join("logs");
    until("only one file is left", || async {
        let files = std::fs::read_dir(&logs).unwrap().flatten();
        let names: Vec<_> = files
            .filter(|file| file.file_name().to_string_lossy().starts_with("calls"))
            .collect();
        names.len() == 1 && names.iter().all(|file| file.metadata().unwrap().len() < 8192)
    })
    .await;
    assert_eq!(
        gateway.nginx().await.pointer("/call_log/skipped"),
        Some(&json!(0))
    );
    assert!(gateway.stop().1);
}

#[tokio::test]
async fn killed_while_calls_run_every_answered_one_has_its_row() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    gateway.until_blocks(1).await;
    let token = gateway.token(&["--user", "ada", "--scopes", "all"]);
    let caller = gateway.anonymous().bearer(&token);
    let one = async |number: usize| {
        let mut answered = Vec::new();
        for count in 0..200 {
            let tool = format!("t{number}-{count}");
            let status = caller.try_json("/w/mcp", tool_call(&tool).to_string()).await;
            answered.extend((status == Some(200)).then_some(tool));
        }
        answered
    };
    let killing = async {
        let seen = std::sync::atomic::AtomicUsize::new(0);
        until("calls run", || async {
            let new = upstream.take().len();
            seen.fetch_add(new, std::sync::atomic::Ordering::Relaxed) + new >= 100
        })
        .await;
        signal_to(gateway.pid(), "-KILL");
    };
    let (a, b, c, d, ()) = tokio::join!(one(0), one(1), one(2), one(3), killing);
    let answered: Vec<String> = [a, b, c, d].concat();
    assert!((100..800).contains(&answered.len()), "{}", answered.len());
    let setup = gateway.kill();
    let gateway = setup.start();
    let admin = auditor(&gateway);
    let missing = async || {
        let rows = calls(&admin, "&status=200").await;
        let tools: Vec<String> = rows.iter().map(|row| text(row, "tool").to_owned()).collect();
        let once: BTreeSet<&String> = tools.iter().collect();
        assert_eq!(once.len(), tools.len(), "a call came twice");
        answered.iter().filter(|tool| !once.contains(tool)).count()
    };
    until("every answered call has its row", || async {
        missing().await == 0
    })
    .await;
}

#[tokio::test]
async fn what_is_written_while_no_daemon_runs_is_read_by_the_next_one() {
    let (gateway, _upstream) = mounted(Setup::new()).await;
    gateway.until_blocks(1).await;
    let (admin, token) = (
        auditor(&gateway),
        gateway.token(&["--user", "ada", "--scopes", "all"]),
    );
    assert_eq!(load(&gateway, &token, 5).await, 20);
    until_calls(&admin, "", 20).await;
    // nginx lives on; a rotated file was left over, and half a line at its end.
    let data = gateway.setup.data();
    let setup = gateway.kill();
    let logs = data.join("logs");
    let line = std::fs::read_to_string(logs.join("calls.log")).unwrap();
    let line = line.lines().next().unwrap().to_owned();
    let id = line
        .split("\"id\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let left_over: String = (0..5)
        .map(|n| line.replace(&id, &format!("left-over-{n}")) + "\n")
        .collect();
    std::fs::write(logs.join("calls.log.3"), left_over + "{\"at\":").unwrap();
    let gateway = setup.start();
    gateway.until_blocks(1).await;
    assert_eq!(load(&gateway, &token, 5).await, 20);
    let admin = auditor(&gateway);
    until_calls(&admin, "&status=200", 45).await;
    until("the file is gone", || async {
        !logs.join("calls.log.3").exists()
    })
    .await;
}

#[tokio::test]
async fn filters_and_pages_narrow_and_others_see_their_own_calls_alone() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    gateway.register("/v", &upstream.url).await;
    let (admin, ada, bob) = (
        auditor(&gateway),
        gateway.with_scopes("ada", &["all"]),
        gateway.with_scopes("bob", &["all"]),
    );
    for number in 0..7 {
        let (actor, mount) = if number % 2 == 0 {
            (&ada, "/w/mcp")
        } else {
            (&bob, "/v/mcp")
        };
        assert_eq!(
            actor.mcp(mount, &tool_call(&format!("t{number}"))).await.status,
            200
        );
    }
    gateway.anonymous().mcp("/w/mcp", &tool_call("x")).await;
    let rows = until_calls(&admin, "", 8).await;
    let narrowed = [
        ("&server=/w", 5),
        ("&server=w", 5),
        ("&user=bob", 3),
        ("&user=*", 8),
        ("&tool=t3", 1),
        ("&method=tools/call", 7),
        ("&status=401", 1),
        ("&status=4xx", 1),
        ("&status=error&server=/v", 0),
        ("&from=2100-01-01T00:00:00Z", 0),
        ("&to=2100-01-01T00:00:00Z&from=2020-01-01T00:00:00Z", 8),
    ];
    for (query, count) in narrowed {
        assert_eq!(calls(&admin, query).await.len(), count, "{query}");
    }
    // Page by page, stable while more comes.
    let first = admin.get("/api/calls?limit=3").await.value();
    ada.mcp("/w/mcp", &tool_call("later")).await;
    until_calls(&admin, "", 9).await;
    let next = first.get("next").unwrap().as_str().unwrap();
    let second = admin
        .get(&format!("/api/calls?limit=3&cursor={next}"))
        .await
        .value();
    let ids = |page: &Value| {
        let calls = page.get("calls").unwrap().as_array().unwrap().iter();
        calls
            .map(|call| text(call, "request_id").to_owned())
            .collect::<Vec<_>>()
    };
    let expected: Vec<&str> = rows.iter().take(6).map(|row| text(row, "request_id")).collect();
    assert_eq!([ids(&first), ids(&second)].concat(), expected);

    // Their own, whatever they ask for.
    for query in ["", "&user=bob", "&server=/v"] {
        let own = calls(&bob, query).await;
        assert!(
            own.len() == 3 && own.iter().all(|row| text(row, "user") == "bob"),
            "{query}"
        );
    }
    for query in ["user=ada", "user=*"] {
        assert_eq!(bob.get(&format!("/api/calls?{query}")).await.status, 403);
        assert_eq!(bob.get(&format!("/api/usage?{query}")).await.status, 403);
    }
    assert_eq!(gateway.anonymous().get("/api/calls").await.status, 401);
    let own = bob.get("/api/usage").await.value();
    assert_eq!(
        (own.pointer("/totals/calls"), own.get("unlogged")),
        (Some(&json!(3)), Some(&Value::Null))
    );
    // Faults name their fields, all at once.
    for (query, fields) in [
        (
            "calls?limit=0&status=x&from=now&server=%20/",
            vec!["server", "status", "from", "limit"],
        ),
        ("calls?cursor=x&step=5", vec!["cursor", "step"]),
        ("usage?from=2020-01-01T00:00:00Z&step=1&by=x", vec!["step", "by"]),
        (
            "usage?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            vec!["to"],
        ),
    ] {
        let answer = admin.get(&format!("/api/{query}")).await;
        assert_eq!(answer.status, 422, "{query}");
        let value = answer.value();
        let faults = value.get("errors").unwrap().as_array().unwrap().iter();
        let named: Vec<&str> = faults.map(|fault| text(fault, "field")).collect();
        assert_eq!(named, fields, "{query}");
    }
    assert_eq!(admin.get("/api/calls?sort=x").await.status, 422);
}

#[tokio::test]
async fn usage_agrees_with_the_rows() {
    let (gateway, _upstream) = mounted(Setup::new()).await;
    gateway.register("/gone", "http://127.0.0.1:9/").await;
    let (admin, ada) = (auditor(&gateway), gateway.with_scopes("ada", &["all"]));
    for number in 0..12 {
        let mount = if number % 3 == 0 { "/gone/mcp" } else { "/w/mcp" };
        ada.mcp(mount, &tool_call(if number % 2 == 0 { "even" } else { "odd" }))
            .await;
    }
    let rows = until_calls(&admin, "", 12).await;
    for (by, series) in [("server", 2), ("tool", 4)] {
        let usage = admin.get(&format!("/api/usage?by={by}&step=300")).await.value();
        assert_eq!(usage.pointer("/totals/calls"), Some(&json!(12)));
        assert_eq!(usage.pointer("/totals/errors"), Some(&json!(4)));
        assert_eq!(
            (usage.get("complete"), usage.get("unlogged")),
            (Some(&json!(true)), Some(&json!(0)))
        );
        let lines = usage.get("series").unwrap().as_array().unwrap();
        assert_eq!(lines.len(), series);
        for line in lines {
            let of_line = |row: &&Value| {
                text(row, "server") == text(line, "server")
                    && (by == "server" || text(row, "tool") == text(line, "tool"))
            };
            let of_line: Vec<&Value> = rows.iter().filter(of_line).collect();
            let points = line.get("points").unwrap().as_array().unwrap().iter();
            let sum = |field: &str| {
                points
                    .clone()
                    .map(|point| point.get(field).unwrap().as_u64().unwrap())
                    .sum::<u64>()
            };
            let failed = of_line
                .iter()
                .filter(|row| row.get("status").unwrap().as_u64().unwrap() >= 400);
            assert_eq!(
                (sum("calls"), sum("errors")),
                (of_line.len() as u64, failed.count() as u64)
            );
            let slowest = of_line
                .iter()
                .map(|row| row.get("duration_ms").unwrap().as_u64().unwrap())
                .max();
            let p99 = points
                .clone()
                .map(|point| point.get("p99_ms").unwrap().as_u64().unwrap())
                .max();
            assert_eq!(p99, slowest);
        }
    }
}

#[tokio::test]
async fn rows_beyond_the_bound_go_and_knocking_pushes_nobody_out() {
    let setup = Setup::new().with(&["--call-retention-rows", "700"]);
    let (gateway, _upstream) = mounted(setup).await;
    let (admin, ada) = (auditor(&gateway), gateway.with_scopes("ada", &["all"]));
    for _ in 0..10 {
        assert_eq!(ada.mcp("/w/mcp", &tool_call("x")).await.status, 200);
    }
    until_calls(&admin, "", 10).await;
    let knocks = async || {
        for _ in 0..700 {
            let status = gateway
                .anonymous()
                .try_json("/w/mcp", tool_call("x").to_string())
                .await;
            assert_eq!(status, Some(401));
        }
    };
    tokio::join!(knocks(), knocks(), knocks(), knocks());
    let log = async || gateway.nginx().await.get("call_log").unwrap().clone();
    let number = |log: &Value, field: &str| log.get(field).unwrap().as_u64().unwrap();
    until("every knock was read", || async {
        let log = log().await;
        number(&log, "written") + number(&log, "unrecorded") == 2810
    })
    .await;
    assert!(number(&log().await, "unrecorded") > 1500);
    assert_eq!(calls(&admin, "&user=ada").await.len(), 10);
}

#[tokio::test]
async fn without_a_log_there_is_none() {
    let (gateway, _upstream) = mounted(Setup::new().with(&["--call-log", "false"])).await;
    gateway.until_blocks(1).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    assert_eq!(ada.mcp("/w/mcp", &tool_call("x")).await.status, 200);
    let conf = std::fs::read_to_string(gateway.setup.data().join("nginx/nginx.conf")).unwrap();
    assert!(!conf.contains("calls.log") && !conf.contains("$call_said"));
    assert!(!gateway.setup.data().join("logs/calls.log").exists());
    assert_eq!(gateway.nginx().await.get("call_log"), Some(&Value::Null));
}

#[tokio::test]
async fn the_command_line_shows_calls_and_follows_them() {
    let (gateway, _upstream) = mounted(Setup::new()).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    assert_eq!(ada.mcp("/w/mcp", &tool_call("first\u{1b}[2J")).await.status, 200);
    until_calls(&auditor(&gateway), "", 1).await;
    let file = gateway.setup.folder.path().join("token.json");
    let mut login = gateway
        .setup
        .command(&["login", "--username", "admin", "--url", &gateway.base]);
    login
        .arg("--token-file")
        .arg(&file)
        .stdin(std::process::Stdio::piped());
    let mut child = login.spawn().unwrap();
    std::io::Write::write_all(
        &mut child.stdin.take().unwrap(),
        format!("{PASSWORD}\n").as_bytes(),
    )
    .unwrap();
    assert!(child.wait().unwrap().success());
    let command = |words: &[&str]| -> Command {
        let mut command = gateway.setup.command(&["calls"]);
        command.args(words).arg("--token-file").arg(&file);
        command
    };
    let output = command(&["--server", "/w"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.ends_with("ada\t/w\ttools/call\tfirst\u{fffd}[2J\n"),
        "{shown:?}"
    );
    let output = command(&["--user", "eve", "--json"]).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
    let mut following = command(&["--follow", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(following.stdout.take().unwrap()));
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(text(&next(), "tool"), "first\u{1b}[2J");
    for tool in ["second", "third"] {
        ada.mcp("/w/mcp", &tool_call(tool)).await;
    }
    assert_eq!(
        [next(), next()].map(|row| text(&row, "tool").to_owned()),
        ["second", "third"]
    );
    signal_to(following.id(), "-INT");
    assert!(following.wait().unwrap().success());
}

#[tokio::test]
async fn a_caller_who_leaves_early_is_logged_by_name_whichever_way() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let upstream = Scripted::new().await;
    gateway.register("/s", &upstream.url).await;
    gateway.until_blocks(1).await;
    let (admin, token) = (
        auditor(&gateway),
        gateway.token(&["--user", "ada", "--scopes", "all"]),
    );
    let messages = [tool_call("slow"), request("initialize", json!({}))].map(|message| message.to_string());
    let leaving = [
        (&messages[0], "POST"),
        (&messages[1], "POST"),
        (&String::new(), "GET"),
    ];
    for (number, (body, verb)) in leaving.into_iter().enumerate() {
        let text = format!(
            "{verb} /s/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(admin.authority()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes())
            .await
            .unwrap();
        let asked = upstream.next().await;
        drop(stream);
        // The upstream stays until nginx has seen who left first.
        until_calls(&admin, "", number + 1).await;
        drop(asked);
    }
    let rows = until_calls(&admin, "", 3).await;
    let seen: Vec<String> = rows.iter().rev().map(said).collect();
    let expected = [
        "499 direct /s tools/call slow ada",
        "499 carried /s initialize - ada",
        "499 stream /s GET - ada",
    ];
    assert_eq!(seen, expected);
}

/// It takes more than a minute, because that is how long a line may take.
#[tokio::test]
async fn a_call_that_died_with_its_worker_is_counted_as_unknown() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let upstream = Scripted::new().await;
    gateway.register("/s", &upstream.url).await;
    gateway.until_blocks(1).await;
    let admin = auditor(&gateway);
    let call = tool_call("slow").to_string();
    let token = gateway.token(&["--user", "ada", "--scopes", "all"]);
    let lost = gateway.anonymous().bearer(&token);
    let (status, _asked) = tokio::join!(lost.try_json("/s/mcp", call.clone()), async {
        let asked = upstream.next().await;
        let workers = gateway.nginx_pids().split_off(1);
        for worker in workers {
            signal_to(worker, "-KILL");
        }
        asked
    });
    assert_eq!(status, None);
    until("calls pass again", || async {
        let asking = lost.try_json("/s/mcp", call.clone());
        let (status, ()) = tokio::join!(asking, async {
            if let Ok(asked) =
                tokio::time::timeout(std::time::Duration::from_millis(500), upstream.next()).await
            {
                asked.json("{}");
            }
        });
        status == Some(200)
    })
    .await;
    let unlogged = async || {
        let usage = admin.get("/api/usage").await.value();
        usage.get("unlogged").and_then(Value::as_u64).unwrap()
    };
    assert_eq!(unlogged().await, 0, "a line may still come");
    let began = std::time::Instant::now();
    while unlogged().await == 0 && began.elapsed().as_secs() < 100 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(unlogged().await, 1);
    assert_eq!(
        gateway.nginx().await.pointer("/call_log/unlogged"),
        Some(&json!(1))
    );
}
