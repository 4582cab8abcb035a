//! The statements of an upsert, for each database. Pure.

use crate::backend::LoadTarget;
use crate::engine::Engine;
use crate::sql::counted;

/// The name of the table that the rows are loaded into.
pub(super) const STAGE: &str = "batchdb_stage";

/// The column with the order in which the rows came.
const ORDER: &str = "batchdb_row";

/// The statements of an upsert, in the order in which they run.
#[derive(Debug)]
pub(super) struct Texts {
    /// Create the temporary table, with the column types of the target table.
    pub(super) make: Vec<String>,
    /// The temporary table.
    pub(super) stage: String,
    /// The merge. The rows that it changes are the rows that the upsert has changed.
    pub(super) merge: Vec<String>,
    /// They return their counts as a row, because SQL Server reports none with `NOCOUNT` on.
    pub(super) merge_returns: bool,
    /// Counts the distinct keys without NULL that were loaded; before the merge, whose triggers may do anything.
    pub(super) keys: String,
    /// Counts those of them that are not in the table after the merge. Only for an upsert that leaves existing rows as
    /// they are: there the count of the merge proves nothing.
    pub(super) missing: Option<String>,
    /// Counts the rows with a NULL in their key.
    pub(super) nulls: String,
    /// Inserts these into the target table, after all others: each is new.
    pub(super) insert_nulls: String,
    /// Drops the temporary table, so that another upsert of the same transaction can create it.
    pub(super) drop: String,
}

/// Counts PostgreSQL's unique indexes on exactly these columns, which `ON CONFLICT` can use, that are `NULLS NOT
/// DISTINCT`. The catalog has no column for that before version 15, and none for included columns before version 11.
pub(super) const NULLS_ARE_EQUAL: &str = "\
    SELECT count(*) AS n FROM pg_index i \
      WHERE i.indrelid = to_regclass(CAST(:table AS text)) AND i.indisunique AND i.indisvalid AND i.indimmediate \
       AND i.indpred IS NULL AND i.indexprs IS NULL \
       AND CAST(to_jsonb(i) ->> 'indnullsnotdistinct' AS boolean) \
       AND CAST(to_jsonb(i) ->> 'indnkeyatts' AS int) = :columns \
       AND (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = i.indrelid \
        AND a.attnum = ANY ((CAST(i.indkey AS int2[]))[0:(CAST(:columns AS int) - 1)]) \
        AND CAST(a.attname AS text) IN (:keys)) = :columns";

/// `nulls_are_equal` is the answer to [`NULLS_ARE_EQUAL`]: then a NULL in a key is a value like any other.
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
    /// The condition that a row's key contains a NULL, so that it equals no other key. For the other rows use `NOT` of
    /// this condition: on a composite value, `IS NOT NULL` would mean something else.
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

    /// How many distinct keys were loaded, and how many of them are not in the target table. The collation is that of
    /// the left side, and SQLite's temporary table has none.
    fn counts(&self, stage: &str) -> (String, Option<String>) {
        let Parts { table, null, .. } = self;
        let keys = self.keys.join(", ");
        let all = format!(
            "SELECT count(*) AS n FROM (SELECT DISTINCT {keys} FROM {stage} WHERE NOT ({null})) AS s"
        );
        let missing = match self.nulls_are_equal {
            // This compares as `DISTINCT` does, but has to read the whole table.
            true => format!(
                "SELECT count(*) AS n FROM (SELECT {keys} FROM {stage} EXCEPT SELECT {keys} FROM {table}) AS s"
            ),
            false => format!("{all} WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {})", self.same()),
        };
        (all, self.others.is_empty().then_some(missing))
    }

    /// The condition that a row `t` of the target table has the key of a loaded row `s`.
    fn same(&self) -> String {
        Parts::each(&self.keys, " AND ", |name| format!("t.{name} = s.{name}"))
    }

    fn nulls(&self, stage: &str) -> String {
        format!("SELECT count(*) AS n FROM {stage} WHERE {}", self.null)
    }

    /// The order needs a column, because the physical order of a temporary table need not be that of the load.
    /// `OVERRIDING` makes an identity column take the given value, as `COPY` does; on a table without one it has no
    /// effect.
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

    /// A new table of SQLite numbers its rows (`rowid`) as they come.
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

    /// No `MERGE`: it has too many known defects, and does not lock keys that are not there. The `UPDATE` locks the
    /// ranges of all keys (`SERIALIZABLE`), so that no other session inserts one of them before our `INSERT`; it takes
    /// update locks (`UPDLOCK`), which only one session can hold at a time. The `UNION ALL` prevents `INTO` from
    /// creating an identity column.
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
        // Of the rows with the same key only the last is kept. This runs in one batch with the first counting
        // statement, because the count of a batch is that of its last statement.
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
