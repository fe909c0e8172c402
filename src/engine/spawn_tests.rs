//! Real processes that tell what they were given.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use super::*;
use crate::engine::job::tests::sample;
use crate::engine::job::{EnvFile, Limits};
use crate::sys::fds;
use crate::sys::subreaper::{Change, Exit, change_of, reap};
use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

fn end(pid: u32) -> Exit {
    let exit = until("an end", || match change_of(pid).unwrap() {
        Some(Change::Ended(exit)) => Some(exit),
        Some(Change::Stopped) | None => None,
    });
    reap(pid).unwrap();
    exit
}

fn job(argv: &[&str]) -> Job {
    Job { argv: argv.iter().map(|word| (*word).into()).collect(), ..sample("web") }
}

fn sh(script: &str) -> Job {
    job(&["/bin/sh", "-c", script])
}

/// Runs it to its end: what it wrote, what became of the exec, how it ended.
fn run_with(job: &Job, extra: &Extra<'_>) -> (Vec<u8>, Exec, Exit) {
    let (reader, writer) = fds::pipe().unwrap();
    let prepared = prepare(job, extra).unwrap();
    let spawned = prepared.spawn(writer.as_fd()).unwrap();
    assert_eq!(spawned.start_ticks, crate::sys::process::stat(spawned.pid).unwrap().start_ticks);
    drop(writer);
    spawned.release();
    let mut output = Vec::new();
    std::fs::File::from(reader).read_to_end(&mut output).unwrap();
    let exec = until("news of the exec", || match read_exec(spawned.exec.as_fd(), job).unwrap() {
        Exec::Pending => None,
        exec => Some(exec),
    });
    (output, exec, end(spawned.pid))
}

fn run(job: &Job) -> String {
    let (output, exec, exit) = run_with(job, &Extra { run: "r1", ..Extra::default() });
    assert_eq!((exec, exit), (Exec::Done, Exit::Code(0)));
    String::from_utf8(output).unwrap()
}

fn failure(job: &Job) -> (String, Exit) {
    match run_with(job, &Extra::default()) {
        (_, Exec::Failed(error), exit) => (error.message, exit),
        (_, other, _) => panic!("it did not fail: {other:?}"),
    }
}

#[test]
fn any_bytes_arrive_in_words_variables_and_folder() {
    let mut state = u64::from(std::process::id());
    let mut random = |length: usize| -> Bytes {
        let byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u8::try_from(state >> 56).unwrap().max(1)
        };
        Bytes(std::iter::repeat_with(byte).take(length).collect())
    };
    let words: Vec<Bytes> = (0..20).map(|n| random(n * 50)).collect();
    let mut job = job(&["/bin/cat", "/proc/self/cmdline", "/proc/self/environ"]);
    job.argv.insert(1, "--".into());
    for (n, word) in words.iter().enumerate() {
        job.env.insert(format!("V{n:02}"), word.clone());
    }
    let (output, _, _) = run_with(&job, &Extra { run: "r1", ..Extra::default() });
    let mut wanted = b"/bin/cat\0--\0/proc/self/cmdline\0/proc/self/environ\0SVC_RUN=r1\0SVC_SERVICE=web\0".to_vec();
    for (n, word) in words.iter().enumerate() {
        wanted.extend(format!("V{n:02}=").bytes().chain(word.0.iter().copied()).chain([0]));
    }
    assert_eq!(output, wanted);

    let mut job = sh("printf '%s\\0' \"$@\"");
    job.argv.push("sh".into());
    job.argv.extend(words.iter().cloned());
    let (output, _, _) = run_with(&job, &Extra::default());
    let wanted: Vec<u8> = words.iter().flat_map(|word| word.0.iter().copied().chain([0])).collect();
    assert_eq!(output, wanted);

    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join(Bytes(b" %\xff\n'\"$x\\".to_vec()).as_os());
    std::fs::create_dir(&folder).unwrap();
    let mut job = self::job(&["/bin/readlink", "-n", "/proc/self/cwd"]);
    job.working_dir = folder.as_os_str().into();
    let (output, _, _) = run_with(&job, &Extra::default());
    assert_eq!(Bytes(output), Bytes::from(folder.canonicalize().unwrap().as_os_str()));
}

