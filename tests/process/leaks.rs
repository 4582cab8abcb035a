//! Successes and failures of all kinds, through all drivers, and a search of all that came out.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use batchdb::{
    DatabaseManager, DatabaseManagerBuilder, Error, ErrorKind, MapOptions, MigrateOnStart, Params, Phase,
    Row, TransactionOptions, Value, health_check_of, map_tasks, params, record,
};

use crate::capture;
use crate::common::{server, unique};
use crate::needles::{Evidence, Needle, braced, percent_encoded};
use crate::parrot;

/// Passwords, each with characters that some spelling changes.
struct Secrets {
    right: Needle,
    wrong: Needle,
    in_file: Needle,
    in_process: Needle,
}

impl Secrets {
    fn new() -> Secrets {
        Secrets {
            right: Needle::new("p@ :/%#?&+Right7Kern'\"\\é", "Right7Kern"),
            wrong: Needle::new("w@ :/%}{;#Wrong7Kern'=é", "Wrong7Kern"),
            in_file: Needle::new("f@:/%}{#InFile7Kern", "InFile7Kern"),
            in_process: Needle::new("s@:/%}{#Planted7Kern", "Planted7Kern"),
        }
    }

    fn all(&self) -> [&Needle; 4] {
        [&self.right, &self.wrong, &self.in_file, &self.in_process]
    }
}

/// A value that is given as a parameter and must not be in the log.
fn marker() -> Needle {
    Needle::new("it's \"7Marker7Value\" :name $1 ?", "7Marker7Value")
}

/// All that came out of the library, by channel.
struct Watch {
    /// Where neither secrets nor values may be.
    closed: Mutex<Evidence>,
    /// What the caller gets and asks for: a driver's words may quote his own value to him, but no secret.
    open: Mutex<Evidence>,
    kinds: Mutex<BTreeSet<String>>,
}

impl Watch {
    fn new() -> Watch {
        Watch { closed: Mutex::default(), open: Mutex::default(), kinds: Mutex::default() }
    }

    fn error(&self, error: &Error) {
        let mut closed = self.closed.lock().unwrap();
        closed.add("Display of an error", error.to_string());
        closed.add("Debug of an error", format!("{error:?} {error:#?}"));
        self.open.lock().unwrap().add("report of an error", error.report());
        self.kinds.lock().unwrap().insert(error.kind().to_string());
    }

    /// A call that must fail in this way.
    #[track_caller]
    fn fails<T: Debug>(&self, wanted: ErrorKind, outcome: Result<T, Error>) {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), wanted, "{}", error.report());
        self.error(&error);
    }

    fn debug(&self, name: &str, value: &dyn Debug) {
        self.closed.lock().unwrap().add(format!("Debug of {name}"), format!("{value:?} {value:#?}"));
    }

    fn shown(&self, name: &str, text: impl fmt::Display) {
        self.open.lock().unwrap().add(name, text.to_string());
    }

    fn health(&self, name: &str, opened: Result<DatabaseManager, Error>) {
        let status = opened.as_ref().ok().map(DatabaseManager::pool_status);
        self.debug("PoolStatus", &status);
        self.shown("pool status", status.map(|status| status.to_json()).unwrap_or_default());
        let report = health_check_of([(name, opened)]);
        self.debug("HealthReport", &report);
        self.shown("health", report.to_json());
    }
}

fn quiet(name: &str) -> DatabaseManagerBuilder {
    DatabaseManager::builder(name).migrate_on_start(MigrateOnStart::Off)
}

fn postgres_url(user: &str, password: &str, database: &str, options: &str) -> String {
    let server = server();
    format!(
        "postgresql://{user}:{}@{}:{}/{database}{options}",
        percent_encoded(password),
        server.host(),
        server.port()
    )
}

fn psql_odbc(user: &str, password: &str, database: &str) -> String {
    format!(
        "Driver={{PostgreSQL Unicode}};Server={};Port={};Database={database};UID={user};PWD={{{}}}",
        server().host(),
        server().port(),
        braced(password)
    )
}

/// A role of its own, whose password is the secret.
fn role_and_database(password: &str) -> String {
    let name = unique("leaks");
    server().create_database(&name).unwrap();
    let quoted = password.replace('\'', "''");
    let script =
        format!("CREATE ROLE {name} LOGIN PASSWORD '{quoted}'; ALTER DATABASE {name} OWNER TO {name};");
    server().psql("postgres", &script).unwrap();
    name
}

