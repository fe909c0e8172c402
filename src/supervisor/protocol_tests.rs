//! Frames in pieces, too long, rubbish; newer and older sides.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use proptest::prelude::*;
use std::io::Cursor;

fn requests() -> Vec<Request> {
    let name = || "web".to_owned();
    vec![
        Request::Load { names: vec![name(), "ünïcode".into()] },
        Request::Status { names: None, processes: true },
        Request::Perform { actions: vec![ActionOn { verb: Verb::Restart, name: name() }] },
        Request::Forget { names: Vec::new() },
        Request::Shutdown {},
        Request::ReloadBinary {},
        Request::Ping {},
    ]
}

fn status() -> ServiceStatus {
    ServiceStatus {
        name: "web".into(),
        state: State::Running,
        pid: Some(7),
        start_ticks: Some(12345),
        started_at: "2026-03-01T08:59:58.5Z".parse().ok(),
        restarts: 2,
        exit_code: None,
        signal: Some("SIGKILL".into()),
        reason: None,
        status_text: Some("line\n\u{1b}".into()),
        next_run_at: None,
        needs_load: true,
        loaded: None,
        cgroup: Some("/sys/fs/cgroup/svc/web".into()),
        log_rate: None,
        pids: vec![7, 8],
    }
}

fn answers() -> Vec<Answer> {
    let failed = Failed { message: "no".into(), log_tail: vec!["a".into()], exit_code: Some(3), ..Failed::default() };
    vec![
        Answer::Loaded { results: vec![Loaded { name: "web".into(), error: Some("bad".into()) }] },
        Answer::Status { services: vec![status()] },
        Answer::Outcome(Outcome { verb: Verb::Start, name: "web".into(), result: Ended::Ok {} }),
        Answer::Outcome(Outcome { verb: Verb::Stop, name: "web".into(), result: Ended::Failed(failed) }),
        Answer::Done {},
        Answer::Pong(Pong {
            pid: 1,
            guardian: Some(2),
            svc: "0.1.0".into(),
            since: None,
            takeovers: 0,
            services: 3,
            running: 2,
        }),
        Answer::Refused { message: "no".into() },
    ]
}

#[test]
fn every_message_comes_back_from_a_stream_as_it_was() {
    let mut stream = Vec::new();
    for request in requests() {
        write_message(&mut stream, &request).unwrap();
    }
    let mut reader = Cursor::new(stream);
    for request in requests() {
        assert_eq!(read_message::<Request>(&mut reader).unwrap(), request);
    }
    assert_eq!(read_message::<Request>(&mut reader).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    for answer in answers() {
        let bytes = encode(&answer).unwrap();
        assert_eq!(read_message::<Answer>(&mut Cursor::new(&bytes)).unwrap(), answer);
        for cut in 0..bytes.len() {
            let error = read_message::<Answer>(&mut Cursor::new(&bytes[..cut])).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}");
        }
    }
}

#[test]
fn a_stream_cut_at_any_byte_gives_the_same_messages() {
    let all = requests();
    let bytes: Vec<u8> = all.iter().flat_map(|request| encode(request).unwrap()).collect();
    for cut in 0..=bytes.len() {
        let mut framer = Framer::default();
        let mut found = Vec::new();
        for piece in [&bytes[..cut], &bytes[cut..]] {
            framer.push(piece);
            while let Some(body) = framer.next_body().unwrap() {
                found.push(decode::<Request>(body).unwrap());
            }
        }
        assert_eq!(found, all, "cut at {cut}");
        assert!(!framer.is_waiting());
    }
    let mut framer = Framer::default();
    let mut found = Vec::new();
    for byte in bytes {
        framer.push(&[byte]);
        while let Some(body) = framer.next_body().unwrap() {
            found.push(decode::<Request>(body).unwrap());
        }
        framer.shrink();
    }
    assert_eq!(found, all);
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    let mut head = u32::try_from(MAX_MESSAGE + 1).unwrap().to_be_bytes().to_vec();
    head.push(b'{');
    assert_eq!(read_message::<Request>(&mut Cursor::new(&head)).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let mut framer = Framer::default();
    framer.push(&head);
    assert_eq!(framer.next_body().unwrap_err().kind(), io::ErrorKind::InvalidData);
    let long = Request::Load { names: vec!["x".repeat(MAX_MESSAGE)] };
    assert_eq!(encode(&long).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let fits = Request::Load { names: vec!["x".repeat(MAX_MESSAGE - 100)] };
    assert!(encode(&fits).is_ok());
}

#[test]
fn newer_and_older_sides_talk() {
    let newer = r#"{"status":{"names":null,"processes":true,"depth":3}}"#;
    assert_eq!(decode::<Request>(newer.as_bytes()).unwrap(), Request::Status { names: None, processes: true });
    assert_eq!(decode::<Request>(br#"{"ping":{}}"#).unwrap(), Request::Ping {});
    assert_eq!(decode::<Request>(br#"{"status":{}}"#).unwrap(), Request::Status { names: None, processes: false });
    assert!(decode::<Request>(br#"{"explode":{}}"#).is_err());
    let short = br#"{"status":{"services":[{"name":"a","state":"running","mood":"fine"}]}}"#;
    let Answer::Status { services } = decode(short).unwrap() else { panic!("a status") };
    assert_eq!((services[0].pid, services[0].restarts), (None, 0));

    let mine = Hello::mine("/state".as_ref());
    assert!(mine.speaks_with_this().is_ok());
    let newer = Hello { version: VERSION + 4, ..mine.clone() };
    assert!(newer.speaks_with_this().is_ok(), "it still understands the old one");
    let foreign = Hello { version: VERSION + 4, oldest: VERSION + 1, ..mine.clone() };
    assert!(foreign.speaks_with_this().unwrap_err().contains("protocol"));
    let needy = Hello { needs: vec!["tele\u{1b}pathy".into()], ..mine };
    assert!(needy.speaks_with_this().unwrap_err().contains("tele\\u{1b}pathy"));
}

proptest! {
    #[test]
    fn rubbish_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1_usize..9) {
        let mut framer = Framer::default();
        for piece in bytes.chunks(step) {
            framer.push(piece);
            loop {
                match framer.next_body() {
                    Ok(Some(body)) => drop(decode::<Request>(body)),
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
            }
        }
        drop(read_message::<Request>(&mut Cursor::new(&bytes)));
    }
}
