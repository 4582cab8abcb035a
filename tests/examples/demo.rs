//! The demonstration, which brings its own server.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::answers::{Form, Survey};
use crate::world::{Finished, example};

/// The demo with a folder of its own for everything temporary. The server's user must be able to enter it.
fn demo(temporary: &Path) -> Command {
    fs::set_permissions(temporary, fs::Permissions::from_mode(0o755)).unwrap();
    let mut demo = example("demo");
    demo.env("TMPDIR", temporary);
    demo
}

#[track_caller]
fn assert_empty(folder: &Path) {
    // The guardian clears up on its own.
    let begun = Instant::now();
    let left = || fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    while !left().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "left behind: {:?}", left());
        thread::sleep(Duration::from_millis(50));
    }
}

/// `BATCHDB_TEST_SURVEYS` names a file of one's own for it.
#[test]
fn it_reports_what_the_csv_says() {
    let temporary = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let file = match std::env::var_os("BATCHDB_TEST_SURVEYS") {
        Some(path) => path.into(),
        None => {
            let form = Form { bom: true, crlf: true, reordered: false };
            let file = files.path().join("responses.csv");
            fs::write(&file, Survey::new(300, 6, 1).csv(form)).unwrap();
            file
        }
    };
    let survey = Survey::of_csv(&fs::read(&file).unwrap());
    let keep = files.path().join("kept");
    let output =
        demo(temporary.path()).arg("--surveys").arg(&file).arg("--keep").arg(&keep).output().unwrap();
    let finished = Finished::new(output);
    let result = finished.expect(0);
    for key in ["responses_found", "surveys_processed", "successful_writes"] {
        assert_eq!(result[key], survey.len(), "{finished}");
    }
    assert_eq!(result["failed_writes"], 0);
    assert_eq!(result["average_satisfaction_score"], survey.average());
    let tenths = survey.sum_in_500ths() / 50;
    let sum = format!("scores that sum to {}.{}", tenths / 10, tenths % 10);
    assert!(finished.stderr.contains(&sum), "\"{sum}\" is missing in:\n{finished}");
    assert!(keep.join("survey_hub.sqlite").is_file());
    assert_empty(temporary.path());
}

#[test]
fn without_a_file_it_makes_answers_up_and_the_second_run_finds_nothing_to_do() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(temporary.path()).args(["--count", "40", "--twice"]).output().unwrap();
    let finished = Finished::new(output);
    assert_eq!(finished.expect(0)["responses_found"], 0);
    let results: Vec<serde_json::Value> =
        finished.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(results.len(), 2, "{finished}");
    assert_eq!(results[0]["successful_writes"], 40);
    assert_empty(temporary.path());
}

#[test]
fn ctrl_c_ends_it_and_its_server() {
    let temporary = tempfile::tempdir().unwrap();
    let mut running = demo(temporary.path())
        .args(["--count", "20000"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = BufReader::new(running.stderr.take().unwrap()).lines().map(Result::unwrap);
    let port: u16 = words
        .find_map(|line| line.strip_prefix("demo: started a PostgreSQL server on port ")?.parse().ok())
        .expect("the server starts");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", running.id())]).status().unwrap();
    assert!(sent.success());
    let rest: Vec<String> = words.collect();
    assert_eq!(running.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_empty(temporary.path());
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_line() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("responses.csv");
    fs::write(&file, "survey_id,customer_id,response_data,submitted_at\n1,1,{},x\none,1,{},x\n").unwrap();
    let finished = Finished::new(demo(temporary.path()).arg("--surveys").arg(&file).output().unwrap());
    finished.expect(1);
    assert!(finished.stderr.contains("responses.csv") && finished.stderr.contains("line: 3"), "{finished}");
}
