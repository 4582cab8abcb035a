//! A logger for programs. The library itself installs none: it writes to whatever `log` has.

use std::fmt::Write as _;
use std::io::{self, Write};

use ::env_logger::{Builder, Env, Logger};
use ::log::kv::{self, Key, Value, VisitSource};
use ::log::{LevelFilter, Log, Metadata, Record};
use serde_json::{Map, Value as Json};

/// The most that a driver may log, whatever `RUST_LOG` says: below that it prints parameters and the
/// server's own texts, which quote values. `schemamama` would say at info, by plan number, what the migrations
/// say themselves.
const CAPS: [(&str, LevelFilter); 4] = [
    ("tokio_postgres", LevelFilter::Info),
    ("postgres", LevelFilter::Info),
    ("odbc_api", LevelFilter::Error),
    ("schemamama", LevelFilter::Warn),
];

/// Sets up logging to standard error for a program, one line of text an event.
///
/// `RUST_LOG` chooses what is written (`info` when it is not set; `batchdb=debug` shows each statement
/// without its values). The PostgreSQL driver is held at `info` and the ODBC layer at `error` even if
/// `RUST_LOG` asks for more, because they would print parameters.
///
/// A program that has a logger keeps it: this call then does nothing, as does a second call.
///
/// ```
/// batchdb::init_logging();
/// log::info!(surveys = 12; "night run started");
/// // 2026-01-31T02:00:00.000Z INFO  night_run: night run started surveys=12
/// ```
pub fn init_logging() {
    install(write_text);
}

/// As [`init_logging`], with one JSON object a line for a log collector.
///
/// Each has `ts`, `level`, `target` and `message`, and the event's own keys beside them.
///
/// ```
/// batchdb::init_logging_json();
/// log::info!(surveys = 12; "night run started");
/// // {"ts":"2026-01-31T02:00:00.000Z","level":"INFO","target":"night_run","message":"night run started","surveys":12}
/// ```
pub fn init_logging_json() {
    install(write_json);
}

type Format = fn(&mut dyn Write, &str, &Record<'_>) -> io::Result<()>;

fn install(format: Format) {
    let mut builder = Builder::from_env(Env::default().default_filter_or("info"));
    builder.format(move |out, record| {
        let at = out.timestamp_millis().to_string();
        format(out, &at, record)
    });
    let logger = builder.build();
    let most = logger.filter();
    if ::log::set_boxed_logger(Box::new(Capped(logger))).is_ok() {
        ::log::set_max_level(most);
    }
}

/// The logger behind the caps. A filter of env_logger would not do: the longer name in
/// `RUST_LOG=tokio_postgres::query=debug` would win over it.
struct Capped(Logger);

impl Log for Capped {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        allowed(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if allowed(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn allowed(metadata: &Metadata<'_>) -> bool {
    CAPS.iter().all(|(name, most)| {
        let inside = metadata.target().strip_prefix(name);
        let of_driver = inside.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        !of_driver || metadata.level() <= *most
    })
}

fn write_text(out: &mut dyn Write, at: &str, record: &Record<'_>) -> io::Result<()> {
    let mut line = format!("{at} {:<5} {}: {}", record.level(), record.target(), record.args());
    record.key_values().visit(&mut Text(&mut line)).map_err(io::Error::other)?;
    writeln!(out, "{line}")
}

struct Text<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Text<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let value = value.to_string();
        // Quoted where the bare text could be mistaken for another pair or another line.
        let bare = !value.is_empty()
            && !value.contains(|c: char| c.is_whitespace() || c.is_control() || "\"=".contains(c));
        if bare {
            write!(self.0, " {key}={value}")?
        } else {
            write!(self.0, " {key}={value:?}")?
        }
        Ok(())
    }
}

fn write_json(out: &mut dyn Write, at: &str, record: &Record<'_>) -> io::Result<()> {
    let mut object = Map::new();
    object.insert("ts".into(), at.into());
    object.insert("level".into(), record.level().as_str().into());
    object.insert("target".into(), record.target().into());
    object.insert("message".into(), record.args().to_string().into());
    record.key_values().visit(&mut Object(&mut object)).map_err(io::Error::other)?;
    serde_json::to_writer(&mut *out, &object)?;
    out.write_all(b"\n")
}

struct Object<'a>(&'a mut Map<String, Json>);

impl<'kvs> VisitSource<'kvs> for Object<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let mut key = key.to_string();
        // A key of the event never hides one of the line.
        while self.0.contains_key(&key) {
            key.push('_');
        }
        self.0.insert(key, to_json(&value));
        Ok(())
    }
}

fn to_json(value: &Value<'_>) -> Json {
    if let Some(number) = value.to_i64() {
        return number.into();
    }
    if let Some(number) = value.to_u64() {
        return number.into();
    }
    if let Some(flag) = value.to_bool() {
        return flag.into();
    }
    match value.to_f64() {
        Some(number) if number.is_finite() => number.into(),
        _ => value.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use ::log::Level;

    use super::*;

    fn lines(format: Format) -> String {
        let fields: &[(&str, Value<'_>)] = &[
            ("rows", 3_u64.into()),
            ("share", 0.5.into()),
            ("ok", true.into()),
            ("level", "a \"b\"\nc".into()),
        ];
        let mut out = Vec::new();
        let record = Record::builder()
            .level(Level::Info)
            .target("batchdb")
            .args(format_args!("done"))
            .key_values(&fields)
            .build();
        format(&mut out, "2026-01-31T02:00:00.000Z", &record).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_one_line_with_its_pairs() {
        assert_eq!(
            lines(write_text),
            "2026-01-31T02:00:00.000Z INFO  batchdb: done rows=3 share=0.5 ok=true level=\"a \\\"b\\\"\\nc\"\n"
        );
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = lines(write_json);
        assert_eq!(line.lines().count(), 1);
        assert_eq!(
            serde_json::from_str::<Json>(&line).unwrap(),
            serde_json::json!({
                "ts": "2026-01-31T02:00:00.000Z", "level": "INFO", "target": "batchdb", "message": "done",
                "rows": 3, "share": 0.5, "ok": true, "level_": "a \"b\"\nc",
            })
        );
    }

    #[test]
    fn drivers_never_print_parameters() {
        let at = |target, level| allowed(&Metadata::builder().target(target).level(level).build());
        assert!(at("tokio_postgres::query", Level::Info));
        assert!(!at("tokio_postgres::query", Level::Debug));
        assert!(!at("postgres", Level::Debug));
        assert!(!at("odbc_api::handles::logging", Level::Warn));
        assert!(at("postgres_tools", Level::Debug));
        assert!(at("batchdb", Level::Debug));
    }

    /// A logger is set once for a process, so the calls are made in one of their own.
    #[test]
    fn a_program_logs_to_standard_error_and_may_ask_twice() {
        const CHILD: &str = "BATCHDB_TEST_LOGGING_CHILD";
        if std::env::var_os(CHILD).is_some() {
            init_logging();
            init_logging_json();
            ::log::debug!(target: "tokio_postgres::query", "parameters: hunter2");
            ::log::info!(target: "night_run", rows = 3; "done");
            ::log::debug!(target: "night_run", "not asked for");
            return;
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "logging::tests::a_program_logs_to_standard_error_and_may_ask_twice",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .env("RUST_LOG", "info,tokio_postgres::query=trace")
            .output()
            .unwrap();
        let written = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{written}");
        assert_eq!(written.lines().count(), 1, "{written}");
        assert!(written.ends_with("Z INFO  night_run: done rows=3\n"), "{written}");
    }
}
