//! What a PostgreSQL server is asked.

use crate::backend::Found;
use crate::error::Result;
use crate::session::Session;
use crate::settings::Settings;

const PERMISSIONS: &str = "\
SELECT current_user::text AS who, current_database()::text AS place, current_schema()::text AS schema,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS super,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS creates,
       has_database_privilege(current_database(), 'TEMPORARY') AS temporary,
       (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND c.relnamespace = current_schema()::regnamespace) AS tables,
       (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND c.relnamespace = current_schema()::regnamespace AND has_table_privilege(c.oid, 'SELECT')) AS readable,
       (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND c.relnamespace = current_schema()::regnamespace AND has_table_privilege(c.oid, 'INSERT')) AS writable";

pub(super) fn permissions(session: &mut Session<'_>, settings: &Settings) -> Result<Found> {
    let row = session.query_one(PERMISSIONS, ())?;
    let (who, place): (String, String) = (row.get("who")?, row.get("place")?);
    let schema: Option<String> = row.get("schema")?;
    let mut found = Found::fact(format!("user {who}, database {place}"));
    match &schema {
        Some(schema) => {
            let count = |column: &str| row.get::<i64>(column);
            found.and(format!(
                "schema {schema}: {} tables and views, {} can be read, {} written",
                count("tables")?,
                count("readable")?,
                count("writable")?
            ));
            if count("readable")? < count("tables")? {
                found.and("what cannot be read belongs to others: GRANT SELECT where the job needs it");
            }
        }
        None => found.doubt(
            "no schema of the search path exists, or none may be used",
            "GRANT USAGE on the schema to the user, or correct `search_path`",
        ),
    }
    if row.get::<Option<bool>>("super")?.unwrap_or_default() {
        found.doubt("the user is a superuser", "give the job a user of its own that may do what it needs");
    }
    let wants_to_create = !settings.is_read_only() && settings.migrations_dir().is_dir();
    if schema.is_some() && wants_to_create && !row.get::<bool>("creates")? {
        found.doubt(
            "the user may not create tables in the schema, and there are migrations",
            "GRANT CREATE on the schema to the user, or migrate as another one",
        );
    }
    if !settings.is_read_only() && !row.get::<bool>("temporary")? {
        found.doubt(
            "the user may not make temporary tables",
            "`bulk_upsert` needs them: GRANT TEMPORARY on the database",
        );
    }
    Ok(found)
}

/// Of the sessions of others a plain user sees no more than that they are there: even `backend_type` is NULL.
const SERVER: &str = "\
SELECT current_setting('server_version') AS version,
       current_setting('max_connections')::bigint
         - current_setting('superuser_reserved_connections')::bigint AS most,
       (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL
          AND coalesce(backend_type, 'client backend') = 'client backend') AS used,
       (SELECT datconnlimit::bigint FROM pg_database WHERE datname = current_database()) AS database_limit,
       (SELECT rolconnlimit::bigint FROM pg_roles WHERE rolname = current_user) AS role_limit,
       (SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout') AS statement_ms,
       (SELECT setting::bigint FROM pg_settings WHERE name = 'lock_timeout') AS lock_ms,
       (SELECT setting::bigint FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout') AS idle_ms,
       current_setting('default_transaction_isolation') AS isolation,
       current_setting('default_transaction_read_only') = 'on' AS reads_only,
       pg_is_in_recovery() AS standby,
       current_setting('server_encoding') AS encoding,
       (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls";

pub(super) fn server(session: &mut Session<'_>, settings: &Settings) -> Result<Found> {
    let row = session.query_one(SERVER, ())?;
    let number = |column: &str| row.get::<Option<i64>>(column).map(Option::unwrap_or_default);
    let text = |column: &str| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
    let mut found = Found::fact(format!("PostgreSQL {}", text("version")?));
    let (most, used) = (number("most")?, number("used")?);
    let own = i64::from(settings.pool_size()) + i64::from(settings.max_overflow());
    found.and(format!("{used} of {most} connections are in use; one process of ours may open {own}"));
    let limits = [
        ("the server", most),
        ("the database", number("database_limit")?),
        ("the role", number("role_limit")?),
    ];
    // A limit below zero is none.
    if let Some((whose, limit)) =
        limits.into_iter().filter(|(_, limit)| *limit >= 0).find(|(_, limit)| *limit < own)
    {
        found.doubt(
            format!("{whose} takes {limit} connections, and one process may open {own}"),
            "lower POOL_SIZE and MAX_OVERFLOW, or raise the limit",
        );
    } else if most - used < own - 1 {
        found.doubt(
            format!("only {} more connections are left now", most - used),
            "`batchdb pool` shows who has them",
        );
    }
    let off_or = |ms: i64| if ms == 0 { "off".to_owned() } else { format!("{ms} ms") };
    let (statement, lock, idle) = (number("statement_ms")?, number("lock_ms")?, number("idle_ms")?);
    found.and(format!(
        "statement_timeout {}, lock_timeout {}, idle_in_transaction_session_timeout {}",
        off_or(statement),
        off_or(lock),
        off_or(idle)
    ));
    if statement > 0 && u128::from(statement.unsigned_abs()) < settings.timeout().as_millis() {
        found.doubt(
            format!(
                "the server ends statements after {statement} ms, before TIMEOUT ({:?})",
                settings.timeout()
            ),
            "make the two agree: lower TIMEOUT, or ALTER ROLE … SET statement_timeout",
        );
    }
    found.and(format!("isolation {}", text("isolation")?));
    let is_standby = row.get::<bool>("standby")?;
    if !settings.is_read_only() && (is_standby || row.get::<bool>("reads_only")?) {
        let why = if is_standby { "it is a standby" } else { "default_transaction_read_only is on" };
        found.doubt(
            format!("the server takes no writes: {why}"),
            "connect to the primary, or set READ_ONLY=true",
        );
    }
    let encoding = text("encoding")?;
    if encoding != "UTF8" {
        found.doubt(
            format!("the database's encoding is {encoding}"),
            "what it cannot hold is refused, and SQL_ASCII holds bytes of any kind: UTF8 is the one to have",
        );
    }
    match row.get::<Option<String>>("tls")? {
        Some(version) => found.and(format!("this session is encrypted ({version})")),
        None => found.and("this session is not encrypted"),
    }
    Ok(found)
}
