//! Rows into a table through a driver: INSERTs of many rows each, on SQL Server batches of INSERTs.
//!
//! NULL is a word in them, whose type nobody has to tell. A database says that a statement failed and not which of its
//! rows was to blame, so there is a savepoint before each where savepoints cost nothing: after a failure the rows of
//! the statement go in one by one, up to the one that fails. SQL Server undoes the whole transaction with the statement
//! (`XACT_ABORT`), and the error names the records that the batch had.
//!
//! What the columns are is asked first, so that nothing gets lost in them: see `fit` and `letters`.
//!
//! Arrays of parameters are not used. psqlODBC sends a statement for each of their rows, SQLite's driver fills no status,
//! FreeTDS reports a row that failed as a success with a warning, and pyodbc's arrays crash the process with the last two.

use std::time::{Duration, Instant};

use crate::backend::{Connection, LoadTarget, RowSource, Rows};
use crate::deadline::Budget;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind, Result};
use crate::row::Row;
use crate::sql::{ObjectName, Statement, Traits, counted};
use crate::value::Value;

use super::caller::OdbcConnection;
use super::flavor::Flavor;

mod fit;
mod letters;

use fit::{Fit, of_name};
use letters::Letters;

/// Parameters of one statement. SQL Server takes 2,100 at most, and more make no database faster.
const PARAMETERS: usize = 2_000;

/// Rows of one statement: SQL Server takes no more in one VALUES.
const ROWS: usize = 1_000;

/// The memory that the values of one statement may take, but for its last row.
const MOST_BYTES: usize = 4 * 1024 * 1024;

const SAVE: &str = "SAVEPOINT batchdb_load";
const RELEASE: &str = "RELEASE SAVEPOINT batchdb_load";
const UNDO: &str = "ROLLBACK TO SAVEPOINT batchdb_load";

/// A load that has begun.
pub(super) struct Load {
    target: LoadTarget,
    fit: Fit,
    letters: Letters,
}

/// Which columns of SQL Server keep the letters of a code page, and of which collation it is.
const LETTERS: &str = "CASE WHEN TYPE_NAME(system_type_id) IN ('char', 'varchar', 'text') \
     AND CAST(COLLATIONPROPERTY(collation_name, 'CodePage') AS int) <> 65001 THEN collation_name END AS letters";

/// The names and types of a table's columns, by its name: quoted, and of SQLite not. They are looked up in the catalog,
/// which needs no right to read the table. A domain is what it is made of.
fn question(flavor: Flavor, target: &LoadTarget) -> Option<(String, Vec<Value>)> {
    let table = target.table.as_str();
    match flavor {
        Flavor::Postgres => Some((
            "SELECT CAST(a.attname AS text) AS name, CAST(COALESCE(b.typname, t.typname) AS text) AS type \
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
             LEFT JOIN pg_type b ON b.oid = t.typbasetype AND t.typtype = 'd' \
             WHERE a.attrelid = to_regclass(CAST(? AS text)) AND a.attnum > 0 AND NOT a.attisdropped"
                .into(),
            vec![table.into()],
        )),
        Flavor::SqlServer => Some((columns_of(&ObjectName::of(table)), Vec::new())),
        Flavor::Sqlite => Some(match table.split_once("\".\"") {
            Some((schema, _)) => (
                "SELECT name, type FROM pragma_table_info(?, ?)".into(),
                vec![target.name.as_str().into(), schema.trim_start_matches('"').into()],
            ),
            None => ("SELECT name, type FROM pragma_table_info(?)".into(), vec![target.name.as_str().into()]),
        }),
        Flavor::Other => None,
    }
}

/// The question for the columns of a table of SQL Server.
fn columns_of(table: &ObjectName) -> String {
    let (catalog, id) = (&table.catalog, table.id());
    let what = "SELECT name, TYPE_NAME(system_type_id) AS type";
    format!("{what}, {LETTERS} FROM {catalog}sys.columns WHERE object_id = {id}")
}

/// The question for what a synonym stands for.
fn base_of(synonym: &ObjectName) -> String {
    let (catalog, id) = (&synonym.catalog, synonym.id());
    format!("SELECT base_object_name AS base FROM {catalog}sys.synonyms WHERE object_id = {id}")
}

/// The rows of one statement.
#[derive(Default)]
struct Batch {
    rows: usize,
    /// The values that are not NULL, row after row.
    args: Vec<Value>,
    /// Which values are NULL, row after row.
    nulls: Vec<bool>,
    /// The memory that the values take.
    bytes: usize,
}

/// Runs statements within the limit on them all.
struct Step<'c> {
    connection: &'c mut OdbcConnection,
    budget: Budget,
    used: Duration,
}

