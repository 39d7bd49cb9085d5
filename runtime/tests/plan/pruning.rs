//! Factories that nobody needs.

use setl::Run;
use setl::optimize::{Optimizer, Pass};
use setl::plan::dynamic::Builder;
use setl::policy::Settings;
use setl::prelude::*;
use setl::run::Status;

use crate::shop::{Prices, clean, total};

#[factory(on_failure = skip)]
fn newest(prices: Prices) -> Result<Option<u64>> {
    Ok(prices.0.last().copied())
}

#[factory(volatile)]
fn fetched(prices: Prices) -> Prices {
    prices
}

fn pipeline<F: Factory>() -> Builder {
    let of = |name: &'static str| move |wiring: setl::plan::dynamic::Wiring| wiring.take("prices", name);
    Pipeline::builder("Shop")
        .named_input("prices", Prices(vec![3, 0, 4]))
        .stage("clean")
        .factory_named::<F>("clean", of("prices"))
        .factory_named::<clean>("again", of("clean"))
        .stage("report")
        .factory_named::<newest>("newest", of("again"))
        .factory_named::<total>("total", of("prices"))
}

fn switched_off() -> Settings {
    "factory.newest.enabled = false".parse().unwrap()
}

#[tokio::test]
async fn what_only_goes_to_factories_that_are_switched_off_does_not_run() {
    let run = pipeline::<clean>().build().unwrap().run().settings(switched_off()).await.unwrap();
    let status = |name| run.entry(name).unwrap().status;
    assert_eq!((status("clean"), status("again")), (Status::NotSelected, Status::NotSelected));
    assert_eq!((status("newest"), status("total")), (Status::Skipped, Status::Succeeded));
    assert_eq!(run.find_named::<u64>("total"), Some(&7));
    let explanation = run.explain();
    let decisions: Vec<_> = explanation.decisions().map(|(_, decision)| decision.to_string()).collect();
    assert_eq!(
        decisions[..2],
        [
            "again: left out, since only `newest` would take its output, and does not run",
            "clean: left out, since only `again` would take its output, and does not run",
        ]
    );
}

#[tokio::test]
async fn it_runs_without_the_pass_and_where_somebody_needs_it() {
    let all_run = |run: &Run<Pipeline>| {
        ["clean", "again"].iter().all(|name| run.entry(name).unwrap().status == Status::Succeeded)
    };
    let optimizer = Optimizer::new().without(Pass::Prune);
    let run = pipeline::<clean>().build().unwrap().run().settings(switched_off()).optimizer(optimizer);
    assert!(all_run(&run.await.unwrap()));
    let run = pipeline::<clean>().keep("again").build().unwrap().run().settings(switched_off());
    assert!(all_run(&run.await.unwrap()));
    let run = pipeline::<fetched>().build().unwrap().run().settings(switched_off()).await.unwrap();
    let status = |name| run.entry(name).unwrap().status;
    assert_eq!((status("clean"), status("again")), (Status::Succeeded, Status::NotSelected));
}

#[tokio::test]
async fn what_was_not_asked_for_does_not_run_whatever_is_off() {
    for optimizer in [Optimizer::new(), Optimizer::off()] {
        let run = pipeline::<clean>().build().unwrap().run().up_to_named("again").optimizer(optimizer);
        let explanation = run.explain().unwrap();
        assert!(!explanation.after().factory("total").unwrap().runs());
        let run = run.await.unwrap();
        assert_eq!(run.entry("total").unwrap().status, Status::NotSelected);
        assert!(run.find_named::<Prices>("again").is_some());
    }
}
