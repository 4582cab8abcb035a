//! How far long work has come: a bar where a person looks, now and then a plain line anywhere else. On standard error,
//! so that it never mixes with what is printed.

use std::cell::Cell;
use std::io::{self, IsTerminal, Read};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::show::{counted, tell};

/// How often a plain line is written: a log of a night's work must stay readable.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// One piece of long work.
pub(crate) struct Progress {
    verb: &'static str,
    began: Instant,
    /// `None` where nobody looks at a terminal.
    bar: Option<ProgressBar>,
    next_line: Cell<Instant>,
}

impl Progress {
    /// Work that `verb` tells, such as `exported`, on `bytes` of input where that is known.
    pub(crate) fn new(verb: &'static str, bytes: Option<u64>) -> Progress {
        let bar = io::stderr().is_terminal().then(|| {
            let (bar, template) = match bytes {
                Some(bytes) => (
                    ProgressBar::new(bytes),
                    "{elapsed_precise} {wide_bar} {bytes}/{total_bytes} {msg}, {eta} left",
                ),
                None => (ProgressBar::new_spinner(), "{elapsed_precise} {spinner} {msg}"),
            };
            bar.enable_steady_tick(Duration::from_millis(200));
            // A template that cannot be read would leave the default style, which says as much.
            bar.with_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        let began = Instant::now();
        Progress { verb, began, bar, next_line: Cell::new(began + LINE_EVERY) }
    }

    /// So many rows are done in all.
    pub(crate) fn rows(&self, rows: u64) {
        match &self.bar {
            Some(bar) => bar.set_message(self.told(rows)),
            None => self.line(rows, Instant::now()).into_iter().for_each(|line| tell(format_args!("{line}"))),
        }
    }

    /// The line of this moment, where one is due.
    fn line(&self, rows: u64, now: Instant) -> Option<String> {
        (now >= self.next_line.get()).then(|| {
            self.next_line.set(now + LINE_EVERY);
            format!("batchdb: {} so far", self.told(rows))
        })
    }

    fn told(&self, rows: u64) -> String {
        format!("{} {}", counted(rows, "row"), self.verb)
    }

    /// What is done now, for work that counts nothing.
    pub(crate) fn now(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => tell(format_args!("batchdb: {what}")),
        }
    }

    /// So many bytes of the input are read in all.
    fn bytes(&self, bytes: u64) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| bar.length().is_some()) {
            bar.set_position(bytes);
        }
    }

    /// Takes the bar away, and says what is done, with its pace.
    pub(crate) fn done(self, rows: u64) -> String {
        let took = self.began.elapsed();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        #[allow(clippy::cast_precision_loss, reason = "a pace is told in three digits")]
        let pace = rows as f64 / took.as_secs_f64().max(1e-9);
        format!("{} in {took:.1?} ({pace:.0} a second)", self.told(rows))
    }
}

impl Drop for Progress {
    /// An error's text must not stand behind half of a bar.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A reader that tells how much was read of it.
pub(crate) struct Counted<'p, R> {
    inner: R,
    read: u64,
    progress: &'p Progress,
}

impl<'p, R> Counted<'p, R> {
    pub(crate) fn new(inner: R, progress: &'p Progress) -> Counted<'p, R> {
        Counted { inner, read: 0, progress }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        self.progress.bytes(self.read);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_looks_a_line_is_written_now_and_then() {
        let began = Instant::now();
        let progress =
            Progress { verb: "exported", began, bar: None, next_line: Cell::new(began + LINE_EVERY) };
        let after = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(progress.line(10_000, after(9)), None);
        assert_eq!(progress.line(20_000, after(10)).as_deref(), Some("batchdb: 20000 rows exported so far"));
        assert_eq!(progress.line(30_000, after(19)), None);
        assert!(progress.line(40_000, after(35)).is_some());
        assert!(progress.done(1).starts_with("1 row exported in "));
    }
}
