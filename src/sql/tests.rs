//! The compiler against a table of texts, and against texts at random.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Statement, compile};
use crate::dialect::Dialect::{self, Odbc, Postgres, SqlServer, Sqlite};
use crate::error::ErrorKind;
use crate::params;
use crate::params::{IntoParams, Params};
use crate::value::Value;

const DIALECTS: [Dialect; 4] = [Postgres, SqlServer, Sqlite, Odbc];

/// Each name is given its own name as its value, so that the arguments show which name went where.
fn names_as_values(names: &[&str]) -> Params {
    names.iter().fold(Params::new(), |params, name| params.set(name, *name))
}

#[track_caller]
fn check(dialect: Dialect, sql: &str, text: &str, names: &[&str]) {
    let statement = compile(sql, dialect, names_as_values(names)).unwrap();
    let given: Vec<_> = statement.args.iter().filter_map(Value::as_str).collect();
    assert_eq!((&*statement.text, given.as_slice()), (text, names), "{dialect:?}: {sql}");
}

/// Neither dialect finds a name.
#[track_caller]
fn check_untouched(sql: &str) {
    check(Postgres, sql, sql, &[]);
    if !sql.contains('?') {
        check(Odbc, sql, sql, &[]);
    }
}

#[track_caller]
fn check_args(dialect: Dialect, sql: &str, params: Params, text: &str, args: &[Value]) {
    let statement = compile(sql, dialect, params).unwrap();
    assert_eq!((&*statement.text, statement.args.as_slice()), (text, args), "{dialect:?}: {sql}");
}

#[track_caller]
fn check_refused(dialect: Dialect, sql: &str, params: Params, message: &str) {
    let error = compile(sql, dialect, params).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Params, message));
}

fn list(items: &[i32]) -> Value {
    Value::List(items.iter().map(|item| Value::from(*item)).collect())
}

#[test]
fn names_are_found() {
    check(Postgres, "SELECT :a::int", "SELECT $1::int", &["a"]);
    check(Postgres, "SELECT :a ::int, (:b)::int", "SELECT $1 ::int, ($2)::int", &["a", "b"]);
    check(Postgres, "SELECT CAST(:a AS int)", "SELECT CAST($1 AS int)", &["a"]);
    check(Postgres, ":perms::jsonb", "$1::jsonb", &["perms"]);
    check(Postgres, "(:a,:b,-:c)", "($1,$2,-$3)", &["a", "b", "c"]);
    check(Postgres, ":é :_x1 :名", "$1 $2 $3", &["é", "_x1", "名"]);
    check(Postgres, "SELECT arr[:lo:hi]", "SELECT arr[$1:$2]", &["lo", "hi"]);
    check(Postgres, "a[:i:j]", "a[$1:$2]", &["i", "j"]);
    check(Postgres, "a[1: :j]", "a[1: $1]", &["j"]);
    check(Postgres, "a[:i]", "a[$1]", &["i"]);
    check(Postgres, "j ? :key", "j ? $1", &["key"]);
    check(Postgres, "JSON_OBJECT('k': :v)", "JSON_OBJECT('k': $1)", &["v"]);
    check(Postgres, "$$ :x $$ :y", "$$ :x $$ $1", &["y"]);
    // A piece of a string in the next line has the escapes of the first.
    check(Postgres, "E'a'\n'b\\':x' :y", "E'a'\n'b\\':x' $1", &["y"]);
    check(Postgres, "'a'\n'b\\' || :x || ':y'", "'a'\n'b\\' || $1 || ':y'", &["x"]);
    check(Postgres, r"E'\':x' :y", r"E'\':x' $1", &["y"]);
    check(SqlServer, r"'\' + :y + ':x'", r"'\' + ? + ':x'", &["y"]);
    check(SqlServer, "[:a] = :b", "[:a] = ?", &["b"]);
    check(Sqlite, "`:a` = :b /* /* */ + :c", "`:a` = ? /* /* */ + ?", &["b", "c"]);
}

#[test]
fn what_is_no_name_stays() {
    for sql in [
        "x::int",
        "SELECT '12:30:45'",
        "a:b",
        "@x:=1",
        "arr[1:2]",
        "arr[lo:hi]",
        "arr[f(x):hi]",
        "JSON_OBJECT('k':v)",
        r#"SELECT '{"a":1}', '{"a":true}', '{"a": 1}'"#,
        "SELECT '(?:a|b)'",
        "SELECT 'at :time', 'it''s :time'",
        "-- :x",
        "/* :x /* :y */ :z */",
        "$$ :x $$",
        "$t$ :x $$ :y $t$",
        "SELECT \":col\", \"a\"\":b\"",
        r"SELECT '\:x'",
        "SELECT :1",
        "SELECT 1 :",
        "U&':x' N':x' b':x'",
        "'unclosed :x",
    ] {
        check_untouched(sql);
    }
    // Alone, the operators of PostgreSQL stay as they are.
    check_untouched("j ? 'a' AND j ?| array['b'] AND j @? '$.a'");
}

