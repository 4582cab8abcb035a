//! What a driver's diagnostics mean for a program: one table for each database, and what follows from the
//! moment at which they came. Pure.
//!
//! SQLSTATE tells PostgreSQL's errors apart, and no others: FreeTDS reports a deadlock as `42000` and a
//! lost connection as `01000`, SQLite's driver reports everything as `HY000`. There the driver's own
//! numbers decide.

use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase, Position};
use crate::settings::Secret;

use super::diagnostics::{DriverText, Record};
use super::flavor::Flavor;
use super::objects::object;

mod sqlserver;

use sqlserver::Refusal;

/// What a record means, before it is known what was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The connection is gone.
    Lost,
    /// A time limit of the driver passed.
    TimedOut,
    /// Somebody cancelled the statement.
    Cancelled,
    /// The server could not be reached, or does not take connections now.
    Unreachable,
    /// The database moved to another machine under the statement, or was about to.
    FailedOver,
    /// The server is there, and does not open the database now.
    NotOpen,
    /// Why there is no connection, where that has words of its own.
    Refused(&'static Refusal),
    Is(ErrorKind, Effect),
}

use Meaning::{Cancelled, FailedOver, Is, Lost, NotOpen, Refused, TimedOut, Unreachable};

/// SQL Server's number for a database that is not there: of a login's, or in a `USE`.
const NO_DATABASE: i32 = 911;
/// The number with which our text for a commit says that the transaction could not be committed, and was undone.
pub(super) const COMMIT_REFUSED: i32 = 50_740;
/// The same, that there was none any more: a statement, or a procedure, had ended it, nobody knows how.
pub(super) const ENDED_BEFORE: i32 = 50_741;

/// The server undid the transaction for the sake of an error in it.
const UNDONE: Meaning = Is(ErrorKind::Database, Effect::RolledBack);

const CONFLICT: Meaning = Is(ErrorKind::Conflict, Effect::RolledBack);
const THROTTLED: Meaning = Is(ErrorKind::Throttled, Effect::Throttled);

const fn last(kind: ErrorKind) -> Meaning {
    Is(kind, Effect::Final)
}

/// The moment at which the diagnostics came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) phase: Phase,
    pub(super) deadline: Deadline,
    /// The statement may write, and is on its own.
    pub(super) may_have_written: bool,
    /// We have asked for a cancel, because the deadline passed.
    pub(super) gave_up: bool,
}

/// The error for the program, and whether the connection can go on.
pub(super) struct Verdict {
    pub(super) error: Error,
    pub(super) broken: bool,
}

/// Makes the error of a failed call.
pub(super) fn judge(records: &[Record], flavor: Flavor, moment: Moment, secrets: &[Secret]) -> Verdict {
    let (record, meaning) = decisive(records, flavor, moment.phase);
    let (error, broken) = error(meaning, moment);
    let error = match record {
        // A native code of 0 is none, and PostgreSQL has none.
        Some(record) => error.with_codes(
            Some(record.state.as_str()).filter(|state| !state.is_empty()),
            Some(record.native).filter(|&code| code != 0 && flavor != Flavor::Postgres),
        ),
        None => error,
    };
    // Later errors follow from the first one.
    let line = records.iter().find(|record| record.is_error()).and_then(|record| record.line);
    let error = error.with_position(line.map(Position::Line));
    let error = match record {
        Some(record) if error.kind() == ErrorKind::Constraint => error.with_object(object(&record.text)),
        _ => error,
    };
    let error = if records.is_empty() { error } else { error.with_source(DriverText::new(records, secrets)) };
    Verdict { error, broken }
}

/// The record that says most: the first that the tables know, else the first that is an error.
fn decisive(records: &[Record], flavor: Flavor, phase: Phase) -> (Option<&Record>, Meaning) {
    if flavor == Flavor::SqlServer
        && phase == Phase::Connect
        && let Some((record, meaning)) = sqlserver::of_login(records)
    {
        return (Some(record), meaning);
    }
    records
        .iter()
        .find_map(|record| meaning(record, flavor, phase).map(|meaning| (Some(record), meaning)))
        .unwrap_or_else(|| {
            let first = records.iter().find(|record| record.is_error()).or(records.first());
            // Every answer of SQL Server has a number. FreeTDS says "Unknown error" without one of a connection
            // that was reset while it waited for an answer, and sometimes nothing at all.
            let nameless = |record: &Record| {
                flavor == Flavor::SqlServer && record.native == 0 && record.state == "HY000"
            };
            (first, if first.is_none_or(nameless) { Lost } else { last(ErrorKind::Database) })
        })
}

