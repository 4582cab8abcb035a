//! The ODBC room: SQL Server, SQLite, and every other database that has an ODBC driver.
//!
//! Neither a driver's query timeout nor `SQLCancel` frees a caller whose server does not answer, so no
//! caller ever sits in a driver: each connection lives on a thread of its own, which alone touches its
//! handles. The caller sends it work, waits until the deadline, asks for a cancel, waits a short grace,
//! and goes away. A [`Gauge`] counts the threads of a pool that a driver still holds after that.
//!
//! The safe layer of odbc-api hides return codes and logs the server's texts, so this room stands on its
//! `handles` layer: a success with diagnostics is read to the last record, every result of a statement is
//! drained, and an error in any of them is the error of the whole.
//!
//! What the drivers make of values, where it differs from the rule that nothing changes on the way:
//!
//! * SQLite's driver (0.9998) turns each value into text: a float comes back with 15 digits, text ends at
//!   its first NUL, and `RETURNING` loses its rows, which is therefore refused. A column without a declared
//!   type has the type of its first row, and is text when that is NULL. The driver keeps the whole result
//!   in memory until the statement ends.
//! * psqlODBC strips the offset of `timestamptz`, so its sessions run in UTC. It reports `json`, intervals and
//!   arrays as text; `decode::psqlodbc` has what it makes of the ends of time.
//! * FreeTDS (1.3) sends a date from before the year 1600 as the day before or after it, and prints a year before 1000
//!   without its zeros.

mod bind;
mod block;
mod caller;
mod cells;
mod classify;
mod columns;
mod decode;
mod diagnostics;
mod drivers;
mod fetch;
mod flavor;
mod link;
mod load;
mod objects;
mod probe;
mod session;
mod statement;
mod stream;
mod text;
mod transaction;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::{Abandoned, Connection, Connector};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::settings::{OdbcTarget, Secret, Settings, TextParameters};

use caller::OdbcConnection;
use link::Gauge;
use session::Address;

pub(super) use probe::probe;

/// Opens connections through one ODBC driver.
pub(super) struct OdbcConnector {
    address: Arc<Address>,
    connect_timeout: Duration,
    abandoned: Arc<Gauge>,
}

impl OdbcConnector {
    /// Takes over what a connection needs. Nothing is connected and no driver is loaded.
    ///
    /// # Errors
    ///
    /// `Config`, when the connection string cannot be handed to the driver manager.
    pub(super) fn new(target: &OdbcTarget, settings: &Settings) -> Result<OdbcConnector> {
        Ok(OdbcConnector {
            address: Arc::new(address(
                target,
                &settings.database,
                settings.read_only,
                settings.text_parameters,
            )?),
            connect_timeout: settings.connect_timeout,
            abandoned: Arc::default(),
        })
    }
}

impl Connector for OdbcConnector {
    fn connect(&self, deadline: Deadline) -> Result<Box<dyn Connection>> {
        let limit = Deadline::after(Instant::now(), self.connect_timeout).earlier(deadline);
        Ok(Box::new(OdbcConnection::open(&self.address, &self.abandoned, limit)?))
    }

    fn abandoned(&self) -> Abandoned {
        self.abandoned.read()
    }
}

/// The target as the connection's thread needs it.
fn address(
    target: &OdbcTarget,
    database: &Arc<str>,
    read_only: bool,
    texts: TextParameters,
) -> Result<Address> {
    let text = session::with_protocol(target.connection_string.expose());
    if text.len() > usize::from(i16::MAX.unsigned_abs()) || text.contains('\0') {
        return Err(Error::config("the ODBC connection string is too long, or has a NUL character in it"));
    }
    Ok(Address {
        connection_string: Secret::new(text),
        driver: target.driver.clone(),
        description: target.description.clone(),
        dialect: target.dialect,
        database: Arc::clone(database),
        secrets: target.secrets.iter().map(|secret| Secret::new(secret.expose())).collect(),
        read_only,
        texts,
    })
}
