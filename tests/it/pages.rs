//! The first pages, without JavaScript.

use serde_json::json;

use crate::harness::{Actor, Gateway, Setup, Upstream, until};
use crate::pages_access::inside;
use crate::pages_server::reader;

#[tokio::test]
async fn a_person_registers_edits_and_switches_a_server_with_forms_alone() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    let browser = reader(gateway.signed_in().await);
    assert!(browser.get("/").await.text().contains("Register the first one"));
    let page = browser.get("/register").await.text();
    let token = page
        .split("name=\"csrf_token\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    // A refused form keeps what was typed and says the fault beside its field.
    let form = format!(
        "csrf_token={token}&name=%3Cb%3EWeather&path=%2Fapi&description=d&proxy_pass_url=ftp%3A%2F%2Fx&tags=a"
    );
    let refused = browser.form("/register", &form).await;
    assert_eq!(refused.status, 422);
    let text = refused.text();
    assert!(text.contains("&lt;b&gt;Weather") && !text.contains("<b>Weather"));
    assert_eq!(text.matches("class=\"fault\"").count(), 2, "{text}");
    assert!(text.contains("reserved for the gateway") && text.contains("must start with"));

    let form = format!(
        "csrf_token={token}&name=Weather&path=%2Fweather&description=d&proxy_pass_url={}&is_python=false&is_python=true&trusted=false",
        upstream.url
    );
    let done = browser.form("/register", &form).await;
    assert_eq!(
        (done.status, done.header("location")),
        (303, "/?saved=%2Fweather"),
        "{}",
        done.text()
    );
    let saved = browser.get("/?saved=%2Fweather").await.text();
    assert!(
        saved.contains("Weather</strong> is saved, and")
            && saved.contains("/weather/mcp</code>")
            // Our script asks for it with the list, so that it stays true.
            && saved.contains("?saved=%2Fweather\""),
        "{saved}"
    );
    let list = browser.get("/").await.text();
    assert!(
        list.contains("Weather") && list.contains("aria-checked=\"true\"") && list.contains("not trusted")
    );
    let again = browser.form("/register", &form).await;
    assert!(again.status == 409 && again.text().contains("Server already exists: /weather"));

    let off = browser
        .form("/toggle/weather", &format!("csrf_token={token}"))
        .await;
    assert_eq!((off.status, off.header("location")), (303, "/"));
    let back = browser
        .clone()
        .with("referer", &format!("{}/?show=disabled", gateway.base));
    let off = back.form("/toggle/weather", &format!("csrf_token={token}")).await;
    assert_eq!(
        off.header("location"),
        "/?show=disabled",
        "back to where the form stood"
    );
    assert!(browser.get("/").await.text().contains(">Disabled</span>"));
    let edit = browser.get("/edit/weather").await.text();
    assert!(edit.contains("value=\"Weather\"") && edit.contains("checked> Written in Python"));
    let bad = browser
        .form(
            "/edit/weather",
            &format!("csrf_token={token}&name=&proxy_pass_url={}", upstream.url),
        )
        .await;
    assert!(bad.status == 422 && bad.text().contains("may not be empty"));
    // Trust given and taken stands in the history, with who did it.
    for trusted in ["true", "false"] {
        let form = format!(
            "csrf_token={token}&name=Weather&proxy_pass_url={}&trusted={trusted}",
            upstream.url
        );
        assert_eq!(browser.form("/edit/weather", &form).await.status, 303);
    }
    let history = browser.get("/edit/weather").await.text().replace("<bdi>", "");
    for line in [
        "no longer trusted by admin",
        "marked as trusted by admin",
        "registered by admin",
        "switched off by admin",
    ] {
        assert!(history.contains(line), "{line}: {history}");
    }
}

