//! One file: its statements and what the history says of it, committed together or not at all; or, where the file has
//! no transaction, noted before and after.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::Listener;
use crate::deadline::Deadline;
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::migrate::check;
use crate::migrate::failure::{Failed, Kept, failure};
use crate::migrate::files::Script;
use crate::migrate::history::{Action, History};
use crate::migrate::name::Id;
use crate::migrate::problem::refusal;
use crate::migrate::text::Text;
use crate::session::Session;
use crate::settings::Settings;
use crate::sql::{self, Piece};

/// Runs after each file, so that one that changes the search path or the role neither hides the history from its own
/// row nor changes what the next file does. A role that the session began with comes back by its own `RESET` alone.
const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL";

/// What psqlODBC's sessions began with, by statements that `RESET ALL` takes back: ours and the driver's.
const RESET_BY_ODBC: &str = "SET TIME ZONE 'UTC'; SET DateStyle = 'ISO'";

/// The same for SQL Server, in two batches: one that is only parsed sets nothing else.
const RESET_SQL_SERVER: [&str; 2] = [
    "SET PARSEONLY OFF",
    "SET NOEXEC OFF; SET FMTONLY OFF; SET NOCOUNT OFF; SET ROWCOUNT 0; SET XACT_ABORT ON; SET QUOTED_IDENTIFIER ON; \
     SET ANSI_NULLS ON; SET IMPLICIT_TRANSACTIONS OFF; SET LOCK_TIMEOUT -1",
];

/// Statements that take no time are sent together up to so many bytes: the round trips would be most of the time.
const MOST_TOGETHER: usize = 64 * 1024;
const TOGETHER: &str = "SAVEPOINT batchdb_together;";
const TOGETHER_DONE: &str = ";RELEASE SAVEPOINT batchdb_together";
const TOGETHER_UNDONE: &str = "ROLLBACK TO SAVEPOINT batchdb_together";

/// How long a failure may take to be written down.
const NOTE_LIMIT: Duration = Duration::from_secs(5);

/// What a file is run for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    Apply {
        rank: i64,
        /// It has a row already.
        again: bool,
    },
    Undo {
        /// The row of what is undone: the name of the file may spell the version in another way.
        row: &'a Id,
    },
    /// The history has no rows of these.
    Callback,
}

/// Runs the files of one database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) history: &'a History,
}

