//! One flag for every field of a definition; read by `definition::flags`.

use clap::Args;
use std::ffi::OsString;

/// The fields of DESIGN §4 as flags; text, checked later with all else that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Fields of the definition")]
pub struct FieldFlags {
    /// Text for /bin/sh -eu, instead of a command
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub script: Option<OsString>,
    /// One service per entry, named NAME-ENTRY: a,b,c
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub instances: Vec<OsString>,
    /// Group it belongs to, selected by @GROUP (repeatable)
    #[arg(long, value_name = "NAME")]
    pub group: Vec<OsString>,
    /// One line for people
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub description: Option<OsString>,
    /// Variable of its environment (repeatable)
    #[arg(short, long, value_name = "K=V")]
    pub env: Vec<OsString>,
    /// File of variables, read at each start (repeatable)
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub env_file: Vec<OsString>,
    /// PATH: inherit (of this shell), minimal, or folders separated by colons
    #[arg(long, value_name = "PATH")]
    pub path: Option<OsString>,
    /// Folder it runs in [default: this one]
    #[arg(long, value_name = "DIR")]
    pub working_dir: Option<OsString>,
    /// When it starts by itself: login, boot or manual
    #[arg(long, value_name = "WHEN")]
    pub start: Option<OsString>,
    /// When it is restarted: on-failure, always or never
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<OsString>,
    /// Time before the first restart: 1s
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub restart_delay: Option<OsString>,
    /// The delay doubles up to this: 1m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub restart_max_delay: Option<OsString>,
    /// So many starts within a time, then it has failed: 5/10m
    #[arg(long, value_name = "N/TIME")]
    pub restart_limit: Option<OsString>,
    /// A run this long starts delay and count afresh: 1m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub restart_reset: Option<OsString>,
    /// Signal that asks it to stop: SIGTERM
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<OsString>,
    /// Time after which all of its processes get SIGKILL: 10s
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub stop_timeout: Option<OsString>,
    /// Signal or command that makes it read its settings again
    #[arg(long, value_name = "SIGNAL|CMD")]
    pub reload: Option<OsString>,
    /// When it counts as started: exec, notify, tcp=HOST:PORT, http=URL, log=REGEX
    #[arg(long, value_name = "HOW")]
    pub ready: Option<OsString>,
    /// Time until it must be ready: 30s
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub start_timeout: Option<OsString>,
    /// Service that is started before it and stopped after it (repeatable)
    #[arg(long, value_name = "NAME")]
    pub depends_on: Vec<OsString>,
    /// network, or a path that must exist before it starts (repeatable)
    #[arg(long, value_name = "WHAT")]
    pub wait_for: Vec<OsString>,
    /// Command for when it has failed for good, or `desktop`
    #[arg(long, value_name = "CMD")]
    pub on_failure: Option<OsString>,
    /// Health check: http=URL,interval=30s
    #[arg(long, value_name = "K=V,…")]
    pub health: Option<OsString>,
    /// Log file (logs.file)
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<OsString>,
    /// Log settings: max_size=10M,keep=5
    #[arg(long, value_name = "K=V,…")]
    pub logs: Option<OsString>,
    /// PID file for programs that want one
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<OsString>,
    /// Limits: memory=512M,cpu=50%,tasks=64,files=4096
    #[arg(long, value_name = "K=V,…")]
    pub limits: Vec<OsString>,
    /// How much of the system it can't reach: none, basic or strict
    #[arg(long, value_name = "LEVEL")]
    pub sandbox: Option<OsString>,
    /// Scheduling priority, -20 to 19
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub nice: Option<OsString>,
    /// File mode creation mask, octal: 027
    #[arg(long, value_name = "MASK")]
    pub umask: Option<OsString>,
    /// Account it runs as (system scope only)
    #[arg(long = "run-as", alias = "service-user", value_name = "ACCOUNT")]
    pub user: Option<OsString>,
    /// Run again and again, so long after the last start: 5m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub every: Option<OsString>,
    /// Run at these times: '*-*-* 03:00', daily
    #[arg(long, value_name = "CALENDAR", allow_hyphen_values = true)]
    pub schedule: Option<OsString>,
    /// Follow a git branch: branch=main,interval=5m
    #[arg(long, value_name = "K=V,…")]
    pub update: Option<OsString>,
    /// Line for the unit file as it is: Service.CPUWeight=50 (repeatable)
    #[arg(long, value_name = "SECTION.KEY=V")]
    pub systemd: Vec<OsString>,
    /// Key for the property list as it is: ProcessType=Background (repeatable)
    #[arg(long, value_name = "KEY=V")]
    pub launchd: Vec<OsString>,
    /// launchd's name for it
    #[arg(long, value_name = "LABEL")]
    pub label: Option<OsString>,
}
