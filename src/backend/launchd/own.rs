//! `launchd = {…}`: keys that a person wrote for the property list, held against the table of
//! [`super::keys`]: launchd would pass over what it does not know and run the service without it.

use super::fragment::Fragment;
use super::keys;
use super::xml::Str;
use plist::{Dictionary, Value};

/// One key of a person's own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Own {
    pub(super) key: Str,
    pub(super) value: Fragment,
}

/// Why a key can't be had: where, the reason, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// `launchd.Nice`
    pub(super) key: String,
    pub(super) reason: String,
    pub(super) hint: Option<String>,
}

/// Keys that svc writes, and the field that says what is in them.
const OF_FIELDS: &[(&str, &str)] = &[
    ("AbandonProcessGroup", ""),
    ("BundleProgram", "command"),
    ("Disabled", "start"),
    ("EnvironmentVariables", "env"),
    ("ExitTimeOut", "stop_timeout"),
    ("KeepAlive", "restart"),
    ("Label", "label"),
    ("LaunchOnlyOnce", "restart"),
    ("Nice", "nice"),
    ("Program", "command"),
    ("ProgramArguments", "command"),
    ("RunAtLoad", "start"),
    ("StandardErrorPath", "logs"),
    ("StandardOutPath", "logs"),
    ("StartCalendarInterval", "schedule"),
    ("StartInterval", "every"),
    ("ThrottleInterval", "restart_delay"),
    ("Umask", "umask"),
    ("UserName", "user"),
    ("WorkingDirectory", "working_dir"),
];

/// Whether svc writes this key itself.
pub(super) fn is_of_a_field(key: &str) -> bool {
    OF_FIELDS.iter().any(|(own, _)| *own == key)
}

/// Keys that hand the process something which is not its child's.
const NOT_BEHIND_THE_SHIM: &[&str] = &["MachServices", "RootDirectory", "Sockets", "inetdCompatibility"];
/// Keys that launchd obeys for daemons only.
const OF_THE_MACHINE: &[&str] = &["GroupName", "InitGroups", "RootDirectory"];

/// What else decides whether a key may be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    /// A daemon of the machine.
    pub(super) system: bool,
    /// svc is the parent of the program.
    pub(super) shim: bool,
    /// `limits` of the definition are in the file.
    pub(super) limits: bool,
}

/// All keys of a table; or what is wrong with them.
pub(super) fn keys(table: &toml::Table, around: Around) -> Result<Vec<Own>, Vec<Refused>> {
    let (mut all, mut refused) = (Vec::new(), Vec::new());
    for (key, value) in table {
        match own(key, value, around) {
            Ok(own) => all.push(own),
            Err(one) => refused.push(one),
        }
    }
    if refused.is_empty() { Ok(all) } else { Err(refused) }
}

fn own(key: &str, value: &toml::Value, around: Around) -> Result<Own, Refused> {
    let refused = |path: &str, reason: String, hint: Option<String>| Refused {
        key: format!("launchd.{key}{path}"),
        reason,
        hint,
    };
    if let Some((_, field)) = OF_FIELDS.iter().find(|(known, _)| *known == key) {
        return Err(if field.is_empty() {
            refused("", "is never set: a stop ends all processes of a service".into(), None)
        } else {
            refused("", "is written by svc itself".into(), Some(format!("`{field}` says what is in it")))
        });
    }
    if around.limits && matches!(key, "SoftResourceLimits" | "HardResourceLimits") {
        let hint = "`limits` says what is in it; or leave that out and write all limits here".to_owned();
        return Err(refused("", "is written by svc itself".into(), Some(hint)));
    }
    if !around.system && OF_THE_MACHINE.contains(&key) {
        let reason = "can be had in system scope only: launchd ignores it in a user's agent";
        return Err(refused("", reason.into(), Some("`--system`, as root".into())));
    }
    if around.shim && NOT_BEHIND_THE_SHIM.contains(&key) {
        let reason = "does not reach a program that svc's shim runs: launchd gives it to the process it starts itself";
        let hint = "leave out the fields that need the shim: `svc render --explain` names them";
        return Err(refused("", reason.into(), Some(hint.into())));
    }
    let Some(kinds) = keys::of(key) else {
        if let Some((_, why)) = keys::DEAD.iter().find(|(dead, _)| *dead == key) {
            return Err(refused("", (*why).into(), None));
        }
        let near = crate::definition::suggest::did_you_mean(key, keys::KEYS.iter().map(|(known, _)| *known));
        let reason = "is not a key of launchd.plist(5), and launchd would pass over it";
        return Err(refused("", reason.into(), near));
    };
    let value = plain(value).map_err(|(path, reason)| refused(&path, reason, None))?;
    keys::check(&value, kinds).map_err(|(path, reason)| refused(&path, reason, None))?;
    let key = Str::new(key).map_err(|reason| refused("", reason, None))?;
    let value = Fragment::new(value).map_err(|reason| refused("", reason, None))?;
    Ok(Own { key, value })
}

