//! Upserts: the rows are loaded into a temporary table like into any other, and merged from there.

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
    /// Loads rows into a table, all or nothing; a row whose key is already there updates that row.
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

    /// As [`bulk_upsert`](Session::bulk_upsert), with chunks and progress as the options say.
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
                Error::params("no key columns were given").with_hint("name the columns that identify a row")
            );
        }
        match Engine::of(self)? {
            Some(engine) => {
                let equal = engine == Engine::Postgres && self.nulls_are_equal(target, &keys)?;
                Ok(sql::texts(engine, target, &keys, equal))
            }
            None => Err(Error::usage("how rows are replaced in this database is not known")
                .with_hint("it works on PostgreSQL, SQL Server and SQLite")),
        }
    }

    /// Whether the key on PostgreSQL is `NULLS NOT DISTINCT`, so that NULL is a value like any other.
    fn nulls_are_equal(&mut self, target: &LoadTarget, keys: &[&str]) -> Result<bool> {
        let asked = params! { table: &*target.table, columns: keys.len() as i64, keys: keys.to_vec() };
        Ok(self.answer(sql::NULLS_ARE_EQUAL, asked)? > 0)
    }

    /// Merges the loaded rows into the target table; returns how many of its rows are new or changed.
    fn merge(&mut self, texts: &Texts) -> Result<u64> {
        let keys = self.counted(&texts.keys)?;
        let nulls = self.counted(&texts.nulls)?;
        let mut rows = 0;
        for text in &texts.merge {
            rows += self.own(text)?;
        }
        let missing = texts.missing.as_ref().map(|missing| self.counted(missing)).transpose()?;
        // On SQL Server several rows of the table may have the same key, so more changed rows than keys are no error.
        let kept = missing.map_or(rows.min(keys), |missing| keys.saturating_sub(missing));
        let new = if nulls > 0 { self.own(&texts.insert_nulls)? } else { 0 };
        if kept + new < keys + nulls {
            return Err(not_kept(kept + new, keys + nulls));
        }
        Ok(rows + new)
    }

    /// Runs a generated statement as a part of the upsert.
    fn own(&mut self, text: &str) -> Result<u64> {
        let statement =
            self.dialect().and_then(|dialect| crate::sql::compile(text, dialect, Params::new()))?;
        self.run_bound(OPERATION, &statement, Rows::Ignore)
    }

    /// The number that a generated statement returns.
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

/// A key that was sent is not in the table, or was changed there.
fn not_kept(kept: u64, keys: u64) -> Error {
    let message = format!("the database kept the rows of {kept} of {keys} keys");
    Error::new(ErrorKind::RowCount, message)
        .with_hint("a trigger of the table skips rows; upsert them by `execute_many`, which allows that")
}

/// An error of the temporary table is reported as one of the target table.
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
    /// Loads rows into a table in one transaction: a row whose key is already in the table updates that row, any other
    /// row is inserted. Returns how many rows of the table are new or changed.
    ///
    /// `key_columns` are the columns, out of `columns`, that identify a row; PostgreSQL and SQLite need a unique index
    /// on exactly these. In an existing row the other columns are updated; if there are no others, it stays as it is.
    /// **Of several new rows with the same key, the last wins.** A key that contains NULL equals no other key, so its
    /// row is inserted each time. (Exceptions: for a PostgreSQL key with `NULLS NOT DISTINCT`, NULL is a value like any
    /// other; SQL Server's unique keys refuse the second such row.) So make the key columns `NOT NULL`.
    ///
    /// A `GENERATED ALWAYS AS IDENTITY` column of PostgreSQL takes the given value if it is one of the key columns;
    /// otherwise it cannot be set. An identity column of SQL Server takes it if `SET IDENTITY_INSERT … ON` was run in
    /// the session, as for [`bulk_insert`](DatabaseManager::bulk_insert).
    ///
    /// The rows are loaded into a temporary table as by [`bulk_insert`](DatabaseManager::bulk_insert), and merged from
    /// there: by `INSERT … ON CONFLICT`, on SQL Server by `UPDATE` and `INSERT` under key-range locks. The merge is a
    /// few statements, each limited by `TIMEOUT`. Afterwards the session is cleaned, which through ODBC closes the
    /// connection.
    ///
    /// # Errors
    ///
    /// As [`bulk_insert`](DatabaseManager::bulk_insert). Constraints are checked during the merge, for all rows
    /// together, so such an error names no record. [`RowCount`](crate::ErrorKind::RowCount) when a row did not get into
    /// the table, because a trigger skipped it. [`Params`](crate::ErrorKind::Params) for key columns that are not among
    /// the columns.
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

    /// As [`bulk_upsert`](DatabaseManager::bulk_upsert), with chunks and progress as the [options](BulkOptions) say.
    /// Progress counts the rows that were loaded into the temporary table.
    ///
    /// # Errors
    ///
    /// As [`bulk_upsert`](DatabaseManager::bulk_upsert); [`Usage`](crate::ErrorKind::Usage) with
    /// [`commit_chunks`](BulkOptions::commit_chunks).
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
