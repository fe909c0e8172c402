//! Faults under svc's own supervisor: it and its guardian killed and stopped, at random and at each of
//! its system calls; its files cut; the disk full; services that crash, flood, fork and hide. The
//! counts are printed (`--nocapture`).
//!
//! `SVC_TEST_LONG=1` runs the long variants: 1,000 sequences of commands, every length of the state
//! file, every point of injection.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr, reason = "test code")]
#![cfg(target_os = "linux")]

mod support;
#[path = "support/task_faults.rs"]
mod task_faults;
use support::{Bare, Seen, descriptors, kill, lives, seen, skip, wait_until, zombies};

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn long() -> bool {
    std::env::var_os("SVC_TEST_LONG").is_some()
}

/// Small random numbers; the seed is printed.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::env::var("SVC_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos()) | 1
        });
        eprintln!("SVC_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Writes numbered lines for ever, 200 a second.
const STEADY: &str = r#"#!/usr/bin/perl
$| = 1; my $i = 0;
while (1) { print "$$ ", $i++, "\n"; select undef, undef, undef, 0.005 }
"#;

/// Writes 30 numbered lines and a last word, then ends with a failure.
const FLAPPING: &str = r#"#!/usr/bin/perl
$| = 1;
for my $i (0..29) { print "$$ $i\n"; select undef, undef, undef, 0.015 }
print "$$ end\n"; exit 3;
"#;

/// Each run counts from 0 without a gap or a double, and one that ended did so with its last word.
/// How many lines and runs.
#[track_caller]
fn whole(name: &str, lines: &[String]) -> (usize, usize) {
    let mut run = String::new();
    let mut next = 0;
    let mut runs = 0;
    for (at, line) in lines.iter().enumerate() {
        let near = || format!("{name}, line {at}: {:?}", &lines[at.saturating_sub(5)..(at + 5).min(lines.len())]);
        let (pid, word) = line.split_once(' ').unwrap_or_else(|| panic!("half a line: {}", near()));
        if pid != run {
            assert!(run.is_empty() || next == usize::MAX, "cut short: {}", near());
            pid.clone_into(&mut run);
            next = 0;
            runs += 1;
        }
        if word == "end" {
            assert_eq!(next, 30, "{}", near());
            next = usize::MAX;
        } else {
            assert_eq!(word.parse(), Ok(next), "{}", near());
            next += 1;
        }
    }
    (lines.len(), runs)
}

/// Main processes by service: session leaders that carry its mark.
fn mains(bare: &Bare) -> BTreeMap<String, Vec<Seen>> {
    let mut all: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for seen in bare.processes() {
        if !seen.service.is_empty() && seen.state != 'Z' {
            all.entry(seen.service.clone()).or_default().push(seen);
        }
    }
    all
}

/// Waits until every service of `names` is told to be up by the supervisor; how long that took.
#[track_caller]
fn under_control(bare: &Bare, count: usize) -> Duration {
    let began = Instant::now();
    wait_until("all under control", 20, || {
        let ran = bare.svc(&["status", "--json"]);
        let Ok(serde_json::Value::Array(all)) = serde_json::from_str(&ran.out) else { return Err(ran.to_string()) };
        let up = |one: &&serde_json::Value| {
            let reason = one["reason"].as_str().unwrap_or_default();
            matches!(one["state"].as_str(), Some("running" | "starting" | "restarting"))
                && !reason.contains("without its supervisor")
        };
        let up = all.iter().filter(up).count();
        if up == count { Ok(()) } else { Err(ran.to_string()) }
    });
    began.elapsed()
}

/// Keepers are killed and stopped at random under load: nothing is restarted, doubled or lost.
#[test]
fn keepers_are_killed_at_random() {
    const STEADY_ONES: usize = 40;
    const FLAPPING_ONES: usize = 10;
    let bare = Bare::new();
    let mut random = Random::new();
    let (steady, flapping) = (bare.script("steady", STEADY), bare.script("flapping", FLAPPING));
    let mut manifest = String::new();
    for number in 0..STEADY_ONES {
        writeln!(
            manifest,
            "[service.s{number}]\ncommand = [\"{steady}\"]\nlogs = {{ max_size = \"64K\", keep = 10000 }}"
        )
        .unwrap();
    }
    for number in 0..FLAPPING_ONES {
        writeln!(
            manifest,
            "[service.f{number}]\ncommand = [\"{flapping}\"]\nrestart_delay = \"0s\"\nrestart_limit = {{ count = 100000, within = \"1m\" }}\nlogs = {{ max_size = \"16K\", keep = 10000 }}"
        )
        .unwrap();
    }
    bare.script("svc.toml", &manifest);
    bare.sh("svc install 's*'").ok();
    bare.sh("svc install --no-start 'f*'").ok();
    bare.sh("svc start 'f*'"); // they may end before it is sure that they stay up
    let before: BTreeMap<String, Vec<Seen>> =
        mains(&bare).into_iter().filter(|(name, _)| name.starts_with('s')).collect();
    assert_eq!(before.len(), STEADY_ONES);
    let (mut kills, mut stops, mut guardians, mut both) = (0, 0, 0, 0);
    let mut back = Vec::new();
    for round in 0..200 {
        std::thread::sleep(Duration::from_millis(random.below(40)));
        let (supervisor, guardian) = bare.keepers();
        // the last rounds kill both; what ends in that moment takes what is in its pipe along: only
        // services that run on are looked at then
        if round == 180 {
            bare.sh("svc stop 'f*'").ok();
        }
        match random.below(10) {
            _ if round >= 180 => {
                bare.kill_keepers();
                bare.sh("svc supervisor start").ok();
                both += 1;
            }
            0..=6 => {
                kill(supervisor, 9);
                kills += 1;
            }
            7 | 8 => {
                kill(supervisor, 19);
                stops += 1;
            }
            _ => {
                kill(guardian, 9);
                guardians += 1;
            }
        }
        let count = if round >= 180 { STEADY_ONES } else { STEADY_ONES + FLAPPING_ONES };
        back.push(under_control(&bare, count));
        for (name, all) in mains(&bare) {
            assert_eq!(all.len(), 1, "round {round}: copies of {name}: {all:?}");
        }
    }
    let after: BTreeMap<String, Vec<Seen>> =
        mains(&bare).into_iter().filter(|(name, _)| name.starts_with('s')).collect();
    for (name, all) in &before {
        assert_eq!((all[0].pid, all[0].start), (after[name][0].pid, after[name][0].start), "{name} was restarted");
    }
    bare.sh("svc stop --all").ok();
    assert_eq!(mains(&bare), BTreeMap::new());
    let (supervisor, guardian) = bare.keepers();
    assert_eq!(zombies(&[supervisor, guardian]), []);
    let (mut lines, mut runs) = (0, 0);
    for number in 0..STEADY_ONES {
        let (count, of) = whole(&format!("s{number}"), &bare.logged(&format!("s{number}")));
        assert_eq!(of, 1);
        lines += count;
    }
    for number in 0..FLAPPING_ONES {
        // its last run was stopped
        let (count, of) = whole(&format!("f{number}"), &bare.logged(&format!("f{number}")));
        lines += count;
        runs += of;
    }
    back.sort();
    let (median, slowest) = (back[back.len() / 2], back[back.len() - 1]);
    eprintln!(
        "supervisor killed {kills} times, stopped {stops}, guardian killed {guardians}, both {both}: {STEADY_ONES} services not restarted, {FLAPPING_ONES} restarted themselves {runs} times, {lines} lines whole; back under control after {median:?} (median), {slowest:?} (slowest)"
    );
    assert!(median < Duration::from_secs(1), "{median:?}");
    bare.sh("svc uninstall --all").ok();
}

/// 10,000 lines a run, five runs, then it waits.
const COUNTING: &str = r#"#!/usr/bin/perl
my ($n) = @ARGV; my $file = "at.$n"; my $from = 0;
if (open my $f, '<', $file) { $from = <$f> + 0 }
my $to = $from + 10000;
for my $i ($from..$to - 1) { print "$i\n" }
$| = 1; print "";
open my $f, '>', $file; print $f $to; close $f;
if ($to == 50000) { sleep 1 while 1 }
exit 3;
"#;

#[test]
fn a_million_lines_arrive_once_and_in_order() {
    let bare = Bare::new();
    let mut random = Random::new();
    let program = bare.script("counting", COUNTING);
    let mut manifest = String::new();
    for number in 0..20 {
        writeln!(
            manifest,
            "[service.c{number}]\ncommand = [\"{program}\", \"{number}\"]\nrestart_delay = \"0s\"\nrestart_limit = {{ count = 100, within = \"1m\" }}\nlogs = {{ max_size = \"64K\", keep = 1000 }}"
        )
        .unwrap();
    }
    bare.script("svc.toml", &manifest);
    let began = Instant::now();
    bare.sh("svc install --no-start").ok();
    bare.sh("svc start").code(1); // none stays up: they end as soon as they have written all
    let mut kills = 0;
    let done = |number: u32| {
        std::fs::read_to_string(bare.path().join(format!("work/at.{number}"))).is_ok_and(|text| text == "50000")
    };
    while !(0..20).all(done) || kills < 20 {
        std::thread::sleep(Duration::from_millis(random.below(60)));
        if let Some(supervisor) = bare.supervisor() {
            kill(supervisor, 9);
            kills += 1;
        }
        assert!(began.elapsed() < Duration::from_mins(2));
    }
    let took = began.elapsed();
    let mut total = 0;
    for number in 0..20 {
        let name = format!("c{number}");
        let lines = wait_until("all lines", 20, || {
            let lines = bare.logged(&name);
            if lines.len() >= 50_000 { Ok(lines) } else { Err(format!("{} lines of {name}", lines.len())) }
        });
        for (at, line) in lines.iter().enumerate() {
            assert_eq!(*line, at.to_string(), "{name}");
        }
        total += lines.len();
    }
    assert_eq!(total, 1_000_000);
    eprintln!(
        "{total} lines of 20 services over {kills} kills, 80 restarts and rotation in {took:?}: each once, in order"
    );
    bare.sh("svc uninstall --all").ok();
}

/// Four terminals at once, then one last command: it is the state of that command.
#[test]
fn the_last_command_wins() {
    let bare = Bare::new();
    let mut random = Random::new();
    let program = bare.script("steady", STEADY);
    let names: Vec<String> = (0..4).map(|number| format!("r{number}")).collect();
    for name in &names {
        bare.sh(&format!(
            "svc install {name} --restart-delay 10ms --restart-max-delay 20ms --restart-limit 100000/1m -- {program}"
        ))
        .ok();
    }
    let (supervisor, guardian) = bare.keepers();
    let at_start = (descriptors(supervisor), descriptors(guardian));
    let began = Instant::now();
    let (limit, most) = if long() { (Duration::from_hours(1), 1000) } else { (Duration::from_secs(20), 1000) };
    let (mut sequences, mut commands) = (0, 0);
    while sequences < most && began.elapsed() < limit {
        // every service has four clients, each with one or two commands
        let mut plans: Vec<Vec<String>> = Vec::new();
        for name in &names {
            for _ in 0..4 {
                let plan = (0..=random.below(2)).map(|_| match random.below(5) {
                    0 => format!("svc stop {name}"),
                    1 => format!("svc start {name}"),
                    2 => format!("svc restart {name}"),
                    3 => format!("svc reload {name}"),
                    _ => format!("kill:{name}"),
                });
                plans.push(plan.collect());
            }
        }
        commands += plans.iter().map(Vec::len).sum::<usize>();
        std::thread::scope(|scope| {
            for plan in &plans {
                let bare = &bare;
                scope.spawn(move || {
                    for command in plan {
                        if let Some(name) = command.strip_prefix("kill:") {
                            bare.of_service(name).iter().for_each(|seen| kill(seen.pid, 9));
                        } else {
                            // a start that another stops says so; nothing hangs or is refused
                            let ran = bare.sh(command);
                            assert!(matches!(ran.code, 0 | 1), "{ran}");
                        }
                    }
                });
            }
        });
        std::thread::scope(|scope| {
            for name in &names {
                let verb = ["start", "stop", "restart"][usize::try_from(random.below(3)).unwrap()];
                let bare = &bare;
                scope.spawn(move || {
                    bare.sh(&format!("svc {verb} {name}")).ok();
                    let up = verb != "stop";
                    assert_eq!(bare.of_service(name).len(), usize::from(up), "{name} after {verb}");
                    assert_eq!(
                        bare.status(name)["state"],
                        if up { "running" } else { "stopped" },
                        "{name} after {verb}"
                    );
                });
            }
        });
        sequences += names.len();
        commands += names.len();
    }
    bare.sh("svc start --all").ok();
    assert_eq!(bare.keepers(), (supervisor, guardian), "they are the same all the time");
    assert_eq!(zombies(&[supervisor, guardian]), []);
    wait_until("descriptors as at the start", 5, || {
        let now = (descriptors(supervisor), descriptors(guardian));
        if now == at_start { Ok(()) } else { Err(format!("{now:?}, at the start {at_start:?}")) }
    });
    for name in &names {
        assert_eq!(bare.of_service(name).len(), 1);
        // what they wrote is whole, but for the last line of those that were killed
        assert!(!bare.logged(name).is_empty());
    }
    eprintln!(
        "{sequences} sequences, {commands} commands of four clients a service in {:?}: each ended as the last command asked",
        began.elapsed()
    );
    bare.sh("svc uninstall --all").ok();
}

/// What was written down is cut anywhere, damaged anywhere, or gone, and both keepers are killed.
#[test]
fn damaged_state_costs_nothing() {
    let bare = Bare::new();
    let program = bare.script("steady", STEADY);
    for number in 0..4 {
        bare.sh(&format!("svc install d{number} -- {program}")).ok();
    }
    let before = mains(&bare);
    let state = bare.runtime().join("supervisor.state");
    let length = std::fs::metadata(&state).unwrap().len();
    let step = if long() { 1 } else { 251 };
    let mut cuts = 0;
    for cut in (0..=length).step_by(step) {
        bare.kill_keepers();
        let file = std::fs::File::options().write(true).open(&state).unwrap();
        file.set_len(cut).unwrap();
        if cut % 2 == 1 {
            use std::os::unix::fs::FileExt;
            file.write_all_at(b"\0garbage", cut / 2).unwrap();
        }
        bare.sh("svc supervisor start").ok();
        under_control(&bare, 4);
        assert_eq!(mains(&bare).keys().len(), 4);
        for (name, all) in mains(&bare) {
            assert_eq!(
                all.iter().map(|seen| (seen.pid, seen.start)).collect::<Vec<_>>(),
                [(before[&name][0].pid, before[&name][0].start)],
                "cut at {cut}"
            );
        }
        cuts += 1;
    }
    // gone as a whole; then the whole folder
    for path in ["supervisor.state", "supervisor.log-record", "notify.sock", "supervisor.lock", "supervisor.sock"] {
        bare.kill_keepers();
        std::fs::remove_file(bare.runtime().join(path)).unwrap();
        bare.sh("svc supervisor start").ok();
        under_control(&bare, 4);
        assert_eq!(mains(&bare).values().map(Vec::len).sum::<usize>(), 4, "{path}");
    }
    bare.kill_keepers();
    std::fs::remove_dir_all(bare.runtime()).unwrap();
    bare.sh("svc supervisor start").ok();
    under_control(&bare, 4);
    for (name, all) in mains(&bare) {
        assert_eq!((all.len(), all[0].pid), (1, before[&name][0].pid), "{name}");
    }
    bare.sh("svc stop --all").ok();
    assert_eq!(mains(&bare), BTreeMap::new());
    for number in 0..4 {
        let (lines, runs) = whole("d", &bare.logged(&format!("d{number}")));
        assert!(runs == 1 && lines > 100);
    }
    eprintln!("state cut at {cuts} lengths, then gone: 4 services not restarted, no line lost");
    bare.sh("svc uninstall --all").ok();
}

/// Somebody removes what the supervisor needs while it runs.
#[test]
fn removed_under_its_feet() {
    let bare = Bare::new();
    let program = bare.script("steady", STEADY);
    bare.sh(&format!("svc install web -- {program}")).ok();
    let pid = bare.pid("web");
    // the socket
    for name in ["supervisor.sock", "notify.sock"] {
        std::fs::remove_file(bare.runtime().join(name)).unwrap();
        wait_until("an answer", 5, || {
            let ran = bare.sh("svc status web");
            if ran.code == 0 && !ran.out.contains("without its supervisor") { Ok(()) } else { Err(ran.to_string()) }
        });
    }
    bare.sh("svc install told --ready notify --start-timeout 5s -- perl -e 'use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}); $s->send(q(READY=1)); sleep 1000'").ok();
    // the whole runtime folder: moved first, for what is removed from it one by one comes again
    std::fs::rename(bare.runtime(), bare.path().join("gone")).unwrap();
    std::fs::remove_dir_all(bare.path().join("gone")).unwrap();
    wait_until("an answer", 5, || {
        let ran = bare.sh("svc status web");
        if ran.code == 0 && !ran.out.contains("without its supervisor") { Ok(()) } else { Err(ran.to_string()) }
    });
    assert_eq!((bare.pid("web"), mains(&bare)["web"].len()), (pid, 1));
    // the folder of logs, and the log alone
    let log = bare.log("web");
    std::fs::remove_dir_all(log.parent().unwrap()).unwrap();
    wait_until("a new log", 5, || std::fs::metadata(&log).map(|_| ()).map_err(|error| error.to_string()));
    std::fs::remove_file(&log).unwrap();
    wait_until("a new log", 5, || std::fs::metadata(&log).map(|_| ()).map_err(|error| error.to_string()));
    // the log is a folder; then the way is free again, and nothing written since is lost
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    bare.sh("svc status web").ok();
    let restart = Instant::now();
    bare.sh("svc restart told").ok();
    assert!(restart.elapsed() < Duration::from_secs(5));
    std::fs::remove_dir(&log).unwrap();
    wait_until("a new log", 8, || if bare.logged("web").len() > 100 { Ok(()) } else { Err(String::new()) });
    let lines = bare.logged("web");
    let numbers: Vec<u64> = lines.iter().map(|line| line.split_once(' ').unwrap().1.parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "a gap");
    assert_eq!(bare.pid("web"), pid);
    bare.sh("svc uninstall --all").ok();
}

/// A home of 200 KB: install, full, flood, free again; then read-only. In a mount namespace.
#[test]
fn a_full_disk_is_survived_and_said() {
    let bare = Bare::new();
    if bare.sh("unshare -m mount -t tmpfs -o size=64k tmpfs $HOME").code != 0 {
        skip("a_full_disk_is_survived_and_said", "mounts can't be made here");
        return;
    }
    let program = bare.script("steady", STEADY);
    let script = bare.script(
        "script",
        &format!(
            r#"#!/bin/bash
set -u
say() {{ echo "== $1"; }}
mount -t tmpfs -o size=200k tmpfs "$HOME" || exit 9
head -c 1M /dev/zero > ~/filler 2>/dev/null
say "install on a full disk"; svc install web -- {program}; echo "code $?"
find ~ -type f ! -name filler; pgrep -x svc-supervisor -a >/dev/null
rm ~/filler
say "install"; svc install web --logs max_size=10M -- {program}; echo "code $?"
say "full again"; head -c 1M /dev/zero > ~/filler 2>/dev/null; sleep 1.5
svc status web >status; echo "code $?"
svc install web --description changed -- {program} 2>err; echo "code $?"; cat err
svc status web --json | grep -o '"drifted":[a-z]*'
say "restart"; svc restart web; echo "code $?"
say "killed"; pkill -9 -x svc-supervisor --ns $$ --nslist mnt; sleep 0.5; svc status web >/dev/null; echo "code $?"
sleep 1
say "free"; rm ~/filler; sleep 2.5
grep -c 'could not be written for a while' ~/.local/state/svc/logs/web.log
cp ~/.local/state/svc/logs/web.log log
say "read-only"; svc stop web; mount --bind "$HOME" "$HOME"; cd "$HOME/../work"; mount -o remount,ro,bind "$HOME"
svc install web --description changed -- {program}; echo "code $?"
svc status web >/dev/null; echo "code $?"
svc start web; echo "code $?"
svc stop web; echo "code $?"
umount "$HOME"
say "end"; svc uninstall web --purge; echo "code $?"
find ~ -type f
"#
        ),
    );
    let ran = bare.sh(&format!("unshare -m {script}"));
    let part = |name: &str| {
        let all = ran.out.split("== ").find(|part| part.starts_with(name)).unwrap_or_else(|| panic!("{name}: {ran}"));
        all.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(part("install on a full disk"), "code 1\n", "{ran}");
    assert!(part("install\n").ends_with("code 0\n"), "{ran}");
    let full = part("full again");
    assert!(full.starts_with("code 0\ncode 1\n") && full.contains("no space left on device"), "{ran}");
    assert!(full.ends_with("\"drifted\":false\n"), "{ran}");
    assert!(part("restart").ends_with("code 0\n"), "{ran}");
    assert_eq!(part("killed"), "code 0\n", "{ran}");
    assert!(part("free").trim().parse::<u32>().unwrap() >= 1, "{ran}");
    let read_only = part("read-only");
    assert!(read_only.contains("code 1\ncode 3\n"), "{ran}");
    assert!(part("end").ends_with("code 0\n"), "{ran}");
    // the log has all lines of both runs
    let text = bare.read("log");
    let lines: Vec<String> = text.lines().filter(|line| !line.starts_with("svc: ")).map(str::to_owned).collect();
    let mut runs: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in &lines {
        let (pid, number) = line.split_once(' ').unwrap();
        runs.entry(pid).or_default().push(number.parse().unwrap());
    }
    assert_eq!(runs.len(), 2, "{text}");
    for (pid, numbers) in runs {
        for (at, number) in numbers.iter().enumerate() {
            assert_eq!(*number, at as u64, "run {pid}");
        }
    }
}

/// Few descriptors: what does not fit is refused with a reason, what runs goes on.
#[test]
fn thirty_two_descriptors() {
    let bare = Bare::new();
    let ran = bare.sh("ulimit -n 32; for i in $(seq 20); do svc install n$i -- /bin/sleep infinity 2>>err; echo $i $? >>codes; done; cat codes err");
    let codes = bare.read("codes");
    let fine: Vec<&str> = codes.lines().filter(|line| line.ends_with(" 0")).collect();
    eprintln!("{} of 20 services fit into 32 descriptors", fine.len());
    assert!(!fine.is_empty(), "{ran}");
    assert!(fine.len() == 20 || ran.out.contains("too many open files") || ran.out.contains("descriptor"), "{ran}");
    for line in &fine {
        let name = format!("n{}", line.split_once(' ').unwrap().0);
        assert_eq!(bare.status(&name)["state"], "running", "{name} of {ran}");
        assert_eq!(bare.of_service(&name).len(), 1);
    }
    // and after a kill
    kill(bare.keepers().0, 9);
    wait_until("the next one", 10, || bare.supervisor().map(|_| ()).ok_or(String::new()));
    for line in &fine {
        let name = format!("n{}", line.split_once(' ').unwrap().0);
        assert_eq!(bare.status(&name)["state"], "running", "{name} of {ran}");
        assert_eq!(bare.of_service(&name).len(), 1);
    }
    bare.sh("svc uninstall --all --purge").ok();
    bare.wait_empty();
}

/// User and system time of a process, seconds.
fn cpu(pid: i32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<f64> =
        stat.rsplit_once(") ").unwrap().1.split(' ').map(|word| word.parse().unwrap_or(0.0)).collect();
    (fields[11] + fields[12]) / 100.0
}

/// One that crashes as fast as it can: others are unharmed.
#[test]
fn five_thousand_crashes() {
    let crashes = if long() { 5000 } else { 1000 };
    let bare = Bare::new();
    let program = bare.script("steady", STEADY);
    bare.sh(&format!("svc install web -- {program}")).ok();
    let (supervisor, guardian) = bare.keepers();
    let at_start = (descriptors(supervisor), descriptors(guardian), cpu(supervisor));
    let pid = bare.pid("web");
    let began = Instant::now();
    bare.sh("svc install crash --no-start --restart always --restart-delay 0s --restart-limit 1000000/1h -- /bin/false; svc start crash").code(1);
    let mut slowest = Duration::ZERO;
    wait_until("crashes", 300, || {
        let asked = Instant::now();
        let status = bare.status("crash");
        slowest = slowest.max(asked.elapsed());
        let restarts = status["restarts"].as_u64().unwrap();
        if restarts >= crashes { Ok(()) } else { Err(status.to_string()) }
    });
    let took = began.elapsed();
    bare.sh("svc stop crash").ok();
    let restarts = bare.status("crash")["restarts"].as_u64().unwrap();
    let used = cpu(supervisor) - at_start.2;
    assert_eq!((bare.pid("web"), bare.keepers()), (pid, (supervisor, guardian)));
    assert_eq!(
        (descriptors(supervisor), descriptors(guardian)),
        (at_start.0 + 3, at_start.1 + 1),
        "of one more service: its pipe, its log and the times of its lines"
    );
    assert_eq!(zombies(&[supervisor, guardian]), []);
    bare.sh("svc stop web").ok();
    let (lines, _) = whole("web", &bare.logged("web"));
    eprintln!(
        "{restarts} crashes in {took:?}: CPU of the supervisor {used:.2} s; slowest status {slowest:?}; {lines} lines of another service whole"
    );
    // a build without optimisation, which is asked for its status all the time; without the pause of a loop
    // it takes a third of a core
    assert!(used / took.as_secs_f64() < 0.2, "CPU of the supervisor: {used:.2} s in {took:?}");
    // it writes 200 a second when nobody takes its CPU
    assert!(lines as u128 > took.as_millis() / 20, "{lines} lines in {took:?}");
    bare.sh("svc uninstall --all").ok();
}

/// Fifty processes that do all they can not to be found.
const ESCAPE: &str = r#"#!/usr/bin/perl
use POSIX;
for my $i (1..25) {
    next if fork;
    setsid; $SIG{TERM} = 'IGNORE'; $SIG{HUP} = 'IGNORE';
    POSIX::close($_) for 0..20;
    fork and exit 0 if $i % 2;
    setpgid(0, 0);
    $0 = "innocent";
    fork;
    sleep 1 while 1;
}
$SIG{TERM} = 'IGNORE' if @ARGV;
sleep 1 while 1;
"#;

/// All of them: found by the folder they are in, for a new name in `$0` is written over the marks.
fn tree(bare: &Bare) -> Vec<Seen> {
    let folder = bare.path().join("work");
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder))
        .filter_map(|entry| seen(entry.file_name().to_str()?.parse().ok()?))
        .filter(|seen| seen.state != 'Z' && ["escape", "innocent"].contains(&seen.name.as_str()))
        .collect()
}

