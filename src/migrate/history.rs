//! The history of a database: which migrations are applied, and what was done to it.
//!
//! `schema_version` has the specification's columns and `checksum_sha256`; `schema_version_history` is only added to.

mod tables;

use std::env;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::migrate::files::Script;
use crate::migrate::name::Id;
use crate::migrate::plan::Applied;
use crate::migrate::status::MigrationEvent;
use crate::params;
use crate::params::Params;
use crate::row::Row;
use crate::session::Session;
use tables::{COLUMNS, EVENTS, SHA256, TABLE, Tables};

/// The type of a row that says from where on migrations are kept.
const BASELINE: &str = "BASELINE";
/// A message is cut to the width of its column, in characters.
const MAX_MESSAGE: usize = 2000;

/// The history of one database.
#[derive(Debug, Clone)]
pub(crate) struct History {
    engine: Engine,
    tables: Tables,
}

/// What was done, for `schema_version_history`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    Applied,
    Failed,
    Undone,
    Repaired,
    Baselined,
    Imported,
    /// Versions are about to be applied, and the callback that belongs behind them is still to be run.
    Owed,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Action::Applied => "applied",
            Action::Failed => "failed",
            Action::Undone => "undone",
            Action::Repaired => "repaired",
            Action::Baselined => "baselined",
            Action::Imported => "imported",
            Action::Owed => "owed",
        }
    }
}

impl History {
    /// Finds out where the tables are, or would be.
    ///
    /// # Errors
    ///
    /// `Migration`, when this is no database that migrations know, or the user has no schema to make
    /// tables in; and those of a query.
    pub(crate) fn locate(session: &mut Session<'_>) -> Result<History> {
        // Nobody could promise for another database that a failed file leaves nothing behind.
        let engine = Engine::of(session)?.ok_or_else(|| {
            Error::migration(
                "migrations are for PostgreSQL, SQL Server and SQLite, and this database is none of them",
            )
            .with_hint("for SQL Server set TYPE=sqlserver")
        })?;
        let schema: Option<String> = session.query_one(engine.current_schema(), ())?.get(0)?;
        let schema = schema.ok_or_else(|| {
            Error::migration("there is no schema to keep the history in")
                .with_hint("create the first schema of the user's search_path, or set another search_path")
        })?;
        Ok(History { engine, tables: Tables::new(engine, &schema) })
    }

