//! Tools for the tests of your own program. With the feature `testing`.
//!
//! [`EmbeddedPostgres`] is a real, temporary PostgreSQL server. [`TestDatabase`] is a database for one test, on any
//! PostgreSQL server.
//!
//! [`assert_round_trip`] checks that migrations can be undone.
//!
//! [`MockDatabase`] needs no server: it answers what the test has specified, through real handles. [`FaultInjector`]
//! injects random faults at named points, into real or mock connections.

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
