//! From install to uninstall.

use crate::ground::{Ground, sleep};
use crate::support::wait_until;
use serde_json::json;

/// Of one service.
pub fn life(ground: &Ground) {
    let sleep = sleep();
    ground
        .sh(&format!("svc install web --restart-delay 1s -- {sleep}"))
        .ok()
        .says("web: installed, enabled and started (pid ");
    let first = ground.status("web");
    assert_eq!((&first["state"], &first["enabled"], &first["restarts"]), (&json!("running"), &json!(true), &json!(0)));
    assert_eq!((&first["backend"], &first["drifted"]), (&json!(ground.differs().backend), &json!(false)), "{first}");
    assert_eq!(ground.count(&sleep), 1);
    let files: Vec<&str> = first["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    assert!(!files.is_empty(), "{first}");
    ground.sh("svc status web").ok().says("running").says(&sleep).says(ground.differs().survives);
    // unchanged: nothing is touched, nothing restarted
    let stamp =
        format!("stat -c '%n %Y %Z %i' {} && cd && find . -type f -name 'web.json' -printf '%T@ %i'", files.join(" "));
    let before = ground.sh(&stamp).ok().out;
    ground.sh(&format!("svc install web --restart-delay 1s -- {sleep}")).ok().says("web: unchanged");
    assert_eq!(ground.sh(&stamp).ok().out, before);
    assert_eq!(ground.status("web")["pid"], first["pid"]);
    // changed: restarted, and the old one is gone
    let umask = format!("svc install web --umask 027 --restart-delay 1s -- {sleep}");
    ground.sh(&umask).ok().says("web: updated");
    let second = ground.status("web");
    assert!(second["pid"] != first["pid"] && second["restarts"] == 0, "{second}");
    assert_eq!(ground.count(&sleep), 1);
    // kill -9: back, and counted
    ground.sh(&format!("kill -9 {}", second["pid"])).ok();
    let back = ground.wait("web", "back after kill -9", |status| {
        status["state"] == "running" && status["restarts"] == 1 && status["pid"] != second["pid"]
    });
    assert!(back["exit_code"].is_null(), "{back}");
    for _ in 0..3 {
        ground.sh("svc stop web").ok().says("web: stopped");
        assert_eq!(ground.count(&sleep), 0);
        ground.sh("svc start web").ok().says("web: started");
        assert_eq!(ground.count(&sleep), 1);
        let old = ground.status("web")["pid"].clone();
        ground.sh("svc restart web").ok().says("web: restarted");
        assert_eq!(ground.count(&sleep), 1);
        let new = ground.status("web");
        assert!(new["pid"] != old && new["state"] == "running", "{new}");
        assert_eq!(new["restarts"], 0, "a person did that: {new}");
    }
    ground.sh("svc start web").ok().says("running already");
    ground.sh("svc stop web && svc stop web").ok().says("stopped already");
    let stopped = ground.status("web");
    assert_eq!((&stopped["state"], &stopped["pid"]), (&json!("stopped"), &json!(null)), "{stopped}");
    ground.sh("svc status web").code(3).says("stopped");
    assert_eq!(stopped["enabled"], true, "{stopped}");
    // not at login: neither a stopped one nor one that runs is touched
    ground.sh("svc disable web").ok().says("web: disabled");
    let disabled = ground.status("web");
    assert_eq!((&disabled["state"], &disabled["enabled"]), (&json!("stopped"), &json!(false)), "{disabled}");
    ground.sh("svc disable web").ok().says("disabled already");
    ground.sh("svc start web").ok();
    let started = ground.status("web");
    assert_eq!((&started["state"], &started["enabled"]), (&json!("running"), &json!(false)), "{started}");
    ground.sh("svc enable web").ok().says("web: enabled");
    let enabled = ground.status("web");
    assert_eq!((&enabled["enabled"], &enabled["pid"]), (&json!(true), &started["pid"]), "{enabled}");
    ground.sh("svc enable web").ok().says("enabled already");
    ground.sh("svc disable web; svc enable web").ok();
    assert_eq!(ground.status("web")["pid"], started["pid"]);
    ground.sh("svc uninstall web --purge").ok().says("web: stopped and uninstalled");
    assert_eq!(ground.count(&sleep), 0);
    ground.sh("svc status web").code(4);
    ground.nothing_is_left();
    // neither started nor enabled
    ground.sh(&format!("svc install web --no-start --no-enable -- {sleep}")).ok().says("web: installed");
    let installed = ground.status("web");
    assert_eq!((&installed["state"], &installed["enabled"]), (&json!("stopped"), &json!(false)), "{installed}");
    assert_eq!(ground.count(&sleep), 0);
    ground.sh("svc uninstall web").ok();
    // what was disabled before under this name is forgotten
    ground.sh(&format!("svc install web -- {sleep}")).ok().says("enabled and started");
    assert_eq!(ground.status("web")["enabled"], true);
    ground.sh("svc uninstall web --purge").ok();
    ground.nothing_is_left();
}

/// Somebody edits or removes a file.
pub fn drift(ground: &Ground) {
    let (sleep, other) = (sleep(), sleep());
    let install = format!("svc install web -- {sleep}");
    ground.sh(&install).ok();
    let file = ground.status("web")["files"][0].as_str().unwrap().to_owned();
    let (old, new) = (sleep.split_once(' ').unwrap().1, other.split_once(' ').unwrap().1);
    let edit = format!("sed -i 's/{old}/{new}/' {file}");
    ground.sh(&edit).ok();
    assert_eq!(ground.status("web")["drifted"], true);
    ground.sh("svc status").says("drifted");
    ground.sh("svc status web").says("was edited").says("next: svc doctor web");
    ground.sh("svc doctor web").code(1).says("was edited").says("fix: svc doctor --fix web");
    // mended by the same line that installed it
    ground.sh(&install).ok().says("web: ");
    let mended = ground.status("web");
    assert_eq!((&mended["drifted"], &mended["state"]), (&json!(false), &json!("running")), "{mended}");
    assert_eq!((ground.count(&sleep), ground.count(&other)), (1, 0));
    ground.sh("svc doctor web").ok();
    // mended by doctor
    ground.sh(&edit).ok();
    ground.sh("svc doctor --fix web").ok();
    assert_eq!(ground.status("web")["drifted"], false);
    ground.sh("svc restart web").ok();
    assert_eq!((ground.count(&sleep), ground.count(&other)), (1, 0));
    ground.sh(&format!("rm {file}; svc status web")).says("was removed");
    ground.sh("svc doctor --fix web && svc status web").ok();
    // one whose file is gone goes with the rest
    ground.sh(&format!("rm {file}; svc uninstall web --purge")).ok();
    assert_eq!(ground.count(&sleep), 0);
    // what doctor found there and did not write is kept, once
    ground.sh(&format!("rm -f {file}.before-svc-*")).ok();
    ground.nothing_is_left();
}

/// Two people, or two scripts.
pub fn two_at_once(ground: &Ground) {
    let (one, other) = (sleep(), sleep());
    for round in 0..3 {
        let line = format!(
            "svc install a --description {round} -- {one} & p=$!; svc install a --description {round} -- {one}; q=$?; wait $p && exit $q"
        );
        ground.sh(&line).ok();
        assert_eq!(ground.count(&one), 1, "round {round}");
    }
    let race = format!(
        "for i in 1 2 3; do for s in a b; do (svc install $s --description \"round $i\" -- {other} >out.$i.$s 2>&1; echo $? >>codes) & done; done; wait"
    );
    ground.sh(&race).ok();
    assert_eq!(ground.sh("sort -u codes; wc -l <codes").out, "0\n6\n", "{}", ground.sh("cat out.*"));
    for name in ["a", "b"] {
        let status = ground.status(name);
        assert_eq!((&status["state"], &status["drifted"]), (&json!("running"), &json!(false)), "{status}");
    }
    assert_eq!((ground.count(&one), ground.count(&other)), (0, 2));
    ground.sh(&format!("for i in 1 2; do (svc restart a b & svc stop a & svc uninstall b; svc install b -- {other}) >/dev/null 2>&1 & done; wait; svc start a b >/dev/null; svc status")).ok();
    wait_until("two processes", 10, || match ground.count(&other) {
        2 => Ok(()),
        count => Err(count.to_string()),
    });
    ground.sh("svc uninstall --all --purge").ok();
    assert_eq!((ground.count(&one), ground.count(&other)), (0, 0));
    ground.nothing_is_left();
}
