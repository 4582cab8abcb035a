//! Logging in with the secret that holds now, where it may have been changed since the settings were read.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Abandoned, Connection, Connector};
use crate::context;
use crate::deadline::Deadline;
use crate::error::{ErrorKind, Phase, Result};
use crate::log_line;
use crate::settings::Settings;

/// How often who waits for another's look looks whether it was told to stop.
const LOOK_UP: Duration = Duration::from_millis(50);

/// A connector that reads its settings again when the server refuses the login, and tries once more where they have
/// changed. The same secret is not tried twice: repeated attempts lock accounts.
pub(super) struct Rotating {
    state: Mutex<State>,
    /// Somebody who read the settings again has come to an end.
    read: Condvar,
}

struct State {
    settings: Settings,
    connector: Arc<dyn Connector>,
    /// Somebody reads the settings again, which may take as long as a vault does.
    reading: bool,
    /// Connectors of former secrets, whose threads may still sit in a driver.
    former: Vec<Arc<dyn Connector>>,
}

impl Rotating {
    pub(super) fn new(settings: &Settings, connector: Arc<dyn Connector>) -> Rotating {
        let state = State { settings: settings.clone(), connector, reading: false, former: Vec::new() };
        Rotating { state: Mutex::new(state), read: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connector of the secret that holds now; `None` where that is the one that was refused, or nobody could find
    /// out in time. Of all who are refused side by side one asks the vault, and the others wait for what it finds.
    fn renewed(
        &self,
        refused: &Arc<dyn Connector>,
        deadline: Deadline,
    ) -> Result<Option<Arc<dyn Connector>>> {
        let mut state = self.lock();
        let mut waited = false;
        while state.reading {
            let left = context::in_force(deadline).left(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            waited = true;
            // Nobody signals here who tells the program to stop.
            state =
                self.read.wait_timeout(state, left.min(LOOK_UP)).unwrap_or_else(PoisonError::into_inner).0;
        }
        if !Arc::ptr_eq(&state.connector, refused) {
            return Ok(Some(Arc::clone(&state.connector)));
        }
        if waited {
            // The vault has said the same to who asked it, or nothing. To ask it once more would say no more.
            return Ok(None);
        }
        let limit = context::in_force(deadline).left_for(Phase::Connect, Instant::now())?;
        state.reading = true;
        let settings = state.settings.clone();
        drop(state);
        let _reading = Reading(self);
        self.read_again(&settings, limit)
    }

    fn read_again(&self, settings: &Settings, limit: Duration) -> Result<Option<Arc<dyn Connector>>> {
        let renewed = settings.read_again(limit)?;
        if renewed.target() == settings.target() {
            return Ok(None);
        }
        let connector = super::room(&renewed)?;
        let fields = [("database", (&*renewed.database).into())];
        log_line::event(
            log::Level::Info,
            "the login was refused and its secret has changed since: it is tried again",
            &fields,
        );
        let mut state = self.lock();
        let former = std::mem::replace(&mut state.connector, Arc::clone(&connector));
        state.settings = renewed;
        state.former.push(former);
        state.former.retain(|former| former.abandoned().all() > 0);
        Ok(Some(connector))
    }
}

/// The turn of who reads, ended on every way out: a source of secrets is a program's own code and may panic.
struct Reading<'r>(&'r Rotating);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.lock().reading = false;
        self.0.read.notify_all();
    }
}

impl Connector for Rotating {
    fn connect(&self, deadline: Deadline) -> Result<Box<dyn Connection>> {
        let connector = Arc::clone(&self.lock().connector);
        match connector.connect(deadline) {
            Err(error) if error.kind() == ErrorKind::Auth => match self.renewed(&connector, deadline) {
                Ok(Some(renewed)) => renewed.connect(deadline),
                Ok(None) => Err(error),
                // Why the secret cannot be had says more than that the old one was refused. The kind stays: it is what
                // keeps the pool from offering the refused secret with every call.
                Err(unread) => Err(error
                    .at(format_args!("its secret cannot be read again ({unread})"))
                    .with_source_of(&unread)),
            },
            outcome => outcome,
        }
    }

    fn abandoned(&self) -> Abandoned {
        let state = self.lock();
        let former = state.former.iter().map(|former| former.abandoned());
        former.fold(state.connector.abandoned(), Abandoned::and)
    }
}
