//! Every field of a definition, once: manifest, flags, `svc show`, `render --explain`, schema and
//! docs walk [`Field::ALL`]; each backend answers for each in a `match` without `_`.

macro_rules! fields {
    ($($variant:ident $key:literal $doc:literal;)*) => {
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

            /// What it means, in one line.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

fields! {
    Command "command" "Program and arguments; a string is split like a shell would, no shell is run";
    Script "script" "Text for `/bin/sh -eu`, instead of `command`";
    Instances "instances" "One service per entry, named NAME-ENTRY";
    Group "group" "Groups it belongs to, selected by `@GROUP`";
    Description "description" "One line for people";
    Env "env" "Variables of its environment";
    EnvFile "env_file" "Files of variables, read at each start, never copied";
    Path "path" "PATH: `inherit` (of the installing shell), `minimal` or a list of folders";
    WorkingDir "working_dir" "Folder it runs in";
    Start "start" "When it starts by itself: `login`, `boot` or `manual`";
    Restart "restart" "When it is restarted: `on-failure`, `always` or `never`";
    RestartDelay "restart_delay" "Time before the first restart";
    RestartMaxDelay "restart_max_delay" "The delay doubles from `restart_delay` to this";
    RestartLimit "restart_limit" "So many starts within this time, then it has failed";
    RestartReset "restart_reset" "A run this long starts delay and count afresh";
    StopSignal "stop_signal" "Signal that asks it to stop";
    StopTimeout "stop_timeout" "Time after which all of its processes get SIGKILL";
    Reload "reload" "Signal or command that makes it read its settings again";
    Ready "ready" "When it counts as started: `exec`, `notify`, `{ tcp }`, `{ http }` or `{ log }`";
    StartTimeout "start_timeout" "Time until it must be ready";
    DependsOn "depends_on" "Services that are started before it and stopped after it";
    WaitFor "wait_for" "`network`, or paths that must exist before it starts";
    OnFailure "on_failure" "What happens when it has failed for good";
    Health "health" "How its health is checked";
    Logs "logs" "Where its output goes";
    PidFile "pid_file" "A PID file for programs that want one";
    Limits "limits" "Memory, CPU, tasks and open files it may use";
    Sandbox "sandbox" "How much of the system it can't reach: `none`, `basic` or `strict`";
    Nice "nice" "Scheduling priority, -20 to 19";
    Umask "umask" "File mode creation mask, octal";
    User "user" "Account it runs as (system scope only)";
    Every "every" "Runs again and again, so long after the last start";
    Schedule "schedule" "Runs at these times (calendar expression)";
    Update "update" "Follows a git branch: fetch, build, restart, roll back";
    Systemd "systemd" "Lines for the unit file as they are, by section";
    Launchd "launchd" "Keys for the property list as they are";
    Label "label" "launchd's name for it";
}

impl Field {
    /// The flag without its dashes, e.g. `working-dir`.
    pub fn flag(self) -> String {
        self.key().replace('_', "-")
    }

    /// The field of this key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.key() == key)
    }
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
