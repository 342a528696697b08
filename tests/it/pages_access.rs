//! Groups, scopes, machines, keys, sessions and tokens on pages: for whom, and never a secret twice.

use crate::harness::{Actor, Gateway, PASSWORD, Setup, Upstream, tool_call};
use crate::pages_server::{browser, reader};

/// A form's field.
fn field(name: &str, value: &str) -> String {
    serde_urlencoded(&[(name, value)])
}

fn serde_urlencoded(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key}={}", encode(value)))
        .collect();
    pairs.join("&")
}

/// The text of the only element of this kind.
pub fn inside<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let rest = page
        .split(before)
        .nth(1)
        .unwrap_or_else(|| panic!("{before}: {page}"));
    rest.split(after).next().unwrap()
}

#[tokio::test]
async fn pages_of_administrators_are_for_them_alone() {
    let gateway = Gateway::new();
    let ada = reader(gateway.member("ada", &["mcp-servers-unrestricted"]));
    for path in [
        "/access",
        "/access/scopes",
        "/access/scopes/mcp-registry-admin",
        "/access/groups/mcp-registry-admin",
        "/access/explain?server=x",
        "/access/keys",
        "/access/machines",
        "/access/sessions",
    ] {
        let refused = ada.get(path).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text().contains("This is not yours to see"), "{path}");
        let shown = reader(gateway.admin()).get(path).await;
        assert_eq!(shown.status, 200, "{path}");
        let nobody = reader(gateway.anonymous()).get(path).await;
        assert_eq!(nobody.status, 303, "{path}");
    }
    for (path, form) in [
        ("/access", "group_name=mine"),
        ("/access/scopes", "action=save&text=scope_name%3A+mine"),
        ("/access/scopes/mcp-registry-admin", "action=delete"),
        ("/access/groups/mcp-registry-admin", "action=delete"),
        ("/access/machines", "name=mine"),
        ("/access/sessions", "id=0"),
    ] {
        assert_eq!(ada.form(path, form).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn of_many_scopes_and_groups_a_page_shows_some_and_leads_to_all() {
    let names = (0..120).map(|n| format!("g{n:03}"));
    let scopes = names
        .clone()
        .map(|name| format!("{name}: [{{server: w, methods: ['*'], tools: ['*']}}]\n"));
    let many = names.clone().collect::<Vec<_>>().join(", ");
    let groups = names.map(|name| format!("{name}: [{name}]")).collect::<Vec<_>>();
    let policy = format!(
        "group_mappings: {{all: [{many}], {}}}\n{}",
        groups.join(", "),
        scopes.collect::<String>()
    );
    let gateway = Setup::new().with_policy(&policy).start();
    let admin = reader(gateway.admin());
    let page = admin.get("/access").await.text();
    let scopes = inside(&page, "id=\"scopes\"", "</section>");
    let groups = inside(&page, "id=\"groups\"", "</section>");
    for part in [scopes, groups] {
        assert_eq!(part.matches("<td class=\"name\">").count(), 50, "{part}");
        assert!(part.contains("1–50 of 12"), "{part}");
    }
    assert!(groups.contains("and 114 more"), "{groups}");
    assert!(scopes.contains("href=\"/access?scopes=2#scopes\""), "{scopes}");
    let third = admin.get("/access?scopes=3&groups=2").await.text();
    let scopes = inside(&third, "id=\"scopes\"", "</section>");
    assert!(
        scopes.contains("g119") && scopes.contains("href=\"/access?scopes=2&amp;groups=2#scopes\""),
        "{scopes}"
    );
}

#[tokio::test]
async fn a_group_gets_and_loses_scopes_by_ticking_them() {
    let upstream = Upstream::new().await;
    let scope = "[{server: w, methods: ['*'], tools: ['*']}]";
    let policy = format!(
        "group_mappings: {{night/shift: [sees], others: [sees]}}\ndescriptions: {{calls: Calls the weather}}\n\
         sees: [{{server: w, methods: [tools/list]}}]\ncalls: {scope}\nmore: {scope}\n\"odd,name\": {scope}\n"
    );
    let gateway = Setup::new().with_policy(&policy).start();
    gateway.register("/w", &upstream.url).await;
    let (browser, token) = browser(&gateway, "/access").await;
    let send = |path: &'static str, action: &'static str, ticks: &'static [&'static str]| {
        let mut fields = vec![("csrf_token", token.as_str()), ("action", action)];
        fields.extend(
            ticks
                .iter()
                .map(|tick| tick.split_once('=').unwrap_or((tick, "on"))),
        );
        let (browser, form) = (browser.clone(), serde_urlencoded(&fields));
        async move { browser.form(path, &form).await }
    };
    let ada = || async {
        let ada = gateway.member("ada", &["night/shift"]);
        ada.mcp("/w/mcp", &tool_call("x")).await.status
    };
    let here = "/access/groups/night%2Fshift";
    assert!(
        browser
            .get("/access")
            .await
            .text()
            .contains(&format!("href=\"{here}\""))
    );
    let page = browser.get(here).await.text();
    let ticked = |page: &str| -> Vec<String> {
        let boxes = page.split("name=\"has:").skip(1);
        let ticked = boxes.filter(|rest| rest.split('>').next().unwrap().contains("checked"));
        ticked
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ticked(&page), ["sees"], "{page}");
    assert!(
        page.contains("name=\"has:calls\"") && page.contains("Calls the weather"),
        "{page}"
    );

    // Checked: what would come is shown and ticked, and nothing holds yet.
    let checked = send(here, "check", &["had:sees", "has:sees", "has:calls"]).await;
    assert_eq!(checked.status, 200, "{}", checked.text());
    assert_eq!(ticked(&checked.text()), ["sees", "calls"]);
    let change = inside(&checked.text(), "This would change", "</section>").to_owned();
    assert!(
        change.contains("class=\"came\">+     &quot;calls&quot;"),
        "{change}"
    );
    assert_eq!(ada().await, 403);
    let saved = send(here, "save", &["had:sees", "has:sees", "has:calls"]).await;
    let next = "/access/groups/night%2Fshift?saved=yes";
    assert_eq!(
        (saved.status, saved.header("location")),
        (303, next),
        "{}",
        saved.text()
    );
    assert_eq!(ada().await, 200);
    let page = browser.get(next).await.text();
    assert!(
        page.contains("Saved.") && ticked(&page) == ["calls", "sees"],
        "{page}"
    );
    let same = send(here, "check", &["had:sees", "has:sees"]).await.text();
    assert!(same.contains("saving changes nothing"), "{same}");

    // A page from before takes what was unticked on it, and not what somebody else has given since.
    assert_eq!(send(here, "save", &["had:sees"]).await.status, 303);
    assert_eq!(ticked(&browser.get(here).await.text()), ["calls"]);
    assert_eq!(ada().await, 200);
    let others = browser.get("/access/groups/others").await.text();
    assert_eq!(ticked(&others), ["sees"], "another group keeps the scope");

    // What cannot be is said beside its field and stays as it was wished; nobody shuts everybody out.
    let unknown = send(here, "save", &["had:calls", "has:calls", "give=more, <b>"]).await;
    assert_eq!(unknown.status, 422, "{}", unknown.text());
    assert!(unknown.text().contains("id=\"fault-give\"") && unknown.text().contains("value=\"&lt;b&gt;\""));
    assert_eq!(ticked(&unknown.text()), ["calls", "more"]);
    let boss = "/access/groups/mcp-registry-admin";
    let locked = send(boss, "save", &["had:mcp-registry-admin", "sure=yes"]).await;
    assert_eq!(locked.status, 409, "{}", locked.text());

    // A new group, as an identity provider calls it, begins with scopes that are there.
    let made = |fields: &'static [&'static str]| send("/access", "", fields);
    let new = made(&["group_name=8c1f", "give=sees"]).await;
    assert_eq!(
        (new.status, new.header("location")),
        (303, "/access/groups/8c1f"),
        "{}",
        new.text()
    );
    let twice = made(&["group_name=8c1f", "give=calls"]).await;
    assert!(
        twice.status == 409 && twice.text().contains("value=\"calls\""),
        "{}",
        twice.text()
    );
    for (fields, fault) in [
        (&["group_name=9", "give=none"], "fault-give"),
        (&["group_name=9", "give=sees, none"], "fault-give"),
    ] {
        let refused = made(fields).await;
        assert!(
            refused.status == 422 && refused.text().contains(fault),
            "{}",
            refused.text()
        );
    }
    let described = made(&["group_name=9", "give=sees", "description=lost"]).await;
    assert!(described.status == 422 && described.text().contains("fault-description"));
    assert_eq!(browser.get("/access/groups/9").await.status, 404);

    // A scope with a comma in its name is ticked like any other.
    let odd = send(here, "save", &["has:odd,name"]).await;
    assert_eq!(odd.status, 303, "{}", odd.text());
    assert_eq!(ticked(&browser.get(here).await.text()), ["calls", "odd,name"]);

    // A group that loses its last scope is none, as one that is removed; it is asked about, and its scopes stay.
    for (action, ticks) in [
        ("save", ["had:calls", "had:odd,name"].as_slice()),
        ("delete", &[]),
    ] {
        let asked = send(here, action, ticks).await;
        assert!(
            asked.status == 200 && asked.text().contains("Remove this group?"),
            "{}",
            asked.text()
        );
        assert_eq!(ada().await, 200);
    }
    let emptied = send("/access/groups/8c1f", "save", &["had:sees", "sure=yes"]).await;
    assert_eq!((emptied.status, emptied.header("location")), (303, "/access"));
    let removed = send(here, "delete", &["sure=yes"]).await;
    assert_eq!((removed.status, removed.header("location")), (303, "/access"));
    assert_eq!(ada().await, 403);
    assert_eq!(browser.get(here).await.status, 404);
    assert_eq!(browser.get("/access/scopes/calls").await.status, 200);
    // A page from before does not bring it back.
    assert_eq!(send(here, "save", &["has:more"]).await.status, 404);
    assert_eq!(ada().await, 403);
}