/// As a property list has it; the error is where inside of it, and the reason.
fn plain(value: &toml::Value) -> Result<Value, (String, String)> {
    let here = |reason: &str| Err((String::new(), reason.to_owned()));
    let inside = |key: &str, (path, reason): (String, String)| (format!(".{key}{path}"), reason);
    Ok(match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::Integer((*number).into()),
        toml::Value::Boolean(flag) => Value::Boolean(*flag),
        toml::Value::Float(_) => return here("is no whole number, and launchd takes no other"),
        toml::Value::Datetime(_) => return here("is a date, and launchd takes none"),
        toml::Value::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(at, item)| plain(item).map_err(|error| inside(&at.to_string(), error)))
                .collect::<Result<_, _>>()?,
        ),
        toml::Value::Table(table) => {
            let mut map = Dictionary::new();
            for (key, value) in table {
                map.insert(key.clone(), plain(value).map_err(|error| inside(key, error))?);
            }
            Value::Dictionary(map)
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const AGENT: Around = Around { system: false, shim: false, limits: false };

    fn wrong(text: &str, around: Around) -> Vec<String> {
        let all = keys(&text.parse().unwrap(), around).unwrap_err();
        all.into_iter().map(|one| format!("{} {}; {}", one.key, one.reason, one.hint.unwrap_or_default())).collect()
    }

    #[test]
    fn keys_of_launchd_pass_through_as_they_are() {
        let table = "ProcessType = \"Background\"\nWatchPaths = [\"/a&b\"]\nLowPriorityIO = true\n\
                     HardResourceLimits = { Core = 0 }\nSockets = { l = { SockServiceName = \"http\" } }\n";
        let all = keys(&table.parse().unwrap(), AGENT).unwrap();
        let shown: Vec<String> = all.iter().map(|own| format!("{}: {}", own.key, own.value)).collect();
        assert_eq!(shown[0], "ProcessType: <string>Background</string>");
        assert_eq!(shown[1], "WatchPaths: <array>\n\t\t<string>/a&amp;b</string>\n\t</array>");
        assert_eq!(shown[2], "LowPriorityIO: <true/>");
        assert_eq!(shown[3], "HardResourceLimits: <dict>\n\t\t<key>Core</key>\n\t\t<integer>0</integer>\n\t</dict>");
        assert!(shown[4].contains("\t\t<key>l</key>\n\t\t<dict>\n\t\t\t<key>SockServiceName</key>"), "{}", shown[4]);
    }

    #[test]
    fn what_launchd_would_pass_over_is_refused() {
        assert_eq!(
            wrong(
                "ProcesType = \"Background\"\nNice = 5\nOnDemand = true\nStartOnMount = 1\nStandardInPath = 0.5",
                AGENT
            ),
            [
                "launchd.ProcesType is not a key of launchd.plist(5), and launchd would pass over it; did you mean \
                 `ProcessType`?",
                "launchd.Nice is written by svc itself; `nice` says what is in it",
                "launchd.OnDemand launchd obeys it no more; `restart` says it; ",
                "launchd.StartOnMount is not true or false; ",
                "launchd.StandardInPath is no whole number, and launchd takes no other; ",
            ]
        );
        assert!(wrong("GroupName = \"www\"", AGENT)[0].contains("system scope"));
        assert!(keys(&"GroupName = \"www\"".parse().unwrap(), Around { system: true, ..AGENT }).is_ok());
        assert!(wrong("Sockets = {}", Around { shim: true, ..AGENT })[0].contains("shim"));
        assert!(wrong("SoftResourceLimits = {}", Around { limits: true, ..AGENT })[0].contains("`limits`"));
        assert!(wrong("StandardInPath = \"\\u0001\"", AGENT)[0].contains("U+0001"));
        assert!(wrong("AbandonProcessGroup = true", AGENT)[0].contains("never"));
    }

    #[test]
    fn every_key_of_a_field_is_one_of_launchds() {
        assert!(OF_FIELDS.iter().all(|(key, _)| keys::of(key).is_some()));
        let known = |field: &str| field.is_empty() || crate::service::Field::from_key(field).is_some();
        assert!(OF_FIELDS.iter().all(|(_, field)| known(field)));
    }
}
