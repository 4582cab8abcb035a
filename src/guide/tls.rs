//! TLS: what each mode checks, where certificates come from, and how to see that it is on.
//!
//! 1. [PostgreSQL](#postgresql)
//! 2. [What is refused although libpq takes it](#what-is-refused-although-libpq-takes-it)
//! 3. [SQL Server and other databases](#sql-server-and-other-databases)
//! 4. [Seeing that it is on](#seeing-that-it-is-on)
//!
//! # PostgreSQL
//!
//! TLS is rustls, without a C library. `sslmode` in the connection string says how much is asked for:
//!
//! | `sslmode` | encrypted | who the server is |
//! | --- | --- | --- |
//! | `disable` | no | not looked at |
//! | `prefer`, the default, and `allow` | where the server offers it. libpq's `allow` asks for encryption only when it is refused without; here the two are the same | not looked at; the file of `sslrootcert` is not opened |
//! | `require` | yes, or no connection | not looked at; with `sslrootcert` as `verify-ca` |
//! | `verify-ca` | yes | its certificate is signed by an issuer that is trusted |
//! | `verify-full` | yes | the same, and the certificate is for the name that was connected to |
//!
//! **Take `verify-full` wherever the way to the server is not your own machine.** What only encrypts keeps out who
//! listens, and nobody who answers in the server's place. The words and the default are libpq's; its own folder,
//! `~/.postgresql` with `root.crt` and the rest, is not looked at. So `verify-ca` without `sslrootcert` trusts the
//! issuers of the machine, of whom anybody can have a certificate, where libpq would ask for the file: name it.
//!
//! ```text
//! PRODUCTION_GLOBAL_RPA_DB_CONNECTION_STRING=postgresql://job:${PW}@db.example/rpa_db?sslmode=verify-full&sslrootcert=/etc/ssl/db-ca.pem
//! ```
//!
//! | option | what it is |
//! | --- | --- |
//! | `sslrootcert` | the issuers that are trusted, a file with PEM certificates. Without it those of the machine. `system` is these too, and, as in libpq, it means `verify-full`: a weaker `sslmode` beside it is an error |
//! | `sslcert`, `sslkey` | the client's own certificate and its key, for servers that ask for one. Both or none |
//!
//! The files that the mode needs are read when the pool is made; one that cannot be read is
//! [`Config`](crate::ErrorKind::Config).
//!
//! # What is refused although libpq takes it
//!
//! `verify-ca` and `verify-full` take certificates of X.509 version 3 that name the server in `subjectAltName`. One of
//! version 1, one that is its own authority, and one that names the server in its common name alone are refused. The
//! remedy is a certificate of today's form; `openssl x509 -in server.crt -noout -text` shows what one has.
//!
//! Protocols are TLS 1.2 and 1.3. A key with a passphrase is not read, and lists of revoked certificates are not looked
//! at.
//!
//! # SQL Server and other databases
//!
//! There TLS is the driver's. `Encrypt`, `TrustServerCertificate` and `HostNameInCertificate` go to Microsoft's as they
//! are; FreeTDS is told `Encrypt` in its own word, `Encryption`, and knows neither of the others. Microsoft's driver
//! encrypts and checks by default from version 18 on. FreeTDS encrypts and checks nothing, so where no driver is named,
//! a string with `Encrypt=yes` and without `TrustServerCertificate=yes` does not get it; the [page on SQL
//! Server](super::sqlserver#which-driver) has the rest.
//!
//! # Seeing that it is on
//!
//! The server is the one to ask:
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let row = db.query_one("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", ())?;
//! println!("encrypted: {}, by {:?}", row.get::<bool>("ssl")?, row.get::<Option<String>>("version")?);
//! # Ok::<(), batchdb::Error>(())
//! ```
