//! `svc import`: units that Debian's packages ship keep their meaning on the way through a manifest and back
//! into a unit; any bytes are read or refused.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::panic, reason = "test code")]

mod support;

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::{Project, root};
use svc::convert::import::{Source, import};

/// A unit as a few lines read it: continued lines joined, comments gone. Key → values.
fn unit(text: &str) -> BTreeMap<String, Vec<String>> {
    let text: String = text.lines().filter(|line| !line.starts_with(['#', ';'])).fold(String::new(), |all, line| {
        match line.strip_suffix('\\') {
            Some(line) => all + line + " ",
            None => all + line + "\n",
        }
    });
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        all.entry(key.trim().to_owned()).or_default().push(value.trim().to_owned());
    }
    all
}

/// The words of a rendered line: bare, or in double quotes with `\` escapes.
fn rendered_words(line: &str) -> Vec<String> {
    let mut words = vec![];
    let mut chars = line.strip_prefix(':').unwrap_or(line).chars().peekable();
    while let Some(c) = chars.next() {
        let mut word = String::new();
        if c == '"' {
            loop {
                match chars.next().unwrap() {
                    '"' => break,
                    '\\' => match chars.next().unwrap() {
                        'n' => word.push('\n'),
                        't' => word.push('\t'),
                        other => word.push(other),
                    },
                    '%' => word.push(chars.next().unwrap()),
                    other => word.push(other),
                }
            }
            chars.next();
        } else {
            word.push(c);
            word.extend(std::iter::from_fn(|| chars.next_if(|c| *c != ' ')));
            chars.next();
        }
        words.push(word);
    }
    words
}

/// Variables that a line names, and what they are here: two words.
const SET: &str = "one *";

/// What a program sees of a line of the original, by the rules of systemd.service(5).
fn expected_words(line: &str) -> Vec<String> {
    assert!(!line.contains(['\\', '%']), "{line}");
    let mut words = vec![];
    for word in shell_words::split(line).unwrap() {
        if word.strip_prefix('$').is_some_and(|name| !name.starts_with('{')) {
            words.extend(SET.split(' ').map(str::to_owned));
        } else if let Some((before, rest)) = word.split_once("${") {
            words.push(format!("{before}{SET}{}", rest.split_once('}').unwrap().1));
        } else {
            words.push(word);
        }
    }
    words
}

fn variables(line: &str) -> BTreeSet<String> {
    let names = line.split('$').skip(1).map(|rest| rest.trim_start_matches('{'));
    names.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()).collect()
}

fn last<'a>(unit: &'a BTreeMap<String, Vec<String>>, key: &str) -> Option<&'a str> {
    unit.get(key).and_then(|all| all.last()).map(String::as_str)
}

/// A time of systemd, as far as these units have some.
fn seconds(text: &str) -> Duration {
    let one = |word: &str| {
        let split = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        let number: u64 = word[..split].parse().unwrap();
        match &word[split..] {
            "" | "s" | "sec" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            "min" => Duration::from_mins(number),
            "h" => Duration::from_hours(number),
            other => panic!("{other}"),
        }
    };
    text.split(' ').map(one).sum()
}

const PREFIXES: [char; 5] = ['-', '@', '+', '!', ':'];

