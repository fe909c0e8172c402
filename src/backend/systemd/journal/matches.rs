//! Which entries of the journal belong to a service, as exact field matches
//! (systemd.journal-fields(7)), never as `journalctl -u`, which takes patterns.
//!
//! An entry belongs to a service when
//! 1. its program wrote it (`_SYSTEMD_USER_UNIT=`, journald's own finding), or
//! 2. the manager, or its child before it became the program, wrote it about the service
//!    (`USER_UNIT=`, believed from the same account, system scope: from root), or
//! 3. svc's helper wrote it in a unit beside the service's (`NAME:health.service`), whose stream has the
//!    same `SyslogIdentifier=`, or
//! 4. journald could not find out the unit, because the process was gone by then, and the stream
//!    has the service's `SyslogIdentifier=`. That happens to a third of the lines of a program that
//!    ends at once (systemd 252, tried), and such lines are the ones that say why it failed, or
//! 5. journald says how many of its lines it dropped (`_TRANSPORT=driver`, `OBJECT_SYSTEMD_USER_UNIT=`).

use super::entry::Entry;
use super::files::Term;
use crate::backend::Scope;
use crate::report::LogLine;
use crate::service::Name;
use std::collections::HashMap;
use std::path::PathBuf;

/// What journald itself says of others.
const DRIVER: &str = "_TRANSPORT=driver";

/// The matches of some services, and whose line an entry is.
pub(super) struct Matches {
    scope: Scope,
    terms: Vec<String>,
    /// One of these at least is in each entry that matches.
    index: Vec<Term>,
    /// By unit.
    services: HashMap<String, Name>,
}

impl Matches {
    pub(super) fn new<'a>(scope: Scope, names: impl Iterator<Item = &'a Name>) -> Self {
        let mut matches = Self { scope, terms: Vec::new(), index: Vec::new(), services: HashMap::new() };
        names.for_each(|name| matches.add(name));
        matches
    }

    /// One service more.
    pub(super) fn add(&mut self, name: &Name) {
        let uid = account(self.scope);
        let Self { scope, terms, index, services } = self;
        for unit in [format!("{name}.service"), format!("{name}.timer")] {
            let (own, about, object) = match scope {
                Scope::User => ("_SYSTEMD_USER_UNIT", "USER_UNIT", "OBJECT_SYSTEMD_USER_UNIT"),
                Scope::System => ("_SYSTEMD_UNIT", "UNIT", "OBJECT_SYSTEMD_UNIT"),
            };
            let written = Some(format!("{own}={unit}"));
            let account = Some(uid.clone());
            match scope {
                Scope::User => add(terms, written.into_iter().chain(account.clone())),
                Scope::System => add(terms, written),
            }
            add(terms, Some(format!("{about}={unit}")).into_iter().chain(account));
            index.extend([(own, unit.clone()), (about, unit.clone())]);
            if unit.ends_with(".service") {
                let of_account = (*scope == Scope::User).then(|| format!("OBJECT{uid}"));
                add(terms, [DRIVER.to_owned(), format!("{object}={unit}")].into_iter().chain(of_account));
                index.push((object, unit.clone()));
            }
            services.insert(unit, name.clone());
        }
        let mut stream = vec!["_TRANSPORT=stdout".to_owned(), format!("SYSLOG_IDENTIFIER={name}")];
        if *scope == Scope::User {
            stream.push(uid);
        }
        add(terms, stream);
        index.push(("SYSLOG_IDENTIFIER", name.to_string()));
    }

    /// What finds every entry that could be of a service, of whichever.
    pub(super) fn all(scope: Scope) -> Vec<String> {
        let mut terms = Vec::new();
        // in the machine's scope what a program of another account writes counts too
        if scope == Scope::User {
            add(&mut terms, [account(scope)]);
            add(&mut terms, [DRIVER.to_owned(), format!("OBJECT{}", account(scope))]);
        }
        terms
    }

    /// Arguments of journalctl.
    pub(super) fn terms(&self) -> &[String] {
        &self.terms
    }

    /// What finds all entries that match, and some that [`Matches::holds`] does not let through.
    pub(super) fn index(&self) -> &[Term] {
        &self.index
    }

    /// Whether an entry that [`Matches::index`] found matches, as [`Matches::terms`] has it.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        let known = |unit: Option<String>| unit.is_some_and(|unit| self.services.contains_key(&unit));
        let mine = entry.uid().is_some_and(|uid| account(self.scope) == format!("_UID={uid}"));
        let stream = entry.transport().as_deref() == Some("stdout")
            && known(entry.identifier().map(|identifier| identifier + ".service"));
        let object = match self.scope {
            Scope::User if entry.object_uid().is_some_and(|uid| account(self.scope) == format!("_UID={uid}")) => {
                entry.object_user_unit()
            }
            Scope::User => None,
            Scope::System => entry.object_unit(),
        };
        if entry.transport().as_deref() == Some("driver") && known(object) {
            return true;
        }
        match self.scope {
            Scope::User => mine && (known(entry.user_unit()) || known(entry.about_user_unit()) || stream),
            Scope::System => known(entry.unit()) || (mine && known(entry.about_unit())) || stream,
        }
    }

    /// The lines of an entry, none if it is of no service.
    pub(super) fn lines(&self, entry: Entry) -> impl Iterator<Item = LogLine> + use<> {
        let found = self.service(&entry);
        let (time, pid) = (entry.time(), entry.pid());
        found.into_iter().flat_map(move |(service, stream)| {
            entry.message().into_iter().map(move |message| LogLine {
                service: service.clone(),
                time,
                pid,
                stream,
                message,
            })
        })
    }

    fn service(&self, entry: &Entry) -> Option<(Name, &'static str)> {
        let known = |unit: Option<String>| self.services.get(&unit?).cloned();
        let (own, about) = match self.scope {
            Scope::User => (entry.user_unit(), entry.about_user_unit()),
            Scope::System => (entry.unit(), entry.about_unit()),
        };
        let object = match self.scope {
            Scope::User => entry.object_user_unit(),
            Scope::System => entry.object_unit(),
        };
        if let Some(name) = known(about).or_else(|| known(object)) {
            return Some((name, "manager"));
        }
        // 4 counts only where journald found no unit at all
        let nowhere = entry.user_unit().is_none() && entry.unit().is_none();
        let identifier = entry.identifier().filter(|_| nowhere).map(|identifier| identifier + ".service");
        // svc's own words, in a unit beside that of the service (`NAME:health.service`)
        let beside = own.as_ref().and_then(|unit| Some(format!("{}.service", unit.split_once(':')?.0)));
        if let Some(name) = known(beside) {
            return Some((name, "manager"));
        }
        known(own).or_else(|| known(identifier)).map(|name| (name, "out"))
    }
}

