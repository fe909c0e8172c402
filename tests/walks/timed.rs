//! Services that run at their times.

use crate::ground::{Ground, sleep};
use crate::support::wait_until;
use serde_json::json;

fn lines(ground: &Ground, file: &str) -> u32 {
    ground.sh(&format!("cat {file} 2>/dev/null | wc -l")).ok().out.trim().parse().unwrap()
}

#[track_caller]
fn wait_lines(ground: &Ground, file: &str, count: u32) {
    wait_until(file, 15, || match lines(ground, file) {
        seen if seen >= count => Ok(()),
        seen => Err(seen.to_string()),
    });
}

/// `every`: armed, runs, can be run now, stopped, and becomes another kind.
pub fn scheduled(ground: &Ground) {
    ground
        .sh("svc install tick --every 1s -- /bin/sh -c 'echo x >> ticks'")
        .ok()
        .says("tick: installed, enabled and armed");
    wait_lines(ground, "ticks", 3);
    ground.sh("svc status tick").ok().says("next run");
    ground.sh("svc status").ok();
    ground.sh("svc stop tick").ok();
    ground.sh("svc status tick").code(3);
    let status = ground.status("tick");
    assert_eq!((&status["next_run_at"], &status["pid"]), (&json!(null), &json!(null)), "{status}");
    let count = lines(ground, "ticks");
    std::thread::sleep(std::time::Duration::from_millis(1300));
    assert_eq!(lines(ground, "ticks"), count, "stopped");
    ground.sh("svc start tick").ok().says("armed");
    wait_lines(ground, "ticks", count + 1);
    // the time is in an hour; a restart runs it now
    ground
        .sh("svc install hourly --every 1h -- /bin/sh -c 'echo x >> hours; exit 3'")
        .ok()
        .says("hourly: installed, enabled and armed");
    let status = ground.status("hourly");
    assert!(status["next_run_at"].is_string() && status["state"] == "stopped" && status["enabled"] == true, "{status}");
    assert_eq!(lines(ground, "hours"), 0);
    ground.sh("svc restart hourly");
    wait_lines(ground, "hours", 1);
    let status = ground.wait("hourly", "ended", |status| status["exit_code"] == 3);
    assert!(status["next_run_at"].is_string(), "still armed: {status}");
    ground.sh("svc restart hourly");
    wait_lines(ground, "hours", 2);
    // it becomes one that runs, and back
    let sleep = sleep();
    ground.sh(&format!("svc install hourly -- {sleep}")).ok().says("hourly: updated");
    let status = ground.status("hourly");
    assert_eq!((&status["state"], &status["next_run_at"]), (&json!("running"), &json!(null)), "{status}");
    ground.sh("svc install hourly --every 1h -- /bin/true").ok().says("hourly: updated, enabled and armed");
    assert_eq!(ground.count(&sleep), 0);
    assert_eq!(ground.status("hourly")["state"], "stopped");
    ground.sh("svc install daily --schedule '*-*-* 03:00' -- /bin/true").ok().says("armed");
    assert!(ground.status("daily")["next_run_at"].is_string());
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}