#[test]
fn a_program_has_three_descriptors_and_they_are_right() {
    let (loose, _other) = fds::pipe().unwrap();
    fds::set_cloexec(loose.as_fd(), false).unwrap(); // as a careless library leaves one
    // ls itself opens the folder: a fourth
    let listed = run(&job(&["/bin/ls", "/proc/self/fd"]));
    assert_eq!(listed, "0\n1\n2\n3\n");
    let told = run(&sh("readlink /proc/$$/fd/0; readlink /proc/$$/fd/1; readlink /proc/$$/fd/2; \
         sed -n 's/^flags:.*\\(.\\)$/\\1/p' /proc/$$/fdinfo/0 /proc/$$/fdinfo/1 /proc/$$/fdinfo/2"));
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "/dev/null");
    assert!(lines[1].starts_with("pipe:") && lines[1] == lines[2], "{told}");
    assert_eq!(lines[3..], ["0", "2", "2"], "read, read-write, read-write");
}

#[test]
fn what_was_written_outlives_every_reader() {
    let (reader, writer) = fds::pipe().unwrap();
    let job = sh("echo one; read _ </dev/null; exec sleep 100");
    let spawned = prepare(&job, &Extra::default()).unwrap().spawn(writer.as_fd()).unwrap();
    spawned.release();
    until("the exec", || (read_exec(spawned.exec.as_fd(), &job).unwrap() == Exec::Done).then_some(()));
    drop((reader, writer));
    let again = std::fs::File::options().read(true).open(format!("/proc/{}/fd/1", spawned.pid)).unwrap();
    let mut bytes = [0; 4];
    (&again).read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"one\n");
    subreaper::kill(spawned.pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(end(spawned.pid), Exit::Signal { number: 9, core: false });
}

#[test]
fn session_signals_and_mask_are_as_in_a_service() {
    let status = run(&sh("cat /proc/self/status; echo \"$$ $(cut -d' ' -f5,6 /proc/$$/stat)\"; umask"));
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.unwrap_or_else(|| panic!("no {name} in {status}")).to_owned()
    };
    assert_eq!(field("SigBlk"), "0000000000000000");
    assert_eq!(field("SigIgn"), "0000000000001000", "SIGPIPE only");
    assert_eq!(field("Umask"), "0022");
    let ids = status.lines().rev().nth(1).unwrap();
    assert_eq!(ids.split(' ').collect::<BTreeSet<_>>().len(), 1, "leads its group and session: {ids}");

    let strict = run(&Job { umask: Some(0o077), nice: Some(7), ..sh("umask; nice") });
    assert_eq!(strict, "0077\n7\n");
    assert_eq!(run(&sh("cat /proc/self/oom_score_adj")), "0\n");
}

#[test]
fn limits_are_the_jobs_or_those_before_svc_raised_them() {
    let script = "ulimit -Sn; ulimit -Hn; ulimit -v";
    let job = Job { limits: Limits { files: Some(77), memory: Some(1 << 30), ..Limits::default() }, ..sh(script) };
    assert_eq!(run(&job), "77\n77\n1048576\n");
    let extra = Extra { open_files: Some((99, 199)), ..Extra::default() };
    let (output, _, _) = run_with(&sh(script), &extra);
    assert_eq!(String::from_utf8(output).unwrap(), "99\n199\nunlimited\n");

    // what a control group limits, nothing else does
    let (_reader, writer) = fds::pipe().unwrap();
    let cgroup = Some(Join { procs: writer.as_fd(), memory: true, tasks: true });
    let full = Limits { files: Some(1), memory: Some(1), tasks: Some(1), cpu: Some(1) };
    let account = Account { uid: 1, gid: 1, groups: Vec::new() };
    let names = |extra: &Extra<'_>, uid: u32| -> Vec<Limited> {
        let account = Account { uid, ..account.clone() };
        limits(&Job { limits: full, ..sample("x") }, extra, Some(&account)).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&Extra { cgroup, ..Extra::default() }, 1), [Limited::Files]);
    assert_eq!(names(&Extra::default(), 1), [Limited::Files, Limited::Memory, Limited::Tasks]);
    assert_eq!(names(&Extra::default(), 0), [Limited::Files, Limited::Memory]);
}

#[test]
fn a_file_of_variables_wins_and_marks_win_over_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    std::fs::write(&file, "A='from the file'\nSVC_SERVICE=other\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let mut job = sh("echo $A $B $SVC_SERVICE $SVC_RUN $NOTIFY_SOCKET");
    job.env.insert("A".into(), "from the job".into());
    job.env.insert("B".into(), "b".into());
    job.env_files = vec![EnvFile { path: file.as_os_str().into(), optional: false }];
    let extra = Extra { run: "r7", notify_socket: Some(Path::new("/n")), ..Extra::default() };
    let prepared = prepare(&job, &extra).unwrap();
    assert_eq!(prepared.warnings.len(), 1);
    assert!(prepared.warnings[0].contains("mode 640"));
    let (output, _, _) = run_with(&job, &extra);
    assert_eq!(String::from_utf8(output).unwrap(), "from the file b web r7 /n\n");
}