fn meaning(record: &Record, flavor: Flavor, phase: Phase) -> Option<Meaning> {
    match flavor {
        // Elsewhere it is the number of somebody's own THROW.
        Flavor::SqlServer if phase == Phase::Commit && record.native == COMMIT_REFUSED => Some(UNDONE),
        // Of a statement it is the name of a database that is not there, and the session goes on.
        Flavor::SqlServer if phase != Phase::Connect && record.native == NO_DATABASE => {
            Some(last(ErrorKind::Syntax))
        }
        // 42000 is the class of whatever has no class of its own there, a procedure's THROW included.
        Flavor::SqlServer => {
            sqlserver::number(record).or_else(|| sqlstate(&record.state).filter(|_| record.state != "42000"))
        }
        Flavor::Sqlite => sqlite(record.native),
        // psqlODBC's number for errors of its own. In a transaction it sets a savepoint before each statement, and
        // says no more than that this failed when the connection is gone.
        Flavor::Postgres if record.native == 8 && record.state == "HY000" => Some(Lost),
        Flavor::Postgres | Flavor::Other => sqlstate(&record.state),
    }
    .map(|meaning| match meaning {
        // psqlODBC gives one SQLSTATE for all that goes wrong with a login.
        Unreachable => login_refusal(&record.text).unwrap_or(Unreachable),
        other => other,
    })
}

/// SQLite's primary result codes, which stand in the low byte of the extended ones.
fn sqlite(native: i32) -> Option<Meaning> {
    Some(match native & 0xff {
        _ if native < 1 => return None,
        1 => last(ErrorKind::Syntax),
        3 | 23 => last(ErrorKind::Permission),
        4 | 9 => Cancelled,
        5 | 6 => CONFLICT,
        7 => THROTTLED,
        8 => last(ErrorKind::ReadOnly),
        10 | 13 => last(ErrorKind::Io),
        14 => Unreachable,
        18 | 20 => last(ErrorKind::Data),
        19 => last(ErrorKind::Constraint),
        _ => return None,
    })
}

/// SQLSTATE: PostgreSQL's, and the ODBC driver manager's.
fn sqlstate(state: &str) -> Option<Meaning> {
    Some(match state {
        "08001" | "08004" | "57P03" | "57P05" => Unreachable,
        "40001" | "40P01" | "55P03" | "25P03" => CONFLICT,
        "25S03" => CONFLICT,
        "25S01" | "40003" | "57P01" | "57P02" | "57P04" | "HYT01" => Lost,
        "40002" | "428C9" => last(ErrorKind::Constraint),
        "42501" => last(ErrorKind::Permission),
        "25006" => last(ErrorKind::ReadOnly),
        "3D000" => last(ErrorKind::Connect),
        "53100" | "58030" => last(ErrorKind::Io),
        "57014" | "HY008" => Cancelled,
        "HYT00" => TimedOut,
        "07001" | "07002" => last(ErrorKind::Params),
        "IM002" | "IM003" => last(ErrorKind::Config),
        _ => match state.get(..2)? {
            "08" => Lost,
            "21" | "22" => last(ErrorKind::Data),
            "23" => last(ErrorKind::Constraint),
            "28" => last(ErrorKind::Auth),
            "42" => last(ErrorKind::Syntax),
            "53" => THROTTLED,
            _ => return None,
        },
    })
}

/// What a server that was reached says against a login, in the words of PostgreSQL. Whatever it is, it is
/// not tried again unless it is known to pass: repeated attempts lock accounts.
fn login_refusal(text: &str) -> Option<Meaning> {
    const AUTH: [&str; 5] = [
        "password authentication failed",
        "no pg_hba.conf entry",
        "no password supplied",
        "role \"",
        "authentication",
    ];
    const FULL: [&str; 2] = ["too many clients", "remaining connection slots"];
    const SOON: [&str; 3] = ["starting up", "shutting down", "in recovery"];
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    Some(match () {
        () if says(&FULL) => Is(ErrorKind::Throttled, Effect::NotSent),
        () if says(&SOON) => return None,
        () if says(&AUTH) => last(ErrorKind::Auth),
        () if text.contains("FATAL") => last(ErrorKind::Connect),
        () => return None,
    })
}

