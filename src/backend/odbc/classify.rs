//! What a driver's diagnostics mean for a program: one table for each database, and what follows from the
//! moment at which they came. Pure.
//!
//! SQLSTATE tells PostgreSQL's errors apart, and no others: FreeTDS reports a deadlock as `42000` and a
//! lost connection as `01000`, SQLite's driver reports everything as `HY000`. There the driver's own
//! numbers decide.

use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase, Position};
use crate::settings::Secret;

use super::diagnostics::{DriverText, Record, lost_by_number};
use super::flavor::Flavor;
use super::objects::object;

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
    Is(ErrorKind, Effect),
}

use Meaning::{Cancelled, FailedOver, Is, Lost, TimedOut, Unreachable};

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
        // 42000 is the class of whatever has no class of its own there, a procedure's THROW included.
        Flavor::SqlServer => {
            sql_server(record.native).or_else(|| sqlstate(&record.state).filter(|_| record.state != "42000"))
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

/// SQL Server's own numbers and FreeTDS's (20000 and up), as they are in `sys.messages`.
///
/// What may pass is what Microsoft's SqlClient (`SqlConnectionInternal`, `SqlConfigurableRetryFactory`) and Entity
/// Framework (`SqlServerTransientExceptionDetector`) say: conflicts undo the work; a database that cannot be opened now
/// takes none. They count lost connections and failovers too, whatever was sent. Here that depends on the moment. Times
/// out (-2) are left out there and here: the work may have been done.
fn sql_server(native: i32) -> Option<Meaning> {
    Some(match native {
        1205 | 3960 | 41301 | 41302 | 41305 | 41325 | 41839 | 1222 => CONFLICT,
        2627 | 2601 | 547 | 515 => last(ErrorKind::Constraint),
        102 | 105 | 137 | 156 | 170 | 201 | 207 | 208 | 319 | 1038 | 2715 | 2812 | 4121 | 8144 | 8145 => {
            last(ErrorKind::Syntax)
        }
        229 | 230 | 262 | 297 | 300 | 916 | 15247 => last(ErrorKind::Permission),
        3906 => last(ErrorKind::ReadOnly),
        220 | 232 | 241 | 242 | 245 | 248 | 2628 | 8114 | 8115 | 8134 | 8152 => last(ErrorKind::Data),
        18452 | 18456 | 18470 | 18486 | 18487 | 18488 => last(ErrorKind::Auth),
        4064 => last(ErrorKind::Connect),
        701 | 802 | 1204 | 8645 | 8651 | 10928 | 10929 | 40501 | 49918 | 49919 | 49920 => THROTTLED,
        40143 | 40197 | 40540 | 40613 => FailedOver,
        997 | 4060 | 4221 | 6005 | 17142 | 18401 | 42108 | 42109 | 20002 | 20009 | 20012 | 20013 => {
            Unreachable
        }
        -2 => TimedOut,
        64 | 121 | 233 | 596 | 10053 | 10054 | 10060 => Lost,
        native if lost_by_number(native) => Lost,
        _ => return None,
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
        "40002" => last(ErrorKind::Constraint),
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
    let interrupted = matches!(meaning, Lost | TimedOut | Cancelled);
    match moment.phase {
        // Only a refusal is a commit that did not happen.
        Phase::Commit if !refuses(meaning) => (outcome_unknown(), true),
        Phase::Connect if matches!(meaning, Lost | Unreachable) => (
            Error::new(ErrorKind::Connect, "the server cannot be reached").with_effect(Effect::NotSent),
            true,
        ),
        phase if interrupted && (moment.gave_up || meaning == TimedOut || phase == Phase::Connect) => {
            (late(moment), true)
        }
        _ => match meaning {
            Lost | Unreachable | FailedOver if moment.may_have_written => (outcome_unknown(), true),
            Lost | Unreachable => (lost(), true),
            FailedOver => {
                let error = Error::new(ErrorKind::Throttled, "the database is moving to another machine");
                (error.with_effect(Effect::Throttled), true)
            }
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
mod tests {
    use super::*;

    fn at(phase: Phase, may_have_written: bool) -> Moment {
        Moment { phase, deadline: Deadline::NONE, may_have_written, gave_up: false }
    }

    fn record(state: &str, native: i32, text: &str) -> Record {
        Record { number: 1, state: state.into(), native, text: text.into(), line: None }
    }

    #[track_caller]
    fn check(flavor: Flavor, state: &str, native: i32, moment: Moment, kind: ErrorKind, effect: Effect) {
        let verdict = judge(&[record(state, native, "")], flavor, moment, &[]);
        assert_eq!((verdict.error.kind(), verdict.error.effect()), (kind, effect));
    }

    #[test]
    fn the_drivers_number_decides_on_sql_server() {
        let write = at(Phase::Query, true);
        for (state, native, kind, effect) in [
            ("42000", 1205, ErrorKind::Conflict, Effect::RolledBack),
            ("23000", 2627, ErrorKind::Constraint, Effect::Final),
            ("42S02", 208, ErrorKind::Syntax, Effect::Final),
            ("42000", 229, ErrorKind::Permission, Effect::Final),
            ("28000", 18456, ErrorKind::Auth, Effect::Final),
            ("HY000", 40501, ErrorKind::Throttled, Effect::Throttled),
            ("01000", 20017, ErrorKind::OutcomeUnknown, Effect::Unknown),
            ("42000", 50000, ErrorKind::Database, Effect::Final),
            ("HY000", 0, ErrorKind::OutcomeUnknown, Effect::Unknown),
        ] {
            check(Flavor::SqlServer, state, native, write, kind, effect);
        }
        check(
            Flavor::SqlServer,
            "08S01",
            20006,
            at(Phase::Query, false),
            ErrorKind::Connect,
            Effect::RolledBack,
        );
        check(
            Flavor::SqlServer,
            "08S01",
            20009,
            at(Phase::Connect, false),
            ErrorKind::Connect,
            Effect::NotSent,
        );
        check(
            Flavor::SqlServer,
            "01000",
            20017,
            at(Phase::Commit, false),
            ErrorKind::OutcomeUnknown,
            Effect::Unknown,
        );
    }

    #[test]
    fn a_failure_that_says_nothing_is_no_answer() {
        for records in [vec![], vec![record("HY000", 0, "Unknown error")]] {
            let verdict = judge(&records, Flavor::SqlServer, at(Phase::Commit, false), &[]);
            assert_eq!(verdict.error.kind(), ErrorKind::OutcomeUnknown);
            assert!(verdict.broken);
        }
        let answered = [record("HY000", 0, "Unknown error"), record("23000", 2627, "duplicate")];
        let verdict = judge(&answered, Flavor::SqlServer, at(Phase::Query, true), &[]);
        assert_eq!(verdict.error.kind(), ErrorKind::Constraint);
    }

    #[test]
    fn sqlite_is_told_by_its_result_code() {
        let write = at(Phase::Query, true);
        for (native, kind, effect) in [
            (1, ErrorKind::Syntax, Effect::Final),
            (19, ErrorKind::Constraint, Effect::Final),
            (2067, ErrorKind::Constraint, Effect::Final),
            (5, ErrorKind::Conflict, Effect::RolledBack),
            (8, ErrorKind::ReadOnly, Effect::Final),
            (9, ErrorKind::Cancelled, Effect::Final),
            (-1, ErrorKind::Database, Effect::Final),
        ] {
            check(Flavor::Sqlite, "HY000", native, write, kind, effect);
        }
    }

    #[test]
    fn psqlodbc_is_told_by_sqlstate_and_by_the_words_of_a_refused_login() {
        let write = at(Phase::Query, true);
        check(Flavor::Postgres, "40P01", 1, write, ErrorKind::Conflict, Effect::RolledBack);
        check(Flavor::Postgres, "23505", 1, write, ErrorKind::Constraint, Effect::Final);
        check(Flavor::Postgres, "57P01", 1, write, ErrorKind::OutcomeUnknown, Effect::Unknown);
        let in_transaction = at(Phase::Query, false);
        check(Flavor::Postgres, "HY000", 8, in_transaction, ErrorKind::Connect, Effect::RolledBack);
        for (text, kind, effect) in [
            ("FATAL:  password authentication failed for user \"b\"", ErrorKind::Auth, Effect::Final),
            ("FATAL:  database \"nope\" does not exist", ErrorKind::Connect, Effect::Final),
            ("FATAL:  sorry, too many clients already", ErrorKind::Throttled, Effect::NotSent),
            ("FATAL:  the database system is starting up", ErrorKind::Connect, Effect::NotSent),
            ("connection failed: Connection refused", ErrorKind::Connect, Effect::NotSent),
        ] {
            let verdict = judge(&[record("08001", 101, text)], Flavor::Other, at(Phase::Connect, false), &[]);
            assert_eq!((verdict.error.kind(), verdict.error.effect()), (kind, effect), "{text}");
            assert!(!verdict.error.to_string().contains("nope"));
        }
    }

    #[test]
    fn a_warning_before_the_error_does_not_hide_it() {
        let records = [record("01000", 3621, "terminated"), record("23000", 547, "FK")];
        let verdict = judge(&records, Flavor::SqlServer, at(Phase::Query, true), &[]);
        assert_eq!(verdict.error.kind(), ErrorKind::Constraint);
        assert_eq!(verdict.error.native_code(), Some(547));
        assert!(!verdict.broken);
    }

    #[test]
    fn an_interruption_that_we_asked_for_is_a_timeout_and_at_commit_an_unknown_outcome() {
        let gave_up = Moment { gave_up: true, ..at(Phase::Fetch, false) };
        let verdict = judge(&[record("HY008", 0, "")], Flavor::SqlServer, gave_up, &[]);
        assert_eq!(verdict.error.kind(), ErrorKind::Timeout(Phase::Fetch));
        assert!(verdict.broken);
        let commit = Moment { gave_up: true, ..at(Phase::Commit, false) };
        let verdict = judge(&[record("HYT00", 0, "")], Flavor::SqlServer, commit, &[]);
        assert_eq!(verdict.error.kind(), ErrorKind::OutcomeUnknown);
    }

    #[test]
    fn only_a_refusal_is_a_commit_that_did_not_happen() {
        use ErrorKind::{Conflict, Constraint, Database, OutcomeUnknown};
        let commit = at(Phase::Commit, false);
        for (flavor, state, native, kind, effect) in [
            (Flavor::SqlServer, "42000", COMMIT_REFUSED, Database, Effect::RolledBack),
            (Flavor::SqlServer, "42000", ENDED_BEFORE, OutcomeUnknown, Effect::Unknown),
            (Flavor::SqlServer, "42000", 3960, Conflict, Effect::RolledBack),
            (Flavor::SqlServer, "HY000", 40197, OutcomeUnknown, Effect::Unknown),
            (Flavor::SqlServer, "HY000", 1204, OutcomeUnknown, Effect::Unknown),
            (Flavor::SqlServer, "08001", 20009, OutcomeUnknown, Effect::Unknown),
            (Flavor::Postgres, "23503", 1, Constraint, Effect::Final),
            (Flavor::Postgres, "40001", 1, Conflict, Effect::RolledBack),
            (Flavor::Postgres, "57P01", 1, OutcomeUnknown, Effect::Unknown),
            (Flavor::Postgres, "57P03", 1, OutcomeUnknown, Effect::Unknown),
            (Flavor::Postgres, "HY000", 26, OutcomeUnknown, Effect::Unknown),
            (Flavor::Sqlite, "HY000", 5, Conflict, Effect::RolledBack),
            (Flavor::Sqlite, "HY000", 10, OutcomeUnknown, Effect::Unknown),
            (Flavor::Other, "25S01", 0, OutcomeUnknown, Effect::Unknown),
            (Flavor::Other, "25S03", 0, Conflict, Effect::RolledBack),
            (Flavor::Other, "HY000", 1, OutcomeUnknown, Effect::Unknown),
        ] {
            check(flavor, state, native, commit, kind, effect);
        }
        // The number of somebody's own THROW is no word of ours.
        check(Flavor::SqlServer, "42000", COMMIT_REFUSED, at(Phase::Query, true), Database, Effect::Final);
    }

    #[test]
    fn what_can_pass_on_sql_server_depends_on_the_moment() {
        let (write, read) = (at(Phase::Query, true), at(Phase::Query, false));
        let connect = at(Phase::Connect, false);
        for native in [1205, 1222, 3960, 41301, 41302, 41305, 41325, 41839] {
            check(Flavor::SqlServer, "42000", native, write, ErrorKind::Conflict, Effect::RolledBack);
        }
        for native in [1204, 10928, 10929, 40501, 49918, 49919, 49920] {
            check(Flavor::SqlServer, "HY000", native, write, ErrorKind::Throttled, Effect::Throttled);
        }
        for native in [40143, 40197, 40540, 40613] {
            check(Flavor::SqlServer, "HY000", native, write, ErrorKind::OutcomeUnknown, Effect::Unknown);
            check(Flavor::SqlServer, "HY000", native, read, ErrorKind::Throttled, Effect::Throttled);
            check(Flavor::SqlServer, "HY000", native, connect, ErrorKind::Throttled, Effect::Throttled);
        }
        for native in [64, 121, 233, 596, 10053, 10054, 20003, 20004, 20006, 20017] {
            check(Flavor::SqlServer, "01000", native, write, ErrorKind::OutcomeUnknown, Effect::Unknown);
            check(Flavor::SqlServer, "01000", native, read, ErrorKind::Connect, Effect::RolledBack);
        }
        for native in [997, 4060, 4221, 18401, 42108, 42109, 20002, 20009] {
            check(Flavor::SqlServer, "08001", native, connect, ErrorKind::Connect, Effect::NotSent);
        }
        for native in [18452, 18456] {
            check(Flavor::SqlServer, "28000", native, connect, ErrorKind::Auth, Effect::Final);
        }
        check(Flavor::SqlServer, "HYT00", -2, write, ErrorKind::Timeout(Phase::Query), Effect::Unknown);
        check(Flavor::SqlServer, "HYT00", -2, read, ErrorKind::Timeout(Phase::Query), Effect::RolledBack);
    }
}
