//! How the session behind psqlODBC spells points in time. The driver hands over the clock's reading without its zone, so
//! that it is known only as long as the session has the zone that it was opened with; and of dates it understands ISO's
//! form only.
//!
//! A program may set another zone, for `now()::date` or for what it casts to text. From then on each statement whose rows
//! are wanted asks first, and a column that would be read wrongly is an error.

use crate::backend::Rows;
use crate::deadline::Budget;
use crate::error::{Error, Result};
use crate::sql::{Statement, Traits};

use super::super::columns::{Column, Kind};
use super::super::flavor::Flavor;
use super::super::worker::{Job, Wanted};
use super::OdbcConnection;

/// What is known of the session's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Nobody has touched them.
    AsOpened,
    /// They were or are being touched, and what a rollback brings back, nobody knows; but at the last look all was well.
    AsBefore,
    /// The zone is another.
    OtherZone,
    /// Dates are written in another way than ISO's, or the statement under way may change that.
    OtherStyle,
}

const QUESTION: &str = "SELECT current_setting('TimeZone') AS zone, current_setting('DateStyle') AS style";

/// Names of the zone that the session was opened with.
const UTC: &[&str] = &["UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "GMT", "Etc/GMT"];

/// Statements that may set something, and what runs texts that nobody sees.
const SETTERS: &[&str] = &["SET", "RESET", "DISCARD", "SET_CONFIG", "CALL", "DO", "EXECUTE"];

impl OdbcConnection {
    /// To be called before a text that may hold several statements.
    pub(super) fn note_setters(&mut self, text: &str) {
        if self.flavor == Flavor::Postgres && has_setter(text) {
            self.spelling = Spelling::OtherStyle;
        }
    }

    /// To be called before a statement. One whose rows are wanted asks for what those before it have set.
    pub(super) fn look_at_spelling(
        &mut self,
        statement: &Statement,
        wanted: Wanted,
        budget: Budget,
    ) -> Result<()> {
        if self.flavor == Flavor::Postgres && statement.traits.leaves_traces && has_setter(&statement.text) {
            if names_spelling(&statement.text) {
                // What the statement itself sets, holds for its own rows.
                self.spelling = Spelling::OtherStyle;
                return Ok(());
            }
            if self.spelling == Spelling::AsOpened {
                // That a procedure sets them within itself is not seen: it has done its work when its rows come.
                self.spelling = Spelling::AsBefore;
                return Ok(());
            }
        }
        if self.spelling == Spelling::AsOpened || wanted == Wanted::Count {
            return Ok(());
        }
        let (args, traits) = (Vec::new(), Traits::default());
        let question = Statement { text: QUESTION.into(), args, traits, template: None };
        let (work, moment) = self.work(&question, Wanted::First, budget)?;
        let mut rows = Vec::new();
        self.perform(|replies| Job::Run(work, replies), Rows::Collect(&mut rows), moment)?;
        let row = rows.first().ok_or_else(|| Error::decode("the session does not tell its settings"))?;
        let (zone, style): (String, String) = (row.get("zone")?, row.get("style")?);
        self.spelling = match UTC.contains(&zone.as_str()) {
            _ if !style.starts_with("ISO") => Spelling::OtherStyle,
            false => Spelling::OtherZone,
            true => Spelling::AsBefore,
        };
        Ok(())
    }

    /// Refuses a result with a column that would be read wrongly.
    pub(super) fn check_spelling(&self, columns: &[Column]) -> Result<()> {
        let is_doubtful = |column: &&Column| match self.spelling {
            Spelling::AsOpened | Spelling::AsBefore => false,
            Spelling::OtherZone => column.kind == Kind::TimestampTz,
            Spelling::OtherStyle => matches!(column.kind, Kind::TimestampTz | Kind::Timestamp | Kind::Date),
        };
        match columns.iter().find(is_doubtful) {
            None => Ok(()),
            Some(column) => Err(Error::decode(format!(
                "column \"{}\" cannot be read: the session's time zone or date style was set, and psqlODBC does not say \
                 which one a value is in",
                column.name
            ))
            .with_hint("cast it to text, use AT TIME ZONE instead of SET, or use PostgreSQL's own protocol")),
        }
    }
}

/// Whether the text names one of the settings, or one that it does not tell: `set_config(:name, …)`.
fn names_spelling(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_untold = |behind: &str| {
        let argument =
            behind.trim_start().strip_prefix('(').and_then(|inside| inside.trim_start().strip_prefix('\''));
        let closed = argument.and_then(|argument| argument.split_once('\''));
        !closed.is_some_and(|(_, behind)| behind.trim_start().starts_with(','))
    };
    ["timezone", "time zone", "datestyle", "pg_settings"].iter().any(|setting| text.contains(setting))
        || text.split("set_config").skip(1).any(is_untold)
}

fn has_setter(text: &str) -> bool {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .any(|word| SETTERS.iter().any(|setter| word.eq_ignore_ascii_case(setter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_set_the_zone_is_known_by_its_text() {
        for text in [
            "SET TIME ZONE 'Asia/Tokyo'",
            "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
            "SELECT set_config(?, ?, false), at FROM t",
            "SELECT set_config('Time' || 'Zone', ?, false)",
            "SELECT set_config('a.b', 'c', false), SET_CONFIG ( name, 'x', true) FROM t",
            "UPDATE pg_settings SET setting = ? WHERE name = ? RETURNING now()",
        ] {
            assert!(names_spelling(text), "{text}");
        }
        for text in
            ["SELECT set_config('app.user', 'x', false), at FROM t", "CALL p()", "SET work_mem = '5MB'"]
        {
            assert!(!names_spelling(text), "{text}");
        }
    }
}
