//! What a busy program asks of a database beyond single queries: a larger pool, batches, limits, timing, pool status.
//!
//! Its last line on standard output is the result as JSON.

#![allow(clippy::print_stdout, reason = "the result is what this program is run for")]

use std::time::Duration;

use batchdb::{DatabaseManager, ErrorKind, Phase, Result, params};
use serde_json::json;

const INSERT: &str = "INSERT INTO operations_example (id, status) VALUES (:id, :status)";

fn main() -> Result<()> {
    batchdb::init_logging();
    // For high throughput: 20 connections that stay, 30 more at a peak, none older than an hour.
    let db = DatabaseManager::builder("rpa_db")
        .pool_size(20)
        .max_overflow(30)
        .pool_recycle(Duration::from_secs(3600))
        .build()?;
    db.execute("DROP TABLE IF EXISTS operations_example", ())?;
    db.execute("CREATE TABLE operations_example (id BIGINT PRIMARY KEY, status TEXT NOT NULL)", ())?;

    // Many records of one kind, all or nothing.
    let written = db.execute_many(INSERT, (1..=1000).map(|id| params! { id: id, status: "new" }))?;

    // Statements that belong together, all or nothing.
    let results = db.execute_transaction([
        (INSERT, params! { id: 1001, status: "completed" }),
        (
            "UPDATE operations_example SET status = :status WHERE id <= :id",
            params! { status: "done", id: 10 },
        ),
        (
            "SELECT count(*) AS done FROM operations_example WHERE status = :status",
            params! { status: "done" },
        ),
    ])?;
    let done: i64 = results[2][0].get("done")?;

    // The second statement is refused, so the first has not happened either.
    let refused = db.execute_transaction([
        (INSERT, params! { id: 1002, status: "new" }),
        (INSERT, params! { id: 1, status: "twice" }),
    ]);
    let refused = refused.err().map(|error| error.kind());
    println!(
        "a batch with a duplicate: {}",
        refused.map_or("taken".to_owned(), |kind| format!("refused, {kind}"))
    );

    let timed = db.execute_query_with_timing("SELECT id, status FROM operations_example ORDER BY id", ())?;
    println!("{} rows in {} ms: {}", timed.row_count, timed.execution_time_ms, timed.status);

    let slow = db.execute_query_with_timeout("SELECT pg_sleep(30)", (), Duration::from_millis(200));
    let timed_out = slow.is_err_and(|error| error.kind() == ErrorKind::Timeout(Phase::Query));
    println!("a query of 30 s with a limit of 0.2 s: {}", if timed_out { "timed out" } else { "went on" });

    let pool = db.pool_status();
    println!("pool: {} of {} in use, {} idle", pool.checked_out, pool.pool_size, pool.checked_in);
    db.execute("DROP TABLE operations_example", ())?;
    println!(
        "{}",
        json!({
            "written": written,
            "statements": results.len(),
            "done": done,
            "duplicate_refused": refused == Some(ErrorKind::Constraint),
            "row_count": timed.row_count,
            "timed_out": timed_out,
            "pool_status": pool,
        })
    );
    Ok(())
}
