//! What was asked for and neither launchd nor the shim does: refused by name, each with the way out.

use super::calendar;
use super::render::Target;
use crate::backend::Scope;
use crate::backend::refusals::Refusals;
use crate::service::{Exec, Field, Limits, Ready, RestartPolicy, Sandbox, Schedule, Service, Start};
use std::time::Duration;

/// Longest span in seconds that launchd counts (68 years).
pub(super) const MAX_SECONDS: u32 = i32::MAX.unsigned_abs();
/// Arguments and environment of a process together, in bytes: `ARG_MAX` of macOS, less what launchd adds.
const MAX_WORDS: usize = (1 << 20) - (16 << 10);

/// All that this backend does not do of a service.
pub(super) fn all_of(bad: &mut Refusals<'_>, service: &Service, target: &Target) {
    let Service { asked, update, sandbox, .. } = service;
    for (field, present) in [(Field::Update, update.is_some())] {
        if present || asked.contains(field) {
            bad.add(field.key(), not_yet(field));
        }
    }
    if *sandbox != Sandbox::None {
        bad.advise(Field::Sandbox.key(), not_yet(Field::Sandbox), "`sandbox = \"none\"`");
    }
    scope(bad, service, target.scope);
    limits(bad, service, target.scope);
    if let Some(schedule) = &service.schedule {
        scheduled(bad, service, schedule);
    }
    size(bad, service);
}

/// What only a daemon may have.
fn scope(bad: &mut Refusals<'_>, service: &Service, scope: Scope) {
    if scope == Scope::System {
        return;
    }
    if service.start == Start::Boot {
        bad.advise(Field::Start.key(), NO_BOOT, "`start = \"login\"`; or `--system`, as root: a LaunchDaemon");
    }
    if service.user.is_some() {
        let reason = "can be had in system scope only: launchd runs a user's agents as that user";
        bad.advise(Field::User.key(), reason, "`--system`, as root");
    }
    if service.nice.is_some_and(|nice| nice < 0) {
        let reason = "can't be below 0 in user scope: only root may raise a priority";
        bad.advise(Field::Nice.key(), reason, "0 to 19, or `--system`, as root");
    }
}

/// `limits`: setrlimit(2) is all there is.
fn limits(bad: &mut Refusals<'_>, service: &Service, scope: Scope) {
    let Limits { memory, cpu, tasks, files } = service.limits;
    let key = |what: &str| format!("{}.{what}", Field::Limits.key());
    if memory.is_some() {
        bad.advise(key("memory"), NO_MEMORY, "leave it out; the program's own setting, where it has one");
    }
    if cpu.is_some() {
        bad.advise(key("cpu"), NO_CPU, "`nice`, or `launchd = { ProcessType = \"Background\" }`");
    }
    if tasks.is_some() && scope == Scope::System && service.user.is_none() {
        let reason = "can't be had: it is RLIMIT_NPROC, which does not bind root";
        bad.advise(key("tasks"), reason, "`user = \"…\"`");
    }
    for (what, figure) in [("tasks", tasks), ("files", files)] {
        if figure.is_some_and(|figure| i32::try_from(figure).is_err()) {
            bad.add(key(what), format!("is not between 1 and {}", i32::MAX));
        }
    }
}

/// Services that run at times.
fn scheduled(bad: &mut Refusals<'_>, service: &Service, schedule: &Schedule) {
    match schedule {
        Schedule::Calendar(text) => {
            if let Err(calendar::Refused { reason, hint }) = calendar::interval(text) {
                bad.advise(Field::Schedule.key(), reason, hint);
            }
        }
        Schedule::Every(every) if every.subsec_nanos() > 0 || every.is_zero() => {
            let hint = format!("`every = \"{}s\"`", every.as_secs() + 1);
            bad.advise(Field::Every.key(), "is not whole seconds, and launchd counts in these", hint);
        }
        Schedule::Every(every) => drop(bad.keep(Field::Every.key(), seconds(*every))),
    }
    if service.restart.policy == RestartPolicy::Always {
        let reason = "can't be `always` for a scheduled service: it would run without end";
        bad.advise(Field::Restart.key(), reason, "`never` or \"on-failure\"");
    }
    if service.health.is_some() {
        let reason = "can't be had for a scheduled service: it runs when its time has come, and ends";
        bad.add(Field::Health.key(), reason);
    }
    if service.ready != Ready::Exec {
        let reason = "can only be `exec` for a scheduled service: it has started when its time has come";
        bad.add(Field::Ready.key(), reason);
    }
    if service.asked.contains(Field::StartTimeout) {
        let reason = "does not limit the run of a scheduled service under launchd";
        bad.advise(Field::StartTimeout.key(), reason, "leave it out, and let the program end itself");
    }
}

/// What the kernel does not take, launchd being mute about it.
fn size(bad: &mut Refusals<'_>, service: &Service) {
    let words: usize = match &service.exec {
        Exec::Command { program, written: _, args } => {
            program.as_path().as_os_str().len() + args.iter().map(|arg| arg.len() + 9).sum::<usize>()
        }
        Exec::Script(text) => text.len(),
    };
    let env: usize = service.env.iter().map(|(name, value)| name.as_str().len() + value.expose().len() + 10).sum();
    if words + env > MAX_WORDS {
        let field = match (&service.exec, words > env) {
            (_, false) => Field::Env,
            (Exec::Script(_), true) => Field::Script,
            (Exec::Command { .. }, true) => Field::Command,
        };
        bad.add(
            field.key(),
            format!("is too long: arguments and environment of a process have {MAX_WORDS} bytes in all on macOS"),
        );
    }
}

/// Whole seconds, rounded up; the error is the reason.
pub(super) fn seconds(time: Duration) -> Result<u32, String> {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    u32::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds <= MAX_SECONDS)
        .ok_or_else(|| "is longer than launchd can count (68 years)".to_owned())
}

/// Why an agent can't start at boot.
pub(super) const NO_BOOT: &str =
    "can't be `boot` in user scope: launchd starts a user's agents when that user logs in, none before";
/// Why memory can't be limited.
pub(super) const NO_MEMORY: &str =
    "can't be had: macOS takes RLIMIT_AS and RLIMIT_RSS and holds no process to them, and has no control groups";
/// Why the share of the CPU can't be limited.
pub(super) const NO_CPU: &str = "can't be had: nothing on macOS limits a share of the CPU";

/// Why a field is refused; the same words as `render --explain`.
pub(super) fn not_yet(field: Field) -> String {
    let why = if field == Field::Sandbox {
        "macOS has no sandbox that svc could ask launchd for; `none` can be had"
    } else {
        "launchd has no word for it and svc's shim does not do it so far"
    };
    format!("can't be done by this version of svc under launchd: {why}")
}
