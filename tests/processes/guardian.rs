//! The guardian: what is killed, stopped, replaced, and what is left of it.
//!
//! Supervisors and programs tell what they saw by lines appended to files in a folder, which is
//! their second word.

use crate::Test;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};
use svc::supervisor::guardian::{self, FINISHED, Hand, RELOAD, SIGNALS};
use svc::sys::signals::Signals;
use svc::sys::subreaper::{self, Exit};
use svc::sys::{fds, process};

const DEADLINE: Duration = Duration::from_mins(1);
/// Id of the descriptor that every test keeps.
const KEPT: u64 = 7;

/// A guardian, doing this work.
pub(crate) fn guardian(work: &str) -> ExitCode {
    let work: guardian::Work = match work {
        "busy" => busy,
        "lazy" => lazy,
        "dying" => |hand| {
            tell("generations", &hand.generation.to_string());
            1
        },
        "reluctant" => reluctant,
        other => panic!("{other}"),
    };
    guardian::run(work).unwrap()
}

// ---- the programs

/// Tells that it runs, and what it was given by mistake; then ends.
pub(crate) fn child(millis: u64, code: &str) -> ExitCode {
    let mut open: Vec<_> = std::fs::read_dir("/proc/self/fd").unwrap().map(|e| e.unwrap().file_name()).collect();
    open.retain(|number| !["0", "1", "2"].contains(&number.to_str().unwrap()));
    if open.len() > 1 {
        tell("leaks", &format!("{open:?}")); // one is the listing itself
    }
    tell("started", &format!("{} {code}", key(std::process::id(), own_start())));
    let until = Instant::now() + Duration::from_millis(millis);
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
    ExitCode::from(code.parse::<u8>().unwrap())
}

fn own_start() -> u64 {
    process::stat(std::process::id()).unwrap().start_ticks
}

// ---- the supervisors

/// Starts programs without end, records every end it sees, adds to what it was given; SIGTERM:
/// no more programs, done when all have ended; SIGHUP: reload; guardian gone: takes over.
fn busy(mut hand: Hand) -> u8 {
    let signals = Signals::take(&SIGNALS).unwrap();
    check_in(&hand);
    let mut random = u64::from(std::process::id());
    let mut ending = false;
    loop {
        while let Some((pid, exit)) = subreaper::peek_ended().unwrap() {
            tell("ended", &format!("{} {}", key(pid, subreaper::start_ticks(pid)), shown(exit)));
            subreaper::reap(pid).unwrap();
        }
        loop {
            match hand.next_ended() {
                Ok(Some(ended)) => {
                    let line = format!("{} {}", key(ended.pid, ended.start_ticks), shown(ended.exit));
                    tell("ended", &format!("{line} {}", ended.sequence));
                    hand.consume().unwrap();
                }
                Ok(None) => break,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    drop(signals);
                    let mut stored: Vec<(u64, OwnedFd)> = std::mem::take(&mut hand.stored);
                    if stored.is_empty() {
                        stored.push((KEPT, OpenOptions::new().read(true).open(here("kept")).unwrap().into()));
                    }
                    hand.take_over(stored)
                }
                Err(error) => panic!("{error}"),
            }
        }
        match signals.next().unwrap() {
            Some(Signal::SIGTERM) => ending = true,
            Some(Signal::SIGHUP) => return RELOAD,
            _ => {}
        }
        if ending && !program_alive() && lines("started").len() == ends().len() {
            write("staged", &read_all_now(&hand.staging.0));
            return FINISHED;
        }
        if !ending && lines("started").len() < ends().len() + 10 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            start((random >> 40) % 40, (random >> 50) % 200);
        }
        let pause = Some(Duration::from_millis(5));
        fds::wait(&[(hand.channel(), false), (signals.fd(), false)], pause).unwrap();
    }
}

/// Tells who it is, looks at what it was given, adds its own.
fn check_in(hand: &Hand) {
    if hand.generation == 1 {
        assert!(hand.staging_is_new && hand.stored.is_empty());
        write("kept", "contents of the kept file");
        hand.keep(KEPT, File::open(here("kept")).unwrap().as_fd()).unwrap();
    } else if let Some((id, fd)) = hand.stored.first() {
        assert!(!hand.staging_is_new && hand.stored.len() == 1 && *id == KEPT);
        let file = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(fd))).unwrap();
        let contents = std::io::read_to_string(file).unwrap();
        assert_eq!(contents, "contents of the kept file");
    } else {
        tell("generations", "lost the kept file"); // killed before it could give it away
    }
    (&File::from(hand.staging.1.try_clone().unwrap())).write_all(format!("{} ", hand.generation).as_bytes()).unwrap();
    tell("generations", &hand.generation.to_string());
    tell("limits", &format!("{:?} {:?}", hand.open_files, hand.reload_failed));
    tell("guardians", &hand.guardian_pid.to_string());
    tell("supervisors", &std::process::id().to_string());
}

