//! What only launchd has, by command line, on the launchd double; what all backends have is in `tests/walks`.
//! Each test has a Mac of its own, and whatever ran there is gone at its end.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr, reason = "test code")]

mod support;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::mac::{Mac, no_mac};
use support::{kill, lives, skip, wait_until};

/// Needs the shim.
const SHIM: &str = "--restart-limit 9/1m";
/// The two processes of a shim.
const PAIR: [&str; 2] = ["svc-guardian", "svc-supervisor"];
const DOMAIN: &str = "D=gui/$(id -u);";

/// A Mac, or why there is none (then said and counted).
fn mac(test: &str) -> Option<Mac> {
    let reason = no_mac();
    if let Some(reason) = &reason {
        skip(test, reason);
    }
    reason.is_none().then(Mac::up)
}

/// The processes of the only shim there, once both are.
#[track_caller]
fn pair(mac: &Mac) -> [i32; 2] {
    wait_until("the two processes of the shim", 20, || {
        let all: Vec<i32> = PAIR.iter().flat_map(|name| mac.named(name)).map(|seen| seen.pid).collect();
        <[i32; 2]>::try_from(all).map_err(|all| format!("{all:?}"))
    })
}

#[track_caller]
fn kill_pair(mac: &Mac) {
    for pid in pair(mac) {
        kill(pid, 9);
    }
}

#[track_caller]
fn pid(status: &Value) -> i32 {
    i32::try_from(status["pid"].as_i64().unwrap_or_else(|| panic!("no pid: {status}"))).unwrap()
}

/// A line of `launchctl print` of a service.
fn printed(mac: &Mac, name: &str, key: &str) -> String {
    let all = mac.sh(&format!("{DOMAIN} launchctl print $D/svc.{name}")).out;
    let line = all.lines().find_map(|line| line.strip_prefix(&format!("\t{key} = ")));
    line.unwrap_or_default().to_owned()
}

