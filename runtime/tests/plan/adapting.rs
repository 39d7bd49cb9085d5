//! What a run decides anew while it is on.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use setl::optimize::plan::{PassDecision, PipelinePlan};
use setl::optimize::{FactoryRecord, History, Learning, Optimizer, Pass, PlanPass, RunRecord};
use setl::prelude::*;
use setl::{Run, RunBuilder};

/// How many orders and returns there are.
#[derive(Clone, Copy)]
struct Counts {
    orders: u32,
    returns: u32,
}

#[factory]
fn orders(counts: Counts) -> Vec<u32> {
    Vec::from_iter(0..counts.orders)
}

#[factory]
fn returns(counts: Counts) -> Vec<u64> {
    Vec::from_iter(0..u64::from(counts.returns))
}

struct Both;

/// Both are there, so that what follows is ready at once.
#[factory]
fn both(#[delivery(shared)] _orders: Arc<Vec<u32>>, #[delivery(shared)] _returns: Arc<Vec<u64>>) -> Both {
    Both
}

struct OfOrders;
struct OfReturns;

#[factory]
fn sum_orders(orders: Vec<u32>, #[delivery(shared)] _both: Arc<Both>) -> OfOrders {
    assert!(!orders.is_empty());
    OfOrders
}

#[factory]
fn sum_returns(returns: Vec<u64>, #[delivery(shared)] _both: Arc<Both>) -> OfReturns {
    assert!(!returns.is_empty());
    OfReturns
}

#[pipeline(extract(orders, returns), meet(both), load(sum_orders, sum_returns))]
struct Ledger {
    counts: Counts,
}

const ORDERS: u32 = 1_000;
const RETURNS: u32 = 100;

/// Ten runs in which the orders, of which there are more, take ten times as long as the returns.
fn history(path: &Path) {
    let history = History::open(path).unwrap();
    let (of_orders, of_returns) = (u64::from(ORDERS) * 4, u64::from(RETURNS) * 8);
    for day in 0..10 {
        let mut run = RunRecord::new(day.to_string(), "Ledger", SystemTime::UNIX_EPOCH);
        let factories = [
            ("orders", 10, None, Some(of_orders)),
            ("returns", 10, None, Some(of_returns)),
            ("both", 1, Some(of_orders + of_returns), None),
            ("sum_orders", 1_000, Some(of_orders), None),
            ("sum_returns", 100, Some(of_returns), None),
        ];
        for (name, millis, bytes_in, bytes_out) in factories {
            let mut record = FactoryRecord::new(name, "", Duration::from_millis(millis));
            (record.bytes_in, record.bytes_out) = (bytes_in, bytes_out);
            run.factories.push(record);
        }
        run.makespan = Duration::from_millis(1_121);
        run.workers = 1;
        history.record(&run).unwrap();
    }
}

async fn with(counts: Counts, set: impl FnOnce(RunBuilder<Ledger>) -> RunBuilder<Ledger>) -> Run<Ledger> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    history(&path);
    set(Ledger { counts }.run().concurrency(1).learn(Learning::new().at(path))).await.unwrap()
}

/// Whether the orders are summed before the returns.
fn orders_come_first(run: &Run<Ledger>) -> bool {
    let start = |name| run.entry(name).unwrap().timing.start;
    start("sum_orders") < start("sum_returns")
}

#[tokio::test]
async fn what_is_as_predicted_leaves_the_order() {
    let run = with(Counts { orders: ORDERS, returns: RETURNS }, |run| run).await;
    assert!(orders_come_first(&run));
    assert_eq!(run.explain().adaptations(), []);
    assert!(!run.explain().to_string().contains("decided anew"));
}

#[tokio::test]
async fn what_is_larger_than_predicted_starts_first() {
    let run = with(Counts { orders: ORDERS, returns: RETURNS * 100 }, |run| run).await;
    assert!(!orders_come_first(&run));
    let explanation = run.explain();
    let [adaptation] = explanation.adaptations() else { panic!("{explanation}") };
    assert_eq!(adaptation.factory, "returns");
    assert!((790.0..810.0).contains(&adaptation.predicted), "{adaptation:?}");
    assert!((adaptation.measured - 80_000.0).abs() < 1e-9, "{adaptation:?}");
    let anew: Vec<_> = adaptation.revised_predictions.iter().map(|anew| &*anew.factory).collect();
    assert_eq!(anew, ["both", "sum_returns"]);
    assert!(adaptation.revised_predictions.iter().all(|anew| anew.now > anew.before * 5.0), "{adaptation:?}");
    assert_eq!(adaptation.brought_forward, Some(("sum_returns".to_owned(), "sum_orders".to_owned())));
    let said = "`returns` had delivered 80.0 kB instead of 800 B: `both` is expected to take ";
    let shown = explanation.to_string();
    assert!(shown.contains("\ndecided anew, while it ran:\n  after ") && shown.contains(said), "{shown}");
    assert!(shown.contains("; `sum_returns` is to start before `sum_orders`"), "{shown}");
    assert!(run.to_string().contains(said), "{run}");
}

#[tokio::test]
async fn a_surprise_that_changes_no_order_is_told_as_well() {
    let run = with(Counts { orders: ORDERS * 3, returns: RETURNS }, |run| run).await;
    assert!(orders_come_first(&run));
    let explanation = run.explain();
    assert_eq!(explanation.adaptations().len(), 1);
    assert_eq!(explanation.adaptations()[0].brought_forward, None);
    assert!(explanation.to_string().contains("; the order stays"), "{explanation}");
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let off = |run: RunBuilder<Ledger>| run.optimizer(Optimizer::new().without(Pass::CriticalPath));
    let run = with(Counts { orders: ORDERS, returns: RETURNS * 100 }, off).await;
    assert!(orders_come_first(&run), "as they stand in the pipeline");
    assert_eq!(run.explain().adaptations(), []);
}

struct OrdersFirst;

impl PlanPass for OrdersFirst {
    fn name(&self) -> &str {
        "orders-first"
    }

    fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>> {
        plan.prefer("sum_orders", 1e6)?;
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn what_a_pass_prefers_stays_preferred() {
    let own = |run: RunBuilder<Ledger>| run.optimizer(Optimizer::new().pass(OrdersFirst));
    let run = with(Counts { orders: ORDERS, returns: RETURNS * 100 }, own).await;
    assert!(orders_come_first(&run));
    assert_eq!(run.explain().adaptations()[0].brought_forward, None);
}
