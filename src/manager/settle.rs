//! What became of a commit whose answer was lost: a new connection asks.

use std::time::{Duration, Instant};

use super::{Call, DatabaseManager};
use crate::backend::CommitMark;
use crate::context;
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Result};
use crate::params;
use crate::transaction::Failed;

/// The pauses between two questions double from the one to the other.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What the server says of the transaction.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    Undone,
    /// The server has not noticed yet that its client is gone.
    Open,
    /// It does not know the transaction, or is not the server that it ran on.
    Unknown,
}

impl DatabaseManager {
    /// Makes of an unsettled commit a success, or the certainty that it was undone; where there is no answer in time
    /// it stays what it was.
    pub(super) fn settle<R, E>(&self, failed: Failed<R, E>, call: Call) -> Result<R, Failed<R, E>> {
        let Failed::Unsettled { error, mark, value } = failed else { return Err(failed) };
        let limit = Deadline::after(Instant::now(), self.settings.timeout);
        let call = Call { whole: limit.earlier(call.whole).earlier(context::deadline()), ..call };
        let fate = self.await_fate(&mark, call);
        log::info!(database:% = self.settings.database; "a commit whose answer was lost is settled: {fate:?}");
        match fate {
            Fate::Committed => Ok(value),
            Fate::Undone => Err(Failed::Ours(
                Error::new(
                    ErrorKind::Connect,
                    "the connection broke before the commit, which did not happen",
                )
                .with_effect(Effect::RolledBack)
                .with_source(error)
                .during("commit")
                .in_database(&self.settings.database),
            )),
            Fate::Open | Fate::Unknown => Err(Failed::Ours(error)),
        }
    }

    fn await_fate(&self, mark: &CommitMark, call: Call) -> Fate {
        let mut pause = PAUSE;
        loop {
            let fate = self.ask(mark, call).unwrap_or_else(|error| {
                log::debug!(database:% = self.settings.database; "a lost commit cannot be looked up yet: {error}");
                // The server that broke the connection may be on its way back, and to ask does no harm.
                if error.effect() == Effect::Final { Fate::Unknown } else { Fate::Open }
            });
            let left = context::in_force(call.whole).left(Instant::now());
            // A pause that is told to stop ends at once, and the question with it.
            if fate != Fate::Open || left <= pause || !context::pause(pause) {
                return fate;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn ask(&self, mark: &CommitMark, call: Call) -> Result<Fate> {
        self.borrow(call, |session| {
            let dialect = session.dialect()?;
            let Some(sql) = dialect.commit_status() else { return Ok(Fate::Unknown) };
            let row = session.query_one(sql, params! { mark: mark.transaction.as_str() })?;
            let status: Option<String> = row.get("status")?;
            Ok(fate(status.as_deref(), row.get::<String>("history")? == mark.history))
        })
    }
}

fn fate(status: Option<&str>, same_history: bool) -> Fate {
    match status {
        // Another server counts its transactions for itself: the same number is another transaction there.
        _ if !same_history => Fate::Unknown,
        Some("committed") => Fate::Committed,
        Some("aborted") => Fate::Undone,
        Some("in progress") => Fate::Open,
        _ => Fate::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_another_history_says_nothing() {
        assert_eq!(fate(Some("committed"), true), Fate::Committed);
        assert_eq!(fate(Some("aborted"), true), Fate::Undone);
        assert_eq!(fate(Some("in progress"), true), Fate::Open);
        // Too old to be known.
        assert_eq!(fate(None, true), Fate::Unknown);
        for status in [Some("committed"), Some("aborted"), Some("in progress"), None] {
            assert_eq!(fate(status, false), Fate::Unknown);
        }
    }
}
