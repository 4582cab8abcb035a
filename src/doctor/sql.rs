//! The steps that are asked over SQL, in one open session: what the user may do, how far the server is, what it is
//! set to, how its clock goes.

use std::time::{Duration, Instant};

use chrono::Utc;

use super::{postgres, sqlite, sqlserver};
use crate::backend::Found;
use crate::dialect::Dialect;
use crate::error::Result;
use crate::session::Session;
use crate::settings::Settings;

/// How often the server is asked for a sign of life.
const ROUND_TRIPS: usize = 21;

/// No longer than this is spent on them, however far the server is.
const ROUND_TRIPS_END: Duration = Duration::from_secs(3);

/// From here on a call for each row is what a job's time goes into.
const FAR: Duration = Duration::from_millis(20);

/// A clock that differs by more makes timestamps of the two sides hard to compare.
const APART: f64 = 1.0;

/// What a session is asked in one step.
pub(super) type Question = fn(&mut Session<'_>, &Settings) -> Result<Found>;

/// The questions for a database, in their order.
pub(super) fn questions(dialect: Dialect) -> Vec<(&'static str, Question)> {
    let ours: &[(&'static str, Question)] = match dialect {
        Dialect::Postgres => &[
            ("permissions", postgres::permissions),
            ("round trip", round_trip),
            ("server", postgres::server),
            ("clock", clock),
        ],
        Dialect::SqlServer => &[
            ("permissions", sqlserver::permissions),
            ("round trip", round_trip),
            ("server", sqlserver::server),
            ("clock", clock),
        ],
        // Its clock is that of this machine.
        Dialect::Sqlite => &[("round trip", round_trip), ("server", sqlite::server)],
        Dialect::Odbc => &[("round trip", round_trip)],
    };
    ours.to_vec()
}

fn round_trip(session: &mut Session<'_>, _: &Settings) -> Result<Found> {
    // The first one prepares the statement.
    session.query_one("SELECT 1 AS sign_of_life", ())?;
    let (began, mut times) = (Instant::now(), Vec::new());
    while times.len() < ROUND_TRIPS && began.elapsed() < ROUND_TRIPS_END {
        let sent = Instant::now();
        session.query_one("SELECT 1 AS sign_of_life", ())?;
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    let (least, median) = (times[0], times[times.len() / 2]);
    let most = times[times.len() - 1];
    let mut found = Found::fact(format!("{median:.1?} (of {}: {least:.1?} to {most:.1?})", times.len()));
    // The shortest is the way itself. What the others took longer is how busy either side is.
    if least > FAR {
        found.doubt(
            "the server is far away",
            "fetch and write many rows in a call (`execute_many`, `bulk_insert`), or run the job nearer to it",
        );
    }
    Ok(found)
}

/// The time by the server, in seconds since 1970.
fn server_time(session: &mut Session<'_>) -> Result<f64> {
    let sql = match session.dialect()? {
        Dialect::SqlServer => {
            "SELECT CAST(DATEDIFF_BIG(millisecond, '1970-01-01', SYSUTCDATETIME()) AS float) / 1000 AS now"
        }
        _ => "SELECT extract(epoch FROM clock_timestamp())::float8 AS now",
    };
    session.query_one(sql, ())?.get("now")
}

/// Of several answers the one that was the least time under way says most.
fn clock(session: &mut Session<'_>, _: &Settings) -> Result<Found> {
    let mut best: Option<(f64, f64)> = None;
    for _ in 0..5 {
        let (asked, sent) = (Utc::now(), Instant::now());
        let server = server_time(session)?;
        let half = sent.elapsed().as_secs_f64() / 2.0;
        #[allow(clippy::cast_precision_loss, reason = "an f64 holds microseconds for 140 years")]
        let here = asked.timestamp_micros() as f64 / 1e6 + half;
        if best.is_none_or(|(least, _)| half < least) {
            best = Some((half, server - here));
        }
    }
    let (half, ahead) = best.unwrap_or_default();
    let spelled = |seconds: f64| format!("{:.1?}", Duration::from_secs_f64(seconds.abs().min(1e9)));
    let way = if ahead < 0.0 { "behind" } else { "ahead" };
    let mut found = Found::fact(match ahead.abs() <= half {
        true => format!("the server's is right to {}, as far as can be told from here", spelled(half)),
        false => format!("the server's is {} {way} (± {})", spelled(ahead), spelled(half)),
    });
    if ahead.abs() - half > APART {
        found.doubt(
            "the clocks of the server and of this machine differ",
            "synchronize both (NTP): `now()` of the server and the program's own times do not fit together",
        );
    }
    Ok(found)
}
