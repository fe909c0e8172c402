//! Real files, written to while they are followed.

use super::*;
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::time::{Duration, Instant};

fn query(path: &Path) -> LogQuery {
    LogQuery { services: vec![(Name::parse("web").unwrap(), Some(path.to_owned()))], ..LogQuery::default() }
}

fn nothing(_: &[Name], _: &LogQuery, _: Begin) -> Result<Box<dyn Source>, Error> {
    Err(Error::failed("there is no other log"))
}

fn all(query: &LogQuery) -> Vec<LogLine> {
    let mut all: Vec<LogLine> = Vec::new();
    read(query, &nothing, None, &mut all).unwrap();
    all
}

fn lines(query: &LogQuery) -> Vec<String> {
    all(query).into_iter().map(|line| String::from_utf8(line.message).unwrap()).collect()
}

fn append(path: &Path, text: &str) {
    std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn compress(path: &Path) {
    let name = format!("{}.gz", path.display());
    let mut file = flate2::write::GzEncoder::new(std::fs::File::create(name).unwrap(), flate2::Compression::fast());
    file.write_all(&std::fs::read(path).unwrap()).unwrap();
    file.finish().unwrap();
    std::fs::remove_file(path).unwrap();
}

fn stamped(second: i64, text: &str) -> String {
    format!("{:.6} {text}\n", jiff::Timestamp::from_second(second).unwrap())
}

#[test]
fn the_last_lines_are_those_that_match() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for n in 0..20_000 {
        writeln!(file, "line {n}").unwrap();
    }
    let mut query = query(file.path());
    query.lines = Some(2);
    assert_eq!(lines(&query), ["line 19998", "line 19999"]);
    write!(file, "half").unwrap();
    assert_eq!(lines(&query), ["line 19999", "half"]);
    query.grep = Some(regex::bytes::Regex::new("77$").unwrap());
    assert_eq!(lines(&query), ["line 19877", "line 19977"]);
    query.before = 1;
    assert_eq!(lines(&query), ["line 19876", "line 19877", "line 19976", "line 19977"]);
    query.before = 0;
    query.lines = None;
    assert_eq!(lines(&query).len(), 200);
    query.grep = None;
    assert_eq!(lines(&query).len(), 20_001);
    query.lines = Some(0);
    assert_eq!(lines(&query), Vec::<String>::new());
}

#[test]
fn rotated_files_come_first_compressed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    for (name, text) in
        [("log.10", "a\nb\n"), ("log.2", "c\nd"), ("log.1", "e\nf\n"), ("log.x", "no\n"), ("log", "g\n")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    compress(&folder.path().join("log.2"));
    let mut query = query(&path);
    assert_eq!(lines(&query).concat(), "abcdefg");
    for (count, text) in [(0, ""), (1, "g"), (2, "fg"), (4, "defg"), (6, "bcdefg"), (7, "abcdefg"), (9, "abcdefg")] {
        query.lines = Some(count);
        assert_eq!(lines(&query).concat(), text);
    }
    // in the middle of a rotation one file has two names, or the newest is not made yet
    std::fs::remove_file(folder.path().join("log.1")).unwrap();
    std::fs::hard_link(&path, folder.path().join("log.1")).unwrap();
    assert_eq!(lines(&query).concat(), "abcdg");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(lines(&query).concat(), "abcdg");
    // what is damaged is read as far as it goes, and said
    let whole = std::fs::read(folder.path().join("log.2.gz")).unwrap();
    std::fs::write(folder.path().join("log.2.gz"), &whole[..whole.len() - 9]).unwrap();
    query.lines = None;
    let mut found: Vec<LogLine> = Vec::new();
    let warnings = read(&query, &nothing, None, &mut found).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("log.2.gz` is damaged"), "{warnings:?}");
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [&fifo, folder.path()] {
        let error = read(&query(path), &nothing, None, &mut Vec::<LogLine>::new()).unwrap_err();
        assert!(error.message.contains("is no file that can be read again"), "{error}");
    }
    assert_eq!(lines(&query(Path::new("/nowhere/at/all"))), Vec::<String>::new());
}

