//! Kubernetes: probes, secrets, waiting for databases, migrations, replicas that share work, and being stopped.
//!
//! 1. [The manifests](#the-manifests)
//! 2. [Settings and secrets](#settings-and-secrets)
//! 3. [Waiting for the databases](#waiting-for-the-databases)
//! 4. [Migrations](#migrations)
//! 5. [Probes](#probes)
//! 6. [Being stopped](#being-stopped)
//! 7. [Replicas that share work](#replicas-that-share-work)
//!
//! # The manifests
//!
//! `examples/kubernetes` has them, for the example `replicated_survey`:
//!
//! | file | what it is |
//! | --- | --- |
//! | `Dockerfile` | one image: the programs, the migrations, the ODBC drivers; no root, no shell needed to start |
//! | `settings.yaml` | a ConfigMap with what is no secret, and a Secret with what is |
//! | `migrate.yaml` | a Job that applies the migrations once before a release |
//! | `worker.yaml` | a Deployment of three replicas with probes, which claim rows of one queue |
//! | `job.yaml` | an indexed Job of three, which ends when everything is done |
//!
//! Their names, addresses and passwords are placeholders. A test reads them as YAML and holds every key against the
//! library's own.
//!
//! # Settings and secrets
//!
//! What is no secret is an environment variable out of the ConfigMap. A secret is best a mounted file, because
//! variables are inherited by every child process, and a file is renewed while the program runs:
//!
//! ```text
//! PRODUCTION_GLOBAL_RPA_DB_CONNECTION_STRING=postgresql://job@postgres.example:5432/rpa_db?sslmode=verify-full&sslrootcert=/etc/ssl/db/ca.pem
//! PRODUCTION_GLOBAL_RPA_DB_PASSWORD_FILE=/run/secrets/rpa-db/password
//! ```
//!
//! The file is read again when the server refuses a login, so a password that was rotated needs no restart. Variables
//! out of a Secret (`${POSTGRES_PASSWORD}` in the string) work as well, and are as they were when the container
//! started.
//!
//! # Waiting for the databases
//!
//! A pod may start before its database. The init container runs
//!
//! ```sh
//! batchdb wait rpa_db SurveyHub --for 60s
//! ```
//!
//! which returns when each has answered a query, and says on standard error why it still waits. When the time is over
//! it is tried again, later each time; a Job gives up after its `backoffLimit`. A program that waits for its databases
//! itself, by [`RetryPolicy`](crate::RetryPolicy), needs no init container; one that does not is easier to read with
//! it.
//!
//! # Migrations
//!
//! Let one thing apply them: the Job `migrate.yaml` ahead of a rollout, by `batchdb migrate rpa_db up`. If all replicas
//! do it at their start (`MIGRATE_ON_START=run`, or [`run_migrations`](crate::DatabaseManager::run_migrations)), one
//! works and the others wait for its lock, which is right too, and makes every start wait as long as the longest
//! migration.
//!
//! A release that is rolled back finds versions above its own files: they are told as a warning, and it starts. That is
//! why a migration should leave what the release before it needs.
//!
//! # Probes
//!
//! [`Monitor`](super::monitoring#the-monitor) answers them:
//!
//! ```no_run
//! # #[cfg(feature = "monitor")] {
//! use batchdb::{DatabaseManager, Monitor};
//!
//! let rpa = DatabaseManager::new("rpa_db")?;
//! let _monitor = Monitor::serve("0.0.0.0:9187", [&rpa])?; // ends with the program
//! # }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! * `livenessProbe` asks `/healthz`, which says that the process lives and looks at no database: a database that is
//!   away must not have all of its clients killed.
//! * `readinessProbe` asks `/readyz`, which is 200 when each database that was named is healthy. However many ask, a
//!   database is asked once a second. Give it some seconds of `timeoutSeconds`: the word on a server that is silent
//!   comes when `CONNECT_TIMEOUT` has passed. A probe without an answer counts as not ready.
//! * Prometheus reads `/metrics` of the same port.
//!
//! A Job needs no readiness, because nothing is sent to it.
//!
//! # Being stopped
//!
//! Kubernetes sends SIGTERM, waits for `terminationGracePeriodSeconds`, 30 by default, and kills. With
//! [`CancelToken::on_signals`](super::map_tasks#being-told-to-stop) no new item is started then, what runs may end
//! within the grace of 20 s, and what is still waiting is cancelled on the server. Keep the grace some seconds below
//! the period: after it calls have another 500 ms to end, and the program has to write its last lines.
//!
//! A pod whose node is gone gets no signal. Its sessions live on until the server's keep-alive ends them, and so do its
//! claims and locks. `tcp_keepalives_idle` and `idle_in_transaction_session_timeout` on the server bound that.
//!
//! # Replicas that share work
//!
//! Three replicas on one table of work, each with some batches at a time; the page on
//! [replicas](super::replicas#all-at-once) has the code. Whether they are the pods of a Deployment, which wait for more
//! work when there is none, or those of a Job, which end, is a line of YAML and not of Rust:
//!
//! ```text
//! replicas: 3                     a Deployment: they run for ever, and the program begins again by itself
//! completions: 3, parallelism: 3  an indexed Job: each ends when nothing is left that is not done
//! ```
//!
//! An indexed Job gives each pod a number (`JOB_COMPLETION_INDEX`). With claims nobody needs it: who is faster does
//! more, and what a pod that dies has held is done by the others. Connections add up: three pods with `POOL_SIZE +
//! MAX_OVERFLOW` of 5 are 15 of the server's, so count [from the server](super::pools#how-many-connections).
//!
//! In place of replicas, a CronJob with `concurrencyPolicy: Forbid` keeps two runs apart as long as the cluster agrees
//! with itself; [`with_lock`](super::replicas#one-at-a-time) keeps them apart by the database, which is where it
//! counts.
