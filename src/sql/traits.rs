//! What can be told of a text by reading its keywords.
//!
//! The answers lean to the safe side: an unknown statement writes and leaves traces. Everything but plain
//! reading, DML and `COPY` counts as leaving traces, `CREATE TABLE` too: to clean a session that was clean
//! costs little, and to tell the temporary from the permanent takes more than keywords.

mod t_sql;
#[cfg(test)]
mod tests;

use super::Traits;
use super::functions::calls_unknown;
use super::lexer::{Kind, Token};
use super::statements::statements;
use crate::dialect::Dialect;

pub(super) use t_sql::{control as t_sql_control, defines_module};

const UNKNOWN: Traits = Traits {
    transaction_control: false,
    writes: true,
    acts: true,
    divisible: true,
    leaves_traces: true,
    discards_prepared: false,
    changes_quoting: false,
};
const CONTROL: Traits = Traits { transaction_control: true, ..UNKNOWN };

/// Heads of statements that read, unless something inside of them writes.
const READS: &[&str] = &["SELECT", "VALUES", "TABLE", "SHOW", "WITH", "EXPLAIN"];

/// Heads of statements that write rows and nothing else. `REPLACE` is SQLite's and MySQL's insert.
const CHANGES: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "REPLACE"];

/// Heads of statements that one error undoes as a whole, where they stand alone.
const ATOMIC: &[&str] = &["TRUNCATE", "LOCK", "REFRESH"];

/// Keywords inside of a reading statement that make it a writing one: `WITH … INSERT`, `SELECT … INTO`, `FOR
/// UPDATE`.
const WRITING_WORDS: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "INTO"];

/// Functions that change data although they are called by `SELECT`. `set_config` is among them as `SET` is among
/// what writes: it could take back that the session of a read-only database reads only. `dblink`'s run a text in another
/// session, which is not bound by this one.
const WRITING_FUNCTIONS: &[&str] =
    &["nextval", "setval", "pg_notify", "set_config", "dblink_exec", "dblink_send_query"];

/// Functions that leave something behind in the session.
const TRACING_FUNCTIONS: &[&str] = &[
    "set_config",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "sp_getapplock",
    "get_lock",
];

const TRANSACTION: &[&str] = &["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ABORT"];

/// The setting of PostgreSQL by which a backslash in a plain string is a backslash, as the lexer takes it.
const PLAIN_BACKSLASH: &str = "standard_conforming_strings";