/// What every database does with values that fit and values that do not.
fn statements(watch: &Watch, db: &DatabaseManager, marker: &str, strict: bool) {
    let long = marker.repeat(40);
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(200) NOT NULL UNIQUE)", ()).unwrap();
    let insert = "INSERT INTO t (id, name) VALUES (:id, :name)";
    assert_eq!(db.execute(insert, params! { id: 1, name: marker }).unwrap(), 1);
    let rows =
        db.execute_query("SELECT id, name FROM t WHERE name = :name", params! { name: marker }).unwrap();
    assert_eq!(rows[0].get::<String>("name").unwrap(), marker);
    watch.debug("Row", &rows);
    watch.debug("Value", &rows[0]["name"]);
    watch.debug("Params", &params! { id: 1, name: marker });
    watch.debug("TimedQuery", &db.execute_query_with_timing("SELECT name FROM t", ()).unwrap());
    watch.debug("DatabaseManager", db);
    watch.debug("Settings", db.settings());
    watch.shown("description", db.settings().describe());
    // The same key once more, in every way to run a statement.
    watch.fails(ErrorKind::Constraint, db.execute(insert, params! { id: 2, name: marker }));
    watch.fails(
        ErrorKind::Constraint,
        db.execute_many(insert, (3..6).map(|id| params! { id: id, name: marker })),
    );
    watch.fails(ErrorKind::Constraint, db.execute_transaction([(insert, params! { id: 7, name: marker })]));
    watch.fails(ErrorKind::Constraint, db.execute(insert, params! { id: 8, name: Value::Null }));
    watch.fails(
        ErrorKind::Constraint,
        db.transaction(|tx| {
            watch.debug("Transaction", tx);
            tx.execute(insert, params! { id: 9, name: marker })
        }),
    );
    db.session(|session| {
        watch.debug("Session", session);
        Ok::<_, Error>(())
    })
    .unwrap();
    watch.fails(ErrorKind::Syntax, db.execute_query("SELEC :name", params! { name: marker }));
    watch.fails(
        ErrorKind::Syntax,
        db.execute_query("SELECT :name FROM no_such_table", params! { name: marker }),
    );
    watch.fails(ErrorKind::Params, db.execute(insert, params! { id: 1, nmae: marker }));
    watch.fails(ErrorKind::Params, db.execute(insert, params! { id: 1, name: marker, more: marker }));
    watch.fails(
        ErrorKind::RowCount,
        db.query_one("SELECT 1 FROM t WHERE name <> :name", params! { name: marker }),
    );
    watch.fails(ErrorKind::Decode, rows[0].get::<i64>("name"));
    watch.fails(ErrorKind::Decode, rows[0].get::<uuid::Uuid>("name"));
    watch.fails(ErrorKind::Decode, rows[0].get::<bool>("name"));
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "it is never read: the names do not fit")]
    struct Other {
        id: i64,
        name: Vec<u8>,
    }
    watch.fails(ErrorKind::Decode, db.query_as::<Other>("SELECT id, name FROM t", ()));
    watch.fails(ErrorKind::Usage, db.execute("COMMIT", ()));
    if strict {
        watch.fails(ErrorKind::Data, db.execute(insert, params! { id: 11, name: long }));
        let casts = "SELECT CAST(CAST(:name AS text) AS integer)";
        watch.fails(ErrorKind::Data, db.execute_query(casts, params! { name: marker }));
        let slow = "SELECT pg_sleep(30), CAST(:name AS text)";
        let limit = Duration::from_millis(100);
        let late = db.execute_query_with_timeout(slow, params! { name: marker }, limit);
        watch.fails(ErrorKind::Timeout(Phase::Query), late);
        let raises = "DO $$ BEGIN RAISE NOTICE 'told'; END $$";
        db.execute(raises, ()).unwrap();
    }
    watch.health(db.name(), Ok(db.clone()));
    tasks(watch, db, marker);
}