#[test]
fn nobody_escapes_a_stop() {
    let bare = Bare::new();
    let program = bare.script("escape", ESCAPE);
    for arguments in ["", "stubborn"] {
        bare.sh(&format!("svc install tree --stop-timeout 300ms -- {program} {arguments}")).ok();
        let all = wait_until("a tree", 10, || {
            let all = tree(&bare);
            if all.len() == 51 { Ok(all) } else { Err(format!("{} processes", all.len())) }
        });
        let began = Instant::now();
        bare.sh("svc stop tree").ok();
        let took = began.elapsed();
        assert_eq!(tree(&bare), []);
        assert!(all.iter().all(|one| !seen(one.pid).is_some_and(|now| now.start == one.start && now.state != 'Z')));
        eprintln!("{} processes gone within {took:?}", all.len());
        assert!(took < Duration::from_secs(4), "{took:?}");
        // the same when its main process is killed: the rest goes before the next start
        bare.sh("svc start tree").ok();
        wait_until("a tree", 10, || if tree(&bare).len() == 51 { Ok(()) } else { Err(String::new()) });
        let main = bare.pid("tree");
        kill(main, 9);
        wait_until("a new tree", 20, || {
            let all = tree(&bare);
            let anew =
                all.len() == 51 && !all.iter().any(|one| one.pid == main) && bare.status("tree")["restarts"] == 1;
            if anew { Ok(()) } else { Err(format!("{} processes", all.len())) }
        });
        // and when its keepers were killed before
        bare.kill_keepers();
        bare.sh("svc stop tree").ok();
        assert_eq!(tree(&bare), []);
        bare.sh("svc uninstall tree").ok();
    }
    let (supervisor, guardian) = (bare.supervisor(), bare.guardian());
    assert_eq!(zombies(&[supervisor.unwrap_or(0), guardian.unwrap_or(0)]), []);
}

