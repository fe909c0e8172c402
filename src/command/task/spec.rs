//! From what was typed to what a task is: the same fields as a service's, read and checked by the same code,
//! and the caller's own environment, folder and mask.

use super::Context;
use crate::backend::supervisor::render;
use crate::backend::supervisor::target::Target;
use crate::backend::{Backend, BackendKind};
use crate::cli::tasks::RunArgs;
use crate::definition::problem::Problem;
use crate::definition::{Definitions, from_flags, units};
use crate::engine::job::{Bytes, Job, Millis};
use crate::error::{Error, ErrorCode, io_reason};
use crate::files::owner::hash_of;
use crate::plan::preflight;
use crate::service::{Field, Name, Service};
use crate::task::{Spec, Store};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// SIGTERM, and so long after it SIGKILL, milliseconds.
const GRACE: u32 = 5_000;

/// What was typed, and what to warn of.
pub(super) fn read(context: &Context, args: &RunArgs, store: &Store) -> Result<(Spec, Vec<String>), Error> {
    let usage = |message: String| Error::new(ErrorCode::Usage, message);
    let name = match &args.name {
        Some(name) => name.clone(),
        None => default_name(args),
    };
    let definitions =
        from_flags(&name, &args.fields, &args.command, &context.surroundings()).map_err(Error::invalid)?;
    // what deserves a word of a service that is to last does not of what runs once
    let Definitions { services, places, .. } = definitions;
    let [service] = services.as_slice() else {
        return Err(usage("a task is one: `--instances` makes many".into()));
    };
    let problems = refused(service, context);
    if !problems.is_empty() {
        return Err(Error::invalid(problems.into_iter().map(|problem| places.locate(problem)).collect()));
    }
    let found = preflight::check(service);
    if !found.problems.is_empty() {
        return Err(Error::invalid(found.problems.into_iter().map(|problem| places.locate(problem)).collect()));
    }
    let time = |flag: &str, text: &Option<String>| -> Result<Millis, Error> {
        let span = text.as_deref().map(units::duration).transpose();
        Ok(span.map_err(|reason| usage(format!("`--{flag}` {reason}")))?.map_or(Millis(0), Millis::from))
    };
    let (project, project_limit) = project(context, args.project.as_deref())?;
    let spec = Spec {
        name: service.name.to_string(),
        named: args.name.is_some(),
        project,
        own_log: service.logs.file.is_some(),
        after: args.after,
        delay: time("delay", &args.delay)?,
        retries: args.retry,
        priority: args.priority,
        grace: grace(service),
        on_exit: args.on_exit.as_deref().map(|text| on_exit(context, text)).transpose()?,
        desktop: args.desktop,
        project_limit,
        retry_of: None,
        job: Job { run_timeout: time("timeout", &args.timeout)?, ..job(context, service, args, store)? },
    };
    Ok((spec, found.warnings))
}

/// The name of the program, as far as a name may be so.
fn default_name(args: &RunArgs) -> String {
    let word = args
        .command
        .first()
        .map_or("task".into(), |word| Path::new(word).file_name().unwrap_or(word).to_string_lossy());
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let text: String = word.chars().map(|c| if fits(c) { c } else { '-' }).take(60).collect();
    let text = text.trim_start_matches(['.', '-', '_']).replace("..", ".");
    if Name::parse(&text).is_ok() { text } else { "task".into() }
}

fn grace(service: &Service) -> u32 {
    if service.asked.contains(Field::StopTimeout) {
        u32::try_from(service.stop.timeout.as_millis()).unwrap_or(u32::MAX)
    } else {
        GRACE
    }
}

/// A command that is split as a shell would; none is run.
fn on_exit(context: &Context, text: &std::ffi::OsStr) -> Result<Vec<Bytes>, Error> {
    let wrong = |reason: &str| Error::new(ErrorCode::Usage, format!("`--on-exit` {reason}"));
    let text = text.to_str().ok_or_else(|| wrong("is not UTF-8"))?;
    let words = shell_words::split(text).map_err(|_| wrong("has a quote without an end"))?;
    let Some((program, rest)) = words.split_first() else { return Err(wrong("is empty")) };
    let folders: Vec<PathBuf> = std::env::split_paths(&context.environment.path).collect();
    let found = crate::definition::program::find(program, &context.folder, &folders);
    let found = found.map_err(|(reason, _)| wrong(&format!("`{program}` {reason}")))?;
    Ok(std::iter::once(found.as_path().as_os_str().into())
        .chain(rest.iter().map(|word| word.as_str().into()))
        .collect())
}

/// What a task can't have, each with its reason.
fn refused(service: &Service, context: &Context) -> Vec<Problem> {
    let kind = context.backend.kind();
    let mut problems = Vec::new();
    for field in service.asked.iter() {
        if let Some(reason) = refusal(field, service, kind) {
            problems.push(Problem::new(reason).of(&service.name).field(field.key()));
        }
    }
    let checked = [Field::Limits, Field::Nice, Field::User];
    if kind != BackendKind::Systemd && checked.iter().any(|field| service.asked.contains(*field)) {
        let target = Target::find(&context.paths, &context.environment);
        problems.extend(render::job(service, &target).err().unwrap_or_default());
    }
    problems
}

