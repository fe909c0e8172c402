//! What a person would see, told as whole traces.

use super::twin::{GOOD, Program, Rest, Twin, ends, job};
use crate::engine::job::{Check, Health, Job, Millis, OnFailure, Policy, Ready, Reload, Schedule, Verdict, WaitFor};
use crate::engine::machine::{Event, Exit};
use crate::report::State;
use jiff::SignedDuration;

const START: Event = Event::Start { by_person: true };

fn with(change: impl FnOnce(&mut Job)) -> Job {
    let mut job = job();
    change(&mut job);
    job
}

fn twin(job: Job, program: Program) -> Twin {
    Twin::new(job, move |_| program)
}

impl Twin {
    fn state(&self) -> State {
        self.machine.observe(self.moment()).state
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.trace)
    }
}

#[test]
fn a_start_and_a_stop() {
    let mut twin = twin(job(), GOOD);
    twin.send(START);
    assert_eq!(twin.state(), State::Starting);
    twin.pass(1_000);
    assert_eq!(twin.state(), State::Running);
    twin.send(Event::Stop);
    assert_eq!(twin.state(), State::Stopping);
    twin.pass(1_000);
    assert_eq!(twin.state(), State::Stopped);
    assert_eq!(
        twin.told(),
        ["0 spawn 1", "1 Up", "1000 signal 15", "1010 ends Signal(15)", "1010 Down { again: false }"]
    );
    twin.send(Event::Stop);
    assert_eq!(twin.told(), ["2000 Down { again: false }"]);
}

#[test]
fn a_crash_loop_ends_at_its_limit() {
    let mut twin = twin(job(), ends(2, Exit::Code(3)));
    twin.send(START);
    twin.pass(600_000);
    assert_eq!(
        twin.told(),
        [
            "0 spawn 1",
            "1 Up",
            "3 ends Code(3)",
            "3 signal 15",
            "3 note exit code 3, restart 1 in 1s",
            "3 Ended { reason: Some(\"exit code 3\"), again: true }",
            "1003 spawn 2",
            "1004 Up",
            "1006 ends Code(3)",
            "1006 signal 15",
            "1006 note exit code 3, restart 2 in 2s",
            "1006 Ended { reason: Some(\"exit code 3\"), again: true }",
            "3006 spawn 3",
            "3007 Up",
            "3009 ends Code(3)",
            "3009 signal 15",
            "3009 note exit code 3, restart 3 in 4s",
            "3009 Ended { reason: Some(\"exit code 3\"), again: true }",
            "7009 spawn 4",
            "7010 Up",
            "7012 ends Code(3)",
            "7012 signal 15",
            "7012 note exit code 3, restart 4 in 8s",
            "7012 Ended { reason: Some(\"exit code 3\"), again: true }",
            "15012 spawn 5",
            "15013 Up",
            "15015 ends Code(3)",
            "15015 signal 15",
            "15015 Ended { reason: Some(\"exit code 3\"), again: false }",
            "15015 note failed: exit code 3, 5 starts within 10m",
            "15015 Failed { reason: \"exit code 3, 5 starts within 10m\" }",
        ]
    );
    let seen = twin.machine.observe(twin.moment());
    assert_eq!((seen.state, seen.restarts, seen.exit), (State::Failed, 4, Some(Exit::Code(3))));
    twin.send(START);
    assert_eq!(twin.machine.observe(twin.moment()).restarts, 0, "a person starts afresh");
}

#[test]
fn no_delay_restarts_at_once_and_needs_no_timer() {
    let job = with(|job| {
        job.restart.delay = Millis(0);
        job.restart.max_delay = Millis(0);
    });
    let mut twin = twin(job, ends(0, Exit::Signal(9)));
    twin.send(START);
    twin.pass(100);
    assert_eq!(twin.spawns.len(), 5);
    assert_eq!(*twin.spawns.last().expect("five"), 1_000_004);
    assert!(twin.told().contains(&"1 note killed by SIGKILL, restart 1 at once".to_owned()));
}

