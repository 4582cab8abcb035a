//! Moving from Flyway: what is the same, what has a different name, what is missing.
//!
//! 1. [Taking over](#taking-over)
//! 2. [Files](#files)
//! 3. [Commands](#commands)
//! 4. [Options](#options)
//! 5. [What is different on purpose](#what-is-different-on-purpose)
//! 6. [What is missing](#what-is-missing)
//!
//! # Taking over
//!
//! ```sh
//! batchdb migrate rpa_db baseline --from flyway
//! batchdb migrate rpa_db status
//! ```
//!
//! or in the program, once:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, ForeignHistory};
//!
//! let rows = DatabaseManager::new("rpa_db")?.migrations().baseline_from(ForeignHistory::Flyway)?;
//! println!("{rows} migrations taken over");
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! The rows of `flyway_schema_history` are copied to `schema_version`; Flyway's table stays unchanged. Flyway's
//! checksums are understood, and each row whose file still matches its checksum also gets a SHA-256. If the history
//! contains a failed migration, taking over is refused: repair it with Flyway first.
//!
//! # Files
//!
//! | Flyway | here |
//! | --- | --- |
//! | `V1.2__desc.sql` | the same. `V1`, `V001` and `V1.0` are one version in both |
//! | `R__desc.sql` | the same: after all versions, and again when its text has changed |
//! | `U1.2__desc.sql` (paid) | the same |
//! | `beforeMigrate.sql`, `afterMigrate.sql` | the same, but only when something is pending (or `afterMigrate.sql` is still owed); Flyway runs them at every `migrate` |
//! | other callbacks, Java migrations, `B…` files | not supported; an unknown `.sql` file is an error, other files are ignored. The rows of `B…` files are taken over |
//! | `V2__x.sql.conf` with `executeInTransaction=false` | `-- batchdb: no-transaction` at the head of the file itself |
//! | `placeholderReplacement=false` | `-- batchdb: no-placeholders` |
//! | `${name}` | the same; the values come from `MIGRATION_PLACEHOLDERS` or the builder. Names are case-sensitive (Flyway ignores case), and there are no built-in ones (`${flyway:…}`) |
//! | `GO` | the file is split at `GO` lines, also `GO 5`, outside strings and comments |
//! | sub-folders of a location | not searched; `.sql` files in them are an error |
//!
//! # Commands
//!
//! | Flyway | here |
//! | --- | --- |
//! | `migrate` | `batchdb migrate DB up`, [`run_migrations`](crate::DatabaseManager::run_migrations) |
//! | `info` | `batchdb migrate DB status` |
//! | `validate` | `batchdb migrate DB validate`; every run validates first |
//! | `undo` (paid) | `batchdb migrate DB undo --to VERSION` |
//! | `migrate -dryRunOutput` (paid) | `batchdb migrate DB plan` shows the SQL, `up --dry-run` runs it and rolls back |
//! | `baseline` | `batchdb migrate DB baseline VERSION` |
//! | `repair` | `batchdb migrate DB repair`, for one version or all with the same problem: accept as done, forget, or accept the new text |
//! | `clean` | not supported, on purpose |
//!
//! # Options
//!
//! | Flyway | here |
//! | --- | --- |
//! | `flyway.url`, `user`, `password` | [`CONNECTION_STRING`](super::settings#connection-strings); SQL Server's JDBC strings work as they are |
//! | `flyway.locations` | `MIGRATIONS_DIR`, or [`embed_migrations!`](crate::embed_migrations) |
//! | `flyway.table` | always `schema_version`, in the first schema of the search path |
//! | `flyway.lockRetryCount` | `MIGRATION_TIMEOUT`, which also limits each file |
//! | `flyway.outOfOrder` | per file: `-- batchdb: out-of-order` |
//! | `flyway.target` | `batchdb migrate DB up --to VERSION`, [`migrations().to(…)`](crate::Migrations::to) |
//! | `flyway.ignoreMigrationPatterns=*:future` | always on: newer versions are only a warning |
//!
//! # What is different on purpose
//!
//! * **One lock for the whole run, outside any transaction.** Flyway takes a lock for each migration, on PostgreSQL
//!   inside a transaction, and `CREATE INDEX CONCURRENTLY` then waits for that transaction for ever.
//! * **A file and its history row are committed together**, on PostgreSQL too.
//! * **Misnamed files are an error.** Flyway ignores them by default.
//! * **Line breaks count in the checksum.** Flyway's checksum ignores them, so to it `-- note⏎DELETE FROM t;` and `--
//!   noteDELETE FROM t;` are the same. The style of line ends (Windows or Unix) and a byte order mark still make no
//!   difference.
//! * **A repair can be limited to one version.**
//!
//! # What is missing
//!
//! Databases other than PostgreSQL, SQL Server and SQLite; several schemas in one history; Java callbacks; most
//! callback events; cherry picking; drift reports; and years of use by thousands of teams.
