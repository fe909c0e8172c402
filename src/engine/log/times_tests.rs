//! The index beside a log that is written, rotated, cut, moved, and whose writer dies.
#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

#[cfg(target_os = "linux")]
use super::support::point;
use super::support::{Daemon, ID, PLAIN, World, now};
use super::{Policy, files, forget_times};
use crate::logs::times::{FOLDER, Times};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

fn later(milliseconds: i64) -> Timestamp {
    now() + SignedDuration::from_millis(milliseconds)
}

impl Daemon {
    fn log(&mut self, world: &World, text: &str, milliseconds: i64) {
        world.write(text);
        self.drain_at(world, milliseconds);
    }

    fn drain_at(&mut self, world: &World, milliseconds: i64) {
        self.intake.drain(ID, world.pipe(), &mut self.log, later(milliseconds), usize::MAX, None).unwrap();
    }
}

/// Each line of all files with its milliseconds since [`now`].
fn timed(log: &Path) -> Vec<(String, Option<i64>)> {
    let mut all = Vec::new();
    for path in files(log).unwrap() {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let times = Times::of(log, &path.metadata().unwrap());
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let time = times.as_ref().and_then(|times| times.time_at(offset));
            all.push((line.trim_end().to_owned(), time.map(|time| time.as_millisecond() - now().as_millisecond())));
            offset += line.len() as u64;
        }
    }
    all
}

fn lines(expected: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
    expected.iter().map(|(line, time)| ((*line).to_owned(), Some(*time))).collect()
}

fn indexes(log: &Path) -> usize {
    std::fs::read_dir(log.parent().unwrap().join(FOLDER)).map_or(0, Iterator::count)
}

#[test]
fn each_line_has_the_time_at_which_it_began() {
    for world in [World::new(PLAIN), World::elsewhere(PLAIN)] {
        let mut daemon = Daemon::new(&world);
        daemon.log(&world, "one\ntw", 0);
        daemon.log(&world, "o\nthree\n", 5);
        daemon.log(&world, "four\n", 40);
        // another process goes on
        let mut daemon = Daemon::new(&world);
        daemon.log(&world, "five\nsi", 3000);
        daemon.intake.note(ID, &mut daemon.log, later(3500), "svc: a note");
        daemon.log(&world, "x\n", 4000);
        let expected =
            [("one", 0), ("two", 0), ("three", 0), ("four", 40), ("five", 3000), ("six", 3000), ("svc: a note", 4000)];
        assert_eq!(timed(&world.path()), lines(&expected));
    }
}

#[test]
fn the_index_goes_with_its_file_through_rotations() {
    let world = World::new(Policy { max_size: 10, keep: 2, ..PLAIN });
    let mut daemon = Daemon::new(&world);
    for n in 0..9_i64 {
        daemon.log(&world, &format!("line {n}\n"), n * 1000);
    }
    assert_eq!(timed(&world.path()), lines(&[("line 6", 6000), ("line 7", 7000), ("line 8", 8000)]));
    assert_eq!(indexes(&world.path()), 3, "those of files that are gone are gone");
    forget_times(&world.path()).unwrap();
    assert!(!world.folder.path().join(FOLDER).exists());
    // nobody's index is harmed by another log whose name begins like it
    let other = world.folder.path().join("web.log.log");
    forget_times(&other).unwrap();
}

#[test]
fn what_others_do_to_the_file_costs_no_time_of_new_lines() {
    let world = World::new(PLAIN);
    let mut daemon = Daemon::new(&world);
    daemon.log(&world, "one\n", 0);
    daemon.log(&world, "two\n", 1000);
    std::fs::File::options().write(true).open(world.path()).unwrap().set_len(0).unwrap();
    daemon.log(&world, "three\n", 2000);
    daemon.log(&world, "four\n", 3000);
    assert_eq!(timed(&world.path()), lines(&[("three", 2000), ("four", 3000)]));
    std::fs::remove_file(world.path()).unwrap();
    daemon.log(&world, "five\n", 4000);
    assert_eq!(timed(&world.path()), lines(&[("five", 4000)]));
    std::fs::rename(world.path(), world.folder.path().join("moved")).unwrap();
    daemon.log.check().unwrap();
    daemon.log(&world, "six\n", 5000);
    assert_eq!(timed(&world.path()), lines(&[("six", 5000)]));
    // the index itself
    std::fs::remove_dir_all(world.folder.path().join(FOLDER)).unwrap();
    daemon.log(&world, "seven\n", 6000);
    assert_eq!(timed(&world.path()).len(), 2);
    Daemon::new(&world).log(&world, "eight\n", 7000);
    assert_eq!(timed(&world.path())[2], ("eight".into(), Some(7000)));
    // one that can't be made
    std::fs::remove_dir_all(world.folder.path().join(FOLDER)).unwrap();
    std::fs::File::create_new(world.folder.path().join(FOLDER)).unwrap();
    Daemon::new(&world).log(&world, "nine\n", 8000);
    assert_eq!(timed(&world.path())[3], ("nine".into(), None));
}

#[test]
fn a_clock_that_is_set_back_is_believed() {
    let world = World::new(PLAIN);
    let mut daemon = Daemon::new(&world);
    for (text, time) in [("one\n", 0), ("two\n", -50_000), ("three\n", -49_000)] {
        daemon.log(&world, text, time);
    }
    assert_eq!(timed(&world.path()), lines(&[("one", 0), ("two", -50_000), ("three", -49_000)]));
    let times = Times::open(&world.path()).unwrap();
    assert_eq!((times.offset_at(later(-49_500)), times.offset_at(later(1))), (Some(0), None));
}

#[test]
#[cfg(target_os = "linux")]
fn a_death_at_any_point_leaves_the_times_in_order() {
    for number in 0.. {
        let world = World::new(Policy { max_size: 25, keep: 9, ..PLAIN });
        Daemon::new(&world).log(&world, "one\n", 0);
        let mut daemon = Daemon::new(&world);
        world.write("two\nthree\nfour\nfive\nsix\nseven\n");
        let lived = point::at(number, || daemon.drain_at(&world, 1000)).is_some();
        drop(daemon);
        Daemon::new(&world).drain_at(&world, 2000);
        let timed = timed(&world.path());
        assert_eq!(timed[0], ("one".into(), Some(0)), "{number}");
        let others: Vec<i64> = timed[1..].iter().map(|(_, time)| time.unwrap()).collect();
        assert!(others.len() == 6 && others.is_sorted() && others[0] >= 1000, "{number}: {timed:?}");
        if lived {
            break;
        }
    }
}
