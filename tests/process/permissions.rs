//! A file of settings with secrets that everybody can read.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use batchdb::DatabaseManager;
use log::Level;

use crate::capture;

#[test]
fn a_file_that_everybody_can_read_is_warned_of_once_when_it_holds_a_secret() {
    const NONE: [Level; 0] = [];
    capture::start();
    let warned = |mode: u32, line: &str| {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("envs/.env.open");
        fs::create_dir(home.path().join("envs")).unwrap();
        fs::write(&file, format!("OPEN_GLOBAL_OPEN_DB_CONNECTION_STRING={line}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        for _ in 0..3 {
            DatabaseManager::builder("open_db").environment("open").home(home.path()).build().unwrap();
        }
        let path = file.display().to_string();
        let lines = capture::lines().into_iter().filter(|line| line.text().contains(&path));
        lines.map(|line| line.level).collect::<Vec<_>>()
    };
    assert_eq!(warned(0o644, "postgresql://u:pass-in-file@h/db"), [Level::Warn]);
    assert_eq!(warned(0o600, "postgresql://u:pass-in-file@h/db"), NONE);
    assert_eq!(warned(0o644, "postgresql://u@h/db"), NONE, "there is nothing to hide");
}
