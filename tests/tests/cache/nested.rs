//! A cached factory that starts a run: what that reads and does counts as read and done by the factory.

use setl::prelude::*;

use crate::office::{Clean, Daily, Desk, Late, Limit, Logged, Logging, Office, Read, Total, read};

/// Starts a run of this pipeline, and delivers what it gives.
macro_rules! starts {
    ($pipeline:ident, $name:ident, $output:ident, |$office:ident| $run:expr) => {
        #[factory(cache)]
        async fn $name(limit: Limit, desk: Desk) -> Result<$output> {
            desk.begin(stringify!($name))?;
            let $office = (limit, desk);
            $run
        }

        #[pipeline(only($name))]
        struct $pipeline {
            limit: Limit,
            #[delivery(opaque)]
            desk: Desk,
        }

        impl $pipeline {
            /// What a run of it has computed.
            fn ran(office: &Office) -> Vec<String> {
                let went = office.run_any(Self { limit: Limit(10), desk: office.desk.clone() }.run());
                assert_eq!(went.error, None);
                went.ran
            }
        }
    };
}

#[factory]
fn reads(desk: Desk, context: Context) -> Result<Clean> {
    let file = desk.root.join("input.txt");
    context.depends_on(&file)?;
    Ok(Clean(std::fs::read_to_string(file)?.trim().parse()?))
}

/// Keeps nothing.
#[pipeline(only(reads))]
struct Reading {
    desk: Desk,
}

starts!(Outer, outer, Clean, |of| Ok(Reading { desk: of.1 }.run().await?.get::<reads>().clone()));

#[test]
fn what_a_run_within_has_read_counts() {
    let office = Office::new();
    assert_eq!(Outer::ran(&office), ["outer"]);
    assert_eq!(Outer::ran(&office), [""; 0]);
    office.write("input.txt", "4");
    assert_eq!(Outer::ran(&office), ["outer"]);
    assert_eq!(Outer::ran(&office), [""; 0]);
}

starts!(Cached, cached, Total, |of| {
    let state = of.1.root.join("state");
    let run = Daily { limit: of.0, desk: of.1 }.run().state_dir(state).await?;
    Ok(run.get::<crate::office::total>().clone())
});

#[test]
fn what_was_read_for_what_a_run_within_takes_from_the_cache_counts() {
    let office = Office::new();
    office.run_any(Daily { limit: Limit(10), desk: office.desk.clone() }.run());
    assert_eq!(Cached::ran(&office), ["cached"]);
    assert_eq!(Cached::ran(&office), [""; 0]);
    office.write("input.txt", "4");
    assert_eq!(Cached::ran(&office), ["cached", "clean", "late", "read", "total"]);
}

starts!(Writing, writing, Late, |of| {
    Logging { limit: of.0, desk: of.1 }.run().cache(setl::cache::CachePolicy::off()).await?;
    Ok(Late(1))
});

#[factory(output = Logged)]
struct Announce {
    #[delivery]
    desk: Desk,
}

impl Factory for Announce {
    async fn process(&mut self) -> Result<Logged> {
        Ok(Logged(1))
    }

    /// Nothing goes through the run.
    async fn write(&mut self, _: &Logged) -> Result<()> {
        self.desk.append("announced.txt", "done")
    }
}

#[pipeline(only(Announce))]
struct Announcing {
    desk: Desk,
}

starts!(Acting, acting, Late, |of| {
    Announcing { desk: of.1 }.run().await?;
    Ok(Late(1))
});

#[test]
fn what_a_run_within_writes_is_written_by_every_run() {
    let office = Office::new();
    for run in 1..4 {
        assert_eq!(Writing::ran(&office), ["Log", "clean", "late", "read", "total", "writing"]);
        assert_eq!(office.read("log.txt").unwrap(), "4\n".repeat(run));
        assert_eq!(Acting::ran(&office), ["acting"]);
        assert_eq!(office.read("announced.txt").unwrap(), "done\n".repeat(run));
    }
    assert!(office.cached().is_empty());
}

#[factory(volatile)]
fn changing() -> Clean {
    Clean(1)
}

#[factory]
fn identified(context: Context) -> Late {
    Late(context.run_id().as_u128() as u64)
}

#[pipeline(only(changing))]
struct Changing;

#[pipeline(only(identified))]
struct Identified;

starts!(AboveChanging, above_changing, Clean, |_of| Ok(Changing.run().await?.get::<changing>().clone()));
starts!(AboveIdentified, above_identified, Late, |_of| Ok(Identified
    .run()
    .await?
    .get::<identified>()
    .clone()));

#[test]
fn what_is_another_in_each_run_within_is_never_taken() {
    let office = Office::new();
    for _ in 0..2 {
        assert_eq!(AboveChanging::ran(&office), ["above_changing"]);
        assert_eq!(AboveIdentified::ran(&office), ["above_identified"]);
    }
}

/// Tells that a factory has begun.
#[derive(Clone, Default)]
struct Begun(std::sync::Arc<tokio::sync::Notify>);

/// Never ends, unless it fails.
#[factory]
async fn endless(read: Read, desk: Desk, begun: Begun) -> Result<Late> {
    desk.begin("endless")?;
    begun.0.notify_one();
    std::future::pending::<()>().await;
    Ok(Late(read.0))
}

#[pipeline(only(read, endless))]
struct Endless {
    #[delivery(opaque)]
    desk: Desk,
    #[delivery(opaque)]
    begun: Begun,
}

starts!(Dropping, dropping, Clean, |of| {
    let (begun, state) = (Begun::default(), of.1.root.join("state"));
    let run = Endless { desk: of.1, begun: begun.clone() }.run().state_dir(state);
    tokio::select! {
        run = run => drop(run?),
        () = begun.0.notified() => {}
    }
    Ok(Clean(1))
});

#[test]
fn what_was_read_for_what_a_dropped_run_takes_from_the_cache_counts() {
    let office = Office::new();
    office.desk.fail(&["endless"]);
    office.run_any(Endless { desk: office.desk.clone(), begun: Begun::default() }.run());
    office.desk.fail(&[]);
    assert_eq!(Dropping::ran(&office), ["dropping", "endless"]);
    assert_eq!(Dropping::ran(&office), [""; 0]);
    office.write("input.txt", "4");
    assert_eq!(Dropping::ran(&office), ["dropping", "endless", "read"]);
}
