//! Results: many rows, several results, counts, and what goes in by many.

use batchdb::{Error, ErrorKind, Value, params};

use crate::target::{Kind, Target, Told};

/// A query for the numbers from 1 to 200,000, with a text beside each.
fn series(target: &Target) -> &'static str {
    target.say(
        "SELECT i::bigint AS n, 'row ' || i AS t FROM generate_series(1, 200000) i",
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 200000) SELECT n, 'row ' || n AS t FROM c",
        "WITH d(d) AS (SELECT d FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) v(d)) \
         SELECT CAST(1 + a.d + 10*b.d + 100*c.d + 1000*e.d + 10000*f.d + 100000*g.d AS bigint) AS n, \
         CAST('row ' + CAST(1 + a.d + 10*b.d + 100*c.d + 1000*e.d + 10000*f.d + 100000*g.d AS varchar(20)) \
         AS nvarchar(40)) AS t FROM d a, d b, d c, d e, d f, d g WHERE g.d < 2",
    )
}

pub(crate) fn many_rows_come_whole(target: &Target) -> Told {
    let db = target.db();
    let (mut count, mut sum) = (0_i64, 0_i64);
    db.query_each(series(target), (), |row| {
        let n: i64 = row.get("n")?;
        assert_eq!(row.get::<String>("t")?, format!("row {n}"));
        count += 1;
        sum += n;
        Ok::<_, Error>(true)
    })
    .unwrap();
    assert_eq!((count, sum), (200_000, 20_000_100_000));
    let rows = db.execute_query(series(target), ()).unwrap();
    assert_eq!(rows.len(), 200_000);
    Ok(())
}

pub(crate) fn a_stream_may_end_early(target: &Target) -> Told {
    let db = target.db();
    let mut seen = 0;
    db.query_each(series(target), (), |_| {
        seen += 1;
        Ok::<_, Error>(seen < 10)
    })
    .unwrap();
    assert_eq!(seen, 10);
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    Ok(())
}

pub(crate) fn several_results_come_in_order(target: &Target) -> Told {
    let db = target.db();
    let one = db.query_sets("SELECT 1 AS a WHERE 1 = 0", ()).unwrap();
    assert!(one.len() == 1 && one[0].is_empty(), "a result without rows is one all the same");
    target.only_t_sql()?;
    let table = target.table(&db, "id int");
    let sql = format!(
        "SELECT :a AS a; INSERT INTO {table} VALUES (1), (2); SELECT id FROM {table} ORDER BY id; \
         UPDATE {table} SET id = id + 1; SELECT 1 AS none WHERE 1 = 0; SELECT :b AS b"
    );
    let sets = db.query_sets(&sql, params! { a: 7, b: "é" }).unwrap();
    assert_eq!(sets.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 0, 1]);
    assert_eq!(sets[0][0].get::<i64>("a").unwrap(), 7);
    assert_eq!(sets[1][1].get::<i64>("id").unwrap(), 2);
    assert_eq!(sets[3][0].get::<String>("b").unwrap(), "é");
    // Without parameters another call of the protocol carries it.
    let sets = db.query_sets("SELECT 1 AS a; SELECT 2 AS b, 3 AS c", ()).unwrap();
    assert_eq!(sets[1][0].columns().collect::<Vec<_>>(), ["b", "c"]);
    let failed = db.query_sets("SELECT 1 AS a; SELECT 1 / 0 AS b; SELECT 2 AS c", ()).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Data, "{}", failed.report());
    // The first result alone, and what is behind it is read to its end.
    let rows = db.execute_query("SELECT 1 AS a; SELECT 2 AS b", ()).unwrap();
    assert_eq!((rows.len(), rows[0].get::<i64>("a").unwrap()), (1, 1));
    Ok(())
}

