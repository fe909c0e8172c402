//! `svc up --foreground`: real services, real signals, a real terminal. Only processes started here are
//! signalled, by the pid of the child or by what lies below it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{skip, wait_until};

/// Says when it is up and when it is asked to go, and goes.
const POLITE: &str = "trap 'echo $0 down; exit 0' TERM; echo $0 up; while :; do sleep 0.05; done";

/// A folder with a manifest, a home and a place for temporary files of its own.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new(manifest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("svc.toml"), manifest).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path("home"));
        command.env("TMPDIR", self.path("tmp")).env("TERM", "xterm");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `svc up --foreground` and these words.
    fn up(&self, words: &[&str]) -> Up {
        Up::new(&mut self.command(env!("CARGO_BIN_EXE_svc"), &[&["up", "--foreground"], words].concat()))
    }

    /// Nothing is left: no folder, no file of svc.
    #[track_caller]
    fn is_clean(&self) {
        for folder in ["home", "tmp"] {
            let left: Vec<_> = std::fs::read_dir(self.path(folder)).unwrap().flatten().map(|one| one.path()).collect();
            assert!(left.is_empty(), "left in {folder}: {left:?}");
        }
    }

    /// A pid that a service wrote.
    #[track_caller]
    fn pid(&self, name: &str) -> u32 {
        wait_until(name, 10, || {
            let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
            text.trim().parse().map_err(|_| format!("{text:?}"))
        })
    }
}

/// One that runs.
struct Up {
    child: Child,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    ended: bool,
}

/// How it ended.
#[derive(Debug)]
struct End {
    code: i32,
    out: String,
    err: String,
}

fn collect(mut from: impl Read + Send + 'static) -> (Arc<Mutex<Vec<u8>>>, std::thread::JoinHandle<()>) {
    let all = Arc::new(Mutex::new(Vec::new()));
    let into = all.clone();
    let reader = std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count) = from.read(&mut piece) {
            if count == 0 {
                return;
            }
            into.lock().unwrap().extend(&piece[..count]);
        }
    });
    (all, reader)
}

fn text(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap()).into_owned()
}

impl Up {
    fn new(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut readers = Vec::new();
        let (mut out, mut err) = (Arc::default(), Arc::default());
        if let Some(stdout) = child.stdout.take() {
            let (all, reader) = collect(stdout);
            out = all;
            readers.push(reader);
        }
        if let Some(stderr) = child.stderr.take() {
            let (all, reader) = collect(stderr);
            err = all;
            readers.push(reader);
        }
        Self { child, out, err, readers, ended: false }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits until this was written.
    #[track_caller]
    fn says(&self, what: &str) {
        wait_until(&format!("{what:?}"), 10, || {
            let seen = text(&self.out);
            if seen.contains(what) { Ok(()) } else { Err(format!("{seen}{}", text(&self.err))) }
        });
    }

    #[track_caller]
    fn end(&mut self, seconds: u64) -> End {
        let status = wait_until("its end", seconds, || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(format!("{}{}", text(&self.out), text(&self.err))),
        });
        self.ended = true;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        End { code: status.code().unwrap_or(-1), out: text(&self.out), err: text(&self.err) }
    }

