//! What can be told of a text by reading its keywords.
//!
//! The answers lean to the safe side: an unknown statement writes and leaves traces. Everything but plain
//! reading, DML and `COPY` counts as leaving traces, `CREATE TABLE` too: to clean a session that was clean
//! costs little, and to tell the temporary from the permanent takes more than keywords.

use super::Traits;
use super::functions::calls_unknown;
use super::lexer::{Kind, Token};
use super::statements::statements;
use crate::dialect::Dialect;

const UNKNOWN: Traits =
    Traits { transaction_control: false, writes: true, acts: true, divisible: true, leaves_traces: true };
const CONTROL: Traits = Traits { transaction_control: true, ..UNKNOWN };

/// Heads of statements that read, unless something inside of them writes.
const READS: &[&str] = &["SELECT", "VALUES", "TABLE", "SHOW", "WITH", "EXPLAIN"];

/// Heads of statements that write rows and nothing else. `REPLACE` is SQLite's and MySQL's insert.
const CHANGES: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "REPLACE"];

/// Heads of statements that one error undoes as a whole, where they stand alone.
const ATOMIC: &[&str] = &["TRUNCATE", "LOCK", "REFRESH"];

/// T-SQL's words that make one statement run many times, each time committed by itself.
const LOOPS: &[&str] = &["WHILE", "GOTO"];

/// T-SQL's functions that hand a text to another server.
const REMOTE: &[&str] = &["openquery", "openrowset", "opendatasource"];

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

/// T-SQL's control flow, which neither writes nor leaves anything behind by itself.
const FLOW: &[&str] = &[
    "DECLARE",
    "SET",
    "IF",
    "ELSE",
    "WHILE",
    "BEGIN",
    "END",
    "BREAK",
    "CONTINUE",
    "RETURN",
    "GOTO",
    "PRINT",
    "RAISERROR",
    "THROW",
    "WAITFOR",
];

/// T-SQL's reserved words that begin a statement of another kind, wherever they stand.
const OTHER_VERBS: &[&str] = &[
    "ALTER",
    "BACKUP",
    "CHECKPOINT",
    "CLOSE",
    "CREATE",
    "DBCC",
    "DEALLOCATE",
    "DENY",
    "DROP",
    "EXEC",
    "EXECUTE",
    "GRANT",
    "KILL",
    "OPEN",
    "RECONFIGURE",
    "RESTORE",
    "REVERT",
    "REVOKE",
    "SETUSER",
    "SHUTDOWN",
    "TRUNCATE",
    "UPDATETEXT",
    "WRITETEXT",
];

