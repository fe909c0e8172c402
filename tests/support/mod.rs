//! What tests share: a booted host, waiting for a condition, saying what is skipped.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods, reason = "test code")]

pub mod mac;
pub mod random;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// What a command gave.
#[derive(Debug, Clone)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
    what: String,
}

impl Ran {
    fn new(what: String, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr), what }
    }

    /// It exited with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// It exited 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// stdout holds this.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in stdout of {self}");
        self
    }

    /// stderr holds this.
    #[track_caller]
    pub fn warns(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in stderr of {self}");
        self
    }

    /// stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: exit {}\n--- stdout\n{}--- stderr\n{}---", self.what, self.code, self.out, self.err)
    }
}

/// Folder of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Waits until `check` gives a value; fails after `seconds`, with the last thing seen.
#[track_caller]
pub fn wait_until<T>(what: &str, seconds: u64, mut check: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match check() {
            Ok(value) => return value,
            Err(seen) if Instant::now() > deadline => panic!("{what}: not after {seconds} s; last seen: {seen}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Says that a test is skipped, and counts it in the file that SVC_TEST_SKIPS names.
pub fn skip(test: &str, reason: &str) {
    use std::io::Write;
    eprintln!("SKIPPED: {test}: {reason}");
    if let Some(file) = std::env::var_os("SVC_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{test}: {reason}").unwrap();
    }
}

/// Why hosts can't be booted here; none: they can.
pub fn no_hosts() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("booting a host needs root".into());
    }
    let ready = ["/lib/systemd/systemd", "/usr/bin/dbus-daemon", "/usr/bin/nsenter"]
        .iter()
        .find(|path| !Path::new(path).exists());
    if let Some(missing) = ready {
        return Some(format!("{missing} is missing"));
    }
    let namespaces = Command::new("unshare").args(["-m", "-p", "-u", "-i", "-C", "-n", "--fork", "true"]).output();
    (!namespaces.is_ok_and(|output| output.status.success())).then(|| "namespaces can't be made here".into())
}

/// A host of this machine's own files, or why there is none (then said and counted).
pub fn host(test: &str) -> Option<Host> {
    host_of(test, None)
}

/// A host of a Debian release.
pub fn host_of(test: &str, release: Option<&str>) -> Option<Host> {
    if let Some(reason) = no_hosts() {
        skip(test, &reason);
        return None;
    }
    let cached = |release: &str| Path::new("/var/cache/linux-host").join(release).join(".complete").exists();
    if let Some(release) = release.filter(|release| !cached(release))
        && !Command::new("mmdebstrap").arg("--version").output().is_ok_and(|output| output.status.success())
    {
        skip(test, &format!("a host of {release} needs mmdebstrap"));
        return None;
    }
    Some(Host::up(test, release))
}

/// A booted Linux host with a lingering user `tester`; gone when dropped.
pub struct Host {
    name: String,
}

fn control() -> PathBuf {
    root().join("tests/host/linux-host")
}

impl Host {
    fn up(test: &str, release: Option<&str>) -> Self {
        let name = format!("t{}-{test}", std::process::id());
        let host = Self { name };
        let mut arguments = vec!["up", &host.name];
        arguments.extend(release);
        let output = Command::new(control()).args(&arguments).output().unwrap();
        assert!(output.status.success(), "no host: {}", String::from_utf8_lossy(&output.stderr));
        let svc = Path::new(env!("CARGO_BIN_EXE_svc"));
        host.put(svc, "/usr/local/bin/svc");
        if host.root("svc --version").code != 0 {
            host.put_with_loader(svc);
        }
        host
    }

    fn control(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(control()).arg(arguments[0]).arg(&self.name).args(&arguments[1..]).output().unwrap();
        Ran::new(arguments.join(" "), output)
    }

    /// Copies a file into it.
    pub fn put(&self, from: &Path, to: &str) {
        self.control(&["put", from.to_str().unwrap(), to]).ok();
    }

