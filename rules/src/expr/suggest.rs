//! "Did you mean …?"

use super::fields::{self, Standing};

/// How far a name may be from what was meant, in letters added, left out, changed or swapped.
const SLIPS: usize = 2;

/// The known name that `wrong` was most likely meant to be.
pub(super) fn nearest<'n>(wrong: &str, known: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    if wrong.len() > 80 {
        return None;
    }
    let low = wrong.to_ascii_lowercase();
    let distance = |name: &'n str| (strsim::damerau_levenshtein(&low, name), name);
    let close = known.clone().map(distance).filter(|(far, name)| *far <= SLIPS && *far * 2 < name.len());
    close.min_by_key(|(far, _)| *far).map(|(_, name)| name).or_else(|| by_segments(&low, known))
}

/// The shortest name that ends like `wrong` and has all its segments, in order: `http.headers.names` stands for
/// `http.request.headers.names`, and `user` for `portcullis.user`.
fn by_segments<'n>(wrong: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // What `limits` call the address.
    let wrong = if wrong == "ip" { "ip.src" } else { wrong };
    let last = wrong.rsplit('.').next()?;
    let fits = |name: &&str| {
        let mut segments = name.split('.');
        name.rsplit('.').next() == Some(last)
            && wrong.split('.').all(|part| segments.any(|segment| segment == part))
    };
    known.filter(fits).min_by_key(|name| name.len())
}

/// What to do about a field that is not there or cannot be had.
pub(super) fn field(wrong: &str) -> String {
    let known = fields::rows().filter(|row| !matches!(row.standing, Standing::Unavailable(_)));
    let names = known.map(|row| row.name);
    match nearest(wrong, names.clone().filter(|name| *name != wrong)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("available are {}", beside(wrong, &names)),
    }
}

/// Some names that begin as `wrong` does, or else where names begin.
fn beside<'n>(wrong: &str, names: &(impl Iterator<Item = &'n str> + Clone)) -> String {
    const FEW: usize = 12;
    let mut family = wrong;
    while let Some((above, _)) = family.rsplit_once('.') {
        family = above;
        let within = |name: &&str| name.strip_prefix(family).is_some_and(|rest| rest.starts_with('.'));
        let found: Vec<String> = names.clone().filter(within).map(|name| format!("`{name}`")).collect();
        if !found.is_empty() {
            let more = if found.len() > FEW { " and others" } else { "" };
            return found.into_iter().take(FEW).collect::<Vec<_>>().join(", ") + more;
        }
    }
    "fields that begin with `http.`, `ip.src`, `cf.`, `raw.http.` and `portcullis.`, and `ssl`".to_owned()
}