#[tokio::test]
async fn of_two_windows_on_a_server_the_later_one_is_told_of_the_earlier() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/weather", &upstream.url).await;
    let browser = reader(gateway.signed_in().await);
    let etag = |page: &str| inside(page, "name=\"if_match\" value=\"", "\"").to_owned();
    let save = async |etag: &str, words: &str| {
        let form = format!(
            "name=Weather&proxy_pass_url={}&if_match={etag}&description={words}",
            upstream.url
        );
        browser.form("/edit/weather", &form).await
    };
    let seen = etag(&browser.get("/edit/weather").await.text());
    assert_eq!(browser.form("/toggle/weather", "").await.status, 303);
    assert_eq!(
        save(&seen, "of+the+one+window").await.status,
        303,
        "switching is no change of the record"
    );
    let late = save(&seen, "of+the+other").await;
    let text = late.text();
    assert_eq!(late.status, 409, "{text}");
    assert!(text.contains("Somebody has changed it meanwhile"), "{text}");
    assert!(
        text.contains(">of the other</textarea>"),
        "what was typed stays: {text}"
    );
    assert!(text.contains("What is saved now: of the one window"), "{text}");
    let now = browser.get("/edit/weather").await.text();
    assert!(now.contains(">of the one window</textarea>"), "{now}");
    // Whoever saves it again has seen what it undoes, and means it.
    assert_eq!(save(&etag(&text), "of+the+other").await.status, 303);
    assert!(
        browser
            .get("/edit/weather")
            .await
            .text()
            .contains(">of the other</textarea>")
    );
}

const DEEDS: &str = "
group_mappings: {viewers: [viewer], checkers: [checker], switchers: [switcher], editors: [editor], removers: [remover], makers: [maker]}
UI-Scopes:
  viewer: {list_service: [all]}
  checker: {list_service: [all], health_check_service: [all]}
  switcher: {list_service: [all], toggle_service: [all]}
  editor: {list_service: [all], modify_service: [all]}
  remover: {list_service: [all], delete_service: [all]}
  maker: {list_service: [all], register_service: [all]}
";

#[tokio::test]
async fn each_person_is_offered_what_they_may_do_and_nothing_else() {
    let gateway = Setup::new().with_policy(DEEDS).start();
    let upstream = Upstream::new().await;
    gateway.register("/weather", &upstream.url).await;
    let deeds = [
        ("checkers", "formaction=\"/api/refresh/weather\"", "Check now"),
        ("switchers", "formaction=\"/toggle/weather\"", "Disable"),
        ("editors", "href=\"/edit/weather\"", "Edit"),
        ("removers", "href=\"/remove/weather\"", "Remove"),
        ("makers", "href=\"/register\"", ""),
    ];
    for group in [
        "viewers",
        "checkers",
        "switchers",
        "editors",
        "removers",
        "makers",
    ] {
        let person = reader(gateway.member("ada", &[group]));
        let list = person.get("/").await.text();
        assert!(list.contains("data-server=\"/weather\""), "{group}: {list}");
        let page = person.get("/servers/weather").await.text();
        let buttons = inside(&page, "<div class=\"buttons\">", "</header>");
        for (whose, on_list, on_page) in deeds {
            assert_eq!(
                list.contains(on_list),
                group == whose,
                "{group} {on_list}: {list}"
            );
            let is_on_page = !on_page.is_empty() && buttons.contains(on_page);
            assert_eq!(
                is_on_page,
                group == whose && !on_page.is_empty(),
                "{group} {on_page}: {buttons}"
            );
        }
        assert!(
            !list.contains("/access\"") && !list.contains("/operations\""),
            "{group}: {list}"
        );
    }
}

#[tokio::test]
async fn what_is_saved_and_cannot_be_reached_yet_is_pending_with_its_reason() {
    let gateway = Gateway::new();
    let browser = reader(gateway.signed_in().await);
    let form = "name=Nowhere&path=%2Fnowhere&proxy_pass_url=http%3A%2F%2Fnothing.invalid%2F&description=d";
    let saved = browser.form("/register", form).await;
    assert_eq!(
        (saved.status, saved.header("location")),
        (303, "/?saved=%2Fnowhere")
    );
    let page = browser.get("/?saved=%2Fnowhere").await.text();
    let told = inside(&page, "aria-label=\"Saved\"", "</section>");
    assert!(
        told.contains("it is pending:") && told.contains("nothing.invalid"),
        "{told}"
    );
}

