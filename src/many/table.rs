//! Whether multi-row statements have the same effect on a table as a loop would have.
//!
//! Four things make a difference. Triggers run at other moments and see other rows. Rules rewrite the statement. A row
//! that refers to a later row of the same table is accepted, which a loop would refuse. A function in a default or a
//! check may read the table, and in a loop it would see the rows before its own. The statement shows none of this, so
//! the catalog is asked.

use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::error::Result;
use crate::params;
use crate::session::Session;
use crate::value::Value;

/// Asks PostgreSQL whether the table and all its partitions are plain: no triggers except those of foreign keys, no
/// rules, no row-level security, no foreign key to itself, and no user-defined function or operator in a default, in a
/// check, or in the check of a domain. A column's type may contain a domain at any depth: as a domain over a domain, an
/// array, a range or a field. (Functions of the server and of extensions are allowed, because none of them reads a
/// table; the server's own are not in `pg_depend` at all.) The query also tells whether `COPY` would accept values for
/// an identity column for which an `INSERT` would not. Partitions of partitions are looked up in the catalog, because
/// PostgreSQL has a function for them only from version 12 on. `OFFSET 0` prevents the planner from evaluating all of
/// this for every table of the database, which took a hundred times as long.
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
    /// As the rows of multi-row statements.
    Together,
    /// As the rows of a load, if they consist of nothing but values.
    Loaded,
}

/// Asks the database. `table` is written as in the statement, with its quotes.
pub(super) fn way_into(session: &mut Session<'_>, engine: Engine, table: &str) -> Result<Way> {
    let (sql, name) = match engine {
        Engine::Postgres => (POSTGRES, table.to_owned()),
        Engine::Sqlite => (SQLITE, bare(table)),
        // On SQL Server each record is a statement of its own anyway, several in one batch.
        Engine::SqlServer if session.dialect()? == Dialect::SqlServer => return Ok(Way::Together),
        Engine::SqlServer => return Ok(Way::OneByOne),
    };
    // If the table is not found, the server itself will report that.
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

/// The table's own name, without schema and quotes. (A name that contains a quote will not be found.)
fn bare(table: &str) -> String {
    let name = table.rsplit('.').next().unwrap_or(table).trim();
    name.trim_matches(['"', '`', '[', ']']).to_owned()
}
