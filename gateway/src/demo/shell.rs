//! Lines that can be pasted into a shell.

use std::borrow::Cow;

/// The text as one word of a POSIX shell's line.
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-:=@".contains(&byte));
    if plain && !text.is_empty() { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_quotes_gets_them() {
        assert_eq!(word("/tmp/a-b_c.pem"), "/tmp/a-b_c.pem");
        for (text, quoted) in
            [("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$(reboot)", "'$(reboot)'"), ("~", "'~'")]
        {
            assert_eq!(word(text), quoted);
        }
    }
}
