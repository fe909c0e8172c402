//! A service as unit files. Pure: the same service and target give the same bytes on every platform.
//!
//! Knows which directive says what; how a value is written is [`super::escape`]'s, how a unit looks
//! the templates'. Refuses by name what it can't do: systemd passes over what it does not know with
//! a mere warning and starts the service without it (systemd.syntax(7)).

use super::companion::{self, Companions};
use super::escape::{Account, Comment, ExecLine, PlainText, Verbatim};
use super::path::UnitPath;
use super::sandbox::{self, Folders};
pub(crate) use super::support::NEWEST_KNOWN;
use super::text::{Keyword, Octal, Size, Span, UnitName};
use super::unit::{Definition, Head, Limits, OwnLines, Run, ServiceUnit, Stop, TimerUnit};
use super::{command, environment, log, restart, timer};
use crate::backend::refusals::Refusals;
use crate::backend::{Rendered, RenderedFile, Scope};
use crate::definition::problem::Problem;
use crate::files::owner;
use crate::service::{AbsPath, EnvFile, Exec, Field, Name, Origin, Ready, Reload, RestartPolicy, Schedule, Service};
use askama::Template;
use std::path::PathBuf;

/// What is rendered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whose manager.
    pub(crate) scope: Scope,
    /// Of the running systemd, e.g. 252; [`NEWEST_KNOWN`] when none runs.
    pub(crate) version: u32,
    /// Where the units go.
    pub(crate) unit_dir: PathBuf,
    /// svc itself, for what it does beside systemd.
    pub(crate) svc: Option<AbsPath>,
}

/// `NAME.service`, and `NAME.timer` for a scheduled one; or all that can't be had.
pub(crate) fn render(service: &Service, target: &Target) -> Result<Rendered, Vec<Problem>> {
    // Every field and who answers for it, without `..`: a new one does not compile until it is here.
    let Service {
        name,
        project: _,       // for people and `svc list` only
        origin: _,        // head
        asked: _,         // refuse, start_timeout, notes
        exec: _,          // run
        instance: _,      // is in the name already
        groups: _,        // for svc's selectors only
        description: _,   // head
        env: _,           // run, refuse
        env_files: _,     // run
        path: _,          // run
        working_dir: _,   // run
        start: _,         // [Install] says how; whether is an action
        restart: _,       // restart
        stop: _,          // stop
        reload: _,        // run
        ready: _,         // run, companion, refuse
        start_timeout: _, // run
        depends_on,
        wait_for: _,   // companion
        on_failure: _, // companion
        health: _,     // companion, refuse
        logs: _,       // run, refuse
        pid_file: _,   // run
        limits: _,     // limits
        sandbox: _,    // sandbox
        nice: _,       // run, refuse
        umask: _,      // run
        user: _,       // run, refuse
        schedule,
        update: _,  // refuse
        systemd: _, // own_lines
        launchd: _, // not this manager's
        label: _,   // nor this
    } = service;

    let mut bad = Refusals::new(name);
    bad.all_of(service, target);
    let description = match &service.description {
        Some(text) => PlainText::new(text.as_str()),
        None => PlainText::new(&format!("{name} (svc)")),
    };
    let description = bad.keep(Field::Description.key(), description);
    let beside = companion::of(service, target, &mut bad);
    let log_units = log::units(service, target, &mut bad);
    let run = run(service, target, &mut bad);
    let stop = bad.keep(Field::StopTimeout.key(), stop(service));
    let restart = bad.keep_field(restart::restart(&service.restart, schedule.as_ref(), target.version));
    let limits = limits(service, target.version, &mut bad);
    let sandbox = bad.keep_field(sandbox_lines(service, target));
    let own = own_lines(service, &mut bad);
    let timer = schedule.as_ref().and_then(|schedule| timer_unit(service, schedule, &own, &mut bad));

    let (Some(description), Some(run), Some(stop), Some(restart), Some(limits), Some(sandbox)) =
        (description, run, stop, restart, limits, sandbox)
    else {
        return Err(bad.into_problems());
    };
    let Companions { before_start, mut after_start, wants, after, on_failure, units } = beside;
    // a program that looks for its own PID file finds it before it is ready
    after_start.splice(..0, run.after_start);
    let run = Run { before_start, after_start, ..run };
    let unit = ServiceUnit {
        head: head(service, description),
        requires: depends_on.iter().map(UnitName::service).collect(),
        wants,
        after,
        on_failure,
        run,
        stop,
        restart,
        limits,
        sandbox: sandbox.lines,
        own,
        wanted_by: schedule.is_none().then(|| wanted_by(target.scope)),
    };
    let mut files = Vec::new();
    bad.file(&mut files, target.unit_dir.join(UnitName::service(name).to_string()), &unit);
    if let Some(timer) = timer {
        bad.file(&mut files, target.unit_dir.join(UnitName::timer(name).to_string()), &timer);
    }
    for (name, unit) in units {
        bad.file(&mut files, target.unit_dir.join(name.to_string()), &unit);
    }
    if let Some((socket, writer)) = log_units {
        bad.file(&mut files, target.unit_dir.join(UnitName::socket(name, log::WORD).to_string()), &socket);
        bad.file(&mut files, target.unit_dir.join(UnitName::companion(name, log::WORD).to_string()), &writer);
    }
    if !bad.is_empty() {
        return Err(bad.into_problems());
    }
    let mut notes = notes(service, target);
    notes.extend(sandbox.notes);
    let log = service.logs.file.as_ref().map(|file| file.as_path().to_owned());
    Ok(Rendered { files, log, notes })
}

