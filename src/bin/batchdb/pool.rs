//! `batchdb pool`: who uses the connections of a database, as its server sees it.

use std::io;

use batchdb::{DatabaseManager, Dialect, Error, MigrateOnStart, Row};
use clap::Args;
use serde::Serialize;

use super::options::Options;
use super::show::{self, Out, plain};
use super::watch::Watch;
use super::{Failure, code};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb pool rpa_db
  batchdb pool rpa_db --watch 5s      again every five seconds
  batchdb pool rpa_db --json

A server shows the sessions of other users only to those who may see them (`pg_read_all_stats`, `VIEW SERVER STATE`).";

#[derive(Debug, Args)]
pub(crate) struct Pool {
    /// The database
    #[arg(value_name = "DB")]
    database: String,
    /// Print one JSON object; with --watch one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    watch: Watch,
}

/// Sessions that differ in nothing but their number.
#[derive(Debug, Serialize)]
struct Group {
    program: String,
    host: String,
    state: String,
    sessions: i64,
    /// The longest time that one of them has been in this state, where the server tells.
    longest_seconds: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Look {
    database: String,
    /// What the settings let one process open.
    pool_size: u32,
    max_overflow: u32,
    /// How many connections the server takes in all, and how many there are now; `None` where there is no server.
    max_connections: Option<i64>,
    connections: Option<i64>,
    /// How long this command waited for its own connection, in milliseconds.
    checkout_ms: f64,
    sessions: Vec<Group>,
}

/// The server's limits, and its sessions in this database but for the one that asks.
struct Questions {
    limits: &'static str,
    sessions: &'static str,
}

fn questions(dialect: Dialect) -> Option<Questions> {
    match dialect {
        Dialect::Postgres => Some(Questions {
            limits: "SELECT current_setting('max_connections')::bigint AS most, \
                     (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL \
                     AND coalesce(backend_type, 'client backend') = 'client backend') AS used",
            sessions: "SELECT application_name AS program, \
                       CASE WHEN state IS NULL THEN '' ELSE coalesce(client_hostname, host(client_addr), 'socket') END AS host, \
                       coalesce(state, 'not shown') AS state, count(*) AS sessions, \
                       round(extract(epoch FROM max(clock_timestamp() - state_change)))::bigint AS longest \
                       FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                       AND coalesce(backend_type, 'client backend') = 'client backend' \
                       GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
        }),
        Dialect::SqlServer => Some(Questions {
            limits: "SELECT CAST(@@MAX_CONNECTIONS AS bigint) AS most, \
                     (SELECT COUNT_BIG(*) FROM sys.dm_exec_sessions WHERE is_user_process = 1) AS used",
            sessions: "SELECT program_name AS program, host_name AS host, status AS state, \
                       COUNT_BIG(*) AS sessions, \
                       CAST(MAX(DATEDIFF(second, last_request_start_time, GETDATE())) AS bigint) AS longest \
                       FROM sys.dm_exec_sessions WHERE database_id = DB_ID() AND session_id <> @@SPID \
                       AND is_user_process = 1 \
                       GROUP BY program_name, host_name, status ORDER BY COUNT_BIG(*) DESC, 1, 2, 3",
        }),
        _ => None,
    }
}

pub(crate) fn run(options: &Options, pool: &Pool, out: Out<'_>) -> Result<u8, Failure> {
    let db = options.builder(&pool.database).migrate_on_start(MigrateOnStart::Off).read_only(true).build()?;
    pool.watch.each(pool.json, out, |out| {
        let look = look(&db)?;
        match (pool.json, pool.watch.is_on()) {
            (true, true) => show::json_line(out, &look)?,
            (true, false) => show::json(out, &look)?,
            (false, _) => table(out, &look)?,
        }
        Ok(code::DONE)
    })
}

fn look(db: &DatabaseManager) -> Result<Look, Error> {
    let settings = db.settings();
    let (mut limits, mut sessions) = (None, Vec::new());
    match questions(settings.dialect()) {
        Some(questions) => {
            limits = Some(db.query_one(questions.limits, ())?);
            sessions =
                db.execute_query(questions.sessions, ())?.iter().map(group).collect::<Result<_, _>>()?;
        }
        None => db.query_one("SELECT 1 AS answer", ()).map(drop)?,
    }
    let limit = |column: &str| limits.as_ref().map(|row| row.get::<i64>(column)).transpose();
    Ok(Look {
        database: db.name().to_owned(),
        pool_size: settings.pool_size(),
        max_overflow: settings.max_overflow(),
        max_connections: limit("most")?,
        connections: limit("used")?,
        checkout_ms: db.pool_status().checkout_max_ms,
        sessions,
    })
}

fn group(row: &Row) -> Result<Group, Error> {
    // What the server does not show is NULL.
    let text = |column: &str| Ok::<_, Error>(row.get::<Option<String>>(column)?.unwrap_or_default());
    Ok(Group {
        program: text("program")?,
        host: text("host")?,
        state: text("state")?,
        sessions: row.get("sessions")?,
        longest_seconds: row.get("longest")?,
    })
}

fn table(out: Out<'_>, look: &Look) -> io::Result<()> {
    let (size, overflow) = (look.pool_size, look.max_overflow);
    writeln!(
        out,
        "{}: one process may open {} connections ({size} + {overflow})",
        look.database,
        size + overflow
    )?;
    match (look.connections, look.max_connections) {
        (Some(used), Some(most)) => {
            let used = show::counted(used.unsigned_abs(), "connection");
            writeln!(out, "the server has {used} and takes {most}")?;
        }
        _ => {
            return writeln!(
                out,
                "there is no server that could tell of sessions; {:.1} ms to a connection",
                look.checkout_ms
            );
        }
    }
    if look.sessions.is_empty() {
        return writeln!(out, "nobody else is in this database");
    }
    let mut table = show::table(["program", "host", "state", "sessions", "for s"]);
    for group in &look.sessions {
        table.add_row([
            plain(&group.program),
            plain(&group.host),
            plain(&group.state),
            group.sessions.to_string(),
            group.longest_seconds.map_or_else(|| "-".to_owned(), |seconds| seconds.to_string()),
        ]);
    }
    writeln!(out, "{table}")
}
