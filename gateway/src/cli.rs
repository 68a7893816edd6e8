//! The commands.
pub mod explain;
pub mod replay;
pub mod run;
pub mod test;
