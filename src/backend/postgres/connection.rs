//! One connection: every call is armed with its deadline, and every failure says what is known of its effect.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::types::{ToSql, Type};
use postgres::{Client, SimpleQueryMessage};

use super::copy::Copy;
use super::encode::{Param, with_params};
use super::failure::{
    Failed, MISSING, is_refused_here, is_stale, perhaps_waits_for_itself, refuses_commit, unread,
};
use super::runtime;
use super::statements::{Prepared, Shape, StatementCache};
use super::watchdog::Watched;
use crate::backend::{
    self, Begin, CommitMark, Cursor, Listener, LoadTarget, RowSource, Rows, notices::Notices,
};
use crate::deadline::{Budget, Deadline};
use crate::dialect::Dialect;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::row::{Columns, Row};
use crate::sql::{Statement, discards_prepared};

/// How long closing a healthy connection may take.
const CLOSE_GRACE: Duration = Duration::from_millis(100);

/// Results up to this size stay in the memory that the driver's rows had.
const FEW_ROWS: usize = 100;

/// Undoes everything that a session can keep. The role needs a `RESET` of its own: the session authorization does not
/// bring it back, and `RESET ALL` does not touch it. `DISCARD ALL` would do everything, but the server refuses it in a
/// text of several statements, and this must be one text to take one round trip. `DEALLOCATE ALL` cannot be used
/// either: the driver keeps prepared statements of its own for looking up types, and would fail (`26000`) for every
/// type that it does not know yet.
const RESET: &str = "ROLLBACK; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; \
     DO $$ DECLARE prepared pg_catalog.text; BEGIN \
       FOR prepared IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql LOOP \
         EXECUTE pg_catalog.format('DEALLOCATE %I', prepared); END LOOP; END $$; \
     SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES";

/// One connection to PostgreSQL.
pub(super) struct PgConnection {
    /// `None` only while it is dropped.
    pub(super) client: Option<Client>,
    pub(super) control: Watched,
    notices: Notices,
    pub(super) statements: StatementCache,
    pub(super) in_transaction: bool,
    /// The mark of the transaction that was begun last, for `settle_commit`.
    mark: Option<CommitMark>,
    /// The statements that every session begins with. `RESET ALL` undoes them, so they are sent again after a reset.
    opening: Arc<str>,
    pub(super) broken: bool,
    /// The driver's own prepared statements are gone. It can look up no further types, so the connection is closed when
    /// it is returned.
    stripped: bool,
    /// The target of the load under way.
    pub(super) copy: Option<Copy>,
}

impl PgConnection {
    pub(super) fn new(
        client: Client,
        control: Watched,
        notices: Notices,
        cache: usize,
        opening: Arc<str>,
    ) -> PgConnection {
        PgConnection {
            client: Some(client),
            control,
            notices,
            statements: StatementCache::new(cache),
            in_transaction: false,
            mark: None,
            opening,
            broken: false,
            stripped: false,
            copy: None,
        }
    }

    /// Sends the settings that every session has, when it is new or was reset.
    pub(super) fn set_up(&mut self, deadline: Deadline, phase: Phase) -> Result<()> {
        if self.opening.is_empty() {
            return Ok(());
        }
        let opening = Arc::clone(&self.opening);
        self.call(deadline, phase, false, |client| client.batch_execute(&opening))
    }

    /// After a text that deallocates prepared statements, ours are gone, and so are the driver's own.
    fn note_discarded(&mut self, discards: bool) {
        if discards {
            self.stripped = true;
            self.statements.clear();
        }
    }