#[tokio::test]
async fn a_description_may_be_left_out_by_a_person() {
    let gateway = Gateway::new();
    let browser = reader(gateway.signed_in().await);
    let page = browser.get("/register").await.text();
    let needed: Vec<&str> = page
        .split("<label for=\"")
        .skip(1)
        .filter(|label| label.contains(">required<"))
        .collect();
    let needed: Vec<&str> = needed
        .iter()
        .filter_map(|label| label.split('"').next())
        .collect();
    assert_eq!(needed, ["name", "path", "proxy_pass_url"]);
    let form = "name=Quiet&path=%2Fquiet&description=&proxy_pass_url=http%3A%2F%2F127.0.0.1%3A9";
    assert_eq!(browser.form("/register", form).await.status, 303);
}

#[tokio::test]
async fn every_page_has_its_policy_and_its_stylesheet() {
    let gateway = Gateway::new();
    let page = gateway.anonymous().get("/login").await;
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    assert_eq!(page.header("cache-control"), "no-store");
    let text = page.text();
    assert!(!text.contains("style=") && !text.contains("<style") && !text.contains(" onclick="));
    let scripts = text.split("<script").skip(1);
    assert!(
        scripts
            .map(|rest| rest.split('>').next().unwrap_or_default())
            .all(|head| head.contains("src=\"/static/"))
    );
    let css = gateway.anonymous().get("/static/app.css").await;
    assert_eq!(
        (css.status, css.header("content-type")),
        (200, "text/css; charset=utf-8")
    );
    for path in ["/static/..%5cbase.html", "/static/nothing.css", "/static/.hidden"] {
        assert_eq!(gateway.anonymous().get(path).await.status, 404, "{path}");
    }
    assert_eq!(
        gateway
            .anonymous()
            .send("PUT", "/login", "", Vec::new())
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn the_list_is_filtered_searched_and_paged_by_the_server() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    // Our own server makes one more.
    for number in 0..42 {
        gateway.register(&format!("/s{number:02}"), &upstream.url).await;
    }
    let browser = gateway.signed_in().await.with("accept", "text/html");
    let rows = |text: &str| text.matches("data-status=").count();
    let first = browser.get("/").await.text();
    assert_eq!(rows(&first), 40);
    assert!(first.contains("1–40 of 43") && first.contains("href=\"/?page=2\""));
    let second = browser.get("/?page=2").await.text();
    assert!(rows(&second) == 3 && second.contains("41–43 of 43"));
    // By a column over all pages, either way round; the next page and the filters keep it.
    let turned = browser.get("/?sort=-name").await.text();
    assert!(
        turned.contains("aria-sort=\"descending\"") && turned.contains("href=\"/?sort=-name&amp;page=2\"")
    );
    let place = |text: &str, path: &str| text.find(&format!("data-server=\"/{path}\""));
    assert!(place(&turned, "s41") < place(&turned, "s40") && place(&turned, "s00").is_none());
    assert!(turned.contains("href=\"/?show=disabled&amp;sort=-name\""));
    // Most tools first; of those that are alike the name decides.
    let most = browser.get("/?sort=tools").await.text();
    assert!(place(&most, "mcpgw") < place(&most, "s00") && place(&most, "s00") < place(&most, "s01"));
    // What is not a page, a filter, a column or a server is the first of them, or none.
    for odd in [
        "/?page=999999999999999999999",
        "/?page=x&show=y&sort=-z",
        "/?saved=%2F%2F",
        "/?sort=name&sort=name",
        "/tools?q=a&q=b",
    ] {
        assert_eq!(browser.get(odd).await.status, 200, "{odd}");
    }
    let found = browser.get("/?q=S0+/s01").await.text();
    assert!(rows(&found) == 1 && found.contains("data-server=\"/s01\""));
    assert_eq!(rows(&browser.get("/?show=disabled").await.text()), 0);
    let echoed = browser.get("/?q=%22%3E%3Cscript%3Ealert(1)").await.text();
    assert!(!echoed.contains("<script>alert") && echoed.contains("Nothing fits"));
    // Our script gets the list alone; whoever may see nothing gets nothing.
    let part = browser.clone().with("hx-request", "true").get("/").await.text();
    assert!(part.starts_with("<div id=\"list\"") && rows(&part) == 40 && !part.contains("<html"));
    // What is not a page of tools is the first.
    let tools = browser.get("/tools?page=x").await.text();
    assert!(tools.contains("intelligent_tool_finder"), "{tools}");
    assert!(
        browser
            .get("/tools?q=nothing-has-this&page=9")
            .await
            .text()
            .contains("Nothing fits")
    );
    let nobody = gateway
        .member("bob", &["nobody-knows"])
        .with("accept", "text/html");
    let text = nobody.get("/?q=s0").await.text();
    assert!(
        rows(&text) == 0 && text.contains("no server here that you may see"),
        "{text}"
    );
    assert_eq!(nobody.get("/tools/s01").await.status, 403);
}

#[tokio::test]
async fn a_refusal_is_a_page_for_people_and_json_for_programs() {
    let gateway = Gateway::new();
    let browser = gateway.signed_in().await.with("accept", "text/html,*/*");
    let page = browser.get("/edit/nothing").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (404, "text/html; charset=utf-8")
    );
    assert!(page.text().contains("There is nothing here") && page.text().contains("Sign out"));
    let program = gateway.admin().get("/edit/nothing").await;
    assert_eq!(
        (program.status, program.header("content-type")),
        (404, "application/problem+json")
    );
    let stranger = gateway
        .anonymous()
        .with("accept", "text/html")
        .get("/api/servers")
        .await;
    assert!(stranger.status == 401 && stranger.text().contains("You are not signed in"));
    assert!(stranger.header("www-authenticate").starts_with("Bearer"));
    let nobody = gateway
        .member("bob", &["nobody-knows"])
        .with("accept", "text/html");
    let refused = nobody.get("/register").await;
    assert!(refused.status == 403 && refused.text().contains("This is not yours to see"));
}

