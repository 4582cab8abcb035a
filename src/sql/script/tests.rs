//! Whatever a script looks like, nothing of it is lost, invented or sent twice.

use proptest::prelude::*;

use super::law::{nothing_is_lost, pieces_are_whole};
use super::*;
use Dialect::{Odbc, Postgres, SqlServer, Sqlite};

/// What makes splitting hard, to be put together by chance.
const FRAGMENTS: &[&str] = &[
    "SELECT 1",
    "INSERT INTO t VALUES (1)",
    "'a;b'",
    "'it''s\nGO\n'",
    "N'x'",
    "\"q;\"",
    "[a;b]",
    "[a]]b]",
    "`x;`",
    "E'\\';'",
    "-- c; GO\n",
    "--",
    "/* ; /* n\nGO\n */ */",
    "/* x */",
    ";",
    ";;",
    "\n",
    "\r\n",
    " ",
    "\t",
    "GO",
    "go 5",
    "\nGO\n",
    "\r\nGO -- x\r\n",
    "\nGO;\n",
    "\nGO /* x */ 2\n",
    "$$ ; $$",
    "$t$;$t$",
    "$1",
    "BEGIN",
    "END",
    "CASE",
    "CREATE TRIGGER g",
    "CREATE FUNCTION f",
    "BEGIN ATOMIC",
    "(",
    ")",
    "é",
    "\u{feff}",
    "😀",
    ":name",
];

fn scripts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec(prop::sample::select(FRAGMENTS), 0..40).prop_map(|parts| parts.concat()),
        1 => prop::collection::vec(prop::sample::select(FRAGMENTS), 0..40).prop_map(|parts| parts.join(" ")),
        1 => "\\PC{0,80}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_invented(script in scripts()) {
        for dialect in [Postgres, SqlServer, Sqlite, Odbc] {
            nothing_is_lost(&script, dialect);
        }
    }

    #[test]
    fn a_piece_is_whole(script in scripts()) {
        for dialect in [Postgres, SqlServer, Sqlite] {
            pieces_are_whole(&script, dialect);
        }
    }
}

#[track_caller]
fn check(dialect: Dialect, script: &str, wanted: &[(&str, usize, u32)]) {
    let found: Vec<_> =
        split(script, dialect).unwrap().iter().map(|piece| (piece.text, piece.line, piece.repeat)).collect();
    assert_eq!(found, wanted, "{script}");
}

#[track_caller]
fn check_refused(dialect: Dialect, script: &str, message: &str) {
    let error = split(script, dialect).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Syntax, message));
}

#[test]
fn postgres_takes_statements() {
    check(Postgres, "\n SELECT 1;\nSELECT ';';\n", &[("SELECT 1", 2, 1), ("SELECT ';'", 3, 1)]);
    let function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END";
    check(
        Postgres,
        &format!("{function};\nDO $$ BEGIN NULL; END $$"),
        &[(function, 1, 1), ("DO $$ BEGIN NULL; END $$", 2, 1)],
    );
    check(Postgres, "-- nothing\n/* at all */ ", &[]);
    check(Postgres, "", &[]);
}

#[test]
fn go_ends_a_batch() {
    check(SqlServer, "a\nGO\nb\n  go  \r\n\r\nc", &[("a", 1, 1), ("b", 3, 1), ("c", 6, 1)]);
    check(SqlServer, "GO\na\nGO\nGO\n-- only a note\nGO", &[("a", 2, 1)]);
    check(SqlServer, "a\nGO 3\nb", &[("a", 1, 3), ("b", 3, 1)]);
    check(
        SqlServer,
        "a\nGO -- x\nb\nGO /* x */\nc\nGO;\nd\ngo 2 ; -- x\n",
        &[("a", 1, 1), ("b", 3, 1), ("c", 5, 1), ("d", 7, 2)],
    );
    check(SqlServer, "\u{feff}GO\na", &[("a", 2, 1)]);
    check(
        SqlServer,
        "-- kept\nCREATE PROC p AS\n\nSELECT 1\nGO",
        &[("-- kept\nCREATE PROC p AS\n\nSELECT 1", 1, 1)],
    );
}

#[test]
fn go_elsewhere_is_no_separator() {
    for script in [
        "SELECT '\nGO\n'",
        "/*\nGO\n/*\nGO\n*/\nGO\n*/ SELECT 1",
        "SELECT [\nGO\n]",
        "SELECT \"/*\nGO\n\"",
        "SELECT 1 AS go",
        "EXEC go\n",
        "/* x\n*/ GO\na",
        "a\nGO b",
        "a\nGO2",
        "a\nGO 5x",
        "a\nGOTO x",
    ] {
        let found = split(script, SqlServer).unwrap();
        assert_eq!(found.len(), 1, "{script}");
        assert_eq!(found[0].text, script.trim_end());
    }
    check(SqlServer, "SELECT 'Test/*'\nGO\nb", &[("SELECT 'Test/*'", 1, 1), ("b", 3, 1)]);
}

#[test]
fn statements_end_at_their_semicolon() {
    check(
        Sqlite,
        "-- head\nCREATE TABLE t (a);;\n\nINSERT INTO t VALUES (';') -- x;\n;  ",
        &[("CREATE TABLE t (a)", 2, 1), ("INSERT INTO t VALUES (';')", 4, 1)],
    );
    let trigger = "CREATE TEMP TRIGGER IF NOT EXISTS g AFTER UPDATE ON t WHEN CASE 1 WHEN 1 THEN 1 END\n\
                   BEGIN\n UPDATE t SET a = CASE WHEN 1 THEN 2 END;\n DELETE FROM t;\nEND";
    check(Sqlite, &format!("{trigger};\nSELECT 1;"), &[(trigger, 1, 1), ("SELECT 1", 6, 1)]);
    check(Sqlite, "BEGIN; SELECT 1; END;", &[("BEGIN", 1, 1), ("SELECT 1", 1, 1), ("END", 1, 1)]);
    check(
        Odbc,
        "CREATE FUNCTION f() RETURNS int AS $f$ SELECT 1; $f$;\nSELECT 2",
        &[("CREATE FUNCTION f() RETURNS int AS $f$ SELECT 1; $f$", 1, 1), ("SELECT 2", 2, 1)],
    );
    check(
        Odbc,
        "CREATE RULE r AS ON INSERT TO t DO (a; b); c",
        &[("CREATE RULE r AS ON INSERT TO t DO (a; b)", 1, 1), ("c", 1, 1)],
    );
}

#[test]
fn what_has_no_end_is_named_with_its_line() {
    check_refused(Postgres, "SELECT 1;\nSELECT 'a;\n", "line 2: the string that begins here has no end");
    check_refused(SqlServer, "a\nGO\n\n/* /* */", "line 4: the comment that begins here has no end");
    check_refused(SqlServer, "SELECT [a", "line 1: the quoted name that begins here has no end");
    check_refused(Odbc, "\n$$", "line 2: the dollar-quoted text that begins here has no end");
    check_refused(SqlServer, "a\nGO 0", "line 2: GO takes a count from 1 to 4294967295");
    check_refused(SqlServer, "a\nGO 99999999999", "line 2: GO takes a count from 1 to 4294967295");
}
