//! Results to files, files into tables: what was exported comes back as it was, and half of it never.

use std::fs;
use std::io::{self, Write};

use batchdb::{
    BulkOptions, CsvFormat, DatabaseManager, Error, ErrorKind, ExportOptions, ImportOptions, params,
};

use crate::common::{eventually, fresh, postgres};
use crate::odbc::{psql_odbc, psql_odbc_with, sqlite_at};

const MANY: &str = "SELECT generate_series(1, 3000000) AS i, repeat('x', 100) AS note";

fn text(db: &DatabaseManager, sql: &str, options: ExportOptions<'_>) -> String {
    let mut out = Vec::new();
    db.export(sql, (), &mut out, options).unwrap();
    String::from_utf8(out).unwrap()
}

fn count(db: &DatabaseManager, table: &str) -> i64 {
    db.query_one(&format!("SELECT count(*) AS n FROM {table}"), ()).unwrap().get("n").unwrap()
}

/// Takes so many bytes, and is full then.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn csv_tells_null_from_the_empty_text_and_keeps_every_digit() {
    let sql = "SELECT 1 AS n, NULL::text AS nothing, '' AS empty, 'a,\"b\"' || chr(10) || 'c' AS odd, \
               12345678901234567890.000001::numeric AS d, true AS flag, '\\x00ff'::bytea AS raw, \
               '2026-01-05T08:00:37.5Z'::timestamptz AS at, '2026-01-05'::date AS day, ARRAY['a b', NULL] AS list, \
               '{\"k\": [1, null]}'::jsonb AS json, 'Infinity'::float8 AS f";
    let db = postgres("transfer");
    assert_eq!(
        text(&db, sql, ExportOptions::csv()),
        "n,nothing,empty,odd,d,flag,raw,at,day,list,json,f\n\
         1,,\"\",\"a,\"\"b\"\"\nc\",12345678901234567890.000001,true,\\x00ff,2026-01-05T08:00:37.500Z,2026-01-05,\
         \"{\"\"a b\"\",NULL}\",\"{\"\"k\"\":[1,null]}\",Infinity\n"
    );
    let format = CsvFormat::new().delimiter(';').null("\\N").without_header();
    let sql = "SELECT NULL::text, '\\N' AS mark, '' AS empty, 'a;b' AS odd, 'a,b' AS plain";
    assert_eq!(text(&db, sql, ExportOptions::csv_as(format)), "\\N;\"\\N\";\"\";\"a;b\";a,b\n");
}

#[test]
fn json_lines_are_one_object_a_row() {
    let sql = "SELECT i AS \"the \"\"id\"\"\", NULLIF(i, 2)::text AS name, i / 3.0::numeric AS d, ARRAY[i] AS list \
               FROM generate_series(1, 2) AS i";
    let db = postgres("transfer");
    let lines = text(&db, sql, ExportOptions::json_lines());
    let rows = db.execute_query(sql, ()).unwrap();
    let parsed: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parsed, rows.iter().map(|row| row.to_json().unwrap()).collect::<Vec<_>>());
    assert!(lines.starts_with("{\"the \\\"id\\\"\":1,\"name\":\"1\",\"d\":\"0.3333"), "{lines}");
}

