//! Which byte may stand where: RFC 9110 section 5.6.2, RFC 3986 section 2.

const TOKEN: u8 = 1;
const NAME: u8 = 2;
const VALUE: u8 = 4;
const TARGET: u8 = 8;
const HOST: u8 = 16;

/// One table, so that a class costs one load a byte.
static CLASSES: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a slip does not build")]
const fn classes() -> [u8; 256] {
    let mut table = [0_u8; 256];
    let mut byte = 0_u8;
    loop {
        let mut class = 0;
        if byte.is_ascii_alphanumeric() {
            class |= TOKEN | NAME | VALUE | TARGET | HOST;
        }
        if matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'`' | b'|' | b'~'
        ) {
            class |= TOKEN | NAME;
        }
        if byte == b'_' {
            class |= TOKEN;
        }
        if byte == b'\t' || byte == b' ' || (byte >= 0x21 && byte != 0x7f) {
            class |= VALUE;
        }
        if matches!(byte, b'-' | b'.' | b'_' | b'~') {
            class |= TARGET | HOST;
        }
        // sub-delims, pchar's `:` and `@`, the delimiters; and `[ ]`, which browsers send as they are.
        if matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
            || matches!(byte, b':' | b'@' | b'/' | b'?' | b'[' | b']')
        {
            class |= TARGET;
        }
        table[byte as usize] = class;
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

pub(super) fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// A token without `_`, which folds with `-` in CGI-style backends.
pub(super) fn is_field_name(byte: u8) -> bool {
    is(byte, NAME)
}

pub(super) fn is_field_value(byte: u8) -> bool {
    is(byte, VALUE)
}

/// What may stand in a target unescaped; `%` is not among them.
pub(super) fn is_target(byte: u8) -> bool {
    is(byte, TARGET)
}

pub(super) fn is_host(byte: u8) -> bool {
    is(byte, HOST)
}
