//! The store as a request sees it.

use rules::meter::{CounterKey, Kind, Meter};

use super::*;

const T: i64 = 1_795_000_000_000;

fn places(max: u32) -> Ask {
    Ask { key: CounterKey(7), meter: Meter::Concurrent { max }, cost: 1 }
}

#[test]
fn places_are_freed_however_a_request_ends() {
    let store = Store::offline(&Terms::default());
    let admission = store.charge_now(&[places(2)], T).unwrap();
    let other = store.clone().charge_now(&[places(2)], T).unwrap();
    assert!(
        matches!(store.charge_now(&[places(2)], T), Err(Denied::Limit(denial)) if denial.kind == Kind::Concurrent)
    );
    drop(other);
    let third = store.charge_now(&[places(2)], T).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _third = third;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert!(store.charge_now(&[places(2)], T).is_ok());
    drop(admission);
    assert_eq!(store.peek(&[Ask { cost: 2, ..places(2) }], T), None);
}