impl Refusals<'_> {
    /// Renders one file, with the mark of svc.
    fn file(&mut self, files: &mut Vec<RenderedFile>, path: PathBuf, unit: &impl Template) {
        match unit.render() {
            Ok(text) => files.push(RenderedFile { path, mode: 0o644, contents: owner::seal(text) }),
            Err(error) => self.add(Field::Command.key(), format!("can't be rendered: {error}")),
        }
    }
}

pub(super) fn head(service: &Service, description: PlainText) -> Head {
    let definition = match &service.origin {
        Origin::Manifest { file } => Definition { from: Keyword(""), path: Comment::path(file) },
        Origin::CommandLine { folder } => {
            Definition { from: Keyword("the command line in "), path: Comment::path(folder) }
        }
    };
    Head { definition, identifier: UnitName::bare(&service.name), description }
}

/// A user's manager has no `multi-user.target`.
fn wanted_by(scope: Scope) -> Keyword {
    Keyword(match scope {
        Scope::User => "default.target",
        Scope::System => "multi-user.target",
    })
}

fn run(service: &Service, target: &Target, bad: &mut Refusals<'_>) -> Option<Run> {
    let Service { name, exec, ready, schedule, umask, nice, .. } = service;
    let field = if matches!(exec, Exec::Script(_)) { Field::Script } else { Field::Command };
    let user = bad.keep(Field::User.key(), service.user.as_deref().map(Account::new).transpose());
    let working_dir = bad.keep(Field::WorkingDir.key(), UnitPath::new(&service.working_dir));
    let environment = bad.keep_all(environment::assignments(&service.env, &service.path, target.version));
    let environment_files = bad.keep_all(environment::files(&service.env_files));
    let start = bad.keep(field.key(), command::line(exec, name));
    let reload =
        bad.keep(Field::Reload.key(), service.reload.as_ref().map(|reload| reload_line(reload, name)).transpose());
    let start_timeout = bad.keep(Field::StartTimeout.key(), start_timeout(service));
    let output = log::output(service, target.scope);
    let output = bad.keep_all(output.map_err(|reason| vec![("logs.file".to_owned(), reason)]));
    let hooks = bad.keep(Field::PidFile.key(), service.pid_file.as_ref().map(pid_file_hooks).transpose());
    let (write_pid, after_stop) = hooks?.unzip();
    Some(Run {
        kind: Keyword(match (schedule, ready) {
            (Some(_), _) => "oneshot",
            (None, Ready::Notify) => "notify",
            (None, _) if exec_loops(service, target.version) => "simple",
            (None, Ready::Exec | Ready::Tcp(_) | Ready::Http(_) | Ready::Log(_)) => "exec",
        }),
        notify: *ready == Ready::Notify,
        user: user?,
        working_dir: working_dir?,
        environment: environment?,
        environment_files: environment_files?,
        start: start?,
        before_start: Vec::new(),
        after_start: write_pid.into_iter().collect(),
        reload: reload?,
        after_stop,
        start_timeout: start_timeout?,
        output: output?,
        umask: umask.map(Octal),
        nice: *nice,
    })
}

/// From this version on, `Type=exec` goes together with `ExecStopPost=`.
const EXEC_WITH_STOP_POST_SINCE: u32 = 252;

/// A manager of version 247 loses hold of the descriptor of `Type=exec` when the program ends at once
/// and `ExecStopPost=` runs: it then spins for ever and answers nobody. Seen on 247 in one of a few
/// starts, never on 252 and 257 in 200; systemd issue 28304 tells of the race behind it.
fn exec_loops(service: &Service, version: u32) -> bool {
    let stop_post =
        service.pid_file.is_some() || service.systemd.section("Service").any(|(key, _)| key == "ExecStopPost");
    version < EXEC_WITH_STOP_POST_SINCE && stop_post && service.schedule.is_none() && service.ready != Ready::Notify
}

fn reload_line(reload: &Reload, name: &Name) -> Result<ExecLine, String> {
    match reload {
        Reload::Signal(signal) => command::send(*signal),
        Reload::Command(exec) => command::line(exec, name),
    }
}

fn pid_file_hooks(file: &AbsPath) -> Result<(ExecLine, ExecLine), String> {
    Ok((command::write_pid(file)?, command::remove_pid(file)?))
}

