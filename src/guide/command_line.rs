//! The command `batchdb`: what it does for whoever runs a job, and how a program does the same.
//!
//! 1. [Before the first connection](#before-the-first-connection)
//! 2. [Waiting](#waiting)
//! 3. [Where does it stop?](#where-does-it-stop)
//! 4. [Looking and changing](#looking-and-changing)
//! 5. [Files and copies](#files-and-copies)
//! 6. [How fast is it from here?](#how-fast-is-it-from-here)
//! 7. [Exit codes](#exit-codes)
//!
//! It is the feature `cli`: `cargo install --path . --features cli`. It reads the same settings as programs do, uses the
//! public face of this crate and nothing else, and prints no password. `batchdb help COMMAND` has examples;
//! `batchdb completions bash` and `batchdb man query` make the rest of what a command should bring along.
//!
//! # Before the first connection
//!
//! ```sh
//! batchdb check
//! batchdb --environment production check rpa_db --flow rpa1
//! ```
//!
//! `check` connects to nothing. It prints every setting with what is in force and the place that it comes from (a line
//! of the file, a variable of the process, the default, the connection string itself), which weaker places it goes
//! before, and which `${VAR}` stand in it; or all that is wrong at once. What a secret is it does not print. A program
//! asks [`Settings::sources`](crate::Settings::sources):
//!
//! ```
//! use batchdb::{DatabaseManager, Origin};
//!
//! let db = DatabaseManager::builder("rpa_db").connection_string("postgresql://job@localhost/rpa").build()?;
//! let attempts = db.settings().source("RETRY_ATTEMPTS").expect("a key of the reference");
//! assert_eq!((attempts.value.as_deref(), attempts.origin), (Some("3"), Origin::Default("RETRY_ATTEMPTS")));
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! # Waiting
//!
//! ```sh
//! batchdb wait rpa_db SurveyHub --for 60s && batchdb migrate rpa_db up && exec ./job
//! ```
//!
//! Where containers start together, a job is often there before its databases. `wait` returns when each of them has
//! answered a query, or when the time is over (75), and says on standard error why it waits, once for each new reason.
//! `--migrated` waits for the migrations that somebody else applies. Wrong settings (78) and a refused login (1) are not
//! waited for: the one does not heal by itself, and the other could lock the account. A command for the secret that fails is,
//! because the vault may come up meanwhile.
//!
//! # Where does it stop?
//!
//! ```sh
//! batchdb doctor rpa_db
//! ```
//!
//! `doctor` goes the way of a connection step by step, says at which it stops and what to do about it, and warns of what
//! works by luck. It changes nothing, and ends by `--limit` whatever the server does.
//!
//! | step | looks at | such as |
//! | --- | --- | --- |
//! | `settings` | where the database is, and where that is written | a variable that the shell has and the service has not |
//! | `driver` | ODBC: which drivers are installed, which one is taken | a name that is not there |
//! | `file` | SQLite: file and folder, and whether they can be written | a relative path in another working directory |
//! | `name` | addresses of each host; the file of a Unix socket | a name of another network |
//! | `tcp` | each address until one takes a connection | nothing listens there; a firewall that drops packets |
//! | `tls` | PostgreSQL: whether the server offers it, its certificate (for whom, by whom, until when), what the `sslmode` makes of that and what `verify-full` would | an unknown issuer, another name, a last day that is near |
//! | `login` | user, password, database, the server's rules, by a new connection | a password that was changed |
//! | `permissions` | what the user may do in its schema | migrations without the right to create tables |
//! | `round trip` | the median of 21 | a server on another continent |
//! | `server` | its version, its limits against the pool's sizes, its timeouts, isolation, whether it takes writes, encoding | `max_connections` below `POOL_SIZE`; a standby |
//! | `clock` | the difference of the two clocks | `now()` that does not fit to the program's own time |
//! | `migrations` | what is applied, pending, failed | a deployment without its migrations |
//! | `versions` | this crate, the driver | |
//!
//! How a SQL Server's driver encrypts is the driver's own business: the step `server` says whether it does, where the
//! login may see that. A program does the same by [`diagnose`](crate::DatabaseManager::diagnose):
//!
//! ```no_run
//! use std::time::Duration;
//!
//! let db = batchdb::DatabaseManager::new("rpa_db")?;
//! if let Some(step) = db.diagnose(Duration::from_secs(20), |_| ()).failed() {
//!     eprintln!("rpa_db stops at {}: {}", step.name, step.advice.join("; "));
//! }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! # Looking and changing
//!
//! ```sh
//! batchdb health --watch 5s
//! batchdb pool rpa_db --watch
//! batchdb migrate rpa_db status
//! batchdb query rpa_db 'SELECT * FROM job WHERE id = :id' -p id=7
//! batchdb query rpa_db 'SELECT * FROM job WHERE id IN (:ids)' -p 'ids:=[7,8]' --csv
//! ```
//!
//! `query`, `pool` and `export` open read-only sessions; a write needs `--write`. A parameter `name=text` is read by the
//! server as the type that it needs, and `name:=JSON` is a number, null or a list. `pool` shows what the server sees of
//! all programs: the pool of one is told by its own [`pool_status`](crate::DatabaseManager::pool_status) and by its
//! [monitor](super::monitoring#the-monitor).
//!
//! # Files and copies
//!
//! ```sh
//! batchdb export rpa_db 'SELECT * FROM job ORDER BY id' --to jobs.csv
//! batchdb import rpa_db customer customers.csv --rename 'Kunden-Nr.=customer_id'
//! batchdb copy --from SurveyHub 'SELECT * FROM survey_responses' --to rpa_db staging.survey
//! ```
//!
//! What the page [`large_data`](super::large_data) says holds: rows are streamed, a file or a load is there as a whole
//! or not at all. Ctrl-C and SIGTERM end all three in an orderly way. On a terminal a bar shows how far they are, and
//! anywhere else a line every ten seconds.
//!
//! # How fast is it from here?
//!
//! ```sh
//! batchdb bench rpa_db --for 20s --threads 8
//! ```
//!
//! Queries for one row by its key and inserts of one row, in a temporary table that nobody else sees: how many a second,
//! and how long 50, 95 and 99 of a hundred took at most. The server need not write such a table to the disk, so an
//! insert into a real one takes as much longer as its commit does.
//!
//! # Exit codes
//!
//! | code | of | means |
//! | --- | --- | --- |
//! | 0 | all | done; healthy; nothing is wrong |
//! | 1 | all | failed; unhealthy; `doctor` stopped at a step |
//! | 2 | `health`, `doctor` | degraded; it works, and something should be looked at |
//! | 3 | `migrate` | migrations are pending, and nothing is wrong |
//! | 64 | all | the command line is wrong (`migrate`: 2) |
//! | 75 | all | failed, nothing happened, and the same again may succeed; the time of `wait` is over |
//! | 78 | all | the settings are wrong |
//! | 130 | `migrate`, `query`, `export`, `import`, `copy`, `wait`, `health`, `pool`, `bench` | told to stop |
