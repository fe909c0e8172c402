//! What was typed, checked for form; nothing is looked up here.

pub mod fields;
pub mod later;
pub mod tasks;

use crate::backend::detect::Wanted;
use clap::{Args, Parser, Subcommand, ValueEnum};
use fields::FieldFlags;
use later::Later;
use std::ffi::OsString;
use std::path::PathBuf;
use tasks::{CancelArgs, NotifyArgs, RetryArgs, RunArgs, TaskArgs, TasksArgs, WaitArgs};

/// One definition, and it is a real service of the platform.
///
/// Say what should run; svc makes it a service of the platform's own manager, installs it and
/// drives it.
#[derive(Debug, Parser)]
#[command(name = "svc", version, propagate_version = false, disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = "Examples:
  svc install web -- node server.js     a service that runs now, at login, and after a crash
  svc status                            all services
  svc logs web -f                       what it writes
  svc uninstall web                     nothing of it is left

Exit codes: 0 done, 1 failed, 2 bad usage or definition, 3 something is not running (status),
4 no such service, 5 the manager is not reachable or does not permit it")]
pub struct Cli {
    /// Options before any command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Parses what was typed.
    ///
    /// `-f` is `--file` everywhere but in `svc logs`, where it is `--follow`: it is added here to
    /// each command by itself, since a global option can't step aside for one command.
    pub fn read(arguments: &[OsString]) -> Result<Self, clap::Error> {
        Self::read_one(arguments).map_or_else(|| Self::read_as(Self::whole(), arguments), Ok)
    }

    /// Parses it by the one command whose word is there: telling clap of all of them takes longer than
    /// most commands do. The word may be the value of an option (`--backend supervisor status`), so that
    /// what is not understood is tried by the next one. `None`: an error or a call for help, for all of
    /// them to say.
    fn read_one(arguments: &[OsString]) -> Option<Self> {
        let mut all = Command::augment_subcommands(clap::Command::new("svc"));
        let words = arguments.iter().skip(1).take_while(|word| *word != "--");
        words.into_iter().find_map(|word| {
            let one = std::mem::take(all.find_subcommand_mut(word)?);
            let root = Global::augment_args(clap::Command::new("svc").disable_help_subcommand(true));
            Self::read_as(root.arg(file_short()).subcommand(with_file_short(one)), arguments).ok()
        })
    }

    fn whole() -> clap::Command {
        <Self as clap::CommandFactory>::command().arg(file_short()).mut_subcommands(with_file_short)
    }

    fn read_as(command: clap::Command, arguments: &[OsString]) -> Result<Self, clap::Error> {
        let matches = command.try_get_matches_from(arguments).map_err(|error| match error.kind() {
            // clap would list hidden commands among the others
            clap::error::ErrorKind::MissingSubcommand if command_is_missing(&error) => {
                clap::Error::raw(error.kind(), "no command was given; `svc --help` lists them\n")
            }
            _ => error,
        })?;
        let typed = |matches: &clap::ArgMatches| matches.try_get_one::<PathBuf>("file_short").ok().flatten().cloned();
        let file = typed(&matches).or_else(|| typed(matches.subcommand()?.1));
        let mut cli = <Self as clap::FromArgMatches>::from_arg_matches(&matches)?;
        cli.global.file = cli.global.file.or(file);
        Ok(cli)
    }
}

fn file_short() -> clap::Arg {
    clap::Arg::new("file_short")
        .short('f')
        .value_name("FILE")
        .hide(true)
        .value_parser(clap::value_parser!(PathBuf))
        .conflicts_with("file")
}

fn with_file_short(command: clap::Command) -> clap::Command {
    if command.get_name() == "logs" { command } else { command.arg(file_short()) }
}

