//! Many starts as one transaction.
//!
//! Each `StartUnit` is a transaction of its own: systemd walks the unit's dependencies, makes the
//! jobs, sorts them, answers. A target that wants all units makes one transaction of them
//! (systemd.target(5)), and its `EnqueueUnitJob` answers with the job of each unit
//! (org.freedesktop.systemd1(5)), so that each one's end is seen as before.
//!
//! The target lies in the folder of units that ends with the boot or the login, only until it is
//! loaded; it stops itself (`StopWhenUnneeded=`) and systemd forgets it then (`CollectMode=`).

use super::bus::Bus;
use std::collections::HashMap;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use zbus::OwnedObjectPath;

/// From so many starts on a target costs less than single ones.
const MANY: usize = 8;
/// Names in one line of the target; systemd's lines may have 1 MiB.
const A_LINE: usize = 64;

/// Job id, its path, unit, path of the unit, type of job.
type Job = (u32, OwnedObjectPath, String, OwnedObjectPath, String);
/// The answer of `EnqueueUnitJob`: the job asked for, and the others of its transaction.
type Enqueued = (u32, OwnedObjectPath, String, OwnedObjectPath, String, Vec<Job>);

/// Enqueues the starts of `units`; the job of each that got one. Any other (it runs already, it
/// does not load, this systemd knows no `EnqueueUnitJob`) has to be started by itself: that also
/// says what is wrong with it.
pub(super) async fn start(bus: &Bus, units: &[&str]) -> HashMap<String, OwnedObjectPath> {
    if units.len() < MANY {
        return HashMap::new();
    }
    let target = match Target::write(bus, units) {
        Ok(target) => target,
        Err(error) => {
            tracing::debug!(%error, folder = %bus.passing_units.display(), "no target for many starts");
            return HashMap::new();
        }
    };
    match bus.ask::<_, Enqueued>("EnqueueUnitJob", &(target.name.as_str(), "start", "replace")).await {
        Ok((.., jobs)) => {
            jobs.into_iter().filter(|job| job.4 == "start").map(|(_, path, unit, ..)| (unit, path)).collect()
        }
        Err(error) => {
            tracing::debug!(error = error.text(), "no target for many starts");
            HashMap::new()
        }
    }
}

/// The file of a target; gone when dropped.
struct Target {
    name: String,
    path: PathBuf,
}

impl Target {
    fn write(bus: &Bus, units: &[&str]) -> io::Result<Self> {
        let name = format!("svc-start-{}.target", std::process::id());
        std::fs::create_dir_all(&bus.passing_units)?;
        let path = bus.passing_units.join(&name);
        // what a killed svc of the same number left
        let _ = std::fs::remove_file(&path);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path)?;
        let target = Self { name, path };
        io::Write::write_all(&mut file, text(units).as_bytes())?;
        Ok(target)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Without default dependencies: a target waits for what it wants else, and nobody waits for it.
fn text(units: &[&str]) -> String {
    let mut text = format!(
        "[Unit]\nDescription=svc starts {} services\nDefaultDependencies=no\nStopWhenUnneeded=yes\n\
         CollectMode=inactive-or-failed\n",
        units.len()
    );
    for names in units.chunks(A_LINE) {
        text += &format!("Wants={}\n", names.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_target_wants_every_unit() {
        let units: Vec<String> = (0..130).map(|n| format!("web{n}.service")).collect();
        let units: Vec<&str> = units.iter().map(String::as_str).collect();
        let text = super::text(&units);
        let wanted: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("Wants=")).flat_map(|line| line.split(' ')).collect();
        assert_eq!(wanted, units);
    }
}
