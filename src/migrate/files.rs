//! Migration files: their names, which are read without touching the disk, and their folder.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::migrate::checksum::{self, Checksum};
use crate::migrate::problem::Problem;
use crate::migrate::version::Version;

/// The widths of the history's columns.
const MAX_VERSION: usize = 50;
const MAX_DESCRIPTION: usize = 200;

/// One migration, as it lies on the disk.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) version: Version,
    pub(crate) description: String,
    /// The file's name, without its folder.
    pub(crate) file: String,
    /// The text that is run, which is the text that is hashed.
    pub(crate) text: String,
    pub(crate) checksum: Checksum,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Whether the folder exists.
    pub(crate) found: bool,
    /// The migrations, oldest first. Two may have one version.
    pub(crate) scripts: Vec<Script>,
    /// The files that are meant to be migrations and cannot be.
    pub(crate) problems: Vec<Problem>,
}

/// Reads the migrations of a folder. A folder that does not exist has none.
///
/// Files that do not end in `.sql`, hidden files, `README*` and folders inside it are left alone. A file
/// that ends in `.sql` and is not a migration is a problem: a misspelled name must not silently keep a
/// migration from being run.
///
/// # Errors
///
/// `Io`, when the folder or a file cannot be read.
pub(crate) fn read(path: &Path) -> Result<Folder> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Folder::default()),
        Err(error) => return Err(unreadable(path, error)),
    };
    let mut folder = Folder { found: true, ..Folder::default() };
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(path, error))?;
        // A name that is no UTF-8 is shown as well as can be; its ending tells whether it matters.
        let file = entry.file_name().to_string_lossy().into_owned();
        let name = parse_name(&file);
        if name == Name::Other || entry.path().is_dir() {
            continue;
        }
        let (version, description) = match name {
            Name::Migration { version, description } => (version, description),
            Name::Misnamed(reason) => {
                folder.problems.push(Problem::Misnamed { file, reason });
                continue;
            }
            Name::Other => continue,
        };
        let bytes = fs::read(entry.path()).map_err(|error| unreadable(&entry.path(), error))?;
        match String::from_utf8(bytes) {
            Ok(text) => folder.scripts.push(script(version, description, file, &text)),
            Err(_) => folder.problems.push(Problem::NotText { file }),
        }
    }
    folder.scripts.sort_by(|a, b| a.version.cmp(&b.version).then_with(|| a.file.cmp(&b.file)));
    folder.problems.sort_by_key(Problem::to_string);
    Ok(folder)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("\"{}\" cannot be read", path.display())).with_source(error)
}

fn script(version: Version, description: String, file: String, text: &str) -> Script {
    let text = checksum::normalize(text);
    let checksum = Checksum::of(&text);
    Script { version, description, file, text, checksum }
}

/// What a file's name says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// `V<version>__<description>.sql`.
    Migration { version: Version, description: String },
    /// Not a migration, and not meant to be one.
    Other,
    /// An SQL file whose name does not have the form, and why.
    Misnamed(&'static str),
}

/// Reads a file's name.
pub(crate) fn parse_name(file: &str) -> Name {
    let Some((stem, extension)) = file.rsplit_once('.') else { return Name::Other };
    let is_readme = file.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("readme"));
    if !extension.eq_ignore_ascii_case("sql") || file.starts_with('.') || is_readme {
        return Name::Other;
    }
    let Some(rest) = stem.strip_prefix('V') else {
        return Name::Misnamed("it does not begin with a capital V");
    };
    let Some((version, description)) = rest.split_once("__") else {
        return Name::Misnamed("no two underscores divide the version from the description");
    };
    let Some(version) = Version::parse(version) else {
        return Name::Misnamed("the version is not made of numbers divided by dots or underscores");
    };
    let description = description.replace('_', " ").trim().to_owned();
    if description.is_empty() {
        return Name::Misnamed("the description is missing");
    }
    if version.stored().len() > MAX_VERSION {
        return Name::Misnamed("the version is longer than 50 characters");
    }
    if description.chars().count() > MAX_DESCRIPTION {
        return Name::Misnamed("the description is longer than 200 characters");
    }
    Name::Migration { version, description }
}

#[cfg(test)]
impl Script {
    /// A migration made by hand, for the tests of what takes migrations.
    pub(crate) fn fake(file: &str, text: &str) -> Script {
        match parse_name(file) {
            Name::Migration { version, description } => script(version, description, file.to_owned(), text),
            other => panic!("{file}: {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, version: &str, description: &str) {
        match parse_name(file) {
            Name::Migration { version: read, description: said } => {
                assert_eq!((read.to_string().as_str(), said.as_str()), (version, description));
            }
            other => panic!("{file}: {other:?}"),
        }
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
    }

    #[test]
    fn what_is_no_migration_is_left_alone() {
        for other in
            ["README.md", "README.sql", "readme_first.sql", "V001__x.txt", "V001__x.sql~", ".V1__x.sql"]
        {
            assert_eq!(parse_name(other), Name::Other, "{other}");
        }
        assert_eq!(parse_name("Makefile"), Name::Other);
    }

    #[test]
    fn a_misnamed_sql_file_is_told() {
        let long = format!("V1__{}.sql", "x".repeat(201));
        let deep = format!("V{}__x.sql", "1".repeat(51));
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
            &long,
            &deep,
        ] {
            assert!(matches!(parse_name(wrong), Name::Misnamed(_)), "{wrong}");
        }
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_the_versions() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &[u8]| fs::write(folder.path().join(file), text).unwrap();
        write("V10__ten.sql", b"SELECT 10;");
        write("V2__two.sql", b"\xEF\xBB\xBFSELECT\r\n2;");
        write("README.md", b"not SQL");
        write("v3__three.sql", b"SELECT 3;");
        write("V4__latin.sql", b"SELECT 'gr\xFC\xDFe';");
        fs::create_dir(folder.path().join("old.sql")).unwrap();

        let read = read(folder.path()).unwrap();
        assert!(read.found);
        assert_eq!(
            read.scripts.iter().map(|script| script.file.as_str()).collect::<Vec<_>>(),
            ["V2__two.sql", "V10__ten.sql"]
        );
        assert_eq!(read.scripts[0].text, "SELECT\n2;");
        assert_eq!(read.problems.len(), 2);
        assert!(read.problems.contains(&Problem::NotText { file: "V4__latin.sql".into() }));
    }

    #[test]
    fn a_missing_folder_has_no_migrations() {
        let folder = tempfile::tempdir().unwrap();
        let read = read(&folder.path().join("nowhere")).unwrap();
        assert!(!read.found && read.scripts.is_empty() && read.problems.is_empty());
    }

    #[test]
    fn a_folder_that_is_a_file_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = read(file.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains(file.path().to_str().unwrap()));
    }
}