/// Reads the tokens that the database reads.
pub(super) fn read(significant: &[Token<'_>], dialect: Dialect) -> Traits {
    let mut all = Traits::default();
    if dialect == Dialect::SqlServer {
        if defines_module(significant) {
            return UNKNOWN;
        }
        all = t_sql::batch(significant);
    }
    let mut count = 0;
    for statement in statements(significant) {
        count += 1;
        all = all.or(match dialect {
            Dialect::SqlServer => t_sql::head(statement),
            _ => standard(statement, dialect),
        });
    }
    all.divisible |= count > 1 && all.acts;
    all
}

impl Traits {
    /// What holds of two statements, one after the other.
    fn or(self, other: Traits) -> Traits {
        Traits {
            transaction_control: self.transaction_control || other.transaction_control,
            writes: self.writes || other.writes,
            acts: self.acts || other.acts,
            divisible: self.divisible || other.divisible,
            leaves_traces: self.leaves_traces || other.leaves_traces,
            discards_prepared: self.discards_prepared || other.discards_prepared,
            changes_quoting: self.changes_quoting || other.changes_quoting,
        }
    }
}

/// One statement of PostgreSQL, SQLite or another database that separates statements by `;`.
fn standard(statement: &[Token<'_>], dialect: Dialect) -> Traits {
    let explained = explained(statement);
    let only_explains = matches!(explained, Explained::Shown);
    let statement = match explained {
        Explained::Run(inner) => inner,
        Explained::Shown | Explained::No => statement,
    };
    let Some(place) = head(statement) else { return UNKNOWN };
    let (head, following) = (&statement[place], &statement[place + 1..]);
    if controls(head, following, dialect) {
        return CONTROL;
    }
    let writes = !head.is_one_of(READS) || (!only_explains && writes_inside(statement));
    let known = head.is_one_of(READS) || head.is_one_of(CHANGES);
    Traits {
        transaction_control: false,
        writes,
        acts: writes || (dialect != Dialect::Sqlite && !only_explains && calls_unknown(statement, dialect)),
        divisible: !known && !head.is_one_of(ATOMIC),
        leaves_traces: !known || traces_inside(statement),
        discards_prepared: head.is_one_of(&["DISCARD", "DEALLOCATE"])
            && following.iter().any(|token| token.is_word("ALL")),
        changes_quoting: changes_quoting(statement),
    }
}

/// The place of the word that says what a statement is: its first token, behind opening parentheses. A statement that
/// begins with anything else (T-SQL calls a procedure by its name in quotes) is none that is known here.
fn head(statement: &[Token<'_>]) -> Option<usize> {
    let place = statement.iter().position(|token| !token.is("("))?;
    (statement[place].kind == Kind::Word).then_some(place)
}

/// Whether the statement begins, divides or ends a transaction. MySQL begins one with every statement once its
/// `autocommit` is off, and commits the open one when it is switched on again.
fn controls(head: &Token<'_>, following: &[Token<'_>], dialect: Dialect) -> bool {
    let next_is = |word: &str| following.first().is_some_and(|next| next.is_word(word));
    head.is_one_of(TRANSACTION)
        || (head.is_one_of(&["START", "PREPARE"]) && next_is("TRANSACTION"))
        || (dialect == Dialect::Odbc
            && (head.is_word("XA") || (head.is_word("SET") && sets(following, "autocommit"))))
}

/// Whether what follows `SET` gives this variable a value, rather than reads it: `@@session.autocommit = 0`.
fn sets(following: &[Token<'_>], variable: &str) -> bool {
    following.iter().enumerate().any(|(place, token)| {
        let scope = |token: &Token<'_>| {
            token.is_one_of(&["SESSION", "GLOBAL", "LOCAL"])
                || token.is("@")
                || token.is("@@")
                || token.is(".")
        };
        let before = following[..place].iter().rfind(|token| !scope(token));
        names(token, variable) && before.is_none_or(|before| before.is(","))
    })
}

/// What a statement has to do with `EXPLAIN`.
enum Explained<'t, 'a> {
    No,
    /// The statement behind it is planned, and not run.
    Shown,
    /// The statement behind its options is run: `EXPLAIN ANALYZE`.
    Run(&'t [Token<'a>]),
}

fn explained<'t, 'a>(statement: &'t [Token<'a>]) -> Explained<'t, 'a> {
    let is_run = |token: &Token<'_>| token.is_one_of(&["ANALYZE", "ANALYSE"]);
    let mut rest = match statement {
        [first, rest @ ..] if first.is_word("EXPLAIN") => rest,
        _ => return Explained::No,
    };
    let mut runs = false;
    loop {
        match rest {
            [option, behind @ ..] if is_run(option) || option.is_word("VERBOSE") => {
                runs |= is_run(option);
                rest = behind;
            }
            // MySQL's.
            [format, equals, _, behind @ ..] if format.is_word("FORMAT") && equals.is("=") => rest = behind,
            [open, option, ..] if open.is("(") && !option.is("(") && !option.is_one_of(READS) => {
                let Some(close) = rest.iter().position(|token| token.is(")")) else { break };
                runs |= rest[..close].iter().any(is_run);
                rest = &rest[close + 1..];
            }
            _ => break,
        }
    }
    if runs { Explained::Run(rest) } else { Explained::Shown }
}

