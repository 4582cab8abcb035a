//! The statements of an upsert, for each database. Pure.

use crate::backend::LoadTarget;
use crate::engine::Engine;
use crate::sql::counted;

/// The name of the table that the rows are loaded into.
pub(super) const STAGE: &str = "batchdb_stage";

/// In which order the rows came.
const ORDER: &str = "batchdb_row";

/// What an upsert runs, in this order.
#[derive(Debug)]
pub(super) struct Texts {
    /// Make the table that the rows are loaded into, with the types of the columns that they will go to.
    pub(super) make: Vec<String>,
    /// That table.
    pub(super) stage: String,
    /// Bring the rows into their table. What they change is what the upsert has changed.
    pub(super) merge: Vec<String>,
    /// They return their counts as a row: SQL Server tells none where `NOCOUNT` is on.
    pub(super) merge_returns: bool,
    /// Counts the keys that came without a NULL, each once, and before the merge, whose triggers may do anything.
    pub(super) keys: String,
    /// Counts those of them that the table has not, after the merge. Only where a row that is there stays as it is, and
    /// the count of the merge says nothing.
    pub(super) missing: Option<String>,
    /// Counts the rows with a NULL in their key.
    pub(super) nulls: String,
    /// Brings these into their table, after all others: each is new.
    pub(super) insert_nulls: String,
    /// Takes the table away, so that another upsert of the same transaction can make it.
    pub(super) drop: String,
}

/// Counts PostgreSQL's unique indexes by which `ON CONFLICT` tells just these columns apart, and which take NULLs for equal
/// (`NULLS NOT DISTINCT`). Its versions before 15 have no column that says so, those before 11 none for what is included.
pub(super) const NULLS_ARE_EQUAL: &str = "\
    SELECT count(*) AS n FROM pg_index i \
      WHERE i.indrelid = to_regclass(CAST(:table AS text)) AND i.indisunique AND i.indisvalid AND i.indimmediate \
       AND i.indpred IS NULL AND i.indexprs IS NULL \
       AND CAST(to_jsonb(i) ->> 'indnullsnotdistinct' AS boolean) \
       AND CAST(to_jsonb(i) ->> 'indnkeyatts' AS int) = :columns \
       AND (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = i.indrelid \
        AND a.attnum = ANY ((CAST(i.indkey AS int2[]))[0:(CAST(:columns AS int) - 1)]) \
        AND CAST(a.attname AS text) IN (:keys)) = :columns";

/// `nulls_are_equal` by [`NULLS_ARE_EQUAL`]: a NULL in a key is then a value like any other.
pub(super) fn texts(engine: Engine, target: &LoadTarget, keys: &[&str], nulls_are_equal: bool) -> Texts {
    let dialect = engine.dialect();
    let quoted = |names: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        names.map(|name| dialect.quote(name)).collect()
    };
    let all = quoted(&mut target.columns.iter().map(|name| &**name)).join(", ");
    let others = quoted(&mut target.columns.iter().map(|name| &**name).filter(|name| !keys.contains(name)));
    let keys = quoted(&mut keys.iter().copied());
    let null = match nulls_are_equal {
        true => "false".to_owned(),
        false => Parts::each(&keys, " OR ", |name| format!("{name} IS NULL")),
    };
    let parts = Parts { table: &target.table, all, null, nulls_are_equal, keys, others };
    match engine {
        Engine::Postgres => parts.postgres(),
        Engine::Sqlite => parts.sqlite(),
        Engine::SqlServer => parts.sql_server(),
    }
}

/// Quoted names.
struct Parts<'t> {
    table: &'t str,
    all: String,
    /// That the key of a row has a NULL that makes it unlike any other. What is to hold of the others is `NOT` this: of a
    /// value of several fields, `IS NOT NULL` would say more.
    null: String,
    nulls_are_equal: bool,
    keys: Vec<String>,
    others: Vec<String>,
}

