//! The names of migration files. Pure.

use std::fmt;

use crate::migrate::version::Version;

/// The widths of the history's columns.
pub(crate) const MAX_ID: usize = 50;
const MAX_DESCRIPTION: usize = 200;

/// What the history calls a migration: its key among all of a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Id {
    Version(Version),
    /// With its `R__`.
    Repeatable(String),
}

impl Id {
    /// Reads what the history has.
    pub(crate) fn parse(stored: &str) -> Option<Id> {
        match stored.strip_prefix("R__") {
            Some(name) if !name.is_empty() => Some(Id::Repeatable(stored.to_owned())),
            _ => Version::parse(stored).map(Id::Version),
        }
    }

    /// As the history keeps it: `001`, `R__Summary`.
    pub(crate) fn stored(&self) -> String {
        match self {
            Id::Version(version) => version.stored(),
            Id::Repeatable(name) => name.clone(),
        }
    }

    pub(crate) fn version(&self) -> Option<&Version> {
        match self {
            Id::Version(version) => Some(version),
            Id::Repeatable(_) => None,
        }
    }
}

/// As in the file's name: `V001`, `R__Summary`.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Version(version) => version.fmt(f),
            Id::Repeatable(name) => f.write_str(name),
        }
    }
}

/// What a file's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// `V<version>__<description>.sql`: applied once.
    Versioned { version: Version, description: String },
    /// `U<version>__<description>.sql`: undoes it.
    Undo { version: Version, description: String },
    /// `R__<description>.sql`: applied again whenever it has changed.
    Repeatable { id: String, description: String },
    /// `beforeMigrate.sql`: runs before the migrations of a run.
    Before,
    /// `afterMigrate.sql`: runs after them.
    After,
    /// Not a migration, and not meant to be one.
    Other,
    /// An SQL file whose name does not have a form, and why.
    Misnamed(&'static str),
}

