use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::context;
use crate::error::ErrorKind;
use crate::tasks::{TaskState, map_tasks, stage};

mod values;

const LONG: Duration = Duration::from_secs(60);

fn options<T>() -> MapOptions<T> {
    MapOptions::default().workers(4)
}

fn ok<T>(value: T) -> Result<T> {
    Ok(value)
}

/// The records as index and state, in the order in which they came.
fn states<R>(stream: TaskStream<'_, R>) -> Result<Vec<(usize, TaskState)>> {
    Ok(stream.map(|record| (record.index(), record.state())).collect())
}

#[test]
fn every_item_leaves_one_record() {
    let done = map_stream(
        0..10_000_u64,
        options(),
        |n| ok(n * 2),
        |stream| ok(stream.map(|record| (record.index(), record.into_result().unwrap())).collect::<Vec<_>>()),
    );
    let mut done = done.unwrap();
    done.sort_unstable();
    assert!(
        done.iter().enumerate().all(|(place, (index, value))| place == *index && *value == 2 * place as u64)
    );
    assert_eq!(done.len(), 10_000);
    let none = map_stream(Vec::<u8>::new(), options(), |n| ok(*n), |mut stream| ok(stream.next().is_none()));
    assert!(none.unwrap());
}

#[test]
fn what_is_done_first_comes_first_unless_the_order_is_asked_for() {
    let release = AtomicBool::new(false);
    let work = |n: &usize| {
        while *n == 0 && !release.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        ok(*n)
    };
    let first = map_stream(0..50_usize, options(), work, |mut stream| {
        let first = stream.next().unwrap().index();
        release.store(true, Ordering::SeqCst);
        assert_eq!(stream.count(), 49);
        ok(first)
    });
    assert_ne!(first.unwrap(), 0);
    let slow_first = |n: &usize| {
        thread::sleep(Duration::from_millis(if n.is_multiple_of(10) { 10 } else { 0 }));
        ok(*n)
    };
    let order = map_stream(0..50_usize, options().in_order(), slow_first, |stream| {
        stream.values().collect::<Result<Vec<_>>>()
    });
    assert_eq!(order.unwrap(), (0..50).collect::<Vec<_>>());
}