/// Three services with files of times, over rotated files.
fn three(folder: &Path) -> LogQuery {
    let name = |name: &str| Name::parse(name).unwrap();
    let file = |text: &str| Some(folder.join(text));
    let text = |seconds: &[i64], word: &str| -> String {
        seconds.iter().map(|second| stamped(*second, &format!("{word}{second}"))).collect()
    };
    std::fs::write(folder.join("a.1"), text(&[1, 4], "a")).unwrap();
    compress(&folder.join("a.1"));
    std::fs::write(folder.join("a"), text(&[7, 10], "a")).unwrap();
    std::fs::write(folder.join("b"), text(&[2, 4, 8], "b")).unwrap();
    std::fs::write(folder.join("c"), text(&[3, 9], "c") + "more of c9\n" + &text(&[11], "c")).unwrap();
    let services = vec![(name("a"), file("a")), (name("b"), file("b")), (name("c"), file("c"))];
    LogQuery { services, ..LogQuery::default() }
}

#[test]
fn many_logs_are_one_stream_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut query = three(folder.path());
    let whole = ["a1", "b2", "c3", "a4", "b4", "a7", "b8", "c9", "more of c9", "a10", "c11"];
    assert_eq!(lines(&query), whole);
    for count in 0..13 {
        query.lines = Some(count);
        assert_eq!(lines(&query), whole[whole.len().saturating_sub(count)..], "{count}");
    }
    query.lines = None;
    let moment = |second| jiff::Timestamp::from_second(second).ok();
    (query.since, query.until) = (moment(4), moment(8));
    assert_eq!(lines(&query), ["a4", "b4", "a7", "b8"]);
    query.lines = Some(2);
    assert_eq!(lines(&query), ["a7", "b8"]);
    query.lines = None;
    query.since_of = vec![(query.services[1].0.clone(), moment(5).unwrap())];
    assert_eq!(lines(&query), ["a4", "a7", "b8"]);
    let first = &all(&query)[0];
    assert_eq!((first.service.as_str(), first.time), ("a", moment(4)));
}

/// Nobody comes, nobody goes, until it is `over`.
struct Always {
    folder: PathBuf,
    all: RefCell<Vec<Logged>>,
    over: Cell<bool>,
}

impl Followed for Always {
    fn folder(&self) -> &Path {
        &self.folder
    }
    fn who(&self) -> Option<Vec<Logged>> {
        (!self.over.get()).then(|| self.all.borrow().clone())
    }
    fn grows(&self) -> bool {
        true
    }
}

/// Takes lines, and after so many does the next step.
struct Steps<'a> {
    seen: Vec<String>,
    next: Vec<(usize, &'a dyn Fn())>,
    enough: usize,
    began: Instant,
}

impl Sink for Steps<'_> {
    fn line(&mut self, line: &Line<'_>) -> ControlFlow<()> {
        self.seen.push(String::from_utf8(line.message.to_vec()).unwrap());
        ControlFlow::Continue(())
    }
    fn rest(&mut self) -> ControlFlow<()> {
        assert!(self.began.elapsed() < Duration::from_secs(20), "last seen: {:?}", self.seen);
        if self.seen.len() >= self.enough {
            return ControlFlow::Break(());
        }
        while self.next.first().is_some_and(|(after, _)| *after <= self.seen.len()) {
            (self.next.remove(0).1)();
        }
        ControlFlow::Continue(())
    }
}

fn follow_as(followed: &dyn Followed, query: LogQuery, steps: &[(usize, &dyn Fn())], enough: usize) -> Vec<String> {
    let query = LogQuery { follow: true, ..query };
    let mut sink = Steps { seen: Vec::new(), next: steps.to_vec(), enough, began: Instant::now() };
    read(&query, &nothing, Some(followed), &mut sink).unwrap();
    sink.seen
}

/// Follows while each step is done once so many lines have arrived; all of `expected` must come.
fn follow(query: LogQuery, steps: &[(usize, &dyn Fn())], expected: &[&str]) {
    let all = query.services.clone().into();
    let folder = query.services[0].1.as_deref().and_then(Path::parent).unwrap().join("nobody");
    let seen = follow_as(&Always { folder, all, over: false.into() }, query, steps, expected.len());
    assert_eq!(seen, expected);
}

#[test]
fn following_shows_a_line_once_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("log");
    append(path, "old\nolder\nha");
    let query = LogQuery { lines: Some(1), ..query(path) };
    follow(query, &[(1, &|| append(path, "lf\nnext\n"))], &["older", "half", "next"]);
}