impl OdbcConnection {
    /// Asks what the columns are.
    pub(super) fn look_at(&mut self, target: &LoadTarget, budget: Budget) -> Result<Load> {
        let flavor = self.flavor();
        let (mut told, mut collations) = (Vec::new(), Vec::new());
        let asked = target.stands_for.as_deref().unwrap_or(target);
        if let Some((question, args)) = question(flavor, asked) {
            let mut rows = self.ask(question, args, budget)?;
            if rows.is_empty() && flavor == Flavor::SqlServer {
                rows = self.look_behind(&ObjectName::of(&asked.table), budget)?;
            }
            // A user may be denied the catalog of the table; that of the session's own is always told.
            if rows.is_empty()
                && target.stands_for.is_some()
                && let Some((question, args)) = self::question(flavor, target)
            {
                rows = self.ask(question, args, budget)?;
            }
            for row in &rows {
                let name: String = row.get("name")?;
                if flavor == Flavor::SqlServer {
                    collations.push((name.clone(), row.get::<Option<String>>("letters")?));
                }
                told.push((name, row.get::<Option<String>>("type")?.unwrap_or_default()));
            }
        }
        let letters = target
            .columns
            .iter()
            .map(|name| of_name(&collations, name, flavor).and_then(|(_, collation)| collation.clone()));
        let letters = Letters::new(letters);
        Ok(Load { target: target.clone(), fit: Fit::new(&target.columns, &told, flavor), letters })
    }

    /// The columns of the table that a synonym stands for; none where there is no such synonym.
    fn look_behind(&mut self, synonym: &ObjectName, budget: Budget) -> Result<Vec<Row>> {
        let found = self.ask(base_of(synonym), Vec::new(), budget)?;
        let Some(row) = found.first() else { return Ok(found) };
        let table = ObjectName::of_parts(&synonym.behind(&row.get::<String>("base")?));
        self.ask(columns_of(&table), Vec::new(), budget)
    }

    fn ask(&mut self, question: String, args: Vec<Value>, budget: Budget) -> Result<Vec<Row>> {
        let statement = Statement { text: question.into(), args, traits: Traits::default(), template: None };
        let mut rows = Vec::new();
        self.run(&statement, Rows::Collect(&mut rows), budget)?;
        Ok(rows)
    }

    /// Puts all rows that the source gives into the table.
    pub(super) fn insert_rows(
        &mut self,
        Load { target, fit, letters }: &mut Load,
        source: &mut dyn RowSource,
        budget: Budget,
    ) -> Result<u64> {
        let columns = target.columns.len().max(1);
        let flavor = self.flavor();
        let most = match flavor {
            // Not every database takes many rows in one VALUES, and to find out may cost the transaction.
            Flavor::Other => 1,
            _ => (PARAMETERS / columns).clamp(1, ROWS),
        };
        let head = head(target, self.dialect());
        let saves = matches!(flavor, Flavor::Postgres | Flavor::Sqlite);
        let mut step = Step { connection: self, budget, used: Duration::ZERO };
        let mut row = Vec::with_capacity(columns);
        let mut total = 0;
        loop {
            let first = source.given() + 1;
            let mut batch = Batch::default();
            while batch.rows < most && batch.bytes < MOST_BYTES && source.next(&mut row)? {
                fit.settle(&mut row).map_err(|error| error.at_records(source.given()..=source.given()))?;
                letters.look(&row, source.given());
                batch.push(row.drain(..));
            }
            if batch.rows == 0 {
                return Ok(total);
            }
            while let Some(question) = letters.question() {
                let kept = step.answer(&question).map_err(|error| batch.place(error, first))?;
                letters.answered(&kept, &target.columns)?;
            }
            total += batch.rows as u64;
            let statement = batch.statement(&head, columns, flavor);
            if saves && batch.rows > 1 {
                step.run(&word(SAVE), Rows::Ignore)?;
            }
            match step.insert(&statement, batch.rows) {
                Err(error) if saves && batch.rows > 1 && error.kind() != ErrorKind::RowCount => {
                    step.find(error, &head, columns, batch, statement.args, first)?;
                }
                Err(error) => return Err(batch.place(error, first)),
                Ok(()) if saves && batch.rows > 1 => step.run(&word(RELEASE), Rows::Ignore).map(|_| ())?,
                Ok(()) => (),
            }
        }
    }
}

