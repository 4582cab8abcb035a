//! The two tables of the history, as SQL text: `schema_version`, a row for each migration that is applied, and
//! `schema_version_history`, a row for each thing that was done. Nothing is run here.

use crate::engine::Engine;
use crate::migrate::files::Script;

pub(crate) const TABLE: &str = "schema_version";
pub(crate) const EVENTS: &str = "schema_version_history";
/// The column that the specification does not have.
pub(super) const SHA256: &str = "checksum_sha256";
/// The columns of the specification.
pub(super) const COLUMNS: [&str; 11] = [
    "version_rank",
    "installed_rank",
    "version",
    "description",
    "type",
    "script",
    "checksum",
    "installed_by",
    "installed_on",
    "execution_time",
    "success",
];

/// The tables of one database, with their schema, quoted: a migration may change the search path.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) engine: Engine,
    pub(super) versions: String,
    pub(super) events: String,
}

impl Tables {
    pub(super) fn new(engine: Engine, schema: &str) -> Tables {
        let dialect = engine.dialect();
        let path = |table| format!("{}.{}", dialect.quote(schema), dialect.quote(table));
        Tables { engine, versions: path(TABLE), events: path(EVENTS) }
    }

    /// Who did it. SQLite has no users: the operating system's is the best that is known.
    fn user(&self) -> &'static str {
        match self.engine {
            Engine::Postgres => "session_user",
            Engine::SqlServer => "ORIGINAL_LOGIN()",
            Engine::Sqlite => ":user",
        }
    }

    fn flag(&self, value: bool) -> &'static str {
        match (self.engine, value) {
            (Engine::Postgres, true) => "TRUE",
            (Engine::Postgres, false) => "FALSE",
            (_, true) => "1",
            (_, false) => "0",
        }
    }

    /// The types of text, whole numbers, points in time, and what fills in the present.
    fn types(&self) -> [&'static str; 4] {
        match self.engine {
            Engine::Postgres => ["VARCHAR", "INTEGER", "TIMESTAMPTZ", "clock_timestamp()"],
            Engine::SqlServer => ["NVARCHAR", "INT", "DATETIME2", "SYSUTCDATETIME()"],
            Engine::Sqlite => {
                ["VARCHAR", "INTEGER", "VARCHAR(30)", "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"]
            }
        }
    }

    fn guard(&self) -> &'static str {
        if self.engine == Engine::SqlServer { "" } else { "IF NOT EXISTS " }
    }

    pub(super) fn create_versions(&self) -> String {
        let [text, integer, time, now] = self.types();
        let flag = match self.engine {
            Engine::Postgres => "BOOLEAN",
            Engine::SqlServer => "BIT",
            Engine::Sqlite => "INTEGER",
        };
        format!(
            "CREATE TABLE {guard}{table} (
                version_rank {integer} NOT NULL,
                installed_rank {integer} NOT NULL,
                version {text}(50) NOT NULL PRIMARY KEY,
                description {text}(200) NOT NULL,
                type {text}(20) NOT NULL,
                script {text}(1000) NOT NULL,
                checksum {integer} NULL,
                {SHA256} {text}(64) NULL,
                installed_by {text}(100) NOT NULL,
                installed_on {time} NOT NULL DEFAULT {now},
                execution_time {integer} NOT NULL,
                success {flag} NOT NULL
            )",
            guard = self.guard(),
            table = self.versions,
        )
    }

    pub(super) fn create_events(&self) -> String {
        let [text, integer, time, now] = self.types();
        let id = match self.engine {
            Engine::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            Engine::SqlServer => "BIGINT IDENTITY(1, 1) PRIMARY KEY",
            Engine::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
        };
        format!(
            "CREATE TABLE {guard}{table} (
                id {id},
                action {text}(20) NOT NULL,
                version {text}(50) NOT NULL,
                description {text}(200) NOT NULL,
                script {text}(1000) NOT NULL,
                checksum {integer} NULL,
                {SHA256} {text}(64) NULL,
                done_by {text}(100) NOT NULL,
                done_at {time} NOT NULL DEFAULT {now},
                execution_time {integer} NULL,
                message {text}(2000) NULL
            )",
            guard = self.guard(),
            table = self.events,
        )
    }

    pub(super) fn add_sha256(&self) -> String {
        match self.engine {
            Engine::SqlServer => format!("ALTER TABLE {} ADD {SHA256} NVARCHAR(64) NULL", self.versions),
            _ => format!("ALTER TABLE {} ADD COLUMN {SHA256} VARCHAR(64) NULL", self.versions),
        }
    }

    /// A point in time as text in UTC, whatever zone the session has and whatever the driver makes of it;
    /// a column without zone was filled by the server's clock in the session's zone.
    pub(super) fn utc(&self, column: &str) -> String {
        match self.engine {
            Engine::Postgres => format!(
                "to_char(CAST({column} AS timestamptz) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
            ),
            Engine::SqlServer => format!("CONVERT(varchar(33), {column}, 126) + 'Z'"),
            Engine::Sqlite => column.to_owned(),
        }
    }

    /// The same for a column of another tool's, which was filled by the server's clock: on SQL Server in its local time
    /// (`GETDATE()`), of which only the present distance from UTC is known, so that one from the other half of the year
    /// may be an hour off; on SQLite in UTC, without saying so.
    pub(super) fn utc_of_others(&self, column: &str) -> String {
        match self.engine {
            Engine::Postgres => self.utc(column),
            Engine::SqlServer => {
                self.utc(&format!("DATEADD(minute, DATEDIFF(minute, GETDATE(), GETUTCDATE()), {column})"))
            }
            Engine::Sqlite => format!("strftime('%Y-%m-%dT%H:%M:%fZ', {column})"),
        }
    }

    pub(super) fn select_versions(&self, has_sha256: bool) -> String {
        let success = match self.engine {
            Engine::Postgres => "CASE WHEN success THEN 1 ELSE 0 END",
            Engine::SqlServer | Engine::Sqlite => "success",
        };
        let sha256 = if has_sha256 { SHA256 } else { "NULL" };
        format!(
            "SELECT installed_rank, version, description, type, script, checksum, {sha256} AS sha256, installed_by, \
             {installed_on} AS installed_on, execution_time, {success} AS success FROM {table} ORDER BY installed_rank",
            installed_on = self.utc("installed_on"),
            table = self.versions,
        )
    }

    pub(super) fn select_events(&self) -> String {
        format!(
            "SELECT action, version, script, done_by, {done_at} AS done_at, execution_time, message \
             FROM {events} ORDER BY id",
            done_at = self.utc("done_at"),
            events = self.events,
        )
    }

    pub(super) fn select_last_action(&self) -> String {
        format!(
            "SELECT action FROM {events} WHERE id = (SELECT max(id) FROM {events} WHERE version = :version)",
            events = self.events,
        )
    }

    /// Files are applied in the order of their versions, so that the two ranks are one number.
    pub(super) fn insert_version(&self, success: bool) -> String {
        format!(
            "INSERT INTO {} (version_rank, installed_rank, version, description, type, script, checksum, \
             {SHA256}, installed_by, execution_time, success) VALUES (:rank, :rank, :version, \
             :description, :type, :script, :checksum, :sha256, {}, :took, {})",
            self.versions,
            self.user(),
            self.flag(success),
        )
    }

    /// A row that another tool had made. The time goes as text.
    pub(super) fn insert_imported(&self) -> String {
        let time = match self.engine {
            Engine::Postgres => "CAST(:installed_on AS timestamptz)",
            Engine::SqlServer => "CAST(REPLACE(:installed_on, 'Z', '') AS DATETIME2)",
            Engine::Sqlite => ":installed_on",
        };
        format!(
            "INSERT INTO {} (version_rank, installed_rank, version, description, type, script, checksum, {SHA256}, \
             installed_by, installed_on, execution_time, success) VALUES (:rank, :rank, :version, :description, \
             :type, :script, :checksum, :sha256, :installed_by, {time}, :took, {})",
            self.versions,
            self.flag(true),
        )
    }

    pub(super) fn insert_event(&self) -> String {
        format!(
            "INSERT INTO {} (action, version, description, script, checksum, {SHA256}, done_by, execution_time, \
             message) VALUES (:action, :version, :description, :script, :checksum, :sha256, {}, :took, :message)",
            self.events,
            self.user(),
        )
    }

    /// The two rows as a text without parameters, which can be sent behind a migration: where a round trip less for each
    /// migration counts. The time is that of the transaction.
    pub(super) fn insert_both_as_text(&self, script: &Script, rank: i64) -> Option<String> {
        if self.engine != Engine::Postgres {
            return None;
        }
        let texts = [&script.id.stored(), &script.description, &script.file, &script.checksum.sha256];
        let [version, description, file, sha256] = texts.map(|text| literal(text));
        let crc32 = script.checksum.crc32;
        let took = "CAST(extract(epoch FROM clock_timestamp() - now()) * 1000 AS int)";
        Some(format!(
            "INSERT INTO {} (version_rank, installed_rank, version, description, type, script, checksum, {SHA256}, \
             installed_by, execution_time, success) VALUES ({rank}, {rank}, {version}, {description}, 'SQL', {file}, \
             {crc32}, {sha256}, session_user, {took}, TRUE); \
             INSERT INTO {} (action, version, description, script, checksum, {SHA256}, done_by, execution_time) \
             VALUES ('applied', {version}, {description}, {file}, {crc32}, {sha256}, session_user, {took})",
            self.versions, self.events,
        ))
    }

    /// Both in one statement, where the database has a form for that: a round trip less for each migration.
    pub(super) fn insert_both(&self) -> Option<String> {
        (self.engine == Engine::Postgres).then(|| {
            format!(
                "WITH applied AS ({} RETURNING version, description, script, checksum, {SHA256}, installed_by, \
                 execution_time) INSERT INTO {} (action, version, description, script, checksum, {SHA256}, done_by, \
                 execution_time) SELECT 'applied', version, description, script, checksum, {SHA256}, installed_by, \
                 execution_time FROM applied",
                self.insert_version(true),
                self.events,
            )
        })
    }

    pub(super) fn delete_version(&self) -> String {
        format!("DELETE FROM {} WHERE version = :version", self.versions)
    }

    /// An underscore stands for any character in a pattern.
    pub(super) fn delete_repeatable(&self) -> String {
        format!("DELETE FROM {} WHERE version LIKE 'R!_!_%' ESCAPE '!'", self.versions)
    }

    pub(super) fn set_success(&self, success: bool) -> String {
        format!("UPDATE {} SET success = {} WHERE version = :version", self.versions, self.flag(success))
    }

    pub(super) fn set_script(&self, success: bool) -> String {
        let flag = self.flag(success);
        format!("UPDATE {} SET success = {flag}, script = :script WHERE version = :version", self.versions)
    }

    pub(super) fn set_done(&self) -> String {
        format!(
            "UPDATE {} SET success = {}, execution_time = :took WHERE version = :version",
            self.versions,
            self.flag(true)
        )
    }

    pub(super) fn set_text(&self) -> String {
        format!(
            "UPDATE {} SET description = :description, script = :script, checksum = :checksum, {SHA256} = :sha256 \
             WHERE version = :version",
            self.versions
        )
    }
}

