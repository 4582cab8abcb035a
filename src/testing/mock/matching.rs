//! Which statements an expectation is about.

use std::fmt;

use super::call::MockCall;
use crate::dialect::Dialect;
use crate::sql;

type Predicate = Box<dyn Fn(&MockCall) -> bool + Send + Sync>;

/// What an expectation waits for.
pub(super) enum Matcher {
    /// A text: what was written, and its words.
    Text(String, Vec<String>),
    /// A form of texts, in which the word `%` stands for any number of words.
    Pattern(String, Vec<String>),
    Predicate(Predicate),
    Connect,
    Commit,
}

impl Matcher {
    pub(super) fn text(sql: &str) -> Matcher {
        Matcher::Text(sql.to_owned(), words(sql))
    }

    pub(super) fn pattern(sql: &str) -> Matcher {
        Matcher::Pattern(sql.to_owned(), words(sql))
    }

    pub(super) fn by(predicate: impl Fn(&MockCall) -> bool + Send + Sync + 'static) -> Matcher {
        Matcher::Predicate(Box::new(predicate))
    }

    pub(super) fn is_connect(&self) -> bool {
        matches!(self, Matcher::Connect)
    }

    pub(super) fn is_commit(&self) -> bool {
        matches!(self, Matcher::Commit)
    }

    pub(super) fn fits(&self, call: &MockCall) -> bool {
        match self {
            Matcher::Text(_, wanted) => *wanted == words(call.sql()),
            Matcher::Pattern(_, pattern) => is_like(&words(call.sql()), pattern),
            Matcher::Predicate(predicate) => predicate(call),
            Matcher::Connect | Matcher::Commit => false,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matcher::Text(sql, _) => write!(f, "`{sql}`"),
            Matcher::Pattern(sql, _) => write!(f, "like `{sql}`"),
            Matcher::Predicate(_) => f.write_str("a closure"),
            Matcher::Connect => f.write_str("a connection"),
            Matcher::Commit => f.write_str("a commit"),
        }
    }
}

/// The words of a text as PostgreSQL reads them, without comments.
fn words(text: &str) -> Vec<String> {
    sql::words(text, Dialect::Postgres)
}

/// Whether `text` has the form of `pattern`.
fn is_like(text: &[String], pattern: &[String]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((any, rest)) if any == "%" => (0..=text.len()).any(|skipped| is_like(&text[skipped..], rest)),
        Some((word, rest)) => {
            text.split_first().is_some_and(|(first, others)| first == word && is_like(others, rest))
        }
    }
}

/// Whether the text is one of the statements by which the library divides transactions.
pub(super) fn is_savepoint(sql: &str) -> bool {
    ["SAVEPOINT batchdb_", "RELEASE SAVEPOINT batchdb_", "ROLLBACK TO SAVEPOINT batchdb_"]
        .iter()
        .any(|head| sql.starts_with(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leaves_out_any_number_of_words() {
        let like = |text: &str, pattern: &str| is_like(&words(text), &words(pattern));
        assert!(like("INSERT INTO job (id) VALUES (:id)", "insert into job %"));
        assert!(like("insert into job", "INSERT INTO job %"));
        assert!(!like("INSERT INTO jobs (id) VALUES (:id)", "insert into job %"));
        assert!(like("UPDATE t SET a = 1 WHERE b = 2", "% set % where %"));
        assert!(!like("UPDATE t SET a = 1", "% where %"));
        assert!(!like("SELECT 'A'", "SELECT 'a'"));
    }

    #[test]
    fn spaces_comments_and_case_do_not_count() {
        let one = Matcher::text("SELECT a\n  FROM t -- the table\n WHERE id = :id");
        let call = MockCall::new(1, false, "select A from T where id=:id", Vec::new());
        assert!(one.fits(&call));
        let other = MockCall::new(1, false, "select A from \"T\" where id=:id", Vec::new());
        assert!(!one.fits(&other));
    }
}
