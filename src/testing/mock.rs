//! A mock database.

mod answer;
mod call;
mod expectation;
mod matching;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use answer::MockAnswer;
pub use call::{MockCall, MockEvent};
pub use expectation::Expectation;

use self::expectation::Expected;
use self::matching::Matcher;
use crate::backend::scripted::{self, Asked, Reply, Script};
use crate::builder::DatabaseManagerBuilder;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::settings::MigrateOnStart;

/// A mock database, for tests of code that uses a database.
///
/// Its handle is a real [`DatabaseManager`]: it checks parameters, uses a pool, begins, commits, rolls back and retries
/// transactions, and keeps time limits. Only the server's answers come from the test. The SQL dialect is PostgreSQL's.
///
/// Each statement is answered by the first expectation that matches it and is not used up; without one it is an error.
/// The mock must live as long as its handles are used.
///
/// ```
/// use batchdb::testing::{MockAnswer, MockDatabase};
/// use batchdb::{ErrorKind, Row, params};
///
/// let mock = MockDatabase::new("rpa_db");
/// mock.on("SELECT name FROM job WHERE id = :id")
///     .with(params! { id: 7 })
///     .returns([Row::from_pairs([("name", "nightly".into())])]);
/// // The first attempt meets a deadlock, the second one succeeds.
/// mock.on_like("UPDATE job %").once().fails(ErrorKind::Conflict);
/// mock.on_like("UPDATE job %").changes(1);
///
/// let db = mock.manager()?;
/// assert_eq!(db.query_one("SELECT name FROM job WHERE id = :id", params! { id: 7 })?.get::<String>(0)?, "nightly");
/// let changed = db.transaction(|tx| tx.execute("UPDATE job SET done = :done", params! { done: true }))?;
/// assert_eq!(changed, 1);
/// assert_eq!(mock.calls_like("UPDATE job %").len(), 2);
/// mock.assert_all_used();
/// # Ok::<(), batchdb::Error>(())
/// ```
#[derive(Clone)]
pub struct MockDatabase {
    name: String,
    number: u64,
    book: Arc<Book>,
}

/// What a mock was told, and what it was asked.
#[derive(Default)]
struct Book {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    expected: Vec<Arc<Expected>>,
    events: Vec<MockEvent>,
}

impl Book {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is expected at this moment, to be asked outside of the lock.
    fn expected(&self) -> Vec<Arc<Expected>> {
        self.entries().expected.clone()
    }
}

impl MockDatabase {
    /// A mock of the database called `name`, without expectations.
    #[must_use]
    pub fn new(name: &str) -> MockDatabase {
        let book = Arc::new(Book::default());
        let script: Arc<dyn Script> = book.clone();
        MockDatabase { name: name.to_owned(), number: scripted::register(&script), book }
    }

    /// The connection string that leads to this mock. Code that makes its own handles by [`DatabaseManager::new`] uses
    /// the mock if the settings of its database have this connection string.
    ///
    /// ```
    /// let mock = batchdb::testing::MockDatabase::new("rpa_db");
    /// assert!(mock.connection_string().starts_with("mock://"));
    /// ```
    #[must_use]
    pub fn connection_string(&self) -> String {
        format!("mock://{}", self.number)
    }

    /// A handle on the mock.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) when the environment has wrong settings for this name.
    pub fn manager(&self) -> Result<DatabaseManager> {
        self.builder().build()
    }

    /// A builder for a handle on the mock with other settings: time limits, pool size, attempts.
    pub fn builder(&self) -> DatabaseManagerBuilder {
        DatabaseManager::builder(&self.name)
            .connection_string(self.connection_string())
            .migrate_on_start(MigrateOnStart::Off)
    }

