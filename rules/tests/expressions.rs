//! What is compiled says what a naive interpreter says, which was written without looking at the compiler.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken expectation is how a test says so"
)]

use proptest::prelude::*;

#[path = "expressions/naive.rs"]
mod naive;

use self::naive::{Dice, Expr, World};

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn compiled_and_naive_agree(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut dice = Dice::new(&bytes);
        let expr = Expr::random(&mut dice);
        let worlds: Vec<World> = (0..4).map(|_| World::random(&mut dice)).collect();
        naive::agree(&expr, &worlds);
    }

    #[test]
    fn an_index_finds_whatever_holds(bytes in prop::collection::vec(any::<u8>(), 0..1000)) {
        let mut dice = Dice::new(&bytes);
        let worlds: Vec<World> = (0..4).map(|_| World::random(&mut dice)).collect();
        let exprs: Vec<Expr> = (0..12).map(|_| Expr::random(&mut dice)).collect();
        naive::found(&exprs, &worlds);
    }
}

/// The naive interpreter is no use if it meets nothing: over many expressions both answers come, often.
#[test]
fn the_random_expressions_are_worth_asking() {
    let (mut yes, mut no) = (0, 0);
    for seed in 0..2000_u64 {
        let bytes: Vec<u8> = (0..200_u64).map(|at| noise(seed * 1000 + at)).collect();
        let mut dice = Dice::new(&bytes);
        let expr = Expr::random(&mut dice);
        let world = World::random(&mut dice);
        if expr.holds(&world) {
            yes += 1;
        } else {
            no += 1;
        }
        naive::agree(&expr, &[world]);
    }
    assert!(yes > 300 && no > 300, "{yes} yes, {no} no");
}

/// Bytes that look random and are always the same.
fn noise(seed: u64) -> u8 {
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u8::try_from(mixed >> 56).unwrap_or(0)
}