#[tokio::test]
async fn a_mistyped_address_is_a_page_for_people_and_stays_json_rpc_for_programs() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/weather", &upstream.url).await;
    let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let browser = gateway.signed_in().await.with("accept", chrome);
    for path in ["/severs", "/severs/x%3Fy?z=1"] {
        let page = browser.get(path).await;
        let kind = page.header("content-type").to_owned();
        assert_eq!((page.status, &*kind), (404, "text/html; charset=utf-8"), "{path}");
        assert!(
            page.header("content-security-policy").contains("default-src"),
            "{path}"
        );
        let text = page.text();
        assert!(
            text.contains("There is nothing here") && text.contains("Sign out"),
            "{text}"
        );
        assert!(
            text.contains("&#x2F;severs") || text.contains("/severs"),
            "{text}"
        );
    }
    // Whoever is not signed in is asked to be, and comes back: also to the pages of a server.
    let stranger = gateway.anonymous().with("accept", chrome);
    for (path, next) in [
        ("/severs", "%2Fsevers"),
        ("/weather/docs?a=b", "%2Fweather%2Fdocs%3Fa%3Db"),
    ] {
        let asked = stranger.get(path).await;
        let login = format!("/login?next={next}");
        assert_eq!((asked.status, asked.header("location")), (303, &*login), "{path}");
    }
    // A page of the server itself is nobody's but the server's.
    assert_eq!(browser.get("/weather/docs").await.header("location"), "");
    // An MCP client never asks for HTML; whoever shows a token, or posts, is a program.
    for program in [
        gateway.anonymous().with("accept", "text/event-stream"),
        gateway.anonymous(),
        gateway
            .anonymous()
            .with("accept", chrome)
            .with("authorization", "Bearer x.y.z"),
    ] {
        let refused = program.get("/severs").await;
        assert_eq!(
            (refused.status, refused.value()["jsonrpc"].as_str()),
            (401, Some("2.0"))
        );
    }
    let admin = gateway.admin().with("accept", chrome).get("/severs").await;
    assert_eq!(
        (admin.status, admin.value()["error"]["code"].as_i64()),
        (404, Some(404))
    );
    let posted = browser
        .json("/severs", &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}))
        .await;
    assert_eq!(
        (posted.status, posted.value()["error"]["code"].as_i64()),
        (404, Some(404))
    );
    // Whoever it was is in the book of calls, page or not.
    until("four calls of known people went nowhere", || async {
        let calls = gateway
            .admin()
            .get("/api/calls?status=404&limit=100")
            .await
            .value();
        let calls = calls["calls"].as_array().unwrap();
        calls.len() >= 4
            && calls
                .iter()
                .all(|call| call["user"] == "root" || call["user"] == "admin")
    })
    .await;
}

