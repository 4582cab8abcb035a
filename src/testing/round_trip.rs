//! Whether migrations can be undone: every version up, every version down, and up again, with the schema compared.

use std::collections::BTreeSet;

use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::manager::DatabaseManager;

/// The schema without the history of the migrations: a line for each thing in it.
const POSTGRES: &str = "
    WITH own AS (
        SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relkind
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
          AND c.relname NOT LIKE 'schema\\_version%'
    ), lines AS (
        SELECT 'schema ' || nspname AS line FROM pg_catalog.pg_namespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
        UNION ALL
        SELECT 'relation ' || name || ' of kind ' || relkind::text FROM own WHERE relkind <> 'i'
        UNION ALL
        SELECT 'column ' || own.name || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
            || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
            || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
        FROM own JOIN pg_catalog.pg_attribute a ON a.attrelid = own.oid
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND own.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
        UNION ALL
        SELECT 'index ' || pg_get_indexdef(own.oid) FROM own WHERE relkind = 'i'
        UNION ALL
        SELECT 'view ' || name || ' ' || pg_get_viewdef(oid) FROM own WHERE relkind IN ('v', 'm')
        UNION ALL
        SELECT 'constraint ' || own.name || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
        FROM own JOIN pg_catalog.pg_constraint k ON k.conrelid = own.oid
        UNION ALL
        SELECT 'trigger ' || own.name || ' ' || pg_get_triggerdef(t.oid)
        FROM own JOIN pg_catalog.pg_trigger t ON t.tgrelid = own.oid WHERE NOT t.tgisinternal
        UNION ALL
        SELECT 'function ' || p.oid::regprocedure::text || ' ' || CASE
            WHEN p.prokind <> 'a' THEN md5(pg_get_functiondef(p.oid))
            ELSE (SELECT concat_ws(' ', a.aggkind, a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggsortop::regoperator,
                    format_type(a.aggtranstype, NULL), a.agginitval)
                FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = p.oid) END
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
        UNION ALL
        SELECT 'type ' || t.oid::regtype::text || coalesce(' ' || (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
            FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), '')
        FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND t.typtype IN ('e', 'd')
        UNION ALL
        SELECT 'extension ' || extname FROM pg_catalog.pg_extension
    )
    SELECT line FROM lines";

/// So that what is repeatable runs once more where there is no version whose way down does it.
const FORGET_REPEATABLE: &str = "DELETE FROM schema_version WHERE version LIKE 'R!_!_%' ESCAPE '!'";

/// A default is told by its column: the server gives it a name with a number in it where the file gives none, and
/// Babelfish always does.
const SQL_SERVER: &str = "
    SELECT N'object ' + SCHEMA_NAME(o.schema_id) + N'.' + o.name + N' ' + o.type_desc + ISNULL(N' ' + m.definition, N'') AS line
    FROM sys.objects o LEFT JOIN sys.sql_modules m ON m.object_id = o.object_id
    WHERE o.is_ms_shipped = 0 AND o.type <> 'D' AND OBJECT_NAME(CASE WHEN o.parent_object_id = 0 THEN o.object_id ELSE o.parent_object_id END)
        NOT LIKE N'schema[_]version%'
    UNION ALL
    SELECT N'column ' + OBJECT_NAME(c.object_id) + N'.' + c.name + N' ' + TYPE_NAME(c.user_type_id) + N' '
        + CONVERT(nvarchar(10), c.max_length) + N' ' + CONVERT(nvarchar(10), c.precision) + N' '
        + CONVERT(nvarchar(10), c.scale) + N' ' + CONVERT(nvarchar(10), c.is_nullable)
    FROM sys.columns c JOIN sys.objects o ON o.object_id = c.object_id
    WHERE o.is_ms_shipped = 0 AND o.name NOT LIKE N'schema[_]version%'
    UNION ALL
    SELECT N'default ' + OBJECT_NAME(d.parent_object_id) + N'.' + COL_NAME(d.parent_object_id, d.parent_column_id) + N' ' + d.definition
    FROM sys.default_constraints d
    WHERE d.is_ms_shipped = 0 AND OBJECT_NAME(d.parent_object_id) NOT LIKE N'schema[_]version%'
    UNION ALL
    SELECT N'index ' + OBJECT_NAME(i.object_id) + N'.' + i.name + N' ' + i.type_desc + ISNULL(N' ' + i.filter_definition, N'')
    FROM sys.indexes i JOIN sys.objects o ON o.object_id = i.object_id
    WHERE o.is_ms_shipped = 0 AND i.name IS NOT NULL AND o.name NOT LIKE N'schema[_]version%'";