/// The original with its programs below `folder`, each of which prints its argv.
fn with_programs(text: &str, folder: &Path) -> String {
    let lines = text.lines().map(|line| {
        let Some((key, value)) = line.split_once('=').filter(|(key, _)| matches!(*key, "ExecStart" | "ExecReload"))
        else {
            return line.to_owned();
        };
        let bare = value.trim_start_matches(PREFIXES);
        let program = bare.split(' ').next().unwrap();
        if !program.starts_with('/') || program == "/bin/kill" {
            return line.to_owned();
        }
        let file = folder.join(program.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\"\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let prefix = &value[..value.len() - bare.len()];
        format!("{key}={prefix}{}{}", file.display(), &bare[program.len()..])
    });
    lines.map(|line| line + "\n").collect()
}

fn round_trip(name: &str) {
    let project = Project::new();
    let folder = root().join("tests/import/debian");
    let original = with_programs(&std::fs::read_to_string(folder.join(name)).unwrap(), &project.path().join("root"));
    std::fs::write(project.path().join(name), &original).unwrap();
    let timer = name.replace(".service", ".timer");
    let mut files = vec!["import", name];
    if folder.join(&timer).exists() {
        std::fs::copy(folder.join(&timer), project.path().join(&timer)).unwrap();
        files.push(&timer);
    }
    let imported = project.svc(&files).ok();
    let project = project.manifest(&imported.out);
    let rendered = project.svc(&["--system", "--backend", "systemd", "render", "--json"]).ok().json();
    let text = rendered[0]["contents"].as_str().unwrap();
    let (before, after) = (unit(&original), unit(text));
    same_command(name, &before, &after);
    same_environment(name, &before, &after);
    same_restart(name, &before, &after);
    let same = |key: &str| {
        assert_eq!(last(&after, key), last(&before, key), "{name}: {key}\n{text}");
    };
    for key in before.keys().filter(|key| key.starts_with("Limit") || key.ends_with("Max") || *key == "CPUQuota") {
        same(key);
    }
    for key in ["Type", "KillMode", "User", "Group", "PIDFile", "RuntimeDirectory", "ProtectSystem", "Nice"] {
        let is_default =
            (key == "Type" && matches!(last(&before, key), None | Some("simple"))) || !before.contains_key(key);
        if !is_default {
            same(key);
        }
    }
    // nothing is lost in silence: each directive is in the new unit, or there is a word on it
    let lines = original.lines().enumerate().filter(|(_, line)| !line.starts_with(['#', ';', '[', ' ', '\t']));
    for (at, line) in lines.filter_map(|(at, line)| Some((at + 1, line.split_once('=')?))) {
        let (key, value) = line;
        let said = imported.err.contains(&format!("{name}:{at}:"));
        let mapped = ["WantedBy", "ExecStart", "StandardInput", "Documentation"].contains(&key);
        assert!(
            said || mapped || value.is_empty() || after.contains_key(key),
            "{name}:{at}: {key}={value}\n{imported}"
        );
    }
    if files.len() == 3 {
        let (times, new) =
            (unit(&std::fs::read_to_string(folder.join(&timer)).unwrap()), rendered[1]["contents"].as_str());
        let new = unit(new.unwrap());
        for key in ["OnCalendar", "RandomizedDelaySec", "AccuracySec", "Persistent"] {
            if times.contains_key(key) {
                assert_eq!(last(&new, key), last(&times, key), "{timer}: {key}");
            }
        }
    }
}

fn same_command(name: &str, before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) {
    let lines: Vec<&str> = before["ExecStart"].iter().map(|line| line.trim_start_matches(PREFIXES)).collect();
    let expected: Vec<String> = lines.iter().flat_map(|line| expected_words(line)).collect();
    let argv = rendered_words(last(after, "ExecStart").unwrap());
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).env_clear().current_dir("/");
    for variable in lines.iter().flat_map(|line| variables(line)) {
        command.env(variable, SET);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{name}: {argv:?}");
    let seen = String::from_utf8(output.stdout).unwrap();
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected, "{name}: {argv:?}");
}

