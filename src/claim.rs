//! Work that several processes share: rows of a table, claimed in batches, each row by one process.

use std::time::{Duration, Instant};

use crate::context;
use crate::engine::Engine;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::manager::DatabaseManager;
use crate::params;
use crate::row::Row;
use crate::session::Session;
use crate::transaction::Transaction;
use crate::value::Value;

/// How many rows are claimed at a time by default.
const BATCH: u32 = 100;
/// More would not fit among the parameters of one statement of SQL Server.
const MOST: u32 = 1_000;
/// The pause before looking again for rows that others held; varied at random by a fifth.
const PAUSE: Duration = Duration::from_millis(250);

/// Says which rows of which table are work to be done, and what happens to them when they are done.
///
/// ```
/// use batchdb::Claim;
///
/// // Each row is deleted with its result.
/// let queue = Claim::new("mail_queue", "mail_id");
/// // Each row stays and is marked: what is put into the queue again is known to be done.
/// let queue = Claim::new("survey_queue", "survey_id").pending("done_at IS NULL").done("done_at = now()").batch(50);
/// // Some rows of a table, deleted as they are done.
/// let expired = Claim::new("session", "id").pending("ends_at < now()").deleting();
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Claim {
    table: String,
    key: String,
    pending: Option<String>,
    done: Option<String>,
    deleting: bool,
    batch: u32,
}

impl Claim {
    /// Claims all rows of `table`, which may include its schema. `key` is a column with a unique value for each row. By
    /// default a row is deleted when it is done. Both names are quoted, so their case matters if it does in the
    /// database.
    pub fn new(table: &str, key: &str) -> Claim {
        Claim {
            table: table.to_owned(),
            key: key.to_owned(),
            pending: None,
            done: None,
            deleting: false,
            batch: BATCH,
        }
    }

    /// Claims only the rows that meet this condition. It becomes part of the SQL, so never build it from user input. It
    /// also needs [`done`](Claim::done) or [`deleting`](Claim::deleting), which say what happens to the rows.
    pub fn pending(mut self, condition: &str) -> Claim {
        self.pending = Some(condition.to_owned());
        self
    }

    /// Updates a row when it is done, by these assignments, instead of deleting it. Afterwards the row must not meet
    /// the condition of [`pending`](Claim::pending) any more, or its work would be done again and again. It becomes
    /// part of the SQL too.
    pub fn done(mut self, assignments: &str) -> Claim {
        self.done = Some(assignments.to_owned());
        self
    }

    /// Deletes the rows that meet [`pending`](Claim::pending) when they are done.
    pub fn deleting(mut self) -> Claim {
        self.deleting = true;
        self
    }

    /// How many rows are claimed at a time, at most 1,000. Default: 100.
    ///
    /// Use fewer if each row takes long: when a process dies, its whole batch is done again.
    pub fn batch(mut self, rows: u32) -> Claim {
        self.batch = rows.clamp(1, MOST);
        self
    }

    fn condition(&self) -> String {
        self.pending.as_ref().map_or_else(String::new, |condition| format!(" WHERE ({condition})"))
    }

    /// Locks rows that nobody else holds, until the end of the transaction.
    fn take(&self, engine: Engine) -> String {
        let dialect = engine.dialect();
        let (table, key) = (dialect.quote_path(&self.table), dialect.quote(&self.key));
        let (condition, batch) = (self.condition(), self.batch);
        match engine {
            Engine::Postgres => {
                format!(
                    "SELECT * FROM {table}{condition} ORDER BY {key} LIMIT {batch} FOR UPDATE SKIP LOCKED"
                )
            }
            Engine::SqlServer => format!(
                "SELECT TOP ({batch}) * FROM {table} WITH (UPDLOCK, READPAST, ROWLOCK){condition} ORDER BY {key}"
            ),
            // SQLite's transactions begin with the write lock of the whole file, so nobody else is here.
            Engine::Sqlite => format!("SELECT * FROM {table}{condition} ORDER BY {key} LIMIT {batch}"),
        }
    }

    /// Finds one row that is not done, whoever holds it.
    fn find(&self, engine: Engine) -> String {
        let (table, condition) = (engine.dialect().quote_path(&self.table), self.condition());
        match engine {
            Engine::SqlServer => format!("SELECT TOP (1) 1 AS found FROM {table}{condition}"),
            _ => format!("SELECT 1 AS found FROM {table}{condition} LIMIT 1"),
        }
    }

    fn finish(&self, engine: Engine) -> String {
        let dialect = engine.dialect();
        let (table, key) = (dialect.quote_path(&self.table), dialect.quote(&self.key));
        match &self.done {
            Some(assignments) => format!("UPDATE {table} SET {assignments} WHERE {key} IN (:keys)"),
            None => format!("DELETE FROM {table} WHERE {key} IN (:keys)"),
        }
    }

