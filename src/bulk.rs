//! Many rows into a table: `bulk_insert`, `bulk_upsert`.

mod generated;
mod load;
mod names;
mod options;
mod row;
mod upsert;

pub use options::{BulkFailure, BulkOptions, BulkReport};
pub use row::IntoRow;

pub(crate) use generated::computed;

use std::collections::HashMap;

use load::{Load, Source};

use crate::backend::LoadTarget;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::session::Session;

impl Session<'_> {
    /// Loads rows into a table, all or nothing: in a transaction of its own, or in a savepoint of the open one. Returns
    /// the number of rows.
    ///
    /// If PostgreSQL refuses a load before its first row (no permission to write, a generated column), the connection
    /// is closed, and with it an open transaction ends.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::bulk_insert`](crate::DatabaseManager::bulk_insert).
    pub fn bulk_insert<R: IntoRow>(
        &mut self,
        table: &str,
        columns: &[impl AsRef<str>],
        rows: impl IntoIterator<Item = R>,
    ) -> Result<u64> {
        Ok(self.bulk_insert_with(table, columns, rows, BulkOptions::new())?.rows)
    }

    /// As [`bulk_insert`](Session::bulk_insert), with chunks, commits and progress as the options say.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::bulk_insert_with`](crate::DatabaseManager::bulk_insert_with).
    pub fn bulk_insert_with<R: IntoRow>(
        &mut self,
        table: &str,
        columns: &[impl AsRef<str>],
        rows: impl IntoIterator<Item = R>,
        options: BulkOptions<'_>,
    ) -> Result<BulkReport, BulkFailure> {
        self.load_as("bulk_insert", table, columns, None, rows, options)
    }

    /// The same under the name of the call that the program made. If the names of the columns were read from a file,
    /// `fields` are the numbers of their fields: such names are data, so no message contains them.
    pub(crate) fn load_as<R: IntoRow>(
        &mut self,
        operation: &'static str,
        table: &str,
        columns: &[impl AsRef<str>],
        fields: Option<&[usize]>,
        rows: impl IntoIterator<Item = R>,
        options: BulkOptions<'_>,
    ) -> Result<BulkReport, BulkFailure> {
        let load = |session: &mut Self| session.load_rows(operation, table, columns, fields, rows, options);
        self.as_call(operation, None, load, options::written)
    }

    fn load_rows<R: IntoRow>(
        &mut self,
        operation: &'static str,
        table: &str,
        columns: &[impl AsRef<str>],
        fields: Option<&[usize]>,
        rows: impl IntoIterator<Item = R>,
        options: BulkOptions<'_>,
    ) -> Result<BulkReport, BulkFailure> {
        let target = self
            .dialect()
            .and_then(|dialect| target(dialect, table, columns, fields))
            .map_err(|error| error.during(operation).in_database(&self.settings().database))?;
        let mut source = Source::new(rows.into_iter(), target.columns.len(), self.whole_limit());
        let mut load = Load { operation, target, options };
        load.run(self, &mut source).map_err(|failure| {
            let error = match fields {
                Some(fields) => names::without_headers(self, &load.target, fields, failure.error),
                None => names::explain(self, &load.target, failure.error),
            };
            let error = error.during(operation).in_database(&self.settings().database);
            BulkFailure { error, ..failure }
        })
    }
}

/// The target of a load, quoted for the database. Messages name columns that were read from a file by the numbers of
/// their fields.
fn target(
    dialect: Dialect,
    table: &str,
    columns: &[impl AsRef<str>],
    fields: Option<&[usize]>,
) -> Result<LoadTarget> {
    if columns.is_empty() {
        return Err(
            Error::params("no columns were given").with_hint("name those that the rows have values for")
        );
    }
    let torn = columns.iter().position(|name| name.as_ref().contains('\0'));
    if let (Some(place), Some(fields)) = (torn, fields) {
        let message = format!("the header of field {} contains a NUL character", fields[place]);
        return Err(Error::new(ErrorKind::Data, message)
            .with_hint("the file may be UTF-16: convert it by `iconv -f UTF-16 -t UTF-8`"));
    }
    if torn.is_some() || table.contains('\0') {
        return Err(Error::params("the name of a table or column contains a NUL character"));
    }
    // SQLite silently takes the last of two values for one column.
    let mut places = HashMap::with_capacity(columns.len());
    let twins = columns.iter().enumerate().find_map(|(place, name)| {
        let name = match dialect {
            Dialect::Postgres => name.as_ref().to_owned(),
            _ => name.as_ref().to_lowercase(),
        };
        Some((places.insert(name, place)?, place))
    });
    if let Some((twin, place)) = twins {
        if let Some(fields) = fields {
            let message = format!("the fields {} and {} are for one column", fields[twin], fields[place]);
            return Err(Error::new(ErrorKind::Data, message).with_hint(
                "names that differ only in case are the same column here; rename one, or leave it out",
            ));
        }
        return Err(Error::params(format!("the column \"{}\" is named twice", columns[place].as_ref()))
            .with_hint("give the columns of a query different names with AS"));
    }
    let name = table.rsplit('.').next().unwrap_or(table).to_owned();
    let columns = columns.iter().map(|name| name.as_ref().into()).collect();
    Ok(LoadTarget { table: dialect.quote_path(table), name, columns, stands_for: None })
}