const SQLITE: &str = "
    SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_master
    WHERE tbl_name NOT LIKE 'schema!_version%' ESCAPE '!' AND name <> 'sqlite_sequence'";

/// Checks, on an empty scratch database, that each version of the migrations can be undone: applies them one by one,
/// undoes them one by one and applies them all again. After each step it compares the schema with the one of the first
/// way up.
///
/// It compares tables, columns, indexes, constraints, views, triggers, functions and types, but no rows, owners or
/// privileges. Repeatable migrations are applied at the end, twice.
///
/// # Panics
///
/// If a file fails, an undo file is missing, or a schema differs: the message names the version and everything that is
/// left over or missing.
///
/// ```no_run
/// # #[cfg(unix)] {
/// use batchdb::DatabaseManager;
/// use batchdb::testing::{EmbeddedPostgres, assert_round_trip};
///
/// let server = EmbeddedPostgres::shared()?;
/// server.create_database("round_trip")?;
/// let db = DatabaseManager::builder("round_trip")
///     .connection_string(server.url_for("round_trip"))
///     .migrations_dir("migrations/rpa_db")
///     .build()?;
/// assert_round_trip(&db);
/// # }
/// # Ok::<(), batchdb::Error>(())
/// ```
#[track_caller]
pub fn assert_round_trip(db: &DatabaseManager) {
    if let Err(error) = round_trip(db) {
        panic!("the migrations make no round trip: {}", error.report());
    }
}

fn round_trip(db: &DatabaseManager) -> Result<()> {
    let status = db.migration_status()?;
    if status.total_migrations > 0 {
        return Err(Error::usage("the database has migrations already; a scratch database is empty"));
    }
    if status.pending_migrations.is_empty() {
        return Ok(());
    }
    // Versions only: what is repeatable is applied when all of them are.
    let versions = status.pending_migrations.into_iter().filter(|name| !name.starts_with("R__"));
    let versions: Vec<String> = versions.collect();
    let mut way_up = vec![schema(db)?];
    for version in versions.split_last().map_or(&[][..], |(_, before)| before) {
        db.migrations().to(version).run()?;
        way_up.push(schema(db)?);
    }
    db.run_migrations()?;
    let top = schema(db)?;
    for (version, wanted) in versions.iter().zip(&way_up).rev() {
        let below = versions.iter().take_while(|earlier| *earlier != version).last();
        db.undo_migrations(below.map_or("0", String::as_str))?;
        // What a repeatable migration has made lies there until the undo files take it away.
        compare(&format!("after undoing {version}"), &schema(db)?, wanted)?;
    }
    if versions.is_empty() {
        db.session_without_hook(|session| session.execute(FORGET_REPEATABLE, ()))?;
    }
    db.run_migrations()?;
    compare("after applying everything again", &schema(db)?, &top)
}

fn schema(db: &DatabaseManager) -> Result<BTreeSet<String>> {
    let sql = match db.settings().dialect() {
        Dialect::SqlServer => SQL_SERVER,
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres | Dialect::Odbc => POSTGRES,
    };
    db.session_without_hook(|session| session.execute_query(sql, ()))?
        .iter()
        .map(|row| row.get("line"))
        .collect()
}

fn compare(when: &str, found: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Result<()> {
    let list = |lines: Vec<&String>| lines.into_iter().map(|line| format!("\n  {line}")).collect::<String>();
    let (left, lost) = (list(found.difference(wanted).collect()), list(wanted.difference(found).collect()));
    if left.is_empty() && lost.is_empty() {
        return Ok(());
    }
    let part = |what: &str, lines: String| if lines.is_empty() { lines } else { format!("\n{what}:{lines}") };
    Err(Error::migration(format!(
        "{when} the schema is not what it was on the way up{}{}",
        part("left over", left),
        part("lost", lost)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_what_is_left_and_what_is_lost() {
        let set = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<BTreeSet<_>>();
        assert!(compare("then", &set(&["a"]), &set(&["a"])).is_ok());
        let text = compare("after undoing V2", &set(&["a", "b"]), &set(&["a", "c"])).unwrap_err().to_string();
        assert!(text.contains("after undoing V2") && text.contains("left over:\n  b\nlost:\n  c"), "{text}");
    }
}
