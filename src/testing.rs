//! What a program's own tests need. With the feature `testing`.
//!
//! [`EmbeddedPostgres`] is a real PostgreSQL server, made for the test and gone with it, so that a test says what
//! production will do.
//!
//! [`MockDatabase`] is no server at all: it answers what the test has said, to handles that are real.

#[cfg(unix)]
mod embedded_postgres;
mod mock;

#[cfg(unix)]
pub use embedded_postgres::{EmbeddedPostgres, EmbeddedPostgresBuilder};
pub use mock::{Expectation, MockAnswer, MockCall, MockDatabase, MockEvent};
