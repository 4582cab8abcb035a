//! What a server says besides results: `RAISE NOTICE`, `PRINT`, warnings. It may quote values, so it reaches the log only
//! while somebody listens who knows that it does not: a migration.

use std::sync::{Arc, Mutex, PoisonError};

use log::Level;

use crate::log_line;
use crate::settings::{Secret, scrub};

/// Who listens: the name under which it is logged, and what must not be in the log.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    pub(crate) name: Arc<str>,
    pub(crate) secrets: Arc<[Secret]>,
}

/// One connection's ear. Its driver speaks into it, in whichever thread it runs.
#[derive(Debug, Clone, Default)]
pub(in crate::backend) struct Notices(Arc<Mutex<Option<Listener>>>);

impl Notices {
    /// From now on what is said is logged, at once; or no longer.
    pub(in crate::backend) fn listen(&self, listener: Option<Listener>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = listener;
    }

    /// The server has said something. Whether anybody listened.
    pub(in crate::backend) fn tell(&self, level: Level, text: &str) -> bool {
        // A copy, because a logger may itself use a connection.
        let listener = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Listener { name, secrets }) = &listener {
            log_line::event(level, &format!("{name}: {}", scrub(text, secrets)), &[]);
        }
        listener.is_some()
    }
}
