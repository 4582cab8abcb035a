//! Finds PostgreSQL's programs on this machine, and a user who may run them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};

/// Where distributions keep their servers: a folder, and what stands before the version in its entries.
const PACKAGED: [(&str, &str); 2] = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")];

/// The folder with `initdb` and `postgres`: what `PATH` leads to, then what `pg_config` names, then the newest
/// packaged version.
pub(super) fn find_programs() -> Result<PathBuf> {
    let in_path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&in_path).filter_map(|folder| real_folder(&folder));
    in_path
        .chain(pg_config())
        .chain(PACKAGED.into_iter().flat_map(|(folder, prefix)| packaged(Path::new(folder), prefix)))
        .find(|folder| has_server(folder))
        .ok_or_else(|| missing("on this machine"))
}

/// `folder`, when it has the programs.
pub(super) fn check_programs(folder: PathBuf) -> Result<PathBuf> {
    if has_server(&folder) { Ok(folder) } else { Err(missing(&format!("in {}", folder.display()))) }
}

fn missing(place: &str) -> Error {
    Error::config(format!("PostgreSQL's `initdb` and `postgres` were not found {place}")).with_hint(
        "install the server: the package `postgresql` on Debian and Ubuntu, `postgresql-server` on Fedora; \
         or name the folder of its programs by `bin_dir`",
    )
}

fn has_server(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

/// The folder that `initdb` really lies in: an entry of `PATH` may hold links to some of the programs only.
fn real_folder(folder: &Path) -> Option<PathBuf> {
    fs::canonicalize(folder.join("initdb")).ok()?.parent().map(Path::to_path_buf)
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(folder.trim_end()))
}

/// The program folders of the versions in `folder`, newest first.
fn packaged(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// A user to run the server as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The user to run the server as in place of root, which PostgreSQL refuses to run as.
pub(super) fn unprivileged_account() -> Result<Account> {
    ["postgres", "nobody"].into_iter().find_map(account).ok_or_else(|| {
        Error::config("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`")
            .with_hint("run the program as another user, or install the package `postgresql`")
    })
}

fn account(name: &str) -> Option<Account> {
    let number = |option| {
        let output = Command::new("id").args([option, name]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    Some(Account { uid: number("-u")?, gid: number("-g")? }).filter(|account| account.uid != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_packaged_version_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["pgsql-9", "pgsql-15", "pgsql-18", "pgsql-common", "lib"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = packaged(folder.path(), "pgsql-");
        let expected = ["pgsql-18", "pgsql-15", "pgsql-9"].map(|name| folder.path().join(name).join("bin"));
        assert_eq!(found, expected);
        assert!(packaged(&folder.path().join("absent"), "").is_empty());
    }

    #[test]
    fn links_lead_to_the_folder_of_the_programs() {
        let folder = tempfile::tempdir().unwrap();
        let (real, links) = (folder.path().join("real"), folder.path().join("links"));
        fs::create_dir(&real).unwrap();
        fs::create_dir(&links).unwrap();
        fs::write(real.join("initdb"), "").unwrap();
        fs::write(real.join("postgres"), "").unwrap();
        std::os::unix::fs::symlink(real.join("initdb"), links.join("initdb")).unwrap();
        assert_eq!(real_folder(&links), Some(fs::canonicalize(&real).unwrap()));
        assert!(has_server(&real) && !has_server(&links));
    }

    #[test]
    fn root_is_no_unprivileged_account() {
        assert_eq!(account("root"), None);
        assert_eq!(account("no-such-user-here"), None);
    }
}
