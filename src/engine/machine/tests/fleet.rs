//! Jobs that depend on each other.

use super::random::Random;
use super::town::{Town, jobs};
use super::twin::{GOOD, Program, ends};
use crate::engine::job::{Millis, Policy, Ready, Schedule};
use crate::engine::machine::{Event, Exit, Milestone};
use crate::report::State;

const START: Event = Event::Start { by_person: true };

impl Town {
    fn state(&self, name: &str) -> State {
        let id = self.fleet.id(name).expect("it is there");
        self.fleet.machine(id).expect("it is there").observe(self.moment()).state
    }

    fn reason(&self, name: &str) -> String {
        let id = self.fleet.id(name).expect("it is there");
        self.fleet.machine(id).expect("it is there").observe(self.moment()).reason.unwrap_or_default().to_owned()
    }

    fn spawned(&mut self) -> Vec<String> {
        self.told().into_iter().filter(|line| line.ends_with("spawn")).collect()
    }
}

#[test]
fn dependencies_start_first_and_are_waited_for() {
    let mut jobs = jobs("web: db cache; db: disk; cache:; disk:");
    jobs[1].ready = Ready::Notify;
    let mut town =
        Town::new(jobs, |name| Program { ready: Some(2_000), exec: if name == "disk" { 50 } else { 1 }, ..GOOD });
    town.send("web", START);
    assert_eq!(town.state("web"), State::Starting);
    town.pass(5_000);
    assert_eq!(town.spawned(), ["0 cache spawn", "0 disk spawn", "50 db spawn", "2051 web spawn"]);
}

#[test]
fn dependents_stop_first() {
    let mut town = Town::good("web: db; db: disk; disk:; other: disk");
    town.strict = true;
    for name in ["web", "other"] {
        town.send(name, START);
    }
    town.pass(1_000);
    town.told();
    town.send("disk", Event::Stop);
    assert_eq!(town.state("disk"), State::Running, "it waits for its turn");
    town.pass(1_000);
    assert_eq!(
        town.told(),
        [
            "1000 db note `disk`, which it depends on, is stopped: stopped too",
            "1000 web note `db`, which it depends on, is stopped: stopped too",
            "1000 web signal",
            "1000 other note `disk`, which it depends on, is stopped: stopped too",
            "1000 other signal",
            "1010 web Down { again: false }",
            "1010 db signal",
            "1010 other Down { again: false }",
            "1020 db Down { again: false }",
            "1020 disk signal",
            "1030 disk Down { again: false }",
        ]
    );
}

#[test]
fn a_restart_takes_its_dependents_along() {
    let mut town = Town::good("web: db; db: disk; disk:; off: disk");
    town.send("web", START);
    town.pass(1_000);
    town.told();
    town.send("disk", Event::Restart);
    town.pass(1_000);
    assert_eq!(town.spawned(), ["1030 disk spawn", "1031 db spawn", "1032 web spawn"]);
    assert_eq!(town.state("off"), State::Stopped, "what was down stays down");
}

#[test]
fn a_dependency_that_fails_fails_what_waits_for_it() {
    let mut jobs = jobs("app: web; web: db; db:");
    jobs[2].restart.limit = 2;
    let mut town = Town::new(jobs, |name| if name == "db" { Program { refuses: true, ..GOOD } } else { GOOD });
    town.send("app", START);
    town.pass(10_000);
    assert_eq!(
        town.reason("app"),
        "`web`, which it depends on, failed: `db`, which it depends on, failed: can't be executed, 2 starts within 10m"
    );
    assert!(town.fleet.is_down());
}

#[test]
fn a_crash_of_a_dependency_leaves_its_dependents_alone() {
    let mut count = 0;
    let mut town = Town::new(jobs("web: db; db:"), move |name| {
        count += 1;
        if name == "db" && count == 1 { ends(500, Exit::Code(1)) } else { GOOD }
    });
    town.send("web", START);
    town.pass(10_000);
    assert_eq!(town.spawned(), ["0 db spawn", "1 web spawn", "1501 db spawn"]);
    assert_eq!((town.state("web"), town.state("db")), (State::Running, State::Running));
}

#[test]
fn the_last_command_wins_over_what_is_held() {
    let slow = Program { obeys: Some((1_000, Exit::Code(0))), ..GOOD };
    let mut town = Town::new(jobs("web: db; db:"), move |_| slow);
    town.send("web", START);
    town.pass(100);
    town.send("db", Event::Stop);
    town.pass(100);
    town.send("db", START);
    town.pass(5_000);
    assert_eq!((town.state("db"), town.state("web")), (State::Running, State::Stopped));
    town.send("web", START);
    town.pass(100);
    town.send("db", Event::Restart);
    town.pass(100);
    town.send("db", Event::Stop);
    town.pass(5_000);
    assert_eq!((town.state("db"), town.state("web")), (State::Stopped, State::Stopped));
    town.send("web", START);
    town.pass(100);
    town.send("db", Event::Stop);
    town.pass(100);
    town.send("web", START);
    town.pass(5_000);
    assert_eq!((town.state("db"), town.state("web")), (State::Running, State::Running));
}

