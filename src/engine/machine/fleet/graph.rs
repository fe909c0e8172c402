//! Who depends on whom, the other way round.

use super::{Fleet, Id};
use std::collections::BTreeSet;

impl Fleet {
    /// Brings `dependents` and `in_cycle` up to date.
    pub(super) fn refresh(&mut self) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        let ids = self.ids();
        for member in self.members.values_mut() {
            member.dependents.clear();
        }
        for id in &ids {
            for other in self.present_dependencies(*id) {
                if let Some(member) = self.members.get_mut(&other) {
                    member.dependents.push(*id);
                }
            }
        }
        for id in ids {
            let in_cycle = self.reaches_itself(id);
            if let Some(member) = self.members.get_mut(&id) {
                member.in_cycle = in_cycle;
            }
        }
    }

    /// The jobs it depends on; `Err` has the name of one that is not there.
    pub(super) fn dependencies(&self, id: Id) -> Result<Vec<Id>, String> {
        let Some(member) = self.members.get(&id) else { return Ok(Vec::new()) };
        let names = member.machine.job().depends_on.iter();
        names.map(|name| self.id(name).ok_or_else(|| name.clone())).collect()
    }

    /// What it depends on, without what is not there; each once.
    pub(super) fn present_dependencies(&self, id: Id) -> BTreeSet<Id> {
        let names = self.members.get(&id).map(|member| member.machine.job().depends_on.as_slice());
        names.unwrap_or_default().iter().filter_map(|name| self.id(name)).collect()
    }

    /// Appends the job to `order`, and before it those that depend on it; each once.
    pub(super) fn after_dependents(&self, id: Id, above: &mut BTreeSet<Id>, order: &mut Vec<Id>) {
        if order.contains(&id) || !above.insert(id) {
            return;
        }
        for other in self.members.get(&id).into_iter().flat_map(|member| &member.dependents) {
            self.after_dependents(*other, above, order);
        }
        above.remove(&id);
        order.push(id);
    }

    fn reaches_itself(&self, id: Id) -> bool {
        let mut seen = BTreeSet::new();
        let mut left: Vec<Id> = self.present_dependencies(id).into_iter().collect();
        while let Some(next) = left.pop() {
            if next == id {
                return true;
            }
            if seen.insert(next) {
                left.extend(self.present_dependencies(next));
            }
        }
        false
    }
}