pub(crate) fn counts_are_those_of_the_statement_under_triggers(target: &Target) -> Told {
    let db = target.db();
    let (table, seen) = (target.table(&db, "id int"), target.table(&db, "id int"));
    let name = target.unique("batchdb_tr");
    match target.kind {
        Kind::Sqlite => {
            let body = format!("INSERT INTO {seen} VALUES (new.id); INSERT INTO {seen} VALUES (new.id)");
            db.execute(&format!("CREATE TRIGGER {name} AFTER INSERT ON {table} BEGIN {body}; END"), ())
                .unwrap();
        }
        Kind::Postgres | Kind::PsqlOdbc => {
            let body =
                format!("INSERT INTO {seen} VALUES (new.id); INSERT INTO {seen} VALUES (new.id); RETURN new");
            let function =
                format!("CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body}; END'");
            db.execute(&function, ()).unwrap();
            let trigger = format!(
                "CREATE TRIGGER {name} AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
            );
            db.execute(&trigger, ()).unwrap();
        }
        Kind::SqlServer | Kind::Babelfish => {
            // Without NOCOUNT its own counts come as well.
            let body = format!(
                "INSERT INTO {seen} SELECT id FROM inserted; INSERT INTO {seen} SELECT id FROM inserted"
            );
            db.execute(&format!("CREATE TRIGGER {name} ON {table} AFTER INSERT AS BEGIN {body} END"), ())
                .unwrap();
        }
    }
    let sql = format!("INSERT INTO {table} SELECT :id UNION ALL SELECT 2 UNION ALL SELECT 3");
    assert_eq!(db.execute(&sql, params! { id: 1 }).unwrap(), 3);
    // Without parameters another call of the protocol carries it.
    assert_eq!(db.execute(&format!("INSERT INTO {table} VALUES (4), (5)"), ()).unwrap(), 2);
    let nightly = target.say("; -- nightly", "", "; -- nightly");
    assert_eq!(db.execute(&format!("DELETE FROM {table} WHERE id > 3{nightly}"), ()).unwrap(), 2);
    let seen: i64 = db.query_one(&format!("SELECT count(*) AS n FROM {seen}"), ()).unwrap().get("n").unwrap();
    assert_eq!(seen, 10, "the trigger has run");
    Ok(())
}

pub(crate) fn what_a_write_puts_out_comes_back(target: &Target) -> Told {
    let db = target.db();
    let identity = target.say(
        "id bigint GENERATED ALWAYS AS IDENTITY",
        "id INTEGER PRIMARY KEY",
        "id bigint IDENTITY(1, 1) PRIMARY KEY",
    );
    let table =
        target.table(&db, &format!("{identity}, name {}", target.say("text", "text", "nvarchar(20)")));
    if target.kind == Kind::Sqlite {
        let error = db.execute_query(&format!("INSERT INTO {table} (name) VALUES ('a') RETURNING id"), ());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Usage, "its driver would lose the rows");
        return Ok(());
    }
    let sql = target.say(
        format!("INSERT INTO {table} (name) VALUES (:a), (:b) RETURNING id, name"),
        String::new(),
        format!("INSERT INTO {table} (name) OUTPUT inserted.id, inserted.name VALUES (:a), (:b)"),
    );
    let rows = db.execute_query(&sql, params! { a: "é", b: "x" }).unwrap();
    let back: Vec<(i64, String)> =
        rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect();
    assert_eq!(back, [(1, "é".to_owned()), (2, "x".to_owned())]);
    if target.is_t_sql() {
        let sql =
            format!("INSERT INTO {table} (name) VALUES (:a); SELECT CAST(SCOPE_IDENTITY() AS bigint) AS id");
        let rows = db.execute_query(&sql, params! { a: "y" }).unwrap();
        assert_eq!(rows[0].get::<i64>("id").unwrap(), 3);
        let sql = format!("DELETE FROM {table} OUTPUT deleted.id WHERE id > :id");
        assert_eq!(db.execute_query(&sql, params! { id: 1 }).unwrap().len(), 2);
    }
    Ok(())
}

pub(crate) fn records_go_in_together_or_not_at_all(target: &Target) -> Told {
    let db = target.db();
    let table = target
        .table(&db, &format!("id int PRIMARY KEY, name {}", target.say("text", "text", "nvarchar(20)")));
    let sql = format!("INSERT INTO {table} (id, name) VALUES (:id, :name)");
    let record = |id: i64| params! { id: id, name: if id % 3 == 0 { Value::Null } else { Value::from("é") } };
    assert_eq!(db.execute_many(&sql, (1..=2_500).map(record)).unwrap(), 2_500);
    let failed = db.execute_many(&sql, (2_501..=3_500).chain([7]).map(record)).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Constraint, "{}", failed.report());
    let count: i64 =
        db.query_one(&format!("SELECT count(*) AS n FROM {table}"), ()).unwrap().get("n").unwrap();
    assert_eq!(count, 2_500);
    let nulls = format!("SELECT count(*) AS n FROM {table} WHERE name IS NULL");
    assert_eq!(db.query_one(&nulls, ()).unwrap().get::<i64>("n").unwrap(), 833);
    Ok(())
}

