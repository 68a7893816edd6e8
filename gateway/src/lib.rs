//! x

pub mod mends;
