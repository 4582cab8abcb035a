//! What is told of a call when it has ended: counted, logged, and where the settings want it, audited.

use std::time::{Duration, Instant};

use log::Level;

use crate::error::{Error, Result};
use crate::log_line::{self, Field};
use crate::metrics::Recorder;
use crate::settings::Settings;
use crate::sql;

/// A call that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) started: Instant,
    /// The statement, where it is one that the program has written.
    text: Option<&'a str>,
    /// Whether it may change anything, where its text does not tell.
    writes: Option<bool>,
}

impl<'a> Call<'a> {
    pub(super) fn begin(operation: &'static str) -> Call<'a> {
        Call::begun(operation, Instant::now())
    }

    /// A call that began when the clock was read last.
    pub(super) fn begun(operation: &'static str, started: Instant) -> Call<'a> {
        Call { operation, started, text: None, writes: None }
    }

    /// The same call, of a statement of which only the text is known.
    pub(super) fn of_text(self, text: &'a str) -> Call<'a> {
        Call { text: Some(text), ..self }
    }

    /// The same call, with what is known of its statement. A load has no text.
    pub(super) fn about(self, text: Option<&'a str>, writes: bool) -> Call<'a> {
        Call { text: text.or(self.text), writes: Some(writes), ..self }
    }

    /// The call has ended with so many rows, or failed. Returns when that was.
    pub(super) fn end(
        self,
        settings: &Settings,
        recorder: &Recorder,
        outcome: Result<u64, &Error>,
    ) -> Instant {
        let ended = Instant::now();
        let took = ended.saturating_duration_since(self.started);
        recorder.count(self.operation, took, outcome);
        log_line::operation(Level::Debug, &settings.database, self.operation, took, outcome.map(Some));
        if !settings.slow_query.is_zero() && took >= settings.slow_query {
            self.tell_slow(settings, took);
        }
        if settings.audit {
            self.audit(settings, took, outcome);
        }
        ended
    }

    /// The text is logged with its literals masked: a program may have written values into it.
    #[cold]
    fn tell_slow(self, settings: &Settings, took: Duration) {
        let text = self.text.map(|text| sql::masked(text, settings.dialect()));
        let mut fields: Vec<Field<'_>> = vec![
            ("database", (&*settings.database).into()),
            ("operation", self.operation.into()),
            ("duration_ms", log_line::milliseconds(took).into()),
        ];
        fields.extend(text.as_deref().map(|text| ("sql", text.into())));
        log_line::event(Level::Warn, "a statement took long", &fields);
    }

    pub(super) fn audit(self, settings: &Settings, took: Duration, outcome: Result<u64, &Error>) {
        let read = |text| sql::template(text, settings.dialect()).is_ok_and(|read| read.writes());
        let writes = self.writes.or_else(|| self.text.map(read));
        let (place, process) = (settings.describe(), std::process::id());
        let kind = outcome.err().map(Error::kind);
        let mut fields: Vec<Field<'_>> = vec![
            ("database", (&*settings.database).into()),
            ("environment", settings.environment.as_str().into()),
            ("target", place.as_str().into()),
            ("process", process.into()),
            ("operation", self.operation.into()),
            ("duration_ms", log_line::milliseconds(took).into()),
        ];
        fields.extend(writes.map(|writes| ("access", if writes { "write" } else { "read" }.into())));
        match (&outcome, &kind) {
            (Ok(rows), _) => fields.push(("rows", (*rows).into())),
            (Err(_), kind) => {
                fields.extend(kind.as_ref().map(|kind| ("kind", log::kv::Value::from_display(kind))))
            }
        }
        log_line::audit(if outcome.is_ok() { "done" } else { "failed" }, &fields);
    }
}