impl Step<'_> {
    /// Runs a statement, and tells how many rows it returned or changed.
    fn run(&mut self, statement: &Statement, rows: Rows<'_>) -> Result<u64> {
        let started = Instant::now();
        let rest = Budget::new(Duration::MAX, self.budget.rest(started, self.used));
        let outcome = self.connection.run(statement, rows, rest);
        self.used += started.elapsed();
        outcome
    }

    /// The text that a question of ours returns.
    fn answer(&mut self, question: &Statement) -> Result<String> {
        let mut rows = Vec::new();
        self.run(question, Rows::Collect(&mut rows))?;
        rows.first().map_or_else(|| Ok(String::new()), |row| row.get(0))
    }

    fn insert(&mut self, statement: &Statement, rows: usize) -> Result<()> {
        let counted = self.run(statement, Rows::Ignore)?;
        if counted == rows as u64 {
            return Ok(());
        }
        let message = format!("the database counted {counted} of {rows} rows");
        Err(Error::new(ErrorKind::RowCount, message)
            .with_hint("a trigger of the table skips rows; use `execute_many`, which allows that"))
    }

    /// Finds the row that a statement failed of. Where each of them goes in by itself, nothing has failed.
    fn find(
        &mut self,
        error: Error,
        head: &str,
        columns: usize,
        batch: Batch,
        args: Vec<Value>,
        first: u64,
    ) -> Result<()> {
        let refused = matches!(
            error.kind(),
            ErrorKind::Constraint | ErrorKind::Data | ErrorKind::Params | ErrorKind::Database
        );
        if !refused || self.connection.is_broken() || self.run(&word(UNDO), Rows::Ignore).is_err() {
            return Err(batch.place(error, first));
        }
        let flavor = self.connection.flavor();
        let mut args = args.into_iter();
        for (number, nulls) in (first..).zip(batch.nulls.chunks(columns)) {
            let given = nulls.iter().filter(|null| !**null).count();
            let args = args.by_ref().take(given).collect();
            let single = Batch { rows: 1, args, nulls: nulls.to_vec(), bytes: 0 };
            self.insert(&{ single }.statement(head, columns, flavor), 1)
                .map_err(|error| error.at_records(number..=number))?;
        }
        Ok(())
    }
}

impl Batch {
    fn push(&mut self, row: impl Iterator<Item = Value>) {
        self.rows += 1;
        for value in row {
            self.nulls.push(value.is_null());
            self.bytes += value.weight();
            if !value.is_null() {
                self.args.push(value);
            }
        }
    }

    /// The statement for these rows; takes the values.
    fn statement(&mut self, head: &str, columns: usize, flavor: Flavor) -> Statement {
        let rows = self.nulls.chunks(columns).map(|nulls| {
            let marks: Vec<&str> = nulls.iter().map(|null| if *null { "NULL" } else { "?" }).collect();
            format!("({})", marks.join(", "))
        });
        let text = match flavor {
            Flavor::SqlServer => counted(rows.map(|row| format!("{head}{row}"))),
            _ => format!("{head}{}", rows.collect::<Vec<_>>().join(", ")),
        };
        let traits = Traits { writes: true, acts: true, ..Traits::default() };
        Statement { text: text.into(), args: std::mem::take(&mut self.args), traits, template: None }
    }

    /// Names the records that an error is about.
    fn place(&self, error: Error, first: u64) -> Error {
        error.at_records(first..=first + (self.rows as u64).saturating_sub(1))
    }
}

/// A statement of our own about savepoints.
fn word(text: &str) -> Statement {
    let traits = Traits { transaction_control: true, ..Traits::default() };
    Statement { text: text.into(), args: Vec::new(), traits, template: None }
}

fn head(target: &LoadTarget, dialect: Dialect) -> String {
    let columns: Vec<String> = target.columns.iter().map(|name| dialect.quote(name)).collect();
    format!("INSERT INTO {} ({}) VALUES ", target.table, columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_asked_of_the_catalog_that_has_the_table() {
        let asked = |table: &str, flavor| {
            let target =
                LoadTarget { table: table.into(), name: "t".into(), columns: [].into(), stands_for: None };
            question(flavor, &target).unwrap()
        };
        for (table, end) in [
            ("[t]", " sys.columns WHERE object_id = OBJECT_ID(N'[t]')"),
            ("[archive]..[t]", " [archive].sys.columns WHERE object_id = OBJECT_ID(N'[archive]..[t]')"),
        ] {
            let (text, args) = asked(table, Flavor::SqlServer);
            assert!(text.ends_with(end) && args.is_empty(), "{text}");
        }
        assert_eq!(asked("\"aux\".\"t\"", Flavor::Sqlite).1, [Value::from("t"), Value::from("aux")]);
        assert_eq!(asked("\"t\"", Flavor::Sqlite).1, [Value::from("t")]);
    }

    #[test]
    fn nulls_are_words_and_the_rest_are_arguments() {
        let target = LoadTarget {
            table: "\"dbo\".\"t\"".into(),
            name: "t".into(),
            columns: ["a", "b]"].map(Box::from).into(),
            stands_for: None,
        };
        let mut batch = Batch::default();
        batch.push([Value::Int(1), Value::Null].into_iter());
        batch.push([Value::Null, Value::from("x")].into_iter());
        let statement = batch.statement(&head(&target, Dialect::Odbc), 2, Flavor::Postgres);
        assert_eq!(&*statement.text, "INSERT INTO \"dbo\".\"t\" (\"a\", \"b]\") VALUES (?, NULL), (NULL, ?)");
        assert!(statement.args == [Value::Int(1), Value::from("x")]);
        batch.args = statement.args;
        let statement = batch.statement(&head(&target, Dialect::SqlServer), 2, Flavor::SqlServer);
        assert_eq!(statement.text.matches("@@ROWCOUNT;").count(), 2);
        assert!(statement.text.contains("([a], [b]]]) VALUES (NULL, ?)\n; SET"), "{}", statement.text);
        let error = batch.place(Error::params("no"), 11);
        assert_eq!(error.to_string(), "one of the records 11 to 12: no");
    }
}
