//! The table `schema_version`: one row for each migration that was applied.
//!
//! Its columns are the specification's, and `checksum_sha256`. Its name is always written with its
//! schema, because a migration may change the search path.

use std::env;
use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::migrate::files::Script;
use crate::migrate::plan::Applied;
use crate::migrate::version::Version;
use crate::params;
use crate::row::Row;
use crate::session::Session;

pub(crate) const TABLE: &str = "schema_version";
/// The column that the specification does not have.
const SHA256: &str = "checksum_sha256";
/// The columns of the specification.
const COLUMNS: [&str; 11] = [
    "version_rank",
    "installed_rank",
    "version",
    "description",
    "type",
    "script",
    "checksum",
    "installed_by",
    "installed_on",
    "execution_time",
    "success",
];

/// The history of one database.
#[derive(Debug, Clone)]
pub(crate) struct History {
    engine: Engine,
    /// The table with its schema, quoted.
    table: String,
}

impl History {
    /// Finds out where the table is, or would be.
    ///
    /// # Errors
    ///
    /// `Migration`, when this is no database that migrations know, or the user has no schema to make
    /// tables in; and those of a query.
    pub(crate) fn locate(session: &mut Session<'_>) -> Result<History> {
        // Nobody could promise for another database that a failed file leaves nothing behind.
        let engine = Engine::of(session)?.ok_or_else(|| {
            Error::migration(
                "migrations are for PostgreSQL, SQL Server and SQLite, and this database is none of them",
            )
            .with_hint("for SQL Server set TYPE=sqlserver")
        })?;
        let schema: Option<String> = session.query_one(engine.current_schema(), ())?.get(0)?;
        let schema = schema.ok_or_else(|| {
            Error::migration("there is no schema to keep the history in")
                .with_hint("create the first schema of the user's search_path, or set another search_path")
        })?;
        Ok(History::new(engine, &schema))
    }

