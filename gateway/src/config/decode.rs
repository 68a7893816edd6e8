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
    let mut rounds = 0;
    while rounds < MAX_ROUNDS && !session.is_dropped(root) {
        rounds += 1;
        let before = session.progress();
        match T::deserialize(node::Decoder::new(root, &session)) {
            Ok(value) => return (session.is_whole().then_some(value), session.finish()),
            Err(fault) => {
                session.place(root, None, fault);
            }
        }
        // A visitor that fails whatever it is given would go on for ever.
        if session.progress() == before {
            break;
        }
    }
    let mut problems = session.finish();
    if problems.is_empty() {
        problems.push(Problem::whole("the file cannot be read"));
    } else if rounds == MAX_ROUNDS {
        problems.push(Problem::whole("there may be more problems than these").remedy("mend these first"));
    }
    (None, problems)
}
