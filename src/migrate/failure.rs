//! What is said of a file that failed: where in it, at which statement, and what of it was kept.

use std::error::Error as StdError;
use std::fmt;

use crate::error::{Effect, Error, ErrorKind, Phase, Position};
use crate::migrate::files::Script;
use crate::migrate::text::{Place, Text};
use crate::settings::{Settings, scrub};
use crate::sql::Piece;

/// A statement is quoted up to so many characters.
const MOST_QUOTED: usize = 300;

/// A failed call, and where in the file it stands.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    at: Option<At>,
}

/// How much is known of where a failure stands.
#[derive(Debug)]
enum At {
    /// At a place, in a statement, which is quoted.
    Statement(Place, String),
    /// In one of several statements that were sent together, from one line to another.
    Between(usize, usize),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed { error, at: None }
    }
}

/// What became of the work of a file that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It was rolled back.
    Nothing,
    /// Only the commit was left to do.
    All,
    /// It ran without a transaction: what came before the failure.
    Before,
}

impl Failed {
    /// The failure of what was sent: some pieces of a text, of which `before` more bytes came first.
    pub(crate) fn of(error: Error, text: &Text<'_>, pieces: &[Piece<'_>], before: usize) -> Failed {
        let Some((first, last)) = pieces.first().zip(pieces.last()) else { return error.into() };
        let body = &text.sent()[first.at..last.at + last.text.len()];
        let at = match error.position() {
            Some(Position::Character(number)) => {
                // The server counts characters, with what we have put before them.
                let number = (number as usize).saturating_sub(before).max(1);
                match body.char_indices().nth(number - 1) {
                    Some((at, _)) => first.at + at,
                    // It stands behind the file's own text, in what we have added.
                    None => return error.into(),
                }
            }
            Some(Position::Line(number)) => {
                // A line behind the end is one of a procedure: FreeTDS does not tell them apart.
                let begins = |place| match place {
                    0 => Some(0),
                    _ => body.match_indices('\n').nth(place - 1).map(|(newline, _)| newline + 1),
                };
                first.at + begins((number as usize).saturating_sub(1)).unwrap_or(0)
            }
            // Nobody has said which one it was: to name the first would be a guess.
            None if pieces.len() > 1 => {
                let (from, to) = (text.place(first.at).line, text.place(last.at).line);
                return Failed { error, at: Some(At::Between(from, to)) };
            }
            None => first.at,
        };
        let piece = pieces.iter().rfind(|piece| piece.at <= at).unwrap_or(first);
        let mut place = text.place(at);
        if at != first.at && matches!(error.position(), Some(Position::Line(_))) {
            place.column = None;
        }
        let statement = shortened(text.excerpt(piece.at, piece.at + piece.text.len()));
        Failed { error, at: Some(At::Statement(place, statement)) }
    }
}

/// On one line, without lines of comments, and not too long.
fn shortened(statement: &str) -> String {
    let lines = statement.lines().filter(|line| !line.trim_start().starts_with("--"));
    let words = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(MOST_QUOTED) {
        Some((end, _)) => format!("{} …", &words[..end]),
        None => words,
    }
}

/// The statement that failed, between our words and the server's. It is quoted as the file has it, without the values of
/// placeholders, and yet no log line has it: it may create a user with a password.
#[derive(Debug)]
struct Statement {
    text: String,
    cause: Cause,
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in `{}`", self.text)
    }
}

impl StdError for Statement {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.cause)
    }
}

/// What the lower layers said, without what was put in for placeholders.
#[derive(Debug)]
struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

/// What went wrong with `script`.
pub(crate) fn failure(script: &Script, failed: Failed, kept: Kept, settings: &Settings) -> Error {
    let Failed { error, at } = failed;
    let file = &script.file;
    let cause = Cause(scrub(&error.report(), &settings.migration_secrets()));
    let unknown = error.kind() == ErrorKind::OutcomeUnknown || error.effect() == Effect::Unknown;
    if kept == Kept::All && unknown {
        return Error::new(
            ErrorKind::OutcomeUnknown,
            format!("the connection broke while \"{file}\" was being committed"),
        )
        .with_effect(Effect::Unknown)
        .with_hint("run the migrations again: the history shows whether it was committed")
        .with_source(cause);
    }
    let place = match &at {
        Some(At::Statement(Place { line, column: Some(column) }, _)) => {
            format!(" at line {line}, column {column}")
        }
        Some(At::Statement(Place { line, column: None }, _)) => format!(" at line {line}"),
        Some(At::Between(from, to)) => format!(" between line {from} and line {to}"),
        None => String::new(),
    };
    let rest = match kept {
        Kept::Nothing | Kept::All => "nothing of it was kept",
        Kept::Before => "it runs without a transaction, so what it did before was kept",
    };
    let is_stopped = error.kind() == ErrorKind::Cancelled;
    let verb = if is_stopped { "was stopped" } else { "failed" };
    let told =
        Error::migration(format!("\"{file}\" {verb}{place}; {rest}, and the files after it were not run"))
            .with_codes(error.sqlstate(), error.native_code());
    let told = match (hint(&error), kept) {
        (Some(hint), _) => told.with_hint(hint),
        (None, Kept::Before) => told.with_hint(
            "check what it has done, then `repair`: accept it as done, or forget it to run it again",
        ),
        (None, _) => told,
    };
    // Whoever has said stop wants to hear that it was that, and nothing that is wrong with the file.
    let told = match (is_stopped, kept) {
        (true, Kept::Before) => told.with_kind(ErrorKind::Cancelled),
        (true, _) => told.with_kind(ErrorKind::Cancelled).with_effect(Effect::RolledBack),
        (false, _) => told,
    };
    match at {
        Some(At::Statement(_, text)) => told.with_source(Statement { text, cause }),
        Some(At::Between(..)) | None => told.with_source(cause),
    }
}

