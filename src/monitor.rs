//! A small page and the addresses that Prometheus and Kubernetes ask. With the feature `monitor`.

mod answer;
mod http;
mod listener;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use self::answer::Site;
use self::listener::Guests;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;

/// For how long the end waits for what is under way. Who looks at a silent database may take longer, and answers
/// nobody.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long the listener may take to hear that it is over.
const WAKE: Duration = Duration::from_millis(200);

/// A listener that tells how this process and its databases are, for as long as it lives.
///
/// | address | answer |
/// | --- | --- |
/// | `/` | a page for people: rates, latencies, pools and the last errors, live |
/// | `/metrics` | [`Metrics`](crate::Metrics) in the text form of Prometheus |
/// | `/metrics.json` | the same as JSON |
/// | `/healthz` | 200 as long as the process answers: a liveness probe |
/// | `/readyz` | 200 when every database that was named to it is healthy, else 503, with the report: a readiness probe |
///
/// It is meant for the machine or the cluster that the program runs on: there is no login, and no value and no secret
/// of the program's in any answer. An address of the loopback reaches nobody else; in a container take `0.0.0.0` and
/// let the cluster's rules say who may ask. Whoever may ask can make it slow at worst: what is read of a request and
/// what is kept of it have bounds, and so has the time that one may take.
///
/// ```no_run
/// use batchdb::{DatabaseManager, Monitor};
///
/// let rpa = DatabaseManager::new("rpa_db")?;
/// let monitor = Monitor::serve("127.0.0.1:9187", [&rpa])?;
/// println!("http://{}/", monitor.address());
/// // The job runs here, and the monitor ends with `monitor`.
/// # Ok::<(), batchdb::Error>(())
/// ```
#[must_use = "it ends when it is dropped"]
pub struct Monitor {
    address: SocketAddr,
    guests: Arc<Guests>,
}

impl Monitor {
    /// Listens on an address such as `127.0.0.1:9187`; port 0 is any that is free. `ready` are the databases without
    /// which the program is not ready.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when the address cannot be listened on.
    pub fn serve<'d>(
        address: impl ToSocketAddrs,
        ready: impl IntoIterator<Item = &'d DatabaseManager>,
    ) -> Result<Monitor> {
        let failed = |error: io::Error| {
            Error::new(ErrorKind::Io, "the monitor cannot listen on its address")
                .with_hint("does another process use the port? port 0 chooses a free one")
                .with_source(error)
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let site = Arc::new(Site::new(ready.into_iter().cloned().collect()));
        let guests = listener::start(listener, site).map_err(failed)?;
        Ok(Monitor { address, guests })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address by which this machine reaches it.
    fn reachable(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.guests.send_home();
        // The listener waits for a connection and for nothing else, so this is how it hears.
        if let Err(error) = TcpStream::connect_timeout(&self.reachable(), WAKE) {
            log::debug!("the monitor's listener was not woken, and ends with the next request: {error}");
        }
        self.guests.wait_until_gone(GOODBYE);
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("address", &self.address).finish_non_exhaustive()
    }
}