/// A service that forks without end, under a limit of tasks, of an account that nobody else has.
#[test]
fn a_fork_bomb_under_a_limit() {
    if !nix::unistd::geteuid().is_root() {
        skip("a_fork_bomb_under_a_limit", "an account for it needs root");
        return;
    }
    let bare = Bare::new();
    let free = 61_000 + std::process::id() % 1000;
    bare.sh(&format!("chown -R {free}:{free} ..")).ok();
    let bomb = bare
        .script("bomb", "#!/usr/bin/perl\nprint \"begun\\n\"; while (1) { fork; select undef, undef, undef, 0.01 }\n");
    bare.sh("cp $(command -v svc) ..").ok();
    let user = |line: &str| {
        bare.sh(&format!(
            "PATH=$(realpath ..):$PATH setpriv --reuid {free} --regid {free} --clear-groups bash -c '{line}'"
        ))
    };
    user(&format!("svc install bomb --limits tasks=40 --stop-timeout 300ms -- {bomb}")).ok();
    wait_until("it grew", 10, || {
        let count = bare.of_service("bomb").len();
        if count > 20 { Ok(()) } else { Err(format!("{count}")) }
    });
    std::thread::sleep(Duration::from_millis(500));
    let count = bare.of_service("bomb").len();
    assert!(count <= 42, "{count}");
    let began = Instant::now();
    user("svc status bomb").ok();
    user("svc stop bomb").ok();
    let took = began.elapsed();
    assert_eq!(bare.of_service("bomb"), []);
    eprintln!("a fork bomb of {count} processes: gone within {took:?}");
    user("svc uninstall bomb").ok();
}