fn hint(error: &Error) -> Option<&'static str> {
    match (error.sqlstate(), error.kind()) {
        (Some("25001"), _) => Some(
            "write `-- batchdb: no-transaction` at its head: a statement of it cannot run in a transaction",
        ),
        (Some("55P03"), _) => {
            Some("another session holds a lock that it needs; run it again when that is done")
        }
        (_, ErrorKind::Timeout(Phase::Query)) => {
            Some("MIGRATION_TIMEOUT limits it, or `-- batchdb: timeout=2h` at its head")
        }
        (_, ErrorKind::Permission) => Some("the user of the connection needs the right to do this"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::settings::Overrides;
    use crate::sql;

    const TEXT: &str = "-- é\nSELECT 1;\n\nINSERT INTO nowhere\n  VALUES (1); SELECT 2";

    fn settings() -> Settings {
        let folder = std::path::PathBuf::from("/nowhere");
        let overrides = Overrides {
            connection_string: Some(crate::settings::Secret::new("postgresql://u:hunter2@h/d")),
            home: Some(folder),
            ..Overrides::default()
        };
        Settings::load("rpa_db", &overrides).unwrap()
    }

    fn error(position: Option<Position>) -> Error {
        Error::new(ErrorKind::Syntax, "no such table").with_codes(Some("42P01"), None).with_position(position)
    }

    /// The failure of the pieces `from..to`, told.
    fn told(
        dialect: Dialect,
        text: &str,
        range: std::ops::Range<usize>,
        position: Option<Position>,
    ) -> Error {
        let script = Script::fake("V001__a.sql", text);
        let text = Text::plain(&script.text);
        let pieces = sql::split(text.sent(), dialect).unwrap();
        let failed = Failed::of(error(position), &text, &pieces[range], 0);
        failure(&script, failed, Kept::Nothing, &settings())
    }

    #[test]
    fn a_failure_names_the_place_in_the_file_and_the_statement() {
        let error = told(Dialect::Postgres, TEXT, 1..2, Some(Position::Character(13)));
        assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Migration, Some("42P01")));
        let text = error.to_string();
        assert!(
            text.contains("\"V001__a.sql\" failed at line 4, column 13; nothing of it was kept"),
            "{text}"
        );
        assert!(!text.contains("nowhere"));
        let report = error.report();
        assert!(report.contains("in `INSERT INTO nowhere VALUES (1)`: no such table"), "{report}");
    }

    #[test]
    fn a_position_in_several_statements_finds_its_own() {
        // Behind `SELECT 1;\n\n`, in characters.
        let error = told(Dialect::Postgres, TEXT, 0..3, Some(Position::Character(24)));
        assert!(error.to_string().contains("line 4, column 13"), "{error}");
        assert!(error.report().contains("in `INSERT"));
        let error = told(Dialect::Postgres, TEXT, 1..2, None);
        assert!(error.to_string().contains("line 4, column 1;"), "{error}");
        // Which of several it was, nobody has said.
        let error = told(Dialect::Postgres, TEXT, 0..3, None);
        assert!(error.to_string().contains("failed between line 2 and line 5; nothing"), "{error}");
        assert!(!error.report().contains("in `"), "{}", error.report());
    }

    #[test]
    fn a_line_of_a_batch_becomes_a_line_of_the_file() {
        let text = "SELECT 1\nGO\n-- two\nSELECT 2\nSELECT x\n";
        let error = told(Dialect::SqlServer, text, 1..2, Some(Position::Line(3)));
        assert!(error.to_string().contains("failed at line 5;"), "{error}");
    }

    #[test]
    fn only_a_commit_can_leave_the_outcome_unknown() {
        let script = Script::fake("V001__a.sql", "SELECT 1");
        let broken =
            || Failed::from(Error::new(ErrorKind::OutcomeUnknown, "cut").with_effect(Effect::Unknown));
        let settings = settings();
        assert_eq!(failure(&script, broken(), Kept::Nothing, &settings).kind(), ErrorKind::Migration);
        let error = failure(&script, broken(), Kept::All, &settings);
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(!error.to_string().contains("nothing of it was kept") && !error.is_transient());
        let deferred = Error::new(ErrorKind::Constraint, "refused").with_effect(Effect::RolledBack);
        assert_eq!(failure(&script, deferred.into(), Kept::All, &settings).kind(), ErrorKind::Migration);
        let kept = failure(&script, error.into(), Kept::Before, &settings).to_string();
        assert!(kept.contains("what it did before was kept") && kept.contains("repair"), "{kept}");
    }

    #[test]
    fn a_long_statement_is_cut() {
        let long = format!("SELECT {}", "é, ".repeat(500));
        let short = shortened(&long);
        assert!(short.ends_with(" …") && short.chars().count() == MOST_QUOTED + 2);
        assert_eq!(shortened("-- The rule.\nALTER\n  TABLE t"), "ALTER TABLE t");
    }
}