#[tokio::test]
async fn how_somebody_likes_the_pages_is_kept_and_is_one_of_our_words() {
    let gateway = Gateway::new();
    let browser = gateway.anonymous().with("sec-fetch-site", "same-origin");
    let kept = browser.form("/preferences", "theme=dark").await;
    assert_eq!(kept.status, 303);
    assert!(
        kept.header("set-cookie")
            .starts_with("gatehouse_theme=dark; SameSite=Lax; Path=/")
    );
    let page = gateway
        .anonymous()
        .with("cookie", "gatehouse_theme=dark")
        .get("/login")
        .await;
    assert!(page.text().contains("data-theme=\"dark\""));
    assert_eq!(browser.form("/preferences", "theme=%0Aevil").await.status, 422);
    let elsewhere = gateway.anonymous().with("sec-fetch-site", "cross-site");
    assert_eq!(elsewhere.form("/preferences", "theme=dark").await.status, 403);
    // Back to a page of ours, whatever the browser says.
    for (referer, to) in [
        ("https://evil.example//evil.example/x", "/"),
        ("https://evil.example/tools?q=1", "/tools?q=1"),
    ] {
        let answer = browser
            .clone()
            .with("referer", referer)
            .form("/preferences", "theme=dark")
            .await;
        assert_eq!(answer.header("location"), to, "{referer}");
    }
}

/// A browser whose script asks for parts of pages.
async fn asking_for_parts(gateway: &Gateway) -> Actor {
    let browser = gateway.signed_in().await.with("accept", "text/html");
    browser
        .with("hx-request", "true")
        .with("sec-fetch-site", "same-origin")
}

#[tokio::test]
async fn a_trial_asks_no_address_that_is_forbidden_and_keeps_nothing() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    let browser = asking_for_parts(&gateway).await;
    let ask = |form: String| {
        let browser = browser.clone();
        async move { browser.form("/register/try", &form).await }
    };
    let secret = "auth_scheme=bearer&auth_credential=a-secret-of-mine";
    let good = ask(format!("proxy_pass_url={}&{secret}", upstream.url)).await;
    assert_eq!(good.status, 200);
    assert!(!good.text().contains("a-secret-of-mine"));
    let met = upstream.take();
    assert!(
        !met.is_empty()
            && met
                .iter()
                .all(|one| one.header("authorization") == "Bearer a-secret-of-mine")
    );
    let forbidden = ask("proxy_pass_url=http%3A%2F%2F169.254.169.254%2F".to_owned())
        .await
        .text();
    assert!(
        forbidden.contains("It was not asked") && forbidden.contains("data-fault=\"proxy_pass_url\""),
        "{forbidden}"
    );
    assert!(
        ask("proxy_pass_url=ftp%3A%2F%2Fx".to_owned())
            .await
            .text()
            .contains("must start with")
    );
    assert_eq!(
        ask("proxy_pass_url=http%3A%2F%2Fx&editing=%2Fnothing".to_owned())
            .await
            .status,
        200
    );
    let servers = gateway.admin().get("/api/servers").await.value();
    assert_eq!(servers["total_count"], 1, "but for our own server: {servers}");
    // Who may not register may not ask either: it would show what listens where.
    let nobody = gateway.member("bob", &["nobody-knows"]);
    let form = format!("proxy_pass_url={}", upstream.url);
    assert_eq!(nobody.form("/register/try", &form).await.status, 403);
    let elsewhere = gateway.signed_in().await.with("sec-fetch-site", "cross-site");
    assert_eq!(elsewhere.form("/register/try", &form).await.status, 403);
    assert!(!gateway.log().contains("a-secret-of-mine"));
}

