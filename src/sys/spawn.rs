//! Starting a program: fork(2), what a child does before it is one, execve(2).
//!
//! Everything is made ready before the fork: between fork and exec only calls of
//! signal-safety(7), no allocation, no lock. The child tells by a socket which step failed, and
//! waits there for the word to go: a program never runs that its starter has not recorded.

#![allow(unsafe_code, reason = "fork, exec, and the calls between them")]

use super::fds::{self, Limit};
use super::subreaper;
use nix::libc::{self, c_char, c_int};
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

/// Exit code of a child that was never told to go, because its starter died: no program ran.
pub const ABANDONED: i32 = 254;

/// All that a child needs, found out before the fork.
#[derive(Debug)]
pub struct Program {
    /// The file, absolute, is the first word too.
    pub argv: Vec<CString>,
    /// `NAME=VALUE`.
    pub env: Vec<CString>,
    /// SIGPIPE has its default action, as in a shell; else it is ignored, as systemd does.
    pub pipes_kill: bool,
    /// File that is its standard input; none: /dev/null.
    pub input: Option<CString>,
    /// Folder it runs in.
    pub folder: CString,
    /// File mode creation mask.
    pub umask: u16,
    /// Scheduling priority.
    pub nice: Option<i8>,
    /// Who it becomes; `None`: who we are.
    pub account: Option<Account>,
    /// Limits to set; soft and hard.
    pub limits: Vec<(Limited, Limit)>,
    /// `cgroup.procs` of its control group, open for writing.
    pub cgroup: Option<OwnedFd>,
}

/// User and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// All its groups.
    pub groups: Vec<u32>,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Open files.
    Files,
    /// Bytes of address space.
    Memory,
    /// Processes and threads of the user.
    Tasks,
}

/// What a child does, in order. The numbers are the exit codes that systemd.exec(5) has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// setsid(2).
    Session = 220,
    /// Joining the control group.
    Cgroup = 219,
    /// Opening its standard input.
    Input = 208,
    /// Output to the pipe.
    Output = 209,
    /// Open files.
    LimitFiles = 205,
    /// Address space.
    LimitMemory = 204,
    /// Processes.
    LimitTasks = 206,
    /// Scheduling priority.
    Nice = 201,
    /// Groups of the account.
    Group = 216,
    /// The account itself.
    User = 217,
    /// Working folder.
    Folder = 200,
    /// The program.
    Exec = 203,
}

impl Step {
    const ALL: [Self; 12] = [
        Self::Session,
        Self::Cgroup,
        Self::Input,
        Self::Output,
        Self::LimitFiles,
        Self::LimitMemory,
        Self::LimitTasks,
        Self::Nice,
        Self::Group,
        Self::User,
        Self::Folder,
        Self::Exec,
    ];

    /// The step of a child's exit code.
    pub fn of_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u32 == code)
    }
}

/// Forks; the child prepares itself and waits for [`release`] on the socket given back.
pub fn start(program: &Program, output: BorrowedFd<'_>) -> io::Result<(u32, OwnedFd)> {
    let (ours, theirs) = fds::stream_pair()?;
    let theirs = fds::above_standard(theirs)?;
    let argv = pointers(&program.argv);
    let env = pointers(&program.env);
    let output_path = CString::new(format!("/proc/self/fd/{}", output.as_raw_fd()))?;
    let ready = Ready {
        program,
        argv: &argv,
        env: &env,
        output: output.as_raw_fd(),
        output_path: &output_path,
        socket: theirs.as_raw_fd(),
        open_files: usize::try_from(nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?.0)
            .unwrap_or(usize::MAX),
    };
    // SAFETY: the child makes only calls of signal-safety(7), on memory made before, until it is
    // another program or gone
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: as above; this is the child
            let (step, errno) = unsafe { ready.become_program() };
            ready.fail(step, errno)
        }
        pid => Ok((pid.cast_unsigned(), ours)),
    }
}

