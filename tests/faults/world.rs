//! What the tests run against, and what they count.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, DatabaseManagerBuilder, MigrateOnStart};
use postgres::{Client, NoTls};
use tempfile::TempDir;

/// One run of the tests: its chance, its size, and the server.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) full: bool,
    server: OnceLock<EmbeddedPostgres>,
}

impl World {
    pub(crate) fn new(seed: u64, full: bool) -> World {
        World { seed, full, server: OnceLock::new() }
    }

    /// The figure for the full load, or the one for a short look.
    pub(crate) fn amount<T>(&self, full: T, short: T) -> T {
        if self.full { full } else { short }
    }

    /// Chance that is the same for the same seed, and different for each place.
    pub(crate) fn chance(&self, place: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(place))
    }

    /// The server, which lasts as long as the run.
    pub(crate) fn server(&self) -> &EmbeddedPostgres {
        self.server.get_or_init(|| EmbeddedPostgres::builder().max_connections(40).start().unwrap())
    }

    /// A new database with a table `ledger` that has no unique key: what is written twice is there twice.
    pub(crate) fn database(&self, prefix: &str) -> String {
        let name = unique(prefix);
        self.server().create_database(&name).unwrap();
        self.bare(&name)
            .batch_execute("CREATE TABLE ledger (id bigint NOT NULL, part int NOT NULL)")
            .unwrap();
        name
    }

    /// A connection of the driver's own, past every proxy.
    pub(crate) fn bare(&self, database: &str) -> Client {
        self.bare_through(database, self.server().port())
    }

    /// A connection of the driver's own.
    pub(crate) fn bare_through(&self, database: &str, port: u16) -> Client {
        Client::connect(&self.url(database, port), NoTls).unwrap()
    }

    /// The connection string of a database behind a port.
    pub(crate) fn url(&self, database: &str, port: u16) -> String {
        let direct = format!(":{}/", self.server().port());
        let url = self.server().url_for(database).replace(&direct, &format!(":{port}/"));
        format!("{url}?sslmode=disable")
    }

    /// The builder of a handle with a pool of its own, through the port.
    pub(crate) fn postgres(&self, database: &str, port: u16) -> DatabaseManagerBuilder {
        manager(database, self.url(database, port))
    }

    /// The same through psqlODBC.
    pub(crate) fn psql_odbc(&self, database: &str, port: u16) -> DatabaseManagerBuilder {
        let server = self.server();
        manager(
            database,
            format!(
                "Driver={{PostgreSQL Unicode}};Server={};Port={port};Database={database};UID={};PWD={{{}}};SSLmode=disable;",
                server.host(),
                server.user(),
                server.password(),
            ),
        )
    }

    /// How often each id stands in the ledger, as (id, parts).
    pub(crate) fn ledger(&self, database: &str) -> Vec<(i64, i64)> {
        let rows = self
            .bare(database)
            .query("SELECT id, count(*) FROM ledger GROUP BY id ORDER BY id", &[])
            .unwrap();
        rows.iter().map(|row| (row.try_get(0).unwrap(), row.try_get(1).unwrap())).collect()
    }
}

/// A name that nothing else in this run has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}_{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// A builder that shares its pool with no other.
pub(crate) fn manager(prefix: &str, connection_string: String) -> DatabaseManagerBuilder {
    DatabaseManager::builder(&unique(prefix))
        .connection_string(connection_string)
        .migrate_on_start(MigrateOnStart::Off)
}

/// A handle for the scripted TDS server, through FreeTDS.
pub(crate) fn tds(port: u16) -> DatabaseManagerBuilder {
    manager(
        "tds",
        format!(
            "Driver=FreeTDS;Server=127.0.0.1;Port={port};UID=sa;PWD=hunter2;TDS_Version=7.4;Encryption=off"
        ),
    )
    .database_type("sqlserver")
}

/// Runs `work` and says how long it took.
pub(crate) fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

/// Waits until `done`. Whether it came to that in time, and how long it took.
pub(crate) fn eventually(limit: Duration, mut done: impl FnMut() -> bool) -> (bool, Duration) {
    let started = Instant::now();
    loop {
        if done() {
            return (true, started.elapsed());
        }
        if started.elapsed() > limit {
            return (false, started.elapsed());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The threads of this process, those of the tests' own proxies and servers left out.
pub(crate) fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| !name.starts_with("proxy-"))
        .count()
}

/// The descriptors of this process.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The memory of this process that is in use, in bytes.
pub(crate) fn resident_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// A PgBouncer in front of a server. It ends with this value, or with this process, however that ends.
pub(crate) struct PgBouncer {
    port: u16,
    shell: Child,
    /// Its end is what the shell waits for.
    leash: Option<ChildStdin>,
    folder: TempDir,
}

/// Starts the pooler, starts it again when it ends, as a supervisor of services does, and stops it when the other end
/// of standard input is closed: by a drop, or by the end of the program, a kill included.
const KEEPER: &str = r#"
trap '' HUP INT TERM PIPE
{
    trap 'kill -TERM $pooler; exit' USR1
    while :; do
        "$1" -q "$2" </dev/null &
        pooler=$!
        wait $pooler
    done
} 2>/dev/null &
supervisor=$!
read -r _
kill -USR1 $supervisor
wait $supervisor
"#;

impl PgBouncer {
    /// A pooler in `mode` (`session` or `transaction`) for all databases of the server.
    pub(crate) fn start(server: &EmbeddedPostgres, mode: &str, pool_size: u32) -> PgBouncer {
        let folder = tempfile::tempdir().unwrap();
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap().port();
        let file = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port={} user={} password={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = {pool_size}\nmax_client_conn = 200\n\
             ignore_startup_parameters = extra_float_digits\nserver_reset_query = DISCARD ALL\nlogfile = {}\n",
            server.host(),
            server.port(),
            server.user(),
            server.password(),
            folder.path().join("log").display(),
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh", &program()]).arg(&file).stdin(Stdio::piped()).process_group(0);
        give_away(&mut command, folder.path());
        let mut shell = command.spawn().unwrap();
        let leash = shell.stdin.take();
        let pooler = PgBouncer { port, shell, leash, folder };
        let up = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert!(eventually(Duration::from_secs(10), up).0, "PgBouncer does not start");
        pooler
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How often the pooler ended by itself and was started again.
    pub(crate) fn restarts(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.matches("LOG process up:").count().saturating_sub(1)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.leash.take());
        self.shell.wait().unwrap();
    }
}

fn program() -> String {
    let known = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
    known.into_iter().find(|path| Path::new(path).exists()).unwrap_or("pgbouncer").to_owned()
}

/// Neither PostgreSQL nor PgBouncer runs as root: then the folder and the command become somebody else's.
fn give_away(command: &mut Command, folder: &Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    if std::fs::metadata(folder).unwrap().uid() != 0 {
        return;
    }
    let number = |option: &str, user: &str| -> Option<u32> {
        let output = Command::new("id").args([option, user]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let account = |user| Some((number("-u", user)?, number("-g", user)?));
    let (uid, gid) = account("postgres").or_else(|| account("nobody")).unwrap();
    for path in [folder.to_owned(), folder.join("pgbouncer.ini")] {
        chown(path, Some(uid), Some(gid)).unwrap();
    }
    command.uid(uid).gid(gid);
}
