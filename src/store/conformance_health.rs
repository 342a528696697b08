//! What every backend owes the checks and the catalogue.

use std::time::Duration;

use serde_json::json;

use super::conformance::{at, event, register};
use super::{Check, Store};
use crate::domain::audit::Deed;
use crate::domain::catalog::{Entry, EntryKind, Kept, Plan, take_over};
use crate::domain::health::{Health, Status, Transport};
use crate::domain::held::Which;

fn check(path: &str, second: i64, status: Status) -> Check {
    let health = Health {
        status: status.clone(),
        failures: 1,
        successes: 2,
        checked_at: Some(at(second)),
        changed_at: Some(at(0)),
        latency: Some(Duration::from_millis(7)),
        transport: Some(Transport::Sse),
        tools: Some(3),
        server_name: Some("clock".to_owned()),
        server_version: None,
    };
    Check {
        path: path.to_owned(),
        health,
        seen: status,
    }
}

/// The last check of each server is known, the ones before are its history, and both go with it.
pub(super) async fn checks_are_kept_and_forgotten(store: &dyn Store) {
    register(store, "/h").await.unwrap();
    let down = Status::Unhealthy("it is gone".to_owned());
    let checks = vec![
        check("/h", 1, Status::Healthy),
        check("/never", 2, Status::Healthy),
        check("/h", 3, down.clone()),
    ];
    store.record_checks(checks.clone()).await.unwrap();
    let known = store.health().await.unwrap();
    let last = checks.last().unwrap().health.clone();
    assert_eq!(
        known,
        [("/h".to_owned(), last)],
        "who is not registered has no health"
    );
    let path = "/h".parse().unwrap();
    let history = async |since, most| {
        let past = store.health_history(&path, at(since), most).await.unwrap();
        past.into_iter()
            .map(|past| (past.at, past.status))
            .collect::<Vec<_>>()
    };
    let (old, new) = ((at(1), "healthy".to_owned()), (at(3), down.words()));
    assert_eq!(history(0, 9).await, [new.clone(), old.clone()]);
    assert_eq!(history(2, 9).await, std::slice::from_ref(&new));
    assert_eq!(history(0, 1).await, std::slice::from_ref(&new));
    assert_eq!(store.forget_checks(at(3), 9).await.unwrap(), 1);
    assert_eq!(history(0, 9).await, [new]);
    store
        .remove_server(&path, event(Deed::ServerRemoved, "/h"))
        .await
        .unwrap();
    assert_eq!(
        (store.health().await.unwrap(), history(0, 9).await),
        (vec![], vec![])
    );
}

fn tool(name: &str, description: &str) -> Entry {
    let definition = json!({"name": name, "description": description});
    Entry {
        kind: EntryKind::Tool,
        name: name.to_owned(),
        definition: definition.as_object().unwrap().clone(),
    }
}

/// What a server offers is replaced whole, remembered with its versions, held until it is approved, and bounded.
pub(super) async fn catalogues_are_kept_with_their_versions(store: &dyn Store) {
    register(store, "/c").await.unwrap();
    let path = "/c".parse().unwrap();
    let kept = async || -> Vec<Kept> {
        let rows = store.catalog(Some("/c")).await.unwrap();
        rows.into_iter().map(|(_, kept)| kept).collect()
    };
    let first = take_over(&[], vec![tool("a", "1"), tool("b", "1")], true, true, at(1));
    store.put_catalog("/c", first.clone()).await.unwrap();
    store.put_catalog("/never", first.clone()).await.unwrap();
    assert_eq!(kept().await, first.kept);
    assert_eq!(
        store.catalog(None).await.unwrap().len(),
        2,
        "who is not registered offers nothing"
    );
    let second = take_over(
        &first.kept,
        vec![tool("a", "2"), tool("c", "1")],
        true,
        false,
        at(2),
    );
    store.put_catalog("/c", second.clone()).await.unwrap();
    assert_eq!(kept().await, second.kept);
    let held = |name: &str| ("/c".to_owned(), name.to_owned());
    let mut all = store.held_tools().await.unwrap();
    all.sort();
    assert_eq!(all, [held("a"), held("c")]);
    let mut all = store.tool_names().await.unwrap();
    all.sort();
    assert_eq!(all, [held("a"), held("c")], "what is gone is no tool any more");
    let versions = store.versions(&path, 9).await.unwrap();
    let said: Vec<_> = versions
        .iter()
        .map(|one| (one.name.as_str(), one.definition.is_some(), one.diff.len()))
        .collect();
    assert_eq!(
        said,
        [
            ("c", true, 0),
            ("a", true, 2),
            ("b", false, 4),
            ("b", true, 0),
            ("a", true, 0)
        ]
    );
    let first: Vec<bool> = versions.iter().map(|one| one.is_first).collect();
    assert_eq!(first, [true, false, false, true, true]);
    assert_eq!(store.versions(&path, 2).await.unwrap().len(), 2);

    let approving = event(Deed::CatalogApproved, "/c");
    assert_eq!(
        store
            .approve(&path, Which::Named("a".to_owned()), approving.clone())
            .await
            .unwrap(),
        1
    );
    assert_eq!(store.held_tools().await.unwrap(), [held("c")]);
    let now = kept().await;
    assert_eq!(
        now.first().unwrap().definition.get("description"),
        Some(&json!("2"))
    );
    assert_eq!(
        store.approve(&path, Which::All, approving.clone()).await.unwrap(),
        1
    );
    assert_eq!(store.approve(&path, Which::All, approving).await.unwrap(), 0);

    // Another name with each list: what is remembered of one server does not grow for ever.
    for round in 0..6_u32 {
        let before = kept().await;
        let names = (0..1_000).map(|n| tool(&format!("r{round}-{n}"), "1")).collect();
        let plan: Plan = take_over(&before, names, false, false, at(3));
        store.put_catalog("/c", plan).await.unwrap();
    }
    assert_eq!(store.versions(&path, 100_000).await.unwrap().len(), 5_000);
    store
        .remove_server(&path, event(Deed::ServerRemoved, "/c"))
        .await
        .unwrap();
    assert!(kept().await.is_empty() && store.versions(&path, 9).await.unwrap().is_empty());
}
