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
//! They are in `examples/kubernetes`, for the example program `replicated_survey`:
//!
//! | file | what it is |
//! | --- | --- |
//! | `Dockerfile` | one image with the programs, the migrations and the ODBC drivers; it needs no root, and no shell to start |
//! | `settings.yaml` | a ConfigMap with the settings that are not secret, and a Secret with those that are |
//! | `migrate.yaml` | a Job that applies the migrations before a release; delete and create it for each release |
//! | `worker.yaml` | a Deployment of three replicas with probes, which claim rows of one queue |
//! | `job.yaml` | an indexed Job of three, which ends when everything is done |
//!
//! Their names, addresses and passwords are placeholders. A test parses them and checks that every settings key exists.
//!
//! # Settings and secrets
//!
//! Pass settings that are not secret as environment variables from the ConfigMap. Mount secrets as files: environment
//! variables are inherited by every child process, and a mounted file is updated while the program runs:
//!
//! ```text
//! PRODUCTION_GLOBAL_RPA_DB_CONNECTION_STRING=postgresql://job@postgres.example:5432/rpa_db?sslmode=verify-full&sslrootcert=/etc/ssl/db/ca.pem
//! PRODUCTION_GLOBAL_RPA_DB_PASSWORD_FILE=/run/secrets/databases/rpa-db-password
//! ```
//!
//! The file is read again when the server refuses a login, so a rotated password needs no restart. Environment
//! variables from a Secret (`${POSTGRES_PASSWORD}` in the string) work as well, but keep the value that they had when
//! the container started.
//!
//! # Waiting for the databases
//!
//! A pod may start before its database. The init container runs
//!
//! ```sh
//! batchdb wait rpa_db SurveyHub --for 60s
//! ```
//!
//! which returns when each database has answered a query, and says on standard error why it still waits. It does not
//! wait if waiting cannot help: a refused login ends it with exit code 1, wrong settings with 78. In a Deployment a
//! failed init container is started again, with growing pauses. In the Jobs (`restartPolicy: Never`) the whole pod
//! fails instead; Kubernetes creates another one, and after `backoffLimit` failures the Job has failed for good. So set
//! `--for` to the longest outage that the Job should survive. [`RetryPolicy`](crate::RetryPolicy) cannot replace this,
//! because not every call retries: [`run_migrations`](crate::DatabaseManager::run_migrations), `execute` and `claim` do
//! not.
//!
//! # Migrations
//!
//! Let one place apply them: the Job `migrate.yaml`, which runs `batchdb migrate rpa_db up` before a rollout. A Job
//! runs once, and its template cannot be changed. So first delete the Job of the previous release, or nothing would be
//! migrated:
//!
//! ```sh
//! kubectl delete job survey-migrate --ignore-not-found
//! kubectl apply -f migrate.yaml
//! kubectl wait --for=condition=complete --timeout=15m job/survey-migrate
//! ```
//!
//! (Without `--timeout`, `kubectl wait` gives up after 30 s. It does not notice that a Job has failed.) It also works
//! if all replicas migrate when they start (`MIGRATE_ON_START=run`, or
//! [`run_migrations`](crate::DatabaseManager::run_migrations)): one migrates, and the others wait for its lock. The
//! lock is held for the whole run, so every replica waits until all pending migrations are applied, and fails if that
//! takes longer than `MIGRATION_TIMEOUT`.
//!
//! After a rollback, the older release finds versions newer than its own files. That is only a warning, and it starts.
//! So a migration should keep whatever the previous release needs.
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
//! * `livenessProbe` asks `/healthz`, which answers as long as the process lives and looks at no database: an
//!   unreachable database must not get all of its clients killed.
//! * `readinessProbe` asks `/readyz`, which answers 200 when each database that was passed to `serve` is healthy.
//!   However many clients ask, each database is queried at most once a second. A check takes 5 s at most, so set
//!   `timeoutSeconds` to 7; otherwise the probe gives up before it receives the reason. A probe without an answer
//!   counts as not ready.
//! * Prometheus reads `/metrics` on the same port.
//!
//! A Job needs no readiness probe, because it receives no traffic.
//!
//! # Being stopped
//!
//! Kubernetes sends SIGTERM, waits for `terminationGracePeriodSeconds` (30 by default), and then kills the process.
//! With [`CancelToken::on_signals`](super::map_tasks#cancellation) no new item is started after SIGTERM, running items
//! may finish within the grace period of 20 s, and then calls that are still waiting are cancelled on the server. Keep
//! the grace period some seconds below `terminationGracePeriodSeconds`: after it, calls have another 500 ms to end, and
//! the program must write its last lines.
//!
//! A pod whose node has died gets no signal. Its sessions on the server, with their claims and locks, live on until the
//! server's TCP keepalive ends them. `tcp_keepalives_idle` and `idle_in_transaction_session_timeout` on the server
//! bound that time.
//!
//! # Replicas that share work
//!
//! Three replicas work on one work table, batch by batch; the page on [replicas](super::replicas#all-at-once) has the
//! code. They can be the pods of a Deployment, which run the program again and again, or of a Job, which end. Only the
//! YAML differs, not the Rust code:
//!
//! ```text
//! replicas: 3                     a Deployment: they run for ever, and the program begins again by itself
//! completions: 3, parallelism: 3  an indexed Job: each ends when nothing is left that is not done
//! ```
//!
//! An indexed Job gives each pod a number (`JOB_COMPLETION_INDEX`). With claims it is not needed: a faster pod does
//! more, and the others do what a dead pod had claimed. Connections add up: three pods with `POOL_SIZE + MAX_OVERFLOW`
//! = 5 may use 15 connections of the server, so plan [from the server's side](super::pools#how-many-connections).
//!
//! Without replicas, a CronJob with `concurrencyPolicy: Forbid` prevents two runs at the same time, as long as the
//! cluster itself is consistent. [`with_lock`](super::replicas#one-at-a-time) prevents them in the database,
//! independent of the cluster.
