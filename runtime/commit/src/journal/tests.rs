use super::*;

fn ticket(name: &str) -> RecoveryTicket {
    RecoveryTicket::Place { place: "database".to_owned(), token: name.to_owned() }
}

fn journal() -> Vec<u8> {
    let state = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(state.path(), Uuid::now_v7(), "Delays").unwrap();
    journal.record(vec![ticket("a"), ticket("b")]).unwrap();
    journal.decide(2).unwrap();
    fs::read(&paths(state.path()).unwrap()[0]).unwrap()
}

#[test]
fn every_prefix_says_what_it_says() {
    let bytes = journal();
    let mut tickets = 0;
    for length in 0..bytes.len() {
        let content = parse(&bytes[..length]).unwrap();
        assert!(!content.decided, "after {length} bytes");
        assert!(content.tickets.len() >= tickets);
        tickets = content.tickets.len();
    }
    let content = parse(&bytes).unwrap();
    assert!(content.decided);
    assert_eq!(content.pipeline, "Delays");
    assert_eq!(content.tickets, [(ticket("a"), false), (ticket("b"), false)]);
}

/// A damaged end counts as not written. Damage before a recorded decision is reported.
#[test]
fn a_damaged_byte_is_noticed_wherever_it_is() {
    let bytes = journal();
    let decision = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 4;
        match parse(&damaged) {
            Ok(content) => assert!(!content.decided && index >= decision, "byte {index}"),
            Err(_) => assert!(index <= decision, "byte {index}"),
        }
    }
    for tail in [&b"x"[..], b"\n", &[0; 100], &bytes[..20]] {
        assert!(parse(&[&bytes, tail].concat()).unwrap().decided);
    }
}

#[test]
fn a_living_run_keeps_its_journal() {
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::create(state.path(), Uuid::now_v7(), "").unwrap();
    let path = &paths(state.path()).unwrap()[0];
    assert!(Journal::open(path).unwrap().is_none());
    drop(journal);
    let journal = Journal::open(path).unwrap().unwrap();
    journal.remove().unwrap();
    assert!(Journal::open(path).unwrap().is_none());
}

#[test]
fn a_state_directory_that_cannot_be_is_named() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Journal::create(&file, Uuid::now_v7(), "").unwrap_err().to_string();
    assert!(error.contains(&file.display().to_string()) && error.contains("SETL_STATE_DIR"), "{error}");
}
