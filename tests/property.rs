//! Any argv and environment arrives byte for byte through `svc install` and launchd (the double), or svc's own
//! supervisor on the bare machine, or is refused before anything is written. By hundreds in one install; through a
//! real systemd: `property_host.rs`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr, reason = "test code")]

mod support;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support::mac::{Mac, no_mac};
use support::random::{PROBE, bytes, cases, check, drawn, hex, manifest, text};
use support::{Bare, Ran, skip, wait_until};

/// Where svc walks; the command lines are the same.
enum Ground {
    Launchd(Mac),
    Supervisor(Bare),
}

impl Ground {
    /// Both, or why there is only one (then said and counted).
    fn all(test: &str) -> Vec<Self> {
        let mac = no_mac().map_or_else(
            || Some(Self::Launchd(Mac::up())),
            |reason| {
                skip(test, &reason);
                None
            },
        );
        mac.into_iter().chain([Self::Supervisor(Bare::new())]).collect()
    }

    fn name(&self) -> &str {
        match self {
            Self::Launchd(_) => "launchd",
            Self::Supervisor(_) => "supervisor",
        }
    }

    fn work(&self) -> PathBuf {
        match self {
            Self::Launchd(mac) => mac.path().join("work"),
            Self::Supervisor(bare) => bare.path().join("work"),
        }
    }

    fn sh(&self, line: &str) -> Ran {
        match self {
            Self::Launchd(mac) => mac.sh(line),
            Self::Supervisor(bare) => bare.sh(line),
        }
    }

    fn svc(&self, words: &[OsString]) -> Ran {
        match self {
            Self::Launchd(mac) => mac.svc(words),
            Self::Supervisor(bare) => bare.svc(words),
        }
    }

    /// Every file that svc wrote, and what its manager left.
    fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Launchd(mac) => mac.files(),
            Self::Supervisor(bare) => bare.files(),
        }
    }

    /// A program of a service; its path.
    fn program(&self, path: &Path) -> OsString {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, PROBE).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir_all(self.work().join("got")).unwrap();
        path.as_os_str().into()
    }

    /// What the program of a service has written down.
    #[track_caller]
    fn got(&self, name: &str) -> Value {
        let file = self.work().join("got").join(name);
        let text =
            wait_until(name, 60, || std::fs::read_to_string(&file).map_err(|_| self.sh("svc status").to_string()));
        serde_json::from_str(&text).unwrap()
    }
}

/// A word for a command line.
fn word(word: impl Into<Vec<u8>>) -> OsString {
    OsString::from_vec(word.into())
}

/// By manifest: a few services, a few values each.
#[test]
fn what_a_manifest_says_arrives() {
    for ground in Ground::all("what_a_manifest_says_arrives") {
        let probe = ground.program(&ground.work().join("probe"));
        let probe = probe.to_str().unwrap();
        let cases = cases(60);
        let text = manifest(&cases, probe, ground.work().join("got").to_str().unwrap());
        std::fs::create_dir(ground.work().join("p")).unwrap();
        std::fs::write(ground.work().join("p/svc.toml"), text).unwrap();
        ground.sh("cd p && svc install -q").ok();
        for (at, case) in cases.iter().enumerate() {
            let name = format!("p{at}");
            check(case, &name, probe, &ground.got(&name));
        }
        ground.sh("cd p && svc uninstall -q --purge").ok();
        let count: usize = cases.iter().map(|case| case.args.len() + case.env.len()).sum();
        eprintln!("{}: {count} values of {} services arrived", ground.name(), cases.len());
    }
}

/// By command line: hundreds of values at once, of any bytes, through every way that launchd has to a program.
#[test]
fn what_a_command_line_says_arrives() {
    for ground in Ground::all("what_a_command_line_says_arrives") {
        let probe = ground.program(&ground.work().join("probe"));
        // what XML can hold
        let may = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{7f}'..='\u{9f}');
        let listed = move |text: String| text.chars().filter(|c| may(*c)).collect::<String>().into_bytes();
        let plain = || drawn(text(), 150).into_iter().map(listed);
        let long = || [vec![b'<'; 100_000], Vec::new()].into_iter();
        let texts = || plain().chain(long()).collect::<Vec<_>>();
        let all = || drawn(bytes(), 150).into_iter().chain([(1..=255).collect()]).chain(long()).collect::<Vec<_>>();
        // (name, flags, what is in front of the program, arguments, environment)
        let ways = [
            ("plain", "", None, texts(), texts()),
            ("named", "", Some("/usr/bin/python3"), texts(), texts()),
            ("shim", "--restart-limit=9/1m", None, texts(), texts()),
            ("bytes", "", None, all(), all()),
        ];
        for (name, flag, interpreter, args, env) in ways {
            // a brace around a known name is replaced by design
            let as_is = |value: &Vec<u8>| !value.windows(6).any(|part| part == b"{name}" || part == b"{home}");
            let args: Vec<Vec<u8>> = args.into_iter().filter(as_is).collect();
            let env: BTreeMap<String, Vec<u8>> =
                env.into_iter().filter(as_is).enumerate().map(|(at, value)| (format!("T_{at}"), value)).collect();
            let mut words = vec![word("install"), word(name)];
            words.extend((!flag.is_empty()).then(|| word(flag)));
            let out = ground.work().join("got").into_os_string().into_vec();
            let own = [("PROBE_NAME".to_owned(), name.as_bytes().to_vec()), ("PROBE_OUT".to_owned(), out)];
            for (key, value) in env.iter().chain(own.iter().map(|(key, value)| (key, value))) {
                words.extend([word("--env"), word([key.as_bytes(), b"=", value].concat())]);
            }
            words.push(word("--"));
            words.extend(interpreter.map(OsString::from).into_iter().chain([probe.clone()]));
            words.extend(args.iter().cloned().map(OsString::from_vec));
            ground.svc(&words).ok();
            let got = ground.got(name);
            if let Ground::Launchd(mac) = &ground {
                let shim = mac.home().join(format!(".local/state/svc/shim/{name}.toml")).exists();
                assert_eq!(shim, matches!(name, "shim" | "bytes"), "{name}");
            }
            let wanted: Vec<String> =
                std::iter::once(hex(probe.as_encoded_bytes())).chain(args.iter().map(|arg| hex(arg))).collect();
            assert_eq!(got["argv"], serde_json::json!(wanted), "{name}");
            for (key, value) in &env {
                assert_eq!(got["env"][hex(key.as_bytes())], hex(value), "{key} of {name}: {value:?}");
            }
            ground.sh("svc uninstall --all --purge").ok();
            eprintln!("{}: {name}: {} values arrived", ground.name(), args.len() + env.len());
        }
    }
}

