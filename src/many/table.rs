//! Whether many rows at a time do to a table what a loop would do.
//!
//! Triggers run at other moments and see other rows, rules rewrite the statement, and a row that refers to a later one of
//! the same table would be taken where a loop refuses it; a function in a default or a check may look at the table, and see
//! the rows before it only one by one. None of that can be told from the statement.

use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::error::Result;
use crate::params;
use crate::session::Session;
use crate::value::Value;

/// A plain table, its partitions included: no triggers but those of foreign keys, no rules, no row-level security, no
/// foreign key to itself, no function or operator of the database's own in a default, a check or the check of a domain,
/// which a type may be made of by any number of steps: as a domain, an array, a range or a field. (Of those functions that
/// the server or an extension brings none reads a table; the server's own are not in `pg_depend` at all.) And whether
/// `COPY` would take values for an identity that an `INSERT` has to leave alone. The partitions of partitions are looked
/// up in the catalog, because PostgreSQL has a function for them only from 12 on. `OFFSET 0` keeps the planner from asking
/// all of this of every table of the database, which took a hundred times as long.
const POSTGRES: &str = "\
    SELECT c.relkind IN ('r', 'p') AND NOT c.relhasrules AND NOT c.relrowsecurity \
     AND NOT EXISTS (SELECT 1 FROM pg_constraint f WHERE f.conrelid = c.oid AND f.confrelid = c.oid AND f.contype = 'f') \
     AND NOT EXISTS (WITH RECURSIVE tree (part) AS (SELECT c.oid UNION ALL \
       SELECT i.inhrelid FROM tree JOIN pg_class p ON p.oid = tree.part AND p.relkind = 'p' \
        JOIN pg_inherits i ON i.inhparent = p.oid) \
      SELECT 1 FROM (SELECT l.oid, l.relkind FROM tree JOIN pg_class l ON l.oid = tree.part OFFSET 0) AS l \
       LEFT JOIN pg_trigger t ON t.tgrelid = l.oid AND NOT t.tgisinternal WHERE l.relkind = 'f' OR t.oid IS NOT NULL \
        OR EXISTS (SELECT 1 FROM pg_depend d \
          LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid \
          JOIN pg_proc p ON p.oid = coalesce(CAST(o.oprcode AS oid), d.refobjid) \
          WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) AND (d.classid, d.objid) IN ( \
            SELECT 'pg_attrdef'::regclass::oid, e.oid FROM pg_attrdef e WHERE e.adrelid = l.oid \
            UNION ALL SELECT 'pg_constraint'::regclass::oid, e.oid FROM pg_constraint e \
             WHERE e.conrelid = l.oid OR e.contypid IN ( \
              WITH RECURSIVE made (id) AS ( \
               SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = l.oid AND NOT a.attisdropped \
               UNION SELECT o.id FROM made CROSS JOIN LATERAL ( \
                SELECT d.refobjid AS id FROM pg_depend d WHERE d.objid = made.id \
                 AND d.classid = 'pg_type'::regclass AND d.refclassid = 'pg_type'::regclass \
                UNION ALL SELECT f.atttypid FROM pg_type y JOIN pg_attribute f ON f.attrelid = y.typrelid \
                 WHERE y.oid = made.id AND NOT f.attisdropped) o) \
              SELECT id FROM made)) \
          AND NOT EXISTS (SELECT 1 FROM pg_depend e \
            WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'))) \
    AS plain, \
     EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attidentity = 'a') AS identity \
    FROM pg_class c WHERE c.oid = to_regclass(CAST(:name AS text))";

const SQLITE: &str = "\
    SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(:name)) \
     AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(:name)) \
     AND NOT EXISTS (SELECT 1 FROM sqlite_temp_master WHERE lower(tbl_name) = lower(:name)) \
     AND NOT EXISTS (SELECT 1 FROM pragma_foreign_key_list(:name) AS f WHERE lower(f.\"table\") = lower(:name)) AS plain, 1 AS identity";

/// How records get into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    OneByOne,
    /// As the rows of statements.
    Together,
    /// As the rows of a load, where they are nothing but values.
    Loaded,
}

/// Asks the database. `table` is as the statement has it, with its quotes.
pub(super) fn way_into(session: &mut Session<'_>, engine: Engine, table: &str) -> Result<Way> {
    let (sql, name) = match engine {
        Engine::Postgres => (POSTGRES, table.to_owned()),
        Engine::Sqlite => (SQLITE, bare(table)),
        // Each record is a statement of its own there, in one batch.
        Engine::SqlServer if session.dialect()? == Dialect::SqlServer => return Ok(Way::Together),
        Engine::SqlServer => return Ok(Way::OneByOne),
    };
    // A name that nobody finds is left to the server, which says so.
    let Some(row) = session.query_opt(sql, params! { name: name })? else { return Ok(Way::OneByOne) };
    let told = |column: &str| match row.value(column) {
        Ok(Value::Bool(flag)) => *flag,
        Ok(value) => value.as_i64() == Some(1),
        Err(_) => false,
    };
    Ok(match (told("plain"), told("identity")) {
        (false, _) => Way::OneByOne,
        (true, true) => Way::Together,
        (true, false) => Way::Loaded,
    })
}

/// The table's own name, without schema and quotes. One that has a quote in it is none that will be found.
fn bare(table: &str) -> String {
    let name = table.rsplit('.').next().unwrap_or(table).trim();
    name.trim_matches(['"', '`', '[', ']']).to_owned()
}
