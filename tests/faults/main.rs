//! What the library promises, proven by faults: one line for each test, and a failure when one falls short.
//!
//! `cargo test` runs a short form of each; `make faults` the full loads; `make faults-red` the same loads on the bare
//! drivers, which must be seen to break the promises, or the tests would prove nothing.
#![allow(clippy::unwrap_used, reason = "a test that fails by `unwrap` says where and why")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the lines are what this program is for")]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod bulk;
mod check;
mod commit;
mod copies;
mod crowd;
mod killed;
mod migrations;
mod outage;
mod proxy;
mod results;
mod sessions;
mod silence;
mod soak;
mod start_up;
mod tds;
mod timeouts;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use check::Check;
use world::World;

/// One test: its short name, what it is about, the load with the library, and the one without.
struct Test {
    name: &'static str,
    about: &'static str,
    run: fn(&World, &mut Check),
    red: Option<fn(&World, &mut Check)>,
}

const TESTS: &[Test] = &[
    Test { name: "T1", about: "start-up", run: start_up::run, red: None },
    Test { name: "T2", about: "database down", run: outage::run, red: Some(outage::red) },
    Test { name: "T3", about: "overflow, fairness, panic", run: crowd::run, red: None },
    Test { name: "T4", about: "kill in transaction", run: killed::run, red: Some(killed::red) },
    Test { name: "T5", about: "lost commit ack", run: commit::run, red: Some(commit::red) },
    Test { name: "T6", about: "timeout and cancel", run: timeouts::run, red: None },
    Test { name: "T7", about: "silent peer", run: silence::run, red: Some(silence::red) },
    Test { name: "T8", about: "result truth", run: results::run, red: Some(results::red) },
    Test { name: "T9", about: "bulk truth", run: bulk::run, red: Some(bulk::red) },
    Test { name: "T10", about: "clean session", run: sessions::run, red: None },
    Test { name: "T11", about: "migrations", run: migrations::run, red: None },
];

/// A test that has not ended by then is stuck.
const LONGEST: Duration = Duration::from_secs(600);

struct Options {
    seed: u64,
    full: bool,
    red: bool,
    /// For how many minutes the soak runs, in place of the tests.
    soak: Option<f64>,
    /// A name came without `--only`, as the filters of `cargo test` do.
    filtered: bool,
    only: Vec<String>,
}

/// The options, and those of Cargo's own test runner ignored: `cargo test` gives all targets the same.
fn options() -> Result<Option<Options>, String> {
    let mut options = Options {
        seed: fastrand::u64(..1_000_000),
        full: false,
        red: false,
        soak: None,
        filtered: false,
        only: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--full" => options.full = true,
            "--short" => options.full = false,
            "--red" => options.red = true,
            "--seed" => {
                let seed = arguments.next().and_then(|text| text.parse().ok());
                options.seed = seed.ok_or("--seed wants a number")?;
            }
            "--soak" => {
                let minutes = arguments.next().and_then(|text| text.parse().ok());
                options.soak = Some(minutes.ok_or("--soak wants a number of minutes")?);
            }
            "--only" => {
                let names = arguments.next().ok_or("--only wants names such as T5,T7")?;
                options.only.extend(names.split(',').map(str::to_owned));
            }
            "--list" => return Ok(None),
            "--test-threads" | "--skip" | "--format" | "--color" => drop(arguments.next()),
            flag if flag.starts_with('-') => (),
            // A filter of `cargo test`, which here names a test.
            name => {
                options.filtered = true;
                options.only.push(name.to_owned());
            }
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    if silence::probe() {
        return ExitCode::SUCCESS;
    }
    if let Some(code) = migrations::child() {
        return code;
    }
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(wrong) => return wrong_usage(&wrong),
    };
    let wanted = |test: &&Test| {
        (options.only.is_empty() || options.only.iter().any(|name| name == test.name))
            && (!options.red || test.red.is_some())
            && options.soak.is_none()
    };
    let tests: Vec<&'static Test> = TESTS.iter().filter(wanted).collect();
    if tests.is_empty() && options.soak.is_none() {
        // A filter of `cargo test` that is meant for another target is no mistake; `--only` is.
        return if options.filtered { ExitCode::SUCCESS } else { wrong_usage("--only names no such test") };
    }
    let load = if options.full { "full" } else { "short" };
    let side = if options.red { ", without protection" } else { "" };
    let world: &'static World = Box::leak(Box::new(World::new(options.seed, options.full)));
    world.server();
    check::watch_machine();
    let mut passed = true;
    if let Some(minutes) = options.soak {
        println!("faults: a soak of {minutes} minutes, seed {}", options.seed);
        let longest = LONGEST + Duration::from_secs_f64(minutes * 60.0);
        passed &= one(("T12", "soak"), false, longest, move |check| soak::run(world, minutes, check));
    } else {
        println!("faults: {} tests, {load} load{side}, seed {}", tests.len(), options.seed);
    }
    for test in tests {
        let work = test.red.filter(|_| options.red).unwrap_or(test.run);
        passed &= one((test.name, test.about), options.red, LONGEST, move |check| work(world, check));
    }
    // What stays in a static is not dropped; the guardian of the server sees this process end.
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn wrong_usage(wrong: &str) -> ExitCode {
    eprintln!("faults: {wrong}");
    ExitCode::from(2)
}

/// Runs one test on a thread of its own, so that it cannot hold up the others for ever, and prints its line.
fn one(
    (name, about): (&str, &str),
    red: bool,
    longest: Duration,
    work: impl FnOnce(&mut Check) + Send + 'static,
) -> bool {
    let (sender, receiver) = mpsc::channel();
    let started = Instant::now();
    check::forget_standstill();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let mut check = Check::default();
            let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut check)));
            check.expect(outcome.is_ok(), || "it panicked".to_owned());
            let _ = sender.send(check);
        })
        .unwrap();
    let (line, passed) = match receiver.recv_timeout(longest) {
        Ok(check) => check.verdict(red),
        Err(_) => (format!("… FELL SHORT: still not at its end after {longest:?}"), false),
    };
    println!("{name} {about}: {line} ({:.0} s)", started.elapsed().as_secs_f64());
    passed
}
