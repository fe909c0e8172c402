//! Random jobs and programs from a seed: the same seed, the same world.

use super::twin::{Program, Rest, job};
use crate::engine::job::{Job, Millis, Policy, Ready, Reload, Schedule};
use crate::engine::machine::Exit;

/// SplitMix64.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `below` - 1.
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).expect("small")]
    }

    /// Milliseconds, of every magnitude up to `most`.
    pub(super) fn span(&mut self, most: u64) -> u64 {
        let magnitude = self.below(u64::from(most.ilog2()) + 1);
        self.below((2 << magnitude).min(most))
    }

    pub(super) fn exit(&mut self) -> Exit {
        self.of(&[Exit::Code(0), Exit::Code(1), Exit::Code(3), Exit::Signal(15), Exit::Signal(9), Exit::Signal(11)])
    }

    pub(super) fn program(&mut self) -> Program {
        let mostly = |random: &mut Self, some: u64| (!random.one_in(6)).then_some(some);
        let span = self.span(40_000);
        Program {
            exec: self.below(200),
            refuses: self.one_in(12),
            ready: mostly(self, span),
            ends: if self.one_in(2) { Some((self.span(200_000), self.exit())) } else { None },
            obeys: if self.one_in(4) { None } else { Some((self.span(20_000), self.exit())) },
            dies: if self.one_in(12) { self.span(60_000) } else { 1 },
            rest: match self.below(6) {
                0 => Rest::Ignores,
                1 => Rest::Obeys(self.span(20_000)),
                _ => Rest::None,
            },
            reloads: self.span(60_000),
        }
    }

    pub(super) fn job(&mut self) -> Job {
        let mut job = job();
        job.restart.policy = self.of(&[Policy::Always, Policy::OnFailure, Policy::OnFailure, Policy::Never]);
        job.restart.delay = Millis(self.of(&[0, 1, 100, 1_000, 5_000]));
        job.restart.max_delay = Millis(self.of(&[0, 1_000, 60_000]));
        job.restart.limit = self.of(&[1, 2, 5, 100]);
        job.restart.within = Millis(self.of(&[10_000, 600_000]));
        job.restart.reset = Millis(self.of(&[1_000, 60_000]));
        job.stop_timeout = Millis(self.of(&[0, 1, 1_000, 10_000]));
        job.start_timeout = Millis(self.of(&[0, 100, 30_000]));
        if self.one_in(2) {
            job.ready = Ready::Notify;
        }
        job.reload = self.of(&[0_u32, 1, 2]).checked_sub(1).map(|kind| match kind {
            0 => Reload::Signal("SIGHUP".into()),
            _ => Reload::Command(vec!["/bin/true".into()]),
        });
        if self.one_in(3) {
            job.pid_file = Some("/run/web.pid".into());
        }
        match self.below(8) {
            0 => job.schedule = Some(Schedule::Every(Millis(self.of(&[1_000, 60_000])))),
            1 => {
                let text = self.of(&["*:0/5", "daily", "*:*:0/20", "Mon 2024-04-01"]);
                job.schedule = Some(Schedule::Calendar(text.into()));
            }
            _ => {}
        }
        job
    }
}