/// No command of svc was typed, as against one of `svc supervisor`.
fn command_is_missing(error: &clap::Error) -> bool {
    use clap::error::{ContextKind, ContextValue};
    matches!(error.get(ContextKind::InvalidSubcommand), Some(ContextValue::String(name)) if name == "svc")
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Manifest, also -f [default: svc.toml in the folder]
    #[arg(long, global = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Act as if started in this folder
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Manager to use
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "SVC_BACKEND",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub backend: Wanted,
    /// Services of the machine (root)
    #[arg(long, global = true, conflicts_with = "user_scope")]
    pub system: bool,
    /// Services of this user
    #[arg(long = "user", id = "user_scope", global = true)]
    pub user: bool,
    /// One JSON document on stdout, also for errors
    #[arg(long, global = true)]
    pub json: bool,
    /// Say only what failed
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Trace to stderr (twice: more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented `svc.toml`, guessed from what lies here
    ///
    /// Looks at a Procfile and compose files, else at package.json, Cargo.toml and pyproject.toml, and says what it
    /// guessed from where. A manifest that is there is not touched.
    #[command(after_help = "Examples:\n  svc init\n  svc -C server init")]
    Init,
    /// Install, enable and start services
    #[command(after_help = "Examples:
  svc install web -- node server.js --port 3000
  svc install backup --every 1h -- ./backup.sh
  svc install                            all services of svc.toml
  svc install 'agent-*' @web             some of them")]
    Install(Later<InstallArgs>),
    /// Stop and disable services, and remove every file svc wrote for them
    #[command(after_help = "Examples:\n  svc uninstall web\n  svc uninstall --all --purge")]
    Uninstall(UninstallArgs),
    /// Make what is installed as the manifest says: install, update, start, restart
    ///
    /// The plan is shown first: what is new, changed (with the diff of its files), drifted (a file was edited or
    /// removed, or the manager lost it) and gone from the manifest. Then it is carried out in the order of
    /// `depends_on`, in one transaction with one reload of the manager. Only what changed in a way that needs it is
    /// restarted; a second `svc up` does nothing. What fails is put back, service by service.
    ///
    /// With `--foreground` nothing is installed and nothing is left: svc starts the services in the order of
    /// `depends_on`, restarts them as they say, and shows what they write, one line after the other. Ctrl-C or
    /// SIGTERM stops all of them in the reverse order; a second Ctrl-C kills them. It ends by itself when all of
    /// them have ended, with the exit code of the first that failed. Also as PID 1 of a container.
    #[command(after_help = "Examples:
  svc up                                 all services of svc.toml
  svc up --dry-run                       what that would do
  svc up web '@agents'                   some of them, and what they depend on
  svc up --prune --yes                   and uninstall what left svc.toml, unasked
  svc up --foreground                    run them here, nothing installed
  CMD [\"svc\", \"up\", \"--foreground\"]     the last line of a Dockerfile")]
    Up(UpArgs),
    /// Stop and uninstall what `svc up` installed from the manifest here
    ///
    /// Services that were installed from this manifest and are in it no more go, too. Those that depend on others
    /// stop before them. Logs stay, unless `--purge`.
    #[command(after_help = "Examples:
  svc down                               all of svc.toml
  svc down --yes --purge web             one of them and its logs, unasked")]
    Down(DownArgs),
    /// What `svc up` would change, as a diff of the installed files; exit 1 if anything
    ///
    /// Nothing is changed. Values of variables that look like secrets are shown as `***`.
    #[command(after_help = "Examples:
  svc diff
  svc diff web --json | jq '.plan[].change'")]
    Diff(DiffArgs),
    /// Start services (scheduled ones: arm their timer); returns when they are up
    #[command(after_help = "Example:\n  svc start web")]
    Start(SelectArgs),
    /// Stop services with all of their processes
    #[command(after_help = "Example:\n  svc stop @agents")]
    Stop(SelectArgs),
    /// Stop, then start services (scheduled ones: run them once now)
    #[command(after_help = "Example:\n  svc restart web")]
    Restart(SelectArgs),
    /// Let services read their settings again (`reload` of the definition)
    #[command(after_help = "Example:\n  svc reload web")]
    Reload(SelectArgs),
    /// Start services at login
    #[command(
        after_help = "Examples:\n  svc enable web\n  svc enable --boot web       at boot, nobody being logged in"
    )]
    Enable(EnableArgs),
    /// Do not start services at login
    #[command(after_help = "Example:\n  svc disable web")]
    Disable(SelectArgs),
    /// What services are doing; one name: in detail
    #[command(after_help = "Examples:\n  svc status\n  svc status web\n  svc status --json | jq '.[].state'")]
    Status(SelectArgs),
    /// Every service svc manages, any project
    #[command(after_help = "Example:\n  svc list --json")]
    List,
    /// What services wrote, in the order of time
    ///
    /// One stream of all of them: from the journal, log files, rotated and compressed ones too.
    #[command(after_help = "Examples:
  svc logs web -n 50
  svc logs web worker -f
  svc logs -f '@agents'                  and those that are installed later
  svc logs --all --since '10m ago' --grep 'error|panic' --context 2
  svc logs web --boot=-1                 before the last boot
  svc logs web --last-run                since it was started last
  svc logs --all --failed                what was written before each crash")]
    Logs(LogsArgs),
    /// What became of a service: starts, ends, restarts, changes, and by whom
    ///
    /// An end comes with its code or signal and the last lines before it. Under systemd starts and ends are the
    /// journal's; under svc's supervisor, and under launchd where svc is the parent of the program, they are
    /// written down by that.
    #[command(after_help = "Examples:
  svc history web
  svc history web --since yesterday --json | jq '.[] | select(.event == \"exited\")'")]
    History(HistoryArgs),
    /// The files of services, nothing installed
    #[command(after_help = "Examples:
  svc render web -- node server.js
  svc render -o units/                   all of svc.toml
  svc render --explain                   how each field is done here")]
    Render(Later<RenderArgs>),
    /// The effective definition, every default filled in
    ///
    /// It is a manifest of this one service: an ad hoc service gets its `svc.toml` by it, and installing
    /// from that changes nothing.
    #[command(after_help = "Examples:
  svc show web
  svc show web > svc.toml                its manifest, from now on: `svc install` takes it over")]
    Show(ShowArgs),
    /// The JSON schema of `svc.toml`, by which an editor completes and checks it
    #[command(after_help = "Examples:
  svc schema > svc.schema.json
  #:schema ./svc.schema.json             first line of svc.toml, for editors with Taplo")]
    Schema,
    /// A manifest of what other tools run
    ///
    /// Reads systemd units (.service with its .timer), launchd property lists, Procfiles, compose files (services
    /// with a command), pm2 ecosystem files (JSON) and supervisord.conf. The manifest goes to stdout; what could
    /// not be carried over, line by line, to stderr.
    #[command(after_help = "Examples:
  svc import Procfile > svc.toml
  svc import /lib/systemd/system/cron.service
  svc import backup.service backup.timer compose.yml > svc.toml")]
    Import(ImportArgs),
    /// The services of the manifest for another tool
    ///
    /// systemd and launchd: the files that svc would install. The other formats go to stdout, and every field
    /// that they have no word for is named on stderr.
    #[command(after_help = "Examples:
  svc export --to compose > compose.yml
  svc export --to kubernetes web
  svc export --to systemd")]
    Export(ExportArgs),
    /// What stands in the way, of the machine or of services
    #[command(after_help = "Examples:\n  svc doctor\n  svc doctor web --fix")]
    Doctor(DoctorArgs),
    /// Run a command once, as a task
    ///
    /// It runs under the platform's manager, in this folder, with the environment of this shell, byte by byte, and
    /// goes on when the terminal closes (`-b`). Without `-b` its output is shown until it ends: Ctrl-C goes to it,
    /// and its exit code is that of `svc run`. At most `max_parallel_tasks` (config.toml, 10) run at once; others
    /// wait in line.
    #[command(after_help = "Examples:
  svc run -b -- make test                returns at once, says its number
  svc run -b --name scan --log-file .loops/logs/{name}.log --pid-file .loops/pids/{name}.pid -- ./scan.sh
  svc run -b --after 7 --retry 3 --timeout 1h -- ./deploy.sh
  svc run -- cargo build                 here, with its output")]
    Run(Later<RunArgs>),
    /// Tasks: those that wait and run, and the last ones that are over
    #[command(
        after_help = "Examples:\n  svc tasks\n  svc tasks PROJECT --all\n  svc tasks --watch\n  svc tasks prune --older-than 7d"
    )]
    Tasks(TasksArgs),
    /// Wait until tasks are over; exit with the code of the first that failed
    #[command(after_help = "Example:\n  id=$(svc run -b --json -- make | jq .id); svc wait $id")]
    Wait(WaitArgs),
    /// End tasks: SIGTERM, after 5 seconds SIGKILL, to all of their processes
    #[command(after_help = "Examples:\n  svc cancel 7\n  svc cancel                             asks which")]
    Cancel(CancelArgs),
    /// Run a task that is over again: the same command, folder, environment and project, a new number
    #[command(after_help = "Example:\n  svc retry 7 --background")]
    Retry(RetryArgs),
    /// Called by the program itself: what it is doing
    #[command(after_help = "Examples:
  svc notify --stage compile --progress 40
  svc notify --status 'round 7' --eta 90
  svc notify --ready                     for services with `ready = \"notify\"`")]
    Notify(NotifyArgs),
    /// svc's own supervisor, which runs services where there is no systemd
    ///
    /// It is one small process for all services of a user, started by the first service that is. It may
    /// be killed at any time: services go on, and the next one takes them over.
    #[command(after_help = "Examples:
  svc supervisor status
  svc supervisor reload                  go on with a newer svc, services are not touched")]
    Supervisor(SupervisorArgs),
    /// What units of svc call beside the program
    #[command(hide = true, subcommand)]
    Helper(Helper),
    /// The parent of a program, where a manager lacks what its definition asks for
    #[command(hide = true)]
    Shim {
        /// Job file
        job: PathBuf,
    },
}

