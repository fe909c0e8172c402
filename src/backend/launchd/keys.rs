//! The keys of launchd.plist(5) with their types: what svc writes and what a person passes through is
//! held against this table.
//!
//! launchd looks at the type of a value first: a string where a number belongs is logged as unknown and
//! dropped, so is a key it does not know, and the service runs without it. Keys that no launchd of today
//! obeys are not in the table; [`DEAD`] says why.

use plist::Value;

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Flag,
    /// From, to.
    Number(i64, i64),
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    List(&'static [Kind]),
    /// Any keys, values of these kinds.
    Map(&'static [Kind]),
    /// These keys only.
    Table(&'static [(&'static str, &'static [Kind])]),
    /// Not looked into.
    Any,
}

use Kind::{Any, Choice, Flag, List, Map, Number, Table, Text};

const FLAG: &[Kind] = &[Flag];
const TEXT: &[Kind] = &[Text];
const TEXTS: &[Kind] = &[List(TEXT)];
/// What fits launchd's own counters.
const SECONDS: Kind = Number(0, i32::MAX as i64);
const LIMIT: &[Kind] = &[Number(0, i64::MAX)];

const LIMITS: &[(&str, &[Kind])] = &[
    ("Core", LIMIT),
    ("CPU", LIMIT),
    ("Data", LIMIT),
    ("FileSize", LIMIT),
    ("MemoryLock", LIMIT),
    ("NumberOfFiles", LIMIT),
    ("NumberOfProcesses", LIMIT),
    ("ResidentSetSize", LIMIT),
    ("Stack", LIMIT),
];

const CALENDAR: &[(&str, &[Kind])] = &[
    ("Minute", &[Number(0, 59)]),
    ("Hour", &[Number(0, 23)]),
    ("Day", &[Number(1, 31)]),
    ("Weekday", &[Number(0, 7)]),
    ("Month", &[Number(1, 12)]),
];

const SOCKET: &[(&str, &[Kind])] = &[
    ("SockType", &[Choice(&["stream", "dgram", "seqpacket"])]),
    ("SockPassive", FLAG),
    ("SockNodeName", TEXT),
    ("SockServiceName", &[Text, Number(0, 65_535)]),
    ("SockFamily", &[Choice(&["IPv4", "IPv6", "IPv4v6", "Unix"])]),
    ("SockProtocol", &[Choice(&["TCP", "UDP"])]),
    ("SockPathName", TEXT),
    ("SecureSocketWithKey", TEXT),
    ("SockPathOwner", &[Number(0, u32::MAX as i64)]),
    ("SockPathGroup", &[Number(0, u32::MAX as i64)]),
    ("SockPathMode", &[Number(0, 0o7777)]),
    ("Bonjour", &[Flag, Text, List(TEXT)]),
    ("MulticastGroup", TEXT),
];

const MACH: &[(&str, &[Kind])] = &[("ResetAtClose", FLAG), ("HideUntilCheckIn", FLAG)];

const SESSIONS: &[Kind] = &[Choice(&["Aqua", "Background", "LoginWindow", "StandardIO", "System"])];

/// Every key that launchd obeys, sorted.
pub(super) const KEYS: &[(&str, &[Kind])] = &[
    ("AbandonProcessGroup", FLAG),
    ("AssociatedBundleIdentifiers", &[Text, List(TEXT)]),
    ("BundleProgram", TEXT),
    ("Disabled", FLAG),
    ("EnablePressuredExit", FLAG),
    ("EnableTransactions", FLAG),
    ("EnvironmentVariables", &[Map(TEXT)]),
    ("ExitTimeOut", &[SECONDS]),
    ("GroupName", TEXT),
    ("HardResourceLimits", &[Table(LIMITS)]),
    ("InitGroups", FLAG),
    (
        "KeepAlive",
        &[
            Flag,
            Table(&[
                ("AfterInitialDemand", FLAG),
                ("Crashed", FLAG),
                ("OtherJobEnabled", &[Map(FLAG)]),
                ("PathState", &[Map(FLAG)]),
                ("SuccessfulExit", FLAG),
            ]),
        ],
    ),
    ("Label", TEXT),
    ("LaunchEvents", &[Map(&[Map(&[Any])])]),
    ("LaunchOnlyOnce", FLAG),
    ("LegacyTimers", FLAG),
    ("LimitLoadFromHardware", &[Map(&[List(TEXT)])]),
    ("LimitLoadToHardware", &[Map(&[List(TEXT)])]),
    (
        "LimitLoadToSessionType",
        &[Choice(&["Aqua", "Background", "LoginWindow", "StandardIO", "System"]), List(SESSIONS)],
    ),
    ("LowPriorityBackgroundIO", FLAG),
    ("LowPriorityIO", FLAG),
    ("MachServices", &[Map(&[Flag, Table(MACH)])]),
    ("MaterializeDatalessFiles", FLAG),
    ("Nice", &[Number(-20, 20)]),
    ("ProcessType", &[Choice(&["Background", "Standard", "Adaptive", "Interactive"])]),
    ("Program", TEXT),
    ("ProgramArguments", TEXTS),
    ("QueueDirectories", TEXTS),
    ("RootDirectory", TEXT),
    ("RunAtLoad", FLAG),
    ("SessionCreate", FLAG),
    ("Sockets", &[Map(&[Table(SOCKET), List(&[Table(SOCKET)])])]),
    ("SoftResourceLimits", &[Table(LIMITS)]),
    ("StandardErrorPath", TEXT),
    ("StandardInPath", TEXT),
    ("StandardOutPath", TEXT),
    ("StartCalendarInterval", &[Table(CALENDAR), List(&[Table(CALENDAR)])]),
    ("StartInterval", &[Number(1, i32::MAX as i64)]),
    ("StartOnMount", FLAG),
    ("ThrottleInterval", &[Number(1, i32::MAX as i64)]),
    ("Umask", &[Number(0, 0o777), Text]),
    ("UserName", TEXT),
    ("WaitForDebugger", FLAG),
    ("WatchPaths", TEXTS),
    ("WorkingDirectory", TEXT),
    ("inetdCompatibility", &[Table(&[("Wait", FLAG), ("Instances", &[Number(1, 1000)])])]),
];

/// Keys that launchd.plist(5) knew once, and why they are of no use.
pub(super) const DEAD: &[(&str, &str)] = &[
    ("Debug", "launchd obeys it no more; `log show` has what it says"),
    ("EnableGlobbing", "launchd obeys it no more; `script` has a shell"),
    ("HopefullyExitsFirst", "launchd obeys it no more"),
    ("HopefullyExitsLast", "launchd obeys it no more"),
    ("LimitLoadFromHosts", "launchd obeys it no more"),
    ("LimitLoadToHosts", "launchd obeys it no more"),
    ("OnDemand", "launchd obeys it no more; `restart` says it"),
    ("ServiceIPC", "launchd obeys it no more"),
    ("TimeOut", "launchd obeys it no more"),
];

/// The kinds of a key.
pub(super) fn of(key: &str) -> Option<&'static [Kind]> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, kinds)| *kinds)
}

/// Whether a value is of one of these kinds; the error is where inside of it, and the reason.
pub(super) fn check(value: &Value, kinds: &[Kind]) -> Result<(), (String, String)> {
    // of several kinds the one of its own shape says best what is wrong inside
    let mut wrong = None;
    for kind in kinds {
        match check_one(value, *kind) {
            Ok(()) => return Ok(()),
            Err(reason) if wrong.is_none() || !reason.0.is_empty() => wrong = Some(reason),
            Err(_) => {}
        }
    }
    let alone = wrong.filter(|(path, _)| kinds.len() == 1 || !path.is_empty());
    Err(alone.unwrap_or_else(|| {
        let all: Vec<String> = kinds.iter().map(|kind| kind.word()).collect();
        (String::new(), format!("is not {}", all.join(" or ")))
    }))
}

fn check_one(value: &Value, kind: Kind) -> Result<(), (String, String)> {
    let inside = |key: &str, (path, reason): (String, String)| (format!(".{key}{path}"), reason);
    let fits = match (kind, value) {
        (Any, _) | (Flag, Value::Boolean(_)) | (Text, Value::String(_)) => true,
        (Number(least, most), Value::Integer(number)) => {
            number.as_signed().is_some_and(|number| (least..=most).contains(&number))
        }
        (Choice(words), Value::String(word)) => words.contains(&word.as_str()),
        (List(kinds), Value::Array(items)) => {
            return items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| check(item, kinds).map_err(|error| inside(&at.to_string(), error)));
        }
        (Map(kinds), Value::Dictionary(map)) => {
            return map.iter().try_for_each(|(key, value)| check(value, kinds).map_err(|error| inside(key, error)));
        }
        (Table(keys), Value::Dictionary(map)) => {
            return map.iter().try_for_each(|(key, value)| {
                let Some((_, kinds)) = keys.iter().find(|(known, _)| known == key) else {
                    let known = crate::definition::suggest::did_you_mean(key, keys.iter().map(|(known, _)| *known));
                    let known = known.unwrap_or_else(|| {
                        format!("it is one of {}", keys.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", "))
                    });
                    return Err(inside(key, (String::new(), format!("is not known to launchd: {known}"))));
                };
                check(value, kinds).map_err(|error| inside(key, error))
            });
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err((String::new(), format!("is not {}", kind.word()))) }
}