fn tasks(watch: &Watch, db: &DatabaseManager, marker: &str) {
    let insert = "INSERT INTO t (id, name) VALUES (:id, :name)";
    let options = || {
        MapOptions::new("task-{index}").workers(2).retries(1).retry_if(|_| true).on_progress(|progress| {
            assert!(!format!("{progress:?}").contains("7Marker7Value"));
        })
    };
    let failed = map_tasks(0..3, options(), |id| db.execute(insert, params! { id: 100 + *id, name: marker }));
    watch.debug("TaskResults", &failed);
    for task in failed.failed() {
        watch.debug("TaskRecord", task);
        watch.error(task.error().unwrap().as_batchdb().unwrap());
    }
    watch.fails(ErrorKind::Tasks, failed.into_values());
    // A panic's text and an error of the task's own are the caller's, and go back to him and nowhere else.
    let crashed =
        map_tasks(0..2, options(), |_| -> Result<(), std::io::Error> { panic!("a panic over {marker}") });
    watch.shown("a crashed task", crashed.failed().next().unwrap().error().unwrap());
    watch.fails(ErrorKind::Tasks, crashed.into_values());
    let own = map_tasks(0..2, options(), |_| {
        Err::<(), _>(std::io::Error::other(format!("an error over {marker}")))
    });
    watch.fails(ErrorKind::Tasks, own.into_values());
}

/// Failures to connect, by connection string, with what they are.
fn connecting(watch: &Watch, secrets: &Secrets, existing: &str) {
    let wrong = secrets.wrong.text();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let parrot = parrot::start();
    let by_url = |port: u16, options: &str| {
        format!("postgresql://{existing}:{}@127.0.0.1:{port}/db{options}", percent_encoded(wrong))
    };
    let by_odbc = |port: u16| {
        format!(
            "Driver={{PostgreSQL Unicode}};Server=127.0.0.1;Port={port};Database=db;UID={existing};PWD={{{}}}",
            braced(wrong)
        )
    };
    let by_tds = |port: u16, password: &str| {
        format!("Driver=FreeTDS;Server=127.0.0.1;Port={port};Database=db;UID=sa;PWD={{{}}}", braced(password))
    };
    // With a `;` besides its `}` it is refused, and so told of in another way.
    let simpler = wrong.replace(';', "");
    let mssql =
        format!("mssql+pyodbc://sa:{}@127.0.0.1:{closed}/db?driver=FreeTDS", percent_encoded(&simpler));
    let refused = quiet(&unique("refused")).connection_string(by_tds(closed, wrong)).build();
    watch.fails(ErrorKind::Config, refused);
    let mut quoted = 0;
    for (text, kind) in [
        (postgres_url(existing, wrong, existing, ""), ErrorKind::Auth),
        (psql_odbc(existing, wrong, existing), ErrorKind::Auth),
        (postgres_url(existing, secrets.right.text(), "no_such_database", ""), ErrorKind::Connect),
        (postgres_url(existing, wrong, existing, "?sslmode=require"), ErrorKind::Connect),
        (by_url(closed, ""), ErrorKind::Connect),
        (by_url(parrot, ""), ErrorKind::Auth),
        (by_odbc(parrot), ErrorKind::Connect),
        (by_odbc(closed), ErrorKind::Connect),
        (by_tds(closed, &simpler), ErrorKind::Connect),
        (mssql, ErrorKind::Connect),
        (by_url(silent_port, ""), ErrorKind::Timeout(Phase::Connect)),
        (by_url(silent_port, "?sslmode=require"), ErrorKind::Timeout(Phase::Connect)),
        (by_odbc(silent_port), ErrorKind::Timeout(Phase::Connect)),
        (format!("Driver=No Such Driver;Server=x;PWD={{{}}}", braced(wrong)), ErrorKind::Config),
        (by_url(closed, "").replace("127.0.0.1", "no-such-host.invalid"), ErrorKind::Connect),
    ] {
        let builder =
            quiet(&unique("refused")).connection_string(text).connect_timeout(Duration::from_millis(700));
        watch.debug("DatabaseManagerBuilder", &builder);
        let db = builder.build().unwrap();
        let error = db.execute_query("SELECT 1", ()).unwrap_err();
        quoted += usize::from(error.report().contains("no user with the password ***"));
        watch.fails(kind, Err::<(), _>(error));
        // The stored error, and the ways on which it is told.
        watch.error(&db.execute_query("SELECT 1", ()).unwrap_err());
        watch.health(db.name(), Ok(db.clone()));
    }
    assert_eq!(quoted, 2, "both drivers hand on what the server says");
}

