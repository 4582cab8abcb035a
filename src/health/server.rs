//! What SQL Server says of itself and of the database.

use serde::Serialize;

use crate::dialect::Dialect;
use crate::error::Result;
use crate::session::Session;

/// The type of these functions is `sql_variant`, which not every driver can give. Where one is not known it is NULL.
const QUESTION: &str = "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version, \
     CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition, \
     CAST(DATABASEPROPERTYEX(DB_NAME(), 'Status') AS nvarchar(128)) AS state, \
     CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128)) AS updates, \
     CAST(HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE') AS int) AS sees";

/// What a SQL Server says of itself, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerHealth {
    /// The server's version, as `16.0.4135.4`.
    pub version: Option<String>,
    /// Its edition, as `Developer Edition (64-bit)`.
    pub edition: Option<String>,
    /// The database's state: `ONLINE`, `RESTORING`, `RECOVERING`, …
    pub state: Option<String>,
    /// Whether the database takes writes. A read-only replica does not.
    pub writable: bool,
    /// Whether the login may see the sessions of others, by which the holder of a lock is named.
    pub sees_sessions: bool,
}

impl ServerHealth {
    /// Asks the server. `None` for any other database.
    ///
    /// # Errors
    ///
    /// What the question gives.
    pub(crate) fn ask(session: &mut Session<'_>) -> Result<Option<ServerHealth>> {
        if session.dialect()? != Dialect::SqlServer {
            return Ok(None);
        }
        let row = session.query_one(QUESTION, ())?;
        Ok(Some(ServerHealth {
            version: row.get("version")?,
            edition: row.get("edition")?,
            state: row.get("state")?,
            writable: row.get::<Option<String>>("updates")?.is_none_or(|updates| updates == "READ_WRITE"),
            sees_sessions: row.get::<Option<i64>>("sees")? == Some(1),
        }))
    }

    /// What stands in a job's way that has these settings.
    pub(crate) fn problem(&self, read_only: bool) -> Option<String> {
        match &self.state {
            Some(state) if state != "ONLINE" => Some(format!("the database is {state}")),
            _ if !self.writable && !read_only => Some(
                "the database takes no writes here; READ_ONLY=true says that this is as it should be"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_not_online_or_takes_no_writes_is_a_problem() {
        let health = |state: &str, writable| ServerHealth {
            version: None,
            edition: None,
            state: Some(state.to_owned()),
            writable,
            sees_sessions: false,
        };
        assert_eq!(health("ONLINE", true).problem(false), None);
        assert_eq!(health("ONLINE", false).problem(true), None);
        assert!(health("ONLINE", false).problem(false).unwrap().contains("READ_ONLY"));
        assert_eq!(health("RESTORING", true).problem(true).as_deref(), Some("the database is RESTORING"));
    }
}