#[test]
fn each_failure_says_what_of_what_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plain = script("plain", "echo", 0o644);
    let no_first_line = script("text", "echo", 0o755);
    let lost = script("lost", "#! /usr/bin/nod -x\n", 0o755);
    let here = folder.path().to_str().unwrap();
    for (program, wanted) in [
        ("/usr/bin/nod", "`/usr/bin/nod`: no such file".to_owned()),
        (plain.as_str(), format!("`{plain}` is not executable; `chmod +x {plain}` makes it so")),
        (no_first_line.as_str(), format!("`{no_first_line}` is neither a program for this machine nor")),
        (lost.as_str(), format!("`{lost}`: its interpreter `/usr/bin/nod` is not there")),
        (here, format!("`{here}` is a folder")),
    ] {
        let (message, exit) = failure(&job(&[program]));
        assert!(message.starts_with(&wanted), "{message}");
        assert_eq!(exit, Exit::Code(203));
    }
    let (message, exit) = failure(&Job { working_dir: "/no/where".into(), ..sh("") });
    assert_eq!(
        (message.as_str(), exit),
        ("can't enter the folder `/no/where`: no such file or directory", Exit::Code(200))
    );
    let (message, _) = failure(&job(&["/bin/true", &"x".repeat(140_000)]));
    assert!(message.contains("larger than the system takes"), "{message}");
    let files = Limits { files: Some(1 << 40), ..Limits::default() };
    let (message, exit) = failure(&Job { limits: files, ..sh("") });
    assert_eq!(
        (message.as_str(), exit),
        ("can't set `limits.files` to 1099511627776: operation not permitted", Exit::Code(205))
    );

    let fails = |job: &Job| prepare(job, &Extra::default()).unwrap_err().message;
    assert!(fails(&Job { user: Some("no-such-user".into()), ..sh("") }).contains("no user `no-such-user`"));
    let file = EnvFile { path: "/no/file".into(), optional: false };
    assert!(fails(&Job { env_files: vec![file], ..sh("") }).contains("`/no/file`"));
    let mut nul = sh("");
    nul.env.insert("A".into(), Bytes(vec![b'a', 0]));
    assert!(fails(&nul).starts_with("`env.A` has a NUL byte"));
}

#[test]
fn root_starts_a_program_as_another_user() {
    if !Uid::effective().is_root() || User::from_name("nobody").unwrap().is_none() {
        return crate::engine::skip(
            "root starts a program as another user",
            "this is not root, or nobody is not there",
        );
    }
    let script = "id -un; id -gn; grep ^Groups: /proc/self/status | wc -w; echo seen >/dev/stderr";
    let told = run(&Job { user: Some("nobody".into()), ..sh(script) });
    assert_eq!(told, "nobody\nnogroup\n2\nseen\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let job = Job { user: Some("nobody".into()), working_dir: folder.path().as_os_str().into(), ..sh("") };
    assert!(failure(&job).0.ends_with("permission denied"));
}

#[test]
fn no_program_runs_that_was_not_released() {
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("ran");
    let (_reader, writer) = fds::pipe().unwrap();
    let job = job(&["/usr/bin/touch", proof.to_str().unwrap()]);
    let spawned = prepare(&job, &Extra::default()).unwrap().spawn(writer.as_fd()).unwrap();
    let Spawned { pid, exec, .. } = spawned;
    assert_eq!(read_exec(exec.as_fd(), &job).unwrap(), Exec::Pending);
    drop(exec); // as a starter that is killed does
    assert_eq!(end(pid), Exit::Code(ABANDONED));
    assert!(!proof.exists());
}

#[test]
fn nothing_is_left_open_by_starts() {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    // other tests open and close their own beside this one: only a trend tells
    let before = count();
    for _ in 0..50 {
        run(&job(&["/bin/true"]));
    }
    assert!(count() < before + 40, "{before} before, {} after 50 starts", count());
    let realm = super::realm(Path::new("/nowhere"));
    assert_ne!(run_id(&realm).unwrap(), run_id(&realm).unwrap());
    assert_eq!(run_id(&realm).unwrap().len(), 32);
    assert!(run_id(&realm).unwrap().starts_with(&realm));
    assert_ne!(realm, super::realm(Path::new("/elsewhere")));
    assert!(std::io::stdin().as_raw_fd() == 0);
}