#[tokio::test]
async fn a_scope_is_checked_saved_given_back_and_removed_by_forms() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/w", &upstream.url).await;
    let (browser, token) = browser(&gateway, "/access/scopes").await;
    let send = |path: &'static str, action: &'static str, text: String| {
        let form = format!("csrf_token={token}&action={action}&{}", field("text", &text));
        let browser = browser.clone();
        async move { browser.form(path, &form).await }
    };
    let scope = |tools: &str| {
        format!(
            "scope_name: night\ngroup_mappings: [night]\nserver_access: [{{server: w, methods: [tools/call], tools: {tools}}}]\n"
        )
    };
    let ada = || async {
        let ada = gateway.member("ada", &["night"]);
        ada.mcp("/w/mcp", &tool_call("x")).await.status
    };
    // Checked: the difference is shown, and nothing holds yet.
    let checked = send("/access/scopes", "check", scope("[x]")).await;
    assert_eq!(checked.status, 200);
    assert!(checked.text().contains("This would change") && checked.text().contains("class=\"came\""));
    assert_eq!(browser.get("/access/scopes/night").await.status, 404);
    let saved = send("/access/scopes", "save", scope("[x]")).await;
    assert_eq!(
        (saved.status, saved.header("location")),
        (303, "/access/scopes/night?saved=yes"),
        "{}",
        saved.text()
    );
    assert_eq!(ada().await, 200);
    // The same again is said to change nothing; what stands elsewhere in the text already is shown to come all the same.
    let same = send("/access/scopes/night", "check", scope("[x]")).await.text();
    assert!(same.contains("saving changes nothing"), "{same}");
    let wider = scope("[x]").replace("}]", "}, {server: v, methods: [tools/call], tools: [x]}]");
    let wider = send("/access/scopes/night", "check", wider).await.text();
    assert!(
        wider.contains("This would change") && !wider.contains("saving changes nothing"),
        "{wider}"
    );
    // Changed: it counts at once. Nothing else can be changed under its name, and what cannot be read stays typed.
    assert_eq!(
        send("/access/scopes/night", "save", scope("[other]"))
            .await
            .status,
        303
    );
    assert_eq!(ada().await, 403);
    let other = send(
        "/access/scopes/night",
        "save",
        scope("[x]").replace("night\ng", "day\ng"),
    )
    .await;
    assert!(
        other.status == 422 && other.text().contains("its name cannot change here"),
        "{}",
        other.text()
    );
    let twice = send("/access/scopes", "save", scope("[x]")).await;
    assert!(
        twice.status == 422 && twice.text().contains("already"),
        "{}",
        twice.text()
    );
    let odd = send(
        "/access/scopes/night",
        "save",
        "scope_name: night\nserver_access: <b>7".to_owned(),
    )
    .await;
    assert!(
        odd.status == 422 && odd.text().contains("server_access: &lt;b&gt;7"),
        "{}",
        odd.text()
    );
    // Nobody shuts everybody out.
    let page = browser.get("/access/scopes/mcp-registry-admin").await.text();
    assert!(
        page.contains("mcp-registry-admin") && page.contains("as the scopes file says"),
        "{page}"
    );
    let locked = "scope_name: mcp-registry-admin\ngroup_mappings: []\nserver_access: []\n".to_owned();
    let refused = send("/access/scopes/mcp-registry-admin", "check", locked).await;
    assert_eq!(refused.status, 409, "{}", refused.text());

    let forged = browser
        .form("/access/scopes/night", "csrf_token=0&action=delete")
        .await;
    assert_eq!(forged.status, 403);
    let elsewhere = gateway.signed_in().await.with("accept", "text/html");
    let elsewhere = elsewhere.with("sec-fetch-site", "cross-site");
    let sent = elsewhere.form("/access/scopes/night", "action=delete").await;
    assert_eq!(sent.status, 403);
    let removed = send("/access/scopes/night", "delete&sure=yes", String::new()).await;
    assert_eq!((removed.status, removed.header("location")), (303, "/access"));
    assert_eq!(ada().await, 403);

    // A group by its own form; a name twice is said beside its field.
    let form = format!("csrf_token={token}&group_name=day&description=%3Cb%3E");
    let made = browser.form("/access", &form).await;
    assert_eq!(
        (made.status, made.header("location")),
        (303, "/access/scopes/day"),
        "{}",
        made.text()
    );
    let again = browser.form("/access", &form).await;
    assert!(
        again.status == 409
            && again.text().contains("already exists: day")
            && again.text().contains("value=\"&lt;b&gt;\"")
    );
    let explained = browser
        .get("/access/explain?groups=mcp-servers-unrestricted&server=%2Fw&method=tools%2Fcall&tool=x&user=&scopes=&permission=")
        .await
        .text();
    assert!(explained.contains("state good\">Allowed"), "{explained}");
    assert!(!explained.contains("No such server"), "{explained}");
    // What is not there is said, whatever the rules would allow.
    for (question, words) in [
        (
            "groups=mcp-servers-unrestricted&server=%2Fwether",
            "No such server is registered.",
        ),
        (
            "user=somebody-elsewhere&server=%2Fw",
            "Nobody of this name has a local account",
        ),
    ] {
        let told = browser
            .get(&format!("/access/explain?{question}&method=tools%2Fcall&tool=x"))
            .await
            .text();
        assert!(told.contains(words), "{told}");
    }
    let half = browser.get("/access/explain?groups=x&server=&permission=").await;
    assert!(
        half.status == 422 && half.text().contains("name a server, or a permission"),
        "{}",
        half.text()
    );
}

