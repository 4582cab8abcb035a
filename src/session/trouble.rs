//! The errors of an open transaction that are remembered, because the program may ignore them, and later errors follow
//! from them. Pure.

use crate::error::{Error, ErrorKind};

/// The errors of the open transaction that matter to what follows.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// The first transient error. It dooms this transaction; another attempt may succeed.
    doom: Option<Error>,
    /// The first error by which the transaction may have failed.
    first: Option<Error>,
    /// The last error that another attempt would meet again. The connection may have failed by it, which only who has the
    /// connection can see.
    lasting: Option<Error>,
}

impl Trouble {
    /// Remembers an error of the open transaction.
    ///
    /// The closure of a transaction may turn an error into anything; only the database's own error says whether another
    /// attempt is worthwhile.
    pub(super) fn note(&mut self, error: &Error) {
        if self.doom.is_none() && error.is_transient() {
            self.doom = Some(error.clone());
        }
        if self.first.is_none() && may_fail_the_rest(error) {
            self.first = Some(error.clone());
        }
        if !error.is_transient() {
            self.lasting = Some(error.clone());
        }
    }

    /// Takes the error that the connection may have failed by, and that no second attempt would mend.
    pub(super) fn take_lasting(&mut self) -> Option<Error> {
        self.lasting.take()
    }

    /// Takes the error that says whether another attempt is worthwhile.
    pub(super) fn take_doom(&mut self) -> Option<Error> {
        self.doom.take()
    }

    /// Forgets the earlier errors: their transaction has ended, or a savepoint has undone them.
    pub(super) fn forget(&mut self) {
        *self = Trouble::default();
    }

    /// Adds the first error of the transaction, if this error only says that the transaction had failed before, or that
    /// its connection was given up.
    #[cold]
    pub(super) fn explain(&self, error: Error) -> Error {
        match &self.first {
            Some(first) if error.sqlstate() == Some("25P02") || error.kind() == ErrorKind::Closed => {
                error.with_hint(format!("the first error of the transaction was: {first}"))
            }
            _ => error,
        }
    }
}

/// Whether the transaction may have failed by this error: it came from the database, or broke the connection. A call
/// that was refused by this crate has failed nothing.
fn may_fail_the_rest(error: &Error) -> bool {
    error.sqlstate().is_some_and(|state| state != "25P02")
        || error.native_code().is_some()
        || matches!(
            error.kind(),
            ErrorKind::Timeout(_) | ErrorKind::Cancelled | ErrorKind::Connect | ErrorKind::OutcomeUnknown
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Effect;

    #[test]
    fn an_error_is_explained_by_the_first_that_can_be_its_cause() {
        let of = |state| Error::new(ErrorKind::Database, "x").with_codes(Some(state), None);
        let mut trouble = Trouble::default();
        trouble.note(&Error::new(ErrorKind::RowCount, "no row"));
        trouble.note(&of("25P02"));
        assert!(!trouble.explain(of("25P02")).to_string().contains("first error"));
        trouble.note(&of("23505"));
        trouble.note(&of("42P01"));
        assert!(trouble.explain(of("25P02")).to_string().contains("23505"));
        assert!(!trouble.explain(of("22012")).to_string().contains("23505"));
        let undone = Error::new(ErrorKind::Conflict, "x").with_codes(Some("40P01"), None);
        trouble.note(&undone.with_effect(Effect::RolledBack));
        assert_eq!(
            trouble.take_lasting().and_then(|error| error.sqlstate().map(str::to_owned)).as_deref(),
            Some("42P01")
        );
        assert!(trouble.take_lasting().is_none());
        trouble.forget();
        assert!(trouble.take_doom().is_none());
        assert!(!trouble.explain(of("25P02")).to_string().contains("23505"));
    }
}
