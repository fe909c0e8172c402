//! Where a scenario walks: a booted systemd host, a bare machine with svc's own supervisor, a Mac by the
//! launchd double. The command lines are the same; what honestly differs is said here, and nowhere else.

use crate::support::mac::{Mac, no_mac};
use crate::support::{Bare, Host, Ran, host, skip, wait_until};
use serde_json::Value;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};

/// One machine with one manager, new for each scenario.
pub enum Ground {
    Systemd(Host),
    Supervisor(Bare),
    Launchd(Mac),
}

/// What differs.
pub struct Differs {
    /// As `svc status --json` has it.
    pub backend: &'static str,
    /// The end of `svc status NAME`.
    pub survives: &'static str,
    /// What a service writes goes to the journal by default: `log` is null.
    pub journal: bool,
    /// Why one failed that crashed too often.
    pub gave_up: &'static str,
    /// Why a reload by a command failed.
    pub reload_failed: &'static str,
    /// Arguments may be no UTF-8.
    pub any_bytes: bool,
    /// Part of the path of files that others may read, as the warning about secrets says.
    pub public: &'static str,
    /// A command line by which the manager can't be reached.
    pub unreachable: &'static str,
}

impl Ground {
    /// A booted host; none: said and counted as skipped.
    pub fn systemd(test: &str) -> Option<Self> {
        let ground = Self::Systemd(host(test)?);
        ground.sh_in("/", "mkdir -p /tmp/work").ok();
        Some(ground)
    }

    /// No manager at all.
    #[allow(clippy::unnecessary_wraps, reason = "the shape of the others")]
    pub fn supervisor(_: &str) -> Option<Self> {
        Some(Self::Supervisor(Bare::new()))
    }

    /// launchd, or what behaves like it.
    pub fn launchd(test: &str) -> Option<Self> {
        if let Some(reason) = no_mac() {
            skip(&format!("launchd::{test}"), &reason);
            return None;
        }
        Some(Self::Launchd(Mac::up()))
    }

    pub fn differs(&self) -> Differs {
        match self {
            Self::Systemd(_) => Differs {
                backend: "systemd",
                survives: "crash yes, logout yes, reboot yes",
                journal: true,
                gave_up: "exit code 7, again and again",
                reload_failed: "its reload failed",
                any_bytes: false,
                public: "/systemd/user/",
                unreachable: "XDG_RUNTIME_DIR=/nowhere svc status",
            },
            Self::Supervisor(_) => Differs {
                backend: "supervisor",
                survives: "crash yes, crash of the supervisor yes, logout yes, reboot no (",
                journal: false,
                gave_up: "exit code 7, 3 starts within 1m",
                reload_failed: "exit code 4",
                any_bytes: true,
                public: "(none)",
                unreachable: "svc status --system",
            },
            Self::Launchd(_) => Differs {
                backend: "launchd",
                survives: "crash yes, logout no (an agent ends with its session, and starts at the next login), reboot no (",
                journal: false,
                gave_up: "exit code 7, 3 starts within 1m",
                reload_failed: "exit code 4",
                any_bytes: true,
                public: "(none)",
                unreachable: "SVC_LAUNCHCTL=/nowhere svc status",
            },
        }
    }

    /// The folder that command lines are typed in; the home lies elsewhere.
    pub fn work(&self) -> String {
        match self {
            Self::Systemd(_) => "/tmp/work".into(),
            Self::Supervisor(bare) => bare.path().join("work").to_str().unwrap().into(),
            Self::Launchd(mac) => mac.path().join("work").to_str().unwrap().into(),
        }
    }

    fn sh_in(&self, folder: &str, line: &str) -> Ran {
        let line = format!("cd {folder} || exit\n{line}");
        match self {
            Self::Systemd(host) => host.user(&line),
            Self::Supervisor(bare) => bare.sh(&line),
            Self::Launchd(mac) => mac.sh(&line),
        }
    }

    /// A line of shell, as the user.
    pub fn sh(&self, line: &str) -> Ran {
        self.sh_in(&self.work(), line)
    }

    /// Writes a file of mode 755 in the folder; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = format!("{}/{name}", self.work());
        let mut octal = String::new();
        for byte in text.bytes() {
            let _ = write!(octal, "\\{byte:03o}");
        }
        self.sh(&format!(
            "f=\"{path}\"; mkdir -p \"$(dirname \"$f\")\" && printf '{octal}' > \"$f\" && chmod 755 \"$f\""
        ))
        .ok();
        path
    }

    /// What a file in the folder holds, once it ends with a line.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        wait_until(name, 20, || {
            let ran = self.sh(&format!("cat {name}"));
            if ran.code == 0 && ran.out.ends_with('\n') { Ok(ran.out) } else { Err(ran.to_string()) }
        })
    }

    /// One service's object of `svc status --json`.
    #[track_caller]
    pub fn status(&self, name: &str) -> Value {
        self.sh(&format!("svc status {name} --json")).json()[0].clone()
    }

    /// Waits until that object is as it should be.
    #[track_caller]
    pub fn wait(&self, name: &str, what: &str, check: impl Fn(&Value) -> bool) -> Value {
        wait_until(&format!("`{name}` {what}"), 20, || {
            let status = self.status(name);
            if check(&status) { Ok(status) } else { Err(status.to_string()) }
        })
    }

    #[track_caller]
    pub fn wait_state(&self, name: &str, state: &str) -> Value {
        self.wait(name, state, |status| status["state"] == state)
    }

    /// How many processes have exactly this command line, which must be one of a kind.
    #[track_caller]
    pub fn count(&self, command: &str) -> usize {
        self.sh(&format!("pgrep -xfc '{command}'")).out.trim().parse().unwrap()
    }

    /// Every file and link below the home that svc wrote, but the lock that all commands take.
    pub fn files(&self) -> Vec<String> {
        let find = "cd; find . \\( -type f -o -type l -o -type s \\) | sort";
        let all = self.sh(find).ok().out;
        let of_the_account = ["./.bashrc", "./.profile", "./.bash_logout"];
        let own = |path: &&str| !matches!(self, Self::Systemd(_)) || !of_the_account.contains(path);
        all.lines().filter(own).map(str::to_owned).collect()
    }

    /// After the last service: no file, no process of its programs, nothing that its manager knows.
    #[track_caller]
    pub fn nothing_is_left(&self) {
        wait_until("nothing is left", 10, || {
            let files = self.files();
            if files.is_empty() { Ok(()) } else { Err(format!("{files:?}")) }
        });
        match self {
            Self::Systemd(host) => {
                let units = host.user("systemctl --user list-units --all --plain --no-legend --state=failed; ls -A $XDG_RUNTIME_DIR/svc 2>/dev/null");
                assert_eq!(units.out, "", "{units}");
            }
            Self::Supervisor(bare) => bare.wait_empty(),
            Self::Launchd(mac) => mac.wait_empty(),
        }
    }
}

/// A command that runs for ever and that no other process on this machine has.
pub fn sleep() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("/bin/sleep {}{number:04}", std::process::id() + 1000)
}