#[test]
fn following_begins_before_the_file_and_its_folder_do() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    let path = &inner.join("log");
    let make = || {
        std::fs::create_dir(&inner).unwrap();
        append(path, "one\ntwo\n");
    };
    follow(query(path), &[(0, &make)], &["one", "two"]);
}

#[test]
fn following_goes_on_over_truncation_rotation_and_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("log");
    append(path, "one\nhalf");
    let cut = || {
        std::fs::File::create(path).unwrap();
        append(path, "two\n");
    };
    // the writer keeps its descriptor: after the rename it writes to the old file
    let rotate = || {
        let mut old = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        std::fs::rename(path, folder.path().join("log.1")).unwrap();
        append(path, "five\n");
        old.write_all(b"three\nfour, unended").unwrap();
    };
    let rotate_twice = || {
        std::fs::rename(folder.path().join("log.1"), folder.path().join("log.3")).unwrap();
        std::fs::rename(path, folder.path().join("log.2")).unwrap();
        append(&folder.path().join("log.1"), "six\n");
        append(path, "seven\n");
        compress(&folder.path().join("log.2"));
    };
    let remove = || {
        std::fs::remove_file(path).unwrap();
        append(path, "eight\n");
    };
    let expected = ["one", "half", "two", "three", "four, unended", "five", "six", "seven", "eight"];
    let steps: [(usize, &dyn Fn()); 4] = [(1, &cut), (3, &rotate), (6, &rotate_twice), (8, &remove)];
    follow(query(path), &steps, &expected);
}

#[test]
fn a_pattern_chooses_while_following_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("log");
    append(path, "a1\nb1\na2\n");
    let query = LogQuery { lines: Some(1), grep: Some(regex::bytes::Regex::new("^a").unwrap()), ..query(path) };
    follow(query, &[(1, &|| append(path, "b2\na3\n"))], &["a2", "a3"]);
}

#[test]
fn who_comes_is_followed_and_at_the_end_all_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("log");
    append(path, "one\n");
    let records = folder.path().join("records");
    std::fs::create_dir(&records).unwrap();
    let always = Always { folder: records.clone(), all: Vec::new().into(), over: false.into() };
    let other = folder.path().join("other");
    let come = || {
        append(&other, "of another\n");
        always.all.borrow_mut().push((Name::parse("other").unwrap(), Some(other.clone())));
        append(&records.join("other.json"), "");
    };
    let go = || {
        append(path, "two\n");
        append(&other, "the last, unended");
        always.over.set(true);
        std::fs::remove_file(records.join("other.json")).unwrap();
    };
    let seen = follow_as(&always, query(path), &[(1, &come), (2, &go)], usize::MAX);
    assert_eq!(seen, ["one", "of another", "two", "the last, unended"]);
}

#[test]
fn numbered_lines_come_once_each_whatever_happens_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    append(&path, "");
    let writer = {
        let (path, folder) = (path.clone(), folder.path().to_owned());
        std::thread::spawn(move || {
            let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
            for n in 0..30_000 {
                write!(file, "line {n}").unwrap();
                file.write_all(b"\n").unwrap();
                if n % 1000 == 999 {
                    // as svc and logrotate do it: rename, a new file, and sooner or later the old one is compressed
                    let name = |number: u32| folder.join(format!("log.{number}"));
                    for number in (1..40).rev() {
                        let gz = |number| PathBuf::from(format!("{}.gz", name(number).display()));
                        let _ = std::fs::rename(name(number), name(number + 1));
                        let _ = std::fs::rename(gz(number), gz(number + 1));
                    }
                    std::fs::rename(&path, name(1)).unwrap();
                    file = std::fs::File::create(&path).unwrap();
                    if n % 3000 == 2999 {
                        compress(&name(1));
                    }
                }
            }
        })
    };
    let always = Always { folder: folder.path().join("x"), all: query(&path).services.into(), over: false.into() };
    let seen = follow_as(&always, query(&path), &[], 30_000);
    writer.join().unwrap();
    let expected: Vec<String> = (0..30_000).map(|n| format!("line {n}")).collect();
    assert!(
        seen == expected,
        "{} lines, first wrong: {:?}",
        seen.len(),
        seen.iter().zip(&expected).find(|(a, b)| a != b)
    );
    assert_eq!(lines(&query(&path)), expected);
}
