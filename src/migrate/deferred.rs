//! What a commit would check, checked in the midst of a rehearsal, whose files are never committed.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::row::Row;
use crate::session::Session;

/// The constraints that may wait for the commit, and those of them that do so unless they are told otherwise. Each by its
/// name: `SET CONSTRAINTS ALL` would hold for what later files make, too, and defer what nobody has deferred.
const DEFERRABLE: &str = "SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') AS deferrable, \
     string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') FILTER (WHERE c.condeferred) AS deferred \
     FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace \
     WHERE c.condeferrable AND NOT pg_is_other_temp_schema(n.oid) AND has_schema_privilege(n.oid, 'USAGE')";

/// How many rows had lost their parent before a file ran: its commit would ask for those that it adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orphans(Option<usize>);

/// Looks at what is to be known before a file is rehearsed.
///
/// # Errors
///
/// Those of a query.
pub(crate) fn before(tx: &mut Session<'_>, engine: Engine) -> Result<Orphans> {
    let checks = engine == Engine::Sqlite && foreign_keys(tx)?;
    Ok(Orphans(if checks { orphans(tx) } else { None }))
}

/// Checks what the commit of a file would check, which was rehearsed since `before`, and leaves constraints as deferred as
/// they were made.
///
/// # Errors
///
/// What the commit would say.
pub(crate) fn check(tx: &mut Session<'_>, engine: Engine, before: Orphans) -> Result<()> {
    match engine {
        Engine::Postgres => check_constraints(tx),
        Engine::Sqlite => match (before.0, before.0.and_then(|_| orphans(tx))) {
            (Some(before), Some(after)) if after > before => {
                Err(refusal().with_hint("`PRAGMA foreign_key_check` lists the rows that have no parent"))
            }
            _ => Ok(()),
        },
        // It defers nothing.
        Engine::SqlServer => Ok(()),
    }
}

fn check_constraints(tx: &mut Session<'_>) -> Result<()> {
    let names = tx.query_one(DEFERRABLE, ())?;
    let Some(deferrable) = names.get::<Option<String>>("deferrable")? else { return Ok(()) };
    tx.run_script(&format!("SET CONSTRAINTS {deferrable} IMMEDIATE"))
        .map_err(|error| refusal().with_codes(error.sqlstate(), None).with_source(error))?;
    match names.get::<Option<String>>("deferred")? {
        Some(deferred) => tx.run_script(&format!("SET CONSTRAINTS {deferred} DEFERRED")),
        None => Ok(()),
    }
}

fn refusal() -> Error {
    Error::migration("a constraint that is checked at the commit refuses what the file has done")
}

/// Whether SQLite looks after foreign keys in this session.
///
/// # Errors
///
/// Those of a query.
pub(crate) fn foreign_keys(session: &mut Session<'_>) -> Result<bool> {
    session.query_one("PRAGMA foreign_keys", ())?.get(0)
}

/// `None` where it cannot be told, as when a foreign key does not fit its table: of that a commit says nothing.
fn orphans(tx: &mut Session<'_>) -> Option<usize> {
    let rows: Result<Vec<Row>> = tx.execute_query("PRAGMA foreign_key_check", ());
    rows.ok().map(|rows| rows.len())
}
