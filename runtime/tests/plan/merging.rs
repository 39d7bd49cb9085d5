//! Factories that are there under several names.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use setl::Event;
use setl::optimize::{Optimizer, Pass};
use setl::plan::dynamic::Builder;
use setl::policy::{Resource, Settings};
use setl::prelude::*;
use setl::run::Status;

use crate::shop::{Prices, Seen, clean, shop, total};

#[tokio::test]
async fn equal_branches_run_once_and_every_name_has_the_output() {
    let seen = Arc::new(Seen::default());
    let sees = Arc::clone(&seen);
    let run = shop().run().observe(move |event| sees.see(event)).await.unwrap();
    assert_eq!(seen.began(), ["clean_for_sales", "dearest", "sales"]);
    let into = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let mut merged = seen.merged.lock().unwrap().clone();
    merged.sort();
    assert_eq!(merged, [into("clean_for_support", "clean_for_sales"), into("support", "sales")]);
    assert_eq!(run.find_named::<u64>("sales"), Some(&7));
    assert_eq!(run.find_named::<u64>("support"), Some(&7));
    assert_eq!(run.find_named::<Option<u64>>("dearest"), Some(&Some(4)));
    let entry = run.entry("support").unwrap();
    assert_eq!((entry.status, entry.note.as_deref()), (Status::Merged, Some("as `sales`")));
    assert!(run.to_string().contains("merged"), "{run}");
}

#[tokio::test]
async fn without_the_pass_each_runs() {
    for optimizer in [Optimizer::off(), Optimizer::new().without(Pass::MergeIdentical)] {
        let seen = Arc::new(Seen::default());
        let sees = Arc::clone(&seen);
        let run = shop().run().optimizer(optimizer).observe(move |event| sees.see(event)).await.unwrap();
        assert_eq!(seen.began().len(), 5);
        assert_eq!(run.find_named::<u64>("support"), Some(&7));
    }
    let settings: Settings = "optimizer.off = ['merge-identical']".parse().unwrap();
    let run = shop().run().settings(settings).await.unwrap();
    assert_eq!(run.entry("support").unwrap().status, Status::Succeeded);
}

/// How often anything of this module has run.
type Count = Arc<AtomicU32>;