#[test]
fn a_backslash_takes_the_meaning_from_a_colon() {
    check(Postgres, r"SELECT \:a, :b", "SELECT :a, $1", &["b"]);
    check(Sqlite, r"SELECT x\:\:int", "SELECT x::int", &[]);
}

#[test]
fn a_name_may_be_used_again() {
    let text = "SELECT :a, :b, :a";
    check_args(Postgres, text, params! { b: 2, a: 1 }, "SELECT $1, $2, $1", &[1.into(), 2.into()]);
    for dialect in [SqlServer, Sqlite, Odbc] {
        let args = [1.into(), 2.into(), 1.into()];
        check_args(dialect, text, params! { b: 2, a: 1 }, "SELECT ?, ?, ?", &args);
    }
}

#[test]
fn values_are_moved() {
    for dialect in DIALECTS {
        let value = "a long text".to_owned();
        let address = value.as_ptr();
        let statement = compile("SELECT :a", dialect, params! { a: value }).unwrap();
        assert_eq!(statement.args[0].as_str().map(str::as_ptr), Some(address));
    }
}

#[test]
fn names_must_fit() {
    check_refused(
        Postgres,
        "SELECT :a, :b, :c",
        params! { b: 1, d: "secret" },
        "not given: `a`, `c` (given: `b`, `d`)",
    );
    check_refused(
        Postgres,
        "SELECT :a",
        params! {},
        "not given: `a` (no parameters were given; write `\\:` for a colon that is not a parameter)",
    );
    check_refused(
        Sqlite,
        "SELECT :a",
        params! { a: 1, b: 2, c: 3 },
        "given and not used by the statement: `b`, `c` (used: `a`; `Params::lenient` allows more)",
    );
    check_args(Sqlite, "SELECT :b", params! { a: 1, b: 2, c: 3 }.lenient(), "SELECT ?", &[2.into()]);
    assert!(compile("SELECT :A", Postgres, params! { a: 1 }.lenient()).is_err());
}

#[test]
fn placeholders_of_the_database_are_not_mixed_with_names() {
    check_untouched("SELECT $1");
    check_refused(
        Postgres,
        "SELECT $1, :a",
        params! { a: 1 },
        "the text has both named parameters and `$1` (use named parameters only)",
    );
    for dialect in [SqlServer, Sqlite, Odbc] {
        let message = "the text has the placeholder `?` (use named parameters, such as `:id`)";
        check_refused(dialect, "SELECT ?", params! {}, message);
        check_refused(dialect, "SELECT ?, :a", params! { a: 1 }, message);
        check(dialect, "SELECT '?' -- ?", "SELECT '?' -- ?", &[]);
    }
    for sql in ["SELECT @a", "SELECT $a"] {
        assert!(compile(sql, Sqlite, params! {}).is_err(), "SQLite would take {sql} for a parameter");
    }
    check(SqlServer, "SELECT @a, :b", "SELECT @a, ?", &["b"]);
}

#[test]
fn lists_become_arrays_on_postgres() {
    let ids = || params! { ids: vec![1, 2] };
    let args = [list(&[1, 2])];
    for (sql, text) in [
        ("x IN (:ids)", "x = ANY($1)"),
        ("x in(:ids)", "x = ANY($1)"),
        ("x IN :ids AND y", "x = ANY($1) AND y"),
        ("x NOT IN (:ids)", "x <> ALL($1)"),
        ("x NOT /* of */ IN ( :ids ) OR y", "x <> ALL($1) OR y"),
        ("(x IN (:ids) OR y NOT IN (:ids))", "(x = ANY($1) OR y <> ALL($1))"),
        ("x = ANY(:ids) OR y IN (:ids)", "x = ANY($1) OR y = ANY($1)"),
        ("x && :ids", "x && $1"),
        ("x IN (:ids, 3)", "x IN ($1, 3)"),
        ("f(:ids)", "f($1)"),
    ] {
        check_args(Postgres, sql, ids(), text, &args);
    }
    check_args(Postgres, "x IN (:ids)", params! { ids: 1 }, "x IN ($1)", &[1.into()]);
    check_args(Postgres, "x IN (:ids)", params! { ids: Vec::<i32>::new() }, "x = ANY($1)", &[list(&[])]);
    check_args(
        Postgres,
        "x IN (:a) OR x NOT IN (:b)",
        params! { a: 1, b: vec![2] },
        "x IN ($1) OR x <> ALL($2)",
        &[1.into(), list(&[2])],
    );
    check_args(Postgres, "SELECT :a", params! { a: None::<i32> }, "SELECT $1", &[Value::Null]);
}

