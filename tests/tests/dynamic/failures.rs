//! What is said about failures: the same as in a static pipeline, with the same mistakes.

use std::time::Duration;

use setl::policy::{OnFailure, Policy, Retry, RetryOn};

use super::mistakes::check;
use super::*;

#[derive(Clone)]
struct Cache(f64);

#[derive(Clone)]
struct Rates(f64);

#[derive(Clone)]
struct Page(String);

struct Mirror;

#[factory(on_failure = fallback(cached_rates), retry(times = 2, backoff = "1s..1m", on = any), timeout = "30s")]
fn fetch_rates() -> Result<Rates> {
    Ok(Rates(1.0))
}

#[factory(retry(times = 1))]
fn cached_rates(#[delivery(id = Mirror)] cache: Cache, total: Total) -> Result<Rates> {
    Ok(Rates(cache.0 + f64::from(total.0)))
}

#[factory(when = orders.0.len() > 1)]
fn total(orders: Orders) -> Total {
    Total(orders.0.iter().sum())
}

#[factory(on_failure = skip)]
fn convert(rates: Rates) -> Result<Page> {
    Ok(Page(rates.0.to_string()))
}

#[factory]
fn print(page: Page) -> usize {
    page.0.len()
}

#[factory]
fn print_if_any(#[delivery(optional, shared)] page: Option<Arc<Page>>) -> bool {
    page.is_some()
}

#[pipeline(
    defaults(retry(times = 1, factor = 3, jitter = false), total_timeout = "5m"),
    extract(sum, fetch_rates),
    transform(convert),
    load(print_if_any),
    keep(convert)
)]
struct Daily {
    orders: Orders,
    #[delivery(id = Mirror)]
    cache: Cache,
}

fn defaults() -> Policy {
    let retry = Retry::times(1).factor(3.0).jitter(false);
    Policy::NONE.retry(retry).total_timeout(Duration::from_secs(300))
}

fn builder() -> Builder {
    Pipeline::builder("Daily")
        .defaults(defaults())
        .input("orders", Orders(vec![1]))
        .input_with_id::<Mirror, _>("cache", Cache(0.5))
        .stage("extract")
        .factory::<sum>()
        .factory::<fetch_rates>()
        .stage("transform")
        .factory::<convert>()
        .stage("load")
        .factory::<print_if_any>()
        .keep("convert")
}

const DESCRIBED: &str = "\
pipeline Daily (1 retry, total timeout 5m)

inputs
  orders: Orders
  cache: Cache [Mirror]

stage extract
  sum -> Total
    orders: Orders from input orders
  fetch_rates -> Rates (2 retries, timeout 30s)
    on failure cached_rates (1 retry)
      cache: Cache [Mirror] from input cache
      total: Total from sum

stage transform
  convert -> Page (may be skipped)
    rates: Rates from fetch_rates

stage load
  print_if_any -> bool
    page: Option<Arc<Page>> from convert, shared, optional
";

#[test]
fn they_are_said_alike() {
    let (dynamic, fixed) = (builder().build().unwrap(), Daily::plan());
    assert_eq!(dynamic.describe(), DESCRIBED);
    assert_eq!(Daily::describe(), DESCRIBED);
    assert_eq!(dynamic.diagram().mermaid(), Daily::diagram().mermaid());
    assert_eq!(dynamic.diagram().dot(), Daily::diagram().dot());
    assert_eq!(dynamic.plan().defaults, fixed.defaults);
    assert_eq!(fixed.defaults, defaults());
    assert_eq!(dynamic.plan().waits, fixed.waits);
    for (dynamic, fixed) in dynamic.plan().factories.iter().zip(fixed.factories.iter()) {
        assert_eq!(dynamic.policy, fixed.policy);
        assert_eq!(dynamic.kept, fixed.kept);
        let sources = |node: &setl::plan::Node| node.all_sources().collect::<Vec<_>>();
        assert_eq!(sources(dynamic), sources(fixed));
    }
    assert_eq!(dynamic.inputs_without_consumer().count(), 0);
}

#[test]
fn all_is_in_the_policy() {
    let Policy { retry, timeout, on_failure, .. } = *Daily::plan().factories[1].policy;
    let expected = Retry::times(2).backoff(Duration::from_secs(1), Duration::from_secs(60)).on(RetryOn::Any);
    assert_eq!(retry, Some(expected));
    assert_eq!(timeout, Some(Duration::from_secs(30)));
    assert_eq!(on_failure, OnFailure::Fallback);
    assert!(Daily::plan().factories[2].policy.is_skippable());
    assert_eq!(*Daily::plan().factories[3].policy, Policy::NONE);
}