    /// Counts the rows of a batch that are still to be done.
    fn still_pending(&self, engine: Engine) -> String {
        let dialect = engine.dialect();
        let (table, key) = (dialect.quote_path(&self.table), dialect.quote(&self.key));
        // Rows that others hold are not among these, and must not be waited for.
        let hint = if engine == Engine::SqlServer { " WITH (READPAST)" } else { "" };
        format!("SELECT count(*) AS n FROM {table}{hint}{} AND {key} IN (:keys)", self.condition())
    }

    /// # Errors
    ///
    /// `Usage`, if the claim does not say what happens to the rows, or says it twice.
    fn check(&self) -> Result<()> {
        let (message, hint) = match (&self.pending, &self.done, self.deleting) {
            (Some(_), None, false) => (
                "the claim does not say what becomes of its rows when they are done",
                "name it by `done`, or say `deleting`",
            ),
            (_, Some(_), true) => ("the claim updates its rows and deletes them", "say `done` or `deleting`"),
            (None, Some(_), false) => (
                "the claim does not say which rows are still to be done",
                "say it by `pending`, or all would be done again and again",
            ),
            _ => return Ok(()),
        };
        Err(Error::usage(message).with_hint(hint))
    }

    fn run<E: From<Error>>(
        &self,
        session: &mut Session<'_>,
        work: impl FnOnce(&mut Transaction<'_, '_>, &[Row]) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.check()?;
        let engine = engine(session)?;
        session.transaction(|tx| {
            let rows = tx.execute_query(&self.take(engine), ())?;
            if rows.is_empty() {
                return Ok(0);
            }
            let keys = rows.iter().map(|row| row.value(self.key.as_str()).cloned());
            let keys = keys.collect::<Result<Vec<Value>>>()?;
            work(tx, &rows)?;
            let done = tx.execute(&self.finish(engine), params! { keys: keys.clone() })?;
            if done != rows.len() as u64 {
                let message = format!("{} rows were claimed, and {done} have their keys", rows.len());
                return Err(Error::new(ErrorKind::RowCount, message)
                    .with_hint(
                        "the key must be unique, and the work must neither delete the rows nor change their keys",
                    )
                    .into());
            }
            if self.done.is_some() {
                let still = tx.query_one(&self.still_pending(engine), params! { keys: keys })?;
                if still.get::<u64>("n")? > 0 {
                    return Err(Error::usage(
                        "rows that were done are still pending, and would be done again",
                    )
                    .with_hint("let `done` change what `pending` checks; nothing of this batch was kept")
                    .into());
                }
            }
            Ok(done)
        })
    }
}

impl DatabaseManager {
    /// Claims a batch of rows that nobody else has claimed, runs `work` with them, and marks them as done, all in one
    /// transaction. Returns the number of rows; 0 if there are none left, or others hold the rest.
    ///
    /// Write the results through the transaction that `work` gets. Then results and claim are committed together or not
    /// at all: if `work` fails or panics, or the process, the machine or the connection dies, the server frees the rows
    /// for others. If the results go elsewhere, make them safe to repeat.
    ///
    /// It uses `FOR UPDATE SKIP LOCKED` on PostgreSQL and `UPDLOCK, READPAST` on SQL Server (at isolation level `READ
    /// COMMITTED`); SQLite has only one writer at a time. It is not retried.
    ///
    /// # Errors
    ///
    /// The error of `work`; those of [`transaction`](DatabaseManager::transaction); [`RowCount`](ErrorKind::RowCount)
    /// when fewer or more rows have the keys than were claimed; [`Usage`](ErrorKind::Usage) for other databases, for a
    /// claim that does not say what happens to its rows, and for one whose rows are still pending after they are done.
    ///
    /// ```no_run
    /// use batchdb::{Claim, DatabaseManager, Error, params};
    ///
    /// let db = DatabaseManager::new("rpa_db")?;
    /// let queue = Claim::new("job_queue", "job_id").batch(20);
    /// let claimed = db.claim(&queue, |tx, rows| {
    ///     for row in rows {
    ///         tx.execute("INSERT INTO result (job_id) VALUES (:id)", params! { id: row.get::<i64>("job_id")? })?;
    ///     }
    ///     Ok::<_, Error>(())
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn claim<E: From<Error>>(
        &self,
        claim: &Claim,
        work: impl FnOnce(&mut Transaction<'_, '_>, &[Row]) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.session(|session| claim.run(session, work))
    }

