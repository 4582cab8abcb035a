//! Diagnosis of a connection: settings, name, TCP, TLS, login, and questions to the server.
//!
//! Nothing is changed, and each step ends in time, whatever the server does.

mod advice;
mod postgres;
mod report;
mod sql;
mod sqlite;
mod sqlserver;

pub use report::{Diagnosis, DiagnosisStep, StepOutcome};

use std::time::{Duration, Instant};

use chrono::Utc;

use crate::backend::{self, Found};
use crate::context;
use crate::deadline::Deadline;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::health::ServerHealth;
use crate::manager::DatabaseManager;
use crate::migrate::MigrationState;
use crate::settings::{MigrateOnStart, Origin};

impl DatabaseManager {
    /// Tests the connection to the database step by step, within `limit`. It never returns an error: the step that
    /// fails is the last one of the diagnosis, with advice on what to do.
    ///
    /// The steps are `settings`; for ODBC `driver`, and `file` or what can be found out about the server; `name`, `tcp`
    /// and `tls` with the server's certificate; `login`, by a new connection; `permissions`, `round trip`, `server`,
    /// `clock`, `migrations` and `versions`. `told` is called with each step as soon as it is done. Nothing is changed,
    /// and `MIGRATE_ON_START` is ignored.
    ///
    /// `CONNECT_TIMEOUT` limits each of the steps up to the login, and `TIMEOUT` each statement.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// let diagnosis = db.diagnose(Duration::from_secs(30), |step| println!("{}: {}", step.name, step.outcome));
    /// if let Some(step) = diagnosis.failed() {
    ///     println!("it stops at {}: {}", step.name, step.problems.join("; "));
    ///     println!("{}", step.advice.join("; "));
    /// }
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    pub fn diagnose(&self, limit: Duration, told: impl FnMut(&DiagnosisStep)) -> Diagnosis {
        let whole = Deadline::after(Instant::now(), limit).earlier(context::deadline());
        let mut way = Way { db: self, whole, steps: Vec::new(), told };
        way.walk();
        let steps = way.steps;
        Diagnosis {
            database_name: self.name().to_owned(),
            verdict: steps.iter().map(|step| step.outcome).max().unwrap_or(StepOutcome::Passed),
            steps,
            timestamp: Utc::now(),
        }
    }
}

/// A walk that is under way.
struct Way<'d, T> {
    db: &'d DatabaseManager,
    whole: Deadline,
    steps: Vec<DiagnosisStep>,
    told: T,
}

