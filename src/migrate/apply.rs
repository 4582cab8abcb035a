//! One migration: its statements and its row of the history, committed together or not at all.

use std::time::{Duration, Instant};

use crate::dialect::Dialect;
use crate::error::{Effect, Error, ErrorKind, Result};
use crate::migrate::files::Script;
use crate::migrate::history::History;
use crate::migrate::problem::Problem;
use crate::migrate::server::Server;
use crate::session::Session;
use crate::sql::script;

/// Runs after each file's text, so that a file that changes the search path or the role neither hides
/// the history from its own row nor changes what the next file does.
const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ALL";

/// SQLSTATE of a statement that cannot run in a transaction.
const NOT_IN_TRANSACTION: &str = "25001";

/// Applies one migration. `None`: another runner has done so in the meantime.
///
/// # Errors
///
/// `Migration`, when nothing of it was kept; `OutcomeUnknown`, when the connection broke while it was
/// being committed.
pub(crate) fn apply(
    session: &mut Session<'_>,
    history: &History,
    script: &Script,
    rank: i64,
) -> Result<Option<Duration>> {
    let began = Instant::now();
    let mut complete = false;
    session
        .transaction(|tx| {
            if !history.claim(tx, script)? {
                return Ok(None);
            }
            run_text(tx, history.server(), script)?;
            let took = began.elapsed();
            history.record(tx, script, rank, took)?;
            complete = true;
            Ok(Some(took))
        })
        .map_err(|error| failure(script, error, complete))
}

fn run_text(tx: &mut Session<'_>, server: Server, script: &Script) -> Result<()> {
    // PostgreSQL's own protocol takes the whole text at once. The line end closes a last comment.
    if tx.dialect() == Dialect::Postgres {
        return tx.run_script(&format!("{}\n;{RESET}", script.text));
    }
    for piece in script::split(&script.text, server.dialect())? {
        for _ in 0..piece.repeat {
            tx.run_script(&piece.text)
                .map_err(|error| error.at(format_args!("the statement in line {}", piece.line)))?;
        }
    }
    if server == Server::Postgres { tx.run_script(RESET) } else { Ok(()) }
}

/// What went wrong with `script`; `complete` tells whether only the commit was left to do.
fn failure(script: &Script, error: Error, complete: bool) -> Error {
    let file = &script.file;
    let unknown = error.kind() == ErrorKind::OutcomeUnknown || error.effect() == Effect::Unknown;
    if complete && unknown {
        return Error::new(
            ErrorKind::OutcomeUnknown,
            format!("the connection broke while \"{file}\" was being committed"),
        )
        .with_effect(Effect::Unknown)
        .with_hint("run the migrations again: its row in the history tells whether it was")
        .with_source(error);
    }
    let failed = Error::migration(format!(
        "\"{file}\" failed; nothing of it was kept, and the files after it were not run"
    ))
    .with_codes(error.sqlstate(), error.native_code());
    let failed = match error.sqlstate() {
        Some(NOT_IN_TRANSACTION) => {
            failed.with_hint("every file runs in a transaction, and a statement of this one cannot")
        }
        _ => failed,
    };
    failed.with_source(error)
}

/// The statements with which a file would begin or end a transaction itself, and so tear its work apart
/// from its row of the history.
///
/// # Errors
///
/// `Syntax`, when the text cannot be split into its statements.
pub(crate) fn transaction_control(server: Server, script: &Script) -> Result<Vec<Problem>> {
    let dialect = server.dialect();
    let pieces = script::split(&script.text, dialect)
        .map_err(|error| error.at(format_args!("\"{}\"", script.file)))?;
    Ok(pieces
        .iter()
        .filter(|piece| script::controls_transaction(&piece.text, dialect))
        .map(|piece| Problem::TransactionControl { file: script.file.clone(), line: piece.line })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Script {
        Script::fake("V001__a.sql", "SELECT 1")
    }

    #[test]
    fn a_failure_names_the_file_and_says_that_nothing_was_kept() {
        let cause = Error::new(ErrorKind::Syntax, "no such table").with_codes(Some("42P01"), None);
        let error = failure(&script(), cause, false);
        assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Migration, Some("42P01")));
        let text = error.to_string();
        assert!(text.contains("V001__a.sql") && text.contains("nothing of it was kept"), "{text}");
        assert!(error.report().contains("no such table"));
    }

    #[test]
    fn only_a_commit_can_leave_the_outcome_unknown() {
        let broken = || Error::new(ErrorKind::OutcomeUnknown, "cut").with_effect(Effect::Unknown);
        assert_eq!(failure(&script(), broken(), false).kind(), ErrorKind::Migration);
        let error = failure(&script(), broken(), true);
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(!error.to_string().contains("nothing of it was kept"));
        assert!(!error.is_transient());
    }

    #[test]
    fn a_refused_commit_keeps_nothing() {
        let deferred = Error::new(ErrorKind::Constraint, "refused").with_effect(Effect::RolledBack);
        assert_eq!(failure(&script(), deferred, true).kind(), ErrorKind::Migration);
    }

    #[test]
    fn a_statement_that_needs_no_transaction_is_explained() {
        let cause = Error::new(ErrorKind::Database, "x").with_codes(Some("25001"), None);
        assert!(failure(&script(), cause, false).to_string().contains("cannot"));
    }
}
