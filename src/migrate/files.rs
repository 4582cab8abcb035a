//! Migration files: those of a folder, or those that are compiled into the program.

use std::fs;
use std::io;
use std::path::Path;

use crate::embedded::EmbeddedMigrations;
use crate::error::{Error, ErrorKind, Result};
use crate::migrate::checksum::{self, Checksum};
use crate::migrate::directives::{self, Directives};
use crate::migrate::name::{self, Id, Name};
use crate::migrate::problem::Problem;
use crate::migrate::version::Version;

/// One migration, as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Of an undo file, what it undoes.
    pub(crate) id: Id,
    pub(crate) description: String,
    /// The file's name, without its folder.
    pub(crate) file: String,
    /// The text that is hashed.
    pub(crate) text: String,
    pub(crate) checksum: Checksum,
    pub(crate) directives: Directives,
}

/// All that belongs to one database.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Whether there is such a folder.
    pub(crate) found: bool,
    /// The versioned migrations, oldest first. Two may have one version.
    pub(crate) versioned: Vec<Script>,
    /// What undoes them, oldest first.
    pub(crate) undo: Vec<Script>,
    /// By name.
    pub(crate) repeatable: Vec<Script>,
    pub(crate) before: Option<Script>,
    pub(crate) after: Option<Script>,
    /// The files that are meant to be migrations and cannot be.
    pub(crate) problems: Vec<Problem>,
}

impl Files {
    /// The first file that undoes a version.
    pub(crate) fn undo_of(&self, version: &Version) -> Option<&Script> {
        self.undo.iter().find(|script| script.id.version() == Some(version))
    }

    /// The versioned or repeatable migration of this name.
    pub(crate) fn find(&self, id: &Id) -> Option<&Script> {
        self.versioned.iter().chain(&self.repeatable).find(|script| script.id == *id)
    }

    fn add(&mut self, file: String, text: &str) {
        match name::parse(&file) {
            Name::Versioned { version, description } => {
                self.versioned.push(script(Id::Version(version), description, file, text));
            }
            Name::Undo { version, description } => {
                self.undo.push(script(Id::Version(version), description, file, text));
            }
            Name::Repeatable { id, description } => {
                self.repeatable.push(script(Id::Repeatable(id), description, file, text));
            }
            Name::Before => self.before = Some(callback(file, text)),
            Name::After => self.after = Some(callback(file, text)),
            Name::Misnamed(reason) => self.problems.push(Problem::Misnamed { file, reason }),
            Name::Other => (),
        }
    }

    /// Brings everything into order and looks for what two files cannot both be.
    fn complete(mut self) -> Files {
        for scripts in [&mut self.versioned, &mut self.undo, &mut self.repeatable] {
            scripts.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| a.file.cmp(&b.file)));
            for pair in scripts.windows(2).filter(|pair| pair[0].id == pair[1].id) {
                let [first, second] = [&pair[0], &pair[1]].map(|script| script.file.clone());
                self.problems.push(Problem::Duplicate { first, second });
            }
        }
        for undo in &self.undo {
            if self.find(&undo.id).is_none() {
                self.problems.push(Problem::OrphanUndo { file: undo.file.clone() });
            }
        }
        self.problems.sort_by_key(Problem::to_string);
        self
    }
}

fn script(id: Id, description: String, file: String, text: &str) -> Script {
    let text = checksum::normalize(text);
    let checksum = Checksum::of(&text);
    let directives = directives::read(&text);
    Script { id, description, file, text, checksum, directives }
}

/// The history has no rows of callbacks.
fn callback(file: String, text: &str) -> Script {
    let description = file.trim_end_matches(".sql").to_owned();
    script(Id::Repeatable(description.clone()), description, file, text)
}

/// The files that the program has in itself.
pub(crate) fn embedded(migrations: EmbeddedMigrations) -> Files {
    let mut files = Files { found: true, ..Files::default() };
    for (file, text) in migrations.files() {
        files.add((*file).to_owned(), text);
    }
    files.complete()
}

/// Reads the migrations of a folder. A folder that does not exist has none.
///
/// Files that do not end in `.sql`, hidden files and `README*` are left alone. A file that ends in `.sql` and is not a
/// migration is a problem, and so is a folder inside with such files: neither a misspelled name nor a wrong place must
/// silently keep a migration from being run.
///
/// # Errors
///
/// `Io`, when the folder or a file cannot be read.
pub(crate) fn read(path: &Path) -> Result<Files> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Files::default()),
        Err(error) => return Err(unreadable(path, error)),
    };
    let mut files = Files { found: true, ..Files::default() };
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(path, error))?;
        // A name that is no UTF-8 is shown as well as can be; its ending tells whether it matters.
        let file = entry.file_name().to_string_lossy().into_owned();
        let name = name::parse(&file);
        if entry.path().is_dir() {
            if holds_sql(&entry.path(), &file) {
                files.problems.push(Problem::Subfolder { file });
            }
            continue;
        }
        if name == Name::Other {
            continue;
        }
        if let Name::Misnamed(reason) = name {
            files.problems.push(Problem::Misnamed { file, reason });
            continue;
        }
        let bytes = fs::read(entry.path()).map_err(|error| unreadable(&entry.path(), error))?;
        match String::from_utf8(bytes) {
            Ok(text) => files.add(file, &text),
            Err(_) => files.problems.push(Problem::NotText { file }),
        }
    }
    Ok(files.complete())
}

