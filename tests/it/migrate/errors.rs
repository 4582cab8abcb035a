//! What is said of a file that fails: file, line, column, statement, message.

use super::Given;

const HEAD: &str = "-- What this is for.\n\nCREATE TABLE t (id int PRIMARY KEY, note text);\n";

/// Runs one file that fails; returns what is said without and with the database's own words.
fn failing(text: &str) -> (String, String) {
    let given = Given::postgres(&[("V1__x.sql", text)]);
    let error = given.db().run_migrations().unwrap_err();
    assert_eq!(given.tables(), "schema_version");
    (error.to_string(), error.report())
}

#[test]
fn an_error_with_a_position_is_told_by_line_and_column() {
    let (said, report) = failing(&format!(
        "{HEAD}INSERT INTO t VALUES (1, 'é');\nINSERT INTO t\n  SELECT 1, misspelled FROM t; SELECT 2;"
    ));
    assert!(said.contains("\"V1__x.sql\" failed at line 6, column 13;"), "{said}");
    assert!(report.contains("in `INSERT INTO t SELECT 1, misspelled FROM t`"), "{report}");
    assert!(report.contains("column \"misspelled\" does not exist"), "{report}");
}

#[test]
fn an_error_without_a_position_is_told_by_its_statement() {
    let (said, report) = failing(&format!(
        "{HEAD}INSERT INTO t VALUES (1, 'one');\nINSERT INTO t VALUES (2, 'two');\n  INSERT INTO t VALUES (1, 'again');\n\
         INSERT INTO t VALUES (3, 'three');"
    ));
    assert!(said.contains("failed at line 6, column 3;") && said.contains("23505"), "{said}");
    assert!(!said.contains("again"), "{said}");
    assert!(report.contains("in `INSERT INTO t VALUES (1, 'again')`"), "{report}");
    assert!(report.contains("Key (id)=(1) already exists"), "{report}");
    let (said, _) = failing(&format!("{HEAD}SELECT 1;\n\nSELECT 1/0;"));
    assert!(said.contains("failed at line 6, column 1;"), "{said}");
}

#[test]
fn an_error_in_our_own_rows_is_no_fault_of_the_file() {
    let given = Given::postgres(&[("V1__x.sql", "SELECT 1")]);
    given.db().run_migrations().unwrap();
    given.psql("ALTER TABLE schema_version ADD CONSTRAINT no CHECK (version <> '2')");
    given.write("V2__y.sql", "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);");
    let error = given.db().run_migrations().unwrap_err();
    assert!(error.to_string().contains("\"V2__y.sql\" failed; nothing of it was kept"), "{error}");
    assert_eq!(given.tables(), "schema_version");
}

#[test]
fn the_hint_of_the_database_is_told() {
    let (_, report) = failing(&format!("{HEAD}SELECT lengt('x');"));
    assert!(
        report.contains("hint: ") && report.contains("function lengt(unknown) does not exist"),
        "{report}"
    );
}

#[test]
fn a_place_behind_a_placeholder_is_one_of_the_file() {
    let given =
        Given::postgres(&[("V1__x.sql", "CREATE TABLE ${name} (id int);\nSELECT ${password}, nothing;")]);
    let builder = given.builder().placeholder("name", "a_longer_name").placeholder("password", "'hunter2'");
    let error = builder.build().unwrap().run_migrations().unwrap_err();
    assert!(error.to_string().contains("line 2, column 21"), "{error}");
    assert!(error.report().contains("in `SELECT ${password}, nothing`"), "{}", error.report());
    assert!(!error.report().contains("hunter2"));
}

#[test]
fn a_line_end_of_either_kind_counts_once() {
    let (said, _) = failing("SELECT 1;\r\n\r\nSELECT x;\r\n");
    assert!(said.contains("line 3, column 8"), "{said}");
}

#[cfg(feature = "odbc")]
#[test]
fn other_drivers_tell_the_statement() {
    let given =
        Given::sqlite(&[("V1__x.sql", "CREATE TABLE t (id INTEGER);\n\n  INSERT INTO nowhere VALUES (1);")]);
    let error = given.db().run_migrations().unwrap_err();
    assert!(error.to_string().contains("failed at line 3, column 3;"), "{error}");
    assert!(error.report().contains("in `INSERT INTO nowhere VALUES (1)`"), "{}", error.report());
    let given = Given::postgres_by_odbc(&[("V1__x.sql", "SELECT 1;\nSELECT x;")]);
    let error = given.db().run_migrations().unwrap_err();
    assert!(error.to_string().contains("failed at line 2, column 1;"), "{error}");
}