#[test]
fn a_result_without_rows_has_its_headers_and_twin_names_are_refused_before_anything() {
    let unprepared = fresh("transfer").statement_cache(0).build().unwrap();
    for db in [postgres("transfer"), unprepared, psql_odbc("transfer")] {
        let nothing = text(&db, "SELECT 1 AS a, 2 AS b WHERE 1 = 2", ExportOptions::csv());
        assert_eq!(nothing, "a,b\n");
        // Which the import takes for a file of no rows, and a transaction stays what it was.
        db.execute("CREATE TABLE target (a int, b int)", ()).unwrap();
        let report = db.import_csv("target", nothing.as_bytes(), ImportOptions::new()).unwrap();
        assert_eq!(report.rows, 0);
        db.transaction(|tx| {
            tx.execute("INSERT INTO target VALUES (1, 2)", ())?;
            let mut out = Vec::new();
            tx.export("SELECT * FROM target WHERE a > :a", params! { a: 1 }, &mut out, ExportOptions::csv())?;
            assert_eq!(out, b"a,b\n");
            tx.execute("DELETE FROM target", ())
        })
        .unwrap();
        let copy = |table: &str| {
            let other = postgres("transfer");
            batchdb::copy_query(&db, "SELECT 1 AS a WHERE 1 = 2", (), &other, table, BulkOptions::new())
        };
        assert_eq!(copy("missing").unwrap_err().error.kind(), ErrorKind::Syntax);
        assert_eq!(text(&db, "SELECT 1 AS a WHERE 1 = 2", ExportOptions::json_lines()), "");
        for options in [ExportOptions::csv(), ExportOptions::json_lines()] {
            let mut out = Vec::new();
            let error = db.export("SELECT 1 AS a, 2 AS a", (), &mut out, options).unwrap_err();
            assert_eq!((error.kind(), out.len()), (ErrorKind::Decode, 0), "{error}");
            assert!(error.to_string().contains("several columns are called \"a\""), "{error}");
        }
        let headless = ExportOptions::csv_as(CsvFormat::new().without_header());
        assert_eq!(text(&db, "SELECT 1 AS a, 2 AS a", headless), "1,2\n");
    }
}

#[test]
fn a_sink_that_is_full_ends_the_query_and_is_told() {
    for db in [postgres("transfer"), psql_odbc_with("transfer", "UseDeclareFetch=1;").build().unwrap()] {
        let sql = MANY.replace("AS note", "AS exported");
        let error = db.export(&sql, (), Full(1_000_000), ExportOptions::csv()).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Io, Some("export")), "{}", error.report());
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.unwrap().kind(), io::ErrorKind::StorageFull);
        let running = "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS exported%' \
                       AND pid <> pg_backend_pid()";
        eventually("the query is gone", || db.query_one(running, ()).unwrap().get::<i64>("n").unwrap() == 0);
    }
}

#[test]
fn a_file_is_there_as_a_whole_or_not_at_all() {
    let (db, folder) = (postgres("transfer"), tempfile::tempdir().unwrap());
    let path = folder.path().join("out.csv");
    let files = || fs::read_dir(folder.path()).unwrap().count();
    let sql = "SELECT i, 1 / (50000 - i) AS x FROM generate_series(1, :n::int) AS i";
    let error = db.export_to_path(sql, params! { n: 60_000 }, &path, ExportOptions::csv()).unwrap_err();
    assert_eq!((error.sqlstate(), files()), (Some("22012"), 0), "{}", error.report());
    let mut told = Vec::new();
    let options = ExportOptions::csv().progress(|rows| told.push(rows));
    assert_eq!(db.export_to_path(sql, params! { n: 25_000 }, &path, options).unwrap(), 25_000);
    assert_eq!(told, [10_000, 20_000, 25_000]);
    let whole = fs::read_to_string(&path).unwrap();
    assert_eq!((whole.lines().count(), files()), (25_001, 1));
    assert!(db.export_to_path(sql, params! { n: 60_000 }, &path, ExportOptions::csv()).is_err());
    assert!(fs::read_to_string(&path).unwrap() == whole && files() == 1);
    let nowhere = folder.path().join("no/where.csv");
    let error = db.export_to_path("SELECT 1", (), nowhere, ExportOptions::csv()).unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("where.csv"), "{error}");
    let unreadable = ExportOptions::csv_as(CsvFormat::new().delimiter('"'));
    let wrong = db.export("SELECT 1", (), Vec::new(), unreadable).unwrap_err();
    for error in [error, wrong] {
        assert_eq!((error.operation(), error.database()), (Some("export"), Some(db.name())), "{error}");
    }
}

