//! Migrations on real databases: PostgreSQL, and SQLite through ODBC.

mod baseline;
mod errors;
mod files;
mod lock;
mod no_transaction;
#[cfg(feature = "odbc")]
mod odbc;
mod plan;
mod repair;
mod run;
mod start;
mod undo;

use std::fs;
use std::path::Path;

use batchdb::{DatabaseManager, DatabaseManagerBuilder, ErrorKind, MigrateOnStart, MigrationReport, Value};
use tempfile::TempDir;

use crate::common::{server, unique};

/// A folder of migrations and an empty database of their own.
struct Given {
    folder: TempDir,
    database: String,
    connection_string: String,
}

impl Given {
    fn postgres(files: &[(&str, &str)]) -> Given {
        let database = unique("migrate");
        server().create_database(&database).unwrap();
        let connection_string = server().url_for(&database);
        Given { folder: tempfile::tempdir().unwrap(), database, connection_string }.with(files)
    }

    /// The same server through psqlODBC, which is told no dialect.
    #[cfg(feature = "odbc")]
    fn postgres_by_odbc(files: &[(&str, &str)]) -> Given {
        let given = Given::postgres(files);
        let connection_string = format!(
            "Driver=PostgreSQL Unicode;Server={};Port={};Database={};Uid={};Pwd={}",
            server().host(),
            server().port(),
            given.database,
            server().user(),
            server().password(),
        );
        Given { connection_string, ..given }
    }

    #[cfg(feature = "odbc")]
    fn sqlite(files: &[(&str, &str)]) -> Given {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data.db");
        Given {
            database: unique("sqlite"),
            connection_string: format!("Driver=SQLite3;Database={}", file.display()),
            folder,
        }
        .with(files)
    }

    fn with(self, files: &[(&str, &str)]) -> Given {
        for (file, text) in files {
            self.write(file, text);
        }
        self
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.folder.path().join(file)).unwrap();
    }

    fn builder(&self) -> DatabaseManagerBuilder {
        self.builder_for(self.folder.path())
    }

    fn builder_for(&self, folder: &Path) -> DatabaseManagerBuilder {
        DatabaseManager::builder(&self.database)
            .connection_string(&self.connection_string)
            .migrations_dir(folder)
            .migrate_on_start(MigrateOnStart::Off)
    }

    fn db(&self) -> DatabaseManager {
        self.builder().build().unwrap()
    }

    /// What a query gives, through the library and so on every database: columns divided by `|`, rows by line ends.
    fn read(&self, sql: &str) -> String {
        let text = |value: &Value| value.to_json().to_string().trim_matches('"').to_owned();
        let line = |row: &batchdb::Row| row.values().iter().map(text).collect::<Vec<_>>().join("|");
        let rows = self.db().execute_query(sql, ()).unwrap();
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Runs statements, divided by `;`, through the library.
    fn script(&self, text: &str) {
        for statement in text.split(';').filter(|statement| !statement.trim().is_empty()) {
            self.db().execute(statement, ()).unwrap();
        }
    }

    /// Whether there is such a table or view.
    fn has(&self, table: &str) -> bool {
        self.db().execute_query(&format!("SELECT * FROM {table}"), ()).is_ok()
    }

    /// What `psql` prints, seen from outside.
    fn psql(&self, script: &str) -> String {
        server().psql(&self.database, script).unwrap()
    }

    /// The tables of the schema `public` but for the log of what was done, in the order of their names.
    fn tables(&self) -> String {
        self.psql(
            "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables \
             WHERE schemaname = 'public' AND tablename <> 'schema_version_history'",
        )
    }

    /// How many locks the sessions of this database hold on behalf of migrations.
    fn locks(&self) -> String {
        self.psql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = \
             (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
    }

    /// Runs the migrations, which must be refused, and returns what was said.
    #[track_caller]
    fn refused(&self) -> String {
        let error = self.db().run_migrations().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Migration, "{error}");
        error.to_string()
    }
}

/// The same files for each database: a sentence that holds for all has one body.
fn everywhere(files: &[(&str, &str)]) -> Vec<Given> {
    let mut all = vec![Given::postgres(files)];
    #[cfg(feature = "odbc")]
    all.push(Given::sqlite(files));
    all
}

fn files(report: &MigrationReport) -> Vec<&str> {
    report.applied.iter().map(|migration| migration.file.as_str()).collect()
}
