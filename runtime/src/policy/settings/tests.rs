//! Tests for the effect of settings, their precedence and their error messages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cache;

use std::borrow::Cow;
use std::time::Duration;

use super::*;
use crate::cache::CachePolicy;
use crate::plan::{FallbackNode, Node};
use crate::policy::{
    Breaker, Caching, CodeScope, EffectivePolicy, OnFailure, Policy, Resource, Retry, RetryOn,
};

mod words;

const SECOND: Duration = Duration::from_secs(1);

static RATES: Resource = Resource::new("rates").max_concurrent(3).breaker(5, SECOND);

static STRICT: Policy =
    Policy { retry: Some(Retry::times(2).factor(3.0)), timeout: Some(SECOND), ..Policy::NONE };
static OPTIONAL: Policy = Policy { on_failure: OnFailure::Skip, resource: Some(&RATES), ..Policy::NONE };
static CACHE: Resource = Resource::new("cache");
static STAND_IN: Policy = Policy { resource: Some(&CACHE), ..Policy::NONE };
static SHARED: Policy = Policy { resource: Some(&RATES), retry: Some(Retry::times(0)), ..Policy::NONE };

/// `fetch_rates` has many options, `CarrierDelays` can be skipped, `load` has a fallback, `plain` has no options.
fn plan() -> Plan {
    let node = |name: &'static str, policy: &'static Policy| Node {
        name: Cow::Borrowed(name),
        stage: 0,
        deliveries: &[],
        sources: Cow::Borrowed(&[]),
        id: None,
        kept: true,
        blocking: false,
        output: || "()",
        policy,
        fallback: None,
    };
    let mut load = node("load", &SHARED);
    let sources = Cow::Borrowed(&[][..]);
    load.fallback =
        Some(FallbackNode { name: "old", deliveries: &[], sources, blocking: false, policy: &STAND_IN });
    let factories = vec![
        node("fetch_rates", &STRICT),
        node("CarrierDelays", &OPTIONAL),
        load,
        node("plain", &Policy::NONE),
    ];
    let defaults = Policy { total_timeout: Some(SECOND * 100), ..Policy::NONE };
    Plan { pipeline: Cow::Borrowed("Daily"), factories: Cow::Owned(factories), defaults, ..Plan::EMPTY }
}

fn applied(settings: &Settings) -> Effective {
    settings.apply(&plan(), |factory| factory == 0).unwrap()
}

fn mistakes(error: SettingsError) -> Vec<String> {
    match error {
        SettingsError::Mistakes { mistakes } => mistakes,
        other => panic!("{other}"),
    }
}

/// Returns the mistakes in a text, found while it is parsed or applied.
fn wrong(text: &str) -> Vec<String> {
    match text.parse::<Settings>() {
        Ok(settings) => mistakes(settings.apply(&plan(), |factory| factory == 0).unwrap_err()),
        Err(error) => mistakes(error),
    }
}

fn variables(variables: &[(&str, &str)]) -> Settings {
    Settings::default().with_variables(variables.iter().copied())
}

#[test]
fn without_settings_it_is_what_the_pipeline_says() {
    let effective = applied(&Settings::default());
    assert_eq!(effective, Effective::of(&plan()));
    let EffectivePolicy { policy, enabled, .. } = *effective.of_factory(0);
    assert!(enabled);
    assert_eq!(
        (policy.retry, policy.timeout, policy.total_timeout),
        (STRICT.retry, Some(SECOND), Some(SECOND * 100))
    );
    assert_eq!(effective.of_factory(2).policy.retry, None, "no times are no retry");
    let resource = effective.resource_of(2).unwrap();
    assert_eq!(*resource, RATES);
}

