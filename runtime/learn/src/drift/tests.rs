//! Series with changes at known places.

use fastrand::Rng;

use super::*;
use crate::model::normal_draw;

/// Times around the levels, each for a number of measurements, at sizes that vary.
fn series(levels: &[(f64, usize)], noise: f64, random: &mut Rng) -> Vec<Measured> {
    let mut series = Vec::new();
    for &(level, count) in levels {
        for _ in 0..count {
            let size = 14.0 + 2.0 * random.f64();
            series
                .push(Measured { size: Some(size), value: level.ln() + size + noise * normal_draw(random) });
        }
    }
    series
}

#[test]
fn what_stays_as_it_is_gives_no_alarm() {
    let mut random = Rng::with_seed(1);
    let alarms = (0..200).filter(|_| last_change(&series(&[(1.0, 200)], 0.2, &mut random)).is_some());
    // 40,000 measurements: about 4 false alarms are expected.
    assert!(alarms.count() < 20);
}

#[test]
fn a_change_is_found_where_it_is() {
    let mut random = Rng::with_seed(2);
    for (ratio, noise) in [(2.3, 0.1), (2.3, 0.3), (0.4, 0.2), (1.5, 0.1)] {
        let found = (0..100).filter(|_| {
            let change = last_change(&series(&[(1.0, 14), (ratio, 12)], noise, &mut random));
            change.is_some_and(|Change { at, from, ratio: found }| {
                (12..=16).contains(&at) && from == at && (found / ratio).ln().abs() < 0.35
            })
        });
        let found = found.count();
        assert!(found > 80, "{ratio} with {noise}: {found} of 100");
    }
}

#[test]
fn a_large_change_is_found_after_few_runs() {
    let mut random = Rng::with_seed(3);
    let found =
        |runs, random: &mut Rng| last_change(&series(&[(1.0, 20), (2.3, runs)], 0.1, random)).is_some();
    let soon = (0..100).filter(|_| found(3, &mut random)).count();
    let at_once = (0..100).filter(|_| found(1, &mut random)).count();
    assert!(soon > 80 && at_once == 0, "{soon} {at_once}");
}

#[test]
fn one_bad_run_is_no_change() {
    let mut random = Rng::with_seed(4);
    for _ in 0..100 {
        let series = series(&[(1.0, 20), (50.0, 1), (1.0, 20)], 0.1, &mut random);
        assert_eq!(last_change(&series), None);
    }
}

#[test]
fn the_last_of_several_changes_counts() {
    let mut random = Rng::with_seed(5);
    let series = series(&[(1.0, 30), (3.0, 30), (1.0, 30)], 0.1, &mut random);
    let Some(change) = last_change(&series) else { panic!("not found") };
    assert!((58..=61).contains(&change.at) && (change.ratio - 1.0 / 3.0).abs() < 0.05, "{change:?}");
}

#[test]
fn few_or_no_measurements_say_nothing() {
    let mut random = Rng::with_seed(6);
    assert_eq!(last_change(&[]), None);
    assert_eq!(last_change(&series(&[(1.0, 2), (9.0, 2)], 0.1, &mut random)), None);
}

#[test]
fn a_sentence_has_the_figures() {
    let drift = |ratio, runs| Drift { factory: "clean".into(), ratio, from: 14, since: "a".into(), runs };
    assert!(
        drift(12.34, 1)
            .to_string()
            .starts_with("`clean` takes 12 times what was predicted from 14 runs since run a, the last")
    );
    assert!(drift(0.431, 5).to_string().contains("takes 0.43 times"));
    assert!(drift(0.9, 2).is_worth_a_word() && !drift(1.05, 2).is_worth_a_word());
}