fn same_environment(name: &str, before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) {
    // of two of one name the last holds
    let words = |unit: &BTreeMap<String, Vec<String>>| -> BTreeMap<String, String> {
        let lines = unit.get("Environment").into_iter().flatten();
        let words = lines.flat_map(|line| shell_words::split(line).unwrap());
        words
            .map(|word| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
            .collect()
    };
    assert_eq!(words(after), words(before), "{name}");
    assert_eq!(after.get("EnvironmentFile"), before.get("EnvironmentFile"), "{name}");
}

fn same_restart(name: &str, before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) {
    let restart = last(before, "Restart").unwrap_or("no");
    assert_eq!(last(after, "Restart").unwrap_or("no"), restart, "{name}");
    if restart != "no" {
        let delay = seconds(last(before, "RestartSec").unwrap_or("100ms"));
        assert_eq!(seconds(last(after, "RestartSec").unwrap()), delay, "{name}");
        assert_eq!(last(after, "RestartSteps"), None, "{name}");
        let burst = last(before, "StartLimitBurst").unwrap_or("5");
        assert_eq!(last(after, "StartLimitBurst"), Some(burst), "{name}");
    }
    let stop = last(before, "TimeoutStopSec").unwrap_or("90s");
    if stop != "infinity" && stop != "0" {
        assert_eq!(seconds(last(after, "TimeoutStopSec").unwrap()), seconds(stop), "{name}");
    }
}

#[test]
fn units_of_debian_keep_their_meaning() {
    let mut seen = 0;
    let mut names: Vec<String> = std::fs::read_dir(root().join("tests/import/debian"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".service"))
        .collect();
    names.sort();
    for name in names {
        round_trip(&name);
        seen += 1;
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn what_can_not_be_read_is_said() {
    let project = Project::new();
    let write = |name: &str, text: &[u8]| std::fs::write(project.path().join(name), text).unwrap();
    write("x.txt", b"hello");
    project.svc(&["import", "x.txt"]).code(2).warns("is of no format that svc reads").warns("hint: systemd units");
    write("b.service", b"[Service]\nExecStart=\xff\n");
    project.svc(&["import", "b.service"]).code(2).warns("b.service:2:1: is not UTF-8");
    write("c.yml", b"services: [\n");
    project.svc(&["import", "c.yml"]).code(2).warns("is not YAML");
    write("p.plist", b"<plist>");
    project.svc(&["import", "p.plist"]).code(2).warns("is not a property list");
    write("a.timer", b"[Timer]\nOnCalendar=daily\n");
    project.svc(&["import", "a.timer"]).code(2).warns("there is no service in what was given").warns("give it, too");
    project.svc(&["import", "none"]).code(2).warns("no such file");
    project.svc(&["import"]).code(2);
    let json = project.svc(&["import", "x.txt", "--json"]).code(2).json();
    assert_eq!(json["error"]["code"], "invalid");
    write("Procfile", b"web: /bin/sleep 9\nworker: echo $HOME\nrelease: x\n");
    let ran = project.svc(&["import", "Procfile"]).ok().warns("note: Procfile:3: `release` runs once");
    assert!(ran.out.contains("[service.web]\ncommand = [\"/bin/sleep\", \"9\"]\n"), "{ran}");
    let json = project.svc(&["import", "Procfile", "--json"]).ok().json();
    assert_eq!((&json["notes"][0]["line"], &json["text"]), (&3.into(), &ran.out.into()));
    assert!(!project.path().join("svc.toml").exists());
}

/// What a manifest may hold.
fn schema() -> &'static jsonschema::Validator {
    static SCHEMA: std::sync::OnceLock<jsonschema::Validator> = std::sync::OnceLock::new();
    SCHEMA.get_or_init(|| jsonschema::draft7::new(&svc::definition::schema()).unwrap())
}

/// Names by which each reader is chosen.
const NAMES: [&str; 7] = ["a.service", "a.timer", "a.plist", "Procfile", "compose.yml", "pm2.json", "supervisord.conf"];

/// Text of the formats' own words, in any order.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "[Unit]\n",
        "[Service]\n",
        "ExecStart=",
        "Environment=",
        "/bin/true ",
        "$A ",
        "${B}",
        "%i",
        "\\",
        "\"",
        "'",
        "\n",
        "  ",
        "- ",
        "key: ",
        "services:\n",
        "web:\n",
        "command: ",
        "[",
        "]",
        "{",
        "}",
        "\"apps\": ",
        ",",
        ":",
        "=",
        "#",
        ";",
        "[program:x]\n",
        "command=",
        "%(here)s",
        "environment=A=",
        "<plist><dict>",
        "</dict></plist>",
        "<key>Label</key>",
        "<string>a</string>",
        "<array>",
        "</array>",
        "OnCalendar=daily\n",
        "RestartSec=1e9\n",
        "LimitNOFILE=-1\n",
        "\u{0}",
        "\u{feff}",
        "é",
        "&a ",
        "*a ",
        "!!str ",
        "|\n",
        "? ",
        "healthcheck:\n",
        "instances: 99999999999\n",
    ];
    prop::collection::vec(prop::sample::select(words), 0..40).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), likely()],
        name in prop::sample::select(NAMES.to_vec()),
    ) {
        if let Ok(converted) = import(&[Source { file: name.into(), bytes }]) {
            // what is printed is TOML, and of fields that svc has
            let table: toml::Table = converted.text.parse().unwrap();
            let value = serde_json::to_value(&table).unwrap();
            if let Err(error) = schema().validate(&value) {
                panic!("{error}: {}\n{}", error.instance_path(), converted.text);
            }
            for service in table["service"].as_table().unwrap().values() {
                for key in service.as_table().unwrap().keys() {
                    prop_assert!(svc::service::Field::from_key(key).is_some(), "{}", key);
                }
            }
        }
    }
}