/// Why a task can't have this field; every field is answered.
fn refusal(field: Field, service: &Service, kind: BackendKind) -> Option<&'static str> {
    let once = "is for services: a task runs once";
    match field {
        Field::Command
        | Field::Script
        | Field::Description
        | Field::Env
        | Field::EnvFile
        | Field::Path
        | Field::WorkingDir
        | Field::StopSignal
        | Field::StopTimeout
        | Field::PidFile
        | Field::Limits
        | Field::Nice
        | Field::Umask
        | Field::User => None,
        Field::Logs => {
            let own = &service.logs;
            let rotates = own.max_size.is_some() || own.keep.is_some() || own.keep_days.is_some();
            let shaped = rotates || own.timestamps.is_some();
            let plain = kind == BackendKind::Systemd && shaped;
            plain.then_some("of a task under systemd takes `file` only: the program writes to it itself")
        }
        Field::Instances => Some("makes many services: a task is one"),
        Field::Group => Some("is for services; tasks have `--project`"),
        Field::Start => Some("is for services: a task starts now, after `--delay`, or `--after` another"),
        Field::Restart | Field::RestartDelay | Field::RestartMaxDelay | Field::RestartLimit | Field::RestartReset => {
            Some("is for services; a task has `--retry N`")
        }
        Field::Reload | Field::Ready | Field::StartTimeout | Field::Health | Field::Update | Field::Label => Some(once),
        Field::DependsOn | Field::WaitFor => Some("is for services; a task has `--after ID` and `--delay`"),
        Field::OnFailure => Some("is for services; a task has `--on-exit CMD`"),
        Field::Every | Field::Schedule => Some("makes a scheduled service: `svc install`"),
        Field::Sandbox | Field::Systemd | Field::Launchd => Some("is for services so far"),
    }
}

/// What the engine runs.
fn job(context: &Context, service: &Service, args: &RunArgs, store: &Store) -> Result<Job, Error> {
    let mut env: BTreeMap<String, Bytes> = BTreeMap::new();
    if service.asked.contains(Field::Path) {
        let path =
            service.path.joined().map_err(|reason| Error::new(ErrorCode::Usage, format!("`--path` {reason}")))?;
        env.extend(path.map(|path| ("PATH".to_owned(), Bytes::from(path))));
    }
    env.extend(service.env.iter().map(|(name, value)| (name.as_str().to_owned(), value.expose().into())));
    let job = render::reduced(service, env, PathBuf::new());
    let stdin = args.stdin.as_ref().map(|file| context.folder.as_path().join(file));
    if let Some(file) = &stdin {
        File::open(file).map_err(|cause| Error { code: ErrorCode::Usage, ..Error::file("read", file, &cause) })?;
    }
    let mask = service.umask.unwrap_or_else(|| {
        let mask = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
        nix::sys::stat::umask(mask);
        u16::try_from(mask.bits() & 0o777).unwrap_or(0o022)
    });
    let bare = Job::bare("", "".into());
    Ok(Job {
        start: bare.start,
        restart: bare.restart,
        start_timeout: Millis(0),
        umask: Some(mask),
        stdin: stdin.map(|file| file.into_os_string().into()),
        environ: Some(environment(store)?),
        ..job
    })
}

/// Writes the environment of this process down, unless it lies there; where.
fn environment(store: &Store) -> Result<Bytes, Error> {
    let mut bytes = Vec::new();
    for (name, value) in std::env::vars_os() {
        bytes.extend([name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
    }
    let name: String = hash_of(&bytes)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let file = store.environments().join(name);
    // one that lies there is not to be swept away before the record refers to it
    let touched =
        File::options().append(true).open(&file).and_then(|file| file.set_modified(std::time::SystemTime::now()));
    if touched.is_err() {
        write(&file, &bytes).map_err(|cause| {
            Error::failed(format!("can't keep the environment in `{}`: {}", file.display(), io_reason(&cause)))
        })?;
    }
    Ok(file.into_os_string().into())
}

/// In one step; nothing of it needs to outlive a power cut that the record did not outlive.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    crate::task::store::make(folder)?;
    let temporary = folder.join(format!(".{}", std::process::id()));
    let _ = std::fs::remove_file(&temporary); // of an earlier process of this id
    let mut new = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
    new.write_all(bytes)?;
    std::fs::rename(&temporary, file)
}

/// The project, and how many of its tasks may run at once: by the manifest here, if that is its project's.
fn project(context: &Context, typed: Option<&str>) -> Result<(Option<String>, u16), Error> {
    if let Some(typed) = typed
        && (typed.is_empty() || typed.contains(char::is_control))
    {
        return Err(Error::new(ErrorCode::Usage, "`--project` is not a name of a project"));
    }
    let Some(path) = context.manifest_path() else { return Ok((typed.map(str::to_owned), 0)) };
    let (project, limit) = crate::definition::read_project(&path)?;
    match typed {
        Some(typed) if project.as_deref() != Some(typed) => Ok((Some(typed.to_owned()), 0)),
        _ => Ok((project, limit)),
    }
}