#[test]
fn odd_paths_arrive() {
    for ground in Ground::all("odd_paths_arrive") {
        let work = ground.work();
        let names = [
            "a b",
            "a'b",
            "a\"b",
            "a\\b",
            "a\\",
            "a ",
            "a%h",
            "a$HOME",
            "a*b",
            "a?b",
            "a[b]",
            "a;b",
            "a#b",
            "a=b",
            "-a",
            "a\tb",
            "a\nb",
            "\u{e4}\u{20ac}",
            "a:b",
            "~",
            "<a>&amp;",
            "]]>",
            "--",
            "a\u{1}b",
        ];
        for (at, odd) in names.iter().enumerate() {
            let folder = work.join("d").join(odd);
            let probe = ground.program(&folder.join(format!("prog{odd}")));
            let name = format!("n{at}");
            let mut words: Vec<OsString> = ["install", &name, "--working-dir"].map(OsString::from).into();
            words.extend([folder.clone().into_os_string(), "--log-file".into(), folder.join("log").into_os_string()]);
            for (key, value) in
                [("PROBE_NAME", OsString::from(&name)), ("PROBE_OUT", work.join("got").into_os_string())]
            {
                words.extend([word("--env"), word([key.as_bytes(), b"=", value.as_encoded_bytes()].concat())]);
            }
            words.extend([word("--no-start"), word("--"), probe.clone(), word(*odd)]);
            ground.svc(&words).ok();
        }
        ground.sh("svc start --all").ok();
        for (at, odd) in names.iter().enumerate() {
            let got = ground.got(&format!("n{at}"));
            let folder = work.join("d").join(odd);
            let probe = folder.join(format!("prog{odd}"));
            assert_eq!(got["cwd"], hex(folder.as_os_str().as_encoded_bytes()), "{odd:?}");
            let wanted = [hex(probe.as_os_str().as_encoded_bytes()), hex(odd.as_bytes())];
            assert_eq!(got["argv"], serde_json::json!(wanted), "{odd:?}");
            assert_eq!(std::fs::read_to_string(folder.join("log")).unwrap(), "up\n", "{odd:?}");
        }
        ground.sh("svc uninstall --all --purge").ok();
    }
}

#[test]
fn what_can_not_arrive_is_refused_and_nothing_is_written() {
    for ground in Ground::all("what_can_not_arrive_is_refused_and_nothing_is_written") {
        let is_launchd = matches!(ground, Ground::Launchd(_));
        let before = ground.files();
        let both = [
            ("svc install a --env 'A.B=1' -- /bin/true", "a variable's name"),
            ("svc install a --env '=1' -- /bin/true", "a variable's name"),
            ("svc install a --env $'\\xff=1' -- /bin/true", "--env"),
            ("svc install a --description $'x\\ny' -- /bin/true", "control character"),
            ("svc install a --description $'x\\e[2J' -- /bin/true", "control character"),
            ("svc install $'a\\nb' -- /bin/true", "name"),
            ("svc install a --launchd ProcessTyp=Background -- /bin/true", "ProcessTyp"),
            (
                "printf '[service.a]\\ncommand = [\"/bin/true\", \"a\\\\u0000b\"]\\n' > m.toml; svc -f m.toml install",
                "NUL",
            ),
            (
                "printf '[service.a]\\ncommand = [\"/bin/true\"]\\nenv = { A = \"a\\\\u0000b\" }\\n' > m.toml; svc -f m.toml install",
                "NUL",
            ),
            (
                "printf '[service.a]\\ncommand = [\"/bin/true\"]\\nworking_dir = \"/tmp/\\\\u0000\"\\n' > m.toml; svc -f m.toml install",
                "NUL",
            ),
        ];
        let launchd = [
            ("svc install a --label $'x\\ny' -- /bin/true", "label"),
            ("svc install a --label 'x/../y' -- /bin/true", "label"),
            ("svc install a --label '' -- /bin/true", "label"),
            ("svc install a --launchd $'ProcessType=\\x01' -- /bin/true", "launchd"),
            ("svc install a --launchd 'Label=x' -- /bin/true", "Label"),
        ];
        let own = if is_launchd { &launchd[..] } else { &[] };
        for (line, reason) in both.iter().filter(|(line, _)| is_launchd || !line.contains("--launchd")).chain(own) {
            let ran = ground.sh(line).code(2);
            assert!(ran.err.contains(reason), "no {reason:?}: {ran}");
            assert!(!ran.err.chars().any(|c| c.is_control() && c != '\n'), "a control character is shown raw: {ran:?}");
        }
        assert_eq!(ground.files(), before, "{}", ground.name());
    }
}
