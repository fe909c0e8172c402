//! Processes, as /proc tells them: proc_pid_stat(5); on macOS as libproc does.

#[cfg(target_os = "macos")]
use super::darwin;

use std::collections::HashMap;
#[cfg(not(target_os = "macos"))]
use std::io::Read;

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Letter: `R` running, `S` sleeping, `D` waiting for a disk, `Z` ended.
    pub state: u8,
    /// Parent.
    pub parent: u32,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// CPU time in user and system mode, ticks: see [`ticks_per_second`].
    pub cpu_ticks: u64,
    /// Threads.
    pub threads: u64,
    /// Start, ticks after boot; on macOS microseconds since 1970.
    pub start_ticks: u64,
    /// Resident memory, pages.
    pub resident_pages: u64,
}

/// Reads `/proc/PID/stat`; `None` when there is no such process.
#[cfg(not(target_os = "macos"))]
pub fn stat(pid: u32) -> Option<Stat> {
    let mut bytes = [0; 1024];
    // its about 50 numbers are one record, which one read gives whole (seq_file)
    let count = std::fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut bytes).ok()?;
    parse_stat(&bytes[..count])
}

/// What there is to know of a process; `None` when there is none, or it is another user's.
#[cfg(target_os = "macos")]
pub fn stat(pid: u32) -> Option<Stat> {
    darwin::stat(pid)
}

/// The name in parentheses may hold any byte, so fields count from the last `)`.
#[cfg(any(test, not(target_os = "macos")))]
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let text = std::str::from_utf8(bytes.get(close + 2..)?).ok()?;
    // fields[0] is field 3 of the manual page, the last one that counts is field 24
    let mut fields = [""; 22];
    for (place, field) in fields.iter_mut().zip(text.split(' ')) {
        *place = field;
    }
    let number = |field: usize| fields.get(field - 3)?.trim().parse::<u64>().ok();
    Some(Stat {
        state: *fields.first()?.as_bytes().first()?,
        parent: u32::try_from(number(4)?).ok()?,
        // 0, -1 where it lies outside of our pid namespace
        group: number(5).and_then(|number| u32::try_from(number).ok()).unwrap_or(0),
        session: number(6).and_then(|number| u32::try_from(number).ok()).unwrap_or(0),
        cpu_ticks: number(14)? + number(15)?,
        threads: number(20)?,
        start_ticks: number(22)?,
        resident_pages: number(24)?,
    })
}

/// All processes there are.
pub fn all() -> Vec<u32> {
    #[cfg(target_os = "macos")]
    let all = darwin::all();
    #[cfg(not(target_os = "macos"))]
    let all = listed();
    all
}

#[cfg(not(target_os = "macos"))]
fn listed() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The session of a process: setsid(2).
pub fn session(pid: u32) -> Option<u32> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?);
    u32::try_from(nix::unistd::getsid(Some(pid)).ok()?.as_raw()).ok()
}

/// Nanoseconds that a process has run on a CPU (`/proc/PID/schedstat`), exact where `stat` counts
/// ticks of 10 ms; `None` where the kernel does not say.
pub fn run_time(pid: u32) -> Option<u64> {
    #[cfg(target_os = "macos")]
    let time = darwin::run_time(pid);
    #[cfg(not(target_os = "macos"))]
    let time = scheduled(pid);
    time
}

#[cfg(not(target_os = "macos"))]
fn scheduled(pid: u32) -> Option<u64> {
    super::text(format!("/proc/{pid}/schedstat")).ok()?.split(' ').next()?.parse().ok()
}

/// Memory in bytes and CPU time in seconds of all these together.
pub fn used<'a>(stats: impl IntoIterator<Item = &'a Stat>) -> (u64, f64) {
    let (pages, ticks) =
        stats.into_iter().fold((0, 0), |(pages, ticks), stat| (pages + stat.resident_pages, ticks + stat.cpu_ticks));
    #[expect(clippy::cast_precision_loss, reason = "ticks of 10 ms in a double are exact for millions of years")]
    let seconds = ticks as f64 / ticks_per_second() as f64;
    (pages * page_size(), seconds)
}

/// A process and all that came from it and still has a parent among them, itself first. Where the
/// kernel keeps no lists of children (CONFIG_PROC_CHILDREN), itself alone.
pub fn descendants(pid: u32) -> Vec<u32> {
    stat(pid).map_or_else(|| vec![pid], |main| family(pid, main).into_iter().map(|(pid, _)| pid).collect())
}

