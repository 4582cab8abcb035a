//! What a SQL Server is asked. Nobody needs a right of their own for any of it.

use crate::backend::Found;
use crate::error::Result;
use crate::health::ServerHealth;
use crate::session::Session;
use crate::settings::Settings;

const PERMISSIONS: &str = "\
SELECT SUSER_SNAME() AS login, USER_NAME() AS who, DB_NAME() AS place, SCHEMA_NAME() AS schema_name,
       CAST(IS_SRVROLEMEMBER('sysadmin') AS int) AS sysadmin,
       CAST(HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CREATE TABLE') AS int) AS creates,
       CAST(HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'SELECT') AS int) AS reads_all,
       CAST(HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'INSERT') AS int) AS writes_all";

pub(super) fn permissions(session: &mut Session<'_>, settings: &Settings) -> Result<Found> {
    let row = session.query_one(PERMISSIONS, ())?;
    let text = |column: &str| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
    let yes = |column: &str| row.get::<Option<i64>>(column).map(|flag| flag == Some(1));
    let mut found = Found::fact(format!(
        "login {}, user {}, database {}, schema {}",
        text("login")?,
        text("who")?,
        text("place")?,
        text("schema_name")?
    ));
    let word = |flag: bool| if flag { "all" } else { "not all" };
    found.and(format!(
        "{} tables can be read, {} written",
        word(yes("reads_all")?),
        word(yes("writes_all")?)
    ));
    if yes("sysadmin")? {
        found.doubt("the login is a sysadmin", "give the job a login of its own that may do what it needs");
    }
    if !settings.is_read_only() && settings.migrations_dir().is_dir() && !yes("creates")? {
        found.doubt(
            "the user may not create tables, and there are migrations",
            "GRANT CREATE TABLE and ALTER on the schema to the user, or migrate as another one",
        );
    }
    Ok(found)
}

const SERVER: &str = "\
SELECT CAST(@@MAX_CONNECTIONS AS bigint) AS most, CAST(@@LOCK_TIMEOUT AS bigint) AS lock_ms,
       CAST(CONNECTIONPROPERTY('net_transport') AS nvarchar(60)) AS transport,
       (SELECT CAST(is_read_committed_snapshot_on AS int) FROM sys.databases WHERE name = DB_NAME()) AS row_versions";

const ENCRYPTION: &str = "\
SELECT encrypt_option AS encrypted, auth_scheme AS scheme FROM sys.dm_exec_connections WHERE session_id = @@SPID";

pub(super) fn server(session: &mut Session<'_>, settings: &Settings) -> Result<Found> {
    let mut found = Found::default();
    if let Some(health) = ServerHealth::ask(session)? {
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        found.and(format!(
            "SQL Server {}, {}, database {}, {}",
            known(&health.version),
            known(&health.edition),
            known(&health.state),
            if health.writable { "read and write" } else { "read only" }
        ));
        if let Some(role) = health.role {
            found.and(format!("a replica of an availability group, {role}"));
        }
        match (settings.is_read_only(), health.misrouted()) {
            (true, Some(problem)) => found.doubt(
                problem,
                "connect to the group's listener by its name and name the database (only then it routes), and look at the \
                 read-only routing list of the primary",
            ),
            (true, None) if health.writable => {
                found.and("READ_ONLY=true, and the database takes writes: it is batchdb that refuses them");
            }
            _ => (),
        }
        if !health.sees_sessions {
            found.and(
                "the login may not see the sessions of others (VIEW SERVER STATE; from 2022 on VIEW SERVER PERFORMANCE \
                 STATE is enough; in Azure SQL VIEW DATABASE STATE): holders of locks have no name",
            );
        }
        if let Some(problem) = health.problem(settings.is_read_only()) {
            found.doubt(problem, "bring the database ONLINE, connect to the primary, or set READ_ONLY=true");
        }
    }
    let row = session.query_one(SERVER, ())?;
    let most: i64 = row.get("most")?;
    let own = i64::from(settings.pool_size()) + i64::from(settings.max_overflow());
    found.and(format!("it takes {most} connections; one process of ours may open {own}"));
    if most > 0 && most < own {
        found.doubt(
            format!("the server takes {most} connections, and one process may open {own}"),
            "lower POOL_SIZE and MAX_OVERFLOW",
        );
    }
    found.and(match row.get::<Option<i64>>("lock_ms")? {
        Some(0..) => format!("LOCK_TIMEOUT {} ms", row.get::<i64>("lock_ms")?),
        _ => "LOCK_TIMEOUT off".to_owned(),
    });
    match row.get::<Option<i64>>("row_versions")? {
        Some(1) => found.and("READ COMMITTED reads row versions, and waits for no writer"),
        _ => found.and("READ COMMITTED waits for writers (READ_COMMITTED_SNAPSHOT is off)"),
    }
    // Who may not see it is refused, and that is all.
    let asked = session.query_opt(ENCRYPTION, ());
    if let Ok(Some(row)) = asked {
        let (encrypted, scheme): (Option<String>, Option<String>) =
            (row.get("encrypted")?, row.get("scheme")?);
        let is_encrypted = encrypted.is_some_and(|flag| flag.trim().eq_ignore_ascii_case("true"));
        let word = if is_encrypted { "encrypted" } else { "not encrypted" };
        found.and(format!("this session is {word}; logged in by {}", scheme.unwrap_or_default()));
    }
    if let Some(transport) = row.get::<Option<String>>("transport")? {
        found.and(format!("reached by {transport}"));
    }
    Ok(found)
}