#[tokio::test]
async fn of_two_windows_on_a_scope_the_later_one_is_told_of_the_earlier() {
    let gateway = Gateway::new();
    let (browser, token) = browser(&gateway, "/access/scopes").await;
    let etag = |page: &str| inside(page, "name=\"if_match\" value=\"", "\"").to_owned();
    let save = |if_match: String, words: &str| {
        let text = format!(
            "scope_name: night\ndescription: {words}\nserver_access: [{{server: nowhere, methods: [tools/call], tools: [x]}}]\n"
        );
        let fields = [
            ("csrf_token", &*token),
            ("action", "save"),
            ("if_match", &*if_match),
            ("text", &*text),
        ];
        let form = serde_urlencoded(&fields);
        let browser = browser.clone();
        async move { browser.form("/access/scopes/night", &form).await }
    };
    let new = save(String::new(), "first").await;
    assert_eq!(new.header("location"), "/access/scopes/night?saved=yes");
    let page = browser.get("/access/scopes/night?saved=yes").await.text();
    assert!(page.contains("Saved. It counts from now on."), "{page}");
    assert!(
        page.contains("No server is registered under this name: <code>nowhere</code>"),
        "{page}"
    );
    let seen = etag(&page);
    assert_eq!(save(seen.clone(), "of the one window").await.status, 303);
    let late = save(seen, "of the other").await;
    let text = late.text();
    assert_eq!(late.status, 409, "{text}");
    assert!(
        text.contains("Somebody has changed it meanwhile") && text.contains("description: of the other"),
        "{text}"
    );
    // What saving would undo is shown, and whoever saves it again means it.
    assert!(
        inside(&text, "This would change", "</section>").contains("of the one window"),
        "{text}"
    );
    assert_eq!(save(etag(&text), "of the other").await.status, 303);
    assert!(
        browser
            .get("/access/scopes/night")
            .await
            .text()
            .contains("of the other")
    );
}