/// Makes this process the program, with its folder, mask, environment and input; returns the step that failed and
/// its errno.
pub fn replace(program: &Program) -> (Step, i32) {
    use nix::sys::stat::{Mode, umask};
    let steps = || -> Result<(), (Step, nix::errno::Errno)> {
        let of = |step: Step| move |error: nix::errno::Errno| (step, error);
        let input = program.input.as_deref().unwrap_or(c"/dev/null");
        let flags = nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_NOCTTY;
        let input = nix::fcntl::open(input, flags, Mode::empty()).map_err(of(Step::Input))?;
        nix::unistd::dup2_stdin(&input).map_err(of(Step::Input))?;
        nix::unistd::chdir(program.folder.as_c_str()).map_err(of(Step::Folder))?;
        umask(Mode::from_bits_truncate(libc::mode_t::from(program.umask)));
        let action = if program.pipes_kill { libc::SIG_DFL } else { libc::SIG_IGN };
        // SAFETY: neither is code of ours
        unsafe { libc::signal(libc::SIGPIPE, action) };
        let path = program.argv.first().ok_or((Step::Exec, nix::errno::Errno::ENOENT))?;
        nix::unistd::execve(path, &program.argv, &program.env).map_err(of(Step::Exec))?;
        Ok(())
    };
    match steps() {
        Err((step, error)) => (step, error as i32),
        Ok(()) => (Step::Exec, 0),
    }
}

/// Tells a prepared child to go. One that failed or was killed before has no ears: that is no error.
pub fn release(socket: BorrowedFd<'_>) {
    let _ = fds::send(socket, b"g", None);
}

/// What a child has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing yet.
    None,
    /// It is the program now (or was killed on the way, which its end tells).
    Executed,
    /// A step failed, with this errno; the child ends.
    Failed(Step, i32),
}

/// Reads what a child has said; does not wait.
pub fn news(socket: BorrowedFd<'_>) -> io::Result<News> {
    let mut bytes = [0; 8];
    let length = match fds::receive(socket, &mut bytes, false) {
        Ok((length, _)) => length,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(News::None),
        Err(error) => return Err(error),
    };
    let (code, errno) = bytes.split_at(4);
    match (code.try_into().map(u32::from_ne_bytes), errno.try_into().map(i32::from_ne_bytes)) {
        (Ok(code), Ok(errno)) if length == bytes.len() => {
            Ok(Step::of_code(code).map_or(News::Executed, |step| News::Failed(step, errno)))
        }
        _ => Ok(News::Executed),
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// What the child looks at; made by the parent.
struct Ready<'a> {
    program: &'a Program,
    argv: &'a [*const c_char],
    env: &'a [*const c_char],
    output: RawFd,
    output_path: &'a CStr,
    socket: RawFd,
    open_files: usize,
}

type Failed = (Step, c_int);

impl Ready<'_> {
    /// Returns only when it failed.
    ///
    /// # Safety
    /// In a forked child: async-signal-safe calls only.
    unsafe fn become_program(&self) -> Failed {
        // SAFETY: all pointers are to memory made before the fork, as the calls want them
        unsafe {
            let prepared = self
                .prepare()
                .and_then(|()| self.become_account())
                .and_then(|()| done(Step::Folder, libc::chdir(self.program.folder.as_ptr())));
            if let Err(failed) = prepared {
                return failed;
            }
            self.wait_for_release();
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
            libc::execve(self.argv[0], self.argv.as_ptr(), self.env.as_ptr());
            (Step::Exec, errno())
        }
    }

    /// Everything that is done with our own rights.
    unsafe fn prepare(&self) -> Result<(), Failed> {
        // SAFETY: as in `become_program`
        unsafe {
            done(Step::Session, libc::setsid())?;
            for signal in 1..=64 {
                default_action(signal);
            }
            if !self.program.pipes_kill {
                libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            }
            if let Some(cgroup) = &self.program.cgroup {
                let written = libc::write(cgroup.as_raw_fd(), c"0".as_ptr().cast(), 1);
                done(Step::Cgroup, if written < 0 { -1 } else { 0 })?;
            }
            self.standard_descriptors()?;
            close_all_but(self.socket, self.open_files);
            libc::umask(self.program.umask.into());
            for (limited, limit) in &self.program.limits {
                set_limit(*limited, *limit)?;
            }
            if let Some(nice) = self.program.nice {
                done(Step::Nice, libc::setpriority(libc::PRIO_PROCESS, 0, nice.into()))?;
            }
            reset_oom_score();
            Ok(())
        }
    }

    /// 0 is the input, 1 and 2 are the pipe, opened for reading and writing: the program then never
    /// sees its other end closed, and what it wrote lives as long as it does.
    unsafe fn standard_descriptors(&self) -> Result<(), Failed> {
        // SAFETY: as in `become_program`
        unsafe {
            let input = self.program.input.as_deref().unwrap_or(c"/dev/null");
            let input = libc::open(input.as_ptr(), libc::O_RDONLY | libc::O_NOCTTY);
            done(Step::Input, input)?;
            let mut output = libc::open(self.output_path.as_ptr(), libc::O_RDWR);
            if output < 0 {
                output = self.output; // no /proc
            }
            if let Some(account) = &self.program.account {
                // /dev/stderr can be opened by its name only by the owner; failing changes nothing
                let _ = libc::fchown(output, account.uid, libc::gid_t::MAX);
            }
            done(Step::Output, libc::dup2(output, 1))?;
            done(Step::Output, libc::dup2(output, 2))?;
            done(Step::Input, libc::dup2(input, 0))?;
            Ok(())
        }
    }

    unsafe fn become_account(&self) -> Result<(), Failed> {
        let Some(account) = &self.program.account else { return Ok(()) };
        // SAFETY: as in `become_program`; the list of groups is as long as is said
        unsafe {
            done(Step::Group, libc::setgroups(account.groups.len() as _, account.groups.as_ptr()))?;
            done(Step::Group, libc::setgid(account.gid))?;
            done(Step::User, libc::setuid(account.uid))
        }
    }

    /// One byte is the word to go; none, or an error: the starter is dead.
    unsafe fn wait_for_release(&self) {
        let mut byte = 0_u8;
        // SAFETY: as in `become_program`; one byte into one byte
        unsafe {
            loop {
                match libc::read(self.socket, (&raw mut byte).cast(), 1) {
                    1 => return,
                    -1 if errno() == libc::EINTR => {}
                    _ => libc::_exit(ABANDONED),
                }
            }
        }
    }

    fn fail(&self, step: Step, errno: c_int) -> ! {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&(step as u32).to_ne_bytes());
        bytes[4..].copy_from_slice(&errno.to_ne_bytes());
        // SAFETY: write(2) of bytes on the stack; SIGPIPE is ignored
        unsafe { libc::write(self.socket, bytes.as_ptr().cast(), bytes.len()) };
        subreaper::exit_now(step as u8)
    }
}

