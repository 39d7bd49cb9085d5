//! The numbers with which programs end.

use super::*;

#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Well,
    Badly,
    Lost,
    Never,
}

#[derive(Clone, Copy)]
struct Commits(Result<(), bool>);

#[factory]
async fn ends(ends: Ends) -> Result<u8> {
    match ends {
        Ends::Well => Ok(1),
        Ends::Badly => Err(Error::msg("wrong")),
        Ends::Lost => Err(lost()),
        Ends::Never => std::future::pending().await,
    }
}

#[factory]
async fn writes(context: Context, commits: Commits) -> Result<u16> {
    let refuses = commits.0 == Err(false);
    match commits.0 {
        Err(true) => context.enlist(Box::new(Refuses))?,
        _ => context.enlist(Box::new(Note { name: "out", log: Log::default(), refuses }))?,
    }
    context.enlist(Box::new(Note { name: "other", log: Log::default(), refuses: false }))?;
    Ok(2)
}

/// Can be prepared, but not committed.
#[derive(Debug)]
struct Refuses;

impl StagedWrite for Refuses {
    fn target(&self) -> String {
        "what refuses".to_owned()
    }

    fn commit(self: Box<Self>) -> Result<()> {
        Err(Error::msg("read-only"))
    }

    fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[pipeline(#[sequential] all(writes, ends))]
struct Codes {
    ends: Ends,
    commits: Commits,
}

fn run(ends: Ends, commits: Result<(), bool>) -> setl::RunBuilder<Codes> {
    Codes { ends, commits: Commits(commits) }.run().state_dir(state())
}

#[tokio::test(start_paused = true)]
async fn each_end_has_its_number() {
    let token = CancellationToken::new();
    token.cancel();
    let codes = [
        (0, run(Ends::Well, Ok(())).outcome().await),
        (1, run(Ends::Badly, Ok(())).outcome().await),
        (1, run(Ends::Well, Err(false)).outcome().await),
        // Nothing failed before the commit, so that it did not go on after anything.
        (1, run(Ends::Well, Err(false)).keep_going().outcome().await),
        (3, run(Ends::Badly, Ok(())).keep_going().outcome().await),
        (3, run(Ends::Lost, Ok(())).commit_partial().outcome().await),
        (75, run(Ends::Lost, Ok(())).outcome().await),
        (124, run(Ends::Never, Ok(())).deadline(SECOND).outcome().await),
        (130, run(Ends::Well, Ok(())).cancel_on(token).outcome().await),
    ];
    for (at, (code, outcome)) in codes.iter().enumerate() {
        assert_eq!(outcome.code(), *code, "{at}: {outcome:?}");
    }
    let unknown = run(Ends::Well, Ok(())).partial().only_named("write").outcome().await;
    assert_eq!(unknown.code(), 2);
}

/// Whether another target could be switched or not, it is not said that nothing has changed.
#[tokio::test]
async fn a_commit_that_is_not_complete_is_told_apart() {
    let outcome = run(Ends::Well, Err(true)).outcome().await;
    assert_eq!(outcome.code(), 4);
    assert_eq!(outcome.failures()[0].factory, "writes");
    assert_eq!(outcome.failures()[0].phase, Phase::Commit);
    let text = outcome.error().unwrap().full();
    assert!(!text.contains("no target of this run has changed"), "{text}");
}
