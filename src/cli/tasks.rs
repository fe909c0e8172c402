//! The commands of tasks: `run`, `tasks`, `wait`, `cancel`, `retry`, `notify`.

use super::fields::FieldFlags;
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// `svc run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Return at once; else the output is shown until it ends
    #[arg(short, long)]
    pub background: bool,
    /// Its name; no other task that is not over may have it [default: the program's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Project it belongs to [default: that of the manifest here]
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
    /// Fail if it would have to wait in line
    #[arg(long)]
    pub no_queue: bool,
    /// Start it when this task has completed
    #[arg(long, value_name = "ID")]
    pub after: Option<u64>,
    /// Start it so long after now: 10m
    #[arg(long, value_name = "TIME")]
    pub delay: Option<String>,
    /// Start it again so many times if it fails, after 1s, 2s, 4s, … up to 5m
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub retry: u16,
    /// End it, as failed, when it has run so long
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
    /// Higher ones start first
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, allow_hyphen_values = true)]
    pub priority: i16,
    /// Command for when it is over: it finds what became of it in SVC_TASK_STATE, SVC_TASK_EXIT_CODE, …
    #[arg(long, value_name = "CMD")]
    pub on_exit: Option<OsString>,
    /// Show a notification on the desktop when it is over
    #[arg(long)]
    pub desktop: bool,
    /// File that is its standard input [default: /dev/null]
    #[arg(long, value_name = "FILE")]
    pub stdin: Option<PathBuf>,
    /// Let it go on when the terminal goes away
    #[arg(long, conflicts_with = "background")]
    pub detach_on_hangup: bool,
    /// Fields of the definition.
    #[command(flatten)]
    pub fields: FieldFlags,
    /// Program and its arguments
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `svc tasks`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TasksArgs {
    /// Only of this project
    #[arg(value_name = "PROJECT")]
    pub project: Option<String>,
    /// Every one that there is a record of
    #[arg(long)]
    pub all: bool,
    /// Go on showing them, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// What else to do with them.
    #[command(subcommand)]
    pub action: Option<TasksAction>,
}

/// `svc tasks prune`.
#[derive(Debug, Subcommand)]
pub enum TasksAction {
    /// Remove records of tasks that are over, with their logs
    #[command(after_help = "Examples:
  svc tasks prune                        those beyond keep_tasks and keep_tasks_days of config.toml
  svc tasks prune --older-than 7d
  svc tasks prune --all                  every one that is over")]
    Prune(PruneArgs),
}

/// `svc tasks prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Those that were over before: 7d
    #[arg(long, value_name = "TIME")]
    pub older_than: Option<String>,
    /// All but so many of the newest
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// All that are over
    #[arg(long, conflicts_with_all = ["older_than", "keep"])]
    pub all: bool,
    /// The records are damaged: begin anew, the old ones stay beside
    #[arg(long, conflicts_with_all = ["older_than", "keep", "all"])]
    pub damaged: bool,
}

/// `svc wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Numbers or names of tasks
    #[arg(value_name = "ID", required = true)]
    pub tasks: Vec<String>,
}

/// `svc cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// Numbers or names of tasks; none, on a terminal: you are asked
    #[arg(value_name = "ID")]
    pub tasks: Vec<String>,
    /// Time between SIGTERM and SIGKILL [default: 5s]
    #[arg(long, value_name = "TIME")]
    pub grace: Option<String>,
}

/// `svc retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Number or name of a task that is over
    #[arg(value_name = "ID")]
    pub task: String,
    /// Return at once
    #[arg(short, long)]
    pub background: bool,
}

/// `svc notify`.
#[derive(Debug, Args)]
pub struct NotifyArgs {
    /// It is ready (`ready = "notify"`)
    #[arg(long)]
    pub ready: bool,
    /// A line about what it does
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub status: Option<String>,
    /// The part of its work that it is at
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub stage: Option<String>,
    /// How much of it is done, percent
    #[arg(long, value_name = "0-100")]
    pub progress: Option<f64>,
    /// Seconds until it is done
    #[arg(long, value_name = "SECONDS")]
    pub eta: Option<f64>,
}

/// What managers run beside a task.
#[derive(Debug, Clone, Args)]
pub struct TaskArgs {
    /// Folder of the records
    pub store: PathBuf,
    /// Number of the task
    pub id: u64,
}