impl Kind {
    /// For people.
    fn word(self) -> String {
        match self {
            Flag => "true or false".into(),
            Number(least, i64::MAX) => format!("a whole number from {least}"),
            Number(least, most) => format!("a whole number from {least} to {most}"),
            Text => "a string".into(),
            Choice(words) => format!("one of {}", words.join(", ")),
            List(_) => "a list".into(),
            Map(_) | Table(_) => "a table".into(),
            Any => "anything".into(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_twice_in_the_table_or_dead() {
        assert!(KEYS.iter().zip(&KEYS[1..]).all(|((a, _), (b, _))| a < b));
        assert!(DEAD.iter().all(|(key, _)| of(key).is_none()));
    }

    #[test]
    fn types_are_launchds() {
        let wrong = |key: &str, value: Value| check(&value, of(key).unwrap()).unwrap_err();
        assert!(check(&Value::Boolean(true), of("KeepAlive").unwrap()).is_ok());
        assert_eq!(wrong("KeepAlive", 1.into()).1, "is not true or false or a table");
        assert_eq!(wrong("Nice", 21.into()).1, "is not a whole number from -20 to 20");
        assert_eq!(wrong("Nice", Value::String("5".into())).1, "is not a whole number from -20 to 20");
        assert_eq!(wrong("ThrottleInterval", 0.into()).1, "is not a whole number from 1 to 2147483647");
        assert_eq!(
            wrong("ProcessType", Value::String("background".into())).1,
            "is not one of Background, Standard, Adaptive, Interactive"
        );
        let list = Value::Array(vec![Value::String("a".into()), 1.into()]);
        assert_eq!(wrong("WatchPaths", list), (".1".into(), "is not a string".into()));
        let map = |key: &str, value: Value| Value::Dictionary([(key.to_owned(), value)].into_iter().collect());
        assert_eq!(
            wrong("HardResourceLimits", map("NumberOfFile", 1.into())),
            (".NumberOfFile".into(), "is not known to launchd: did you mean `NumberOfFiles`?".into())
        );
        assert_eq!(
            wrong("Sockets", map("a", map("SockType", Value::String("x".into())))),
            (".a.SockType".into(), "is not one of stream, dgram, seqpacket".into())
        );
    }
}
