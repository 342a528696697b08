//! The first pages, without JavaScript.

use crate::harness::{Gateway, Upstream};

#[tokio::test]
async fn a_person_registers_edits_and_switches_a_server_with_forms_alone() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    let browser = gateway
        .signed_in()
        .await
        .with("accept", "text/html")
        .with("sec-fetch-site", "same-origin");
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
    assert_eq!(text.matches("class=\"fault\"").count(), 2);
    assert!(text.contains("reserved for the gateway") && text.contains("must start with"));

    let form = format!(
        "csrf_token={token}&name=Weather&path=%2Fweather&description=d&proxy_pass_url={}&is_python=false&is_python=true&trusted=false",
        upstream.url
    );
    let done = browser.form("/register", &form).await;
    assert_eq!(
        (done.status, done.header("location")),
        (303, "/"),
        "{}",
        done.text()
    );
    let list = browser.get("/").await.text();
    assert!(list.contains("Weather") && list.contains("state live") && list.contains("not trusted"));
    let again = browser.form("/register", &form).await;
    assert!(again.status == 409 && again.text().contains("Server already exists: /weather"));

    let off = browser
        .form("/toggle/weather", &format!("csrf_token={token}"))
        .await;
    assert_eq!((off.status, off.header("location")), (303, "/"));
    assert!(browser.get("/").await.text().contains("state disabled"));
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
    let history = browser.get("/edit/weather").await.text();
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
