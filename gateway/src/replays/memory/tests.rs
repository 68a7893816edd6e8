use proptest::prelude::*;

use super::*;

const ME: Owner = 1;

fn id(number: u128) -> Id {
    number.to_le_bytes()
}

fn accept(memory: &mut Memory, number: u128, until: u32) {
    memory.accept(&[id(number)], Second(until));
}

#[track_caller]
fn assert_judged(memory: &mut Memory, number: u128, now: u32, expected: Judgement) {
    assert_eq!(memory.judge(&[id(number)], Second(now)), expected);
}

#[test]
fn times_are_rounded_so_that_nothing_is_forgotten_early() {
    for (now, ttl, until) in [
        (0, 0, 0),
        (0, 1, 1),
        (1, 999, 1),
        (1, 1000, 2),
        (1_800_000_000_001, 300_000, 1_800_000_301),
        (-1, 1, 0),
        (-5000, 1000, 0),
        (i64::MAX, u64::MAX, u32::MAX),
        (0, u64::MAX, u32::MAX),
    ] {
        assert_eq!(Second::after(now, ttl), Second(until), "{now} + {ttl}");
    }
    for (now, second) in [(0, 0), (999, 0), (1000, 1), (-1, 0), (i64::MAX, u32::MAX), (i64::MIN, 0)] {
        assert_eq!(Second::of(now), Second(second), "{now}");
    }
}

#[test]
fn an_id_is_remembered_until_its_time() {
    let mut memory = Memory::new(10);
    accept(&mut memory, 1, 100);
    for (now, expected) in [
        (0, Judgement::Seen),
        (99, Judgement::Seen),
        (100, Judgement::Free),
        (99, Judgement::Seen),
        (u32::MAX, Judgement::Free),
        (99, Judgement::Seen),
    ] {
        assert_judged(&mut memory, 1, now, expected);
    }
    accept(&mut memory, 1, 50);
    assert_judged(&mut memory, 1, 99, Judgement::Seen);
    accept(&mut memory, 1, 150);
    assert_judged(&mut memory, 1, 149, Judgement::Seen);
}

#[test]
fn the_end_of_time_never_comes() {
    let mut memory = Memory::new(1);
    accept(&mut memory, 1, u32::MAX);
    assert_judged(&mut memory, 1, u32::MAX, Judgement::Seen);
    assert_judged(&mut memory, 2, u32::MAX, Judgement::Full);
    assert_judged(&mut memory, 1, u32::MAX, Judgement::Seen);
}

#[test]
fn one_seen_is_seen_and_one_reserved_is_in_flight() {
    let mut memory = Memory::new(10);
    accept(&mut memory, 1, 100);
    memory.take(&[id(2)], ME);
    let mut judged = |numbers: &[u128]| {
        let ids: Vec<Id> = numbers.iter().copied().map(id).collect();
        memory.judge(&ids, Second(50))
    };
    assert_eq!(judged(&[3, 2, 1]), Judgement::Seen);
    assert_eq!(judged(&[3, 2]), Judgement::InFlight);
    assert_eq!(judged(&[3, 4]), Judgement::Free);
}

#[test]
fn a_reservation_is_released_by_its_owner_alone() {
    let mut memory = Memory::new(10);
    memory.take(&[id(1), id(2)], ME);
    memory.take(&[id(3)], 7);
    memory.release(&[id(1), id(3)], 7);
    assert_eq!(memory.owners(&[id(1), id(2), id(3)]), [ME]);
    memory.release_all(ME);
    assert_eq!(memory.taken().len(), 0);
    memory.take(&[id(1)], ME);
    accept(&mut memory, 1, 9);
    memory.release(&[id(1)], ME);
    assert_judged(&mut memory, 1, 8, Judgement::Seen);
}

#[test]
fn at_the_bound_only_what_is_over_makes_room() {
    let mut memory = Memory::new(3);
    for (number, until) in [(1, 100), (2, 200)] {
        accept(&mut memory, number, until);
    }
    memory.take(&[id(3)], ME);
    assert_judged(&mut memory, 4, 99, Judgement::Full);
    // Over, but a caller who began a minute ago may still ask for it.
    assert_judged(&mut memory, 4, 100 + GRACE - 1, Judgement::Full);
    assert_judged(&mut memory, 4, 100 + GRACE, Judgement::Free);
    assert_eq!(memory.judge(&[id(4), id(5)], Second(100 + GRACE)), Judgement::Full);
    assert_judged(&mut memory, 2, 100 + GRACE, Judgement::Seen);
    memory.release(&[id(3)], ME);
    assert_eq!(memory.judge(&[id(4), id(5)], Second(100 + GRACE)), Judgement::Free);
}

