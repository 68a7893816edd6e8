//! A path: what is forwarded reads as what was matched.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let Ok(path) = Path::parse(bytes) else { return };
    let again = Path::parse(path.forward().as_bytes()).expect("what is forwarded is a path");
    assert_eq!((again.as_str(), again.forward()), (path.as_str(), path.forward()));
    assert!(path.segments().all(|segment| segment != "." && segment != ".."));
});