/// The end: all is uninstalled, and nothing is left of it.
#[track_caller]
fn nothing_is_left(mac: &Mac) {
    mac.sh("svc uninstall --all --purge").ok();
    mac.wait_empty();
    assert_eq!(mac.files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_shim_that_is_killed_comes_back_to_its_program() {
    let Some(mac) = mac("a_shim_that_is_killed_comes_back_to_its_program") else { return };
    mac.sh(&format!("svc install web {SHIM} -- /bin/sh -c 'while :; do echo tick; sleep 0.05; done'")).ok();
    let program = pid(&mac.status("web"));
    // what launchd started, what does the work, both
    for victims in [vec![0], vec![1], vec![0, 1]] {
        let before = pair(&mac);
        for at in &victims {
            kill(before[*at], 9);
        }
        let now = wait_until("another shim", 20, || {
            let now = pair(&mac);
            if victims.iter().all(|at| now[*at] != before[*at]) { Ok(now) } else { Err(format!("{now:?}")) }
        });
        let status = mac.wait_state("web", "running");
        assert_eq!(pid(&status), program, "{victims:?} of {before:?}, now {now:?}: {status}");
        let lines = || mac.sh("svc logs web --grep tick | wc -l").ok().out.trim().parse::<usize>().unwrap();
        let old = lines();
        wait_until("its log goes on", 20, || if lines() > old { Ok(()) } else { Err(old.to_string()) });
        assert_eq!(printed(&mac, "web", "pid"), pair(&mac)[0].to_string());
    }
    mac.sh("svc restart web").ok();
    assert!(!lives(program));
    let program = pid(&mac.status("web"));
    // until launchd starts another one there is none: whoever stops or restarts the service now means its program
    mac.sh("launchctl-double set scale 9").ok();
    kill_pair(&mac);
    let status = mac.wait("web", "alone", |status| status["reason"].is_string());
    assert_eq!((pid(&status), &status["state"]), (program, &json!("running")), "{status}");
    assert!(status["reason"].as_str().unwrap().contains("its shim was killed"), "{status}");
    mac.sh("svc restart web").ok();
    assert!(!lives(program));
    let program = pid(&mac.status("web"));
    kill_pair(&mac);
    mac.sh("svc stop web").ok();
    assert!(!lives(program));
    mac.sh("svc start web").ok();
    let program = pid(&mac.status("web"));
    kill_pair(&mac);
    nothing_is_left(&mac);
    assert!(!lives(program));
}

#[test]
fn a_shim_ends_as_a_program_that_is_not_restarted() {
    let Some(mac) = mac("a_shim_ends_as_a_program_that_is_not_restarted") else { return };
    let ends = [
        ("exit 7", "last exit code", "7", "failed", json!(7), json!(null)),
        ("exit 0", "last exit code", "0", "completed", json!(0), json!(null)),
        ("kill -KILL $$", "last terminating signal", "Killed: 9", "failed", json!(null), json!("SIGKILL")),
        ("kill -SEGV $$", "last terminating signal", "Segmentation fault: 11", "failed", json!(null), json!("SIGSEGV")),
        ("kill -TERM $$", "last terminating signal", "Terminated: 15", "failed", json!(null), json!("SIGTERM")),
    ];
    for (command, key, value, state, code, signal) in ends {
        mac.sh(&format!(
            "svc install end --restart never --stop-signal INT -- /bin/sh -c 'while test ! -e go; do sleep 0.05; done; {command}'"
        ))
        .ok();
        mac.sh("touch go").ok();
        let status = mac.wait_state("end", state);
        assert_eq!((&status["exit_code"], &status["signal"]), (&code, &signal), "{command}: {status}");
        wait_until(command, 20, || match printed(&mac, "end", "state").as_str() {
            "not running" => Ok(()),
            other => Err(other.to_owned()),
        });
        assert_eq!(printed(&mac, "end", key), value, "{command}");
        assert_eq!(printed(&mac, "end", "runs"), "1", "{command}");
        mac.sh("rm go; svc uninstall end --purge").ok();
    }
    // nobody starts its shim again; a start does, and takes the program over
    mac.sh("svc install never --restart never --stop-signal INT -- /bin/sleep 99999").ok();
    let program = pid(&mac.status("never"));
    kill_pair(&mac);
    let status = mac.wait("never", "alone", |status| status["reason"].is_string());
    assert_eq!(pid(&status), program, "{status}");
    mac.sh("svc status never").ok().says("its shim was killed");
    mac.sh("svc start never").ok().says(&program.to_string());
    pair(&mac);
    assert_eq!(mac.status("never")["reason"], json!(null));
    assert_eq!(pid(&mac.status("never")), program);
    kill_pair(&mac);
    nothing_is_left(&mac);
    assert!(!lives(program));
}

/// The shim says why it can't begin, and launchd tries again.
#[test]
fn a_shim_that_cannot_begin_says_so() {
    let Some(mac) = mac("a_shim_that_cannot_begin_says_so") else { return };
    mac.sh(&format!("svc install web {SHIM} -- /bin/sleep 99999")).ok();
    // where its folder is, somebody has put a file
    mac.sh("svc stop web; cd ~/.local/state/svc/shim; for d in */; do rm -r $d; touch ${d%/}; done").ok();
    mac.sh("svc start web").code(5).warns("is not a folder");
    wait_until("it says why", 20, || {
        let ran = mac.sh("cat ~/.local/state/svc/shim/web.log; launchctl-double log");
        if ran.out.matches("is not a folder").count() > 2 && ran.out.contains("ended: exit 1") {
            Ok(())
        } else {
            Err(ran.to_string())
        }
    });
    mac.sh("cd ~/.local/state/svc/shim; find . -type f -empty -not -name '*.*' -delete").ok();
    mac.wait_state("web", "running");
    nothing_is_left(&mac);
}

#[test]
fn sessions_come_and_go() {
    let Some(mac) = mac("sessions_come_and_go") else { return };
    mac.sh("svc install login -- /bin/sleep 99999").ok();
    mac.sh(&format!("svc install shim {SHIM} -- /bin/sleep 99999")).ok();
    mac.sh("svc install manual --start manual -- /bin/sleep 99999; svc start manual").ok();
    let states = || {
        let all = mac.sh("svc status --json").json();
        let state = |one: &Value| (one["name"].as_str().unwrap().to_owned(), one["state"].as_str().unwrap().to_owned());
        all.as_array().unwrap().iter().map(state).map(|(name, state)| format!("{name} {state}")).collect::<Vec<_>>()
    };
    let wait = |what: &str, expected: [&str; 3]| {
        wait_until(what, 20, || if states() == expected { Ok(()) } else { Err(format!("{:?}", states())) });
        assert!(mac.sh("svc status --json").json().as_array().unwrap().iter().all(|one| one["drifted"] == false));
    };
    wait("at first", ["login running", "manual running", "shim running"]);
    for end in ["logout", "reboot", "reboot --power"] {
        mac.sh(&format!("launchctl-double {end}")).ok();
        wait(end, ["login stopped", "manual stopped", "shim stopped"]);
        assert_eq!(mac.processes(), [], "{end}");
        mac.sh("launchctl-double login").ok();
        wait(end, ["login running", "manual stopped", "shim running"]);
    }
    // without a login at the screen, over ssh: the session in the background
    mac.sh("svc uninstall --all --purge; launchctl-double logout").ok();
    mac.sh("svc install web -- /bin/sleep 99999").ok();
    mac.sh(&format!("svc install shim {SHIM} -- /bin/sleep 99999")).ok();
    mac.sh("launchctl print user/$(id -u)/svc.web").ok().says("state = running");
    mac.sh("svc doctor").ok().says("nobody is logged in at the screen");
    mac.sh("svc restart web; svc stop web; svc start web shim; svc status").ok();
    // the login loads them once more
    mac.sh("launchctl-double login").ok();
    mac.wait("web", "twice", |status| status["drifted"] == true);
    mac.sh("svc status web").ok().says("loaded in user/").says("may run twice");
    mac.sh("svc doctor web").code(1).says("fix: svc restart web");
    mac.sh("svc restart web shim").ok();
    mac.sh("launchctl print user/$(id -u)/svc.web").code(113);
    mac.sh("svc doctor").ok();
    assert_eq!(mac.named("sleep").len(), 2);
    pair(&mac);
    // no session of either kind
    mac.sh("launchctl-double fault print 112 times=forever").ok();
    mac.sh("svc install b -- /bin/sleep 1").code(5).warns("nobody is logged in at the screen").warns("log in");
    mac.sh("svc doctor").code(1).says("nobody is logged in at the screen");
    mac.sh("launchctl-double fault clear").ok();
    nothing_is_left(&mac);
}

/// Every failure says what it is and what to do next, and leaves nothing.
#[test]
fn what_launchctl_answers_is_explained() {
    let Some(mac) = mac("what_launchctl_answers_is_explained") else { return };
    let install = "svc install a -- /bin/sleep 99999";
    let clear = || mac.sh("launchctl-double fault clear").ok();
    for (fault, code, why, next) in [
        ("bootstrap 1", 5, "not permitted (launchctl: 1)", "sudo svc --system"),
        ("bootstrap 3", 1, "no such process", "launchctl error 3"),
        ("bootstrap 5", 1, "does not say why to anybody but root (launchctl: 5)", "sudo launchctl bootstrap gui/"),
        ("bootstrap 37", 1, "loaded already, or still stopping", "again in a moment"),
        ("bootstrap 109", 1, "the property list is not valid", "plutil -lint"),
        ("bootstrap 112", 5, "nobody is logged in at the screen", "log in at the screen"),
        ("bootstrap 119", 1, "it is disabled", "svc enable"),
        ("bootstrap 122", 1, "owner or mode", "nobody else may write it"),
        ("bootstrap 124", 1, "the session is ending", "after the next login"),
        ("bootstrap 125", 5, "nobody is logged in at the screen", "log in at the screen"),
        ("bootstrap 134", 1, "session of this type", "LimitLoadToSessionType"),
        ("bootstrap 150", 1, "System Integrity Protection", "label"),
        ("bootstrap 155", 1, "quarantined", "xattr -d com.apple.quarantine"),
        ("bootstrap 161", 1, "switched off in the system settings", "Login Items"),
        ("bootstrap 99", 1, "launchctl says \"Bootstrap failed: 99", "launchctl error 99"),
        ("enable 1", 5, "can't enable `svc.a`: not permitted", "sudo svc --system"),
        ("vanish", 1, "has not loaded it", "Login Items"),
        ("codesign", 1, "does not accept the signature", "codesign -v"),
        ("garbage", 1, "launchctl prints nothing that svc understands", "launchctl print gui/"),
    ] {
        mac.sh(&format!("launchctl-double fault {fault} times=forever")).ok();
        mac.sh(install).code(code).warns(why).warns("hint: ").warns(next);
        clear();
        mac.sh("svc status a").code(4);
        mac.wait_empty();
        assert_eq!(mac.files(), Vec::<std::path::PathBuf>::new(), "{fault}");
    }
    mac.sh("launchctl-double fault codesign times=forever").ok();
    mac.sh(&format!("svc install a {SHIM} -- /bin/sleep 99999")).code(1).warns("its shim").warns("codesign -v");
    clear();
    // these are healed
    for fault in [
        "bootstrap 5 times=3",
        "bootstrap 37 times=3",
        "bootstrap-ok-but-5",
        "no-spawn",
        "slow verb=print ms=300 times=3",
    ] {
        mac.sh(&format!("launchctl-double fault {fault}")).ok();
        mac.sh(install).ok().says("a: installed, enabled and started");
        clear();
        mac.sh("svc status a").ok();
        mac.sh("svc uninstall a --purge").ok();
    }
    // of what runs
    mac.sh(install).ok();
    let program = pid(&mac.status("a"));
    mac.sh("launchctl-double fault garbage times=forever").ok();
    for command in ["status", "stop", "restart"] {
        mac.sh(&format!("svc {command} a")).code(1).warns("launchctl prints nothing that svc understands");
    }
    clear();
    assert_eq!(pid(&mac.status("a")), program);
    mac.sh("svc install b -- /bin/sleep 99999; launchctl-double fault garbage label=svc.b times=forever").ok();
    mac.sh("svc status").says("launchctl prints nothing that svc understands").says(&program.to_string());
    // bootout says when it is gone
    mac.sh("svc stop a b").ok().says("a: stopped").says("b: stopped");
    mac.wait_empty();
    clear();
    for (fault, command) in [("bootout 150", "stop"), ("kickstart 150", "restart"), ("disable 150", "disable")] {
        mac.sh(&format!("svc start a; launchctl-double fault {fault} times=forever")).ok();
        mac.sh(&format!("svc {command} a")).code(1).warns("`a`").warns("System Integrity Protection").warns("hint: ");
        clear();
        mac.sh("svc status a").ok();
    }
    nothing_is_left(&mac);
}

#[test]
fn a_launchctl_that_hangs_is_given_up() {
    let Some(mac) = mac("a_launchctl_that_hangs_is_given_up") else { return };
    mac.sh("svc install a -- /bin/sleep 99999").ok();
    mac.sh("launchctl-double fault hang verb=print times=forever").ok();
    let began = Instant::now();
    mac.sh("svc status").code(5).warns("said nothing for 20 s").warns("hint: ").warns("svc doctor");
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    mac.sh("launchctl-double fault clear; svc status").ok();
    nothing_is_left(&mac);
}

#[test]
fn what_is_not_svcs_is_left_alone() {
    let Some(mac) = mac("what_is_not_svcs_is_left_alone") else { return };
    let foreign = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict><key>Label</key><string>svc.a</string><key>ProgramArguments</key><array><string>/bin/sleep</string><string>88888</string></array><key>RunAtLoad</key><true/></dict></plist>";
    mac.sh(&format!(
        "mkdir -p ~/Library/LaunchAgents; echo '{foreign}' | tee mine.plist > ~/Library/LaunchAgents/svc.a.plist"
    ))
    .ok();
    let install = "svc install a -- /bin/sleep 99999";
    mac.sh(install).code(1).warns("svc.a.plist` is not svc's").warns("--force");
    // a job of that label that another file made
    mac.sh(&format!("rm ~/Library/LaunchAgents/svc.a.plist; {DOMAIN} launchctl bootstrap $D $PWD/mine.plist")).ok();
    mac.sh(install).code(1).warns("mine.plist` is not svc's");
    mac.sh("svc install b --label svc.a -- /bin/sleep 99999").code(1).warns("mine.plist` is not svc's");
    wait_until("it runs on", 20, || match mac.named("sleep").len() {
        1 => Ok(()),
        count => Err(count.to_string()),
    });
    mac.sh(&format!("{DOMAIN} launchctl bootout $D/svc.a; ln -s $PWD/mine.plist ~/Library/LaunchAgents/svc.a.plist"))
        .ok();
    mac.wait_empty();
    mac.sh(install).code(1).warns("svc.a.plist` is not svc's");
    assert_eq!(mac.files().len(), 1, "{:?}", mac.files());
    // asked to, it keeps a copy
    mac.sh("rm ~/Library/LaunchAgents/svc.a.plist; cp mine.plist ~/Library/LaunchAgents/svc.a.plist").ok();
    mac.sh("svc install a --force -- /bin/sleep 99999").ok();
    mac.sh("svc uninstall a --purge; cmp mine.plist ~/Library/LaunchAgents/svc.a.plist.before-svc-1").ok();
    mac.sh("rm ~/Library/LaunchAgents/*").ok();
    // two services of one label
    mac.sh("svc install a --label com.x -- /bin/sleep 99999").ok();
    mac.sh("svc install b --label com.x -- /bin/sleep 99999").code(1).warns("com.x.plist` is not svc's");
    nothing_is_left(&mac);
}

#[test]
fn a_list_that_was_edited_is_read_again_by_a_restart() {
    let Some(mac) = mac("a_list_that_was_edited_is_read_again_by_a_restart") else { return };
    let plist = "~/Library/LaunchAgents/svc.a.plist";
    mac.sh("svc install a -- /bin/sleep 99991").ok();
    mac.sh(&format!("sed -i s/99991/99992/ {plist}")).ok();
    mac.sh("svc status a").ok().says("was edited").says("older definition loaded");
    mac.sh("svc start a").ok().says("running already");
    let command = || mac.sh(&format!("tr '\\0' ' ' < /proc/{}/cmdline", pid(&mac.status("a")))).out;
    assert_eq!(command(), "/bin/sleep 99991 ");
    // launchd alone runs the old one
    mac.sh(&format!("{DOMAIN} launchctl kickstart -k $D/svc.a")).ok();
    mac.wait_state("a", "running");
    assert_eq!(command(), "/bin/sleep 99991 ");
    mac.sh("svc restart a").ok();
    assert_eq!(command(), "/bin/sleep 99992 ");
    // the file is mended, what runs goes on until it is restarted, and svc says so
    mac.sh("svc doctor --fix a").code(1).says("older definition loaded").says("fix: svc restart a");
    assert_eq!(command(), "/bin/sleep 99992 ");
    mac.sh("svc restart a; svc doctor a").ok();
    assert_eq!(command(), "/bin/sleep 99991 ");
    nothing_is_left(&mac);
}

#[test]
fn launchctl_beside_svc_is_seen() {
    let Some(mac) = mac("launchctl_beside_svc_is_seen") else { return };
    let disabled = || mac.sh(&format!("{DOMAIN} launchctl print-disabled $D | grep -c '=> disabled'")).out;
    mac.sh("svc install a -- /bin/sleep 99999").ok();
    mac.sh(&format!("{DOMAIN} launchctl disable $D/svc.a")).ok();
    assert_eq!(mac.status("a")["enabled"], false);
    mac.sh("svc status a").ok().says("enabled: no").says("svc enable a");
    // it stays so, whatever is started
    mac.sh("svc restart a; svc stop a; svc start a").ok();
    assert_eq!((disabled(), &mac.status("a")["enabled"]), ("1\n".to_owned(), &json!(false)));
    mac.sh("launchctl-double logout; launchctl-double login").ok();
    assert_eq!(mac.status("a")["state"], "stopped");
    mac.sh("svc enable a; svc start a").ok();
    assert_eq!(disabled(), "0\n");
    // nothing of that outlives the service
    for before in ["svc stop a;", "", "svc disable a;"] {
        mac.sh(&format!(
            "svc install a -- /bin/sleep 99999; {DOMAIN} launchctl disable $D/svc.a; {before} svc uninstall a --purge"
        ))
        .ok();
        assert_eq!(disabled(), "0\n", "{before}");
    }
    // unloaded without svc
    mac.sh("svc install a -- /bin/sleep 99999").ok();
    mac.sh(&format!("svc install s {SHIM} -- /bin/sleep 99999")).ok();
    mac.sh(&format!("{DOMAIN} launchctl bootout $D/svc.a; launchctl bootout $D/svc.s")).ok();
    mac.wait_empty();
    for name in ["a", "s"] {
        let status = mac.status(name);
        assert_eq!((&status["state"], &status["drifted"]), (&json!("stopped"), &json!(true)), "{status}");
        mac.sh(&format!("svc status {name}")).code(3).says("unloaded without svc");
        mac.sh(&format!("svc doctor {name}")).code(1).says(&format!("fix: svc start {name}"));
    }
    mac.sh("svc start a s; svc doctor").ok();
    assert_eq!(mac.status("a")["drifted"], false);
    mac.sh("svc stop a s; svc doctor").ok();
    // loaded by hand: svc sees that too
    mac.sh(&format!("{DOMAIN} launchctl bootstrap $D ~/Library/LaunchAgents/svc.a.plist")).ok();
    mac.wait_state("a", "running");
    mac.sh("svc stop a").ok();
    assert_eq!(mac.status("a")["drifted"], false);
    nothing_is_left(&mac);
}

/// launchd starts it again before anybody has looked; its last words are shown once.
#[test]
fn last_words_are_shown_once() {
    let Some(mac) = mac("last_words_are_shown_once") else { return };
    for flags in ["", "--restart always", SHIM] {
        let ran =
            mac.sh(&format!("svc install a {flags} -- /bin/sh -c 'echo first; echo last words >&2; exit 3'")).code(1);
        assert_eq!((ran.err.matches("| first").count(), ran.err.matches("| last words").count()), (1, 1), "{ran}");
    }
    nothing_is_left(&mac);
}

/// launchd says 5 to all but root, whatever it is: svc looks.
#[test]
fn what_launchd_does_not_say_is_found_out() {
    let Some(mac) = mac("what_launchd_does_not_say_is_found_out") else { return };
    let plist = "~/Library/LaunchAgents/svc.a.plist";
    mac.sh("svc install a --no-start -- /bin/sleep 99999").ok();
    mac.sh(&format!("{DOMAIN} chmod 666 {plist}; launchctl bootstrap $D {plist}")).code(5);
    mac.sh("svc start a").code(1).warns("owner or mode").warns("nobody else may write it: `svc install`");
    mac.sh(&format!("echo '<plist>' > {plist}; chmod 600 {plist}; svc start a"))
        .code(1)
        .warns("is no property list")
        .warns("hint: ");
    mac.sh(&format!("rm {plist}; svc start a")).code(1).warns("no such file").warns("`svc install a` writes it anew");
    mac.sh("svc install a -- /bin/sleep 99999; svc status a").ok();
    // the program can't be executed: 78, and nothing in any log
    mac.sh("cp /bin/sleep mine; svc install b -- ./mine 99999; svc stop b; rm mine").ok();
    mac.sh("svc start b").code(1).warns("launchd could not execute it").warns("hint: ");
    nothing_is_left(&mac);
}
