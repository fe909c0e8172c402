//! Real files, written to while they are followed.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is the failure of a test; its files are its own"
)]

use super::*;
use std::cell::RefCell;
use std::io::Write;

fn query(path: PathBuf) -> LogQuery {
    LogQuery { services: vec![(Name::parse("web").unwrap(), Some(path))], ..LogQuery::default() }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn text(line: LogLine) -> String {
    assert_eq!((line.service.as_str(), line.stream, line.time, line.pid), ("web", "out", None, None));
    String::from_utf8(line.message).unwrap()
}

fn lines(query: &LogQuery) -> Vec<String> {
    let mut all = Vec::new();
    let mut keep = |line| {
        all.push(text(line));
        ControlFlow::Continue(())
    };
    run(read(query, &mut keep)).unwrap();
    all
}

#[test]
fn the_last_lines_are_those_that_match() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for n in 0..20_000 {
        writeln!(file, "line {n}").unwrap();
    }
    let mut query = query(file.path().to_owned());
    query.lines = Some(2);
    assert_eq!(lines(&query), ["line 19998", "line 19999"]);
    write!(file, "half").unwrap();
    assert_eq!(lines(&query), ["line 19999", "half"]);
    query.lines = Some(2);
    query.grep = Some(regex::bytes::Regex::new("77$").unwrap());
    assert_eq!(lines(&query), ["line 19877", "line 19977"]);
    query.lines = None;
    assert_eq!(lines(&query).len(), 200);
    query.grep = None;
    assert_eq!(lines(&query).len(), 20_001);
    query.lines = Some(0);
    assert_eq!(lines(&query), Vec::<String>::new());
}

#[test]
fn rotated_files_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    for (name, text) in
        [("log.10", "a\nb\n"), ("log.2", "c\nd"), ("log.1", "e\nf\n"), ("log.x", "no\n"), ("log", "g\n")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut query = query(path.clone());
    assert_eq!(lines(&query).concat(), "abcdefg");
    for (count, text) in [(0, ""), (1, "g"), (2, "fg"), (4, "defg"), (7, "abcdefg"), (9, "abcdefg")] {
        query.lines = Some(count);
        assert_eq!(lines(&query).concat(), text);
    }
    // in the middle of a rotation one file has two names, or the newest is not made yet
    std::fs::remove_file(folder.path().join("log.1")).unwrap();
    std::fs::hard_link(&path, folder.path().join("log.1")).unwrap();
    assert_eq!(lines(&query).concat(), "abcdg");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(lines(&query).concat(), "abcdg");
}

#[test]
fn a_file_that_is_not_there_has_no_lines() {
    assert_eq!(lines(&query("/nowhere/at/all".into())), Vec::<String>::new());
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [fifo, folder.path().to_owned()] {
        let error = run(read(&query(path), &mut |_| ControlFlow::Continue(()))).unwrap_err();
        assert!(error.message.contains("is no file that can be read again"), "{error}");
    }
}

/// Follows `path` while `write` runs step by step: each step is done once the lines before it have
/// arrived. Ends when all of `expected` have, or fails after ten seconds.
fn follow(query: LogQuery, steps: &[(usize, &dyn Fn())], expected: &[&str]) {
    let query = LogQuery { follow: true, ..query };
    let seen = RefCell::new(Vec::new());
    let mut keep = |line| {
        seen.borrow_mut().push(text(line));
        if seen.borrow().len() == expected.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let writing = async {
        for (after, step) in steps {
            while seen.borrow().len() < *after {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // longer than a look, so that the state before the step was seen
            tokio::time::sleep(STEP + STEP / 2).await;
            step();
        }
        std::future::pending::<()>().await;
    };
    run(async {
        tokio::select! {
            ended = read(&query, &mut keep) => ended.unwrap(),
            () = writing => {}
            () = tokio::time::sleep(Duration::from_secs(10)) => {}
        }
    });
    assert_eq!(*seen.borrow(), expected);
}

fn append(path: &Path, text: &str) {
    std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn following_shows_a_line_once_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("log");
    append(path, "old\nolder\nha");
    let query = LogQuery { lines: Some(1), ..query(path.clone()) };
    follow(query, &[(1, &|| append(path, "lf\nnext\n"))], &["older", "half", "next"]);
}

#[test]
fn following_begins_before_the_file_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("log");
    follow(query(path.clone()), &[(0, &|| append(path, "first\n"))], &["first"]);
}

#[test]
fn following_begins_again_when_the_file_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("log");
    append(path, "one\ntwo\nthree\n");
    let cut = || {
        std::fs::OpenOptions::new().write(true).truncate(true).open(path).unwrap().write_all(b"new\n").unwrap();
    };
    follow(query(path.clone()), &[(3, &cut)], &["one", "two", "three", "new"]);
}

#[test]
fn following_reads_the_old_file_to_its_end_and_then_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (&folder.path().join("log"), &folder.path().join("log.1"));
    append(path, "one\n");
    let rename = || std::fs::rename(path, old).unwrap();
    let both = || {
        append(old, "three\nunended");
        append(path, "four\n");
    };
    // the writer keeps its descriptor: after the rename it writes to the old file
    let steps: [(usize, &dyn Fn()); 3] = [(1, &rename), (1, &|| append(old, "two\n")), (2, &both)];
    follow(query(path.clone()), &steps, &["one", "two", "three", "unended", "four"]);
}

#[test]
fn a_pattern_chooses_while_following_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("log");
    append(path, "a1\nb1\na2\n");
    let query = LogQuery { lines: Some(1), grep: Some(regex::bytes::Regex::new("^a").unwrap()), ..query(path.clone()) };
    follow(query, &[(1, &|| append(path, "b2\na3\n"))], &["a2", "a3"]);
}