/// A table with all that is easily lost, and the same one empty.
fn varied(db: &DatabaseManager) {
    let columns = "id int, t text, n numeric, f float8, b boolean, raw bytea, at timestamptz, ts timestamp, day date, \
                   tm time, u uuid, j jsonb, tags text[], small int2";
    db.execute(&format!("CREATE TABLE original ({columns})"), ()).unwrap();
    db.execute(&format!("CREATE TABLE copied ({columns})"), ()).unwrap();
    let rows = [
        r#"(1, '', 1.50, 0.1, true, '\x', '2026-01-05 08:00:37.123456+02', '2026-01-05 08:00:37.1', '0001-01-01',
            '23:59:59.999999', '67e55044-10b1-426f-9247-bb680e5fe0c8', '{"a": [1, "x"]}', '{}', 1)"#,
        r#"(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"#,
        r#"(3, E' "q", \\N \r\n\té€😀 ', -123456789012345678901234567890.000000001, '-Infinity', false, '\x00ff5c22',
            '1999-12-31 23:59:59Z', '9999-12-31 23:59:59', '9999-12-31', '00:00', NULL, '"s"',
            '{"a,b",NULL,"","NULL","q\"\\"}', -32768)"#,
        r#"(4, 'NULL', 'NaN', 'NaN', true, '\xdeadbeef', NULL, NULL, NULL, NULL, NULL, 'null', '{{a,b},{c,d}}', 0)"#,
    ];
    db.execute(&format!("INSERT INTO original VALUES {}", rows.join(", ")), ()).unwrap();
}

fn differences(db: &DatabaseManager) -> i64 {
    let all = |table: &str| format!("SELECT {table}::text FROM {table}");
    let (a, b) = (all("original"), all("copied"));
    let sql = format!("SELECT count(*) AS n FROM (({a} EXCEPT ALL {b}) UNION ALL ({b} EXCEPT ALL {a})) AS d");
    db.query_one(&sql, ()).unwrap().get("n").unwrap()
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    let db = postgres("transfer");
    varied(&db);
    for format in [
        CsvFormat::new(),
        CsvFormat::new().delimiter(';').null("\\N"),
        CsvFormat::new().delimiter('\t').null("NULL"),
    ] {
        db.execute("DELETE FROM copied", ()).unwrap();
        let file = text(&db, "SELECT * FROM original", ExportOptions::csv_as(format.clone()));
        let report = db.import_csv("copied", file.as_bytes(), ImportOptions::new().format(format)).unwrap();
        assert_eq!((report.rows, differences(&db)), (4, 0), "{file}");
    }
    // The other way round, through a reader that gives it byte by byte, and with line ends of Windows.
    db.execute("CREATE TABLE one (t text)", ()).unwrap();
    let file = "\u{feff}t\r\n\r\n\"\"\r\nx\r\n\"a\r\nb\"\r\n";
    db.import_csv("one", ByteByByte(file.as_bytes()), ImportOptions::new()).unwrap();
    let told = text(&db, "SELECT t FROM one", ExportOptions::csv());
    assert_eq!(told, "t\n\n\"\"\nx\n\"a\r\nb\"\n");
}

struct ByteByByte<'b>(&'b [u8]);