/// The first starts a thousand programs; the next looks at nothing until it is told, then at all.
fn lazy(hand: Hand) -> u8 {
    let signals = Signals::take(&SIGNALS).unwrap();
    check_in(&hand);
    if hand.generation == 1 {
        for _ in 0..1000 {
            start(1500, 3);
        }
        tell("all", "started");
        loop {
            fds::wait(&[(hand.channel(), false)], None).unwrap();
        }
    }
    while signals.next().unwrap() != Some(Signal::SIGTERM) {
        fds::wait(&[(signals.fd(), false)], None).unwrap();
    }
    while ends().len() < 1000 {
        while let Some(ended) = hand.next_ended().unwrap() {
            tell("ended", &format!("{} {} {}", key(ended.pid, ended.start_ticks), shown(ended.exit), ended.sequence));
            hand.consume().unwrap();
        }
        fds::wait(&[(hand.channel(), false)], Some(Duration::from_millis(100))).unwrap();
    }
    FINISHED
}

/// The first two die of the wish to end; the third fills the guardian's queue of orders, then
/// keeps it.
fn reluctant(hand: Hand) -> u8 {
    let signals = Signals::take(&SIGNALS).unwrap();
    check_in(&hand);
    while signals.next().unwrap() != Some(Signal::SIGTERM) {
        fds::wait(&[(signals.fd(), false)], None).unwrap();
    }
    if hand.generation < 3 {
        return 1;
    }
    kill(Pid::from_raw(hand.guardian_pid.cast_signed()), Signal::SIGSTOP).unwrap();
    for id in 0..2000 {
        hand.keep(100 + id % 10, hand.channel()).unwrap();
        hand.forget(100 + id % 10).unwrap();
    }
    FINISHED
}

fn start(millis: u64, code: u64) {
    let mut words: Vec<_> = std::env::args().take(3).collect();
    words[1] = "child".into();
    // not waited for by this handle: ends are seen as orphans' are
    drop(
        Command::new("/proc/self/exe")
            .args([&words[1], &words[2], &millis.to_string(), &code.to_string()])
            .spawn()
            .unwrap(),
    );
}

// ---- what they share

fn here(name: &str) -> PathBuf {
    Path::new(&std::env::args().nth(2).unwrap()).join(name)
}

