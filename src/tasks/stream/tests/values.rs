//! How a stream of values ends.

use super::*;

#[test]
fn values_end_with_the_first_failure() {
    let work = |n: &i32| if *n == 3 { Err("no") } else { Ok(*n) };
    let values = map_stream(0..1_000_000, options().in_order(), work, |stream| {
        ok(stream.values().collect::<Vec<_>>())
    });
    let values = values.unwrap();
    assert_eq!(values.len(), 4);
    let error = values.into_iter().collect::<Result<Vec<_>>>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tasks);
    assert_eq!(error.report(), "the task `task-3` did not complete (failed): no");
}

/// An item that takes its time to be dropped: so the record of its task comes late.
struct Late(usize, Duration);

impl Drop for Late {
    fn drop(&mut self) {
        thread::sleep(self.1);
    }
}

#[test]
fn values_end_with_the_error_that_the_others_were_stopped_for() {
    for in_order in [false, true] {
        let read = AtomicUsize::new(0);
        let late = |n| Late(n, Duration::from_millis(if n == 1 { 100 } else { 0 }));
        let input = (0..).map(late).inspect(|_| {
            read.fetch_add(1, Ordering::SeqCst);
        });
        let busy = AtomicBool::new(false);
        let work = |item: &Late| match item.0 {
            0 => {
                busy.store(true, Ordering::SeqCst);
                if context::pause(LONG) { Ok(()) } else { Err("stopped") }
            }
            1 => {
                while !busy.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                Err("disk full")
            }
            _ => Ok(()),
        };
        let options = MapOptions::default().workers(2).in_flight(8).fail_fast();
        let options = if in_order { options.in_order() } else { options };
        let began = Instant::now();
        let error = map_stream(input, options, work, |stream| {
            let mut values = stream.values();
            let failed = values.find_map(Result::err);
            assert!(values.next().is_none());
            ok(failed.unwrap())
        });
        let report = error.unwrap().report();
        assert_eq!(report, "the task `task-1` did not complete (failed): disk full", "{in_order}");
        assert!(began.elapsed() < LONG / 2 && read.into_inner() <= 16);
    }
}

#[test]
fn values_wait_for_nobody_s_grace_to_say_that_the_caller_stopped() {
    for in_order in [true, false] {
        let token = CancelToken::new();
        let work = |n: &usize| {
            match n {
                0 => token.cancel(),
                // As a call of a database does, which has the grace.
                1 => drop(context::receive(&crossbeam_channel::never::<()>(), context::deadline())),
                _ => (),
            }
            context::pause(LONG).then_some(()).ok_or(Error::new(ErrorKind::Cancelled, "stopped"))
        };
        let options = MapOptions::default().workers(2).cancel(token.clone()).grace(LONG);
        let options = if in_order { options.in_order() } else { options };
        let began = Instant::now();
        let values = map_stream(0.., options, work, |stream| ok(stream.values().collect::<Vec<_>>()));
        let error = values.unwrap().pop().unwrap().unwrap_err();
        // The second one may not have begun by then.
        let ends = ["did not complete (cancelled)", "did not complete (not started)"];
        assert!(ends.iter().any(|end| error.to_string().contains(end)), "{error}");
        assert!(began.elapsed() < LONG / 2);
    }
}
