//! A file that is there as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = target.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        if fs::metadata(target).is_ok_and(|about| !about.is_file()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is no regular file, and only such a one can be replaced as a whole",
            ));
        }
        let mut partial = OsString::from(".");
        partial.push(name);
        partial.push(format!(".{}-{}.partial", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let partial = target.with_file_name(partial);
        let mut options = OpenOptions::new();
        // What replaces a file that only its owner may read is not for all to read meanwhile.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, if target.exists() { 0o600 } else { 0o666 });
        let file = options.write(true).create_new(true).open(&partial)?;
        Ok(WholeFile { file: Some(file), partial, target: target.to_owned() })
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
}