impl io::Read for ByteByByte<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.0.len().min(into.len()).min(1);
        into[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

#[test]
fn an_import_through_odbc_is_exact_too() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    db.execute("CREATE TABLE t (id INTEGER, x REAL, name TEXT, raw BLOB)", ()).unwrap();
    let file = "id,name,x,raw\n1,,0.1,00ff\n2,\"\",-1.5e300,\\x\n9223372036854775807,\"é€😀\"\"\n\",,\n";
    let options = || ImportOptions::new().bytes("raw");
    assert_eq!(db.import_csv("t", file.as_bytes(), options()).unwrap().rows, 3);
    let exported = text(&db, "SELECT id, name, x, raw FROM t ORDER BY id", ExportOptions::csv());
    db.execute("DELETE FROM t", ()).unwrap();
    db.import_csv("t", exported.as_bytes(), options()).unwrap();
    assert_eq!(text(&db, "SELECT id, name, x, raw FROM t ORDER BY id", ExportOptions::csv()), exported);
    assert!(exported.starts_with("id,name,x,raw\n1,,0.1,\\x00ff\n2,\"\",-1.5"), "{exported}");
    let error = db.import_csv("t", "id,name\n1,x\n2\n".as_bytes(), ImportOptions::new()).unwrap_err();
    assert!(error.error.to_string().contains("line 3: it has 1 fields"), "{error:?}");
    assert_eq!(count(&db, "t"), 3);

    // SQLite would keep `true` as a text in such a column, and no text is true.
    db.execute("CREATE TABLE flags (id INTEGER, flag BOOLEAN, note TEXT)", ()).unwrap();
    let file = "id,flag,note\n1,true,true\n2,false,\n3,1,\n4,,\n";
    db.import_csv("flags", file.as_bytes(), ImportOptions::new()).unwrap();
    let found = "SELECT count(*) AS n FROM flags WHERE flag = 1 AND flag";
    assert_eq!(db.query_one(found, ()).unwrap().get::<i64>("n").unwrap(), 2);
    let exported = text(&db, "SELECT * FROM flags ORDER BY id", ExportOptions::csv());
    assert_eq!(exported, file.replace("3,1", "3,true"));

    // Points in time are texts there: those of a file are spelled as those of a parameter are, or no `=` finds them.
    db.execute("CREATE TABLE due (id INTEGER, at DATETIME, tz TIMESTAMPTZ)", ()).unwrap();
    let (at, tz) = ("2026-01-05T08:00:37.5", "2026-01-05T08:00:37.500Z");
    let stamp: chrono::NaiveDateTime = at.parse().unwrap();
    let both = params! { at: stamp, tz: stamp.and_utc() };
    db.execute("INSERT INTO due VALUES (1, :at, :tz)", both.clone()).unwrap();
    let exported = text(&db, "SELECT * FROM due", ExportOptions::csv());
    db.import_csv("due", exported.replace("1,", "2,").as_bytes(), ImportOptions::new()).unwrap();
    db.import_csv("due", format!("id,at,tz\n3,{at},{tz}\n").as_bytes(), ImportOptions::new()).unwrap();
    let found = "SELECT count(*) AS n FROM due WHERE at = :at AND tz = :tz";
    assert_eq!(db.query_one(found, both).unwrap().get::<i64>("n").unwrap(), 3);

    let psql = psql_odbc("transfer");
    psql.execute("CREATE TABLE t (id int PRIMARY KEY, n numeric, at timestamptz, b boolean)", ()).unwrap();
    let file = "id,n,at,b\n1,12345678901234567890.01,2026-01-05T08:00:37.123456Z,true\n2,,,\n";
    psql.import_csv("t", file.as_bytes(), ImportOptions::new()).unwrap();
    assert_eq!(text(&psql, "SELECT id, n::text AS n, at, b FROM t ORDER BY id", ExportOptions::csv()), file);
}

#[test]
fn a_bad_line_is_named_and_leaves_nothing() {
    let db = postgres("transfer");
    db.execute("CREATE TABLE t (id int PRIMARY KEY, n int, note text)", ()).unwrap();
    let mut file = String::from("id,n,note\n");
    for id in 1..=500 {
        file += &format!("{id},1,\"two\nlines\"\n");
    }
    for (line, kind, wanted) in [
        ("501,x,a\n", ErrorKind::Data, "line 1002: record 501"),
        ("7,1,a\n", ErrorKind::Constraint, "line"),
        ("501,1\n", ErrorKind::Data, "line 1002: it has 2 fields, and should have 3"),
        ("501,1,\"open\n", ErrorKind::Data, "line 1002, field 3: the quote that begins here is not closed"),
    ] {
        let failure =
            db.import_csv("t", format!("{file}{line}").as_bytes(), ImportOptions::new()).unwrap_err();
        let error = Error::from(failure);
        assert_eq!(error.kind(), kind, "{}", error.report());
        assert!(error.to_string().contains(wanted) && !error.to_string().contains("open"), "{error}");
        assert_eq!(count(&db, "t"), 0);
    }
    let latin = [file.as_bytes(), b"501,1,\xe9\n"].concat();
    let failure = db.import_csv("t", latin.as_slice(), ImportOptions::new()).unwrap_err();
    assert!(
        failure.error.to_string().contains("line 1002, field 3: the text is not valid UTF-8"),
        "{failure}"
    );
    let failure = db.import_csv("t", "id,nope\n1,2\n".as_bytes(), ImportOptions::new()).unwrap_err();
    assert!(
        failure.error.kind() == ErrorKind::Syntax && failure.error.to_string().contains("header of field 2"),
        "{failure}"
    );
    assert_eq!(count(&db, "t"), 0);
}

