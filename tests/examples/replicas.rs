//! Several processes on the same databases: `replicated_survey`, killed and told to stop at random moments.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::answers::Survey;
use crate::world::{Finished, World};

const JOB: &str = "replicated_survey";

/// Set by `make faults`, which takes more time.
const ROUNDS: &str = "BATCHDB_REPLICA_ROUNDS";
const SEED: &str = "BATCHDB_FAULT_SEED";

const SURVEYS: i64 = 400;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

fn start(world: &World) -> Child {
    // Nobody reads the pipes before the end, and one that is full would stop a replica with what it holds.
    let mut replica = world.command(JOB);
    replica.env("RUST_LOG", "info").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Each result is also written down by a trigger, in the same transaction and with no key that could hide a second.
/// It takes its time, so that a replica is killed in the middle of its work and not after it.
fn keep_a_ledger(world: &World) {
    world.migrate();
    world.sql(
        "CREATE TABLE ledger (survey_id bigint, session int);
         CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep(0.004); INSERT INTO ledger VALUES (new.survey_id, pg_backend_pid());
                    RETURN new; END';
         CREATE TRIGGER keep BEFORE INSERT ON rpa1_processed_surveys FOR EACH ROW EXECUTE FUNCTION keep()",
    );
}

/// Each survey stands there once, was worked on once with an effect, and is done in the queue.
#[track_caller]
fn assert_each_once(world: &World, survey: &Survey, what: &str) {
    let (count, sum) = (survey.len(), survey.sum_in_500ths());
    let found = world.sql(&format!(
        "SELECT (SELECT count(*) FROM rpa1_processed_surveys),
                (SELECT sum(satisfaction_score) = {sum}::numeric / 500 FROM rpa1_processed_surveys),
                (SELECT count(*) FROM ledger), (SELECT count(DISTINCT survey_id) FROM ledger),
                (SELECT count(*) FROM rpa1_survey_queue WHERE done_at IS NOT NULL),
                (SELECT count(*) FROM rpa1_survey_queue)"
    ));
    assert_eq!(found, format!("{count}|t|{count}|{count}|{count}|{count}"), "{what}");
}

#[test]
fn three_replicas_one_of_them_killed_do_each_survey_once() {
    let rounds = number(ROUNDS).unwrap_or(3);
    let seed = number(SEED).unwrap_or_else(|| u64::from(std::process::id()));
    let survey = Survey::new(SURVEYS, 5, 1);
    let (mut held, mut first_written) = (0, 0);
    for round in 0..rounds {
        let what = format!("round {round} of {rounds} with {SEED}={seed}");
        let world = World::new(&format!("replicas_{round}"), &survey.responses());
        keep_a_ledger(&world);
        let mut replicas: Vec<Child> = (0..3).map(|_| start(&world)).collect();
        let written = || world.sql("SELECT count(*) FROM rpa1_processed_surveys").parse::<i64>().unwrap();

        // Somewhere on the way, told by the work that is done, not by a clock that differs on each machine.
        let draw = (seed + round).wrapping_mul(6_364_136_223_846_793_005).rotate_left(21);
        let at = i64::try_from(draw % (SURVEYS as u64 / 2)).unwrap() + 1;
        let end = Instant::now() + Duration::from_secs(60);
        while written() < at {
            assert!(Instant::now() < end, "{what}: nothing is written");
            thread::sleep(Duration::from_millis(2));
        }
        let mut victim = replicas.remove(usize::try_from(draw >> 40).unwrap() % 3);
        victim.kill().unwrap();
        let killed = !victim.wait().unwrap().success();
        let then = written();
        held += u64::from(killed && then < SURVEYS);

        let mut done = 0;
        for replica in replicas {
            let finished = Finished::new(replica.wait_with_output().unwrap());
            let result = finished.expect(0);
            assert_eq!(result["status"], "success", "{what}: {finished}");
            done += result["surveys_processed"].as_i64().unwrap();
        }
        assert!(done <= SURVEYS, "{what}: {done}");
        first_written += SURVEYS - done;
        assert_each_once(&world, &survey, &what);
        // Who comes late finds nothing to do.
        assert_eq!(world.run(JOB).expect(0)["surveys_processed"], 0, "{what}");
        assert_each_once(&world, &survey, &what);
    }
    assert_eq!(held, rounds, "a replica that had ended by itself was no fault");
    println!(
        "replicas: {rounds}/{rounds} rounds, each of {SURVEYS} surveys once, {first_written} of them by the killed, \
         {SEED}={seed} … ok"
    );
}

#[test]
fn a_replica_that_is_told_to_stop_leaves_the_rest_for_the_next() {
    let survey = Survey::new(SURVEYS, 5, 1);
    let world = World::new("replica_stopped", &survey.responses());
    keep_a_ledger(&world);
    let written = || world.sql("SELECT count(*) FROM rpa1_processed_surveys").parse::<i64>().unwrap();
    let replica = start(&world);
    let end = Instant::now() + Duration::from_secs(60);
    while written() < 40 {
        assert!(Instant::now() < end, "nothing is written");
        thread::sleep(Duration::from_millis(2));
    }
    let told = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &replica.id().to_string()]).status().unwrap().success());
    let finished = Finished::new(replica.wait_with_output().unwrap());
    assert!(told.elapsed() < Duration::from_secs(8), "{:?}", told.elapsed());
    assert_eq!(finished.expect(1)["status"], "stopped");
    let then = written();
    assert!((40..SURVEYS).contains(&then), "{then}");
    let rest = world.run(JOB);
    assert_eq!(rest.expect(0)["surveys_processed"], SURVEYS - then, "{rest}");
    assert_each_once(&world, &survey, "stopped and started again");
}

