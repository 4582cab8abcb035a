//! Opening a connection within a deadline: name, TCP, TLS and login.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::Level;
use log::kv::Value;
use postgres::config::{SslMode as DriverSslMode, SslNegotiation};
use postgres::error::{DbError, Severity};
use postgres::{Client, Config};
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;

use super::cancel::CancelRequest;
use super::classify;
use super::connection::PgConnection;
use super::runtime;
use super::tls::Connector;
use super::watchdog::{Control, Watched};
use crate::backend;
use crate::backend::notices::Notices;
use crate::backend::reach::{look_up, no_thread};
use crate::context::{self, Missed};
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::log_line;
use crate::settings::{PostgresTarget, Settings, scrub};

/// TCP keepalive and user timeout: a peer that stopped answering is noticed after half a minute on an idle connection,
/// and after ten seconds if sent bytes are not acknowledged. The system's defaults are two hours and about a quarter of
/// an hour.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
#[cfg(target_os = "linux")]
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// This crate's lexer takes a backslash in a plain string literally, and so must the server, whatever the settings of
/// the database or the role say. Sent with the login, the setting costs no round trip, and `RESET ALL` goes back to it.
const PLAIN_BACKSLASH: &str = "-c standard_conforming_strings=on";

/// Asks the server to refuse writes.
const READ_ONLY: &str = "SET default_transaction_read_only = on;";

/// The same as a statement, if it could not be sent with the login. A server without this setting always takes a
/// backslash literally.
const SET_PLAIN_BACKSLASH: &str = "SELECT pg_catalog.set_config(name, 'on', false) \
     FROM pg_catalog.pg_settings WHERE name = 'standard_conforming_strings' AND setting = 'off';";

/// Opens connections to one PostgreSQL database.
pub(in crate::backend) struct PostgresConnector {
    target: PostgresTarget,
    connector: Connector,
    /// Host, database and user, for messages.
    description: String,
    statement_cache: usize,
    read_only: bool,
    /// The other side accepts no options with a login, like some poolers.
    takes_no_options: AtomicBool,
}

impl PostgresConnector {
    /// # Errors
    ///
    /// `Config`, when the certificate files of the settings cannot be used.
    pub(in crate::backend) fn new(target: &PostgresTarget, settings: &Settings) -> Result<PostgresConnector> {
        Ok(PostgresConnector {
            connector: Connector::new(target)?,
            target: target.clone(),
            description: settings.target().describe(),
            statement_cache: settings.statement_cache,
            read_only: settings.read_only,
            takes_no_options: AtomicBool::new(false),
        })
    }