impl Runner<'_> {
    /// Runs one file. `None`: another runner has done so in the meantime.
    ///
    /// # Errors
    ///
    /// `Migration`, which says what was kept; `OutcomeUnknown`, when the connection broke while it was
    /// being committed.
    pub(crate) fn run(
        &self,
        session: &mut Session<'_>,
        script: &Script,
        purpose: Purpose<'_>,
    ) -> Result<Option<Duration>> {
        let text = self.text_of(script)?;
        session.listen(Some(self.listener(script)));
        let (outcome, kept) = if script.directives.no_transaction {
            self.without_transaction(session, script, &text, purpose)
        } else {
            self.in_transaction(session, script, &text, purpose)
        };
        session.listen(None);
        session.set_limit(self.settings.migration_timeout);
        outcome.map_err(|failed| {
            let told = failure(script, failed, kept, self.settings);
            self.note_failure(session, script, purpose, &told);
            told
        })
    }

    /// Runs a file as a part of the transaction that is open, as a rehearsal does.
    pub(crate) fn rehearse(
        &self,
        tx: &mut Session<'_>,
        script: &Script,
        purpose: Purpose<'_>,
    ) -> Result<Duration> {
        let (began, text) = (Instant::now(), self.text_of(script)?);
        tx.listen(Some(self.listener(script)));
        let outcome = self.statements(tx, script, &text, true, None).and_then(|_| {
            self.write_down(tx, script, purpose, began.elapsed())?;
            Ok(began.elapsed())
        });
        tx.listen(None);
        outcome.map_err(|failed| failure(script, failed, Kept::Nothing, self.settings))
    }

    /// Has the log tell what the database says meanwhile.
    fn listener(&self, script: &Script) -> Listener {
        Listener {
            name: Arc::from(format!("{}: {}", self.settings.database, script.file)),
            secrets: self.settings.migration_secrets().into(),
        }
    }

    fn text_of<'f>(&self, script: &'f Script) -> Result<Text<'f>> {
        check::text_of(script, &self.settings.placeholders).map_err(|problems| refusal(&problems))
    }

    fn limit(&self, script: &Script) -> Duration {
        script.directives.timeout.unwrap_or(self.settings.migration_timeout)
    }

    fn in_transaction(
        &self,
        session: &mut Session<'_>,
        script: &Script,
        text: &Text<'_>,
        purpose: Purpose<'_>,
    ) -> (Result<Option<Duration>, Failed>, Kept) {
        let (began, mut kept) = (Instant::now(), Kept::Nothing);
        let outcome = session.transaction(|tx| {
            if !self.claim(tx, script, purpose)? {
                return Ok(None);
            }
            let row = match purpose {
                Purpose::Apply { rank, again: false } => self.history.record_text(script, rank),
                _ => None,
            };
            let is_recorded = self.statements(tx, script, text, true, row.as_deref())?;
            let took = began.elapsed();
            if !is_recorded {
                tx.set_limit(self.settings.migration_timeout);
                self.write_down(tx, script, purpose, took)?;
            }
            kept = Kept::All;
            Ok(Some(took))
        });
        (outcome, kept)
    }

    /// The row says that the file has failed for as long as it runs: a program that is killed in the midst of it cannot
    /// say so any more.
    fn without_transaction(
        &self,
        session: &mut Session<'_>,
        script: &Script,
        text: &Text<'_>,
        purpose: Purpose<'_>,
    ) -> (Result<Option<Duration>, Failed>, Kept) {
        let began = Instant::now();
        let claimed = session.transaction(|tx| {
            if !self.claim(tx, script, purpose)? {
                return Ok(false);
            }
            match purpose {
                Purpose::Apply { rank, again } => {
                    if again {
                        self.history.forget(tx, &script.id)?;
                    }
                    self.history.begin(tx, script, rank)?;
                }
                Purpose::Undo { row } => self.history.set_script(tx, row, &script.file, false)?,
                Purpose::Callback => (),
            }
            Ok(true)
        });
        match claimed {
            Ok(true) => (),
            Ok(false) => return (Ok(None), Kept::Nothing),
            Err(error) => return (Err(error), Kept::Nothing),
        }
        let outcome = self.statements(session, script, text, false, None).and_then(|_| {
            let took = began.elapsed();
            session.set_limit(self.settings.migration_timeout);
            session.transaction(|tx| match purpose {
                Purpose::Apply { .. } => self.history.end(tx, script, took),
                _ => self.write_down(tx, script, purpose, took),
            })?;
            Ok(Some(took))
        });
        (outcome, Kept::Before)
    }

    fn claim(&self, tx: &mut Session<'_>, script: &Script, purpose: Purpose<'_>) -> Result<bool> {
        match purpose {
            Purpose::Apply { .. } => self.history.claim(tx, script),
            Purpose::Undo { row } => self.history.claim_undo(tx, row),
            Purpose::Callback => Ok(true),
        }
    }

    /// What the history says of a file that came to its end.
    fn write_down(
        &self,
        tx: &mut Session<'_>,
        script: &Script,
        purpose: Purpose<'_>,
        took: Duration,
    ) -> Result<()> {
        match purpose {
            Purpose::Apply { rank, again } => {
                if again {
                    self.history.forget(tx, &script.id)?;
                }
                self.history.record(tx, script, rank, took)
            }
            Purpose::Undo { row } => {
                self.history.forget(tx, row)?;
                // A view may have gone with the table that was undone, and comes back with it.
                self.history.forget_repeatable(tx)?;
                self.history.note(tx, Action::Undone, script, Some(took), None)
            }
            Purpose::Callback => Ok(()),
        }
    }

    /// Adds a failure to what was done. That it was not written down is not worth another error.
    fn note_failure(&self, session: &mut Session<'_>, script: &Script, purpose: Purpose<'_>, told: &Error) {
        if let Purpose::Callback = purpose {
            return;
        }
        session.set_limit(NOTE_LIMIT);
        let message = told.to_string();
        let noted =
            session.transaction(|tx| self.history.note(tx, Action::Failed, script, None, Some(&message)));
        session.set_limit(self.settings.migration_timeout);
        if let Err(error) = noted {
            let database = &*self.settings.database;
            log::debug!(database; "{database}: a failure could not be written down: {error}");
        }
    }

    /// Runs the statements of a file, each by itself, so that an error has a place; and with the last ones, where these
    /// take no time, the text that records the file. Returns whether that was among them.
    fn statements(
        &self,
        session: &mut Session<'_>,
        script: &Script,
        text: &Text<'_>,
        in_transaction: bool,
        row: Option<&str>,
    ) -> Result<bool, Failed> {
        let engine = self.history.engine();
        let deadline = Deadline::after(Instant::now(), self.limit(script));
        // PostgreSQL's own protocol takes several statements as one text.
        let native = session.dialect()? == Dialect::Postgres;
        let limit =
            script.directives.lock_timeout.and_then(|limit| lock_limit(engine, limit, in_transaction));
        if let Some(limit) = &limit {
            session.run_script(limit)?;
        }
        let pieces = sql::split(text.sent(), engine.dialect())?;
        let mut is_recorded = false;
        for range in chunks(&pieces, native && in_transaction) {
            let is_last = native && in_transaction && range.end == pieces.len();
            let row = row.filter(|_| is_last && is_quick(&pieces[range.start]));
            is_recorded |= row.is_some();
            let tail = match row {
                Some(row) => format!(";{RESET};{row}"),
                None if is_last => format!(";{RESET}"),
                None => String::new(),
            };
            for _ in 0..pieces[range.start].repeat {
                session.set_limit(deadline.left_for(Phase::Query, Instant::now())?);
                send(session, text, &pieces[range.clone()], &tail, row.is_some())?;
            }
        }
        match engine {
            Engine::Postgres if !native => session.run_script(&format!("{RESET}; {RESET_BY_ODBC}"))?,
            Engine::Postgres if !in_transaction => session.run_script(RESET)?,
            Engine::SqlServer => RESET_SQL_SERVER.iter().try_for_each(|reset| session.run_script(reset))?,
            _ => (),
        }
        Ok(is_recorded)
    }
}

