//! A part of T7: one side of a copy falls silent in its midst, or both.

use std::time::Duration;

use batchdb::{BulkOptions, ErrorKind, copy_query};

use crate::check::Check;
use crate::proxy::{End, Proxy};
use crate::world::{World, eventually, timed};

const LIMIT: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_millis(500);

/// Which sides fall silent: the one that is read, the one that is written.
const SILENT: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

/// Whatever is silent, a limit on the whole of either handle ends both sides. Reading is by PostgreSQL's own protocol:
/// psqlODBC crashes where a connection breaks under a cursor, see the guide's page on large data.
pub(crate) fn run(world: &World, check: &mut Check) {
    let (source, target) = (world.database("copies"), world.database("copies"));
    world.bare(&target).batch_execute("CREATE TABLE t (id bigint, name text)").unwrap();
    let mut slowest = Duration::ZERO;
    for odbc in [false, true] {
        for silent in SILENT {
            for to_is_limited in [false, true] {
                slowest = slowest.max(one(world, (&source, &target), odbc, silent, to_is_limited, check));
            }
        }
    }
    check.tell(format!("copies of {LIMIT:?} end by {slowest:.2?}"));
}

fn one(
    world: &World,
    (source, target): (&str, &str),
    odbc: bool,
    silent: (bool, bool),
    to_is_limited: bool,
    check: &mut Check,
) -> Duration {
    let into = if odbc { "psqlODBC" } else { "PostgreSQL" };
    let what = &format!("a copy into {into}, silent {silent:?}, limited {to_is_limited}");
    let (read, written) = (Proxy::to(world.server().port()), Proxy::to(world.server().port()));
    let open = if odbc { World::psql_odbc } else { World::postgres };
    let from = world.postgres(source, read.port()).build().unwrap();
    let to = open(world, target, written.port()).build().unwrap();
    let (reader, writer) = match to_is_limited {
        true => (from.clone(), to.with_deadline(LIMIT)),
        false => (from.with_deadline(LIMIT), to.clone()),
    };
    let mut begun = false;
    let options = BulkOptions::new().chunk_rows(1_000).progress(|_| {
        if std::mem::replace(&mut begun, true) {
            return;
        }
        for (on, proxy) in [(silent.0, &read), (silent.1, &written)] {
            if on {
                proxy.black_hole();
            }
        }
    });
    let sql = "SELECT n AS id, repeat('x', 100) AS name FROM generate_series(1, 3000000) AS n";
    let (outcome, took) = timed(|| copy_query(&reader, sql, (), &writer, "t", options));
    check.injected(read.injected() + written.injected());
    check.within(what, took, LIMIT + GRACE);
    let kind = outcome.map(|report| report.rows).map_err(|failure| failure.error.kind());
    check.expect(matches!(kind, Err(ErrorKind::Timeout(_))), || format!("{what}: {kind:?}"));
    for proxy in [&read, &written] {
        proxy.end_all(End::Reset);
        proxy.heal();
    }
    let abandoned = || from.pool_status().abandoned + to.pool_status().abandoned;
    let (free, _) = eventually(Duration::from_secs(5), || abandoned() == 0);
    check.expect(free, || format!("{what}: threads still held after the reset"));
    let kept =
        world.bare(target).query_one("SELECT count(*) FROM t", &[]).unwrap().try_get::<_, i64>(0).unwrap();
    check.equal(&format!("{what}: rows that stay"), kept, 0);
    took
}