/// What is answered to a `GET`: the status line and the rest.
fn ask(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

#[test]
fn a_replica_that_runs_for_ever_answers_probes_and_finds_what_is_new() {
    let survey = Survey::new(40, 5, 1);
    let world = World::new("replica_for_ever", &survey.responses());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut replica = world.command(JOB);
    replica.args(["--every", "1", "--monitor", &format!("127.0.0.1:{port}")]).env("RUST_LOG", "info");
    let replica = replica.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let eventually = |what: &str, done: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(60);
        while !done() {
            assert!(Instant::now() < end, "{what}");
            thread::sleep(Duration::from_millis(20));
        }
    };
    let says = |path: &str, part: &str| ask(port, path).is_some_and(|text| text.contains(part));
    eventually("it lives", &|| says("/healthz", " 200 "));
    eventually("it is ready", &|| says("/readyz", " 200 "));
    let written =
        |number: i64| world.sql("SELECT count(*) FROM rpa1_processed_surveys") == number.to_string();
    // It answers before its first look for work, which is what migrates.
    let there = "SELECT to_regclass('rpa1_processed_surveys') IS NOT NULL";
    eventually("its table is there", &|| world.sql(there) == "t");
    eventually("all is written", &|| written(40));
    let new = "INSERT INTO survey_responses (survey_id, customer_id, response_data, submitted_at, processed)
               VALUES (1000, 7, '{\"question_1\": 4}', '2026-01-05T10:00:00', 0)";
    world.hub().execute(new, ()).unwrap();
    eventually("what is new is written", &|| written(41));
    assert!(says("/metrics", "batchdb_operation_duration_seconds_count{database=\"rpa_db\""));

    assert!(Command::new("kill").args(["-TERM", &replica.id().to_string()]).status().unwrap().success());
    let finished = Finished::new(replica.wait_with_output().unwrap());
    // Told in a pause, or in the midst of looking: neither is a failure of what was done.
    assert!(matches!(finished.code, Some(0 | 1)), "{finished}");
    assert!(finished.stdout.lines().count() >= 2, "{finished}");
}
