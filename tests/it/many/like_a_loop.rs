//! Where many rows at a time could be told from a loop, and are not.

use std::thread::sleep;
use std::time::Duration;

use batchdb::{DatabaseManager, ErrorKind, Params, Value, params};

use super::{count, count_of, row};
use crate::common::{fresh, postgres, timed};

const INSERT: &str = "INSERT INTO t (id) VALUES (:id)";

/// The same, and no load: the row is more than parameters.
const COMPUTED: &str = "INSERT INTO t (id) VALUES (:id + 0)";

fn ids(records: i64) -> impl Iterator<Item = Params> {
    (0..records).map(|id| params! { id: id })
}

/// Records that are slow to come.
fn slowly(records: i64) -> impl Iterator<Item = Params> {
    ids(records).inspect(|_| sleep(Duration::from_millis(40)))
}

#[test]
fn a_text_for_an_interval_of_some_fields_means_the_same_in_all_records() {
    // `COPY` reads it in the unit of the column, an INSERT in seconds, and then cuts it.
    let db = postgres("many_interval");
    db.execute("CREATE DOMAIN minutes AS interval minute", ()).unwrap();
    for (ty, given) in [
        ("interval minute", Value::from(90)),
        ("interval day", Value::from("5")),
        ("interval hour to minute[]", Value::from(vec!["5", "1:30"])),
        ("interval(0)", Value::from("1.6")),
        ("minutes", Value::from("5")),
    ] {
        db.execute(&format!("CREATE TABLE t (id integer, v {ty})"), ()).unwrap();
        let record = |id: i64| params! { id: id, v: given.clone() };
        let sql = "INSERT INTO t (id, v) VALUES (:id, :v)";
        db.execute(sql, record(-1)).unwrap();
        db.execute_many(sql, (0..50).map(record)).unwrap();
        assert_eq!(count_of(&db, "(SELECT DISTINCT v FROM t) AS s"), 1, "{ty}");
        assert_eq!(count(&db), 51);
        db.execute("DROP TABLE t", ()).unwrap();
    }
}

#[test]
fn records_that_come_slowly_leave_no_statement_open_and_no_long_silence() {
    for setting in ["statement_timeout", "idle_in_transaction_session_timeout"] {
        let db = fresh("many_slow");
        let db = db.build().unwrap();
        db.execute("CREATE TABLE t (id integer)", ()).unwrap();
        db.session(|session| {
            session.execute(&format!("SET {setting} = '1s'"), ())?;
            for sql in [INSERT, COMPUTED] {
                session.execute_many(sql, slowly(45))?;
            }
            Ok::<_, batchdb::Error>(())
        })
        .unwrap_or_else(|error| panic!("{setting}: {}", error.report()));
        assert_eq!(count(&db), 90, "{setting}");
    }
}

#[test]
fn records_that_stop_coming_for_a_while_lose_none() {
    let db = fresh("many_stalled").build().unwrap();
    db.execute("CREATE TABLE t (id integer)", ()).unwrap();
    db.session(|session| {
        session.execute("SET statement_timeout = '1s'", ())?;
        // The first ones come quickly, so that the load takes the others while it is open.
        let stall = |place: usize| {
            if [700, 2_000].contains(&place) {
                sleep(Duration::from_millis(1_500))
            }
        };
        session.execute_many(
            INSERT,
            ids(3_000).enumerate().inspect(|(place, _)| stall(*place)).map(|(_, id)| id),
        )
    })
    .unwrap_or_else(|error| panic!("{}", error.report()));
    assert_eq!(count(&db), 3_000);
    assert_eq!(count_of(&db, "(SELECT DISTINCT id FROM t) AS s"), 3_000);
}

#[test]
fn a_limit_on_the_whole_is_looked_at_while_records_come() {
    let db = postgres("many_whole");
    db.execute("CREATE TABLE t (id integer)", ()).unwrap();
    for sql in [INSERT, COMPUTED] {
        let limited = db.with_deadline(Duration::from_millis(700));
        let (outcome, took) = timed(|| limited.execute_many(sql, slowly(200)));
        assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Timeout(_)), "{sql}");
        assert!(took < Duration::from_secs(3), "{sql}: {took:?}");
        assert_eq!(count(&db), 0);
    }
}

#[test]
fn rows_that_take_long_share_no_limit() {
    let db = fresh("many_long").timeout(Duration::from_secs(2)).build().unwrap();
    let slow = "CREATE FUNCTION slow(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql \
                AS 'BEGIN PERFORM pg_sleep(0.01); RETURN $1; END'";
    db.execute(slow, ()).unwrap();
    db.execute("CREATE TABLE t (id integer)", ()).unwrap();
    db.execute("CREATE INDEX ON t (slow(id))", ()).unwrap();
    for sql in [INSERT, COMPUTED] {
        let (outcome, took) = timed(|| db.execute_many(sql, ids(300)));
        assert_eq!(outcome.unwrap_or_else(|error| panic!("{sql}: {}", error.report())), 300);
        assert!(took > Duration::from_secs(3), "{took:?}: the rows were to take longer than the limit");
    }
}

