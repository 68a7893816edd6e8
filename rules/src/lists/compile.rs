//! Lists as written → lists that rules look things up in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::entries::Entries;
use super::{AddressSet, Kind, List, Lists, RawList};
use crate::host::Host;
use crate::policy::Library;
use crate::problem::{Place, Problem};

/// Problems that one list is reported with at most: a file of another kind would fill the screen.
const MOST: usize = 12;

const SAY_KIND: &str = "say what the list is of: `kind: ip`, `string`, `host` or `asn`";

/// Compiles lists that stand at `at`. Returns them with what an operator should know.
///
/// # Errors
/// Every problem, each with the list, the file and the line.
pub fn compile(
    raw: &BTreeMap<String, RawList>,
    at: &Place,
    library: &dyn Library,
) -> Result<(Lists, Vec<String>), Vec<Problem>> {
    let (mut lists, mut notices, mut problems) = (Lists::new(), Vec::new(), Vec::new());
    for (name, raw) in raw {
        if !is_name(name) {
            let problem = at.key(name).itself().problem(format!("`{name}` cannot be the name of a list"));
            problems
                .push(problem.remedy("use small letters, digits, `_`, and `.` within: rules say `$name`"));
        }
        let mut making = Making { name, at: at.key(name), notices: &mut notices };
        match making.list(raw, library) {
            Ok(list) => drop(lists.insert(name.clone(), Arc::new(list))),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok((lists, notices)) } else { Err(problems) }
}

/// Whether rules can say `$name`.
fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 64 && name.split('.').all(|part| !part.is_empty() && part.bytes().all(legal))
}

/// A list that is being compiled.
struct Making<'a> {
    name: &'a str,
    at: Place,
    notices: &'a mut Vec<String>,
}

impl Making<'_> {
    fn list(&mut self, raw: &RawList, library: &dyn Library) -> Result<List, Vec<Problem>> {
        let bytes;
        let (entries, at) = match (&raw.items, &raw.file) {
            (Some(items), None) => {
                let at = if raw.kind.is_some() { self.at.key("items") } else { self.at.clone() };
                (Entries::of_items(items), at)
            }
            (None, Some(file)) => {
                let at = self.at.key("file");
                bytes = library.file(file).map_err(|why| vec![at.problem(self.told(&why))])?;
                let entries = Entries::of_file(file, &bytes).map_err(|why| {
                    vec![at.problem(self.told(&why)).remedy("write one entry a line; `#` begins a comment")]
                })?;
                (entries, at)
            }
            (None, None) => {
                let problem = self.at.problem(self.told("it has no entries"));
                return Err(vec![problem.remedy("write them as a list, or name a file: `{ file: … }`")]);
            }
            (Some(_), Some(_)) => {
                let problem = self.at.problem(self.told("it has both `items` and a `file`"));
                return Err(vec![problem.remedy("keep one of the two, or make two lists")]);
            }
        };
        let kind = self.kind(raw, &entries, &at)?;
        let list = self.read(kind, &entries, &at)?;
        if list.is_empty() {
            self.notices.push(self.told("it is empty"));
        }
        Ok(list)
    }

    fn told(&self, what: &str) -> String {
        format!("the list `{}`: {what}", self.name)
    }

    fn kind(&self, raw: &RawList, entries: &Entries<'_>, at: &Place) -> Result<Kind, Vec<Problem>> {
        match (raw.kind, entries.kind) {
            (Some(said), Some(told)) if said != told => {
                let problem = format!("it is to be of kind `{said}`, and its file is of kind `{told}`");
                Err(vec![at.problem(self.told(&problem)).remedy("remove `kind`")])
            }
            (Some(kind), _) | (None, Some(kind)) => Ok(kind),
            (None, None) => tell(entries).map_err(|why| vec![at.problem(self.told(&why)).remedy(SAY_KIND)]),
        }
    }

    fn read(&mut self, kind: Kind, entries: &Entries<'_>, at: &Place) -> Result<List, Vec<Problem>> {
        match kind {
            Kind::Ip => {
                let networks: Vec<_> = self.each(entries, at, network)?;
                self.tell_masked(entries, &networks);
                Ok(List::Addresses(AddressSet::new(networks)))
            }
            Kind::Asn => self.each(entries, at, number).map(|numbers: BTreeSet<_>| List::Numbers(numbers)),
            Kind::Host => self.each(entries, at, host).map(|hosts: BTreeSet<_>| List::Hosts(hosts)),
            Kind::String => self.each(entries, at, word).map(|words: BTreeSet<_>| List::Words(words)),
        }
    }

    /// Reads every entry, or tells all that are wrong.
    fn each<T, C: FromIterator<T>>(
        &self,
        entries: &Entries<'_>,
        at: &Place,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Result<C, Vec<Problem>> {
        let (mut problems, mut more) = (Vec::new(), 0);
        let good = entries.of.iter().enumerate().filter_map(|(index, entry)| match read(entry) {
            Ok(value) => Some(value),
            Err(_) if problems.len() == MOST => {
                more += 1;
                None
            }
            Err((what, remedy)) => {
                let (at, place) = match entries.place(entry) {
                    Some(place) => (at.clone(), format!("{place}: ")),
                    None => (at.item(index), String::new()),
                };
                let problem = at.problem(self.told(&format!("{place}`{}` {what}", brief(entry))));
                problems.push(problem.remedy(remedy));
                None
            }
        });
        let good: C = good.collect();
        if more > 0 {
            let problem = at.problem(self.told(&format!("{more} more entries are wrong like these")));
            problems.push(problem.remedy("mend these first, or say another `kind`"));
        }
        if problems.is_empty() { Ok(good) } else { Err(problems) }
    }

    /// A network with bits beyond its prefix is a slip, and one that has only one reading.
    fn tell_masked(&mut self, entries: &Entries<'_>, networks: &[IpNet]) {
        let mut masked =
            networks.iter().zip(&entries.of).filter(|(network, _)| network.addr() != network.network());
        let Some((network, entry)) = masked.next() else { return };
        let place = entries.place(entry).map_or(String::new(), |place| format!("{place}: "));
        let others = match masked.count() {
            0 => String::new(),
            1 => ", and one more like it".to_owned(),
            more => format!(", and {more} more like it"),
        };
        self.notices.push(self.told(&format!("{place}`{entry}` is taken as `{}`{others}", network.trunc())));
    }
}

