//! The promises of the fan-out.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use super::*;
use crate::cancel::CancelToken;
use crate::context;
use crate::deadline::Deadline;
use crate::error::{ErrorKind, Phase, Result};

/// Long enough for any machine: only a test that is about to fail waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

fn states<R>(results: &TaskResults<R>) -> Vec<TaskState> {
    results.iter().map(TaskRecord::state).collect()
}

#[test]
fn results_keep_the_order_of_the_items_and_every_item_has_a_record() {
    // Each task waits for the other one of its pair, so both workers take part.
    let barrier = Barrier::new(2);
    let results = map_tasks(0..10, MapOptions::new("n-{index}").workers(2), |n| {
        barrier.wait();
        if n % 5 == 4 { Err(format!("no {n}")) } else { Ok(n * 2) }
    });
    let names: Vec<&str> = results.iter().map(TaskRecord::name).collect();
    assert_eq!(names, ["n-0", "n-1", "n-2", "n-3", "n-4", "n-5", "n-6", "n-7", "n-8", "n-9"]);
    assert_eq!(results.completed().copied().collect::<Vec<_>>(), [0, 2, 4, 6, 10, 12, 14, 16]);
    assert_eq!(results.failed().map(TaskRecord::index).collect::<Vec<_>>(), [4, 9]);
    assert_eq!(results.counts(), [(TaskState::Completed, 8), (TaskState::Failed, 2)].into());
    let error = results.into_values().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tasks);
    assert_eq!(error.to_string(), "2 of 10 tasks did not complete, the first is `n-4` (failed)");
    assert!(error.report().ends_with(": no 4"), "{}", error.report());
}

#[test]
fn items_start_in_their_order() {
    let started = Mutex::new(Vec::new());
    let results = map_tasks(0..50, MapOptions::default().workers(1), |n| {
        started.lock().unwrap().push(*n);
        Ok::<_, Error>(())
    });
    assert_eq!(results.into_values().unwrap().len(), 50);
    assert_eq!(started.into_inner().unwrap(), (0..50).collect::<Vec<_>>());
}

#[test]
fn no_items_are_no_error() {
    let results = map_tasks(Vec::<i32>::new(), MapOptions::default(), |_| Ok::<_, Error>(1));
    assert!(results.is_empty());
    assert_eq!(results.into_values().unwrap(), Vec::<i32>::new());
}

#[test]
fn a_panic_is_caught_and_its_text_kept() {
    let runs = AtomicU32::new(0);
    let results = map_tasks([1, 2, 3], MapOptions::default().workers(1).retries(3), |n| {
        runs.fetch_add(1, Ordering::Relaxed);
        assert!(*n != 2, "two is wrong");
        Ok::<_, Error>(*n)
    });
    assert_eq!(states(&results), [TaskState::Completed, TaskState::Crashed, TaskState::Completed]);
    let record = results.failed().next().unwrap();
    assert_eq!(record.error().unwrap().to_string(), "the task panicked: two is wrong");
    assert_eq!(runs.into_inner(), 3, "a panic is not repeated");
}

#[test]
fn a_panic_in_the_name_or_the_retry_rule_is_caught_too() {
    let options =
        MapOptions::named(|_, _: &i32| panic!("no name")).retries(1).retry_if(|_| panic!("no rule"));
    let results = map_tasks([1], options, |_| Err::<(), _>("failed"));
    let record = results.iter().next().unwrap();
    assert_eq!((record.name(), record.state()), ("task-0", TaskState::Crashed));
}

#[test]
fn items_need_not_be_serializable() {
    struct Opaque(u8);
    let options = MapOptions::named(|index, item: &Opaque| format!("{index}:{}", item.0));
    let results = map_tasks([Opaque(7)], options, |item| Ok::<_, Error>(item.0));
    assert_eq!(results.iter().next().unwrap().name(), "0:7");
    assert_eq!(results.into_completed().collect::<Vec<_>>(), [7]);
}

#[test]
fn borrowed_items_work() {
    let rows = vec![String::from("a"), String::from("b")];
    let prefix = String::from("x");
    let results =
        map_tasks(&rows, MapOptions::new("{index}"), |row| Ok::<_, Error>(format!("{prefix}{row}")));
    assert_eq!(results.into_values().unwrap(), ["xa", "xb"]);
}

