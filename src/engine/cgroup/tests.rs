//! On real control groups, where this machine lets us make some.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use super::*;
use crate::engine::job::tests::sample;
use crate::engine::spawn::{self, Extra, Join};
use crate::sys::fds;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn a_service_starts_in_its_group_and_ends_with_it() {
    let hierarchy = match find_writable(&format!("test{}", std::process::id()), &[]) {
        Ok(hierarchy) => hierarchy,
        Err(reason) => return crate::engine::skip("a service starts in its group and ends with it", &reason),
    };
    let group = hierarchy.group("memory.max").unwrap();
    assert_eq!(hierarchy.group("memory.max").unwrap(), group, "made once");
    group.limit(&Limits { memory: Some(64 << 20), cpu: Some(50), tasks: Some(20), files: None }).unwrap();

    let mut job = sample("x");
    job.env.insert("PATH".into(), "/usr/bin:/bin".into());
    let script = "(setsid env -i sleep 100 <&- >&- 2>&- &); (setsid setsid sleep 100 &); exec sleep 100";
    job.argv = ["/bin/sh", "-c", script].map(Into::into).to_vec();
    let procs = group.procs().unwrap();
    let Controllers { memory, pids: tasks, .. } = group.controllers();
    let cgroup = Some(Join { procs: procs.as_fd(), memory, tasks });
    let (_reader, writer) = fds::pipe().unwrap();
    let spawned = spawn::prepare(&job, &Extra { cgroup, ..Extra::default() }).unwrap().spawn(writer.as_fd()).unwrap();
    spawned.release();
    until("three processes", || group.members().len() == 3);
    assert!(group.members().contains(&spawned.pid));
    assert!(group.cpu_micros().is_some());
    assert_eq!(group.memory_bytes().is_some(), memory);
    assert_eq!(group.remove().unwrap_err().kind(), io::ErrorKind::ResourceBusy);

    group.kill().unwrap();
    until("no process", || group.members().is_empty());
    until("its end", || subreaper::change_of(spawned.pid).unwrap().is_some());
    subreaper::reap(spawned.pid).unwrap();
    until("the group's end", || group.remove().is_ok());
    group.remove().unwrap();
    hierarchy.remove().unwrap();
    assert!(!hierarchy.folder.exists());
}

#[test]
fn limits_are_written_as_the_kernel_wants_them() {
    // a folder of plain files shows what is written
    let folder = tempfile::tempdir().unwrap();
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for name in ["memory.max", "pids.max", "cpu.max"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let all = Controllers { memory: true, pids: true, cpu: true };
    let group = Group { folder: folder.path().into(), controllers: all };
    group.limit(&Limits { memory: Some(1024), cpu: Some(250), tasks: Some(7), files: Some(1) }).unwrap();
    assert_eq!([text("memory.max"), text("pids.max"), text("cpu.max")], ["1024", "7", "250000 100000"]);
    let none = Group { folder: "/nowhere".into(), controllers: Controllers::default() };
    none.limit(&Limits::default()).unwrap();
    let lost = Group { folder: "/nowhere".into(), controllers: all };
    let error = lost.limit(&Limits::default()).unwrap_err();
    assert_eq!(error, "can't set `limits.memory` in the control group: no such file or directory");

    std::fs::write(folder.path().join("memory.events"), "low 0\noom 1\noom_kill 3\noom_group_kill 0\n").unwrap();
    std::fs::write(folder.path().join("memory.current"), "4096\n").unwrap();
    assert_eq!((group.oom_kills(), group.memory_bytes()), (Some(3), Some(4096)));
    assert_eq!((lost.oom_kills(), lost.cpu_micros()), (None, None));
}
