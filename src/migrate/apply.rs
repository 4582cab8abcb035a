//! One migration: its statements and its row of the history, committed together or not at all.

use std::time::{Duration, Instant};

use crate::deadline::Deadline;
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::migrate::files::Script;
use crate::migrate::history::History;
use crate::migrate::problem::Problem;
use crate::session::Session;
use crate::sql;

/// Runs after each file's text, so that a file that changes the search path or the role neither hides
/// the history from its own row nor changes what the next file does.
const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ALL";

/// SQLSTATE of a statement that cannot run in a transaction.
const NOT_IN_TRANSACTION: &str = "25001";

/// Applies one migration, whose statements may take `limit` together. `None`: another runner has done so
/// in the meantime.
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
    limit: Duration,
) -> Result<Option<Duration>> {
    let began = Instant::now();
    let deadline = Deadline::after(began, limit);
    let mut complete = false;
    let outcome = session.transaction(|tx| {
        if !history.claim(tx, script)? {
            return Ok(None);
        }
        run_text(tx, history.engine(), script, deadline)?;
        let took = began.elapsed();
        tx.set_limit(limit);
        history.record(tx, script, rank, took)?;
        complete = true;
        Ok(Some(took))
    });
    session.set_limit(limit);
    outcome.map_err(|error| failure(script, error, complete))
}

fn run_text(tx: &mut Session<'_>, engine: Engine, script: &Script, deadline: Deadline) -> Result<()> {
    // PostgreSQL's own protocol takes the whole text at once. The line end closes a last comment.
    if tx.dialect()? == Dialect::Postgres {
        return tx.run_script(&format!("{}\n;{RESET}", script.text));
    }
    for piece in sql::split(&script.text, engine.dialect())? {
        for _ in 0..piece.repeat {
            tx.set_limit(deadline.left_for(Phase::Query, Instant::now())?);
            tx.run_script(piece.text)
                .map_err(|error| error.at(format_args!("what begins in line {}", piece.line)))?;
        }
    }
    if engine == Engine::Postgres { tx.run_script(RESET) } else { Ok(()) }
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

/// What speaks against running the text: that it has no end, or that it begins or ends a transaction and so
/// would tear its work apart from its row of the history.
pub(crate) fn problem_of(engine: Engine, script: &Script) -> Option<Problem> {
    let (dialect, file) = (engine.dialect(), || script.file.clone());
    let pieces = match sql::split(&script.text, dialect) {
        Ok(pieces) => pieces,
        Err(error) => return Some(Problem::Unreadable { file: file(), reason: error.to_string() }),
    };
    let control = pieces.iter().find(|piece| sql::traits_of(piece.text, dialect).transaction_control)?;
    let line = control.line - 1 + line_of_control(engine, control.text).unwrap_or(1);
    Some(Problem::TransactionControl { file: file(), line })
}

/// The line on which the statement in question begins, in a text that the server takes as a whole.
fn line_of_control(engine: Engine, text: &str) -> Option<usize> {
    // What is no dialect of its own is cut into statements; SQL Server's batches have no such cuts.
    let dialect = if engine == Engine::Postgres { Dialect::Odbc } else { return None };
    let statements = sql::split(text, dialect).ok()?;
    let control = |piece: &&sql::Piece<'_>| sql::traits_of(piece.text, dialect).transaction_control;
    statements.iter().find(control).map(|piece| piece.line)
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

    #[track_caller]
    fn check_control(engine: Engine, text: &str, line: Option<usize>) {
        let found = problem_of(engine, &Script::fake("V001__a.sql", text));
        let wanted = line.map(|line| Problem::TransactionControl { file: "V001__a.sql".into(), line });
        assert_eq!(found, wanted, "{text}");
    }

    #[test]
    fn a_file_must_not_end_its_transaction() {
        check_control(Engine::Postgres, "CREATE TABLE t (a int);\n\nCOMMIT;", Some(3));
        check_control(Engine::Postgres, "-- x\nBEGIN;\nSELECT 1;\nCOMMIT;", Some(2));
        check_control(Engine::Postgres, "SELECT 'COMMIT'; -- COMMIT\nDO $$ BEGIN NULL; END $$;", None);
        check_control(Engine::SqlServer, "SELECT 1\nGO\nBEGIN TRAN\nSELECT 1", Some(3));
        check_control(Engine::SqlServer, "BEGIN TRY SELECT 1 END TRY BEGIN CATCH THROW; END CATCH", None);
        check_control(Engine::Sqlite, "SELECT 1;\nROLLBACK;", Some(2));
    }

    #[test]
    fn a_text_that_cannot_be_read_is_told_with_its_file() {
        let problem = problem_of(Engine::Postgres, &Script::fake("V001__a.sql", "\nSELECT 'a")).unwrap();
        let text = problem.to_string();
        assert!(text.contains("\"V001__a.sql\" cannot be read: line 2"), "{text}");
    }

    #[test]
    fn a_statement_that_needs_no_transaction_is_explained() {
        let cause = Error::new(ErrorKind::Database, "x").with_codes(Some("25001"), None);
        assert!(failure(&script(), cause, false).to_string().contains("cannot"));
    }
}
