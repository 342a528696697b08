//! Upstreams whose names change their addresses while they are in use.

use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::json;

use crate::harness::{Gateway, Setup, Upstream, tool_call, until};

/// A gateway that finds names in a file of the test's, and believes them for a second.
struct Names {
    gateway: Gateway,
    hosts: std::path::PathBuf,
}

impl Names {
    fn start(first: &str) -> Self {
        let setup = Setup::new().with(&["--name-ttl-seconds", "1"]);
        let hosts = setup.folder.path().join("hosts");
        std::fs::write(&hosts, "").unwrap();
        write(&hosts, first);
        let gateway = setup.with_hosts(&hosts).start();
        Self { gateway, hosts }
    }
}

/// Written over in one go and always as long as before, so that nobody reads half of it.
fn write(hosts: &Path, address: &str) {
    let file = std::fs::File::options().write(true).open(hosts).unwrap();
    let text = format!("{address:<40} moving.test\n127.0.0.1 localhost\n");
    file.write_all_at(text.as_bytes(), 0).unwrap();
}

#[tokio::test]
async fn a_name_that_turns_link_local_is_not_followed_there() {
    let upstream = Upstream::new().await;
    let names = Names::start("127.0.0.1");
    let gateway = &names.gateway;
    let port = upstream.url.rsplit(':').next().unwrap().to_owned();
    let url = format!("http://moving.test:{port}");
    gateway.register("/trusted", &url).await;
    let maker = gateway.member("dev", &["mcp-registry-developer"]);
    let body = json!({"server_name": "s", "path": "/stranger", "proxy_pass_url": url});
    assert_eq!(maker.json("/api/management/servers", &body).await.status, 201);
    gateway.until_blocks(1).await;
    let admin = gateway.admin();
    for mount in ["/trusted/mcp", "/stranger/mcp"] {
        assert_eq!(admin.mcp(mount, &tool_call("x")).await.status, 200, "{mount}");
    }
    for forbidden in ["169.254.169.254", "fe80::1", "fd00:ec2::254"] {
        write(&names.hosts, forbidden);
        for mount in ["/trusted/mcp", "/stranger/mcp"] {
            until("the name is refused", || async {
                let answer = admin.mcp(mount, &tool_call("x")).await;
                assert!(answer.status == 200 || answer.status == 502, "{}", answer.text());
                answer.status == 502 && answer.text().contains("may not be reached")
            })
            .await;
        }
        // Registering it now is refused at once.
        let body = json!({"server_name": "n", "path": "/new", "proxy_pass_url": url});
        let refused = gateway.admin().json("/api/management/servers", &body).await;
        assert_eq!(
            (refused.status, refused.text().contains("proxy_pass_url")),
            (422, true),
            "{}",
            refused.text()
        );
        write(&names.hosts, "127.0.0.1");
        until("the name is good again", || async {
            admin.mcp("/stranger/mcp", &tool_call("x")).await.status == 200
        })
        .await;
    }
}

#[tokio::test]
async fn calls_follow_a_name_to_another_address_and_none_is_lost() {
    let second = Upstream::at("127.0.0.2", None).await;
    let port: u16 = second.url.rsplit(':').next().unwrap().parse().unwrap();
    let first = Upstream::at("127.0.0.1", Some(port)).await;
    let names = Names::start("127.0.0.1");
    let gateway = &names.gateway;
    gateway
        .register("/moving", &format!("http://moving.test:{port}"))
        .await;
    gateway.until_blocks(1).await;
    let (admin, message) = (gateway.admin(), tool_call("x"));
    for (address, there) in [
        ("127.0.0.2", &second),
        ("127.0.0.1", &first),
        ("127.0.0.2", &second),
    ] {
        first.take();
        second.take();
        write(&names.hosts, address);
        until("the calls are there", || async {
            let calls = (0..20).map(|_| admin.mcp("/moving/mcp", &message));
            for answer in futures_util::future::join_all(calls).await {
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
            !there.take().is_empty()
        })
        .await;
    }
}