#[test]
fn a_pipeline_without_policies_is_trivial() {
    let mut plan = plan();
    assert!(!Effective::of(&plan).is_trivial());
    plan.defaults = Policy::NONE;
    plan.factories.to_mut().drain(..3);
    let effective = Effective::of(&plan);
    assert!(effective.is_trivial() && effective.policies.is_empty());
    assert_eq!(*effective.of_factory(0), EffectivePolicy::NONE);
    let settings: Settings = "concurrency = 2".parse().unwrap();
    assert!(settings.apply(&plan, |_| false).unwrap().is_trivial());
    let settings: Settings = "factory.plain.timeout = '1s'".parse().unwrap();
    assert!(!settings.apply(&plan, |_| false).unwrap().is_trivial());
}

#[test]
fn a_file_can_say_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("setl.toml");
    let text = r#"
        keep_going = true
        deadline = "1h"
        concurrency = 4
        blocking_threads = 8
        state_dir = "/var/lib/setl"
        memory_limit = "8 GiB"
        [defaults]
        retry = { times = 3, backoff = "2s..1m", factor = 2.5, jitter = false, on = "any" }
        timeout = "5m"
        total_timeout = "20m"
        [factory.fetch_rates]
        timeout = "10s"
        retry.times = 5
        on_failure = "fail"
        checkpoint = true
        cache = { max_age = "7d" }
        memory = "500 MiB"
        [factory.CarrierDelays]
        enabled = false
        cache = false
        [cache]
        all = true
        max_bytes = "10 GiB"
        max_age = "2d"
        [resource.rates]
        max_concurrent = 2
        breaker = { failures = 7, open_for = "30s" }
    "#;
    fs::write(&path, text).unwrap();
    let effective = applied(&Settings::from_file(&path).unwrap());
    assert_eq!(effective.keep_going, Some(true));
    assert_eq!(effective.deadline, Some(SECOND * 3600));
    assert_eq!((effective.concurrency, effective.blocking_threads), (Some(4), Some(8)));
    assert_eq!(effective.state_dir.as_deref(), Some(Path::new("/var/lib/setl")));

    assert_eq!(effective.memory_limit, Some(8 << 30));

    let fetch = effective.of_factory(0).policy;
    assert_eq!(fetch.memory, Some(500 << 20));
    assert_eq!(fetch.retry, Some(Retry::times(5).factor(3.0)), "what settings do not say stays");
    assert_eq!((fetch.timeout, fetch.total_timeout), (Some(SECOND * 10), Some(SECOND * 1200)));
    assert!(fetch.checkpoint);
    assert_eq!(fetch.cache, Some(Caching::DEFAULT.max_age(SECOND * 7 * 86_400)));
    assert!(!effective.of_factory(1).enabled);
    let cached = [0, 1, 3].map(|factory| effective.of_factory(factory).cached);
    assert_eq!(cached, [Some(true), Some(false), None]);
    assert_eq!(effective.cache, CachePolicy::all().max_bytes(10 << 30).max_age(SECOND * 2 * 86_400));

    let plain = effective.of_factory(3).policy;
    let retry = Retry::times(3).backoff(SECOND * 2, SECOND * 60).factor(2.5).jitter(false).on(RetryOn::Any);
    assert_eq!((plain.retry, plain.timeout), (Some(retry), Some(SECOND * 300)));

    let rates = effective.resource_of(1).unwrap();
    let breaker = Breaker { failures: 7, open_for: SECOND * 30 };
    assert_eq!((rates.max_concurrent, rates.breaker), (Some(2), Some(breaker)));
}

#[test]
fn what_a_factory_says_goes_before_defaults() {
    let effective = applied(&"defaults.timeout = '9s'\ndefaults.retry.times = 9".parse().unwrap());
    assert_eq!(effective.of_factory(0).policy.timeout, Some(SECOND));
    assert_eq!(effective.of_factory(0).policy.retry, STRICT.retry);
    assert_eq!(effective.of_factory(2).policy.retry, None, "`times = 0` says that it has none");
    assert_eq!(effective.of_factory(3).policy.retry, Some(Retry::times(9)));
}