#[test]
fn a_failed_task_is_repeated_and_its_attempts_counted() {
    let runs = [const { AtomicU32::new(0) }; 3];
    let options = MapOptions::default().retries(2).retry_delay(Duration::from_micros(1));
    let results = map_tasks([0_usize, 1, 2], options, |n| {
        let run = runs[*n].fetch_add(1, Ordering::Relaxed);
        match n {
            0 if run < 2 => Err(Error::timeout(Phase::Checkout, Duration::ZERO)),
            1 => Err(Error::timeout(Phase::Checkout, Duration::ZERO)),
            2 => Err(Error::params("wrong")),
            _ => Ok(()),
        }
    });
    assert_eq!(states(&results), [TaskState::Completed, TaskState::Failed, TaskState::Failed]);
    assert_eq!(results.iter().map(TaskRecord::attempts).collect::<Vec<_>>(), [3, 3, 1]);
}

#[test]
fn a_task_has_one_deadline_over_all_its_attempts() {
    let seen = Mutex::new(Vec::new());
    let options = MapOptions::default().timeout(Duration::from_millis(3)).retries(1000);
    let results = map_tasks([()], options, |()| {
        let deadline = context::deadline();
        seen.lock().unwrap().push(deadline.at());
        // What a call does that has so much time: it ends when the time does.
        std::thread::sleep(Duration::from_millis(2));
        match deadline.left(std::time::Instant::now()) {
            Duration::ZERO => Err::<(), _>(deadline.passed(Phase::Query)),
            _ => Err(Error::timeout(Phase::Checkout, Duration::ZERO)),
        }
    });
    assert_eq!(states(&results), [TaskState::TimedOut]);
    let record = results.iter().next().unwrap();
    let kind = record.error().unwrap().as_batchdb().unwrap().kind();
    assert!(matches!(kind, ErrorKind::Timeout(_)), "{kind}");
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), record.attempts() as usize);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), 1);
}

#[test]
fn a_task_runs_in_the_context_of_its_caller() {
    let options = MapOptions::new("survey-{index}").workers(2).timeout(PATIENCE);
    let results =
        context::with_flow("rpa1", || map_tasks([0, 1, 2], options, |_| Ok::<_, Error>(context::current())));
    let contexts = results.into_values().unwrap();
    let ids: BTreeSet<u64> = contexts.iter().map(|context| context.fan_out.unwrap().id).collect();
    assert_eq!(ids.len(), 1);
    for (index, context) in contexts.iter().enumerate() {
        assert_eq!(context.flow.as_deref(), Some("rpa1"));
        assert_eq!(context.task.as_deref(), Some(&*format!("survey-{index}")));
        assert_eq!(context.fan_out.unwrap().workers, 2);
        assert_ne!(context.deadline, Deadline::NONE);
    }
    assert_eq!(context::current().task, None);
}

#[test]
fn a_nested_fan_out_is_refused() {
    let inner_runs = AtomicUsize::new(0);
    let results = map_tasks([1, 2], MapOptions::default(), |_| {
        let inner = map_tasks([1, 2, 3], MapOptions::new("inner-{index}"), |_| {
            inner_runs.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Error>(())
        });
        assert_eq!(states(&inner), [TaskState::NotStarted; 3]);
        assert_eq!(inner.iter().next().unwrap().name(), "inner-0");
        inner.into_values().map(|values| values.len())
    });
    assert_eq!(inner_runs.into_inner(), 0);
    for record in &results {
        let error = record.error().unwrap().as_batchdb().unwrap();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("`then`"), "{error}");
    }
}

#[test]
fn a_refused_chain_is_refused_in_every_stage() {
    let results = map_tasks([1], MapOptions::default(), |_| {
        let (first, second) = stage(MapOptions::default(), |n: &i32| Ok::<_, Error>(*n))
            .then(MapOptions::default(), |n| Ok::<_, Error>(*n))
            .map([5]);
        Ok::<_, Error>((first.into_values().unwrap_err().kind(), second.into_values().unwrap_err().kind()))
    });
    assert_eq!(results.into_values().unwrap(), [(ErrorKind::Usage, ErrorKind::Usage)]);
}

#[test]
fn an_item_is_through_its_second_stage_while_another_is_in_its_first() {
    let (release, released) = mpsc::channel();
    let (release, released) = (Mutex::new(release), Mutex::new(released));
    let (first, second) = stage(MapOptions::default().workers(2), |item| {
        if *item == 2 {
            released.lock().unwrap().recv_timeout(PATIENCE)?;
        }
        Ok::<_, Box<dyn StdError + Send + Sync>>(*item)
    })
    .then(MapOptions::default(), |item| {
        if *item == 1 {
            release.lock().unwrap().send(())?;
        }
        Ok::<_, Box<dyn StdError + Send + Sync>>(item * 10)
    })
    .map([1, 2]);
    assert_eq!(first.into_values().unwrap(), [1, 2]);
    assert_eq!(second.into_values().unwrap(), [10, 20]);
}