#[tokio::test]
async fn the_secret_of_a_machine_is_shown_once_and_keys_never() {
    let keys =
        r#"{"ci": {"key": "a-key-that-nobody-may-ever-see-0123456789", "groups": ["mcp-registry-admin"]}}"#;
    let gateway = Setup::new()
        .with_variable("REGISTRY_API_KEYS", keys)
        .with_variable("REGISTRY_STATIC_TOKEN_AUTH_ENABLED", "true")
        .start();
    let (browser, token) = browser(&gateway, "/access/machines").await;
    let form = format!("csrf_token={token}&name=bot&groups=mcp-registry-admin&description=%3Cb%3E");
    let made = browser.form("/access/machines", &form).await;
    assert_eq!(
        (made.status, made.header("cache-control")),
        (201, "no-store"),
        "{}",
        made.text()
    );
    let made = made.text();
    let secret = inside(&made, "class=\"copied\"><code>", "</code>").to_owned();
    assert!(secret.len() > 20, "{secret}");
    let login = serde_urlencoded(&[
        ("grant_type", "client_credentials"),
        ("client_id", "bot"),
        ("client_secret", &secret),
    ]);
    let granted = gateway.anonymous().form("/api/auth/token", &login).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let list = browser.get("/access/machines").await.text();
    assert!(list.contains(">bot<") && !list.contains(&secret), "{list}");
    let twice = browser.form("/access/machines", &form).await;
    assert!(
        twice.status == 409 && twice.text().contains("value=\"bot\""),
        "{}",
        twice.text()
    );
    let nameless = browser
        .form("/access/machines", &format!("csrf_token={token}&name=&groups=x"))
        .await;
    assert!(
        nameless.status == 422 && nameless.text().contains("class=\"fault\" id=\"fault-name\""),
        "{}",
        nameless.text()
    );
    let gone = browser
        .form(
            "/access/machines",
            &format!("csrf_token={token}&action=remove&name=bot&sure=yes"),
        )
        .await;
    assert_eq!(gone.status, 303);
    assert_ne!(
        gateway.anonymous().form("/api/auth/token", &login).await.status,
        200
    );

    let keys = browser.get("/access/keys").await.text();
    assert!(
        keys.contains(">ci<") && !keys.contains("nobody-may-ever-see"),
        "{keys}"
    );
}

