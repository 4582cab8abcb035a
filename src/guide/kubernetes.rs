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
//! | `migrate.yaml` | a Job that applies the migrations before a release; it is deleted and made anew for each |
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
//! PRODUCTION_GLOBAL_RPA_DB_PASSWORD_FILE=/run/secrets/databases/rpa-db-password
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
//! which returns when each has answered a query, and says on standard error why it still waits. It does not wait where
//! waiting cannot help: a login that is refused ends it with 1, wrong settings with 78. In a Deployment an init
//! container that has failed is started again, later each time. In the Jobs (`restartPolicy: Never`) the whole pod has
//! failed then; another one is made, and after `backoffLimit` of them the Job has failed for good: give `--for` the
//! length of the longest outage that it should survive. [`RetryPolicy`](crate::RetryPolicy) is no replacement, because
//! not every call repeats itself: [`run_migrations`](crate::DatabaseManager::run_migrations), `execute` and `claim` do
//! not.
//!
//! # Migrations
//!
//! Let one thing apply them: the Job `migrate.yaml` ahead of a rollout, by `batchdb migrate rpa_db up`. A Job runs
//! once, and its template cannot be changed. So the one of the release before goes first, or nothing would be migrated:
//!
//! ```sh
//! kubectl delete job survey-migrate --ignore-not-found
//! kubectl apply -f migrate.yaml
//! kubectl wait --for=condition=complete --timeout=15m job/survey-migrate
//! ```
//!
//! (`kubectl wait` gives up after 30 s by default, and does not notice that a Job has failed.) If all replicas migrate
//! at their start (`MIGRATE_ON_START=run`, or [`run_migrations`](crate::DatabaseManager::run_migrations)), one works
//! and the others wait for its lock, which is right too. It is held for the whole run, so that every start waits for
//! all that is pending together, and fails when that takes longer than `MIGRATION_TIMEOUT`.
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
//!   database is asked once a second. A look takes 5 s at most, so give it 7 of `timeoutSeconds`, or the reason that
//!   `/readyz` tells is not read. A probe without an answer counts as not ready.
//! * Prometheus reads `/metrics` of the same port.
//!
//! A Job needs no readiness, because nothing is sent to it.
//!
//! # Being stopped
//!
//! Kubernetes sends SIGTERM, waits for `terminationGracePeriodSeconds`, 30 by default, and kills. With
//! [`CancelToken::on_signals`](super::map_tasks#cancellation) no new item is started then, what runs may end
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
