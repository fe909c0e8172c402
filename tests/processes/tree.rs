//! Services whose processes hide and fork, found and killed.

use crate::Test;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use svc::engine::cgroup::{self, Group};
use svc::engine::job::Job;
use svc::engine::spawn::{self, Extra, Join};
use svc::engine::tree::{self, Id, Keepers, Service};
use svc::sys::{fds, subreaper};

pub(crate) const TESTS: [Test; 7] = [
    ("an_orphan_in_its_own_session_is_found_and_killed", orphan),
    ("an_orphan_without_a_mark_is_found_by_its_session", unmarked),
    ("what_hides_altogether_is_a_stray", hidden),
    ("what_hides_altogether_is_found_by_its_control_group", grouped),
    ("a_tree_that_ignores_sigterm_ends_and_its_neighbour_does_not", stubborn),
    ("processes_that_fork_while_they_are_killed_end", hydra),
    ("a_process_belongs_to_the_service_above_it", owners),
];

const DEADLINE: Duration = Duration::from_secs(20);

/// A service of this test, which is its keeper.
struct Running {
    name: &'static str,
    main: Id,
    _output: (std::os::fd::OwnedFd, std::os::fd::OwnedFd),
}

impl Running {
    fn start(name: &'static str, script: &str) -> Self {
        Self::start_in(name, script, None)
    }

    fn start_in(name: &'static str, script: &str, group: Option<&Group>) -> Self {
        let text = format!(
            "version = 1\nname = {name:?}\nstart = 'manual'\nargv = ['/bin/sh', '-c', {script:?}]\nworking_dir = '/'\n\
             stop_signal = 'SIGTERM'\nstop_timeout = 1000\nstart_timeout = 1000\n\
             env = {{ PATH = '/usr/bin:/bin' }}\n\
             restart = {{ policy = 'never', delay = 0, max_delay = 0, limit = 1, within = 1, reset = 1 }}\n\
             log = {{ file = '/dev/null', max_size = 0, keep = 0 }}\n"
        );
        let job: Job = toml::from_str(&text).unwrap();
        let output = fds::pipe().unwrap();
        let run = spawn::run_id("").unwrap();
        let procs = group.map(|group| group.procs().unwrap());
        let cgroup = procs.as_ref().map(|procs| Join { procs: procs.as_fd(), memory: false, tasks: false });
        let prepared = spawn::prepare(&job, &Extra { run: &run, cgroup, ..Extra::default() }).unwrap();
        let spawned = prepared.spawn(output.1.as_fd()).unwrap();
        spawned.release();
        Self { name, main: Id { pid: spawned.pid, start_ticks: spawned.start_ticks }, _output: output }
    }

    fn service(&self) -> Service<'static> {
        Service { name: self.name, main: Some(self.main), group: None }
    }

    fn members(&self, known: &BTreeSet<u32>) -> Vec<Id> {
        tree::members(&[self.service()], keepers(known)).pop().unwrap()
    }

    /// Waits until it has so many processes.
    fn grown(&self, count: usize, known: &BTreeSet<u32>) -> Vec<Id> {
        until("processes", || Some(self.members(known)).filter(|members| members.len() == count))
    }

    fn killed(&self, known: &BTreeSet<u32>) -> bool {
        let done = tree::kill_all(self.service(), keepers(known), Instant::now() + DEADLINE, |pause| {
            reap();
            std::thread::park_timeout(pause);
        });
        reap();
        done
    }
}

fn keepers(known: &BTreeSet<u32>) -> Keepers<'_> {
    // this program is the only keeper
    Keepers { pids: ME.get_or_init(|| [std::process::id()]), realm: "", known }
}

static ME: std::sync::OnceLock<[u32; 1]> = std::sync::OnceLock::new();

