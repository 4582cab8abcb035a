//! The end of a connection: its thread closes it, and is waited for no longer than a moment.

use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::super::link::{Link, Why};
use super::{BREATH, OdbcConnection};

/// The time for a connection to disconnect before its thread is left to that.
const PARTING: Duration = Duration::from_millis(50);

impl Drop for OdbcConnection {
    /// Has the connection closed on its thread, and waits for that a moment at most. Who wants its place in the pool
    /// waits for the rest.
    fn drop(&mut self) {
        self.jobs = None;
        if self.broken {
            self.link.ask_to_stop();
        }
        let parting = if self.broken { BREATH } else { PARTING };
        if let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(parting) {
            // A thread that was abandoned before has had its cancel.
            if self.link.abandon(Why::Closes(Instant::now())) && self.broken {
                Link::cancel(&self.link);
            }
        }
    }
}
