//! Processes, as /proc tells them: proc_pid_stat(5).

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
    /// CPU time in user and system mode, ticks.
    pub cpu_ticks: u64,
    /// Start, ticks after boot.
    pub start_ticks: u64,
    /// Resident memory, pages.
    pub resident_pages: u64,
}

/// Reads `/proc/PID/stat`; `None` when there is no such process.
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&super::contents(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in parentheses may hold any byte, so fields count from the last `)`.
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let text = std::str::from_utf8(bytes.get(close + 2..)?).ok()?;
    let fields: Vec<&str> = text.split(' ').collect();
    // fields[0] is field 3 of the manual page
    let number = |field: usize| fields.get(field - 3)?.trim().parse::<u64>().ok();
    Some(Stat {
        state: *fields.first()?.as_bytes().first()?,
        parent: u32::try_from(number(4)?).ok()?,
        // 0, -1 where it lies outside of our pid namespace
        group: number(5).and_then(|number| u32::try_from(number).ok()).unwrap_or(0),
        session: number(6).and_then(|number| u32::try_from(number).ok()).unwrap_or(0),
        cpu_ticks: number(14)? + number(15)?,
        start_ticks: number(22)?,
        resident_pages: number(24)?,
    })
}

/// All processes there are.
pub fn all() -> Vec<u32> {
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
    super::text(format!("/proc/{pid}/schedstat")).ok()?.split(' ').next()?.parse().ok()
}

/// Command line, words joined by spaces; the name in brackets for one without.
pub fn command(pid: u32) -> String {
    let bytes = super::contents(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> =
        bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
    if words.is_empty() {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return format!("[{}]", name.trim_end());
    }
    words.join(" ")
}

/// Clock ticks a second of /proc: sysconf(3), `_SC_CLK_TCK`.
pub fn ticks_per_second() -> i64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100)
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
    }
}