    /// An older release has an older C library: the program comes with that of this machine, and is not the file
    /// that is executed, so that no unit can call svc there.
    fn put_with_loader(&self, svc: &Path) {
        let output = Command::new("ldd").arg(svc).output().unwrap();
        let libraries = String::from_utf8_lossy(&output.stdout).into_owned();
        self.root("mkdir -p /opt/svc").ok();
        let mut loader = String::new();
        for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            let name = Path::new(library).file_name().unwrap().to_str().unwrap();
            self.put(Path::new(library), &format!("/opt/svc/{name}"));
            if name.starts_with("ld-") {
                loader = format!("/opt/svc/{name}");
            }
        }
        self.put(svc, "/opt/svc/svc");
        let wrapper = format!("#!/bin/sh\nexec {loader} --library-path /opt/svc /opt/svc/svc \"$@\"\n");
        self.root(&format!("printf '%s' '{wrapper}' > /usr/local/bin/svc; chmod 755 /usr/local/bin/svc")).ok();
    }

    /// A line of shell as its user.
    pub fn user(&self, line: &str) -> Ran {
        let mut ran = self.control(&["as", "bash", "-c", line]);
        line.clone_into(&mut ran.what);
        ran
    }

    /// A line of shell as root.
    pub fn root(&self, line: &str) -> Ran {
        let mut ran = self.control(&[
            "sh",
            "bash",
            "-c",
            &format!(
                "cd /; export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; {line}"
            ),
        ]);
        line.clone_into(&mut ran.what);
        ran
    }

    /// Writes a file of the user.
    pub fn write(&self, path: &str, text: &str) {
        use std::io::Write;
        let mut child = Command::new(control())
            .args(["as", &self.name, "bash", "-c", &format!("mkdir -p \"$(dirname '{path}')\"; cat > '{path}'")])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    pub fn logout(&self) {
        self.control(&["logout"]).ok();
    }

    pub fn login(&self) {
        self.control(&["login"]).ok();
    }

    /// Pulls the plug and boots again from the same disk.
    pub fn reboot(&self) {
        self.control(&["reboot"]).ok();
    }

    /// One service's object of `svc status --json`.
    #[track_caller]
    pub fn status(&self, name: &str) -> serde_json::Value {
        self.user(&format!("svc status {name} --json")).json()[0].clone()
    }

    /// Waits until a service is in this state.
    #[track_caller]
    pub fn wait_state(&self, name: &str, state: &str) -> serde_json::Value {
        wait_until(&format!("`{name}` {state}"), 20, || {
            let status = self.status(name);
            if status["state"] == state { Ok(status) } else { Err(status.to_string()) }
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("SVC_TEST_KEEP").is_some() {
            eprintln!("host {} is left up", self.name);
            return;
        }
        let _ = Command::new(control()).args(["down", &self.name]).output();
    }
}

/// A fake home on the bare machine, without any manager.
pub struct Project {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

impl Project {
    pub fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap(), env: Vec::new() };
        std::fs::create_dir(project.folder.path().join("home")).unwrap();
        project
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    pub fn manifest(self, text: &str) -> Self {
        std::fs::write(self.folder.path().join("svc.toml"), text).unwrap();
        self
    }

    /// Runs svc in it.
    pub fn svc(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svc"));
        command.args(arguments).env_clear().current_dir(self.folder.path()).stdin(std::process::Stdio::null());
        command.env("HOME", self.folder.path().join("home")).env("PATH", "/usr/bin:/bin");
        command.env("XDG_RUNTIME_DIR", self.folder.path().join("run"));
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        Ran::new(format!("svc {}", arguments.join(" ")), command.output().unwrap())
    }

    /// Every file below the home.
    pub fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, all: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() { walk(&entry.path(), all) } else { all.push(entry.path()) }
            }
        }
        let mut all = Vec::new();
        walk(&self.folder.path().join("home"), &mut all);
        all
    }
}

/// A home and a runtime folder on the bare machine, for svc's own supervisor. Its keepers and every
/// process of its services are gone when it is dropped.
pub struct Bare {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

/// A process as /proc shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub pid: i32,
    pub name: String,
    pub state: char,
    pub parent: i32,
    pub start: u64,
    /// The name of the service whose mark it carries.
    pub service: String,
}

impl Default for Bare {
    fn default() -> Self {
        Self::new()
    }
}

