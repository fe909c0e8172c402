//! Random worlds: whatever happens in whatever order, what must be so is so. The twin itself checks
//! for second processes and wake-ups that are over.

use super::random::Random;
use super::twin::Twin;
use crate::engine::job::Job;
use crate::engine::machine::{Event, Milestone};
use jiff::SignedDuration;
use std::cell::RefCell;
use std::rc::Rc;

/// What the last command asked for, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Unknown,
    Up(u64),
    Down(u64),
}

struct World {
    twin: Twin,
    random: Random,
    wanted: Wanted,
    /// Since when the supervisor was not killed.
    whole: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let job = random.job();
        let programs = Rc::new(RefCell::new(Random(seed ^ 0xabcd)));
        let mut twin = Twin::new(job, move |_| programs.borrow_mut().program());
        twin.keep_trace = std::env::var_os("TRACE").is_some();
        Self { twin, random, wanted: Wanted::Unknown, whole: true }
    }

    fn command(&mut self, event: Event, wanted: Wanted) {
        self.whole = true;
        if self.random.one_in(12) {
            self.twin.dies_after = Some(self.random.below(4));
        }
        self.twin.send(event);
        self.wanted = if self.twin.dead { Wanted::Unknown } else { wanted };
        self.twin.dies_after = None;
    }

    fn step(&mut self) {
        let now = self.twin.now;
        match self.random.below(24) {
            0..3 => self.command(Event::Start { by_person: true }, Wanted::Up(now)),
            3 => self.command(Event::Start { by_person: false }, Wanted::Up(now)),
            4..6 => self.command(Event::Stop, Wanted::Down(now)),
            6 => self.command(Event::Restart, Wanted::Up(now)),
            7 => self.twin.send(Event::Reload),
            8 => self.twin.send(Event::Stopping),
            9 => {
                let text = "\u{1b}\"stätus".repeat(usize::try_from(self.random.below(100)).expect("small"));
                self.twin.send(Event::StatusText(text));
            }
            10 => self.twin.send(Event::Ended { pid: 7, exit: self.random.exit() }),
            11 if self.twin.main().is_some() => self.twin.send(Event::TreeGone),
            11 => self.twin.send(Event::Tick),
            12 if self.random.one_in(4) => {
                let mut job: Job = self.random.job();
                job.schedule = self.twin.machine.job().schedule.clone();
                self.twin.replaced = true;
                self.twin.send(Event::JobReplaced(Box::new(job)));
            }
            13 if self.random.one_in(4) => {
                let years = self.random.of(&[-10, -1, 1, 10]);
                if self.twin.wall.abs_diff(super::twin::BOOT) < 20 * 365 * 86_400_000 {
                    self.twin.set_clock(SignedDuration::from_hours(years * 365 * 24));
                }
            }
            14 => self.twin.send(Event::ReadyFailed("its address is not one".into())),
            15..=17 => self.supervisor_dies(),
            18 => {
                // in the middle of what it does next
                self.twin.dies_after = Some(self.random.below(5));
                let span = self.random.span(60_000);
                self.twin.pass(span);
                self.twin.dies_after = None;
            }
            _ => {
                let span = self.random.span(120_000);
                self.twin.pass(span);
            }
        }
        if self.twin.dead {
            self.whole = false;
            if self.random.one_in(2) {
                self.revive();
            }
        }
    }

    fn supervisor_dies(&mut self) {
        self.twin.kill_supervisor();
        let span = self.random.span(30_000);
        self.twin.pass(span);
    }

    fn revive(&mut self) {
        while self.twin.spawns_now() && self.twin.step() {}
        self.twin.new_supervisor();
    }

    /// Nothing more is asked for; what must be true when all is quiet?
    fn settle(&mut self) {
        if self.twin.dead {
            self.whole = false;
            self.revive();
        }
        self.twin.pass(400_000);
        let seen = self.twin.machine.observe(self.twin.moment());
        let told = |from: u64, what: fn(&Milestone) -> bool| {
            self.twin.milestones.iter().any(|(at, milestone)| *at >= from && what(milestone))
        };
        match self.wanted {
            Wanted::Unknown => {}
            Wanted::Down(at) => {
                assert!(!self.twin.lives() && self.twin.machine.is_down() && !seen.armed, "{seen:?}");
                let is_over = |milestone: &Milestone| matches!(milestone, Milestone::Down { .. } | Milestone::Alive);
                assert!(!self.whole || told(at, is_over), "whoever stopped it waits for ever");
                assert_eq!(self.twin.machine.deadline(), None);
            }
            Wanted::Up(at) => {
                let is_over = |milestone: &Milestone| {
                    matches!(
                        milestone,
                        Milestone::Up | Milestone::Armed | Milestone::Ended { .. } | Milestone::Failed { .. }
                    )
                };
                assert!(
                    !self.whole || told(at, is_over) || self.twin.main().is_some(),
                    "whoever started it waits for ever: {seen:?} {:?}",
                    self.twin.milestones
                );
                if self.twin.machine.job().schedule.is_none() {
                    let since = self.twin.spawns.last().is_some_and(|spawn| *spawn >= at);
                    assert!(since || self.twin.lived_at(at), "it was never started: {seen:?}");
                }
            }
        }
        if self.twin.machine.is_up() {
            assert!(self.twin.main().is_some());
        }
    }
}

fn run(seed: u64) -> u64 {
    let mut world = World::new(seed);
    for _ in 0..12 {
        for _ in 0..25 {
            world.step();
        }
        world.settle();
    }
    world.twin.steps
}

#[test]
fn whatever_happens_in_whatever_order() {
    if let Some(seed) = std::env::var_os("SEED").and_then(|seed| seed.to_str()?.parse().ok()) {
        run(seed);
        return;
    }
    let rounds = std::env::var_os("ROUNDS").and_then(|rounds| rounds.to_str()?.parse().ok()).unwrap_or(400);
    let mut steps = 0;
    for seed in 0..rounds {
        let result = std::panic::catch_unwind(|| run(seed));
        match result {
            Ok(more) => steps += more,
            Err(panic) => {
                println!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(steps > rounds * 500, "{steps}");
    println!("{steps} steps");
}