/// What units of svc call beside the program: each does one thing that systemd has no word for.
#[derive(Debug, Subcommand)]
pub enum Helper {
    /// Wait until all of it is there
    WaitFor {
        /// An interface has an address that reaches beyond its link
        #[arg(long)]
        network: bool,
        /// This path exists
        #[arg(long)]
        path: Vec<PathBuf>,
    },
    /// Remember where a log ends, before a start
    LogMark(LogFileArgs),
    /// Wait until a service is ready, as long as MAINPID lives
    Ready(ReadyArgs),
    /// Check the health of a service for ever, and do what is to be done
    Health(HealthArgs),
    /// Have restarts counted afresh of every service that runs well again, until all do
    Restarts,
    /// Become the program of a task
    TaskExec(TaskArgs),
    /// A task's unit is down: write down how it ended, and go on with the line
    TaskEnded(TaskArgs),
    /// Run a task to its end, write that down, and go on with the line
    TaskRun(TaskArgs),
    /// Run what follows a task
    TaskExit(TaskArgs),
    /// Go on with the line of tasks
    TaskFill {
        /// Folder of the records
        store: PathBuf,
        /// Job of launchd that this is
        #[arg(long)]
        label: Option<String>,
    },
    /// Write what a service wrote from its pipe to its log, until nothing comes any more
    Log(LogWriterArgs),
    /// A service has failed for good: run a command with SVC_REASON
    Failed {
        /// Service
        name: String,
        /// Show a notification on the desktop
        #[arg(long)]
        desktop: bool,
        /// Program and arguments
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

impl Helper {
    /// It is launchd that calls it.
    pub fn is_of_launchd(&self) -> bool {
        matches!(self, Self::TaskRun(_) | Self::TaskFill { label: Some(_), .. })
    }
}

/// Where a helper looks.
#[derive(Debug, Args)]
pub struct LookArgs {
    /// Something listens at HOST:PORT
    #[arg(long)]
    pub tcp: Option<String>,
    /// This address answers well
    #[arg(long)]
    pub http: Option<String>,
}

/// `svc helper ready`.
#[derive(Debug, Args)]
pub struct ReadyArgs {
    /// Service
    pub name: String,
    /// Where it looks.
    #[command(flatten)]
    pub look: LookArgs,
    /// A line of its output matches
    #[arg(long)]
    pub log: Option<String>,
    /// Its output is in this file, from where `log-mark` saw its end
    #[arg(long, requires = "log")]
    pub file: Option<PathBuf>,
}

/// `svc helper log-mark`.
#[derive(Debug, Args)]
pub struct LogFileArgs {
    /// Service
    pub name: String,
    /// The log
    #[arg(long)]
    pub file: PathBuf,
}

/// `svc helper log`.
#[derive(Debug, Args)]
pub struct LogWriterArgs {
    /// Service
    pub name: String,
    /// The log
    #[arg(long)]
    pub file: PathBuf,
    /// Bytes; a larger file is rotated
    #[arg(long)]
    pub max_size: u64,
    /// Rotated files that stay
    #[arg(long)]
    pub keep: u32,
    /// Days that they stay at most
    #[arg(long)]
    pub keep_days: Option<u32>,
    /// Each line begins with its time
    #[arg(long)]
    pub timestamps: bool,
    /// Rotated files are compressed
    #[arg(long)]
    pub compress: bool,
    /// Lines beyond this are left out
    #[arg(long)]
    pub rate_limit: Option<crate::service::Rate>,
}

/// `svc helper health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Service
    pub name: String,
    /// Where it looks.
    #[command(flatten)]
    pub look: LookArgs,
    /// With this code
    #[arg(long)]
    pub status: Option<u16>,
    /// And this in its body
    #[arg(long)]
    pub body: Option<String>,
    /// Between two checks
    #[arg(long)]
    pub interval: String,
    /// For one check
    #[arg(long)]
    pub timeout: String,
    /// Failures in a row until it counts
    #[arg(long)]
    pub retries: u32,
    /// Failures so soon after the start do not count
    #[arg(long)]
    pub grace: String,
    /// `restart`, `report` or `stop`
    #[arg(long)]
    pub then: String,
    /// Account that the command runs as
    #[arg(long = "as")]
    pub account: Option<String>,
    /// A command that exits 0
    #[arg(last = true)]
    pub command: Vec<OsString>,
}

/// `svc supervisor`.
#[derive(Debug, Args)]
pub struct SupervisorArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub action: SupervisorAction,
}

