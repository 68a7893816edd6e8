//! Plain scalars by the YAML 1.2 core schema (section 10.3.2), resolved only when a type asks.

/// Whether a plain scalar is null.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A plain scalar as a boolean.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A plain scalar as a whole number.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let unsigned = |digits: &str, radix: u32| {
        // `from_str_radix` would take a second sign.
        let good = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        good.then(|| i128::from_str_radix(digits, radix).ok()).flatten()
    };
    if let Some(octal) = text.strip_prefix("0o") {
        unsigned(octal, 8)
    } else if let Some(hexadecimal) = text.strip_prefix("0x") {
        unsigned(hexadecimal, 16)
    } else {
        unsigned(digits, 10).map(|number| sign * number)
    }
}

/// A plain scalar as a finite number.
pub(super) fn float(text: &str) -> Option<f64> {
    let numeric = text.chars().any(|c| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    numeric.then(|| text.parse::<f64>().ok()).flatten().filter(|number| number.is_finite())
}
