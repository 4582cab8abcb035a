//! A word of warning about a file with secrets that everybody can read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static WARNED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Warns, once for each file in a process, when every user of the machine can read the file.
pub(super) fn warn_if_open(path: &Path) {
    if !is_open(path) || !WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned()) {
        return;
    }
    log::warn!(
        "{} holds a secret and every user of this machine can read it: `chmod o-r` it",
        path.display()
    );
}

#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// Other systems have no such bit; their access lists are not looked at.
#[cfg(not(unix))]
fn is_open(_path: &Path) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_open_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env.test");
        std::fs::write(&path, "").unwrap();
        for (mode, expected) in [(0o600, false), (0o640, false), (0o644, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open(&path), expected, "{mode:o}");
        }
        assert!(!is_open(&folder.path().join("absent")));
    }
}