/// Reads the tokens that the database reads.
pub(super) fn read(significant: &[Token<'_>], dialect: Dialect) -> Traits {
    let mut all = Traits::default();
    if dialect == Dialect::SqlServer {
        if defines_module(significant) {
            return UNKNOWN;
        }
        all = t_sql(significant);
    }
    let mut count = 0;
    for statement in statements(significant) {
        count += 1;
        let one = match dialect {
            Dialect::SqlServer => t_sql_head(statement),
            _ => standard(statement, dialect),
        };
        all = Traits {
            transaction_control: all.transaction_control || one.transaction_control,
            writes: all.writes || one.writes,
            acts: all.acts || one.acts,
            divisible: all.divisible || one.divisible,
            leaves_traces: all.leaves_traces || one.leaves_traces,
        };
    }
    all.divisible |= count > 1 && all.acts;
    all
}

/// One statement of PostgreSQL, SQLite or another database that separates statements by `;`.
fn standard(statement: &[Token<'_>], dialect: Dialect) -> Traits {
    let mut words = statement.iter().filter(|token| token.kind == Kind::Word);
    let Some(head) = words.next() else { return UNKNOWN };
    let before_transaction = head.is_one_of(&["START", "PREPARE"])
        && words.next().is_some_and(|second| second.is_word("TRANSACTION"));
    if head.is_one_of(TRANSACTION) || before_transaction {
        return CONTROL;
    }
    let only_explains =
        head.is_word("EXPLAIN") && !statement.iter().any(|token| token.is_one_of(&["ANALYZE", "ANALYSE"]));
    let writes = !head.is_one_of(READS) || (!only_explains && writes_inside(statement));
    let known = head.is_one_of(READS) || head.is_one_of(CHANGES);
    Traits {
        transaction_control: false,
        writes,
        acts: writes || (dialect != Dialect::Sqlite && !only_explains && calls_unknown(statement)),
        divisible: !known && !head.is_one_of(ATOMIC),
        leaves_traces: !known || traces_inside(statement),
    }
}

/// A head of a T-SQL statement that nothing is known of, such as a procedure's name, may do anything.
fn t_sql_head(statement: &[Token<'_>]) -> Traits {
    let known = statement.iter().find(|token| token.kind == Kind::Word).is_some_and(|head| {
        head.is_one_of(READS)
            || head.is_one_of(CHANGES)
            || head.is_one_of(FLOW)
            || head.is_one_of(OTHER_VERBS)
            || head.is_one_of(&["COMMIT", "ROLLBACK", "SAVE", "USE"])
    });
    if known { Traits::default() } else { UNKNOWN }
}

/// T-SQL needs no `;`, but its verbs are reserved: one that stands anywhere without quotes is a statement.
fn t_sql(batch: &[Token<'_>]) -> Traits {
    let writes = writes_inside(batch);
    let mut all = Traits {
        transaction_control: false,
        writes,
        // Its functions cannot write, but for those that ask another server.
        acts: writes || batch.iter().any(|token| calls(token, REMOTE)),
        divisible: writes && !is_one_change(batch),
        leaves_traces: traces_inside(batch),
    };
    if t_sql_control(batch).is_some() {
        return CONTROL;
    }
    for (index, token) in batch.iter().enumerate().filter(|(_, token)| token.kind == Kind::Word) {
        let following = &batch[index + 1..];
        let is_followed_by = |words: &[&str]| following.first().is_some_and(|next| next.is_one_of(words));
        if token.is_one_of(OTHER_VERBS) {
            all = UNKNOWN;
        }
        // `OPTION (USE HINT …)` is no statement, and a global cursor outlives its batch.
        let switches = token.is_word("USE") && !is_followed_by(&["HINT", "PLAN"]);
        let sets = token.is_word("SET") && sets_option(following);
        all.leaves_traces |= switches || sets || token.is_word("CURSOR");
    }
    all
}

/// Where a T-SQL batch begins, divides or ends a transaction: the place of the token.
pub(super) fn t_sql_control(batch: &[Token<'_>]) -> Option<usize> {
    batch.iter().enumerate().position(|(index, token)| {
        let is_followed_by = |words: &[&str]| batch.get(index + 1).is_some_and(|next| next.is_one_of(words));
        token.is_one_of(&["COMMIT", "ROLLBACK"])
            || (token.is_word("BEGIN") && is_followed_by(&["TRAN", "TRANSACTION", "DISTRIBUTED"]))
            || (token.is_word("SAVE") && is_followed_by(&["TRAN", "TRANSACTION"]))
    })
}

/// Whether a T-SQL batch has one statement that writes, and runs it once.
fn is_one_change(batch: &[Token<'_>]) -> bool {
    if batch.iter().any(|token| token.is_one_of(LOOPS)) {
        return false;
    }
    // The branches of a `MERGE` are no statements of their own, and it ends with a `;`.
    if batch.first().is_some_and(|head| head.is_word("MERGE")) {
        return statements(batch).count() == 1;
    }
    let verbs = |token: &&Token<'_>| token.is_one_of(&["INSERT", "UPDATE", "DELETE", "MERGE"]);
    let into =
        batch.windows(2).filter(|pair| pair[1].is_word("INTO") && !pair[0].is_one_of(&["INSERT", "MERGE"]));
    batch.iter().filter(verbs).count() + into.count() == 1
}

/// Whether what follows `SET` is an option of the session, rather than a variable or the column of an
/// `UPDATE`. The option that every session has anyway does not count; `NOCOUNT` does, for without the counts nobody
/// behind it is told how many rows were changed.
fn sets_option(following: &[Token<'_>]) -> bool {
    let [option, next, ..] = following else { return true };
    if option.kind != Kind::Word || option.text.starts_with('@') {
        return false;
    }
    let assigns = ["=", ".", "+", "-", "*", "/", "%", "&", "|", "^"].iter().any(|symbol| next.is(symbol));
    let is_ours = option.is_word("XACT_ABORT") && next.is_word("ON");
    !assigns && !is_ours
}

/// Whether the batch is `CREATE PROCEDURE` or its like, whose body reaches to the end and does not run now.
pub(super) fn defines_module(batch: &[Token<'_>]) -> bool {
    batch.first().is_some_and(|first| first.is_one_of(&["CREATE", "ALTER"]))
        && batch
            .iter()
            .take(4)
            .any(|token| token.is_one_of(&["PROC", "PROCEDURE", "FUNCTION", "TRIGGER", "VIEW"]))
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
    statement.iter().any(|token| calls(token, TRACING_FUNCTIONS))
        || statement.windows(3).any(|three| {
            let temporary: &[&str] = &["TEMP", "TEMPORARY"];
            three[0].is_word("INTO")
                && (three[1].is_one_of(temporary)
                    || (three[1].is_one_of(&["LOCAL", "GLOBAL"]) && three[2].is_one_of(temporary)))
        })
        || statement.windows(2).any(|pair| pair[0].is_word("INTO") && unquoted(&pair[1]).starts_with('#'))
}

/// Whether the token is the name of one of the functions, in quotes or without.
fn calls(token: &Token<'_>, functions: &[&str]) -> bool {
    matches!(token.kind, Kind::Word | Kind::Quoted)
        && functions.iter().any(|function| unquoted(token).eq_ignore_ascii_case(function))
}

fn unquoted<'a>(token: &Token<'a>) -> &'a str {
    token.text.trim_matches(['"', '[', ']', '`'])
}

#[cfg(test)]
mod tests {
    use super::super::traits_of;
    use super::*;
    use Dialect::{Odbc, Postgres, SqlServer, Sqlite};

    /// `c`: controls a transaction, `w`: writes, `t`: leaves traces.
    #[track_caller]
    fn check(dialect: Dialect, text: &str, wanted: &str) {
        let found = traits_of(text, dialect);
        let mut shown = String::new();
        for (is, letter) in
            [(found.transaction_control, 'c'), (found.writes, 'w'), (found.leaves_traces, 't')]
        {
            if is {
                shown.push(letter);
            }
        }
        assert_eq!(shown, wanted, "{dialect:?}: {text}");
    }

    #[test]
    fn reading_is_told_from_writing() {
        for (text, wanted) in [
            ("SELECT 1", ""),
            ("-- a note\n(SELECT 1) UNION (SELECT 2);", ""),
            ("VALUES (1)", ""),
            ("TABLE t", ""),
            ("SHOW timezone", ""),
            ("", ""),
            ("-- nothing", ""),
            ("SELECT 'insert into t', \"update\" -- delete", ""),
            ("WITH a AS (SELECT 1) SELECT * FROM a", ""),
            ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", "w"),
            ("SELECT 1 INTO t", "w"),
            ("SELECT * FROM t FOR UPDATE", "w"),
            ("SELECT * FROM t FOR NO KEY UPDATE", "w"),
            ("SELECT * FROM t FOR SHARE", "w"),
            ("SELECT * FROM t FOR KEY SHARE", "w"),
            ("SELECT share FROM holdings", ""),
            ("SELECT nextval('s')", "w"),
            ("EXPLAIN INSERT INTO t VALUES (1)", ""),
            ("EXPLAIN (ANALYZE) DELETE FROM t", "w"),
            ("EXPLAIN ANALYZE SELECT 1", ""),
            ("SELECT 1; INSERT INTO t VALUES (1)", "w"),
            ("INSERT INTO t VALUES (1)", "w"),
            ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "w"),
            ("COPY t FROM STDIN", "w"),
        ] {
            check(Postgres, text, wanted);
            check(Odbc, text, wanted);
        }
        check(Sqlite, "REPLACE INTO t VALUES (1)", "w");
        check(Sqlite, "PRAGMA foreign_keys = ON", "wt");
    }

    #[test]
    fn what_may_be_sent_again_is_told_from_what_acts() {
        let acts = |dialect, text| traits_of(text, dialect).acts;
        for text in [
            "SELECT count(*), max(a) FROM t WHERE a IN (1, 2) AND (b OR NOT (c))",
            "SELECT a::numeric(10,2), CAST(a AS varchar(3)) FROM t AS u(a) ORDER BY (a)",
            "SELECT pg_catalog.lower(a) FROM t WHERE EXISTS (SELECT 1) GROUP BY (a) HAVING (a) > 1",
            "WITH c AS MATERIALIZED (SELECT 1) SELECT row_number() OVER (ORDER BY a) FROM c",
            "EXPLAIN SELECT book_order(7)",
        ] {
            assert!(!acts(Postgres, text), "{text}");
        }
        for text in [
            "SELECT book_order(7)",
            "SELECT \"count\"(7)",
            "SELECT mine.count(7)",
            "SELECT pg_catalog.lo_unlink(7)",
            "SELECT pg_terminate_backend(7)",
            "VALUES (dblink_exec('x'))",
            "INSERT INTO t VALUES (1)",
            "SELECT * FROM t FOR UPDATE",
        ] {
            assert!(acts(Postgres, text) && acts(Odbc, text), "{text}");
        }
        assert!(!acts(SqlServer, "SELECT dbo.score(7)"));
        assert!(acts(SqlServer, "SELECT * FROM OPENQUERY(other, 'DELETE t; SELECT 1')"));
        assert!(!acts(Sqlite, "SELECT julianday('now')"));
    }

    #[test]
    fn what_an_error_undoes_as_a_whole_is_told_from_what_it_divides() {
        let divisible = |dialect, text| traits_of(text, dialect).divisible;
        for text in [
            "SELECT 1",
            "SELECT 1; SELECT 2",
            "INSERT INTO t SELECT * FROM u",
            "TRUNCATE t",
            "WITH a AS (SELECT 1) DELETE FROM t",
        ] {
            assert!(!divisible(Postgres, text), "{text}");
        }
        for text in [
            "CALL p()",
            "DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; END $$",
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
            "SELECT 1; INSERT INTO t VALUES (2)",
        ] {
            assert!(divisible(Postgres, text) && divisible(Odbc, text), "{text}");
        }
        for text in [
            "SELECT 1 SELECT 2",
            "SET NOCOUNT ON INSERT INTO t SELECT * FROM u",
            "WITH a AS (SELECT 1 AS x) UPDATE t SET a = 1 FROM a",
            "MERGE t USING s ON 1 = 1 WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1);",
            "SELECT 1 AS a INTO t",
        ] {
            assert!(!divisible(SqlServer, text), "{text}");
        }
        for text in [
            "INSERT t VALUES (1) INSERT t VALUES (2)",
            "INSERT t VALUES (1); DELETE FROM u",
            "SELECT 1 AS a INTO t DELETE FROM u",
            "WHILE 1 = 1 INSERT t VALUES (1)",
            "MERGE t USING s ON 1 = 1 WHEN MATCHED THEN DELETE; DELETE FROM u",
            "EXEC p",
            "INSERT t EXEC p",
            "p 1",
        ] {
            assert!(divisible(SqlServer, text), "{text}");
        }
    }

    #[test]
    fn traces_are_found() {
        for text in [
            "SET search_path TO x",
            "RESET ALL",
            "LISTEN c",
            "CREATE TEMP TABLE t (a int)",
            "CREATE TABLE t (a int)",
            "PREPARE p AS SELECT 1",
            "DECLARE c CURSOR FOR SELECT 1",
            "DO $$ BEGIN END $$",
            "CALL p()",
            "LOCK TABLE t",
            "SELECT 1; SET x = 1",
        ] {
            check(Postgres, text, "wt");
        }
        check(Postgres, "SELECT set_config('a', 'b', false)", "wt");
        check(Postgres, "SELECT pg_catalog.PG_ADVISORY_LOCK(1)", "t");
        check(Postgres, "SELECT \"pg_try_advisory_lock_shared\"(1)", "t");
        check(Postgres, "SELECT pg_advisory_xact_lock(1), 'set_config'", "");
        check(Postgres, "SELECT 1 AS a INTO TEMP t", "wt");
        check(Postgres, "SELECT 1 AS a INTO LOCAL TEMPORARY TABLE t", "wt");
    }

    #[test]
    fn transaction_control_is_the_head_of_a_statement() {
        for text in [
            "BEGIN",
            "start transaction read only",
            "COMMIT;",
            "END",
            "ROLLBACK TO s",
            "SAVEPOINT s",
            "RELEASE s",
            "ABORT",
            "PREPARE TRANSACTION 'x'",
            "SELECT 1; /* now */ Commit",
        ] {
            check(Postgres, text, "cwt");
            check(Sqlite, text, "cwt");
        }
        check(Postgres, "SELECT 'x; COMMIT'", "");
        check(Postgres, "SELECT $$; COMMIT; $$", "");
        check(Postgres, "SELECT CASE WHEN true THEN 1 END", "");
        check(Sqlite, "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; END", "wt");
        check(
            Postgres,
            "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
            "wt",
        );
        check(Postgres, "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM u; DELETE FROM v)", "wt");
        check(Odbc, "CREATE PROCEDURE p() BEGIN IF a THEN SELECT 1; END IF; COMMIT; END", "wt");
    }

    #[test]
    fn t_sql_needs_no_semicolons() {
        for (text, wanted) in [
            ("SELECT 1", ""),
            ("SET NOCOUNT ON; SELECT 1", "t"),
            ("SET XACT_ABORT ON; SELECT 1", ""),
            ("DECLARE @d date = GETDATE() SET @d = '2024-01-01' SELECT @d", ""),
            ("SELECT a FROM t ORDER BY a OFFSET 0 ROWS FETCH NEXT 5 ROWS ONLY", ""),
            ("SELECT a FROM t OPTION (USE HINT ('x'))", ""),
            ("SELECT [update], \"exec\", 'commit' FROM t", ""),
            (";WITH a AS (SELECT 1 AS x) SELECT x FROM a", ""),
            ("SELECT NEXT VALUE FOR s", "w"),
            ("SELECT 1 DELETE FROM t", "w"),
            ("UPDATE t SET a = 1, b.c += 2", "w"),
            ("MERGE t USING s ON 1 = 1 WHEN MATCHED THEN UPDATE SET t.a = s.a;", "w"),
            ("IF EXISTS (SELECT 1) UPDATE t SET a = 1 ELSE INSERT t VALUES (1)", "w"),
            ("BEGIN TRY SELECT 1 END TRY BEGIN CATCH THROW; END CATCH", ""),
            ("SELECT 1 AS a INTO t", "w"),
            ("SELECT 1 AS a INTO #t", "wt"),
            ("SELECT 1 AS a INTO [#t]", "wt"),
            ("SELECT 1 SET LANGUAGE French", "t"),
            ("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; SELECT 1", "t"),
            ("USE other", "t"),
            ("DECLARE c CURSOR FOR SELECT 1", "t"),
            ("EXEC p", "wt"),
            ("p 1", "wt"),
            ("{call p}", "wt"),
            ("INSERT t EXEC p", "wt"),
            ("CREATE TABLE #t (a int)", "wt"),
            ("BEGIN TRAN", "cwt"),
            ("IF @@TRANCOUNT > 0 ROLLBACK", "cwt"),
            ("SELECT 1 COMMIT TRANSACTION", "cwt"),
            ("SAVE TRAN s", "cwt"),
            ("CREATE OR ALTER PROCEDURE p AS BEGIN TRAN; COMMIT", "wt"),
        ] {
            check(SqlServer, text, wanted);
        }
    }
}