/// What is done with the supervisor.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum SupervisorAction {
    /// Be the supervisor, until it is stopped
    Run {
        /// Leave the session; say on stdout when it listens
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Start it, and with it what is enabled; nothing if it runs
    Start,
    /// Stop all services, then it
    Stop,
    /// Let it execute svc anew and go on; services are not touched
    Reload,
    /// Whether it runs, and what it uses
    Status,
}

/// Which services.
#[derive(Debug, Args)]
pub struct SelectArgs {
    /// Names, globs ('agent-*') or @group [default: all of the manifest here]
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// All services
    #[arg(long)]
    pub all: bool,
}

/// `svc install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// Name of the new service; without a command: which of the manifest
    #[arg(value_name = "NAME|SELECTOR")]
    pub names: Vec<String>,
    /// All services of the manifest
    #[arg(long)]
    pub all: bool,
    /// Do not start it
    #[arg(long)]
    pub no_start: bool,
    /// Do not start it at login
    #[arg(long)]
    pub no_enable: bool,
    /// Replace what is not svc's; a copy is kept
    #[arg(long)]
    pub force: bool,
    /// Show the files, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Fields of the definition.
    #[command(flatten)]
    pub fields: FieldFlags,
    /// Program and its arguments
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

impl InstallArgs {
    /// A service from the command line, as against those of a manifest.
    pub fn is_ad_hoc(&self) -> bool {
        !self.command.is_empty() || self.fields.script.is_some()
    }
}

