//! One open connection of a driver, on the thread that owns it.
#![allow(unsafe_code, reason = "ODBC handles are opened, set and freed here")]

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use odbc_api::handles::{AnyHandle, Connection, Environment, SqlResult, SqlText};
use odbc_sys::{
    AttrOdbcVersion, ConnectionAttribute, DriverConnectOption, HandleType, IS_UINTEGER, InfoType, Pointer,
    SqlReturn,
};

use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind};
use crate::settings::{Driver, Secret, TextParameters};

use super::bind::Long;
use super::diagnostics::{DriverText, Failure, Record, records};
use super::drivers::{self, Choice};
use super::flavor::Flavor;
use super::link::Link;
use super::statement::Statement;
use super::transaction::{Control, attribute, words};

/// Where a connection leads, and how it is opened.
pub(super) struct Address {
    /// Ready for the driver manager, secrets included, but for the name of a driver that is not named.
    pub(super) connection_string: Secret,
    pub(super) driver: Driver,
    /// Driver, server and database, for messages.
    pub(super) description: String,
    pub(super) dialect: Dialect,
    /// The name that the program has for the database, for the log.
    pub(super) database: Arc<str>,
    /// What must not be in any message.
    pub(super) secrets: Vec<Secret>,
    pub(super) read_only: bool,
    pub(super) texts: TextParameters,
}

/// Adds the protocol version for FreeTDS, unless the string names one: asked to find out by itself, it
/// hangs for ever on a server that accepts and says nothing, whatever the login timeout.
pub(super) fn with_protocol(connection_string: &str) -> String {
    let lower = connection_string.to_ascii_lowercase();
    if (lower.contains("freetds") || lower.contains("tdsodbc")) && !lower.contains("tds_version") {
        format!("{};TDS_Version=7.4", connection_string.trim_end_matches(';'))
    } else {
        connection_string.to_owned()
    }
}

/// An open connection. It never leaves its thread.
pub(super) struct Session<'l> {
    connection: ManuallyDrop<Connection<'static>>,
    flavor: Flavor,
    /// The driver can give a value of a fetched block again.
    rereads: bool,
    /// The level of isolation that the session had before the open transaction asked for its own, where the driver
    /// keeps it.
    level: Cell<Option<u32>>,
    link: &'l Link,
}

/// What a caller must know of an open connection.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) flavor: Flavor,
    pub(super) long: Long,
    /// The driver's name and version, as it gives them.
    pub(super) driver: String,
}

impl<'l> Session<'l> {
    /// Loads the driver, connects, logs in, and sets the session up.
    pub(super) fn open(address: &Address, left: Duration, link: &'l Link) -> Result<Session<'l>, Failure> {
        let mut connection = allocate()?;
        let seconds = whole_seconds(left);
        if connection.set_login_timeout_sec(seconds).is_err() {
            log::debug!("the ODBC driver manager takes no login timeout");
        }
        if address.read_only {
            // A hint that drivers are free to ignore; what surely refuses writes stands above this room.
            const READ_ONLY: Pointer = 1 as Pointer;
            // SAFETY: the attribute is an integer, which travels in the pointer itself.
            let _ =
                unsafe { connection.set_attribute(ConnectionAttribute::ACCESS_MODE, READ_ONLY, IS_UINTEGER) };
        }
        let text = complete(address)?;
        match driver_connect(&mut connection, address, text.expose()) {
            SqlResult::Success(()) | SqlResult::SuccessWithInfo(()) => (),
            _ => return Err(not_connected(records(&connection), address)),
        }
        // From here on the connection is open, and `Session` closes it.
        let mut session = Session {
            connection: ManuallyDrop::new(connection),
            flavor: Flavor::of(address.dialect, ""),
            rereads: false,
            level: Cell::new(None),
            link,
        };
        if address.dialect == Dialect::Odbc {
            session.flavor = Flavor::of(address.dialect, &session.database_system());
            if session.flavor == Flavor::SqlServer {
                return Err(not_told_of_sql_server(address).into());
            }
        }
        session.rereads = session.flavor == Flavor::Postgres && session.rereads_blocks();
        for text in session.flavor.opening(address.read_only) {
            session.execute(text, Some(left))?;
        }
        Ok(session)
    }

    /// What a caller must know of it.
    pub(super) fn opened(&self) -> Opened {
        // No question but for the name tells this; the names are those of Microsoft's libraries, on Windows too.
        let name = self.about(InfoType::DriverName);
        let lower = name.to_ascii_lowercase();
        let is_microsofts = self.flavor == Flavor::SqlServer
            && ["msodbcsql", "sqlncli", "sqlsrv"].iter().any(|part| lower.contains(part));
        Opened {
            flavor: self.flavor,
            long: if is_microsofts { Long::Unsized } else { Long::Typed },
            driver: format!("{name} {}", self.about(InfoType::DriverVer)),
        }
    }

    /// What the driver says of itself, such as the file name of its library. Only for what is a text.
    fn about(&self, information: InfoType) -> String {
        const UNITS: usize = 256;
        let mut name = [0_u16; UNITS];
        // SAFETY: the handle is valid and connected, and this piece of information is a text, for which the pointer
        // has the place that is told, in bytes.
        let result = unsafe {
            odbc_sys::SQLGetInfoW(
                self.connection.as_sys(),
                information,
                name.as_mut_ptr().cast(),
                (UNITS * size_of::<u16>()) as i16,
                null_mut(),
            )
        };
        let known = matches!(result, SqlReturn::SUCCESS | SqlReturn::SUCCESS_WITH_INFO);
        let name = name.split(|unit| *unit == 0).next().filter(|_| known).unwrap_or_default();
        String::from_utf16_lossy(name)
    }

    /// A new statement on this connection.
    pub(super) fn statement(&self) -> Result<Statement<'_>, Failure> {
        match self.connection.allocate_statement() {
            SqlResult::Success(handle) | SqlResult::SuccessWithInfo(handle) => {
                Ok(Statement::new(handle, self.link, self.flavor, self.rereads))
            }
            _ => Err(Failure::Driver { records: records(&*self.connection), late: false }),
        }
    }

