//! Work that nobody can end: on a thread of its own, and waited for no longer than a deadline.

use std::io;
use std::thread;

use crossbeam_channel::RecvTimeoutError;

use super::receive;
use crate::deadline::Deadline;

/// Why the outcome of some work is not known.
#[derive(Debug)]
pub(crate) enum Missed {
    /// The deadline passed. The work goes on, and nobody hears of its end.
    Late,
    Panicked,
    /// It was not begun: the system gives no thread.
    NoThread(io::Error),
}

/// Runs `work` on a thread with this name, and waits for it until the deadline, which may shrink meanwhile. Then the thread
/// is left behind, and what it finds is dropped there.
///
/// # Errors
///
/// Why there is no outcome.
pub(crate) fn apart<R: Send + 'static>(
    name: &str,
    deadline: Deadline,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Missed> {
    let (told, heard) = crossbeam_channel::bounded(1);
    let run = move || {
        // Nobody waits any longer when the deadline has passed.
        let _ = told.send(work());
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(Missed::NoThread)?;
    receive(&heard, deadline).map_err(|missed| match missed {
        RecvTimeoutError::Timeout => Missed::Late,
        RecvTimeoutError::Disconnected => Missed::Panicked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelToken;
    use crate::context::{deadline, with_cancel};
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_does_not_end_is_left_behind_at_the_deadline_and_when_it_is_told_to_stop() {
        let endless = || thread::sleep(LONG);
        assert!(matches!(apart("test", deadline(), || 7), Ok(7)));
        let panicked = apart("test", deadline(), || panic!("on purpose"));
        assert!(matches!(panicked, Err::<(), _>(Missed::Panicked)));
        let began = Instant::now();
        let soon = Deadline::after(began, Duration::from_millis(20));
        assert!(matches!(apart("test", soon, endless), Err(Missed::Late)));
        let token = CancelToken::new();
        with_cancel(&token, Duration::from_millis(20), || {
            let teller = token.clone();
            let told = thread::spawn(move || teller.cancel());
            assert!(matches!(apart("test", deadline(), endless), Err(Missed::Late)));
            told.join().unwrap();
        });
        assert!(began.elapsed() < LONG / 2);
    }
}