/// The factory and its fallback start when both have all they take.
#[test]
fn a_factory_waits_for_what_its_fallback_takes() {
    assert_eq!(*Daily::plan().waits, [0, 1, 1, 1]);
    assert!(!Daily::plan().factories[0].kept, "the fallback takes it");
}

#[test]
fn diagrams_show_the_fallback() {
    let mermaid = Daily::diagram().mermaid();
    for line in [
        "        factory1[\"fetch_rates<br/>→ Rates<br/>2 retries<br/>timeout 30s\"]\n",
        "        fallback1[\"cached_rates<br/>1 retry\"]\n",
        "        style fallback1 stroke-dasharray: 4\n",
        "    factory1 -.->|\"on failure\"| fallback1\n",
        "    input1 -->|\"cache\"| fallback1\n",
        "    factory0 -->|\"total\"| fallback1\n",
    ] {
        assert!(mermaid.contains(line), "{line}{mermaid}");
    }
    assert!(Daily::diagram().dot().contains("factory1 -> fallback1 [label=\"on failure\", style=dashed];"));
}

fn daily() -> Builder {
    Pipeline::builder("daily").stage("all")
}

#[test]
fn what_the_fallback_takes_is_not_delivered() {
    check(
        daily().input("total", Total(1)).factory::<fetch_rates>(),
        &[
            "nothing in pipeline `daily` delivers `Cache` with id `Mirror`; fallback `cached_rates` of factory \
           `fetch_rates` takes it as `cache`: add a factory whose output it is, or an input of this type",
        ],
    );
}

#[test]
fn what_the_fallback_takes_may_be_absent() {
    check(
        daily()
            .input("orders", Orders(vec![]))
            .input_with_id::<Mirror, _>("cache", Cache(1.0))
            .factory::<total>()
            .factory::<fetch_rates>(),
        &[
            "pipeline `daily`: fallback `cached_rates` of factory `fetch_rates` needs `total` in every run, but factory \
           `total` may be skipped (`when = ...`); take it as `#[delivery(optional)] total: Option<Total>`, or let the \
           factory run always",
        ],
    );
}

#[test]
fn what_may_be_skipped_is_needed() {
    check(
        daily().input("rates", Rates(1.0)).factory::<convert>().factory::<print>(),
        &[
            "pipeline `daily`: factory `print` needs `page` in every run, but factory `convert` may be skipped \
           (`on_failure = skip`); take it as `#[delivery(optional)] page: Option<Page>`, or let another factory stand in \
           for the one that fails: `on_failure = fallback(...)`",
        ],
    );
}

#[factory(on_failure = fallback(rates_of_page))]
fn rates_of_nothing() -> Result<Rates> {
    Ok(Rates(1.0))
}

#[factory]
fn rates_of_page(#[delivery(optional)] page: Option<Page>) -> Rates {
    Rates(page.map_or(0, |page| page.0.len()) as f64)
}

#[test]
fn a_fallback_closes_a_cycle() {
    check(
        daily().factory::<rates_of_nothing>().factory::<convert>(),
        &[
            "pipeline `daily`: factories deliver to each other in a cycle: rates_of_nothing (its fallback) <- convert <- \
           rates_of_nothing; let one of them take something from outside of the cycle",
        ],
    );
}

#[test]
fn a_delivery_of_the_fallback_is_wired_by_name() {
    let builder = |from: &'static str| {
        daily()
            .named_input("mine", Cache(1.0))
            .named_input("total", Total(1))
            .factory_named::<fetch_rates>("rates", |wiring| wiring.take("cache", from).take("total", "total"))
    };
    builder("mine").build().unwrap();
    check(
        builder("total"),
        &["`total` does not deliver `Cache`; fallback `cached_rates` of factory `rates` takes it as `cache`"],
    );
}

#[test]
fn defaults_say_too_much() {
    let too_short = defaults().timeout(Duration::from_secs(600)).on_failure(OnFailure::Skip);
    check(
        daily().factory::<read>().defaults(too_short),
        &[
            "the defaults of pipeline `daily` say more than retries and timeouts: everything else belongs on a factory",
            "the defaults of pipeline `daily` give all attempts together 5m (`total_timeout`), and one of them 10m \
             (`timeout`)",
        ],
    );
}