    pub(crate) fn new(engine: Engine, schema: &str) -> History {
        let dialect = engine.dialect();
        History { engine, table: format!("{}.{}", dialect.quote(schema), dialect.quote(TABLE)) }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The rows, in the order in which they were made. A table that does not exist has none, and is not
    /// made.
    pub(crate) fn read(&self, session: &mut Session<'_>) -> Result<Vec<Applied>> {
        let columns = self.columns(session)?;
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let has_sha256 = columns.iter().any(|column| column == SHA256);
        session
            .execute_query(&self.select(has_sha256), ())?
            .iter()
            .map(|row| applied(row).map_err(|error| error.at(&self.table)))
            .collect()
    }

    /// Makes the table, or adds the column that a table made elsewhere lacks.
    pub(crate) fn prepare(&self, session: &mut Session<'_>) -> Result<()> {
        let columns = self.columns(session)?;
        let statement = if columns.is_empty() {
            self.create()
        } else if !columns.iter().any(|column| column == SHA256) {
            self.add_sha256()
        } else {
            return Ok(());
        };
        session
            .execute(&statement, ())
            .map(drop)
            .map_err(|error| error.at(format_args!("the table {} cannot be made", self.table)))
    }

    /// Makes sure, inside the transaction of a migration, that nobody else has applied or is applying it.
    /// `false`: somebody has.
    ///
    /// SQLite has no lock that outlives a transaction. An update of no row makes this transaction the one
    /// writer of the file, and what it reads from then on is the truth.
    pub(crate) fn claim(&self, tx: &mut Session<'_>, script: &Script) -> Result<bool> {
        if self.engine != Engine::Sqlite {
            return Ok(true);
        }
        tx.execute(&format!("UPDATE {} SET success = success WHERE 1 = 0", self.table), ())?;
        let known = format!("SELECT version FROM {} WHERE version = :version", self.table);
        Ok(tx.query_opt(&known, params! { version: script.version.stored() })?.is_none())
    }

    /// Adds the row of a migration that was applied.
    pub(crate) fn record(
        &self,
        tx: &mut Session<'_>,
        script: &Script,
        rank: i64,
        took: Duration,
    ) -> Result<()> {
        let params = params! {
            rank: rank,
            version: script.version.stored(),
            description: script.description.as_str(),
            script: script.file.as_str(),
            checksum: script.checksum.crc32,
            sha256: script.checksum.sha256.as_str(),
            took: i32::try_from(took.as_millis()).unwrap_or(i32::MAX),
        };
        // SQLite has no users: the operating system's is the best that is known.
        let params = match self.engine {
            Engine::Sqlite => params.set("user", system_user()),
            Engine::Postgres | Engine::SqlServer => params,
        };
        tx.execute(&self.insert(), params).map(drop)
    }

    /// The names of the table's columns, none when there is no table.
    fn columns(&self, session: &mut Session<'_>) -> Result<Vec<String>> {
        let rows = match self.engine {
            Engine::Postgres => session.execute_query(
                "SELECT CAST(attname AS text) AS name FROM pg_catalog.pg_attribute \
                 WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped",
                params! { table: self.table.as_str() },
            ),
            Engine::SqlServer => session.execute_query(
                "SELECT name FROM sys.columns WHERE object_id = OBJECT_ID(:table, N'U')",
                params! { table: self.table.as_str() },
            ),
            Engine::Sqlite => {
                session.execute_query("SELECT name FROM pragma_table_info(:table)", params! { table: TABLE })
            }
        };
        let columns = rows?.iter().map(|row| row.get(0)).collect::<Result<Vec<String>>>()?;
        self.check(&columns)?;
        Ok(columns)
    }

    /// A table of another tool may have the name. It is not ours to change.
    fn check(&self, columns: &[String]) -> Result<()> {
        match COLUMNS.iter().find(|column| !columns.iter().any(|found| found == *column)) {
            Some(missing) if !columns.is_empty() => Err(Error::migration(format!(
                "the table {} is not a history of these migrations: it has no column \"{missing}\"",
                self.table
            ))
            .with_hint("it belongs to another tool; rename it, or use another schema")),
            _ => Ok(()),
        }
    }

    fn create(&self) -> String {
        let (text, integer, point_in_time, now, flag, guard) = match self.engine {
            Engine::Postgres => {
                ("VARCHAR", "INTEGER", "TIMESTAMPTZ", "clock_timestamp()", "BOOLEAN", "IF NOT EXISTS ")
            }
            Engine::SqlServer => ("NVARCHAR", "INT", "DATETIME2", "SYSUTCDATETIME()", "BIT", ""),
            Engine::Sqlite => (
                "VARCHAR",
                "INTEGER",
                "VARCHAR(30)",
                "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
                "INTEGER",
                "IF NOT EXISTS ",
            ),
        };
        format!(
            "CREATE TABLE {guard}{table} (
                version_rank {integer} NOT NULL,
                installed_rank {integer} NOT NULL,
                version {text}(50) NOT NULL PRIMARY KEY,
                description {text}(200) NOT NULL,
                type {text}(20) NOT NULL,
                script {text}(1000) NOT NULL,
                checksum {integer} NULL,
                {SHA256} {text}(64) NULL,
                installed_by {text}(100) NOT NULL,
                installed_on {point_in_time} NOT NULL DEFAULT {now},
                execution_time {integer} NOT NULL,
                success {flag} NOT NULL
            )",
            table = self.table,
        )
    }

    fn add_sha256(&self) -> String {
        match self.engine {
            Engine::SqlServer => format!("ALTER TABLE {} ADD {SHA256} NVARCHAR(64) NULL", self.table),
            _ => format!("ALTER TABLE {} ADD COLUMN {SHA256} VARCHAR(64) NULL", self.table),
        }
    }

    /// Reads the time as text in UTC, whatever zone the session has and whatever the driver makes of it;
    /// a column without zone was filled by the server's clock in the session's zone.
    fn select(&self, has_sha256: bool) -> String {
        let (installed_on, success) = match self.engine {
            Engine::Postgres => (
                "to_char(CAST(installed_on AS timestamptz) AT TIME ZONE 'UTC', \
                 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
                "CASE WHEN success THEN 1 ELSE 0 END",
            ),
            Engine::SqlServer => ("CONVERT(varchar(33), installed_on, 126) + 'Z'", "success"),
            Engine::Sqlite => ("installed_on", "success"),
        };
        let sha256 = if has_sha256 { SHA256 } else { "NULL" };
        format!(
            "SELECT installed_rank, version, script, checksum, {sha256} AS sha256, \
             {installed_on} AS installed_on, {success} AS success FROM {} ORDER BY installed_rank",
            self.table
        )
    }

