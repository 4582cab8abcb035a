//! What is answered to which request.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::health::{HealthReport, HealthStatus, health_check_of};
use crate::manager::DatabaseManager;
use crate::telemetry;

/// The page: its style and its script stand in it, so that it needs nothing from anywhere.
const PAGE: &str = include_str!("page.html");

/// For how long a look at the databases is good: however many probes ask, a database is asked once in this time.
const FRESH: Duration = Duration::from_secs(1);

/// How long a look at the databases may take, whatever their own limits are: a job may run statements of an hour, and
/// a probe wants to know now.
const LIMIT: Duration = Duration::from_secs(5);

/// After this long a look says nothing any more: who has to do with a look that is this old is told that nobody knows.
const STALE: Duration = Duration::from_secs(2 * LIMIT.as_secs());

/// What the page may do in a browser: run what stands in it, and ask this listener.
const GUARD: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                     img-src data:";

/// What goes back.
pub(super) struct Answer {
    pub(super) status: u16,
    kind: &'static str,
    pub(super) body: Cow<'static, [u8]>,
}

impl Answer {
    fn new(status: u16, kind: &'static str, body: impl Into<Cow<'static, str>>) -> Answer {
        let body = match body.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Answer { status, kind, body }
    }

    pub(super) fn plain(status: u16, text: &'static str) -> Answer {
        Answer::new(status, "text/plain; charset=utf-8", text)
    }

    /// Its first lines, up to the empty one.
    pub(super) fn head(&self) -> String {
        let Answer { status, kind, body } = self;
        let reason = match status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "",
        };
        let (length, date) = (body.len(), Utc::now().format("%a, %d %b %Y %H:%M:%S GMT"));
        format!(
            "HTTP/1.1 {status} {reason}\r\nDate: {date}\r\nConnection: close\r\nContent-Length: {length}\r\n\
             Content-Type: {kind}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
             Content-Security-Policy: {GUARD}\r\nAllow: GET, HEAD\r\n\r\n"
        )
    }
}

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

    pub(super) fn answer(&self, method: &str, target: &str) -> Answer {
        if !matches!(method, "GET" | "HEAD") {
            return Answer::plain(405, "only GET is answered here\n");
        }
        match target.split('?').next().unwrap_or_default() {
            "/" => Answer::new(200, "text/html; charset=utf-8", PAGE),
            "/metrics" => {
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                Answer::new(200, kind, telemetry::metrics().to_prometheus())
            }
            "/metrics.json" => {
                Answer::new(200, "application/json", telemetry::metrics().to_json().to_string())
            }
            "/healthz" => Answer::plain(200, "ok\n"),
            "/readyz" => {
                let Some(report) = self.look() else {
                    return Answer::plain(
                        503,
                        "the databases are being looked at, and nothing is known of them yet\n",
                    );
                };
                // A program that named no database is ready when it answers.
                let ready = self.ready.is_empty() || report.overall_status == HealthStatus::Healthy;
                Answer::new(if ready { 200 } else { 503 }, "application/json", without_texts(&report))
            }
            _ => Answer::plain(404, "there are /, /metrics, /metrics.json, /healthz and /readyz\n"),
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
