//! `svc run` without `-b`: the task runs under its manager as any other does; this shows what it writes, hands on
//! what the terminal says, and ends as it ends.

use super::{Context, line, look, run, store};
use crate::cli::tasks::RunArgs;
use crate::error::{Error, io_reason};
use crate::report::{Report, Task};
use crate::sys::clock;
use crate::task::life::{self, Cancel};
use crate::task::said::Said;
use crate::task::{Slot, Stand, Store};
use crate::view::{Screen, TaskBar};
use nix::sys::signal::{Signal, kill};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Between two looks: the first, and the longest.
const FIRST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(40);
/// Looks after which a killed manager is looked for.
const MEND: u32 = 25;

/// Exit codes of a shell: its terminal went away; interrupted; told to end.
const HANGUP: u8 = 129;
const TERMINATED: u8 = 143;

/// Runs what was typed; returns when it is over.
pub(crate) async fn run(context: &Context, args: &RunArgs, screen: &Screen) -> Result<(Report, Vec<String>), Error> {
    let from = args.fields.log_file.is_some();
    let (task, warnings) = run::submit(context, args).await?;
    screen.warn(&warnings);
    follow(context, &task, screen, args.detach_on_hangup, from).await
}

/// Shows a task until it is over.
pub(crate) async fn follow(
    context: &Context,
    task: &Task,
    screen: &Screen,
    detach_on_hangup: bool,
    own_log: bool,
) -> Result<(Report, Vec<String>), Error> {
    let store = store(context);
    let failed = |cause: io::Error| Error::failed(format!("can't hear signals: {}", io_reason(&cause)));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut quit = signal(SignalKind::quit()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut output = Output::new(task.log.as_deref().unwrap_or(Path::new("/dev/null")), own_log);
    let mut bar = screen.task_bar();
    if task.pid.is_none() && !super::show::is_over(task.state) {
        screen.say(&format!("task {} waits in line; Ctrl-C takes it out", task.id));
    }
    let (mut pause, mut looks) = (FIRST, 0);
    loop {
        let slot = store.read()?.and_then(|view| view.get(task.id)).ok_or_else(|| life::no_task(task.id))?;
        // what it wrote before it was over is all there
        let shown = output.show(&mut bar);
        if let Err(cause) = shown {
            if cause.kind() == io::ErrorKind::BrokenPipe {
                end(context, &store, &slot).await?;
                return Ok((Report::Ended(look::exit_code(&slot).max(1)), Vec::new()));
            }
            return Err(Error::failed(format!("can't show its output: {}", io_reason(&cause))));
        }
        if slot.stand.is_over() {
            return Ok((over(&store, &slot, screen), Vec::new()));
        }
        if slot.stand == Stand::Running {
            bar.show(&Said::read(&store, slot.id), slot.started, clock::now().as_millisecond());
        }
        looks += 1;
        if looks % MEND == 0 {
            line::look(context, &store).await?;
        }
        pause = if matches!(shown, Ok(true)) { FIRST } else { (pause * 2).min(LONGEST) };
        tokio::select! {
            _ = interrupt.recv() => hand_on(context, &store, &slot, Signal::SIGINT).await?,
            _ = quit.recv() => hand_on(context, &store, &slot, Signal::SIGQUIT).await?,
            _ = terminate.recv() => {
                end(context, &store, &slot).await?;
                return Ok((Report::Ended(TERMINATED), Vec::new()));
            }
            _ = hangup.recv() => {
                if !detach_on_hangup {
                    end(context, &store, &slot).await?;
                }
                return Ok((Report::Ended(HANGUP), Vec::new()));
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A key of the terminal, for the program and all that it has in its session's first group; for one that waits it
/// is the end.
async fn hand_on(context: &Context, store: &Store, slot: &Slot, signal: Signal) -> Result<(), Error> {
    if slot.stand != Stand::Running {
        return end(context, store, slot).await;
    }
    if life::lives(slot, life::this_boot()) {
        let group = nix::unistd::Pid::from_raw(slot.pid.cast_signed());
        // under every manager the program leads its group; it may have ended meanwhile
        let _ = kill(nix::unistd::Pid::from_raw(-group.as_raw()), signal).or_else(|_| kill(group, signal));
    }
    Ok(())
}

/// Cancels it; true when this returns.
async fn end(context: &Context, store: &Store, slot: &Slot) -> Result<(), Error> {
    let (cancelled, spec) = {
        let mut table = store.lock()?;
        let cancelled = life::cancel(&mut table, slot.id, None, clock::now().as_millisecond())?;
        (cancelled, table.spec(slot))
    };
    if let (Cancel::Stop(slot), Some(spec)) = (cancelled, spec) {
        context.of_kind(slot.backend).stop_task(&slot, &spec).await?;
        look::over(context, store, slot.id).await?;
    }
    Ok(())
}

/// Its end, as a shell has it; in words where its exit does not say why.
fn over(store: &Store, slot: &Slot, screen: &Screen) -> Report {
    let reason = store.read().ok().flatten().and_then(|view| view.reason(slot));
    let plain = slot.exit_code.is_some_and(|code| reason.as_deref() == Some(&format!("exit code {code}")));
    if let Some(reason) = reason.filter(|_| !plain && slot.stand == Stand::Failed) {
        screen.say(&format!("task {} failed: {reason}", slot.id));
    }
    if slot.stand == Stand::Cancelled {
        screen.say(&format!("task {} was cancelled", slot.id));
    }
    Report::Ended(look::exit_code(slot))
}

/// What it writes.
struct Output<'a> {
    path: &'a Path,
    file: Option<File>,
    /// A log of a person's own may have been there before: only what is new is shown.
    own: bool,
}

impl<'a> Output<'a> {
    fn new(path: &'a Path, own: bool) -> Self {
        Self { path, file: None, own }
    }

    /// Shows what is new; whether there was something.
    fn show(&mut self, bar: &mut TaskBar) -> io::Result<bool> {
        if self.file.is_none() {
            self.file = File::open(self.path).ok();
            if self.own
                && let Some(file) = &mut self.file
            {
                use std::io::Seek;
                file.seek(io::SeekFrom::End(0))?;
            }
        }
        let Some(file) = &mut self.file else { return Ok(false) };
        let mut bytes = vec![0; 64 * 1024];
        let mut any = false;
        loop {
            let count = file.read(&mut bytes)?;
            if count == 0 {
                return Ok(any);
            }
            any = true;
            bar.hidden(|| {
                let mut out = io::stdout().lock();
                out.write_all(&bytes[..count]).and_then(|()| out.flush())
            })?;
        }
    }
}
