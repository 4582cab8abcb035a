//! Beginning to keep migrations of a database that exists: from a version on, or from where another tool left off.

use chrono::{DateTime, Utc};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::migrate::checksum;
use crate::migrate::files::{Files, Script};
use crate::migrate::history::{Action, History, is_pyway, system_user};
use crate::migrate::name::{Id, MAX_ID};
use crate::migrate::plan::Applied;
use crate::migrate::version::Version;
use crate::row::Row;
use crate::session::Session;
use crate::value::Value;

/// Whose history is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForeignHistory {
    /// Flyway's table `flyway_schema_history`.
    Flyway,
    /// Pyway's table `pyway`, or `schema_version`, which is then renamed to `schema_version_pyway`.
    Pyway,
}

const FLYWAY: &str = "flyway_schema_history";
/// What Pyway's documentation calls its table; it has no default.
const PYWAY: &str = "pyway";
const SCHEMA_VERSION: &str = "schema_version";
const RENAMED: &str = "schema_version_pyway";

/// Says that everything up to `version` was made without migrations.
///
/// # Errors
///
/// `Migration`, when there is a history already.
pub(crate) fn at(
    session: &mut Session<'_>,
    history: &History,
    version: &Version,
    now: DateTime<Utc>,
) -> Result<usize> {
    session.transaction(|tx| {
        refuse_rows(history, tx)?;
        history.prepare(tx)?;
        let row = Applied {
            id: Id::Version(version.clone()),
            is_baseline: true,
            description: "Baseline".to_owned(),
            file: "<< Baseline >>".to_owned(),
            crc32: None,
            sha256: None,
            rank: 1,
            installed_by: system_user(),
            installed_on: now,
            execution_time: 0,
            success: true,
        };
        history.adopt(tx, &row)?;
        history.note_row(tx, Action::Baselined, &row, None)?;
        Ok(1)
    })
}

/// Takes over the history of another tool. Returns how many rows it had.
///
/// # Errors
///
/// `Migration`, when there is no such history, it has failed migrations, or there is one of ours already.
pub(crate) fn import(
    session: &mut Session<'_>,
    history: &History,
    files: &Files,
    from: ForeignHistory,
) -> Result<usize> {
    session.transaction(|tx| {
        let rows = match from {
            ForeignHistory::Flyway => {
                refuse_rows(history, tx)?;
                flyway(&foreign(tx, history, FLYWAY, FLYWAY_COLUMNS, "installed_on")?, files)?
            }
            ForeignHistory::Pyway => pyway(&pyway_rows(tx, history)?, files)?,
        };
        if rows.is_empty() {
            return Err(Error::migration("the history of the other tool has no migrations"));
        }
        history.prepare(tx)?;
        for row in &rows {
            history.adopt(tx, row)?;
            history.note_row(tx, Action::Imported, row, None)?;
        }
        Ok(rows.len())
    })
}

fn refuse_rows(history: &History, tx: &mut Session<'_>) -> Result<()> {
    match history.read(tx)?.len() {
        0 => Ok(()),
        rows => {
            Err(Error::migration(format!("there is a history already: {} has {rows} rows", history.table()))
                .with_hint("a baseline is for a database without a migration history"))
        }
    }
}

const FLYWAY_COLUMNS: &str =
    "installed_rank, version, description, type, script, checksum, installed_by, execution_time, success";
const PYWAY_COLUMNS: &str = "installed_rank, version, name, checksum";

/// The rows of a table of the same schema, in the order in which they were made, with their time as text in UTC.
fn foreign(
    tx: &mut Session<'_>,
    history: &History,
    table: &str,
    columns: &str,
    time: &str,
) -> Result<Vec<Row>> {
    let path = history.beside(table);
    if history.columns_of(tx, &path, table)?.is_empty() {
        return Err(Error::migration(format!("there is no table {path}")));
    }
    let utc = history.utc_of_others(time);
    tx.execute_query(&format!("SELECT {columns}, {utc} AS done_at FROM {path} ORDER BY installed_rank"), ())
}

/// Pyway's table may have our name: then it is renamed, and its rows are read from there.
fn pyway_rows(tx: &mut Session<'_>, history: &History) -> Result<Vec<Row>> {
    let own = history.columns_of(tx, history.table(), SCHEMA_VERSION)?;
    if !is_pyway(&own) {
        refuse_rows(history, tx)?;
        return foreign(tx, history, PYWAY, PYWAY_COLUMNS, "apply_timestamp");
    }
    let rename = match history.engine() {
        Engine::SqlServer => {
            format!("EXEC sp_rename N'{}', N'{RENAMED}'", history.table().replace('\'', "''"))
        }
        Engine::Postgres | Engine::Sqlite => {
            format!("ALTER TABLE {} RENAME TO {RENAMED}", history.table())
        }
    };
    tx.run_script(&rename)?;
    foreign(tx, history, RENAMED, PYWAY_COLUMNS, "apply_timestamp")
}

