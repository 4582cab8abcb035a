//! What can be wrong with migrations before any of them is run: one sentence each, with what to do.

use std::fmt;

use crate::error::Error;

/// One thing that keeps the migrations from being run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The name of a `.sql` file cannot be understood.
    Misnamed { file: String, reason: &'static str },
    /// The file is not UTF-8.
    NotText { file: String },
    /// Two files have one version.
    Duplicate { first: String, second: String },
    /// The file is not the one that was applied.
    Changed { file: String },
    /// A version was applied, and its file is gone.
    Missing { file: String },
    /// A file is waiting whose version is below one that was applied.
    OutOfOrder { file: String, newest: String },
    /// The history says that the migration failed.
    Failed { file: String },
    /// The text cannot be cut into statements.
    Unreadable { file: String, reason: String },
    /// The file begins or ends a transaction itself.
    TransactionControl { file: String, line: usize },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Misnamed { file, reason } => write!(
                f,
                "\"{file}\" is misnamed: {reason}; the form is V<version>__<description>.sql, such as \
                 V003__Add_index.sql"
            ),
            Problem::NotText { file } => write!(f, "\"{file}\" is not UTF-8; save it as UTF-8"),
            Problem::Duplicate { first, second } => write!(
                f,
                "\"{first}\" and \"{second}\" have the same version; give the one that was not applied \
                 anywhere a new one"
            ),
            Problem::Changed { file } => write!(
                f,
                "\"{file}\" was changed after it was applied; put the applied text back, and make the \
                 change in a new file"
            ),
            Problem::Missing { file } => write!(
                f,
                "\"{file}\" was applied, but the folder has no file of its version; put it back, or \
                 correct the folder"
            ),
            Problem::OutOfOrder { file, newest } => write!(
                f,
                "\"{file}\" has not been applied, but the newer {newest} has; give it a version above \
                 {newest}"
            ),
            Problem::Failed { file } => write!(
                f,
                "the history says that \"{file}\" failed; repair what it left behind and delete its row \
                 from schema_version"
            ),
            Problem::Unreadable { file, reason } => write!(f, "\"{file}\" cannot be read: {reason}"),
            Problem::TransactionControl { file, line } => write!(
                f,
                "\"{file}\" line {line} begins or ends a transaction; take the statement out, because \
                 each file runs in a transaction of its own, together with its row of the history"
            ),
        }
    }
}

/// One error for all of them, so that one look at the log is enough to mend everything.
pub(crate) fn refusal(problems: &[Problem]) -> Error {
    let sentences: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let found = match problems.len() {
        1 => "1 problem was found with the migrations".to_owned(),
        many => format!("{many} problems were found with the migrations"),
    };
    Error::migration(format!("{found}, and none was run: {}", sentences.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn one_error_names_every_file() {
        let error = refusal(&[
            Problem::Changed { file: "V001__a.sql".into() },
            Problem::Missing { file: "V002__b.sql".into() },
        ]);
        assert_eq!(error.kind(), ErrorKind::Migration);
        let text = error.to_string();
        assert!(text.contains("2 problems") && text.contains("V001__a.sql") && text.contains("V002__b.sql"));
        assert!(refusal(&[Problem::NotText { file: "x.sql".into() }]).to_string().contains("1 problem was"));
    }
}
