//! The backend against a small server that speaks the protocol.

use super::client::Client;
use super::target::Account;
use super::*;
use crate::backend::Verb;
use crate::error::ErrorCode;
use crate::files::runtime::Runtime;
use crate::report::State;
use crate::service::AbsPath;
use crate::service::sample::sample;
use crate::supervisor::protocol::{
    ActionOn, Ended, Failed, Hello, Loaded, Outcome as Said, ServiceStatus, VERSION, read_message, write_message,
};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

/// A machine without cron and control groups, and a user who is not root.
pub(super) fn target() -> Target {
    let environment = crate::env::sample();
    Target {
        paths: Paths::new(Scope::User, &environment),
        account: Account { name: "me".into(), home: "/home/me".into(), shell: "/bin/bash".into() },
        look_up: |name| {
            let account = |name: &str| Account { name: name.into(), home: "/srv/www".into(), shell: "/bin/sh".into() };
            (name == "www").then(|| account(name))
        },
        lang: Some("C.UTF-8".into()),
        runtime_dir: Some("/run/user/1000".into()),
        root: false,
        cgroup: false,
        path: environment.path.clone(),
        no_boot: |_| Some("no cron here".into()),
    }
}

/// A home and a runtime folder of their own.
struct World {
    folder: tempfile::TempDir,
    supervisor: Supervisor,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        let inside = |name: &str| {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            folder.path().join(name)
        };
        let environment = Environment {
            home: AbsPath::new(&inside("home")).unwrap(),
            path: "/nowhere".into(),
            xdg_runtime_dir: Some(inside("run")),
            xdg_state_home: None,
            launchctl: None,
            xdg_config_home: None,
            sudo_user: None,
            ..Environment::read().unwrap()
        };
        Self { supervisor: Supervisor::new(environment), folder }
    }

    fn runtime(&self) -> Runtime {
        Runtime { folder: self.folder.path().join("run/svc") }
    }

    /// Listens where the supervisor would; `answer` says what to answer to each request, `None` closes
    /// the connection. Gives all requests that came.
    fn serve(
        &self,
        mut answer: impl FnMut(&Request) -> Option<Vec<Answer>> + Send + 'static,
    ) -> Arc<Mutex<Vec<Request>>> {
        let state = self.supervisor.paths.state.clone();
        self.serve_as(Hello { svc: "9.9.9".into(), ..Hello::mine(&state) }, move |request, stream| {
            let Some(answers) = answer(request) else { return false };
            for answer in answers {
                write_message(stream, &answer).unwrap();
            }
            true
        })
    }

    fn serve_as(
        &self,
        hello: Hello,
        mut answer: impl FnMut(&Request, &mut UnixStream) -> bool + Send + 'static,
    ) -> Arc<Mutex<Vec<Request>>> {
        let runtime = Runtime::make(&self.supervisor.environment).unwrap();
        let listener = UnixListener::bind(runtime.socket()).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = write_message(&mut stream, &hello);
                if read_message::<Hello>(&mut stream).is_err() {
                    continue;
                }
                while let Ok(request) = read_message::<Request>(&mut stream) {
                    log.lock().unwrap().push(request.clone());
                    if !answer(&request, &mut stream) {
                        break;
                    }
                }
            }
        });
        seen
    }

    fn job(&self, name: &str) {
        let rendered = self.supervisor.render(&sample(name)).unwrap();
        std::fs::create_dir_all(self.supervisor.paths.jobs()).unwrap();
        for file in rendered.files {
            let contents = file.contents.as_bytes();
            crate::files::atomic::write_all(&[crate::files::atomic::NewFile {
                path: &file.path,
                contents,
                mode: file.mode,
            }])
            .unwrap();
        }
    }

    fn find(&self) -> Result<Option<Client<'_>>, Error> {
        self.supervisor.place().find()
    }
}

/// As commands do: one poll is the whole of it.
fn now<T>(future: impl Future<Output = T>) -> T {
    use futures_util::FutureExt;
    future.now_or_never().unwrap()
}

fn subject(name: &str) -> Subject {
    Subject { name: Name::parse(name).unwrap(), scheduled: false, notify: false, log: None, depends_on: Vec::new() }
}

fn action(verb: Verb, name: &str) -> Action {
    Action { verb, subject: subject(name) }
}

