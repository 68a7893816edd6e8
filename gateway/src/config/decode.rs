//! The tree to typed values, finding every problem in one call.
//!
//! Serde stops at its first error, and a visitor cannot be used twice. So the decoder goes through the
//! document in rounds: an error is recorded, its node is *dropped* (left out next time), and the whole is
//! decoded again until nothing new turns up. What a drop makes go missing is not reported; where a struct
//! insists on it, a *stand-in* keeps the round going. A result that needed either is never handed out.

mod access;
mod fault;
mod node;
mod session;
mod stand_in;

use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::tree::Node;
use session::Session;

/// Rounds at most; each finds at least one problem. Nobody reads more at once.
const MAX_ROUNDS: usize = 200;

/// Reads a type from a document. All problems come back in the order of the file. The value is there
/// whenever it could be built whole: beside no problems, or beside unknown keys only.
pub fn decode<T: DeserializeOwned>(root: &Node) -> (Option<T>, Vec<Problem>) {
    let session = Session::new(root);
    for _ in 0..MAX_ROUNDS {
        let result = T::deserialize(node::Decoder::new(root, &session));
        match result {
            Ok(value) => return (session.is_whole().then_some(value), session.finish()),
            Err(fault) => {
                session.place(root, None, fault);
            }
        }
        if session.is_dropped(root) {
            break;
        }
    }
    (None, session.finish())
}