impl Parts<'_> {
    fn each(names: &[String], separator: &str, write: impl Fn(&str) -> String) -> String {
        names.iter().map(|name| write(name)).collect::<Vec<_>>().join(separator)
    }

    fn on_conflict(&self) -> String {
        let keys = self.keys.join(", ");
        let action = match self.others.is_empty() {
            true => "NOTHING".to_owned(),
            false => {
                format!(
                    "UPDATE SET {}",
                    Parts::each(&self.others, ", ", |name| format!("{name} = excluded.{name}"))
                )
            }
        };
        format!("ON CONFLICT ({keys}) DO {action}")
    }

    /// How many different keys came, and how many of them the table has not. The collation is that of the left side, and
    /// SQLite's table of the session has none.
    fn counts(&self, stage: &str) -> (String, Option<String>) {
        let Parts { table, null, .. } = self;
        let keys = self.keys.join(", ");
        let all = format!(
            "SELECT count(*) AS n FROM (SELECT DISTINCT {keys} FROM {stage} WHERE NOT ({null})) AS s"
        );
        let missing = match self.nulls_are_equal {
            // Which compares as `DISTINCT` does, and looks at the whole table for that.
            true => format!(
                "SELECT count(*) AS n FROM (SELECT {keys} FROM {stage} EXCEPT SELECT {keys} FROM {table}) AS s"
            ),
            false => format!("{all} WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {})", self.same()),
        };
        (all, self.others.is_empty().then_some(missing))
    }

    /// That a row `t` of the table has the key of a row `s` that came.
    fn same(&self) -> String {
        Parts::each(&self.keys, " AND ", |name| format!("t.{name} = s.{name}"))
    }

    fn nulls(&self, stage: &str) -> String {
        format!("SELECT count(*) AS n FROM {stage} WHERE {}", self.null)
    }

    /// The order is a column: where a row lies in the table of the session need not be where it came. An identity takes the
    /// value that is given, as from `COPY`; to a table without one `OVERRIDING` says nothing.
    fn postgres(&self) -> Texts {
        let Parts { table, all, null, .. } = self;
        let keys = self.keys.join(", ");
        let stage = format!("pg_temp.\"{STAGE}\"");
        let (counts, missing) = self.counts(&stage);
        let insert = format!("INSERT INTO {table} ({all}) OVERRIDING SYSTEM VALUE SELECT");
        Texts {
            keys: counts,
            missing,
            nulls: self.nulls(&stage),
            insert_nulls: format!("{insert} {all} FROM {stage} WHERE {null} ORDER BY \"{ORDER}\""),
            merge_returns: false,
            make: vec![
                format!(
                    "CREATE TEMPORARY TABLE \"{STAGE}\" ON COMMIT DROP AS SELECT {all} FROM {table} WITH NO DATA"
                ),
                format!("ALTER TABLE {stage} ADD COLUMN \"{ORDER}\" bigint GENERATED ALWAYS AS IDENTITY"),
            ],
            merge: vec![format!(
                "{insert} DISTINCT ON ({keys}) {all} FROM {stage} WHERE NOT ({null}) \
                 ORDER BY {keys}, \"{ORDER}\" DESC {}",
                self.on_conflict()
            )],
            drop: format!("DROP TABLE {stage}"),
            stage,
        }
    }

    /// A new table of SQLite numbers its rows as they come.
    fn sqlite(&self) -> Texts {
        let Parts { table, all, null, .. } = self;
        let stage = format!("\"temp\".\"{STAGE}\"");
        let (keys, missing) = self.counts(&stage);
        let insert = format!("INSERT INTO {table} ({all}) SELECT {all} FROM {stage}");
        Texts {
            keys,
            missing,
            nulls: self.nulls(&stage),
            insert_nulls: format!("{insert} WHERE {null} ORDER BY rowid"),
            merge_returns: false,
            make: vec![format!("CREATE TEMPORARY TABLE \"{STAGE}\" AS SELECT {all} FROM {table} WHERE 0")],
            merge: vec![format!(
                "{insert} WHERE rowid IN (SELECT max(rowid) FROM {stage} WHERE NOT ({null}) GROUP BY {}) {}",
                self.keys.join(", "),
                self.on_conflict()
            )],
            drop: format!("DROP TABLE {stage}"),
            stage,
        }
    }

    /// No `MERGE`: it has too many known defects, and locks no key that is not there. The `UPDATE` locks the ranges of
    /// all keys (`SERIALIZABLE`), so that nobody inserts one of them before the `INSERT` does, and does it by locks that
    /// two of them cannot hold at a time (`UPDLOCK`). The `UNION ALL` keeps `INTO` from making an identity column.
    fn sql_server(&self) -> Texts {
        let Parts { table, all, null, .. } = self;
        let stage = format!("[#{STAGE}]");
        let (keys, missing) = self.counts(&stage);
        let same = self.same();
        let insert = format!("INSERT INTO {table} ({all}) SELECT {all} FROM {stage}");
        let insert_new = format!(
            "{insert} AS s WHERE NOT ({null}) AND NOT EXISTS \
             (SELECT 1 FROM {table} AS t WITH (UPDLOCK, SERIALIZABLE) WHERE {same})"
        );
        let update = format!(
            "UPDATE t SET {} FROM {table} AS t WITH (UPDLOCK, SERIALIZABLE) JOIN {stage} AS s ON {same}",
            Parts::each(&self.others, ", ", |name| format!("t.{name} = s.{name}")),
        );
        // Of the rows with one key only the last stays, in one batch with the first statement that counts: its count is
        // that of its last statement.
        let last = format!(
            "DELETE FROM {stage} WHERE NOT ({null}) AND [{ORDER}] NOT IN \
             (SELECT MAX([{ORDER}]) FROM {stage} GROUP BY {}); ",
            self.keys.join(", ")
        );
        let merge = match self.others.is_empty() {
            true => vec![last + &insert_new],
            false => vec![last + &update, insert_new],
        };
        let counted = |text| counted(std::iter::once(text));
        Texts {
            keys,
            missing,
            nulls: self.nulls(&stage),
            insert_nulls: counted(format!("{insert} WHERE {null} ORDER BY [{ORDER}]")),
            merge_returns: true,
            make: vec![
                format!(
                    "SELECT TOP (0) {all} INTO {stage} FROM {table} UNION ALL SELECT TOP (0) {all} FROM {table}"
                ),
                format!("ALTER TABLE {stage} ADD [{ORDER}] bigint IDENTITY(1, 1)"),
            ],
            merge: merge.into_iter().map(counted).collect(),
            drop: format!("DROP TABLE {stage}"),
            stage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(engine: Engine, keys: &[&str]) -> Texts {
        let dialect = engine.dialect();
        let target = LoadTarget {
            table: dialect.quote_path("s.t"),
            name: "t".to_owned(),
            columns: ["id", "x"].map(Box::from).into(),
            stands_for: None,
        };
        texts(engine, &target, keys, false)
    }

    #[test]
    fn each_database_replaces_in_its_own_words() {
        assert_eq!(
            of(Engine::Postgres, &["id"]).merge,
            [
                "INSERT INTO \"s\".\"t\" (\"id\", \"x\") OVERRIDING SYSTEM VALUE SELECT DISTINCT ON (\"id\") \"id\", \"x\" \
              FROM pg_temp.\"batchdb_stage\" WHERE NOT (\"id\" IS NULL) ORDER BY \"id\", \"batchdb_row\" DESC ON CONFLICT (\"id\") DO UPDATE SET \
              \"x\" = excluded.\"x\""
            ]
        );
        assert!(
            of(Engine::Sqlite, &["x", "id"]).merge[0].ends_with("ON CONFLICT (\"x\", \"id\") DO NOTHING")
        );
        let server = of(Engine::SqlServer, &["id"]);
        assert_eq!(
            server.merge,
            [
                "DELETE FROM [#batchdb_stage] WHERE NOT ([id] IS NULL) AND [batchdb_row] NOT IN (SELECT MAX([batchdb_row]) FROM \
                 [#batchdb_stage] GROUP BY [id]); UPDATE t SET t.[x] = s.[x] FROM \
                 [s].[t] AS t WITH (UPDLOCK, SERIALIZABLE) JOIN [#batchdb_stage] AS s ON t.[id] = s.[id]",
                "INSERT INTO [s].[t] ([id], [x]) SELECT [id], [x] FROM [#batchdb_stage] AS s WHERE NOT ([id] IS NULL) \
                 AND NOT EXISTS (SELECT 1 FROM [s].[t] AS t WITH (UPDLOCK, SERIALIZABLE) WHERE t.[id] = s.[id])",
            ]
            .map(|text| counted(std::iter::once(text.to_owned())))
        );
        assert!(server.missing.is_none() && server.keys.contains("DISTINCT [id] FROM [#batchdb_stage]"));
        assert_eq!(of(Engine::SqlServer, &["id", "x"]).merge.len(), 1);
        assert!(server.merge.iter().chain(&server.make).all(|text| !text.contains("MERGE")));
    }
}