fn status(name: &str, state: State, pid: Option<u32>) -> ServiceStatus {
    ServiceStatus {
        name: name.into(),
        state,
        pid,
        start_ticks: None,
        started_at: None,
        restarts: 1,
        exit_code: None,
        signal: None,
        reason: None,
        status_text: None,
        next_run_at: None,
        needs_load: false,
        loaded: None,
        cgroup: None,
        pids: Vec::new(),
        log_rate: None,
    }
}

fn ok(one: &ActionOn) -> Answer {
    Answer::Outcome(Said { verb: one.verb, name: one.name.clone(), result: Ended::Ok {} })
}

#[test]
fn without_a_supervisor_all_is_stopped_and_nothing_is_started_for_it() {
    let world = World::new();
    world.job("web");
    let supervisor = &world.supervisor;
    let seen = now(supervisor.observe(&[subject("web"), subject("gone")])).unwrap();
    assert_eq!((seen[0].state, seen[0].known, seen[0].enabled), (State::Stopped, true, Some(false)));
    assert!(!seen[1].known);
    assert_eq!(now(supervisor.load(&[subject("web")])).unwrap(), []);
    assert_eq!(now(supervisor.load(&[])).unwrap(), []);
    let outcomes = now(supervisor.perform(&[action(Verb::Stop, "web"), action(Verb::Reload, "web")])).unwrap();
    assert!(outcomes[0].result.is_ok());
    assert!(outcomes[1].result.as_ref().unwrap_err().message.contains("not running"));
    assert!(!world.runtime().folder.exists(), "no folder was made");
}

#[test]
fn marks_make_a_login_start_it_and_the_last_one_takes_that_back() {
    let world = World::new();
    let supervisor = &world.supervisor;
    let profile = world.folder.path().join("home/.profile");
    let both = [action(Verb::Enable, "web"), action(Verb::Enable, "db")];
    assert!(now(supervisor.perform(&both)).unwrap().iter().all(|one| one.result.is_ok()));
    assert!(std::fs::read_to_string(&profile).unwrap().contains("supervisor start"));
    assert_eq!(std::fs::read(supervisor.paths.enabled_mark("web")).unwrap(), b"");
    let seen = now(supervisor.observe(&[subject("web"), subject("other")])).unwrap();
    assert_eq!((seen[0].enabled, seen[1].enabled), (Some(true), Some(false)));
    now(supervisor.perform(&[action(Verb::Disable, "web")])).unwrap();
    assert!(profile.exists());
    now(supervisor.perform(&[action(Verb::Disable, "db"), action(Verb::Disable, "db")])).unwrap();
    assert!(!profile.exists());
    assert!(!world.folder.path().join("home/.config").exists());
}

#[test]
fn states_come_from_the_supervisor_and_figures_from_proc() {
    let world = World::new();
    world.job("web");
    let me = std::process::id();
    let requests = world.serve(move |request| {
        let Request::Status { names: Some(_), processes } = request else { return None };
        let mut web = status("web", State::Running, Some(me));
        if *processes {
            web.pids = vec![me];
        }
        Some(vec![Answer::Status { services: vec![web] }])
    });
    let seen = now(world.supervisor.observe(&[subject("web")])).unwrap().remove(0);
    assert_eq!((seen.state, seen.pid, seen.restarts, seen.known), (State::Running, Some(me), Some(1), true));
    assert!(seen.memory_bytes.unwrap() > 100_000 && seen.started_at.is_some());
    assert_eq!(seen.processes.len(), 1);
    assert!(seen.processes[0].command.contains("svc"));
    let many = now(world.supervisor.observe(&[subject("web"), subject("none")])).unwrap();
    assert_eq!((many[0].processes.len(), many[0].pid, many[1].known), (0, Some(me), false));
    let asked = requests.lock().unwrap().clone();
    assert_eq!(asked[0], Request::Status { names: Some(vec!["web".into()]), processes: true });
}