fn reap() {
    while let Some((pid, _)) = subreaper::peek_ended().unwrap() {
        subreaper::reap(pid).unwrap();
    }
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        reap();
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn orphan() {
    let known = BTreeSet::new();
    let service = Running::start("orphan", "(setsid setsid sh -c 'exec <&- >&- 2>&-; sleep 100; true' &) ; exit 3");
    until("one orphan", || (!service.main.lives() && tree::strays(keepers(&known)).len() == 1).then_some(()));
    // shell and sleep
    let members = service.grown(2, &known);
    assert!(members.iter().all(|id| *id != service.main));
    let mark = tree::marked(members[0].pid).unwrap();
    assert_eq!((mark.service.as_str(), mark.run.len()), ("orphan", 16));
    assert!(service.killed(&known));
    assert!(members.iter().all(|id| !id.lives()));
    assert!(tree::strays(keepers(&known)).is_empty());
}

fn unmarked() {
    let known = BTreeSet::new();
    let service = Running::start("unmarked", "env -i sleep 100 & sleep 0.1; exit 0");
    until("the end of the main process", || (!service.main.lives()).then_some(()));
    let members = service.grown(1, &known);
    assert_eq!(tree::marked(members[0].pid), None);
    assert!(service.killed(&known));
    assert!(!members[0].lives());
}

fn hidden() {
    let service = Running::start("hidden", "setsid env -i sleep 100 & sleep 0.1; exit 0");
    let known = BTreeSet::from([service.main.pid]);
    until("the end of the main process", || (!service.main.lives()).then_some(()));
    assert_eq!(service.members(&known), []);
    let strays = until("one orphan", || Some(tree::strays(keepers(&known))).filter(|strays| strays.len() == 1));
    let stray = Id::of(strays[0]).unwrap();
    assert_eq!(tree::signal_all(&[stray, Id { start_ticks: stray.start_ticks + 1, ..stray }], Signal::SIGKILL), 1);
    until("its end", || (!stray.lives()).then_some(()));
}

fn grouped() {
    let hierarchy = match cgroup::find_writable(&format!("tree{}", std::process::id()), &[]) {
        Ok(hierarchy) => hierarchy,
        Err(reason) => return crate::support::skip("what hides altogether is found by its control group", &reason),
    };
    let group = hierarchy.group("hidden").unwrap();
    let script = "setsid env -i sleep 100 & sleep 0.1; exit 0";
    let service = Running::start_in("hidden", script, Some(&group));
    let known = BTreeSet::from([service.main.pid]);
    until("the end of the main process", || (!service.main.lives()).then_some(()));
    let service = Service { group: Some(&group), ..service.service() };
    let members = || tree::members(&[service], keepers(&known)).pop().unwrap();
    assert_eq!(members().len(), 1);
    assert!(tree::kill_all(service, keepers(&known), Instant::now() + DEADLINE, |_| reap()));
    assert_eq!(members(), []);
    group.remove().unwrap();
    hierarchy.remove().unwrap();
}

fn stubborn() {
    let fifty = "trap '' TERM; i=0; while [ $i -lt 25 ]; do i=$((i+1)); \
                 (setsid sh -c 'trap \"\" TERM; sleep 100; true' &); done; sleep 100; true";
    let service = Running::start("stubborn", fifty);
    let other = Running::start("neighbour", "setsid sleep 100 & sleep 100; true");
    let known = BTreeSet::from([service.main.pid, other.main.pid]);
    service.grown(52, &known);
    let neighbours = other.grown(3, &known);
    let both = tree::members(&[other.service(), service.service()], keepers(&known));
    assert_eq!((both[0].len(), both[1].len()), (3, 52));
    assert_eq!(both[0], neighbours);
    assert_eq!(tree::signal_all(&both[1], Signal::SIGTERM), 52);
    let start = Instant::now();
    assert!(service.killed(&known));
    println!("  52 processes in {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(service.members(&known), []);
    assert_eq!(other.members(&known), neighbours);
    assert!(other.killed(&known));
}

/// Ten chains of processes, each of which starts the next in a new session and ends: no list of
/// them is true for longer than a few milliseconds.
fn hydra() {
    let folder = tempfile::tempdir().unwrap();
    let head = folder.path().join("head");
    std::fs::write(&head, format!("#!/bin/sh\nsetsid {} &\n", head.display())).unwrap();
    std::fs::set_permissions(&head, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let service = Running::start("hydra", &format!("for i in 0 1 2 3 4 5 6 7 8 9; do {} & done", head.display()));
    let known = BTreeSet::from([service.main.pid]);
    until("the end of the main process", || (!service.main.lives()).then_some(()));
    until("heads", || (service.members(&known).len() >= 5).then_some(()));
    let start = Instant::now();
    assert!(service.killed(&known));
    println!("  ten chains in {:?}", start.elapsed());
    // one that slipped through goes on
    for _ in 0..20 {
        std::thread::park_timeout(Duration::from_millis(5));
        assert_eq!(service.members(&known), []);
        assert!(tree::strays(keepers(&known)).is_empty());
    }
}

fn owners() {
    let first = Running::start("first", "sleep 100 & sleep 100; true");
    let second = Running::start("second", "(setsid sleep 100 &); sleep 100; true");
    let known = BTreeSet::from([first.main.pid, second.main.pid]);
    let all = [first.grown(3, &known), second.grown(3, &known)];
    let services = [first.service(), second.service()];
    for (index, members) in all.iter().enumerate() {
        for id in members {
            assert_eq!(tree::owner_of(id.pid, &services, keepers(&known)), Some(index));
        }
    }
    // a child of ours that is no service's, ourselves, our parent, nobody
    let mut stranger = std::process::Command::new("/bin/sleep").arg("100").spawn().unwrap();
    for pid in [stranger.id(), std::process::id(), nix::unistd::getppid().as_raw().cast_unsigned(), 1, u32::MAX] {
        assert_eq!(tree::owner_of(pid, &services, keepers(&known)), None, "{pid}");
    }
    assert!(first.killed(&known) && second.killed(&known));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
