//! What a program's own tests need. With the feature `testing`.
//!
//! [`EmbeddedPostgres`] is a real PostgreSQL server, made for the test and gone with it, so that a test says what
//! production will do.
//! [`TestDatabase`] is a database of a test's own on a server that is there.
//!
//! [`assert_round_trip`] says whether migrations can be undone.
//!
//! [`MockDatabase`] is no server at all: it answers what the test has said, to handles that are real.
//! [`FaultInjector`] makes the connections of either fail by chance, at named points.

#[cfg(unix)]
mod embedded_postgres;
mod fixtures;
mod mock;
mod round_trip;
mod test_database;

pub use crate::fault::{FaultInjector, FaultPoint};
#[cfg(unix)]
pub use embedded_postgres::{EmbeddedPostgres, EmbeddedPostgresBuilder};
pub use fixtures::{load_csv, load_json};
pub use mock::{Expectation, MockAnswer, MockCall, MockDatabase, MockEvent};
pub use round_trip::assert_round_trip;
pub use test_database::{TestDatabase, TestDatabaseBuilder};
