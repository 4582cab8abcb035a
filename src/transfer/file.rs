//! A file that is there as a whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes the name of a file may have.
const LONGEST_NAME: usize = 255;

/// A file under another name until [`keep`](WholeFile::keep); dropped before that, it is deleted.
pub(super) struct WholeFile {
    file: Option<File>,
    partial: PathBuf,
    target: PathBuf,
}

impl WholeFile {
    /// Makes the file beside its target: a rename is one step within a file system only.
    ///
    /// # Errors
    ///
    /// The system's, and one for a target that is there and no regular file: a rename would put a file in the place of
    /// `/dev/null` or of a pipe that somebody reads.
    pub(super) fn create(target: &Path) -> io::Result<WholeFile> {
        let name = target.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        if fs::metadata(target).is_ok_and(|about| !about.is_file()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is no regular file, and only such a one can be replaced as a whole",
            ));
        }
        let mut options = OpenOptions::new();
        // What replaces a file that only its owner may read is not for all to read meanwhile.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, if target.exists() { 0o600 } else { 0o666 });
        options.write(true).create_new(true);
        loop {
            let partial = target.with_file_name(partial_name(name));
            match options.open(&partial) {
                Ok(file) => return Ok(WholeFile { file: Some(file), partial, target: target.to_owned() }),
                // What a crash has left. In a container every process has the same number, and the next one meets it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes it the target, whose former content is gone then. What is there after a crash is the one or the other.
    pub(super) fn keep(mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.sync_all()?;
        }
        if let Ok(former) = fs::metadata(&self.target) {
            fs::set_permissions(&self.partial, former.permissions())?;
        }
        fs::rename(&self.partial, &self.target)?;
        self.file = None;
        // The name is part of the folder, which has to be written as well. Where folders cannot be opened, on Windows,
        // the system sees to that.
        if cfg!(unix) {
            let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

/// A name that is no longer than any file system takes, and another one with each call.
fn partial_name(name: &OsStr) -> OsString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let end = format!(".{}-{}.partial", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut partial = OsString::from(".");
    match name.len() + end.len() < LONGEST_NAME {
        true => partial.push(name),
        // The number of the process is enough to tell it by.
        false => partial.push("long-name"),
    }
    partial.push(end);
    partial
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if self.file.take().is_some()
            && let Err(error) = fs::remove_file(&self.partial)
        {
            log::warn!("the file {} could not be removed: {error}", self.partial.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.csv");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        fs::write(&target, "old").unwrap();
        let mut file = WholeFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        assert_eq!((fs::read_to_string(&target).unwrap().as_str(), names()), ("old", 2));
        drop(file);
        assert_eq!((fs::read_to_string(&target).unwrap().as_str(), names()), ("old", 1));
        let mut file = WholeFile::create(&target).unwrap();
        file.write_all(b"whole").unwrap();
        file.keep().unwrap();
        assert_eq!((fs::read_to_string(&target).unwrap().as_str(), names()), ("whole", 1));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;

            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
            let file = WholeFile::create(&target).unwrap();
            assert_eq!(mode(&file.partial), 0o600);
            file.keep().unwrap();
            assert_eq!(mode(&target), 0o640);
        }
        assert!(WholeFile::create(Path::new("/")).is_err());
        // Also where a link leads to it, as /dev/stdout does.
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink("/dev/null", &link).unwrap();
            for special in [Path::new("/dev/null"), &link, folder.path()] {
                let Err(error) = WholeFile::create(special) else { panic!("{}", special.display()) };
                assert!(error.to_string().contains("no regular file"), "{error}");
            }
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
        assert!(WholeFile::create(&folder.path().join("no/where.csv")).is_err());
    }

    #[test]
    fn what_a_crash_has_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.csv");
        // As an earlier process of the same number would have left them.
        for number in 0..100 {
            let left = format!(".out.csv.{}-{number}.partial", std::process::id());
            fs::write(folder.path().join(left), "half").unwrap();
        }
        let mut file = WholeFile::create(&target).unwrap();
        file.write_all(b"whole").unwrap();
        file.keep().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "whole");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 101, "what is not ours stays");
    }

    #[test]
    fn a_name_may_be_as_long_as_any() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x".repeat(LONGEST_NAME));
        WholeFile::create(&target).unwrap().keep().unwrap();
        assert!(target.exists() && fs::read_dir(folder.path()).unwrap().count() == 1);
    }
}