    /// Begins an expectation for one statement text, with its `:name` parameters. Spaces, line ends, comments and the
    /// case of unquoted words do not matter.
    #[must_use = "an expectation counts once it has an answer"]
    pub fn on(&self, sql: &str) -> Expectation<'_> {
        self.expect(Matcher::text(sql))
    }

    /// Begins an expectation for all texts that match a pattern, in which `%` stands for anything: `INSERT INTO job %`.
    #[must_use = "an expectation counts once it has an answer"]
    pub fn on_like(&self, pattern: &str) -> Expectation<'_> {
        self.expect(Matcher::pattern(pattern))
    }

    /// Begins an expectation for the calls for which `matches` returns true.
    #[must_use = "an expectation counts once it has an answer"]
    pub fn on_call(&self, matches: impl Fn(&MockCall) -> bool + Send + Sync + 'static) -> Expectation<'_> {
        self.expect(Matcher::by(matches))
    }

    /// Begins an expectation for new connections. Without one they succeed at once.
    #[must_use = "an expectation counts once it has an answer"]
    pub fn on_connect(&self) -> Expectation<'_> {
        self.expect(Matcher::Connect)
    }

    /// Begins an expectation for commits. Without one they succeed.
    #[must_use = "an expectation counts once it has an answer"]
    pub fn on_commit(&self) -> Expectation<'_> {
        self.expect(Matcher::Commit)
    }

    fn expect(&self, matcher: Matcher) -> Expectation<'_> {
        Expectation::new(&self.book, matcher)
    }

    /// All events so far, in order: statements, and the beginnings and ends of transactions.
    #[must_use]
    pub fn events(&self) -> Vec<MockEvent> {
        self.book.entries().events.clone()
    }

    /// The statements so far, in order, also those that failed or were rolled back.
    #[must_use]
    pub fn calls(&self) -> Vec<MockCall> {
        self.events().into_iter().filter_map(MockEvent::into_call).collect()
    }

    /// The statements so far that match `pattern`, in which `%` stands for anything.
    #[must_use]
    pub fn calls_like(&self, pattern: &str) -> Vec<MockCall> {
        let matcher = Matcher::pattern(pattern);
        self.calls().into_iter().filter(|call| matcher.fits(call)).collect()
    }

    /// The statements that took effect: successful ones outside transactions, and those of committed transactions.
    #[must_use]
    pub fn committed(&self) -> Vec<MockCall> {
        call::committed(&self.events())
    }

    /// Forgets the events so far; the expectations and their remaining uses stay.
    pub fn clear_calls(&self) {
        self.book.entries().events.clear();
    }

    /// Checks that each expectation was used as often as it said, or at least once.
    ///
    /// # Panics
    ///
    /// If one was not; the message has its text and how often it was used.
    #[track_caller]
    pub fn assert_all_used(&self) {
        let unmet: Vec<String> =
            self.book.expected().iter().filter_map(|expected| expected.complaint()).collect();
        assert!(unmet.is_empty(), "{}: not met:\n  {}", self.name, unmet.join("\n  "));
    }
}

impl fmt::Debug for MockDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockDatabase").field("name", &self.name).field("number", &self.number).finish()
    }
}

impl Script for Book {
    fn answer(&self, connection: u64, asked: Asked<'_>) -> Reply {
        let transaction = self.entries().open_transaction(connection);
        let question = match asked {
            Asked::Connect => Question::Connect,
            Asked::Commit => Question::Commit,
            Asked::Begin => return self.note(MockEvent::Begun { connection }),
            Asked::Rollback => return self.note(MockEvent::RolledBack { connection }),
            Asked::Ping => return Reply::default(),
            Asked::Statement { sql, .. } if matching::is_savepoint(sql) => {
                return self.note(MockEvent::Savepoint { connection, sql: sql.to_owned() });
            }
            Asked::Statement { sql, params } => {
                Question::Call(MockCall::new(connection, transaction, sql, params))
            }
            Asked::Script(text) => Question::Call(MockCall::new(connection, transaction, text, Vec::new())),
            Asked::Load { table, columns, rows } => {
                Question::Call(MockCall::of_load(connection, transaction, table, columns, rows))
            }
        };
        self.answer_question(connection, question)
    }
}

/// What expectations are asked about.
enum Question {
    Connect,
    Commit,
    Call(MockCall),
}

impl Book {
    fn note(&self, event: MockEvent) -> Reply {
        self.entries().events.push(event);
        Reply::default()
    }

    fn answer_question(&self, connection: u64, question: Question) -> Reply {
        // Nothing here holds the lock: a test's own closures may ask the mock something.
        let fits = |expected: &Expected| match &question {
            Question::Connect => expected.matcher.is_connect(),
            Question::Commit => expected.matcher.is_commit(),
            Question::Call(call) => expected.takes(call),
        };
        let answer = self
            .expected()
            .iter()
            .filter(|expected| expected.is_left() && fits(expected))
            .find_map(|expected| expected.take());
        let reply = match (&answer, &question) {
            (Some(answer), Question::Call(call)) => answer.reply(call),
            (Some(answer), _) => answer.reply(&MockCall::none(connection)),
            (None, Question::Call(call)) => Reply { error: Some(self.unexpected(call)), ..Reply::default() },
            (None, _) => Reply::default(),
        };
        let failed = reply.error.as_ref().map(Error::kind);
        let event = match question {
            Question::Connect => MockEvent::Connected { connection, failed },
            Question::Commit => MockEvent::Committed { connection, failed },
            Question::Call(call) => MockEvent::Call(call.failed(failed)),
        };
        self.entries().events.push(event);
        reply
    }

    /// The error for a statement that nobody has expected, with what comes nearest.
    fn unexpected(&self, call: &MockCall) -> Error {
        let expected = self.expected();
        let near = expected.iter().find_map(|expected| expected.why_not(call));
        let hint = near.unwrap_or_else(|| match expected.len() {
            0 => "the mock expects nothing; begin with `mock.on(sql)`".to_owned(),
            count => format!("none of the {count} expectations has this text"),
        });
        Error::new(ErrorKind::Usage, format!("the mock expects no such statement: {}", call.sql()))
            .with_hint(hint)
    }
}

impl Entries {
    /// Whether the connection is in a transaction.
    fn open_transaction(&self, connection: u64) -> bool {
        let of_it = self.events.iter().rev().find_map(|event| event.opens(connection));
        of_it.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