/// Settings that are wrong in every way, with secrets all over them.
fn settings(watch: &Watch, secrets: &Secrets, home: &Path) {
    let (in_file, planted) = (secrets.in_file.text(), secrets.in_process.text());
    let coded = percent_encoded(in_file);
    fs::create_dir_all(home.join("envs")).unwrap();
    for (number, lines) in [
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING=postgresql://u:{coded}@h/db?sslmode=nonsense"),
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING=postgresql://u:{coded}@h:port/db"),
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING=postgresql://u:{coded}@/"),
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING={coded}"),
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING='Driver={{X}};PWD={{{}'", braced(in_file)),
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING='host=h dbname=d password={in_file} unknown_word=1'"),
        format!(
            "LEAK_GLOBAL_DB_CONNECTION_STRING=postgresql://u:{coded}@h/db\nLEAK_GLOBAL_DB_POOL_SIZE={in_file}"
        ),
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING=postgresql://u:{coded}@h/db\nLEAK_GLOBAL_DB_POOL_SIZ=5"),
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING=postgresql://u:{coded}@h/db\nLEAK_GLOBAL_DB_TYPE={coded}"),
        "LEAK_GLOBAL_DB_CONNECTION_STRING=postgresql://u:${NO_SUCH_VARIABLE}@h/db".to_owned(),
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING=\"postgresql://u:{coded}@h/db"),
        format!("LEAK_GLOBAL_DB_CONNECTION_STRING=postgresql://u:{coded}@h/db and more"),
        format!("just a line with {in_file}"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(home.join("envs/.env.leak"), lines).unwrap();
        let builder = DatabaseManager::builder("db").environment("leak").home(home);
        match builder.build() {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Config, "{number}: {}", error.report());
                watch.error(&error);
                watch.health("db", Err(error));
            }
            Ok(_) => panic!("settings {number} were to be refused"),
        }
    }
    for text in [
        format!("nonsense://u:{}@h/db", percent_encoded(planted)),
        format!("postgresql://u:{}@h/db?password2={planted}", percent_encoded(planted)),
        planted.to_owned(),
    ] {
        let builder = quiet("db").connection_string(text);
        watch.debug("DatabaseManagerBuilder", &builder);
        watch.fails(ErrorKind::Config, builder.build());
    }
}

fn migrations(watch: &Watch, builder: impl Fn() -> DatabaseManagerBuilder) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("V001__one.sql"), "CREATE TABLE m (id INTEGER PRIMARY KEY);").unwrap();
    let db = builder().migrations_dir(folder.path()).build().unwrap();
    watch.debug("MigrationReport", &db.run_migrations().unwrap());
    watch.debug("MigrationStatus", &db.migration_status().unwrap());
    fs::write(
        folder.path().join("V002__two.sql"),
        "INSERT INTO m VALUES (1);\nINSERT INTO nowhere VALUES (1);",
    )
    .unwrap();
    watch.fails(ErrorKind::Migration, db.run_migrations());
    fs::write(folder.path().join("V001__one.sql"), "CREATE TABLE changed (id INTEGER);").unwrap();
    watch.fails(ErrorKind::Migration, db.run_migrations());
    watch.health(db.name(), Ok(db.clone()));
}

/// An error of the library that says `text`: it names the column that is not there.
fn planted_error(text: &str) -> Error {
    Row::from_pairs([("a", Value::Null)]).get::<i64>(text).unwrap_err()
}

#[test]
fn the_search_finds_what_is_planted() {
    capture::start();
    let canary = Needle::new("c@ :/%#}{;'\"\\Canary7Kern é", "Canary7Kern");
    for spelling in canary.spellings() {
        log::warn!("a line with {spelling}");
        log::warn!(target: "some_driver", key = spelling.as_str(); "a line with a field");
        let lines = capture::lines().into_iter().filter(|line| canary.is_in(&line.text()));
        let found: Vec<_> = lines.map(|line| line.target).collect();
        assert!(found.iter().any(|target| target == "some_driver") && found.len() >= 2, "{spelling}");

        let watch = Watch::new();
        // An error says which column there is not.
        watch.error(&planted_error(&spelling));
        watch.debug("a type", &spelling);
        watch.shown("health", &spelling);
        let closed = watch.closed.lock().unwrap().finds([&canary]);
        let open = watch.open.lock().unwrap().finds([&canary]);
        for channel in ["Display of an error", "Debug of an error", "Debug of a type"] {
            assert!(closed.iter().any(|found| found.contains(channel)), "{channel}: {spelling}");
        }
        for channel in ["report of an error", "health"] {
            assert!(open.iter().any(|found| found.contains(channel)), "{channel}: {spelling}");
        }
    }
    assert!(!canary.is_in("a text that says nothing"));
}

