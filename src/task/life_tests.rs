use super::*;
use crate::engine::job::Millis;
use crate::task::Store;
use crate::task::spec::tests::sample;

const ME: Process = Process { pid: 7, ticks: 8, boot: 9 };

fn table() -> (tempfile::TempDir, Table) {
    let folder = tempfile::tempdir().expect("folder");
    let table = Store::at(folder.path().join("tasks")).lock().expect("locked");
    (folder, table)
}

fn add(table: &mut Table, change: impl FnOnce(&mut Spec)) -> u64 {
    let mut spec = sample("x");
    change(&mut spec);
    submit(table, &spec, BackendKind::Supervisor, 100).expect("submitted").id
}

fn started(table: &mut Table, limit: usize, now: i64) -> Vec<u64> {
    fill(table, limit, now, ME).expect("filled").start.iter().map(|slot| slot.id).collect()
}

fn run(table: &mut Table, id: u64) {
    began(table, id, ME, 200).expect("written").expect("may run");
}

fn end(table: &mut Table, id: u64, code: i32) -> Slot {
    ended(table, id, &End::of(Some(code), None), 300).expect("written").expect("ran")
}

#[test]
fn the_line_goes_by_priority_and_arrival_and_never_beyond_the_limit() {
    let (_folder, mut table) = table();
    for priority in [0, 0, 5, 0, -1] {
        add(&mut table, |spec| spec.priority = priority);
    }
    assert_eq!(started(&mut table, 2, 100), [3, 1]);
    assert_eq!(started(&mut table, 2, 100), [] as [u64; 0]);
    run(&mut table, 3);
    end(&mut table, 3, 0);
    assert_eq!(started(&mut table, 2, 100), [2]);
    assert_eq!(started(&mut table, 9, 100), [4, 5]);
}

#[test]
fn a_project_has_a_limit_of_its_own_and_holds_nobody_else_up() {
    let (_folder, mut table) = table();
    for project in ["a", "a", "a", "b"] {
        add(&mut table, |spec| {
            spec.project = Some(project.into());
            spec.project_limit = 2;
        });
    }
    assert_eq!(started(&mut table, 10, 100), [1, 2, 4]);
    run(&mut table, 2);
    end(&mut table, 2, 1);
    assert_eq!(started(&mut table, 10, 100), [3]);
}

#[test]
fn a_program_runs_once_for_each_place_it_was_given() {
    let (_folder, mut table) = table();
    add(&mut table, |_| ());
    assert_eq!(began(&mut table, 1, ME, 1).expect("read"), None, "it waits still");
    started(&mut table, 1, 100);
    run(&mut table, 1);
    assert_eq!(began(&mut table, 1, ME, 1).expect("read"), None, "a second starter was late");
    give_back(&mut table, 1).expect("nothing to give back");
    assert_eq!(table.get(1).expect("there").stand, Stand::Running);
    end(&mut table, 1, 0);
    assert_eq!(began(&mut table, 1, ME, 1).expect("read"), None);
    assert_eq!(ended(&mut table, 1, &End::of(Some(3), None), 1).expect("read"), None, "told twice");
    assert_eq!(table.get(1).expect("there").stand, Stand::Completed);
}

#[test]
fn one_that_never_began_goes_back_into_the_line() {
    let (_folder, mut table) = table();
    add(&mut table, |_| ());
    started(&mut table, 1, 100);
    give_back(&mut table, 1).expect("given back");
    assert_eq!(started(&mut table, 1, 100), [1]);
    cancel(&mut table, 1, None, 5).expect("cancelled");
    assert_eq!(began(&mut table, 1, ME, 1).expect("read"), None, "it was cancelled before it began");
    give_back(&mut table, 1).expect("given back");
    assert_eq!(table.get(1).expect("there").stand, Stand::Cancelled);
}

#[test]
fn a_failure_is_tried_again_after_a_pause() {
    let (_folder, mut table) = table();
    add(&mut table, |spec| spec.retries = 2);
    let mut now = 100;
    for pause in [1_000, 2_000] {
        assert_eq!(started(&mut table, 1, now), [1]);
        run(&mut table, 1);
        let slot = end(&mut table, 1, 4);
        assert_eq!((slot.stand, slot.not_before), (Stand::Queued, 300 + pause));
        let filled = fill(&mut table, 1, 300, ME).expect("filled");
        assert_eq!((filled.start.len(), filled.wake), (0, Some(300 + pause)));
        now = 300 + pause;
    }
    started(&mut table, 1, now);
    run(&mut table, 1);
    let slot = end(&mut table, 1, 4);
    assert_eq!((slot.stand, slot.attempts, slot.exit_code), (Stand::Failed, 3, Some(4)));
}

#[test]
fn one_follows_another_only_if_that_completed() {
    let (_folder, mut table) = table();
    add(&mut table, |_| ());
    add(&mut table, |spec| spec.after = Some(1));
    add(&mut table, |spec| spec.after = Some(2));
    add(&mut table, |spec| spec.after = Some(1));
    assert_eq!(started(&mut table, 10, 100), [1]);
    run(&mut table, 1);
    end(&mut table, 1, 0);
    cancel(&mut table, 2, None, 5).expect("cancelled");
    let filled = fill(&mut table, 10, 300, ME).expect("filled");
    assert_eq!(filled.over.iter().map(|slot| slot.id).collect::<Vec<_>>(), [3]);
    assert_eq!(filled.start.iter().map(|slot| slot.id).collect::<Vec<_>>(), [4]);
    let store = table.store().clone();
    drop(table);
    let view = store.read().expect("read").expect("there");
    let reason = view.reason(&view.get(3).expect("there"));
    assert_eq!(reason.as_deref(), Some("task 2, which it was to follow, was cancelled"));
    let spec = Spec { after: Some(99), ..sample("x") };
    let error = submit(&mut store.lock().expect("locked"), &spec, BackendKind::Supervisor, 1).expect_err("refused");
    assert_eq!(error.message, "there is no task 99");
}

#[test]
fn a_delay_is_waited_out() {
    let (_folder, mut table) = table();
    add(&mut table, |spec| spec.delay = Millis(500));
    let filled = fill(&mut table, 1, 599, ME).expect("filled");
    assert_eq!((filled.start.len(), filled.wake), (0, Some(600)));
    assert_eq!(started(&mut table, 1, 600), [1]);
}

#[test]
fn cancelled_is_what_somebody_wanted_to_end_whatever_its_exit() {
    let (_folder, mut table) = table();
    add(&mut table, |_| ());
    add(&mut table, |_| ());
    assert_eq!(cancel(&mut table, 2, None, 5).expect("written"), Cancel::WasWaiting);
    started(&mut table, 1, 100);
    run(&mut table, 1);
    let Cancel::Stop(slot) = cancel(&mut table, 1, Some(10), 5).expect("written") else { panic!("it runs") };
    assert_eq!((slot.grace, slot.state()), (10, crate::report::State::Stopping));
    assert_eq!(end(&mut table, 1, 0).stand, Stand::Cancelled);
    assert!(matches!(cancel(&mut table, 1, None, 5).expect("read"), Cancel::Over(_)));
    assert_eq!(cancel(&mut table, 9, None, 5).expect_err("none").message, "there is no task 9");
}