/// One session, and the id that lists give it.
async fn another_session(gateway: &Gateway, lister: &Actor, page: &str) -> (Actor, String) {
    let before = lister.get(page).await.text();
    let other = gateway.signed_in().await;
    let after = lister.get(page).await.text();
    let ids = |page: &str| -> Vec<String> {
        let ids = page.split("name=\"id\" value=\"").skip(1);
        ids.map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    };
    let known = ids(&before);
    let new = ids(&after)
        .into_iter()
        .find(|id| !known.contains(id))
        .expect(&after);
    (other, new)
}

#[tokio::test]
async fn sessions_are_ended_on_pages() {
    let gateway = Gateway::new();
    let (browser, token) = browser(&gateway, "/access/sessions").await;
    for (page, action) in [
        ("/access/sessions", "&sure=yes"),
        ("/tokens", "&action=end&sure=yes"),
    ] {
        let (other, id) = another_session(&gateway, &browser, page).await;
        assert_eq!(other.get("/api/auth/me").await.status, 200);
        let ended = browser
            .form(page, &format!("csrf_token={token}&id={id}{action}"))
            .await;
        assert_eq!((ended.status, ended.header("location")), (303, page));
        assert_eq!(other.get("/api/auth/me").await.status, 401);
        let again = browser
            .form(page, &format!("csrf_token={token}&id={id}{action}"))
            .await;
        assert_eq!(again.status, 404);
    }
    // One's own browser is told apart from the others, on both pages once.
    for page in ["/access/sessions", "/tokens"] {
        let text = browser.get(page).await.text();
        assert_eq!(text.matches(">this browser<").count(), 1, "{page}: {text}");
    }
    // They are told apart by what they were begun with.
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let form = format!("username=admin&password={}", PASSWORD.replace(' ', "+"));
    let there = gateway.anonymous().with("user-agent", firefox);
    assert_eq!(there.form("/login", &form).await.status, 303);
    for page in ["/access/sessions", "/tokens"] {
        assert!(
            browser.get(page).await.text().contains("Firefox on Linux"),
            "{page}"
        );
    }
    // Nobody ends somebody else's by the page of their own.
    let (other, id) = another_session(&gateway, &browser, "/access/sessions").await;
    let ada = reader(gateway.member("ada", &["mcp-servers-unrestricted"]));
    assert_eq!(
        ada.form("/tokens", &format!("action=end&id={id}&sure=yes"))
            .await
            .status,
        404
    );
    assert_eq!(other.get("/api/auth/me").await.status, 200);
}