#[test]
fn false_switches_off() {
    let text = "
        defaults.total_timeout = false
        factory.fetch_rates = { retry = false, timeout = false }
        resource.rates = { max_concurrent = false, breaker = false }
    ";
    let effective = applied(&text.parse().unwrap());
    assert!(effective.of_factory(0).policy.is_trivial());
    assert_eq!(*effective.resource_of(1).unwrap(), Resource::new("rates"));
}

#[test]
fn what_stands_in_for_a_factory_may_have_a_resource_too() {
    let effective = applied(&"resource.cache.max_concurrent = 1".parse().unwrap());
    assert_eq!(*effective.resource(&CACHE), Resource::new("cache").max_concurrent(1));
    static ELSEWHERE: Resource = Resource::new("elsewhere");
    assert_eq!(*effective.resource(&ELSEWHERE), ELSEWHERE);
}

#[test]
fn variables_go_before_files() {
    let text =
        "factory.fetch_rates = { timeout = '2s', retry.times = 7 }\nfactory.CarrierDelays.timeout = '3s'";
    let settings: Settings = text.parse().unwrap();
    let effective = applied(&settings.with_variables([
        ("SETL_FACTORY__FETCH_RATES__TIMEOUT", "10s"),
        ("SETL_FACTORY__CARRIER_DELAYS__TIMEOUT", "11s"),
        ("SETL_DEFAULTS__RETRY__TIMES", "5"),
        ("SETL_KEEP_GOING", "true"),
        ("SETL_RESOURCE__RATES__BREAKER", "{failures=2}"),
        ("OTHER", "1"),
        ("SETL_BLESS", "1"),
    ]));
    assert_eq!(effective.of_factory(0).policy.timeout, Some(SECOND * 10));
    assert_eq!(effective.of_factory(0).policy.retry.unwrap().times, 7);
    assert_eq!(effective.of_factory(1).policy.timeout, Some(SECOND * 11));
    assert_eq!(effective.of_factory(3).policy.retry, Some(Retry::times(5)));
    assert_eq!(effective.keep_going, Some(true));
    assert_eq!(effective.resource_of(1).unwrap().breaker, Some(Breaker { failures: 2, open_for: SECOND }));
}