/// What is wrong with an entry, and what to do about it.
type Wrong = (&'static str, &'static str);

fn network(entry: &str) -> Result<IpNet, Wrong> {
    let read =
        if entry.contains('/') { entry.parse().ok() } else { entry.parse().ok().map(|ip: IpAddr| ip.into()) };
    read.ok_or((
        "is neither an address nor a network",
        "write `203.0.113.7`, `203.0.113.0/24` or `2001:db8::/32`; for other texts say `kind: string`",
    ))
}

fn number(entry: &str) -> Result<i64, Wrong> {
    let digits = entry.strip_prefix("AS").or_else(|| entry.strip_prefix("as")).unwrap_or(entry);
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten();
    number.map(i64::from).ok_or(("is not the number of an autonomous system", "write `AS64500` or `64500`"))
}

fn host(entry: &str) -> Result<String, Wrong> {
    let (star, name) = entry.strip_prefix("*.").map_or(("", entry), |name| ("*.", name));
    let host = Host::parse(name).filter(|host| host.port().is_none());
    host.map(|host| format!("{star}{}", host.name())).ok_or((
        "is not the name of a host",
        "write `example.com`, or `*.example.com` for every name below it; other letters as `xn--…`",
    ))
}

fn word(entry: &str) -> Result<String, Wrong> {
    if entry.is_empty() { Err(("is empty", "remove it")) } else { Ok(entry.to_owned()) }
}

/// What the entries are, by their looks.
///
/// # Errors
/// Where they look like a slip.
fn tell(entries: &Entries<'_>) -> Result<Kind, String> {
    let is_address = |entry: &str| network(entry).is_ok() || resembles_address(entry);
    let (mut address, mut other, mut named) = (None, None, false);
    for entry in &entries.of {
        let seen = if is_address(entry) { &mut address } else { &mut other };
        seen.get_or_insert(entry);
        named |= number(entry).is_err();
        if let (Some(address), Some(other)) = (address, other) {
            return Err(format!(
                "`{}` looks like an address, and `{}` does not",
                brief(address),
                brief(other)
            ));
        }
        if entry.strip_prefix("*.").is_some_and(|name| name.contains('.') && host(name).is_ok()) {
            return Err(format!("`{entry}` looks like a host, and texts are compared as they are"));
        }
    }
    match (address, other) {
        (Some(_), _) => Ok(Kind::Ip),
        (None, Some(_)) => Ok(if named { Kind::String } else { Kind::Asn }),
        (None, None) => Err("it is empty, so nobody knows what it is a list of".to_owned()),
    }
}

/// Whether somebody meant an address, if it is none.
fn resembles_address(entry: &str) -> bool {
    let (address, network) =
        entry.split_once('/').map_or((entry, None), |(address, bits)| (address, Some(bits)));
    let made_of = |letters: fn(char) -> bool| !address.is_empty() && address.chars().all(letters);
    let v4 = made_of(|letter| letter.is_ascii_digit() || letter == '.')
        && (address.matches('.').count() == 3 || network.is_some() && address.contains('.'));
    let v6 = made_of(|letter| letter.is_ascii_hexdigit() || matches!(letter, ':' | '.'))
        && address.matches(':').count() >= 2;
    (v4 || v6) && network.is_none_or(|bits| bits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// As much of an entry as a sentence bears.
fn brief(entry: &str) -> String {
    match entry.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", entry.get(..end).unwrap_or_default()),
        None => entry.to_owned(),
    }
}

#[cfg(test)]
mod tests;