#[tokio::test]
async fn without_a_script_a_page_asks_before_what_cannot_be_taken_back() {
    let gateway = Gateway::new();
    let (browser, token) = browser(&gateway, "/access/machines").await;
    for (page, form, status) in [
        ("/access/machines", "name=bot&groups=mcp-registry-admin", 201),
        ("/access", "group_name=day", 303),
    ] {
        let made = browser.form(page, &format!("csrf_token={token}&{form}")).await;
        assert_eq!(made.status, status, "{}", made.text());
    }
    let (other, id) = another_session(&gateway, &browser, "/access/sessions").await;
    let own = format!("action=end&id={id}");
    let ended = format!("id={id}");
    let rows = [
        (
            "/access/machines",
            "action=remove&name=bot",
            "Remove this account?",
            "/access/machines",
        ),
        (
            "/access/scopes/day",
            "action=delete",
            "Remove this scope?",
            "/access/scopes/day",
        ),
        (
            "/access/scopes/day",
            "action=reset",
            "Give it back to the file?",
            "/access/scopes/day",
        ),
        (
            "/access/sessions",
            &ended,
            "End this session?",
            "/access/sessions",
        ),
        ("/tokens", &own, "End this session?", "/tokens"),
        (
            "/tokens",
            "action=revoke&id=0&everybody=true",
            "Revoke this token?",
            "/tokens?user=*",
        ),
    ];
    for (at, form, title, back) in rows {
        let asked = browser.form(at, &format!("csrf_token={token}&{form}")).await;
        let text = asked.text().replace("&#x2F;", "/");
        assert_eq!(asked.status, 200, "{at} {form}: {text}");
        assert!(
            text.contains(&format!(">{title}</h1>")) && text.contains(&format!("action=\"{at}\"")),
            "{at} {form}: {text}"
        );
        assert!(text.contains(&format!("href=\"{back}\"")), "{back}: {text}");
        // The yes is the same form once more.
        for pair in form.split('&').chain(["sure=yes"]) {
            let (name, value) = pair.split_once('=').unwrap();
            assert!(
                text.contains(&format!("name=\"{name}\" value=\"{value}\"")),
                "{pair}: {text}"
            );
        }
    }
    // Nothing has happened yet.
    assert!(browser.get("/access/machines").await.text().contains(">bot<"));
    assert_eq!(browser.get("/access/scopes/day").await.status, 200);
    assert_eq!(other.get("/api/auth/me").await.status, 200);
    let sure = format!("csrf_token={token}&{ended}&sure=yes");
    assert_eq!(browser.form("/access/sessions", &sure).await.status, 303);
    assert_eq!(other.get("/api/auth/me").await.status, 401);
    // A program meant what it sent.
    let program = gateway.admin();
    let gone = program.form("/access/machines", "action=remove&name=bot").await;
    assert_eq!(gone.status, 303, "{}", gone.text());
}

