//! Where key pairs come from: one file a source.

pub mod dev;
pub mod files;