#[test]
fn ends_and_policies() {
    use State::{Completed, Failed, Restarting, Stopped};
    for (policy, exit, state) in [
        (Policy::OnFailure, Exit::Code(0), Completed),
        (Policy::OnFailure, Exit::Code(143), Stopped),
        (Policy::OnFailure, Exit::Signal(15), Stopped),
        (Policy::OnFailure, Exit::Signal(1), Stopped),
        (Policy::OnFailure, Exit::Signal(9), Restarting),
        (Policy::OnFailure, Exit::Code(1), Restarting),
        (Policy::OnFailure, Exit::Unknown, Restarting),
        (Policy::Always, Exit::Code(0), Restarting),
        (Policy::Always, Exit::Signal(15), Restarting),
        (Policy::Never, Exit::Code(0), Completed),
        (Policy::Never, Exit::Code(1), Failed),
        (Policy::Never, Exit::Unknown, Failed),
    ] {
        let mut twin = twin(with(|job| job.restart.policy = policy), ends(5, exit));
        twin.send(START);
        twin.pass(100);
        assert_eq!(twin.state(), state, "{policy:?} {exit:?}");
    }
}

#[test]
fn a_long_run_begins_the_count_afresh() {
    let mut twin = twin(with(|job| job.restart.reset = Millis(30_000)), ends(30_000, Exit::Code(1)));
    twin.send(START);
    twin.pass(3_600_000);
    let gaps: Vec<u64> = twin.spawns.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() > 100 && gaps.iter().all(|gap| *gap == 31_001), "{gaps:?}");
    assert_eq!(twin.machine.observe(twin.moment()).restarts as usize, gaps.len());
}

#[test]
fn what_ignores_its_signal_is_killed_and_its_children_too() {
    let program = Program { obeys: None, rest: Rest::Ignores, ..GOOD };
    let mut twin = twin(job(), program);
    twin.send(START);
    twin.pass(100);
    twin.told();
    twin.send(Event::Stop);
    twin.pass(60_000);
    assert_eq!(
        twin.told(),
        [
            "100 signal 15",
            "10100 note it did not stop within 10s: killed",
            "10100 kill",
            "10101 ends Signal(9)",
            "10101 Down { again: false }"
        ]
    );
}

#[test]
fn children_of_a_crashed_program_go_before_it_starts_again() {
    let program = Program { ends: Some((10, Exit::Code(1))), rest: Rest::Obeys(500), ..GOOD };
    let mut twin = twin(job(), program);
    twin.send(START);
    twin.pass(100);
    assert_eq!(twin.state(), State::Stopping);
    twin.pass(2_000);
    assert_eq!(twin.spawns, [1_000_000, 1_001_511]);
}

#[test]
fn the_last_command_wins() {
    let slow = Program { obeys: Some((500, Exit::Code(0))), ..GOOD };
    for (commands, state) in [
        (vec![Event::Stop, START], State::Running),
        (vec![Event::Stop, START, Event::Stop], State::Stopped),
        (vec![Event::Restart], State::Running),
        (vec![Event::Restart, Event::Stop], State::Stopped),
        (vec![Event::Stop, Event::Restart], State::Running),
        (vec![Event::Restart, Event::Restart, START], State::Running),
    ] {
        let mut twin = twin(job(), slow);
        twin.send(START);
        twin.pass(100);
        for command in &commands {
            twin.send(command.clone());
            twin.pass(50);
        }
        twin.pass(5_000);
        assert_eq!(twin.state(), state, "{commands:?}");
        assert_eq!(twin.spawns.len(), if state == State::Running { 2 } else { 1 }, "{commands:?}");
    }
}

