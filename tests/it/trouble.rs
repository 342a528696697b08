//! A full disk, a locked store, a daemon that stands still, one that is killed: what was acknowledged is there, nobody
//! passes unasked, and all goes on by itself.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Actor, Answer, Gateway, Setup, Upstream, signal_to, stand_still, tool_call, until};
use crate::pages_server::reader;

/// So often a daemon is killed; `make soak` wants more.
fn kills() -> u32 {
    std::env::var("GATEHOUSE_KILLS").map_or(10, |text| text.parse().unwrap())
}

async fn register(admin: &Actor, path: &str, description: &str) -> Answer {
    let body = json!({"server_name": "s", "path": path, "proxy_pass_url": "http://127.0.0.1:9/", "description": description});
    admin.json("/api/management/servers", &body).await
}

fn is_away(answer: &Answer) -> bool {
    answer.status == 503 && answer.header("content-type").contains("json") && answer.value().is_object()
}

#[tokio::test]
async fn a_locked_store_is_a_503_and_goes_on_when_it_is_free() {
    let upstream = Upstream::new().await;
    let gateway = Setup::new().start();
    gateway.register("/a", &upstream.url).await;
    let (admin, session) = (gateway.admin(), gateway.signed_in().await);
    let lock = rusqlite::Connection::open(gateway.setup.data().join("gatehouse.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = register(&admin, "/b", "d").await;
    assert!(is_away(&refused), "{} {}", refused.status, refused.text());
    // Reading and calling need no lock.
    assert_eq!(admin.mcp("/a/mcp", &tool_call("x")).await.status, 200);
    assert_eq!(session.get("/api/auth/me").await.status, 200);
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(register(&admin, "/b", "d").await.status, 201);
}

#[tokio::test]
async fn a_check_is_read_before_it_is_in_the_store() {
    let gateway = Setup::new().start();
    let admin = gateway.admin();
    assert_eq!(register(&admin, "/a", "d").await.status, 201);
    let lock = rusqlite::Connection::open(gateway.setup.data().join("gatehouse.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(admin.form("/api/refresh/a", "").await.status, 200);
    let known = || async {
        let one = admin.get("/api/servers/health/a").await;
        assert_eq!(one.status, 200, "{}", one.text());
        one.value()["history"].as_array().unwrap().len()
    };
    assert_eq!(known().await, 1);
    let page = reader(admin.clone()).get("/servers/a").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("0 of 1 checks answered"), "{}", page.text());
    lock.execute_batch("ROLLBACK").unwrap();
    until("it is in the store", || async {
        let sql = "SELECT count(*) FROM health_history";
        lock.query_row(sql, (), |row| row.get::<_, u32>(0)).unwrap() == 1
    })
    .await;
    assert_eq!(known().await, 1);
}

/// The program in a mount namespace of its own, with a small disk under its data folder.
#[tokio::test]
async fn a_full_disk_loses_nothing_and_goes_on_when_there_is_room() {
    let setup = Setup::new().with_small_disk(6);
    let gateway = setup.start();
    // The data folder is seen by the gateway alone, so the token comes over HTTP.
    let session = gateway
        .signed_in()
        .await
        .with("sec-fetch-site", "same-origin")
        .with("origin", &gateway.base);
    let made = session
        .json("/api/tokens/generate", &json!({"description": "t"}))
        .await
        .value();
    let token = made
        .pointer("/token_data/access_token")
        .or_else(|| made.get("access_token"));
    let admin = gateway
        .anonymous()
        .bearer(token.and_then(|token| token.as_str()).unwrap());
    // Registrations go on until the disk is full; what was acknowledged is counted.
    let mut acknowledged = Vec::new();
    let mut full = None;
    for number in 0..1_000 {
        let path = format!("/s{number}");
        let answer = register(&admin, &path, &"d".repeat(9_900)).await;
        if answer.status == 201 {
            acknowledged.push(path);
        } else {
            full = Some(answer);
            break;
        }
    }
    let full = full.expect("the disk is small");
    assert!(is_away(&full), "{} {}", full.status, full.text());
    assert!(!acknowledged.is_empty());
    // Calls are still decided.
    let call = admin.mcp("/s0/mcp", &tool_call("x")).await;
    assert_eq!(call.status, 502, "{}", call.text());
    let pid = gateway.pid();
    let room = Command::new("nsenter")
        .args([
            "-t",
            &pid.to_string(),
            "-U",
            "-m",
            "--preserve-credentials",
            "mount",
            "-o",
            "remount,size=64m",
        ])
        .arg(gateway.setup.data())
        .output()
        .unwrap();
    assert!(room.status.success(), "{}", String::from_utf8_lossy(&room.stderr));
    until("there is room again", || async {
        register(&admin, "/after", "d").await.status != 503
    })
    .await;
    for path in &acknowledged {
        assert_eq!(
            admin.get(&format!("/api/server_details{path}")).await.status,
            200,
            "{path} was lost"
        );
    }
}

#[tokio::test]
async fn while_the_daemon_stands_still_nobody_passes() {
    let upstream = Upstream::new().await;
    let gateway = Setup::new().start();
    gateway.register("/a", &upstream.url).await;
    gateway.until_blocks(1).await;
    let (admin, nobody) = (gateway.admin(), gateway.anonymous());
    stand_still(gateway.pid()).await;
    // What is asked beside the call is answered soon, what goes through the daemon waits for it.
    let message = tool_call("x");
    let asking = async {
        let answer = admin.send("DELETE", "/a/mcp", "", Vec::new()).await;
        assert!(is_away(&answer), "{} {}", answer.status, answer.text());
        assert!(upstream.take().is_empty());
        tokio::time::sleep(Duration::from_secs(5)).await;
        signal_to(gateway.pid(), "-CONT");
    };
    let (known, unknown, ()) = tokio::join!(
        admin.mcp("/a/mcp", &message),
        nobody.mcp("/a/mcp", &message),
        asking
    );
    assert_eq!((known.status, unknown.status), (200, 401));
    assert_eq!(upstream.take().len(), 1);
}

#[tokio::test]
async fn killed_at_any_moment_it_has_all_that_was_acknowledged() {
    let mut setup = Setup::new();
    let mut acknowledged: Vec<String> = Vec::new();
    for kill in 0..kills() {
        let gateway: Gateway = setup.start();
        let admin = gateway.admin();
        for path in acknowledged.iter().rev().take(40) {
            let there = admin.get(&format!("/api/server_details{path}")).await;
            assert_eq!(there.status, 200, "{path} was acknowledged before kill {kill}");
        }
        let pid = gateway.pid();
        // Another moment each time, some while a registration runs.
        let moment = Duration::from_micros(u64::from(kill % 50) * 1_700 + u64::from(pid % 97) * 130);
        let killing = async {
            tokio::time::sleep(moment).await;
            signal_to(pid, "-KILL");
        };
        let writing = async {
            let mut done = Vec::new();
            for number in 0.. {
                let path = format!("/k{kill}-{number}");
                let body = json!({"server_name": "s", "path": path, "proxy_pass_url": "http://127.0.0.1:9/"})
                    .to_string();
                match admin.try_json("/api/management/servers", body).await {
                    Some(201) => done.push(path),
                    Some(_) | None => break,
                }
            }
            done
        };
        let ((), done) = tokio::join!(killing, writing);
        acknowledged.extend(done);
        setup = gateway.kill();
    }
    let gateway = setup.start();
    let admin = gateway.admin();
    for path in &acknowledged {
        let there = admin.get(&format!("/api/server_details{path}")).await;
        assert_eq!(there.status, 200, "{path} of {} was lost", acknowledged.len());
    }
    assert!(!acknowledged.is_empty());
}