#[test]
fn a_restart_takes_back_a_stop_that_is_held() {
    let slow = Program { obeys: Some((1_000, Exit::Code(0))), ..GOOD };
    let mut town = Town::new(jobs("app: web; web: db; db:"), move |_| slow);
    town.send("app", START);
    town.pass(100);
    town.send("db", Event::Stop);
    town.pass(100);
    town.send("web", Event::Restart);
    town.pass(10_000);
    assert_eq!((town.state("db"), town.state("web"), town.state("app")), {
        (State::Running, State::Running, State::Stopped)
    });
}

#[test]
fn dependents_behind_one_that_is_down_go_too() {
    let mut jobs = jobs("app: web; web: db; db:");
    jobs[1].restart.policy = Policy::Never;
    let mut town = Town::new(jobs, |name| if name == "web" { ends(500, Exit::Code(0)) } else { GOOD });
    town.send("app", START);
    town.pass(1_000);
    assert_eq!((town.state("web"), town.state("app")), (State::Completed, State::Running));
    town.strict = true;
    town.send("db", Event::Stop);
    town.pass(1_000);
    assert_eq!((town.state("db"), town.state("app")), (State::Stopped, State::Stopped));
}

#[test]
fn what_crashed_meanwhile_is_down_at_once_and_what_became_ready_is_not_said_to_be_up() {
    for (crash_at, told) in [(5_000, "Down { again: false }"), (4_000, "")] {
        let mut all = jobs("web: db; db:");
        all[1].ready = Ready::Notify;
        let mut count = 0;
        let mut town = Town::new(all, move |name| {
            count += u32::from(name == "db");
            let slow = Program { obeys: Some((3_000, Exit::Code(0))), ..GOOD };
            match (name, count) {
                ("db", 1) => ends(crash_at, Exit::Code(1)),
                ("db", _) => Program { ready: Some(600), ..GOOD },
                _ => slow,
            }
        });
        town.send("web", START);
        // db waits out its second of delay, or has started again and is not ready yet
        town.pass(5_500);
        town.told();
        town.send("db", Event::Stop);
        town.pass(1_000);
        let lines: Vec<String> = town.told().into_iter().filter(|line| line.contains(" db ")).collect();
        assert_eq!(lines.iter().map(|line| line.trim_start_matches("5500 db ")).collect::<String>(), told);
        town.pass(5_000);
        assert!(town.fleet.is_down());
    }
}

#[test]
fn a_scheduled_dependency_runs_once_and_must_end_well() {
    for (exit, state) in [(Exit::Code(0), State::Running), (Exit::Code(1), State::Failed)] {
        let mut jobs = jobs("web: migrate; migrate:");
        jobs[1].schedule = Some(Schedule::Every(Millis(3_600_000)));
        jobs[1].restart.policy = Policy::Never;
        jobs[1].start_timeout = Millis(0);
        let mut town = Town::new(jobs, move |name| if name == "migrate" { ends(700, exit) } else { GOOD });
        town.send("web", START);
        town.pass(500);
        assert_eq!(town.state("web"), State::Starting);
        town.pass(500);
        assert_eq!(town.state("web"), state);
        if state == State::Failed {
            assert_eq!(town.reason("web"), "`migrate`, which it depends on, failed: exit code 1");
        }
    }
}

#[test]
fn a_scheduled_dependent_is_stopped_and_stays_armed() {
    let mut jobs = jobs("job: db; db:");
    jobs[0].schedule = Some(Schedule::Every(Millis(60_000)));
    jobs[0].start_timeout = Millis(0);
    let mut town = Town::new(jobs, |name| if name == "job" { ends(30_000, Exit::Code(0)) } else { GOOD });
    town.send("job", START);
    town.pass(70_000);
    assert_eq!(town.spawned(), ["60000 db spawn", "60001 job spawn"]);
    town.send("db", Event::Stop);
    town.pass(1_000);
    assert_eq!((town.state("job"), town.state("db")), (State::Stopped, State::Stopped));
    town.pass(60_000);
    assert_eq!(town.spawned(), ["120001 db spawn", "120002 job spawn"]);
}

