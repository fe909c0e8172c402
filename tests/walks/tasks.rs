//! Commands that run once: SYSTEMS.md 1 (loops) and 2 (tasks).

use crate::ground::{Ground, sleep};
use crate::support::wait_until;
use serde_json::Value;

impl Ground {
    /// Submits a task; its object.
    #[track_caller]
    fn submit(&self, words: &str) -> Value {
        self.sh(&format!("svc run -b --json {words}")).ok().json()
    }

    /// One task's object.
    #[track_caller]
    fn task(&self, id: &Value) -> Value {
        self.sh(&format!("svc status {id} --json")).json()[0].clone()
    }

    #[track_caller]
    fn wait_task(&self, id: &Value, state: &str) -> Value {
        wait_until(&format!("task {id} {state}"), 20, || {
            let task = self.task(id);
            if task["state"] == state { Ok(task) } else { Err(task.to_string()) }
        })
    }

    /// Nothing is left of tasks but what prune takes away.
    #[track_caller]
    fn no_task_is_left(&self) {
        self.sh("svc tasks prune --all").ok();
        self.nothing_is_left();
    }
}

/// Submit, look, end, cancel, try again.
pub fn tasks(ground: &Ground) {
    let script = ground.write("job", "#!/bin/sh\necho begins\nsvc notify --stage load --progress 25 --status 'round 1'\nread x < go.$1\necho ends $x\nexit $1\n");
    ground.sh("mkfifo go.0 go.3").ok();
    // number, process, log and what comes next; at once
    let said = ground.sh(&format!("svc run -b --project one -- {script} 0")).ok();
    assert!(said.out.starts_with("task 1 (job): pid "), "{said}");
    said.says("svc logs 1 -f").says("svc cancel 1").says("/tasks/logs/1.log");
    let one = serde_json::json!(1);
    let running = wait_until("it says how far it is", 20, || {
        let task = ground.task(&one);
        if task["progress"] == 25.0 && task["status_text"] == "round 1" { Ok(task) } else { Err(task.to_string()) }
    });
    assert_eq!(
        (&running["state"], &running["stage"], &running["project"]),
        (&"running".into(), &"load".into(), &"one".into())
    );
    assert!(running["eta_seconds"].as_f64().is_some_and(|eta| eta >= 0.0), "estimated: {running}");
    assert_eq!((&running["kind"], &running["backend"]), (&"task".into(), &ground.differs().backend.into()));
    assert_eq!(running["folder"], ground.work().as_str());
    ground.sh("svc tasks").ok().says("load").says("25%").says("job");
    ground.sh("svc tasks one").ok().says("job");
    ground.sh("svc tasks two").ok().warns("no tasks");
    ground.sh("svc status 1").ok().says("task 1 (job)").says("| begins");
    ground.sh("svc retry 1").code(1).warns("task 1 runs still");
    ground.sh("echo well > go.0; svc wait 1").ok();
    let over = ground.task(&one);
    assert_eq!(
        (&over["state"], &over["exit_code"], &over["pid"]),
        (&"completed".into(), &0.into(), &Value::Null),
        "{over}"
    );
    assert!(over["ended_at"].is_string() && over["reason"].is_null(), "{over}");
    assert_eq!(
        ground.sh("cat \"$(svc status 1 --json | sed 's/.*\"log\":\"\\([^\"]*\\).*/\\1/')\"").out,
        "begins\nends well\n"
    );
    // a failure, with its exit code, and the same again under a new number
    let failed = ground.submit(&format!("--name three -- {script} 3"));
    ground.sh("echo x > go.3; svc wait three").code(3);
    let failed = ground.task(&failed["id"]);
    assert_eq!(
        (&failed["state"], &failed["exit_code"], &failed["reason"]),
        (&"failed".into(), &3.into(), &"exit code 3".into())
    );
    let again = ground.sh("svc retry three -b --json").ok().json();
    assert_eq!((&again["retry_of"], &again["command"]), (&failed["id"], &failed["command"]));
    ground.sh("echo y > go.3; svc wait three").code(3);
    // here: its output and its exit code
    let here = ground.sh("svc run -- sh -c 'echo out; echo err >&2; exit 7'").code(7);
    assert_eq!(here.out, "out\nerr\n", "{here}");
    ground.sh("svc run -- sh -c 'kill -9 $$'").code(137).warns("killed by SIGKILL");
    // the whole tree ends, what heeds no SIGTERM too; the state says who did it
    let (inner, outer) = (sleep(), sleep());
    let stubborn = ground
        .write("stubborn", &format!("#!/bin/sh\ntrap '' TERM\n{inner} &\nsetsid {outer} &\nwhile :; do wait; done\n"));
    let id = ground.submit(&format!("-- {stubborn}"))["id"].clone();
    wait_until("its children", 20, || (ground.count(&outer) == 1).then_some(()).ok_or_else(String::new));
    ground.sh(&format!("svc cancel {id} --grace 100ms")).ok().says("cancelled");
    assert_eq!((ground.count(&inner), ground.count(&outer)), (0, 0));
    assert_eq!(ground.task(&id)["state"], "cancelled");
    ground.sh(&format!("svc cancel {id}")).ok().says("over already (cancelled)");
    ground.sh("svc cancel < /dev/null").code(2).warns("which task");
    ground.sh("svc cancel 999").code(4).warns("there is no task 999");
    // killed from outside, with all that it had
    let sleep = sleep();
    let id = ground.submit(&format!("-- {sleep}"))["id"].clone();
    let pid = ground.task(&id)["pid"].clone();
    ground.sh(&format!("kill -9 {pid}; svc wait {id}")).code(137);
    assert_eq!(ground.task(&id)["reason"], "killed by SIGKILL");
    // what follows, what is tried again, what takes too long
    let first = ground
        .submit("--retry 1 --on-exit 'sh -c \"echo $SVC_TASK_STATE $SVC_TASK_EXIT_CODE > told\"' -- sh -c 'exit 4'");
    let second = ground.submit(&format!("--after {} -- true", first["id"]));
    assert_eq!(second["state"], "queued", "{second}");
    let late = ground.submit(&format!("--timeout 200ms -- {sleep}"));
    let delayed = ground.submit("--delay 300ms -- true");
    let first = ground.wait_task(&first["id"], "failed");
    assert_eq!(first["restarts"], 1, "{first}");
    let second = ground.wait_task(&second["id"], "failed");
    assert_eq!(second["reason"], format!("task {}, which it was to follow, failed", first["id"]));
    assert_eq!(ground.wait_task(&late["id"], "failed")["reason"], "did not end within 200ms");
    let delayed = ground.wait_task(&delayed["id"], "completed");
    let time = |key: &str| delayed[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time("started_at").duration_since(time("submitted_at")).as_millis() >= 300, "{delayed}");
    assert_eq!(ground.read("told"), "failed 4\n");
    ground.no_task_is_left();
}

