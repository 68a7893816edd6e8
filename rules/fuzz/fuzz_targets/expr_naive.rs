//! Random expressions and requests: what is compiled says what the naive interpreter of the tests says, and an index
//! finds whatever holds.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/expressions/naive.rs"]
mod naive;

use self::naive::{Dice, Expr, World};

fuzz_target!(|bytes: &[u8]| {
    let mut dice = Dice::new(bytes);
    let expr = Expr::random(&mut dice);
    let worlds = [World::random(&mut dice), World::random(&mut dice)];
    naive::agree(&expr, &worlds);
    naive::found(&[expr, Expr::random(&mut dice), Expr::random(&mut dice)], &worlds);
});