    /// Waits for its child of this name: the supervisor of a guardian.
    #[track_caller]
    fn below(&self, name: &str) -> u32 {
        wait_until(name, 10, || {
            let found = children(self.pid()).into_iter().find(|pid| comm(*pid) == name);
            found.ok_or_else(|| format!("{:?}", children(self.pid())))
        })
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.signal(Signal::SIGQUIT); // kills all that runs in it
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

fn comm(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn lines<'a>(out: &'a str, word: &str) -> Vec<&'a str> {
    out.lines().filter(|line| line.ends_with(word)).collect()
}

#[test]
fn services_start_after_what_they_depend_on_and_stop_before_it() {
    let ready = "ready = { log = 'up$' }";
    let world = World::new(&format!(
        "[service.web]\nscript = \"{POLITE}\"\ndepends_on = ['cache']\n\
         [service.cache]\nscript = \"sleep 0.3; {POLITE}\"\ndepends_on = ['db']\n{ready}\n\
         [service.db]\nscript = \"sleep 0.3; {POLITE}\"\n{ready}\n"
    ));
    let mut up = world.up(&[]);
    up.says("web up");
    up.signal(Signal::SIGINT);
    let end = up.end(10);
    assert_eq!(end.code, 0, "{end:?}");
    assert_eq!(lines(&end.out, " up"), ["db    | db up", "cache | cache up", "web   | web up"]);
    assert_eq!(lines(&end.out, " down"), ["web   | web down", "cache | cache down", "db    | db down"]);
    assert_eq!(end.err, "svc: stopping 3 services\n");
    world.is_clean();
}

#[test]
fn each_line_has_a_name_in_front_and_a_colour_of_its_own() {
    let world = World::new(
        "[service.a]\nscript = 'echo one; printf two'\n[service.long]\nscript = 'sleep 0.3; printf \"\\\\033[2Jx\\n\"'\n",
    );
    let plain = "a    | one\na    | two\na    | svc: exit code 0\nlong | \x1b[2Jx\nlong | svc: exit code 0\n";
    assert_eq!(world.up(&[]).end(10).out, plain);
    assert_eq!(world.up(&["--no-prefix"]).end(10).out, "one\ntwo\nsvc: exit code 0\n\x1b[2Jx\nsvc: exit code 0\n");
    let dim = "\x1b[2msvc: exit code 0\x1b[0m";
    let [a, long] = ["\x1b[95ma    |\x1b[0m", "\x1b[35mlong |\x1b[0m"];
    let colours = format!("{a} one\n{a} two\n{a} {dim}\n{long} \x1b[2Jx\n{long} {dim}\n");
    assert_eq!(world.up(&["--color", "always"]).end(10).out, colours);
    let mut command = world.command(env!("CARGO_BIN_EXE_svc"), &["up", "--foreground"]);
    assert_eq!(Up::new(command.env("NO_COLOR", "1")).end(10).out, plain);
    let json = world.up(&["--json"]).end(10).out;
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["service"], &first["message"]), (&"a".into(), &"one".into()));
    world.is_clean();
}

#[test]
fn long_lines_come_in_pieces_and_nothing_is_lost() {
    let world = World::new("[service.a]\nscript = 'head -c 300000 /dev/zero | tr \"\\\\0\" x; echo; echo end'\n");
    let end = world.up(&[]).end(20);
    assert_eq!(end.out.matches('x').count(), 300_000 + 1, "and one in `exit`");
    assert!(end.out.contains("\na | end\n"), "{}", &end.out[end.out.len() - 200..]);
    let longest = end.out.lines().map(str::len).max().unwrap();
    assert_eq!(longest, "a | ".len() + 4096);
}

#[test]
fn a_log_file_is_written_too_and_times_are_shown() {
    let world =
        World::new("[service.a]\nscript = 'echo one; echo two'\nlogs = { file = 'a.log', timestamps = true }\n");
    let end = world.up(&[]).end(10);
    let log = std::fs::read_to_string(world.path("a.log")).unwrap();
    let shown: String = log.lines().map(|line| format!("a | {line}\n")).collect();
    assert_eq!(end.out, shown);
    assert!(log.lines().next().unwrap().ends_with("Z one"), "{log}");
}

#[test]
fn the_exit_code_is_that_of_the_first_that_failed_for_good() {
    let of = |manifest: &str| {
        let world = World::new(&format!("[defaults]\nrestart = 'never'\n{manifest}"));
        let end = world.up(&[]).end(10);
        world.is_clean();
        end
    };
    assert_eq!(of("[service.a]\nscript = 'true'\n[service.b]\nscript = 'sleep 0.2'\n").code, 0);
    let end = of("[service.a]\nscript = 'exit 3'\n[service.b]\nscript = 'sleep 0.3; exit 4'\n");
    assert_eq!((end.code, end.err.as_str()), (3, "error: `a`: failed: exit code 3\n"));
    assert_eq!(of("[service.a]\nscript = 'kill -9 $$'\n").code, 137);
    let end = of("[service.a]\nscript = 'sleep 5'\nready = { log = 'x' }\nstart_timeout = '200ms'\n\
                  [service.b]\nscript = 'true'\ndepends_on = ['a']\n");
    assert_ne!(end.code, 0, "{end:?}");
    assert!(end.err.starts_with("error: `a`: failed: did not become ready"), "{end:?}");
    assert!(end.out.contains("b | svc: failed: `a`, which it depends on, failed"), "{end:?}");
}

