//! What a server says besides results: `RAISE NOTICE`, `PRINT`, warnings. It may quote values, so it reaches the log only
//! while somebody listens who knows that it does not: a migration.

use std::sync::{Arc, Mutex, PoisonError};

use log::Level;

use crate::log_line;

/// One connection's ear. Its driver speaks into it, in whichever thread it runs.
#[derive(Debug, Clone, Default)]
pub(in crate::backend) struct Notices(Arc<Mutex<Option<Arc<str>>>>);

impl Notices {
    /// From now on what is said is logged, at once and under this name; or no longer.
    pub(in crate::backend) fn listen(&self, name: Option<Arc<str>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    /// The server has said something. Whether anybody listened.
    pub(in crate::backend) fn tell(&self, level: Level, text: &str) -> bool {
        // A copy, because a logger may itself use a connection.
        let name = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(name) = &name {
            log_line::event(level, &format!("{name}: {text}"), &[]);
        }
        name.is_some()
    }
}
