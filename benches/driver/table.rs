//! The printed table, and how two sides are measured beside each other.

use std::time::{Duration, Instant};

use crate::sum::Sum;

/// What a ratio, or a measured value, is held to.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
    /// For the record only.
    None,
}

impl Bar {
    fn verdict(self, value: f64) -> &'static str {
        match self {
            Bar::AtLeast(bar) if value >= bar => "ok",
            Bar::AtMost(bar) if value <= bar => "ok",
            Bar::None => "",
            _ => "short",
        }
    }
}

impl std::fmt::Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Bar::AtLeast(bar) => format!("≥ {bar:.2}"),
            Bar::AtMost(bar) => format!("≤ {bar:.2}"),
            Bar::None => String::new(),
        };
        f.pad(&text)
    }
}

/// One side's share of a round: how long it took, and the sum of what it read.
pub(crate) type Measured = (Duration, Sum);

/// Runs `work` and measures it.
pub(crate) fn timed(work: impl FnOnce() -> Sum) -> Measured {
    let started = Instant::now();
    let sum = work();
    (started.elapsed(), sum)
}

/// What is printed, line by line.
pub(crate) struct Table {
    short: usize,
}

impl Table {
    pub(crate) fn begin() -> Table {
        let table = Table { short: 0 };
        println!(
            "{:<44} {:>12} {:>12} {:>8} {:>8}  verdict",
            "what", "batchdb", "bare driver", "ratio", "bar"
        );
        table
    }

    /// A line whose value was measured by itself.
    pub(crate) fn line(&mut self, what: &str, ours: &str, bare: &str, value: f64, bar: Bar) {
        let verdict = bar.verdict(value);
        self.short += usize::from(verdict == "short");
        println!("{what:<44} {ours:>12} {bare:>12} {value:>8.3} {bar:>8}  {verdict}");
    }

    /// A line that needs no ratio.
    pub(crate) fn note(&mut self, what: &str, ours: &str) {
        println!("{what:<44} {ours:>12}");
    }

    /// How fast ours is in relation to the bare side: the median of the rounds' ratios. Where the bar is the most that
    /// ours may take, how much longer it takes.
    pub(crate) fn speed(
        &mut self,
        what: &str,
        bar: Bar,
        rounds: usize,
        ours: impl FnMut() -> Measured,
        bare: impl FnMut() -> Measured,
    ) {
        let (ratio, mine, theirs) = median(rounds, ours, bare);
        let value = if matches!(bar, Bar::AtMost(_)) { 1.0 / ratio } else { ratio };
        self.line(what, &shown(mine), &shown(theirs), value, bar);
    }

    pub(crate) fn end(self) {
        println!("{} short of their bars", self.short);
    }
}

/// Measures both sides, in turn: the median ratio of bare to ours, and the round that it is from.
///
/// # Panics
///
/// When the two sides did not read the same.
pub(crate) fn median(
    rounds: usize,
    mut ours: impl FnMut() -> Measured,
    mut bare: impl FnMut() -> Measured,
) -> (f64, Duration, Duration) {
    // Once for each without a clock: connections, caches, the processor's mood.
    assert_eq!(ours().1, bare().1, "the two sides read different values");
    let mut measured: Vec<(f64, Duration, Duration)> = (0..rounds)
        .map(|round| {
            // Who comes first has no advantage over all rounds.
            let (mine, theirs) = if round % 2 == 0 {
                let mine = ours();
                (mine, bare())
            } else {
                let theirs = bare();
                (ours(), theirs)
            };
            assert_eq!(mine.1, theirs.1, "the two sides read different values");
            (theirs.0.as_secs_f64() / mine.0.as_secs_f64(), mine.0, theirs.0)
        })
        .collect();
    measured.sort_by(|a, b| a.0.total_cmp(&b.0));
    measured[rounds / 2]
}

/// A duration in four digits.
pub(crate) fn shown(time: Duration) -> String {
    format!("{time:.2?}")
}