#[tokio::test]
async fn a_refused_field_says_so_to_a_screen_reader() {
    let gateway = Gateway::new();
    let (browser, token) = browser(&gateway, "/tokens").await;
    for (page, form, field, status) in [
        ("/access/machines", "name=&groups=x", "name", 422),
        ("/access", "group_name=", "group_name", 422),
        (
            "/tokens",
            "action=show&scope_method=custom&custom_scopes=x",
            "requested_scopes",
            422,
        ),
        // Scopes that nobody gave are no fault of the whole form either.
        (
            "/tokens",
            "action=show&scope_method=custom&custom_scopes=%5B%22x%22%5D",
            "requested_scopes",
            403,
        ),
        // Scopes that were typed are never passed over.
        (
            "/tokens",
            "action=show&scope_method=user&custom_scopes=%5B%22x%22%5D",
            "requested_scopes",
            422,
        ),
    ] {
        let refused = browser.form(page, &format!("csrf_token={token}&{form}")).await;
        let text = refused.text();
        assert_eq!(refused.status, status, "{page}: {text}");
        let marked = format!("aria-invalid=\"true\" aria-describedby=\"fault-{field}\"");
        assert!(
            text.contains(&marked) && text.contains(&format!("id=\"fault-{field}\"")),
            "{page}: {text}"
        );
        assert_eq!(text.matches("aria-invalid").count(), 1, "{page}: {text}");
    }
}