    /// Claims batch after batch, as [`claim`](DatabaseManager::claim) does, until all rows are done, by this process or
    /// by others. Returns how many rows this call has done.
    ///
    /// It waits for rows that others hold: if one of those processes dies, its rows become free and are done here. So
    /// if several processes run this, and at least one of them runs to its end, everything is done.
    ///
    /// # Errors
    ///
    /// As [`claim`](DatabaseManager::claim), at the first batch that fails; earlier batches stay done.
    /// [`Cancelled`](ErrorKind::Cancelled) when it was cancelled before everything was done; see
    /// [`with_cancel`](crate::with_cancel). [`Timeout`](ErrorKind::Timeout) when the limit of
    /// [`with_deadline`](DatabaseManager::with_deadline) passed, which applies to all batches together.
    ///
    /// ```no_run
    /// use batchdb::{Claim, DatabaseManager, Error, params};
    ///
    /// let db = DatabaseManager::new("rpa_db")?;
    /// let queue = Claim::new("job_queue", "job_id");
    /// db.claim_all(&queue, |tx, rows| {
    ///     let results = rows.iter().map(|row| Ok(params! { id: row.get::<i64>("job_id")? }));
    ///     let results = results.collect::<Result<Vec<_>, Error>>()?;
    ///     tx.execute_many("INSERT INTO result (job_id) VALUES (:id)", results).map(|_| ())
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn claim_all<E: From<Error>>(
        &self,
        claim: &Claim,
        mut work: impl FnMut(&mut Transaction<'_, '_>, &[Row]) -> Result<(), E>,
    ) -> Result<u64, E> {
        // One call for all batches, with one deadline.
        let call = self.call();
        let mut done = 0;
        let stopped = |done: u64| {
            let message =
                format!("told to stop; {done} rows were done by then, and the rest stay to be claimed");
            Error::new(ErrorKind::Cancelled, message)
                .with_effect(Effect::RolledBack)
                .during("claim_all")
                .in_database(&self.settings().database)
        };
        loop {
            if context::is_stopped() {
                return Err(stopped(done).into());
            }
            let claimed = self.session_for(call, |session| claim.run(session, &mut work))?;
            done += claimed;
            if claimed > 0 {
                continue;
            }
            let left = self.session_for(call, |session| {
                let find = claim.find(engine(session)?);
                session.query_opt(&find, ())
            })?;
            if left.is_none() {
                return Ok(done);
            }
            let whole = call.whole.earlier(context::deadline());
            let pause = PAUSE.mul_f64(0.8 + 0.4 * fastrand::f64());
            if !context::pause(pause.min(whole.left(Instant::now()))) {
                return Err(stopped(done).into());
            }
            if whole.left(Instant::now()).is_zero() {
                let late = whole.passed(Phase::Lock).with_effect(Effect::RolledBack);
                return Err(late
                    .with_hint(format!("{done} rows were done by then, and others hold the rest"))
                    .during("claim_all")
                    .in_database(&self.settings().database)
                    .into());
            }
        }
    }
}

fn engine(session: &mut Session<'_>) -> Result<Engine> {
    Engine::of(session)?.ok_or_else(|| {
        Error::usage(
            "rows are claimed on PostgreSQL, SQL Server and SQLite, and this database is none of them",
        )
        .with_hint("for SQL Server set TYPE=sqlserver")
        .in_database(&session.settings().database)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_claims_in_its_own_words() {
        let claim = Claim::new("app.queue", "id").pending("done IS NULL OR redo").batch(7);
        assert_eq!(
            claim.take(Engine::Postgres),
            "SELECT * FROM \"app\".\"queue\" WHERE (done IS NULL OR redo) ORDER BY \"id\" LIMIT 7 \
             FOR UPDATE SKIP LOCKED"
        );
        assert_eq!(
            claim.take(Engine::SqlServer),
            "SELECT TOP (7) * FROM [app].[queue] WITH (UPDLOCK, READPAST, ROWLOCK) WHERE (done IS NULL OR redo) \
             ORDER BY [id]"
        );
        assert_eq!(
            claim.find(Engine::Sqlite),
            "SELECT 1 AS found FROM \"app\".\"queue\" WHERE (done IS NULL OR redo) LIMIT 1"
        );
        assert_eq!(claim.finish(Engine::SqlServer), "DELETE FROM [app].[queue] WHERE [id] IN (:keys)");
        let claim = claim.done("done = 1");
        let kept = claim.finish(Engine::Postgres);
        assert_eq!(kept, "UPDATE \"app\".\"queue\" SET done = 1 WHERE \"id\" IN (:keys)");
        assert_eq!(
            claim.still_pending(Engine::SqlServer),
            "SELECT count(*) AS n FROM [app].[queue] WITH (READPAST) WHERE (done IS NULL OR redo) AND [id] IN (:keys)"
        );
    }

    #[test]
    fn what_becomes_of_rows_is_said_once() {
        let queue = Claim::new("q", "id");
        let some = queue.clone().pending("a");
        for good in [queue.clone(), queue.clone().deleting(), some.clone().done("b"), some.clone().deleting()]
        {
            good.check().unwrap();
        }
        for bad in [some.clone(), queue.done("b"), some.done("b").deleting()] {
            assert_eq!(bad.check().unwrap_err().kind(), ErrorKind::Usage, "{bad:?}");
        }
    }

    #[test]
    fn a_batch_fits_one_statement() {
        assert_eq!(Claim::new("q", "id").batch(0).batch, 1);
        assert_eq!(Claim::new("q", "id").batch(u32::MAX).batch, MOST);
        assert!(Claim::new("q", "id").find(Engine::SqlServer).ends_with("FROM [q]"));
    }
}
