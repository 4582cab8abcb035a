//! What SQL Server says of itself and of the database.

use serde::Serialize;

use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::manager::DatabaseManager;
use crate::params;
use crate::params::IntoParams;
use crate::session::Session;

/// What is asked of a database, whose name stands for `{db}`. The type of these functions is `sql_variant`, which not
/// every driver can give. Where one is not known it is NULL.
///
/// Who sees the sessions of others depends on the server: in Azure (editions 5, 6, 11, 12) it is a right of the
/// database, elsewhere one of the server, which from 2022 on has a smaller one beside it. A right that a server does not
/// know is NULL, and no 1.
const QUESTION: &str = "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version, \
     CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition, \
     (SELECT state_desc FROM sys.databases WHERE name = {db}) AS state, \
     (SELECT user_access_desc FROM sys.databases WHERE name = {db}) AS access, \
     CAST(DATABASEPROPERTYEX({db}, 'Updateability') AS nvarchar(128)) AS updates, \
     (SELECT CASE WHEN replica_id IS NULL THEN 0 ELSE 1 END FROM sys.databases WHERE name = {db}) AS grouped, \
     CASE WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) IN (5, 6, 11, 12) \
          THEN CASE WHEN 1 IN (HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'VIEW DATABASE STATE'), \
                               HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'VIEW DATABASE PERFORMANCE STATE')) \
                    THEN 1 ELSE 0 END \
          ELSE CASE WHEN 1 IN (HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE'), \
                               HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER PERFORMANCE STATE')) \
                    THEN 1 ELSE 0 END END AS sees";

/// The numbers by which a server says that it does not open the database.
const CLOSED: [i32; 14] = [615, 911, 921, 926, 927, 941, 942, 952, 976, 978, 982, 983, 988, 4060];

/// Whether a server refuses to open the database, for whichever reason it does.
pub(crate) fn is_not_opened(error: &Error) -> bool {
    error.native_code().is_some_and(|number| CLOSED.contains(&number))
}

/// What a SQL Server says of itself, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerHealth {
    /// The server's version, as `16.0.4135.4`.
    pub version: Option<String>,
    /// Its edition, as `Developer Edition (64-bit)`.
    pub edition: Option<String>,
    /// The database's state: `ONLINE`, `OFFLINE`, `RESTORING`, `RECOVERING`, … Of a database that the server does not open
    /// it was asked in `master`, by a login of its own.
    pub state: Option<String>,
    /// Whether the database takes writes. A read-only replica does not.
    pub writable: bool,
    /// `PRIMARY` or `SECONDARY`, where the database belongs to an availability group: whether `READ_ONLY=true` has led to
    /// a secondary.
    pub role: Option<&'static str>,
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
        let (health, _) = ServerHealth::answer(session, "DB_NAME()", ())?;
        Ok(Some(health))
    }

    /// Asks `master` about a database that the server has just not opened, and what that comes to in one sentence. `None`
    /// where the error is another one, or where nobody there could say: this must not hide the error.
    pub(crate) fn of_closed(db: &DatabaseManager, error: &Error) -> Option<(ServerHealth, String)> {
        let (settings, name) = db.settings().in_master().filter(|_| is_not_opened(error))?;
        let limit = settings.connect_timeout();
        let asked = db.apart_by(settings).and_then(|master| {
            let limited = db.limited_as(master, limit);
            limited.session_without_hook(|session| {
                ServerHealth::answer(session, ":name", params! { name: name.as_str() })
            })
        });
        let (health, access) = asked.ok()?;
        let says = match (health.state.as_deref(), access.as_deref()) {
            (Some("ONLINE"), Some("SINGLE_USER")) => "is ONLINE for a single user (SINGLE_USER)".to_owned(),
            (Some("ONLINE"), Some("RESTRICTED_USER")) => {
                "is ONLINE for its owners only (RESTRICTED_USER)".to_owned()
            }
            (Some("ONLINE"), _) => {
                "is ONLINE, so this login has no user in it, or may not connect".to_owned()
            }
            (Some(state), _) => format!("is {state}"),
            (None, _) => "is not there, or this login may not see it".to_owned(),
        };
        Some((health, format!("asked in master, the server says that the database {says}")))
    }

    /// The answer, and who may connect.
    fn answer(
        session: &mut Session<'_>,
        name: &str,
        params: impl IntoParams,
    ) -> Result<(ServerHealth, Option<String>)> {
        let row = session.query_one(&QUESTION.replace("{db}", name), params)?;
        let writable = row.get::<Option<String>>("updates")?.is_none_or(|updates| updates == "READ_WRITE");
        let is_grouped = row.get::<Option<i64>>("grouped")? == Some(1);
        let health = ServerHealth {
            version: row.get("version")?,
            edition: row.get("edition")?,
            state: row.get("state")?,
            writable,
            // Of the replicas only the primary takes writes.
            role: is_grouped.then_some(if writable { "PRIMARY" } else { "SECONDARY" }),
            sees_sessions: row.get::<Option<i64>>("sees")? == Some(1),
        };
        Ok((health, row.get("access")?))
    }

    /// What `READ_ONLY=true` has come to, where it asked for a secondary and has not got one.
    pub(crate) fn misrouted(&self) -> Option<&'static str> {
        (self.role == Some("PRIMARY")).then_some(
            "READ_ONLY=true asks for a secondary of the availability group, and the primary has answered",
        )
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
            role: None,
            sees_sessions: false,
        };
        assert_eq!(health("ONLINE", true).problem(false), None);
        assert_eq!(health("ONLINE", false).problem(true), None);
        assert!(health("ONLINE", false).problem(false).unwrap().contains("READ_ONLY"));
        assert_eq!(health("RESTORING", true).problem(true).as_deref(), Some("the database is RESTORING"));
    }
}
