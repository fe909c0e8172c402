//! Every field of a definition, once: manifest, flags, `svc show`, `render --explain`, `svc schema`
//! and docs/manifest.md walk [`Field::ALL`]; each backend answers for each in a `match` without `_`.

use super::shape::{Shape, keys, words};
use super::{RestartPolicy, Sandbox, Start};

macro_rules! fields {
    ($($variant:ident $key:literal $shape:expr, $doc:literal, $default:literal, $example:literal;)*) => {
        /// A key of a service in the manifest; its flag is the same word with dashes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field { $(#[doc = $doc] $variant,)* }

        impl Field {
            /// Every field, in the order of DESIGN §4.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The key in a manifest, e.g. `working_dir`.
            pub fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }

            /// What values it takes.
            pub fn shape(self) -> Shape {
                match self { $(Self::$variant => $shape,)* }
            }

            /// What it means, in one line.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }

            /// What holds without it: a value as TOML, or words that are no TOML.
            pub fn default_text(self) -> &'static str {
                match self { $(Self::$variant => $default,)* }
            }

            /// Lines of a manifest, each a setting of its own.
            pub fn example(self) -> &'static str {
                match self { $(Self::$variant => $example,)* }
            }
        }
    };
}

fields! {
    Command "command" Shape::Command,
        "Program and arguments; a string is split like a shell would, no shell is run",
        "none: `command` or `script` must be there",
        r#"command = ["node", "server.js", "--port", "3000"]
command = "node server.js --port 3000""#;
    Script "script" Shape::Text,
        "Text for `/bin/sh -eu`, instead of `command`; `$0` is the name of the service",
        "none",
        r#"script = "while :; do ./sync; sleep 60; done""#;
    Instances "instances" Shape::Instances,
        "One service per entry, named NAME-ENTRY; `{instance}` is the entry",
        "none: one service",
        r#"instances = ["planner", "builder"]"#;
    Group "group" Shape::List,
        "Groups it belongs to, selected by `@GROUP`",
        "none",
        r#"group = ["agents"]"#;
    Description "description" Shape::Text,
        "One line for people, without control characters",
        "`NAME (svc)`",
        r#"description = "the site""#;
    Env "env" Shape::Variables,
        "Variables of its environment; numbers and booleans become text",
        "none",
        r#"env = { NODE_ENV = "production", PORT = 3000 }"#;
    EnvFile "env_file" Shape::List,
        "Files of `K=V` lines, read at each start, never copied; `-` at the front: may be missing",
        "none",
        r#"env_file = [".env", "-.env.local"]"#;
    Path "path" Shape::List,
        "PATH: `inherit` (of the installing shell), `minimal` (the manager's own) or a list of folders",
        r#""inherit""#,
        r#"path = ["node_modules/.bin", "/usr/bin", "/bin"]
path = "minimal""#;
    WorkingDir "working_dir" Shape::Path,
        "Folder it runs in; it must exist",
        "the folder of the manifest, or of the shell",
        r#"working_dir = "server""#;
    Start "start" Shape::Words(|| words(&Start::ALL, Start::word)),
        "When it starts by itself: `login`, `boot` or `manual`",
        r#""login""#,
        r#"start = "boot""#;
    Restart "restart" Shape::Words(|| words(&RestartPolicy::ALL, RestartPolicy::word)),
        "When it is restarted: `on-failure`, `always` or `never`",
        r#""on-failure""#,
        r#"restart = "always""#;
    RestartDelay "restart_delay" Shape::Duration,
        "Time before the first restart",
        r#""1s""#,
        r#"restart_delay = "500ms""#;
    RestartMaxDelay "restart_max_delay" Shape::Duration,
        "The delay doubles from `restart_delay` to this",
        r#""1m""#,
        r#"restart_max_delay = "5m""#;
    RestartLimit "restart_limit" Shape::Table(keys::RESTART_LIMIT),
        "So many starts within this time, then it has failed",
        r#"{ count = 5, within = "10m" }"#,
        r#"restart_limit = { count = 3, within = "1m" }"#;
    RestartReset "restart_reset" Shape::Span,
        "A run this long starts delay and count afresh",
        r#""1m""#,
        r#"restart_reset = "5m""#;
    StopSignal "stop_signal" Shape::Signal,
        "Signal that asks it to stop, with or without `SIG`",
        r#""SIGTERM""#,
        r#"stop_signal = "SIGINT""#;
    StopTimeout "stop_timeout" Shape::Span,
        "Time after which all of its processes get SIGKILL",
        r#""10s""#,
        r#"stop_timeout = "30s""#;
    Reload "reload" Shape::Command,
        "Signal or command that makes it read its settings again: `svc reload`",
        "none: `svc reload` fails",
        r#"reload = "SIGHUP"
reload = ["/usr/sbin/nginx", "-s", "reload"]"#;
    Ready "ready" Shape::WordOrOneOf(&["exec", "notify"], keys::READY),
        "When it counts as started: `exec`, `notify`, `{ tcp }`, `{ http }` or `{ log }`",
        r#""exec""#,
        r#"ready = "notify"
ready = { tcp = "127.0.0.1:3000" }"#;
    StartTimeout "start_timeout" Shape::Span,
        "Time until it must be ready, else it has failed",
        r#""30s""#,
        r#"start_timeout = "2m""#;
    DependsOn "depends_on" Shape::List,
        "Services that are started before it and stopped after it",
        "none",
        r#"depends_on = ["db"]"#;
    WaitFor "wait_for" Shape::List,
        "`network`, or paths that must exist before it starts",
        "none",
        r#"wait_for = ["network"]"#;
    OnFailure "on_failure" Shape::Table(keys::ON_FAILURE),
        "What happens when it has failed for good",
        "nothing",
        r#"on_failure = { command = ["notify-me", "{name}"] }"#;
    Health "health" Shape::Table(keys::HEALTH),
        "How its health is checked: `http`, `tcp` or `command`",
        "none: not at all",
        r#"health = { http = "http://127.0.0.1:3000/health", interval = "30s" }"#;
    Logs "logs" Shape::Table(keys::LOGS),
        "Where its output goes",
        "the platform's own place: the journal, or a file in svc's state folder",
        r#"logs = { file = "log/{name}.log" }"#;
    PidFile "pid_file" Shape::Path,
        "A PID file for programs that want one; gone when it stops or crashes",
        "none",
        r#"pid_file = "run/{name}.pid""#;
    Limits "limits" Shape::Table(keys::LIMITS),
        "Memory, CPU, tasks and open files it may use",
        "none",
        r#"limits = { memory = "512M", cpu = "50%", tasks = 64, files = 4096 }"#;
    Sandbox "sandbox" Shape::Words(|| words(&Sandbox::ALL, Sandbox::word)),
        "How much of the system it can't reach: `none`, `basic` or `strict`",
        r#""none""#,
        r#"sandbox = "strict""#;
    Nice "nice" Shape::Integer(-20, 19),
        "Scheduling priority, -20 (first) to 19 (last)",
        "the manager's",
        "nice = 5";
    Umask "umask" Shape::Mask,
        "File mode creation mask",
        "the manager's",
        r#"umask = "027""#;
    User "user" Shape::Text,
        "Account it runs as (system scope only)",
        "root in system scope",
        r#"user = "www""#;
    Every "every" Shape::Span,
        "Runs again and again, so long after the last start; at least a second",
        "none: it runs always",
        r#"every = "5m""#;
    Schedule "schedule" Shape::Text,
        "Runs at these times: a calendar expression of systemd.time(7)",
        "none: it runs always",
        r#"schedule = "*-*-* 03:00"
schedule = "Mon..Fri 09:00""#;
    Update "update" Shape::Table(keys::UPDATE),
        "Follows a git branch: fetch, build, restart, roll back",
        "none",
        r#"update = { branch = "main", interval = "5m", build = ["npm", "run", "build"] }"#;
    Systemd "systemd" Shape::Sections,
        "Lines for the unit file as they are, by section",
        "none",
        r#"systemd = { Service = { CPUWeight = 50 }, Unit = { Documentation = "man:nginx(8)" } }"#;
    Launchd "launchd" Shape::Anything,
        "Keys for the property list as they are",
        "none",
        r#"launchd = { ProcessType = "Background" }"#;
    Label "label" Shape::Text,
        "launchd's name for it, and that of its property list",
        "`svc.NAME`",
        r#"label = "com.example.web""#;
}

impl Field {
    /// The flag without its dashes, e.g. `working-dir`.
    pub fn flag(self) -> String {
        self.key().replace('_', "-")
    }

    /// The keys of its table, if it takes one.
    pub fn keys(self) -> &'static [super::shape::Key] {
        match self.shape() {
            Shape::Table(keys) | Shape::WordOrOneOf(_, keys) => keys,
            _ => &[],
        }
    }

    /// What holds without it, where that is a value.
    pub fn default_value(self) -> Option<toml::Value> {
        toml_value(self.default_text())
    }

    /// The field of this key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.key() == key)
    }
}

/// Text of the table as a value, if it is one.
pub(super) fn toml_value(text: &str) -> Option<toml::Value> {
    format!("value = {text}").parse::<toml::Table>().ok()?.remove("value")
}

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet(u64);

impl FieldSet {
    /// Adds one.
    pub fn insert(&mut self, field: Field) {
        self.0 |= 1 << field as u8;
    }

    /// Whether `field` is in it.
    pub fn contains(self, field: Field) -> bool {
        self.0 & (1 << field as u8) != 0
    }

    /// Those in it, in order.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |field| self.contains(*field))
    }
}
