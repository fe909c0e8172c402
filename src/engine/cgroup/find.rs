//! Whether there is a control group that we may divide, and making room in it.

use super::{Controllers, Hierarchy, write};
use crate::error::io_reason;
use crate::sys::xattr;
use std::io;
use std::path::{Path, PathBuf};

/// Folder for services, in our group; followed by what tells supervisors apart.
const SERVICES: &str = "svc-";
/// Group for ourselves, beside it.
const OURS: &str = "svc.supervisor";
/// What limits need.
const WANTED: [&str; 3] = ["memory", "pids", "cpu"];

/// Looks for a place for groups of services, and makes it ready. `key` is this supervisor's own (two
/// of them may have services of one name): letters and digits. `own` are our processes (supervisor
/// and guardian), which may have to move. The error says why there is none.
pub fn find_writable(key: &str, own: &[u32]) -> Result<Hierarchy, String> {
    let read = |path: &str| std::fs::read_to_string(path).map_err(|error| format!("`{path}`: {}", io_reason(&error)));
    let group = group_of(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?)?;
    let systemd = Path::new("/run/systemd/system").exists();
    let delegated = ["trusted.delegate", "user.delegate"].iter().any(|name| xattr::get(&group, name).is_some());
    if systemd && !delegated {
        return Err(format!("the control group `{}` is systemd's, and it has not delegated it", group.display()));
    }
    prepare(&group, key, own)
}

/// The folder of our group: its place in the hierarchy, below where that is mounted. If we lie in a
/// group that we made, the one around it.
fn group_of(mounts: &str, cgroup: &str) -> Result<PathBuf, String> {
    // proc_pid_mountinfo(5): root (4th) and mount point (5th) before ` - `, the type after it
    let mount = mounts.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let found = (fields.next()?, fields.next()?);
        kind.starts_with("cgroup2 ").then_some(found)
    });
    let (root, point) = mount.ok_or("no version 2 control groups are mounted")?;
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"));
    let path = path.ok_or("we are in no version 2 control group")?;
    let below = Path::new(path).strip_prefix(root).or_else(|_| Path::new(path).strip_prefix("/"));
    let below = below.map_err(|_| format!("our control group `{path}` is not below what is mounted"))?;
    let mut group = PathBuf::from(point);
    for part in below {
        if part == OURS || part.as_encoded_bytes().starts_with(SERVICES.as_bytes()) {
            break;
        }
        group.push(part);
    }
    Ok(group)
}

/// Makes the folder in this group and hands controllers down to it.
pub(super) fn prepare(group: &Path, key: &str, own: &[u32]) -> Result<Hierarchy, String> {
    let folder = group.join(format!("{SERVICES}{key}"));
    match std::fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(format!("can't make a control group in `{}`: {}", group.display(), io_reason(&error)));
        }
        Err(_) | Ok(()) => {}
    }
    // a folder that is there may still be another's; and moving takes the right to both ends
    for group in [folder.as_path(), group] {
        std::fs::OpenOptions::new()
            .write(true)
            .open(group.join("cgroup.procs"))
            .map_err(|error| format!("can't use the control group `{}`: {}", group.display(), io_reason(&error)))?;
    }
    let missing = hand_down(group, own).err();
    let offered = words(&folder.join("cgroup.controllers"));
    for name in WANTED.iter().filter(|name| offered.iter().any(|offered| offered == *name)) {
        let _ = write(&folder.join("cgroup.subtree_control"), &format!("+{name}")); // what counts is read below
    }
    let enabled = words(&folder.join("cgroup.subtree_control"));
    let has = |name: &str| enabled.iter().any(|enabled| enabled == name);
    let controllers = Controllers { memory: has("memory"), pids: has("pids"), cpu: has("cpu") };
    let complete = controllers == Controllers { memory: true, pids: true, cpu: true };
    let missing = missing.filter(|_| !complete);
    Ok(Hierarchy { folder, controllers, missing })
}

/// Lets groups in this one have controllers. Where processes are in the way and all of them are
/// ours, they move. The error says which controller can't be had.
fn hand_down(group: &Path, own: &[u32]) -> Result<(), String> {
    let control = group.join("cgroup.subtree_control");
    let (offered, enabled) = (words(&group.join("cgroup.controllers")), words(&control));
    for name in WANTED {
        let is_in = |list: &[String]| list.iter().any(|word| word == name);
        if is_in(&enabled) {
            continue;
        }
        if !is_in(&offered) {
            return Err(format!("the control group `{}` has no controller `{name}`", group.display()));
        }
        let text = format!("+{name}");
        let done = write(&control, &text).or_else(|error| match error.kind() {
            io::ErrorKind::ResourceBusy if make_room(group, own)? => write(&control, &text),
            _ => Err(error),
        });
        done.map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => {
                format!("the control group `{}` holds processes that are not svc's", group.display())
            }
            _ => format!("can't enable the controller `{name}` in `{}`: {}", group.display(), io_reason(&error)),
        })?;
    }
    Ok(())
}

/// Moves us into a group of our own; not if anybody else is there.
fn make_room(group: &Path, own: &[u32]) -> io::Result<bool> {
    let there = words(&group.join("cgroup.procs"));
    let pids: Vec<u32> = there.iter().filter_map(|word| word.parse().ok()).collect();
    if pids.is_empty() || pids.iter().any(|pid| !own.contains(pid)) {
        return Ok(false);
    }
    let ours = group.join(OURS);
    match std::fs::create_dir(&ours) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) | Ok(()) => {}
    }
    for pid in pids {
        write(&ours.join("cgroup.procs"), &pid.to_string())?;
    }
    Ok(true)
}

fn words(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const HYBRID: &str = "24 1 0:5 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                          31 24 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    const UNIFIED: &str = "31 24 0:27 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n";
    const BOUND: &str = "31 24 0:27 /docker/ab /sys/fs/cgroup ro,relatime - cgroup2 cgroup rw\n";

    #[test]
    fn our_group_is_found_below_the_mount() {
        for (mounts, cgroup, wanted) in [
            (HYBRID, "4:memory:/x\n0::/\n", "/sys/fs/cgroup/unified"),
            (UNIFIED, "0::/a/b.scope\n", "/sys/fs/cgroup/a/b.scope"),
            (UNIFIED, "0::/a/svc.supervisor\n", "/sys/fs/cgroup/a"),
            (UNIFIED, "0::/a/svc-1f/web.service\n", "/sys/fs/cgroup/a"),
            (BOUND, "0::/docker/ab/c\n", "/sys/fs/cgroup/c"),
            (BOUND, "0::/\n", "/sys/fs/cgroup"),
        ] {
            assert_eq!(group_of(mounts, cgroup).unwrap(), Path::new(wanted), "{cgroup}");
        }
    }

    #[test]
    fn without_groups_it_says_so() {
        assert!(group_of("1 2 3:4 / / rw - ext4 /dev/vda rw\n", "0::/").unwrap_err().contains("mounted"));
        assert!(group_of(UNIFIED, "4:memory:/x\n").unwrap_err().contains("no version 2"));
        let folder = tempfile::tempdir().unwrap();
        let error = prepare(&folder.path().join("absent"), "k", &[]).unwrap_err();
        assert!(error.contains("can't make a control group"), "{error}");
        let error = prepare(folder.path(), "k", &[]).unwrap_err();
        assert!(error.contains("can't use the control group"), "{error}");
    }
}
