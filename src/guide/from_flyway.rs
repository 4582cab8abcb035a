//! Moving from Flyway: what is the same, what has another name, what is missing.
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
//! The rows of `flyway_schema_history` become rows of `schema_version`; its table stays as it is. Flyway's checksum is
//! understood, and each row whose file still agrees with it gets a SHA-256 besides. A migration that failed under
//! Flyway is refused: repair it there first.
//!
//! # Files
//!
//! | Flyway | here |
//! | --- | --- |
//! | `V1.2__desc.sql` | the same. `V1`, `V001` and `V1.0` are one version in both |
//! | `R__desc.sql` | the same: after all versions, and again when its text has changed |
//! | `U1.2__desc.sql` (paid) | the same |
//! | `beforeMigrate.sql`, `afterMigrate.sql` | the same, but only when something is pending (or `afterMigrate.sql` is still owed); Flyway runs them at every `migrate` |
//! | other callbacks, Java migrations, `B…` files | not here; a `.sql` file that is not understood is an error and not ignored, other files are left alone. The rows of `B…` files are taken over |
//! | `V2__x.sql.conf` with `executeInTransaction=false` | `-- batchdb: no-transaction` at the head of the file itself |
//! | `placeholderReplacement=false` | `-- batchdb: no-placeholders` |
//! | `${name}` | the same, out of `MIGRATION_PLACEHOLDERS` or the builder. Names are compared letter by letter, where Flyway ignores case, and none is built in (`${flyway:…}`) |
//! | `GO` | cut at lines `GO`, also `GO 5`, outside of strings and comments |
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
//! | `repair` | `batchdb migrate DB repair`, for one version or all with one trouble: done, forgotten, or the new text accepted |
//! | `clean` | not here, on purpose |
//!
//! # Options
//!
//! | Flyway | here |
//! | --- | --- |
//! | `flyway.url`, `user`, `password` | [`CONNECTION_STRING`](super::settings#connection-strings); SQL Server's JDBC strings work as they are |
//! | `flyway.locations` | `MIGRATIONS_DIR`, or [`embed_migrations!`](crate::embed_migrations) |
//! | `flyway.table` | always `schema_version`, in the first schema of the search path |
//! | `flyway.lockRetryCount` | `MIGRATION_TIMEOUT`, which also bounds each file |
//! | `flyway.outOfOrder` | per file: `-- batchdb: out-of-order` |
//! | `flyway.target` | `batchdb migrate DB up --to VERSION`, [`migrations().to(…)`](crate::Migrations::to) |
//! | `flyway.ignoreMigrationPatterns=*:future` | always: newer versions are a warning |
//!
//! # What is different on purpose
//!
//! * **One lock for the whole run, on a session that waits for nobody.** Flyway locks each migration anew, inside a
//!   transaction on PostgreSQL, which `CREATE INDEX CONCURRENTLY` then waits for without end.
//! * **A file and its row are committed together**, on PostgreSQL too.
//! * **Misnamed files are an error.** Flyway leaves them out unless it is told otherwise.
//! * **Line breaks count in the checksum.** Flyway's does not hash them, so `-- note⏎DELETE FROM t;` and `-- noteDELETE
//!   FROM t;` are one to it. Windows' line ends and a byte order mark still make no difference.
//! * **A repair can be for one version.**
//!
//! # What is missing
//!
//! Other databases than PostgreSQL, SQL Server and SQLite; several schemas under one history; Java callbacks; most of
//! the events for callbacks; cherry picking; reports of drift; and years of use by thousands of teams.