#[test]
fn no_more_items_are_in_flight_than_were_asked_for() {
    for (in_order, limit) in [(false, 1), (false, 5), (true, 5), (true, 20)] {
        let (read, handed, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let input = (0..500_usize).inspect(|_| {
            let in_flight = read.fetch_add(1, Ordering::SeqCst) + 1 - handed.load(Ordering::SeqCst);
            most.fetch_max(in_flight, Ordering::SeqCst);
        });
        let work = |n: &usize| {
            thread::sleep(Duration::from_micros(if n.is_multiple_of(50) { 5_000 } else { 10 }));
            ok(())
        };
        let options = if in_order { options().in_order() } else { options() }.in_flight(limit);
        map_stream(input, options, work, |stream| {
            for _ in stream {
                handed.fetch_add(1, Ordering::SeqCst);
            }
            ok(())
        })
        .unwrap();
        assert_eq!(handed.into_inner(), 500);
        // The record that the receiver has just been given is counted when it asks for the next.
        assert!((limit..=limit + 1).contains(&most.into_inner()), "{in_order} {limit}");
    }
}

#[test]
fn failures_panics_and_repeats_are_recorded_and_stop_nobody() {
    let attempts = AtomicUsize::new(0);
    let work = |n: &usize| match n {
        3 => Err("no".to_owned()),
        4 => panic!("on purpose"),
        5 if attempts.fetch_add(1, Ordering::SeqCst) == 0 => Err("once".to_owned()),
        _ => Ok(*n),
    };
    let told = Mutex::new(Vec::new());
    let records =
        map_stream(
            0..8_usize,
            options().retries(1).in_order(),
            work,
            |stream| ok(stream.collect::<Vec<_>>()),
        )
        .unwrap();
    for record in &records {
        told.lock().unwrap().push((record.state(), record.attempts()));
    }
    let (done, failed, crashed) = (TaskState::Completed, TaskState::Failed, TaskState::Crashed);
    assert_eq!(
        told.into_inner().unwrap(),
        [(done, 1), (done, 1), (done, 1), (failed, 2), (crashed, 1), (done, 2), (done, 1), (done, 1)]
    );
    assert_eq!(records[4].error().unwrap().to_string(), "the task panicked: on purpose");
}

#[test]
fn failing_fast_ends_what_runs_and_reads_no_further() {
    let read = AtomicUsize::new(0);
    let input = (0..1_000_000_usize).inspect(|_| {
        read.fetch_add(1, Ordering::SeqCst);
    });
    let work = |n: &usize| match n {
        5 => Err("no"),
        // What waits is told: nobody sits out the minute.
        6 | 7 if !context::pause(LONG) => Err("stopped"),
        _ => Ok(()),
    };
    let began = Instant::now();
    let mut all = map_stream(input, options().fail_fast().in_flight(8), work, states).unwrap();
    assert!(began.elapsed() < LONG / 2);
    all.sort_unstable_by_key(|(index, _)| *index);
    assert_eq!(all.len(), read.into_inner());
    assert!(all.len() < 50, "{}", all.len());
    assert_eq!(all[5], (5, TaskState::Failed));
    assert!(matches!(all[6].1, TaskState::Cancelled | TaskState::NotStarted), "{:?}", all[6]);
    assert_eq!(all.last().unwrap().1, TaskState::NotStarted);
}

#[test]
fn failing_fast_is_for_a_fan_out_of_known_size_too() {
    let work = |n: &usize| match n {
        3 => Err("no"),
        1 if !context::pause(LONG) => Err("stopped"),
        _ => Ok(*n),
    };
    let results = map_tasks(0..100_usize, options().workers(2).fail_fast(), work);
    assert!(results.counts()[&TaskState::NotStarted] > 90, "{results:?}");
    // Not the first in the order of the items, but the one that the others were stopped for.
    let error = results.into_values().unwrap_err();
    assert!(error.report().contains("the first is `task-3` (failed): no"), "{}", error.report());
    let second = |n: &usize| if *n == 2 { Err("no") } else { Ok(*n) };
    let (firsts, seconds) = stage(MapOptions::<usize>::default().workers(1), |n| ok(*n))
        .then(MapOptions::default().fail_fast(), second)
        .map(0..100);
    assert_eq!(firsts.counts()[&TaskState::Completed], 3);
    assert_eq!((seconds.counts()[&TaskState::Completed], seconds.counts()[&TaskState::Failed]), (2, 1));
}

#[test]
fn a_stream_that_is_told_to_stop_says_so_in_its_last_record() {
    for outer in [false, true] {
        let token = CancelToken::new();
        let work = |n: &u64| {
            if *n == 100 {
                token.cancel();
            }
            ok(*n)
        };
        let own = if outer { options() } else { options().cancel(token.clone()) };
        let run = || map_stream(0.., own, work, |stream| ok(stream.collect::<Vec<_>>()));
        let records = if outer { context::with_cancel(&token, LONG, run) } else { run() }.unwrap();
        let last = records.last().unwrap();
        assert_eq!((last.state(), last.index() + 1), (TaskState::NotStarted, records.len()));
        assert!(last.error().unwrap().to_string().contains("were not read"), "{last:?}");
        assert_eq!(last.error().unwrap().as_batchdb().unwrap().kind(), ErrorKind::Cancelled);
        assert!((100..200).contains(&records.len()), "{}", records.len());
    }
    // An input that had ended by then was done.
    let token = CancelToken::new();
    let all = map_stream(
        0..3,
        options().cancel(token.clone()).in_flight(9),
        |_: &i32| {
            token.cancel();
            ok(())
        },
        states,
    );
    assert!(all.unwrap().len() == 3);
}

#[test]
fn a_receiver_that_returns_early_ends_everything() {
    let running = AtomicUsize::new(0);
    let work = |n: &usize| {
        running.fetch_add(1, Ordering::SeqCst);
        let whole = *n == 0 || context::pause(LONG);
        running.fetch_sub(1, Ordering::SeqCst);
        if whole { Ok(()) } else { Err("stopped") }
    };
    let began = Instant::now();
    map_stream(0.., options(), work, |mut stream| ok(stream.next().map(drop))).unwrap();
    let failed = map_stream(0.., options(), work, |mut stream| {
        stream.next();
        Err::<(), _>(Error::decode("mine"))
    });
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Decode);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        map_stream(0.., options(), work, |mut stream| -> Result<()> {
            stream.next();
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(running.into_inner(), 0);
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn an_input_that_fails_is_never_taken_for_one_that_ended() {
    let input = || (0..9).map(|n| if n == 5 { Err(Error::decode("torn")) } else { Ok(n) });
    let mut records = Vec::new();
    let outcome = try_map_stream(
        input(),
        options().in_order(),
        |n| ok(*n),
        |stream| {
            records.extend(stream.map(|record| (record.index(), record.state())));
            ok(())
        },
    );
    assert_eq!(outcome.unwrap_err().to_string(), "torn");
    assert_eq!((records.len(), records[5]), (6, (5, TaskState::NotStarted)));
    let values = try_map_stream(
        input(),
        options().in_order(),
        |n| ok(*n),
        |stream| stream.values().collect::<Result<Vec<_>>>(),
    );
    assert_eq!(values.unwrap_err().report(), "the task `task-5` did not complete (not started): torn");
}

#[test]
fn a_stream_inside_a_task_is_refused_and_a_receiver_may_fan_out() {
    let inner = || map_stream(0..3, options(), |n| ok(*n), |stream| ok(stream.count()));
    let refused = map_tasks([()], MapOptions::default(), |()| inner()).into_values().unwrap_err();
    assert!(refused.report().contains("inside a task of another"), "{}", refused.report());
    let refused = map_stream(
        [()],
        options(),
        |()| ok(map_tasks(0..3, options(), |n| ok(*n)).refusal().is_some()),
        |stream| stream.values().collect::<Result<Vec<_>>>(),
    );
    assert_eq!(refused.unwrap(), [true]);
    let counted = map_stream(
        1..4,
        options(),
        |n| ok(*n),
        |stream| {
            stream
                .values()
                .map(|n| ok(map_tasks(0..n?, options(), |n| ok(*n)).into_values()?.len()))
                .sum::<Result<usize>>()
        },
    );
    assert_eq!(counted.unwrap(), 6);
}

#[test]
fn starts_are_spread_over_the_second() {
    let began = Instant::now();
    let starts = Mutex::new(Vec::new());
    let work = |_: &usize| {
        starts.lock().unwrap().push(began.elapsed());
        ok(())
    };
    map_tasks(0..11_usize, options().per_second(100.0), work).into_values().unwrap();
    let tasks = std::mem::take(&mut *starts.lock().unwrap());
    map_stream(0..11_usize, options().per_second(100.0), work, |stream| ok(stream.count())).unwrap();
    for mut starts in [tasks, starts.into_inner().unwrap()] {
        starts.sort_unstable();
        assert_eq!(starts.len(), 11);
        // The tenth interval ends a tenth of a second after the first start at the earliest.
        assert!(starts[10] - starts[0] >= Duration::from_millis(99), "{starts:?}");
    }
    // A repeated attempt is a start, and a wait for a turn ends when it is told to stop.
    let began = Instant::now();
    let failing = map_tasks([1], options().per_second(20.0).retries(2), |_| Err::<(), _>("no"));
    assert_eq!(failing.iter().next().unwrap().attempts(), 3);
    assert!(began.elapsed() >= Duration::from_millis(99));
    let token = CancelToken::new();
    let slow = options().per_second(0.01).cancel(token.clone());
    let all = map_stream(
        0..9,
        slow,
        |_| {
            token.cancel();
            ok(())
        },
        states,
    )
    .unwrap();
    assert_eq!(all.iter().filter(|(_, state)| *state == TaskState::Completed).count(), 1);
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn workers_know_the_flow_and_their_task() {
    let seen = context::with_flow("rpa1", || {
        let work = |_: &i32| {
            let context = context::current();
            ok((context.flow.unwrap(), context.task.unwrap(), thread::current().name().map(str::to_owned)))
        };
        map_stream([7], MapOptions::new("job-{index}"), work, |stream| {
            stream.values().collect::<Result<Vec<_>>>()
        })
    });
    let (flow, task, thread) = seen.unwrap().remove(0);
    assert_eq!((&*flow, &*task), ("rpa1", "job-0"));
    assert!(thread.unwrap().starts_with("batchdb-task-"));
}

/// Panics the first time one of its like is dropped.
#[derive(Debug, Clone)]
struct Bomb(std::sync::Arc<AtomicBool>);

impl Bomb {
    fn live() -> Bomb {
        Bomb(std::sync::Arc::new(AtomicBool::new(true)))
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0.swap(false, Ordering::SeqCst) && !thread::panicking() {
            panic!("dropped on purpose");
        }
    }
}

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a bomb")
    }
}

impl std::error::Error for Bomb {}

/// What `run` returns, unless it hangs.
fn in_time<V: Send + 'static>(run: impl FnOnce() -> V + Send + 'static) -> V {
    let (sender, inbox) = crossbeam_channel::bounded(1);
    thread::spawn(move || sender.send(run()));
    inbox.recv_timeout(LONG).expect("it ends")
}

#[test]
fn a_panic_outside_of_the_work_costs_neither_a_record_nor_a_worker() {
    use TaskState::{Completed, Crashed};
    // More items than workers, each the end of one that is not guarded.
    for in_order in [false, true] {
        let by_error = in_time(move || {
            let options = if in_order { options().in_order() } else { options() }.retries(1);
            let work = |n: &usize| if n.is_multiple_of(2) { Err(Bomb::live()) } else { Ok(*n) };
            map_stream(0..40_usize, options, work, states).unwrap()
        });
        let by_panic = in_time(move || {
            let options = if in_order { options().in_order() } else { options() };
            let work = |n: &usize| match n.is_multiple_of(2) {
                true => std::panic::panic_any(Bomb::live()),
                false => ok(*n),
            };
            map_stream(0..40_usize, options, work, states).unwrap()
        });
        for mut all in [by_error, by_panic] {
            all.sort_unstable_by_key(|(index, _)| *index);
            let due = |index| (index, if index % 2 == 0 { Crashed } else { Completed });
            assert_eq!(all, (0..40).map(due).collect::<Vec<_>>());
        }
    }
    // A fan-out of known size has its records, too.
    let crashed = in_time(|| {
        let work = |_: &i32| Err::<(), _>(Bomb::live());
        map_tasks(0..40, options().retries(1), work).counts()[&Crashed]
    });
    assert_eq!(crashed, 40);
}

#[test]
fn items_and_values_that_panic_when_nobody_listens_any_more_do_no_harm() {
    let handed = in_time(|| {
        let input = std::iter::once(None).chain(std::iter::repeat_with(|| Some(Bomb::live())));
        let work = |bomb: &Option<Bomb>| {
            if bomb.is_some() {
                context::pause(LONG);
            }
            ok(bomb.as_ref().map(|_| Bomb::live()))
        };
        // Those behind the first are at work, or wait for a worker, when it has been handed over.
        map_stream(input, options().workers(2).in_flight(9), work, |mut stream| ok(stream.next().is_some()))
    });
    assert!(handed.unwrap());
}

#[test]
fn a_receiver_that_leaks_the_stream_does_not_keep_the_workers() {
    let receive = |stream: TaskStream<'_, u32>| {
        std::mem::forget(stream);
        ok(())
    };
    in_time(move || map_stream(0..10_u32, options(), |n| ok(*n), receive)).unwrap();
    // Also with items at work, which are cancelled as by one that returns early.
    let work = |n: &u32| ok(*n == 0 || context::pause(LONG));
    let receive = |mut stream: TaskStream<'_, bool>| {
        stream.next();
        std::mem::forget(stream);
        ok(())
    };
    in_time(move || map_stream(0..10_u32, options(), work, receive)).unwrap();
}
