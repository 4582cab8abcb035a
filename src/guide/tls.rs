//! TLS: what each mode checks, where certificates come from, and how to check that it is on.
//!
//! 1. [PostgreSQL](#postgresql)
//! 2. [What is refused although libpq takes it](#what-is-refused-although-libpq-takes-it)
//! 3. [SQL Server and other databases](#sql-server-and-other-databases)
//! 4. [Checking that it is on](#checking-that-it-is-on)
//!
//! # PostgreSQL
//!
//! TLS is done by rustls, without a C library. `sslmode` in the connection string says what is required:
//!
//! | `sslmode` | encrypted | identity of the server |
//! | --- | --- | --- |
//! | `disable` | no | not checked |
//! | `prefer` (the default) and `allow` | if the server offers it. (libpq's `allow` encrypts only if the server refuses plain text; here the two are the same) | not checked; the file of `sslrootcert` is not opened |
//! | `require` | yes, or no connection | not checked; with `sslrootcert` as `verify-ca` |
//! | `verify-ca` | yes | its certificate must be signed by a trusted issuer |
//! | `verify-full` | yes | the same, and the certificate must be for the host name in the connection string |
//!
//! **Use `verify-full` whenever the server is not on your own machine.** Encryption alone keeps eavesdroppers out, but
//! not somebody who answers in the server's place. The values and the default are libpq's, but libpq's folder
//! `~/.postgresql` (with `root.crt` and so on) is not read. So `verify-ca` without `sslrootcert` trusts the issuers
//! that the machine trusts, from which anybody can get a certificate (libpq would require the file). Always set
//! `sslrootcert` with `verify-ca`.
//!
//! ```text
//! PRODUCTION_GLOBAL_RPA_DB_CONNECTION_STRING=postgresql://job:${PW}@db.example/rpa_db?sslmode=verify-full&sslrootcert=/etc/ssl/db-ca.pem
//! ```
//!
//! | option | what it is |
//! | --- | --- |
//! | `sslrootcert` | a file with the PEM certificates of the trusted issuers. Default: those that the machine trusts. `system` means the same, and, as in libpq, implies `verify-full`: a weaker `sslmode` with it is an error |
//! | `sslcert`, `sslkey` | the client's certificate and its key, for servers that require one. Set both or neither |
//!
//! The files that the mode needs are read when the pool is made. If one cannot be read, the error kind is
//! [`Config`](crate::ErrorKind::Config).
//!
//! # What is refused although libpq takes it
//!
//! `verify-ca` and `verify-full` accept X.509 version 3 certificates that name the server in `subjectAltName`. Refused
//! are version 1 certificates, certificates that are their own authority, and certificates that name the server only in
//! the common name. `openssl x509 -in server.crt -noout -text` shows what a certificate contains; replace it by a
//! current one.
//!
//! The protocols are TLS 1.2 and 1.3. Keys with a passphrase and revocation lists are not supported.
//!
//! # SQL Server and other databases
//!
//! There the ODBC driver does TLS. Microsoft's driver gets `Encrypt`, `TrustServerCertificate` and
//! `HostNameInCertificate` unchanged; from version 18 on it encrypts and checks by default. FreeTDS gets `Encrypt`
//! under its own name `Encryption` and has no equivalent of the other two; it encrypts, but never checks the
//! certificate. So if a string names no driver, and has `Encrypt=yes` without `TrustServerCertificate=yes`, FreeTDS is
//! not chosen. The [page on SQL Server](super::sqlserver#which-driver) has the rest.
//!
//! # Checking that it is on
//!
//! Ask the server:
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let row = db.query_one("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", ())?;
//! println!("encrypted: {}, by {:?}", row.get::<bool>("ssl")?, row.get::<Option<String>>("version")?);
//! # Ok::<(), batchdb::Error>(())
//! ```