#[tokio::test]
async fn a_token_is_shown_once_kept_as_a_file_and_revoked() {
    let gateway = Gateway::new();
    let (browser, token) = browser(&gateway, "/tokens").await;
    let wish = |action: &str, more: &str| {
        format!(
            "csrf_token={token}&action={action}&expires_in_hours=1&scope_method=user&description=laptop{more}"
        )
    };
    let made = browser.form("/tokens", &wish("show", "")).await;
    assert_eq!(
        (made.status, made.header("cache-control")),
        (201, "no-store"),
        "{}",
        made.text()
    );
    let made = made.text();
    let secret = inside(&made, "readonly spellcheck=\"false\">", "</textarea>").to_owned();
    let bearer = gateway.anonymous().bearer(&secret);
    assert_eq!(bearer.get("/api/auth/me").await.status, 200);
    let list = browser.get("/tokens").await.text();
    assert!(
        list.contains("laptop") && !list.contains(&secret) && !list.contains("Your new token"),
        "{list}"
    );

    // The same document as a file, from the page that shows it and at once.
    let document = inside(&made, "name=\"document\" value=\"", "\"")
        .replace("&quot;", "\"")
        .replace("&#x2F;", "/");
    let saved = browser
        .form(
            "/tokens",
            &format!("csrf_token={token}&action=save&{}", field("document", &document)),
        )
        .await;
    assert_eq!(saved.value()["tokens"]["access_token"], secret.as_str());
    let at_once = browser.form("/tokens", &wish("download", "")).await;
    for file in [&saved, &at_once] {
        assert_eq!(
            (file.status, file.header("content-type")),
            (200, "application/json")
        );
        let name = file.header("content-disposition");
        let date = inside(name, "attachment; filename=\"mcp-registry-api-tokens-", ".json\"");
        assert!(date.len() == 10 && date.starts_with("20"), "{name}");
    }
    assert_eq!(at_once.value()["tokens"]["expires_in"], 3600);
    let markup = format!("csrf_token={token}&action=save&{}", field("document", "<script>"));
    assert_eq!(browser.form("/tokens", &markup).await.status, 422);

    // Fewer scopes; none that one does not hold; what cannot be read stays typed.
    let fewer = browser
        .form(
            "/tokens",
            &wish(
                "download",
                &format!(
                    "&scope_method=custom&{}",
                    field("custom_scopes", "[\"mcp-registry-admin\"]")
                ),
            ),
        )
        .await;
    assert_eq!(
        fewer.value()["tokens"]["scope"],
        "mcp-registry-admin",
        "{}",
        fewer.text()
    );
    let more = browser
        .form(
            "/tokens",
            &wish(
                "show",
                &format!(
                    "&scope_method=custom&{}",
                    field("custom_scopes", "[\"not-mine\"]")
                ),
            ),
        )
        .await;
    assert_eq!(more.status, 403, "{}", more.text());
    let odd = browser
        .form(
            "/tokens",
            &wish("show", "&scope_method=custom&custom_scopes=%3Cb%3E"),
        )
        .await;
    assert!(
        odd.status == 422 && odd.text().contains("&lt;b&gt;</textarea>"),
        "{}",
        odd.text()
    );
    let long = browser
        .form("/tokens", &wish("show", "&expires_in_hours=99"))
        .await;
    assert!(
        long.status == 422 && long.text().contains("id=\"fault-expires_in_hours\""),
        "{}",
        long.text()
    );
    assert_eq!(
        browser.form("/tokens", "csrf_token=0&action=show").await.status,
        403
    );

    let id = inside(&list, "name=\"id\" value=\"", "\"").to_owned();
    let revoked = browser
        .form(
            "/tokens",
            &format!("csrf_token={token}&action=revoke&id={id}&sure=yes"),
        )
        .await;
    assert_eq!((revoked.status, revoked.header("location")), (303, "/tokens"));
    assert_eq!(bearer.get("/api/auth/me").await.status, 401);
    assert!(browser.get("/tokens").await.text().contains("revoked"));
    // Everybody's for administrators alone.
    let ada = reader(gateway.member("ada", &["mcp-servers-unrestricted"]));
    assert_eq!(ada.get("/tokens").await.status, 200);
    assert_eq!(ada.get("/tokens?user=*").await.status, 403);
    assert!(browser.get("/tokens?user=*").await.text().contains("Everybody"));
}
