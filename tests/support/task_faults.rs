//! Tasks under random SIGKILLs of their programs, of the supervisor and of its guardian: each runs exactly once,
//! never more at once than the limit, in their order, and every one is recorded. 10,000 of them with
//! `SVC_TEST_LONG`.

use super::support::{Bare, kill, seen, wait_until};
use super::{Random, long};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const LIMIT: usize = 10;

/// Of each task: how often its program began, and how often it ended by itself.
type Counts = BTreeMap<u64, (u32, u32)>;

/// What the programs have written: how often each began and ended, and who began last.
fn ledger(bare: &Bare) -> (Counts, Vec<(u64, i32)>) {
    let text = std::fs::read_to_string(bare.path().join("work/ledger")).unwrap_or_default();
    let (mut counts, mut begun) = (Counts::new(), Vec::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let id = words[0].parse().unwrap();
        let count = counts.entry(id).or_default();
        if words[1] == "b" {
            count.0 += 1;
            begun.push((id, words[2].parse().unwrap()));
        } else {
            count.1 += 1;
        }
    }
    (counts, begun)
}

fn time(task: &Value, key: &str) -> i64 {
    task[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key}: {task}"))
        .parse::<jiff::Timestamp>()
        .unwrap()
        .as_millisecond()
}

/// The most that had a place at once, by their records: one begins before its program, and is over after it.
fn most_at_once(all: &[Value]) -> usize {
    let mut changes: Vec<(i64, i32)> =
        all.iter().flat_map(|task| [(time(task, "started_at"), 1), (time(task, "ended_at"), -1)]).collect();
    changes.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, change) in changes {
        now += change;
        most = most.max(now);
    }
    usize::try_from(most).unwrap()
}

#[test]
fn tasks_run_once_each_whoever_is_killed() {
    let count: u64 = if long() { 10_000 } else { 120 };
    let bare = Bare::new();
    let mut random = Random::new();
    let script = bare
        .script("step", "#!/bin/sh\necho \"$SVC_TASK b $$\" >> ledger\nsleep 0.0$2\necho \"$SVC_TASK e\" >> ledger\n");
    let submitter = {
        let line = format!(
            "for i in $(seq {count}); do svc run -b -q -- {script} $i $((i % 10)) > /dev/null || echo failed $i; done"
        );
        let mut command = bare.command("/bin/bash");
        command.args(["-c", &line]).stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let mut kills = [0_u32; 3];
    let limit = Duration::from_secs(if long() { 3_000 } else { 90 });
    let deadline = Instant::now() + limit;
    let all = loop {
        assert!(Instant::now() < deadline, "not over: {}", bare.sh("svc tasks | tail -n 30"));
        match random.below(if long() { 12 } else { 6 }) {
            0 => {
                if let Some(pid) = bare.supervisor() {
                    kill(pid, 9);
                    kills[0] += 1;
                }
            }
            1 => {
                if let Some(pid) = bare.guardian() {
                    kill(pid, 9);
                    kills[1] += 1;
                }
            }
            _ => {
                let (counts, begun) = ledger(&bare);
                let running = begun.iter().rev().take(LIMIT).find(|(id, _)| counts[id].1 == 0);
                // its id may be another's by now: only a shell of ours is killed
                if let Some((_, pid)) = running.filter(|(_, pid)| seen(*pid).is_some_and(|seen| seen.name == "step")) {
                    kill(*pid, 9);
                    kills[2] += 1;
                }
            }
        }
        std::thread::sleep(Duration::from_millis(50 + random.below(250)));
        let listed = bare.sh("svc tasks --all --json");
        if listed.code != 0 {
            continue; // the manager was killed in the middle of the question
        }
        let all: Vec<Value> = serde_json::from_str(&listed.out).unwrap();
        let over = |task: &Value| ["completed", "failed"].iter().any(|state| task["state"] == *state);
        if all.len() as u64 == count && all.iter().all(over) {
            break all;
        }
    };
    let said = submitter.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "", "every one was taken");
    let (counts, _) = ledger(&bare);
    let failed = all.iter().filter(|task| task["state"] == "failed").count();
    eprintln!("{count} tasks, {failed} killed; kills of supervisors, guardians, programs: {kills:?}");
    for task in &all {
        let (begun, ended) = counts.get(&task["id"].as_u64().unwrap()).copied().unwrap_or_default();
        if task["state"] == "completed" {
            assert_eq!((begun, ended), (1, 1), "{task}");
        } else {
            assert!(begun <= 1 && ended == 0 || task["reason"] == "nobody saw how it ended", "{begun} {ended} {task}");
            assert!(begun <= 1, "twice: {task}");
        }
    }
    assert!(most_at_once(&all) <= LIMIT, "{} at once", most_at_once(&all));
    // who is so far ahead in the line was not overtaken
    for (at, task) in all.iter().enumerate().skip(LIMIT) {
        assert!(
            time(task, "started_at") >= time(&all[at - LIMIT], "started_at"),
            "{task} overtook {}",
            all[at - LIMIT]
        );
    }
    assert!(failed <= usize::try_from(kills.iter().sum::<u32>()).unwrap(), "{failed} failed by {kills:?}");
    wait_until("no process is left", 10, || {
        let left = bare.processes().into_iter().filter(|seen| !seen.service.is_empty()).count();
        if left == 0 { Ok(()) } else { Err(left.to_string()) }
    });
}