/// No more than the limit at once; the others in their order, and none is started by whoever looks.
pub fn line(ground: &Ground) {
    ground.sh("mkdir -p ~/.config/svc && echo 'max_parallel_tasks = 2' > ~/.config/svc/config.toml").ok();
    let script = ground.write(
        "step",
        "#!/bin/sh\necho $1 >> order\nn=0; while [ ! -e go.$1 ] && [ $n -lt 1000 ]; do sleep 0.03; n=$((n+1)); done\n",
    );
    for number in 1..=5 {
        ground.submit(&format!("-- {script} {number}"));
    }
    ground.submit(&format!("--priority 1 -- {script} 6"));
    let states = || -> Vec<String> {
        let all = ground.sh("svc tasks --json").ok().json();
        all.as_array().unwrap().iter().map(|task| task["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(), ["running", "running", "queued", "queued", "queued", "queued"]);
    ground.sh("svc tasks").ok().says("next in line").says("3 before it");
    ground.sh("svc run -b --no-queue -- true").code(1).warns("max_parallel_tasks is 2");
    // nobody looks: each that ends gives its place to the next
    let mut order = String::new();
    for (ends, expected) in [(1, "1 2 6"), (6, "1 2 6 3"), (2, "1 2 6 3 4"), (3, "1 2 6 3 4 5")] {
        ground.sh(&format!("touch go.{ends}")).ok();
        order = wait_until(&format!("what follows {ends}"), 20, || {
            let order = ground.sh("cat order").out.split_whitespace().collect::<Vec<_>>().join(" ");
            let order = order.replacen("2 1 ", "1 2 ", 1);
            if order == expected { Ok(order) } else { Err(order) }
        });
    }
    assert_eq!(order.len(), 11, "each once: {order}");
    ground.sh("touch go.4 go.5").ok();
    wait_until("all are over", 20, || {
        let states = states();
        if states.iter().all(|state| state == "completed") { Ok(()) } else { Err(format!("{states:?}")) }
    });
    ground.sh("rm ~/.config/svc/config.toml; rmdir ~/.config/svc ~/.config 2>/dev/null; true").ok();
    ground.no_task_is_left();
}

/// A loop that runs on: SYSTEMS.md 1.
pub fn loops(ground: &Ground) {
    let script = ground
        .write("scan", "#!/bin/sh\ntrap 'echo last round; exit 0' TERM\necho round\nwhile :; do sleep 0.05; done\n");
    let run = format!(
        "svc run -b --name continuous-scan --pid-file .loops/pids/{{name}}.pid --log-file .loops/logs/{{name}}.log -- {script}"
    );
    ground.sh(&run).ok();
    let pid = ground.read(".loops/pids/continuous-scan.pid");
    assert_eq!(ground.read(".loops/logs/continuous-scan.log"), "round\n");
    ground.sh("svc status").ok().says("continuous-scan").says("running");
    let one = ground.status("continuous-scan");
    assert_eq!((one["state"].clone(), one["pid"].to_string()), ("running".into(), pid.trim().to_owned()));
    // it runs: refused, with its pid
    ground.sh(&run).code(1).warns(&format!("`continuous-scan` runs already (task 1, pid {})", pid.trim()));
    ground.sh("svc stop continuous-scan").ok();
    let log = ground.read(".loops/logs/continuous-scan.log");
    assert!(log.starts_with("round\n") && log.ends_with("last round\n"), "{log}");
    ground.sh("test ! -e .loops/pids/continuous-scan.pid").ok();
    assert_eq!(ground.status("continuous-scan")["state"], "cancelled");
    // a PID file of a process that is another's is not believed
    ground.sh("echo $$ > .loops/pids/continuous-scan.pid").ok();
    ground.sh(&run).ok();
    let pid = wait_until("a new PID file", 20, || {
        let pid = ground.read(".loops/pids/continuous-scan.pid");
        let task = ground.status("continuous-scan");
        if task["pid"].as_i64() == pid.trim().parse().ok() { Ok(pid) } else { Err(format!("{pid} {task}")) }
    });
    // gone after SIGKILL, too
    ground.sh(&format!("kill -9 {pid}")).ok();
    wait_until("no PID file", 20, || {
        let ran = ground.sh("test ! -e .loops/pids/continuous-scan.pid");
        if ran.code == 0 { Ok(()) } else { Err(ran.to_string()) }
    });
    ground.no_task_is_left();
}

/// Environment, folder, mask and input arrive as they are.
pub fn odd_task(ground: &Ground) {
    ground.sh("mkdir -p 'a b%d' && printf 'in\\n' > input").ok();
    let environment = "env -i PATH=\"$PATH\" HOME=\"$HOME\" XDG_RUNTIME_DIR=\"$XDG_RUNTIME_DIR\" SVC_BACKEND=\"${SVC_BACKEND:-auto}\" SVC_LAUNCHCTL=\"$SVC_LAUNCHCTL\" LAUNCHD_DOUBLE=\"$LAUNCHD_DOUBLE\" LAUNCHD_DOUBLE_ROOT=\"$LAUNCHD_DOUBLE_ROOT\" ODD=$'two\\nlines % $X \\xff\\x01' EMPTY=";
    let print = r#"'pwd; umask; cat; env -0 | sort -z | grep -za "^ODD=\|^EMPTY=" | tr "\0" ";"; printf "%s\n" "$1"' x $'\xfe "$HOME'"#;
    let ran = ground.sh(&format!("cd 'a b%d' && umask 027 && {environment} svc run --stdin ../input -- sh -c {print} | od -An -c | tr -d ' \\n'")).ok();
    let expected = "/ab%d\\n0027\\nin\\nEMPTY=;ODD=two\\nlines%$X377001;376\"$HOME\\n";
    assert!(ran.out.ends_with(expected), "{ran}");
    // nobody else may read what it was given
    let open = ground.sh("find ~ -path '*tasks/*' -perm /077 -not -path '*/logs/*' -not -type l");
    assert_eq!(open.out, "", "{open}");
    ground.no_task_is_left();
}
