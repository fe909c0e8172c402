//! What tests share: a booted host, waiting for a condition, saying what is skipped.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods, reason = "test code")]

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
        match release {
            None => host.put(svc, "/usr/local/bin/svc"),
            Some(_) => host.put_with_loader(svc),
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

    /// An older release has an older C library: the program comes with that of this machine.
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
