//! What the operating system knows of this process.

use serde::Serialize;

/// Memory, threads and time of this process. All but its number are zero where the system has no `/proc`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct ProcessMetrics {
    /// Its number.
    pub id: u32,
    /// Memory that is in use, in bytes.
    pub resident_bytes: u64,
    /// The most that ever was.
    pub peak_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open files and sockets.
    pub descriptors: u64,
    /// Time on a processor, in the program and in the system for it, in seconds.
    pub cpu_seconds: f64,
}

/// How `/proc/self/stat` counts time. The kernel's `USER_HZ` is 100 on every architecture that Rust's standard library
/// knows on Linux: `man 5 proc`, `man 7 time`.
const TICKS_A_SECOND: f64 = 100.0;

impl ProcessMetrics {
    /// Asks the system now.
    pub(super) fn read() -> ProcessMetrics {
        let text = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        ProcessMetrics {
            id: std::process::id(),
            descriptors: u64::try_from(descriptors).unwrap_or(u64::MAX),
            ..parse(&text("status"), &text("stat"))
        }
    }
}

fn parse(status: &str, stat: &str) -> ProcessMetrics {
    let number = |key: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    // The name of the program, in parentheses, may hold spaces: the fields are counted behind it.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks = |field: usize| -> f64 {
        behind.split_whitespace().nth(field).and_then(|text| text.parse().ok()).unwrap_or(0.0)
    };
    ProcessMetrics {
        id: 0,
        resident_bytes: number("VmRSS:") * 1024,
        peak_bytes: number("VmHWM:") * 1024,
        threads: number("Threads:"),
        descriptors: 0,
        // Fields 14 and 15 of the whole, `utime` and `stime`: the 11th and 12th behind the name, from 0.
        cpu_seconds: (ticks(11) + ticks(12)) / TICKS_A_SECOND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_whatever_the_program_is_called() {
        let status = "Name:\tjob\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t7\n";
        let stat = "12 (a job) x) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 7 0";
        let metrics = parse(status, stat);
        assert_eq!((metrics.resident_bytes, metrics.peak_bytes, metrics.threads), (1_048_576, 2_097_152, 7));
        assert!((metrics.cpu_seconds - 2.0).abs() < 1e-9);
        assert_eq!(parse("", ""), ProcessMetrics::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_threads() {
        let metrics = ProcessMetrics::read();
        assert!(
            metrics.resident_bytes > 1_000_000 && metrics.threads >= 2 && metrics.descriptors >= 3,
            "{metrics:?}"
        );
    }
}
