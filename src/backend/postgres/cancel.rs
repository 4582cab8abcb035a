//! Cancel requests, sent by a few dedicated threads.
//!
//! A cancel opens a second connection to the server, which can hang like any other. So it is sent on a stream that is
//! cut after a time limit, by threads that nobody waits for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use postgres::CancelToken;

use super::tls::Connector;
use super::watchdog::Control;

/// How many cancels are sent at the same time.
const SENDERS: usize = 4;
/// How long a cancel may take, and the age from which it is not worth sending.
const LIMIT: Duration = Duration::from_secs(2);

/// How to cancel the running statement of one connection.
#[derive(Clone)]
pub(super) struct CancelRequest {
    pub(super) token: CancelToken,
    pub(super) connector: Connector,
}

impl std::fmt::Debug for CancelRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token holds the connection's secret key.
        f.write_str("CancelRequest")
    }
}

static QUEUE: LazyLock<Sender<(Instant, CancelRequest)>> = LazyLock::new(|| {
    let (sender, receiver) = crossbeam_channel::unbounded();
    for number in 0..SENDERS {
        let receiver = receiver.clone();
        let started = std::thread::Builder::new()
            .name(format!("batchdb-cancel-{number}"))
            .spawn(move || send_all(&receiver));
        if let Err(error) = started {
            log::warn!("a thread for cancel requests cannot be started: {error}");
        }
    }
    sender
});

/// Queues a cancel; returns at once.
pub(super) fn send(request: CancelRequest) {
    let _ = QUEUE.send((Instant::now(), request));
}

fn send_all(queue: &Receiver<(Instant, CancelRequest)>) {
    for (asked, request) in queue {
        if asked.elapsed() > LIMIT {
            continue;
        }
        let control = Control::watched();
        control.cut_at(Instant::now() + LIMIT);
        let connector = request.connector.for_cancel(control.abort_handle());
        // `cancel_query` panics if its runtime cannot be built, as when file descriptors run out.
        match catch_unwind(AssertUnwindSafe(|| request.token.cancel_query(connector))) {
            Ok(Ok(())) => (),
            Ok(Err(error)) => log::debug!("a cancel request did not reach the server: {error}"),
            Err(_) => log::warn!("a cancel request could not be sent: the driver panicked"),
        }
    }
}
