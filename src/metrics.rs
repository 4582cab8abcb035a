//! Counting what calls do, as they do it: a few atomic additions for each, and nothing to wait for.

mod histogram;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub(crate) use histogram::{BOUNDS, Counts, Histogram};

use crate::error::{Error, ErrorKind};

/// The operations that are told apart. The last stands for all others.
const OPERATIONS: [&str; 20] = [
    "execute_query",
    "execute",
    "query_one",
    "query_opt",
    "query_as",
    "query_each",
    "query_iter",
    "query_sets",
    "call_procedure",
    "execute_many",
    "bulk_insert",
    "bulk_upsert",
    "export",
    "import_csv",
    "copy_query",
    "copy_table",
    "run_script",
    "begin",
    "commit",
    "other",
];

/// What the calls on one pool have done since it was made.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    operations: [Operation; OPERATIONS.len()],
    /// Only who fails looks in here.
    errors: Mutex<HashMap<(&'static str, ErrorKind), u64>>,
    /// The newest last.
    last_errors: Mutex<VecDeque<LastError>>,
    retries: AtomicU64,
    migrations: AtomicU64,
}

/// What comes before an operation, and is none: borrowing the connection for it.
const CHECKOUT: &str = "checkout";

/// How many errors are remembered.
const REMEMBERED: usize = 20;

/// An error that was met, in words without values.
#[derive(Debug, Clone)]
pub(crate) struct LastError {
    pub(crate) at: SystemTime,
    pub(crate) operation: &'static str,
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

#[derive(Debug, Default)]
struct Operation {
    rows: AtomicU64,
    durations: Histogram,
}

/// What one operation has done.
#[derive(Debug, Clone)]
pub(crate) struct OperationCounts {
    pub(crate) name: &'static str,
    pub(crate) rows: u64,
    pub(crate) durations: Counts,
    /// How many failed, by the kind of their error.
    pub(crate) errors: Vec<(ErrorKind, u64)>,
}

impl Recorder {
    /// Counts one call that has ended. A failed one counts with its time, too.
    pub(crate) fn count(&self, operation: &'static str, took: Duration, outcome: Result<u64, &Error>) {
        let place = place(operation);
        let counts = &self.operations[place];
        counts.durations.count(took);
        match outcome {
            Ok(0) => (),
            Ok(rows) => {
                counts.rows.fetch_add(rows, Ordering::Relaxed);
            }
            Err(error) => {
                *self.lock_errors().entry((OPERATIONS[place], error.kind())).or_default() += 1;
                self.remember(operation, error);
            }
        }
    }

    /// Counts a connection that was asked for and could not be had.
    pub(crate) fn count_checkout_error(&self, error: &Error) {
        *self.lock_errors().entry((CHECKOUT, error.kind())).or_default() += 1;
        self.remember(CHECKOUT, error);
    }

    /// How often no connection could be had, by the kind of the error.
    pub(crate) fn checkout_errors(&self) -> Vec<(ErrorKind, u64)> {
        self.errors_of(CHECKOUT)
    }

    fn lock_errors(&self) -> MutexGuard<'_, HashMap<(&'static str, ErrorKind), u64>> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn errors_of(&self, name: &'static str) -> Vec<(ErrorKind, u64)> {
        let errors = self.lock_errors();
        let of_name = errors.iter().filter(|((operation, _), _)| *operation == name);
        let mut kinds: Vec<_> = of_name.map(|((_, kind), count)| (*kind, *count)).collect();
        kinds.sort_by_key(|(kind, _)| kind.to_string());
        kinds
    }

    fn remember(&self, operation: &'static str, error: &Error) {
        let (kind, message) = (error.kind(), error.to_string());
        let mut last = self.last_errors.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == REMEMBERED {
            last.pop_front();
        }
        last.push_back(LastError { at: SystemTime::now(), operation, kind, message });
    }

    /// The last errors, the newest last.
    pub(crate) fn last_errors(&self) -> Vec<LastError> {
        self.last_errors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Counts a further attempt of a call.
    pub(crate) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a migration that was applied.
    pub(crate) fn count_migration(&self) {
        self.migrations.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    pub(crate) fn migrations(&self) -> u64 {
        self.migrations.load(Ordering::Relaxed)
    }

    /// The operations that were called at least once.
    pub(crate) fn operations(&self) -> Vec<OperationCounts> {
        let counts = OPERATIONS.iter().zip(&self.operations).map(|(name, operation)| OperationCounts {
            name,
            rows: operation.rows.load(Ordering::Relaxed),
            durations: operation.durations.counts(),
            errors: self.errors_of(name),
        });
        counts.filter(|counts| counts.durations.count() > 0).collect()
    }
}

fn place(operation: &str) -> usize {
    OPERATIONS.iter().position(|known| *known == operation).unwrap_or(OPERATIONS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_operation_and_failures_by_kind() {
        let recorder = Recorder::default();
        let refused = Error::new(ErrorKind::Constraint, "no");
        recorder.count("execute", Duration::from_millis(3), Ok(5));
        recorder.count("execute", Duration::from_millis(4), Err(&refused));
        recorder.count("execute", Duration::from_millis(4), Err(&refused));
        recorder.count("a name of tomorrow", Duration::from_millis(1), Ok(0));
        recorder.count_retry();
        let counts = recorder.operations();
        let names: Vec<_> = counts.iter().map(|counts| counts.name).collect();
        assert_eq!(names, ["execute", "other"]);
        assert_eq!((counts[0].rows, counts[0].durations.count()), (5, 3));
        assert_eq!(counts[0].errors, [(ErrorKind::Constraint, 2)]);
        assert_eq!((recorder.retries(), recorder.migrations()), (1, 0));
    }
}