/// The error for a meaning at a moment, and whether the connection is broken by it.
fn error(meaning: Meaning, moment: Moment) -> (Error, bool) {
    // What came behind our cancel and has no class is the answer to it: Babelfish has one number for most of what it says.
    let answers_cancel = moment.gave_up && meaning == last(ErrorKind::Database);
    let interrupted = matches!(meaning, Lost | TimedOut | Cancelled) || answers_cancel;
    match moment.phase {
        // Only a refusal is a commit that did not happen.
        Phase::Commit if !refuses(meaning) => (outcome_unknown(), true),
        Phase::Connect if matches!(meaning, Lost | Unreachable) => (
            Error::new(ErrorKind::Connect, "the server cannot be reached").with_effect(Effect::NotSent),
            true,
        ),
        Phase::Connect if meaning == NotOpen => (sqlserver::NOT_OPEN.error(), true),
        phase if interrupted && (moment.gave_up || meaning == TimedOut || phase == Phase::Connect) => {
            (late(moment), true)
        }
        _ => match meaning {
            Lost | Unreachable | FailedOver | NotOpen if moment.may_have_written => (outcome_unknown(), true),
            Lost | Unreachable => (lost(), true),
            FailedOver | NotOpen => {
                let what = match meaning {
                    NotOpen => sqlserver::NOT_OPEN.what,
                    _ => "the database is moving to another machine",
                };
                (Error::new(ErrorKind::Throttled, what).with_effect(Effect::Throttled), true)
            }
            Refused(refusal) => (refusal.error(), true),
            Cancelled => (Error::new(ErrorKind::Cancelled, "the statement was cancelled"), true),
            TimedOut => (late(moment), true),
            Is(kind, effect) => {
                let error = Error::new(kind, sentence(kind)).with_effect(effect);
                (error, matches!(kind, ErrorKind::Auth | ErrorKind::Connect))
            }
        },
    }
}

/// Whether the server says that it did not commit: it refused the data, or had undone the transaction for the sake of
/// another or for an error in it. What it does not say in so many words may have been done.
fn refuses(meaning: Meaning) -> bool {
    meaning == UNDONE
        || matches!(meaning, Is(ErrorKind::Conflict | ErrorKind::Constraint | ErrorKind::ReadOnly, _))
}

/// A limit passed: ours, or where there is none the driver's or the server's own.
fn late(moment: Moment) -> Error {
    let error = match moment.deadline.at() {
        Some(_) => moment.deadline.passed(moment.phase),
        None => Error::new(ErrorKind::Timeout(moment.phase), "a limit of the driver or the server passed")
            .with_effect(Effect::Unknown),
    };
    match moment.phase {
        // What only read, or was part of a transaction, ends with its connection.
        Phase::Query | Phase::Fetch if !moment.may_have_written => error.with_effect(Effect::RolledBack),
        _ => error,
    }
}

/// The connection broke when nothing can have remained of the work.
pub(super) fn lost() -> Error {
    Error::new(ErrorKind::Connect, "the connection to the server broke; nothing of the work remains")
        .with_effect(Effect::RolledBack)
}

/// The connection broke, or the time ran out, when the work may already have been done.
pub(super) fn outcome_unknown() -> Error {
    Error::new(ErrorKind::OutcomeUnknown, "no answer came, or none that tells: the work may have been done")
        .with_effect(Effect::Unknown)
        .with_hint("look at the data before you try again")
}

fn sentence(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Config => "the ODBC driver or data source is not installed",
        ErrorKind::Connect => "the server refused the connection",
        ErrorKind::Auth => "the server refused the credentials",
        ErrorKind::Constraint => "a constraint refused the data",
        ErrorKind::Conflict => "the server gave the work up in favour of another transaction",
        ErrorKind::Syntax => "the server does not understand the statement",
        ErrorKind::Permission => "the server does not allow this",
        ErrorKind::ReadOnly => "the database takes no writes",
        ErrorKind::Params => "the parameters do not fit the statement",
        ErrorKind::Data => "the server could not take or compute a value",
        ErrorKind::Throttled => "the server is short of resources",
        ErrorKind::Io => "the database's storage failed or is full",
        _ => "the database reported an error",
    }
}

#[cfg(test)]
mod tests;