/// The start of a scheduled service is its whole run: no limit unless one was asked for.
fn start_timeout(service: &Service) -> Result<Span, String> {
    if service.schedule.is_some() && !service.asked.contains(Field::StartTimeout) {
        return Ok(Span::INFINITE);
    }
    Span::zero_is_infinite(service.start_timeout)
}

fn stop(service: &Service) -> Result<Stop, String> {
    let signal = service.stop.signal;
    Ok(Stop {
        signal: Keyword(signal.name()),
        timeout: Span::not_zero(service.stop.timeout)?,
        exit_code: 128 + signal.number().unsigned_abs(),
    })
}

/// Figures beyond these are dropped by systemd with a mere warning.
const MAX_CPU_PERCENT: u32 = 21_474_836;

/// systemd accounts CPU time without being asked since this version, and says so of the directive.
const CPU_ACCOUNTING_OBSOLETE: u32 = 258;

fn limits(service: &Service, version: u32, bad: &mut Refusals<'_>) -> Option<Limits> {
    let crate::service::Limits { memory, cpu, tasks, files } = service.limits;
    let cpu = cpu.map(|cpu| cpu.percent);
    let mut fits = true;
    let figures = [("memory", memory, u64::MAX - 1), ("cpu", cpu.map(u64::from), MAX_CPU_PERCENT.into())];
    for (key, figure, most) in
        figures.into_iter().chain([("tasks", tasks, u64::MAX - 1), ("files", files, u64::MAX - 1)])
    {
        if figure.is_some_and(|figure| figure == 0 || figure > most) {
            bad.add(format!("{}.{key}", Field::Limits.key()), format!("is not between 1 and {most}"));
            fits = false;
        }
    }
    let cpu_accounting = version < CPU_ACCOUNTING_OBSOLETE;
    fits.then(|| Limits { cpu_accounting, memory: memory.map(Size), cpu, tasks, files })
}

fn sandbox_lines(service: &Service, target: &Target) -> Result<sandbox::Lines, (Field, String)> {
    let Service { working_dir, logs, pid_file, env_files, exec, .. } = service;
    let mut read: Vec<&AbsPath> = env_files.iter().map(|EnvFile { path, .. }| path).collect();
    if let Exec::Command { program, .. } = exec {
        read.push(program);
    }
    let folder = |file: &AbsPath| file.as_path().parent().and_then(|folder| AbsPath::new(folder).ok());
    let written = logs.file.iter().chain(pid_file).filter_map(folder).collect();
    sandbox::lines(service.sandbox, target.scope, target.version, &Folders { working_dir, written, read })
}

/// `systemd = {…}`: `[Timer]` goes to the timer, `[Install]` to the unit that is enabled.
fn own_lines(service: &Service, bad: &mut Refusals<'_>) -> OwnLines {
    let mut own = OwnLines::default();
    for (section, keys) in service.systemd.sections() {
        for (key, value) in keys.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value))) {
            let path = format!("{}.{section}.{key}", Field::Systemd.key());
            let line = match Verbatim::new(key, value) {
                Ok(line) => line,
                Err(reason) => {
                    bad.add(path, reason);
                    continue;
                }
            };
            match section {
                "Unit" => own.unit.push(line),
                "Service" => own.service.push(line),
                "Install" => own.install.push(line),
                "Timer" if service.schedule.is_some() => own.timer.push(line),
                "Timer" => bad.add(path, "needs a timer, which only a service with `every` or `schedule` has"),
                _ => bad.add(path, "is in no section of a service or timer"),
            }
        }
    }
    own
}

fn timer_unit(service: &Service, schedule: &Schedule, own: &OwnLines, bad: &mut Refusals<'_>) -> Option<TimerUnit> {
    let field = match schedule {
        Schedule::Every(_) => Field::Every,
        Schedule::Calendar(_) => Field::Schedule,
    };
    let times = bad.keep(field.key(), timer::times(schedule))?;
    let description = bad.keep(field.key(), timer::description(&service.name, schedule))?;
    Some(TimerUnit {
        head: head(service, description),
        service: UnitName::service(&service.name),
        times,
        own: own.clone(),
    })
}

/// What was asked for and left out.
fn notes(service: &Service, target: &Target) -> Vec<String> {
    let mut notes: Vec<String> = environment::overriding(&service.env).collect();
    let growing = service.restart.policy != RestartPolicy::Never && service.asked.contains(Field::RestartMaxDelay);
    if growing && target.version < restart::GROWTH_SINCE {
        notes.push(format!(
            "`restart_max_delay` is left out: the delay grows since systemd {}, this one is {}",
            restart::GROWTH_SINCE,
            target.version
        ));
    }
    if exec_loops(service, target.version) {
        notes.push(format!(
            "it counts as started before its program is: Type=exec with ExecStopPost= can hang systemd {}",
            target.version
        ));
    }
    notes
}
