//! A Set-Cookie field: under terms it fulfils them, keeps its name and value, and a second time nothing changes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::set_cookie::{SameSite, SetCookie, Terms};

fuzz_target!(|bytes: &[u8]| {
    let strict = Terms { secure: true, http_only: true, same_site: Some(SameSite::Lax) };
    for terms in [strict, Terms::default()] {
        let once = SetCookie::parse(bytes).under(terms);
        assert_eq!(SetCookie::parse(&once).under(terms), once);
        assert_eq!(SetCookie::parse(&once).name(), SetCookie::parse(bytes).name());
        let pair = bytes.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        assert!(once.starts_with(pair));
        let parts: Vec<&[u8]> = once.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii).collect();
        let count = |name: &[u8]| parts.iter().filter(|part| part.eq_ignore_ascii_case(name)).count();
        if terms == strict {
            assert_eq!((count(b"Secure"), count(b"HttpOnly")), (1, 1));
            assert_eq!(count(b"SameSite=Lax") + count(b"SameSite=Strict"), 1);
        }
        assert!(count(b"SameSite=None") == 0 || count(b"Secure") == 1 && terms != strict);
    }
});
