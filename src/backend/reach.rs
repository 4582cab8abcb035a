//! The way to a server's port, name and TCP, within a deadline; and what is told of it to who asks why it is closed.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::context::{self, Missed};
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};

/// What a step of the way has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What is so.
    pub(crate) facts: Vec<String>,
    /// What works and should be looked at, each with what to do.
    pub(crate) doubts: Vec<(String, String)>,
}

impl Found {
    pub(crate) fn fact(fact: impl Into<String>) -> Found {
        Found { facts: vec![fact.into()], doubts: Vec::new() }
    }

    pub(crate) fn and(&mut self, fact: impl Into<String>) {
        self.facts.push(fact.into());
    }

    pub(crate) fn doubt(&mut self, what: impl Into<String>, advice: impl Into<String>) {
        self.doubts.push((what.into(), advice.into()));
    }
}

/// Is told of each step (`driver`, `file`, `name`, `tcp`, `tls`), with how long it took; the first error is the end of the
/// way.
pub(crate) type Told<'t> = &'t mut dyn FnMut(&'static str, Duration, Result<Found>);

/// Makes one step and tells of it; `None` is the end of the way.
pub(super) fn step<T>(
    told: Told<'_>,
    name: &'static str,
    work: impl FnOnce() -> Result<(T, Found)>,
) -> Option<T> {
    let began = Instant::now();
    let (value, outcome) = match work() {
        Ok((value, found)) => (Some(value), Ok(found)),
        Err(error) => (None, Err(error)),
    };
    told(name, began.elapsed(), outcome);
    value
}

/// Looks a name up on a thread of its own: the system's resolver takes no limit, and took 12 s with
/// `connect_timeout=1`.
pub(super) fn look_up(host: &str, port: u16, deadline: Deadline) -> Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![address]);
    }
    deadline.left_for(Phase::Resolve, Instant::now())?;
    let name: Arc<str> = Arc::from(host);
    let asked = Arc::clone(&name);
    let found = context::apart("batchdb-resolve", deadline, move || {
        (&*asked, port).to_socket_addrs().map(|all| all.map(|one| one.ip()).collect::<Vec<_>>())
    });
    let unknown = |error: io::Error| {
        Error::new(ErrorKind::Connect, format!("the host name \"{name}\" cannot be resolved"))
            .with_effect(Effect::NotSent)
            .with_source(error)
    };
    match found {
        Ok(Ok(mut addresses)) => {
            addresses.dedup();
            if addresses.is_empty() { Err(unknown(io::Error::other("no address"))) } else { Ok(addresses) }
        }
        Ok(Err(error)) => Err(unknown(error)),
        Err(Missed::NoThread(error)) => Err(no_thread(error)),
        Err(Missed::Late | Missed::Panicked) => Err(context::in_force(deadline).passed(Phase::Resolve)),
    }
}

/// The error where the system gives no thread for a step of the way.
pub(super) fn no_thread(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "a thread cannot be started").with_source(error)
}

/// A place that may be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The name in the settings.
    pub(super) host: String,
    pub(super) address: SocketAddr,
}

/// The addresses of all hosts, in their order. A host without any is a doubt where another has some.
///
/// # Errors
///
/// Of the last host, when none has an address.
pub(super) fn names(hosts: &[(String, u16)], deadline: Deadline) -> Result<(Vec<Candidate>, Found)> {
    let (mut candidates, mut found, mut last) = (Vec::new(), Found::default(), None);
    for (host, port) in hosts {
        match look_up(host, *port, deadline) {
            Ok(addresses) => {
                let listed: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
                if listed.as_slice() != [host.as_str()] {
                    found.and(format!("{host} is {}", listed.join(", ")));
                }
                let candidate = |ip| Candidate { host: host.clone(), address: SocketAddr::new(ip, *port) };
                candidates.extend(addresses.into_iter().map(candidate));
            }
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) if candidates.is_empty() => Err(error),
        Some(error) => {
            found.doubt(
                error.to_string(),
                "take the host out of the settings, or give it a name that is known",
            );
            Ok((candidates, found))
        }
        None => {
            if found.facts.is_empty() {
                found.and("the settings have addresses, and no names");
            }
            Ok((candidates, found))
        }
    }
}

/// Makes a step that ends by the deadline and hears nothing on the way: where the thread's work can be told to stop
/// meanwhile, on another thread, which may be left behind.
///
/// # Errors
///
/// Of the step, and when it was not waited for.
pub(super) fn unheard<T: Send + 'static>(
    deadline: Deadline,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if !deadline.shrinks() {
        return work();
    }
    context::apart("batchdb-reach", deadline, work).unwrap_or_else(|missed| match missed {
        Missed::NoThread(error) => Err(no_thread(error)),
        Missed::Late | Missed::Panicked => Err(context::in_force(deadline).passed(Phase::Connect)),
    })
}

/// Connects to the first of the places that takes a connection. Those before it are doubts.
///
/// # Errors
///
/// `Connect` or a timeout, with what each of the places said, when none does.
pub(super) fn connect(
    candidates: Vec<Candidate>,
    deadline: Deadline,
) -> Result<((TcpStream, Candidate), Found)> {
    unheard(deadline, move || connect_in_turn(&candidates, deadline))
}

fn connect_in_turn(candidates: &[Candidate], deadline: Deadline) -> Result<((TcpStream, Candidate), Found)> {
    let mut refusals: Vec<Error> = Vec::new();
    for (number, candidate) in candidates.iter().enumerate() {
        let left = deadline.left_for(Phase::Connect, Instant::now())?;
        // A place that is silent must leave time for the next.
        let places = u32::try_from(candidates.len() - number).unwrap_or(u32::MAX);
        let share = if deadline.at().is_some() { left / places } else { left };
        match TcpStream::connect_timeout(&candidate.address, share.max(Duration::from_millis(1))) {
            Ok(stream) => {
                let mut found = Found::fact(format!("{} takes connections", candidate.address));
                for refusal in refusals {
                    found.doubt(
                        refusal.to_string(),
                        "calls try it each time before they go on to the next: put the one that answers first",
                    );
                }
                return Ok(((stream, candidate.clone()), found));
            }
            Err(error) => refusals.push(refused(candidate, share, error)),
        }
    }
    let kind = refusals.last().map_or(ErrorKind::Config, Error::kind);
    let texts: Vec<_> = refusals.iter().map(Error::report).collect();
    match texts.is_empty() {
        true => Err(Error::config("the connection string names no host")),
        false => Err(Error::new(kind, texts.join("; ")).with_effect(Effect::NotSent)),
    }
}

fn refused(candidate: &Candidate, share: Duration, error: io::Error) -> Error {
    let address = candidate.address;
    let what = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("{address} refused the connection: nothing listens there")
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            return Error::timeout(Phase::Connect, share).at(address);
        }
        _ => format!("{address} cannot be reached"),
    };
    Error::new(ErrorKind::Connect, what).with_effect(Effect::NotSent).with_source(error)
}
