//! What became of a service, by what systemd writes to the journal of it.
//!
//! The kinds of messages: sd-messages.h (the same with 247, 252 and 257), `journalctl --catalog`. A program that
//! ends well after a stop has no message of its own: the stop says it.

use super::entry::Entry;
use super::journalctl::entries;
use super::matches::of_service;
use super::since_argument;
use crate::backend::Scope;
use crate::error::Error;
use crate::history::{Event, Kind};
use crate::service::Name;
use crate::sys::signals;
use jiff::Timestamp;
use std::ops::ControlFlow;

const STARTING: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
const STARTED: &str = "39f53479d3a045ac8e11786248231fbf";
const START_FAILED: &str = "be02cf6855d2428ba40df7e9d022f03d";
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";
const STOPPED: &str = "9d1aaa27d60140bd96365438aad20286";
const PROCESS_EXIT: &str = "98e322203f7a4ed290d09fe03c09fe15";
const SUCCESS: &str = "7ad2d189f7e94e70a38c781354912448";
const FAILURE: &str = "d9b373ed55a64feb8242e02dbe79a49c";
const RESTART: &str = "5eb03494b6584870a536b337290809b3";

/// Messages that are looked at: the newest.
const MOST: usize = 4000;

/// What became of a service, in the order of time. `scheduled`: its program runs to an end.
pub(crate) fn events(
    scope: Scope,
    name: &Name,
    scheduled: bool,
    since: Option<Timestamp>,
) -> Result<Vec<Event>, Error> {
    let mut arguments = vec!["--reverse".to_owned(), format!("--lines={MOST}")];
    arguments.extend(since.map(since_argument));
    let mut all = Vec::new();
    entries(&arguments, &of_service(scope, name), &mut |entry| {
        all.push(entry);
        ControlFlow::Continue(())
    })?;
    Ok(read(all.into_iter().rev(), scheduled))
}

/// One after the other.
#[derive(Default)]
struct Reader {
    found: Vec<Event>,
    /// Its program runs.
    runs: bool,
    stopping: bool,
    restarting: bool,
    /// That of the last end, unless a restart follows.
    failure: Option<Event>,
}

fn read(entries: impl Iterator<Item = Entry>, scheduled: bool) -> Vec<Event> {
    let mut reader = Reader::default();
    for entry in entries {
        if let (Some(time), Some(kind)) = (entry.time(), entry.message_id()) {
            reader.take(&entry, time, &kind, scheduled);
        }
    }
    reader.found.extend(reader.failure);
    reader.found
}

impl Reader {
    fn add(&mut self, time: Timestamp, kind: Kind, more: impl FnOnce(&mut Event)) {
        let mut event = Event::new(time, kind);
        more(&mut event);
        self.found.push(event);
    }

    fn take(&mut self, entry: &Entry, time: Timestamp, kind: &str, scheduled: bool) {
        match kind {
            STARTING if scheduled => self.start(time),
            STARTED if scheduled => self.end_well(time),
            STARTED => self.start(time),
            PROCESS_EXIT if is_of_main(entry) => self.end(entry, time),
            SUCCESS if !self.stopping => self.end_well(time),
            STOPPING => self.stopping = true,
            STOPPED => {
                if !self.restarting && self.stopping {
                    self.add(time, Kind::Stopped, |_| {});
                }
                (self.stopping, self.runs) = (false, false);
            }
            FAILURE => {
                let reason = entry.result();
                self.failure = Some(Event { reason, ..Event::new(time, Kind::Failed) });
                self.runs = false;
            }
            START_FAILED => {
                // a failure that was said already says more
                let failure = self.failure.take().unwrap_or_else(|| Event::new(time, Kind::Failed));
                self.found.push(failure);
            }
            RESTART => {
                self.failure = None;
                self.restarting = true;
                self.add(time, Kind::Restarting, |_| {});
            }
            _ => {}
        }
    }