/// Whether a folder has a `.sql` file at any depth. A hidden one is nobody's business.
fn holds_sql(folder: &Path, name: &str) -> bool {
    !name.starts_with('.')
        && fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            // The type of the entry itself: a link may lead back.
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => holds_sql(&entry.path(), &name),
                false => !name.starts_with('.') && name.to_ascii_lowercase().ends_with(".sql"),
            }
        })
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("\"{}\" cannot be read", path.display())).with_source(error)
}

#[cfg(test)]
impl Script {
    /// A migration made by hand, for the tests of what takes migrations.
    pub(crate) fn fake(file: &str, text: &str) -> Script {
        let files = Files::fake(&[(file, text)]);
        let all = [files.versioned, files.undo, files.repeatable];
        all.into_iter().flatten().chain(files.before).chain(files.after).next().unwrap()
    }
}

#[cfg(test)]
impl Files {
    /// Files made by hand.
    pub(crate) fn fake(texts: &[(&str, &str)]) -> Files {
        let mut files = Files { found: true, ..Files::default() };
        for (file, text) in texts {
            files.add((*file).to_owned(), text);
        }
        files.complete()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(scripts: &[Script]) -> Vec<&str> {
        scripts.iter().map(|script| script.file.as_str()).collect()
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_the_versions() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &[u8]| fs::write(folder.path().join(file), text).unwrap();
        write("V10__ten.sql", b"SELECT 10;");
        write("V2__two.sql", b"\xEF\xBB\xBFSELECT\r\n2;");
        write("U2__two.sql", b"SELECT -2;");
        write("R__b.sql", b"SELECT 'b';");
        write("R__a.sql", b"SELECT 'a';");
        write("afterMigrate.sql", b"-- batchdb: no-transaction\nANALYZE;");
        write("README.md", b"not SQL");
        write("v3__three.sql", b"SELECT 3;");
        write("V4__latin.sql", b"SELECT 'gr\xFC\xDFe';");
        fs::create_dir(folder.path().join("old.sql")).unwrap();
        fs::create_dir_all(folder.path().join("2026/01")).unwrap();
        write("2026/01/V11__eleven.SQL", b"SELECT 11;");
        fs::create_dir(folder.path().join(".git")).unwrap();
        write(".git/V12__twelve.sql", b"SELECT 12;");

        let read = read(folder.path()).unwrap();
        assert!(read.found && read.before.is_none());
        assert_eq!(names(&read.versioned), ["V2__two.sql", "V10__ten.sql"]);
        assert_eq!(
            (names(&read.undo), names(&read.repeatable)),
            (vec!["U2__two.sql"], vec!["R__a.sql", "R__b.sql"])
        );
        assert!(read.after.unwrap().directives.no_transaction);
        assert_eq!(read.versioned[0].text, "SELECT\n2;");
        assert_eq!(read.problems.len(), 3);
        assert!(read.problems.contains(&Problem::Subfolder { file: "2026".into() }));
        assert!(read.problems.contains(&Problem::NotText { file: "V4__latin.sql".into() }));
    }

    #[test]
    fn two_of_one_version_and_an_undo_of_nothing_are_problems() {
        let files = Files::fake(&[
            ("V1__a.sql", ""),
            ("V1.0__b.sql", ""),
            ("U1__a.sql", ""),
            ("U01__a.sql", ""),
            ("U2__b.sql", ""),
        ]);
        assert_eq!(
            files.problems,
            [
                Problem::Duplicate { first: "U01__a.sql".into(), second: "U1__a.sql".into() },
                Problem::OrphanUndo { file: "U2__b.sql".into() },
                Problem::Duplicate { first: "V1.0__b.sql".into(), second: "V1__a.sql".into() },
            ]
        );
    }

    #[test]
    fn a_missing_folder_has_no_migrations() {
        let folder = tempfile::tempdir().unwrap();
        let read = read(&folder.path().join("nowhere")).unwrap();
        assert!(!read.found && read.versioned.is_empty() && read.problems.is_empty());
    }

    #[test]
    fn a_folder_that_is_a_file_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = read(file.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains(file.path().to_str().unwrap()));
    }
}