/// A text as a literal of PostgreSQL that means the same whatever `standard_conforming_strings` is.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::SqlServer, Engine::Sqlite];

    #[test]
    fn every_statement_names_its_table_with_its_schema() {
        for engine in ENGINES {
            let tables = Tables::new(engine, "odd schema");
            let (versions, events) = match engine {
                Engine::SqlServer => {
                    ("[odd schema].[schema_version]", "[odd schema].[schema_version_history]")
                }
                _ => ("\"odd schema\".\"schema_version\"", "\"odd schema\".\"schema_version_history\""),
            };
            for statement in [
                tables.create_versions(),
                tables.add_sha256(),
                tables.select_versions(true),
                tables.insert_version(true),
                tables.insert_imported(),
                tables.delete_version(),
                tables.delete_repeatable(),
                tables.set_success(false),
                tables.set_done(),
                tables.set_script(true),
                tables.set_text(),
            ] {
                assert!(statement.contains(versions), "{statement}");
            }
            let of_events = [tables.create_events(), tables.select_events(), tables.insert_event()];
            for statement in of_events.into_iter().chain([tables.select_last_action()]) {
                assert!(statement.contains(events), "{statement}");
            }
            assert!(tables.insert_both().is_none_or(|both| both.contains(versions) && both.contains(events)));
        }
    }

    #[test]
    fn the_table_has_the_columns_of_the_specification() {
        for engine in ENGINES {
            let create = Tables::new(engine, "s").create_versions();
            for column in COLUMNS.iter().chain([&SHA256]) {
                assert!(create.contains(&format!(" {column} ")), "{engine:?} {column}");
            }
        }
    }

    #[test]
    fn a_local_time_of_another_tool_is_moved_to_utc() {
        let time = |engine| Tables::new(engine, "s").utc_of_others("t");
        assert!(
            time(Engine::SqlServer)
                .contains("DATEADD(minute, DATEDIFF(minute, GETDATE(), GETUTCDATE()), t), 126)")
        );
        assert!(time(Engine::Sqlite).contains("'%Y-%m-%dT%H:%M:%fZ', t)"));
    }

    #[test]
    fn a_row_as_text_quotes_what_a_name_may_hold() {
        let script = Script::fake("V1__it's_a_\\.sql", "");
        let text = Tables::new(Engine::Postgres, "s").insert_both_as_text(&script, 7).unwrap();
        assert!(text.contains(r"E'V1__it''s_a_\\.sql'") && text.contains("(7, 7, E'1', "), "{text}");
        assert!(Tables::new(Engine::Sqlite, "s").insert_both_as_text(&script, 7).is_none());
    }

    #[test]
    fn a_table_of_another_maker_is_read_without_our_column() {
        let tables = Tables::new(Engine::Postgres, "s");
        assert!(tables.select_versions(true).contains("checksum_sha256 AS sha256"));
        assert!(tables.select_versions(false).contains("NULL AS sha256"));
    }
}
