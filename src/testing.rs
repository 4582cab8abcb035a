//! What a program's own tests need. With the feature `testing`.
//!
//! [`EmbeddedPostgres`] is a real PostgreSQL server, made for the test and gone with it, so that a test says what
//! production will do.

#[cfg(unix)]
mod embedded_postgres;

#[cfg(unix)]
pub use embedded_postgres::{EmbeddedPostgres, EmbeddedPostgresBuilder};
