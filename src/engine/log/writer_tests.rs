//! Files as they are opened, and a disk that is full.
#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

use super::support::{ID, PLAIN, World, asked, now, process};
use super::{Policy, Rest, Writer};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn folder_and_file_are_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/web.log");
    Writer::open(&path, PLAIN).unwrap();
    // the umask of whoever runs the tests may take more away
    assert_eq!((mode(path.parent().unwrap()) & !0o750, mode(&path) & !0o640), (0, 0));
    assert_eq!((mode(path.parent().unwrap()) & 0o700, mode(&path) & 0o600), (0o700, 0o600));
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    std::fs::File::create_new(path("target")).unwrap();
    std::os::unix::fs::symlink(path("target"), path("link")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", path("dangling")).unwrap();
    std::fs::hard_link(path("target"), path("second")).unwrap();
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::DirBuilder::new().mode(0o700).create(path("folder")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    for (name, why) in [
        ("link", "is a symbolic link"),
        ("dangling", "is a symbolic link"),
        ("second", "has a second name"),
        ("fifo", "is no regular file"),
        ("folder", "is no regular file"),
        ("socket", "is no regular file"),
    ] {
        let error = Writer::open(&path(name), PLAIN).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(name), "{name}: {error}");
    }
    assert!(Writer::open(Path::new("/dev/full"), PLAIN).is_err());
}

#[test]
fn days_are_kept() {
    let world = World::new(Policy { max_size: 5, keep_days: Some(2), ..PLAIN });
    let mut log = world.log();
    let age = |number: u32, hours: u64| {
        let path = world.path().with_extension(format!("log.{number}"));
        let file = std::fs::File::create_new(path).unwrap();
        file.set_modified(SystemTime::from(now()) - Duration::from_secs(hours * 3600)).unwrap();
    };
    for (number, hours) in [(1, 1), (2, 47), (3, 49)] {
        age(number, hours);
    }
    log.expire(now()).unwrap();
    assert_eq!(world.files().len(), 3, "the log and two more");
    log.set_policy(PLAIN);
    log.expire(now() + jiff::SignedDuration::from_hours(1000)).unwrap();
    assert_eq!(world.files().len(), 3, "for ever");
}

/// Ten days of a service that writes every ten minutes, by a clock of the test's own: files are cut by
/// size, go by number and by age, and what is left is whole, in order, and knows its times.
#[test]
fn ten_days_of_rotation() {
    let world = World::new(Policy { max_size: 2000, keep: 6, keep_days: Some(2), ..PLAIN });
    let (mut intake, mut log) = (world.intake(), world.log());
    let mut dropped = (false, false);
    for step in 0..10 * 144_i64 {
        // quick on the first days, then slow: files go by number first, later by age
        let quick = step < 4 * 144;
        let now = now() + jiff::SignedDuration::from_mins(step * 10);
        if quick || step % 9 == 0 {
            world.write(&format!("line {step} {}\n", "x".repeat(if quick { 90 } else { 20 })));
            intake.drain(ID, world.pipe(), &mut log, now, usize::MAX, None).unwrap();
            let file = std::fs::File::options().append(true).open(world.path()).unwrap();
            file.set_modified(SystemTime::from(now)).unwrap(); // as a kernel of that time would
        }
        if step % 6 != 0 {
            continue;
        }
        let before = world.files().len();
        log.expire(now).unwrap();
        let files = super::files(&world.path()).unwrap();
        dropped.0 |= files.len() == 7;
        dropped.1 |= files.len() < before;
        assert!(files.len() <= 7, "{files:?}");
        for (at, path) in files.iter().enumerate() {
            let found = path.metadata().unwrap();
            let age = SystemTime::from(now).duration_since(found.modified().unwrap()).unwrap();
            assert!(at + 1 == files.len() || age <= Duration::from_hours(48), "{path:?} {age:?}");
            assert!(found.len() <= 2000, "{path:?}");
        }
        let all = world.logged();
        let numbers: Vec<i64> = all.lines().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        let last = if quick { step } else { step - step % 9 };
        assert!(numbers.ends_with(&[last]), "{step}: {numbers:?}");
        let next = |number: i64| if number + 1 < 4 * 144 { number + 1 } else { (number / 9 + 1) * 9 };
        assert!(numbers.windows(2).all(|pair| pair[1] == next(pair[0])), "{numbers:?}");
        let times = crate::logs::times::Times::open(&world.path()).unwrap();
        let newest = std::fs::read_to_string(world.path()).unwrap();
        let first: i64 = newest.split(' ').nth(1).unwrap().parse().unwrap();
        let expected = super::support::now() + jiff::SignedDuration::from_mins(first * 10);
        assert_eq!(times.time_at(0).map(jiff::Timestamp::as_second), Some(expected.as_second()));
    }
    assert_eq!(dropped, (true, true), "by number, by age");
}

const VARIABLE: &str = "SVC_TEST_DISK_FULL";

#[test]
fn a_full_disk_blocks_and_loses_nothing() {
    let output = process("writer_tests::with_a_full_disk", VARIABLE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// A limit of the size of files is as good as a full disk: it lets a part of a write through.
#[test]
#[ignore = "run by `a_full_disk_blocks_and_loses_nothing` in a process of its own"]
fn with_a_full_disk() {
    if asked(VARIABLE).is_none() {
        return;
    }
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGXFSZ);
    signals.thread_block().unwrap();
    let hard = getrlimit(Resource::RLIMIT_FSIZE).unwrap().1;
    for (timestamps, tee) in [(false, true), (true, true), (true, false)] {
        let policy = Policy { timestamps, ..PLAIN };
        let world = if tee { World::new(policy) } else { World::elsewhere(policy) };
        let (mut intake, mut log) = (world.intake(), world.log());
        let mut drain = |log: &mut Writer| intake.drain(ID, world.pipe(), log, now(), usize::MAX, None).unwrap();
        world.write("before\n");
        drain(&mut log);
        setrlimit(Resource::RLIMIT_FSIZE, 1000, hard).unwrap();
        let text: String = (0..30).map(|n| format!("line {n} {}\n", "x".repeat(40))).collect();
        world.write(&text);
        for _ in 0..2 {
            let done = drain(&mut log);
            assert!(matches!(&done.rest, Rest::Blocked(cause) if cause.raw_os_error() == Some(nix::libc::EFBIG)));
            assert_eq!((done.bytes, world.logged().as_str()), (0, "before\n"));
        }
        world.write("after\n");
        setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
        while matches!(drain(&mut log).rest, Rest::More) {}
        assert_eq!(world.logged(), format!("before\n{text}after\n"));
        // a note that finds no room comes later
        setrlimit(Resource::RLIMIT_FSIZE, 1000, hard).unwrap();
        intake.note(ID, &mut log, now(), "svc: a note");
        assert!(world.logged().ends_with("after\n"));
        setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
        world.write("last\n");
        intake.drain(ID, world.pipe(), &mut log, now(), usize::MAX, None).unwrap();
        assert!(world.logged().ends_with("after\nsvc: a note\nlast\n"));
    }
}
