//! A service as a property list, and a job file where it needs the shim. Pure: the same service and target
//! give the same bytes on every platform.
//!
//! Who runs the program, by the smallest means that does all that was asked for:
//! - launchd itself, `ProgramArguments` being the command;
//! - launchd through a launcher, `[LAUNCHER, "exec", "--", PROGRAM, …]`: svc under the service's name, which
//!   becomes the program (execve(2)) at once. For a script, a shell or an interpreter, which macOS would show
//!   in Login Items as `sh` or `python3`;
//! - svc's shim as its parent, `[LAUNCHER, "shim", JOB]`, for what launchd can't do ([`super::shim_need`]).

use super::agent::{Agent, Head, KeepAlive, Limits, Times};
use super::environment::{clashing, variables};
use super::fragment::Fragment;
use super::own::{self, Around};
use super::refuse::{self, seconds};
use super::shim_need::needs;
use super::xml::{Comment, Str, Word};
use super::{calendar, label, read_back};
use crate::backend::refusals::Refusals;
use crate::backend::supervisor::render as job_file;
use crate::backend::{Rendered, RenderedFile, Scope};
use crate::definition::problem::Problem;
use crate::engine::job::{Bytes, Job, Millis};
use crate::files::owner;
use crate::files::paths::Paths;
use crate::service::{Exec, Field, Origin, Reload, RestartPolicy, Schedule, Service, Start};
use askama::Template;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is rendered for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Agents of a user, or daemons of the machine.
    pub(crate) scope: Scope,
    /// Where property lists go.
    pub(crate) folder: PathBuf,
    /// Where launchers, job files and logs lie.
    pub(crate) paths: Paths,
}

/// A user's agent may be loaded into each of his sessions, so that `gui/UID` and `user/UID` both take it;
/// launchd's own default is Aqua alone.
const SESSIONS: [Word; 5] = [Word("Aqua"), Word("Background"), Word("LoginWindow"), Word("StandardIO"), Word("System")];
/// After `stop_timeout` the shim still has to end what is left; launchd waits so many seconds longer.
const GRACE_OF_SHIM: u32 = 5;
/// A `reload` under the shim: it does what the job file says when it gets this.
const RELOAD_OF_SHIM: Word = Word("SIGHUP");

/// Who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// launchd.
    Plain,
    /// launchd, under the service's own name.
    Named,
    /// svc.
    Shim,
}

/// `LABEL.plist`, and the job file of the shim; or all that can't be had.
pub(crate) fn render(service: &Service, target: &Target) -> Result<Rendered, Vec<Problem>> {
    // Every field and who answers for it, without `..`: a new one does not compile until it is here.
    let Service {
        name,
        project: _,       // for people and `svc list` only
        origin: _,        // head
        asked: _,         // refuse, shim_need, notes
        exec: _,          // arguments, shim_need
        instance: _,      // is in the name already
        groups: _,        // for svc's selectors only
        description: _,   // head
        env: _,           // environment, shim_need
        env_files: _,     // shim_need
        path: _,          // environment
        working_dir: _,   // agent
        start: _,         // agent, refuse
        restart: _,       // agent, shim_need
        stop: _,          // agent, shim_need
        reload: _,        // agent, shim_need
        ready: _,         // shim_need, refuse
        start_timeout: _, // shim_need, refuse
        depends_on: _,    // svc's own order, notes
        wait_for: _,      // refuse
        on_failure: _,    // refuse
        health: _,        // refuse
        logs: _,          // agent, shim_need
        pid_file: _,      // shim_need
        limits: _,        // agent, refuse
        sandbox: _,       // refuse
        nice: _,          // agent, refuse
        umask: _,         // agent
        user: _,          // agent, refuse
        schedule: _,      // agent, refuse
        update: _,        // refuse
        systemd: _,       // not this manager's
        launchd: _,       // own
        label: _,         // label
    } = service;

    let mut bad = Refusals::new(name);
    refuse::all_of(&mut bad, service, target);
    let way = way(service);
    let env = match variables(service) {
        Ok(env) => Some(env),
        Err((field, reason)) => {
            bad.add(field.key(), reason);
            None
        }
    };
    let label = bad.keep(Field::Label.key(), label::label(service));
    let own = own::keys(
        &service.launchd,
        Around {
            system: target.scope == Scope::System,
            shim: way == Way::Shim,
            limits: service.limits.files.is_some() || service.limits.tasks.is_some(),
        },
    );
    let own = own.map_err(|all| {
        for own::Refused { key, reason, hint } in all {
            match hint {
                Some(hint) => bad.advise(key, reason, hint),
                None => bad.add(key, reason),
            }
        }
    });
    let (Some(env), Some(label), Ok(own)) = (env, label, own) else { return Err(bad.into_problems()) };
    let Some(agent) = agent(service, target, way, &label, &env, own, &mut bad).filter(|_| bad.is_empty()) else {
        return Err(bad.into_problems());
    };
    match files(service, target, way, &label, &agent, env) {
        Ok(files) => Ok(Rendered { files, log: Some(log(service, target)), notes: notes(service, way) }),
        Err(reason) => {
            bad.add(Field::Command.key(), format!("can't be rendered: {reason}"));
            Err(bad.into_problems())
        }
    }
}

