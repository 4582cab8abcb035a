//! Names that do not exist, and the similar names that may have been meant.

use super::generated;
use crate::backend::LoadTarget;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::params;
use crate::params::IntoParams;
use crate::session::Session;
use crate::sql::ObjectName;

/// How similar two names must be for one to count as a misspelling of the other.
const ALIKE: f64 = 0.6;

/// Adds the existing names to an error about an unknown table or column. If they cannot be found out, the error stays
/// as it is. An error of the unspecific kind `Database` may be about a name too; it is treated as one if a column, or
/// the table, really does not exist.
pub(super) fn explain(session: &mut Session<'_>, target: &LoadTarget, error: Error) -> Error {
    if generated::is_refusal(&error) {
        return generated::explain(session, target, error);
    }
    if !matches!(error.kind(), ErrorKind::Syntax | ErrorKind::Database) {
        return error;
    }
    match hint(session, target) {
        Ok(Some(hint)) => error.with_hint(hint),
        Ok(None) => generated::explain(session, target, error),
        Err(_) => error,
    }
}

/// Replaces an error about a name by one that says which header is not a column, by its number. If the file has no
/// header line, the "headers" are its first record, so neither they nor the database's text about them may appear in a
/// message.
pub(super) fn without_headers(
    session: &mut Session<'_>,
    target: &LoadTarget,
    fields: &[usize],
    error: Error,
) -> Error {
    if generated::is_refusal(&error) {
        return generated::explain(session, target, error);
    }
    if error.kind() != ErrorKind::Syntax {
        return error;
    }
    let Ok(Some((engine, columns))) = columns(session, target) else {
        return Error::new(
            ErrorKind::Syntax,
            "the table, or a column that a header of the file names, cannot be seen",
        )
        .with_hint("the case of names matters; for a file without a header line use `without_header`")
        .with_effect(error.effect());
    };
    let is_known = |name: &str| match engine {
        Engine::Postgres => columns.iter().any(|known| known == name),
        Engine::SqlServer | Engine::Sqlite => {
            columns.iter().any(|known| known.to_lowercase() == name.to_lowercase())
        }
    };
    let unknown = target.columns.iter().zip(fields).find(|(name, _)| !is_known(name));
    let message = match unknown {
        _ if columns.is_empty() => format!("the table {} cannot be seen here", target.table),
        Some((_, field)) => format!("the header of field {field} is no column of the table {}", target.table),
        // All names exist, so the error is about something else.
        None => return generated::explain(session, target, error),
    };
    let hint = match columns.is_empty() {
        true => "case counts, and a schema stands before the name".to_owned(),
        false => format!("case counts; the columns are {}", columns.join(", ")),
    };
    Error::new(ErrorKind::Syntax, message).with_hint(hint).with_effect(error.effect())
}

fn columns(session: &mut Session<'_>, target: &LoadTarget) -> Result<Option<(Engine, Vec<String>)>> {
    let Some(engine) = Engine::of(session)? else { return Ok(None) };
    let columns = match engine {
        Engine::Postgres => names(session, POSTGRES, params! { table: target.table.as_str() }),
        Engine::Sqlite => names(session, SQLITE, params! { table: target.name.as_str() }),
        Engine::SqlServer => {
            let table = ObjectName::of(&target.table);
            let (catalog, id) = (&table.catalog, table.id());
            names(session, &format!("SELECT name FROM {catalog}sys.columns WHERE object_id = {id}"), ())
        }
    };
    Ok(Some((engine, columns?)))
}

fn hint(session: &mut Session<'_>, target: &LoadTarget) -> Result<Option<String>> {
    let Some((engine, columns)) = columns(session, target)? else { return Ok(None) };
    if columns.is_empty() {
        // The table is behind a synonym: it has columns, but the catalog has them under another name.
        if engine == Engine::SqlServer && is_there(session, target)? {
            return Ok(None);
        }
        let tables = names(session, tables(engine), params! { table: target.name.as_str() })?;
        let near =
            nearest(&target.name, &tables).map_or_else(String::new, |near| format!("; there is {near}"));
        return Ok(Some(format!("no table {} can be seen here, and case counts{near}", target.table)));
    }
    let missing = target.columns.iter().find(|name| !columns.iter().any(|known| **known == ***name));
    Ok(missing.map(|name| match nearest(name, &columns) {
        Some(near) => format!("there is no column {name}, and case counts; the nearest is {near}"),
        None => format!("there is no column {name}; the columns are {}", columns.join(", ")),
    }))
}

/// Whether SQL Server knows any object by the table's name.
fn is_there(session: &mut Session<'_>, target: &LoadTarget) -> Result<bool> {
    let id = ObjectName::of(&target.table).id();
    let row = session.query_one(&format!("SELECT {id} AS id"), ())?;
    Ok(row.get::<Option<i64>>("id")?.is_some())
}

fn names(session: &mut Session<'_>, sql: &str, params: impl IntoParams) -> Result<Vec<String>> {
    let rows = session.execute_query(sql, params)?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// The columns of a table, by its name in quotes.
const POSTGRES: &str = "\
    SELECT CAST(attname AS text) AS name FROM pg_attribute \
    WHERE attrelid = to_regclass(CAST(:table AS text)) AND attnum > 0 AND NOT attisdropped";

/// The columns of a table, by its name.
const SQLITE: &str = "SELECT name FROM pragma_table_xinfo(:table) WHERE hidden <> 1";

/// The tables that are found without a schema. The table's name is not used, but the statement must have the parameter.
fn tables(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => {
            "SELECT CAST(relname AS text) AS name FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'f') \
             AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) \
             AND relname <> :table"
        }
        Engine::SqlServer => "SELECT name FROM sys.tables WHERE name <> :table",
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> :table",
    }
}

fn nearest<'n>(name: &str, known: &'n [String]) -> Option<&'n str> {
    let lower = name.to_lowercase();
    let likeness = |known: &String| strsim::normalized_damerau_levenshtein(&lower, &known.to_lowercase());
    let near = known.iter().map(|known| (likeness(known), known)).filter(|(alike, _)| *alike >= ALIKE);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known.as_str())
}
