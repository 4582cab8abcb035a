//! The lines that batchdb writes to the log, kept for the bodies to look at.

use std::fmt::Write;
use std::sync::Mutex;

use log::kv::{Error, Key, Value, VisitSource};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keeper;

impl log::Log for Keeper {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "batchdb" && metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &log::Record<'_>) {
        struct Pairs(String);
        impl<'kvs> VisitSource<'kvs> for Pairs {
            fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
                let _ = write!(self.0, " {key}={value}");
                Ok(())
            }
        }
        if self.enabled(record.metadata()) {
            let mut line = Pairs(format!("{} {}", record.level(), record.args()));
            let _ = record.key_values().visit(&mut line);
            LINES.lock().unwrap().push(line.0);
        }
    }

    fn flush(&self) {}
}

/// Keeps all lines from now on.
pub(crate) fn keep() {
    static KEEPER: Keeper = Keeper;
    log::set_logger(&KEEPER).unwrap();
    log::set_max_level(log::LevelFilter::Info);
}

/// Takes the lines that came since the last time.
pub(crate) fn take() -> Vec<String> {
    std::mem::take(&mut *LINES.lock().unwrap())
}
