//! Logging in with the secret that holds now, where it may have been changed since the settings were read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Connection, Connector};
use crate::deadline::Deadline;
use crate::error::{ErrorKind, Result};
use crate::log_line;
use crate::settings::Settings;

/// A connector that reads its settings again when the server refuses the login, and tries once more where they have
/// changed. The same secret is not tried twice: repeated attempts lock accounts.
pub(super) struct Rotating {
    state: Mutex<State>,
}

struct State {
    settings: Settings,
    connector: Arc<dyn Connector>,
    /// Connectors of former secrets, whose threads may still sit in a driver.
    former: Vec<Arc<dyn Connector>>,
}

impl Rotating {
    pub(super) fn new(settings: &Settings, connector: Arc<dyn Connector>) -> Rotating {
        Rotating { state: Mutex::new(State { settings: settings.clone(), connector, former: Vec::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connector of the secret that holds now; `None` where that is the one that was refused.
    fn renewed(&self, refused: &Arc<dyn Connector>) -> Result<Option<Arc<dyn Connector>>> {
        let mut state = self.lock();
        if !Arc::ptr_eq(&state.connector, refused) {
            // Another caller was here first.
            return Ok(Some(Arc::clone(&state.connector)));
        }
        let settings = state.settings.read_again()?;
        if settings.target() == state.settings.target() {
            return Ok(None);
        }
        let connector = super::room(&settings)?;
        let fields = [("database", (&*settings.database).into())];
        log_line::event(
            log::Level::Info,
            "the login was refused and its secret has changed since: it is tried again",
            &fields,
        );
        let former = std::mem::replace(&mut state.connector, Arc::clone(&connector));
        state.settings = settings;
        state.former.push(former);
        state.former.retain(|former| former.abandoned() > 0);
        Ok(Some(connector))
    }
}

impl Connector for Rotating {
    fn connect(&self, deadline: Deadline) -> Result<Box<dyn Connection>> {
        let connector = Arc::clone(&self.lock().connector);
        match connector.connect(deadline) {
            Err(error) if error.kind() == ErrorKind::Auth => match self.renewed(&connector) {
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