macro_rules! counted {
    ($($(#[$option:meta])* $name:ident;)*) => {
        $($(#[$option])*
        fn $name(#[delivery(shared)] count: Arc<Count>) -> Result<u32> {
            Ok(count.fetch_add(1, Ordering::SeqCst))
        })*
    };
}

static SERVICE: Resource = Resource::new("service");

counted! {
    #[factory] plain;
    #[factory(volatile)] changing;
    #[factory(resource = SERVICE)] asking;
    #[factory(on_failure = skip)] skippable;
    #[factory(when = true)] conditional;
    #[factory(retry(times = 1))] tried_again;
}

#[factory]
fn told(#[delivery(shared)] count: Arc<Count>, context: Context) -> u32 {
    let _ = context;
    count.fetch_add(1, Ordering::SeqCst)
}

#[factory]
fn acting(#[delivery(shared)] count: Arc<Count>) {
    count.fetch_add(1, Ordering::SeqCst);
}

#[factory(output = u32)]
struct Writing {
    #[delivery(shared)]
    count: Arc<Count>,
}

impl Factory for Writing {
    async fn process(&mut self) -> Result<u32> {
        Ok(self.count.fetch_add(1, Ordering::SeqCst))
    }

    async fn write(&mut self, _: &u32) -> Result<()> {
        Ok(())
    }
}

#[factory(output = u32)]
struct Undoing {
    #[delivery(shared)]
    count: Arc<Count>,
}

impl Factory for Undoing {
    async fn process(&mut self) -> Result<u32> {
        Ok(self.count.fetch_add(1, Ordering::SeqCst))
    }
}

impl Rollback for Undoing {
    async fn rollback(&mut self) -> Result<()> {
        Ok(())
    }
}

/// How often a factory runs that is there twice, and what is said of it.
async fn runs<F: Factory>(more: impl FnOnce(Builder) -> Builder, settings: &str) -> (u32, String) {
    let count = Count::default();
    let twice = || {
        Pipeline::builder("Twice")
            .input("count", Arc::clone(&count))
            .stage("all")
            .factory_named::<F>("first", |wiring| wiring)
            .factory_named::<F>("second", |wiring| wiring)
    };
    let settings: Settings = settings.parse().unwrap();
    let pipeline = more(twice()).build().unwrap();
    let run = pipeline.run().settings(settings);
    let explained = run.explain().unwrap().decisions().map(|(_, decision)| decision.to_string()).collect();
    let directory = tempfile::tempdir().unwrap();
    run.state_dir(directory.path()).await.unwrap();
    (count.load(Ordering::SeqCst), explained)
}

#[tokio::test]
async fn only_what_is_sound_is_merged() {
    async fn check<F: Factory>(expected: u32, why: &str) {
        let (times, explained) = runs::<F>(|builder| builder, "").await;
        assert_eq!(times, expected, "{explained}");
        assert!(explained.contains(why), "{explained}");
    }
    check::<plain>(
        1,
        "first, second: run once, as `first`, since both are `plain` and take the same deliveries",
    )
    .await;
    check::<tried_again>(1, "run once").await;
    let both = "first, second: each runs, although all are";
    check::<changing>(2, both).await;
    check::<changing>(2, "it is volatile, and may deliver something else each time").await;
    check::<asking>(2, "it uses a resource").await;
    check::<skippable>(2, "it may be skipped or replaced when it fails").await;
    check::<conditional>(2, "it may be skipped or replaced when it fails").await;
    check::<acting>(2, "it delivers nothing, so that it is there for what it does").await;
    check::<Writing>(2, "it has a `write` of its own").await;
    check::<Undoing>(2, "it has a `rollback`").await;
    check::<told>(2, "").await;
}

#[tokio::test]
async fn what_settings_treat_differently_is_left() {
    let (times, explained) = runs::<plain>(|builder| builder, "factory.second.timeout = '1h'").await;
    assert_eq!(times, 2);
    assert!(explained.contains("the settings treat them differently"), "{explained}");
    let (times, _) = runs::<plain>(|builder| builder, "defaults.timeout = '1h'").await;
    assert_eq!(times, 1);
}

#[tokio::test]
async fn who_failed_is_named_for_those_that_have_its_output() {
    #[factory]
    fn fails(#[delivery(shared)] count: Arc<Count>) -> Result<u32> {
        count.fetch_add(1, Ordering::SeqCst);
        Err(setl::Error::msg("no"))
    }
    let count = Count::default();
    let pipeline = Pipeline::builder("Twice")
        .input("count", Arc::clone(&count))
        .stage("all")
        .factory_named::<fails>("first", |wiring| wiring)
        .factory_named::<fails>("second", |wiring| wiring)
        .build()
        .unwrap();
    let outcome = pipeline.run().keep_going().outcome().await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(outcome.failures().len(), 1);
    let second = outcome.report().unwrap().entry("second").unwrap();
    assert_eq!((second.status, second.failed_upstream.as_deref()), (Status::NotRun, Some("first")));
}

/// What only a merged factory has taken is not there after the run, as if that had taken it.
#[tokio::test]
async fn outputs_that_were_taken_are_not_kept_because_of_a_merge() {
    for optimizer in [Optimizer::new(), Optimizer::off()] {
        for up_to in [None, Some("fourth")] {
            let pipeline = Pipeline::builder("Chains")
                .named_input("prices", Prices(vec![3, 0, 4]))
                .stage("all")
                .factory_named::<clean>("first", |wiring| wiring.take("prices", "prices"))
                .factory_named::<clean>("second", |wiring| wiring.take("prices", "prices"))
                .factory_named::<total>("third", |wiring| wiring.take("prices", "first"))
                .factory_named::<total>("fourth", |wiring| wiring.take("prices", "second"))
                .build()
                .unwrap();
            let mut run = pipeline.run().optimizer(optimizer.clone());
            if let Some(up_to) = up_to {
                run = run.up_to_named(up_to).up_to_named("third");
            }
            let run = run.await.unwrap();
            assert_eq!(run.find_named::<u64>("fourth"), Some(&7));
            assert!(run.find_named::<Prices>("first").is_none());
            assert!(run.find_named::<Prices>("second").is_none(), "{run}");
        }
    }
}

#[factory]
fn broken() -> Result<u32> {
    Err(setl::Error::msg("broken"))
}

#[factory]
fn takes(number: u32) -> u64 {
    number.into()
}

#[tokio::test]
async fn a_factory_ends_once_if_the_one_that_it_was_merged_into_fails() {
    let pipeline = Pipeline::builder("Twice")
        .stage("all")
        .factory_named::<broken>("first", |wiring| wiring)
        .factory_named::<broken>("second", |wiring| wiring)
        .stage("then")
        .factory_named::<takes>("last", |wiring| wiring.take("number", "second"))
        .build()
        .unwrap();
    let ends = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ends);
    let run = pipeline.run().keep_going().observe(move |event| {
        if event.is_terminal() {
            seen.lock().unwrap().push(format!("{event:?}"));
        }
    });
    run.await.unwrap_err();
    let not_run = |factory: &str| format!("{:?}", Event::NotRun { factory, failed_upstream: Some("first") });
    let expected = [format!("{:?}", Event::Failed { factory: "first" }), not_run("second"), not_run("last")];
    assert_eq!(*ends.lock().unwrap(), expected);
}
