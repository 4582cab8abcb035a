//! The signals that ask a process to end: the one room of ctrlc.
#![cfg(feature = "signals")]

use std::sync::{Mutex, PoisonError};

use super::CancelToken;
use crate::error::{Error, Result};

/// How a shell counts a program that ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// The token of the process. The handler is installed by the first call.
pub(super) fn token() -> Result<CancelToken> {
    static TOKEN: Mutex<Option<CancelToken>> = Mutex::new(None);
    let mut known = TOKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(token) = &*known {
        return Ok(token.clone());
    }
    let token = CancelToken::new();
    let told = token.clone();
    ctrlc::set_handler(move || {
        // Whoever asks twice does not want to wait for what is under way.
        if told.is_cancelled() {
            std::process::exit(INTERRUPTED);
        }
        // First: the log is the program's own code, and may wait for whoever reads it.
        told.cancel();
        log::warn!(
            "told to stop: what runs may end, nothing new begins; a second signal ends the process at once"
        );
    })
    .map_err(|error| {
        Error::usage("the handler of the signals SIGINT and SIGTERM cannot be installed")
            .with_hint("let the existing handler call `cancel` on a token of your own")
            .with_source(error)
    })?;
    *known = Some(token.clone());
    Ok(token)
}