/// Ten years later by the clock that counts from boot: a delay is as long as it was.
#[test]
fn another_clock() {
    let bare = Bare::new();
    if bare.sh("unshare -T --monotonic 315360000 --boottime 315360000 true").code != 0 {
        skip("another_clock", "namespaces of time can't be made here");
        return;
    }
    let program = bare.script("steady", STEADY);
    let script = bare.script(
        "script",
        &format!(
            "#!/bin/bash\nsvc install web --restart-delay 1500ms -- {program} || exit 1\npid=$(svc status web --json | grep -o '\"pid\":[0-9]*' | cut -d: -f2)\nkill -9 $pid\nt=$(date +%s%N)\nuntil p=$(svc status web --json | grep -o '\"pid\":[0-9]*' | cut -d: -f2); [[ -n $p && $p != $pid ]]; do sleep 0.05; done\necho $((($(date +%s%N) - t) / 1000000)) > took\nsvc status web\nsvc supervisor stop\n"
        ),
    );
    bare.sh(&format!("unshare -T --monotonic 315360000 --boottime 315360000 --fork {script}")).ok();
    let took: u64 = bare.read("took").trim().parse().unwrap();
    assert!((1300..6000).contains(&took), "{took} ms");
    bare.sh("svc uninstall web").ok();
}

