//! Telling a pooler that hands the server's sessions around by transaction (PgBouncer): behind it the lock of the
//! migrations belongs to whoever comes next, and so holds nothing.

use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::manager::DatabaseManager;
use crate::session::Session;

/// How long the second connection may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How often it is looked: another client of the pooler may come in between and hide what it does.
const LOOKS: usize = 3;

/// Refuses a connection that does not have a session of the server to itself.
///
/// Nothing that a pooler says of itself is of any use. But between two transactions it takes the server's session away
/// and gives it to the next who begins one; a second connection of ours, while the first is idle, is that next one: then
/// it has the first one's session, or has pushed it to another. That connection is made for this, because the pool may
/// have no place for it.
///
/// # Errors
///
/// `Migration`, with the remedy. That a second connection cannot be had is none, and told in the log.
pub(crate) fn refuse(manager: &DatabaseManager, engine: Engine, session: &mut Session<'_>) -> Result<()> {
    if engine != Engine::Postgres {
        return Ok(());
    }
    let limit = LIMIT.min(session.whole().left(Instant::now()));
    let shared = manager.apart()?.with_deadline(limit).session_without_hook(|other| {
        for _ in 0..LOOKS {
            let first = process(session)?;
            let moved = other
                .transaction(|tx| Ok::<_, Error>(process(tx)? == first || process(session)? != first))?;
            if moved {
                return Ok(true);
            }
        }
        Ok::<_, Error>(false)
    });
    match shared {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::migration(
            "the connection goes through a pooler in transaction mode, where no lock keeps a second runner out",
        )
        .with_hint("give the migrations a connection string of the server itself, or of a pool in session mode")),
        Err(error) => {
            let database = manager.name();
            log::warn!(
                database;
                "{database}: no second connection could be had, by which a pooler in transaction mode would be told: {error}"
            );
            Ok(())
        }
    }
}

fn process(session: &mut Session<'_>) -> Result<i64> {
    session.query_one("SELECT pg_backend_pid() AS pid", ())?.get("pid")
}
