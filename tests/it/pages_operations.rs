//! What nginx runs, and where the load goes.

use crate::harness::{Gateway, Setup, Upstream, tool_call, until};
use crate::pages_access::inside;
use crate::pages_server::reader;
use crate::publish::print_wrongly;

#[tokio::test]
async fn administrators_see_what_runs_and_others_do_not() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/w", &upstream.url).await;
    gateway.until_blocks(1).await;
    let admin = reader(gateway.admin());
    let live = gateway.nginx().await["live"].as_str().unwrap().to_owned();
    until("the page says that it is live", || async {
        admin
            .get("/operations")
            .await
            .text()
            .contains("state good\">live")
    })
    .await;
    let page = admin.get("/operations").await.text();
    assert!(page.contains(&format!("title=\"{live}\"")), "{page}");
    let file = admin.get("/operations/nginx").await.text();
    assert!(
        file.contains("upstream b_") && file.contains("aria-label=\"nginx.conf\""),
        "{file}"
    );

    let ada = gateway.member("ada", &["mcp-servers-unrestricted"]);
    assert_eq!(ada.mcp("/w/mcp", &tool_call("x")).await.status, 200);
    until("the map is drawn", || async {
        let text = admin.get("/operations?span=1h").await.text();
        text.contains("class=\"ribbon\"") && text.contains(">ada<") && text.contains("/servers/w")
    })
    .await;
    for path in ["/operations", "/operations/nginx"] {
        let refused = reader(ada.clone()).get(path).await;
        assert_eq!(refused.status, 403, "{path}");
        let text = refused.text();
        assert!(
            text.contains("This is not yours to see") && !text.contains(&live),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_nginx_refuses_is_said_with_its_reason_and_so_is_what_is_held_back() {
    let gateway = Setup::new().with_copy_of("nginx").start();
    let odd = "127.0.0.77:9";
    print_wrongly(&gateway, odd);
    gateway.register("/bad", &format!("http://{odd}/")).await;
    gateway.register("/nowhere", "http://nothing.invalid/").await;
    let admin = reader(gateway.admin());
    let page = || async { admin.get("/operations").await.text() };
    until("the block and the name are told", || async {
        let page = page().await;
        let refused = inside(&page, "id=\"refused\"", "</section>");
        let unresolved = inside(&page, "id=\"unresolved\"", "</section>");
        refused.contains(&format!("http://{odd}")) && unresolved.contains("nothing.invalid")
    })
    .await;
    assert!(page().await.contains("Their servers are carried by the gateway"));
    // A file that nginx does not take at all: the one before goes on, and the page says why.
    let doors = gateway.setup.folder.path().join("nginx/doors.tera");
    let whole = std::fs::read_to_string(&doors).unwrap();
    std::fs::write(&doors, whole.replacen("location / {", "locatoin / {", 1)).unwrap();
    until("what is held back is told", || async {
        let page = page().await;
        page.contains("state bad\">held back")
            && page.contains("the one before stays")
            && page.contains("locatoin")
    })
    .await;
    std::fs::write(&doors, whole).unwrap();
    until("it is live again", || async {
        page().await.contains("state good\">live")
    })
    .await;
}

#[tokio::test]
async fn without_nginx_the_page_says_so() {
    let gateway = Setup::new().with(&["--nginx", "off"]).start();
    let page = reader(gateway.admin()).get("/operations").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("without an nginx of its own"));
    let file = reader(gateway.admin()).get("/operations/nginx").await.text();
    assert!(file.contains("has confirmed no file yet"), "{file}");
}
