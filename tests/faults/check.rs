//! What a test has found: figures to tell, and promises that were not kept.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The longest time for which this process got no processor, in microseconds.
static STANDSTILL: AtomicU64 = AtomicU64::new(0);

/// How long the machine stood still in this test: what a thread that sleeps for 5 ms overslept. Limits on time are
/// longer by that much, and the test's line says so.
pub(crate) fn standstill() -> Duration {
    Duration::from_micros(STANDSTILL.load(Ordering::SeqCst))
}

/// Watches for standstills as long as the process lasts.
pub(crate) fn watch_machine() {
    let watch = || loop {
        const NAP: Duration = Duration::from_millis(5);
        let started = Instant::now();
        thread::sleep(NAP);
        let overslept = started.elapsed().saturating_sub(NAP).as_micros();
        STANDSTILL.fetch_max(u64::try_from(overslept).unwrap_or(u64::MAX), Ordering::SeqCst);
    };
    thread::Builder::new().name("proxy-metronome".to_owned()).spawn(watch).unwrap();
}

/// What stood still before is forgotten.
pub(crate) fn forget_standstill() {
    STANDSTILL.store(0, Ordering::SeqCst);
}

/// The findings of one test. A test in which nothing was injected has proven nothing, and falls short.
#[derive(Debug, Default)]
pub(crate) struct Check {
    told: Vec<String>,
    short: Vec<String>,
    injected: u64,
    violations: u64,
}

impl Check {
    /// A figure for the test's line.
    pub(crate) fn tell(&mut self, figure: impl Into<String>) {
        self.told.push(figure.into());
    }

    /// So many faults were injected.
    pub(crate) fn injected(&mut self, faults: u64) {
        self.injected += faults;
    }

    /// So many broken promises were seen. For the runs without protection, which must see some.
    pub(crate) fn violated(&mut self, times: u64) {
        self.violations += times;
    }

    pub(crate) fn expect(&mut self, holds: bool, promise: impl FnOnce() -> String) {
        if !holds {
            self.short.push(promise());
        }
    }

    pub(crate) fn equal<T: PartialEq + Display>(&mut self, what: &str, found: T, wanted: T) {
        self.expect(found == wanted, || format!("{what}: {found} in place of {wanted}"));
    }

    pub(crate) fn at_most<T: PartialOrd + Display>(&mut self, what: &str, found: T, most: T) {
        self.expect(found <= most, || format!("{what}: {found}, at most {most} allowed"));
    }

    pub(crate) fn within(&mut self, what: &str, took: Duration, limit: Duration) {
        self.expect(took <= limit + standstill(), || format!("{what}: {took:.0?}, {limit:?} allowed"));
    }

    /// The end of the line, and whether the test has passed. A run without protection passes when it has seen what
    /// the protection is for.
    pub(crate) fn verdict(mut self, red: bool) -> (String, bool) {
        if self.injected == 0 {
            self.short.push("no fault was injected".to_owned());
        }
        if red {
            if self.violations == 0 {
                self.short.push("no violation was seen".to_owned());
            } else {
                self.told.push(format!("{} violations seen", self.violations));
            }
        }
        self.told.push(format!("{} faults", self.injected));
        if standstill() > Duration::from_millis(20) {
            self.told.push(format!("the machine stood still for up to {:.0?}", standstill()));
        }
        let told = self.told.join(", ");
        if self.short.is_empty() {
            return (format!("{told} … ok"), true);
        }
        const MOST: usize = 8;
        let more = self.short.len().saturating_sub(MOST);
        self.short.truncate(MOST);
        let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
        (format!("{told} … FELL SHORT: {}{rest}", self.short.join("; ")), false)
    }
}

/// The value that `share` of all values do not exceed. Sorts them.
pub(crate) fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let place = (values.len() as f64 * share).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or_default()
}