/// The same with what `/proc/PID/stat` says of each: `main` of the process itself. Those that have
/// ended meanwhile are left out.
pub fn family(pid: u32, main: Stat) -> Vec<(u32, Stat)> {
    let mut all = vec![(pid, main)];
    let mut at = 0;
    while let Some((parent, of_parent)) = all.get(at).copied() {
        at += 1;
        for child in children_of(parent, of_parent.threads) {
            if !all.iter().any(|(pid, _)| *pid == child)
                && let Some(stat) = stat(child)
            {
                all.push((child, stat));
            }
        }
    }
    all
}

/// All processes of a moment: for the families of many, one look at each process instead of two.
#[derive(Debug)]
pub struct Everyone {
    stats: HashMap<u32, Stat>,
    children: HashMap<u32, Vec<u32>>,
}

impl Everyone {
    /// Reads them, on two threads; `None` where there are more than `most`.
    pub fn read(most: usize) -> Option<Self> {
        let pids = all();
        if pids.len() > most {
            return None;
        }
        let read = |pids: &[u32]| pids.iter().filter_map(|pid| Some((*pid, stat(*pid)?))).collect::<Vec<_>>();
        let (here, there) = pids.split_at(pids.len() / 2);
        let halves = std::thread::scope(|scope| {
            let there = scope.spawn(|| read(there));
            let here = read(here);
            [here, there.join().unwrap_or_default()]
        });
        let (mut stats, mut children) = (HashMap::with_capacity(pids.len()), HashMap::<u32, Vec<u32>>::new());
        for (pid, stat) in halves.into_iter().flatten() {
            children.entry(stat.parent).or_default().push(pid);
            stats.insert(pid, stat);
        }
        Some(Self { stats, children })
    }

    /// What was read of a process.
    pub fn stat(&self, pid: u32) -> Option<Stat> {
        self.stats.get(&pid).copied()
    }

    /// As [`family`].
    pub fn family(&self, pid: u32, main: Stat) -> Vec<(u32, Stat)> {
        let mut all = vec![(pid, main)];
        let mut at = 0;
        while let Some((parent, _)) = all.get(at).copied() {
            at += 1;
            for child in self.children.get(&parent).into_iter().flatten() {
                // read one after the other, so that of a process id used anew there may be a circle
                if !all.iter().any(|(pid, _)| pid == child)
                    && let Some(stat) = self.stat(*child)
                {
                    all.push((*child, stat));
                }
            }
        }
        all
    }
}

/// Children of a process, zombies too.
#[cfg(target_os = "macos")]
pub fn children(pid: u32) -> Vec<u32> {
    darwin::children(pid)
}

#[cfg(target_os = "macos")]
fn children_of(pid: u32, _: u64) -> Vec<u32> {
    children(pid)
}

/// Each thread has a list of its own.
#[cfg(not(target_os = "macos"))]
fn children_of(pid: u32, threads: u64) -> Vec<u32> {
    let list = |path: String| -> Vec<u32> {
        let text = super::text(path).unwrap_or_default();
        text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    if threads < 2 {
        return list(format!("/proc/{pid}/task/{pid}/children"));
    }
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.flat_map(|task| list(format!("/proc/{pid}/task/{}/children", task.file_name().display()))).collect()
}

/// All processes whose environment, as it was when they were executed, has this variable; with its
/// value. Looks at every process that may be looked at.
pub fn with_variable(name: &str) -> Vec<(u32, String)> {
    let value_of = |pid: u32| {
        let bytes = environment(pid)?;
        let value =
            bytes.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        Some((pid, String::from_utf8(value.to_vec()).ok()?))
    };
    all().into_iter().filter_map(value_of).collect()
}

/// The environment of a process as it was when it was executed: `NAME=VALUE`, each closed by a NUL;
/// `None` if it may not be looked at. On macOS empty for most programs of the system.
pub fn environment(pid: u32) -> Option<Vec<u8>> {
    #[cfg(target_os = "macos")]
    let environment = darwin::environment(pid);
    #[cfg(not(target_os = "macos"))]
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok();
    environment
}

/// Memory in bytes that would be free if it ended: its part of what is shared (`smaps_rollup`), else
/// all that is resident.
pub fn own_memory(pid: u32) -> Option<u64> {
    #[cfg(target_os = "macos")]
    let bytes = darwin::footprint(pid);
    #[cfg(not(target_os = "macos"))]
    let bytes = proportional_memory(pid);
    bytes
}

#[cfg(not(target_os = "macos"))]
fn proportional_memory(pid: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let part = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    part.map(|kilobytes| kilobytes * 1024).or_else(|| Some(stat(pid)?.resident_pages * page_size()))
}

/// Command line, words joined by spaces; the name in brackets for one without.
pub fn command(pid: u32) -> String {
    #[cfg(target_os = "macos")]
    let bytes = darwin::words(pid).join(&0);
    #[cfg(not(target_os = "macos"))]
    let bytes = super::contents(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> =
        bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
    if words.is_empty() {
        #[cfg(target_os = "macos")]
        let name = darwin::name(pid);
        #[cfg(not(target_os = "macos"))]
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return format!("[{}]", name.trim_end());
    }
    words.join(" ")
}

/// Clock ticks a second of /proc: sysconf(3), `_SC_CLK_TCK`. On macOS a tick is a microsecond.
pub fn ticks_per_second() -> i64 {
    #[cfg(target_os = "macos")]
    let ticks = darwin::TICKS_PER_SECOND;
    #[cfg(not(target_os = "macos"))]
    let ticks = clock_ticks();
    ticks
}

#[cfg(not(target_os = "macos"))]
fn clock_ticks() -> i64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100)
}