#[test]
fn a_clock_that_goes_back_opens_nothing() {
    let mut memory = Memory::new(1);
    accept(&mut memory, 1, 1000);
    // The clock runs ahead for a moment, and what is over then is forgotten.
    assert_judged(&mut memory, 2, 1_000_000, Judgement::Free);
    assert_eq!(memory.accepted().len(), 0);
    // Back again, nobody knows whether this one was accepted.
    assert_judged(&mut memory, 1, 500, Judgement::Doubtful);
    assert_judged(&mut memory, 3, 999, Judgement::Doubtful);
    accept(&mut memory, 4, 2000);
    assert_judged(&mut memory, 4, 500, Judgement::Seen);
    // It lasts no longer than the forgotten ids would have been remembered.
    assert_judged(&mut memory, 5, 1000, Judgement::Full);
    memory.start_over(Second(700));
    assert_judged(&mut memory, 1, 699, Judgement::Doubtful);
    assert_judged(&mut memory, 1, 700, Judgement::Free);
}

#[test]
fn what_is_over_takes_no_room_for_long() {
    let mut memory = Memory::new(1_000_000);
    let mut largest = 0;
    for now in 0..50_000_u32 {
        assert_judged(&mut memory, now.into(), now, Judgement::Free);
        accept(&mut memory, now.into(), now + 10);
        largest = largest.max(memory.accepted().len());
    }
    assert!(largest <= FEW + 1, "{largest}");
    // And a rush of them leaves no empty hall.
    for number in 0..100_000 {
        accept(&mut memory, number, 60_000);
    }
    assert!(memory.accepted.capacity() >= 100_000);
    assert_judged(&mut memory, 1, 70_000, Judgement::Free);
    assert!(memory.accepted.capacity() < 5 * FEW, "{}", memory.accepted.capacity());
}

#[test]
fn with_room_for_all_nothing_is_forgotten() {
    let mut memory = Memory::new(usize::MAX);
    for number in 0..5000 {
        accept(&mut memory, number, 10);
        assert_judged(&mut memory, number + 1, 1_000_000, Judgement::Free);
    }
    assert_judged(&mut memory, 0, 9, Judgement::Seen);
}

proptest! {
    /// Whatever the clock does, an id is free only if it is neither reserved nor to be remembered, and there is room.
    #[test]
    fn nothing_that_is_remembered_is_free(
        most in 1..6_usize,
        steps in prop::collection::vec((0..8_u128, 0..400_u32, 0..400_u32, 0..3_u8), 1..80),
    ) {
        let mut memory = Memory::new(most);
        let mut accepted: HashMap<u128, u32> = HashMap::new();
        let mut taken: Vec<u128> = Vec::new();
        let mut latest = 0;
        for (number, now, ttl, then) in steps {
            latest = now.max(latest);
            let is_remembered = accepted.get(&number).is_some_and(|until| now < *until);
            let alive = accepted.values().filter(|until| latest < **until + GRACE).count() + taken.len();
            let judgement = memory.judge(&[id(number)], Second(now));
            match judgement {
                Judgement::Seen => prop_assert!(is_remembered),
                Judgement::InFlight => prop_assert!(!is_remembered && taken.contains(&number)),
                Judgement::Doubtful => prop_assert!(now < latest - GRACE),
                Judgement::Full => prop_assert!(alive + usize::from(!taken.contains(&number)) > most || now < latest),
                Judgement::Free => {
                    prop_assert!(!is_remembered && !taken.contains(&number));
                    memory.take(&[id(number)], ME);
                    taken.push(number);
                }
            }
            prop_assert!(memory.accepted.len() + memory.taken.len() <= most);
            if let Some(held) = taken.pop() {
                match then {
                    0 => taken.push(held),
                    1 => memory.release(&[id(held)], ME),
                    _ => {
                        memory.accept(&[id(held)], Second(now + ttl));
                        let until = accepted.entry(held).or_insert(0);
                        *until = (now + ttl).max(*until);
                    }
                }
            }
        }
    }
}