#[test]
fn commands_while_it_waits_out_its_delay() {
    let crash = |count: u32| if count == 1 { ends(5, Exit::Code(1)) } else { GOOD };
    for (command, state, spawns) in [
        (Event::Stop, State::Stopped, 1),
        (START, State::Running, 2),
        (Event::Restart, State::Running, 2),
        (Event::Start { by_person: false }, State::Restarting, 1),
    ] {
        let mut count = 0;
        let mut twin = Twin::new(with(|job| job.restart.delay = Millis(60_000)), move |_| {
            count += 1;
            crash(count)
        });
        twin.send(START);
        twin.pass(100);
        assert_eq!(twin.state(), State::Restarting);
        twin.send(command.clone());
        twin.pass(1_000);
        assert_eq!((twin.state(), twin.spawns.len()), (state, spawns), "{command:?}");
    }
}

#[test]
fn a_stop_while_it_is_being_executed() {
    let mut twin = twin(job(), Program { exec: 300, ..GOOD });
    twin.send(START);
    twin.pass(100);
    twin.send(Event::Stop);
    twin.pass(1_000);
    assert_eq!(twin.told(), ["0 spawn 1", "300 signal 15", "310 ends Signal(15)", "310 Down { again: false }"]);
}

#[test]
fn readiness() {
    let job = with(|job| job.ready = Ready::Notify);
    let mut twin = twin(job, Program { ready: Some(2_000), ..GOOD });
    twin.send(START);
    twin.pass(1_000);
    assert_eq!(twin.state(), State::Starting);
    twin.pass(2_000);
    assert_eq!(twin.state(), State::Running);
    assert_eq!(twin.told(), ["0 spawn 1", "1 probe true", "2001 probe false", "2001 Up"]);
}

fn waiting() -> Job {
    with(|job| job.wait_for = vec![WaitFor::Network, WaitFor::Path("/srv/data".into())])
}

#[test]
fn it_is_started_when_what_it_waits_for_is_there() {
    let mut twin = twin(waiting(), GOOD);
    twin.send(START);
    twin.pass(5_000);
    assert_eq!(twin.state(), State::Starting);
    twin.send(Event::Ready);
    twin.pass(1_000);
    assert_eq!(twin.state(), State::Running);
    assert_eq!(twin.told(), ["0 probe true", "5000 probe false", "5000 spawn 1", "5001 Up"]);
}

#[test]
fn what_it_waits_for_can_be_late_and_a_stop_comes_before_it() {
    let mut late = twin(waiting(), GOOD);
    late.send(START);
    late.pass(30_500);
    let reason = "waited 30s for the network and `/srv/data`, which are not there";
    assert_eq!(
        late.told(),
        [
            "0 probe true".to_owned(),
            "30000 probe false".to_owned(),
            format!("30000 note {reason}, restart 1 in 1s"),
            format!("30000 Ended {{ reason: Some(\"{reason}\"), again: true }}"),
        ]
    );
    late.pass(1_000);
    assert_eq!(late.told().last().map(String::as_str), Some("31000 probe true"), "it looks again");
    late.send(Event::Stop);
    assert_eq!(late.state(), State::Stopped);
    assert_eq!(late.told().last().map(String::as_str), Some("31500 Down { again: false }"));
}

fn checked(verdict: Verdict) -> Job {
    with(|job| {
        job.on_failure = Some(OnFailure { command: None, desktop: true });
        job.health = Some(Health {
            check: Check::Tcp("localhost:1".into()),
            interval: Millis(1_000),
            timeout: Millis(1_000),
            retries: 3,
            grace: Millis(0),
            on_failure: verdict,
        });
    })
}

#[test]
fn an_unhealthy_one_is_restarted_by_its_policy() {
    let mut twin = twin(checked(Verdict::Restart), GOOD);
    twin.send(START);
    twin.pass(9_000);
    twin.send(Event::Health(Some("HTTP status 503".into())));
    twin.pass(2_000);
    assert_eq!(
        twin.told(),
        [
            "0 spawn 1",
            "1 Up",
            "1 health true",
            "9000 note unhealthy: HTTP status 503",
            "9000 health false",
            "9000 signal 15",
            "9010 ends Signal(15)",
            "9010 note unhealthy: HTTP status 503, restart 1 in 1s",
            "9010 Ended { reason: Some(\"unhealthy: HTTP status 503\"), again: true }",
            "10010 spawn 2",
            "10011 Up",
            "10011 health true",
        ]
    );
}