    fn start(&mut self, time: Timestamp) {
        self.found.extend(self.failure.take());
        (self.runs, self.stopping, self.restarting) = (true, false, false);
        self.add(time, Kind::Started, |_| {});
    }

    fn end_well(&mut self, time: Timestamp) {
        if std::mem::take(&mut self.runs) {
            self.add(time, Kind::Exited, |event| event.exit_code = Some(0));
        }
    }

    fn end(&mut self, entry: &Entry, time: Timestamp) {
        self.runs = false;
        self.add(time, Kind::Exited, |event| match entry.exit() {
            Some((how, code)) if how == "exited" => event.exit_code = Some(code),
            Some((_, number)) => event.signal = Some(signals::name(number)),
            None => {}
        });
    }
}

/// Commands beside the program (`ExecStartPost=`, …) end too.
fn is_of_main(entry: &Entry) -> bool {
    entry.message().first().is_some_and(|line| memchr::memmem::find(line, b"Main process exited").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kind fields`, a second apart; as `event of exit or reason`.
    fn told(lines: &[(&str, &str)], scheduled: bool) -> Vec<String> {
        let entries = lines.iter().enumerate().map(|(second, (kind, more))| {
            let text = format!(r#"{{"__REALTIME_TIMESTAMP":"{second}000000","MESSAGE_ID":"{kind}"{more}}}"#);
            serde_json::from_str::<Entry>(&text).expect("JSON")
        });
        let word = |event: &Event| {
            let code = event.exit_code.map(|code| code.to_string());
            let more = [code, event.signal.clone(), event.reason.clone()].into_iter().flatten().collect::<String>();
            format!("{} {} {more}", event.time.as_second(), event.event.word()).trim().to_owned()
        };
        read(entries, scheduled).iter().map(word).collect()
    }

    const CRASH: &str = r#","MESSAGE":"web.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED","EXIT_CODE":"exited","EXIT_STATUS":"3""#;
    const KILLED: &str = r#","MESSAGE":"web.service: Main process exited, code=killed, status=9/KILL","EXIT_CODE":"killed","EXIT_STATUS":"9""#;
    const HOOK: &str = r#","MESSAGE":"web.service: Control process exited, code=exited, status=1/FAILURE","EXIT_CODE":"exited","EXIT_STATUS":"1""#;
    const RESULT: &str = r#","UNIT_RESULT":"exit-code""#;

    #[test]
    fn a_crash_is_an_end_and_a_restart_and_the_last_one_a_failure() {
        let lines = [
            (STARTING, ""),
            (STARTED, ""),
            (PROCESS_EXIT, CRASH),
            (FAILURE, RESULT),
            (RESTART, ""),
            (STOPPED, ""), // systemd 247 says this in between
            (STARTED, ""),
            (PROCESS_EXIT, HOOK),
            (PROCESS_EXIT, KILLED),
            (FAILURE, RESULT),
        ];
        let expected =
            ["1 started", "2 exited 3", "4 restarting", "6 started", "8 exited SIGKILL", "9 failed exit-code"];
        assert_eq!(told(&lines, false), expected);
    }

    #[test]
    fn a_stop_is_no_end_by_itself_and_a_good_end_is_one() {
        let lines = [(STARTED, ""), (STOPPING, ""), (SUCCESS, ""), (STOPPED, ""), (STARTED, ""), (SUCCESS, "")];
        assert_eq!(told(&lines, false), ["0 started", "3 stopped", "4 started", "5 exited 0"]);
        assert_eq!(told(&[(STARTING, ""), (START_FAILED, "")], false), ["1 failed"]);
    }

    #[test]
    fn a_scheduled_one_runs_to_its_end() {
        let lines = [
            (STARTING, ""),
            (SUCCESS, ""),
            (STARTED, ""),
            (STARTING, ""),
            (PROCESS_EXIT, CRASH),
            (FAILURE, RESULT),
            (START_FAILED, ""),
        ];
        assert_eq!(told(&lines, true), ["0 started", "1 exited 0", "3 started", "4 exited 3", "5 failed exit-code"]);
    }
}
