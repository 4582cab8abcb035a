//! The options of a cluster, and how it is made.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::guardian::Guardian;
use super::installation::{self, Account};
use super::{EmbeddedPostgres, HOST, State, io_error, log_tail, not_started};
use crate::error::{Error, Result};

/// Between the choice of a free port and the server's start another program may take the port.
const PORT_ATTEMPTS: usize = 5;

/// Options of an [`EmbeddedPostgres`].
#[must_use]
#[derive(Default)]
pub struct EmbeddedPostgresBuilder {
    max_connections: Option<u32>,
    settings: Vec<(String, String)>,
    password: Option<String>,
    bin_dir: Option<PathBuf>,
    /// The server's certificate and its key.
    tls: Option<(String, String)>,
}

impl EmbeddedPostgresBuilder {
    /// How many sessions the server allows. Default: 100.
    pub fn max_connections(mut self, number: u32) -> Self {
        self.max_connections = Some(number);
        self
    }

    /// A setting of the server's configuration, such as `max_prepared_transactions`. Address, port and log are fixed.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The superuser's password. Default: a random one.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Switches TLS on, with the server's certificate and its private key, both as PEM. Sessions without TLS stay
    /// possible.
    pub fn tls(mut self, certificate: impl Into<String>, private_key: impl Into<String>) -> Self {
        self.tls = Some((certificate.into(), private_key.into()));
        self
    }

    /// The folder of the server's programs, to test with one version out of several. Default: looked for in `PATH`,
    /// by `pg_config`, and where packages put them.
    pub fn bin_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.bin_dir = Some(folder.into());
        self
    }

    /// Makes the cluster and starts its server.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when an option is wrong or PostgreSQL is not installed; [`ErrorKind::Io`](crate::ErrorKind::Io) when it cannot
    /// be started, with the end of the server's log.
    pub fn start(self) -> Result<EmbeddedPostgres> {
        let mut settings = self.server_arguments()?;
        let password = match self.password {
            Some(password) if password.is_empty() || password.contains(['\n', '\r', '\0']) => {
                return Err(Error::config("the password of a PostgreSQL cluster must be one line of text"));
            }
            Some(password) => password,
            None => random_password()?,
        };
        let programs = match self.bin_dir {
            Some(folder) => installation::check_programs(folder)?,
            None => installation::find_programs()?,
        };
        let folder = tempfile::Builder::new()
            .prefix("batchdb-postgres-")
            .tempdir()
            .map_err(|error| io_error("a folder for the PostgreSQL cluster cannot be made", error))?;
        let account = hand_over(folder.path())?;
        if let Some((certificate, key)) = &self.tls {
            settings.extend(["-c".to_owned(), "ssl=on".to_owned()]);
            for (name, pem) in [("ssl_cert_file", certificate), ("ssl_key_file", key)] {
                let path = folder.path().join(name);
                write_private(&path, pem, account)
                    .map_err(|error| io_error("the server's certificate or key cannot be written", error))?;
                settings.extend(["-c".to_owned(), format!("{name}={}", path.display())]);
            }
        }
        let mut guardian = Guardian::spawn(folder.path(), &programs, &settings, account)?;
        if !guardian.make(&password)? {
            return Err(not_started("cannot be made", folder.path())
                .with_hint("the server's user must be able to enter the folder of temporary files, TMPDIR"));
        }
        for attempt in 1.. {
            let port = free_port()?;
            if let Some(server) = guardian.start(port)? {
                let state = Mutex::new(State { guardian, server: Some(server) });
                return Ok(EmbeddedPostgres { state, port, password, programs, folder });
            }
            if attempt == PORT_ATTEMPTS || !log_tail(folder.path(), 10).contains("could not bind") {
                break;
            }
        }
        Err(not_started("does not start", folder.path()))
    }

    /// Everything as `-c name=value`. The server lets the last one win: what is fixed comes last.
    fn server_arguments(&self) -> Result<Vec<String>> {
        let max_connections = self.max_connections.unwrap_or(100).to_string();
        // `synchronous_commit` stays on: without `fsync` it costs next to nothing, and a server that is stopped at
        // once keeps what it has committed.
        let defaults = [
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("timezone", "UTC"),
            ("max_connections", &max_connections),
        ];
        let fixed =
            [("listen_addresses", HOST), ("unix_socket_directories", ""), ("logging_collector", "off")];
        let chosen = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut arguments = Vec::new();
        for (name, value) in defaults.into_iter().chain(chosen).chain(fixed) {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            if name.is_empty() || !name.chars().all(is_name) || value.contains('\0') {
                return Err(Error::config(format!(
                    "{name:?} is no name of a PostgreSQL setting, or has no valid value"
                )));
            }
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        Ok(arguments)
    }
}

impl fmt::Debug for EmbeddedPostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedPostgresBuilder")
            .field("max_connections", &self.max_connections)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Gives the folder to the user that the server will run as, when that is another one than ours.
pub(super) fn hand_over(folder: &Path) -> Result<Option<Account>> {
    // Whoever owns the folder that was just made is who we are.
    let owner =
        fs::metadata(folder).map_err(|error| io_error("the PostgreSQL cluster's folder is gone", error))?;
    if owner.uid() != 0 {
        return Ok(None);
    }
    let account = installation::unprivileged_account()?;
    chown(folder, Some(account.uid), Some(account.gid))
        .map_err(|error| io_error("the PostgreSQL cluster's folder cannot be handed to its user", error))?;
    Ok(Some(account))
}

/// A file for its owner alone: the server takes no key that anybody else can read.
fn write_private(path: &Path, text: &str, owner: Option<Account>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    match owner {
        Some(Account { uid, gid }) => chown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

fn free_port() -> Result<u16> {
    TcpListener::bind((HOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| io_error("there is no free port on 127.0.0.1", error))
}

fn random_password() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| io_error("/dev/urandom cannot be read", error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
