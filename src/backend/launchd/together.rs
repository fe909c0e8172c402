//! Who goes along: launchd knows nothing of `depends_on`, so a batch takes in what it needs and what needs it,
//! as `Requires=` and `After=` of systemd do.

use super::Unit;
use crate::backend::Verb;
use crate::service::Name;
use std::collections::BTreeSet;

/// Names of `all` that those of `from` depend on, directly or through others; they themselves only in a circle.
pub(super) fn needed_by(from: &BTreeSet<&Name>, all: &[&Unit]) -> BTreeSet<Name> {
    reach(from, |name| {
        let units = all.iter().filter(|unit| unit.name == *name);
        units
            .flat_map(|unit| unit.depends_on.iter().cloned())
            .filter(|name| all.iter().any(|unit| unit.name == *name))
            .collect()
    })
}

/// Names of `all` that depend on those of `from`, directly or through others.
pub(super) fn in_need_of(from: &BTreeSet<&Name>, all: &[&Unit]) -> BTreeSet<Name> {
    reach(from, |name| all.iter().filter(|unit| unit.depends_on.contains(name)).map(|unit| unit.name.clone()).collect())
}

fn reach(from: &BTreeSet<&Name>, next: impl Fn(&Name) -> Vec<Name>) -> BTreeSet<Name> {
    let mut found = BTreeSet::new();
    let mut agenda: Vec<Name> = from.iter().map(|name| (*name).clone()).collect();
    while let Some(name) = agenda.pop() {
        agenda.extend(next(&name).into_iter().filter(|name| found.insert(name.clone())));
    }
    found
}

/// Places of units that may go side by side, in the order of the waves: what others depend on is first
/// started, and last stopped.
pub(super) fn waves(units: &[&Unit], verb: Verb) -> Vec<Vec<usize>> {
    if !matches!(verb, Verb::Start | Verb::Restart | Verb::Stop) {
        return vec![(0..units.len()).collect()];
    }
    let mut left: BTreeSet<usize> = (0..units.len()).collect();
    let mut waves = Vec::new();
    while !left.is_empty() {
        let waits = |at: &usize| {
            let depends = &units[*at].depends_on;
            left.iter().any(|other| other != at && depends.contains(&units[*other].name))
        };
        let mut wave: Vec<usize> = left.iter().copied().filter(|at| !waits(at)).collect();
        if wave.is_empty() {
            wave = left.iter().copied().collect(); // a circle: a definition can't have one
        }
        for at in &wave {
            left.remove(at);
        }
        waves.push(wave);
    }
    if verb == Verb::Stop {
        waves.reverse();
    }
    waves
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn unit(name: &str, depends_on: &[&str]) -> Unit {
        let parse = |name: &str| Name::parse(name).unwrap();
        Unit {
            name: parse(name),
            label: format!("svc.{name}"),
            file: "/x".into(),
            listed: Err(String::new()),
            scheduled: false,
            calendar: None,
            log: None,
            depends_on: depends_on.iter().map(|name| parse(name)).collect(),
        }
    }

    #[test]
    fn what_is_depended_on_goes_first_and_stops_last() {
        let all = [unit("web", &["db", "cache"]), unit("db", &[]), unit("cache", &["db"]), unit("x", &["elsewhere"])];
        let all: Vec<&Unit> = all.iter().collect();
        assert_eq!(waves(&all, Verb::Start), [vec![1, 3], vec![2], vec![0]]);
        assert_eq!(waves(&all, Verb::Stop), [vec![0], vec![2], vec![1, 3]]);
        assert_eq!(waves(&all, Verb::Enable), [vec![0, 1, 2, 3]]);
    }

    #[test]
    fn relations_reach_through_others_and_end_in_circles() {
        let all = [
            unit("web", &["api"]),
            unit("api", &["db"]),
            unit("db", &[]),
            unit("x", &["y"]),
            unit("y", &["x", "gone"]),
        ];
        let all: Vec<&Unit> = all.iter().collect();
        let names = |found: BTreeSet<Name>| found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let from = |name: &str| all.iter().map(|unit| &unit.name).filter(|one| one.as_str() == name).collect();
        assert_eq!(names(needed_by(&from("web"), &all)), "api db");
        assert_eq!(names(in_need_of(&from("db"), &all)), "api web");
        assert_eq!(names(needed_by(&from("x"), &all)), "x y");
        assert_eq!(names(in_need_of(&from("web"), &all)), "");
    }
}