    #[cfg(test)]
    pub(crate) fn fake(engine: Engine, schema: &str) -> History {
        History { engine, tables: Tables::new(engine, schema) }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// The table of the versions with its schema, quoted.
    pub(crate) fn table(&self) -> &str {
        &self.tables.versions
    }

    /// A table of the same schema, quoted.
    pub(crate) fn beside(&self, table: &str) -> String {
        let quoted = self.engine.dialect().quote(TABLE);
        let schema = self.tables.versions.strip_suffix(&quoted).unwrap_or_default();
        format!("{schema}{}", self.engine.dialect().quote(table))
    }

    /// A column of another tool's that holds a point in time, as text in UTC.
    pub(crate) fn utc_of_others(&self, column: &str) -> String {
        self.tables.utc_of_others(column)
    }

    /// The rows, in the order in which they were made. A table that does not exist has none, and is not
    /// made.
    pub(crate) fn read(&self, session: &mut Session<'_>) -> Result<Vec<Applied>> {
        let columns = self.columns(session)?;
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let has_sha256 = columns.iter().any(|column| column == SHA256);
        session
            .execute_query(&self.tables.select_versions(has_sha256), ())?
            .iter()
            .map(|row| applied(row).map_err(|error| error.at(self.table())))
            .collect()
    }

    /// What was done, oldest first.
    pub(crate) fn events(&self, session: &mut Session<'_>) -> Result<Vec<MigrationEvent>> {
        if self.columns_of(session, &self.tables.events, EVENTS)?.is_empty() {
            return Ok(Vec::new());
        }
        session.execute_query(&self.tables.select_events(), ())?.iter().map(event).collect()
    }

    /// Whether the callback `script` is still to be run: it has failed, or the run that it belongs to has not come so far.
    pub(crate) fn owes(&self, session: &mut Session<'_>, script: &Script) -> Result<bool> {
        if self.columns_of(session, &self.tables.events, EVENTS)?.is_empty() {
            return Ok(false);
        }
        let newest = session
            .query_opt(&self.tables.select_last_action(), params! { version: script.id.stored() })?
            .map(|row| row.get::<String>(0))
            .transpose()?;
        let open = [Action::Owed.word(), Action::Failed.word()];
        Ok(newest.is_some_and(|action| open.contains(&action.as_str())))
    }

    /// Makes the tables, or adds the column that a table made elsewhere lacks.
    pub(crate) fn prepare(&self, session: &mut Session<'_>) -> Result<()> {
        let columns = self.columns(session)?;
        if columns.is_empty() {
            self.make(session, &self.tables.create_versions())?;
        } else if !columns.iter().any(|column| column == SHA256) {
            self.make(session, &self.tables.add_sha256())?;
        }
        if self.columns_of(session, &self.tables.events, EVENTS)?.is_empty() {
            self.make(session, &self.tables.create_events())?;
        }
        Ok(())
    }

    fn make(&self, session: &mut Session<'_>, statement: &str) -> Result<()> {
        session.execute(statement, ()).map(drop).map_err(|error| {
            error.at(format_args!("the tables of the history, {}, cannot be made", self.table()))
        })
    }

    /// Adds the row of a migration that was applied, and what was done.
    pub(crate) fn record(
        &self,
        tx: &mut Session<'_>,
        script: &Script,
        rank: i64,
        took: Duration,
    ) -> Result<()> {
        let params = self.of_script(script, took).set("rank", rank).set("type", "SQL");
        match self.tables.insert_both() {
            Some(both) => tx.execute(&both, params).map(drop),
            None => {
                tx.execute(&self.tables.insert_version(true), params)?;
                self.note(tx, Action::Applied, script, Some(took), None)
            }
        }
    }

    /// The same as a text to be sent behind the migration, where the database takes several statements at once.
    pub(crate) fn record_text(&self, script: &Script, rank: i64) -> Option<String> {
        self.tables.insert_both_as_text(script, rank)
    }

    /// Adds the row of a migration that is about to run without a transaction, as one that has failed: it has, until it
    /// has not.
    pub(crate) fn begin(&self, tx: &mut Session<'_>, script: &Script, rank: i64) -> Result<()> {
        let params = self.of_script(script, Duration::ZERO).set("rank", rank).set("type", "SQL");
        tx.execute(&self.tables.insert_version(false), params).map(drop)
    }

    /// The migration has come to its end after all.
    pub(crate) fn end(&self, tx: &mut Session<'_>, script: &Script, took: Duration) -> Result<()> {
        let params = params! { took: millis(took), version: script.id.stored() };
        let changed = tx.execute(&self.tables.set_done(), params)?;
        self.only_one(changed, &script.id)?;
        self.note(tx, Action::Applied, script, Some(took), None)
    }

    /// Sets whether the row counts as applied.
    pub(crate) fn set_success(&self, tx: &mut Session<'_>, id: &Id, success: bool) -> Result<()> {
        let params = params! { version: id.stored() };
        let changed = tx.execute(&self.tables.set_success(success), params)?;
        self.only_one(changed, id)
    }

    /// Sets whether the row counts as applied, and which file says so: that which undoes it, while it has not come to
    /// its end.
    pub(crate) fn set_script(&self, tx: &mut Session<'_>, id: &Id, file: &str, success: bool) -> Result<()> {
        let params = params! { script: file, version: id.stored() };
        let changed = tx.execute(&self.tables.set_script(success), params)?;
        self.only_one(changed, id)
    }

    /// Takes the row out.
    pub(crate) fn forget(&self, tx: &mut Session<'_>, id: &Id) -> Result<()> {
        let changed = tx.execute(&self.tables.delete_version(), params! { version: id.stored() })?;
        self.only_one(changed, id)
    }

    /// A history that does not follow the database is worse than a failure, which takes both back.
    fn only_one(&self, changed: u64, id: &Id) -> Result<()> {
        match changed {
            1 => Ok(()),
            rows => Err(Error::migration(format!(
                "{} rows of {} were changed for {id}, and it is to be one",
                rows,
                self.table()
            ))
            .with_hint(
                "a trigger or a rule of the table may keep them, or another program has changed them",
            )),
        }
    }

    /// Takes the rows of all repeatable migrations out, so that the next run applies them.
    pub(crate) fn forget_repeatable(&self, tx: &mut Session<'_>) -> Result<()> {
        tx.execute(&self.tables.delete_repeatable(), ()).map(drop)
    }

    /// Takes the text of the file as the one that was applied.
    pub(crate) fn accept(&self, tx: &mut Session<'_>, id: &Id, script: &Script) -> Result<()> {
        let params = params! {
            description: script.description.as_str(),
            script: script.file.as_str(),
            checksum: script.checksum.crc32,
            sha256: script.checksum.sha256.as_str(),
            version: id.stored(),
        };
        let changed = tx.execute(&self.tables.set_text(), params)?;
        self.only_one(changed, id)
    }

    /// Adds a row that another tool had, or that says where migrations begin, as the last one.
    pub(crate) fn adopt(&self, tx: &mut Session<'_>, row: &Applied) -> Result<()> {
        let params = params! {
            rank: row.rank,
            version: row.id.stored(),
            description: row.description.as_str(),
            script: row.file.as_str(),
            checksum: row.crc32,
            sha256: row.sha256.as_deref(),
            installed_by: row.installed_by.as_str(),
            installed_on: utc(row.installed_on),
            took: row.execution_time,
        };
        let params = params.set("type", if row.is_baseline { BASELINE } else { "SQL" });
        tx.execute(&self.tables.insert_imported(), params).map(drop)
    }

    /// Adds what was done with a file.
    pub(crate) fn note(
        &self,
        tx: &mut Session<'_>,
        action: Action,
        script: &Script,
        took: Option<Duration>,
        message: Option<&str>,
    ) -> Result<()> {
        let params = self.of_script(script, Duration::ZERO).set("took", took.map(millis));
        self.add_event(tx, action, params, message)
    }

    /// Adds what was done with a row.
    pub(crate) fn note_row(
        &self,
        tx: &mut Session<'_>,
        action: Action,
        row: &Applied,
        message: Option<&str>,
    ) -> Result<()> {
        let params = params! {
            version: row.id.stored(),
            description: row.description.as_str(),
            script: row.file.as_str(),
            checksum: row.crc32,
            sha256: row.sha256.as_deref(),
            took: Option::<i64>::None,
        };
        self.add_event(tx, action, self.with_user(params), message)
    }

    fn add_event(
        &self,
        tx: &mut Session<'_>,
        action: Action,
        params: Params,
        message: Option<&str>,
    ) -> Result<()> {
        let message = message.map(|text| text.chars().take(MAX_MESSAGE).collect::<String>());
        let params = params.set("action", action.word()).set("message", message);
        tx.execute(&self.tables.insert_event(), params).map(drop)
    }

    fn of_script(&self, script: &Script, took: Duration) -> Params {
        self.with_user(params! {
            version: script.id.stored(),
            description: script.description.as_str(),
            script: script.file.as_str(),
            checksum: script.checksum.crc32,
            sha256: script.checksum.sha256.as_str(),
            took: millis(took),
        })
    }

    fn with_user(&self, params: Params) -> Params {
        match self.engine {
            Engine::Sqlite => params.set("user", system_user()),
            Engine::Postgres | Engine::SqlServer => params,
        }
    }

    /// The names of the columns of `schema_version`, none when there is no table.
    fn columns(&self, session: &mut Session<'_>) -> Result<Vec<String>> {
        let columns = self.columns_of(session, self.table(), TABLE)?;
        self.check(&columns)?;
        Ok(columns)
    }

    /// The names of a table's columns, none when there is no table.
    pub(crate) fn columns_of(
        &self,
        session: &mut Session<'_>,
        path: &str,
        name: &str,
    ) -> Result<Vec<String>> {
        let rows = match self.engine {
            Engine::Postgres => session.execute_query(
                "SELECT CAST(attname AS text) AS name FROM pg_catalog.pg_attribute \
                 WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped",
                params! { table: path },
            ),
            Engine::SqlServer => session.execute_query(
                "SELECT name FROM sys.columns WHERE object_id = OBJECT_ID(:table, N'U')",
                params! { table: path },
            ),
            Engine::Sqlite => {
                session.execute_query("SELECT name FROM pragma_table_info(:table)", params! { table: name })
            }
        };
        rows?.iter().map(|row| row.get(0)).collect()
    }

    /// A table of another tool may have the name. It is not ours to change.
    fn check(&self, columns: &[String]) -> Result<()> {
        let has = |column: &str| columns.iter().any(|found| found == column);
        match COLUMNS.iter().find(|column| !has(column)) {
            Some(missing) if !columns.is_empty() => {
                let hint = if is_pyway(columns) {
                    "it is Pyway's; take it over by `baseline --from pyway`"
                } else {
                    "it belongs to another tool; rename it, or use another schema"
                };
                Err(Error::migration(format!(
                    "the table {} is not a history of these migrations: it has no column \"{missing}\"",
                    self.table()
                ))
                .with_hint(hint))
            }
            _ => Ok(()),
        }
    }
}

/// Whether these are the columns of Pyway's table, which may have any name.
pub(crate) fn is_pyway(columns: &[String]) -> bool {
    ["extension", "name", "apply_timestamp"].iter().all(|column| columns.iter().any(|found| found == column))
}

fn applied(row: &Row) -> Result<Applied> {
    let version: String = row.get("version")?;
    let file: String = row.get("script")?;
    Ok(Applied {
        id: Id::parse(&version).ok_or_else(|| {
            Error::migration(format!("the row of \"{file}\" has a version that is not made of numbers"))
        })?,
        is_baseline: row.get::<String>("type")? == BASELINE,
        description: row.get("description")?,
        file,
        crc32: row.get("checksum")?,
        sha256: row.get("sha256")?,
        rank: row.get("installed_rank")?,
        installed_by: row.get("installed_by")?,
        installed_on: row.get("installed_on")?,
        execution_time: row.get("execution_time")?,
        success: row.get("success")?,
    })
}

fn event(row: &Row) -> Result<MigrationEvent> {
    Ok(MigrationEvent {
        action: row.get("action")?,
        version: row.get("version")?,
        file: row.get("script")?,
        done_by: row.get("done_by")?,
        done_at: row.get("done_at")?,
        duration: row
            .get::<Option<i64>>("execution_time")?
            .map(|took| Duration::from_millis(u64::try_from(took).unwrap_or(0))),
        message: row.get("message")?,
    })
}

/// A point in time as the history's text of SQLite has it.
pub(crate) fn utc(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn millis(took: Duration) -> i32 {
    i32::try_from(took.as_millis()).unwrap_or(i32::MAX)
}

/// The user of the operating system, for databases that have none.
pub(crate) fn system_user() -> String {
    env::var("USER").or_else(|_| env::var("USERNAME")).unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn history(engine: Engine) -> History {
        History::fake(engine, "public")
    }

    #[test]
    fn a_table_of_another_tool_is_told_by_its_columns() {
        let history = history(Engine::Postgres);
        assert!(history.check(&[]).is_ok());
        assert!(history.check(&COLUMNS.map(str::to_owned)).is_ok());
        let other = ["installed_rank", "version"].map(str::to_owned);
        let error = history.check(&other).unwrap_err().to_string();
        assert!(error.contains("version_rank") && error.contains("another tool"), "{error}");
        let pyway = ["installed_rank", "version", "extension", "name", "checksum", "apply_timestamp"];
        let error = history.check(&pyway.map(str::to_owned)).unwrap_err().to_string();
        assert!(error.contains("--from pyway"), "{error}");
    }

    #[test]
    fn tables_of_others_are_looked_for_beside_our_own() {
        assert_eq!(history(Engine::SqlServer).beside("x"), "[public].[x]");
        assert_eq!(history(Engine::Postgres).beside("x"), "\"public\".\"x\"");
    }

    #[test]
    fn a_row_is_read_as_either_driver_gives_it() {
        let row = |version: &str, success: Value| {
            Row::from_pairs([
                ("installed_rank", Value::Int(1)),
                ("version", Value::from(version)),
                ("description", Value::from("a")),
                ("type", Value::from("SQL")),
                ("script", Value::from("V001__a.sql")),
                ("checksum", Value::Null),
                ("sha256", Value::Null),
                ("installed_by", Value::from("me")),
                ("installed_on", Value::from("2026-01-15T10:30:00.1234567Z")),
                ("execution_time", Value::Int(7)),
                ("success", success),
            ])
        };
        assert!(applied(&row("001", Value::Bool(true))).unwrap().success);
        let read = applied(&row("001", Value::Int(0))).unwrap();
        assert!(!read.success);
        assert_eq!(read.installed_on.to_rfc3339(), "2026-01-15T10:30:00.123456700+00:00");
        assert!(applied(&row("R__x", Value::Int(1))).unwrap().id.version().is_none());
        assert!(applied(&row("x", Value::Int(1))).unwrap_err().to_string().contains("V001__a.sql"));
    }
}
