//! Makespans of plans that can be worked out by hand, and bounds that hold for all plans.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use proptest::prelude::*;

use super::*;
use crate::model::StudentT;

fn by_rank(graph: &Graph, workers: usize, seconds: &[f64]) -> Simulation {
    let priorities = upward_rank(graph, seconds);
    simulate(graph, workers, Costs { seconds, priorities: &priorities, bytes: &[] })
}

fn first_come(graph: &Graph, workers: usize, seconds: &[f64]) -> f64 {
    simulate(graph, workers, Costs { seconds, priorities: &[], bytes: &[] }).makespan
}

#[test]
fn a_chain_takes_the_sum() {
    let graph = Graph::new(4, &[(0, 1), (1, 2), (2, 3)]);
    let simulation = by_rank(&graph, 8, &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(simulation.makespan, 10.0);
    assert_eq!(simulation.start, [0.0, 1.0, 3.0, 6.0]);
    assert_eq!(simulation.utilisation, 1.0 / 8.0);
    assert_eq!(critical_path(&graph, &[1.0; 4]), [0, 1, 2, 3]);
}

#[test]
fn independent_ones_take_turns() {
    let graph = Graph::new(5, &[]);
    let makespans = [1, 2, 3, 5, 9].map(|workers| by_rank(&graph, workers, &[1.0; 5]).makespan);
    assert_eq!(makespans, [5.0, 3.0, 2.0, 1.0, 1.0]);
}

#[test]
fn a_diamond_takes_its_longer_side() {
    let graph = Graph::new(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    let seconds = [1.0, 5.0, 2.0, 1.0];
    assert_eq!(by_rank(&graph, 2, &seconds).makespan, 7.0);
    assert_eq!(by_rank(&graph, 1, &seconds).makespan, 9.0);
    assert_eq!(upward_rank(&graph, &seconds), [7.0, 6.0, 3.0, 1.0]);
    assert_eq!(critical_path(&graph, &seconds), [0, 1, 3]);
}

/// If the short nodes run first, they keep a worker from the chain on which the makespan depends.
#[test]
fn what_is_urgent_goes_first() {
    let graph = Graph::new(6, &[(4, 5)]);
    let seconds = [2.0, 2.0, 2.0, 2.0, 4.0, 4.0];
    assert_eq!(first_come(&graph, 2, &seconds), 12.0);
    assert_eq!(by_rank(&graph, 2, &seconds).makespan, 8.0);
}

/// Graham's anomaly (*SIAM Journal on Applied Mathematics* 17, 1969): a fourth worker makes the run longer.
#[test]
fn more_workers_can_take_longer() {
    let links = [(0, 8), (3, 4), (3, 5), (3, 6), (3, 7)];
    let graph = Graph::new(9, &links);
    let seconds = [3.0, 2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 9.0];
    let order: Vec<f64> = (0..9).map(|node| -f64::from(node)).collect();
    let costs = Costs { seconds: &seconds, priorities: &order, bytes: &[] };
    assert_eq!(simulate(&graph, 3, costs).makespan, 12.0);
    assert_eq!(simulate(&graph, 4, costs).makespan, 15.0);
    let shorter = seconds.map(|seconds| seconds - 1.0);
    assert_eq!(simulate(&graph, 3, Costs { seconds: &shorter, ..costs }).makespan, 13.0, "nor is less work");
}

#[test]
fn outputs_are_held_until_the_last_has_taken_them() {
    // 0 → 1 → 2, and 3 takes 0 late.
    let graph = Graph::new(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
    let costs = |bytes| Costs { seconds: &[1.0; 4], priorities: &[], bytes };
    assert_eq!(simulate(&graph, 1, costs(&[100.0, 10.0, 1.0, 0.0])).peak_bytes, 111.0);
    let chain = Graph::new(3, &[(0, 1), (1, 2)]);
    assert_eq!(simulate(&chain, 1, costs(&[100.0, 10.0, 1.0])).peak_bytes, 110.0);
    assert_eq!(simulate(&Graph::new(2, &[]), 1, costs(&[5.0, 7.0])).peak_bytes, 7.0, "nobody takes them");
}

#[test]
fn an_interval_of_the_makespan_is_that_of_its_only_factory() {
    let t = StudentT { location: 0.0, scale: 0.2, freedom: 8.0 };
    let certain = StudentT { location: 0.0, scale: 1e-12, freedom: 1e5 };
    for common in [0.0, 0.1] {
        let known = Spread { seconds: &[Some(t)], bytes: &[], priorities: &[], common, overhead: certain };
        let (makespan, peak) = spread(&Graph::new(1, &[]), 1, &known);
        let expected = [0.05, 0.5, 0.95].map(|chance| t.quantile(chance).exp());
        for (found, expected) in [makespan.low, makespan.median, makespan.high].into_iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 0.06, "{found} {expected}");
        }
        assert_eq!(peak.high, 0.0);
        assert_eq!(spread(&Graph::new(1, &[]), 1, &known), (makespan, peak), "each time the same");
    }
}

#[test]
fn what_all_have_in_common_does_not_even_out() {
    let t = StudentT { location: 0.0, scale: 0.3, freedom: 30.0 };
    let certain = StudentT { location: 0.0, scale: 1e-12, freedom: 1e5 };
    let width = |common| {
        let links: Vec<_> = (1..20).map(|node| (node - 1, node)).collect();
        let known =
            Spread { seconds: &[Some(t); 20], bytes: &[], priorities: &[], common, overhead: certain };
        let (makespan, _) = spread(&Graph::new(20, &links), 1, &known);
        makespan.high / makespan.low
    };
    assert!(width(0.25) > 1.6 * width(0.0) && width(0.0) < 1.5, "{} {}", width(0.25), width(0.0));
}

fn any_graph() -> impl Strategy<Value = (Graph, Vec<f64>, Vec<(usize, usize)>)> {
    (1..40usize).prop_flat_map(|nodes| {
        let links = prop::collection::vec((0..nodes, 0..nodes), 0..80);
        (links, prop::collection::vec(0.0..10.0f64, nodes)).prop_map(move |(links, seconds)| {
            let mut links: Vec<_> =
                links.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect();
            links.sort_unstable();
            links.dedup();
            (Graph::new(nodes, &links), seconds, links)
        })
    })
}

proptest! {
    #[test]
    fn no_schedule_is_better_than_can_be_or_worse_than_graham_says(
        (graph, seconds, links) in any_graph(),
        workers in 1..6usize,
    ) {
        let simulation = by_rank(&graph, workers, &seconds);
        let sum: f64 = seconds.iter().sum();
        let longest = upward_rank(&graph, &seconds).into_iter().fold(0.0, f64::max);
        let on_path: f64 = critical_path(&graph, &seconds).into_iter().map(|node| seconds[node]).sum();
        prop_assert!((on_path - longest).abs() < 1e-9);
        let least = longest.max(sum / workers as f64);
        let most = sum / workers as f64 + longest * (1.0 - 1.0 / workers as f64);
        let makespan = simulation.makespan;
        prop_assert!(least - 1e-9 <= makespan && makespan <= most + 1e-9, "{least} {makespan} {most}");
        prop_assert!(links.iter().all(|&(a, b)| simulation.finish[a] <= simulation.start[b]));
        for node in 0..seconds.len() {
            let running = (0..seconds.len()).filter(|&other| {
                simulation.start[other] <= simulation.start[node] && simulation.start[node] < simulation.finish[other]
            });
            prop_assert!(running.count() <= workers);
        }
        let alone = by_rank(&graph, seconds.len(), &seconds).makespan;
        prop_assert!((alone - longest).abs() < 1e-9);
    }
}