/// Flyway keeps a row for each run; what counts is the last of each migration.
fn flyway(rows: &[Row], files: &Files) -> Result<Vec<Applied>> {
    let mut kept: Vec<Applied> = Vec::new();
    for row in rows {
        let (kind, path): (String, String) = (row.get("type")?, row.get("script")?);
        // Flyway notes the schemas that it made itself, under a type of their own.
        if kind == "SCHEMA" {
            continue;
        }
        // It keeps the folders inside its folder.
        let script = path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let id = match row.get::<Option<String>>("version")? {
            Some(version) => Version::parse(&version).map(Id::Version),
            None => script.strip_suffix(".sql").and_then(Id::parse),
        };
        let Some(id) = id else {
            return Err(Error::migration(format!(
                "Flyway's row of \"{path}\" has no version that is known here"
            )));
        };
        if id.stored().chars().count() > MAX_ID {
            log::warn!(
                "\"{path}\" is left out: its name has more than {MAX_ID} characters; give the file a shorter one, by which it is applied again"
            );
            continue;
        }
        let success: bool = row.get("success")?;
        kept.retain(|earlier| earlier.id != id);
        if success && matches!(kind.as_str(), "DELETE" | "UNDO_SQL" | "UNDO_JDBC" | "UNDO_SCRIPT") {
            continue;
        }
        let crc32: Option<i32> = row.get("checksum")?;
        kept.push(Applied {
            // `BASELINE` is the command's; `SQL_BASELINE` and its like are of files `B…`, for databases without anything.
            is_baseline: kind.ends_with("BASELINE"),
            description: row.get("description")?,
            sha256: same_text(files.find(&id), |script| Some(script.checksum.crc32) == crc32),
            id,
            file: script,
            crc32,
            rank: row.get("installed_rank")?,
            installed_by: row.get("installed_by")?,
            installed_on: row.get("done_at")?,
            execution_time: row.get("execution_time")?,
            success,
        });
    }
    match kept.iter().find(|row| !row.success) {
        Some(failed) => Err(Error::migration(format!("\"{}\" failed under Flyway", failed.file))
            .with_hint("repair it there first: `flyway repair`")),
        None => Ok(kept),
    }
}

/// Pyway's checksum is of the bytes, as the file was checked out when it was applied.
fn pyway(rows: &[Row], files: &Files) -> Result<Vec<Applied>> {
    let mut kept: Vec<Applied> = Vec::new();
    for row in rows {
        let (version, name): (String, String) = (row.get("version")?, row.get("name")?);
        let Some(id) = Version::parse(&version).map(Id::Version) else {
            return Err(Error::migration(format!(
                "Pyway's row of \"{name}\" has no version that is known here"
            )));
        };
        kept.retain(|earlier| earlier.id != id);
        let script = files.find(&id);
        let applied = match row.get::<Value>("checksum")? {
            Value::Text(hex) => u32::from_str_radix(hex.trim(), 16).ok(),
            _ => None,
        };
        let same = |script: &Script| applied.is_some_and(|crc| checksum::is_of_bytes(crc, &script.text));
        let sha256 = same_text(script, same);
        kept.push(Applied {
            description: script.map_or_else(|| name.clone(), |script| script.description.clone()),
            file: script.map_or(name, |script| script.file.clone()),
            // Another text than the file's stays another one: its number is kept, and is not the file's.
            crc32: match &sha256 {
                Some(_) => script.map(|script| script.checksum.crc32),
                None => applied.map(u32::cast_signed),
            },
            sha256,
            id,
            is_baseline: false,
            rank: row.get("installed_rank")?,
            installed_by: "pyway".to_owned(),
            installed_on: row.get("done_at")?,
            execution_time: 0,
            success: true,
        });
    }
    Ok(kept)
}

