//! Factories that deliver something else, or nothing, or whose place another takes.

use serde::{Deserialize, Serialize};
use setl::prelude::*;
use setl::run::Status;

use crate::daily::{Desk, Limit, Office};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rate(u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Priced(u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Extra(u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Maybe(u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Risky(u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sum(u64);

#[factory(volatile)]
fn rate(desk: Desk) -> Result<Rate> {
    desk.begin("rate")?;
    Ok(Rate(*desk.rate.lock().unwrap()))
}

#[factory(checkpoint)]
fn price(rate: Rate, limit: Limit, desk: Desk) -> Result<Priced> {
    desk.begin("price")?;
    Ok(Priced(rate.0 * limit.0))
}

#[factory(checkpoint, when = limit.0 > 5)]
fn extra(limit: Limit, desk: Desk) -> Result<Extra> {
    desk.begin("extra")?;
    Ok(Extra(limit.0))
}

#[factory(checkpoint, on_failure = skip)]
fn maybe(desk: Desk) -> Result<Maybe> {
    desk.begin("maybe")?;
    Ok(Maybe(1000))
}

#[factory(checkpoint, on_failure = fallback(steady))]
fn risky(desk: Desk) -> Result<Risky> {
    desk.begin("risky")?;
    Ok(Risky(10_000))
}

#[factory]
fn steady(desk: Desk) -> Result<Risky> {
    desk.begin("steady")?;
    Ok(Risky(20_000))
}

#[factory(checkpoint)]
fn sum(
    price: Priced,
    #[delivery(optional)] extra: Option<Extra>,
    #[delivery(optional)] maybe: Option<Maybe>,
    risky: Risky,
    desk: Desk,
) -> Result<Sum> {
    desk.begin("sum")?;
    Ok(Sum(price.0 + extra.map_or(0, |extra| extra.0) + maybe.map_or(0, |maybe| maybe.0) + risky.0))
}

#[factory]
fn show(sum: Sum, desk: Desk) -> Result<u64> {
    desk.begin("show")?;
    Ok(sum.0)
}

#[pipeline(all(rate, price, extra, maybe, risky, sum, show))]
struct Varying {
    limit: Limit,
    #[delivery(opaque)]
    desk: Desk,
}

/// A run that fails in the last factory, a change, and one that goes on: what runs in it, and what it comes to. An
/// undisturbed run comes to the same.
#[track_caller]
fn check(
    first_fails: &[&str],
    change: impl Fn(&mut Office),
    ran: &[&str],
    comes_to: u64,
) -> Vec<(String, String)> {
    let mut office = Office::new();
    *office.desk.rate.lock().unwrap() = 3;
    let fails: Vec<_> = first_fails.iter().copied().chain(["show"]).collect();
    office.desk.fail(&fails);
    office.run_any(Varying { limit: Limit(10), desk: office.desk.clone() }.run());
    office.desk.fail(&[]);
    change(&mut office);
    let varying = || Varying { limit: Limit(office.limit), desk: office.desk.clone() };
    let comes = |runner: setl::RunBuilder<Varying>| {
        let outcome = setl_tests::runtime(4).block_on(runner.state_dir(office.state()).outcome());
        (outcome.find::<show>().copied(), office.went(&outcome))
    };
    office.desk.forget();
    let (found, went) = comes(varying().run().resume());
    assert_eq!(
        (went.ran.clone(), went.error.clone()),
        (ran.iter().map(|name| (*name).to_owned()).collect(), None)
    );
    assert_eq!(found, Some(comes_to));
    for name in went.with(Status::Restored) {
        assert_eq!(went.remark(name), "", "what was restored was not turned down");
    }
    office.check_clean();
    went.notes.into_iter().collect()
}

#[test]
fn what_is_volatile_runs_and_the_rest_if_it_has_changed() {
    check(&[], |_| {}, &["rate", "show"], 11_040);
    let notes =
        check(&[], |office| *office.desk.rate.lock().unwrap() = 4, &["price", "rate", "show", "sum"], 11_050);
    assert_eq!(notes[0].1, "its checkpoint was not used: what it takes from `rate` has changed");
}

#[test]
fn what_is_left_out_by_its_condition_is_told_apart() {
    check(&[], |office| office.limit = 20, &["extra", "price", "rate", "show", "sum"], 11_080);
    check(&[], |office| office.limit = 5, &["price", "rate", "show", "sum"], 11_015);
}

#[test]
fn what_was_skipped_is_tried_again() {
    check(&["maybe"], |_| {}, &["maybe", "rate", "show", "sum"], 11_040);
    check(&["maybe"], |office| office.desk.fail(&["maybe"]), &["maybe", "rate", "show"], 10_040);
    // What was made with it is good even if it could not be made now.
    check(&[], |office| office.desk.fail(&["maybe"]), &["rate", "show"], 11_040);
}

#[test]
fn what_its_fallback_has_delivered_is_kept() {
    check(&["risky"], |_| {}, &["rate", "show"], 21_040);
}

#[test]
fn a_factory_that_goes_on_after_a_cancelled_run_is_kept() {
    let office = Office::new();
    let token = setl::CancellationToken::new();
    let cancel = token.clone();
    office.desk.let_do("sum", move || cancel.cancel());
    let varying = || Varying { limit: Limit(10), desk: office.desk.clone() }.run();
    let went = office.run_any(varying().cancel_on(token));
    assert!(went.error.unwrap().contains("cancelled"));
    office.desk.let_do("sum", || {});
    let went = office.run_any(varying().resume());
    assert!(went.ran.iter().all(|name| ["rate", "show", "sum"].contains(&&**name)), "{:?}", went.ran);
    office.check_clean();
}

#[cfg(feature = "config")]
mod settings {
    use setl::policy::Settings;

    use super::*;

    fn run(office: &Office, settings: &str) -> crate::daily::Went {
        let settings: Settings = settings.parse().unwrap();
        let varying = Varying { limit: Limit(10), desk: office.desk.clone() };
        office.run_any(varying.run().resume().settings(settings))
    }

    #[test]
    fn settings_say_what_is_kept() {
        let office = Office::new();
        let settings: Settings =
            "factory.clean.checkpoint = true\nfactory.flights.checkpoint = false".parse().unwrap();
        office.desk.fail(&["FindLate", "Log"]);
        office.run(|runner| runner.settings(settings.clone()));
        assert_eq!(office.kept().into_keys().collect::<Vec<_>>(), ["clean"]);
        office.desk.fail(&[]);
        assert_eq!(office.run(|runner| runner.settings(settings).resume()).ran, ["FindLate", "Log", "total"]);
        office.check_clean();
    }

    #[test]
    fn what_is_switched_off_is_not_restored() {
        let office = Office::new();
        office.desk.fail(&["show"]);
        run(&office, "");
        office.desk.fail(&[]);
        let went = run(&office, "factory.extra.enabled = false");
        assert_eq!(went.ran, ["rate", "show", "sum"]);
        assert_eq!(went.with(Status::Skipped), ["extra"]);
        office.check_clean();
    }
}
