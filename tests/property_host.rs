//! Any argv and environment arrives byte for byte through `svc install` and a real systemd, or svc's own
//! supervisor, or is refused before anything is written. One manifest of many services, one program that writes down
//! what it got.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

mod support;
use support::random::{Case, PROBE, cases, check, manifest};
use support::{Host, host, wait_until};

/// The manager that runs the services.
const MANAGERS: [&str; 2] = ["systemd", "supervisor"];

fn run(host: &Host, manager: &str, cases: &[Case]) {
    let text = manifest(cases, "/home/tester/probe", "/home/tester/got");
    host.write("/home/tester/many/svc.toml", &text);
    host.user(&format!("rm -rf got; mkdir got; cd many && svc --backend {manager} install -q")).ok();
    wait_until("all have written what they got", 60, || {
        let count: usize = host.user("ls got | wc -l").out.trim().parse().unwrap_or(0);
        if count == cases.len() { Ok(()) } else { Err(format!("{count} of {}", cases.len())) }
    });
    let all = host.user("for f in got/*; do echo \"${f#got/} $(cat $f)\"; done").ok().out;
    for line in all.lines() {
        let (name, json) = line.split_once(' ').unwrap();
        let got: serde_json::Value = serde_json::from_str(json).unwrap();
        check(&cases[name[1..].parse::<usize>().unwrap()], name, "/home/tester/probe", &got);
    }
    host.user("cd many && svc uninstall -q").ok();
}

#[test]
fn five_hundred_random_services_get_what_was_written() {
    let Some(host) = host("property") else { return };
    host.write("/home/tester/probe", PROBE);
    host.user("chmod +x probe").ok();
    let cases = cases(500);
    for manager in MANAGERS {
        for batch in cases.chunks(125) {
            run(&host, manager, batch);
        }
        eprintln!("{manager}: {} services started, each with the argv and environment that was written", cases.len());
    }
}

#[test]
fn what_can_not_be_carried_is_refused_and_nothing_is_written() {
    let Some(host) = host("refused") else { return };
    let cases = [
        ("svc install a -- /bin/echo $'\\xff'", "UTF-8"),
        ("svc install a -- /bin/echo $'\\uffff'", "no character"),
        ("svc install a --env $'K=\\xff' -- /bin/true", "UTF-8"),
        ("svc install a --env 'A.B=1' -- /bin/true", "a variable's name"),
        ("svc install a --env '=1' -- /bin/true", "a variable's name"),
        ("svc install a --description $'x\\ny' -- /bin/true", "control character"),
        ("svc install a --description $'x\\e[2J' -- /bin/true", "control character"),
        ("svc install a --log-file $'a\\nb' -- /bin/true", "log"),
        ("svc install a --systemd $'Service.X=a\\nUser=root' -- /bin/true", "line end"),
        ("svc install a --systemd 'Service.X=a\\' -- /bin/true", "swallow"),
        ("svc install a --systemd 'Evil.X=a' -- /bin/true", "section"),
        ("svc install a -- /bin/echo \"$(head -c 131073 /dev/zero | tr '\\0' a)\"", "argument"),
    ];
    for (line, reason) in cases {
        let ran = host.user(line);
        if ran.err.contains("Argument list too long") {
            continue; // the kernel says so to the shell already
        }
        let ran = ran.code(2);
        assert!(ran.err.contains(reason), "no {reason:?}: {ran}");
        assert!(!ran.err.chars().any(|c| c.is_control() && c != '\n'), "a control character is shown raw: {ran:?}");
    }
    assert_eq!(host.user("find ~/.config/systemd ~/.local -type f 2>/dev/null").out, "");
}

#[test]
fn odd_paths_arrive_too() {
    let Some(host) = host("paths") else { return };
    host.write("/home/tester/probe", PROBE);
    let names = [
        "a b", "a'b", "a\"b", "a\\b", "a\\", "a ", "a%h", "a$HOME", "a*b", "a?b", "a[b]", "a;b", "a#b", "a=b", "-a",
        "a\tb", "ä€", "a:b", "~",
    ];
    for (manager, (at, odd)) in MANAGERS.iter().flat_map(|one| names.iter().enumerate().map(move |name| (one, name))) {
        if at == 0 {
            host.user("rm -rf got d; mkdir got").ok();
        }
        let quoted = format!("'{}'", odd.replace('\'', "'\\''"));
        host.user(&format!("mkdir -p d/{quoted} && cp probe d/{quoted}/prog{quoted} && chmod +x d/{quoted}/prog{quoted} && printf 'FROM=%s\\n' file > d/{quoted}/e{quoted} && chmod 600 d/{quoted}/e{quoted}")).ok();
        let line = format!(
            "svc --backend {manager} install n{at} --working-dir d/{quoted} --env-file d/{quoted}/e{quoted} --log-file d/{quoted}/log{quoted} --env PROBE_NAME=n{at} --env PROBE_OUT=$HOME/got -- d/{quoted}/prog{quoted} {quoted}"
        );
        host.user(&line).ok();
        let got = wait_until(odd, 10, || {
            let ran = host.user(&format!("cat got/n{at}"));
            if ran.code == 0 { Ok(ran.json()) } else { Err(ran.to_string()) }
        });
        let hex = |text: String| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let folder = format!("/home/tester/d/{odd}");
        assert_eq!(got["cwd"], hex(folder.clone()), "{odd:?}");
        assert_eq!(
            got["argv"],
            serde_json::json!([hex(format!("{folder}/prog{odd}")), hex((*odd).to_owned())]),
            "{odd:?}"
        );
        assert_eq!(got["env"][hex("FROM".into())], hex("file".into()), "{odd:?}");
        wait_until("its log", 5, || {
            let ran = host.user(&format!("test -f d/{quoted}/log{quoted}"));
            if ran.code == 0 { Ok(()) } else { Err(ran.to_string()) }
        });
        if at + 1 == names.len() {
            host.user("svc uninstall --all").ok();
        }
    }
}

/// The supervisor needs no text: whatever a shell can type arrives.
#[test]
fn bytes_that_are_no_text_arrive_through_the_supervisor() {
    let Some(host) = host("bytes") else { return };
    host.write("/home/tester/probe", PROBE);
    host.user("chmod +x probe; mkdir got").ok();
    let all: String = (1..=255).map(|byte| format!("\\x{byte:02x}")).collect();
    let env = "--env PROBE_NAME=n --env PROBE_OUT=$HOME/got";
    host.user(&format!("svc --backend supervisor install n {env} --env A=$'{all}' -- ./probe $'{all}' $'\\xff'")).ok();
    let got = wait_until("it has started", 10, || {
        let ran = host.user("cat got/n");
        if ran.code == 0 { Ok(ran.json()) } else { Err(ran.to_string()) }
    });
    let hex: String = (1..=255).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(got["argv"][1], hex);
    assert_eq!(got["argv"][2], "ff");
    assert_eq!(got["env"]["41"], hex);
    host.user("svc uninstall n").ok();
}