#[test]
fn a_part_may_refer_to_the_whole_and_the_whole_to_a_part() {
    let db = postgres("many_parts");
    for sql in [
        "CREATE TABLE whole (id integer PRIMARY KEY, boss integer REFERENCES whole) PARTITION BY RANGE (id)",
        "CREATE TABLE part PARTITION OF whole DEFAULT",
        "CREATE TABLE list (id integer PRIMARY KEY, boss integer) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF list FOR VALUES FROM (0) TO (1000)",
        "CREATE TABLE high PARTITION OF list DEFAULT",
        "ALTER TABLE low ADD FOREIGN KEY (boss) REFERENCES list",
        "CREATE TABLE split (id integer PRIMARY KEY, boss integer) PARTITION BY RANGE (id)",
        "CREATE TABLE near PARTITION OF split FOR VALUES FROM (0) TO (1000) PARTITION BY RANGE (id)",
        "CREATE TABLE nearer PARTITION OF near DEFAULT",
        "ALTER TABLE nearer ADD FOREIGN KEY (boss) REFERENCES split",
    ] {
        db.execute(sql, ()).unwrap();
    }
    for table in ["whole", "part", "list", "low", "split", "near", "nearer"] {
        // To itself, from the 21st record on to the next.
        let boss = |id: i64| if id <= 20 { id } else { (id + 1).min(100) };
        let records = (1..=100).map(|id| params! { id: id, boss: boss(id) });
        let sql = format!("INSERT INTO {table} (id, boss) VALUES (:id, :boss)");
        let error = db.execute_many(&sql, records).expect_err(table);
        assert!(error.to_string().contains("record 21: "), "{table}: {error}");
        assert_eq!(count_of(&db, table), 0);
    }
}

#[test]
fn no_catalog_is_gone_through_for_each_part_of_a_table() {
    let db = postgres("many_parts");
    for sql in [
        "CREATE TABLE t (id integer PRIMARY KEY, at timestamptz DEFAULT now()) PARTITION BY RANGE (id)",
        "DO $$ BEGIN FOR n IN 0..59 LOOP \
           EXECUTE format('CREATE TABLE t%s PARTITION OF t FOR VALUES FROM (%s) TO (%s)', n, n * 10, n * 10 + 10); \
         END LOOP; END $$",
    ] {
        db.execute(sql, ()).unwrap();
    }
    let read = db.transaction(|tx| {
        tx.execute_many(INSERT, ids(100))?;
        tx.query_one("SELECT sum(seq_tup_read)::bigint AS n FROM pg_stat_xact_sys_tables", ())?
            .get::<i64>("n")
    });
    let read = read.unwrap();
    assert!(read < 60_000, "{read} rows of catalogs were read");
}

#[test]
fn a_name_may_have_a_comment_in_it() {
    let db = postgres("many_names");
    db.execute("CREATE SCHEMA \"A b\"", ()).unwrap();
    db.execute("CREATE TABLE \"A b\".\"T \"\"x\"\"\" (id integer)", ()).unwrap();
    let sql = "INSERT INTO \"A b\" . /* which */ \"T \"\"x\"\"\" -- so\n (id) VALUES (:id)";
    assert_eq!(db.execute_many(sql, ids(100)).unwrap(), 100);
}

#[test]
fn each_record_has_its_own_time_where_a_statement_has() {
    let db = postgres("many_clock");
    db.execute("CREATE TABLE t (id integer, at timestamptz DEFAULT statement_timestamp())", ()).unwrap();
    db.execute_many(INSERT, ids(200)).unwrap();
    assert!(count_of(&db, "(SELECT DISTINCT at FROM t) AS s") > 150);
    db.execute("CREATE DOMAIN stamp AS timestamptz DEFAULT statement_timestamp()", ()).unwrap();
    db.execute("DROP TABLE t", ()).unwrap();
    db.execute("CREATE TABLE t (id integer, at stamp)", ()).unwrap();
    db.execute_many(INSERT, ids(200)).unwrap();
    assert!(count_of(&db, "(SELECT DISTINCT at FROM t) AS s") > 150);
}

/// The server reads the texts of all parameters there, and makes no JSON of a list, in no record.
#[test]
fn without_a_statement_cache_all_records_are_read_alike() {
    let db: DatabaseManager = fresh("many_uncached").statement_cache(0).build().unwrap();
    db.execute("CREATE TABLE t (id integer, name jsonb)", ()).unwrap();
    let record = |id: i64| {
        if id == 30 {
            params! { id: id, name: vec![1, 2] }
        } else {
            row_of_json(id)
        }
    };
    let error = db.execute_many("INSERT INTO t (id, name) VALUES (:id, :name)", (1..=60).map(record));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("record 30: "), "{error}");
    db.execute("ALTER TABLE t ALTER name TYPE text", ()).unwrap();
    assert_eq!(db.execute_many(super::INSERT, (1..=60).map(row)).unwrap(), 60);
}

fn row_of_json(id: i64) -> Params {
    params! { id: id, name: serde_json::json!({ "id": id }) }
}