pub(crate) fn rows_of_a_mass_load_go_in(target: &Target) -> Told {
    let db = target.db();
    let text = target.say("text", "text", "nvarchar(20)");
    let stamp = target.say("timestamp", "text", "datetime2(3)");
    let table = target.table(
        &db,
        &format!(
            "id int PRIMARY KEY, name {text}, amount {}, at {stamp}",
            target.say("numeric(12,2)", "real", "decimal(12,2)")
        ),
    );
    let at: chrono::NaiveDateTime = "2026-01-05T08:00:37.123".parse().unwrap();
    let row = |id: i64| {
        let amount = if target.kind == Kind::Sqlite {
            Value::Float(0.5)
        } else {
            Value::Decimal(Box::new("-12.50".parse().unwrap()))
        };
        let at = if target.kind == Kind::Sqlite { Value::from("2026") } else { Value::Timestamp(at) };
        let name = if id % 2 == 0 { Value::Null } else { Value::from("é😀") };
        [Value::Int(id), name, amount, at]
    };
    let columns = ["id", "name", "amount", "at"];
    let loaded = db.bulk_insert(&table, &columns, (1..=5_000).map(row)).unwrap();
    assert_eq!(loaded, 5_000);
    let twice = db.bulk_insert(&table, &columns, (5_001..=5_100).chain([9]).map(row)).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Constraint, "{}", twice.report());
    let count: i64 =
        db.query_one(&format!("SELECT count(*) AS n FROM {table}"), ()).unwrap().get("n").unwrap();
    assert_eq!(count, 5_000);
    Ok(())
}

pub(crate) fn pages_and_odd_names(target: &Target) -> Told {
    let db = target.db();
    let quote = |name: &str| {
        let dialect =
            target.say(batchdb::Dialect::Postgres, batchdb::Dialect::Sqlite, batchdb::Dialect::SqlServer);
        dialect.quote(name)
    };
    let odd = quote(if target.kind == Kind::Babelfish { "odd \"name" } else { "odd ]\"name" });
    let table = target.table(&db, &format!("{odd} int"));
    db.execute_many(&format!("INSERT INTO {table} VALUES (:id)"), (1..=9).map(|id| params! { id: id }))
        .unwrap();
    let page = target.say(
        format!("SELECT {odd} AS n FROM {table} ORDER BY {odd} LIMIT :take OFFSET :skip"),
        format!("SELECT {odd} AS n FROM {table} ORDER BY {odd} LIMIT :take OFFSET :skip"),
        format!("SELECT {odd} AS n FROM {table} ORDER BY {odd} OFFSET :skip ROWS FETCH NEXT :take ROWS ONLY"),
    );
    let rows = db.execute_query(&page, params! { take: 3, skip: 3 }).unwrap();
    let numbers: Vec<i64> = rows.iter().map(|row| row.get("n").unwrap()).collect();
    assert_eq!(numbers, [4, 5, 6]);
    if target.is_t_sql() {
        let top = format!("SELECT TOP (:take) {odd} AS n FROM {table} ORDER BY {odd} DESC");
        assert_eq!(db.execute_query(&top, params! { take: 2 }).unwrap()[0].get::<i64>("n").unwrap(), 9);
    }
    target.not_on_babelfish("a `]` in a quoted name is not understood; all else passed")
}

pub(crate) fn a_count_is_the_writes_own_under_a_trigger_that_returns_rows(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.db();
    let table = target.table(&db, "id int");
    let name = target.unique("batchdb_tr");
    let body = "SELECT id, 'a' AS a FROM inserted UNION ALL SELECT id, 'b' FROM inserted";
    db.execute(&format!("CREATE TRIGGER {name} ON {table} AFTER INSERT AS BEGIN {body} END"), ()).unwrap();
    let insert = format!("INSERT INTO {table} VALUES (1), (2), (3)");
    assert_eq!(db.execute(&insert, ()).unwrap(), 3, "without parameters");
    let insert = format!("INSERT INTO {table} SELECT :id UNION ALL SELECT 2 UNION ALL SELECT 3");
    assert_eq!(db.execute(&insert, params! { id: 1 }).unwrap(), 3, "with parameters");
    assert_eq!(db.execute_query(&insert, params! { id: 1 }).unwrap().len(), 6, "the trigger's rows");
    // As are those of many records.
    let insert = format!("INSERT INTO {table} VALUES (:id)");
    assert_eq!(db.execute_many(&insert, (10..40).map(|id| params! { id: id })).unwrap(), 30);
    assert_eq!(db.bulk_insert(&table, &["id"], (40..60).map(|id| (id,))).unwrap(), 20);
    assert_eq!(db.bulk_upsert(&table, &["id"], &["id"], (50..80).map(|id| (id,))).unwrap(), 20);
    Ok(())
}