    /// Runs one driver call under a deadline. `writes` says whether the outcome is unknown when the connection breaks
    /// during the call.
    pub(super) fn call<T>(
        &mut self,
        deadline: Deadline,
        phase: Phase,
        writes: bool,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T> {
        if deadline.at().is_some() {
            deadline.check(phase, Instant::now())?;
        }
        self.call_in_time(deadline, phase, writes, work)
    }

    /// The same, with a reading of the clock from a moment ago.
    fn call_in_time<T>(
        &mut self,
        deadline: Deadline,
        phase: Phase,
        writes: bool,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T> {
        runtime::refuse_async()?;
        let Some(client) = self.client.as_mut().filter(|_| !self.broken) else {
            return Err(Error::new(ErrorKind::Connect, "the connection has failed before")
                .with_effect(Effect::NotSent));
        };
        // A ping, a rollback and a reset get no grace period. A caller that waits for the ping was promised an answer
        // at its limit. A rollback and a reset may run one after the other after the limit of a call has passed; if
        // they fail, the connection is closed, which undoes and cleans as well.
        match phase {
            Phase::Ping | Phase::Rollback | Phase::Reset => self.control.arm_without_grace(deadline),
            _ => self.control.arm(deadline),
        }
        let outcome = work(client);
        let in_time = self.control.disarm();
        // A cancel is on its way or has been served; it must not hit the next statement.
        self.broken |= !in_time;
        let failed = Failed { in_time, in_transaction: self.in_transaction, writes, phase, deadline };
        outcome.map_err(|error| failed.explain(&error, &mut self.broken))
    }
}

impl PgConnection {
    /// The statement, prepared; and whether it was prepared before.
    pub(super) fn prepare(
        &mut self,
        statement: &Statement,
        deadline: Deadline,
    ) -> Result<(Arc<Prepared>, bool)> {
        if let Some(known) = self.statements.get(&statement.text) {
            return Ok((known, true));
        }
        let prepared = Prepared::new(self.prepare_text(&statement.text, deadline)?);
        self.statements.put(&statement.text, &prepared);
        deadline.check(Phase::Query, Instant::now())?;
        Ok((prepared, false))
    }

    /// Prepares a text. If a statement is missing now (`26000`), it is one of the driver's own, with which it looks up
    /// types. Something has deallocated it, and the driver will never prepare it again.
    pub(super) fn prepare_text(&mut self, text: &str, deadline: Deadline) -> Result<postgres::Statement> {
        let outcome = self.call(deadline, Phase::Query, false, |client| client.prepare(text));
        let Err(error) = outcome else { return outcome };
        if error.sqlstate() != Some(MISSING) {
            return Err(error);
        }
        self.broken = true;
        let effect = if self.in_transaction { Effect::RolledBack } else { Effect::NotSent };
        Err(error.with_kind(ErrorKind::Connect).with_effect(effect).with_hint(
            "prepared statements of the driver are gone: by DISCARD ALL or DEALLOCATE ALL, or by a pooler in transaction \
             mode, which needs STATEMENT_CACHE=0",
        ))
    }

    fn run_prepared(
        &mut self,
        prepared: &Prepared,
        statement: &Statement,
        kept: Option<&mut Vec<Row>>,
        first: Deadline,
    ) -> Result<u64> {
        let (text, args, writes) = (&prepared.statement, &statement.args, statement.traits.acts);
        match kept {
            None => self.call_in_time(first, Phase::Query, writes, |client| {
                with_params(args, |params| client.execute(text, params))
            }),
            Some(kept) => {
                prepared.shape.check()?;
                let found = self.call_in_time(first, Phase::Query, writes, |client| {
                    with_params(args, |params| client.query(text, params))
                })?;
                // Each of the driver's rows is freed as it is read, and our row takes its memory.
                let read = |(place, row): (usize, postgres::Row)| {
                    prepared.shape.read(&row).map_err(|error| unread(error, place, writes))
                };
                let mut rows = found.into_iter().enumerate().map(read).collect::<Result<Vec<Row>>>()?;
                let count = rows.len() as u64;
                if !kept.is_empty() {
                    // The rows of several statements are kept together.
                    kept.append(&mut rows);
                    return Ok(count);
                }
                *kept = rows;
                if kept.len() > FEW_ROWS {
                    // A driver's row is larger than ours, so the remaining memory is worth giving back.
                    kept.shrink_to_fit();
                }
                Ok(count)
            }
        }
    }

    /// Runs a statement. If its prepared form is not valid on the server any more, it is prepared again, once.
    fn run_kept(
        &mut self,
        statement: &Statement,
        mut kept: Option<&mut Vec<Row>>,
        budget: Budget,
    ) -> Result<u64> {
        let (first, began) = budget.first(Instant::now);
        first.check(Phase::Query, began)?;
        if !self.statements.is_on() {
            return self.run_unnamed(statement, kept, first);
        }
        let (prepared, known) = self.prepare(statement, first)?;
        let outcome = self.run_prepared(&prepared, statement, kept.as_deref_mut(), first);
        match outcome {
            Err(error) if is_stale(&error) => {
                self.statements.forget(&statement.text);
                // A procedure may return the same error after it has committed a part.
                if !known || statement.traits.divisible || self.in_transaction || self.broken {
                    return Err(error);
                }
                // The server refused it before anything ran, so it may be prepared and sent again.
                let (prepared, _) = self.prepare(statement, first)?;
                self.run_prepared(&prepared, statement, kept, first)
            }
            // The value is refused for the type that the column had when the statement was prepared. The column's type may
            // have changed since, but for a prepared statement the server keeps the types of the parameters. Nothing was
            // sent, so the statement can be prepared again.
            Err(error) if known && is_refused_here(&error) && !self.broken => {
                self.statements.forget(&statement.text);
                let (prepared, _) = self.prepare(statement, first)?;
                self.run_prepared(&prepared, statement, kept, first)
            }
            outcome => outcome,
        }
    }

    /// Whether a statement that was run is known to return rows, even if there were none.
    fn returns_rows(&mut self, statement: &Statement) -> bool {
        let prepared = self.statements.get(&statement.text);
        prepared.is_some_and(|prepared| !prepared.statement.columns().is_empty())
    }

    /// Without a statement cache nothing is prepared by name, because a pooler in transaction mode would lose it. The
    /// statement is sent unnamed, with parameters as text of unknown type, in one round trip.
    fn run_unnamed(
        &mut self,
        statement: &Statement,
        kept: Option<&mut Vec<Row>>,
        first: Deadline,
    ) -> Result<u64> {
        let text = &*statement.text;
        let params: Vec<(Param<'_>, Type)> = statement.args.iter().map(Param::told).collect();
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            params.iter().map(|(param, ty)| (param as &(dyn ToSql + Sync), ty.clone())).collect();
        let writes = statement.traits.acts;
        match kept {
            None => self.call(first, Phase::Query, writes, |client| client.execute_typed(text, &params)),
            Some(kept) => {
                let found = self
                    .call(first, Phase::Query, writes, |client| client.query_typed(text, &params))
                    .map_err(perhaps_waits_for_itself)?;
                if let Some(row) = found.first() {
                    let shape = Shape::of(row.columns().iter().map(|column| (column.name(), column.type_())));
                    for (place, row) in found.iter().enumerate() {
                        kept.push(shape.read(row).map_err(|error| unread(error, place, writes))?);
                    }
                }
                Ok(found.len() as u64)
            }
        }
    }
}

impl backend::Connection for PgConnection {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn run(&mut self, statement: &Statement, rows: Rows<'_>, budget: Budget) -> Result<u64> {
        let outcome = match rows {
            Rows::Ignore => self.run_kept(statement, None, budget),
            Rows::Collect(kept) => self.run_kept(statement, Some(kept), budget),
            // On PostgreSQL a statement has at most one result.
            Rows::Sets(sets) => {
                let mut only = Vec::new();
                self.run_kept(statement, Some(&mut only), budget).inspect(|_| {
                    if !only.is_empty() || self.returns_rows(statement) {
                        sets.push(only);
                    }
                })
            }
        };
        self.note_discarded(statement.traits.discards_prepared);
        outcome
    }

    fn stream<'c>(&'c mut self, statement: &Statement, budget: Budget) -> Result<Box<dyn Cursor + 'c>> {
        self.note_discarded(statement.traits.discards_prepared);
        Ok(Box::new(self.open(statement, budget)?))
    }

    fn describe(&mut self, statement: &Statement, budget: Budget) -> Result<Option<Arc<Columns>>> {
        self.columns_of(statement, budget)
    }

    fn run_script(&mut self, text: &str, deadline: Deadline) -> Result<()> {
        let outcome = self.call(deadline, Phase::Query, true, |client| client.batch_execute(text));
        self.note_discarded(discards_prepared(text));
        outcome
    }

    fn listen(&mut self, listener: Option<Listener>) {
        self.notices.listen(listener);
    }

    fn begin_load(&mut self, target: &LoadTarget, budget: Budget) -> Result<()> {
        self.describe_copy(target, budget)
    }

    fn load(&mut self, source: &mut dyn RowSource, budget: Budget) -> Result<u64> {
        self.copy_rows(source, budget)
    }

    fn begin(&mut self, begin: Begin, deadline: Deadline) -> Result<()> {
        let mut text = String::from("BEGIN");
        if let Some(isolation) = begin.isolation {
            text.push_str(" ISOLATION LEVEL ");
            text.push_str(isolation.sql());
        }
        if begin.read_only {
            text.push_str(" READ ONLY");
        }
        self.mark = None;
        // The mark is read in one text with the BEGIN, so it costs no round trip. A read-only transaction has nothing
        // to settle.
        if let Some(mark) = self.dialect().commit_mark().filter(|_| begin.settle && !begin.read_only) {
            text.push_str("; ");
            text.push_str(mark);
        }
        let answer = self.call(deadline, Phase::Query, false, |client| client.simple_query(&text))?;
        self.in_transaction = true;
        self.mark = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(CommitMark {
                transaction: row.try_get("mark").ok().flatten()?.to_owned(),
                history: row.try_get("history").ok().flatten()?.to_owned(),
            }),
            _ => None,
        });
        Ok(())
    }

    fn refuses_writes(&self) -> bool {
        true
    }

    fn takes_many_rows(&self) -> bool {
        true
    }

    fn commit_mark(&self) -> Option<CommitMark> {
        self.mark.clone()
    }

    fn commit(&mut self, deadline: Deadline) -> Result<()> {
        if self.broken {
            self.in_transaction = false;
            return Err(Error::new(
                ErrorKind::Connect,
                "the connection failed in this transaction, which is thereby undone",
            )
            .with_effect(Effect::RolledBack));
        }
        // A server answers COMMIT in a failed transaction with ROLLBACK and no error, and the driver calls
        // that a success (rust-postgres pull request 1342). The SELECT fails there, and costs no round trip.
        let outcome =
            self.call(deadline, Phase::Commit, true, |client| client.simple_query("SELECT 1; COMMIT"));
        let Err(error) = outcome else {
            self.in_transaction = false;
            return Ok(());
        };
        // A refused commit returns an error, and the session goes on. If the session or the server ended during the
        // commit, the transaction may already be durable.
        if self.broken && !error.sqlstate().is_some_and(refuses_commit) {
            self.in_transaction = false;
            return Err(error.with_kind(ErrorKind::OutcomeUnknown).with_effect(Effect::Unknown).with_hint(
                "the commit was sent and not confirmed; look whether it happened before doing it again",
            ));
        }
        if let Err(rollback) = self.rollback(deadline) {
            log::debug!("the rollback after a refused commit failed: {rollback}");
            self.broken = true;
        }
        // Rolled back. A retry helps only if the server's code says so: a deferred constraint would refuse the same
        // data again.
        Err(error)
    }

    fn rollback(&mut self, deadline: Deadline) -> Result<()> {
        let outcome = self.call(deadline, Phase::Rollback, false, |client| client.batch_execute("ROLLBACK"));
        self.in_transaction = false;
        // A session whose transaction cannot be ended must not be used again.
        self.broken |= outcome.is_err();
        outcome
    }

    fn ping(&mut self, deadline: Deadline) -> Result<()> {
        let outcome = self.call(deadline, Phase::Ping, false, |client| client.simple_query("").map(|_| ()));
        self.broken |= outcome.is_err();
        outcome.map_err(|error| error.with_effect(Effect::NotSent))
    }

    fn reset(&mut self, deadline: Deadline) -> Result<()> {
        self.statements.clear();
        let outcome = self
            .call(deadline, Phase::Reset, false, |client| client.batch_execute(RESET))
            .and_then(|()| self.set_up(deadline, Phase::Reset));
        self.in_transaction = false;
        self.broken |= outcome.is_err();
        outcome
    }

    fn opening(&self) -> String {
        self.opening.to_string()
    }

    fn is_broken(&self) -> bool {
        self.stripped || self.has_failed()
    }

    fn has_failed(&self) -> bool {
        self.broken || self.client.as_ref().is_none_or(Client::is_closed)
    }
}

impl Drop for PgConnection {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        // Dropping the driver's client waits for all outstanding replies. So the stream of a broken connection is cut
        // first, and that of a healthy one after a short time.
        if self.broken {
            self.control.abort_handle().abort();
        } else {
            self.control.cut_at(Instant::now() + CLOSE_GRACE);
        }
        let goodbye = move || {
            if catch_unwind(AssertUnwindSafe(|| drop(client))).is_err() {
                log::warn!("the driver panicked while a connection was closed");
            }
        };
        if !runtime::is_async() {
            return goodbye();
        }
        // The driver must not block inside an async task: it would panic.
        self.control.abort_handle().abort();
        if let Err(error) = std::thread::Builder::new().name("batchdb-close".to_owned()).spawn(goodbye) {
            log::warn!("a connection could not be closed on a thread of its own: {error}");
        }
    }
}