#[test]
fn a_failed_start_has_its_last_lines_and_advice() {
    let world = World::new();
    world.serve(|request| {
        let Request::Perform { actions } = request else { return None };
        let failed = |name: &str, code, line: &str| {
            let message = format!("stopped right after its start: exit code {code}");
            let log_tail = vec![line.to_owned()];
            let failed = Failed { message, log_tail, exit_code: Some(code), ..Failed::default() };
            Answer::Outcome(Said { verb: Verb::Start, name: name.into(), result: Ended::Failed(failed) })
        };
        // in another order than asked, and then the good one
        Some(vec![
            failed("db", 127, "sh: nix: not there"),
            failed("web", 1, "Error: listen EADDRINUSE: address already in use :::3000"),
            ok(&actions[2]),
            Answer::Done {},
        ])
    });
    let actions = ["web", "db", "ok"].map(|name| action(Verb::Start, name));
    let outcomes = now(world.supervisor.perform(&actions)).unwrap();
    let web = outcomes[0].result.clone().unwrap_err();
    assert_eq!(web.message, "stopped right after its start: exit code 1");
    assert_eq!(web.hint.as_deref(), Some("port 3000 is in use: `ss -ltnp 'sport = :3000'` shows by whom"));
    assert_eq!(web.log.len(), 1);
    let db = outcomes[1].result.clone().unwrap_err();
    assert_eq!(db.message, "stopped right after its start: exit code 127: command not found");
    assert!(db.hint.unwrap().contains("svc doctor"));
    assert!(outcomes[2].result.is_ok());
}

#[test]
fn a_supervisor_that_is_killed_in_the_middle_is_asked_again_for_what_is_left() {
    let world = World::new();
    let mut killed = 0;
    let requests = world.serve_as(Hello::mine(&world.supervisor.paths.state), move |request, stream| {
        let later = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(60)).unwrap();
        match request {
            Request::Perform { actions } => {
                // one outcome, then dead; twice
                write_message(stream, &ok(&actions[0])).unwrap();
                if killed < 2 {
                    killed += 1;
                    return false;
                }
                for one in &actions[1..] {
                    write_message(stream, &ok(one)).unwrap();
                }
                write_message(stream, &Answer::Done {}).unwrap();
            }
            Request::Status { names, .. } => {
                let of = |name: &String| ServiceStatus {
                    // `c` was restarted by the one that was killed
                    started_at: (name == "c").then_some(later),
                    ..status(name, State::Starting, None)
                };
                let services = names.iter().flatten().map(of).collect();
                write_message(stream, &Answer::Status { services }).unwrap();
            }
            _ => return false,
        }
        true
    });
    let actions = ["a", "b", "c", "d"].map(|name| action(Verb::Restart, name));
    let outcomes = now(world.supervisor.perform(&actions)).unwrap();
    assert!(outcomes.iter().all(|one| one.result.is_ok() && one.verb == Verb::Restart), "{outcomes:?}");
    let mut asked: Vec<Vec<(Verb, String)>> = Vec::new();
    for request in requests.lock().unwrap().iter() {
        if let Request::Perform { actions } = request {
            let mut batch: Vec<_> = actions.iter().map(|one| (one.verb, one.name.clone())).collect();
            batch.sort_by(|a, b| a.1.cmp(&b.1));
            asked.push(batch);
        }
    }
    assert_eq!(asked.len(), 3);
    assert_eq!((asked[0].len(), asked[1].len(), asked[2].len()), (4, 3, 2));
    let again: Vec<Verb> = asked[1].iter().filter(|(_, name)| name == "c").map(|(verb, _)| *verb).collect();
    assert_eq!(again, [Verb::Start], "what was restarted is only seen up: {asked:?}");
}

#[test]
fn complaints_of_job_files_reach_the_transaction() {
    let world = World::new();
    world.serve(|request| {
        let Request::Load { names } = request else { return None };
        let error = |name: &String| (name == "bad").then(|| "no such calendar".to_owned());
        let results = names.iter().map(|name| Loaded { name: name.clone(), error: error(name) }).collect();
        Some(vec![Answer::Loaded { results }])
    });
    let bad = now(world.supervisor.load(&[subject("web"), subject("bad")])).unwrap();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].0.as_str(), "bad");
    assert!(bad[0].1.ends_with("no such calendar"));
}

#[test]
fn what_has_no_job_file_any_more_is_forgotten_and_with_the_last_one_it_ends() {
    let world = World::new();
    world.job("web");
    let requests = world.serve(|request| match request {
        Request::Status { .. } => Some(vec![Answer::Status {
            services: vec![status("old", State::Stopped, None), status("web", State::Stopped, None)],
        }]),
        _ => Some(vec![Answer::Done {}]),
    });
    now(world.supervisor.load(&[])).unwrap();
    let last = || requests.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last(), Request::Forget { names: vec!["old".into()] });
    std::fs::remove_file(world.supervisor.paths.job("web")).unwrap();
    now(world.supervisor.load(&[])).unwrap();
    assert_eq!(last(), Request::Shutdown {});
}

