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
    /// Counts the keys that came, each once, and before the merge, whose triggers may do anything.
    pub(super) keys: String,
    /// Counts those of them that the table has not, after the merge. Only where a row that is there stays as it is, and
    /// the count of the merge says nothing.
    pub(super) missing: Option<String>,
    /// Takes the table away, so that another upsert of the same transaction can make it.
    pub(super) drop: String,
}

pub(super) fn texts(engine: Engine, target: &LoadTarget, keys: &[&str]) -> Texts {
    let dialect = engine.dialect();
    let quoted = |names: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        names.map(|name| dialect.quote(name)).collect()
    };
    let columns = quoted(&mut target.columns.iter().map(|name| &**name));
    let others = quoted(&mut target.columns.iter().map(|name| &**name).filter(|name| !keys.contains(name)));
    let keys = quoted(&mut keys.iter().copied());
    let parts = Parts { table: &target.table, all: columns.join(", "), columns, keys, others };
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
    columns: Vec<String>,
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

    /// How many different keys came, and how many of them the table has not; `same` compares two keys of which each may be
    /// NULL, written `a` and `b`.
    fn counts(&self, stage: &str, same: impl Fn(&str, &str) -> String) -> (String, Option<String>) {
        let keys = self.keys.join(", ");
        let all = format!("SELECT count(*) AS n FROM (SELECT DISTINCT {keys} FROM {stage}) AS s");
        let equal = Parts::each(&self.keys, " AND ", |name| same(&format!("s.{name}"), &format!("t.{name}")));
        let missing = format!("{all} WHERE NOT EXISTS (SELECT 1 FROM {} AS t WHERE {equal})", self.table);
        (all, self.others.is_empty().then_some(missing))
    }

    /// The order is a column: where a row lies in the table of the session need not be where it came.
    fn postgres(&self) -> Texts {
        let Parts { table, all, .. } = self;
        let keys = self.keys.join(", ");
        let stage = format!("pg_temp.\"{STAGE}\"");
        let (counts, missing) = self.counts(&stage, |s, t| format!("{s} IS NOT DISTINCT FROM {t}"));
        Texts {
            keys: counts,
            missing,
            merge_returns: false,
            make: vec![
                format!(
                    "CREATE TEMPORARY TABLE \"{STAGE}\" ON COMMIT DROP AS SELECT {all} FROM {table} WITH NO DATA"
                ),
                format!("ALTER TABLE {stage} ADD COLUMN \"{ORDER}\" bigint GENERATED ALWAYS AS IDENTITY"),
            ],
            merge: vec![format!(
                "INSERT INTO {table} ({all}) SELECT DISTINCT ON ({keys}) {all} FROM {stage} \
                 ORDER BY {keys}, \"{ORDER}\" DESC {}",
                self.on_conflict()
            )],
            drop: format!("DROP TABLE {stage}"),
            stage,
        }
    }

    /// A new table of SQLite numbers its rows as they come.
    fn sqlite(&self) -> Texts {
        let Parts { table, all, .. } = self;
        let stage = format!("\"temp\".\"{STAGE}\"");
        // The collation is that of the left side, and the table of the session has none.
        let (keys, missing) = self.counts(&stage, |s, t| format!("{t} IS {s}"));
        Texts {
            keys,
            missing,
            merge_returns: false,
            make: vec![format!("CREATE TEMPORARY TABLE \"{STAGE}\" AS SELECT {all} FROM {table} WHERE 0")],
            merge: vec![format!(
                "INSERT INTO {table} ({all}) SELECT {all} FROM {stage} \
                 WHERE rowid IN (SELECT max(rowid) FROM {stage} GROUP BY {}) {}",
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
        let Parts { table, all, .. } = self;
        let stage = format!("[#{STAGE}]");
        let (keys, missing) =
            self.counts(&stage, |s, t| format!("({s} = {t} OR ({s} IS NULL AND {t} IS NULL))"));
        let same = Parts::each(&self.keys, " AND ", |name| format!("t.{name} = s.{name}"));
        let insert = format!(
            "INSERT INTO {table} ({all}) SELECT {} FROM {stage} AS s WHERE NOT EXISTS \
             (SELECT 1 FROM {table} AS t WITH (UPDLOCK, SERIALIZABLE) WHERE {same})",
            Parts::each(&self.columns, ", ", |name| format!("s.{name}")),
        );
        let update = format!(
            "UPDATE t SET {} FROM {table} AS t WITH (UPDLOCK, SERIALIZABLE) JOIN {stage} AS s ON {same}",
            Parts::each(&self.others, ", ", |name| format!("t.{name} = s.{name}")),
        );
        Texts {
            keys,
            missing,
            merge_returns: true,
            make: vec![
                format!(
                    "SELECT TOP (0) {all} INTO {stage} FROM {table} UNION ALL SELECT TOP (0) {all} FROM {table}"
                ),
                format!("ALTER TABLE {stage} ADD [{ORDER}] bigint IDENTITY(1, 1)"),
            ],
            merge: if self.others.is_empty() { vec![insert] } else { vec![update, insert] },
            drop: format!("DROP TABLE {stage}"),
            stage,
        }
        .without_repeated_keys(&self.keys.join(", "))
    }
}

impl Texts {
    /// Of the rows with one key leaves the last. Done while the rows are merged, and changes none of the table.
    fn without_repeated_keys(mut self, keys: &str) -> Texts {
        let stage = &self.stage;
        let last = format!(
            "DELETE FROM {stage} WHERE [{ORDER}] NOT IN (SELECT MAX([{ORDER}]) FROM {stage} GROUP BY {keys}); "
        );
        // In one batch with the first statement that counts: its count is that of the last statement.
        if let Some(first) = self.merge.first_mut() {
            first.insert_str(0, &last);
        }
        self.merge = self.merge.into_iter().map(|text| counted(std::iter::once(text))).collect();
        self
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
        texts(engine, &target, keys)
    }

    #[test]
    fn each_database_replaces_in_its_own_words() {
        assert_eq!(
            of(Engine::Postgres, &["id"]).merge,
            ["INSERT INTO \"s\".\"t\" (\"id\", \"x\") SELECT DISTINCT ON (\"id\") \"id\", \"x\" FROM \
              pg_temp.\"batchdb_stage\" ORDER BY \"id\", \"batchdb_row\" DESC ON CONFLICT (\"id\") DO UPDATE SET \
              \"x\" = excluded.\"x\""]
        );
        assert!(
            of(Engine::Sqlite, &["x", "id"]).merge[0].ends_with("ON CONFLICT (\"x\", \"id\") DO NOTHING")
        );
        let server = of(Engine::SqlServer, &["id"]);
        assert_eq!(
            server.merge,
            [
                "DELETE FROM [#batchdb_stage] WHERE [batchdb_row] NOT IN (SELECT MAX([batchdb_row]) FROM \
                 [#batchdb_stage] GROUP BY [id]); UPDATE t SET t.[x] = s.[x] FROM \
                 [s].[t] AS t WITH (UPDLOCK, SERIALIZABLE) JOIN [#batchdb_stage] AS s ON t.[id] = s.[id]",
                "INSERT INTO [s].[t] ([id], [x]) SELECT s.[id], s.[x] FROM [#batchdb_stage] AS s WHERE NOT EXISTS \
                 (SELECT 1 FROM [s].[t] AS t WITH (UPDLOCK, SERIALIZABLE) WHERE t.[id] = s.[id])",
            ]
            .map(|text| counted(std::iter::once(text.to_owned())))
        );
        assert!(server.missing.is_none() && server.keys.contains("DISTINCT [id] FROM [#batchdb_stage]"));
        assert_eq!(of(Engine::SqlServer, &["id", "x"]).merge.len(), 1);
        assert!(server.merge.iter().chain(&server.make).all(|text| !text.contains("MERGE")));
    }
}
