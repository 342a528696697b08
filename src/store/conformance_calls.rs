//! What every backend owes the call log.

use super::Store;
use crate::domain::call::{Call, Filter, Kept, Place, Way};
use crate::domain::usage::{By, Tally, Window};

fn call(at_ms: i64, server: &str, principal: &str, status: u16) -> Call {
    Call {
        at_ms,
        request_id: format!("r{at_ms}"),
        status,
        duration_ms: 5,
        bytes_in: 1,
        bytes_out: 2,
        way: Way::Carried,
        server: server.to_owned(),
        method: "tools/call".to_owned(),
        tool: "it's \"x\"".to_owned(),
        principal: principal.to_owned(),
    }
}

/// Rows come with their place, are found in their order, counted, and go when they are old or too many.
pub(super) async fn calls_are_kept_with_their_place_found_counted_and_trimmed(store: &dyn Store) {
    let place = |file, offset| Place { file, offset };
    // The clock was set back between the third and the fourth.
    let calls = vec![
        call(1000, "/a", "user ada", 200),
        call(2000, "/b", "user bob", 404),
        call(3000, "/a", "client ada", 502),
        call(1500, "/a", "user ada", 200),
    ];
    let (first, rest) = calls.split_at(1);
    store
        .write_calls(first.to_vec(), Some(place(u64::MAX, 10)))
        .await
        .unwrap();
    store
        .write_calls(rest.to_vec(), Some(place(7, 99)))
        .await
        .unwrap();
    store
        .write_calls(Vec::new(), Some(place(u64::MAX, 20)))
        .await
        .unwrap();
    let mut places = store.call_places().await.unwrap();
    places.sort_by_key(|place| place.file);
    assert_eq!(places, [place(7, 99), place(u64::MAX, 20)]);
    store.keep_call_places(vec![7, 8]).await.unwrap();
    assert_eq!(store.call_places().await.unwrap(), [place(7, 99)]);

    let list = |filter: Filter, between, most| async move {
        let kept: Vec<Kept> = store.calls(filter, between, most).await.unwrap();
        kept.into_iter()
            .map(|kept| (kept.id, kept.call.at_ms))
            .collect::<Vec<_>>()
    };
    let all = (0, i64::MAX);
    let everything = store.calls(Filter::default(), all, 9).await.unwrap();
    let in_order: Vec<Call> = everything.iter().rev().map(|kept| kept.call.clone()).collect();
    assert_eq!(in_order, calls);
    assert_eq!(list(Filter::default(), (2, 4), 9).await, [(3, 3000)]);
    assert_eq!(list(Filter::default(), all, 2).await, [(4, 1500), (3, 3000)]);
    let filter = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    };
    let ada = filter(|filter| filter.principals = Some(["user ada".to_owned(), "client ada".to_owned()]));
    assert_eq!(list(ada, all, 9).await, [(4, 1500), (3, 3000), (1, 1000)]);
    let part = filter(|filter| (filter.from_ms, filter.to_ms) = (Some(1500), Some(3000)));
    assert_eq!(list(part.clone(), all, 9).await, [(4, 1500), (2, 2000)]);
    let errors = filter(|filter| filter.status = Some((400, 499)));
    assert_eq!(list(errors, all, 9).await, [(2, 2000)]);
    let of_a = filter(|filter| (filter.server, filter.tool) = (Some("/a".to_owned()), Some("x".to_owned())));
    assert_eq!(list(of_a, all, 9).await, []);

    let window = Window {
        from_ms: 1500,
        to_ms: 3000,
        step_ms: 1000,
    };
    let tally = || Tally::new(window, By::Server);
    let (counted, complete) = store.tally_calls(part.clone(), 2, tally()).await.unwrap();
    let usage = counted.finish();
    assert_eq!(
        (
            complete,
            usage.totals.calls,
            usage.totals.errors,
            usage.series.len()
        ),
        (true, 2, 1, 2)
    );
    let (counted, complete) = store.tally_calls(part, 1, tally()).await.unwrap();
    assert_eq!(
        (complete, counted.finish().totals.errors),
        (false, 0),
        "the newest one"
    );

    assert_eq!(store.trim_calls(0, 3, 10).await.unwrap(), 1);
    assert_eq!(
        store.trim_calls(2500, 3, 10).await.unwrap(),
        1,
        "the newest row stays, whatever its time"
    );
    assert_eq!(list(Filter::default(), all, 9).await, [(4, 1500), (3, 3000)]);
    assert_eq!(store.trim_calls(i64::MAX, 3, 10).await.unwrap(), 1);
    store
        .write_calls(vec![call(1, "/a", "", 200)], None)
        .await
        .unwrap();
    assert_eq!(
        list(Filter::default(), all, 9).await,
        [(5, 1), (4, 1500)],
        "no id is given again"
    );
}
