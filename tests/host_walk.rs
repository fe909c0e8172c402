//! What only a real systemd host has: other releases, logout, power cut, systemctl beside svc, units of others,
//! the machine's scope. Each test boots its own host. What all backends have is in `tests/walks`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod support;
use support::{host, host_of, wait_until};

const SLEEP: &str = "/bin/sleep infinity";

/// The life of a service on one release.
fn walk(test: &str, release: Option<&str>) {
    let Some(host) = host_of(test, release) else { return };
    // install: running, enabled, and systemctl says the same
    host.user(&format!("svc install web --restart-delay 200ms -- {SLEEP}"))
        .ok()
        .says("web: installed, enabled and started (pid ");
    host.user("systemctl --user is-active web && systemctl --user is-enabled web").ok().says("active\nenabled");
    let first = host.status("web");
    assert_eq!((&first["state"], &first["enabled"], &first["restarts"]), (&"running".into(), &true.into(), &0.into()));
    // unchanged: nothing is touched, nothing restarted
    let stamp = "stat -c '%Y %Z %i' ~/.config/systemd/user/web.service ~/.local/state/svc/services/web.json";
    let before = host.user(stamp).ok().out;
    host.user(&format!("svc install web --restart-delay 200ms -- {SLEEP}")).ok().says("web: unchanged");
    assert_eq!(host.user(stamp).out, before);
    assert_eq!(host.status("web")["pid"], first["pid"]);
    // kill -9: back, and counted
    host.user(&format!("kill -9 {}", first["pid"])).ok();
    wait_until("back after kill -9", 10, || {
        let status = host.status("web");
        let back = status["state"] == "running" && status["restarts"] == 1 && status["pid"] != first["pid"];
        if back { Ok(()) } else { Err(status.to_string()) }
    });
    // a crash loop ends as failed, and says so
    let looping = "svc install loop --restart-delay 50ms --restart-max-delay 50ms --restart-limit 3/1m -- /bin/sh -c 'sleep 0.4; echo dying; exit 7'";
    host.user(looping).ok();
    let failed = host.wait_state("loop", "failed");
    assert_eq!(failed["exit_code"], 7, "{failed}");
    assert!(failed["reason"].as_str().unwrap().contains("again and again"), "{failed}");
    host.user("svc status loop").code(3).says("failed").says("dying").says("next: svc logs loop");
    host.user("svc status").code(3);
    // ten times each
    for _ in 0..10 {
        host.user("svc stop web").ok().says("stopped");
        host.user("svc start web").ok().says("started");
        host.user("svc restart web").ok().says("restarted");
    }
    host.user("svc stop web && svc stop web").ok().says("stopped already");
    assert_eq!(host.status("web")["state"], "stopped");
    // systemctl beside svc
    host.user("systemctl --user start web").ok();
    assert_eq!(host.status("web")["state"], "running");
    host.user("systemctl --user disable web").ok();
    assert_eq!(host.status("web")["enabled"], false);
    host.user("svc enable web").ok().says("enabled");
    host.user("systemctl --user is-enabled web").ok();
    // power cut: lingering, so it runs again at boot; a task that ran has failed, one that waited gets its place
    // (in another release no unit can call svc)
    let tasks = release.is_none();
    if tasks {
        host.user("mkdir -p ~/.config/svc && echo 'max_parallel_tasks = 1' > ~/.config/svc/config.toml").ok();
        host.user("svc run -b --name cut -- sleep 1000 && svc run -b --name next -- sleep 1001; sync").ok();
    }
    host.reboot();
    host.wait_state("web", "running");
    if tasks {
        // a host is no machine: the kernel's boot is the same, so the reason is not that it went down
        host.user("svc status cut").code(3).says("failed: its process is gone, and nobody saw how it ended");
        host.wait_state("next", "running");
        host.user("svc cancel next && svc tasks prune --all && rm -r ~/.config/svc").ok();
    }
    // uninstall: no file, no link, no unit
    host.user("svc uninstall web loop").ok().says("web: stopped and uninstalled");
    let left = host.user("find ~/.config/systemd ~/.local -type f -o -type l 2>/dev/null; systemctl --user list-units --all --plain --no-legend 'web*' 'loop*'");
    assert_eq!(left.out, "", "{left}");
    // on the oldest one no unit can call svc (`put_with_loader`); tried there by hand
    if release == Some("trixie") {
        written_by_svc(&host);
    }
}

