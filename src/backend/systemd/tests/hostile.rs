//! Services with hostile values that systemd can have: for [`super::judge`] and by name in failures.

use crate::service::sample::{abs, command, sample};
use crate::service::{
    Cpu, EnvFile, EnvName, EnvValue, Exec, Limits, Logs, Name, Origin, Ready, Reload, RestartPolicy, Sandbox, Schedule,
    SearchPath, Service, Signal, Text,
};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Texts that some rule of systemd, of a shell or of a template would change.
pub(super) const TEXTS: &[&str] = &[
    "",
    " ",
    "  ",
    " a",
    "a ",
    "a b",
    "\t",
    "a\tb",
    "\n",
    "a\nb",
    "a\n\n",
    "a\r\nb",
    "\r",
    "\"",
    "'",
    "\"\"",
    "''",
    "a\"b c\"",
    "it's",
    "\\",
    "\\\\",
    "a\\",
    "a\\\\\\",
    "\\n",
    "\\x41",
    "\\q",
    "\\s",
    "\\u0041",
    "\\;",
    "\\\n",
    "%",
    "%%",
    "%n",
    "%Q",
    "%h/x",
    "100%",
    "%%%",
    "$",
    "$$",
    "$FOO",
    "${FOO}",
    "x$FOO",
    "$(id)",
    "`id`",
    "$1",
    "${",
    ";",
    ";;",
    "; rm -rf /",
    "#",
    "# a",
    "a#b",
    "*",
    "?",
    "[a]",
    "{a,b}",
    "~",
    "~/x",
    "-",
    "--",
    "-x",
    "@",
    "+",
    "!",
    "!!",
    ":",
    "|",
    "=",
    "a=b",
    "=b",
    "&",
    "&&",
    "<",
    ">",
    "(",
    ")",
    "\u{1}",
    "\u{7}",
    "\u{8}",
    "\u{b}",
    "\u{c}",
    "\u{1b}",
    "\u{1b}[31mred",
    "\u{1f}",
    "\u{7f}",
    "\u{80}",
    "\u{85}",
    "\u{9b}",
    "\u{a0}",
    "ü",
    "日本",
    "🦀",
    "\u{2028}",
    "\u{202e}abc",
    "\u{2066}",
    "\u{feff}",
    "\u{feff}a",
    "\u{fffd}",
    "[Service]",
    "\n[Service]\nExecStart=/bin/false",
    "\rExecStart=/bin/false",
    "a\n",
    "{{ x }}",
    "{name}",
    "{% raw %}",
    "%i%I%p%u%U%t",
    "infinity",
    "yes",
    "ExecStart=/bin/false",
    "/",
    "//",
    "/..",
    "../..",
    ".",
    "..",
    "\"unbalanced",
    "'unbalanced",
    "a'b\"c`d\\e%f$g;h#i",
];

/// Parts of paths; no `/`, no line end.
pub(super) const PARTS: &[&str] = &[
    "a b", " a", "a ", "a\tb", "\ta", "a\t", "a\"b", "\"a\"", "it's", "'a'", "a\\", "a\\b", "\\\\", "\\x41", "100%",
    "%h", "%%", "$HOME", "${X}", ";", "#a", "*", "a*b", "?", "[a]", "[!a]", "]", "{a,b}", "~", "-a", "@a", "+a", "!a",
    ":a", "|a", "a=b", "a=\"b", "\u{1}", "\u{1b}", "\u{7f}", "ü", "日本", "🦀", "\u{202e}", "\u{feff}", "...", "[\\]",
];

fn with(index: usize, kind: &str, change: impl FnOnce(&mut Service)) -> Service {
    let mut service = sample(&format!("{kind}-{index}"));
    change(&mut service);
    service
}

fn value(text: &str) -> EnvValue {
    EnvValue::new(text).unwrap_or_else(|error| panic!("{error}"))
}

fn variable(name: &str) -> EnvName {
    EnvName::parse(name).unwrap_or_else(|error| panic!("{error}"))
}

/// All of them; programs lie in `bin`, which has an executable of each name of [`PARTS`].
pub(super) fn services(bin: &Path) -> Vec<Service> {
    let mut all = Vec::new();
    for (at, text) in TEXTS.iter().enumerate() {
        all.push(with(at, "arg", |s| s.exec = command("/bin/sleep", &["1", text, "last"])));
        all.push(with(at, "env", |s| drop(s.env.insert(variable("A"), value(text)))));
        all.push(with(at, "script", |s| s.exec = Exec::Script((*text).to_owned())));
        if let Ok(description) = Text::parse(text)
            && !description.as_str().trim().ends_with('\\')
            && !text.contains(['\u{feff}', '\u{2028}'])
        {
            all.push(with(at, "description", |s| s.description = Some(description)));
        }
    }
    for (at, part) in PARTS.iter().enumerate() {
        let path = abs(&format!("/srv/{part}/{part}"));
        all.push(with(at, "dir", |s| s.working_dir = path.clone()));
        all.push(with(at, "log", |s| s.logs = Logs { file: Some(path.clone()), ..Logs::default() }));
        all.push(with(at, "pid", |s| s.pid_file = Some(path.clone())));
        all.push(with(at, "file", |s| s.env_files = vec![EnvFile { path: path.clone(), optional: at % 2 == 0 }]));
        all.push(with(at, "origin", |s| s.origin = Origin::CommandLine { folder: path.clone() }));
        all.push(with(at, "program", |s| s.exec = command(&format!("{}/{part}", bin.display()), &["a b", ""])));
        all.push(with(at, "strict", |s| {
            s.sandbox = Sandbox::Strict;
            s.working_dir = path.clone();
            s.logs = Logs { file: Some(path.clone()), ..Logs::default() };
        }));
        if !part.contains(':') {
            all.push(with(at, "path", |s| s.path = SearchPath::Inherited(vec![abs("/bin"), path.clone()])));
        }
    }
    all.extend(bytes());
    all.extend(fields());
    all
}