#[test]
fn an_unhealthy_one_is_only_reported_or_stopped_if_so_wanted() {
    let mut one = twin(checked(Verdict::Report), GOOD);
    one.send(START);
    one.pass(9_000);
    one.send(Event::Health(Some("no".into())));
    one.send(Event::Health(None));
    assert_eq!(
        one.told()[3..],
        ["9000 note unhealthy: no", "9000 health true", "9000 note healthy again", "9000 health true"]
    );
    assert_eq!(one.state(), State::Running);
    let mut one = twin(checked(Verdict::Stop), GOOD);
    one.send(START);
    one.pass(9_000);
    one.send(Event::Health(Some("no".into())));
    one.pass(1_000);
    assert_eq!(one.state(), State::Stopped);
}

#[test]
fn a_failure_for_good_is_told_once() {
    let mut job = checked(Verdict::Report);
    job.restart.limit = 2;
    let mut twin = twin(job, Program { ends: Some((100, Exit::Code(3))), ..GOOD });
    twin.send(START);
    twin.pass(60_000);
    assert_eq!(twin.state(), State::Failed);
    let told: Vec<String> = twin.told().into_iter().filter(|line| line.contains("tell")).collect();
    assert_eq!(told, ["1202 tell exit code 3, 2 starts within 10m"]);
}

#[test]
fn what_is_not_ready_in_time_is_stopped_and_has_failed() {
    let job = with(|job| {
        job.ready = Ready::Tcp("localhost:1".into());
        job.restart.limit = 1;
    });
    let mut twin = twin(job, Program { ready: None, ..GOOD });
    twin.send(START);
    twin.pass(60_000);
    assert_eq!(
        twin.told(),
        [
            "0 spawn 1",
            "1 probe true",
            "30000 note did not become ready within 30s",
            "30000 probe false",
            "30000 signal 15",
            "30010 ends Signal(15)",
            "30010 Ended { reason: Some(\"did not become ready within 30s\"), again: false }",
            "30010 note failed: did not become ready within 30s, 1 start within 10m",
            "30010 Failed { reason: \"did not become ready within 30s, 1 start within 10m\" }",
        ]
    );
}

#[test]
fn an_end_before_it_was_ready_is_a_failure_whatever_it_says() {
    let job = with(|job| {
        job.ready = Ready::Notify;
        job.restart.policy = Policy::Never;
    });
    let mut twin = twin(job, Program { ready: None, ..ends(10, Exit::Code(0)) });
    twin.send(START);
    twin.pass(60_000);
    let seen = twin.machine.observe(twin.moment());
    assert_eq!((seen.state, seen.reason), (State::Failed, Some("exit code 0 before it was ready")));
}

#[test]
fn what_can_not_be_executed() {
    let mut twin = twin(with(|job| job.restart.policy = Policy::Never), Program { refuses: true, ..GOOD });
    twin.send(START);
    twin.pass(10);
    assert_eq!(
        twin.told(),
        [
            "0 spawn 1",
            "1 Ended { reason: Some(\"can't be executed\"), again: false }",
            "1 note failed: can't be executed",
            "1 Failed { reason: \"can't be executed\" }"
        ]
    );
}

#[test]
fn a_program_that_says_it_stops_gets_the_time_to() {
    let mut twin = twin(job(), Program { obeys: None, ..GOOD });
    twin.send(START);
    twin.pass(100);
    twin.send(Event::Stopping);
    assert_eq!(twin.state(), State::Stopping);
    twin.pass(10_100);
    assert_eq!(twin.state(), State::Restarting, "it was killed, and nobody wanted it down");
}

