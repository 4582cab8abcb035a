//! Telling a pooler that hands the server's sessions around by transaction (PgBouncer): behind it the lock of the
//! migrations belongs to whoever comes next, and so holds nothing.

use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Phase, Result};
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
/// `Migration`, with the remedy; also when the question found no answer, as behind a pooler that has but one session of the
/// server and gives it to others. That the server takes no second connection is none, and told in the log.
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
        .with_hint(REMEDY)),
        Err(error) if is_of_connecting(&error) => {
            let database = manager.name();
            log::warn!(
                database;
                "{database}: no second connection could be had, by which a pooler in transaction mode would be told: {error}"
            );
            Ok(())
        }
        Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Closed) => Err(error),
        Err(error) => Err(Error::migration(
            "it could not be told whether the connection goes through a pooler in transaction mode, where no lock keeps a \
             second runner out",
        )
        .with_codes(error.sqlstate(), error.native_code())
        .with_hint(REMEDY)
        .with_source(error)),
    }
}

const REMEDY: &str =
    "give the migrations a connection string of the server itself, or of a pool in session mode";

/// Whether the server took no second connection. A pooler lets everybody in, and has them wait with their first statement.
fn is_of_connecting(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Connect | ErrorKind::Auth | ErrorKind::Timeout(Phase::Resolve | Phase::Connect)
    )
}

fn process(session: &mut Session<'_>) -> Result<i64> {
    session.query_one("SELECT pg_backend_pid() AS pid", ())?.get("pid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_takes_no_connection_is_passed_over() {
        let of = |kind| is_of_connecting(&Error::new(kind, "no"));
        assert!(of(ErrorKind::Connect) && of(ErrorKind::Auth) && of(ErrorKind::Timeout(Phase::Connect)));
        assert!(
            !of(ErrorKind::Timeout(Phase::Query)) && !of(ErrorKind::Checkout) && !of(ErrorKind::Database)
        );
    }
}
