//! Pipes, files and deaths at every point.
#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

use super::support::{Daemon, ID, PLAIN, World, now, point};
use super::{Drained, Policy, Rest, Writer};
use crate::sys::pipe;
use proptest::prelude::*;
use std::io::Write;

const STAMPED: Policy = Policy { timestamps: true, ..PLAIN };
const STAMP: &str = "2026-11-21T10:00:00.123456Z ";
const ALL: usize = usize::MAX;

impl Daemon {
    fn drain(&mut self, world: &World, budget: usize) -> Drained {
        self.intake.drain(ID, world.pipe(), &mut self.log, now(), budget, None).unwrap()
    }

    fn seen(&mut self, world: &World) -> Vec<String> {
        let mut seen = Vec::new();
        let mut line = |line: &[u8]| seen.push(String::from_utf8(line.to_vec()).unwrap());
        let done = self.intake.drain(ID, world.pipe(), &mut self.log, now(), ALL, Some(&mut line)).unwrap();
        assert_eq!(done.lines, seen.len());
        seen
    }
}

fn both(policy: Policy) -> [World; 2] {
    [World::new(policy), World::elsewhere(policy)]
}

#[test]
fn what_a_program_writes_is_logged() {
    for world in both(PLAIN) {
        let mut daemon = Daemon::new(&world);
        assert!(matches!(daemon.drain(&world, ALL), Drained { bytes: 0, lines: 0, rest: Rest::Empty }));
        world.write("one\ntwo\nthr");
        assert!(matches!(daemon.drain(&world, ALL), Drained { bytes: 11, lines: 2, rest: Rest::Empty }));
        world.write("ee\n");
        assert!(matches!(daemon.drain(&world, ALL), Drained { bytes: 3, lines: 1, rest: Rest::Empty }));
        assert_eq!(world.files(), ["one\ntwo\nthree\n"]);
    }
}

#[test]
fn each_line_has_the_time_once() {
    for world in both(STAMPED) {
        world.write("one\n\nthr");
        Daemon::new(&world).drain(&world, ALL);
        world.write("ee\nfour\n");
        Daemon::new(&world).drain(&world, ALL);
        assert_eq!(world.files(), [format!("{STAMP}one\n{STAMP}\n{STAMP}three\n{STAMP}four\n")]);
    }
}

#[test]
fn a_budget_is_kept() {
    for world in both(PLAIN) {
        let mut daemon = Daemon::new(&world);
        world.write("one\ntwo\n");
        assert!(matches!(daemon.drain(&world, 5), Drained { bytes: 5, lines: 1, rest: Rest::More }));
        assert!(matches!(daemon.drain(&world, 3), Drained { bytes: 3, lines: 1, rest: Rest::Empty }));
        assert_eq!(world.logged(), "one\ntwo\n");
    }
}

#[test]
fn a_pipe_larger_than_ours_is_drained_too() {
    let world = World::new(PLAIN);
    if pipe::set_size(&world.read, 1024 * 1024).is_err() {
        return; // this user may have no larger ones
    }
    let mut daemon = Daemon::new(&world);
    // one page for each: as many slots as the pipe has
    let text: String = (0..256).map(|n| format!("{n} {}\n", "x".repeat(4000))).collect();
    for line in text.split_inclusive('\n') {
        world.write(line);
    }
    assert_eq!(daemon.drain(&world, ALL).bytes, text.len());
    assert!(world.logged() == text);
}

#[test]
fn lines_are_shown_whole() {
    for policy in [PLAIN, STAMPED, Policy { max_size: 60, ..STAMPED }] {
        for world in both(policy) {
            let mut daemon = Daemon::new(&world);
            world.write("one\ntw");
            assert_eq!(daemon.seen(&world), ["one"]);
            world.write("o: li");
            assert_eq!(daemon.seen(&world), [""; 0]);
            world.write("stening\n\nfour\n");
            assert_eq!(Daemon::new(&world).seen(&world), ["two: listening", "", "four"]);
        }
    }
}

#[test]
fn files_are_rotated_at_the_end_of_a_line() {
    for world in both(Policy { max_size: 8, keep: 2, ..PLAIN }) {
        let mut daemon = Daemon::new(&world);
        world.write("aa\nbb\ncc\ndddddddddddd\nee");
        daemon.drain(&world, ALL);
        assert_eq!(world.files(), ["cc\n", "dddddddddddd\n", "ee"]);
        world.write("eeeeeeee\nff\n");
        daemon.drain(&world, ALL);
        assert_eq!(world.files(), ["dddddddddddd\n", "eeeeeeeeee\n", "ff\n"]);
        // what one asks for is taken up at the next rotation
        daemon.log.set_policy(Policy { max_size: 8, keep: 1, ..PLAIN });
        world.write("gggggggg\n");
        daemon.drain(&world, ALL);
        assert_eq!(world.files(), ["ff\n", "gggggggg\n"]);
    }
}

