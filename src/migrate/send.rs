//! The statements of a file on their way: each by itself, so that an error has a place, or together where they take no
//! time; and the session afterwards as it was before.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::deadline::Deadline;
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::error::{ErrorKind, Phase, Result};
use crate::migrate::failure::Failed;
use crate::migrate::text::Text;
use crate::session::Session;
use crate::sql::{self, Piece};

/// Runs after each file, so that one that changes the search path or the role neither hides the history from its own
/// row nor changes what the next file does. A role that the session began with comes back by its own `RESET` alone, and
/// what the session was told at its beginning is told again behind it.
const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL;";

/// The same for SQL Server, in two batches: one that is only parsed sets nothing else. What a session began with is not
/// known of `DATEFORMAT`, `DATEFIRST` and `LANGUAGE`, and not ours to guess; nor is which table has `IDENTITY_INSERT`, or how
/// often `EXECUTE AS` was said: the guide asks the files for them.
const RESET_SQL_SERVER: [&str; 2] = [
    "SET PARSEONLY OFF",
    "SET NOEXEC OFF; SET FMTONLY OFF; SET NOCOUNT OFF; SET ROWCOUNT 0; SET XACT_ABORT ON; SET QUOTED_IDENTIFIER ON; \
     SET ANSI_NULLS ON; SET IMPLICIT_TRANSACTIONS OFF; SET LOCK_TIMEOUT -1",
];

/// What a rollback has done nothing about that was sent while nothing was executed (`NOEXEC`).
const STILL_OPEN: &str = "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION";

/// How long the session may take to be as it was.
const RESET_LIMIT: Duration = Duration::from_secs(5);

/// Statements that take no time are sent together up to so many bytes: the round trips would be most of the time.
const MOST_TOGETHER: usize = 64 * 1024;
const TOGETHER: &str = "SAVEPOINT batchdb_together;";
const TOGETHER_DONE: &str = ";RELEASE SAVEPOINT batchdb_together";
const TOGETHER_UNDONE: &str = "ROLLBACK TO SAVEPOINT batchdb_together";

/// How the statements of a file are to be run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner<'a> {
    pub(crate) engine: Engine,
    /// The limit on all of them.
    pub(crate) limit: Duration,
    /// The limit on each wait for a lock of the database.
    pub(crate) lock_timeout: Option<Duration>,
    /// Whether a transaction is open around them.
    pub(crate) in_transaction: bool,
    /// The text that records the file, to be sent with the last ones.
    pub(crate) row: Option<&'a str>,
}

/// Runs the statements of a file, and puts the session back. Returns whether the text that records the file was sent with
/// them: it is where the last ones take no time.
///
/// # Errors
///
/// The failure, and its place.
pub(crate) fn statements(
    session: &mut Session<'_>,
    text: &Text<'_>,
    manner: Manner<'_>,
) -> Result<bool, Failed> {
    let Manner { engine, in_transaction, .. } = manner;
    let sender = Sender { text, deadline: Deadline::after(Instant::now(), manner.limit) };
    // PostgreSQL's own protocol takes several statements as one text.
    let native = session.dialect()? == Dialect::Postgres;
    if let Some(limit) = manner.lock_timeout.and_then(|limit| lock_limit(engine, limit, in_transaction)) {
        sender.run(session, &limit)?;
    }
    let pieces = sql::split(text.sent(), engine.dialect())?;
    let restored = reset_text(session)?;
    let mut is_recorded = false;
    for range in chunks(&pieces, native && in_transaction) {
        let is_last = native && in_transaction && range.end == pieces.len();
        let row = manner.row.filter(|_| is_last && is_quick(&pieces[range.start]));
        is_recorded |= row.is_some();
        let tail = match row {
            Some(row) => format!(";{restored}{row}"),
            None if is_last => format!(";{restored}"),
            None => String::new(),
        };
        for _ in 0..pieces[range.start].repeat {
            sender.send(session, &pieces[range.clone()], &tail, row.is_some())?;
        }
    }
    if !(native && in_transaction) {
        reset(session, engine)?;
    }
    Ok(is_recorded)
}

/// What puts a session of PostgreSQL back to what it began with.
fn reset_text(session: &mut Session<'_>) -> Result<String> {
    Ok(format!("{RESET}{}", session.opening()?))
}

/// Puts the session back to what it began with.
fn reset(session: &mut Session<'_>, engine: Engine) -> Result<()> {
    session.set_limit(RESET_LIMIT);
    match engine {
        Engine::Postgres => {
            let text = reset_text(session)?;
            session.run_script(&text)
        }
        Engine::SqlServer => RESET_SQL_SERVER.iter().try_for_each(|reset| session.run_script(reset)),
        Engine::Sqlite => Ok(()),
    }
}

/// The same after a file has failed, so that what is written of it then is written.
///
/// # Errors
///
/// When the session is gone, or cannot be had back.
pub(crate) fn reset_after_failure(session: &mut Session<'_>, engine: Engine) -> Result<()> {
    reset(session, engine)?;
    if engine == Engine::SqlServer { session.run_script(STILL_OPEN) } else { Ok(()) }
}

/// Sends what belongs to one file.
struct Sender<'a, 'f> {
    text: &'a Text<'f>,
    deadline: Deadline,
}

impl Sender<'_, '_> {
    /// Sends a text with what is left of the file's time.
    fn run(&self, session: &mut Session<'_>, text: &str) -> Result<()> {
        session.set_limit(self.deadline.left_for(Phase::Query, Instant::now())?);
        session.run_script(text)
    }

    /// Sends some statements at once, with a text of ours behind them. Where one of several fails and the server does not
    /// say which, they are undone and sent one by one; so is one alone, where our text may fail too.
    fn send(
        &self,
        session: &mut Session<'_>,
        pieces: &[Piece<'_>],
        tail: &str,
        tail_may_fail: bool,
    ) -> Result<(), Failed> {
        let Some((first, last)) = pieces.first().zip(pieces.last()) else { return Ok(()) };
        let body = &self.text.sent()[first.at..last.at + last.text.len()];
        let several = pieces.len() > 1 || tail_may_fail;
        let (before, after) = if several { (TOGETHER, TOGETHER_DONE) } else { ("", "") };
        let outcome = match several || !tail.is_empty() {
            true => self.run(session, &format!("{before}{body}{after}{tail}")),
            false => self.run(session, body),
        };
        let Err(error) = outcome else { return Ok(()) };
        // Sent again, they would wait again.
        let passes =
            error.is_transient() || matches!(error.kind(), ErrorKind::Timeout(_) | ErrorKind::Cancelled);
        let is_told = error.position().is_some() || error.sqlstate().is_none();
        if !several || passes || is_told {
            return Err(Failed::of(error, self.text, pieces, before.len()));
        }
        match self.run(session, TOGETHER_UNDONE) {
            Ok(()) => (),
            // There is no such savepoint any more: the file's statements had come to their end, and it was our text.
            Err(undone) if undone.sqlstate() == Some("3B001") => return Err(error.into()),
            Err(_) => return Err(Failed::of(error, self.text, pieces, before.len())),
        }
        for piece in pieces {
            let one = std::slice::from_ref(piece);
            self.run(session, piece.text).map_err(|error| Failed::of(error, self.text, one, 0))?;
        }
        if tail.is_empty() { Ok(()) } else { Ok(self.run(session, tail)?) }
    }
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