/// The strong checksum of a file that the weak one says is the same.
fn same_text(script: Option<&Script>, is_same: impl FnOnce(&Script) -> bool) -> Option<String> {
    script.filter(|script| is_same(script)).map(|script| script.checksum.sha256.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flyway_row(rank: i64, version: Option<&str>, kind: &str, script: &str, checksum: Option<i32>) -> Row {
        Row::from_pairs([
            ("installed_rank", Value::Int(rank)),
            ("version", version.map_or(Value::Null, Value::from)),
            ("description", Value::from("x")),
            ("type", Value::from(kind)),
            ("script", Value::from(script)),
            ("checksum", checksum.map_or(Value::Null, Value::from)),
            ("installed_by", Value::from("me")),
            ("execution_time", Value::Int(7)),
            ("success", Value::Bool(true)),
            ("done_at", Value::from("2026-01-15T10:30:00Z")),
        ])
    }

    #[test]
    fn the_last_row_of_each_migration_of_flyway_counts() {
        let files = Files::fake(&[("V1__a.sql", "SELECT 1;"), ("V2__b.sql", "SELECT 2;"), ("R__v.sql", "x")]);
        let crc = files.versioned[0].checksum.crc32;
        let rows = flyway(
            &[
                flyway_row(0, None, "SCHEMA", "\"app\"", None),
                flyway_row(1, Some("1"), "SQL", "V1__a.sql", Some(crc)),
                flyway_row(2, Some("2"), "SQL", "V2__b.sql", Some(1)),
                flyway_row(3, None, "SQL", "R__v.sql", Some(5)),
                flyway_row(4, None, "SQL", "R__v.sql", Some(6)),
                flyway_row(5, Some("3"), "SQL", "V3__c.sql", None),
                flyway_row(6, Some("3"), "DELETE", "V3__c.sql", None),
            ],
            &files,
        )
        .unwrap();
        let ids: Vec<String> = rows.iter().map(|row| row.id.stored()).collect();
        assert_eq!(ids, ["1", "2", "R__v"]);
        assert_eq!(rows[0].sha256.as_ref(), Some(&files.versioned[0].checksum.sha256));
        assert_eq!((&rows[1].sha256, rows[1].crc32), (&None, Some(1)));
        assert_eq!(rows[2].crc32, Some(6));
    }

    fn taken_over(rows: &[Row]) -> Result<Vec<String>> {
        let rows = flyway(rows, &Files::default())?;
        Ok(rows.iter().map(|row| format!("{} {} {}", row.id.stored(), row.name(), row.is_baseline)).collect())
    }

    #[test]
    fn baselines_of_every_kind_folders_and_long_names_of_flyway_are_understood() {
        let long = format!("views/R__{}.sql", "x".repeat(60));
        let rows = [
            flyway_row(1, Some("5"), "SQL_BASELINE", "2025/B5__all.sql", Some(1)),
            flyway_row(2, Some("6"), "SQL", "2026\\01/V6__b.sql", Some(2)),
            flyway_row(3, None, "SQL", "views/R__v.sql", Some(3)),
            flyway_row(4, None, "SQL", &long, Some(4)),
        ];
        assert_eq!(taken_over(&rows).unwrap(), ["5 V5 true", "6 V6 false", "R__v R__v false"]);
        let rows = [flyway_row(1, Some("3"), "BASELINE", "<< Flyway Baseline >>", None)];
        assert_eq!(taken_over(&rows).unwrap(), ["3 V3 true"]);
    }

    #[test]
    fn an_undo_that_failed_is_no_undo() {
        let undo = |success: bool| {
            Row::from_pairs(
                flyway_row(2, Some("1"), "UNDO_SQL", "U1__a.sql", None)
                    .columns()
                    .map(str::to_owned)
                    .zip(flyway_row(2, Some("1"), "UNDO_SQL", "U1__a.sql", None).values().to_vec())
                    .map(|(column, value)| {
                        let value = if column == "success" { Value::Bool(success) } else { value };
                        (column, value)
                    }),
            )
        };
        let applied = || flyway_row(1, Some("1"), "SQL", "V1__a.sql", None);
        assert_eq!(taken_over(&[applied(), undo(true)]).unwrap(), Vec::<String>::new());
        let error = taken_over(&[applied(), undo(false)]).unwrap_err().to_string();
        assert!(error.contains("\"U1__a.sql\" failed under Flyway"), "{error}");
        assert_eq!(taken_over(&[applied(), undo(false), undo(true), applied()]).unwrap(), ["1 V1 false"]);
    }

    #[test]
    fn pyways_checksum_is_of_the_bytes() {
        let files = Files::fake(&[("V01_01__a.sql", "SELECT 1;\nSELECT 2;\n"), ("V01_02__b.sql", "x")]);
        let row = |rank, version: &str, checksum: u32| {
            Row::from_pairs([
                ("installed_rank", Value::Int(rank)),
                ("version", Value::from(version)),
                ("name", Value::from("gone")),
                ("checksum", Value::from(format!("{checksum:X}"))),
                ("done_at", Value::from("2026-01-15T10:30:00Z")),
            ])
        };
        let crc = crc32fast::hash(b"SELECT 1;\r\nSELECT 2;\r\n");
        let rows = pyway(&[row(1, "1.1", crc), row(2, "1.2", 7), row(3, "1.3", 8)], &files).unwrap();
        assert!(rows[0].is_of(&files.versioned[0]) && rows[0].sha256.is_some());
        assert_eq!(rows[0].file, "V01_01__a.sql");
        assert!(!rows[1].is_of(&files.versioned[1]));
        assert_eq!(rows[2].file, "gone");
    }
}
