//! The command `batchdb`: what it does, and how a program does the same.
//!
//! 1. [Before the first connection](#before-the-first-connection)
//! 2. [Waiting](#waiting)
//! 3. [Diagnosis](#diagnosis)
//! 4. [Health, status and queries](#health-status-and-queries)
//! 5. [Files and copies](#files-and-copies)
//! 6. [How fast is it from here?](#how-fast-is-it-from-here)
//! 7. [Exit codes](#exit-codes)
//!
//! Install it with the feature `cli`: `cargo install --path . --features cli`. It reads the same settings as programs
//! do, uses only the public API of this crate, and prints no password. `batchdb help COMMAND` shows examples; `batchdb
//! completions bash` prints shell completions, `batchdb man query` a manual page.
//!
//! # Before the first connection
//!
//! ```sh
//! batchdb check
//! batchdb --environment production check rpa_db --flow rpa1
//! ```
//!
//! `check` connects to nothing. For every setting it prints the value in force, where it comes from (a line of the
//! file, an environment variable, the default, the connection string itself), which other places it overrides, and
//! which `${VAR}` it uses. If something is wrong, it prints all problems at once. It never prints secrets. A program
//! uses [`Settings::sources`](crate::Settings::sources):
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
//! When containers start together, a job is often up before its databases. `wait` returns when each database has
//! answered a query, or when the time is over (exit code 75). It says on standard error why it waits, once for each new
//! reason. With `--migrated` it also waits until another program has applied all migrations. It does not wait for wrong
//! settings (78), which do not heal by themselves, or after a refused login (1), which could lock the account. It does
//! wait if the command for the secret fails, because the vault may come up meanwhile.
//!
//! # Diagnosis
//!
//! ```sh
//! batchdb doctor rpa_db
//! ```
//!
//! `doctor` tests every step of a connection in order, says which step fails and what to do about it, and warns about
//! things that work only by luck. It changes nothing, and ends within `--limit` whatever the server does.
//!
//! | step | checks | finds, for example |
//! | --- | --- | --- |
//! | `settings` | where the database is, and where that is written | a variable that the shell has and the service has not |
//! | `driver` | ODBC: which drivers are installed, which one is used | a driver name that is not installed |
//! | `file` | SQLite: file and folder, and whether they can be written | a relative path in another working directory |
//! | `name` | the addresses of each host; the file of a Unix socket | a host name that only another network knows |
//! | `tcp` | each address until one accepts a connection | nothing listens there; a firewall that drops packets |
//! | `tls` | PostgreSQL: whether the server offers TLS, its certificate (for whom, by whom, until when), whether the `sslmode` accepts it and whether `verify-full` would | an unknown issuer, a different name, a certificate that expires soon |
//! | `login` | user, password, database and the server's access rules, with a new connection | a password that was changed |
//! | `permissions` | what the user may do in its schema | migrations without the right to create tables |
//! | `round trip` | the median time of 21 round trips | a server on another continent |
//! | `server` | its version, its limits against the pool's sizes, its timeouts, isolation, whether it takes writes, encoding | `max_connections` below `POOL_SIZE`; a standby |
//! | `clock` | the difference between the server's clock and this machine's | `now()` differs from the program's own time |
//! | `migrations` | what is applied, pending, failed | a deployment without its migrations |
//! | `versions` | shows the versions of this crate and the driver | |
//!
//! With SQL Server the ODBC driver handles encryption itself; the step `server` says whether the connection is
//! encrypted, if the login may see that. A program does the same with [`diagnose`](crate::DatabaseManager::diagnose):
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
//! # Health, status and queries
//!
//! ```sh
//! batchdb health --watch 5s
//! batchdb pool rpa_db --watch
//! batchdb migrate rpa_db status
//! batchdb query rpa_db 'SELECT * FROM job WHERE id = :id' -p id=7
//! batchdb query rpa_db 'SELECT * FROM job WHERE id IN (:ids)' -p 'ids:=[7,8]' --csv
//! ```
//!
//! `query`, `pool` and `export` open read-only sessions; `query` writes with `--write`. A parameter `-p name=text` is
//! sent as a text, which the server converts to the type that it needs; `-p name:=JSON` is a number, null or a list.
//! `pool` shows the server's view of the connections of all programs. For the pool inside one program use
//! [`pool_status`](crate::DatabaseManager::pool_status) or the [monitor](super::monitoring#the-monitor).
//!
//! # Files and copies
//!
//! ```sh
//! batchdb export rpa_db 'SELECT * FROM job ORDER BY id' --to jobs.csv
//! batchdb import rpa_db customer customers.csv --rename 'Kunden-Nr.=customer_id'
//! batchdb copy --from SurveyHub 'SELECT * FROM survey_responses' --to rpa_db staging.survey
//! ```
//!
//! These work as described in [`large_data`](super::large_data): rows are streamed, and a file or a load is complete or
//! not there at all. Ctrl-C and SIGTERM end all three in an orderly way. On a terminal a bar shows the progress,
//! elsewhere a line every ten seconds.
//!
//! # How fast is it from here?
//!
//! ```sh
//! batchdb bench rpa_db --for 20s --threads 8
//! ```
//!
//! `bench` queries one row by its key and inserts one row, again and again, in a temporary table that nobody else sees.
//! It shows the rate per second and the 50th, 95th and 99th percentile of the time. The server does not need to write a
//! temporary table to disk, so an insert into a real table takes longer by the time of its commit.
//!
//! # Exit codes
//!
//! | code | of | meaning |
//! | --- | --- | --- |
//! | 0 | all | done; healthy; nothing is wrong |
//! | 1 | all | failed; unhealthy; `doctor` stopped at a step |
//! | 2 | `health`, `doctor` | degraded; it works, and something should be looked at |
//! | 3 | `migrate` | migrations are pending, and nothing is wrong |
//! | 64 | all | the command line is wrong (`migrate`: 2) |
//! | 75 | all | failed, nothing happened, and the same command may succeed later; `wait`: the time is over |
//! | 78 | all | the settings are wrong |
//! | 130 | `migrate`, `query`, `export`, `import`, `copy`, `wait`, `health`, `pool`, `bench` | stopped by Ctrl-C or SIGTERM |
