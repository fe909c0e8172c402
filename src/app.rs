//! From arguments to exit code: the whole run of one command.

use crate::backend::detect::Wanted;
use crate::backend::{Backend, BackendKind, Verb};
use crate::cli::tasks::{TasksAction, TasksArgs};
use crate::cli::{Cli, Command, Global, LogsArgs};
use crate::command::{self, Context};
use crate::env::Environment;
use crate::error::{Error, ErrorCode};
use crate::report::Report;
use crate::service::AbsPath;
use crate::task::Slot;
use crate::view::Screen;
use std::ffi::OsString;
use std::process::ExitCode;
use std::task::Poll;

/// What a command gives: its report and warnings.
type Outcome = Result<(Report, Vec<String>), Error>;

/// Runs `svc` with these arguments.
pub fn run(arguments: &[OsString]) -> ExitCode {
    // the one thing asked for most by scripts, without building the parser of all commands
    if arguments.len() == 2 && (arguments[1] == "--version" || arguments[1] == "-V") {
        return crate::view::version();
    }
    // how launchd starts a program under its service's name: on the way of each start, so without a parser
    if let [_, exec, dashes, program, rest @ ..] = arguments
        && exec == "exec"
        && dashes == "--"
    {
        return crate::view::not_executed(program, &command::exec::become_program(program, rest));
    }
    let cli = match Cli::read(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            return crate::view::usage(
                &error,
                arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json"),
            );
        }
    };
    let screen = Screen::new(&cli.global);
    trace(&cli.global);
    match execute(cli, &screen) {
        Ok((report, warnings)) => screen.report(&report, &warnings),
        Err(error) => screen.error(&error),
    }
}

#[expect(clippy::disallowed_methods, reason = "read before the environment of commands is")]
fn trace(global: &Global) {
    let variable = std::env::var("SVC_LOG").ok();
    if global.verbose == 0 && variable.is_none() {
        return;
    }
    let level = if global.verbose > 1 { "svc=trace" } else { "svc=debug" };
    let filter = tracing_subscriber::EnvFilter::new(variable.as_deref().unwrap_or(level));
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).try_init();
}

fn execute(cli: Cli, screen: &Screen) -> Outcome {
    let environment = Environment::read().map_err(|reason| Error::new(ErrorCode::Unreachable, reason))?;
    let Global { file, directory, backend, system, user, json, .. } = cli.global;
    // it is of the user, whatever manager the machine has
    if let Command::Supervisor(args) = &cli.command {
        return command::supervisor::run(&environment, args, system || user);
    }
    if let Command::Shim { job } = &cli.command {
        return command::shim::run(&environment, job);
    }
    if let Command::Schema = &cli.command {
        return Ok((Report::Document(crate::definition::schema()), Vec::new()));
    }
    let folder = folder(directory)?;
    if let Command::Import(args) = &cli.command {
        return command::import::run(&folder, args);
    }
    if let Command::Init = &cli.command {
        return command::init::run(&folder, file.as_ref());
    }
    if let Command::Helper(helper) = cli.command {
        let of = if helper.is_of_launchd() { Wanted::Launchd } else { Wanted::Systemd };
        let context = Context::new(environment, of, (system, user), folder, None)?;
        return command::helper::run(&context, helper);
    }
    if let Command::Up(args) = &cli.command
        && args.foreground
    {
        return command::foreground::run(&environment, args, folder, file, system, screen);
    }
    let context = Context::new(environment, backend, (system, user), folder, file)?;
    if let Some(outcome) = about_a_task(&context, &cli.command, screen, json) {
        return outcome;
    }
    match cli.command {
        Command::Supervisor(args) => command::supervisor::run(&context.environment, &args, system || user),
        Command::Up(args) if args.dry_run => wait(&context, command::up::run(&context, &args, screen)),
        Command::Up(args) => changing(&context, command::up::run(&context, &args, screen)),
        Command::Down(args) => changing(&context, command::down::run(&context, &args, screen)),
        Command::Diff(args) => wait(&context, command::diff::run(&context, &args)),
        Command::Shim { job } => command::shim::run(&context.environment, &job),
        Command::Helper(helper) => command::helper::run(&context, helper),
        Command::Init => command::init::run(&context.folder, context.file.as_ref()),
        Command::Export(args) => command::export::run(&context, &args),
        Command::Import(args) => command::import::run(&context.folder, &args),
        Command::Schema => Ok((Report::Document(crate::definition::schema()), Vec::new())),
        Command::Render(args) => command::render::run(&context, &args),
        Command::Show(args) => command::show::run(&context, &args),
        Command::Install(args) if args.dry_run => wait(&context, command::install::run(&context, &args)),
        Command::Install(args) => changing(&context, command::install::run(&context, &args)),
        Command::Uninstall(args) => changing(&context, command::uninstall::run(&context, &args)),
        Command::Start(args) => changing(&context, command::drive::run(&context, Verb::Start, &args, false)),
        Command::Run(args) if args.background => tasks(&context, command::task::run::background(&context, &args)),
        Command::Run(args) => on_runtime(command::task::attached::run(&context, &args, screen)),
        Command::Tasks(TasksArgs { action: Some(TasksAction::Prune(args)), .. }) => {
            tasks(&context, command::task::prune::run(&context, &args))
        }
        Command::Tasks(args) if args.watch && !json => on_runtime(command::task::look::watch(&context, &args, screen)),
        Command::Tasks(args) => tasks(&context, command::task::look::tasks(&context, &args)),
        Command::Wait(args) => on_runtime(command::task::look::wait(&context, &args)),
        Command::Cancel(args) => on_runtime(command::task::cancel::run(&context, &args)),
        Command::Retry(args) => on_runtime(command::task::retry::run(&context, &args, screen)),
        Command::Notify(args) => command::task::notify::run(&context.paths, &args),
        Command::Stop(args) => changing(&context, command::drive::run(&context, Verb::Stop, &args, false)),
        Command::Restart(args) => changing(&context, command::drive::run(&context, Verb::Restart, &args, false)),
        Command::Reload(args) => changing(&context, command::drive::run(&context, Verb::Reload, &args, false)),
        Command::Enable(args) => {
            changing(&context, command::drive::run(&context, Verb::Enable, &args.select, args.boot))
        }
        Command::Disable(args) => changing(&context, command::drive::run(&context, Verb::Disable, &args, false)),
        Command::Status(args) => {
            let (report, warnings) = wait(&context, command::status::run(&context, &args, json))?;
            Ok((command::task::look::beside(&context, &args, report)?, warnings))
        }
        Command::List => wait(&context, command::list::run(&context)),
        Command::Doctor(args) => wait(&context, command::doctor::run(&context, &args)),
        Command::History(args) => command::history::run(&context, &args),
        Command::Logs(args) => {
            let (query, mut warnings) = command::logs::query(&context, &args)?;
            let selected = command::logs::Selected::new(&context, &args);
            let several = query.services.len() > 1 || (args.follow && crate::logs::Followed::grows(&selected));
            let mut printer = screen.log_printer(&query, args.raw, several && !args.no_prefix);
            let followed = args.follow.then_some(&selected as &dyn crate::logs::Followed);
            if args.failed {
                command::logs::read_failed(&context, &args, &mut printer)?;
            } else {
                warnings.extend(command::logs::read(&context, &query, followed, &mut printer)?);
            }
            printer.finish()?;
            Ok((Report::Nothing, warnings))
        }
    }
}