    /// Files are applied in the order of their versions, so that the two ranks are one number.
    fn insert(&self) -> String {
        let (user, success) = match self.engine {
            Engine::Postgres => ("session_user", "TRUE"),
            Engine::SqlServer => ("ORIGINAL_LOGIN()", "1"),
            Engine::Sqlite => (":user", "1"),
        };
        format!(
            "INSERT INTO {} (version_rank, installed_rank, version, description, type, script, checksum, \
             {SHA256}, installed_by, execution_time, success) VALUES (:rank, :rank, :version, \
             :description, 'SQL', :script, :checksum, :sha256, {user}, :took, {success})",
            self.table
        )
    }
}

fn applied(row: &Row) -> Result<Applied> {
    let version: String = row.get("version")?;
    let file: String = row.get("script")?;
    Ok(Applied {
        version: Version::parse(&version).ok_or_else(|| {
            Error::migration(format!("the row of \"{file}\" has a version that is not made of numbers"))
        })?,
        file,
        crc32: row.get("checksum")?,
        sha256: row.get("sha256")?,
        rank: row.get("installed_rank")?,
        installed_on: row.get("installed_on")?,
        success: row.get("success")?,
    })
}

fn system_user() -> String {
    env::var("USER").or_else(|_| env::var("USERNAME")).unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::SqlServer, Engine::Sqlite];

    #[test]
    fn every_statement_names_the_table_with_its_schema() {
        for engine in ENGINES {
            let history = History::new(engine, "odd schema");
            let table = match engine {
                Engine::SqlServer => "[odd schema].[schema_version]",
                _ => "\"odd schema\".\"schema_version\"",
            };
            for statement in [history.create(), history.add_sha256(), history.select(true), history.insert()]
            {
                assert!(statement.contains(table), "{statement}");
            }
        }
    }

    #[test]
    fn the_table_has_the_columns_of_the_specification() {
        for engine in ENGINES {
            let create = History::new(engine, "s").create();
            for column in COLUMNS.iter().chain([&SHA256]) {
                assert!(create.contains(&format!(" {column} ")), "{engine:?} {column}");
            }
        }
    }

    #[test]
    fn a_table_of_another_tool_is_told_by_its_columns() {
        let history = History::new(Engine::Postgres, "public");
        assert!(history.check(&[]).is_ok());
        assert!(history.check(&COLUMNS.map(str::to_owned)).is_ok());
        let error = history.check(&["installed_rank".to_owned(), "version".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("version_rank"), "{error}");
    }

    #[test]
    fn a_table_of_another_maker_is_read_without_our_column() {
        let history = History::new(Engine::Postgres, "s");
        assert!(history.select(true).contains("checksum_sha256 AS sha256"));
        assert!(history.select(false).contains("NULL AS sha256"));
    }

    #[test]
    fn a_row_is_read_as_either_driver_gives_it() {
        let row = |version: &str, success: Value| {
            Row::from_pairs([
                ("installed_rank", Value::Int(1)),
                ("version", Value::from(version)),
                ("script", Value::from("V001__a.sql")),
                ("checksum", Value::Null),
                ("sha256", Value::Null),
                ("installed_on", Value::from("2026-01-15T10:30:00.1234567Z")),
                ("success", success),
            ])
        };
        assert!(applied(&row("001", Value::Bool(true))).unwrap().success);
        let read = applied(&row("001", Value::Int(0))).unwrap();
        assert!(!read.success);
        assert_eq!(read.installed_on.to_rfc3339(), "2026-01-15T10:30:00.123456700+00:00");
        assert!(applied(&row("R__x", Value::Int(1))).unwrap_err().to_string().contains("V001__a.sql"));
    }
}
