//! Rows that replace those with their key: through a table of the session, which is loaded like any other.

mod sql;

use super::load::{Load, Source};
use super::options::{BulkFailure, BulkOptions, BulkReport, written};
use super::row::IntoRow;
use super::{names, target};
use crate::backend::{LoadTarget, Rows};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Object, Result};
use crate::manager::DatabaseManager;
use crate::params;
use crate::params::Params;
use crate::session::Session;

use sql::{STAGE, Texts};

const OPERATION: &str = "bulk_upsert";

impl Session<'_> {
    /// Loads rows into a table, where each takes the place of the row with its key, all or nothing.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::bulk_upsert`](crate::DatabaseManager::bulk_upsert).
    pub fn bulk_upsert<R: IntoRow>(
        &mut self,
        table: &str,
        columns: &[impl AsRef<str>],
        key_columns: &[impl AsRef<str>],
        rows: impl IntoIterator<Item = R>,
    ) -> Result<u64> {
        Ok(self.bulk_upsert_with(table, columns, key_columns, rows, BulkOptions::new())?.rows)
    }

    /// The same with chunks and progress as the options say.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::bulk_upsert_with`](crate::DatabaseManager::bulk_upsert_with).
    pub fn bulk_upsert_with<R: IntoRow>(
        &mut self,
        table: &str,
        columns: &[impl AsRef<str>],
        key_columns: &[impl AsRef<str>],
        rows: impl IntoIterator<Item = R>,
        options: BulkOptions<'_>,
    ) -> Result<BulkReport, BulkFailure> {
        let upsert = |session: &mut Self| session.upsert_rows(table, columns, key_columns, rows, options);
        self.as_call(OPERATION, None, upsert, written)
    }

    fn upsert_rows<R: IntoRow>(
        &mut self,
        table: &str,
        columns: &[impl AsRef<str>],
        key_columns: &[impl AsRef<str>],
        rows: impl IntoIterator<Item = R>,
        options: BulkOptions<'_>,
    ) -> Result<BulkReport, BulkFailure> {
        let named = |session: &Session<'_>, error: Error| {
            error.during(OPERATION).in_database(&session.settings().database)
        };
        let target = self.dialect().and_then(|dialect| target(dialect, table, columns, None));
        let target = target.map_err(|error| named(self, error))?;
        let texts = self.texts(&target, key_columns, &options).map_err(|error| named(self, error))?;
        let mut source = Source::new(rows.into_iter(), target.columns.len(), self.whole_limit());
        let stage = LoadTarget {
            table: texts.stage.clone(),
            name: STAGE.to_owned(),
            columns: target.columns.clone(),
            stands_for: Some(Box::new(target.clone())),
        };
        let mut load = Load { operation: OPERATION, target: stage, options };
        let outcome = self.transaction(|tx| -> Result<BulkReport, BulkFailure> {
            texts.make.iter().try_for_each(|text| tx.own(text).map(|_| ()))?;
            let loaded = load.run(tx, &mut source).map_err(|failure| {
                let error = of_table(failure.error, &target);
                BulkFailure { error, ..failure }
            })?;
            let rows = tx.merge(&texts)?;
            tx.own(&texts.drop)?;
            Ok(BulkReport { rows, ..loaded })
        });
        outcome.map_err(|failure| {
            let error = names::explain(self, &target, failure.error);
            BulkFailure::from(named(self, error))
        })
    }

    fn texts(
        &mut self,
        target: &LoadTarget,
        key_columns: &[impl AsRef<str>],
        options: &BulkOptions<'_>,
    ) -> Result<Texts> {
        if options.commit_chunks {
            return Err(Error::usage("the chunks of an upsert cannot be committed by themselves")
                .with_hint("it changes the table in one step, after the last chunk"));
        }
        let keys: Vec<&str> = key_columns.iter().map(AsRef::as_ref).collect();
        let unknown = keys.iter().find(|key| !target.columns.iter().any(|column| **column == ***key));
        if let Some(unknown) = unknown {
            return Err(Error::params(format!("the key column {unknown} is not among the columns")));
        }
        if keys.is_empty() {
            return Err(
                Error::params("no key columns were given").with_hint("name those that tell rows apart")
            );
        }
        match Engine::of(self)? {
            Some(engine) => {
                let equal = engine == Engine::Postgres && self.nulls_are_equal(target, &keys)?;
                Ok(sql::texts(engine, target, &keys, equal))
            }
            None => Err(Error::usage("how rows are replaced in this database is not known")
                .with_hint("PostgreSQL, SQL Server and SQLite are known")),
        }
    }

    /// Whether PostgreSQL's own key takes NULL for a value like any other.
    fn nulls_are_equal(&mut self, target: &LoadTarget, keys: &[&str]) -> Result<bool> {
        let asked = params! { table: &*target.table, columns: keys.len() as i64, keys: keys.to_vec() };
        Ok(self.answer(sql::NULLS_ARE_EQUAL, asked)? > 0)
    }

    /// Brings the loaded rows into their table, and returns how many of its rows are new or changed.
    fn merge(&mut self, texts: &Texts) -> Result<u64> {
        let keys = self.counted(&texts.keys)?;
        let nulls = self.counted(&texts.nulls)?;
        let changed = |session: &mut Self, text: &String| match texts.merge_returns {
            true => session.counted(text),
            false => session.own(text),
        };
        let mut rows = 0;
        for text in &texts.merge {
            rows += changed(self, text)?;
        }
        let missing = texts.missing.as_ref().map(|missing| self.counted(missing)).transpose()?;
        // Several rows of the table may have one key on SQL Server, so that more rows than keys are none.
        let kept = missing.map_or(rows.min(keys), |missing| keys.saturating_sub(missing));
        let new = if nulls > 0 { changed(self, &texts.insert_nulls)? } else { 0 };
        if kept + new < keys + nulls {
            return Err(not_kept(kept + new, keys + nulls));
        }
        Ok(rows + new)
    }

    /// Runs a text of ours, as a part of the upsert.
    fn own(&mut self, text: &str) -> Result<u64> {
        let statement =
            self.dialect().and_then(|dialect| crate::sql::compile(text, dialect, Params::new()))?;
        self.run_bound(OPERATION, &statement, Rows::Ignore)
    }

    /// The number that a text of ours returns.
    fn counted(&mut self, text: &str) -> Result<u64> {
        self.answer(text, Params::new())
    }

    fn answer(&mut self, text: &str, params: Params) -> Result<u64> {
        let statement = self.dialect().and_then(|dialect| crate::sql::compile(text, dialect, params))?;
        let mut rows = Vec::new();
        self.run_bound(OPERATION, &statement, Rows::Collect(&mut rows))?;
        rows.first().map_or(Ok(0), |row| row.get(0))
    }
}