    /// Begins or ends a transaction. False where that is done, and has left the session another one than it was.
    pub(super) fn control(&self, control: Control, left: Option<Duration>) -> Result<bool, Failure> {
        match words(self.flavor, control) {
            Some(text) => self.execute(&text, left).map(|()| true),
            None => self.control_by_driver(control),
        }
    }

    /// Runs a text of our own to the end of its results.
    fn execute(&self, text: &str, left: Option<Duration>) -> Result<(), Failure> {
        let mut statement = self.statement()?;
        if let Some(left) = left {
            statement.set_timeout(left);
        }
        statement.execute(text)?;
        while statement.more_results()? {}
        Ok(())
    }

    fn control_by_driver(&self, control: Control) -> Result<bool, Failure> {
        let connection = &*self.connection;
        match control {
            Control::Begin(begin) => {
                if let Some(level) = begin.isolation {
                    self.level.set(self.isolation());
                    self.checked(self.isolate(attribute(level)))?;
                }
                self.checked(connection.set_autocommit(false))?;
                return Ok(true);
            }
            Control::Commit(_) => self.checked(connection.commit())?,
            Control::Rollback(_) => self.checked(connection.rollback())?,
        }
        // Only after the end was confirmed: switching autocommit on commits. From here on nothing that fails undoes it.
        let (Control::Begin(begin) | Control::Commit(begin) | Control::Rollback(begin)) = control;
        let is_automatic = self.checked(connection.set_autocommit(true)).is_ok();
        let is_calmed = match (begin.isolation, self.level.take()) {
            (None, _) => true,
            // It belongs to the session and outlives the transaction.
            (Some(_), Some(before)) => self.checked(self.isolate(before)).is_ok(),
            (Some(_), None) => false,
        };
        Ok(is_automatic && is_calmed)
    }

    /// Sets the level of isolation of the transactions to come.
    fn isolate(&self, level: u32) -> SqlResult<()> {
        // SAFETY: the attribute is an integer, which travels in the pointer itself.
        unsafe {
            self.connection.set_attribute(
                ConnectionAttribute::TXN_ISOLATION,
                level as usize as Pointer,
                IS_UINTEGER,
            )
        }
    }

    /// The level of isolation that the session has, as far as the driver knows it.
    fn isolation(&self) -> Option<u32> {
        let mut level: u32 = 0;
        // SAFETY: the handle is valid and connected, and this attribute is an integer of 32 bits, for which the pointer
        // has the place.
        let result = unsafe {
            odbc_sys::SQLGetConnectAttrW(
                self.connection.as_sys(),
                ConnectionAttribute::TXN_ISOLATION,
                (&raw mut level).cast(),
                IS_UINTEGER,
                null_mut(),
            )
        };
        let told = matches!(result, SqlReturn::SUCCESS | SqlReturn::SUCCESS_WITH_INFO);
        Some(level).filter(|level| told && *level != 0)
    }