#[test]
fn a_crash_loop_fails_at_its_limit_while_others_go_on() {
    let world = World::new(&format!(
        "[service.a]\nscript = 'echo try; exit 7'\nrestart_delay = '20ms'\n\
         restart_limit = {{ count = 3, within = '10s' }}\n[service.b]\nscript = \"{POLITE}\"\n"
    ));
    let mut up = world.up(&[]);
    up.says("a | svc: failed: exit code 7, 3 starts within 10s");
    std::thread::sleep(Duration::from_millis(200));
    assert!(up.child.try_wait().unwrap().is_none(), "b goes on");
    up.signal(Signal::SIGTERM);
    let end = up.end(10);
    assert_eq!((end.code, lines(&end.out, "try").len()), (7, 3), "{end:?}");
    assert!(end.err.ends_with("error: `a`: failed: exit code 7, 3 starts within 10s\n"), "{end:?}");
}

#[test]
fn a_service_that_ignores_sigterm_is_killed_at_its_time_or_at_the_second_ctrl_c() {
    let stubborn = "[service.a]\nscript = \"trap '' TERM INT; echo $$ > pid; echo up; while :; do sleep 0.05; done\"\n";
    let world = World::new(&format!("{stubborn}stop_timeout = '500ms'\n"));
    let mut up = world.up(&[]);
    up.says("a | up");
    let asked = Instant::now();
    up.signal(Signal::SIGTERM);
    assert_eq!(up.end(10).code, 0);
    assert!(asked.elapsed() >= Duration::from_millis(500), "{:?}", asked.elapsed());
    assert!(!lives(world.pid("pid")));

    let world = World::new(&format!("{stubborn}stop_timeout = '1m'\n"));
    let mut up = world.up(&[]);
    up.says("a | up");
    up.signal(Signal::SIGINT);
    up.signal(Signal::SIGINT); // as timeout(1) does: one wish
    std::thread::sleep(Duration::from_millis(400));
    assert!(lives(world.pid("pid")));
    up.signal(Signal::SIGINT);
    assert_eq!(up.end(10).code, 0);
    assert!(!lives(world.pid("pid")));
    world.is_clean();
}