#[test]
fn a_reload() {
    let mut signals = twin(with(|job| job.reload = Some(Reload::Signal("SIGHUP".into()))), GOOD);
    signals.send(Event::Reload);
    signals.send(START);
    signals.pass(100);
    signals.send(Event::Reload);
    signals.pass(100);
    assert_eq!(
        signals.told(),
        [
            "0 ReloadFailed { message: \"is not running, so it can't reload\", hint: Some(\"`svc start` starts it\") }",
            "0 spawn 1",
            "1 Up",
            "100 reload",
            "103 Reloaded"
        ]
    );
    let command = with(|job| job.reload = Some(Reload::Command(vec!["/bin/true".into()])));
    let mut slow = twin(command, Program { reloads: 60_000, ..GOOD });
    slow.send(START);
    slow.pass(100);
    slow.send(Event::Reload);
    slow.pass(100_000);
    let told = slow.told();
    assert!(told.contains(&"30100 end reload".to_owned()), "{told:?}");
    assert!(told.iter().any(|line| line.contains("its reload failed: did not end within 30s")), "{told:?}");
    assert_eq!(slow.state(), State::Running);
    let mut none = twin(job(), GOOD);
    none.send(Event::Reload);
    assert!(none.told()[0].contains("has no way to reload"));
}

#[test]
fn the_pid_file_is_there_while_it_runs() {
    let mut twin = twin(with(|job| job.pid_file = Some("/run/web.pid".into())), GOOD);
    twin.send(START);
    twin.pass(100);
    twin.send(Event::Stop);
    twin.pass(100);
    assert_eq!(
        twin.told(),
        [
            "0 spawn 1",
            "1 pid file 100",
            "1 Up",
            "100 signal 15",
            "110 ends Signal(15)",
            "110 no pid file",
            "110 Down { again: false }"
        ]
    );
}

#[test]
fn what_even_sigkill_does_not_end_is_said_and_never_doubled() {
    let mut twin = twin(job(), Program { obeys: None, dies: 40_000, ..GOOD });
    twin.send(START);
    twin.pass(100);
    twin.send(Event::Restart);
    twin.pass(45_000);
    let told = twin.told();
    assert!(told.iter().any(|line| line.ends_with(" Alive")), "{told:?}");
    assert_eq!(twin.spawns.len(), 1);
    assert_eq!(twin.state(), State::Stopping);
    twin.pass(20_000);
    assert_eq!(twin.state(), State::Running);
}

#[test]
fn every_five_minutes() {
    let job = with(|job| {
        job.schedule = Some(Schedule::Every(Millis(300_000)));
        job.start_timeout = Millis(0);
        job.restart.policy = Policy::Never;
    });
    let mut twin = twin(job, ends(20_000, Exit::Code(0)));
    twin.send(START);
    let seen = twin.machine.observe(twin.moment());
    assert_eq!((seen.state, seen.armed), (State::Stopped, true));
    assert_eq!(seen.next_run.expect("armed").to_string(), "2024-03-29T00:05:00Z");
    twin.pass(1_000_000);
    assert_eq!(twin.spawns, [1_300_000, 1_600_000, 1_900_000]);
    assert_eq!(twin.state(), State::Completed);
    twin.send(Event::Restart);
    twin.pass(310_000);
    assert_eq!(&twin.spawns[3..], [2_000_000, 2_300_000], "now, and so long after that");
    twin.send(Event::Stop);
    twin.pass(10_000_000);
    assert_eq!(twin.spawns.len(), 5);
    assert_eq!(twin.machine.observe(twin.moment()).next_run, None);
}

#[test]
fn a_run_that_is_longer_than_its_interval_never_overlaps() {
    let job = with(|job| {
        job.schedule = Some(Schedule::Every(Millis(60_000)));
        job.start_timeout = Millis(0);
    });
    let mut twin = twin(job, ends(100_000, Exit::Code(0)));
    twin.send(START);
    twin.pass(400_000);
    assert_eq!(twin.spawns, [1_060_000, 1_160_001, 1_260_002, 1_360_003]);
}