    /// The driver's settings, without the address.
    fn config(&self, notices: &Notices, with_options: bool) -> Config {
        let target = &self.target;
        let mut config = Config::new();
        if let Some(user) = &target.user {
            config.user(user);
        }
        if let Some(password) = &target.password {
            config.password(password.expose());
        }
        let options = target.options.as_deref().into_iter().chain(with_options.then_some(PLAIN_BACKSLASH));
        let options = options.collect::<Vec<_>>().join(" ");
        if !options.is_empty() {
            config.options(&options);
        }
        config
            .dbname(&target.dbname)
            .application_name(&target.application_name)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES)
            .notice_callback(told_to(notices.clone()));
        #[cfg(target_os = "linux")]
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
        config
    }

    /// One attempt at one address.
    fn attempt(
        &self,
        mut config: Config,
        place: &Place,
        deadline: Deadline,
    ) -> Result<(Client, Watched, Connector)> {
        let left = deadline.left_for(Phase::Connect, Instant::now())?;
        let control = Control::watched();
        let connector = self.connector.for_stream(control.abort_handle());
        match place {
            Place::Tcp { host, address, port } => {
                config
                    .host(host)
                    .hostaddr(*address)
                    .port(*port)
                    .connect_timeout(left)
                    .ssl_mode(DriverSslMode::Require)
                    .ssl_negotiation(SslNegotiation::Direct);
            }
            // A Unix socket has no host name, so the driver does not ask our connector: it cannot be cut.
            #[cfg(unix)]
            Place::Unix { folder, port } => {
                config.host_path(folder).port(*port).ssl_mode(DriverSslMode::Disable);
            }
            #[cfg(not(unix))]
            Place::Unix { folder, port } => {
                let what =
                    format!("there are no Unix sockets on this system, so not that of {folder}:{port}");
                return Err(Error::config(what).with_hint("name a host"));
            }
        }
        control.arm(deadline);
        let outcome = opened(PostgresConnectionManager::new(config, connector.clone()), &control, deadline)?;
        let in_time = control.disarm();
        match outcome {
            Ok(client) if in_time => Ok((client, control, connector)),
            Ok(client) => {
                control.abort_handle().abort();
                drop(client);
                Err(context::in_force(deadline).passed(Phase::Connect))
            }
            Err(error) => Err(connect_error(&error, in_time, deadline)),
        }
    }

    /// One attempt; and another one without our options, if these were refused.
    fn log_in(
        &self,
        notices: &Notices,
        place: &Place,
        deadline: Deadline,
    ) -> Result<(Client, Watched, Connector)> {
        let with_options = !self.takes_no_options.load(Ordering::Relaxed);
        match self.attempt(self.config(notices, with_options), place, deadline) {
            Err(error) if with_options && refuses_options(&error) => {
                self.takes_no_options.store(true, Ordering::Relaxed);
                self.attempt(self.config(notices, false), place, deadline)
            }
            outcome => outcome,
        }
    }

    /// The first statements of a session.
    fn opening(&self) -> Arc<str> {
        let plain = if self.takes_no_options.load(Ordering::Relaxed) { SET_PLAIN_BACKSLASH } else { "" };
        let read_only = if self.read_only { READ_ONLY } else { "" };
        [plain, read_only].concat().into()
    }

    /// A server may quote in its answer what it was sent.
    fn without_password(&self, error: Error) -> Error {
        let (Some(password), Some(source)) = (&self.target.password, std::error::Error::source(&error))
        else {
            return error;
        };
        let said = source.to_string();
        let clean = scrub(&said, std::slice::from_ref(password));
        if clean == said { error } else { error.with_source(io::Error::other(clean)) }
    }

    fn try_all(&self, deadline: Deadline) -> Result<PgConnection> {
        let mut last = None;
        for (index, (host, port)) in self.target.hosts.iter().enumerate() {
            let places = match Place::resolve(host, *port, deadline) {
                Ok(places) => places,
                Err(error) => {
                    last = Some(error);
                    continue;
                }
            };
            let (more_hosts, count) = (self.target.hosts.len() - index - 1, places.len());
            for (number, place) in places.into_iter().enumerate() {
                let share = share_of(deadline, count - number + more_hosts);
                let notices = Notices::default();
                match self.log_in(&notices, &place, share) {
                    Ok((client, control, connector)) => {
                        control.set_cancel(CancelRequest { token: client.cancel_token(), connector });
                        let mut connection =
                            PgConnection::new(client, control, notices, self.statement_cache, self.opening());
                        connection.set_up(deadline, Phase::Connect)?;
                        return Ok(connection);
                    }
                    // The next address is tried only if this one cannot be reached: the same password would be refused
                    // there too, and count as another failed login.
                    Err(error) if matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout(_)) => {
                        last = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::config("the connection string names no host")))
    }
}

impl backend::Connector for PostgresConnector {
    fn connect(&self, deadline: Deadline) -> Result<Box<dyn backend::Connection>> {
        runtime::refuse_async()?;
        let started = Instant::now();
        match self.try_all(deadline) {
            Ok(connection) => Ok(Box::new(connection)),
            Err(error) => {
                log_line::event(
                    Level::Warn,
                    &format!("connecting to {} failed", self.description),
                    &[
                        ("kind", Value::from_display(&error.kind())),
                        ("duration_ms", log_line::milliseconds(started.elapsed()).into()),
                    ],
                );
                Err(self.without_password(error).at(&self.description))
            }
        }
    }
}

/// Lets the driver connect. Its TCP connect has a limit of its own, but cannot be interrupted. If the calling thread
/// can be cancelled meanwhile, another thread makes the connection; it can be left behind, and ends at that limit.
///
/// # Errors
///
/// When the driver's result is not known.
fn opened(
    manager: Manager,
    control: &Control,
    deadline: Deadline,
) -> Result<Result<Client, postgres::Error>> {
    if !deadline.shrinks() {
        return Ok(manager.connect());
    }
    context::apart("batchdb-connect", deadline, move || manager.connect()).map_err(|missed| match missed {
        Missed::NoThread(error) => no_thread(error).with_effect(Effect::NotSent),
        Missed::Panicked => {
            Error::new(ErrorKind::Connect, "the driver failed in a way that it cannot report")
                .with_effect(Effect::NotSent)
        }
        Missed::Late => {
            // The connection that it may open later is not used.
            control.abort_handle().abort();
            context::in_force(deadline).passed(Phase::Connect)
        }
    })
}

type Manager = PostgresConnectionManager<Connector>;