#[test]
fn lists_are_written_out_elsewhere() {
    let three = [1, 2, 3].map(Value::from);
    check_args(Sqlite, "x IN (:ids)", params! { ids: vec![1, 2, 3] }, "x IN (?, ?, ?)", &three);
    check_args(Odbc, "x NOT IN :ids", params! { ids: vec![1, 2, 3] }, "x NOT IN (?, ?, ?)", &three);
    check_args(SqlServer, "x IN (:ids)", params! { ids: 1 }, "x IN (?)", &[1.into()]);
    check_args(
        Sqlite,
        "x IN (:ids) AND y = :y AND z NOT IN (:ids)",
        params! { y: 9, ids: vec![1.into(), Value::Null, 2.into()] },
        "x IN (?, NULL, ?) AND y = ? AND z NOT IN (?, NULL, ?)",
        &[1, 2, 9, 1, 2].map(Value::from),
    );
    for (dialect, sql, text) in [
        (Sqlite, "x IN (:ids)", "x IN (SELECT NULL WHERE 1 = 0)"),
        (Sqlite, "x NOT IN :ids", "x NOT IN (SELECT NULL WHERE 1 = 0)"),
        (SqlServer, "x NOT IN (:ids)", "x NOT IN (SELECT CAST(NULL AS varchar(1)) WHERE 1 = 0)"),
        (Odbc, "x IN (:ids)", "x IN (NULL) IS TRUE"),
        (Odbc, "x NOT IN :ids", "x NOT IN (NULL) IS NOT FALSE"),
    ] {
        check_args(dialect, sql, params! { ids: Vec::<i32>::new() }, text, &[]);
    }
    let hint = " (lists are for `IN (:ids)` and `NOT IN (:ids)`, and must not contain lists)";
    for sql in ["x = :ids", "x IN (:ids, 3)", "f(:ids)"] {
        let message = format!("the list `ids` is not alone behind IN{hint}");
        check_refused(SqlServer, sql, params! { ids: vec![1] }, &message);
    }
    assert!(compile("x IN (:ids)", Sqlite, params! { ids: vec![list(&[1])] }).is_err());
}

#[test]
fn null_is_a_literal_where_its_type_would_be_asked_for() {
    for dialect in [SqlServer, Sqlite, Odbc] {
        check_args(
            dialect,
            "VALUES (:a, :b, :a)",
            params! { a: None::<i32>, b: 1 },
            "VALUES (NULL, ?, NULL)",
            &[1.into()],
        );
    }
}

#[test]
fn each_database_takes_so_many_arguments() {
    for (dialect, limit, whose) in
        [(SqlServer, 2_100, "SQL Server"), (Sqlite, 32_766, "SQLite"), (Odbc, 65_535, "ODBC")]
    {
        let of = |count| params! { ids: vec![7; count] };
        assert_eq!(compile("x IN (:ids)", dialect, of(limit)).unwrap().args.len(), limit);
        let error = compile("x IN (:ids)", dialect, of(limit + 1)).unwrap_err().to_string();
        let wanted = format!("has {} arguments, and {whose} takes at most {limit}", limit + 1);
        assert!(error.contains(&wanted), "{error}");
    }
    let names: Vec<_> = (0..65_536).map(|n| format!(":p{n:05}")).collect();
    let record: BTreeMap<_, _> = names.iter().map(|name| (name[1..].to_owned(), 1)).collect();
    let params = record.into_params().unwrap();
    let error = compile(&names.join(","), Postgres, params).unwrap_err();
    assert!(error.to_string().contains("PostgreSQL's protocol takes at most 65535"));
}

#[test]
fn a_text_that_a_driver_would_cut_is_refused() {
    for dialect in DIALECTS {
        for text in ["UPDATE t SET a = 1 \0 WHERE b = 2", "SELECT '\0'", "\0"] {
            let error = compile(text, dialect, params! {}).unwrap_err();
            assert!(error.to_string().contains("NUL"), "{error}");
        }
    }
}

