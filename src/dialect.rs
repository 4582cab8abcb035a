//! What differs in SQL text from one database to the next.

/// The SQL that a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL, reached by its own protocol: parameters are `$1`, `$2`, …
    Postgres,
    /// Microsoft SQL Server and what speaks T-SQL, reached through ODBC.
    SqlServer,
    /// SQLite, reached through its ODBC driver.
    Sqlite,
    /// Any other database behind an ODBC driver, including PostgreSQL through psqlODBC.
    Odbc,
}

/// The cluster and the timeline that a PostgreSQL server writes: what numbers of transactions belong to. A standby
/// that takes over begins a timeline of its own, and a restart does not.
macro_rules! history {
    () => {
        "(SELECT system_identifier FROM pg_control_system())::text || '/' || \
         left(pg_walfile_name(pg_current_wal_lsn()), 8) AS history"
    };
}

impl Dialect {
    /// The name that health reports and messages use: `postgresql`, `sqlserver`, `sqlite` or `odbc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Postgres => "postgresql",
            Dialect::SqlServer => "sqlserver",
            Dialect::Sqlite => "sqlite",
            Dialect::Odbc => "odbc",
        }
    }

    /// Quotes one identifier, so that any text can safely be used as a name.
    ///
    /// ```
    /// use batchdb::Dialect;
    ///
    /// assert_eq!(Dialect::Postgres.quote("odd\"name"), "\"odd\"\"name\"");
    /// assert_eq!(Dialect::SqlServer.quote("odd]name"), "[odd]]name]");
    /// ```
    #[must_use]
    pub fn quote(self, name: &str) -> String {
        match self {
            Dialect::SqlServer => format!("[{}]", name.replace(']', "]]")),
            _ => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// Quotes a table name that may include its schema: `sales.orders` becomes `"sales"."orders"`. SQL Server's
    /// `archive..orders`, in the schema of the session's user, keeps its gap.
    ///
    /// ```
    /// use batchdb::Dialect;
    ///
    /// assert_eq!(Dialect::Postgres.quote_path("sales.orders"), "\"sales\".\"orders\"");
    /// assert_eq!(Dialect::SqlServer.quote_path("sales.orders"), "[sales].[orders]");
    /// ```
    #[must_use]
    pub fn quote_path(self, path: &str) -> String {
        let quoted = path.split('.').map(|part| match (self, part) {
            (Dialect::SqlServer, "") => String::new(),
            _ => self.quote(part),
        });
        quoted.collect::<Vec<_>>().join(".")
    }

    /// Whether placeholders carry numbers (`$1`) and may be used again, or are plain `?`.
    pub(crate) fn numbers_parameters(self) -> bool {
        self == Dialect::Postgres
    }

    /// The query for the mark of the open transaction, by which its end can be asked for from another connection: the
    /// columns `mark` and `history`. Only PostgreSQL has one.
    #[cfg(feature = "postgres")]
    pub(crate) fn commit_mark(self) -> Option<&'static str> {
        match self {
            Dialect::Postgres => Some(concat!("SELECT pg_current_xact_id()::text AS mark, ", history!())),
            _ => None,
        }
    }

    /// The query for what became of the transaction `:mark`: `status` is `committed`, `aborted`, `in progress`, or NULL
    /// where it is too long ago; `history` is the server's present one.
    pub(crate) fn commit_status(self) -> Option<&'static str> {
        match self {
            Dialect::Postgres => {
                Some(concat!("SELECT pg_xact_status((:mark::text)::xid8) AS status, ", history!()))
            }
            _ => None,
        }
    }

    /// The statement that sets a savepoint called `name` (an identifier of ours, never a caller's).
    pub(crate) fn savepoint(self, name: &str) -> String {
        match self {
            Dialect::SqlServer => format!("SAVE TRANSACTION {name}"),
            _ => format!("SAVEPOINT {name}"),
        }
    }

    /// The statement that undoes everything since the savepoint.
    pub(crate) fn rollback_to(self, name: &str) -> String {
        match self {
            Dialect::SqlServer => format!("ROLLBACK TRANSACTION {name}"),
            _ => format!("ROLLBACK TO SAVEPOINT {name}"),
        }
    }

    /// The statement that forgets a savepoint; SQL Server has none and needs none.
    pub(crate) fn release(self, name: &str) -> Option<String> {
        match self {
            Dialect::SqlServer => None,
            _ => Some(format!("RELEASE SAVEPOINT {name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_cannot_escape_their_quotes() {
        for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::Odbc] {
            assert_eq!(dialect.quote("a\"; DROP TABLE t; --"), "\"a\"\"; DROP TABLE t; --\"");
        }
        assert_eq!(Dialect::SqlServer.quote("a]; DROP TABLE t; --"), "[a]]; DROP TABLE t; --]");
        assert_eq!(Dialect::SqlServer.quote_path("dbo.t"), "[dbo].[t]");
        assert_eq!(Dialect::SqlServer.quote_path("d..t"), "[d]..[t]");
    }
}