impl Bare {
    /// Its paths are short: the name of a socket is limited to 108 bytes.
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::Builder::new().prefix("svc").rand_bytes(6).tempdir_in("/tmp").unwrap();
        for name in ["home", "run", "work"] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        Self { folder, env: Vec::new() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// Where the supervisor's socket lies.
    pub fn runtime(&self) -> PathBuf {
        self.path().join("run/svc")
    }

    /// The log that a service has by default.
    pub fn log(&self, name: &str) -> PathBuf {
        self.home().join(format!(".local/state/svc/logs/{name}.log"))
    }

    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// A command in the folder `work` with nothing in its environment but what a login gives.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let folder = Path::new(env!("CARGO_BIN_EXE_svc")).parent().unwrap();
        command.env_clear().current_dir(self.path().join("work")).stdin(std::process::Stdio::null());
        command.env("HOME", self.home()).env("XDG_RUNTIME_DIR", self.path().join("run"));
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.display()));
        command.env("SVC_BACKEND", "supervisor");
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }

    /// A line of shell.
    pub fn sh(&self, line: &str) -> Ran {
        Ran::new(line.into(), self.command("/bin/bash").args(["-c", line]).output().unwrap())
    }

    pub fn svc<W: AsRef<std::ffi::OsStr>>(&self, words: &[W]) -> Ran {
        let output = self.command(env!("CARGO_BIN_EXE_svc")).args(words).output().unwrap();
        let shown: Vec<_> = words.iter().take(20).map(|word| word.as_ref().to_string_lossy()).collect();
        Ran::new(format!("svc {}", shown.join(" ")), output)
    }

    /// Writes a program that a service can run.
    pub fn script(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join("work").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().into()
    }

    /// What a file in the folder `work` holds, once it is there.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        let path = self.path().join("work").join(name);
        wait_until(name, 20, || match std::fs::read_to_string(&path) {
            Ok(text) if text.ends_with('\n') => Ok(text),
            other => Err(format!("{other:?}")),
        })
    }

    /// One service's object of `svc status --json`.
    #[track_caller]
    pub fn status(&self, name: &str) -> serde_json::Value {
        self.svc(&["status", name, "--json"]).json()[0].clone()
    }

    /// Waits until a service is in this state.
    #[track_caller]
    pub fn wait_state(&self, name: &str, state: &str) -> serde_json::Value {
        wait_until(&format!("`{name}` {state}"), 20, || {
            let status = self.status(name);
            if status["state"] == state { Ok(status) } else { Err(status.to_string()) }
        })
    }

    /// The pid of a service's main process.
    #[track_caller]
    pub fn pid(&self, name: &str) -> i32 {
        let status = self.status(name);
        let pid = status["pid"].as_i64().unwrap_or_else(|| panic!("no pid: {status}"));
        i32::try_from(pid).unwrap()
    }

    /// All processes that live in this home, told by their environment; zombies have none.
    pub fn processes(&self) -> Vec<Seen> {
        let mark = format!("XDG_RUNTIME_DIR={}/run", self.path().display());
        let mut all = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Ok(environ) = std::fs::read(entry.path().join("environ")) else { continue };
            let value = |key: &str| {
                let mut pairs = environ.split(|byte| *byte == 0);
                pairs
                    .find_map(|pair| pair.strip_prefix(key.as_bytes()))
                    .map(|text| String::from_utf8_lossy(text).into())
            };
            if environ.split(|byte| *byte == 0).any(|pair| pair == mark.as_bytes())
                && let Some(seen) = seen(pid)
            {
                all.push(Seen { service: value("SVC_SERVICE=").unwrap_or_default(), ..seen });
            }
        }
        all
    }

    /// Waits until no process of this home is left.
    #[track_caller]
    pub fn wait_empty(&self) {
        wait_until("the end of all processes", 10, || {
            let left = self.processes();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }

    /// The processes of a service.
    pub fn of_service(&self, name: &str) -> Vec<Seen> {
        self.processes().into_iter().filter(|seen| seen.service == name).collect()
    }

    /// The supervisor's process, if one is there: not a child of it that is not its program yet.
    pub fn supervisor(&self) -> Option<i32> {
        self.keeper("svc-supervisor")
    }

    pub fn guardian(&self) -> Option<i32> {
        self.keeper("svc-guardian")
    }

    fn keeper(&self, name: &str) -> Option<i32> {
        let all = self.processes();
        let mut named = all.iter().filter(|seen| seen.name == name && seen.state != 'Z');
        let its_child = |seen: &Seen| all.iter().any(|other| other.pid == seen.parent && other.name == name);
        named.find(|seen| !its_child(seen)).map(|seen| seen.pid)
    }

    /// Both.
    #[track_caller]
    pub fn keepers(&self) -> (i32, i32) {
        wait_until("supervisor and guardian", 10, || {
            self.supervisor().zip(self.guardian()).ok_or_else(|| format!("{:?}", self.processes()))
        })
    }

    /// Kills both keepers, as a crash of the machine would, and leaves what they ran.
    pub fn kill_keepers(&self) {
        // a supervisor whose guardian is gone makes itself one, and one just forked has no name yet:
        // until none is left that is no service
        loop {
            let left: Vec<Seen> =
                self.processes().into_iter().filter(|seen| seen.service.is_empty() && seen.state != 'Z').collect();
            if left.is_empty() {
                return;
            }
            for signal in [19, 9] {
                for keeper in &left {
                    kill(keeper.pid, signal);
                }
            }
        }
    }

    /// Kills everything in this home, as the end of a session does; also what forks meanwhile.
    pub fn kill_all(&self) {
        self.kill_keepers();
        loop {
            let left: Vec<i32> =
                self.processes().iter().filter(|seen| seen.state != 'Z').map(|seen| seen.pid).collect();
            if left.is_empty() {
                return;
            }
            for signal in [19, 9] {
                for pid in &left {
                    kill(*pid, signal);
                }
            }
        }
    }

    /// All that a service has written, over all rotated files, without the supervisor's own notes.
    pub fn logged(&self, name: &str) -> Vec<String> {
        let log = self.log(name);
        let number = |path: &PathBuf| -> Option<u32> {
            let rest = path.to_str()?.strip_prefix(log.to_str()?)?;
            if rest.is_empty() { Some(0) } else { rest.strip_prefix('.')?.parse().ok() }
        };
        let entries = std::fs::read_dir(log.parent().unwrap()).into_iter().flatten().flatten();
        let mut files: Vec<(u32, PathBuf)> =
            entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
        files.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let mut bytes = Vec::new();
        for (_, path) in files {
            bytes.extend(std::fs::read(path).unwrap());
        }
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter(|line| !line.starts_with("svc: ")).map(str::to_owned).collect()
    }

    /// Every file and link below the home and the runtime folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut all = below(&self.home());
        all.extend(below(&self.path().join("run")));
        all.sort();
        all
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("SVC_TEST_KEEP").is_some() {
            eprintln!("{} is left", self.path().display());
            self.folder.disable_cleanup(true);
            return;
        }
        self.kill_all();
    }
}

/// Every file and link in a folder and those below it.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            all.extend(below(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all.sort();
    all
}

/// Sends a signal; the process may be gone.
pub fn kill(pid: i32, signal: i32) {
    let signal = nix::sys::signal::Signal::try_from(signal).unwrap();
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
}

/// A process as /proc shows it.
pub fn seen(pid: i32) -> Option<Seen> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (front, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(Seen {
        pid,
        name: front.split_once('(')?.1.into(),
        state: fields[0].chars().next()?,
        parent: fields[1].parse().ok()?,
        start: fields[19].parse().ok()?,
        service: String::new(),
    })
}

/// Whether it lives, not even as a zombie.
pub fn lives(pid: i32) -> bool {
    seen(pid).is_some_and(|seen| seen.state != 'Z')
}

/// Zombies among the children of these.
pub fn zombies(keepers: &[i32]) -> Vec<Seen> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| seen(entry.file_name().to_str()?.parse().ok()?))
        .filter(|seen| seen.state == 'Z' && keepers.contains(&seen.parent))
        .collect()
}

/// Open descriptors of a process.
pub fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}