fn tell(name: &str, line: &str) {
    let file = OpenOptions::new().append(true).create(true).open(here(name)).unwrap();
    (&file).write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn write(name: &str, text: &str) {
    std::fs::write(here(name), text).unwrap();
}

fn lines(name: &str) -> BTreeSet<String> {
    lines_of(&here(name)).into_iter().collect()
}

fn lines_of(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn ends() -> BTreeSet<String> {
    lines("ended").into_iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn key(pid: u32, start: u64) -> String {
    format!("{pid}@{start}")
}

fn shown(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => code.to_string(),
        Exit::Signal { number, .. } => format!("signal-{number}"),
    }
}

fn read_all_now(pipe: &OwnedFd) -> String {
    fds::set_nonblocking(pipe.as_fd()).unwrap();
    let mut text = Vec::new();
    let _ = File::from(pipe.try_clone().unwrap()).read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}
fn program_alive() -> bool {
    let folder = std::env::args().nth(2).unwrap();
    let wanted = format!("\0child\0{folder}\0");
    std::fs::read_dir("/proc").unwrap().any(|entry| {
        let line = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        line.windows(wanted.len()).any(|part| part == wanted.as_bytes())
    })
}

// ---- the test

pub(crate) const TESTS: [Test; 8] = [
    ("ends_descriptors_and_pipe_survive_a_hundred_kills", || kills(&Host::new())),
    ("more_ends_than_the_queue_holds_arrive", || overflow(&Host::new())),
    ("a_stopped_supervisor_is_continued", || stopped(&Host::new())),
    ("the_wish_to_end_outlives_supervisors_and_a_stopped_guardian_is_continued", || wishes(&Host::new())),
    ("a_supervisor_that_keeps_dying_is_started_ever_more_slowly", || dying_often(&Host::new())),
    ("a_supervisor_takes_its_guardians_place", || takeovers(&Host::new())),
    ("a_reload_keeps_the_pid_and_all_else", || reloads(&Host::new())),
    ("a_reload_without_a_file_changes_nothing", || lost_file(Host::new())),
];

/// A folder, and a guardian that works in it.
struct Host {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, program: std::env::current_exe().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn lines(&self, name: &str) -> Vec<String> {
        lines_of(&self.path(name))
    }

    fn guardian(&self, work: &str) -> Child {
        Command::new(&self.program).arg("guardian").arg(self.folder.path()).arg(work).spawn().unwrap()
    }

    fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done() {
            let seen: Vec<_> = ["generations", "started", "ended"].map(|name| self.lines(name).len()).into();
            assert!(Instant::now() < deadline, "waited in vain for {what}; lines: {seen:?}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// The supervisor that checked in as the nth, from 1.
    fn supervisor(&self, nth: usize) -> Pid {
        self.until(&format!("supervisor {nth}"), || self.lines("supervisors").len() >= nth);
        Pid::from_raw(self.lines("supervisors")[nth - 1].parse().unwrap())
    }

    /// Asks for the end; the guardian may be ours or a supervisor that took its place.
    fn finish(&self, guardian: u32) {
        kill(Pid::from_raw(guardian.cast_signed()), Signal::SIGTERM).unwrap();
        self.ended_well(guardian);
    }

    fn ended_well(&self, guardian: u32) {
        let mut end = None;
        self.until("the guardian's end", || {
            if let Ok(Some(subreaper::Change::Ended(exit))) = subreaper::change_of(guardian) {
                end = Some(exit);
            }
            end.is_some()
        });
        subreaper::reap(guardian).unwrap();
        assert_eq!(end, Some(Exit::Code(0)));
    }

    /// Every program that started has ended as it was told to, and nobody else has; told again
    /// only what was looked at by a supervisor that was killed before it said so.
    fn all_accounted_for(&self) {
        let started: BTreeMap<String, String> = self.lines("started").iter().map(|line| two(line)).collect();
        let mut told: BTreeMap<String, Vec<(String, Option<u64>)>> = BTreeMap::new();
        for line in self.lines("ended") {
            let words: Vec<&str> = line.split(' ').collect();
            let sequence = words.get(2).map(|number| number.parse().unwrap());
            told.entry(words[0].into()).or_default().push((words[1].into(), sequence));
        }
        assert_eq!(started.keys().collect::<Vec<_>>(), told.keys().collect::<Vec<_>>());
        let mut sequences = BTreeMap::new();
        for (key, ends) in &told {
            assert!(ends.iter().all(|(code, _)| *code == started[key]), "{key}: {ends:?}");
            for sequence in ends.iter().filter_map(|(_, sequence)| *sequence) {
                assert_eq!(sequences.insert(sequence, key).unwrap_or(key), key, "one number, two ends");
            }
        }
        let repeated = told.values().filter(|ends| ends.len() > 1).count();
        println!(
            "  {} programs, {} of their ends through the guardian, {repeated} told again",
            started.len(),
            sequences.len()
        );
        assert_eq!(self.lines("leaks"), [""; 0]);
    }

    /// What each supervisor wrote into the pipe is there, in order.
    fn staged(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.path("staged")).unwrap();
        let numbers: Vec<u32> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{text}");
        numbers
    }
}

fn two(line: &str) -> (String, String) {
    let (key, code) = line.split_once(' ').unwrap();
    (key.into(), code.into())
}

fn id(pid: Pid) -> u32 {
    pid.as_raw().cast_unsigned()
}

fn kills(host: &Host) {
    let guardian = host.guardian("busy").id();
    let mut random = u64::from(guardian);
    for round in 1..=100 {
        let supervisor = host.supervisor(round);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::park_timeout(Duration::from_micros(random >> 49)); // up to 33 ms
        kill(supervisor, Signal::SIGKILL).unwrap();
    }
    host.until("programs", || host.lines("started").len() > 300);
    host.finish(guardian);
    host.all_accounted_for();
    let generations = host.lines("generations");
    assert!(generations.len() > 100 && !generations.contains(&"lost the kept file".into()));
    assert_eq!(host.staged().len(), generations.len());
    assert_eq!(host.lines("guardians").iter().collect::<BTreeSet<_>>(), BTreeSet::from([&guardian.to_string()]));
}

fn overflow(host: &Host) {
    let guardian = host.guardian("lazy").id();
    host.until("a thousand programs", || host.lines("started").len() == 1000 && !host.lines("all").is_empty());
    kill(host.supervisor(1), Signal::SIGKILL).unwrap();
    host.supervisor(2);
    // the queue is full now, and the kernel keeps the rest
    host.until("zombies", || zombies_of(guardian) > 100);
    host.finish(guardian);
    host.all_accounted_for();
}

fn zombies_of(parent: u32) -> usize {
    let pids =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter_map(process::stat).filter(|stat| stat.parent == parent && stat.state == b'Z').count()
}

fn stopped(host: &Host) {
    let guardian = host.guardian("busy").id();
    let supervisor = host.supervisor(1);
    for _ in 0..20 {
        kill(supervisor, Signal::SIGSTOP).unwrap();
        let before = host.lines("started").len();
        host.until("more programs", || host.lines("started").len() > before + 10);
    }
    host.finish(guardian);
    host.all_accounted_for();
    assert_eq!(host.staged(), [1]);
}

fn wishes(host: &Host) {
    let guardian = host.guardian("reluctant").id();
    host.supervisor(1);
    host.finish(guardian);
    assert_eq!(host.lines("generations"), ["1", "2", "3"]);
}

fn dying_often(host: &Host) {
    let mut guardian = host.guardian("dying");
    host.until("eight starts", || host.lines("generations").len() >= 8);
    let at_eight = Instant::now();
    host.until("twelve", || host.lines("generations").len() >= 12);
    // the pauses before these are 40, 80, 160, 320 ms
    assert!(at_eight.elapsed() > Duration::from_millis(500), "after {:?}", at_eight.elapsed());
    guardian.kill().unwrap();
    guardian.wait().unwrap();
}

fn takeovers(host: &Host) {
    let mut guardian = host.guardian("busy").id();
    for round in 1..=10 {
        let supervisor = host.supervisor(round);
        // its own programs are to be among those that end after it
        let before = host.lines("started").len();
        host.until("programs", || host.lines("started").len() > before + 10);
        kill(Pid::from_raw(guardian.cast_signed()), Signal::SIGKILL).unwrap();
        host.supervisor(round + 1);
        // its channel closes a moment before it can be reaped
        host.until("the guardian's end", || subreaper::change_of(guardian).unwrap().is_some());
        subreaper::reap(guardian).unwrap();
        guardian = id(supervisor);
        assert_eq!(host.lines("guardians").last(), Some(&guardian.to_string()));
    }
    // the last of them can be reloaded as the first could
    kill(Pid::from_raw(guardian.cast_signed()), Signal::SIGHUP).unwrap();
    host.supervisor(12);
    assert_eq!(host.lines("guardians").last(), Some(&guardian.to_string()));
    // programs of killed guardians became ours
    host.until("the end of programs", || {
        while let Some((pid, exit)) = subreaper::peek_ended().unwrap().filter(|(pid, _)| *pid != guardian) {
            let line = format!("{} {}\n", key(pid, subreaper::start_ticks(pid)), shown(exit));
            OpenOptions::new().append(true).open(host.path("ended")).unwrap().write_all(line.as_bytes()).unwrap();
            subreaper::reap(pid).unwrap();
        }
        let _ = kill(Pid::from_raw(guardian.cast_signed()), Signal::SIGTERM);
        host.path("staged").exists()
    });
    host.ended_well(guardian);
    host.all_accounted_for();
    assert_eq!(host.staged(), (1..=12).collect::<Vec<_>>());
    assert!(!host.lines("generations").contains(&"lost the kept file".into()));
}

fn reloads(host: &Host) {
    let guardian = host.guardian("busy").id();
    for round in 1..=20 {
        host.supervisor(round);
        kill(Pid::from_raw(guardian.cast_signed()), Signal::SIGHUP).unwrap();
    }
    host.supervisor(21);
    host.finish(guardian);
    host.all_accounted_for();
    assert_eq!(host.staged(), (1..=21).collect::<Vec<_>>());
    assert_eq!(host.lines("guardians").iter().collect::<BTreeSet<_>>(), BTreeSet::from([&guardian.to_string()]));
    let limits: BTreeSet<String> = host.lines("limits").into_iter().collect();
    assert_eq!(limits.len(), 1, "{limits:?}");
    assert!(limits.first().unwrap().ends_with(" None"));
}

fn lost_file(mut host: Host) {
    host.program = host.path("svc");
    std::fs::copy(std::env::current_exe().unwrap(), &host.program).unwrap();
    let guardian = host.guardian("busy").id();
    host.supervisor(1);
    std::fs::remove_file(&host.program).unwrap();
    kill(Pid::from_raw(guardian.cast_signed()), Signal::SIGHUP).unwrap();
    host.supervisor(2);
    assert!(host.lines("limits")[1].ends_with(" Some(2)"), "ENOENT: {:?}", host.lines("limits"));
    std::fs::copy(std::env::current_exe().unwrap(), &host.program).unwrap();
    kill(Pid::from_raw(guardian.cast_signed()), Signal::SIGHUP).unwrap();
    host.supervisor(3);
    assert!(host.lines("limits")[2].ends_with(" None"));
    host.finish(guardian);
    host.all_accounted_for();
    assert_eq!(host.staged(), [1, 2, 3]);
}
