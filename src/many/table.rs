//! Whether many rows in one statement do to a table what a loop would do.
//!
//! Triggers run at other moments and see other rows, rules rewrite the statement, and a row that refers to a later one of
//! the same table would be taken where a loop refuses it. None of that can be told from the statement.

use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::error::Result;
use crate::params;
use crate::session::Session;

/// A plain table, its partitions included: no triggers but those of foreign keys, no rules, no row-level security, no
/// foreign key to itself.
const POSTGRES: &str = "\
    SELECT EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = to_regclass(CAST(:name AS text)) AND c.relkind IN ('r', 'p') \
     AND NOT c.relhasrules AND NOT c.relrowsecurity \
     AND NOT EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) \
     AND NOT EXISTS (SELECT 1 FROM pg_constraint f WHERE f.conrelid = c.oid AND f.confrelid = c.oid AND f.contype = 'f') \
     AND NOT EXISTS (SELECT 1 FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid \
      LEFT JOIN pg_trigger t ON t.tgrelid = l.oid AND NOT t.tgisinternal WHERE l.relkind = 'f' OR t.oid IS NOT NULL)) \
    AS plain";

const SQLITE: &str = "\
    SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(:name)) \
     AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(:name)) \
     AND NOT EXISTS (SELECT 1 FROM sqlite_temp_master WHERE lower(tbl_name) = lower(:name)) \
     AND NOT EXISTS (SELECT 1 FROM pragma_foreign_key_list(:name) AS f WHERE lower(f.\"table\") = lower(:name)) AS plain";

/// Asks the database. `table` is as the statement has it, with its quotes.
pub(super) fn takes_many(session: &mut Session<'_>, engine: Engine, table: &str) -> Result<bool> {
    let (sql, name) = match engine {
        Engine::Postgres => (POSTGRES, table.to_owned()),
        Engine::Sqlite => (SQLITE, bare(table)),
        // Each record is a statement of its own there, in one batch.
        Engine::SqlServer => return Ok(session.dialect()? == Dialect::SqlServer),
    };
    let row = session.query_one(sql, params! { name: name })?;
    Ok(row.get::<bool>(0).or_else(|_| row.get::<i64>(0).map(|flag| flag == 1)).unwrap_or(false))
}

/// The table's own name, without schema and quotes. One that has a quote in it is none that will be found.
fn bare(table: &str) -> String {
    let name = table.rsplit('.').next().unwrap_or(table).trim();
    name.trim_matches(['"', '`', '[', ']']).to_owned()
}