/// A log file that svc writes beside systemd: its writer is killed again and again, rotation and all.
fn written_by_svc(host: &support::Host) {
    let lines = 60_000;
    let manifest = |logs: &str| {
        host.write(
            "/home/tester/log/svc.toml",
            &format!("[service.lines]\nscript = 'seq -f \"line %.0f of many, so that there is something to write\" {lines}; echo \"${{LISTEN_FDS-}} end\"; trap \"echo bye; exit 0\" TERM; sleep 98765 & wait'\nlogs = {{ {logs} }}\n"),
        );
    };
    manifest(r#"file = "out.log", max_size = "100K", keep = 1000, compress = true"#);
    host.user("cd log; svc install").ok();
    let kills = host.user("n=0; for i in $(seq 40); do p=$(systemctl --user show -p MainPID --value lines:log.service); if [ \"$p\" != 0 ] && kill -9 \"$p\" 2>/dev/null; then n=$((n+1)); fi; sleep 0.0$((RANDOM % 6)); done; echo $n").ok();
    assert!(kills.out.trim().parse::<u32>().unwrap() > 0, "{kills}");
    let all = "cd log; for n in $(seq 1000 -1 1) ''; do f=out.log${n:+.$n}; [ -e $f.gz ] && zcat $f.gz; [ -e $f.gz ] || cat $f 2>/dev/null; done | tr -d '\\n'";
    let expected: String =
        (1..=lines).map(|n| format!("line {n} of many, so that there is something to write")).collect::<String>()
            + " end";
    let whole = wait_until("every line once and in order", 30, || {
        let found = host.user(all).out;
        if found.ends_with(" end") { Ok(found) } else { Err(format!("{} bytes", found.len())) }
    });
    assert!(whole == expected, "{} bytes for {}", whole.len(), expected.len());
    // nobody but the program is in its group, and systemd is its parent
    host.user("systemctl --user show -p NRestarts -p SubState lines; ps -o comm= -p $(ps -o ppid= -p $(systemctl --user show -p MainPID --value lines))")
        .ok()
        .says("NRestarts=0")
        .says("SubState=running")
        .says("systemd");
    // its last words are there when it is down, and so is nothing of the writer
    manifest(r#"file = "last.log", timestamps = true"#);
    host.user("cd log; svc up --yes").ok();
    wait_until("all is written", 30, || {
        let found = host.user("cd log; tail -n 1 last.log").out;
        if found.ends_with("Z  end\n") { Ok(()) } else { Err(found) }
    });
    host.user("cd log; svc stop lines; tail -n 1 last.log").ok().says("Z bye");
    let units = "systemctl --user list-units --all --plain --no-legend 'lines*' | grep -v inactive; ls $XDG_RUNTIME_DIR/svc-log";
    assert_eq!(host.user(units).out, "", "nothing of it is left");
    // to a file that systemd writes, and back: each time the other one is gone
    manifest(r#"file = "plain.log""#);
    host.user("cd log; svc up --yes; systemctl --user show -p StandardOutput lines").ok().says("append");
    assert_eq!(host.user("ls ~/.config/systemd/user | grep lines:; ls $XDG_RUNTIME_DIR/svc-log").out, "");
    manifest(r#"file = "again.log", keep = 3"#);
    host.user("cd log; svc up --yes; svc uninstall lines").ok();
    assert_eq!(host.user(units).out, "");
    assert_eq!(host.user("find ~/.config/systemd -name 'lines*'").out, "");
}

#[test]
fn logs_on_this_machines_systemd() {
    let Some(host) = host_of("logfiles", None) else { return };
    written_by_svc(&host);
    // the journal of the machine's services is complete
    host.root("svc install quick -- /bin/sh -c 'seq 50000; exec sleep 98765'").ok();
    wait_until("50,000 quick lines", 20, || {
        let found = host.root("svc logs quick | wc -l").out;
        if found.trim() == "50000" { Ok(()) } else { Err(found) }
    });
}

#[test]
fn walk_on_this_machines_systemd() {
    walk("walk", None);
}

#[test]
fn walk_on_systemd_247() {
    walk("walk247", Some("bullseye"));
}

#[test]
fn walk_on_systemd_257() {
    walk("walk257", Some("trixie"));
}

/// What systemd has no word for: since 254 `OnFailure=` is triggered by each crash, not by the last one alone.
#[test]
fn companions_on_systemd_257() {
    let Some(host) = host_of("companions_on_systemd_257", Some("trixie")) else { return };
    host.write(
        "/home/tester/svc.toml",
        r#"
[service.bad]
command = ["/bin/sh", "-c", "exit 7"]
restart_delay = "300ms"
restart_limit = { count = 4, within = "1m" }
on_failure = { command = ["/bin/sh", "-c", "echo \"$SVC_REASON\" >> ~/told"] }

[service.again]
command = ["/bin/sh", "-c", "echo start >> ~/starts; sleep 2.5; exit 1"]
restart_delay = "100ms"
restart_limit = { count = 2, within = "1h" }
restart_reset = "1s"

[service.grows]
command = "/bin/sleep 987655"
restart_delay = "250ms"
restart_reset = "1s"

[service.web]
command = "/bin/sleep 987654"
restart_limit = { count = 1000, within = "1m" }
health = { command = ["/bin/sh", "-c", "test -e ~/well"], interval = "200ms", retries = 2, grace = "0s" }
"#,
    );
    host.user("cd; touch well; svc install --no-start").ok();
    host.user("cd; svc start bad").code(1);
    host.user("cd; svc start again web").ok();
    let is = |name: &str, what: &str, check: &dyn Fn(&serde_json::Value) -> bool| {
        wait_until(&format!("`{name}` {what}"), 40, || {
            let status = host.status(name);
            if check(&status) { Ok(status) } else { Err(status.to_string()) }
        })
    };
    is("bad", "has failed", &|status| status["state"] == "failed");
    // each run has its own check of health
    let first = is("web", "is healthy", &|status| status["health"]["state"] == "healthy");
    host.user(&format!("kill -9 {}", first["pid"])).ok();
    is("web", "is healthy again", &|status| status["health"]["state"] == "healthy" && status["pid"] != first["pid"]);
    host.user("cd; rm well").ok();
    let second = host.status("web")["pid"].clone();
    is("web", "is restarted", &|status| status["pid"].is_u64() && status["pid"] != second);
    wait_until("four starts", 40, || {
        let starts = host.user("wc -l < ~/starts").out;
        if starts.trim().parse::<u32>().unwrap_or(0) >= 4 { Ok(()) } else { Err(starts) }
    });
    // after a good run systemd counts, and its delay grows, from the beginning; no restart is lost to `status`
    host.user("cd; svc start grows; kill -9 $(systemctl --user show -P MainPID grows)").ok();
    is("grows", "runs again", &|status| status["state"] == "running" && status["restarts"] == 1);
    wait_until("it is looked after no more", 40, || {
        let seen = host.user("systemctl --user is-active svc:restarts; systemctl --user show -P NRestarts grows").out;
        if seen.ends_with("\n0\n") { Ok(()) } else { Err(seen) }
    });
    assert_eq!(host.status("grows")["restarts"], 1);
    host.user("kill -9 $(systemctl --user show -P MainPID grows)").ok();
    is("grows", "is restarted", &|status| status["restarts"] == 2);
    host.user("cd; svc uninstall --all; test ! -e $XDG_RUNTIME_DIR/svc").ok();
    // told once, though it crashed four times
    let told = host.user("cat ~/told").ok().out;
    assert!(told.starts_with("exit code 7") && told.lines().count() == 1, "{told}");
    assert_eq!(host.user("systemctl --user list-units --all --plain --no-legend '*:*.service'").out, "");
}

#[test]
fn what_systemd_refuses_is_said_and_leaves_nothing() {
    let Some(host) = host("fails") else { return };
    let nothing = || {
        let left = host.user("find ~/.config/systemd ~/.local -type f -o -type l 2>/dev/null");
        assert_eq!(left.out, "", "{left}");
    };
    // a failed update is put back with its link
    host.user(&format!("svc install one -- {SLEEP}; svc install one -- /bin/sh -c 'exit 9'"))
        .code(1)
        .warns("what was there before is back");
    host.user("systemctl --user is-active one && systemctl --user is-enabled one").ok();
    // a line that systemd only warns of is a failure of svc
    host.user("svc install odd --systemd Service.NoSuchKey=1 -- /bin/sleep infinity").code(1).warns("NoSuchKey");
    host.user("systemctl --user cat odd").code(1);
    // a bad calendar of one's own; one in `schedule` is refused before
    host.user("svc install cal --schedule daily --systemd Timer.OnCalendar='whenever 99' -- /bin/true")
        .code(1)
        .warns("cal");
    host.user("svc uninstall --all").ok();
    nothing();
}

#[test]
fn names_of_others_are_not_taken() {
    let Some(host) = host("claims") else { return };
    what_systemctl_changes_is_shown(&host);
    host.user("svc install dbus -- /bin/sleep 9").code(1).warns("is not svc's");
    host.write("/home/tester/.config/systemd/user/mine.service", "[Service]\nExecStart=/bin/sleep 77\n");
    host.user("svc install mine -- /bin/sleep 9").code(1).warns("mine.service` is not svc's").warns("--force");
    host.user("ln -s /dev/null ~/.config/systemd/user/hidden.service; svc install hidden -- /bin/sleep 9")
        .code(1)
        .warns("masked");
    host.user("svc install mine --force -- /bin/sleep infinity").ok().warns("kept as");
    host.user("grep -q 'sleep 77' ~/.config/systemd/user/mine.service.before-svc-1").ok();
    host.user("svc uninstall mine").ok();
    host.user("test -e ~/.config/systemd/user/mine.service.before-svc-1 -a ! -e ~/.config/systemd/user/mine.service")
        .ok();
    for bad in ["../x", "-x", "a@", "a..b", "'a b'", "''"] {
        host.user(&format!(
            "svc install -- {bad} 2>/dev/null; svc install --no-start {} -- /bin/true",
            if bad.starts_with('-') { "x/y" } else { bad }
        ))
        .code(2);
    }
}

/// Drop-ins of `systemctl edit` and `set-property`: named, left alone, and gone with the command that is named.
fn what_systemctl_changes_is_shown(host: &support::Host) {
    host.write("/home/tester/p/svc.toml", "[service.odd]\ncommand = \"/bin/sleep infinity\"\n");
    host.user("cd p; svc up").ok();
    host.write("/home/tester/.config/systemd/user/odd.service.d/override.conf", "[Service]\nNice=3\n");
    host.user("systemctl --user set-property odd CPUWeight=50; systemctl --user daemon-reload").ok();
    let status = host.status("odd");
    assert_eq!((&status["drifted"], &status["state"]), (&true.into(), &"running".into()), "{status}");
    let override_conf =
        "odd.service.d/override.conf` changes its unit (`systemctl --user revert odd.service` undoes it)";
    host.user("svc status odd").ok().says(override_conf).says("user.control/odd.service.d/50-CPUWeight.conf`");
    host.user("cd p; svc diff").ok().warns(override_conf);
    let again = host.user("cd p; svc up").ok().warns(override_conf);
    assert!(!again.out.contains("as its definition says") && !again.out.contains("odd: "), "{again}");
    host.user("svc doctor odd").code(1).says("fix: systemctl --user revert odd.service");
    host.user("systemctl --user revert odd.service").ok();
    host.user("svc doctor odd").ok();
    host.user("cd p; svc up").ok().says("nothing to do");
    host.user("svc uninstall odd").ok();
}

#[test]
fn logout_login_and_boot() {
    let Some(host) = host("boot") else { return };
    host.user(&format!("svc install web -- {SLEEP}")).ok();
    host.user("svc status web").ok().says("survives: crash yes, logout yes, reboot yes");
    host.logout();
    host.user("svc status web")
        .code(5)
        .warns("the user manager of `tester` is not running")
        .warns("hint: `sudo loginctl enable-linger tester`");
    host.login();
    host.wait_state("web", "running");
    host.user("svc status web").ok().says("logout no (svc enable --boot web)").says("reboot no (starts at login");
    // without a polkit only root may switch lingering on: said, with the command
    let boot = host.user("svc enable --boot web");
    if boot.code == 5 {
        boot.warns("loginctl enable-linger tester");
        host.root("loginctl enable-linger tester").ok();
    }
    host.reboot();
    host.wait_state("web", "running");
    host.user("svc disable web").ok();
    host.reboot();
    assert_eq!(host.status("web")["state"], "stopped");
    host.user("svc uninstall web").ok();
}

#[test]
fn two_at_once_end_in_one_state() {
    let Some(host) = host("race") else { return };
    let race = "for i in $(seq 20); do for s in a b c; do (svc install $s --description \"round $i\" -- /bin/sleep infinity >/tmp/out.$i.$s 2>&1; echo $? >>/tmp/codes) & done; done; wait";
    host.user(race).ok();
    assert_eq!(host.user("sort -u /tmp/codes; wc -l </tmp/codes").out, "0\n60\n", "{}", host.user("cat /tmp/out.*"));
    for name in ["a", "b", "c"] {
        let status = host.status(name);
        assert_eq!((&status["state"], &status["drifted"]), (&"running".into(), &false.into()), "{status}");
    }
    assert_eq!(host.user("pgrep -c sleep").out, "3\n");
    host.user("for i in $(seq 10); do (svc restart a b c & svc stop a & svc uninstall c; svc install c -- /bin/sleep infinity) >/dev/null 2>&1 & done; wait; svc start a b c >/dev/null; svc status").ok();
    assert_eq!(host.user("pgrep -c sleep").out, "3\n");
    host.user("svc uninstall --all").ok();
    assert_eq!(host.user("pgrep -c sleep; find ~/.local ~/.config/systemd -type f").out, "0\n");
}

#[test]
fn logs_are_read_by_time_and_followed() {
    let Some(host) = host("logs") else { return };
    host.user("svc install one -- /bin/sh -c 'echo one line; exec sleep infinity'").ok();
    wait_until("a line in the journal", 10, || {
        let ran = host.user("svc logs one");
        if ran.out.contains("one line") { Ok(()) } else { Err(ran.to_string()) }
    });
    assert_eq!(host.user("svc logs one --until '1h ago'").ok().out, "");
    host.user("svc logs one --since '1h ago' --json | head -1").ok().says("\"service\":\"one\"");
    host.user("timeout 20 svc logs one -f -n 0 | head -1 > /tmp/followed & sleep 1; systemd-run --user --quiet --collect true; svc restart one >/dev/null; wait; grep -c . /tmp/followed").ok();
    // a file
    host.user("svc install file --log-file log/out.txt -- /bin/sh -c 'echo to the file; exec sleep infinity'").ok();
    assert_eq!(host.user("stat -c %a log/out.txt").out, "640\n");
    host.user("svc uninstall --all --purge").ok();
}

#[test]
fn the_machines_own_scope() {
    let Some(host) = host("system") else { return };
    host.root("useradd -m www; svc install web --run-as www --working-dir /home/www -- /bin/sh -c 'id -un > /home/www/who; exec sleep infinity'").ok().says("web: installed");
    wait_until("who", 5, || {
        let ran = host.root("cat /home/www/who");
        if ran.out == "www\n" { Ok(()) } else { Err(ran.to_string()) }
    });
    host.root("systemctl is-active web && systemctl is-enabled web && test -e /etc/systemd/system/web.service").ok();
    host.user("svc --system status").ok().says("web");
    host.user("svc --system stop web").code(5).warns("root's").warns("sudo");
    host.user("svc install mine --run-as www -- /bin/sleep 1")
        .code(2)
        .warns("only the machine's services can run as another account");
    host.root("svc install x --run-as nobody-there -- /bin/sleep 1")
        .code(2)
        .warns("there is no account `nobody-there`");
    host.root("chmod 700 /root; svc install x --run-as www --working-dir /root -- /bin/sleep 1")
        .code(2)
        .warns("`www` may not enter `/root`");
    host.root("SUDO_UID=4242 SUDO_USER=tester svc status").code(5).warns("`sudo svc --system …`").warns("without sudo");
    host.root("SUDO_UID=4242 SUDO_USER=tester svc --system status").ok();
    host.reboot();
    wait_until("running after boot", 10, || {
        let ran = host.root("svc status web");
        if ran.code == 0 { Ok(()) } else { Err(ran.to_string()) }
    });
    host.root("svc uninstall web").ok();
    host.root("test ! -e /etc/systemd/system/web.service -a ! -e /var/lib/svc").ok();
}

#[test]
fn without_a_bus_and_with_a_broken_manager() {
    let Some(host) = host("nobus") else { return };
    host.user("systemctl --user mask --now dbus.socket dbus.service; rm -f $XDG_RUNTIME_DIR/bus").ok();
    host.user(&format!("svc install web -- {SLEEP}")).ok();
    host.user("svc stop web; svc start web; svc status web").ok();
    host.user("env -u XDG_RUNTIME_DIR svc status web").ok();
    host.user("XDG_RUNTIME_DIR=/nowhere svc status web").code(5).warns("hint:");
    // a manager that accepts and says nothing: exit 5 within five seconds
    let silent = "mkdir -p /tmp/r/systemd; python3 -c 'import socket,time; s=socket.socket(socket.AF_UNIX); s.bind(\"/tmp/r/systemd/private\"); s.listen(); time.sleep(60)' & sleep 0.5; XDG_RUNTIME_DIR=/tmp/r timeout 5 svc status web; code=$?; kill %1; exit $code";
    host.user(silent).code(5).warns("said nothing");
    let rubbish = "rm -rf /tmp/r; mkdir -p /tmp/r/systemd; python3 -c 'import socket,time; s=socket.socket(socket.AF_UNIX); s.bind(\"/tmp/r/systemd/private\"); s.listen(); c,_=s.accept(); c.send(b\"l\"*4000); time.sleep(60)' & sleep 0.5; XDG_RUNTIME_DIR=/tmp/r timeout 5 svc status web; code=$?; kill %1; exit $code";
    host.user(rubbish).code(5);
    // the user manager is killed: said, then started again
    host.root("pkill -9 -u tester -x systemd").ok();
    wait_until("manager gone", 10, || {
        let ran = host.user("svc status web");
        if ran.code == 5 && ran.err.contains("user manager") { Ok(()) } else { Err(ran.to_string()) }
    });
    host.login();
    host.wait_state("web", "running");
}

const NOTIFY: &str = r#"#!/usr/bin/python3
import os, socket, sys, time
def say(text):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
time.sleep(float(sys.argv[1]))
say("READY=1\nSTATUS=claimed \x1b[31mP001")
time.sleep(10000)
"#;

#[test]
fn readiness_dependencies_and_status_text() {
    let Some(host) = host("ready") else { return };
    host.write("/home/tester/notify", NOTIFY);
    host.user("chmod +x notify").ok();
    // start returns when the program says that it is ready, not before
    let ran = host.user("t=$(date +%s%N); svc install slow --ready notify -- ./notify 1 >/dev/null && echo $((($(date +%s%N) - t) / 1000000))").ok();
    assert!(ran.out.trim().parse::<u32>().unwrap() >= 1000, "{ran}");
    assert_eq!(host.status("slow")["status_text"], "claimed \u{1b}[31mP001");
    host.user("svc status slow").ok().says("claimed \\x1b[31mP001");
    // one that never gets ready fails with that reason, and so does what depends on it
    host.user("svc install never --ready notify --start-timeout 1s --restart never -- ./notify 1000")
        .code(1)
        .warns("did not become ready");
    host.user("svc install never --no-start --ready notify --start-timeout 1s --restart never -- ./notify 1000").ok();
    host.user("svc install after --no-start --depends-on never -- /bin/sleep infinity").ok();
    host.user("svc start after").code(1).warns("`never`, which it depends on, failed: did not become ready in time");
    host.user("svc install lost --depends-on nowhere -- /bin/sleep 9")
        .code(2)
        .warns("is neither among what is to be installed nor installed");
    host.user("svc uninstall never").ok().warns("`after` depends on `never`");
    // a whole tree goes with its service, whatever it does against it
    let tree = "import os,signal,time\nfor i in range(20):\n  if os.fork()==0:\n    os.setsid(); signal.signal(15, signal.SIG_IGN)\n    if os.fork()==0: pass\n    time.sleep(9999)\ntime.sleep(9999)";
    host.user(&format!("svc install tree --stop-timeout 500ms -- python3 -c \"$(printf '{tree}')\"")).ok();
    wait_until("a tree", 10, || {
        let ran = host.user("pgrep -fc 9999");
        if ran.out.trim().parse::<u32>().unwrap_or(0) >= 40 { Ok(()) } else { Err(ran.to_string()) }
    });
    host.user("svc stop tree").ok();
    assert_eq!(host.user("pgrep -xc python3").out, "0\n", "nothing of the tree is left");
    host.user("svc uninstall --all").ok();
}

#[test]
fn boot_start_asks_for_lingering_before_anything_is_written() {
    let Some(host) = host("linger") else { return };
    host.logout();
    host.login();
    let ran = host.user("svc install web --start boot -- /bin/sleep infinity");
    if ran.code == 0 {
        // it was permitted: switched on by svc, and off again with the last service that needs it
        host.root("test -e /var/lib/systemd/linger/tester").ok();
        host.user("svc uninstall web").ok().warns("lingering is off again");
        host.root("test -e /var/lib/systemd/linger/tester").code(1);
    } else {
        ran.code(5).warns("sudo loginctl enable-linger tester");
        assert_eq!(host.user("find ~/.config/systemd ~/.local -type f 2>/dev/null").out, "");
    }
    // switched on by somebody else: it stays on
    host.root("loginctl enable-linger tester").ok();
    wait_until("the user manager", 10, || {
        let ran = host.user("svc install web --start boot -- /bin/sleep infinity");
        if ran.code == 0 { Ok(()) } else { Err(ran.to_string()) }
    });
    host.user("svc uninstall web").ok();
    host.root("test -e /var/lib/systemd/linger/tester").ok();
}

#[test]
fn a_service_becomes_scheduled_and_back() {
    let Some(host) = host("kinds") else { return };
    let units = "find ~/.config/systemd/user -name 'job.*' -printf '%P\\n' | sort; systemctl --user list-units --plain --no-legend 'job.*' | cut -d' ' -f1";
    host.user("svc install job -- /bin/sleep infinity").ok();
    assert_eq!(host.user(units).out, "default.target.wants/job.service\njob.service\njob.service\n");
    host.user("svc install job --every 1h -- /bin/true").ok().says("job: updated, enabled and armed");
    assert_eq!(host.user(units).out, "job.service\njob.timer\ntimers.target.wants/job.timer\njob.timer\n");
    // one that fails goes back to the timer
    host.user("svc install job -- /bin/false").code(1).warns("what was there before is back");
    assert_eq!(host.user(units).out, "job.service\njob.timer\ntimers.target.wants/job.timer\njob.timer\n");
    host.user("svc install job -- /bin/sleep infinity").ok();
    assert_eq!(host.user(units).out, "default.target.wants/job.service\njob.service\njob.service\n");
    // what systemd remembers of a timer goes with the timer
    let stamps = "ls ~/.local/share/systemd/timers 2>/dev/null";
    host.user("svc install job --schedule daily -- /bin/true").ok();
    assert_eq!(host.user(stamps).out, "stamp-job.timer\n");
    host.user("svc install job -- /bin/sleep infinity").ok();
    assert_eq!(host.user(stamps).out, "");
    host.user("svc install job --log-file new/log -- /bin/sh -c 'echo into the file; exit 4'")
        .code(1)
        .warns("| into the file");
    host.user("test ! -e new/log").ok();
    host.user("svc install job --nice 5").code(2).warns("need a command");
    host.user("svc reload job").code(1).warns("has no way to reload");
    host.user("svc stop job; svc reload job").code(1).warns("is not running");
    host.user("svc uninstall job").ok();
    assert_eq!(host.user(units).out, "");
}