    fn checked(&self, result: SqlResult<()>) -> Result<(), Failure> {
        let failed = |records| Err(Failure::Driver { records, late: false });
        match result {
            SqlResult::Success(()) | SqlResult::NoData => Ok(()),
            SqlResult::SuccessWithInfo(()) => {
                let records = records(&*self.connection);
                if records.iter().any(Record::is_error) { failed(records) } else { Ok(()) }
            }
            _ => failed(records(&*self.connection)),
        }
    }

    /// Whether the driver says that it gives values of a fetched block again. Others than psqlODBC say so
    /// too, for kinds of cursor that are not used here.
    pub(super) fn rereads_blocks(&self) -> bool {
        /// `SQL_GD_BLOCK`
        const BLOCK: u32 = 4;
        let mut extensions: u32 = 0;
        // SAFETY: the handle is valid and connected, and this piece of information is an integer of 32
        // bits, for which the pointer has the place.
        let result = unsafe {
            odbc_sys::SQLGetInfoW(
                self.connection.as_sys(),
                InfoType::GetDataExtensions,
                (&raw mut extensions).cast(),
                size_of::<u32>() as i16,
                null_mut(),
            )
        };
        result == SqlReturn::SUCCESS && extensions & BLOCK != 0
    }

    /// The handle, for what only a test asks a driver.
    #[cfg(test)]
    pub(super) fn handle(&self) -> odbc_sys::HDbc {
        self.connection.as_sys()
    }

    /// The name that the driver gives for its database.
    fn database_system(&self) -> String {
        let mut name = Vec::new();
        match self.connection.fetch_database_management_system_name(&mut name) {
            SqlResult::Success(()) | SqlResult::SuccessWithInfo(()) => String::from_utf16_lossy(&name),
            _ => String::new(),
        }
    }
}

impl Drop for Session<'_> {
    /// Disconnects. A handle that the driver will not give back is left to it: freeing it would be an
    /// error, and odbc-api makes a panic of that.
    fn drop(&mut self) {
        let closed =
            |result: SqlResult<()>| matches!(result, SqlResult::Success(()) | SqlResult::SuccessWithInfo(()));
        let mut disconnected = closed(self.connection.disconnect());
        if !disconnected && closed(self.connection.rollback()) {
            disconnected = closed(self.connection.disconnect());
        }
        if disconnected {
            free(HandleType::Dbc, &*self.connection);
        } else {
            log::debug!("an ODBC driver could not disconnect; its connection handle is left to it");
        }
    }
}

/// Frees a handle, and leaves it allocated where that fails.
pub(super) fn free(kind: HandleType, handle: &impl AnyHandle) {
    // SAFETY: the handle is valid, of this kind, and owned by the caller, who keeps it from being dropped
    // again and does not use it after this.
    let result = unsafe { odbc_sys::SQLFreeHandle(kind, handle.as_handle()) };
    if result != SqlReturn::SUCCESS {
        log::debug!("an ODBC {kind:?} handle could not be freed");
    }
}

/// A timeout for a driver: whole seconds, rounded up, never 0 (which means none), and never so many that
/// they become negative in the milliseconds that FreeTDS counts in and aborts the process over.
pub(super) fn whole_seconds(left: Duration) -> u32 {
    const MOST: u64 = 1_000_000;
    let seconds = left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0)).clamp(1, MOST);
    u32::try_from(seconds).unwrap_or(1)
}

/// A new connection handle of the one environment of this library.
fn allocate() -> Result<Connection<'static>, Failure> {
    /// The lock is held while a handle is allocated, never while something waits for a server. The
    /// environment that odbc-api offers would log the server's texts when a login fails.
    static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

    let unavailable = || Error::new(ErrorKind::Io, "the ODBC driver manager gives no handle");
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    let environment = match &mut *slot {
        Some(environment) => environment,
        None => match Environment::new() {
            SqlResult::Success(environment) | SqlResult::SuccessWithInfo(environment) => {
                if environment.declare_version(AttrOdbcVersion::Odbc3_80).is_err() {
                    return Err(unavailable().into());
                }
                slot.insert(environment)
            }
            _ => return Err(unavailable().into()),
        },
    };
    match environment.allocate_connection() {
        SqlResult::Success(connection) | SqlResult::SuccessWithInfo(connection) => {
            let owner = ManuallyDrop::new(connection);
            // SAFETY: the handle is valid, and its former owner is never dropped. Its environment is a
            // static and lives as long as the process.
            Ok(unsafe { Connection::new(owner.as_sys()) })
        }
        _ => Err(unavailable().into()),
    }
}