/// Which services of a manifest.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// Names, globs ('agent-*') or @group [default: all of the manifest]
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// All services of the manifest
    #[arg(long)]
    pub all: bool,
}

impl ManifestArgs {
    /// What was typed; nothing: all.
    pub fn selectors(&self) -> &[String] {
        if self.all { &[] } else { &self.selector }
    }
}

/// `svc up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Which of the manifest, and what they depend on.
    #[command(flatten)]
    pub select: ManifestArgs,
    /// Show the plan, change nothing
    #[arg(long, conflicts_with = "foreground")]
    pub dry_run: bool,
    /// Uninstall what was installed from this manifest and is in it no more
    #[arg(long, conflicts_with = "foreground")]
    pub prune: bool,
    /// Ask nothing (on a terminal svc asks before it uninstalls something)
    #[arg(short, long, conflicts_with = "foreground")]
    pub yes: bool,
    /// Run them here instead of installing them
    #[arg(long)]
    pub foreground: bool,
    /// Lines as the services write them, without names
    #[arg(long, requires = "foreground")]
    pub no_prefix: bool,
}

/// `svc down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Which of the manifest.
    #[command(flatten)]
    pub select: ManifestArgs,
    /// Remove logs and state too
    #[arg(long)]
    pub purge: bool,
    /// Ask nothing (on a terminal svc asks first)
    #[arg(short, long)]
    pub yes: bool,
}

/// `svc diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Which of the manifest, and what they depend on.
    #[command(flatten)]
    pub select: ManifestArgs,
    /// Also what `svc up --prune` would uninstall
    #[arg(long)]
    pub prune: bool,
}

/// `svc uninstall`.
#[derive(Debug, Args)]
pub struct UninstallArgs {
    /// Names, globs ('agent-*') or @group [default: all of the manifest here]
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// All services
    #[arg(long)]
    pub all: bool,
    /// Remove logs and state too
    #[arg(long)]
    pub purge: bool,
    /// Remove units that are not svc's any more too
    #[arg(long)]
    pub force: bool,
}

