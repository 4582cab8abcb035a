//! A logger that keeps every line of every crate, at every level.

use std::sync::{Mutex, Once};

use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};

/// One event as a logger got it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) message: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Line {
    pub(crate) fn field(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// All that the line says.
    pub(crate) fn text(&self) -> String {
        let fields: Vec<_> = self.fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        format!("{} {}: {}{}", self.level, self.target, self.message, fields.concat())
    }
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

struct Capture;

impl Log for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut fields = Fields(Vec::new());
        record.key_values().visit(&mut fields).unwrap();
        let line = Line {
            level: record.level(),
            target: record.target().to_owned(),
            message: record.args().to_string(),
            fields: fields.0,
        };
        LINES.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

struct Fields(Vec<(String, String)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        // Both of its forms: a logger may choose either.
        self.0.push((key.to_string(), value.to_string()));
        let debug = format!("{value:?}");
        if self.0.last().is_some_and(|(_, display)| *display != debug) {
            self.0.push((format!("{key} (debug)"), debug));
        }
        Ok(())
    }
}

/// Starts to keep lines; every test of this process calls it first.
pub(crate) fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Capture).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

/// All lines so far, of all tests that run in this process.
pub(crate) fn lines() -> Vec<Line> {
    LINES.lock().unwrap().clone()
}

/// The lines about one database.
pub(crate) fn lines_of(database: &str) -> Vec<Line> {
    lines().into_iter().filter(|line| line.field("database") == Some(database)).collect()
}
