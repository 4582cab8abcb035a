//! Files of SQL through the bare `postgres`: each in a transaction of its own.

use std::fs;
use std::path::{Path, PathBuf};

use postgres::{Client, NoTls};

use crate::sum::Sum;

/// Runs all files of a folder in the order of their names.
pub(crate) fn run(client: &mut Client, folder: &Path) -> Sum {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let mut transaction = client.transaction().unwrap();
        transaction.batch_execute(&text).unwrap();
        transaction.commit().unwrap();
    }
    count(client)
}

pub(crate) fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

/// What the files have left.
pub(crate) fn count(client: &mut Client) -> Sum {
    let row = client.query_one("SELECT count(*) FROM note", &[]).unwrap();
    let mut sum = Sum::default();
    sum.int(row.try_get(0).unwrap());
    sum
}
