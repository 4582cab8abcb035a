//! A small page and the addresses that Prometheus and Kubernetes ask. With the feature `monitor`.

mod answer;

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tiny_http::Server;

use self::answer::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;

/// How many requests are answered side by side: a slow look at a database must not keep Prometheus waiting.
const WORKERS: usize = 3;

/// How often a worker looks whether it is over.
const LOOK: Duration = Duration::from_millis(200);

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
/// let the cluster's rules say who may ask.
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
    over: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
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
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Io, "the monitor cannot listen on its address")
                .with_hint("is another process there? port 0 takes any that is free")
                .with_source(std::io::Error::other(error))
        };
        let server = Arc::new(Server::http(address).map_err(failed)?);
        let address = server.server_addr().to_ip().ok_or_else(|| {
            Error::new(ErrorKind::Io, "the monitor listens on something that is no IP address")
        })?;
        let site = Arc::new(Site::new(ready.into_iter().cloned().collect()));
        let mut monitor = Monitor { address, over: Arc::default(), workers: Vec::new() };
        for number in 0..WORKERS {
            let (server, site, over) = (Arc::clone(&server), Arc::clone(&site), Arc::clone(&monitor.over));
            let named = thread::Builder::new().name(format!("batchdb-monitor-{number}"));
            let worker =
                named.spawn(move || serve(&server, &site, &over)).map_err(|error| failed(error.into()))?;
            monitor.workers.push(worker);
        }
        Ok(monitor)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn serve(server: &Server, site: &Site, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        match server.recv_timeout(LOOK) {
            Ok(Some(request)) => {
                let answer = site.answer(request.method(), request.url());
                // Who has asked and gone away is nobody's loss.
                let _ = request.respond(answer);
            }
            Ok(None) => (),
            Err(error) => {
                log::warn!("the monitor lost its listener: {error}");
                return;
            }
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            // A worker that panicked has told so by itself.
            let _ = worker.join();
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("address", &self.address).finish_non_exhaustive()
    }
}