/// All groups of an account, its own first: getgrouplist(3).
#[cfg(target_os = "macos")]
pub fn groups(user: &str, gid: u32) -> std::io::Result<Vec<u32>> {
    darwin::groups(user, gid)
}

/// Bytes of a page.
pub fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_at_everyone_finds_the_same_family() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("a child");
        let me = std::process::id();
        let everyone = Everyone::read(usize::MAX).expect("read");
        let main = everyone.stat(me).expect("myself");
        let ids = |family: Vec<(u32, Stat)>| family.into_iter().map(|(pid, _)| pid).collect::<Vec<_>>();
        assert!(ids(everyone.family(me, main)).contains(&child.id()));
        assert_eq!(ids(everyone.family(child.id(), main)), [child.id()]);
        assert!(Everyone::read(0).is_none());
        child.kill().and_then(|()| child.wait()).expect("killed");
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = b"42 (a) b) (c) S 7 41 40 0 -1 4194560 1 2 3 4 11 22 0 0 20 0 1 0 777 1000 55 18446744073709551615";
        let stat = parse_stat(line).expect("valid");
        assert_eq!(
            stat,
            Stat {
                state: b'S',
                parent: 7,
                group: 41,
                session: 40,
                cpu_ticks: 33,
                threads: 1,
                start_ticks: 777,
                resident_pages: 55
            }
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_there_and_has_run() {
        let me = std::process::id();
        assert!(stat(me).expect("alive").resident_pages > 0);
        assert!(command(me).contains("svc"));
        assert_eq!(stat(u32::MAX / 2), None);
        assert!(own_memory(me).expect("alive") > 10_000);
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[allow(clippy::disallowed_methods, reason = "waits for a child to be executed")]
    fn children_of_any_thread_are_found_and_known_by_their_environment() {
        let value = format!("test-{}", std::process::id());
        // from a thread that is not the first: its list of children is another one
        let start = || {
            let mut command = std::process::Command::new("/bin/sh");
            command.args(["-c", "sleep 30; :"]).env("SVC_TEST_MARK", &value);
            command.stderr(std::process::Stdio::null()).spawn().expect("started")
        };
        let mut child = std::thread::scope(|scope| scope.spawn(start).join().expect("joined"));
        let mut seen = Vec::new();
        for _ in 0..500 {
            let marked: Vec<u32> =
                with_variable("SVC_TEST_MARK").into_iter().filter(|(_, v)| *v == value).map(|(p, _)| p).collect();
            seen = descendants(child.id());
            if seen.len() == 2 && marked.len() == 2 && marked.contains(&seen[1]) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!((seen.len(), seen[0]), (2, child.id()));
        assert!(descendants(std::process::id()).contains(&seen[1]));
        let (memory, _) = used(seen.iter().filter_map(|pid| stat(*pid)).collect::<Vec<_>>().iter());
        assert!(memory > 0);
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(seen[1].cast_signed()), nix::sys::signal::Signal::SIGKILL)
            .expect("killed");
        child.wait().expect("waited");
    }
}
