//! PostgreSQL by the `postgres` crate, in the caller's thread, on a stream that can be cut.

mod abort;
mod cancel;
mod certificate;
mod classify;
mod connect;
mod connection;
mod copy;
mod decode;
mod encode;
mod failure;
mod probe;
mod runtime;
mod spelling;
mod statements;
mod stream;
mod tls;
mod verify;
mod watchdog;

pub(super) use connect::PostgresConnector;
pub(super) use probe::probe;
