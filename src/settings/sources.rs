//! Where settings are read from: the process environment and one file. All that touches the world is
//! [`Sources::read`]; the rest works on plain maps.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::dotenv::{self, Content, Item};
use super::keys::{self, word};
use super::origin::Origin;
use super::outside::{self, Asked, Outside};
use super::overrides::Overrides;
use super::secret::{self, Secret};
use super::template;

/// The environment that is used when nothing names one.
const ENVIRONMENT: &str = "development";

/// Everything that the settings of one environment are read from.
pub(super) struct Sources {
    pub(super) environment: String,
    /// The folder of `envs` and `migrations`.
    pub(super) home: PathBuf,
    pub(super) process: HashMap<String, String>,
    /// The path of the file, whether or not it is there.
    pub(super) path: PathBuf,
    /// What the file says.
    pub(super) file: File,
    /// Reads a secret that lives outside of both.
    pub(super) outside: fn(&Outside, Asked) -> Result<Secret, String>,
}

/// The statements of a file for one environment.
#[derive(Default)]
pub(super) struct File {
    /// Whether there is one.
    pub(super) exists: bool,
    entries: HashMap<String, Entry>,
    /// What is wrong with the file itself.
    pub(super) faults: Vec<String>,
}

struct Entry {
    marked: String,
    line: usize,
    /// The line on which the key is set once more.
    again: Option<usize>,
}

/// The variables that are texts, and the names of those that have a name and no text: a setting that cannot be
/// read must not look like one that nobody made.
fn texts(variables: impl Iterator<Item = (OsString, OsString)>) -> (HashMap<String, String>, Vec<String>) {
    let (mut read, mut unreadable) = (HashMap::new(), Vec::new());
    for (name, value) in variables {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => {
                read.insert(name, value);
            }
            (Ok(name), Err(_)) => unreadable.push(name),
            (Err(_), _) => {}
        }
    }
    (read, unreadable)
}

impl Sources {
    /// Reads the process environment and the file of the environment that is in force.
    pub(super) fn read(overrides: &Overrides) -> Sources {
        let (process, unreadable) = texts(std::env::vars_os());
        let mut sources = Sources::new(overrides, process, || std::env::current_dir().unwrap_or_default());
        sources.file = read_file(&sources.path, &sources.environment);
        let prefix = sources.prefix();
        let ours = ["BATCHDB_ENVIRONMENT", "BATCHDB_HOME", "PREFECT_ENVIRONMENT"];
        let meant = |name: &&String| name.starts_with(&prefix) || ours.contains(&name.as_str());
        let fault = |name: &String| format!("{name} (process environment): is not UTF-8 text");
        sources.file.faults.extend(unreadable.iter().filter(meant).map(fault));
        sources
    }

    /// Says where to look, and looks at no file.
    pub(super) fn new(
        overrides: &Overrides,
        process: HashMap<String, String>,
        working_directory: impl FnOnce() -> PathBuf,
    ) -> Sources {
        let named = |name: &str| process.get(name).filter(|text| !text.trim().is_empty()).cloned();
        let environment = overrides
            .environment
            .clone()
            .or_else(|| named("BATCHDB_ENVIRONMENT"))
            .or_else(|| named("PREFECT_ENVIRONMENT"))
            .map_or_else(|| ENVIRONMENT.to_owned(), |name| name.trim().to_owned());
        let home = overrides
            .home
            .clone()
            .or_else(|| named("BATCHDB_HOME").map(PathBuf::from))
            .unwrap_or_else(working_directory);
        let folder = overrides.envs_dir.clone().unwrap_or_else(|| home.join("envs"));
        let path = folder.join(format!(".env.{environment}"));
        Sources { environment, home, process, path, file: File::default(), outside: outside::read }
    }

    /// The first part of every key.
    pub(super) fn prefix(&self) -> String {
        word(&self.environment) + "_"
    }

    /// The value of a key, marked, and where it was found. An empty value is none: it is how a variable looks
    /// that a deployment declares and does not fill.
    pub(super) fn find(&self, key: &str) -> Option<(Origin, String)> {
        self.find_all(key).next()
    }

    /// The same with all the places where it is set, the strongest first.
    pub(super) fn find_all(&self, key: &str) -> impl Iterator<Item = (Origin, String)> {
        let is_set = |text: &str| !text.trim().is_empty();
        let process = self.process.get(key).filter(|text| is_set(text));
        let process = process.map(|text| (Origin::Process(key.to_owned()), template::mark(text)));
        let entry = self.file.entries.get(key).filter(|entry| is_set(&entry.marked));
        let file = entry.map(|entry| (self.line(key, entry), entry.marked.clone()));
        process.into_iter().chain(file)
    }

