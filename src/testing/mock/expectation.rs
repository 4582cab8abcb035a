//! The expectations of a mock, and their answers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Book;
use super::answer::MockAnswer;
use super::call::MockCall;
use super::matching::Matcher;
use crate::backend::scripted::Reply;
use crate::error::ErrorKind;
use crate::params::Params;
use crate::row::Row;

/// An expectation that has no answer yet. It takes effect with the call that gives it one:
/// [`returns`](Expectation::returns), [`changes`](Expectation::changes), [`fails`](Expectation::fails) or
/// [`answers`](Expectation::answers).
#[must_use = "an expectation counts once it has an answer"]
pub struct Expectation<'m> {
    book: &'m Book,
    matcher: Matcher,
    params: Option<Params>,
    times: Times,
    latency: Duration,
}

/// How often an expectation is met.
#[derive(Debug, Clone, Copy)]
enum Times {
    AtLeastOnce,
    AnyNumber,
    Exactly(u64),
}

/// An expectation with its answer. It is asked without a lock, because a test's closure may ask the mock in turn.
pub(super) struct Expected {
    pub(super) matcher: Matcher,
    params: Option<Params>,
    times: Times,
    used: AtomicU64,
    answer: Answer,
}

#[derive(Clone)]
pub(super) enum Answer {
    Always(MockAnswer),
    By(Arc<dyn Fn(&MockCall) -> MockAnswer + Send + Sync>, Duration),
}

impl Answer {
    pub(super) fn reply(&self, call: &MockCall) -> Reply {
        match self {
            Answer::Always(answer) => answer.clone().into_reply(),
            Answer::By(answer, latency) => {
                let mut reply = answer(call).into_reply();
                reply.latency += *latency;
                reply
            }
        }
    }
}

impl fmt::Debug for Expectation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expectation").field("of", &format_args!("{}", self.matcher)).finish_non_exhaustive()
    }
}

impl<'m> Expectation<'m> {
    pub(super) fn new(book: &'m Book, matcher: Matcher) -> Expectation<'m> {
        Expectation { book, matcher, params: None, times: Times::AtLeastOnce, latency: Duration::ZERO }
    }

    /// Matches only calls with these parameter values; parameters that are not named here may have any value. Values
    /// are compared as [`Value`](crate::Value)s, so `7_i32` equals `7_i64`, but `7` does not equal `"7"`.
    pub fn with(mut self, params: Params) -> Expectation<'m> {
        self.params = Some(params);
        self
    }

    /// Must be used exactly once; further calls go to later expectations.
    pub fn once(self) -> Expectation<'m> {
        self.times(1)
    }

    /// Must be used exactly this many times; further calls go to later expectations. Default: any number of times, but
    /// at least once.
    pub fn times(mut self, times: u64) -> Expectation<'m> {
        self.times = Times::Exactly(times);
        self
    }

    /// May also not be used at all.
    pub fn optional(mut self) -> Expectation<'m> {
        self.times = Times::AnyNumber;
        self
    }

    /// Delays the answer by this time. A call that has less time fails with a timeout.
    pub fn after(mut self, latency: Duration) -> Expectation<'m> {
        self.latency = latency;
        self
    }

    /// Answers with these rows.
    pub fn returns(self, rows: impl IntoIterator<Item = Row>) {
        self.says(MockAnswer::rows(rows));
    }

    /// Answers with this number of changed rows.
    pub fn changes(self, rows: u64) {
        self.says(MockAnswer::changed(rows));
    }

    /// Answers with an error of this kind; see [`MockAnswer::error`].
    pub fn fails(self, kind: ErrorKind) {
        self.says(MockAnswer::error(kind));
    }

    /// Answers with the result of `answer` for the call.
    pub fn answers(self, answer: impl Fn(&MockCall) -> MockAnswer + Send + Sync + 'static) {
        let answer = Answer::By(Arc::new(answer), self.latency);
        self.end(answer);
    }

    fn says(self, answer: MockAnswer) {
        let answer = Answer::Always(answer.after(self.latency));
        self.end(answer);
    }

    fn end(self, answer: Answer) {
        let Expectation { book, matcher, params, times, .. } = self;
        let expected = Expected { matcher, params, times, used: AtomicU64::new(0), answer };
        book.entries().expected.push(Arc::new(expected));
    }
}

impl Expected {
    /// Whether it can still be met.
    pub(super) fn is_left(&self) -> bool {
        self.has_left(self.used())
    }

    fn has_left(&self, used: u64) -> bool {
        !matches!(self.times, Times::Exactly(times) if used >= times)
    }

    fn used(&self) -> u64 {
        self.used.load(Ordering::SeqCst)
    }

    /// Whether it is about this call.
    pub(super) fn takes(&self, call: &MockCall) -> bool {
        self.matcher.fits(call) && self.different(call).is_none()
    }

    /// The first parameter that is another than expected.
    fn different(&self, call: &MockCall) -> Option<&str> {
        let wanted = self.params.as_ref()?;
        wanted.names().find(|name| call.param(name) != wanted.get(name))
    }

    /// Counts one use and says what is answered; `None` when another thread has had the last one.
    pub(super) fn take(&self) -> Option<Answer> {
        let counted = self
            .used
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| self.has_left(used).then_some(used + 1));
        counted.is_ok().then(|| self.answer.clone())
    }

    /// Why a call with the right text was not answered by this.
    pub(super) fn why_not(&self, call: &MockCall) -> Option<String> {
        if !self.matcher.fits(call) {
            return None;
        }
        Some(match self.different(call) {
            Some(name) => format!("an expectation has this text, and its parameter `{name}` another value"),
            None => format!("an expectation has this text, and was used up after {} times", self.used()),
        })
    }

    /// What is missing.
    pub(super) fn complaint(&self) -> Option<String> {
        let wanted = match self.times {
            Times::AnyNumber => return None,
            Times::AtLeastOnce if self.used() > 0 => return None,
            Times::Exactly(times) if self.used() == times => return None,
            Times::AtLeastOnce => "at least once".to_owned(),
            Times::Exactly(times) => format!("{times} times"),
        };
        Some(format!("{}: expected {wanted}, used {} times", self.matcher, self.used()))
    }
}