/// Reads a file's name.
pub(crate) fn parse(file: &str) -> Name {
    let Some((stem, extension)) = file.rsplit_once('.') else { return Name::Other };
    let is_readme = file.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("readme"));
    if !extension.eq_ignore_ascii_case("sql") || file.starts_with('.') || is_readme {
        return Name::Other;
    }
    match stem {
        "beforeMigrate" => return Name::Before,
        "afterMigrate" => return Name::After,
        _ if stem.eq_ignore_ascii_case("beforeMigrate") || stem.eq_ignore_ascii_case("afterMigrate") => {
            return Name::Misnamed("it is spelled beforeMigrate.sql or afterMigrate.sql");
        }
        _ => (),
    }
    if stem.starts_with('B') && stem.contains("__") {
        return Name::Misnamed("files that begin with B are Flyway's baselines, which are not run here");
    }
    let Some(kind) = stem.chars().next().filter(|first| matches!(first, 'V' | 'U' | 'R')) else {
        return Name::Misnamed("it does not begin with a capital V, U or R");
    };
    let Some((version, rest)) = stem[1..].split_once("__") else {
        return Name::Misnamed("no two underscores stand before the description");
    };
    let description = rest.replace('_', " ").trim().to_owned();
    if description.is_empty() {
        return Name::Misnamed("the description is missing");
    }
    if description.chars().count() > MAX_DESCRIPTION {
        return Name::Misnamed("the description is longer than 200 characters");
    }
    if kind == 'R' {
        return match version {
            "" if stem.chars().count() <= MAX_ID => Name::Repeatable { id: stem.to_owned(), description },
            "" => Name::Misnamed("the name is longer than 50 characters"),
            _ => Name::Misnamed("a repeatable migration has no version"),
        };
    }
    let Some(version) = Version::parse(version) else {
        return Name::Misnamed("the version is not made of numbers divided by dots or underscores");
    };
    if version.stored().len() > MAX_ID {
        return Name::Misnamed("the version is longer than 50 characters");
    }
    match kind {
        'V' => Name::Versioned { version, description },
        _ => Name::Undo { version, description },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(file: &str, shown: &str, said: &str) {
        let (id, description) = match parse(file) {
            Name::Versioned { version, description } => (version.to_string(), description),
            Name::Undo { version, description } => (format!("undo {version}"), description),
            Name::Repeatable { id, description } => (id, description),
            other => panic!("{file}: {other:?}"),
        };
        assert_eq!((id.as_str(), description.as_str()), (shown, said));
    }

    #[test]
    fn names_give_version_and_description() {
        check("V001__Create_processed_surveys.sql", "V001", "Create processed surveys");
        check("V1.2__x.sql", "V1.2", "x");
        check("V1_2__x.sql", "V1_2", "x");
        check("V20260115103000__x.SQL", "V20260115103000", "x");
        check("V1___x.sql", "V1", "x");
        check("V1__a__b.c.sql", "V1", "a  b.c");
        check("V2__größe_ändern.sql", "V2", "größe ändern");
        check("U001__Create_processed_surveys.sql", "undo V001", "Create processed surveys");
        check("R__Survey_summary.sql", "R__Survey_summary", "Survey summary");
        assert_eq!((parse("beforeMigrate.sql"), parse("afterMigrate.sql")), (Name::Before, Name::After));
    }

    #[test]
    fn what_is_no_migration_is_left_alone() {
        for other in
            ["README.md", "README.sql", "readme_first.sql", "V001__x.txt", "V001__x.sql~", ".V1__x.sql"]
        {
            assert_eq!(parse(other), Name::Other, "{other}");
        }
        assert_eq!(parse("Makefile"), Name::Other);
    }

    #[test]
    fn a_misnamed_sql_file_is_told() {
        let long = format!("V1__{}.sql", "x".repeat(201));
        let deep = format!("V{}__x.sql", "1".repeat(51));
        let wide = format!("R__{}.sql", "x".repeat(48));
        for wrong in [
            "v001__x.sql",
            "V001_x.sql",
            "V001-x.sql",
            "V1a__x.sql",
            "V__x.sql",
            "V1__.sql",
            "V1___.sql",
            "V1.__x.sql",
            "setup.sql",
            "001__x.sql",
            "u1__x.sql",
            "R1__x.sql",
            "R_x.sql",
            "R__.sql",
            "beforemigrate.sql",
            "é__x.sql",
            ".sql.sql",
            "B5__all.sql",
            &long,
            &deep,
            &wide,
        ] {
            let name = parse(wrong);
            assert!(matches!(name, Name::Misnamed(_)) || wrong.starts_with('.'), "{wrong}: {name:?}");
        }
    }

    #[test]
    fn an_id_comes_back_from_the_history() {
        for stored in ["001", "1.2", "R__x"] {
            assert_eq!(Id::parse(stored).unwrap().stored(), stored);
        }
        assert!(Id::parse("R__").is_none() && Id::parse("x").is_none());
        assert!(Id::parse("9").unwrap() < Id::parse("10").unwrap());
        assert!(Id::parse("10").unwrap() < Id::parse("R__a").unwrap());
    }

    proptest! {
        #[test]
        fn any_name_is_read_without_a_panic_and_an_sql_file_is_never_overlooked(name in "\\PC{0,60}") {
            let file = format!("x{name}.sql");
            prop_assert_ne!(parse(&file), Name::Other);
            parse(&name);
        }

        #[test]
        fn what_is_put_together_is_taken_apart(
            numbers in prop::collection::vec("[0-9]{1,6}", 1..4),
            divider in "[._]",
            words in prop::collection::vec("[a-zA-Z0-9]{1,8}", 1..5),
            undo: bool,
        ) {
            let version = numbers.join(&divider);
            let file = format!("{}{version}__{}.sql", if undo { "U" } else { "V" }, words.join("_"));
            let said = words.join(" ");
            match parse(&file) {
                Name::Versioned { version: read, description } => {
                    prop_assert!(!undo);
                    prop_assert_eq!((read.to_string(), description), (format!("V{version}"), said));
                }
                Name::Undo { version: read, description } => {
                    prop_assert!(undo);
                    prop_assert_eq!((read.to_string(), description), (format!("V{version}"), said));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