/// Sends some statements at once, with a text of ours behind them. Where one of several fails and the server does not say
/// which, they are undone and sent one by one; so is one alone, where our text may fail too.
fn send(
    session: &mut Session<'_>,
    text: &Text<'_>,
    pieces: &[Piece<'_>],
    tail: &str,
    tail_may_fail: bool,
) -> Result<(), Failed> {
    let Some((first, last)) = pieces.first().zip(pieces.last()) else { return Ok(()) };
    let body = &text.sent()[first.at..last.at + last.text.len()];
    let several = pieces.len() > 1 || tail_may_fail;
    let (before, after) = if several { (TOGETHER, TOGETHER_DONE) } else { ("", "") };
    let outcome = match several || !tail.is_empty() {
        true => session.run_script(&format!("{before}{body}{after}{tail}")),
        false => session.run_script(body),
    };
    let Err(error) = outcome else { return Ok(()) };
    // Sent again, they would wait again.
    let passes = error.is_transient() || matches!(error.kind(), ErrorKind::Timeout(_) | ErrorKind::Cancelled);
    let is_told = error.position().is_some() || error.sqlstate().is_none();
    if !several || passes || is_told {
        return Err(Failed::of(error, text, pieces, before.len()));
    }
    match session.run_script(TOGETHER_UNDONE) {
        Ok(()) => (),
        // There is no such savepoint any more: the file's statements had come to their end, and it was our text.
        Err(undone) if undone.sqlstate() == Some("3B001") => return Err(error.into()),
        Err(_) => return Err(Failed::of(error, text, pieces, before.len())),
    }
    for piece in pieces {
        let one = std::slice::from_ref(piece);
        session.run_script(piece.text).map_err(|error| Failed::of(error, text, one, 0))?;
    }
    if !tail.is_empty() {
        session.run_script(tail)?;
    }
    Ok(())
}

/// Whether a statement takes no time, so that nothing is lost when it is sent again: new tables, rows in full, comments
/// and rights. What reads (`SELECT`) may take any time.
fn is_quick(piece: &Piece<'_>) -> bool {
    const QUICK: [&str; 5] = ["INSERT ", "CREATE TABLE ", "COMMENT ", "GRANT ", "REVOKE "];
    let begins =
        |word: &str| piece.text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    QUICK.iter().any(|word| begins(word))
        && piece.text.len() <= MOST_TOGETHER
        && !piece.text.to_ascii_uppercase().contains("SELECT")
}

/// Which statements are sent together, where the database takes several.
fn chunks(pieces: &[Piece<'_>], together: bool) -> Vec<Range<usize>> {
    let quick: Vec<bool> = pieces.iter().map(|piece| together && is_quick(piece)).collect();
    let mut chunks: Vec<Range<usize>> = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let end = piece.at + piece.text.len();
        match chunks.last_mut() {
            Some(chunk)
                if quick[place] && quick[chunk.start] && end - pieces[chunk.start].at <= MOST_TOGETHER =>
            {
                chunk.end = place + 1;
            }
            _ => chunks.push(place..place + 1),
        }
    }
    chunks
}

/// What limits each wait for a lock of the database; SQLite has none but that for its file.
fn lock_limit(engine: Engine, limit: Duration, in_transaction: bool) -> Option<String> {
    let millis = limit.as_millis().max(1);
    match engine {
        Engine::Postgres if in_transaction => Some(format!("SET LOCAL lock_timeout = '{millis}ms'")),
        Engine::Postgres => Some(format!("SET lock_timeout = '{millis}ms'")),
        Engine::SqlServer => Some(format!("SET LOCK_TIMEOUT {millis}")),
        Engine::Sqlite => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &str, together: bool) -> Vec<usize> {
        let pieces = sql::split(text, Dialect::Postgres).unwrap();
        chunks(&pieces, together).iter().map(ExactSizeIterator::len).collect()
    }

    #[test]
    fn what_takes_no_time_goes_together_and_nothing_else_does() {
        let text = "create table t (a int); INSERT INTO t VALUES (1); UPDATE t SET a = 2; SELECT 1; GRANT x TO y; \
                    INSERT INTO t SELECT 1; COMMENT ON TABLE t IS 'é'";
        assert_eq!(lengths(text, true), [2, 1, 1, 1, 1, 1]);
        assert_eq!(lengths(text, false), [1; 7]);
        let many = "INSERT INTO t VALUES (1);\n".repeat(5_000);
        let lengths = lengths(&many, true);
        assert_eq!((lengths.iter().sum::<usize>(), lengths.len()), (5_000, 2));
        assert!(super::tests::lengths("", true).is_empty());
    }
}
