//! Telling a pooler that hands the server's sessions around by transaction (PgBouncer): behind it the lock of the
//! migrations belongs to whoever comes next, and so holds nothing.

use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::manager::DatabaseManager;
use crate::session::Session;

/// How long a second connection is waited for: others may wait for the same.
const LIMIT: Duration = Duration::from_secs(5);

/// Refuses a connection that does not have a session of the server to itself.
///
/// Nothing that a pooler says of itself is of any use. But between two transactions it takes the server's session away
/// and gives it to the next who begins one; a second connection of ours, while the first is idle, is that next one: then
/// it has the first one's session, or has pushed it to another.
///
/// # Errors
///
/// `Migration`, with the remedy. That a second connection cannot be had is none.
pub(crate) fn refuse(manager: &DatabaseManager, engine: Engine, session: &mut Session<'_>) -> Result<()> {
    let pool = manager.pool_status();
    let is_full = pool.checked_out >= pool.pool_size + pool.max_overflow;
    if engine != Engine::Postgres || is_full {
        return Ok(());
    }
    let first = process(session)?;
    let shared = manager.with_deadline(LIMIT).session_without_hook(|other| {
        other.transaction(|tx| Ok::<_, Error>(process(tx)? == first || process(session)? != first))
    });
    match shared {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::migration(
            "the connection goes through a pooler in transaction mode, where no lock keeps a second runner out",
        )
        .with_hint("give the migrations a connection string of the server itself, or of a pool in session mode")),
        Err(error) => {
            let database = manager.name();
            log::debug!(database; "{database}: whether there is a pooler could not be told: {error}");
            Ok(())
        }
    }
}

fn process(session: &mut Session<'_>) -> Result<i64> {
    session.query_one("SELECT pg_backend_pid() AS pid", ())?.get("pid")
}