/// Every byte that an argument can have, alone and at both ends.
fn bytes() -> impl Iterator<Item = Service> {
    (1_u8..0x80).map(|byte| {
        with(byte.into(), "byte", |s| {
            let c = char::from(byte);
            s.exec = command("/bin/sleep", &[&format!("{c}"), &format!("a{c}"), &format!("{c}a{c}")]);
            s.env.insert(variable("B"), value(&format!("{c}x{c}")));
        })
    })
}

/// Every field with a value of its own, and names that look like something else.
fn fields() -> Vec<Service> {
    let hostile = AsRef::<Path>::as_ref(OsStr::from_bytes(b"/m\nExecStart=/bin/false\r\xff\\/svc.toml"));
    let hostile = crate::service::AbsPath::new(hostile).unwrap_or_else(|error| panic!("{error}"));
    let mut all = vec![
        with(0, "field", |s| s.origin = Origin::Manifest { file: hostile }),
        with(1, "field", |s| s.ready = Ready::Notify),
        with(2, "field", |s| s.reload = Some(Reload::Signal(Signal::TERM))),
        with(3, "field", |s| s.reload = Some(Reload::Command(command("/bin/sleep", &["a\"b", "$MAINPID", "%n"])))),
        with(4, "field", |s| {
            let cpu = Some(Cpu { percent: 21_474_836 });
            s.limits = Limits { memory: Some(u64::MAX - 1), cpu, tasks: Some(u64::MAX - 1), files: Some(u64::MAX - 1) };
        }),
        with(5, "field", |s| {
            s.limits = Limits { memory: Some(1), cpu: Some(Cpu { percent: 1 }), tasks: Some(1), files: Some(1) };
        }),
        with(6, "field", |s| s.umask = Some(0o777)),
        with(7, "field", |s| s.nice = Some(19)),
        with(8, "field", |s| s.depends_on = vec![sample("field-7").name, sample("a.timer").name]),
        with(9, "field", |s| s.restart.policy = RestartPolicy::Never),
        with(10, "field", |s| {
            s.restart.policy = RestartPolicy::Always;
            s.restart.delay = Duration::ZERO;
        }),
        with(11, "field", |s| {
            s.restart.delay = Duration::from_micros(1);
            s.restart.max_delay = Duration::from_secs(u64::from(u32::MAX));
            s.restart.limit.within = Duration::from_secs(u64::from(u32::MAX));
            s.restart.limit.count = u32::MAX;
        }),
        with(12, "field", |s| s.stop.timeout = Duration::ZERO),
        with(13, "field", |s| s.start_timeout = Duration::from_micros(u64::MAX >> 1)),
        with(14, "field", |s| s.sandbox = Sandbox::Basic),
        with(15, "field", |s| s.schedule = Some(Schedule::Every(Duration::from_secs(1)))),
        with(16, "field", |s| s.schedule = Some(Schedule::Calendar("*-*-* 03:00".into()))),
        with(17, "field", |s| {
            s.schedule = Some(Schedule::Calendar("Mon..Fri *:0/5".into()));
            s.restart.policy = RestartPolicy::OnFailure;
        }),
        with(18, "field", |s| s.exec = command("/bin/sleep", &["x".repeat(131_071).as_str()])),
        with(19, "field", |s| drop(s.env.insert(variable("L"), value(&"\u{1}".repeat(131_069))))),
        with(20, "field", |s| {
            for (section, key, value) in [("Unit", "After", "basic.target"), ("Service", "CPUWeight", "50")] {
                s.systemd.add(section, key, value).unwrap_or_else(|error| panic!("{error}"));
            }
        }),
    ];
    for (at, signal) in nix::sys::signal::Signal::iterator().enumerate() {
        let signal = Signal::parse(signal.as_str()).unwrap_or_else(|error| panic!("{error}"));
        all.push(with(at, "signal", |s| {
            s.stop.signal = signal;
            s.reload = Some(Reload::Signal(signal));
        }));
    }
    for name in ["a.timer", "a.d", "a.service", "a@b", "a@b@c", "a_-.@x", "0", "dbus-x", &"n".repeat(200)] {
        let mut service = sample("x");
        service.name = Name::parse(name).unwrap_or_else(|error| panic!("{error}"));
        all.push(service);
    }
    all
}