/// Receives the server's notices. Their text may quote values, so it goes only to a listener that has asked for it.
fn told_to(notices: Notices) -> impl Fn(DbError) + Send + Sync + 'static {
    move |notice| {
        let level = match notice.parsed_severity() {
            Some(Severity::Warning) => Level::Warn,
            Some(Severity::Debug | Severity::Log) => Level::Debug,
            _ => Level::Info,
        };
        if !notices.tell(level, &format!("{}: {}", notice.severity(), notice.message())) {
            log::debug!("notice of the server: {} {}", notice.severity(), notice.code().code());
        }
    }
}

/// The deadline of one attempt when so many addresses are still to be tried: a silent address must leave time for the
/// next.
fn share_of(deadline: Deadline, places: usize) -> Deadline {
    let now = Instant::now();
    match u32::try_from(places) {
        Ok(places) if places > 1 && deadline.at().is_some() => {
            Deadline::after(now, deadline.left(now) / places).earlier(deadline)
        }
        _ => deadline,
    }
}

/// Whether a login was refused because of its options. PgBouncer, Amazon's proxy and a server without the setting say
/// so only in the message text; their codes also mean other things, such as a wrong password.
fn refuses_options(error: &Error) -> bool {
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    ["startup parameter", "command-line options", "standard_conforming_strings"]
        .iter()
        .any(|words| said.contains(words))
}

/// One place to connect to.
enum Place {
    Tcp { host: String, address: IpAddr, port: u16 },
    Unix { folder: String, port: u16 },
}

impl Place {
    fn resolve(host: &str, port: u16, deadline: Deadline) -> Result<Vec<Place>> {
        if host.starts_with('/') {
            return Ok(vec![Place::Unix { folder: host.to_owned(), port }]);
        }
        let addresses = look_up(host, port, deadline)?;
        Ok(addresses.into_iter().map(|address| Place::Tcp { host: host.to_owned(), address, port }).collect())
    }
}

fn connect_error(error: &postgres::Error, in_time: bool, deadline: Deadline) -> Error {
    let deadline = context::in_force(deadline);
    if !in_time {
        return deadline.passed(Phase::Connect);
    }
    if let Some(database) = error.as_db_error() {
        let error = classify::from_db_error(database);
        // No statement was sent yet, whatever this code means for open sessions.
        return match error.kind() {
            ErrorKind::OutcomeUnknown | ErrorKind::Database => {
                error.with_kind(ErrorKind::Connect).with_effect(Effect::NotSent)
            }
            _ => error,
        };
    }
    let cause = root_io(error);
    if matches!(cause, Some((io::ErrorKind::TimedOut, _))) {
        return deadline.passed(Phase::Connect);
    }
    if let Some(refused) = tls_error(error) {
        return refused;
    }
    let what = match cause {
        Some((io::ErrorKind::ConnectionRefused, _)) => "the connection was refused: nothing listens there",
        Some((io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof, _)) => {
            "the server closed the connection during the login"
        }
        _ => "the connection cannot be opened",
    };
    let detail = cause.map_or_else(|| error.to_string(), |(_, text)| text);
    Error::new(ErrorKind::Connect, what).with_effect(Effect::NotSent).with_source(io::Error::other(detail))
}

/// Why TLS failed, and what to do about it. A retry would not help.
fn tls_error(error: &postgres::Error) -> Option<Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        // An I/O error returns its inner error this way, and not as a source.
        if let Some(content) = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            if let Some(ours) = content.downcast_ref::<Error>() {
                return Some(ours.clone());
            }
            if let Some(tls) = content.downcast_ref::<rustls::Error>() {
                return Some(refused_by_tls(tls));
            }
        }
        cause = inner.source();
    }
    None
}

pub(super) fn refused_by_tls(error: &rustls::Error) -> Error {
    use rustls::CertificateError as Certificate;

    let (what, hint) = match error {
        rustls::Error::InvalidCertificate(reason) => (
            "the server's certificate was not accepted",
            match reason {
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                    "connect by a name that stands in the certificate; `sslmode=verify-ca` looks at no name"
                }
                Certificate::UnknownIssuer => "name the file of the issuer's certificate by `sslrootcert`",
                _ => "the source of this error says what is wrong with it",
            },
        ),
        rustls::Error::AlertReceived(_) => (
            "the server ended the TLS handshake",
            "it may want another client certificate: `sslcert` and `sslkey`",
        ),
        _ => ("TLS could not be negotiated", "the source of this error says what went wrong"),
    };
    Error::new(ErrorKind::Connect, what)
        .with_effect(Effect::Final)
        .with_hint(hint)
        .with_source(io::Error::other(error.to_string()))
}

/// The I/O error at the root of the driver's, as kind and text.
fn root_io(error: &postgres::Error) -> Option<(io::ErrorKind, String)> {
    let mut cause = std::error::Error::source(error);
    let mut found = None;
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            found = Some((io.kind(), io.to_string()));
        }
        cause = inner.source();
    }
    found
}
