//! What does not work is said, and leaves nothing.

use crate::ground::{Ground, sleep};
use serde_json::json;

/// A start that fails says why, with the program's last words.
pub fn failed_starts(ground: &Ground) {
    ground
        .sh("svc install a -- /bin/sh -c 'echo first; echo last words >&2; exit 3'")
        .code(1)
        .warns("stopped right after its start: exit code 3")
        .warns("| first")
        .warns("| last words")
        .warns("nothing of it is left behind");
    ground.nothing_is_left();
    ground.sh("svc install a -- /bin/sh -c 'kill -9 $$'").code(1).warns("killed by SIGKILL");
    // with the shim where the manager lacks the field
    ground
        .sh("svc install a --restart-limit 2/1m --restart-max-delay 1s -- /bin/sh -c 'echo last words; exit 3'")
        .code(1)
        .warns("exit code 3")
        .warns("| last words")
        .warns("nothing of it is left behind");
    ground.nothing_is_left();
    // found before anything is tried
    ground.sh("svc install a -- no-such-program").code(2).warns("\"no-such-program\" is not a program in the PATH");
    ground.sh("touch x; svc install a -- ./x").code(2).warns("is not executable").warns("chmod +x");
    ground
        .sh("svc install a --working-dir /nowhere -- /bin/true")
        .code(2)
        .warns("`working_dir`: `/nowhere` can't be entered: no such file or directory");
    ground.sh("svc install a --env-file missing -- /bin/true").code(2).warns("`env_file`");
    ground
        .sh("printf '#!/no/such/interpreter\\n' > s; chmod +x s; svc install a -- ./s")
        .code(2)
        .warns("asks for the interpreter `/no/such/interpreter`");
    for bad in ["../x", "a@", "a..b", "'a b'", "''", "x/y", "$'a\\nb'"] {
        ground.sh(&format!("svc install --no-start {bad} -- /bin/true")).code(2);
    }
    ground.nothing_is_left();
    // with a hint, if its words are known
    ground
        .sh("svc install two -- /bin/sh -c 'echo bind: Address already in use >&2; exit 1'")
        .code(1)
        .warns("| bind: Address already in use")
        .warns("hint: its port is in use");
    ground.sh("svc status two").code(4);
    // one that is gone later
    ground.sh("cp /bin/sleep mine; svc install gone -- ./mine 1000").ok();
    ground.sh("rm mine; svc restart gone").code(1).warns("`gone`");
    assert_ne!(ground.status("gone")["state"], "running");
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}

/// What was there before is back, and runs.
pub fn failed_update(ground: &Ground) {
    let sleep = sleep();
    ground.sh(&format!("svc install one -- {sleep}")).ok();
    let before = ground.status("one");
    let all = "cd; find . -type f -not -name '*.log' -not -name lock -not -path '*/.bash*' -print0 | sort -z | xargs -0 md5sum";
    let files = ground.sh(all).ok().out;
    ground
        .sh("svc install one -- /bin/sh -c 'echo broken; exit 9'")
        .code(1)
        .warns("exit code 9")
        .warns("| broken")
        .warns("what was there before is back");
    assert_eq!(of_svc(&ground.sh(all).ok().out), of_svc(&files));
    let after = ground.status("one");
    assert_eq!((&after["state"], &after["enabled"]), (&json!("running"), &json!(true)), "{after}");
    assert_eq!(after["drifted"], false, "{after}");
    assert_eq!(before["files"], after["files"]);
    assert_eq!(ground.count(&sleep), 1);
    // a disabled one is disabled as before
    ground.sh("svc disable one; svc install one -- /bin/sh -c 'exit 9'").code(1).warns("what was there before is back");
    let after = ground.status("one");
    assert_eq!((&after["state"], &after["enabled"]), (&json!("running"), &json!(false)), "{after}");
    // and a stopped one stopped
    ground.sh("svc stop one; svc install one -- /bin/sh -c 'exit 9'").code(1).warns("what was there before is back");
    assert_eq!(ground.status("one")["state"], "stopped");
    assert_eq!(ground.count(&sleep), 0);
    ground.sh("svc uninstall one --purge").ok();
    ground.nothing_is_left();
}

/// Without what a running service writes for itself.
fn of_svc(all: &str) -> Vec<&str> {
    all.lines().filter(|line| !["/launchd/", "/state/", ".sock"].iter().any(|part| line.contains(part))).collect()
}

