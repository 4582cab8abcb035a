//! The way to a database behind a driver, as far as it can be gone without the driver: is it installed, is there a
//! file, does the server's port take connections? Encryption and login are the driver's own business.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

use super::drivers::{self, Choice};
use crate::backend::reach::{self, Found, Told};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::{Driver, OdbcPlace, OdbcTarget};

/// Goes as far as it can, telling each step. Every step ends by `limit` and by `whole`.
pub(in crate::backend) fn probe(
    target: &OdbcTarget,
    read_only: bool,
    limit: Duration,
    whole: Deadline,
    told: Told<'_>,
) {
    let step_limit = || Deadline::after(Instant::now(), limit).earlier(whole);
    if reach::step(told, "driver", || driver(target)).is_none() {
        return;
    }
    match &target.place {
        OdbcPlace::File(path) => {
            reach::step(told, "file", || file(path, read_only));
        }
        OdbcPlace::Server(host, port) => {
            let hosts = [(host.clone(), *port)];
            let candidates = reach::step(told, "name", || reach::names(&hosts, step_limit()));
            if let Some(candidates) = candidates {
                reach::step(told, "tcp", || {
                    reach::connect(candidates, step_limit()).map(|(_, found)| ((), found))
                });
            }
        }
        OdbcPlace::Instance(host) => {
            let hosts = [(host.clone(), 0)];
            reach::step(told, "name", || {
                let (candidates, mut found) = reach::names(&hosts, step_limit())?;
                found.and("the port of a named instance is asked for by the driver (UDP 1434)");
                Ok((candidates, found))
            });
        }
        // What a data source or an unknown driver makes of its words, nobody here can tell.
        OdbcPlace::Unknown => (),
    }
}

fn driver(target: &OdbcTarget) -> Result<((), Found)> {
    let installed = drivers::installed();
    let listed = if installed.is_empty() { "none".to_owned() } else { installed.join(", ") };
    let mut found = Found::default();
    match &target.driver {
        Driver::Named | Driver::FreeTds => found.and("the connection string names the driver"),
        Driver::Source { name, .. } => match drivers::of_source(name) {
            Some(driver) => found.and(format!("the data source \"{name}\" has the driver {driver}")),
            None => found.doubt(
                format!("the driver manager knows no data source \"{name}\""),
                "add it to odbc.ini (`odbcinst -j` says where that is), or name a driver and a server instead",
            ),
        },
        Driver::Installed { freetds } => match drivers::choose(&installed, freetds.is_ok()) {
            Some(Choice::Microsoft(name) | Choice::FreeTds(name)) => {
                found.and(format!("\"{name}\" is chosen, the best that is installed"));
            }
            None => {
                return Err(Error::config(format!(
                    "no ODBC driver for SQL Server is installed (there are: {listed})"
                )));
            }
        },
    }
    found.and(format!("installed here: {listed}"));
    Ok(((), found))
}

/// The file that SQLite opens, and the folder in which it journals.
fn file(path: &Path, read_only: bool) -> Result<((), Found)> {
    let shown = path.display();
    let unreadable =
        |error| Error::new(ErrorKind::Io, format!("{shown} cannot be opened")).with_source(error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Found::default();
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => {
            return Err(Error::new(ErrorKind::Io, format!("{shown} is a folder, and no file of SQLite's")));
        }
        Ok(about) => {
            OpenOptions::new().read(true).open(path).map_err(unreadable)?;
            found.and(format!("the file {shown} is there, with {} KiB", about.len().div_ceil(1024)));
            if !read_only && OpenOptions::new().write(true).open(path).is_err() {
                found.doubt(
                    "the file cannot be written to",
                    "give its user the right to write, or set READ_ONLY=true",
                );
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if !folder.is_dir() {
                return Err(Error::new(ErrorKind::Io, format!("there is no folder {}", folder.display())));
            }
            // To go on would make it, and who looks must change nothing.
            return Err(Error::new(
                ErrorKind::Io,
                format!("there is no file {shown}; the first use makes an empty one"),
            ));
        }
        Err(error) => return Err(unreadable(error)),
    }
    if !read_only && fs::metadata(folder).is_ok_and(|about| about.permissions().readonly()) {
        found.doubt(
            format!("the folder {} cannot be written to, where SQLite keeps its journal", folder.display()),
            "give its user the right to write, or set READ_ONLY=true",
        );
    }
    Ok(((), found))
}
