//! Values and names that would do harm if they ever reached the text of a statement.
//!
//! `HOSTILE_VALUES` says how many values go through each of the two backends (`make hostile`: 100,000),
//! `HOSTILE_SEED` which ones; without it they are others each time, and the seed is printed.

mod generator;

use std::env;

use batchdb::{DatabaseManager, ErrorKind, MigrateOnStart, Params, Value, params};

use self::generator::{Generator, seed};
use crate::common::{fresh, postgres, server, unique};
use crate::odbc::{psql_odbc, sqlite_at};

/// A statement of so many rows has twice as many parameters; SQLite takes 999 of them at least.
const ROWS: usize = 400;

/// So many of a hundred of the values that each of the two backends gets.
fn share(of_hundred: usize) -> usize {
    let all = env::var("HOSTILE_VALUES")
        .map_or(10_000, |number| number.parse().expect("HOSTILE_VALUES is a number"));
    all * of_hundred / 100
}

/// Sends values in several rows a statement, each as a parameter, and reads them back.
fn there_and_back(db: &DatabaseManager, number: usize) {
    let mut generator = Generator::new(seed());
    let mut sent = 0;
    while sent < number {
        let values: Vec<String> = (0..ROWS.min(number - sent)).map(|_| generator.value()).collect();
        let rows: Vec<String> = (0..values.len()).map(|row| format!("(:id{row}, :value{row})")).collect();
        let mut params = Params::new();
        for (row, value) in values.iter().enumerate() {
            params = params.set(&format!("id{row}"), row as i64).set(&format!("value{row}"), value.as_str());
        }
        let insert = format!("INSERT INTO hostile (id, value) VALUES {}", rows.join(", "));
        assert_eq!(db.execute(&insert, params).unwrap(), values.len() as u64);
        let found = db.execute_query("SELECT value FROM hostile ORDER BY id", ()).unwrap();
        let found: Vec<String> = found.iter().map(|row| row.get(0).unwrap()).collect();
        compare(&found, &values);
        // As a list, where the parameters are expanded or become an array.
        let some: Vec<&str> = values.iter().map(String::as_str).take(50).collect();
        let by_list = "SELECT count(*) FROM hostile WHERE value IN (:some)";
        let counted: i64 = db.query_one(by_list, params! { some: some.clone() }).unwrap().get(0).unwrap();
        let expected = values.iter().filter(|value| some.contains(&value.as_str())).count();
        assert_eq!(counted, expected as i64);
        db.execute("DELETE FROM hostile", ()).unwrap();
        sent += values.len();
    }
    assert_eq!(canaries(db), 1, "a value became a statement");
}

/// No printing of megabytes: only the first that differs.
#[track_caller]
fn compare(found: &[String], sent: &[String]) {
    assert_eq!(found.len(), sent.len());
    if let Some((found, sent)) = found.iter().zip(sent).find(|(found, sent)| found != sent) {
        let beginning = |text: &str| text.chars().take(200).collect::<String>();
        panic!(
            "seed {}: {:?} ({} bytes) came back as {:?} ({} bytes)",
            seed(),
            beginning(sent),
            sent.len(),
            beginning(found),
            found.len()
        );
    }
}

fn canaries(db: &DatabaseManager) -> i64 {
    db.query_one("SELECT count(*) AS n FROM canary", ()).unwrap().get(0).unwrap()
}

fn tables(db: &DatabaseManager) {
    db.execute("CREATE TABLE hostile (id INTEGER, value TEXT)", ()).unwrap();
    db.execute("CREATE TABLE canary (id INTEGER)", ()).unwrap();
    db.execute("INSERT INTO canary VALUES (1)", ()).unwrap();
}

#[test]
fn hostile_values_come_back_from_postgres() {
    let db = postgres("hostile");
    tables(&db);
    there_and_back(&db, share(60));
    // The same as arrays, which have a grammar of their own.
    let mut generator = Generator::new(seed() + 1);
    for _ in 0..share(30).div_ceil(ROWS) {
        let values: Vec<String> = (0..ROWS).map(|_| generator.value()).collect();
        let sql = "SELECT value FROM unnest(CAST(:values AS text[])) WITH ORDINALITY AS t (value, place) ORDER BY place";
        let rows = db.execute_query(sql, params! { values: values.clone() }).unwrap();
        let found: Vec<String> = rows.iter().map(|row| row.get(0).unwrap()).collect();
        compare(&found, &values);
        let row = db
            .query_one("SELECT CAST(:values AS text[]) AS whole", params! { values: values.clone() })
            .unwrap();
        compare(&row.get::<Vec<String>>("whole").unwrap(), &values);
    }
    assert_eq!(canaries(&db), 1);
}

#[test]
fn hostile_values_come_back_where_nothing_is_prepared() {
    let db = fresh("hostile").statement_cache(0).build().unwrap();
    tables(&db);
    there_and_back(&db, share(5));
}

#[test]
fn hostile_values_come_back_one_record_at_a_time() {
    let db = postgres("hostile");
    tables(&db);
    let mut generator = Generator::new(seed() + 2);
    let values: Vec<String> = (0..share(5)).map(|_| generator.value()).collect();
    let records =
        values.iter().enumerate().map(|(id, value)| params! { id: id as i64, value: value.as_str() });
    let insert = "INSERT INTO hostile (id, value) VALUES (:id, :value)";
    assert_eq!(db.execute_many(insert, records).unwrap(), values.len() as u64);
    let found = db.execute_query("SELECT value FROM hostile ORDER BY id", ()).unwrap();
    compare(&found.iter().map(|row| row.get(0).unwrap()).collect::<Vec<String>>(), &values);
}

