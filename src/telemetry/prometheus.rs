//! The text form that Prometheus reads, version 0.0.4.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::fmt::{Display, Write as _};

use super::{DatabaseMetrics, Metrics};

/// Gathers lines, each name with its `HELP` and `TYPE` once.
#[derive(Default)]
struct Text(String);

type Labels<'a> = &'a [(&'a str, &'a str)];

/// What every sample of a pool is told apart by: two pools of one name must not write the same series.
struct Of<'m> {
    metrics: &'m DatabaseMetrics,
    number: String,
}

impl<'m> Of<'m> {
    fn all(metrics: &'m Metrics) -> Vec<Of<'m>> {
        let of = |metrics: &'m DatabaseMetrics| Of { metrics, number: metrics.pool.number.to_string() };
        metrics.databases.iter().map(of).collect()
    }

    /// The labels of the pool, and others behind them.
    fn labels<'a>(&'a self, others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&[("database", &*self.metrics.database), ("pool", &*self.number)], others].concat()
    }
}

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn value(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
        match labels.as_slice() {
            [] => self.line(format_args!("{name} {value}")),
            labels => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) fn text(metrics: &Metrics) -> String {
    let mut text = Text::default();
    let pools = Of::all(metrics);
    operations(&mut text, &pools);
    for (name, kind, help, value) in POOL {
        text.head(name, kind, help);
        for of in &pools {
            text.value(name, &of.labels(&[]), value(of.metrics));
        }
    }
    let name = "batchdb_pool_checkout_errors_total";
    text.head(name, "counter", "Connections that could not be had, by the kind of the error.");
    for of in &pools {
        for error in &of.metrics.checkout_errors {
            text.value(name, &of.labels(&[("kind", &error.kind)]), error.count);
        }
    }
    let name = "batchdb_pool_connections";
    text.head(name, "gauge", "Open connections, by whether somebody uses them.");
    for of in &pools {
        let pool = &of.metrics.pool;
        for (state, count) in [("idle", pool.checked_in), ("used", pool.checked_out)] {
            text.value(name, &of.labels(&[("state", state)]), count);
        }
    }
    let process = &metrics.process;
    for (name, kind, help, value) in [
        ("process_resident_memory_bytes", "gauge", "Memory in use.", as_float(process.resident_bytes)),
        ("process_threads", "gauge", "Threads.", as_float(process.threads)),
        ("process_open_fds", "gauge", "Open files and sockets.", as_float(process.descriptors)),
        ("process_cpu_seconds_total", "counter", "Time on a processor.", process.cpu_seconds),
    ] {
        text.head(name, kind, help);
        text.value(name, &[], value);
    }
    text.0
}

fn operations(text: &mut Text, pools: &[Of<'_>]) {
    let each =
        || pools.iter().flat_map(|of| of.metrics.operations.iter().map(move |operation| (of, operation)));
    let name = "batchdb_operation_duration_seconds";
    text.head(name, "histogram", "How long calls took, without the wait for a connection.");
    for (of, operation) in each() {
        let its = ("operation", operation.operation);
        for (bound, count) in &operation.buckets {
            let bound = bound.map_or("+Inf".to_owned(), |seconds| seconds.to_string());
            text.value(&format!("{name}_bucket"), &of.labels(&[its, ("le", &bound)]), count);
        }
        text.value(&format!("{name}_sum"), &of.labels(&[its]), operation.total_ms / 1e3);
        text.value(&format!("{name}_count"), &of.labels(&[its]), operation.calls);
    }
    let name = "batchdb_operation_errors_total";
    text.head(name, "counter", "Calls that failed, by the kind of their error.");
    for (of, operation) in each() {
        for error in &operation.errors {
            let labels = of.labels(&[("operation", operation.operation), ("kind", &error.kind)]);
            text.value(name, &labels, error.count);
        }
    }
    let name = "batchdb_operation_rows_total";
    text.head(name, "counter", "Rows returned or changed.");
    for (of, operation) in each() {
        text.value(name, &of.labels(&[("operation", operation.operation)]), operation.rows);
    }
}

/// A metric of each database that needs no other label: name, type, help, value.
type OfDatabase = (&'static str, &'static str, &'static str, fn(&DatabaseMetrics) -> f64);

const POOL: [OfDatabase; 10] = [
    ("batchdb_retries_total", "counter", "Further attempts of calls that had failed.", |of| {
        as_float(of.retries)
    }),
    ("batchdb_migrations_total", "counter", "Migrations that were applied.", |of| as_float(of.migrations)),
    ("batchdb_pool_size", "gauge", "Connections that are kept when nobody uses them.", |of| {
        count(of.pool.pool_size)
    }),
    ("batchdb_pool_max_overflow", "gauge", "Connections that may be opened on top.", |of| {
        count(of.pool.max_overflow)
    }),
    ("batchdb_pool_waiting", "gauge", "Callers that wait for a connection.", |of| count(of.pool.waiting)),
    ("batchdb_pool_abandoned_threads", "gauge", "Threads that a driver does not give back.", |of| {
        count(of.pool.abandoned)
    }),
    ("batchdb_pool_opened_total", "counter", "Connections that were opened.", |of| as_float(of.pool.opened)),
    ("batchdb_pool_invalid_total", "counter", "Connections that were thrown away as broken.", |of| {
        as_float(of.pool.invalid)
    }),
    ("batchdb_pool_checkouts_total", "counter", "Checkouts that gave a connection.", |of| {
        as_float(of.pool.checkouts)
    }),
    ("batchdb_pool_checkout_seconds_total", "counter", "How long those checkouts took together.", |of| {
        of.pool.checkout_total_ms / 1e3
    }),
];

fn count(number: usize) -> f64 {
    as_float(number as u64)
}

#[allow(clippy::cast_precision_loss, reason = "counts stay below 2^53 for longer than a process lives")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.value("a", &[("b", "c\"d\\e\nf")], 1);
        assert_eq!(text.0, "a{b=\"c\\\"d\\\\e\\nf\"} 1\n");
    }
}
