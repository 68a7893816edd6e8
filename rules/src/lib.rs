//! What may pass: the pure core of portcullis. Facts in, verdict out; no I/O, no clock, no threads.

pub mod framing;
pub mod verdict;