#[tokio::test]
async fn too_many_trials_at_once_are_no_fault_of_the_server() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::new();
    let browser = asking_for_parts(&gateway).await;
    let form = format!("proxy_pass_url=http://{}", silent.local_addr().unwrap());
    let (mut waiting, mut held) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let (browser, form) = (browser.clone(), form.clone());
        waiting.push(tokio::spawn(
            async move { browser.form("/register/try", &form).await },
        ));
        held.push(silent.accept().await.unwrap());
    }
    let fifth = browser.form("/register/try", &form).await.text();
    assert!(
        fifth.contains("It was not asked: too many") && !fifth.contains("does not answer as it should"),
        "{fifth}"
    );
    for one in waiting {
        one.abort();
    }
}

#[tokio::test]
async fn who_registers_without_seeing_the_list_is_told_that_it_is_saved() {
    let policy = "UI-Scopes: {maker: {register_service: [all]}}\ngroup_mappings: {makers: [maker]}\n";
    let upstream = Upstream::new().await;
    let gateway = Setup::new().with_policy(policy).start();
    let ada = gateway.member("ada", &["makers"]).with("accept", "text/html");
    let form = format!(
        "name=Weather&path=%2Fweather&description=d&proxy_pass_url={}",
        upstream.url
    );
    let done = ada.form("/register", &form).await;
    assert_eq!(done.status, 303, "{}", done.text());
    until("the page says that it is saved", || async {
        let page = ada.get(done.header("location")).await.text();
        page.replace("&#x2F;", "/")
            .contains("<code>/weather</code> is saved")
    })
    .await;
    // Nobody is told so of a server that is not there, or who could not have done it.
    let page = ada.get("/?saved=%2Fnothing").await.text();
    assert!(!page.contains("is saved"), "{page}");
    let bob = gateway
        .member("bob", &["nobody-knows"])
        .with("accept", "text/html");
    let page = bob.get("/?saved=%2Fweather").await.text();
    assert!(!page.contains("is saved"), "{page}");
}

#[tokio::test]
async fn removing_asks_and_needs_the_right() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/weather", &upstream.url).await;
    let browser = reader(gateway.signed_in().await);
    assert!(browser.get("/remove/weather").await.text().contains("Calls to"));
    let nobody = gateway.member("bob", &["mcp-registry-user"]);
    assert_eq!(nobody.form("/remove/weather", "").await.status, 403);
    assert_eq!(browser.form("/remove/weather", "csrf_token=0").await.status, 403);
    let gone = browser.form("/remove/weather", "").await;
    assert_eq!((gone.status, gone.header("location")), (303, "/"));
    assert_eq!(browser.get("/remove/weather").await.status, 404);
}

#[tokio::test]
async fn what_is_almost_right_is_refused_by_field_and_nothing_is_changed() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/w", &upstream.url).await;
    let admin = gateway.admin();
    let rows = [
        ("/toggle/w", json!({"enabled": "zz"}), "enabled"),
        ("/toggle/w", json!({"enabled": 7}), "enabled"),
        (
            "/api/servers/groups/create",
            json!({"group_name": ".."}),
            "group_name",
        ),
        (
            "/api/tokens/generate",
            json!({"description": "a\u{0}b"}),
            "description",
        ),
        (
            "/api/management/servers",
            json!({"server_name": "a\nb", "path": "/n", "proxy_pass_url": upstream.url}),
            "server_name",
        ),
    ];
    for (path, body, field) in rows {
        let refused = admin.json(path, &body).await;
        assert_eq!(refused.status, 422, "{path} {body}: {}", refused.text());
        assert!(refused.text().contains(field), "{path}: {}", refused.text());
    }
    let states = admin.get("/api/servers/health").await;
    assert_ne!(states.value()["/w"]["status"], "disabled", "{}", states.text());
    // A question that is asked twice is refused as programs and people read it.
    let twice = admin.get("/api/tokens?user=a&user=b").await;
    assert_eq!((twice.status, twice.value()["status"].as_u64()), (400, Some(400)));
    let person = gateway.anonymous().with("accept", "text/html");
    assert_eq!(person.get("/login?next=%2Fa&next=%2Fb").await.status, 200);
    // Where the sign-in would not lead back to is not carried along: nginx has a limit for a header.
    let long = person.get(&format!("/usage?server={}", "/".repeat(5_500))).await;
    assert_eq!(
        (long.status, long.header("location")),
        (303, "/login"),
        "{}",
        long.text()
    );
}
