//! What is asked for reaches the process, byte for byte, and secrets nobody else.

use crate::ground::{Ground, sleep};
use serde_json::Value;

/// Writes what it is given into a file.
const PROBE: &str = r#"#!/usr/bin/python3
import json, os, sys
mask = os.umask(0)
os.umask(mask)
seen = {
    "argv": [os.fsencode(word).hex() for word in sys.argv[2:]],
    "env": {os.fsencode(key).decode(): os.fsencode(value).hex() for key, value in os.environ.items()},
    "cwd": os.getcwd(), "umask": mask, "nice": os.nice(0), "stdin": os.readlink("/proc/self/fd/0"),
    "files": __import__("resource").getrlimit(__import__("resource").RLIMIT_NOFILE)[0],
}
with open(sys.argv[1] + ".new", "w") as file:
    file.write(json.dumps(seen) + "\n")
os.rename(sys.argv[1] + ".new", sys.argv[1])
__import__("time").sleep(99999)
"#;

fn hex(text: &[u8]) -> String {
    text.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn probed(ground: &Ground, file: &str) -> Value {
    serde_json::from_str(&ground.read(file)).unwrap()
}

/// Environment, folder, umask and the rest, of a manifest.
pub fn fields(ground: &Ground) {
    let work = ground.work();
    let probe = ground.write("probe", PROBE);
    ground.sh("mkdir -p p/a p/b p/.run; printf \"FROM_FILE='a b'\\nAPI_TOKEN=hidden-value\\n\" > p/secret.env; chmod 600 p/secret.env").ok();
    ground.write(
        "p/svc.toml",
        &format!(
            r#"project = "shop"
[service.web]
command = ["{probe}", "{work}/web-{{instance}}.json", "{{name}}", "{{x}}"]
instances = ["a", "b"]
working_dir = "{{instance}}"
env = {{ WHO = "{{name}} of {{project}}", BRACE = "{{x}}", PERCENT = "100%d $HOME" }}
umask = "027"
nice = 5
limits = {{ files = 321 }}
[service.full]
command = ["{probe}", "{work}/full.json"]
env_file = ["secret.env"]
env = {{ FROM_FILE = "loses", KEPT = "yes" }}
pid_file = ".run/{{name}}.pid"
umask = "077"
[service.text]
script = """
printf '%s|' "$0" one >> {work}/text
umask >> {work}/text
exec sleep 99999
"""
"#
        ),
    );
    ground.sh("cd p && svc install").ok().says("web-a: installed").says("full: installed").says("text: installed");
    for one in ["a", "b"] {
        let seen = probed(ground, &format!("web-{one}.json"));
        assert_eq!(seen["argv"], serde_json::json!([hex(format!("web-{one}").as_bytes()), hex(b"{x}")]), "{seen}");
        assert_eq!(seen["cwd"], format!("{work}/p/{one}"), "{seen}");
        assert_eq!((&seen["umask"], &seen["nice"], &seen["files"]), (&0o27.into(), &5.into(), &321.into()), "{seen}");
        assert_eq!(seen["stdin"], "/dev/null", "{seen}");
        for (key, value) in [("WHO", &*format!("web-{one} of shop")), ("BRACE", "{x}"), ("PERCENT", "100%d $HOME")] {
            assert_eq!(seen["env"][key], hex(value.as_bytes()), "{key}: {seen}");
        }
        assert!(seen["env"]["PATH"].is_string() && seen["env"]["HOME"].is_string(), "{seen}");
    }
    let seen = probed(ground, "full.json");
    for (key, value) in [("FROM_FILE", "a b"), ("API_TOKEN", "hidden-value"), ("KEPT", "yes")] {
        assert_eq!(seen["env"][key], hex(value.as_bytes()), "{key}: {seen}");
    }
    assert_eq!(seen["umask"], 0o77, "{seen}");
    assert!(ground.read("text").ends_with("one|0022\n"), "{}", ground.read("text"));
    // what lies in the file of variables is nowhere else
    ground.sh("grep -r hidden-value ~").code(1);
    // the pid file is there, right, and gone after a stop
    let pid = ground.status("full")["pid"].to_string();
    assert_eq!(ground.read("p/.run/full.pid").trim(), pid);
    ground.sh("svc stop full; test ! -e p/.run/full.pid").ok();
    ground.sh("svc start full").ok();
    let pid = ground.status("full")["pid"].to_string();
    assert_eq!(ground.read("p/.run/full.pid").trim(), pid);
    ground.sh("cd p && svc uninstall --purge; test ! -e .run/full.pid").ok();
    ground.nothing_is_left();
}

/// Bytes that mean something to shells, unit files, XML and TOML.
pub fn odd_bytes(ground: &Ground) {
    let probe = ground.write("a b/pro'be", PROBE);
    let words: [&[u8]; 16] = [
        b"a b",
        b"%n %% %h",
        b"$HOME ${HOME} $$",
        b"back\\slash\\x41",
        b"quo'te\"s\"",
        b"new\nline\n",
        b"tab\t",
        b"",
        "\u{fc}n\u{ef} \u{1f600}\u{2028}".as_bytes(),
        b";",
        b"#c",
        b"{x} {name",
        b"<a>&amp;]]>",
        b"-x",
        b"\x01\x1b[31m",
        b"\xff\xfe",
    ];
    let quoted = |word: &[u8]| {
        let octal: String = word.iter().map(|byte| format!("\\{byte:03o}")).collect();
        format!("$'{octal}'")
    };
    let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let env: Vec<String> = words
        .iter()
        .enumerate()
        .filter(|(_, word)| !word.contains(&b'\xff'))
        .map(|(at, word)| format!("--env V{at}={}", quoted(word)))
        .collect();
    let install = |name: &str, env: &str, words: &str| {
        format!("svc install {name} {env} -- \"{probe}\" {}/{name}.json {words}", ground.work())
    };
    let check = |name: &str, expected: &[&[u8]]| {
        let seen = probed(ground, &format!("{name}.json"));
        let hexed: Vec<String> = expected.iter().map(|word| hex(word)).collect();
        assert_eq!(seen["argv"], serde_json::json!(hexed), "{name}");
        seen
    };
    // without and with what XML can't hold
    ground.sh(&install("plain", "", &line[..14].join(" "))).ok();
    check("plain", &words[..14]);
    if ground.differs().any_bytes {
        ground.sh(&install("odd", "", &line.join(" "))).ok();
        check("odd", &words);
    } else {
        ground.sh(&install("odd", "", &line.join(" "))).code(2).warns("argument 17 is not UTF-8");
        ground.sh(&install("odd", "", &line[..15].join(" "))).ok();
        check("odd", &words[..15]);
    }
    ground.sh(&install("env", &env[..14].join(" "), "")).ok();
    let seen = check("env", &[]);
    for (at, word) in words[..14].iter().enumerate() {
        assert_eq!(seen["env"][format!("V{at}")], hex(word), "V{at}: {seen}");
    }
    ground.sh("svc status; svc show odd; svc list").ok();
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}

/// Masked where they are shown, in private files where they lie.
pub fn secrets(ground: &Ground) {
    let sleep = sleep();
    let secret = sleep.replace("/bin/sleep ", "topsecret");
    let ran = ground
        .sh(&format!("umask 000; svc install web --env API_TOKEN={secret} -- {sleep}"))
        .ok()
        .warns("looks like a secret")
        .warns("env_file");
    assert!(!ran.err.contains(&secret) && !ran.out.contains(&secret), "{ran}");
    for command in [
        "svc show web",
        "svc status web",
        "svc status --json",
        "svc list",
        "svc doctor",
        "svc -vv status web",
        "svc show web --json",
        "svc -vv restart web",
        "svc logs web",
    ] {
        let ran = ground.sh(command).ok();
        assert!(!ran.out.contains(&secret) && !ran.err.contains(&secret), "{ran}");
    }
    ground.sh("svc show web").ok().says("API_TOKEN = \"***\"");
    let own = "cd ~/.local/state/svc && stat -c %a services/web.json . services";
    assert_eq!(ground.sh(own).ok().out, "600\n700\n700\n");
    let holders = ground.sh(&format!("cd; grep -rl {secret} . | xargs stat -c '%a %n'")).ok().out;
    assert!(
        holders.lines().count() > 0
            && holders.lines().all(|line| line.starts_with("600 ") || line.contains(ground.differs().public)),
        "{holders}"
    );
    // a pattern that is not itself in the command line of grep
    let pattern = secret.replace("top", "to[p]");
    ground.sh(&format!("cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c '{pattern}'")).code(1);
    ground
        .sh(&format!("echo A=1 > e; chmod 644 e; svc install open --env-file e -- {sleep}"))
        .ok()
        .warns("can be read by others");
    let bad = ground.sh(&format!("svc install bad --restart-delay fast --env 1A={secret} -- /bin/sleep 1")).code(2);
    assert!(!bad.err.contains(&secret), "{bad}");
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}
