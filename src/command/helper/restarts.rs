//! `svc helper restarts`: looks after services that were restarted, and has systemd forget it of those that have
//! run for their `restart_reset`. Begun by a crash, ends when no service is left that a crash was seen of.

use super::{Outcome, say};
use crate::backend::BackendKind;
use crate::backend::systemd::forgotten::Forgotten;
use crate::backend::systemd::{Systemd, bus, manager, observe};
use crate::command::Context;
use crate::definition::units::duration;
use crate::error::Error;
use crate::files::record::{self, Record};
use crate::report::Report;
use crate::service::Field;
use crate::sys::clock;
use futures_util::future::join_all;
use std::time::Duration;

/// Runs until nothing is to be looked after.
pub(super) fn run(context: &Context) -> Outcome {
    let forgotten = Forgotten::new(context.scope, &context.environment);
    crate::app::on_runtime(async {
        loop {
            let systemd = Systemd::new(context.scope, context.environment.clone());
            let watched = watched(&record::read_all(&context.paths)?.0);
            let seen = look(systemd.bus().await?, &watched).await?;
            let Next { good, pause } = next(&seen, clock::monotonic());
            for one in good {
                manager::reset_failed(systemd.bus().await?, std::slice::from_ref(&one.unit)).await;
                say(&format!("{}: {} restarts are counted afresh after a good run", one.unit, one.restarts));
                if let Err(cause) = forgotten.note(&one.unit, one.restarts) {
                    say(&format!("{}: they are lost to `svc status`: {}", one.unit, crate::error::io_reason(&cause)));
                }
            }
            let Some(pause) = pause else { return Ok((Report::Nothing, Vec::new())) };
            // another one that crashes meanwhile is not seen later than it may be good again
            let others = watched.iter().map(|(_, reset)| (*reset).max(LONGEST_LATE)).min();
            tokio::time::sleep(others.map_or(pause, |others| pause.min(others))).await;
        }
    })
}

/// A unit, and how long a good run of it is.
type Watched = (String, Duration);

/// All that may be restarted.
fn watched(records: &[Record]) -> Vec<Watched> {
    let systemd = |record: &&Record| record.backend == BackendKind::Systemd.word() && !record.scheduled;
    let reset = |record: &Record| {
        let fields = record.fields();
        let text = fields.get(Field::RestartReset.key())?.as_str()?.to_owned();
        Some((manager::service_unit(&record.name), duration(&text).ok()?))
    };
    records.iter().filter(systemd).filter_map(reset).collect()
}

/// What systemd says of one that was restarted, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    unit: String,
    reset: Duration,
    /// Automatic ones; 0 before the first.
    restarts: u32,
    /// When this run began, on the monotonic clock; none: it does not run yet.
    since: Option<Duration>,
}

async fn look(bus: &bus::Bus, watched: &[Watched]) -> Result<Vec<Seen>, Error> {
    let failed = |error: bus::CallError| error.into_error("ask systemd for the state of units");
    let units: Vec<String> = watched.iter().map(|(unit, _)| unit.clone()).collect();
    let words = observe::words(bus, &units).await.map_err(failed)?;
    let all = watched.iter().map(async |(unit, reset)| {
        let words = words.get(unit)?;
        let path = bus::unit_path(unit);
        let runs = match words.active.as_str() {
            "active" | "reloading" | "refreshing" => true,
            "activating" | "deactivating" => false,
            _ => return None,
        };
        let restarts: u32 = bus.get(&path, observe::SERVICE, "NRestarts").await.ok()?;
        if restarts == 0 && !words.sub.starts_with("auto-restart") {
            return None;
        }
        let since: Option<u64> =
            if runs { bus.get(&path, observe::UNIT, "ActiveEnterTimestampMonotonic").await.ok() } else { None };
        Some(Seen { unit: unit.clone(), reset: *reset, restarts, since: since.map(Duration::from_micros) })
    });
    Ok(join_all(all).await.into_iter().flatten().collect())
}

/// What is to be done now, and when to look again.
#[derive(Debug, PartialEq, Eq)]
struct Next<'a> {
    /// They have run long enough.
    good: Vec<&'a Seen>,
    /// None: there is nothing left to look after.
    pause: Option<Duration>,
}

/// Shortest between two looks: a clock may be a little behind another.
const SHORTEST: Duration = Duration::from_millis(50);

/// One that wants its restarts counted afresh sooner than after this, may have to wait so long.
const LONGEST_LATE: Duration = Duration::from_secs(1);

/// Pure. One that does not run yet has at least its whole time before it.
fn next(seen: &[Seen], now: Duration) -> Next<'_> {
    let left = |one: &Seen| one.since.map_or(one.reset, |since| (since + one.reset).saturating_sub(now));
    let (good, waiting): (Vec<&Seen>, Vec<&Seen>) =
        seen.iter().partition(|one| one.since.is_some() && left(one) == Duration::ZERO);
    Next { good, pause: waiting.into_iter().map(left).min().map(|pause| pause.max(SHORTEST)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(unit: &str, since: Option<u64>) -> Seen {
        Seen { unit: unit.into(), reset: Duration::from_mins(1), restarts: 2, since: since.map(Duration::from_secs) }
    }

    #[test]
    fn a_run_is_good_when_it_is_long_enough() {
        let at = Duration::from_secs;
        let all = [seen("long", Some(100)), seen("short", Some(130)), seen("down", None)];
        let found = next(&all, at(160));
        assert_eq!(found.good, [&all[0]]);
        assert_eq!(found.pause, Some(at(30)));
        assert_eq!(next(&all[2..], at(160)).pause, Some(at(60)));
        assert_eq!(next(&all[..1], at(159)), Next { good: Vec::new(), pause: Some(at(1)) });
        assert_eq!(next(&all[..1], at(200)).pause, None, "nothing is left");
        let zero = [Seen { reset: Duration::ZERO, ..seen("down", None) }];
        assert_eq!(next(&zero, at(1)).pause, Some(SHORTEST), "never without a pause");
    }
}
