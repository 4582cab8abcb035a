//! What speaks against running a file's text, told before anything runs. Pure.

use std::collections::BTreeMap;

use crate::dialect::Dialect;
use crate::migrate::directives;
use crate::migrate::files::Script;
use crate::migrate::problem::Problem;
use crate::migrate::text::Text;
use crate::settings::Secret;
use crate::sql::{self, ObstacleKind};

/// Why a file is not read to its end.
const QUOTING: &str = "standard_conforming_strings is not switched off, because what follows was read as if it was on (a \
                       string with escapes is written E'…')";

/// The text as it is to be sent.
///
/// # Errors
///
/// A problem for each placeholder without a value.
pub(crate) fn text_of<'f>(
    script: &'f Script,
    placeholders: &BTreeMap<String, Secret>,
) -> Result<Text<'f>, Vec<Problem>> {
    if script.directives.no_placeholders {
        return Ok(Text::plain(&script.text));
    }
    Text::new(&script.text, placeholders).map_err(|missing| {
        let problem = |name: &str| Problem::Placeholder { file: script.file.clone(), name: name.to_owned() };
        missing.into_iter().map(problem).collect()
    })
}

/// Everything about the text of a file that is to be run.
pub(crate) fn problems_of(
    script: &Script,
    dialect: Dialect,
    placeholders: &BTreeMap<String, Secret>,
) -> Vec<Problem> {
    let file = || script.file.clone();
    let directive = |(line, reason): &(usize, String)| Problem::Directive {
        file: file(),
        line: *line,
        reason: reason.clone(),
    };
    let misplaced = directives::misplaced(&script.text, dialect);
    let mut problems: Vec<Problem> =
        script.directives.wrong.iter().chain(&misplaced).map(directive).collect();
    let text = match text_of(script, placeholders) {
        Ok(text) => text,
        Err(missing) => {
            problems.extend(missing);
            return problems;
        }
    };
    let pieces = match sql::split(text.sent(), dialect) {
        Ok(pieces) => pieces,
        Err(error) => {
            problems.push(Problem::Unreadable { file: file(), reason: error.to_string() });
            return problems;
        }
    };
    let mut told = Vec::new();
    for piece in pieces {
        for obstacle in sql::obstacles(piece.text, dialect) {
            let allowed = script.directives.no_transaction && obstacle.kind == ObstacleKind::OutsideOnly;
            // The first of each kind says enough.
            if allowed || told.contains(&obstacle.kind) {
                continue;
            }
            told.push(obstacle.kind);
            let line = text.place(piece.at + obstacle.at).line;
            problems.push(match obstacle.kind {
                ObstacleKind::TransactionControl => Problem::TransactionControl { file: file(), line },
                ObstacleKind::OutsideOnly => {
                    Problem::OutsideOnly { file: file(), line, words: obstacle.words }
                }
                ObstacleKind::OtherDatabase => Problem::OtherDatabase { file: file(), line },
                ObstacleKind::FromClient => Problem::FromClient { file: file(), line },
                ObstacleKind::ChangesQuoting => {
                    let reason = format!("line {line}: {QUOTING}");
                    Problem::Unreadable { file: file(), reason }
                }
            });
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Postgres, SqlServer, Sqlite};

    fn problems(dialect: Dialect, text: &str) -> Vec<Problem> {
        problems_of(&Script::fake("V001__a.sql", text), dialect, &BTreeMap::new())
    }

    #[track_caller]
    fn check_control(dialect: Dialect, text: &str, line: Option<usize>) {
        let wanted: Vec<Problem> = line
            .map(|line| Problem::TransactionControl { file: "V001__a.sql".into(), line })
            .into_iter()
            .collect();
        assert_eq!(problems(dialect, text), wanted, "{text}");
    }

    #[test]
    fn a_file_must_not_end_its_transaction() {
        check_control(Postgres, "CREATE TABLE t (a int);\n\nCOMMIT;", Some(3));
        check_control(Postgres, "-- x\nBEGIN;\nSELECT 1;\nCOMMIT;", Some(2));
        check_control(Postgres, "SELECT 'COMMIT'; -- COMMIT\nDO $$ BEGIN NULL; END $$;", None);
        check_control(SqlServer, "SELECT 1\nGO\nSELECT 2\nBEGIN TRAN\nSELECT 1", Some(4));
        check_control(SqlServer, "BEGIN TRY SELECT 1 END TRY BEGIN CATCH THROW; END CATCH", None);
        check_control(Sqlite, "SELECT 1;\nROLLBACK;", Some(2));
        check_control(Postgres, "-- batchdb: no-transaction\nBEGIN;", Some(2));
    }

    #[test]
    fn what_runs_outside_of_transactions_only_has_to_say_so() {
        let text = "CREATE TABLE t (a int);\n\nCREATE INDEX CONCURRENTLY i ON t (a);\nVACUUM t;";
        let found = problems(Postgres, text);
        assert_eq!(found.len(), 1);
        let said = found[0].to_string();
        assert!(said.contains("line 3: CREATE INDEX CONCURRENTLY cannot run in a transaction"), "{said}");
        assert!(said.contains("`-- batchdb: no-transaction`"), "{said}");
        assert_eq!(problems(Postgres, &format!("-- batchdb: no-transaction\n{text}")), []);
    }

    #[test]
    fn a_text_that_cannot_be_read_is_told_with_its_file() {
        let text = problems(Postgres, "\nSELECT 'a")[0].to_string();
        assert!(text.contains("\"V001__a.sql\" cannot be read: line 2"), "{text}");
        let text =
            problems(Postgres, "SELECT 1;\nSET standard_conforming_strings = off;\nSELECT 2")[0].to_string();
        assert!(text.contains("\"V001__a.sql\" cannot be read: line 2: standard_conforming"), "{text}");
        assert_eq!(problems(Postgres, "SET standard_conforming_strings = on;\nSELECT 2"), []);
    }

    #[test]
    fn directives_and_placeholders_are_looked_at_together() {
        let found = problems(Postgres, "-- batchdb: fast\nSELECT '${a}', '${b}'");
        assert_eq!(found.len(), 3);
        assert!(found[2].to_string().contains("${b}"));
        assert_eq!(problems(Postgres, "-- batchdb: no-placeholders\nSELECT '${a}'"), []);
    }
}