#[test]
fn environments_lie_between_the_file_and_variables() {
    let text = "
        defaults = { timeout = '1s', total_timeout = '9s' }
        env.production.defaults.timeout = '2s'
        env.staging.defaults.timeout = '3s'
    ";
    let settings: Settings = text.parse().unwrap();
    let timeouts = |settings: &Settings| {
        let policy = applied(settings).of_factory(3).policy;
        (policy.timeout, policy.total_timeout)
    };
    assert_eq!(timeouts(&settings), (Some(SECOND), Some(SECOND * 9)));
    let production = settings.clone().with_variables([("SETL_ENV", "production")]);
    assert_eq!(timeouts(&production), (Some(SECOND * 2), Some(SECOND * 9)));
    let production = production.with_variables([("SETL_DEFAULTS__TIMEOUT", "4s")]);
    assert_eq!(timeouts(&production), (Some(SECOND * 4), Some(SECOND * 9)));
    assert_eq!(timeouts(&settings.clone().environment("staging")).0, Some(SECOND * 3));

    let production = settings.clone().environment("production").with_variables([("SETL_ENV", "staging")]);
    assert_eq!(timeouts(&production).0, Some(SECOND * 2), "the program has the last word");

    let staging = settings.clone().with_variables([("SETL_ENV", "stagng")]);
    assert_eq!(
        mistakes(staging.apply(&plan(), |_| false).unwrap_err()),
        ["environment variable `SETL_ENV`: there is no environment `stagng`, did you mean `staging`?"]
    );
    let error = settings.environment("prodution").apply(&plan(), |_| false).unwrap_err();
    assert_eq!(mistakes(error), ["there is no environment `prodution`, did you mean `production`?"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = r#"
        deadline = 10
        concurrency = 0
        keep_goin = true
        [defaults]
        retry = { times = -1, backoff = "1m..1s", factor = 0.5, jitter = "no", on = "transiet" }
        timeout = "ten"
        [factory.plain]
        on_failure = "skipp"
        timout = "1s"
        [resource]
        rates = 3
        [env.production]
        state_dir = 4
    "#;
    assert_eq!(
        wrong(text),
        [
            "`keep_goin`: unknown setting, did you mean `keep_going`?",
            "`deadline`: expected a duration such as \"10s\", found 10",
            "`concurrency`: expected a whole number of at least 1, found 0",
            "`defaults.retry.times`: expected a whole number, found -1",
            "`defaults.retry.backoff`: expected one duration or two, such as \"1s..1m\", found \"1m..1s\": the first must not be longer than the second",
            "`defaults.retry.factor`: expected a number of at least 1, found 0.5",
            "`defaults.retry.jitter`: expected true or false, found \"no\"",
            "`defaults.retry.on`: expected one of \"transient\", \"any\", found \"transiet\"",
            "`defaults.timeout`: expected a duration such as \"10s\", or false, found \"ten\"",
            "`factory.plain.timout`: unknown setting, did you mean `timeout`?",
            "`factory.plain.on_failure`: expected one of \"fail\", \"skip\", \"fallback\", found \"skipp\"",
            "`resource.rates`: expected a table with `max_concurrent`, `breaker`, found 3",
            "`env.production.state_dir`: expected a path, found 4",
        ]
    );
}

#[test]
fn what_is_not_there_is_told() {
    let text = "factory.fetch_rate.timeout = '1s'\nresource.rate.max_concurrent = 1\nfactory.carrier_delays.enabled = true";
    assert_eq!(
        wrong(text),
        [
            "`factory.carrier_delays`: pipeline `Daily` has no factory `carrier_delays`, did you mean `CarrierDelays`?",
            "`factory.fetch_rate`: pipeline `Daily` has no factory `fetch_rate`, did you mean `fetch_rates`?",
            "`resource.rate`: pipeline `Daily` has no resource `rate`, did you mean `rates`?",
        ]
    );
}

#[test]
fn settings_cannot_change_what_others_rely_on() {
    let text = "
        factory.plain = { enabled = false, on_failure = 'skip', checkpoint = true, cache = true }
        factory.fetch_rates.on_failure = 'fallback'
        factory.CarrierDelays = { enabled = false, on_failure = 'skip' }
        factory.load.on_failure = 'fallback'
    ";
    let relied_on = "others rely on the output of factory `plain`; declare `#[factory(on_failure = skip)]` on it, so that \
                     they take it as `optional`";
    assert_eq!(
        wrong(text),
        [
            "`factory.fetch_rates.on_failure`: factory `fetch_rates` has no fallback; declare `#[factory(on_failure = fallback(…))]` on it".to_owned(),
            format!("`factory.plain.enabled`: {relied_on}"),
            format!("`factory.plain.on_failure`: {relied_on}"),
            "`factory.plain.checkpoint`: the output of factory `plain` cannot be kept on disk; derive `serde::Serialize` and `serde::Deserialize` on its output".to_owned(),
            "`factory.plain.cache`: the output of factory `plain` cannot be kept on disk; declare `#[factory(cache)]` on it".to_owned(),
        ]
    );
}

#[test]
fn values_that_do_not_go_together_are_a_mistake() {
    let text = "factory.plain.retry.jitter = false";
    assert_eq!(wrong(text), ["`factory.plain.retry`: nothing is tried again yet, so `times` is needed"]);

    for never in ["0s", "500000000000y", "99999999999999999999y", "-1s", ""] {
        assert_eq!(wrong(&format!("deadline = '{never}'")).len(), 1, "{never}");
    }
    assert_eq!(
        wrong("defaults = { timeout = '1m', total_timeout = '1s' }"),
        ["`defaults.total_timeout`: it is for all attempts together, and one may take 1m already"]
    );

    assert_eq!(
        wrong("resource.cache.breaker.failures = 3"),
        [
            "`resource.cache.breaker`: resource `cache` has no breaker yet, so both `failures` and `open_for` are needed"
        ]
    );
}

#[test]
fn a_file_is_named_wherever_something_is_wrong_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("setl.toml");
    let error = Settings::from_file(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("settings file {} cannot be read", path.display()));

    fs::write(&path, "concurrency = \n").unwrap();
    let error = Settings::from_file(&path).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{} is not TOML: TOML parse error at line 1", path.display())),
        "{error}"
    );

    fs::write(&path, "concurrency = 'four'\nenv.global = {}\nenv.a = 1\nzzz = 2").unwrap();
    let error = Settings::from_file(&path).unwrap_err();
    let place = path.display();
    assert_eq!(
        mistakes(error),
        [
            format!("{place}: `env.a`: expected a table, found 1"),
            format!("{place}: `env.global`: an environment cannot have this name"),
            format!(
                "{place}: `zzz`: unknown setting; there are `keep_going`, `deadline`, `memory_limit`, `concurrency`, \
                 `blocking_threads`, `state_dir`, `cache`, `code`, `optimizer`, `defaults` and 2 more"
            ),
            format!("{place}: `concurrency`: expected a whole number of at least 1, found \"four\""),
        ]
    );
}

