//! What the strict reader takes and refuses.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Message, Unreadable> {
    Message::read(text.as_bytes())
}

#[test]
fn what_is_named_deep_inside_is_read_as_strictly() {
    let complete = |reference: &str| {
        read(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{{"ref":{reference}}}}}"#
        ))
    };
    let named = |reference: &str| complete(reference).unwrap().thing().map(str::to_owned);
    assert_eq!(
        named(r#"{"type":"ref/prompt","name":"p","uri":"x:y"}"#).as_deref(),
        Some("p")
    );
    assert_eq!(
        named(r#"{"type":"ref/resource","uri":"x:y"}"#).as_deref(),
        Some("x:y")
    );
    for nameless in [
        "{}",
        r#"{"type":"ref/tool","name":"p"}"#,
        r#"{"type":"ref/prompt"}"#,
    ] {
        assert!(complete(nameless).unwrap().lacks_its_name(), "{nameless}");
    }
    for odd in [
        "7",
        r#"{"type":"ref/prompt","name":"a","name":"b"}"#,
        r#"{"type":"ref/prompt","name":"a","Name":"b"}"#,
    ] {
        assert_eq!(complete(odd).unwrap_err().code, -32600, "{odd}");
    }
    let listen = |wanted: &str| {
        read(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{wanted}}}}}"#
        ))
    };
    assert_eq!(
        listen(r#"{"resourceSubscriptions":["a:1","b:2"]}"#)
            .unwrap()
            .resources,
        ["a:1", "b:2"]
    );
    assert!(listen("{}").unwrap().resources.is_empty());
    for odd in [
        r#"{"resourceSubscriptions":"a"}"#,
        r#"{"resourceSubscriptions":["a",1]}"#,
        "[]",
    ] {
        assert_eq!(listen(odd).unwrap_err().code, -32600, "{odd}");
    }
    // The same words mean nothing in other methods.
    assert!(read(r#"{"jsonrpc":"2.0","method":"x","params":{"ref":1,"notifications":false}}"#).is_ok());
}

#[test]
fn plain_messages_are_read() {
    let call = read(
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"now","arguments":{"name":1}}}"#,
    );
    let call = call.unwrap();
    assert_eq!(
        (call.shape, call.method.as_str(), call.thing()),
        (Shape::Request, "tools/call", Some("now"))
    );
    assert_eq!(call.id, Value::from(7));
    let escaped =
        read(r#" {"jsonrpc":"2.0","id":"a","m\u0065thod":"tools\/call","params":{"n\u0061me":"n\u006fw"}} "#);
    assert_eq!(escaped.unwrap().thing(), Some("now"));
    assert_eq!(
        read(r#"{"jsonrpc":"2.0","method":"ping"}"#).unwrap().shape,
        Shape::Notification
    );
    assert_eq!(
        read(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).unwrap().shape,
        Shape::Response
    );
    let modern = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:b","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let modern = read(modern).unwrap();
    assert_eq!(
        (modern.thing(), modern.meta_version.as_deref()),
        (Some("a:b"), Some("2026-07-28"))
    );
}

#[test]
fn tricks_are_refused() {
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{}1{}}}"#,
        "[".repeat(65),
        "]".repeat(65)
    );
    let rows: &[(&str, i32)] = &[
        ("", -32700),
        ("nonsense", -32700),
        ("\u{feff}{\"jsonrpc\":\"2.0\",\"method\":\"x\"}", -32700),
        (r#"[{"jsonrpc":"2.0","method":"x"}]"#, -32600),
        (r#""text""#, -32600),
        (
            r#"{"jsonrpc":"2.0","method":"x"} {"jsonrpc":"2.0","method":"y"}"#,
            -32700,
        ),
        (r#"{"jsonrpc":"2.0","method":"x"}]"#, -32700),
        (r#"{"jsonrpc":"2.0","method":"x","method":"y"}"#, -32600),
        (r#"{"jsonrpc":"2.0","method":"x","m\u0065thod":"y"}"#, -32600),
        (r#"{"jsonrpc":"2.0","method":"x","Method":"y"}"#, -32600),
        (r#"{"jsonrpc":"2.0","method":"x","paramſ":{"name":"y"}}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","method":"x","params":{},"params":{}}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"x","params":{"name":"a","name":"b"}}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"x","params":{"name":"a","NAME":"b"}}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"x","params":{"taskId":"a","taſKid":"b"}}"#,
            -32600,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, -32600),
        (r#"{"jsonrpc":"1.0","method":"x"}"#, -32600),
        (r#"{"method":"x"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#, -32600),
        (r#"{"jsonrpc":"2.0","method":7}"#, -32600),
        (r#"{"jsonrpc":"2.0","method":"x","params":[1]}"#, -32600),
        (r#"{"jsonrpc":"2.0","method":"x","params":{"name":1}}"#, -32600),
        (&deep, -32600),
    ];
    for (text, code) in rows {
        let refused = read(text).expect_err(text);
        assert_eq!(refused.code, *code, "{text}: {refused}");
    }
    assert!(Message::read(b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}").is_err());
    let utf16: Vec<u8> =
        r#"{"jsonrpc":"2.0","method":"x"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(Message::read(&utf16).is_err());
    let with_id = read(r#"{"jsonrpc":"1.0","id":5,"method":"x"}"#).unwrap_err();
    assert_eq!(with_id.id, Value::from(5));
}

proptest! {
    /// Whatever is taken means the same to an ordinary parser that lets the last key win.
    #[test]
    fn what_is_taken_means_the_same_to_others(
        keys in prop::collection::vec(("jsonrpc|id|method|params|Method|x", "\"2.0\"|1|\"a\"|\\{\\}|\\{\"name\":\"n\"\\}|null"), 0..6)
    ) {
        let body: Vec<String> = keys.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let body = format!("{{{}}}", body.join(","));
        if let Ok(message) = Message::read(body.as_bytes()) {
            let plain: Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(plain.get("method").and_then(Value::as_str).unwrap_or_default(), &message.method);
            let name = plain.pointer("/params/name").and_then(Value::as_str);
            prop_assert_eq!(name, message.name.as_deref());
        }
    }
}
