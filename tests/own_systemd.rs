//! A short walk in user scope on the machine's own systemd, where it is a systemd host and this user
//! has a manager; with names of its own, so that nothing of the user's is touched. Elsewhere there is
//! nothing to test: `host_walk.rs` boots hosts.
//!
//! That this file works is tested by itself: it runs again inside a booted host.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods, reason = "test code")]

mod support;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{host, wait_until};

/// Set by the outer run: the binary to use, and that there must be a manager.
const INSIDE: &str = "SVC_TEST_OWN_SYSTEMD";

struct Service {
    svc: PathBuf,
    name: String,
}

impl Service {
    fn svc(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(&self.svc);
        command.args(["--backend", "systemd", "--user"]).args(arguments);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let (code, text) = self.svc(arguments);
        assert_eq!(code, 0, "svc {arguments:?}: {text}");
        text
    }

    fn status(&self) -> serde_json::Value {
        let (_, text) = self.svc(&["status", &self.name, "--json"]);
        serde_json::from_str::<serde_json::Value>(&text).map_or(serde_json::Value::Null, |all| all[0].clone())
    }

    #[track_caller]
    fn wait(&self, what: &str, check: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        wait_until(what, 15, || {
            let status = self.status();
            if check(&status) { Ok(status) } else { Err(status.to_string()) }
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.svc(&["uninstall", &self.name, "--force", "--purge"]);
    }
}

fn manager_is_here() -> bool {
    let runtime = std::env::var("XDG_RUNTIME_DIR").unwrap_or_else(|_| format!("/run/user/{}", nix::unistd::getuid()));
    Path::new("/run/systemd/system").is_dir() && Path::new(&runtime).join("systemd/private").exists()
}

fn walk(svc: PathBuf) {
    let one = Service { svc, name: format!("svc-test-{}", std::process::id()) };
    let name = one.name.clone();
    one.ok(&["install", &name, "--restart-delay", "100ms", "--", "/bin/sh", "-c", "echo hello; exec sleep 1000"]);
    let first = one.wait("it runs", |status| status["state"] == "running");
    assert_eq!(first["enabled"], true);
    let unit = format!("{name}.service");
    let systemctl = |word: &str| Command::new("systemctl").args(["--user", word, &unit]).output().unwrap();
    assert!(systemctl("is-active").status.success() && systemctl("is-enabled").status.success());
    wait_until("its line is in the journal", 15, || {
        let (_, text) = one.svc(&["logs", &name, "-n", "5"]);
        if text.contains("hello") { Ok(()) } else { Err(text) }
    });
    assert!(Command::new("kill").args(["-9", &first["pid"].to_string()]).status().unwrap().success());
    one.wait("it is back", |status| status["state"] == "running" && status["restarts"] == 1);
    one.ok(&["stop", &name]);
    assert_eq!(one.status()["state"], "stopped");
    one.ok(&["start", &name]);
    one.ok(&["restart", &name]);
    assert!(systemctl("stop").status.success());
    assert_eq!(one.status()["state"], "stopped", "what systemctl did is seen");
    let file = first["files"][0].as_str().unwrap().to_owned();
    one.ok(&["uninstall", &name]);
    assert!(!Path::new(&file).exists());
    assert!(!systemctl("is-enabled").status.success());
    assert_eq!(one.svc(&["status", &name]).0, 4);
}

#[test]
fn a_short_walk_on_the_machines_own_systemd() {
    if let Some(svc) = std::env::var_os(INSIDE) {
        assert!(manager_is_here(), "there is no manager here");
        return walk(svc.into());
    }
    if manager_is_here() {
        walk(env!("CARGO_BIN_EXE_svc").into());
        eprintln!("walked on the machine's own systemd");
        return;
    }
    // no systemd host: this same file is run on a booted one
    let Some(host) = host("own") else { return };
    host.put(&std::env::current_exe().unwrap(), "/usr/local/bin/own");
    host.root("chmod 755 /usr/local/bin/own").ok();
    let ran = host.user(&format!("{INSIDE}=$(command -v svc) own --nocapture --test-threads 1")).ok();
    assert!(ran.out.contains("1 passed"), "{ran}");
}
