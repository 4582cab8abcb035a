//! `--watch`: the same look again and again.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use batchdb::CancelToken;
use clap::Args;
use serde_json::json;

use super::show::{self, Out};
use super::{Failure, code, code_of, is_stopped};

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
    /// A look that the database fails tells so in its place, and the next one follows.
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
        let token = CancelToken::on_signals()?;
        let mut number = 0;
        loop {
            // Whole before it is shown, so that a terminal never shows half of it.
            let mut page = Vec::new();
            let code = match look(&mut page) {
                // What is watched may be away, and come back.
                Err(Failure::Database(error)) if !is_stopped() => {
                    page.clear();
                    match json {
                        true => {
                            show::json_line(&mut page, &json!({ "problem": error.report().to_string() }))?
                        }
                        false => writeln!(page, "{}", show::lines(&error.report().to_string()))?,
                    }
                    code_of(&error)
                }
                outcome => outcome?,
            };
            if is_stopped() {
                return Ok(code::STOPPED);
            }
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
            if token.wait(pause) {
                return Ok(code::STOPPED);
            }
        }
    }
}