#[test]
fn without_rotated_files_the_log_is_emptied() {
    for world in both(Policy { max_size: 8, keep: 0, ..PLAIN }) {
        world.write("aa\nbb\ncc\ndd");
        Daemon::new(&world).drain(&world, ALL);
        assert_eq!(world.files(), ["cc\ndd"]);
    }
}

#[test]
fn an_endless_line_does_not_fill_the_disk() {
    let world = World::new(Policy { max_size: 100_000, keep: 3, ..PLAIN });
    let mut daemon = Daemon::new(&world);
    for _ in 0..60 {
        world.write(&"x".repeat(60_000));
        daemon.drain(&world, ALL);
    }
    let sizes: Vec<_> = world.files().iter().map(String::len).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 60 * 60_000);
    assert!(sizes.len() == 3 && sizes.iter().all(|size| *size < 1_300_000), "{sizes:?}");
}

#[test]
fn a_file_that_cannot_be_renamed_is_written_on() {
    let world = World::new(Policy { max_size: 10, ..PLAIN });
    let obstacle = world.path().with_extension("log.1");
    std::fs::create_dir_all(obstacle.join("full")).unwrap();
    let world = World { policy: Policy { max_size: 10, keep: 1, ..PLAIN }, ..world };
    let mut daemon = Daemon::new(&world);
    world.write("one\ntwo\nthree\nfour\nfive\n");
    assert!(matches!(daemon.drain(&world, ALL).rest, Rest::Empty));
    assert_eq!(world.files(), ["one\ntwo\nthree\nfour\nfive\n"]);
}

#[test]
fn a_note_waits_for_the_end_of_the_line() {
    for world in both(STAMPED) {
        let mut daemon = Daemon::new(&world);
        daemon.intake.note(ID, &mut daemon.log, now(), "svc: one");
        assert_eq!(world.files(), [format!("{STAMP}svc: one\n")]);
        world.write("two");
        daemon.drain(&world, ALL);
        daemon.intake.note(ID, &mut daemon.log, now(), "svc: three\nor four");
        assert_eq!(world.files(), [format!("{STAMP}svc: one\n{STAMP}two")]);
        world.write(" and a half\nfive\nsix");
        assert_eq!(daemon.drain(&world, ALL).lines, 2);
        assert_eq!(world.logged(), "svc: one\ntwo and a half\nsvc: three or four\nfive\nsix");
        daemon.intake.note(ID, &mut daemon.log, now(), "svc: seven");
        daemon.intake.end_line(ID, &mut daemon.log, now()).unwrap();
        daemon.intake.end_line(ID, &mut daemon.log, now()).unwrap();
        assert!(world.logged().ends_with("five\nsix\nsvc: seven\n"));
    }
}

#[test]
fn a_renamed_or_deleted_log_is_made_anew() {
    for world in both(PLAIN) {
        let mut daemon = Daemon::new(&world);
        let moved = world.folder.path().join("moved");
        world.write("one\ntw");
        daemon.drain(&world, ALL);
        std::fs::rename(world.path(), &moved).unwrap();
        daemon.log.check().unwrap();
        world.write("o\nthree\n");
        daemon.drain(&world, ALL);
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n", "the line is ended where it began");
        assert_eq!(world.logged(), "three\n");
        // a deleted one is noticed by itself
        std::fs::remove_file(world.path()).unwrap();
        world.write("four\n");
        daemon.drain(&world, ALL);
        assert_eq!(world.logged(), "four\n");
        // with its folder
        std::fs::remove_dir_all(world.folder.path()).unwrap();
        world.write("five\n");
        assert!(matches!(daemon.drain(&world, ALL).rest, Rest::Empty));
        assert_eq!(world.logged(), "five\n");
    }
}

#[test]
fn a_log_that_somebody_rotated_is_left_alone() {
    let world = World::new(Policy { max_size: 10, keep: 3, ..PLAIN });
    let mut daemon = Daemon::new(&world);
    world.write("one two\n");
    daemon.drain(&world, ALL);
    std::fs::rename(world.path(), world.folder.path().join("theirs")).unwrap();
    std::fs::File::create_new(world.path()).unwrap().write_all(b"x\n").unwrap();
    world.write("three\n"); // would be too much for the old file
    daemon.drain(&world, ALL);
    assert_eq!(world.files(), ["x\nthree\n"]);
}

#[test]
fn what_others_do_to_the_file_harms_no_line() {
    for world in both(PLAIN) {
        let mut daemon = Daemon::new(&world);
        world.write("one\ntwo\n");
        daemon.drain(&world, ALL);
        std::fs::File::options().append(true).open(world.path()).unwrap().write_all(b"theirs\n").unwrap();
        world.write("three\n");
        daemon.drain(&world, ALL);
        assert_eq!(world.logged(), "one\ntwo\ntheirs\nthree\n");
        std::fs::File::options().write(true).open(world.path()).unwrap().set_len(0).unwrap();
        world.write("four\n");
        daemon.drain(&world, ALL);
        assert_eq!(world.logged(), "four\n", "no hole of zeros");
    }
}

