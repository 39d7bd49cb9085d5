//! Tests for the error messages of invalid values and variables.

use super::*;

#[test]
fn durations_that_do_not_fit_say_why() {
    assert_eq!(
        wrong("deadline = '0s'\n[defaults]\ntimeout = '0s'\nretry = { times = 1, backoff = '10s..1s' }"),
        [
            "`deadline`: expected a duration such as \"10s\", found \"0s\": it leaves no time at all",
            "`defaults.retry.backoff`: expected one duration or two, such as \"1s..1m\", found \"10s..1s\": the first must not be longer than the second",
            "`defaults.timeout`: expected a duration such as \"10s\", or false, found \"0s\": it leaves no time at all",
        ]
    );
}

#[test]
fn one_duration_is_the_same_wait_each_time() {
    let settings: Settings = "factory.fetch_rates.retry.backoff = '50ms'".parse().unwrap();
    let retry = applied(&settings).of_factory(0).policy.retry.unwrap();
    assert_eq!((retry.delay, retry.max_delay), (SECOND / 20, SECOND / 20));
}

#[test]
fn underscores_that_are_missing_are_told() {
    let settings = variables(&[
        ("SETL_FACTORY_D1_TIMEOUT", "1s"),
        ("SETL_FACTORY_FETCH_RATES_TOTAL_TIMEOUT", "1s"),
        ("SETL_FACTORY_PLAIN__RETRY__TIMES", "1"),
        ("SETL_RESOURCE_RATES_BREAKER_FAILURES", "1"),
        ("SETL_DEFAULTS_RETRY_TIMES", "1"),
        ("SETL_FACTORY_LOAD", "1"),
    ]);
    let found = mistakes(settings.apply(&plan(), |_| false).unwrap_err());
    let cures: Vec<_> = found.iter().map(|mistake| mistake.rsplit(": ").next().unwrap()).collect();
    assert_eq!(
        cures,
        [
            "write `SETL_DEFAULTS__RETRY__TIMES`",
            "write `SETL_FACTORY__D1__TIMEOUT`",
            "write `SETL_FACTORY__FETCH_RATES__TOTAL_TIMEOUT`",
            "as in `SETL_FACTORY__FETCH_RATES__TIMEOUT`",
            "write `SETL_FACTORY__PLAIN__RETRY__TIMES`",
            "write `SETL_RESOURCE__RATES__BREAKER__FAILURES`",
        ]
    );
    assert_eq!(
        found[1],
        "environment variable `SETL_FACTORY_D1_TIMEOUT`: `factory_d1_timeout`: unknown setting; two underscores stand for \
         the dot: write `SETL_FACTORY__D1__TIMEOUT`"
    );
}

#[test]
fn mistakes_name_their_variable() {
    let settings = variables(&[
        ("SETL_DEFAULTS__TIMEOUT", "10"),
        ("SETL_CONCURENCY", "4"),
        ("SETL_FACTORY__FETCH_RATE__TIMEOUT", "1s"),
        ("SETL_RESOURCE__RATES__BREAKER", "{failures=0}"),
    ]);
    assert_eq!(
        mistakes(settings.apply(&plan(), |_| false).unwrap_err()),
        [
            "environment variable `SETL_CONCURENCY`: `concurency`: unknown setting, did you mean `concurrency`?",
            "environment variable `SETL_DEFAULTS__TIMEOUT`: `defaults.timeout`: expected a duration such as \"10s\", or false, found 10",
            "environment variable `SETL_RESOURCE__RATES__BREAKER`: `resource.rates.breaker.failures`: expected a whole number of at least 1, found 0",
            "environment variable `SETL_FACTORY__FETCH_RATE__TIMEOUT`: `factory.fetch_rate`: pipeline `Daily` has no factory `fetch_rate`, did you mean `fetch_rates`?",
        ]
    );
}