/// The smallest that does it.
pub(super) fn way(service: &Service) -> Way {
    let unnamed = match &service.exec {
        Exec::Script(_) => true,
        Exec::Command { program, .. } => {
            program.as_path().file_name().and_then(|name| name.to_str()).is_some_and(is_interpreter)
        }
    };
    match () {
        () if !needs(service).is_empty() => Way::Shim,
        () if unnamed => Way::Named,
        () => Way::Plain,
    }
}

/// Whether a program runs programs, so that its own name says nothing of what runs.
fn is_interpreter(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "sh",
        "bash",
        "dash",
        "zsh",
        "ksh",
        "fish",
        "env",
        "python",
        "node",
        "deno",
        "bun",
        "ruby",
        "perl",
        "php",
        "java",
        "lua",
        "tclsh",
        "osascript",
        "pwsh",
        "Rscript",
        "elixir",
        "erl",
    ];
    NAMES.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

/// The file that its output goes to.
fn log(service: &Service, target: &Target) -> PathBuf {
    let file = service.logs.file.as_ref().map(|file| file.as_path().to_owned());
    file.unwrap_or_else(|| target.paths.log(service.name.as_str()))
}

fn agent(
    service: &Service,
    target: &Target,
    way: Way,
    label: &str,
    env: &BTreeMap<String, Bytes>,
    own: Vec<own::Own>,
    bad: &mut Refusals<'_>,
) -> Option<Agent> {
    let Service { name, exec, restart, stop, schedule, umask, nice, user, .. } = service;
    let native = way != Way::Shim;
    let field = if matches!(exec, Exec::Script(_)) { Field::Script } else { Field::Command };
    let arguments = arguments(service, target, way).map_err(|reason| bad.add(field.key(), reason)).ok();
    let working_dir = native.then(|| Str::new(service.working_dir.as_path())).transpose();
    let working_dir = bad.keep(Field::WorkingDir.key(), working_dir);
    let user = user.as_ref().filter(|_| native).map(|user| account(user)).transpose();
    let user = bad.keep(Field::User.key(), user);
    let environment = native.then(|| environment(env, bad));
    let throttle = bad.keep(Field::RestartDelay.key(), if native { seconds(restart.delay) } else { Ok(1) });
    let exit_timeout = bad.keep(Field::StopTimeout.key(), seconds(stop.timeout));
    let log = if native { log(service, target) } else { target.paths.shim_log(name.as_str()) };
    let log = bad.keep("logs.file", Str::new(&log));
    let label = bad.keep(Field::Label.key(), Str::new(label));
    let own_sessions = own.iter().any(|own| own.key.raw() == "LimitLoadToSessionType");
    let agents = target.scope == Scope::User && !own_sessions;
    Some(Agent {
        head: head(service),
        label: label?,
        arguments: arguments?,
        user: user?,
        working_dir: working_dir?,
        environment: environment.unwrap_or_default(),
        // launchd asks the store of `launchctl enable` and `disable` first; where that says nothing, this
        disabled: service.start == Start::Manual,
        times: times(schedule.as_ref()).ok()?, // refused by `refuse`
        keep_alive: match (schedule, way, restart.policy) {
            // then the shim ends as its program did
            (Some(_), ..) | (None, _, RestartPolicy::Never) => KeepAlive::Never,
            (None, Way::Plain | Way::Named, RestartPolicy::Always) => KeepAlive::Always,
            // else with 0, when the program is down for good
            (None, _, RestartPolicy::OnFailure | RestartPolicy::Always) => KeepAlive::OnFailure,
        },
        throttle: throttle?.max(1),
        exit_timeout: exit_timeout?.max(1).saturating_add(if native { 0 } else { GRACE_OF_SHIM }),
        log: log?,
        umask: umask.filter(|_| native),
        nice: nice.filter(|_| native),
        limits: if native {
            Limits { files: service.limits.files, tasks: service.limits.tasks }
        } else {
            Limits::default()
        },
        sessions: if agents { SESSIONS.to_vec() } else { Vec::new() },
        own,
        reload: service.reload.as_ref().map(|reload| match reload {
            Reload::Signal(signal) if native => Word(signal.name()),
            Reload::Signal(_) | Reload::Command(_) => RELOAD_OF_SHIM,
        }),
    })
}