#[test]
fn hostile_values_come_back_from_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("hostile.db")).build().unwrap();
    tables(&db);
    there_and_back(&db, share(80));
}

#[test]
fn hostile_values_come_back_through_psqlodbc() {
    let db = psql_odbc("hostile");
    tables(&db);
    there_and_back(&db, share(20));
}

#[test]
fn a_nul_comes_back_or_is_refused_in_clear_words() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sqlite_at(&folder.path().join("nul.db")).build().unwrap();
    for db in [postgres("nul"), psql_odbc("nul"), sqlite] {
        tables(&db);
        for value in ["\0", "a\0b", "a\0', 'b'); DROP TABLE canary; --", "end\0"] {
            let insert = "INSERT INTO hostile (id, value) VALUES (1, :value)";
            match db.execute(insert, params! { value: value }) {
                Ok(_) => {
                    let row = db.query_one("SELECT value FROM hostile", ()).unwrap();
                    assert_eq!(row.get::<String>(0).unwrap(), value, "{}", db.name());
                }
                Err(error) => {
                    assert!(
                        matches!(error.kind(), ErrorKind::Data | ErrorKind::Params),
                        "{}: {}",
                        db.name(),
                        error.report()
                    );
                    assert!(!error.to_string().contains('\0'));
                    let kept = db.query_one("SELECT count(*) FROM hostile", ()).unwrap();
                    assert_eq!(kept.get::<i64>(0).unwrap(), 0, "{}", db.name());
                }
            }
            db.execute("DELETE FROM hostile", ()).unwrap();
        }
        assert_eq!(canaries(&db), 1);
    }
}

#[test]
fn bytes_come_back_whatever_they_are() {
    let mut generator = Generator::new(seed() + 3);
    for db in [postgres("bytes"), psql_odbc("bytes")] {
        db.execute("CREATE TABLE hostile (value bytea)", ()).unwrap();
        let mut all: Vec<Vec<u8>> = (0..100).map(|_| generator.value().into_bytes()).collect();
        all.extend([(0..=255).collect(), vec![0; 3], Vec::new(), vec![0xff, 0xfe, 0x00, b'\'']]);
        for bytes in all {
            db.execute("INSERT INTO hostile VALUES (:value)", params! { value: bytes.clone() }).unwrap();
            let row = db.query_one("SELECT value FROM hostile", ()).unwrap();
            assert!(row[0] == Value::from(bytes), "{}", db.name());
            db.execute("DELETE FROM hostile", ()).unwrap();
        }
    }
}

#[test]
fn hostile_names_stay_names() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sqlite_at(&folder.path().join("names.db")).build().unwrap();
    for db in [postgres("names"), psql_odbc("names"), sqlite] {
        tables(&db);
        let dialect = db.settings().dialect();
        let mut generator = Generator::new(seed() + 4);
        for _ in 0..60 {
            let (table, column) = (generator.name(), generator.name());
            let (quoted, in_column) = (dialect.quote(&table), dialect.quote(&column));
            let run = |sql: String| {
                db.execute(&sql, ()).unwrap_or_else(|error| panic!("{sql}: {}", error.report()))
            };
            run(format!("CREATE TABLE {quoted} ({in_column} INTEGER)"));
            run(format!("INSERT INTO {quoted} ({in_column}) VALUES (7)"));
            let row = db.query_one(&format!("SELECT {in_column} FROM {quoted}"), ()).unwrap();
            assert_eq!(row.columns().collect::<Vec<_>>(), [column.as_str()]);
            assert_eq!(row.get::<i64>(0).unwrap(), 7);
            run(format!("DROP TABLE {quoted}"));
        }
        assert_eq!(canaries(&db), 1, "a name became a statement");
    }
}

#[test]
fn migrations_keep_their_history_in_a_schema_of_any_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("V001__one.sql"), "CREATE TABLE one (id INTEGER);").unwrap();
    for schema in [
        "with space",
        "quote\"d",
        "semi;colon",
        "x\"; DROP SCHEMA public CASCADE; --",
        "ünïcode",
        ":name",
        "$1",
    ] {
        let name = unique("hostile_schema");
        server().create_database(&name).unwrap();
        let quoted = batchdb::Dialect::Postgres.quote(schema);
        let script = format!("CREATE SCHEMA {quoted}; ALTER DATABASE {name} SET search_path = {quoted};");
        server().psql(&name, &script).unwrap();
        let db = DatabaseManager::builder(&name)
            .connection_string(server().url_for(&name))
            .migrations_dir(folder.path())
            .migrate_on_start(MigrateOnStart::Off)
            .build()
            .unwrap();
        let report = db.run_migrations().unwrap_or_else(|error| panic!("{schema}: {}", error.report()));
        assert_eq!(report.applied.len(), 1, "{schema}");
        let status = db.migration_status().unwrap();
        assert_eq!(
            (status.current_version.as_deref(), status.total_migrations),
            (Some("V001"), 1),
            "{schema}"
        );
        assert!(db.run_migrations().unwrap().applied.is_empty());
        let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = :schema AND tablename IN ('one', 'schema_version')";
        let both: i64 = db.query_one(sql, params! { schema: schema }).unwrap().get(0).unwrap();
        assert_eq!(both, 2, "{schema}");
        assert_eq!(
            server().psql(&name, "SELECT count(*) FROM pg_namespace WHERE nspname = 'public'").unwrap(),
            "1"
        );
    }
}
