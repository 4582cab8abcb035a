//! Logging in with the secret that holds now, where it may have been changed since the settings were read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use super::{Connection, Connector};
use crate::context;
use crate::deadline::Deadline;
use crate::error::{ErrorKind, Phase, Result};
use crate::log_line;
use crate::settings::Settings;

/// A connector that reads its settings again when the server refuses the login, and tries once more where they have
/// changed. The same secret is not tried twice: repeated attempts lock accounts.
pub(super) struct Rotating {
    state: Mutex<State>,
    /// Held by who reads the settings again, which may take as long as a vault does. Nobody else waits for that.
    turn: Mutex<()>,
}

struct State {
    settings: Settings,
    connector: Arc<dyn Connector>,
    /// Connectors of former secrets, whose threads may still sit in a driver.
    former: Vec<Arc<dyn Connector>>,
}

impl Rotating {
    pub(super) fn new(settings: &Settings, connector: Arc<dyn Connector>) -> Rotating {
        let state = State { settings: settings.clone(), connector, former: Vec::new() };
        Rotating { state: Mutex::new(state), turn: Mutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connector of the secret that holds now; `None` where that is the one that was refused, or somebody else is
    /// about to find out.
    fn renewed(
        &self,
        refused: &Arc<dyn Connector>,
        deadline: Deadline,
    ) -> Result<Option<Arc<dyn Connector>>> {
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let (settings, connector) = {
            let state = self.lock();
            (state.settings.clone(), Arc::clone(&state.connector))
        };
        if !Arc::ptr_eq(&connector, refused) {
            // Another caller was here first.
            return Ok(Some(connector));
        }
        let limit = context::in_force(deadline).left_for(Phase::Connect, Instant::now())?;
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
        state.former.retain(|former| former.abandoned() > 0);
        Ok(Some(connector))
    }
}

impl Connector for Rotating {
    fn connect(&self, deadline: Deadline) -> Result<Box<dyn Connection>> {
        let connector = Arc::clone(&self.lock().connector);
        match connector.connect(deadline) {
            Err(error) if error.kind() == ErrorKind::Auth => match self.renewed(&connector, deadline) {
                Ok(Some(renewed)) => renewed.connect(deadline),
                Ok(None) => Err(error),
                // Why the secret cannot be had says more than that the old one was refused.
                Err(unread) => Err(unread.at("the login was refused, and its secret cannot be read again")),
            },
            outcome => outcome,
        }
    }

    fn abandoned(&self) -> usize {
        let state = self.lock();
        state.connector.abandoned() + state.former.iter().map(|former| former.abandoned()).sum::<usize>()
    }
}
