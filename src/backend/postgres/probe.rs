//! Connects to a PostgreSQL server step by step, to find out which step fails: name, TCP, TLS and certificate. No
//! login.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::certificate;
use super::connect::refused_by_tls;
use super::tls::SSL_REQUEST;
use super::verify::{self, Recorder, Verdict};
use crate::backend::reach::{self, Candidate, Found, Told};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::settings::{PostgresTarget, SslMode};

/// Goes as far as it can, and reports each step. Every step ends by `limit` and by `whole`.
pub(in crate::backend) fn probe(target: &PostgresTarget, limit: Duration, whole: Deadline, told: Told<'_>) {
    let step_limit = || Deadline::after(Instant::now(), limit).earlier(whole);
    let (sockets, hosts): (Vec<_>, Vec<_>) =
        target.hosts.iter().cloned().partition(|(host, _)| host.starts_with('/'));
    if hosts.is_empty() {
        reach::step(told, "name", || socket(&sockets));
        return;
    }
    let candidates = reach::step(told, "name", || reach::names(&hosts, step_limit()));
    let Some(candidates) = candidates else { return };
    let reached = reach::step(told, "tcp", || reach::connect(candidates, step_limit()));
    let Some((stream, candidate)) = reached else { return };
    let (target, deadline) = (target.clone(), step_limit());
    reach::step(told, "tls", || {
        let found = reach::unheard(deadline, move || tls(&target, stream, &candidate, deadline))?;
        Ok(((), found))
    });
}

/// Checks the file of a Unix socket, which has no name, TCP or TLS.
fn socket(sockets: &[(String, u16)]) -> Result<((), Found)> {
    let paths: Vec<_> = sockets.iter().map(|(folder, port)| format!("{folder}/.s.PGSQL.{port}")).collect();
    match paths.iter().find(|path| Path::new(path).exists()) {
        Some(path) => Ok(((), Found::fact(format!("the socket {path} is there; no network, no TLS")))),
        None => Err(Error::new(ErrorKind::Connect, format!("there is no socket {}", paths.join(" or ")))),
    }
}

/// A stream whose every read and write ends by the deadline.
struct Timed {
    stream: TcpStream,
    deadline: Deadline,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        match self.deadline.left(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            // The system has no unlimited timeout; no step takes this long.
            left => Ok(left.min(Duration::from_secs(3600))),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn tls(
    target: &PostgresTarget,
    stream: TcpStream,
    candidate: &Candidate,
    deadline: Deadline,
) -> Result<Found> {
    let mode = target.ssl_mode.name();
    let is_near = candidate.address.ip().is_loopback();
    let open = |mut found: Found| {
        if !is_near {
            found.doubt(
                "what is sent, can be read on the way",
                "switch TLS on in the server (`ssl = on`), and say `sslmode=verify-full`",
            );
        }
        found
    };
    if target.ssl_mode == SslMode::Disable {
        return Ok(open(Found::fact("not used (sslmode=disable)")));
    }
    let lost = |error: io::Error| failed(error, deadline);
    let mut stream = Timed { stream, deadline };
    let mut answer = [0];
    stream.write_all(&SSL_REQUEST).and_then(|()| stream.read_exact(&mut answer)).map_err(lost)?;
    match (&answer, target.ssl_mode) {
        (b"S", _) => (),
        (b"N", SslMode::Prefer) => {
            return Ok(open(Found::fact(format!("the server offers none (sslmode={mode} goes on without)"))));
        }
        (b"N", _) => {
            return Err(Error::new(
                ErrorKind::Connect,
                format!("the server offers no TLS, which sslmode={mode} requires"),
            ));
        }
        _ => {
            return Err(Error::new(
                ErrorKind::Connect,
                "what listens there does not answer as PostgreSQL does",
            ));
        }
    }
    let recorder = Arc::new(Recorder::new(target)?);
    let config = verify::config(target, Arc::clone(&recorder) as Arc<_>)?;
    let name = ServerName::try_from(candidate.host.clone())
        .map_err(|error| Error::config("the host's name cannot stand in a certificate").with_source(error))?;
    let connection = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| Error::config("TLS cannot be set up").with_source(error))?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(lost)?;
    }
    let mut found = Found::default();
    if let (Some(version), Some(suite)) =
        (stream.conn.protocol_version(), stream.conn.negotiated_cipher_suite())
    {
        found.and(format!("{version:?}, {:?}", suite.suite()));
    }
    describe(target, &recorder, is_near, found)
}

/// The contents of the certificate, and whether the settings accept it.
fn describe(target: &PostgresTarget, recorder: &Recorder, is_near: bool, mut found: Found) -> Result<Found> {
    let mode = target.ssl_mode.name();
    let Some(Verdict { certificate, in_force, strict }) = recorder.verdict() else {
        found.and("the server showed no certificate");
        return Ok(found);
    };
    certificate::describe(&certificate, &mut found);
    if let Err(error) = in_force {
        // The contents help to find out why it is not accepted.
        return Err(refused_by_tls(&error).at(found.facts.join("; ")));
    }
    match (strict, target.ssl_mode) {
        (Ok(()), SslMode::VerifyFull) => {
            found.and("accepted by sslmode=verify-full: its issuer is trusted, its name right")
        }
        (Ok(()), _) => found.and(format!("sslmode={mode} is in force, and verify-full would accept it too")),
        (Err(_), _) if recorder.checks_issuer() => {
            found
                .and(format!("accepted by sslmode={mode}: its issuer is trusted, its name is not looked at"));
        }
        // On the local machine nobody can stand in between.
        (Err(_), _) if is_near => found.and(format!("sslmode={mode} checks nothing of it")),
        (Err(why), _) => found.doubt(
            format!("nobody checks who the server is (sslmode={mode}): {why}"),
            "give the issuer's certificate by `sslrootcert`, and say `sslmode=verify-full`",
        ),
    }
    Ok(found)
}

fn failed(error: io::Error, deadline: Deadline) -> Error {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return refused_by_tls(tls);
    }
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            Error::timeout(Phase::Connect, deadline.limit())
                .at("the server takes connections and says nothing")
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Error::new(
            ErrorKind::Connect,
            "what listens there ended the connection: it may be no PostgreSQL, or have no place left",
        )
        .with_source(error),
        _ => Error::new(ErrorKind::Connect, "TLS could not be negotiated").with_source(error),
    }
}
