//! Migrations: kinds of files, what a run promises, undoing, repairing, beginning with a database that exists.
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
//! They lie in `migrations/{database}`:
//!
//! | name | what it is |
//! | --- | --- |
//! | `V003__Add_index.sql` | applied once. Versions are numbers with dots or underscores between them, compared as numbers: `V2` comes before `V10`, and `V1`, `V001` and `V1.0` are one version |
//! | `U003__Add_index.sql` | undoes it |
//! | `R__Survey_summary.sql` | repeatable: applied after all versions, and again whenever its text has changed. For views and functions: `CREATE OR REPLACE` |
//! | `beforeMigrate.sql`, `afterMigrate.sql` | run around a run that has something to do; what `afterMigrate.sql` still owes, because it failed or the run ended before it, the next run does even when nothing is pending |
//!
//! A name that begins with `README` is passed over, also where it ends in `.sql`. Any other `.sql` file there is an error, and so is one in a folder inside: neither a slip in a name nor a wrong place may
//! keep a migration from being run. Comments at the head of a file say how it wants to be run; one that is meant so and has no
//! colon, stands between `/*` and `*/` or below the first statement is an error with its line:
//!
//! ```sql
//! -- batchdb: no-transaction, timeout=2h
//! CREATE INDEX CONCURRENTLY idx_job_name ON job (name);
//! ```
//!
//! | directive | what it asks for |
//! | --- | --- |
//! | `no-transaction` | statement by statement, each committed by itself; for what no transaction allows (`CREATE INDEX CONCURRENTLY`, `VACUUM`, `ALTER DATABASE`) |
//! | `timeout=10m` | a limit of its own, in place of `MIGRATION_TIMEOUT` |
//! | `lock-timeout=5s` | a limit on each wait for a lock of a table, so that a migration does not stop everybody behind it. PostgreSQL and SQL Server |
//! | `out-of-order` | it may run after newer versions |
//! | `no-placeholders` | `${…}` means nothing in it |
//!
//! `${name}` is replaced by what `MIGRATION_PLACEHOLDERS` or
//! [`placeholder`](crate::DatabaseManagerBuilder::placeholder) says; one without a value is an error. The file is hashed as
//! it is written, so another value is no change. T-SQL is cut at lines `GO`, with or without a count, outside of strings
//! and comments.
//!
//! # A run
//!
//! Before anything runs, all files are compared with the table `schema_version`, and everything that is wrong is told at
//! once: misnamed, changed, missing, out of order, a statement that has no place in a transaction. A checkout with other line
//! ends or a byte order mark is no change. A version above all files was applied by a later release: it is told as a warning,
//! and an earlier release starts all the same. Then the lock is taken, which is a session's, polled, named after its holder when
//! it is waited for, and gone with its process. Behind a pooler in transaction mode such a lock holds nothing, and whatever
//! needs it is refused. SQLite has no such locks; there a connection of its own locks a small database beside the file,
//! `data.db-migrate-lock`, which stays and may be deleted when nobody migrates. Other databases behind ODBC are refused: of
//! them nobody could promise that a failed file leaves nothing behind.
//!
//! Each file and its row are committed together. What the database says meanwhile (`RAISE NOTICE`, `PRINT`) is in the log as
//! it comes, and each file leaves a line with its duration. What a file sets does not reach the next one; but on SQL Server
//! `DATEFORMAT`, `DATEFIRST`, `LANGUAGE`, `IDENTITY_INSERT` and `EXECUTE AS` do, and on SQLite every pragma but `foreign_keys`:
//! a file that sets them sets them back. `schema_version_history` is only added to: every run, failure,
//! undo and repair.
//!
//! # When a file fails
//!
//! ```text
//! rpa_db: run_migrations failed: "V003__Add.sql" failed at line 4, column 13; nothing of it was kept, and the files after it
//! were not run [SQLSTATE 42P01]: in `INSERT INTO nowhere VALUES (1)`: …: ERROR: relation "nowhere" does not exist
//! ```
//!
//! Line and column are those of the file. [`Display`](std::fmt::Display) says the first sentence, which quotes nothing;
//! [`report`](crate::Error::report) adds the statement and the server's words. A file without a transaction keeps what came
//! before the failure, and its row says that it failed: nothing runs before that was repaired. As long as it runs its row says
//! so too, because a program that is killed cannot say it any more; the status tells the two apart by the lock.
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
//! A dry run takes the locks and the time of a real one, and checks after each file what its commit would check. Files without a transaction are not in it.
//!
//! # Undoing
//!
//! `db.undo_migrations("V002")` undoes what is above, the newest first, each file in a transaction with its row. When one of
//! the files is missing, nothing runs. Repeatable migrations are forgotten, and applied by the next run.
//! `testing::assert_round_trip` goes up, down and up again on a scratch database and compares the schemas.
//!
//! # Repairing
//!
//! [`repair`](crate::Migrations::repair) changes the history and nothing else, for one version or for all with the same
//! trouble: what failed is accepted as done, or forgotten and run again; the text that a file has now is accepted; what has lost
//! its file is forgotten (the newest version by its name alone: a later release may have it; and where there is no file of any
//! version, nothing is, because the folder is the wrong one). A repeatable migration's text is accepted by its name alone. A version that somebody has made
//! by hand is recorded without being run. Where an undo without a transaction failed, accepting it as done takes the version
//! out, and forgetting the attempt leaves it applied.
//!
//! # A database that exists
//!
//! `db.migrations().baseline("V012")` says that everything up to there is in the database.
//! [`baseline_from`](crate::Migrations::baseline_from) takes over the history of Flyway, whose checksums are understood, or of
//! Pyway, whose table may have the name `schema_version`: it is then renamed. Of Flyway's folders and baselines (`B…`) the rows
//! are taken over; the files have to lie in one folder, without those that begin with `B`. A repeatable migration whose name
//! has more than 50 characters is left out, with a warning, and applied again under a shorter name. On SQL Server both tools
//! wrote local time, which becomes UTC by the distance that the server has from it today.
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
//! `batchdb migrate rpa_db status`, and `plan`, `up`, `undo --to`, `validate`, `repair`, `baseline`, `new "Add phone"`. The exit
//! code is 0 when all is fine, 1 for a failure or a problem, 2 for a wrong command line, 3 when migrations are pending: a gate
//! in a pipeline needs no more. It is 130 when the run was told to stop, by Ctrl-C or SIGTERM: the file under way is undone,
//! those before it stay, and the next run goes on from there. A file without a transaction is one to `repair`.
