//! `--watch`: the same look again and again.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::Failure;
use super::show::{self, Out};

#[derive(Debug, Clone, Args)]
pub(crate) struct Watch {
    /// Look again every so often, until it is interrupted
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s", value_parser = show::time)]
    watch: Option<Duration>,
    /// Look so many times
    #[arg(long, value_name = "NUMBER", requires = "watch")]
    count: Option<u64>,
}

impl Watch {
    pub(crate) fn is_on(&self) -> bool {
        self.watch.is_some()
    }

    /// Looks once, or as often as it is asked to. Returns the exit code of the last look.
    ///
    /// On a terminal each look takes the place of the one before, unless it prints JSON; anywhere else they follow on
    /// each other.
    pub(crate) fn each(
        &self,
        json: bool,
        out: Out<'_>,
        mut look: impl FnMut(Out<'_>) -> Result<u8, Failure>,
    ) -> Result<u8, Failure> {
        let Some(pause) = self.watch else { return look(out) };
        let clears = !json && io::stdout().is_terminal();
        let mut number = 0;
        loop {
            // Whole before it is shown, so that a terminal never shows half of it.
            let mut page = Vec::new();
            let code = look(&mut page)?;
            if clears {
                write!(out, "\u{1b}[H\u{1b}[2J")?;
            }
            if !json {
                writeln!(out, "{}, every {pause:?}", chrono::Local::now().format("%Y-%m-%d %H:%M:%S"))?;
            }
            out.write_all(&page)?;
            out.flush()?;
            number += 1;
            if self.count.is_some_and(|count| number >= count) {
                return Ok(code);
            }
            thread::sleep(pause);
        }
    }
}
