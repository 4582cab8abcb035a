//! Which database is at the other end, where its own SQL matters: migrations, locks, claims.

use crate::dialect::Dialect;
use crate::error::{ErrorKind, Result};
use crate::session::Session;

/// The databases whose own SQL this crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    SqlServer,
    Sqlite,
}

impl Engine {
    /// Finds out which one is at the other end; `None` for any other. An ODBC driver without a dialect of its own is
    /// asked for its database's version: PostgreSQL through psqlODBC is PostgreSQL.
    ///
    /// # Errors
    ///
    /// What the question gives, where it was not understood as one.
    pub(crate) fn of(session: &mut Session<'_>) -> Result<Option<Engine>> {
        match session.dialect()? {
            Dialect::Postgres => return Ok(Some(Engine::Postgres)),
            Dialect::SqlServer => return Ok(Some(Engine::SqlServer)),
            Dialect::Sqlite => return Ok(Some(Engine::Sqlite)),
            Dialect::Odbc => (),
        }
        match session.query_one("SELECT version() AS version", ()) {
            Ok(row) => Ok(row.get::<String>(0)?.starts_with("PostgreSQL").then_some(Engine::Postgres)),
            Err(error) if matches!(error.kind(), ErrorKind::Syntax | ErrorKind::Database) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The dialect that its texts are written in.
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
