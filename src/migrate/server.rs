//! Which database is migrated, as far as its own SQL matters here.

use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;

/// The databases that migrations know: those whose DDL can be rolled back, with a way to keep a second
/// runner out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Postgres,
    SqlServer,
    Sqlite,
}

impl Server {
    /// Finds out which one is at the other end. An ODBC driver without a dialect of its own is asked for
    /// its database's version: PostgreSQL through psqlODBC is PostgreSQL.
    ///
    /// # Errors
    ///
    /// `Migration` for any other database: nobody could promise that a failed file leaves nothing behind.
    pub(crate) fn of(session: &mut Session<'_>) -> Result<Server> {
        match session.dialect()? {
            Dialect::Postgres => return Ok(Server::Postgres),
            Dialect::SqlServer => return Ok(Server::SqlServer),
            Dialect::Sqlite => return Ok(Server::Sqlite),
            Dialect::Odbc => (),
        }
        let unknown = || {
            Error::migration("migrations are for PostgreSQL, SQL Server and SQLite, and this is neither")
                .with_hint("for SQL Server set TYPE=sqlserver")
        };
        match session.query_one("SELECT version() AS version", ()) {
            Ok(row) if row.get::<String>(0)?.starts_with("PostgreSQL") => Ok(Server::Postgres),
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
            Server::Postgres => Dialect::Postgres,
            Server::SqlServer => Dialect::SqlServer,
            Server::Sqlite => Dialect::Sqlite,
        }
    }

    /// Asks for the schema that unqualified names are made in.
    pub(crate) fn current_schema(self) -> &'static str {
        match self {
            Server::Postgres => "SELECT CAST(current_schema() AS text) AS name",
            Server::SqlServer => "SELECT COALESCE(SCHEMA_NAME(), N'dbo') AS name",
            Server::Sqlite => "SELECT 'main' AS name",
        }
    }
}