    fn line(&self, key: &str, entry: &Entry) -> Origin {
        Origin::File { key: key.to_owned(), path: self.path.clone(), line: entry.line }
    }

    /// Where a key is set, whatever its value.
    pub(super) fn place(&self, key: &str) -> Origin {
        match self.file.entries.get(key) {
            Some(entry) if !self.process.contains_key(key) => self.line(key, entry),
            _ => Origin::Process(key.to_owned()),
        }
    }

    /// The second line on which the file sets the key.
    pub(super) fn set_again(&self, key: &str) -> Option<usize> {
        self.file.entries.get(key)?.again
    }

    /// What stands behind `prefix` in the keys of both sources that begin with it, in order.
    pub(super) fn keys_behind(&self, prefix: &str) -> BTreeSet<&str> {
        let names = self.process.keys().chain(self.file.entries.keys());
        names.filter_map(|name| name.strip_prefix(prefix)).collect()
    }

    /// The names, in upper case, of the databases of a scope: those for which one of the `marks` is set.
    pub(super) fn databases(&self, scope: &str, marks: &[&str]) -> BTreeSet<String> {
        let prefix = format!("{}{scope}_", self.prefix());
        let names = self.keys_behind(&prefix).into_iter().filter_map(|key| {
            let name = marks.iter().find_map(|mark| key.strip_suffix(mark)?.strip_suffix('_'))?;
            let is_set = self.find(&format!("{prefix}{key}")).is_some();
            (is_set && !name.is_empty() && !keys::RESERVED.contains(&name)).then(|| name.to_owned())
        });
        names.collect()
    }

    /// Whether the file itself holds one of the secrets. That it says `${VAR}` in the place of one is no secret.
    pub(super) fn file_reveals(&self, secrets: &[Secret]) -> bool {
        let written = secrets.iter().filter(|secret| template::only_variable(secret.expose()).is_none());
        let secrets: Vec<Secret> = written.cloned().collect();
        self.file.entries.values().any(|entry| secret::reveals(&entry.marked, &secrets))
    }
}

fn read_file(path: &Path, environment: &str) -> File {
    match std::fs::read(path) {
        Ok(bytes) => File::parse(&bytes, path, environment),
        Err(error) if error.kind() == ErrorKind::NotFound => File::default(),
        Err(error) => {
            let fault = format!("{} cannot be read: {}", path.display(), error.kind());
            File { exists: true, faults: vec![fault], ..File::default() }
        }
    }
}

