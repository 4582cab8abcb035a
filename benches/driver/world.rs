//! The server of all measurements, its tables, and the handles to it.

use std::sync::OnceLock;

use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, DatabaseManagerBuilder, MigrateOnStart};

/// The rows of the table `item`.
pub(crate) const ITEMS: i64 = 500_000;

pub(crate) struct World {
    pub(crate) server: EmbeddedPostgres,
    db: OnceLock<DatabaseManager>,
}

impl World {
    pub(crate) fn start() -> World {
        let server = EmbeddedPostgres::builder().max_connections(200).start().unwrap();
        server.create_database("bench").unwrap();
        World { server, db: OnceLock::new() }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url_for("bench")
    }

    /// A builder of a handle to a database of the server.
    pub(crate) fn builder(&self, database: &str) -> DatabaseManagerBuilder {
        DatabaseManager::builder(database)
            .connection_string(format!("{}?sslmode=disable", self.server.url_for(database)))
            .pool_size(8)
            .migrate_on_start(MigrateOnStart::Off)
    }

    /// The ODBC connection string of the database with the tables.
    pub(crate) fn odbc(&self) -> String {
        let server = &self.server;
        format!(
            "Driver={{PostgreSQL Unicode}};Server={};Port={};Database=bench;UID={};PWD={{{}}};",
            server.host(),
            server.port(),
            server.user(),
            server.password(),
        )
    }

    /// The handle to the database with the table `item`, which is made when it is first asked for.
    pub(crate) fn db(&self) -> &DatabaseManager {
        self.db.get_or_init(|| {
            let db = self.builder("bench").build().unwrap();
            db.execute(
                "CREATE TABLE item (id int PRIMARY KEY, name varchar(40) NOT NULL, n bigint NOT NULL, \
                 price float8 NOT NULL, at timestamptz NOT NULL, day timestamp NOT NULL)",
                (),
            )
            .unwrap();
            db.execute(
                "INSERT INTO item SELECT i, 'item ' || i, i * 7, i / 100.0, now() + i * interval '1 s', \
                 now()::timestamp + i * interval '1 s' FROM generate_series(1, :items) i",
                batchdb::params! { items: ITEMS },
            )
            .unwrap();
            // Not while something is measured.
            db.execute("VACUUM (FREEZE, ANALYZE) item", ()).unwrap();
            db
        })
    }
}
