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
    /// Loads rows into a table, all or nothing: in a transaction of its own, or in a savepoint of the one that is
    /// open. Returns how many they are.
    ///
    /// On PostgreSQL a load that is refused before its first row (no right to write, a column that is generated) costs the
    /// connection, and with it a transaction that is open.
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

    /// The same with chunks, commits and progress as the options say.
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

    /// The same under the name of the call that the program has made. Where the names of the columns were read out of a
    /// file, in the `fields` of these numbers, they are data, and stand in no message.
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

/// Where the rows go, quoted for the database. Columns that come out of a file are told by the numbers of their fields.
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
        let message = format!("the header of field {} has a NUL character in it", fields[place]);
        return Err(Error::new(ErrorKind::Data, message)
            .with_hint("the file may be UTF-16: convert it by `iconv -f UTF-16 -t UTF-8`"));
    }
    if torn.is_some() || table.contains('\0') {
        return Err(Error::params("the name of a table or column has a NUL character in it"));
    }
    // SQLite takes the last of two values for one column and says nothing.
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
            return Err(Error::new(ErrorKind::Data, message)
                .with_hint("the case of a name makes no column here; rename one, or leave it out"));
        }
        return Err(Error::params(format!("the column \"{}\" is named twice", columns[place].as_ref()))
            .with_hint("give the columns of a query names of their own with AS"));
    }
    let name = table.rsplit('.').next().unwrap_or(table).to_owned();
    let columns = columns.iter().map(|name| name.as_ref().into()).collect();
    Ok(LoadTarget { table: dialect.quote_path(table), name, columns })
}

impl DatabaseManager {
    /// Loads rows into a table in one transaction: all or nothing. Returns how many they are.
    ///
    /// The rows may come from any iterator and are not kept: the memory that a load takes does not grow with them. Each
    /// is a tuple, an array, a vector of values, a [`Row`](crate::Row), or what else is [`IntoRow`]; a `Result` ends
    /// the load with its error. PostgreSQL gets them by `COPY`, other databases and psqlODBC in statements of many rows.
    ///
    /// `table` may carry its schema (`sales.orders`). It and the columns are quoted, so their case counts where the
    /// database's does: PostgreSQL keeps a name that was not quoted when it was made in small letters. Columns that are
    /// not named get their defaults. Triggers, constraints and conversions are those of an `INSERT`; of `COPY` rules
    /// are not, a `GENERATED ALWAYS AS IDENTITY` column takes the value that is given, and a table with row-level
    /// security is refused. A column that the database computes takes no values, and must not be named.
    ///
    /// `TIMEOUT` limits each chunk of 20,000 rows, not the whole, and the time that the iterator takes does not count (but for
    /// a `statement_timeout` of the server, to which a `COPY` is one statement).
    /// It is attempted once, because the rows are not kept.
    ///
    /// # Errors
    ///
    /// [`Syntax`](crate::ErrorKind::Syntax) for a table or column that does not exist, with the nearest name;
    /// [`Constraint`](crate::ErrorKind::Constraint) and [`Data`](crate::ErrorKind::Data) as the database refuses a row,
    /// [`Params`](crate::ErrorKind::Params) for a row with another number of values than columns, or with a value that
    /// cannot go there: the text names the record, counted from 1, where the database tells it.
    /// [`RowCount`](crate::ErrorKind::RowCount) when the database counts other rows than were sent. Else as
    /// [`execute_query`](DatabaseManager::execute_query). Nothing of the others stays.
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

    /// The same with chunks, commits and progress as the [options](BulkOptions) say.
    ///
    /// # Errors
    ///
    /// As [`bulk_insert`](DatabaseManager::bulk_insert). With
    /// [`commit_chunks`](BulkOptions::commit_chunks) the failure says how many rows stay.
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