/// # Safety
/// In a forked child.
unsafe fn default_action(signal: c_int) {
    // the C library refuses two signals of its own, but they may have been ignored by our parent
    #[cfg(target_os = "linux")]
    // SAFETY: the kernel's struct is at most so large; all zero is the default action
    unsafe {
        let action = [0_u64; 8];
        libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), ptr::null_mut::<u64>(), 8_usize);
    }
    #[cfg(not(target_os = "linux"))]
    // SAFETY: the default action is no code of ours
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
    }
}

/// Closes every descriptor from 3 on but one, which closes at the exec.
///
/// # Safety
/// In a forked child, which uses none of them again.
unsafe fn close_all_but(kept: RawFd, open_files: usize) {
    let kept = kept.cast_unsigned();
    #[cfg(target_os = "linux")]
    // SAFETY: what is closed is not used again
    unsafe {
        let below = kept == 3 || libc::syscall(libc::SYS_close_range, 3_u32, kept - 1, 0_u32) == 0;
        if below && libc::syscall(libc::SYS_close_range, kept + 1, u32::MAX, 0_u32) == 0 {
            return;
        }
    }
    // before Linux 5.9: one by one; svc's own are all closed at the exec anyway
    let last = u32::try_from(open_files.min(65_536)).unwrap_or(65_536);
    for number in (3..last).filter(|number| *number != kept) {
        // SAFETY: what is closed is not used again
        unsafe { libc::close(number.cast_signed()) };
    }
}

/// # Safety
/// In a forked child.
unsafe fn set_limit(limited: Limited, (soft, hard): Limit) -> Result<(), Failed> {
    let (resource, step) = match limited {
        Limited::Files => (libc::RLIMIT_NOFILE, Step::LimitFiles),
        Limited::Memory => (libc::RLIMIT_AS, Step::LimitMemory),
        Limited::Tasks => (libc::RLIMIT_NPROC, Step::LimitTasks),
    };
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: a struct on the stack
    done(step, unsafe { libc::setrlimit(resource, &raw const limit) })
}

/// A supervisor may be protected from the out-of-memory killer, its programs are not. Where that is
/// not permitted it was not lowered either.
///
/// # Safety
/// In a forked child.
unsafe fn reset_oom_score() {
    #[cfg(target_os = "linux")]
    // SAFETY: constant strings; the descriptor is closed again
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, c"0".as_ptr().cast(), 1);
            libc::close(file);
        }
    }
}

fn done(step: Step, result: c_int) -> Result<(), Failed> {
    if result < 0 { Err((step, errno())) } else { Ok(()) }
}

fn errno() -> c_int {
    nix::errno::Errno::last_raw()
}
