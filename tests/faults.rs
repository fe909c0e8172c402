//! Faults while svc works: killed at each write, a full disk, the plug pulled. After each: the old
//! files or the new ones, whole; the next command repairs; nothing temporary stays.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

mod support;
use support::{Host, host, skip};

const STATE: &str =
    "cat ~/.config/systemd/user/web.service ~/.local/state/svc/services/web.json 2>/dev/null | sha256sum";
const STRAY: &str = "find ~/.config ~/.local -name '.svc-tmp-*' -o -size 0 -name '*.service' -o -size 0 -name '*.json'";

fn traced(host: &Host) -> bool {
    host.user("strace -V").code == 0
}

/// Runs `svc install` of another definition with a fault at the N-th call of each kind.
fn at_every_write(test: &str, fault: &str) {
    let Some(host) = host(test) else { return };
    if !traced(&host) {
        skip(test, "strace is missing");
        return;
    }
    let install = |word: &str| format!("svc install web --description {word} -- /bin/sleep infinity");
    host.user(&install("old")).ok();
    let old = host.user(STATE).out;
    host.user(&install("new")).ok();
    let new = host.user(STATE).out;
    let mut points = 0;
    // an error of `write` would hit the runtime's own event descriptor: the full disk below is its test
    let all = ["openat", "fsync", "rename", "mkdir", "fchmod", "write", "flock"];
    let calls = if fault.starts_with("error") { &all[..5] } else { &all[..] };
    for call in calls {
        for n in 1..60 {
            host.user(&install("old")).ok();
            assert_eq!(host.user(STATE).out, old);
            // only calls after the lock is taken, or those of the files themselves, change anything;
            // the others must do no harm either
            let line = format!(
                "strace -f -o /tmp/trace -e trace={call} -e inject={call}:{fault}:when={n} {}; code=$?; grep -q INJECTED /tmp/trace && exit $code; grep -q 'killed by SIGKILL' /tmp/trace && exit 137; exit 99",
                install("new")
            );
            let ran = host.user(&line);
            if ran.code == 99 {
                break; // there is no N-th call
            }
            points += 1;
            let now = host.user(STATE).out;
            let left = host.user("svc status web --json");
            assert_eq!(left.code, 0, "{call} {n}: {left} after {ran}");
            if fault.starts_with("error") {
                assert!(
                    ran.code != 0 && now == old || ran.code == 0 && now == new,
                    "{call} {n}: neither old nor new: {ran}"
                );
            }
            let whole = host.user("head -1 ~/.config/systemd/user/web.service; tail -1 ~/.config/systemd/user/web.service; python3 -m json.tool ~/.local/state/svc/services/web.json >/dev/null && echo json");
            assert!(
                whole.out.starts_with("# Made by svc")
                    && whole.out.contains("\nHash=")
                    && whole.out.ends_with("json\n"),
                "{call} {n}: {whole}"
            );
            // the next command repairs
            host.user(&install("new")).ok();
            assert_eq!(host.user(STATE).out, new, "{call} {n}");
            let stray = host.user(STRAY);
            assert_eq!(stray.out, "", "{call} {n}: {stray}");
        }
    }
    assert!(points > 20, "only {points} points");
    eprintln!("{points} points of `{fault}`: old or new, each repaired by the next command");
    host.user("svc uninstall web").ok();
    assert_eq!(host.user("find ~/.config/systemd ~/.local -type f").out, "");
}

#[test]
fn killed_at_every_write() {
    at_every_write("killed", "signal=KILL");
}

#[test]
fn no_space_at_every_write() {
    at_every_write("enospc", "error=ENOSPC");
}

#[test]
fn a_full_disk_refuses_and_leaves_nothing() {
    let Some(host) = host("full") else { return };
    host.root("mkdir -p /home/tester/.config /home/tester/.local && mount -t tmpfs -o size=16k,uid=4242,gid=4242,mode=755 tmpfs /home/tester/.config && mount -t tmpfs -o size=64k,uid=4242,gid=4242,mode=755 tmpfs /home/tester/.local").ok();
    host.user("head -c 1M /dev/zero > ~/.config/filler; svc install web -- /bin/sleep infinity")
        .code(1)
        .warns("no space left on device");
    assert_eq!(host.user("find ~/.config ~/.local -type f ! -name filler").out, "");
    host.user("rm ~/.config/filler; svc install web -- /bin/sleep infinity").ok();
    // full again: what runs goes on, status answers, an update is refused and the old one stays
    host.user("head -c 1M /dev/zero > ~/.config/filler; svc status web").ok();
    host.user("svc install web --description changed -- /bin/sleep infinity").code(1).warns("no space left on device");
    let status = host.status("web");
    assert_eq!((&status["state"], &status["drifted"]), (&"running".into(), &false.into()), "{status}");
    host.user("svc uninstall web").ok();
    host.root("mount -o remount,ro /home/tester/.config").ok();
    host.user("svc install web -- /bin/sleep infinity").code(1).warns("read-only file system");
}

#[test]
fn the_plug_is_pulled_during_installs() {
    let Some(host) = host("plug") else { return };
    host.user("svc install web -- /bin/sleep infinity").ok();
    for round in 0..5 {
        host.user("(for i in $(seq 200); do svc install web --description \"$i\" -- /bin/sleep infinity; done) >/dev/null 2>&1 & sleep 0.$((RANDOM % 9 + 1))");
        host.reboot();
        let whole = host.user("tail -1 ~/.config/systemd/user/web.service; python3 -m json.tool ~/.local/state/svc/services/web.json >/dev/null && echo json");
        assert!(whole.out.starts_with("Hash=") && whole.out.ends_with("json\n"), "round {round}: {whole}");
        host.wait_state("web", "running");
        host.user("svc install web --description after -- /bin/sleep infinity").ok();
        assert_eq!(host.status("web")["drifted"], false);
        assert_eq!(host.user(STRAY).out, "");
    }
}