/// It ends as failed, and says so.
pub fn crash_loop(ground: &Ground) {
    ground.sh("svc install loop --restart-delay 50ms --restart-max-delay 50ms --restart-limit 3/1m -- /bin/sh -c 'sleep 0.6; echo dying; exit 7'").ok();
    let failed = ground.wait_state("loop", "failed");
    assert_eq!((&failed["exit_code"], &failed["restarts"]), (&json!(7), &json!(2)), "{failed}");
    assert_eq!((&failed["pid"], &failed["signal"]), (&json!(null), &json!(null)), "{failed}");
    assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains(ground.differs().gave_up)), "{failed}");
    ground.sh("svc status loop").code(3).says("failed").says("dying").says("next: svc logs loop");
    ground.sh("svc status").code(3).says("failed");
    ground.sh("svc doctor loop").code(1).says("has failed");
    assert_eq!(ground.sh("svc logs loop --grep '^dying'").ok().out, "dying\ndying\ndying\n");
    // a start begins afresh
    ground.sh("svc start loop").ok();
    assert_eq!(ground.wait_state("loop", "failed")["exit_code"], 7);
    let all = ground.sh("svc logs loop --grep '^dying'").ok().out;
    assert_eq!(all.lines().count(), 6, "{all}");
    ground.sh("svc uninstall loop --purge").ok();
    ground.nothing_is_left();
    // one that is not to be restarted
    ground.sh("svc install once --restart never -- /bin/sh -c 'sleep 2; exit 5'").ok();
    let failed = ground.wait_state("once", "failed");
    assert_eq!((&failed["exit_code"], &failed["restarts"]), (&json!(5), &json!(0)), "{failed}");
    ground.sh("svc install done -- /bin/sh -c 'sleep 2'").ok();
    let completed = ground.wait_state("done", "completed");
    assert_eq!((&completed["exit_code"], &completed["restarts"]), (&json!(0), &json!(0)), "{completed}");
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}

/// DESIGN §3.
pub fn exit_codes(ground: &Ground) {
    let sleep = sleep();
    // 2: nothing was touched
    ground.sh("svc install web --no-such-flag -- /bin/true").code(2);
    ground.sh("svc install web --restart-delay fast -- /bin/true").code(2).warns("fast");
    ground.sh("svc install web --schedule 'whenever 99' -- /bin/true").code(2).warns("schedule");
    let wrong = ground.sh("svc install web --restart-delay fast --json -- /bin/true").code(2).json();
    assert_eq!(wrong["error"]["code"], "invalid", "{wrong}");
    ground.sh("svc").code(2);
    ground.nothing_is_left();
    ground.sh("svc status").ok();
    ground.sh("svc doctor").ok();
    // 4
    for command in
        ["status", "start", "stop", "restart", "reload", "enable", "disable", "logs", "show", "uninstall", "doctor"]
    {
        ground.sh(&format!("svc {command} nobody")).code(4).warns("there is no service `nobody`");
    }
    let nobody = ground.sh("svc start nobody --json").code(4).json();
    assert_eq!(nobody["error"]["code"], "not-found", "{nobody}");
    // 0, 3, 1
    ground.sh(&format!("svc install web -- {sleep}; svc install off --no-start -- {sleep}")).ok();
    ground.sh("svc status web").ok();
    ground.sh("svc status off").code(3);
    ground.sh("svc status").code(3);
    ground.sh("svc list").ok();
    ground.sh("svc start wep").code(4).warns("did you mean `web`?");
    ground.sh("svc start web nobody").code(4);
    ground.sh("svc reload web").code(1).warns("has no way to reload");
    let no = ground.sh("svc reload web --json").code(1).json();
    assert_eq!(no[0]["ok"], false, "{no}");
    // on past a failure, with the worst of all
    ground.sh("svc install bad --no-start -- /bin/sh -c 'exit 3'").ok();
    ground.sh("svc start bad off").code(1).says("off: started").warns("`bad`").warns("exit code 3");
    assert_eq!(ground.status("off")["state"], "running");
    // 5
    ground.sh(ground.differs().unreachable).code(5);
    ground.sh("svc uninstall --all --purge").ok();
    ground.sh("svc doctor").ok();
    ground.nothing_is_left();
}