/// `status`, `logs` and `stop` of a task; `None`: a service is meant, or nothing that is there.
fn about_a_task(context: &Context, command: &Command, screen: &Screen, json: bool) -> Option<Outcome> {
    if let Command::Stop(args) = command {
        let slot = command::task::meant(context, &args.selector)?;
        let store = command::task::store(context);
        return Some(tasks(context, command::task::cancel::cancel(context, &store, &[slot], None)));
    }
    if let Command::Status(args) = command {
        let slot = command::task::meant(context, &args.selector)?;
        return Some(tasks(context, command::task::look::status(context, &slot, json)));
    }
    if let Command::Logs(args) = command {
        let slot = command::task::meant(context, &args.select.selector)?;
        return Some(log_of_a_task(context, args, &slot, screen));
    }
    None
}

fn log_of_a_task(context: &Context, args: &LogsArgs, slot: &Slot, screen: &Screen) -> Outcome {
    let query = command::task::look::log_query(context, args, slot)?;
    let task = command::task::look::FollowedTask::new(context, slot, &query);
    let mut printer = screen.log_printer(&query, args.raw, false);
    let followed = args.follow.then_some(&task as &dyn crate::logs::Followed);
    let warnings = command::logs::read(context, &query, followed, &mut printer)?;
    printer.finish()?;
    Ok((Report::Nothing, warnings))
}

/// A command that changes something: refused before it begins where only root may.
fn changing(context: &Context, future: impl Future<Output = Outcome>) -> Outcome {
    command::install::may_change(context)?;
    wait(context, future)
}

/// Runs a command. Where no D-Bus can be involved it never waits for an event: one poll is the whole
/// of it, and no runtime is made.
fn wait<T>(context: &Context, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    context.backend.begin();
    if context.needs_runtime() {
        return on_runtime(future);
    }
    let polled = std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::failed("this command waits for something that it has no runtime for")),
    }
}

/// Runs a command about tasks: the supervisor answers when all is done, the others are looked at until it is.
fn tasks<T>(context: &Context, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match context.backend.kind() {
        BackendKind::Supervisor => wait(context, future),
        BackendKind::Systemd | BackendKind::Launchd => on_runtime(future),
    }
}

/// Runs a future on a runtime of this thread.
pub(crate) fn on_runtime<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|cause| Error::failed(format!("can't start: {}", crate::error::io_reason(&cause))))?;
    let result = runtime.block_on(future);
    // the process ends soon, and the kernel closes faster than tasks are cancelled one by one; what
    // owns a child process was dropped with the future
    std::mem::forget(runtime);
    result
}

fn folder(directory: Option<std::path::PathBuf>) -> Result<AbsPath, Error> {
    let gone = |cause: std::io::Error| {
        Error::failed(format!("the current folder is gone: {}", crate::error::io_reason(&cause)))
            .hint("`cd` somewhere else")
    };
    let here = std::env::current_dir();
    let folder = match directory {
        Some(directory) if directory.is_absolute() => directory,
        Some(directory) => here.map_err(gone)?.join(directory),
        None => here
            .or_else(|cause| if cause.kind() == std::io::ErrorKind::NotFound { Ok("/".into()) } else { Err(cause) })
            .map_err(gone)?,
    };
    if !folder.is_dir() {
        return Err(Error::new(ErrorCode::Usage, format!("there is no folder `{}`", folder.display())));
    }
    AbsPath::new(&folder)
        .map_err(|reason| Error::new(ErrorCode::Usage, format!("the folder `{}` {reason}", folder.display())))
}