#[test]
fn the_usual_texts_are_shared() {
    let text = |sql, dialect, params| compile(sql, dialect, params).unwrap().text;
    for dialect in DIALECTS {
        let sql = "SELECT :a, x IN (:b)";
        let first = text(sql, dialect, params! { a: 1, b: 2 });
        assert!(Arc::ptr_eq(&first, &text(sql, dialect, params! { b: 3, a: "x" })));
    }
    let sql = "SELECT x IN (:b) AND y IN (:c)";
    let first = text(sql, Postgres, params! { b: vec![1], c: vec![2] });
    assert!(Arc::ptr_eq(&first, &text(sql, Postgres, params! { b: vec![1, 2, 3], c: list(&[]) })));
}

/// Texts made of what the lexer must not confuse.
fn sql() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        ":", "::", ":a", ":b", ":=", "\\:", "\\", "'", "''", "E'", "\"", "`", "[", "]", "(", ")", "IN",
        " IN (:a)", "NOT", "--", "\n", "/*", "*/", "$", "$$", "$t$", "$1", "?", "@", "#", ";", "é", "\u{a0}",
        "\u{feff}", "x", "1", " ", "GO", "BEGIN", "END", "CREATE", "TRIGGER", "SET", "INTO", "CASE",
    ]);
    prop_oneof![prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat()), any::<String>(),]
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(DIALECTS.to_vec())
}

proptest! {
    #[test]
    fn tokens_are_the_text(sql in sql(), dialect in dialect()) {
        let again: String = super::lexer::tokens(&sql, dialect).map(|token| token.text).collect();
        prop_assert_eq!(again, sql);
    }

    #[test]
    fn no_text_panics(sql in sql(), dialect in dialect(), ids in prop::collection::vec(any::<i32>(), 0..3)) {
        for value in [Value::Null, Value::from(1), Value::from(ids)] {
            let params = params! { a: value.clone(), b: value }.lenient();
            let _ = compile(&sql, dialect, params);
        }
        for piece in super::split(&sql, dialect).unwrap_or_default() {
            prop_assert!(sql.contains(piece.text));
            prop_assert!(piece.line <= sql.lines().count());
        }
    }

    #[test]
    fn what_is_no_parameter_is_kept(sql in sql(), dialect in dialect()) {
        use super::lexer::{Kind, tokens};
        let params = params! { a: 1, b: 2 }.lenient();
        if let Ok(Statement { text, .. }) = compile(&sql, dialect, params) {
            let mut rest = &*text;
            let mut after_name = false;
            for token in tokens(&sql, dialect) {
                let wanted = match (token.kind, token.text) {
                    (Kind::Escape, _) => ":",
                    (Kind::Name, _) => {
                        rest = rest.strip_prefix(if after_name { ":" } else { "" }).unwrap();
                        let mark = if dialect == Postgres { "$" } else { "?" };
                        rest = rest.strip_prefix(mark).unwrap().trim_start_matches(|c: char| c.is_ascii_digit());
                        ""
                    }
                    (_, text) => text,
                };
                after_name = token.kind == Kind::Name;
                rest = rest.strip_prefix(wanted).unwrap();
            }
            prop_assert_eq!(rest, "");
        }
    }

    #[test]
    fn strings_never_bind(inside in "[^'\0]*", dialect in dialect()) {
        let sql = format!("SELECT '{inside}', :a");
        let statement = compile(&sql, dialect, params! { a: 1 }).unwrap();
        let kept = format!("SELECT '{inside}', ");
        prop_assert!(statement.text.starts_with(&kept));
        prop_assert_eq!(statement.args.len(), 1);
    }
}

#[test]
fn a_text_for_another_server_is_no_reading() {
    let refused = |text, dialect| super::traits_of(text, dialect).may_write(dialect == Dialect::Postgres);
    for text in [
        "SELECT * FROM OPENQUERY(linked, 'DELETE FROM t OUTPUT deleted.id')",
        "SELECT * FROM openrowset('SQLNCLI', 'Server=x', 'DELETE FROM t')",
        "SELECT * FROM OPENDATASOURCE('SQLNCLI', 'Data Source=x').d.dbo.t",
    ] {
        assert!(refused(text, Dialect::SqlServer), "{text}");
    }
    assert!(refused("SELECT dblink_exec('dbname=x', 'DELETE FROM t')", Dialect::Postgres));
    for dialect in [Dialect::SqlServer, Dialect::Postgres] {
        assert!(!refused("SELECT n FROM t WHERE f(n) = 1", dialect), "{dialect:?}");
    }
    // A function may write where the session does not refuse it.
    assert!(refused("SELECT book_order(7)", Dialect::Odbc));
    assert!(!refused("SELECT date_format(now(), '%Y'), ifnull(a, 0) FROM t", Dialect::Odbc));
}