fn times(schedule: Option<&Schedule>) -> Result<Times, String> {
    Ok(match schedule {
        None => Times::Always,
        Some(Schedule::Every(every)) => Times::Every(seconds(*every)?),
        Some(Schedule::Calendar(text)) => {
            Times::Calendar(Fragment::new(calendar::interval(text).map_err(|refused| refused.reason)?)?)
        }
    })
}

fn head(service: &Service) -> Head {
    Head {
        definition: match &service.origin {
            Origin::Manifest { file } => Comment::new(file.as_path()),
            Origin::CommandLine { folder } => Comment::after("the command line in ", folder.as_path()),
        },
        description: service.description.as_ref().map(|text| Comment::new(text.as_str())),
        name: Comment::new(service.name.as_str()),
    }
}

fn arguments(service: &Service, target: &Target, way: Way) -> Result<Vec<Str>, String> {
    let name = service.name.as_str();
    let launcher = || Str::new(&target.paths.launcher(name)).map_err(|reason| format!("the launcher's path {reason}"));
    let mut all = Vec::new();
    match way {
        Way::Shim => {
            let job = Str::new(&target.paths.shim_job(name)).map_err(|reason| format!("the job file's path {reason}"));
            return Ok(vec![launcher()?, Str::new("shim")?, job?]);
        }
        Way::Named => all.extend([launcher()?, Str::new("exec")?, Str::new("--")?]),
        Way::Plain => {}
    }
    match &service.exec {
        Exec::Command { program, written: _, args } => {
            all.push(Str::new(program.as_path()).map_err(|reason| format!("the program's path {reason}"))?);
            for (at, arg) in args.iter().enumerate() {
                all.push(Str::new(arg).map_err(|reason| format!("argument {} {reason}", at + 1))?);
            }
        }
        Exec::Script(_) => {
            for word in job_file::argv(&service.exec, &service.name) {
                all.push(Str::new(word.as_os())?);
            }
        }
    }
    Ok(all)
}

fn environment(env: &BTreeMap<String, Bytes>, bad: &mut Refusals<'_>) -> Vec<(Str, Str)> {
    let mut all = Vec::with_capacity(env.len());
    for (name, value) in env {
        let pair = Str::new(name).and_then(|name| Ok((name, Str::new(value.as_os())?)));
        all.extend(bad.keep(&format!("{}.{name}", Field::Env.key()), pair));
    }
    all
}

/// The account of `UserName`: what a name of an account can be.
fn account(name: &str) -> Result<Str, String> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if first && name.len() <= 255 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@-".contains(&b)) {
        Str::new(name)
    } else {
        Err("is not the name of an account: letters, digits, `_`, `.`, `@` and `-` can be in one".to_owned())
    }
}

fn files(
    service: &Service,
    target: &Target,
    way: Way,
    label: &str,
    agent: &Agent,
    env: BTreeMap<String, Bytes>,
) -> Result<Vec<RenderedFile>, String> {
    let text = owner::seal_xml(agent.render().map_err(|error| error.to_string())?);
    if read_back::EACH {
        read_back::check(&text, &agent.meant())?;
    }
    let mode = match target.scope {
        Scope::User => 0o600,
        Scope::System => 0o644,
    };
    let mut files = vec![RenderedFile { path: label::file(target, label), mode, contents: text }];
    if way == Way::Shim {
        let job = job(service, target, env);
        let contents = job_file::text(service, &job).map_err(|error| error.to_string())?;
        let path = target.paths.shim_job(service.name.as_str());
        files.push(RenderedFile { path, mode: job_file::MODE, contents });
    }
    Ok(files)
}

/// What the shim runs: launchd has the times, svc the order.
fn job(service: &Service, target: &Target, env: BTreeMap<String, Bytes>) -> Job {
    Job {
        schedule: None,
        depends_on: Vec::new(),
        start_timeout: if service.schedule.is_some() { Millis(0) } else { service.start_timeout.into() },
        ..job_file::reduced(service, env, target.paths.log(service.name.as_str()))
    }
}

/// What is done in another way than one would expect.
fn notes(service: &Service, way: Way) -> Vec<String> {
    let mut notes: Vec<String> = clashing(&service.env, way == Way::Shim).collect();
    let delay = service.restart.delay;
    let inexact = delay.is_zero() || delay.subsec_nanos() > 0;
    if way != Way::Shim && inexact && service.asked.contains(Field::RestartDelay) {
        notes.push(format!(
            "`restart_delay` is {} s: launchd counts whole seconds, at least 1, from start to start",
            seconds(delay).unwrap_or(1).max(1)
        ));
    }
    if service.limits.tasks.is_some() {
        notes.push(
            "`limits.tasks` counts all processes of the account (RLIMIT_NPROC), not only this service's".to_owned(),
        );
    }
    if !service.depends_on.is_empty() {
        notes.push(
            "`depends_on` is the order in which svc starts and stops; at login and at boot launchd starts all at once"
                .to_owned(),
        );
    }
    notes
}
