//! When a service counts as started, and how it reads its settings again.

use crate::ground::Ground;
use crate::support::wait_until;
use serde_json::json;

const LISTENER: &str = r#"#!/usr/bin/python3
import os, socket, sys, time
kind, wait = sys.argv[1], float(sys.argv[2])
time.sleep(wait)
if kind == "notify":
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(b"READY=1\nSTATUS=claimed \x1b[31mP001", os.environ["NOTIFY_SOCKET"])
elif kind == "log":
    print("listening at last", flush=True)
else:
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", int(sys.argv[3]))); s.listen()
time.sleep(99999)
"#;

/// A start returns when it is ready, not before; one that is not in time has failed.
pub fn ready(ground: &Ground) {
    let program = ground.write("listener", LISTENER);
    for kind in ["notify", "log", "tcp"] {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ready = match kind {
            "notify" => "notify".into(),
            "log" => "log='listening at (last|first)'".into(),
            _ => format!("tcp=127.0.0.1:{port}"),
        };
        let install = format!("svc install {kind} --ready {ready} -- {program} {kind} 0.7 {port}");
        let timed = ground
            .sh(&format!("t=$(date +%s%N); {install} >/dev/null && echo $((($(date +%s%N) - t) / 1000000))"))
            .ok();
        assert!(timed.out.trim().parse::<u32>().unwrap() >= 700, "{timed}");
        assert_eq!(ground.status(kind)["state"], "running");
        ground.sh(&format!("svc stop {kind}")).ok();
        ground
            .sh(&format!(
                "svc install late --ready {ready} --start-timeout 1s --restart never -- {program} {kind} 1000 {port}"
            ))
            .code(1)
            .warns("did not become ready")
            .warns("nothing of it is left behind");
        assert_eq!(ground.count(&format!("/usr/bin/python3 {program} {kind} 1000 {port}")), 0);
        ground.sh("svc status late").code(4);
    }
    // in a file: what a run before wrote does not count
    ground.sh("echo listening at last > file.log").ok();
    let install =
        format!("svc install file --log-file file.log --ready log='listening at (last|first)' -- {program} log 0.7 0");
    let timed =
        ground.sh(&format!("t=$(date +%s%N); {install} >/dev/null && echo $((($(date +%s%N) - t) / 1000000))")).ok();
    assert!(timed.out.trim().parse::<u32>().unwrap() >= 700, "{timed}");
    ground.sh("svc start notify").ok();
    assert_eq!(ground.status("notify")["status_text"], json!("claimed \u{1b}[31mP001"));
    ground.sh("svc status notify").ok().says("claimed \\x1b[31mP001");
    ground.sh("svc restart notify").ok();
    // who waits for one that never gets ready is not started
    ground
        .sh(&format!(
            "svc install never --no-start --ready notify --start-timeout 1s --restart never -- {program} notify 1000 0"
        ))
        .ok();
    ground.sh(&format!("svc install after --no-start --depends-on never -- {program} log 2000 0")).ok();
    ground
        .sh("svc start after")
        .code(1)
        .warns("`after`: `never`, which it depends on, failed: ")
        .warns("did not become ready");
    assert_eq!(ground.count(&format!("/usr/bin/python3 {program} log 2000 0")), 0);
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}

const HUP: &str = "#!/bin/bash\ntrap 'echo again >> hup' HUP\necho up > up\nwhile :; do sleep 0.05; done\n";

/// By signal and by command.
pub fn reload(ground: &Ground) {
    let program = ground.write("program", HUP);
    ground.sh(&format!("svc install sig --reload SIGHUP -- {program}")).ok();
    ground.read("up");
    let before = ground.status("sig");
    ground.sh("svc reload sig").ok().says("sig: reloaded");
    assert_eq!(ground.read("hup"), "again\n");
    let after = ground.status("sig");
    assert_eq!((&after["pid"], &after["restarts"]), (&before["pid"], &json!(0)), "{after}");
    ground
        .sh("svc install cmd --reload \"sh -c 'echo \\$MAINPID > reloaded; echo from the reload'\" -- /bin/sleep 99999")
        .ok();
    ground.sh("svc reload cmd").ok();
    assert_eq!(ground.read("reloaded"), format!("{}\n", ground.status("cmd")["pid"]));
    wait_until("its output", 10, || {
        let ran = ground.sh("svc logs cmd");
        if ran.out.contains("from the reload\n") { Ok(()) } else { Err(ran.to_string()) }
    });
    ground.sh("svc install bad --reload 'sh -c \"exit 4\"' -- /bin/sleep 99999").ok();
    ground.sh("svc reload bad").code(1).warns(ground.differs().reload_failed);
    assert_eq!(ground.status("bad")["state"], "running");
    ground.sh("svc stop sig; svc reload sig").code(1).warns("is not running");
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}
