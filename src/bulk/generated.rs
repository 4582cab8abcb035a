//! Columns whose values the database computes, so that it accepts no values for them.

use crate::backend::{LoadTarget, takes_no_values};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::params;
use crate::session::Session;
use crate::sql::ObjectName;
use crate::value::Value;

/// A column that the database fills.
struct Generated {
    name: String,
    /// An identity column, which accepts values in some cases. All others are computed and accept none.
    is_identity: bool,
}

/// The positions of the columns that the database computes, in order; empty if the database cannot be asked. `table` is
/// quoted.
///
/// # Errors
///
/// Those of the query, under the name of the `operation`, except when the database does not understand it or refuses it
/// to this user.
pub(crate) fn computed(
    session: &mut Session<'_>,
    operation: &'static str,
    table: &str,
    columns: &[String],
) -> Result<Vec<usize>> {
    // A mock of a test gets only the program's own statements.
    if !session.takes_many_rows()? {
        return Ok(Vec::new());
    }
    let (engine, generated) = match of(session, operation, table) {
        Ok(Some(told)) => told,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => match error.kind() {
            ErrorKind::Syntax | ErrorKind::Database | ErrorKind::Permission => return Ok(Vec::new()),
            _ => return Err(error),
        },
    };
    let is_computed =
        |name: &str| generated.iter().any(|one| !one.is_identity && is_same(engine, &one.name, name));
    Ok((0..columns.len()).filter(|place| is_computed(&columns[*place])).collect())
}

/// Replaces the error of a load by one that names the column that accepts no values, if there is one among its columns.
/// The caller adds the names of database and call.
pub(super) fn explain(session: &mut Session<'_>, target: &LoadTarget, error: Error) -> Error {
    let Ok(Some((engine, generated))) = of(session, "bulk_insert", &target.table) else { return error };
    let refused = generated.into_iter().filter(|one| {
        (!one.is_identity || is_refusal(&error))
            && target.columns.iter().any(|column| is_same(engine, &one.name, column))
    });
    // An identity column accepts values in some cases, a computed column never.
    let Some(refused) = refused.min_by_key(|one| one.is_identity) else { return error };
    takes_no_values(&target.name, Some(&refused.name), &error)
}

/// Whether the error is the database's refusal of such a value: a SQLSTATE on PostgreSQL, certain error numbers on SQL
/// Server.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.sqlstate() == Some("428C9") || matches!(error.native_code(), Some(271 | 273 | 544 | 13536))
}

fn is_same(engine: Engine, one: &str, other: &str) -> bool {
    match engine {
        Engine::Postgres => one == other,
        Engine::SqlServer | Engine::Sqlite => one.to_lowercase() == other.to_lowercase(),
    }
}

fn of(
    session: &mut Session<'_>,
    operation: &'static str,
    table: &str,
) -> Result<Option<(Engine, Vec<Generated>)>> {
    let Some(engine) = Engine::of(session)? else { return Ok(None) };
    let rows = match engine {
        Engine::Postgres => session.ask(operation, POSTGRES, params! { table: table })?,
        Engine::SqlServer => session.ask(operation, &sql_server(table), ())?,
        Engine::Sqlite => {
            let (schema, name) = sqlite(table);
            session.ask(operation, SQLITE, params! { name: name, schema: schema })?
        }
    };
    let generated = rows.iter().map(|row| {
        Ok(Generated { name: row.get("name")?, is_identity: row.get::<i64>("is_identity")? == 1 })
    });
    Ok(Some((engine, generated.collect::<Result<_>>()?)))
}

/// `attgenerated` exists from PostgreSQL 12 on. Read through `to_jsonb`, a missing column is NULL instead of an error.
const POSTGRES: &str = "\
    SELECT CAST(a.attname AS text) AS name, CASE WHEN a.attidentity = 'a' THEN 1 ELSE 0 END AS is_identity \
    FROM pg_attribute a \
    WHERE a.attrelid = to_regclass(CAST(:table AS text)) AND a.attnum > 0 AND NOT a.attisdropped \
     AND (a.attidentity = 'a' OR to_jsonb(a) ->> 'attgenerated' <> '')";

/// Generated columns (2 and 3). 1 would be a hidden column of a virtual table.
const SQLITE: &str = "\
    SELECT name, 0 AS is_identity FROM pragma_table_xinfo(:name, :schema) WHERE hidden IN (2, 3)";

/// Computed columns, row versions and the periods of temporal tables.
fn sql_server(table: &str) -> String {
    let table = ObjectName::of(table);
    let (catalog, id) = (&table.catalog, table.id());
    format!(
        "SELECT name, CASE WHEN is_identity = 1 THEN 1 ELSE 0 END AS is_identity FROM {catalog}sys.columns \
         WHERE object_id = {id} AND (is_identity = 1 OR is_computed = 1 OR system_type_id = 189 \
          OR COLUMNPROPERTY(object_id, name, 'GeneratedAlwaysType') > 0)"
    )
}

/// The schema, or NULL for wherever the name is found first; and the name, both without their quotes.
fn sqlite(table: &str) -> (Value, String) {
    let bare = |name: &str| name.replace("\"\"", "\"");
    let inner = table.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(table);
    match inner.split_once("\".\"") {
        Some((schema, name)) => (Value::from(bare(schema)), bare(name)),
        None => (Value::Null, bare(inner)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;

    #[test]
    fn the_table_of_a_schema_is_asked_of_it() {
        let asked = |path: &str| sqlite(&Dialect::Sqlite.quote_path(path));
        assert!(asked("odd\"t") == (Value::Null, "odd\"t".to_owned()));
        assert!(asked("aux.t") == (Value::from("aux"), "t".to_owned()));
    }
}
