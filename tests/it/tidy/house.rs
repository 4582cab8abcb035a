//! The order of the house, as tables: which module stands where, which foreign crate lives in which room.
//!
//! A new module or dependency gets its line here, in the change that brings it.

/// The rank of each module. What is under a module that is named here, and not named itself, has its rank. Imports go
/// to a lower rank; `rules::ranks` says what else is allowed within one room.
pub(super) const RANKS: &[(&str, u32)] = &[
    ("dialect", 0),
    ("embedded", 0),
    ("error", 1),
    ("value", 2),
    ("deadline", 2),
    ("cancel", 2),
    ("row", 3),
    ("context", 3),
    ("retry", 3),
    ("fault", 3),
    ("metrics", 3),
    ("params", 4),
    ("log_line", 4),
    ("sql", 5),
    ("settings", 5),
    ("backend", 6),
    ("migrate::version", 6),
    ("migrate::checksum", 6),
    ("migrate::name", 6),
    ("migrate::directives", 6),
    ("migrate::text", 6),
    ("migrate::problem", 6),
    ("migrate::files", 6),
    ("migrate::check", 6),
    ("migrate::plan", 6),
    ("backend::postgres", 7),
    ("backend::odbc", 7),
    ("backend::scripted", 7),
    ("backend::faulty", 7),
    ("backend::rotating", 7),
    ("pool", 8),
    ("session", 9),
    ("transaction", 10),
    ("engine", 10),
    ("manager", 11),
    ("advisory", 11),
    ("migrate", 12),
    ("tasks", 12),
    ("lock", 12),
    ("claim", 12),
    ("bulk", 12),
    ("many", 12),
    ("logging", 12),
    ("telemetry", 12),
    ("transfer", 13),
    ("builder", 13),
    ("health", 13),
    ("doctor", 14),
    ("monitor", 14),
    ("guide", 15),
    ("testing", 15),
    ("testing::embedded_postgres", 15),
    ("testing::mock", 15),
    ("testing::test_database", 15),
    ("testing::fixtures", 15),
    ("testing::round_trip", 15),
    (ROOT, 15),
];

/// `lib.rs`: the contents page.
pub(super) const ROOT: &str = "lib";

/// Rooms of one house that never meet.
pub(super) const STRANGERS: &[(&str, &str)] = &[("backend::postgres", "backend::odbc")];

/// Modules that stand high and may yet look at little.
pub(super) const ONLY: &[(&str, &[&str])] = &[
    ("testing::embedded_postgres", &["error", "manager"]),
    (
        "testing::test_database",
        &["builder", "error", "lock", "manager", "migrate", "params", "session", "settings"],
    ),
    ("testing::round_trip", &["dialect", "error", "manager"]),
    ("testing::fixtures", &["dialect", "error", "manager", "params", "transfer", "value"]),
    (
        "testing::mock",
        &[
            "backend::scripted",
            "builder",
            "dialect",
            "error",
            "manager",
            "params",
            "row",
            "settings",
            "sql",
            "value",
        ],
    ),
];

/// Where a foreign crate may be named: modules as paths under `src`, without the `.rs`.
pub(super) const ROOMS: &[(&str, &[&str])] = &[
    ("postgres", &["backend/postgres"]),
    ("r2d2_postgres", &["backend/postgres"]),
    ("tokio", &["backend/postgres"]),
    ("tokio_postgres_rustls", &["backend/postgres"]),
    ("rustls", &["backend/postgres"]),
    ("rustls_native_certs", &["backend/postgres"]),
    ("x509_cert", &["backend/postgres"]),
    ("odbc_api", &["backend/odbc"]),
    ("odbc_sys", &["backend/odbc"]),
    ("crossbeam_channel", &["backend", "pool", "tasks", "cancel", "context", "transfer"]),
    ("ctrlc", &["cancel/signals"]),
    // The PostgreSQL room fills the pool's empty slots through r2d2's own manager of `postgres`, by r2d2's trait.
    ("r2d2", &["pool", "backend/postgres"]),
    ("scheduled_thread_pool", &["pool"]),
    ("rayon", &["tasks"]),
    ("schemamama", &["migrate/adapter"]),
    ("batchdb_macros", &["lib"]),
    ("crc32fast", &["migrate"]),
    ("sha2", &["migrate", "advisory"]),
    ("dotenvy", &["settings"]),
    ("strsim", &["settings", "bulk"]),
    ("percent_encoding", &["settings"]),
    ("zeroize", &["settings"]),
    ("lru", &["sql", "backend/postgres"]),
    ("env_logger", &["logging"]),
    ("clap", &["bin"]),
    ("clap_complete", &["bin"]),
    ("clap_mangen", &["bin"]),
    ("comfy_table", &["bin"]),
    ("compact_str", &["value"]),
    ("indicatif", &["bin"]),
    ("tempfile", &["testing"]),
    ("httparse", &["monitor"]),
];

/// Foreign crates that are vocabulary, and may be named anywhere.
pub(super) const ANYWHERE: &[&str] =
    &["bigdecimal", "chrono", "fastrand", "log", "serde", "serde_json", "uuid"];

/// Foreign crates whose types a public signature may show, and our own.
pub(super) const PUBLIC: &[&str] = &["batchdb_macros", "bigdecimal", "chrono", "serde", "serde_json", "uuid"];

/// Modules that decide, and so neither look at the world nor wait for it.
pub(super) const PURE: &[&str] = &[
    "dialect",
    "error",
    "value",
    "deadline",
    "params",
    "row",
    "retry",
    "sql",
    "migrate/version",
    "migrate/checksum",
    "migrate/name",
    "migrate/directives",
    "migrate/text",
    "migrate/problem",
    "migrate/check",
    "migrate/plan",
];

/// What a pure module does not name: the beginning of a path.
pub(super) const WORLD: &[&str] =
    &["std::env", "std::fs", "std::net", "std::process", "std::io::stdin", "fastrand"];

/// What a pure module does not name: the end of a path. Clock and chance are arguments.
pub(super) const CLOCKS: &[&str] =
    &["Instant::now", "Instant::elapsed", "SystemTime::now", "Utc::now", "Local::now", "thread::sleep"];

/// The only room for `unsafe`.
pub(super) const UNSAFE: &str = "backend/odbc";

pub(super) const MOST_LINES: usize = 500;
pub(super) const MOST_BYTES: usize = 24 * 1024;