#[test]
fn a_header_that_is_data_stands_in_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let psqlodbc = psql_odbc("import_names");
    for db in [postgres("import_names"), psqlodbc, sqlite_at(&folder.path().join("a.db")).build().unwrap()] {
        db.execute("CREATE TABLE person (id integer, name varchar(50))", ()).unwrap();
        // Somebody forgot that the file has no headers.
        let file = "id,Jane Roe-Secret,x\n2,John Doe-Secret,y\n";
        let options = || ImportOptions::new().ignore("x");
        for table in ["person", "missing"] {
            let error = db.import_csv(table, file.as_bytes(), options()).unwrap_err().error;
            assert_eq!(error.kind(), ErrorKind::Syntax, "{}", error.report());
            let told = format!("{error} {error:?} {}", error.report());
            assert!(!told.contains("Secret"), "{told}");
            assert!(told.contains("import_csv failed"), "{told}");
            match table {
                "person" => {
                    assert!(told.contains("header of field 2") && told.contains("id, name"), "{told}")
                }
                _ => assert!(told.contains("missing"), "{told}"),
            }
        }
        let status = format!("{:?}", batchdb::metrics());
        assert!(!status.contains("Secret"), "{status}");
        // What the program names is told by its name.
        let options = ImportOptions::new().columns(["id", "nmae", "c"]);
        let error = db.import_csv("person", file.as_bytes(), options).unwrap_err().error;
        assert!(error.to_string().contains("nmae"), "{error}");
    }
    let sqlite = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    let error = sqlite.import_csv("person", "x,id,name,Id\n".as_bytes(), ImportOptions::new().ignore("x"));
    let error = error.unwrap_err().error;
    assert!(error.to_string().contains("the fields 2 and 4 are for one column"), "{error}");
}

#[test]
fn chunks_may_be_committed_and_a_transaction_may_hold_the_whole() {
    let db = fresh("transfer").build().unwrap();
    db.execute("CREATE TABLE t (id int PRIMARY KEY)", ()).unwrap();
    let mut file: String = (0..2_500).map(|id| format!("{id}\n")).collect();
    file.insert_str(0, "id\n");
    file += "x\n";
    let mut told = Vec::new();
    let load = BulkOptions::new().chunk_rows(1_000).commit_chunks().progress(|rows| told.push(rows));
    let failure = db.import_csv("t", file.as_bytes(), ImportOptions::new().load(load)).unwrap_err();
    assert_eq!((failure.report.rows, count(&db, "t")), (2_000, 2_000), "{failure}");
    assert_eq!(told, [1_000, 2_000]);
    let outcome = db.transaction(|tx| {
        tx.execute("DELETE FROM t", ())?;
        tx.import_csv("t", file.as_bytes(), ImportOptions::new()).map_err(Error::from)
    });
    assert!(outcome.is_err());
    assert_eq!(count(&db, "t"), 2_000);
    db.transaction(|tx| {
        tx.execute("DELETE FROM t", ())?;
        assert!(tx.import_csv("t", file.as_bytes(), ImportOptions::new()).is_err());
        tx.import_csv("t", "id\n7\n".as_bytes(), ImportOptions::new()).map_err(Error::from)
    })
    .unwrap();
    assert_eq!(count(&db, "t"), 1);
}

