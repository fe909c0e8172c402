//! Files that are compressed, and deaths in between.
#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

use super::*;
use crate::engine::log::support::{ID, PLAIN, World, now, point};
use crate::engine::log::{Policy, files};
use crate::logs::times::{FOLDER, Times};
use flate2::read::GzDecoder;
use std::io::Read;

const SMALL: Policy = Policy { max_size: 20, keep: 4, compress: true, ..PLAIN };

/// What all files of the log say, the oldest first.
fn read(log: &Path) -> String {
    let text = |path: PathBuf| {
        let mut bytes = Vec::new();
        let file = File::open(&path).unwrap();
        if rotate::is_compressed(&path) {
            GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        } else {
            (&file).read_to_end(&mut bytes).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    };
    files(log).unwrap().into_iter().map(text).collect()
}

fn names(log: &Path) -> String {
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files(log).unwrap().into_iter().map(name).collect::<Vec<_>>().join(" ")
}

fn drain(world: &World, text: &str) -> crate::engine::log::Writer {
    let (mut intake, mut log) = (world.intake(), world.log());
    world.write(text);
    intake.drain(ID, world.pipe(), &mut log, now(), usize::MAX, None).unwrap();
    log
}

fn numbered(lines: std::ops::Range<u32>) -> String {
    lines.map(|n| format!("line {n:04}\n")).collect()
}

#[test]
fn rotated_files_are_compressed_the_oldest_first() {
    let world = World::new(SMALL);
    let mut log = drain(&world, &numbered(0..7));
    assert_eq!(names(&world.path()), "web.log.3 web.log.2 web.log.1 web.log");
    let mut done = 0;
    while let Some(file) = log.to_compress() {
        write(&world.path(), &file).unwrap();
        log.compressed(true).unwrap();
        done += 1;
        assert_eq!(read(&world.path()), numbered(0..7));
    }
    assert_eq!(done, 3);
    assert_eq!(names(&world.path()), "web.log.3.gz web.log.2.gz web.log.1.gz web.log");
    // lines in it have their times as before
    let small = world.path().with_extension("log.2.gz");
    let times = Times::of(&world.path(), &small.metadata().unwrap()).unwrap();
    assert_eq!(times.time_at(0).map(jiff::Timestamp::as_second), Some(now().as_second()));
    // what is dropped takes its index along
    let mut log = drain(&world, &numbered(7..20));
    assert_eq!(read(&world.path()), numbered(10..20));
    log.expire(now()).unwrap();
    assert_eq!(std::fs::read_dir(world.folder.path().join(FOLDER)).unwrap().count(), 5);
}

#[test]
fn a_rotation_meanwhile_harms_nothing() {
    let world = World::new(SMALL);
    let mut log = drain(&world, &numbered(0..3));
    let file = log.to_compress().unwrap();
    write(&world.path(), &file).unwrap();
    let mut log = drain(&world, &numbered(3..5));
    log.compressed(true).unwrap();
    assert_eq!(names(&world.path()), "web.log.2.gz web.log.1 web.log");
    assert_eq!(read(&world.path()), numbered(0..5));
    // the file is gone before it is done
    let file = log.to_compress().unwrap();
    write(&world.path(), &file).unwrap();
    let mut log = drain(&world, &numbered(5..30));
    log.compressed(true).unwrap();
    assert!(read(&world.path()).ends_with(&numbered(21..30)));
    log.expire(now()).unwrap();
    assert!(std::fs::read_dir(world.folder.path().join(FOLDER)).unwrap().all(|entry| {
        let name = entry.unwrap().file_name();
        !name.to_str().unwrap().ends_with("gz")
    }));
}

#[test]
fn a_death_while_names_change_loses_and_doubles_nothing() {
    for number in 0..3 {
        let world = World::new(SMALL);
        let mut log = drain(&world, &numbered(0..5));
        let file = log.to_compress().unwrap();
        write(&world.path(), &file).unwrap();
        point::at(number, || log.compressed(true).unwrap());
        assert_eq!(read(&world.path()), numbered(0..5), "{number}");
        let mut log = drain(&world, &numbered(5..6));
        log.compressed(true).unwrap();
        assert_eq!(read(&world.path()), numbered(0..6), "{number}");
        assert_eq!(rotate::list_all(&world.path()).unwrap().len(), 2, "{number}");
    }
}

#[test]
fn what_was_not_finished_is_begun_anew_and_what_fails_leaves_the_file() {
    let world = World::new(SMALL);
    let mut log = drain(&world, &numbered(0..3));
    let file = log.to_compress().unwrap();
    let part = scratch(&world.path(), file.metadata().unwrap().ino(), "gz.part");
    File::create_new(&part).unwrap();
    log.compressed(true).unwrap();
    assert_eq!(log.to_compress().as_deref(), Some(&*file));
    write(&world.path(), &file).unwrap();
    assert!(!part.exists());
    log.compressed(true).unwrap();
    assert_eq!(log.to_compress(), None);
    log.compressed(false).unwrap();
    assert_eq!(read(&world.path()), numbered(0..3));
    assert!(write(&world.path(), &world.folder.path().join("no")).is_err());
}