#[test]
fn a_foreign_folder_or_socket_is_refused_in_words() {
    let world = World::new();
    let folder = world.runtime().folder;
    std::os::unix::fs::symlink("/tmp", &folder).unwrap();
    let error = world.find().unwrap_err();
    assert_eq!(error.code, ErrorCode::NotPermitted);
    assert!(error.message.contains("is a link"), "{error}");
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let error = world.find().unwrap_err();
    assert!(error.message.contains("has mode 777") && error.hint.is_some(), "{error}");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    assert!(world.find().unwrap().is_none());
    // left over by one that was killed
    drop(UnixListener::bind(world.runtime().socket()).unwrap());
    assert!(world.find().unwrap().is_none());
}

#[test]
fn one_of_another_version_or_another_home_is_told_from_ones_own() {
    let world = World::new();
    let state = world.supervisor.paths.state.clone();
    let mine = Hello::mine(&state);
    let newer = Hello { svc: "7.0.0".into(), version: VERSION + 9, oldest: VERSION + 9, ..mine.clone() };
    world.serve_as(newer, |_, _| false);
    let error = world.find().unwrap_err();
    assert!(error.message.contains("7.0.0") && error.hint.unwrap().contains("supervisor reload"));
    assert!(world.supervisor.place().find_any().unwrap().is_some(), "the way out is open");

    let world = World::new();
    world.serve_as(Hello { state: "/another/home".into(), ..mine.clone() }, |_, _| false);
    assert!(world.find().unwrap().is_none());

    // the same folder by another path
    let world = World::new();
    let state = world.supervisor.paths.state.clone();
    std::fs::create_dir_all(&state).unwrap();
    let link = world.folder.path().join("link");
    std::os::unix::fs::symlink(&state, &link).unwrap();
    world.serve_as(Hello::mine(&link), |_, _| false);
    assert!(world.find().unwrap().is_some());
}

#[test]
fn an_answer_that_is_none_or_rubbish_is_an_error_in_words() {
    let world = World::new();
    world.serve_as(Hello::mine(&world.supervisor.paths.state), |_, stream| {
        use std::io::Write;
        stream.write_all(&[0xff; 64]).unwrap();
        true
    });
    let error = now(world.supervisor.observe(&[subject("web")])).unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable);
    assert!(error.message.contains("4194304 are the limit"), "{error}");

    let world = World::new();
    world.serve(|_| Some(vec![Answer::Refused { message: "too many".into() }]));
    let error = now(world.supervisor.observe(&[subject("web")])).unwrap_err();
    assert_eq!(error.message, "the supervisor refuses: too many");
}

#[test]
fn a_slow_one_that_is_alive_is_waited_for() {
    let world = World::new();
    let mut pending = None;
    // says nothing to the batch until it is asked for a sign of life
    world.serve(move |request| match request {
        Request::Perform { actions } => {
            pending = Some(actions[0].clone());
            Some(Vec::new())
        }
        Request::Ping {} => {
            let pong = crate::supervisor::protocol::Pong {
                pid: 1,
                guardian: None,
                svc: String::new(),
                since: None,
                takeovers: 0,
                services: 0,
                running: 0,
            };
            Some(vec![Answer::Pong(pong), ok(&pending.take().unwrap()), Answer::Done {}])
        }
        _ => None,
    });
    let outcomes = now(world.supervisor.perform(&[action(Verb::Start, "web")])).unwrap();
    assert!(outcomes[0].result.is_ok());
}

#[test]
fn a_job_file_of_somebody_else_is_not_replaced() {
    let world = World::new();
    world.job("mine");
    std::fs::File::create(world.supervisor.paths.job("other")).unwrap();
    let names = ["mine", "none", "other"].map(|name| Name::parse(name).unwrap());
    let claims = now(world.supervisor.claims(&names)).unwrap();
    assert_eq!(claims, [Claim::Free, Claim::Free, Claim::Foreign(world.supervisor.paths.job("other"))]);
}
