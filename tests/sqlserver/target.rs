//! The databases that the bodies run on, and what differs in the words for each.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, DatabaseManagerBuilder, MigrateOnStart};

/// One server for all that is about PostgreSQL. Its guardian ends it with this process.
pub(crate) fn server() -> &'static EmbeddedPostgres {
    static SERVER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = EmbeddedPostgres::builder().max_connections(300).start();
        server.expect("a throw-away PostgreSQL server is needed for the tests")
    })
}

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PostgreSQL by its own protocol.
    Postgres,
    /// PostgreSQL through psqlODBC.
    PsqlOdbc,
    Sqlite,
    SqlServer,
    /// What speaks SQL Server's protocol and most of its SQL.
    Babelfish,
}

/// Why a body has nothing to show on a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is about something that this kind of database does not have.
    NotItsMatter(&'static str),
    /// SQL Server has it, and this server has not.
    NotSupported(&'static str),
}

/// What a body says: nothing, when all that it asserts holds.
pub(crate) type Told = Result<(), Left>;

/// One database.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    connection_string: String,
    database_type: &'static str,
    /// The tables and the like that were made, to be dropped.
    made: Mutex<Vec<String>>,
    _keeps: Option<tempfile::TempDir>,
}

impl Target {
    pub(crate) fn postgres() -> Target {
        Target::new("postgresql", Kind::Postgres, "postgresql", server().url_for("postgres"), None)
    }

    pub(crate) fn psql_odbc() -> Target {
        let server = server();
        let text = format!(
            "Driver={{PostgreSQL Unicode}};Server={};Port={};Database=postgres;UID={};PWD={{{}}};",
            server.host(),
            server.port(),
            server.user(),
            server.password()
        );
        Target::new("psqlodbc", Kind::PsqlOdbc, "odbc", text, None)
    }

    pub(crate) fn sqlite() -> Target {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("Driver=SQLite3;Database={};Timeout=5000", folder.path().join("a.db").display());
        Target::new("sqlite", Kind::Sqlite, "odbc", text, Some(folder))
    }

    /// A server of the environment, asked what it is.
    pub(crate) fn sql_server(number: usize, connection_string: &str) -> Target {
        let lower = connection_string.to_ascii_lowercase();
        let driver =
            if lower.contains("freetds") || lower.contains("tdsodbc") { "freetds" } else { "microsoft" };
        let name = format!("server {number}, {driver}");
        let mut target = Target::new(&name, Kind::SqlServer, "sqlserver", connection_string.to_owned(), None);
        let version = target.db().query_one("SELECT @@VERSION AS version", ());
        let version: String = version.expect("the server must answer").get("version").unwrap();
        println!("{name}: {}", version.lines().next().unwrap_or_default());
        if version.contains("Babelfish") {
            target.kind = Kind::Babelfish;
        }
        target
    }

    fn new(
        name: &str,
        kind: Kind,
        database_type: &'static str,
        connection_string: String,
        keeps: Option<tempfile::TempDir>,
    ) -> Target {
        let made = Mutex::default();
        Target { name: name.to_owned(), kind, connection_string, database_type, made, _keeps: keeps }
    }

    pub(crate) fn is_t_sql(&self) -> bool {
        matches!(self.kind, Kind::SqlServer | Kind::Babelfish)
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.kind, Kind::Postgres | Kind::PsqlOdbc)
    }

    /// Ends a body that is about T-SQL anywhere else.
    pub(crate) fn only_t_sql(&self) -> Told {
        if self.is_t_sql() { Ok(()) } else { Err(Left::NotItsMatter("T-SQL's own")) }
    }

    /// Ends a body on a server that only speaks SQL Server's protocol.
    pub(crate) fn not_on_babelfish(&self, what: &'static str) -> Told {
        if self.kind == Kind::Babelfish { Err(Left::NotSupported(what)) } else { Ok(()) }
    }

    /// A statement that takes half a minute, and does nothing.
    pub(crate) fn slow(&self) -> &'static str {
        match self.kind {
            Kind::Postgres | Kind::PsqlOdbc => "SELECT pg_sleep(30)",
            Kind::Sqlite => {
                "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c"
            }
            Kind::SqlServer => "WAITFOR DELAY '00:00:30'",
            // It has no WAITFOR, and PostgreSQL's own function in the place of it.
            Kind::Babelfish => "SELECT count(*) AS n FROM (SELECT pg_sleep(30) AS x) q",
        }
    }

    /// Whether an error is one that Babelfish has no number of SQL Server's for.
    pub(crate) fn has_no_number(&self, error: &batchdb::Error) -> bool {
        self.kind == Kind::Babelfish && error.native_code() == Some(33_557_097)
    }

    /// The words for the database: PostgreSQL's, SQLite's or SQL Server's.
    pub(crate) fn say<T>(&self, postgres: T, sqlite: T, t_sql: T) -> T {
        match self.kind {
            Kind::Postgres | Kind::PsqlOdbc => postgres,
            Kind::Sqlite => sqlite,
            Kind::SqlServer | Kind::Babelfish => t_sql,
        }
    }

    /// A handle with a pool of its own.
    pub(crate) fn builder(&self) -> DatabaseManagerBuilder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        DatabaseManager::builder(&format!("suite_{}", NEXT.fetch_add(1, Ordering::SeqCst)))
            .connection_string(self.connection_string.clone())
            .database_type(self.database_type)
            .migrate_on_start(MigrateOnStart::Off)
            .timeout(Duration::from_secs(30))
            .pool_size(2)
    }

    pub(crate) fn db(&self) -> DatabaseManager {
        self.builder().build().unwrap()
    }

    /// What `TYPE` says of it.
    pub(crate) fn database_type(&self) -> &str {
        self.database_type
    }

    pub(crate) fn connection_string(&self) -> &str {
        &self.connection_string
    }

    /// A name that nothing else in the database has.
    pub(crate) fn unique(&self, prefix: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst))
    }

    /// A table with these columns, dropped behind the run.
    pub(crate) fn table(&self, db: &DatabaseManager, columns: &str) -> String {
        let name = self.unique("batchdb_t");
        db.execute(&format!("CREATE TABLE {name} ({columns})"), ()).unwrap();
        self.drop_later(&format!("TABLE {name}"));
        name
    }

    pub(crate) fn drop_later(&self, what: &str) {
        self.made.lock().unwrap().push(what.to_owned());
    }

    /// Drops what the bodies have made, the last first.
    pub(crate) fn clean(&self) {
        let db = self.db();
        for what in self.made.lock().unwrap().drain(..).rev() {
            if let Err(error) = db.execute(&format!("DROP {what}"), ()) {
                println!("{}: {what} is left behind: {error}", self.name);
            }
        }
    }
}