/// The connection string for the driver that it leads to.
fn complete(address: &Address) -> Result<Secret, Failure> {
    let own = || Secret::new(address.connection_string.expose());
    let freetds = match &address.driver {
        Driver::Named | Driver::FreeTds => return Ok(own()),
        Driver::Source { name, freetds } => {
            return match drivers::of_source(name).filter(|driver| Driver::is_freetds(driver)) {
                None => Ok(own()),
                Some(_) => freetds.clone().map_err(|reason| {
                    let message = format!("the data source of {} cannot be told all", address.description);
                    Error::config(message).with_hint(reason).into()
                }),
            };
        }
        Driver::Installed { freetds } => freetds,
    };
    let installed = drivers::installed();
    let with = |name: &str, text: &Secret| Secret::new(format!("Driver={{{name}}};{}", text.expose()));
    match (drivers::choose(&installed, freetds.is_ok()), freetds) {
        (Some(Choice::Microsoft(name)), _) => Ok(with(name, &address.connection_string)),
        (Some(Choice::FreeTds(name)), Ok(text)) => Ok(with(name, text)),
        (_, refusal) => {
            let message = format!("no ODBC driver for {} is installed", address.description);
            let reason = refusal.as_ref().err().map_or(String::new(), |reason| format!("{reason}; "));
            Err(Error::config(message).with_hint(format!("{reason}{}", listed(&installed))).into())
        }
    }
}

fn driver_connect(connection: &mut Connection<'_>, address: &Address, text: &str) -> SqlResult<()> {
    if !Flavor::of(address.dialect, "").takes_utf8() {
        return connection.connect_with_connection_string(&SqlText::new(text));
    }
    let Ok(length) = i16::try_from(text.len()) else {
        return SqlResult::Error { function: "SQLDriverConnect" };
    };
    // SAFETY: the handle is valid and not connected; the text outlives the call and has `length` bytes;
    // no completed connection string is asked for.
    let result = unsafe {
        odbc_sys::SQLDriverConnect(
            connection.as_sys(),
            null_mut(),
            text.as_ptr(),
            length,
            null_mut(),
            0,
            null_mut(),
            DriverConnectOption::NoPrompt,
        )
    };
    match result {
        SqlReturn::SUCCESS => SqlResult::Success(()),
        SqlReturn::SUCCESS_WITH_INFO => SqlResult::SuccessWithInfo(()),
        _ => SqlResult::Error { function: "SQLDriverConnect" },
    }
}

/// The failure to connect; a driver that is not there is an error in the settings.
fn not_connected(records: Vec<Record>, address: &Address) -> Failure {
    let missing = records.iter().any(|record| {
        matches!(record.state.as_str(), "IM002" | "IM003") || record.text.contains("Can't open lib")
    });
    if !missing {
        return Failure::Driver { records, late: false };
    }
    Failure::Ours(
        Error::config(format!("the ODBC driver or data source of {} is not installed", address.description))
            .with_hint(listed(&drivers::installed()))
            .with_source(DriverText::new(&records, &address.secrets)),
    )
}

/// T-SQL read by the rules of other databases hides what it does: `SELECT 1 EXEC p` would count as reading.
fn not_told_of_sql_server(address: &Address) -> Error {
    Error::config(format!(
        "{} is a SQL Server, whose SQL is another than that of TYPE=odbc",
        address.description
    ))
    .with_hint("set TYPE=sqlserver")
}

fn listed(installed: &[String]) -> String {
    let names = if installed.is_empty() { "none".to_owned() } else { installed.join(", ") };
    format!("drivers that are installed here: {names}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freetds_is_told_its_protocol_unless_the_string_tells_it() {
        assert_eq!(with_protocol("Driver={FreeTDS};Server=x;"), "Driver={FreeTDS};Server=x;TDS_Version=7.4");
        assert_eq!(with_protocol("Driver=FreeTDS;tds_version=8.0"), "Driver=FreeTDS;tds_version=8.0");
        assert_eq!(with_protocol("Driver=SQLite3"), "Driver=SQLite3");
    }

    #[test]
    fn a_drivers_timeout_is_rounded_up_and_neither_none_nor_negative() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(3)), 3);
        assert_eq!(whole_seconds(Duration::MAX), 1_000_000);
    }
}