impl DatabaseManager {
    /// Loads rows into a table in one transaction: all or nothing. Returns the number of rows.
    ///
    /// The rows may come from any iterator and are not kept, so memory use does not grow with their number. A row is a
    /// tuple, an array, a vector of values, a [`Row`](crate::Row), or any other [`IntoRow`], or a `Result` of one: an
    /// `Err` ends the load with its error. PostgreSQL gets the rows by `COPY`, other databases and psqlODBC in `INSERT`
    /// statements.
    ///
    /// `table` may include its schema (`sales.orders`). Table and columns are quoted, so their case matters if it does
    /// in the database: PostgreSQL stores a name that was created without quotes in lower case. Columns that are not
    /// named get their defaults. Columns that the database computes must not be named. Triggers, constraints and
    /// conversions work as for `INSERT`, with four exceptions of `COPY` on PostgreSQL: rules are ignored, a `GENERATED
    /// ALWAYS AS IDENTITY` column takes the given value, a table with row-level security is refused, and a number for an
    /// [`interval minute`](crate::guide::types#parameters) has another unit.
    ///
    /// `TIMEOUT` limits the database's work on each chunk of 20,000 rows, not the whole load. The time of the iterator
    /// does not count, except for a `statement_timeout` of the PostgreSQL server, for which a `COPY` is one statement.
    /// A load is not retried, because the rows are not kept.
    ///
    /// # Errors
    ///
    /// [`Syntax`](crate::ErrorKind::Syntax) for a table or column that does not exist, with the nearest name;
    /// [`Constraint`](crate::ErrorKind::Constraint) and [`Data`](crate::ErrorKind::Data) when the database refuses a
    /// row; [`Params`](crate::ErrorKind::Params) for a row with more or fewer values than columns, or with a value that
    /// does not fit its column: the message names the record, counted from 1, if it is known.
    /// [`RowCount`](crate::ErrorKind::RowCount) when the database counts another number of rows than were sent. Else as
    /// [`execute_query`](DatabaseManager::execute_query). No row is kept after an error.
    ///
    /// ```no_run
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// let rows = (1..=1_000_000_i64).map(|id| (id, format!("job {id}")));
    /// db.bulk_insert("job", &["id", "name"], rows)?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn bulk_insert<R: IntoRow>(
        &self,
        table: &str,
        columns: &[impl AsRef<str>],
        rows: impl IntoIterator<Item = R>,
    ) -> Result<u64> {
        self.session(|session| session.bulk_insert(table, columns, rows))
    }

    /// As [`bulk_insert`](DatabaseManager::bulk_insert), with chunks, commits and progress as the
    /// [options](BulkOptions) say.
    ///
    /// # Errors
    ///
    /// As [`bulk_insert`](DatabaseManager::bulk_insert). With [`commit_chunks`](BulkOptions::commit_chunks) the failure
    /// says how many rows are committed.
    #[track_caller]
    pub fn bulk_insert_with<R: IntoRow>(
        &self,
        table: &str,
        columns: &[impl AsRef<str>],
        rows: impl IntoIterator<Item = R>,
        options: BulkOptions<'_>,
    ) -> Result<BulkReport, BulkFailure> {
        self.session(|session| session.bulk_insert_with(table, columns, rows, options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_driver_would_cut_is_refused() {
        let refused = |table: &str, column: &str, fields: Option<&[usize]>| {
            target(Dialect::Postgres, table, &["id", column], fields).unwrap_err()
        };
        assert_eq!(refused("t\0", "n", None).kind(), ErrorKind::Params);
        assert_eq!(refused("t", "n\0", None).kind(), ErrorKind::Params);
        let error = refused("t", "n\0", Some(&[1, 7]));
        assert!(error.kind() == ErrorKind::Data && error.to_string().contains("field 7"), "{error}");
    }

    #[test]
    fn a_column_that_is_named_twice_is_found_among_many() {
        let began = std::time::Instant::now();
        let mut columns: Vec<String> = (0..30_000).map(|number| format!("Column{number}")).collect();
        assert!(target(Dialect::Sqlite, "t", &columns, None).is_ok());
        columns.push("column7".to_owned());
        assert!(target(Dialect::Postgres, "t", &columns, None).is_ok());
        let error = target(Dialect::Sqlite, "t", &columns, None).unwrap_err();
        assert!(error.to_string().contains("\"column7\" is named twice"), "{error}");
        let fields: Vec<usize> = (1..=columns.len()).collect();
        let error = target(Dialect::Sqlite, "t", &columns, Some(&fields)).unwrap_err();
        assert!(error.to_string().contains("the fields 8 and 30001"), "{error}");
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
