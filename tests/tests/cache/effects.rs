//! What a factory does outside is done in every run; what nobody can tell is never taken.

use setl::prelude::*;
use setl::run::Status;

use crate::office::{Clean, Desk, Late, Limit, Logged, Office, Read, Total};

#[test]
fn what_writes_runs_in_every_run() {
    let office = Office::new();
    for run in 1..4 {
        let went = office.run_any(office.logging());
        assert_eq!(went.error, None);
        // It needs `clean`, which is not cached.
        let expected: &[&str] =
            if run == 1 { &["Log", "clean", "late", "read", "total"] } else { &["Log", "clean"] };
        assert_eq!(went.ran, expected);
        assert_eq!(office.read("log.txt").unwrap(), "4\n".repeat(run));
        assert_eq!(went.remark("Log"), "not cached: it writes, and so runs in every run");
        let log = went.report.unwrap().cache().iter().find(|of| of.factory == "Log").cloned().unwrap();
        assert_eq!((log.hits, log.misses, log.added), (0, 1, false));
    }
    assert_eq!(office.cached(), ["late", "read", "total"]);
}

/// Each does something outside in its own way, above an output that is cached.
macro_rules! above {
    ($pipeline:ident, $below:ident, $name:ident, { $($body:tt)* }) => {
        #[factory(cache, output = Clean)]
        struct $name {
            #[delivery]
            limit: Limit,
            #[delivery]
            desk: Desk,
            #[delivery]
            #[allow(dead_code, reason = "not all of them write through the run")]
            context: Context,
        }

        $($body)*

        #[factory(cache)]
        fn $below(clean: Clean, desk: Desk) -> Result<Late> {
            desk.begin("below")?;
            Ok(Late(clean.0 + 1))
        }

        #[pipeline(all($name, $below))]
        struct $pipeline {
            limit: Limit,
            #[delivery(opaque)]
            desk: Desk,
        }

        impl $pipeline {
            fn check() {
                let office = Office::new();
                let pipeline = || $pipeline { limit: Limit(1), desk: office.desk.clone() }.run();
                for (run, ran) in [vec!["above", "below"], vec!["above"], vec!["above"]].into_iter().enumerate() {
                    let went = office.run_any(pipeline());
                    assert_eq!((went.ran, went.error), (ran.into_iter().map(str::to_owned).collect(), None));
                    assert_eq!(office.read("log.txt").unwrap(), "done\n".repeat(run + 1));
                }
                assert_eq!(office.cached(), [stringify!($below)]);
                // What is left out of a dry run is left out however much is cached.
                office.run_any(pipeline().no_write());
                assert_eq!(office.read("log.txt").unwrap(), "done\n".repeat(3));
            }
        }
    };
}

above!(Staging, below_staging, Stages, {
    impl Factory for Stages {
        async fn process(&mut self) -> Result<Clean> {
            self.desk.begin("above")?;
            Ok(Clean(self.limit.0))
        }

        async fn write(&mut self, _: &Clean) -> Result<()> {
            self.desk.stage(&self.context, "log.txt", "done")
        }
    }
});

above!(Undoing, below_undoing, Undoes, {
    impl Factory for Undoes {
        async fn process(&mut self) -> Result<Clean> {
            self.desk.begin("above")?;
            Ok(Clean(self.limit.0))
        }

        async fn write(&mut self, _: &Clean) -> Result<()> {
            self.desk.append("log.txt", "done")
        }
    }

    impl Rollback for Undoes {
        async fn rollback(&mut self) -> Result<()> {
            Ok(())
        }
    }
});

above!(Acting, below_acting, Acts, {
    impl Factory for Acts {
        async fn process(&mut self) -> Result<Clean> {
            self.desk.begin("above")?;
            Ok(Clean(self.limit.0))
        }

        /// Nobody is told how to undo it, and nothing goes through the run.
        async fn write(&mut self, _: &Clean) -> Result<()> {
            self.desk.append("log.txt", "done")
        }
    }
});

#[test]
fn whoever_has_written_above_writes_in_every_run() {
    Staging::check();
    Undoing::check();
    Acting::check();
}

#[factory(output = Read)]
struct Early {
    #[delivery]
    desk: Desk,
}

impl Factory for Early {
    async fn process(&mut self) -> Result<Read> {
        self.desk.begin("Early")?;
        Ok(Read(1))
    }

    async fn write(&mut self, _: &Read) -> Result<()> {
        self.desk.append("log.txt", "early")
    }
}

#[factory(cache)]
fn middle(read: Read, desk: Desk) -> Result<Clean> {
    desk.begin("middle")?;
    Ok(Clean(read.0))
}

