//! What is said to the server: scripts, which it keeps by their hash.

use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, from_redis_value};
use rules::meter::{Ask, CounterKey, Meter, Note, Standing};

use super::link::Line;

/// For so long a place is taken without being renewed, in milliseconds: then its gateway is dead.
pub(super) const LEASE_MS: u64 = 60_000;
/// No time in a counter may have more than 48 bits; this is 1,100 years.
const MOST_MS: u64 = 1 << 45;

/// A script that the server runs in one go.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

/// What is said to one counter.
pub(super) struct Item<'a> {
    pub(super) ask: &'a Ask,
    pub(super) what: What,
    /// The name of the place that it takes, if it takes one.
    pub(super) name: &'a str,
}

#[derive(Clone, Copy)]
pub(super) enum What {
    Ask,
    Note(Note),
}

/// What a counter answered.
pub(super) struct Answer {
    pub(super) standing: Standing,
    /// 0 if it admits.
    pub(super) retry_after_ms: u64,
}

impl Script {
    pub(super) fn counters() -> Self {
        Self::new(include_str!("counters.lua"))
    }

    pub(super) fn renewal() -> Self {
        Self::new(include_str!("renew.lua"))
    }

    fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Has the server know the script, and try it with nothing: whether all is permitted that it needs to begin with.
    pub(super) fn introduction(&self) -> Cmd {
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(self.text).arg(0).arg("");
        cmd
    }

    /// Runs it, introducing it again if the server forgot it.
    pub(super) async fn run(&self, line: &Line, fill: impl Fn(&mut Cmd)) -> RedisResult<Value> {
        let say = |name, script: &str| {
            let mut cmd = redis::cmd(name);
            cmd.arg(script);
            fill(&mut cmd);
            cmd
        };
        match line.say(&say("EVALSHA", &self.hash)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                line.say(&say("EVAL", self.text)).await
            }
            answer => answer,
        }
    }
}

/// The keys and arguments of the script of counters. The time is the server's unless given.
pub(super) fn fill(cmd: &mut Cmd, items: &[Item<'_>], now_ms: Option<i64>) {
    cmd.arg(items.len());
    for item in items {
        cmd.arg(key(item.ask));
    }
    match now_ms {
        Some(now) => cmd.arg(now),
        None => cmd.arg(""),
    };
    for Item { ask, what, name } in items {
        let what = match what {
            What::Ask => "a",
            What::Note(Note::Failure) => "f",
            What::Note(Note::Success) => "s",
            What::Note(Note::Late) => "t",
        };
        let window = |ms: u64| ms.clamp(1, u32::MAX.into());
        let time = |ms: u64| ms.min(MOST_MS);
        let (kind, first, second, third) = match ask.meter {
            Meter::Window { max, window_ms, penalty_ms } => ("w", max, window(window_ms), time(penalty_ms)),
            Meter::Bucket { max, window_ms, burst } => ("b", max, window(window_ms), burst.into()),
            Meter::Concurrent { max } => ("c", max, LEASE_MS, 0),
            Meter::Lock { after, for_ms, most_ms } => ("l", after, time(for_ms), time(most_ms)),
        };
        cmd.arg(kind).arg(what).arg(ask.cost).arg(first).arg(second).arg(third).arg(*name);
    }
}

/// The name of a counter there. Places are another type of value, and must never meet the others under one name.
pub(super) fn key(ask: &Ask) -> String {
    let kind = if matches!(ask.meter, Meter::Concurrent { .. }) { 'p' } else { 'c' };
    let CounterKey(key) = ask.key;
    format!("portcullis:{kind}:{key:032x}")
}

/// The answers to those of the items that ask.
pub(super) fn answers(asks: &[Ask], value: Value) -> Result<Vec<Answer>, RedisError> {
    let numbers: Vec<i64> = from_redis_value(value)?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let answers = asks.iter().zip(numbers.chunks_exact(4)).filter_map(|(ask, numbers)| {
        let [is_admitted, remaining, reset, retry] = *numbers else { return None };
        let limit = super::denials::untouched(&ask.meter).limit;
        let remaining = u32::try_from(remaining).unwrap_or(0);
        let standing = Standing { limit, remaining, reset_ms: unsigned(reset) };
        let retry_after_ms = if is_admitted == 1 { 0 } else { unsigned(retry).max(1) };
        Some(Answer { standing, retry_after_ms })
    });
    let answers: Vec<_> = answers.collect();
    if answers.len() == asks.len() && numbers.len() == 4 * asks.len() {
        return Ok(answers);
    }
    Err(RedisError::from((ErrorKind::UnexpectedReturnType, "not as many answers as questions")))
}