/// What the manager of `scope` said of a service.
pub(super) fn of_service(scope: Scope, name: &Name) -> Vec<String> {
    let field = match scope {
        Scope::User => "USER_UNIT",
        Scope::System => "UNIT",
    };
    vec![format!("{field}={name}.service"), account(scope)]
}

/// What the manager of `scope` said of these unit files.
pub(super) fn of_files(scope: Scope, files: &[PathBuf]) -> Vec<String> {
    let mut terms = Vec::new();
    for file in files.iter().filter_map(|file| file.to_str()) {
        add(&mut terms, [format!("CONFIG_FILE={file}"), account(scope)]);
    }
    terms
}

/// The same for the journal's files: all entries about them, of any account.
pub(super) fn index_of_files(files: &[PathBuf]) -> Vec<Term> {
    files.iter().filter_map(|file| Some(("CONFIG_FILE", file.to_str()?.to_owned()))).collect()
}

/// Whether the account of an entry is the one whose word about units counts.
pub(super) fn is_of_manager(scope: Scope, entry: &Entry) -> bool {
    entry.uid().is_some_and(|uid| account(scope) == format!("_UID={uid}"))
}

/// The account whose word about units counts.
fn account(scope: Scope) -> String {
    match scope {
        Scope::User => format!("_UID={}", nix::unistd::geteuid()),
        Scope::System => "_UID=0".to_owned(),
    }
}

