//! Which database is migrated, as far as its own SQL matters here.

use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;

/// The databases that migrations know: those whose DDL can be rolled back, with a way to keep a second
/// runner out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    SqlServer,
    Sqlite,
}

impl Engine {
    /// Finds out which one is at the other end. An ODBC driver without a dialect of its own is asked for
    /// its database's version: PostgreSQL through psqlODBC is PostgreSQL.
    ///
    /// # Errors
    ///
    /// `Migration` for any other database: nobody could promise that a failed file leaves nothing behind.
    pub(crate) fn of(session: &mut Session<'_>) -> Result<Engine> {
        match session.dialect()? {
            Dialect::Postgres => return Ok(Engine::Postgres),
            Dialect::SqlServer => return Ok(Engine::SqlServer),
            Dialect::Sqlite => return Ok(Engine::Sqlite),
            Dialect::Odbc => (),
        }
        let unknown = || {
            Error::migration(
                "migrations are for PostgreSQL, SQL Server and SQLite, and this database is none of them",
            )
            .with_hint("for SQL Server set TYPE=sqlserver")
        };
        match session.query_one("SELECT version() AS version", ()) {
            Ok(row) if row.get::<String>(0)?.starts_with("PostgreSQL") => Ok(Engine::Postgres),
            Ok(_) => Err(unknown()),
            Err(error) if matches!(error.kind(), ErrorKind::Syntax | ErrorKind::Database) => {
                Err(unknown().with_source(error))
            }
            Err(error) => Err(error),
        }
    }

    /// The dialect that its files are written in.
    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Engine::Postgres => Dialect::Postgres,
            Engine::SqlServer => Dialect::SqlServer,
            Engine::Sqlite => Dialect::Sqlite,
        }
    }

    /// Asks for the schema that unqualified names are made in.
    pub(crate) fn current_schema(self) -> &'static str {
        match self {
            Engine::Postgres => "SELECT CAST(current_schema() AS text) AS name",
            Engine::SqlServer => "SELECT COALESCE(SCHEMA_NAME(), N'dbo') AS name",
            Engine::Sqlite => "SELECT 'main' AS name",
        }
    }
}
