//! Whether multi-row statements have the same effect on a table as a loop would have.
//!
//! Five things make a difference. Triggers run at other moments and see other rows. Rules rewrite the statement. A row
//! that refers to a later row of the same table is accepted, which a loop would refuse. A function in a default or a
//! check may read the table, and in a loop it would see the rows before its own. A default may be the time at which the
//! statement began. The statement shows none of this, so the catalog is asked.

use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::error::Result;
use crate::params;
use crate::session::Session;
use crate::value::Value;

/// Asks PostgreSQL whether the table and all its partitions are plain: no triggers except those of foreign keys, no
/// rules, no row-level security, no foreign key to itself (nor from a partition to the whole table or back), and no
/// user-defined function or operator in a default or a check, of a column or of a domain. A column's type may contain a
/// domain at any depth: as a domain over a domain, an array, a range or a field. (Functions of the server and of
/// extensions are allowed, because none of them reads a table; the server's own are not in `pg_depend` at all, so
/// `statement_timestamp` is found by its name.) Partitions of partitions are looked up in the catalog, because PostgreSQL
/// has a function for them only from version 12 on. `LATERAL … OFFSET 0` makes the planner use the index for each thing
/// that is looked up. Without it, the planner evaluates all of this for every table of the database, or reads a whole
/// catalog once for each partition, which took seconds for some hundred partitions.
///
/// The query also tells whether a load may be used. `COPY` accepts values for an identity column for which an `INSERT`
/// does not. And `COPY` reads a text with the modifier of the column's type, while an `INSERT` reads it without the
/// modifier and converts the result: for a column of type `interval minute` a `5` is five minutes in the one case, and
/// five seconds, of which nothing is left, in the other. No other type of the server has two readings; about user-defined
/// types with a modifier nothing is known.
const POSTGRES: &str = "\
    WITH RECURSIVE c AS (SELECT oid, relkind, relhasrules, relrowsecurity FROM pg_class \
      WHERE oid = to_regclass(CAST(:name AS text))), \
     tree (part, relkind) AS (SELECT oid, relkind FROM c UNION ALL \
      SELECT i.inhrelid, p.relkind FROM tree JOIN pg_inherits i ON i.inhparent = tree.part AND tree.relkind = 'p' \
       JOIN pg_class p ON p.oid = i.inhrelid), \
     above (whole) AS (SELECT oid FROM c UNION ALL \
      SELECT i.inhparent FROM above JOIN pg_inherits i ON i.inhrelid = above.whole \
       JOIN pg_class p ON p.oid = i.inhparent AND p.relkind = 'p'), \
     made (id) AS (SELECT a.atttypid FROM c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped UNION \
      SELECT o.id FROM made CROSS JOIN LATERAL ( \
       SELECT d.refobjid AS id FROM pg_depend d WHERE d.objid = made.id \
        AND d.classid = 'pg_type'::regclass AND d.refclassid = 'pg_type'::regclass \
       UNION ALL SELECT f.atttypid FROM pg_type y JOIN pg_attribute f ON f.attrelid = y.typrelid \
        WHERE y.oid = made.id AND NOT f.attisdropped) o), \
     held (classid, id) AS ( \
      SELECT 'pg_attrdef'::regclass, e.oid FROM tree CROSS JOIN LATERAL \
       (SELECT oid FROM pg_attrdef WHERE adrelid = tree.part OFFSET 0) e \
      UNION ALL SELECT 'pg_constraint'::regclass, e.oid FROM tree CROSS JOIN LATERAL \
       (SELECT oid FROM pg_constraint WHERE conrelid = tree.part OFFSET 0) e \
      UNION ALL SELECT 'pg_constraint'::regclass, e.oid FROM made CROSS JOIN LATERAL \
       (SELECT oid FROM pg_constraint WHERE contypid = made.id OFFSET 0) e \
      UNION ALL SELECT 'pg_type'::regclass, y.oid FROM made JOIN pg_type y ON y.oid = made.id AND y.typtype = 'd') \
    SELECT c.relkind IN ('r', 'p') AND NOT c.relhasrules AND NOT c.relrowsecurity \
     AND NOT EXISTS (SELECT 1 FROM tree WHERE relkind = 'f') \
     AND NOT EXISTS (SELECT 1 FROM tree CROSS JOIN LATERAL \
      (SELECT 1 FROM pg_trigger WHERE tgrelid = tree.part AND NOT tgisinternal OFFSET 0) t) \
     AND NOT EXISTS (SELECT 1 FROM tree CROSS JOIN LATERAL \
      (SELECT confrelid FROM pg_constraint WHERE conrelid = tree.part AND contype = 'f' OFFSET 0) f \
      WHERE f.confrelid IN (SELECT part FROM tree) OR f.confrelid IN (SELECT whole FROM above)) \
     AND NOT EXISTS (SELECT 1 FROM c CROSS JOIN LATERAL \
      (SELECT pg_get_expr(adbin, adrelid) AS text FROM pg_attrdef WHERE adrelid = c.oid OFFSET 0) e \
      WHERE position('statement_timestamp()' IN e.text) > 0) \
     AND NOT EXISTS (SELECT 1 FROM made JOIN pg_type y ON y.oid = made.id \
      WHERE position('statement_timestamp()' IN y.typdefault) > 0) \
     AND NOT EXISTS (SELECT 1 FROM held CROSS JOIN LATERAL ( \
       SELECT coalesce((SELECT CAST(o.oprcode AS oid) FROM pg_operator o \
         WHERE d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid), d.refobjid) AS id FROM pg_depend d \
        WHERE d.classid = held.classid AND d.objid = held.id \
         AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) OFFSET 0) p \
      WHERE NOT EXISTS (SELECT 1 FROM pg_depend e \
       WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.id AND e.deptype = 'e')) \
    AS plain, \
     NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped AND (a.attidentity = 'a' \
      OR a.atttypmod >= 0 AND (CAST(a.atttypid AS bigint) >= 16384 \
       OR a.atttypid IN ('interval'::regtype, 'interval[]'::regtype) AND (a.atttypmod >> 16) & 32767 <> 32767))) \
    AS loadable FROM c";

const SQLITE: &str = "\
    SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(:name)) \
     AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(:name)) \
     AND NOT EXISTS (SELECT 1 FROM sqlite_temp_master WHERE lower(tbl_name) = lower(:name)) \
     AND NOT EXISTS (SELECT 1 FROM pragma_foreign_key_list(:name) AS f WHERE lower(f.\"table\") = lower(:name)) AS plain, 0 AS loadable";

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
    Ok(match (told("plain"), told("loadable")) {
        (false, _) => Way::OneByOne,
        (true, false) => Way::Together,
        (true, true) => Way::Loaded,
    })
}

/// The table's own name, without schema and quotes. (A name that contains a quote will not be found.)
fn bare(table: &str) -> String {
    let name = table.rsplit('.').next().unwrap_or(table).trim();
    name.trim_matches(['"', '`', '[', ']']).to_owned()
}