#[test]
fn what_fails_in_one_stage_is_not_started_in_the_next() {
    let (one, two, three) =
        stage(MapOptions::<i32>::new("a-{index}"), |n| if *n == 1 { Err("one") } else { Ok(*n) })
            .then(MapOptions::new("b-{index}"), |n| if *n == 2 { Err("two") } else { Ok(*n) })
            .then(MapOptions::new("c-{index}"), |n| Ok::<_, &str>(n.to_string()))
            .map([1, 2, 3]);
    use TaskState::{Completed, Failed, NotStarted};
    assert_eq!(states(&one), [Failed, Completed, Completed]);
    assert_eq!(states(&two), [NotStarted, Failed, Completed]);
    assert_eq!(states(&three), [NotStarted, NotStarted, Completed]);
    assert_eq!(three.iter().map(TaskRecord::name).collect::<Vec<_>>(), ["a-0", "b-1", "c-2"]);
    assert_eq!(three.failed().next().unwrap().attempts(), 0);
    assert_eq!(three.into_completed().collect::<Vec<_>>(), ["3"]);
}

#[test]
fn a_stage_that_asks_for_fewer_workers_is_held_to_them() {
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let barrier = Barrier::new(4);
    let (_, second) = stage(MapOptions::default().workers(4), |n| {
        barrier.wait();
        Ok::<_, Error>(*n)
    })
    .then(MapOptions::default().workers(1), |_| {
        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
        Ok::<_, Error>(context::current().fan_out.unwrap().workers)
    })
    .map(0..40);
    assert_eq!(most.into_inner(), 1);
    assert_eq!(second.into_values().unwrap(), [1; 40]);
}

#[test]
fn progress_is_told_once_for_each_item_and_counts_up() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let options = MapOptions::new("n-{index}").workers(3).on_progress(move |progress| {
        let Progress { done, total, failed, name, state } = progress;
        assert_eq!((total, state == TaskState::Failed), (20, name == "n-7"));
        log.lock().unwrap().push((done, failed));
    });
    let results = map_tasks(0..20, options, |n| if *n == 7 { Err("seven") } else { Ok(()) });
    assert_eq!(results.counts()[&TaskState::Failed], 1);
    let told = told.lock().unwrap();
    assert_eq!(told.iter().map(|(done, _)| *done).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    assert_eq!(told.last(), Some(&(20, 1)));
}