/// Whether the statement asks the server to read a backslash in a plain string as an escape. From then on this crate
/// would see strings end where they do not.
pub(super) fn changes_quoting(statement: &[Token<'_>]) -> bool {
    let sets = statement.first().is_some_and(|head| head.is_word("SET"));
    let keeps = |value: &Token<'_>| {
        let value = value.text.trim_matches('\'');
        ["on", "true", "yes", "1", "default"].iter().any(|word| value.eq_ignore_ascii_case(word))
    };
    statement.iter().enumerate().any(|(place, token)| {
        // `SET name = value`, and `set_config('name', 'value', …)`.
        let is_first = match statement[..place] {
            [_] => true,
            [_, scope] => scope.is_one_of(&["SESSION", "LOCAL"]),
            _ => false,
        };
        let is_set = sets && is_first && names(token, PLAIN_BACKSLASH);
        let is_config = place >= 2
            && token.text.trim_matches('\'').eq_ignore_ascii_case(PLAIN_BACKSLASH)
            && names(&statement[place - 2], "set_config");
        (is_set || is_config) && !statement.get(place + 2).is_some_and(keeps)
    })
}

fn writes_inside(statement: &[Token<'_>]) -> bool {
    statement.iter().any(|token| token.is_one_of(WRITING_WORDS) || calls(token, WRITING_FUNCTIONS))
        || statement.windows(2).any(|pair| {
            // `FOR SHARE` takes row locks; T-SQL and DB2 spell `nextval` as `NEXT VALUE FOR`.
            (pair[1].is_word("SHARE") && pair[0].is_one_of(&["FOR", "KEY", "IN"]))
                || (pair[0].is_word("NEXT") && pair[1].is_word("VALUE"))
        })
}

fn traces_inside(statement: &[Token<'_>]) -> bool {
    let has = |word: &str| statement.iter().any(|token| token.is_word(word));
    statement.iter().any(|token| calls(token, TRACING_FUNCTIONS))
        // PostgreSQL's view of its settings takes an UPDATE for a SET.
        || (statement.iter().any(|token| names(token, "pg_settings")) && has("UPDATE"))
        || statement.iter().enumerate().any(|(place, token)| {
            token.is_word("INTO") && makes_temporary(&statement[place + 1..])
        })
}

/// Whether what stands behind `INTO` is a table of the session: `TEMP t`, `LOCAL TEMPORARY TABLE t`, `pg_temp.t`, `#t`.
fn makes_temporary(behind: &[Token<'_>]) -> bool {
    let temporary: &[&str] = &["TEMP", "TEMPORARY"];
    let is_temporary = match behind {
        [first, second, ..] if first.is_one_of(&["LOCAL", "GLOBAL"]) => second.is_one_of(temporary),
        [first, ..] => first.is_one_of(temporary),
        [] => false,
    };
    let name = match behind {
        [table, name @ ..] if table.is_word("TABLE") => name,
        name => name,
    };
    let in_session = match name {
        [schema, dot, ..] if dot.is(".") => starts_with(schema, "pg_temp"),
        _ => false,
    };
    is_temporary || in_session || name.first().is_some_and(|name| starts_with(name, "#"))
}

/// Whether the token is the name of one of the functions, in quotes or without.
fn calls(token: &Token<'_>, functions: &[&str]) -> bool {
    functions.iter().any(|function| names(token, function))
}

/// Whether the token is this name, in quotes or without.
fn names(token: &Token<'_>, name: &str) -> bool {
    matches!(token.kind, Kind::Word | Kind::Quoted) && unquoted(token).eq_ignore_ascii_case(name)
}

fn starts_with(token: &Token<'_>, beginning: &str) -> bool {
    let head = unquoted(token).get(..beginning.len());
    matches!(token.kind, Kind::Word | Kind::Quoted)
        && head.is_some_and(|head| head.eq_ignore_ascii_case(beginning))
}

fn unquoted<'a>(token: &Token<'a>) -> &'a str {
    token.text.trim_matches(['"', '[', ']', '`'])
}