#[test]
fn nobody_escapes() {
    let world = World::new(
        "[service.a]\nscript = '''setsid sh -c 'setsid env -i /bin/sh -c \"echo \\$\\$ > pid; exec sleep 1000\" &'
echo up; sleep 1000'''\n",
    );
    let mut up = world.up(&[]);
    up.says("a | up");
    let pid = world.pid("pid");
    assert!(lives(pid));
    up.signal(Signal::SIGHUP);
    assert_eq!(up.end(20).code, 0);
    assert!(!lives(pid), "a double fork, a session of its own, an empty environment");
    world.is_clean();
}

#[test]
fn an_output_that_nobody_reads_any_more_ends_it() {
    // one that is silent, and one that writes
    for script in ["echo $$ > pid; echo up; sleep 1000", "echo $$ > pid; while :; do echo up; sleep 0.02; done"] {
        let world = World::new(&format!("[service.a]\nscript = '{script}'\n"));
        let mut command = world.command(env!("CARGO_BIN_EXE_svc"), &["up", "--foreground"]);
        let (reader, writer) = std::io::pipe().unwrap();
        let mut up = Up::new(command.stdout(writer));
        drop(command); // its copy of the other end
        let mut reader = reader;
        let mut some = [0; 4];
        reader.read_exact(&mut some).unwrap();
        let pid = world.pid("pid");
        drop(reader);
        let end = up.end(10);
        assert_eq!((end.code, end.err.as_str()), (0, ""), "{end:?}");
        assert!(!lives(pid));
        world.is_clean();
    }
}

#[test]
fn an_output_that_is_not_read_holds_services_back_and_not_their_end() {
    let world = World::new("[service.a]\nscript = 'echo $$ > pid; exec yes'\n");
    let mut command = world.command(env!("CARGO_BIN_EXE_svc"), &["up", "--foreground"]);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut up = Up::new(command.stdout(writer));
    drop(command);
    let pid = world.pid("pid");
    std::thread::sleep(Duration::from_millis(500));
    let status = std::fs::read_to_string(format!("/proc/{}/status", up.below("svc-supervisor"))).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory: u64 = memory.split_whitespace().next().unwrap().parse().unwrap();
    assert!(memory < 60_000, "{memory} KiB");
    up.signal(Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(400));
    assert!(!lives(pid), "it is stopped, and its last lines wait");
    up.signal(Signal::SIGINT);
    assert_eq!(up.end(10).code, 0);
    drop(reader);
}

#[test]
fn two_run_at_once() {
    let world = World::new(&format!("[service.a]\nscript = \"{POLITE}\"\n"));
    let (mut one, mut other) = (world.up(&[]), world.up(&[]));
    one.says("a up");
    other.says("a up");
    one.signal(Signal::SIGINT);
    assert_eq!(one.end(10).code, 0);
    std::thread::sleep(Duration::from_millis(100));
    assert!(other.child.try_wait().unwrap().is_none());
    other.signal(Signal::SIGTERM);
    let end = other.end(10);
    assert_eq!(lines(&end.out, "down"), ["a | a down"]);
    world.is_clean();
}

#[test]
fn no_line_is_lost_or_doubled_when_the_supervisor_is_killed() {
    let count = 3000;
    let script = format!("i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo $i; done; sleep 0.3; exit 5");
    let world = World::new(&format!(
        "[defaults]\nrestart = 'never'\n[service.a]\nscript = '{script}'\n[service.b]\nscript = '{script}'\n"
    ));
    let mut up = world.up(&[]);
    // a program that is not executed yet has the name of the supervisor, and would be killed in its place
    up.says("a | 1");
    up.says("b | 1");
    let mut kills = 0;
    while up.child.try_wait().unwrap().is_none() {
        // of our own child, which reaps it: the pid is nobody else's yet
        if let Some(pid) = children(up.pid()).into_iter().find(|pid| comm(*pid) == "svc-supervisor") {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
            kills += 1;
        }
        std::thread::sleep(Duration::from_millis(25 + kills % 20));
    }
    let end = up.end(10);
    assert_eq!(end.code, 5, "{}", end.err);
    assert!(kills > 3, "{kills} kills");
    for name in ["a", "b"] {
        let got = end.out.lines().filter_map(|line| line.strip_prefix(&format!("{name} | "))?.parse().ok());
        assert_eq!(got.collect::<Vec<u32>>(), (1..=count).collect::<Vec<u32>>(), "{kills} kills");
    }
    world.is_clean();
}

#[test]
fn without_its_guardian_or_without_a_supervisor_that_can_go_on_all_ends() {
    let manifest = "[service.a]\nscript = 'echo $$ > pid; echo up; sleep 1000'\n";
    let world = World::new(manifest);
    let mut up = world.up(&[]);
    up.says("a | up");
    let pid = world.pid("pid");
    up.signal(Signal::SIGKILL);
    up.child.wait().unwrap();
    up.ended = true;
    wait_until("the service ends", 10, || if lives(pid) { Err("it lives".into()) } else { Ok(()) });
    wait_until("the folder goes", 10, || {
        let left = std::fs::read_dir(world.path("tmp")).unwrap().count();
        if left == 0 { Ok(()) } else { Err(left.to_string()) }
    });

    let world = World::new(manifest);
    let mut up = world.up(&[]);
    up.says("a | up");
    let pid = world.pid("pid");
    // a supervisor refuses a folder that others may look into
    let folder = std::fs::read_dir(world.path("tmp")).unwrap().flatten().next().unwrap().path();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    kill(Pid::from_raw(up.below("svc-supervisor").cast_signed()), Signal::SIGKILL).unwrap();
    let end = up.end(20);
    assert_eq!(end.code, 1, "{end:?}");
    assert!(end.err.contains("error: the supervisor ended again and again"), "{end:?}");
    assert!(!lives(pid));
    world.is_clean();
}

#[test]
fn what_is_selected_runs_with_what_it_depends_on() {
    let world = World::new(
        "[service.a]\nscript = 'echo a'\n[service.b]\nscript = 'echo b'\ndepends_on = ['c']\n\
         [service.c]\nscript = 'echo c; sleep 0.2'\nstart = 'manual'\n[service.d]\nscript = 'echo d'\nstart = 'manual'\n",
    );
    let names = |end: End| {
        let mut names: Vec<String> = end
            .out
            .lines()
            .filter(|line| !line.contains("svc:"))
            .map(|line| line[line.len() - 1..].to_owned())
            .collect();
        names.sort();
        names.concat()
    };
    assert_eq!(names(world.up(&["b"]).end(10)), "bc");
    assert_eq!(names(world.up(&[]).end(10)), "abc");
    assert_eq!(names(world.up(&["d"]).end(10)), "d", "a manual one that was named");
    assert_eq!(world.up(&["x"]).end(10).code, 4);
    let file = world.path("other.toml");
    std::fs::write(&file, "[service.e]\nscript = 'echo e'\ndepends_on = ['nowhere']\n").unwrap();
    let end = world.up(&["-f", "other.toml"]).end(10);
    assert_eq!(end.code, 2, "{end:?}");
}

#[test]
fn what_is_for_installing_means_nothing_here() {
    let world = World::new("[service.a]\nscript = 'true'\n");
    for option in ["--dry-run", "--prune", "--yes"] {
        let end = world.up(&[option]).end(10);
        assert_eq!(end.code, 2, "{end:?}");
        assert!(end.err.contains("cannot be used with"), "{end:?}");
    }
}

/// In a terminal: util-linux' script(1) has the other end.
fn in_terminal(world: &World, words: &str) -> Up {
    let line = format!("exec {} up --foreground {words}", env!("CARGO_BIN_EXE_svc"));
    let mut command = world.command("script", &["-qefc", &line, "/dev/null"]);
    Up::new(command.stdin(Stdio::piped()))
}

#[test]
fn on_a_terminal_ctrl_c_stops_and_control_characters_do_nothing() {
    if !Path::new("/usr/bin/script").exists() {
        return skip("foreground on a terminal", "there is no script(1)");
    }
    let world = World::new(&format!("[service.web]\nscript = \"printf '\\\\033[2Jevil\\\\n'; {POLITE}\"\n"));
    let mut up = in_terminal(&world, "");
    up.says("web up");
    up.child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    let end = up.end(10);
    assert_eq!(end.code, 0, "{end:?}");
    assert!(end.out.contains("web |\x1b[0m \\x1b[2Jevil\r\n"), "{end:?}");
    assert!(end.out.contains("svc: stopping 1 service; Ctrl-C again kills\r\n"), "{end:?}");
    assert!(end.out.contains("web down\r\n"), "{end:?}");

    // a terminal that goes away
    let world = World::new("[service.a]\nscript = 'echo $$ > pid; echo up; sleep 1000'\n");
    let mut up = in_terminal(&world, "");
    up.says("up");
    let pid = world.pid("pid");
    up.signal(Signal::SIGKILL);
    up.child.wait().unwrap();
    up.ended = true;
    wait_until("the service ends", 10, || if lives(pid) { Err("it lives".into()) } else { Ok(()) });
    wait_until("the folder goes", 10, || {
        let left = std::fs::read_dir(world.path("tmp")).unwrap().count();
        if left == 0 { Ok(()) } else { Err(left.to_string()) }
    });
}

#[test]
fn as_pid_1_it_reaps_and_heeds_signals() {
    let namespace = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let may = Command::new("unshare").args(namespace).arg("true").output();
    if !may.is_ok_and(|output| output.status.success()) {
        return skip("foreground as PID 1", "PID namespaces can't be made here");
    }
    let world = World::new(
        "[service.a]\nscript = \"\"\"trap 'echo bye; exit 0' TERM; for i in 1 2 3; do setsid sh -c 'sleep 0.1 &'; done
sleep 0.6; echo zombies $(cat /proc/[0-9]*/stat | grep -c ') Z ')
echo first $(cat /proc/1/comm); while :; do sleep 0.05; done\"\"\"\n",
    );
    let words = [&namespace[..], &[env!("CARGO_BIN_EXE_svc"), "up", "--foreground"]].concat();
    let mut up = Up::new(&mut world.command("unshare", &words));
    up.says("a | first svc-guardian");
    up.says("a | zombies 0\n");
    let first = up.below("svc-guardian");
    kill(Pid::from_raw(first.cast_signed()), Signal::SIGTERM).unwrap();
    let end = up.end(10);
    assert_eq!(end.code, 0, "{end:?}");
    assert!(end.out.contains("a | bye\n"), "{end:?}");
    world.is_clean();
}