#[test]
fn a_panic_of_the_callback_stops_the_callback_only() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let options = MapOptions::default().on_progress(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("on purpose");
    });
    let results = map_tasks(0..5, options, |n| Ok::<_, Error>(*n));
    assert_eq!(results.into_values().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_hundred_thousand_empty_tasks_complete() {
    let results = map_tasks(0..100_000_u32, MapOptions::new("n-{index}").workers(4), |n| Ok::<_, Error>(*n));
    assert!(results.into_values().unwrap().into_iter().eq(0..100_000));
}

#[test]
fn errors_of_ours_are_found_under_the_callers_own() {
    #[derive(Debug)]
    struct Mine(Error);
    impl std::fmt::Display for Mine {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("mine")
        }
    }
    impl StdError for Mine {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }
    let work = |_: &()| -> Result<(), Mine> { Err(Mine(Error::new(ErrorKind::OutcomeUnknown, "x"))) };
    let results = map_tasks([()], MapOptions::default().retries(5), work);
    let record = results.iter().next().unwrap();
    assert_eq!(record.attempts(), 1, "an unknown outcome is never repeated by itself");
    assert_eq!(record.error().unwrap().as_batchdb().unwrap().kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(record.error().unwrap().to_string(), "mine");
}

#[test]
fn debug_shows_no_value() {
    let results = map_tasks(["hunter2"], MapOptions::default(), |text| Ok::<_, Error>(text.to_string()));
    let shown = format!("{results:?} {:?}", results.iter().next());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_fan_out_that_is_told_to_stop_ends_with_the_grace_and_keeps_every_record() {
    let token = CancelToken::new();
    let grace = Duration::from_millis(60);
    let options = MapOptions::new("n-{index}").workers(2).cancel(token.clone()).grace(grace).retries(5);
    let both = Barrier::new(2);
    let results = map_tasks(0..20, options, |n| {
        if *n > 1 {
            return Ok(*n);
        }
        both.wait();
        token.cancel();
        if *n == 0 {
            return Ok(0);
        }
        // As a call of ours that waits: until the grace is over, and not for ever.
        let (_keep, silent) = crossbeam_channel::bounded::<()>(0);
        let _ = context::receive(&silent, context::deadline());
        Err(context::deadline().passed(Phase::Query))
    });
    let mut expected = vec![TaskState::NotStarted; 20];
    expected[..2].copy_from_slice(&[TaskState::Completed, TaskState::Cancelled]);
    assert_eq!(states(&results), expected);
    let records: Vec<_> = results.iter().map(|record| (record.index(), record.attempts())).collect();
    let attempts = (0..20).map(|n| (n, u32::from(n < 2)));
    assert_eq!(records, attempts.collect::<Vec<_>>());
    let cancelled = results.iter().nth(1).unwrap();
    assert!(cancelled.duration() >= grace);
    let not_started = results.iter().nth(2).unwrap().error().unwrap().as_batchdb().unwrap();
    assert_eq!((not_started.kind(), not_started.is_transient()), (ErrorKind::Cancelled, true));
}

#[test]
fn a_pause_between_attempts_ends_with_the_cancel() {
    let token = CancelToken::new();
    let stop = token.clone();
    let options = MapOptions::default().cancel(token).retries(1).retry_delay(3 * PATIENCE);
    let began = std::time::Instant::now();
    let results = std::thread::scope(|scope| {
        let (failed, told) = mpsc::channel();
        scope.spawn(move || {
            told.recv().unwrap();
            stop.cancel();
        });
        let failed = Mutex::new(failed);
        map_tasks([()], options, |()| {
            failed.lock().unwrap().send(()).unwrap();
            Err::<(), _>("not yet")
        })
    });
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(states(&results), [TaskState::Cancelled]);
    assert_eq!(results.iter().next().unwrap().error().unwrap().to_string(), "not yet");
}

#[test]
fn a_turn_behind_the_end_of_a_tasks_time_is_not_waited_for() {
    let attempts = AtomicU32::new(0);
    let limit = Duration::from_secs(1);
    let options = MapOptions::default().per_second(0.1).retries(1).timeout(limit);
    let began = std::time::Instant::now();
    let results = map_tasks([()], options, |()| {
        attempts.fetch_add(1, Ordering::SeqCst);
        Err::<(), _>("not yet")
    });
    assert!(began.elapsed() < 2 * limit, "{:?}", began.elapsed());
    assert_eq!(states(&results), [TaskState::TimedOut]);
    assert_eq!(attempts.into_inner(), 1);
}

#[test]
fn what_an_item_has_achieved_goes_through_its_stages_while_there_is_grace() {
    for (grace, written) in [(PATIENCE, TaskState::Completed), (Duration::ZERO, TaskState::NotStarted)] {
        let token = CancelToken::new();
        let stop = token.clone();
        let (one, two) = stage(MapOptions::default().workers(1).cancel(token).grace(grace), |n: &i32| {
            stop.cancel();
            Ok::<_, Error>(*n)
        })
        .then(MapOptions::default(), |n| Ok::<_, Error>(*n))
        .map([1, 2]);
        assert_eq!(states(&one), [TaskState::Completed, TaskState::NotStarted]);
        assert_eq!(states(&two), [written, TaskState::NotStarted]);
    }
}

#[test]
fn what_tells_the_caller_to_stop_tells_its_fan_out() {
    let token = CancelToken::new();
    token.cancel();
    let results = crate::with_cancel(&token, PATIENCE, || {
        map_tasks([1, 2], MapOptions::default(), |n| Ok::<_, Error>(*n))
    });
    assert_eq!(states(&results), [TaskState::NotStarted; 2]);
    // One of its own stands beside it, in whichever stage.
    let own = || MapOptions::default().cancel(CancelToken::new());
    let (ones, twos) = crate::with_cancel(&token, PATIENCE, || {
        stage(own(), |n: &i32| Ok::<_, Error>(*n)).then(own(), |n| Ok::<_, Error>(*n)).map([1, 2])
    });
    assert_eq!(
        (states(&ones), states(&twos)),
        (vec![TaskState::NotStarted; 2], vec![TaskState::NotStarted; 2])
    );
    // And what is told within a task is told by the fan-out, too.
    let options = MapOptions::default().workers(2).fail_fast();
    let (began, inner) = (Barrier::new(2), CancelToken::new());
    let results = map_tasks([1, 2], options, |n| {
        began.wait();
        match n {
            1 => Err(Error::decode("on purpose")),
            _ => crate::with_cancel(&inner, PATIENCE, || match context::pause(PATIENCE) {
                true => Ok(()),
                false => Err(Error::new(ErrorKind::Cancelled, "stopped")),
            }),
        }
    });
    assert_eq!(states(&results), [TaskState::Failed, TaskState::Cancelled]);
}