fn daily() -> Job {
    with(|job| {
        job.schedule = Some(Schedule::Calendar("*-*-* 03:00".into()));
        job.start_timeout = Millis(0);
        job.restart.policy = Policy::Never;
    })
}

const HOUR: u64 = 3_600_000;

#[test]
fn daily_at_three() {
    let mut twin = twin(daily(), ends(1_000, Exit::Code(1)));
    twin.send(START);
    twin.pass(2 * 24 * HOUR);
    assert_eq!(twin.spawns, [1_000_000 + 3 * HOUR, 1_000_000 + 27 * HOUR]);
    let seen = twin.machine.observe(twin.moment());
    assert_eq!((seen.state, seen.reason), (State::Failed, Some("exit code 1")));
    assert_eq!(seen.next_run.expect("armed").to_string(), "2024-03-31T03:00:00Z");
}

#[test]
fn a_clock_that_is_set_makes_neither_a_storm_nor_a_gap() {
    for (by, first) in [(4, 1), (24 * 400, 1), (-2, 5), (-24 * 3650, 3), (24 * 3650, 1)] {
        let mut twin = twin(daily(), ends(1_000, Exit::Code(0)));
        twin.send(START);
        twin.pass(HOUR);
        twin.set_clock(SignedDuration::from_hours(by));
        twin.pass(24 * HOUR);
        let after: Vec<u64> = twin.spawns.iter().map(|at| (at - 1_000_000) / HOUR).collect();
        assert_eq!(after.first(), Some(&first), "{by}: {after:?}");
        assert!(after.len() <= 2, "{by}: {after:?}");
    }
}

#[test]
fn only_the_monotonic_clock_counts_for_delays() {
    for years in [-10, 10] {
        let mut twin = twin(job(), ends(5, Exit::Code(1)));
        twin.send(START);
        twin.pass(500);
        twin.set_clock(SignedDuration::from_hours(years * 365 * 24));
        twin.pass(600_000);
        let gaps: Vec<u64> = twin.spawns.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps, [1_006, 2_006, 4_006, 8_006]);
    }
}

#[test]
fn a_missed_time_is_made_up_for_once_after_a_boot() {
    let mut before = twin(daily(), ends(1_000, Exit::Code(0)));
    before.send(START);
    before.pass(4 * HOUR);
    let saved = before.machine.saved();
    let mut after = twin(daily(), ends(1_000, Exit::Code(0)));
    after.wall += 50 * 3_600_000;
    after.machine = crate::engine::machine::Machine::after_boot(daily(), &saved, jiff::tz::TimeZone::UTC);
    assert_eq!(after.machine.observe(after.moment()).exit, Some(Exit::Code(0)));
    after.send(Event::Start { by_person: false });
    after.pass(HOUR / 2);
    assert_eq!(after.spawns, [1_000_000], "03:00 of the day before, at once");
    after.pass(24 * HOUR);
    assert_eq!(after.spawns.len(), 2);
}

#[test]
fn a_schedule_that_can_not_be_is_said() {
    let mut twin = twin(with(|job| job.schedule = Some(Schedule::Calendar("25:00".into()))), GOOD);
    twin.send(START);
    let seen = twin.machine.observe(twin.moment());
    assert_eq!(seen.state, State::Failed);
    assert!(seen.reason.expect("one").starts_with("its `schedule` has an hour that never comes"));
}