impl<T: FnMut(&DiagnosisStep)> Way<'_, T> {
    fn walk(&mut self) {
        self.step("settings", |way| Ok(way.settings()));
        let (db, whole) = (self.db, self.whole);
        backend::probe(db.settings(), whole, &mut |name, took, outcome| {
            self.note(name, took, outcome);
        });
        if self.has_failed() {
            return;
        }
        let mut driver = None;
        self.step("login", |way| {
            let (found, known) = way.login()?;
            driver = known;
            Ok(found)
        });
        if self.has_failed() {
            return;
        }
        self.ask();
        if self.has_failed() {
            return;
        }
        self.step("migrations", Way::migrations);
        self.step("versions", |_| Ok(versions(driver.as_deref())));
    }

    fn has_failed(&self) -> bool {
        self.steps.last().is_some_and(|step| step.outcome == StepOutcome::Failed)
    }

    /// Makes a step within what is left of the whole.
    fn step(&mut self, name: &'static str, work: impl FnOnce(&mut Self) -> Result<Found>) {
        let began = Instant::now();
        let phase = if name == "login" { Phase::Connect } else { Phase::Query };
        let outcome = self.whole.left_for(phase, began).and_then(|_| work(self));
        self.note(name, began.elapsed(), outcome);
    }

    /// Records and reports a step. Only an error that would stop a program ends the diagnosis.
    fn note(&mut self, name: &'static str, took: Duration, outcome: Result<Found>) {
        let settings = self.db.settings();
        let mut step = DiagnosisStep::new(name, took);
        match outcome {
            Ok(found) => {
                step.facts = found.facts;
                (step.problems, step.advice) = found.doubts.into_iter().unzip();
                if !step.problems.is_empty() {
                    step.outcome = StepOutcome::Warning;
                }
            }
            Err(error) => {
                step.outcome = if ends(name, &error) { StepOutcome::Failed } else { StepOutcome::Warning };
                step.problems.push(settings.scrub(&error.report()));
                step.advice.push(advice::on(name, &error, settings.dialect()).to_owned());
                let left = self.whole.left(Instant::now());
                if name == "login"
                    && let Some((_, says)) = ServerHealth::of_closed(&self.db.with_deadline(left), &error)
                {
                    step.problems.push(says);
                }
            }
        }
        (self.told)(&step);
        self.steps.push(step);
    }

    fn settings(&self) -> Found {
        let settings = self.db.settings();
        let mut found = Found::fact(settings.describe());
        let way_in =
            ["CONNECTION_STRING", "CONNECTION_STRING_FILE", "CONNECTION_STRING_COMMAND", "PASSWORD_FILE"];
        for setting in way_in.iter().filter_map(|key| settings.source(key)) {
            if setting.origin != Origin::Unset {
                found.and(format!("{} from {}", setting.key, setting.origin));
            }
        }
        found
    }

    /// Logs in with a new connection, because one of the pool may be old, and the pool remembers failures.
    fn login(&self) -> Result<(Found, Option<String>)> {
        let settings = self.db.settings();
        let limit = Deadline::after(Instant::now(), settings.connect_timeout).earlier(self.whole);
        let mut connection = backend::connector(settings)?.connect(limit)?;
        connection.ping(limit)?;
        Ok((Found::fact("the server has let us in"), connection.driver()))
    }

    /// All questions in one session.
    fn ask(&mut self) {
        let db = self.db;
        let left = self.whole.left(Instant::now());
        let asked = db.with_deadline(left).session_without_hook(|session| {
            let dialect = session.dialect()?;
            for (name, question) in sql::questions(dialect) {
                self.step(name, |way| question(session, way.db.settings()));
                if self.has_failed() {
                    break;
                }
            }
            Ok::<_, Error>(())
        });
        if let Err(error) = asked {
            self.note("session", Duration::ZERO, Err(error));
        }
    }

    fn migrations(&mut self) -> Result<Found> {
        let (db, settings) = (self.db, self.db.settings());
        if settings.is_read_only() {
            return Ok(Found::fact("a database that is READ_ONLY has none"));
        }
        if settings.dialect() == Dialect::Odbc {
            return Ok(Found::fact(
                "PostgreSQL, SQL Server and SQLite are migrated, and this is none of them",
            ));
        }
        let status = db.with_deadline(self.whole.left(Instant::now())).migration_status()?;
        let version = status.current_version.as_deref().unwrap_or("none");
        let mut found = Found::fact(format!("the version is {version}, {} applied", status.total_migrations));
        if status.history.iter().any(|row| row.state == MigrationState::Failed) {
            found.doubt("a migration has failed", "see `batchdb migrate DB status`, then `repair`");
        }
        if !status.pending_migrations.is_empty() {
            let pending = format!("pending: {}", status.pending_migrations.join(", "));
            match settings.migrate_on_start() {
                MigrateOnStart::Run => {
                    found.and(format!("{pending}; applied on the first connection of a program"))
                }
                _ => found.doubt(pending, "apply them: `batchdb migrate DB up`"),
            }
        }
        Ok(found)
    }
}

/// Whether this error ends the diagnosis. A query that the user is not allowed to run, or that the server does not
/// know, does not.
fn ends(step: &str, error: &Error) -> bool {
    let before_sql = ["settings", "driver", "file", "name", "tcp", "tls", "login", "session"].contains(&step);
    let is_lost = matches!(
        error.kind(),
        ErrorKind::Timeout(_)
            | ErrorKind::Connect
            | ErrorKind::Cancelled
            | ErrorKind::Closed
            | ErrorKind::Checkout
    );
    before_sql || is_lost
}

fn versions(driver: Option<&str>) -> Found {
    let mut found = Found::fact(format!("batchdb {}", env!("CARGO_PKG_VERSION")));
    found.and(match driver {
        Some(driver) => format!("driver {driver}"),
        None => "PostgreSQL's protocol by the crate `postgres`, TLS by rustls: no client library".to_owned(),
    });
    found
}