impl File {
    /// Reads the bytes of a file. Keys of other environments and of other programs are left alone.
    pub(super) fn parse(bytes: &[u8], path: &Path, environment: &str) -> File {
        let mut file = File { exists: true, ..File::default() };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
                file.faults.push(format!("{}, line {line}: is not UTF-8 text", path.display()));
                return file;
            }
        };
        let prefix = word(environment) + "_";
        for Item { line, content } in dotenv::parse(text) {
            match content {
                Content::Pair(key, marked) if key.starts_with(&prefix) => {
                    file.entries
                        .entry(key)
                        .and_modify(|entry| entry.again = entry.again.or(Some(line)))
                        .or_insert(Entry { marked, line, again: None });
                }
                // Other programs read the same file, some with a laxer grammar. A line of theirs does no harm
                // as long as it swallows no other.
                Content::Malformed { key: Some(key), lines: 1 } if !key.starts_with(&prefix) => (),
                Content::Malformed { .. } => file.faults.push(format!(
                    "{}, line {line}: is not `KEY=value`; put a value with spaces, quotes or `\\` into double \
                     quotes, or into single ones, between which `$` and `\\` have no meaning",
                    path.display()
                )),
                Content::Pair(..) => (),
            }
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(process: &[(&str, &str)]) -> Sources {
        let process = process.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Sources::new(&Overrides::default(), process, || PathBuf::from("/job"))
    }

    #[test]
    fn the_environment_is_named_by_the_first_that_speaks() {
        for (process, environment) in [
            (&[("BATCHDB_ENVIRONMENT", "staging"), ("PREFECT_ENVIRONMENT", "x")][..], "staging"),
            (&[("BATCHDB_ENVIRONMENT", " "), ("PREFECT_ENVIRONMENT", "production")], "production"),
            (&[], "development"),
        ] {
            assert_eq!(sources(process).environment, environment);
        }
        let overrides = Overrides { environment: Some("test".into()), ..Overrides::default() };
        let process = HashMap::from([("BATCHDB_ENVIRONMENT".to_owned(), "staging".to_owned())]);
        assert_eq!(Sources::new(&overrides, process, PathBuf::new).prefix(), "TEST_");
    }

    #[test]
    fn the_folders_stand_in_the_home() {
        let home = sources(&[("BATCHDB_HOME", "/srv/jobs")]);
        assert_eq!(home.path, Path::new("/srv/jobs/envs/.env.development"));
        assert_eq!(sources(&[]).path, Path::new("/job/envs/.env.development"));
        let overrides = Overrides { envs_dir: Some("/etc/jobs".into()), ..Overrides::default() };
        let sources = Sources::new(&overrides, HashMap::new(), || PathBuf::from("/job"));
        assert_eq!(sources.path, Path::new("/etc/jobs/.env.development"));
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_no_text_is_told_from_none() {
        use std::os::unix::ffi::OsStringExt;

        let broken = OsString::from_vec(vec![b'x', 0xff]);
        let (read, unreadable) =
            texts([("A".into(), "1".into()), ("B".into(), broken.clone()), (broken, "2".into())].into_iter());
        assert_eq!(read, HashMap::from([("A".to_owned(), "1".to_owned())]));
        assert_eq!(unreadable, ["B"]);
    }

    #[test]
    fn a_fault_names_its_line_and_quotes_nothing() {
        let path = Path::new("envs/.env.test");
        let read = |text: &[u8]| File::parse(text, path, "test").faults;
        let faults = read(b"APP_TITLE=My own app\nTEST_GLOBAL_A_TYPE=hunter two\nhunter three\n");
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("envs/.env.test, line 2: "), "{faults:?}");
        assert!(faults[1].starts_with("envs/.env.test, line 3: "), "{faults:?}");
        assert!(!faults.join("").contains("hunter"), "{faults:?}");
        assert_eq!(read(b"OTHER='open\nTEST_GLOBAL_A_TYPE=odbc\n").len(), 1);
        assert_eq!(read(b"A=1\nB=\xff\n"), ["envs/.env.test, line 2: is not UTF-8 text"]);
    }

    #[test]
    fn a_variable_in_the_place_of_a_secret_reveals_nothing() {
        let revealed = |line: &str| {
            let mut sources = sources(&[("PW", "hunter2")]);
            sources.file = File::parse(line.as_bytes(), Path::new(""), "development");
            let settings = super::super::resolve::resolve("a", &Overrides::default(), &sources)
                .map(|settings| settings.secrets);
            sources.file_reveals(&settings.unwrap())
        };
        let line =
            |password: &str| format!("DEVELOPMENT_GLOBAL_A_CONNECTION_STRING=postgresql://u:{password}@h/d");
        assert!(!revealed(&line("${PW}")));
        assert!(!revealed("DEVELOPMENT_GLOBAL_A_CONNECTION_STRING=mssql://sa:${PW}@h/d?driver=FreeTDS"));
        assert!(revealed(&line("hunter2")) && revealed(&line("hunter${PW}")));
    }

    #[test]
    fn databases_are_known_by_their_connection_strings() {
        let mut sources = sources(&[
            ("DEVELOPMENT_GLOBAL_RPA_DB_CONNECTION_STRING", "x"),
            ("DEVELOPMENT_GLOBAL_EMPTY_CONNECTION_STRING", ""),
            ("DEVELOPMENT_GLOBAL_DATABASE_CONNECTION_STRING", "x"),
            ("DEVELOPMENT_GLOBAL_STORAGE_TYPE", "s3"),
            ("STAGING_GLOBAL_OTHER_CONNECTION_STRING", "x"),
        ]);
        let text =
            b"DEVELOPMENT_GLOBAL_SURVEYHUB_CONNECTION_STRING=x\nDEVELOPMENT_RPA1_OWN_CONNECTION_STRING=x";
        sources.file = File::parse(text, Path::new(""), "development");
        let names = |scope: &str| Vec::from_iter(sources.databases(scope, &["CONNECTION_STRING"]));
        assert_eq!(names("GLOBAL"), ["RPA_DB", "SURVEYHUB"]);
        assert_eq!(names("RPA1"), ["OWN"]);
        assert!(sources.databases("GLOBAL", &["CONNECTION_STRING", "TYPE"]).contains("STORAGE"));
    }
}