#[test]
fn one_mistake_is_a_line_and_several_are_a_list() {
    let one = "deadline = 1".parse::<Settings>().unwrap_err();
    assert!(one.to_string().starts_with("the settings have a mistake: `deadline`: expected"), "{one}");
    let two = "deadline = 1\nconcurrency = 0".parse::<Settings>().unwrap_err();
    assert!(two.to_string().starts_with("the settings have 2 mistakes:\n  `deadline`"), "{two}");
}

#[test]
fn the_code_that_counts_is_one_of_two() {
    let code = |text: &str| {
        let effective = applied(&text.parse().unwrap());
        let of_factory = effective.of_factory(0);
        (effective.code, of_factory.code, of_factory.policy.code)
    };
    let (program, package) = (Some(CodeScope::Program), Some(CodeScope::Package));
    assert_eq!(code(""), (None, None, None));
    assert_eq!(code("code = 'package'"), (package, None, None));
    assert_eq!(code("defaults.code = 'package'"), (None, None, package));
    assert_eq!(
        code("defaults.code = 'package'\nfactory.fetch_rates.code = 'program'"),
        (None, program, program)
    );
    assert_eq!(
        wrong("code = 'crate'\n[defaults]\ncode = true"),
        [
            "`code`: expected one of \"program\", \"package\", found \"crate\"",
            "`defaults.code`: expected one of \"program\", \"package\", found true",
        ]
    );
    // Other programs have variables of such names.
    let settings = variables(&[("SETL_MODE", "fast"), ("SETL_HOME", "/opt"), ("SETL_CODE", "package")]);
    assert_eq!(applied(&settings).code, package);
}

#[test]
fn what_is_nested_too_deeply_is_a_mistake() {
    let names = vec!["X"; 50_000].join("__");
    let cases = [
        ("SETL_CONCURRENCY", "[".repeat(100_000)),
        ("SETL_CONCURRENCY", format!("{}4{}", "[".repeat(30_000), "]".repeat(30_000))),
        ("SETL_DEFAULTS", "{a=".repeat(30_000)),
        (&*format!("SETL_{names}"), "4".to_owned()),
    ];
    for (name, value) in cases {
        let settings = Settings::default().with_variables([(name.to_owned(), value)]);
        let [mistake] = &mistakes(settings.apply(&plan(), |_| false).unwrap_err())[..] else {
            panic!("there is one mistake")
        };
        assert!(mistake.starts_with(&format!("environment variable `{name}`: ")), "{mistake}");
    }
}
