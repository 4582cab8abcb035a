//! Migrations: kinds of files, what a run guarantees, undoing, repairing, and starting with an existing database.
//!
//! 1. [Files](#files)
//! 2. [A run](#a-run)
//! 3. [When a file fails](#when-a-file-fails)
//! 4. [Looking first](#looking-first)
//! 5. [Undoing](#undoing)
//! 6. [Repairing](#repairing)
//! 7. [A database that exists](#a-database-that-exists)
//! 8. [One file to deploy](#one-file-to-deploy)
//! 9. [From the shell](#from-the-shell)
//!
//! # Files
//!
//! They are in the folder `migrations/{database}`:
//!
//! | name | what it is |
//! | --- | --- |
//! | `V003__Add_index.sql` | a version: applied once. Version numbers may have dots or underscores and are compared as numbers: `V2` comes before `V10`, and `V1`, `V001` and `V1.0` are the same version |
//! | `U003__Add_index.sql` | undoes that version |
//! | `R__Survey_summary.sql` | repeatable: applied after all versions, and again whenever its text has changed. For views and functions: `CREATE OR REPLACE` |
//! | `beforeMigrate.sql`, `afterMigrate.sql` | run before and after a run that has something to apply. If `afterMigrate.sql` failed, or the run ended before it, the next run runs it even when nothing else is pending |
//!
//! Files whose name begins with `README` are ignored. Any other `.sql` file in the folder or in a subfolder is an
//! error, because a misspelled or misplaced file must not silently stay unapplied.
//!
//! Directives, in comments above the first statement, say how a file is to be run. A directive without the colon,
//! inside `/* */`, or below the first statement is an error that names the line:
//!
//! ```sql
//! -- batchdb: no-transaction, timeout=2h
//! CREATE INDEX CONCURRENTLY idx_job_name ON job (name);
//! ```
//!
//! | directive | meaning |
//! | --- | --- |
//! | `no-transaction` | run statement by statement, each committed by itself; for statements that cannot run in a transaction (`CREATE INDEX CONCURRENTLY`, `VACUUM`, `ALTER DATABASE`) |
//! | `timeout=10m` | a time limit for this file, in place of `MIGRATION_TIMEOUT` |
//! | `lock-timeout=5s` | a limit on each wait for a table lock, so that a waiting migration does not block everybody behind it. PostgreSQL and SQL Server |
//! | `out-of-order` | it may run after newer versions |
//! | `no-placeholders` | `${…}` is not replaced in this file |
//!
//! `${name}` is replaced by the value from `MIGRATION_PLACEHOLDERS` or from the builder's
//! [`placeholder`](crate::DatabaseManagerBuilder::placeholder); a placeholder without a value is an error. The checksum
//! is that of the file as written, so a different value does not count as a changed file. T-SQL is split at `GO` lines,
//! with or without a count, outside strings and comments.
//!
//! # A run
//!
//! **Checks.** Before anything runs, all files are compared with the table `schema_version`, and all problems are
//! reported at once: files that are misnamed, changed, missing or out of order, and statements that cannot run in a
//! transaction. Different line ends or a byte order mark do not count as a change. If the database has a version newer
//! than all files, a later release has applied it: that is only a warning, so an earlier release still starts.
//!
//! **The lock.** Then the run takes a lock, so that only one runner works at a time. The lock belongs to the session
//! and ends with its process. Waiting runners poll it, and their messages name the holder. Behind a pooler in
//! transaction mode such a lock protects nothing, so migrations are refused there. SQLite has no such locks; there a
//! second connection locks a small database beside the file, `data.db-migrate-lock`, which stays and may be deleted
//! when nobody migrates. Other databases through ODBC are refused, because a failed file might leave something behind
//! on them.
//!
//! **The files.** Each file is committed together with its row in `schema_version`. Messages of the database (`RAISE
//! NOTICE`, `PRINT`) are logged as they come, and each file leaves a log line with its duration. Session settings that
//! a file changes do not reach the next file, with exceptions: on SQL Server `DATEFORMAT`, `DATEFIRST`, `LANGUAGE`,
//! `IDENTITY_INSERT` and `EXECUTE AS`, on SQLite every pragma except `foreign_keys`. A file that changes one of these
//! must set it back. The table `schema_version_history` records every run, failure, undo and repair; rows are only ever
//! added to it.
//!
//! # When a file fails
//!
//! ```text
//! rpa_db: run_migrations failed: "V003__Add.sql" failed at line 4, column 13; nothing of it was kept, and the files after it
//! were not run [SQLSTATE 42P01]: in `INSERT INTO nowhere VALUES (1)`: …: ERROR: relation "nowhere" does not exist
//! ```
//!
//! Line and column are those of the file. [`Display`](std::fmt::Display) shows the first sentence, which quotes
//! nothing; [`report`](crate::Error::report) adds the statement and the server's words. A file with `no-transaction`
//! keeps what was done before the failure, and its row says that it failed; no migration runs until that is
//! [repaired](#repairing). Its row says "failed" already while the file runs, because a killed program could not write
//! that any more. The status shows `Running` for such a row as long as somebody holds the lock.
//!
//! # Looking first
//!
//! ```no_run
//! let db = batchdb::DatabaseManager::new("rpa_db")?;
//! for step in db.plan_migrations()?.steps {
//!     println!("{}\n{}", step.file, step.sql);
//! }
//! db.migrations().dry_run()?; // runs them in one transaction, and rolls back
//! assert!(db.validate_migrations()?.is_valid());
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! `plan_migrations` and `validate_migrations` change nothing and run nothing. A dry run takes the locks and the time
//! of a real run, and after each file checks the deferred constraints, as its commit would. It leaves out files with
//! `no-transaction`.
//!
//! # Undoing
//!
//! `db.undo_migrations("V002")` undoes all versions above V002, the newest first, each undo file in a transaction with
//! its history row. If one of the undo files is missing, nothing runs. Repeatable migrations are removed from the
//! history, so that the next run applies them again. For tests, `testing::assert_round_trip` migrates a scratch
//! database up, down and up again, and compares the schemas.
//!
//! # Repairing
//!
//! [`repair`](crate::Migrations::repair) changes the history and nothing else, for one version or for all with the same
//! problem:
//! * [`AcceptAsDone`](crate::Repair::AcceptAsDone): a failed migration counts as applied, because somebody has finished
//!   it by hand. A named version that was never run is recorded as applied, without running it. A failed undo counts as
//!   done: its version is no longer applied.
//! * [`Forget`](crate::Repair::Forget): a failed migration is removed from the history, so that it runs again. So is a
//!   version whose file is missing. Without a name, `Forget` leaves two things alone: versions newer than all files,
//!   which a later release may have applied; and everything, with an error, if there is no file of any version, because
//!   then the folder is probably the wrong one. For a failed undo only the attempt is removed: its version still counts
//!   as applied.
//! * [`AcceptText`](crate::Repair::AcceptText): the present text of a changed file counts as the one that was applied.
//!   A repeatable migration must be named.
//!
//! # A database that exists
//!
//! `db.migrations().baseline("V012")` records that the database already has everything up to V012.
//! [`baseline_from`](crate::Migrations::baseline_from) takes over the history of another tool:
//! * Flyway: its checksums are understood. Rows of subfolders and of baseline files (`B…`) are taken over too, but all
//!   files must be in one folder, without the `B…` files.
//! * Pyway: if its table is called `schema_version`, it is renamed.
//!
//! A repeatable migration whose name has more than 50 characters is left out with a warning; give it a shorter name,
//! and it is applied again. On SQL Server both tools stored local time; it is converted to UTC by the server's present
//! UTC offset.
//!
//! # One file to deploy
//!
//! [`embed_migrations!`](crate::embed_migrations) compiles a folder into the program:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, EmbeddedMigrations, embed_migrations};
//!
//! static MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/rpa_db");
//!
//! let db = DatabaseManager::builder("rpa_db").migrations(MIGRATIONS).build()?;
//! db.run_migrations()?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! # From the shell
//!
//! `batchdb migrate rpa_db status`, and likewise `plan`, `up`, `undo --to`, `validate`, `repair`, `baseline`, `new "Add
//! phone"`. The exit code is 0 when all is fine, 1 for a failure or a problem, 2 for a wrong command line, 3 when
//! migrations are pending. It is 130 when the run was stopped by Ctrl-C or SIGTERM: the file under way is rolled back,
//! earlier files stay, and the next run goes on from there. If the file under way had `no-transaction`, `repair` it
//! first.