#[test]
fn no_secret_leaves_and_no_value_is_logged() {
    capture::start();
    let (secrets, marker, watch) = (Secrets::new(), marker(), Watch::new());
    let folder = tempfile::tempdir().unwrap();
    let name = role_and_database(secrets.right.text());

    let direct = || quiet(&name).connection_string(postgres_url(&name, secrets.right.text(), &name, ""));
    watch.debug("DatabaseManagerBuilder", &direct());
    statements(&watch, &direct().build().unwrap(), marker.text(), true);
    // Without prepared statements the parameters travel as text.
    let unnamed = unique("leaks");
    server().create_database(&unnamed).unwrap();
    let url = server().url_for(&unnamed);
    statements(
        &watch,
        &quiet(&unnamed).connection_string(url).statement_cache(0).build().unwrap(),
        marker.text(),
        true,
    );
    let read_only = direct().read_only(true).build().unwrap();
    watch.fails(ErrorKind::ReadOnly, read_only.execute("DELETE FROM t", ()));
    migrations(&watch, direct);

    let by_odbc = role_and_database(secrets.right.text());
    let odbc = || quiet(&by_odbc).connection_string(psql_odbc(&by_odbc, secrets.right.text(), &by_odbc));
    watch.debug("DatabaseManagerBuilder", &odbc());
    statements(&watch, &odbc().build().unwrap(), marker.text(), true);

    let file = folder.path().join("leaks.db");
    let sqlite_name = unique("leaks_sqlite");
    let sqlite = || {
        let password = braced(secrets.in_process.text());
        quiet(&sqlite_name)
            .connection_string(format!("Driver=SQLite3;Database={};PWD={{{password}}}", file.display()))
    };
    watch.debug("DatabaseManagerBuilder", &sqlite());
    statements(&watch, &sqlite().build().unwrap(), marker.text(), false);
    migrations(&watch, sqlite);

    connecting(&watch, &secrets, &name);
    settings(&watch, &secrets, &folder.path().join("home"));
    watch.debug("EmbeddedPostgres", server());
    watch.debug("TransactionOptions", &TransactionOptions::new());
    watch.debug("Row by hand", &Row::from_pairs([("name", Value::from(marker.text()))]));
    watch.debug("record", &record(&serde_json::json!({ "name": marker.text() })).unwrap());
    watch.debug("Params", &Params::new().set("name", marker.text()));

    let (closed, open) = (watch.closed.into_inner().unwrap(), watch.open.into_inner().unwrap());
    let mut logged = Evidence::default();
    let canary = Needle::new("Canary7Kern", "Canary7Kern");
    let lines = capture::lines();
    for line in lines.iter().filter(|line| !canary.is_in(&line.text())) {
        logged.add("the log", line.text());
    }
    // The search looked at something: at the lines of the drivers that print parameters, at every kind of failure.
    for target in ["batchdb", "tokio_postgres::query", "tokio_postgres::prepare"] {
        assert!(lines.iter().any(|line| line.target == target), "no line of {target}");
    }
    assert!(
        lines.iter().any(|line| line.message.contains("with parameters: [")),
        "the driver prints parameters"
    );
    assert!(
        logged.len() > 500 && closed.len() > 300 && open.len() > 150,
        "{} {} {}",
        logged.len(),
        closed.len(),
        open.len()
    );
    let kinds = watch.kinds.into_inner().unwrap();
    for kind in [
        "Auth",
        "Config",
        "Connect",
        "Constraint",
        "Data",
        "Decode",
        "Migration",
        "ReadOnly",
        "Syntax",
        "Tasks",
    ] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }

    for (channel, evidence) in [("the log", &logged), ("closed", &closed), ("open", &open)] {
        let found = evidence.finds(secrets.all());
        assert!(found.is_empty(), "secrets in {channel}:\n{}", found.join("\n"));
    }
    for (channel, evidence) in [("the log", &logged), ("closed", &closed)] {
        let found = evidence.finds([&marker]);
        assert!(found.is_empty(), "values in {channel}:\n{}", found.join("\n"));
    }
}
