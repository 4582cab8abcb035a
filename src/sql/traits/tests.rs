//! What is told of texts, by tables of texts.

use super::super::traits_of;
use crate::dialect::Dialect::{self, Odbc, Postgres, SqlServer, Sqlite};

/// `c`: controls a transaction, `w`: writes, `t`: leaves traces.
#[track_caller]
fn check(dialect: Dialect, text: &str, wanted: &str) {
    let found = traits_of(text, dialect);
    let mut shown = String::new();
    for (is, letter) in [(found.transaction_control, 'c'), (found.writes, 'w'), (found.leaves_traces, 't')] {
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
        "SELECT a FROM t ORDER BY (a) FETCH FIRST (5) ROWS ONLY",
        "SELECT a FROM t OFFSET 1 ROWS FETCH NEXT (:n) ROWS ONLY",
        "SELECT count(*) FILTER (WHERE a) OVER (PARTITION BY (b) ORDER BY (c)) FROM t",
        "SELECT a, count(*) FROM t GROUP BY GROUPING SETS ((a), ROLLUP (b, c), CUBE (d)), CUBE (e), ROLLUP (f)",
        "SELECT a FROM t GROUP BY DISTINCT ROLLUP (a, (b, c)) HAVING (count(*) > 1)",
        "WITH x AS NOT MATERIALIZED (SELECT 1), y (a, \"b\") AS (VALUES (1, 2)) SELECT * FROM x, y",
        "SELECT a::timestamp with time zone AT TIME ZONE ('UTC'), b::character varying (3) FROM t",
        "SELECT a FROM t WHERE a NOT LIKE ('x') OR b ILIKE (:b) OR c SIMILAR TO ('y') OR \"d\" LIKE ('z')",
        "SELECT 1 FROM t JOIN (SELECT 1) u ON (a) LEFT JOIN LATERAL (SELECT 2) v ON (b) CROSS JOIN (w)",
        "SELECT 1 FROM ONLY (t) TABLESAMPLE system (10)",
    ] {
        assert!(!acts(Postgres, text), "{text}");
    }
    // Words that PostgreSQL lets be functions where its grammar has no use for them.
    for text in [
        "SELECT next('invoice')",
        "SELECT next(1), key('x'), first(7)",
        "SELECT key('x')",
        "SELECT first(7)",
        "SELECT zone(1)",
        "SELECT sets(1)",
        "SELECT cube(1)",
        "SELECT a, rollup(1) FROM t",
        "SELECT a FROM t GROUP BY a HAVING rollup(1)",
        "SELECT a FROM t GROUP BY a ORDER BY 1, cube(a)",
        "SELECT a FROM t GROUP BY (a, cube(a))",
        "SELECT of(1)",
        "SELECT over(1)",
        "SELECT (1) + filter(1)",
        "SELECT NOT materialized(1)",
        "SELECT ordinality(1)",
        "SELECT by(1)",
        "SELECT varying(1)",
        "SELECT join(1)",
        "SELECT 1 WHERE like('a')",
        "SELECT 1 WHERE NOT ilike('a')",
        "SELECT \"next\"(1)",
        "SELECT * FROM book_order(7) AS (a int)",
        "SELECT ifnull(1)",
    ] {
        assert!(acts(Postgres, text), "{text}");
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
    check(Postgres, "SELECT 1 AS id INTO pg_temp.due", "wt");
    check(Postgres, "SELECT 1 AS id INTO TABLE \"pg_temp\".due", "wt");
    check(Postgres, "SELECT 1 AS id INTO pg_template", "w");
    check(Postgres, "UPDATE pg_settings SET setting = 'off' WHERE name = 'x'", "wt");
    check(Postgres, "SELECT setting FROM pg_settings", "");
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

#[test]
fn transactions_that_begin_by_themselves_are_control() {
    for text in [
        "SET IMPLICIT_TRANSACTIONS ON",
        "set implicit_transactions on; INSERT t VALUES (1)",
        "SET NOCOUNT, IMPLICIT_TRANSACTIONS ON",
        "SET ANSI_DEFAULTS ON SELECT 1",
        "SELECT 1 SET XACT_ABORT, ANSI_DEFAULTS, NOCOUNT ON",
    ] {
        check(SqlServer, text, "cwt");
    }
    check(SqlServer, "SET IMPLICIT_TRANSACTIONS OFF SELECT 1", "t");
    check(SqlServer, "SET NOCOUNT ON SELECT implicit_transactions FROM t", "t");
    check(SqlServer, "UPDATE t SET a = 1, ansi_defaults = 2", "w");
    check(SqlServer, "CREATE PROCEDURE p AS SET IMPLICIT_TRANSACTIONS ON", "wt");
    for text in [
        "SET autocommit = 0",
        "SET SESSION autocommit = OFF",
        "SET @@session.autocommit = 0",
        "SET sql_mode = '', @@autocommit = 0",
        "SELECT 1; SET autocommit=1",
        "XA START 'x'",
    ] {
        check(Odbc, text, "cwt");
    }
    check(Odbc, "SELECT @@autocommit", "");
    check(Odbc, "SET @before = @@autocommit", "wt");
}

#[test]
fn a_procedure_may_be_called_by_its_name_in_quotes() {
    for text in [
        "[dbo].[archive_jobs]\nSELECT @@ROWCOUNT AS n",
        "\"dbo\".\"archive_jobs\" :day SELECT 1",
        "[archive_jobs] SELECT 1",
        "{?=call p} SELECT 1",
    ] {
        check(SqlServer, text, "wt");
        assert!(traits_of(text, SqlServer).acts, "{text}");
    }
    check(SqlServer, "(((SELECT [a] FROM \"t\")))", "");
    check(Odbc, "\"archive_jobs\" SELECT 1", "wt");
}

#[test]
fn messages_of_service_broker_are_no_reading() {
    for text in [
        "WAITFOR (RECEIVE TOP (1) * FROM q), TIMEOUT 1000",
        "WAITFOR (GET CONVERSATION GROUP @g FROM q)",
        "RECEIVE * FROM q",
        "SET NOCOUNT ON RECEIVE TOP (1) * FROM q",
        "IF @a = 1 RETURN RECEIVE TOP (1) * FROM q",
        "IF @a = 1 RECEIVE TOP (:n) message_body FROM q",
        "IF @a = 1 RECEIVE @h = conversation_handle FROM q",
        "DECLARE @h uniqueidentifier BEGIN DIALOG CONVERSATION @h FROM SERVICE a TO SERVICE 'b'",
        "BEGIN CONVERSATION TIMER (@h) TIMEOUT = 120",
        "IF 1 = 1 END CONVERSATION @h",
        "BEGIN END CONVERSATION :handle WITH CLEANUP END",
        "IF 1 = 1 SEND ON CONVERSATION @h MESSAGE TYPE m ('x')",
        "IF 1 = 1 MOVE CONVERSATION @h TO @g",
    ] {
        check(SqlServer, text, "wt");
        assert!(traits_of(text, SqlServer).acts, "{text}");
    }
    for text in [
        "WAITFOR DELAY '00:00:01'",
        "SELECT receive, send FROM t send JOIN u ON send.a = u.a ORDER BY receive",
        "SELECT receive * 2, 1 + receive * price FROM t WHERE receive * 2 > 5 AND (receive * 2 > @a)",
        "SELECT CASE WHEN 1 = 1 THEN 1 END conversation FROM t",
        "BEGIN SELECT 1 END",
    ] {
        check(SqlServer, text, "");
    }
}

#[test]
fn explain_runs_what_it_analyses() {
    for (text, wanted) in [
        ("EXPLAIN ANALYZE CREATE TEMP TABLE due AS SELECT 1", "wt"),
        ("EXPLAIN (ANALYZE, BUFFERS, FORMAT json) CREATE TABLE due AS SELECT 1", "wt"),
        ("EXPLAIN ANALYZE VERBOSE EXECUTE ins", "wt"),
        ("EXPLAIN (COSTS off, ANALYZE true) (SELECT 1)", ""),
        ("EXPLAIN ANALYZE SELECT nextval('s')", "w"),
        ("EXPLAIN ANALYZE SELECT pg_advisory_lock(1)", "t"),
        ("EXPLAIN CREATE TABLE t AS SELECT 1", ""),
        ("EXPLAIN (COSTS off) EXECUTE ins", ""),
        ("EXPLAIN (SELECT 1)", ""),
        ("EXPLAIN SELECT \"analyze\" FROM t", ""),
    ] {
        check(Postgres, text, wanted);
    }
    let acts = |text| traits_of(text, Postgres).acts;
    assert!(acts("EXPLAIN ANALYZE SELECT book_order(7)") && acts("EXPLAIN (ANALYZE) EXECUTE ins"));
    assert!(!acts("EXPLAIN (VERBOSE) SELECT book_order(7)") && !acts("EXPLAIN ANALYZE SELECT lower('A')"));
    check(Odbc, "EXPLAIN ANALYZE FORMAT=TREE SELECT 1", "");
}

#[test]
fn what_takes_prepared_statements_away_is_found() {
    let discards = |text| traits_of(text, Postgres).discards_prepared;
    for text in ["DISCARD ALL", "deallocate all", "SELECT 1; DEALLOCATE PREPARE ALL"] {
        assert!(discards(text), "{text}");
    }
    for text in ["DISCARD PLANS", "DEALLOCATE p", "SELECT ALL a FROM t", "SELECT 'DISCARD ALL'"] {
        assert!(!discards(text), "{text}");
    }
}

#[test]
fn texts_that_change_how_texts_are_read_are_found() {
    let changes = |text| traits_of(text, Postgres).changes_quoting;
    for text in [
        "SET standard_conforming_strings = off",
        "SET LOCAL Standard_Conforming_Strings TO 'off'",
        "SET SESSION \"standard_conforming_strings\" = false",
        "SELECT 1; SET standard_conforming_strings FROM CURRENT",
        "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false)",
        "SELECT set_config('standard_conforming_strings', :value, true)",
    ] {
        assert!(changes(text), "{text}");
    }
    for text in [
        "SET standard_conforming_strings = on",
        "SET standard_conforming_strings TO DEFAULT",
        "SHOW standard_conforming_strings",
        "SELECT current_setting('standard_conforming_strings')",
        "SELECT set_config('standard_conforming_strings', 'on', false)",
        "ALTER DATABASE d SET standard_conforming_strings = off",
        "SET search_path = standard_conforming_strings",
    ] {
        assert!(!changes(text), "{text}");
    }
}
