//! The end of a result that nobody wants, and of a connection: its thread closes it, and is waited for no longer than a moment.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::super::link::{Link, Why};
use super::super::worker::Reply;
use super::{BREATH, OdbcConnection};

/// The time for a connection to disconnect before its thread is left to that.
const PARTING: Duration = Duration::from_millis(50);

impl OdbcConnection {
    /// Nobody wants what is still to come. True when that is the end of the connection: to read the rest could take
    /// for ever, so that only what has come already counts.
    pub(in crate::backend::odbc) fn ended_early(&mut self, inbox: &Receiver<Reply>) -> bool {
        let until = Instant::now() + BREATH;
        // A thread that is as fast as we are always has rows for us, also behind the deadline.
        while Instant::now() < until
            && let Ok(reply) = inbox.recv_deadline(until)
        {
            match reply {
                Reply::Columns(_) | Reply::Rows(_) => (),
                Reply::Messages(messages) => self.tell(&messages),
                Reply::Done(_) => {
                    self.broken = false;
                    return false;
                }
                // What came behind the rows was an error: who has not seen it must not build on the connection.
                Reply::Failed(_) => break,
            }
        }
        self.link.ask_to_stop();
        true
    }
}

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
