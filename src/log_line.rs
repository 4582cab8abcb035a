//! How this crate writes to the log: one target, key-values, and the context of the thread.
//!
//! Only names, numbers and the value-free text of our own error go in. The text of a driver or of a
//! task's own error may quote values, so it stays with the error that the caller gets.

use std::time::Duration;

use ::log::kv::Value;
use ::log::{Level, Record};

use crate::context::{self, Context};
use crate::error::Error;

/// The target of every line of this crate, so that one filter (`RUST_LOG=batchdb=debug`) is enough.
pub(crate) const TARGET: &str = "batchdb";

/// One key with its value.
pub(crate) type Field<'a> = (&'static str, Value<'a>);

/// Whether a line of this level would be written: for fields that cost something to make.
pub(crate) fn enabled(level: Level) -> bool {
    ::log::log_enabled!(target: TARGET, level)
}

/// Writes one line, with the flow and the task that the thread works for.
///
/// A level that is off costs a comparison, as fields of numbers and borrowed text cost nothing to make.
pub(crate) fn event(level: Level, message: &str, fields: &[Field<'_>]) {
    if enabled(level) {
        write(TARGET, level, message, fields);
    }
}

fn write(target: &'static str, level: Level, message: &str, fields: &[Field<'_>]) {
    // A copy, because a logger that itself queries a database enters a context of its own.
    let context = context::current();
    let fields = with_context(&context, fields);
    ::log::logger().log(
        &Record::builder()
            .level(level)
            .target(target)
            .module_path_static(Some(target))
            .args(format_args!("{message}"))
            .key_values(&fields.as_slice())
            .build(),
    );
}

/// The target of the audit trail, so that it can be sent elsewhere than the rest.
const AUDIT: &str = "batchdb::audit";

/// Writes one line of the audit trail.
pub(crate) fn audit(message: &str, fields: &[Field<'_>]) {
    if ::log::log_enabled!(target: AUDIT, Level::Info) {
        write(AUDIT, Level::Info, message, fields);
    }
}

/// Writes one line about a finished operation: how long it took, and the rows or what went wrong.
pub(crate) fn operation(
    level: Level,
    database: &str,
    operation: &'static str,
    duration: Duration,
    outcome: Result<Option<u64>, &Error>,
) {
    if !enabled(level) {
        return;
    }
    let mut fields: Vec<Field<'_>> = vec![
        ("database", database.into()),
        ("operation", operation.into()),
        ("duration_ms", milliseconds(duration).into()),
    ];
    match outcome {
        Ok(rows) => {
            fields.extend(rows.map(|rows| ("rows", rows.into())));
            event(level, "done", &fields);
        }
        Err(error) => {
            let kind = error.kind();
            fields.push(("kind", Value::from_display(&kind)));
            fields.push(("error", Value::from_display(error)));
            event(level, "failed", &fields);
        }
    }
}

/// Milliseconds with three decimals, as durations are logged.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn with_context<'a>(context: &'a Context, fields: &[Field<'a>]) -> Vec<Field<'a>> {
    let of_thread = [("flow", &context.flow), ("task", &context.task)];
    let named = of_thread.into_iter().filter_map(|(key, name)| Some((key, Value::from(name.as_deref()?))));
    fields.iter().cloned().chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_flow_and_task() {
        let context = Context { task: Some("survey-7".into()), ..context::current() };
        let fields = with_context(&context, &[("rows", 3_u64.into())]);
        let shown: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(shown, ["rows=3", "task=survey-7"]);
    }

    #[test]
    fn durations_are_milliseconds() {
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)), 1.235);
    }
}
