//! Where a program keeps its connection strings, when no setting can say it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::context::{self, Missed};
use crate::deadline::Deadline;

/// Gives the connection string of a database: from a vault, a cloud's secret store, a configuration service.
///
/// It is asked when a handle is built, and again when the server has refused the login, so that a password that was
/// changed meanwhile needs no restart of the program. What it returns is a secret: it is shown nowhere. Where a call waits
/// for it, it has the time of that call, and runs in a thread of its own.
///
/// ```
/// use batchdb::{DatabaseManager, SecretSource};
///
/// struct Vault;
///
/// impl SecretSource for Vault {
///     fn connection_string(
///         &self,
///         database: &str,
///     ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
///         // A real one asks its server here.
///         Ok(format!("postgresql://job:from-the-vault@localhost/{database}"))
///     }
/// }
///
/// let db = DatabaseManager::builder("rpa_db").secret_source(Vault).build()?;
/// assert!(!format!("{db:?} {:?}", db.settings()).contains("from-the-vault"));
/// # Ok::<(), batchdb::Error>(())
/// ```
pub trait SecretSource: Send + Sync {
    /// The connection string of `database`, which is the name that the handle was built with.
    ///
    /// # Errors
    ///
    /// The reason why there is no connection string. It becomes the source of an
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), or of the [`ErrorKind::Auth`](crate::ErrorKind::Auth) of a
    /// refused login. Its text appears only in [`report`](crate::Error::report), but must not contain a secret all the
    /// same.
    fn connection_string(&self, database: &str) -> Result<String, Box<dyn Error + Send + Sync>>;
}

/// A source that is shared by a handle's settings and what reads them again.
#[derive(Clone)]
pub(crate) struct SharedSource(pub(super) Arc<dyn SecretSource>);

impl SharedSource {
    pub(crate) fn new(source: impl SecretSource + 'static) -> SharedSource {
        SharedSource(Arc::new(source))
    }

    /// Asks it, and where a call waits for the answer no longer than the call may take, or goes on when it is told to
    /// stop: nobody can end a program's own code, so that then runs in a thread of its own and may be left behind.
    pub(super) fn ask(
        &self,
        database: &str,
        limit: Option<Duration>,
    ) -> Result<String, Box<dyn Error + Send + Sync>> {
        let Some(limit) = limit else { return self.0.connection_string(database) };
        let (source, database) = (Arc::clone(&self.0), database.to_owned());
        let end = Deadline::after(Instant::now(), limit).earlier(context::deadline());
        let asked = context::apart("batchdb-secret", end, move || source.connection_string(&database));
        asked.unwrap_or_else(|missed| {
            Err(match missed {
                Missed::Late if context::is_stopped() => {
                    "the program was told to stop before it had answered".into()
                }
                Missed::Late => format!("it did not answer in {limit:?}").into(),
                Missed::Panicked => "it panicked".into(),
                Missed::NoThread(error) => error.into(),
            })
        })
    }
}

impl fmt::Debug for SharedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSource")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelToken;
    use crate::context::with_cancel;
    use std::thread;

    const LONG: Duration = Duration::from_secs(30);

    struct Away;

    impl SecretSource for Away {
        fn connection_string(&self, _: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
            thread::sleep(LONG);
            Ok(String::new())
        }
    }

    #[test]
    fn a_source_that_does_not_answer_holds_nobody() {
        let (source, began) = (SharedSource::new(Away), Instant::now());
        let late = source.ask("db", Some(Duration::from_millis(20))).unwrap_err();
        assert_eq!(late.to_string(), "it did not answer in 20ms");
        let token = CancelToken::new();
        with_cancel(&token, Duration::from_millis(20), || {
            let teller = token.clone();
            let told = thread::spawn(move || teller.cancel());
            let stopped = source.ask("db", Some(LONG)).unwrap_err();
            assert_eq!(stopped.to_string(), "the program was told to stop before it had answered");
            told.join().unwrap();
        });
        assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
    }
}