#[test]
fn a_folder_that_cannot_be_made_blocks_and_loses_nothing() {
    for world in both(PLAIN) {
        let (gone, path) = (world.folder.path().join("gone"), world.folder.path().join("gone/web.log"));
        let mut log = Writer::open(&path, PLAIN).unwrap();
        let mut intake = world.intake();
        std::fs::remove_dir_all(&gone).unwrap();
        std::fs::File::create_new(&gone).unwrap();
        world.write("one\ntwo\n");
        for _ in 0..2 {
            let done = intake.drain(ID, world.pipe(), &mut log, now(), ALL, None).unwrap();
            assert!(matches!(done, Drained { bytes: 0, lines: 0, rest: Rest::Blocked(_) }), "{done:?}");
        }
        std::fs::remove_file(&gone).unwrap();
        world.write("three\n");
        let done = intake.drain(ID, world.pipe(), &mut log, now(), ALL, None).unwrap();
        assert!(matches!(done, Drained { bytes: 14, lines: 3, rest: Rest::Empty }), "{done:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }
}

#[test]
fn bytes_that_somebody_else_reads_are_no_hindrance() {
    // three files: three steps of one batch, and the program reads its own output after the first
    let world = World::new(Policy { max_size: 6, ..PLAIN });
    let mut daemon = Daemon::new(&world);
    world.write("one\ntwo\nthree\n");
    let mut steal = |line: &[u8]| {
        if line == b"one" {
            nix::unistd::read(world.pipe(), &mut [0; 7]).unwrap();
        }
    };
    daemon.intake.drain(ID, world.pipe(), &mut daemon.log, now(), ALL, Some(&mut steal)).unwrap();
    world.write("four\n");
    daemon.drain(&world, ALL);
    assert_eq!(world.logged(), "one\ntwo\nthree\nfour\n");
}

/// Drains until all is there, dying at point `first`, and in the recovery after that at point
/// `second`; says whether it died at all.
fn with_deaths(world: &mut World, first: u32, second: Option<u32>, guardian: bool, budget: usize) -> (bool, bool) {
    let work = |world: &World| {
        let mut daemon = Daemon::new(world);
        while matches!(daemon.drain(world, budget).rest, Rest::More) {}
    };
    let mut daemon = Daemon::new(world);
    let died = point::at(first, || while matches!(daemon.drain(world, budget).rest, Rest::More) {}).is_none();
    drop(daemon);
    if guardian {
        world.new_guardian();
    }
    let again = second.is_some_and(|second| point::at(second, || work(world)).is_none());
    if again && guardian {
        world.new_guardian();
    }
    work(world);
    (died, again)
}

#[cfg(target_os = "linux")]
fn numbered(lines: std::ops::Range<u32>) -> String {
    lines.map(|n| format!("line {n} {}\n", "x".repeat((n * 7 % 13) as usize))).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_death_at_any_point_loses_and_doubles_nothing() {
    let mut runs = 0;
    for policy in [PLAIN, STAMPED, Policy { max_size: 90, ..PLAIN }, Policy { max_size: 150, ..STAMPED }] {
        for guardian in [false, true] {
            for first in 0.. {
                let mut world = World::new(policy);
                world.write("begun");
                Daemon::new(&world).drain(&world, ALL);
                let text = numbered(0..9) + "unended";
                world.write(&text);
                let died = with_deaths(&mut world, first, None, guardian, ALL).0;
                assert_eq!(world.logged(), format!("begun{text}"), "{policy:?} point {first}, guardian {guardian}");
                runs += 1;
                if !died {
                    break;
                }
            }
        }
    }
    assert!(runs > 150, "{runs}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_death_in_the_recovery_after_a_death_loses_and_doubles_nothing() {
    for policy in [Policy { max_size: 60, ..PLAIN }, Policy { max_size: 150, ..STAMPED }] {
        for guardian in [false, true] {
            for first in 0.. {
                let mut died = true;
                for second in 0..12 {
                    let mut world = World::new(policy);
                    let text = numbered(0..5) + "unended";
                    world.write(&text);
                    died = with_deaths(&mut world, first, Some(second), guardian, ALL).0;
                    let what = format!("{policy:?} points {first} and {second}, guardian {guardian}");
                    assert_eq!(world.logged(), text, "{what}");
                }
                if !died {
                    break;
                }
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_note_that_a_death_cut_is_taken_back() {
    for number in 0.. {
        let world = World::new(PLAIN);
        world.write("one\n");
        let mut daemon = Daemon::new(&world);
        daemon.drain(&world, ALL);
        let lived = point::at(number, || daemon.intake.note(ID, &mut daemon.log, now(), "svc: a note")).is_some();
        drop(daemon);
        world.write("two\n");
        Daemon::new(&world).drain(&world, ALL);
        let logged = world.logged();
        assert!(logged == "one\ntwo\n" || logged == "one\nsvc: a note\ntwo\n", "{number}: {logged:?}");
        if lived {
            assert!(logged.contains("note"));
            break;
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_damaged_record_leaves_the_log_as_it_is() {
    for number in 0..12 {
        let world = World::new(PLAIN);
        world.write("one\n");
        let mut daemon = Daemon::new(&world);
        point::at(number, || daemon.drain(&world, ALL));
        let before = world.logged();
        let record = std::fs::File::options().write(true).open(world.record()).unwrap();
        if number % 2 == 0 {
            record.set_len(40).unwrap();
        } else {
            (&record).write_all(&[0xff; 60]).unwrap();
        }
        let mut daemon = Daemon::new(&world);
        assert_eq!(world.logged(), before);
        world.write("two\n");
        daemon.drain(&world, ALL);
        assert!(world.logged().starts_with(&before) && world.logged().ends_with("two\n"));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_record_of_another_pipe_or_of_nobody_changes_no_log() {
    for gone in [false, true] {
        for number in 0..12 {
            let world = World::new(PLAIN);
            world.write("one\n");
            let mut daemon = Daemon::new(&world);
            point::at(number, || daemon.drain(&world, ALL));
            let before = world.logged();
            let (read, write) = pipe::create().unwrap();
            let world = World { read, write: write.into(), ..world };
            let (mut intake, mut log) = (world.intake(), world.log());
            intake.recover(|_| (!gone).then_some((&mut log, world.pipe()))).unwrap();
            assert_eq!(world.logged(), before);
            world.write("two\n");
            intake.drain(ID, world.pipe(), &mut log, now(), ALL, None).unwrap();
            assert_eq!(world.logged(), format!("{before}two\n"));
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_batch_is_undone_in_a_file_that_was_rotated_meanwhile() {
    for number in 0.. {
        let world = World::new(PLAIN);
        world.write("one\n");
        Daemon::new(&world).drain(&world, ALL);
        world.write("two\nthree\n");
        let mut daemon = Daemon::new(&world);
        let lived = point::at(number, || daemon.drain(&world, ALL)).is_some();
        std::fs::rename(world.path(), world.path().with_extension("log.1")).unwrap();
        Daemon::new(&world).drain(&world, ALL);
        assert_eq!(world.logged(), "one\ntwo\nthree\n", "point {number}");
        if lived {
            break;
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize),
    Drain(usize),
    Die { at: u32, guardian: bool, again: Option<u32> },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_usize..300).prop_map(Step::Write),
        3 => (1_usize..400).prop_map(Step::Drain),
        2 => (0_u32..40, any::<bool>(), prop::option::of(0_u32..12))
            .prop_map(|(at, guardian, again)| Step::Die { at, guardian, again }),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Lines of any length in pieces of any length, files of any size, deaths at any time.
    #[test]
    fn every_line_arrives_once(
        steps in steps(), lengths in prop::collection::vec(0_usize..60, 1..20),
        max_size in prop_oneof![Just(0), 1_u64..600], timestamps: bool, tee: bool,
    ) {
        let policy = Policy { max_size, keep: 10_000, timestamps, ..PLAIN };
        let mut world = if tee { World::new(policy) } else { World::elsewhere(policy) };
        // numbers all over, so that no two batches look the same
        let mut all = lengths.iter().cycle().enumerate().map(|(n, length)| {
            format!("{n:08}").chars().cycle().take(8 + length).chain(['\n']).collect::<String>()
        });
        let (mut ready, mut written) = (String::new(), String::new());
        let mut daemon = Daemon::new(&world);
        for step in steps {
            match step {
                Step::Write(count) => {
                    while ready.len() < count {
                        ready += &all.next().unwrap();
                    }
                    let rest = ready.split_off(count);
                    if pipe::waiting(world.pipe()).unwrap() < 20_000 {
                        world.write(&ready);
                        written += &ready;
                        ready = rest;
                    } else {
                        ready += &rest;
                    }
                }
                Step::Drain(budget) => drop(daemon.drain(&world, budget)),
                Step::Die { .. } if !(tee && pipe::CAN_TEE) => {}
                Step::Die { at, guardian, again } => {
                    drop(daemon);
                    with_deaths(&mut world, at, again, guardian, 100);
                    daemon = Daemon::new(&world);
                }
            }
        }
        while matches!(daemon.drain(&world, 100).rest, Rest::More) {}
        prop_assert_eq!(world.logged(), written);
    }
}
