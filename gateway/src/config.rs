//! The configuration: from the text of a file to typed values, or to every problem in it at once.
//!
//! The way of a file: [`Source`] (text with lines and columns) → [`parse`] (YAML or JSON to a tree
//! of located nodes) → [`interpolate`] (`${NAME}` from the environment) → [`decode`] (the tree to
//! any `Deserialize` type) → [`Report`] (problems as a person or a program reads them).
//!
//! Rules for the types that are decoded:
//! * plain structs, enums, `Option`, `Vec`, maps, [`OneOrMany`](rules::shapes::OneOrMany) keep every place;
//!   `#[serde(flatten)]`, `untagged` and internally tagged enums buffer their input and lose it, so none are used;
//! * unknown keys are found by the decoder itself: `deny_unknown_fields` is not needed;
//! * an error made with `serde::de::Error::custom` may carry its remedy after a line break.

pub mod compile;
pub mod key_file;
pub mod load;
pub mod raw;

mod decode;
mod document;
mod inside;
mod interpolate;
mod mask;
mod notices;
mod problem;
mod report;
mod scalar;
mod source;
mod suggest;
mod syntax;
mod tree;
mod yaml;

pub use decode::decode;
pub use interpolate::interpolate;
pub use problem::{Note, Problem};
pub use report::{Report, wants_colour};
pub use source::{Place, Source};
pub(crate) use suggest::remedy_or_all;
pub use tree::{Node, Origin, Patch, Scalar, Value};
pub use yaml::parse;

#[cfg(test)]
mod tests;