#[test]
fn what_is_missing_or_turns_in_circles_is_said() {
    let mut town = Town::good("web: db; a: b; b: c; c: a; me: me");
    for name in ["web", "a", "me"] {
        town.send(name, START);
    }
    assert_eq!(town.reason("web"), "depends on `db`, which is not installed");
    assert_eq!(town.reason("a"), "depends on itself, through what it depends on");
    assert_eq!(town.reason("me"), "depends on itself, through what it depends on");
    for name in ["a", "b", "c"] {
        town.send(name, Event::Stop);
    }
    town.stop_all();
    assert!(town.fleet.is_down());
}

#[test]
fn everything_stops_in_reverse_order() {
    let mut town = Town::good("e: c d; d: b; c: b; b: a; a:; f: a");
    for name in ["e", "f"] {
        town.send(name, START);
    }
    town.pass(100);
    town.told();
    town.strict = true;
    town.stop_all();
    town.pass(1_000);
    assert!(town.fleet.is_down());
    let order: Vec<String> = town.told().into_iter().filter(|line| line.ends_with("signal")).collect();
    assert_eq!(order, ["100 e signal", "100 f signal", "110 d signal", "110 c signal", "120 b signal", "130 a signal"]);
}

#[test]
fn random_fleets() {
    let rounds = std::env::var_os("ROUNDS").and_then(|rounds| rounds.to_str()?.parse().ok()).unwrap_or(100);
    let mut steps = 0;
    for seed in 0..rounds {
        steps += random_fleet(seed, seed % 2 == 0);
    }
    println!("{steps} steps");
    assert!(steps > rounds * 500, "{steps}");
}

fn random_fleet(seed: u64, take_overs: bool) -> u64 {
    let mut random = Random(seed);
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let mut all = jobs("a:; b:; c:; d:; e:; f:; g:");
    for (at, job) in all.iter_mut().enumerate() {
        job.depends_on = (0..at).filter(|_| random.one_in(3)).map(|other| names[other].to_owned()).collect();
        job.restart.limit = random.of(&[1, 3, 5]);
        job.restart.policy = random.of(&[Policy::Always, Policy::OnFailure, Policy::Never]);
        if random.one_in(3) {
            job.ready = Ready::Notify;
        }
        if random.one_in(6) {
            job.schedule = Some(Schedule::Every(Millis(30_000)));
            job.start_timeout = Millis(0);
        }
    }
    let mut programs = Random(seed ^ 0xf00d);
    let scheduled: Vec<String> = all.iter().filter(|job| job.schedule.is_some()).map(|job| job.name.clone()).collect();
    let mut town = Town::new(all, move |name| {
        // a run that never ends is waited for for ever, and rightly
        let must_end = scheduled.iter().any(|job| job == name);
        let obeys = (!programs.one_in(5)).then(|| (programs.span(5_000), programs.exit()));
        let ends = (must_end || programs.one_in(3)).then(|| (programs.span(30_000), programs.exit()));
        Program { refuses: programs.one_in(12), exec: programs.below(50), obeys, ends, ..GOOD }
    });
    for _ in 0..6 {
        for _ in 0..20 {
            let name = random.of(&names);
            match random.below(8) {
                0..=2 => town.send(name, START),
                3 => town.send(name, Event::Stop),
                4 => town.send(name, Event::Restart),
                5 if take_overs => town.take_over(),
                _ => {
                    let span = random.span(20_000);
                    town.pass(span);
                }
            }
        }
        // the last word
        let name = random.of(&names);
        let down = random.one_in(2);
        let (asked, id) = (town.now, town.fleet.id(name).expect("it is there"));
        town.send(name, if down { Event::Stop } else { START });
        town.pass(400_000);
        let told = |what: fn(&Milestone) -> bool| {
            town.milestones.iter().any(|(at, of, milestone)| *at >= asked && *of == id && what(milestone))
        };
        // a schedule starts what it depends on at its time
        let armed = town.fleet.machines().any(|(_, machine)| machine.observe(town.moment()).armed);
        if down {
            assert!(armed || town.fleet.machine(id).expect("it is there").is_down(), "seed {seed}: {name}");
            let over = |milestone: &Milestone| matches!(milestone, Milestone::Down { .. } | Milestone::Up);
            assert!(told(over), "seed {seed}: whoever stopped {name} waits for ever");
        } else {
            let over = |milestone: &Milestone| !matches!(milestone, Milestone::Down { again: true } | Milestone::Alive);
            assert!(told(over), "seed {seed}: whoever started {name} waits for ever");
        }
        for (id, machine) in town.fleet.machines() {
            let saved = town.fleet.saved(id).expect("it is there");
            assert_eq!(saved.held, None, "seed {seed}: {}", machine.job().name);
        }
    }
    town.stop_all();
    town.pass(400_000);
    assert!(town.fleet.is_down() && town.live.is_empty(), "seed {seed}");
    town.steps
}