/// All of `set` together, or any of what came before it.
fn add(terms: &mut Vec<String>, set: impl IntoIterator<Item = String>) {
    if !terms.is_empty() {
        terms.push("+".to_owned());
    }
    terms.extend(set);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("name")
    }

    /// Service and stream of an entry, among `web` and `db`.
    fn owner(scope: Scope, json: &str) -> Option<(String, &'static str)> {
        let names = [name("web"), name("db")];
        let entry = serde_json::from_str(json).expect("JSON");
        Matches::new(scope, names.iter()).service(&entry).map(|(name, stream)| (name.to_string(), stream))
    }

    #[test]
    fn names_are_exact_matches() {
        let terms = Matches::new(Scope::System, [name("a.b")].iter()).terms;
        assert_eq!(
            terms.join(" "),
            "_SYSTEMD_UNIT=a.b.service + UNIT=a.b.service _UID=0 + _TRANSPORT=driver \
             OBJECT_SYSTEMD_UNIT=a.b.service + _SYSTEMD_UNIT=a.b.timer + UNIT=a.b.timer _UID=0 + _TRANSPORT=stdout SYSLOG_IDENTIFIER=a.b"
        );
        let uid = nix::unistd::geteuid();
        let terms = Matches::new(Scope::User, [name("a")].iter()).terms;
        assert_eq!(terms[..2], ["_SYSTEMD_USER_UNIT=a.service".to_owned(), format!("_UID={uid}")]);
    }

    #[test]
    fn an_entry_belongs_to_the_service_that_it_is_from_or_about() {
        let web = |stream| Some(("web".to_owned(), stream));
        let table = [
            (r#"{"_SYSTEMD_USER_UNIT":"web.service","SYSLOG_IDENTIFIER":"node"}"#, web("out")),
            (r#"{"USER_UNIT":"web.service","_SYSTEMD_USER_UNIT":"init.scope"}"#, web("manager")),
            (r#"{"USER_UNIT":"web.timer","_SYSTEMD_USER_UNIT":"init.scope"}"#, web("manager")),
            // the manager's child before it became the program, gone when journald looked
            (r#"{"USER_UNIT":"web.service","SYSLOG_IDENTIFIER":"(prog)"}"#, web("manager")),
            // the program, gone when journald looked
            (r#"{"SYSLOG_IDENTIFIER":"web"}"#, web("out")),
            // another program with that name
            (r#"{"SYSLOG_IDENTIFIER":"web","_SYSTEMD_USER_UNIT":"other.service"}"#, None),
            (r#"{"SYSLOG_IDENTIFIER":"web","_SYSTEMD_UNIT":"session-1.scope"}"#, None),
            (r#"{"_SYSTEMD_USER_UNIT":"init.scope"}"#, None),
            // journald has dropped some of its lines
            (
                r#"{"OBJECT_SYSTEMD_USER_UNIT":"web.service","_SYSTEMD_UNIT":"systemd-journald.service"}"#,
                web("manager"),
            ),
        ];
        for (json, expected) in table {
            assert_eq!(owner(Scope::User, json), expected, "{json}");
        }
        assert_eq!(owner(Scope::System, r#"{"_SYSTEMD_UNIT":"web.service"}"#), web("out"));
        assert_eq!(owner(Scope::System, r#"{"UNIT":"web.service","_SYSTEMD_UNIT":"init.scope"}"#), web("manager"));
        assert_eq!(
            owner(Scope::System, r#"{"_SYSTEMD_USER_UNIT":"web.service","_SYSTEMD_UNIT":"user@1.service"}"#),
            None
        );
    }

    #[test]
    fn an_entry_that_the_index_found_must_match_whole() {
        let uid = nix::unistd::geteuid().to_string();
        let holds = |scope, fields: &[(&str, &str)]| {
            let entry = Entry::of_fields(1, fields.iter().map(|(name, value)| (*name, value.as_bytes())));
            Matches::new(scope, [name("web")].iter()).holds(&entry)
        };
        let user = |fields: &[(&str, &str)]| holds(Scope::User, fields);
        assert!(user(&[("_SYSTEMD_USER_UNIT", "web.service"), ("_UID", &uid)]));
        assert!(user(&[("USER_UNIT", "web.timer"), ("_UID", &uid)]));
        assert!(user(&[("SYSLOG_IDENTIFIER", "web"), ("_TRANSPORT", "stdout"), ("_UID", &uid)]));
        assert!(!user(&[("SYSLOG_IDENTIFIER", "web"), ("_TRANSPORT", "syslog"), ("_UID", &uid)]));
        assert!(!user(&[("_SYSTEMD_USER_UNIT", "web.service"), ("_UID", "4000000")]), "of somebody else");
        assert!(!user(&[("USER_UNIT", "web.service"), ("_UID", "4000000")]), "somebody else's word");
        assert!(holds(Scope::System, &[("_SYSTEMD_UNIT", "web.service"), ("_UID", "4000000")]));
        assert!(!holds(Scope::System, &[("UNIT", "web.service"), ("_UID", "4000000")]));
        assert!(holds(Scope::System, &[("UNIT", "web.service"), ("_UID", "0")]));
        let dropped =
            |uid| [("OBJECT_SYSTEMD_USER_UNIT", "web.service"), ("_TRANSPORT", "driver"), ("OBJECT_UID", uid)];
        assert!(user(&dropped(&uid)) && !user(&dropped("4000000")) && !user(&dropped(&uid)[..1]));
    }

    #[test]
    fn each_line_of_a_message_is_a_line_of_its_service() {
        let entry = serde_json::from_str(r#"{"_SYSTEMD_USER_UNIT":"web.service","_PID":"7","MESSAGE":"a\ndb | b"}"#);
        let lines: Vec<LogLine> = Matches::new(Scope::User, [name("web")].iter()).lines(entry.expect("JSON")).collect();
        assert_eq!(lines.iter().map(|line| line.message.as_slice()).collect::<Vec<_>>(), [&b"a"[..], b"db | b"]);
        assert!(lines.iter().all(|line| line.service == name("web") && line.pid == Some(7)));
    }
}