#[test]
fn what_a_statement_takes_out_of_its_table_is_not_lost_with_its_reader() {
    let db = postgres("transfer");
    db.execute("CREATE TABLE queue AS SELECT generate_series(1, 10) AS n", ()).unwrap();
    let sql = "DELETE FROM queue RETURNING n";
    let exported = db.export(sql, (), Full(1), ExportOptions::csv()).unwrap_err();
    let copied = batchdb::copy_query(&db, sql, (), &db, "nothing", BulkOptions::new()).unwrap_err().error;
    for error in [exported, copied] {
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        assert!(error.to_string().contains("the statement writes"), "{error}");
    }
    assert_eq!(count(&db, "queue"), 10);
}

#[test]
fn days_of_any_year_come_back_from_a_file() {
    let db = postgres("transfer");
    let columns = "day date, at timestamp, instant timestamptz, days date[]";
    for table in ["far_days", "far_days_again"] {
        db.execute(&format!("CREATE TABLE {table} ({columns})"), ()).unwrap();
    }
    db.execute(
        "INSERT INTO far_days SELECT day, day + time '23:59:59.123456', (day + time '01:02:03') AT TIME ZONE 'UTC', \
         ARRAY[day, NULL] FROM unnest(:days::date[]) AS day",
        params! { days: vec![
            "4713-01-01 BC", "0045-02-28 BC", "0005-02-29 BC", "0001-12-31 BC", "0001-01-01", "0999-12-31", "9999-12-31",
            "10000-01-01", "262142-12-31", "290000-06-15",
        ] },
    )
    .unwrap();
    db.execute("INSERT INTO far_days VALUES ('infinity', '-infinity', 'infinity', '{-infinity}')", ())
        .unwrap();
    let file = text(&db, "SELECT * FROM far_days", ExportOptions::csv());
    assert!(
        file.contains("\n0045-02-28 BC,0045-02-28 23:59:59.123456 BC,0045-02-28 01:02:03+00:00 BC,"),
        "{file}"
    );
    assert!(file.contains("\n10000-01-01,10000-01-01 23:59:59.123456,10000-01-01 01:02:03+00:00,"), "{file}");
    assert!(file.contains("\n0999-12-31,0999-12-31T23:59:59.123456,0999-12-31T01:02:03Z,"), "{file}");
    db.import_csv("far_days_again", file.as_bytes(), ImportOptions::new()).unwrap();
    let sql = "SELECT count(*) AS n FROM (TABLE far_days INTERSECT TABLE far_days_again) AS same";
    assert_eq!(db.query_one(sql, ()).unwrap().get::<i64>("n").unwrap(), 11);
    // The same through ODBC, as far as its driver carries them, and into SQLite and back.
    let folder = tempfile::tempdir().unwrap();
    let (odbc, sqlite) = (psql_odbc("transfer"), sqlite_at(&folder.path().join("days.db")).build().unwrap());
    odbc.execute(&format!("CREATE TABLE far_days ({columns})"), ()).unwrap();
    let few = file
        .lines()
        .filter(|line| line.starts_with("day,") || line.starts_with("0045") || line.starts_with("0999"));
    let few: String = few.map(|line| format!("{line}\n")).collect();
    odbc.import_csv("far_days", few.as_bytes(), ImportOptions::new()).unwrap();
    let sql = "SELECT string_agg(concat_ws(';', day, at, instant AT TIME ZONE 'UTC', days), '|' ORDER BY day) AS rows \
               FROM far_days";
    assert_eq!(
        odbc.query_one(sql, ()).unwrap().get::<String>("rows").unwrap(),
        "0045-02-28 BC;0045-02-28 23:59:59.123456 BC;0045-02-28 01:02:03 BC;{\"0045-02-28 BC\",NULL}|\
         0999-12-31;0999-12-31 23:59:59.123456;0999-12-31 01:02:03;{0999-12-31,NULL}"
    );
    sqlite.execute("CREATE TABLE far_days (day date, at timestamp, instant timestamptz)", ()).unwrap();
    let three = "SELECT day, at, instant FROM far_days WHERE day NOT IN ('infinity', '290000-06-15')";
    let three = text(&db, three, ExportOptions::csv());
    sqlite.import_csv("far_days", three.as_bytes(), ImportOptions::new()).unwrap();
    assert_eq!(text(&sqlite, "SELECT day, at, instant FROM far_days", ExportOptions::csv()), three);
}
