//! One file: its statements and what the history says of it, committed together or not at all; or, where the file has
//! no transaction, noted before and after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::Listener;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::migrate::check;
use crate::migrate::deferred;
use crate::migrate::failure::{Failed, Kept, failure};
use crate::migrate::files::Script;
use crate::migrate::history::{Action, History};
use crate::migrate::name::Id;
use crate::migrate::problem::refusal;
use crate::migrate::send::{self, Manner};
use crate::migrate::text::Text;
use crate::session::Session;
use crate::settings::Settings;

/// How long a failure may take to be written down.
const NOTE_LIMIT: Duration = Duration::from_secs(5);

/// What a file is run for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    Apply {
        rank: i64,
        /// It has a row already.
        again: bool,
    },
    Undo {
        /// The row of what is undone: the name of the file may spell the version in another way.
        row: &'a Id,
    },
    /// The history has no rows of these.
    Callback,
}

/// Runs the files of one database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub(crate) manager: &'a DatabaseManager,
    pub(crate) history: &'a History,
}

impl<'a> Runner<'a> {
    pub(crate) fn settings(&self) -> &'a Settings {
        self.manager.settings()
    }

    /// Runs one file.
    ///
    /// # Errors
    ///
    /// `Migration`, which says what was kept; `OutcomeUnknown`, when the connection broke while it was
    /// being committed.
    pub(crate) fn run(
        &self,
        session: &mut Session<'_>,
        script: &Script,
        purpose: Purpose<'_>,
    ) -> Result<Duration> {
        let text = self.text_of(script)?;
        session.listen(Some(self.listener(script)));
        let (outcome, kept) = if script.directives.no_transaction {
            self.with_keys_as_before(session, |session| {
                self.without_transaction(session, script, &text, purpose)
            })
        } else {
            self.in_transaction(session, script, &text, purpose)
        };
        session.listen(None);
        session.set_limit(self.settings().migration_timeout);
        outcome.map_err(|failed| {
            let told = failure(script, failed, kept, self.settings());
            self.note_failure(session, script, &told);
            told
        })
    }

    /// Runs a file as a part of the transaction that is open, as a rehearsal does.
    pub(crate) fn rehearse(
        &self,
        tx: &mut Session<'_>,
        script: &Script,
        purpose: Purpose<'_>,
    ) -> Result<Duration> {
        let text = self.text_of(script)?;
        tx.listen(Some(self.listener(script)));
        let engine = self.history.engine();
        let before = deferred::before(tx, engine)?;
        let outcome = self.whole(tx, script, &text, purpose).and_then(|took| {
            deferred::check(tx, engine, before)?;
            Ok(took)
        });
        tx.listen(None);
        outcome.map_err(|failed| failure(script, failed, Kept::Nothing, self.settings()))
    }

    /// Has the log tell what the database says meanwhile.
    fn listener(&self, script: &Script) -> Listener {
        Listener {
            name: Arc::from(format!("{}: {}", self.manager.name(), script.file)),
            secrets: self.settings().migration_secrets().into(),
        }
    }

    fn text_of<'f>(&self, script: &'f Script) -> Result<Text<'f>> {
        check::text_of(script, &self.settings().placeholders).map_err(|problems| refusal(&problems))
    }

    fn in_transaction(
        &self,
        session: &mut Session<'_>,
        script: &Script,
        text: &Text<'_>,
        purpose: Purpose<'_>,
    ) -> (Result<Duration, Failed>, Kept) {
        let mut kept = Kept::Nothing;
        let outcome = session.transaction(|tx| {
            let took = self.whole(tx, script, text, purpose)?;
            kept = Kept::All;
            Ok(took)
        });
        (outcome, kept)
    }

    /// The statements of a file and what the history says of it, in the transaction that is open.
    fn whole(
        &self,
        tx: &mut Session<'_>,
        script: &Script,
        text: &Text<'_>,
        purpose: Purpose<'_>,
    ) -> Result<Duration, Failed> {
        let began = Instant::now();
        let row = match purpose {
            Purpose::Apply { rank, again: false } => self.history.record_text(script, rank),
            _ => None,
        };
        let is_recorded = send::statements(tx, text, self.manner(script, true, row.as_deref()))?;
        let took = began.elapsed();
        if !is_recorded {
            tx.set_limit(self.settings().migration_timeout);
            self.write_down(tx, script, purpose, took)?;
        }
        Ok(took)
    }

    /// The row says that the file has failed for as long as it runs: a program that is killed in the midst of it cannot
    /// say so any more.
    fn without_transaction(
        &self,
        session: &mut Session<'_>,
        script: &Script,
        text: &Text<'_>,
        purpose: Purpose<'_>,
    ) -> (Result<Duration, Failed>, Kept) {
        let began = Instant::now();
        let begun: Result<(), Failed> = session.transaction(|tx| match purpose {
            Purpose::Apply { rank, again } => {
                if again {
                    self.history.forget(tx, &script.id)?;
                }
                Ok(self.history.begin(tx, script, rank)?)
            }
            Purpose::Undo { row } => Ok(self.history.set_script(tx, row, &script.file, false)?),
            Purpose::Callback => Ok(()),
        });
        if let Err(error) = begun {
            return (Err(error), Kept::Nothing);
        }
        let outcome = send::statements(session, text, self.manner(script, false, None)).and_then(|_| {
            let took = began.elapsed();
            session.set_limit(self.settings().migration_timeout);
            session.transaction(|tx| match purpose {
                Purpose::Apply { .. } => self.history.end(tx, script, took),
                _ => self.write_down(tx, script, purpose, took),
            })?;
            Ok(took)
        });
        (outcome, Kept::Before)
    }

    /// SQLite's check of foreign keys is a setting of the session, which such a file turns off to rebuild a table: what
    /// comes after is checked as before, whether it turns them on again or fails.
    fn with_keys_as_before(
        &self,
        session: &mut Session<'_>,
        work: impl FnOnce(&mut Session<'_>) -> (Result<Duration, Failed>, Kept),
    ) -> (Result<Duration, Failed>, Kept) {
        if self.history.engine() != Engine::Sqlite {
            return work(session);
        }
        let keys = match deferred::foreign_keys(session) {
            Ok(keys) => u8::from(keys),
            Err(error) => return (Err(error.into()), Kept::Nothing),
        };
        let (outcome, kept) = work(session);
        let restored = session.run_script(&format!("PRAGMA foreign_keys = {keys}"));
        (outcome.and_then(|took| Ok(restored.map(|()| took)?)), kept)
    }

    fn manner<'r>(&self, script: &Script, in_transaction: bool, row: Option<&'r str>) -> Manner<'r> {
        Manner {
            engine: self.history.engine(),
            limit: script.directives.timeout.unwrap_or(self.settings().migration_timeout),
            lock_timeout: script.directives.lock_timeout,
            in_transaction,
            row,
        }
    }

    /// What the history says of a file that came to its end.
    fn write_down(
        &self,
        tx: &mut Session<'_>,
        script: &Script,
        purpose: Purpose<'_>,
        took: Duration,
    ) -> Result<()> {
        match purpose {
            Purpose::Apply { rank, again } => {
                if again {
                    self.history.forget(tx, &script.id)?;
                }
                self.history.record(tx, script, rank, took)
            }
            Purpose::Undo { row } => {
                self.history.forget(tx, row)?;
                // A view may have gone with the table that was undone, and comes back with it.
                self.history.forget_repeatable(tx)?;
                self.history.note(tx, Action::Undone, script, Some(took), None)
            }
            Purpose::Callback => self.history.note(tx, Action::Applied, script, Some(took), None),
        }
    }

    /// Adds a failure to what was done: over the session, or, where that is gone, over a new connection. That it could
    /// not be written down is told, and not worth another error.
    fn note_failure(&self, session: &mut Session<'_>, script: &Script, told: &Error) {
        // Nothing is wrong with a file that was stopped, and there is no time any more to write anything. One without a
        // transaction has its row, which says that it has not come to its end.
        if told.kind() == ErrorKind::Cancelled {
            return;
        }
        let message = told.to_string();
        let note = |session: &mut Session<'_>| {
            session.set_limit(NOTE_LIMIT);
            session.transaction(|tx| self.history.note(tx, Action::Failed, script, None, Some(&message)))
        };
        let here = send::reset_after_failure(session, self.history.engine()).and_then(|()| note(session));
        session.set_limit(self.settings().migration_timeout);
        let noted = here.or_else(|_| {
            let limit = NOTE_LIMIT.min(session.whole().left(Instant::now()));
            self.manager.apart()?.with_deadline(limit).session_without_hook(note)
        });
        if let Err(error) = noted {
            let (database, file) = (self.manager.name(), &*script.file);
            log::warn!(database, file; "{database}: the failure of {file} could not be added to the history: {error}");
        }
    }
}
