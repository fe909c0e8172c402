//! Real processes, killed again and again while a program writes as fast as it can.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

use super::support::{ID, PLAIN, World, asked, descriptor_of, process};
use super::{Intake, Policy, Rest, Staging, Writer, files, open_record, render};
use crate::sys::pipe;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const VARIABLE: &str = "SVC_TEST_KILL";
/// How many kills instead of the usual number, for each of the three tests.
const KILLS: &str = "SVC_TEST_KILLS";
const LONG: Duration = Duration::from_mins(1);

#[test]
fn kills_without_times() {
    survive(Policy { max_size: 48 * 1024, keep: 1_000_000, ..PLAIN });
}

#[test]
fn kills_with_times() {
    survive(Policy { max_size: 48 * 1024, keep: 1_000_000, timestamps: true, ..PLAIN });
}

#[test]
fn kills_without_rotation() {
    survive(PLAIN);
}

/// Numbers that look random: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// Line `number`, without its end.
fn line(number: u64, text: &mut String) {
    text.clear();
    write!(text, "{number} ").unwrap();
    let length = Random(number + 1).below(9) * Random(number + 77).below(40);
    text.extend((0..length).map(|n| char::from(b'a' + u8::try_from((number + n) % 26).unwrap())));
}

/// Writes numbered lines, in pieces and by the dozen, until it is told to stop; how many.
fn write_lines(mut into: impl Write, mut random: Random, stop: &AtomicBool) -> u64 {
    let (mut number, mut text, mut buffer) = (0, String::new(), String::new());
    while !stop.load(Ordering::Relaxed) {
        buffer.clear();
        for _ in 0..=random.below(30) {
            line(number, &mut text);
            number += 1;
            buffer += &text;
            buffer.push('\n');
        }
        let mut rest = buffer.as_bytes();
        while !rest.is_empty() {
            let most = if random.below(4) == 0 { 1 + random.below(40) } else { 4096 };
            let (piece, more) = rest.split_at(rest.len().min(usize::try_from(most).unwrap()));
            into.write_all(piece).unwrap();
            rest = more;
        }
    }
    number
}

/// Starts a process that drains; it is about to recover what the one before left.
fn start(world: &World) -> Child {
    let (read, write) = world.staging.as_ref().unwrap();
    let numbers = [world.read.as_raw_fd(), read.as_raw_fd(), write.as_raw_fd()];
    let value = format!(
        "{} {} {} {} {} {} {}",
        std::process::id(),
        numbers[0],
        numbers[1],
        numbers[2],
        world.policy.max_size,
        world.policy.timestamps,
        world.folder.path().display(),
    );
    let mut child = process("kill_tests::drains", VARIABLE, &value)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0];
    let stderr = child.stderr.as_mut().unwrap();
    stderr.read_exact(&mut said).unwrap();
    assert_eq!(said, *b"!", "{}", rest_of(stderr));
    child
}

fn rest_of(mut stderr: impl Read) -> String {
    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    text
}

/// Kills it; it must have been alive.
fn kill(mut child: Child) {
    let ended = child.try_wait().unwrap();
    assert!(ended.is_none(), "it ended by itself: {}", rest_of(child.stderr.take().unwrap()));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[ignore = "run by the other tests, in a process to be killed"]
fn drains() {
    let Some(value) = asked(VARIABLE) else { return };
    let [parent, output, read, write, max_size, timestamps, folder] =
        value.splitn(7, ' ').collect::<Vec<_>>().try_into().unwrap();
    let parent = parent.parse().unwrap();
    let folder = std::path::Path::new(folder);
    let policy = Policy {
        max_size: max_size.parse().unwrap(),
        keep: 1_000_000,
        timestamps: timestamps.parse().unwrap(),
        ..super::support::PLAIN
    };
    let output = descriptor_of(parent, output, false);
    let staging =
        Staging::from_ends(descriptor_of(parent, read, false).into(), descriptor_of(parent, write, true).into());
    let record = open_record(&folder.join("record")).unwrap();
    let mut intake = Intake::new(Some(staging), record).unwrap();
    std::io::stderr().write_all(b"!").unwrap();
    let mut log = Writer::open(&folder.join("web.log"), policy).unwrap();
    intake.recover(|id| (id == ID).then_some((&mut log, output.as_fd()))).unwrap();
    loop {
        let done = intake.drain(ID, output.as_fd(), &mut log, Timestamp::now(), 200_000, None).unwrap();
        match done.rest {
            Rest::Blocked(cause) => panic!("{cause}"),
            Rest::Empty => std::thread::yield_now(),
            Rest::More | Rest::Unseen => {}
        }
    }
}

fn survive(policy: Policy) {
    let kills = asked(KILLS).map_or(120, |text| text.parse().unwrap());
    let seed = Timestamp::now().as_microsecond().unsigned_abs() | 1;
    let mut random = Random(seed);
    let mut world = World::new(policy);
    let into = descriptor_of(std::process::id(), world.write.as_raw_fd(), true);
    let stop = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writing = scope.spawn(|| write_lines(into, Random(seed + 2), &stop));
        for _ in 0..kills {
            let child = start(&world);
            let end = Instant::now() + Duration::from_micros(50 + random.below(2950));
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            kill(child);
            if random.below(8) == 0 {
                world.new_guardian();
            }
        }
        stop.store(true, Ordering::Relaxed);
        let child = start(&world);
        let deadline = Instant::now() + LONG;
        while !writing.is_finished() || pipe::waiting(world.pipe()).unwrap() > 0 {
            assert!(Instant::now() < deadline, "seed {seed}: the pipe is not drained");
            std::thread::yield_now();
        }
        kill(child);
        writing.join().unwrap()
    });
    // what the last one left
    let (mut intake, mut log) = (world.intake(), world.log());
    intake.recover(|_| Some((&mut log, world.pipe()))).unwrap();
    let done = intake.drain(ID, world.pipe(), &mut log, Timestamp::now(), usize::MAX, None).unwrap();
    assert!(matches!(done.rest, Rest::Empty));
    compare(&world, written, seed);
}

/// All lines, once and in order, over all files.
fn compare(world: &World, written: u64, seed: u64) {
    let (mut number, mut expected) = (0, String::new());
    let files = files(&world.path()).unwrap();
    for path in &files {
        for found in BufReader::new(std::fs::File::open(path).unwrap()).split(b'\n') {
            let mut found = found.unwrap();
            if world.policy.timestamps {
                let rest = render::without_stamp(&found);
                assert_ne!(rest.len(), found.len(), "seed {seed}, line {number}: no time");
                found = rest.to_vec();
            }
            line(number, &mut expected);
            let found = String::from_utf8_lossy(&found);
            assert_eq!(found, expected, "seed {seed}, {} of {} files", path.display(), files.len());
            number += 1;
        }
    }
    assert_eq!(number, written, "seed {seed}");
    assert!(world.policy.max_size == 0 || files.len() > 3, "seed {seed}: {} files", files.len());
}