/// A key that came is not in the table, or not as it came.
fn not_kept(kept: u64, keys: u64) -> Error {
    let message = format!("the database kept the rows of {kept} of {keys} keys");
    Error::new(ErrorKind::RowCount, message)
        .with_hint("a trigger of the table leaves rows out; upsert them by `execute_many`")
}

/// What was refused on its way into the table of the session is told of the table that was meant.
fn of_table(error: Error, target: &LoadTarget) -> Error {
    if error.table() != Some(STAGE) {
        return error;
    }
    let object = Object {
        table: Some(target.name.as_str().into()),
        column: error.column().map(Box::from),
        constraint: error.constraint().map(Box::from),
    };
    error.with_object(object)
}

impl DatabaseManager {
    /// Loads rows into a table in one transaction, where each takes the place of the row with its key, or is new.
    /// Returns how many rows of the table are new or changed.
    ///
    /// `key_columns` are some of `columns` and tell the rows of the table apart: PostgreSQL and SQLite want a unique
    /// index on just these. Of a row that is there, the other columns are set; one that is there and has no others stays
    /// as it is. **Of several rows with one key, the last wins.** A key with NULL in it is like no other: its row is new
    /// each time. (To a key of PostgreSQL with `NULLS NOT DISTINCT` NULL is a value like any other. SQL Server's unique
    /// keys refuse the second such row.) Let the key columns be `NOT NULL`.
    ///
    /// A `GENERATED ALWAYS AS IDENTITY` column of PostgreSQL takes the value that is given where it is one of the keys;
    /// one that is no key cannot be set. SQL Server's takes it where `SET IDENTITY_INSERT … ON` was run in the session, as
    /// for [`bulk_insert`](DatabaseManager::bulk_insert).
    ///
    /// The rows go into a temporary table, as [`bulk_insert`](DatabaseManager::bulk_insert) brings them there, and from
    /// it into the table: by `INSERT … ON CONFLICT`, on SQL Server by `UPDATE` and `INSERT` under locks on the ranges of
    /// the keys. That last step is a few statements, and `TIMEOUT` limits each. The session is cleaned afterwards,
    /// which through ODBC closes the connection.
    ///
    /// # Errors
    ///
    /// As [`bulk_insert`](DatabaseManager::bulk_insert). Constraints are looked at in the last step, for all rows
    /// together, so that an error about one names no record. [`RowCount`](crate::ErrorKind::RowCount) when a row did not get
    /// into the table, by a trigger that leaves it out. [`Params`](crate::ErrorKind::Params) for key columns that
    /// are not among the columns.
    ///
    /// ```no_run
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// let scores = [(7_i64, 4.5), (8, 3.0)];
    /// db.bulk_upsert("score", &["survey_id", "score"], &["survey_id"], scores)?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn bulk_upsert<R: IntoRow>(
        &self,
        table: &str,
        columns: &[impl AsRef<str>],
        key_columns: &[impl AsRef<str>],
        rows: impl IntoIterator<Item = R>,
    ) -> Result<u64> {
        self.session(|session| session.bulk_upsert(table, columns, key_columns, rows))
    }

    /// The same with chunks and progress as the [options](BulkOptions) say. Progress counts the rows that came.
    ///
    /// # Errors
    ///
    /// As [`bulk_upsert`](DatabaseManager::bulk_upsert); [`Usage`](crate::ErrorKind::Usage) when chunks are to be
    /// committed by themselves.
    #[track_caller]
    pub fn bulk_upsert_with<R: IntoRow>(
        &self,
        table: &str,
        columns: &[impl AsRef<str>],
        key_columns: &[impl AsRef<str>],
        rows: impl IntoIterator<Item = R>,
        options: BulkOptions<'_>,
    ) -> Result<BulkReport, BulkFailure> {
        self.session(|session| session.bulk_upsert_with(table, columns, key_columns, rows, options))
    }
}