/// `svc install` is killed, or hears of a full disk, at each of its writes.
fn at_every_write(test: &str, fault: &str, calls: &[&str]) {
    let bare = Bare::new();
    if bare.sh("strace -V").code != 0 {
        skip(test, "strace is missing");
        return;
    }
    let state =
        "cat ~/.local/state/svc/supervisor/jobs/web.toml ~/.local/state/svc/services/web.json 2>/dev/null | sha256sum";
    let install = |word: &str| format!("svc install web --description {word} -- /bin/sleep infinity");
    // the supervisor is there already: it is not traced
    bare.sh("svc install other -- /bin/sleep infinity").ok();
    bare.sh(&install("old")).ok();
    let old = bare.sh(state).out;
    bare.sh(&install("new")).ok();
    let new = bare.sh(state).out;
    let mut points = 0;
    for call in calls {
        let step = if long() || *call != "openat" { 1 } else { 3 };
        for n in (1..90).step_by(step) {
            bare.sh(&install("old")).ok();
            let ran = bare.sh(&format!(
                "strace -f -o trace -e trace={call} -e inject={call}:{fault}:when={n} {}; code=$?; grep -q INJECTED trace && exit $code; grep -q 'killed by SIGKILL' trace && exit 137; exit 99",
                install("new")
            ));
            if ran.code == 99 {
                break; // there is no N-th call
            }
            points += 1;
            let now = bare.sh(state).out;
            bare.sh("svc status web --json").ok();
            let job = std::fs::read_to_string(bare.home().join(".local/state/svc/supervisor/jobs/web.toml")).unwrap();
            assert!(job.starts_with("# Made by svc") && job.contains("\nHash = "), "{call} {n}: {job}");
            if fault.starts_with("error") {
                assert!(
                    ran.code != 0 && now == old || ran.code == 0 && now == new,
                    "{call} {n}: neither old nor new: {ran}"
                );
            }
            bare.sh(&install("new")).ok();
            assert_eq!(bare.sh(state).out, new, "{call} {n}");
            assert_eq!(bare.of_service("web").len(), 1, "{call} {n}");
            let stray = bare.sh("find ~ -name '.svc-tmp-*' -o -size 0 -name '*.toml' -o -size 0 -name '*.json'");
            assert_eq!(stray.out, "", "{call} {n}: {stray}");
        }
    }
    assert!(points > 10, "only {points} points");
    eprintln!("{points} points of `{fault}` in `svc install`: old or new, each repaired by the next command");
    bare.sh("svc uninstall --all --purge").ok();
    bare.wait_empty();
    assert_eq!(bare.files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn install_is_killed_at_every_write() {
    at_every_write(
        "install_is_killed_at_every_write",
        "signal=KILL",
        &["openat", "fsync", "rename", "mkdir", "fchmod", "write", "flock", "sendto"],
    );
}

#[test]
fn install_hears_of_a_full_disk_at_every_write() {
    at_every_write(
        "install_hears_of_a_full_disk_at_every_write",
        "error=ENOSPC",
        &["fsync", "rename", "mkdir", "fchmod"],
    );
}

/// The supervisor itself is killed at the N-th call of a kind while it restarts a service and takes
/// what it writes: the command is carried out all the same, and there is one copy.
#[test]
fn the_supervisor_is_killed_at_every_call() {
    let bare = Bare::new();
    if bare.sh("strace -V").code != 0 {
        skip("the_supervisor_is_killed_at_every_call", "strace is missing");
        return;
    }
    let (steady, flapping) = (bare.script("steady", STEADY), bare.script("flapping", FLAPPING));
    bare.sh(&format!("svc install other -- {steady}")).ok();
    bare.sh(&format!("svc install web --restart-delay 10ms -- {steady}")).ok();
    bare.sh(&format!("svc install flap --no-start --restart-delay 0s --restart-limit 1000000/1h -- {flapping}")).ok();
    bare.sh("svc start flap"); // it may end before it is sure that it stays up
    let other = bare.pid("other");
    let (calls, most, step) = (
        [
            "pwrite64",
            "clone",
            "clone3",
            "vfork",
            "splice",
            "tee",
            "write",
            "waitid",
            "sendmsg",
            "pidfd_send_signal",
            "kill",
            "sendto",
            "epoll_wait",
            "close",
            "recvmsg",
        ],
        if long() { 60 } else { 9 },
        if long() { 1 } else { 2 },
    );
    let (mut points, mut commands) = (0, 0);
    for call in calls {
        for n in (1..=most).step_by(step) {
            let supervisor = bare.keepers().0;
            let mut strace = bare
                .command("strace")
                .args([
                    "-qq",
                    "-o",
                    "trace",
                    "-e",
                    &format!("trace={call}"),
                    "-e",
                    &format!("inject={call}:signal=KILL:when={n}"),
                    "-p",
                    &supervisor.to_string(),
                ])
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            // attached when the file is there
            wait_until("strace", 5, || {
                let status = std::fs::read_to_string(format!("/proc/{supervisor}/status")).unwrap_or_default();
                if status.contains("TracerPid:\t0\n") { Err(status) } else { Ok(()) }
            });
            let command =
                ["svc restart web", "svc stop web && svc start web", "svc start web", "svc stop web"][commands % 4];
            commands += 1;
            bare.sh(command).ok();
            let died = !lives(supervisor);
            points += usize::from(died);
            if !died {
                kill(i32::try_from(strace.id()).unwrap(), 15);
            }
            strace.wait().unwrap();
            let up = !command.ends_with("stop web");
            let state = bare.status("web")["state"].clone();
            assert_eq!(state, if up { "running" } else { "stopped" }, "{call} {n}, died: {died}: {command}");
            let all = mains(&bare);
            assert_eq!(
                all.get("web").map_or(0, Vec::len),
                usize::from(up),
                "{call} {n}, died: {died}: {command}: {all:?}"
            );
            assert_eq!(all["other"].len(), 1);
            assert!(all.get("flap").is_none_or(|all| all.len() == 1), "{call} {n}: {all:?}");
            if !died && n > 1 {
                break; // it is not called so often
            }
        }
    }
    assert_eq!(bare.pid("other"), other);
    bare.sh("svc stop --all").ok();
    let (lines, _) = whole("other", &bare.logged("other"));
    let (more, runs) = whole("flap", &bare.logged("flap"));
    eprintln!(
        "the supervisor was killed at {points} calls in {commands} commands: all carried out, {lines} and {more} lines whole, {runs} runs"
    );
    bare.sh("svc uninstall --all").ok();
}