/// `svc enable`.
#[derive(Debug, Args)]
pub struct EnableArgs {
    /// Which.
    #[command(flatten)]
    pub select: SelectArgs,
    /// At boot, nobody being logged in
    #[arg(long)]
    pub boot: bool,
}

/// `svc logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Which.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Go on with new lines, also of services that are installed later
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last N lines of all together
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Not before: `10m ago`, `today`, `2026-01-31 12:00`
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Not after
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only of this boot; of the one before: --boot=-1
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub boot: Option<i32>,
    /// Only what was written since the last start
    #[arg(long, conflicts_with_all = ["since", "boot"])]
    pub last_run: bool,
    /// The last lines before each crash, and its exit status; with -n: so many [default: 10]
    #[arg(long, conflicts_with_all = ["follow", "last_run", "boot", "grep", "until"])]
    pub failed: bool,
    /// Only lines that match this regular expression
    #[arg(long, value_name = "REGEX")]
    pub grep: Option<String>,
    /// And N lines after each of them
    #[arg(short = 'A', long, value_name = "N", requires = "grep")]
    pub after: Option<usize>,
    /// And N lines before each of them
    #[arg(short = 'B', long, value_name = "N", requires = "grep")]
    pub before: Option<usize>,
    /// And N lines before and after each of them
    #[arg(long, value_name = "N", requires = "grep")]
    pub context: Option<usize>,
    /// Lines as the services write them, without names
    #[arg(long)]
    pub no_prefix: bool,
    /// Control characters as they are, on a terminal too
    #[arg(long)]
    pub raw: bool,
}

/// `svc history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Service
    pub name: String,
    /// Only the last N events [default: 30]
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Not before: `10m ago`, `today`, `2026-01-31 12:00`
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
}

/// `svc render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Name of a service given by flags; without a command: which of the manifest
    #[arg(value_name = "NAME|SELECTOR")]
    pub names: Vec<String>,
    /// Write the files to this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How each field is done, and why
    #[arg(long)]
    pub explain: bool,
    /// Fields of the definition.
    #[command(flatten)]
    pub fields: FieldFlags,
    /// Program and its arguments
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `svc show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Service
    pub name: String,
    /// Values that look like secrets as they are, not `***`
    #[arg(long)]
    pub secrets: bool,
}

/// `svc import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Files to read
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// `svc export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Which of the manifest.
    #[command(flatten)]
    pub select: SelectArgs,
    /// For which tool
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub to: ExportFormat,
}

/// What is exported to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Unit files
    Systemd,
    /// Property lists
    Launchd,
    /// A Procfile
    Procfile,
    /// A compose file
    Compose,
    /// supervisord.conf
    Supervisord,
    /// Deployments and CronJobs
    Kubernetes,
    /// Jobs, in HCL
    Nomad,
}

/// `svc doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Services [default: the machine and all services]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Mend what svc can mend by itself
    #[arg(long)]
    pub fix: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quick way is the same as that by all commands, or none.
    #[test]
    fn one_command_reads_as_all_of_them_do() {
        let lines = [
            "svc status web",
            "svc --json -C /tmp status --all",
            "svc -C status list",
            "svc -C list status web",
            "svc --backend supervisor status web",
            "svc --backend supervisor supervisor status",
            "svc status list",
            "svc logs -f web",
            "svc status -f a.toml",
            "svc -f a.toml status",
            "svc -f status logs web -f",
            "svc install web --env A=1 -- status logs",
            "svc -- status",
            "svc helper wait-for --network",
            "svc supervisor status",
            "svc stauts web",
            "svc status --help",
            "svc status --jsn",
            "svc",
        ];
        for line in lines {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            let (quick, whole) = (Cli::read_one(&words), Cli::read_as(Cli::whole(), &words));
            if let Some(quick) = quick {
                assert_eq!(format!("{quick:?}"), format!("{:?}", whole.expect(line)), "{line}");
            }
        }
        assert!(Cli::read_one(&["svc".into(), "status".into(), "web".into()]).is_some());
        let by_value = ["svc", "--backend", "supervisor", "status", "web"].map(OsString::from);
        assert!(Cli::read_one(&by_value).is_some());
    }
}
