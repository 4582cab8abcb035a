//! The doors for fuzzing: everything that reads a text that somebody has written for a migration, with what holds of any
//! text. They are there where the compiler is told `--cfg fuzzing`, as `cargo fuzz` does.

use crate::dialect::Dialect;
use crate::migrate::directives;
use crate::migrate::name::{self, Id, Name};
use crate::migrate::version::Version;
use crate::sql::law;

const DIALECTS: [Dialect; 4] = [Dialect::Postgres, Dialect::SqlServer, Dialect::Sqlite, Dialect::Odbc];

/// A script is cut, and put together again it is the script.
///
/// # Panics
///
/// When it is not.
pub fn script(text: &str) {
    for dialect in DIALECTS {
        law::nothing_is_lost(text, dialect);
    }
    // Of a database that nothing is known of, the forms of several are understood, and may begin in the midst of one.
    for dialect in [Dialect::Postgres, Dialect::SqlServer, Dialect::Sqlite] {
        law::pieces_are_whole(text, dialect);
    }
}

/// A file's name is taken apart, and put together again it is the name.
///
/// # Panics
///
/// When it is not, or a `.sql` file is overlooked.
pub fn file_name(file: &str) {
    let again = |kind: char, version: &Version, description: &str| {
        let shown = version.to_string();
        let rest = file.strip_prefix(kind).and_then(|rest| rest.strip_prefix(&shown[1..]));
        let stem = rest.and_then(|rest| rest.strip_prefix("__")).and_then(|rest| rest.rsplit_once('.'));
        assert_eq!(
            stem.map(|(stem, _)| stem.replace('_', " ").trim().to_owned()).as_deref(),
            Some(description)
        );
        assert_eq!(Version::parse(&version.stored()).as_ref(), Some(version));
    };
    match name::parse(file) {
        Name::Versioned { version, description } => again('V', &version, &description),
        Name::Undo { version, description } => again('U', &version, &description),
        Name::Repeatable { id, .. } => {
            assert_eq!(Id::parse(&id), Some(Id::Repeatable(id.clone())));
            assert!(file.starts_with(&id));
        }
        Name::Other => {
            let small = file.to_ascii_lowercase();
            assert!(!small.ends_with(".sql") || small.starts_with(['.', 'r']), "{file:?} is overlooked");
        }
        Name::Before | Name::After | Name::Misnamed(_) => (),
    }
}

/// The directives of a text are read, and what is told of them has a line in it.
///
/// # Panics
///
/// When it has not.
pub fn directives(text: &str) {
    let lines = text.matches('\n').count() + 1;
    let read = directives::read(text);
    for dialect in DIALECTS {
        for (line, _) in read.wrong.iter().chain(&directives::misplaced(text, dialect)) {
            assert!((1..=lines).contains(line));
        }
    }
}
