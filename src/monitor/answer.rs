//! What is answered to which request.

use std::io::Cursor;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use tiny_http::{Header, Method, Response};

use crate::health::{HealthReport, HealthStatus, health_check_of};
use crate::manager::DatabaseManager;
use crate::telemetry;

type Answer = Response<Cursor<Vec<u8>>>;

/// The page: its style and its script stand in it, so that it needs nothing from anywhere.
const PAGE: &str = include_str!("page.html");

/// For how long a look at the databases is good: however many probes ask, a database is asked once in this time.
const FRESH: Duration = Duration::from_secs(1);

/// How long a look at the databases may take, whatever their own limits are: a job may run statements of an hour, and
/// a probe wants to know now.
const LIMIT: Duration = Duration::from_secs(5);

/// After this long a look says nothing any more: who has to do with a look that is this old is told that nobody knows.
const STALE: Duration = Duration::from_secs(2 * LIMIT.as_secs());

/// What the monitor knows beside the metrics.
pub(super) struct Site {
    ready: Vec<DatabaseManager>,
    /// The last look at them.
    last: Mutex<Option<(Instant, HealthReport)>>,
    /// Held by who looks, so that there is one look at a time.
    turn: Mutex<()>,
}

impl Site {
    pub(super) fn new(ready: Vec<DatabaseManager>) -> Site {
        let ready = ready.iter().map(|db| db.with_deadline(LIMIT)).collect();
        Site { ready, last: Mutex::new(None), turn: Mutex::new(()) }
    }

    pub(super) fn answer(&self, method: &Method, url: &str) -> Answer {
        if !matches!(method, Method::Get | Method::Head) {
            return plain(405, "only GET is answered here\n");
        }
        match url.split('?').next().unwrap_or_default() {
            "/" => content(200, PAGE, "text/html; charset=utf-8"),
            "/metrics" => {
                content(200, telemetry::metrics().to_prometheus(), "text/plain; version=0.0.4; charset=utf-8")
            }
            "/metrics.json" => content(200, telemetry::metrics().to_json().to_string(), "application/json"),
            "/healthz" => plain(200, "ok\n"),
            "/readyz" => {
                let Some(report) = self.look() else {
                    return plain(
                        503,
                        "the databases are being looked at, and nothing is known of them yet\n",
                    );
                };
                // A program that named no database is ready when it answers.
                let ready = self.ready.is_empty() || report.overall_status == HealthStatus::Healthy;
                content(if ready { 200 } else { 503 }, without_texts(&report), "application/json")
            }
            _ => plain(404, "there are /, /metrics, /metrics.json, /healthz and /readyz\n"),
        }
    }

    /// What the databases are like; `None` while they are being looked at, and the last look was long ago or never.
    ///
    /// Only who looks waits for a silent server. All others get what was seen last: were they to wait too, a few probes
    /// for readiness would take all workers, and the probe for liveness would have the program killed.
    fn look(&self) -> Option<HealthReport> {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |seen: &(Instant, HealthReport)| seen.0.elapsed() < FRESH;
        if let Some((_, report)) = last().as_ref().filter(|seen| fresh(seen)) {
            return Some(report.clone());
        }
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let seen = last();
                return seen
                    .as_ref()
                    .filter(|seen| seen.0.elapsed() < STALE)
                    .map(|(_, report)| report.clone());
            }
        };
        let report = health_check_of(self.ready.iter().map(|db| (db.name(), Ok(db.clone()))));
        *last() = Some((Instant::now(), report.clone()));
        Some(report)
    }
}

/// The report without the words of the drivers, which may quote data: whoever asks here has not logged in.
fn without_texts(report: &HealthReport) -> String {
    let mut json = report.to_json();
    let databases = json.get_mut("databases").and_then(|databases| databases.as_object_mut());
    for database in databases.into_iter().flatten().filter_map(|(_, database)| database.as_object_mut()) {
        if database.get("error").is_some_and(|error| !error.is_null()) {
            database.insert("error".to_owned(), "see the log of the program".into());
        }
    }
    json.to_string()
}

fn plain(status: u16, text: &str) -> Answer {
    content(status, text, "text/plain; charset=utf-8")
}

fn content(status: u16, text: impl Into<String>, kind: &str) -> Answer {
    let guard = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                 img-src data:";
    let mut answer = Response::from_data(text.into().into_bytes()).with_status_code(status);
    for (name, value) in [
        ("Content-Type", kind),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", guard),
        ("Allow", "GET, HEAD"),
    ] {
        // Names and values of ours are ASCII, so each is a header.
        if let Ok(header) = Header::from_bytes(name, value) {
            answer.add_header(header);
        }
    }
    answer
}
