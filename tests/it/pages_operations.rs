//! What nginx runs, and where the load goes.

use crate::harness::{Gateway, Setup, Upstream, tool_call, until};
use crate::pages_server::reader;

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
async fn without_nginx_the_page_says_so() {
    let gateway = Setup::new().with(&["--nginx", "off"]).start();
    let page = reader(gateway.admin()).get("/operations").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("without an nginx of its own"));
    let file = reader(gateway.admin()).get("/operations/nginx").await.text();
    assert!(file.contains("has confirmed no file yet"), "{file}");
}