#[test]
fn a_new_supervisor_goes_on_where_the_old_one_was() {
    let mut crashing = twin(job(), ends(2, Exit::Code(3)));
    crashing.send(START);
    crashing.pass(5_000);
    crashing.kill_supervisor();
    crashing.pass(500);
    crashing.new_supervisor();
    crashing.pass(600_000);
    let at: Vec<u64> = crashing.spawns.iter().map(|at| at - 1_000_000).collect();
    assert_eq!(at, [0, 1_003, 3_006, 7_009, 15_012], "as if nothing had been");
    assert_eq!(crashing.machine.observe(crashing.moment()).reason, Some("exit code 3, 5 starts within 10m"));

    let mut stopping = twin(job(), Program { obeys: None, ..GOOD });
    stopping.send(START);
    stopping.pass(100);
    stopping.send(Event::Stop);
    stopping.pass(2_000);
    stopping.kill_supervisor();
    stopping.pass(3_000);
    stopping.new_supervisor();
    stopping.pass(20_000);
    assert!(stopping.told().contains(&"10100 kill".to_owned()), "its deadline is the old one");
    assert_eq!(stopping.state(), State::Stopped);
}

#[test]
fn a_new_supervisor_waits_for_what_is_left() {
    let mut twin = twin(job(), Program { rest: Rest::Obeys(3_000), ..ends(10, Exit::Code(1)) });
    twin.send(START);
    twin.pass(1_000);
    twin.kill_supervisor();
    twin.pass(500);
    twin.new_supervisor();
    twin.pass(1_000);
    assert_eq!(twin.state(), State::Stopping);
    twin.pass(550);
    assert_eq!(twin.state(), State::Restarting, "at 3.011 s, not when it would have been killed");
    assert_eq!(twin.machine.observe(twin.moment()).reason, Some("exit code 1"));
}

#[test]
fn a_new_supervisor_keeps_the_times_of_a_schedule() {
    for schedule in [Schedule::Every(Millis(HOUR)), Schedule::Calendar("hourly".into())] {
        let job = with(|job| {
            job.schedule = Some(schedule.clone());
            job.start_timeout = Millis(0);
        });
        let mut twin = twin(job, ends(1_000, Exit::Code(0)));
        twin.send(START);
        for _ in 0..10 {
            twin.pass(HOUR / 3);
            twin.kill_supervisor();
            twin.pass(1_000);
            twin.new_supervisor();
        }
        let at: Vec<u64> = twin.spawns.iter().map(|at| at - 1_000_000).collect();
        assert_eq!(at, [HOUR, 2 * HOUR, 3 * HOUR], "{schedule:?}");
        twin.kill_supervisor();
        twin.pass(HOUR * 5 / 2);
        twin.new_supervisor();
        twin.pass(1);
        assert_eq!(twin.spawns.len(), 4, "made up for once: {schedule:?}");
    }
}

#[test]
fn an_end_that_the_guardian_saw_or_nobody() {
    for (exit, state) in [(Exit::Code(0), State::Completed), (Exit::Code(2), State::Restarting)] {
        let mut twin = twin(job(), ends(1_000, exit));
        twin.send(START);
        twin.pass(500);
        twin.kill_supervisor();
        twin.pass(1_000);
        twin.new_supervisor();
        twin.pass(1);
        assert_eq!(twin.state(), state);
        assert_eq!(twin.machine.observe(twin.moment()).exit, Some(exit));
    }
}

#[test]
fn new_settings_count_from_now_and_the_process_stays() {
    let mut twin = twin(job(), GOOD);
    twin.send(START);
    twin.pass(100);
    let new = with(|job| {
        job.stop_signal = "SIGINT".into();
        job.pid_file = Some("/run/web.pid".into());
    });
    twin.send(Event::JobReplaced(Box::new(new)));
    twin.send(Event::Stop);
    twin.pass(100);
    assert_eq!(
        twin.told()[2..],
        ["100 pid file 100", "100 signal 2", "110 ends Signal(15)", "110 no pid file", "110 Down { again: false }"]
    );
}

#[test]
fn a_machine_is_small() {
    use crate::engine::machine::Machine;
    assert!(size_of::<Machine>() < 1_200, "{} bytes, {} of them its job", size_of::<Machine>(), size_of::<Job>());
}
