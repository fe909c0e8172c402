//! How fast it is: `cargo test --release --lib engine::log::bench -- --ignored --nocapture`.
//! A million lines of 100 bytes took 0.06 to 0.08 s of CPU without times, 0.10 to 0.13 s with.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a measurement prints what it found")]

use super::support::{ID, PLAIN, World, asked, descriptor_of, process};
use super::{Policy, Rest};
use jiff::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

const VARIABLE: &str = "SVC_TEST_WRITE";
const LINES: usize = 1_000_000;
const LENGTH: usize = 100;

#[test]
#[ignore = "a measurement, and its writing process"]
fn a_million_lines() {
    if let Some(value) = asked(VARIABLE) {
        return write_lines(&value);
    }
    let rotated = Policy { max_size: 10_000_000, keep: 20, ..PLAIN };
    for _ in 0..2 {
        measure("plain            ", PLAIN);
        measure("plain, rotated   ", rotated);
        measure("times            ", Policy { timestamps: true, ..PLAIN });
        measure("times, rotated   ", Policy { timestamps: true, ..rotated });
    }
}

fn write_lines(value: &str) {
    let (parent, number) = value.split_once(' ').unwrap();
    let mut into = descriptor_of(parent.parse().unwrap(), number, true);
    let line = "x".repeat(LENGTH - 1) + "\n";
    let block = line.repeat(4096);
    for piece in block.as_bytes().repeat(LINES / 4096 + 1)[..LINES * LENGTH].chunks(4096) {
        into.write_all(piece).unwrap();
    }
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let both = [usage.user_time(), usage.system_time()];
    both.iter()
        .map(|time| Duration::new(time.tv_sec().unsigned_abs(), u32::try_from(time.tv_usec()).unwrap() * 1000))
        .sum()
}

fn measure(name: &str, policy: Policy) {
    let world = World::new(policy);
    let (mut intake, mut log) = (world.intake(), world.log());
    let value = format!("{} {}", std::process::id(), world.write.as_raw_fd());
    let mut child = process("bench::a_million_lines", VARIABLE, &value).stdout(Stdio::null()).spawn().unwrap();
    let wait = || poll(&mut [PollFd::new(world.pipe(), PollFlags::POLLIN)], PollTimeout::from(10_000_u16)).unwrap();
    assert_eq!(wait(), 1);
    let (begin, before) = (Instant::now(), cpu());
    let (mut lines, mut turns) = (0, 0);
    while lines < LINES {
        let done = intake.drain(ID, world.pipe(), &mut log, Timestamp::now(), 256 * 1024, None).unwrap();
        (lines, turns) = (lines + done.lines, turns + 1);
        match done.rest {
            Rest::Empty if lines < LINES => assert_eq!(wait(), 1),
            Rest::Blocked(cause) => panic!("{cause}"),
            Rest::Empty | Rest::More | Rest::Unseen => {}
        }
    }
    eprintln!(
        "{name} {:7.3} s, {:7.3} s of CPU, {turns} turns",
        begin.elapsed().as_secs_f64(),
        cpu().saturating_sub(before).as_secs_f64()
    );
    assert!(child.wait().unwrap().success());
}
