use super::*;
use crate::task::slot::{Stand, tests as slots};
use crate::task::spec::tests as specs;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("folder");
    let store = Store::at(folder.path().join("tasks"));
    (folder, store)
}

#[test]
fn what_was_written_is_read_by_others_and_private() {
    let (_folder, store) = store();
    assert!(store.read().expect("read").is_none());
    let spec = specs::sample("scan");
    let slot = store.lock().expect("locked").add(slots::sample(0), &spec).expect("added");
    assert_eq!(slot.id, 1);
    let view = store.read().expect("read").expect("there");
    assert_eq!(view.get(1), Some(slot));
    assert_eq!(view.spec(&slot), Some(spec));
    assert_eq!(view.get(2), None);
    for entry in std::fs::read_dir(&store.folder).expect("listed").flatten() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(entry.metadata().expect("there").permissions().mode() & 0o077, 0, "{}", entry.path().display());
    }
}

#[test]
fn the_live_ones_are_found_behind_those_that_are_over() {
    let (_folder, store) = store();
    let spec = specs::sample("scan");
    let mut table = store.lock().expect("locked");
    for _ in 0..20 {
        table.add(slots::sample(0), &spec).expect("added");
    }
    let over = |table: &mut Table, id| {
        let slot = table.get(id).expect("there");
        table.put_with(&Slot { stand: Stand::Failed, ..slot }, "exit code 3").expect("written");
    };
    for id in (2..=19).chain([1]) {
        over(&mut table, id);
    }
    assert_eq!(table.live().expect("read").iter().map(|slot| slot.id).collect::<Vec<_>>(), [20]);
    assert_eq!(table.files.header.first_live, 19);
    let view = store.read().expect("read").expect("there");
    let (newest, before) = view.newest(3).expect("read");
    assert_eq!((newest.iter().map(|slot| slot.id).collect::<Vec<_>>(), before), (vec![18, 19, 20], 17));
    assert_eq!(view.reason(&newest[0]).as_deref(), Some("exit code 3"));
    over(&mut table, 20);
    assert!(table.live().expect("read").is_empty());
    assert_eq!(table.add(slots::sample(0), &spec).expect("added").id, 21);
    assert_eq!(table.live().expect("read").len(), 1);
}

#[test]
fn old_ones_go_with_their_logs_and_all_else_stays_as_it_was() {
    let (_folder, store) = store();
    let mut table = store.lock().expect("locked");
    for number in 0..10 {
        table.add(slots::sample(0), &specs::sample(&format!("t{number}"))).expect("added");
    }
    let before = store.read().expect("read").expect("there");
    for id in [2, 3, 5] {
        let slot = table.get(id).expect("there");
        table.put_with(&Slot { stand: Stand::Failed, ended: 7, ..slot }, &format!("reason {id}")).expect("written");
        std::fs::File::create(store.log(id)).expect("made");
    }
    std::fs::File::create(store.environments().join("old"))
        .expect("made")
        .set_modified(std::time::UNIX_EPOCH)
        .expect("set");
    std::fs::File::create(store.environments().join("new")).expect("made");
    assert_eq!(table.retain(|slot| slot.id == 3).expect("written"), [2, 5]);
    assert_eq!((store.log(2).exists(), store.log(3).exists()), (false, true));
    assert_eq!((store.environments().join("old").exists(), store.environments().join("new").exists()), (false, true));
    let view = store.read().expect("read").expect("there");
    assert_eq!(view.get(2), None);
    let three = view.get(3).expect("kept");
    assert_eq!(view.reason(&three).as_deref(), Some("reason 3"));
    assert_eq!(view.spec(&view.get(10).expect("live")).expect("spec").name, "t9");
    assert_eq!(table.live().expect("read").len(), 7);
    assert_eq!(table.add(slots::sample(0), &specs::sample("x")).expect("added").id, 11);
    // who read before goes on with what was
    assert_eq!(before.spec(&before.get(2).expect("as it was")).expect("spec").name, "t1");
    for slot in table.live().expect("read") {
        table.put(&Slot { stand: Stand::Completed, ..slot }).expect("written");
    }
    table.retain(|_| false).expect("removed");
    assert!(!store.folder.exists());
    drop(table);
    assert!(store.lock().expect("anew").live().expect("read").is_empty());
}

/// A slot whose write never reached the disk is no task; the others are there, and new ones get new numbers.
#[test]
fn a_hole_of_a_power_cut_takes_no_other_task_along() {
    let (_folder, store) = store();
    let spec = specs::sample("scan");
    let mut table = store.lock().expect("locked");
    for _ in 0..3 {
        table.add(slots::sample(0), &spec).expect("added");
    }
    table.files.index.write_all_at(&[0; WIDTH], 2 * WIDTH as u64).expect("a hole");
    assert_eq!(table.live().expect("read").iter().map(|slot| slot.id).collect::<Vec<_>>(), [1, 3]);
    assert!(table.get(2).is_none());
    assert_eq!(table.add(slots::sample(0), &spec).expect("added").id, 4);
    drop(table);
    assert!(store.lock().expect("locked").get(4).is_some());
}