#[pipeline(#[no_write] first(Early), second(middle))]
struct Silent {
    #[delivery(opaque)]
    desk: Desk,
}

/// The same name, so that it is the same pipeline in another version of the program.
mod loud {
    use super::*;

    #[pipeline(first(Early), second(middle))]
    pub(super) struct Silent {
        #[delivery(opaque)]
        pub(super) desk: Desk,
    }
}

#[test]
fn what_did_not_write_stands_for_nobody_who_does() {
    let office = Office::new();
    office.run_any(Silent { desk: office.desk.clone() }.run());
    let went = office.run_any(Silent { desk: office.desk.clone() }.run());
    assert_eq!(went.with(Status::Cached), ["middle"]);
    assert_eq!(office.read("log.txt"), None);
    for run in 1..3 {
        let went = office.run_any(loud::Silent { desk: office.desk.clone() }.run());
        assert_eq!(office.read("log.txt").unwrap(), "early\n".repeat(run));
        if run == 1 {
            let because = "not taken from the cache: made by a run in which `Early` did not write";
            assert_eq!(went.remark("middle"), because);
        }
    }
}

#[test]
fn who_was_kept_from_writing_stands_for_nobody_who_does() {
    let office = Office::new();
    let pipeline = || loud::Silent { desk: office.desk.clone() }.run();
    office.run_any(pipeline().no_write_of::<Early>());
    let went = office.run_any(pipeline().no_write_of::<Early>());
    assert_eq!(went.with(Status::Cached), ["middle"]);
    assert_eq!(office.read("log.txt"), None);
    let went = office.run_any(pipeline());
    assert_eq!(office.read("log.txt").unwrap(), "early\n");
    let because = "not taken from the cache: made by a run in which `Early` did not write";
    assert_eq!(went.remark("middle"), because);
}

#[factory(cache, on_failure = fallback(instead))]
fn risky(limit: Limit, desk: Desk) -> Result<Logged> {
    desk.begin("risky")?;
    Ok(Logged(limit.0))
}

#[factory]
fn instead(desk: Desk) -> Result<Logged> {
    desk.begin("instead")?;
    Ok(Logged(0))
}

#[factory(cache)]
fn below(logged: Logged, desk: Desk) -> Result<Total> {
    desk.begin("below")?;
    Ok(Total(logged.0 + 1))
}

#[pipeline(all(risky, below))]
struct Falling {
    limit: Limit,
    #[delivery(opaque)]
    desk: Desk,
}

#[test]
fn what_a_fallback_delivers_is_not_cached() {
    let office = Office::new();
    let run = || office.run_any(Falling { limit: Limit(5), desk: office.desk.clone() }.run());
    office.desk.fail(&["risky"]);
    for ran in [&["below", "instead", "risky"][..], &["instead", "risky"]] {
        let went = run();
        assert_eq!(went.ran, ran);
        assert!(
            went.remark("risky").contains("not cached: its fallback has delivered in its place"),
            "{went:?}"
        );
        // What was made of it is told from what is made of the other.
        assert_eq!(office.cached(), ["below"]);
    }
    office.desk.fail(&[]);
    assert_eq!(run().ran, ["below", "risky"]);
    assert_eq!(run().ran.len(), 0);
    assert_eq!(office.cached(), ["below", "below", "risky"]);
}

#[factory(cache, on_failure = skip)]
fn maybe(limit: Limit, desk: Desk) -> Result<Logged> {
    desk.begin("maybe")?;
    Ok(Logged(limit.0))
}

#[factory(cache)]
fn with_or_without(#[delivery(optional)] logged: Option<Logged>, desk: Desk) -> Result<Total> {
    desk.begin("with_or_without")?;
    Ok(Total(logged.map_or(0, |logged| logged.0)))
}

#[pipeline(all(maybe, with_or_without))]
struct Skipping {
    limit: Limit,
    #[delivery(opaque)]
    desk: Desk,
}

#[test]
fn what_was_skipped_is_tried_again() {
    let office = Office::new();
    let run = || office.run_any(Skipping { limit: Limit(5), desk: office.desk.clone() }.run());
    office.desk.fail(&["maybe"]);
    assert_eq!(run().ran, ["maybe", "with_or_without"]);
    let went = run();
    assert_eq!((went.ran, went.error), (vec!["maybe".to_owned()], None));
    assert_eq!(office.cached(), ["with_or_without"]);
    office.desk.fail(&[]);
    assert_eq!(run().ran, ["maybe", "with_or_without"]);
    assert_eq!(run().ran.len(), 0);
}
