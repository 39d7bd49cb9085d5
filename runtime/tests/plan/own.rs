//! Passes of the program.

use std::sync::Arc;

use setl::optimize::plan::{PassDecision, PipelinePlan, PlanPass};
use setl::optimize::{Optimizer, Pass};
use setl::policy::Settings;
use setl::prelude::*;

use crate::shop::{Seen, shop};

/// Puts factories one after another, or gives them priorities.
struct Own {
    name: &'static str,
    orders: Vec<(&'static str, &'static str)>,
    priorities: Vec<(&'static str, f64)>,
}

impl Own {
    fn orders(orders: &[(&'static str, &'static str)]) -> Self {
        Self { name: "own", orders: orders.to_vec(), priorities: Vec::new() }
    }

    fn priorities(priorities: &[(&'static str, f64)]) -> Self {
        Self { name: "own", orders: Vec::new(), priorities: priorities.to_vec() }
    }
}

impl PlanPass for Own {
    fn name(&self) -> &str {
        self.name
    }

    fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>> {
        for (before, after) in &self.orders {
            plan.order(before, after)?;
        }
        for (factory, priority) in &self.priorities {
            plan.prefer(factory, *priority)?;
        }
        Ok(vec![PassDecision::new(["sales"], "as the program wants it")])
    }
}

macro_rules! four {
    ($($name:ident $id:ident),*) => {
        $(struct $id;
        #[factory(id = $id)]
        async fn $name() -> u32 { 1 })*

        #[pipeline(all($($name),*))]
        struct Four;
    };
}

four!(a A, b B, c C, d D);

async fn order(optimizer: Optimizer) -> Vec<String> {
    let seen = Arc::new(Seen::default());
    let sees = Arc::clone(&seen);
    Four.run().concurrency(1).optimizer(optimizer).observe(move |event| sees.see(event)).await.unwrap();
    seen.began.lock().unwrap().clone()
}

#[tokio::test]
async fn the_executor_follows_orders_and_priorities() {
    assert_eq!(order(Optimizer::new()).await, ["a", "b", "c", "d"]);
    let orders = Own::orders(&[("d", "a"), ("c", "d")]);
    assert_eq!(order(Optimizer::new().pass(orders)).await, ["b", "c", "d", "a"]);
    let priorities = Own::priorities(&[("c", 2.0), ("a", -1.0)]);
    assert_eq!(order(Optimizer::off().pass(priorities)).await, ["c", "b", "d", "a"]);
    let orders = Own::orders(&[("d", "a")]);
    assert_eq!(order(Optimizer::new().pass(orders).without("own")).await, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn what_a_pass_cannot_do_keeps_the_run_from_starting() {
    async fn error(own: Own) -> String {
        let run = shop().run().optimizer(Optimizer::new().pass(own));
        let explained = run.explain().unwrap_err().to_string();
        let error = run.await.unwrap_err().to_string();
        assert_eq!(error, explained);
        error
    }
    let cycle = error(Own::orders(&[("dearest", "clean_for_sales")])).await;
    assert!(
        cycle.contains(
            "pass `own` of the optimiser: `dearest` cannot run before `clean_for_sales` in pipeline `Shop`, since factories \
             would wait for each other in a cycle: dearest <- clean_for_support <- clean_for_sales <- dearest"
        ),
        "{cycle}"
    );
    let itself = error(Own::orders(&[("sales", "sales")])).await;
    assert!(itself.contains("in a cycle: sales <- sales"), "{itself}");
    let unknown = error(Own::orders(&[("sale", "dearest")])).await;
    assert!(unknown.contains("pipeline `Shop` has no factory `sale`, did you mean `sales`?"), "{unknown}");
    let nan = error(Own::priorities(&[("sales", f64::NAN)])).await;
    assert!(nan.contains("the priority of factory `sales` of pipeline `Shop` is no number"), "{nan}");
}

#[tokio::test]
async fn names_that_are_those_of_no_pass_are_told_of() {
    let run = |optimizer| Four.run().optimizer(optimizer);
    let error = run(Optimizer::new().without("share-scan")).await.unwrap_err().to_string();
    assert!(
        error.contains("no pass `share-scan` to be switched off, did you mean `share-scans`?"),
        "{error}"
    );
    let error = run(Optimizer::new().first(["critical-paht"])).await.unwrap_err().to_string();
    assert!(error.contains("to be applied first, did you mean `critical-path`?"), "{error}");
    let error = run(Optimizer::new().first([Pass::Gather])).await.unwrap_err().to_string();
    assert!(error.contains("pass `gather` of the optimiser is one over queries"), "{error}");
    let twice = Optimizer::new().pass(Own::orders(&[])).pass(Own::orders(&[]));
    let error = run(twice).await.unwrap_err().to_string();
    assert!(error.contains("two passes of the optimiser are called `own`"), "{error}");
    let settings: Settings = "optimizer.off = ['prone']".parse().unwrap();
    let error = Four.run().settings(settings).await.unwrap_err().to_string();
    assert!(error.contains("no pass `prone` to be switched off, did you mean `prune`?"), "{error}");
}

#[test]
fn passes_are_listed_in_their_order() {
    let names = |optimizer: &Optimizer| -> Vec<String> {
        optimizer.passes().into_iter().filter(|pass| !pass.of_queries).map(|pass| pass.name).collect()
    };
    let optimizer = Optimizer::new().pass(Own::orders(&[]));
    assert_eq!(names(&optimizer), ["prune", "merge-identical", "earliest-stage", "critical-path", "own"]);
    let optimizer = optimizer.first(["own", "critical-path"]);
    assert_eq!(names(&optimizer), ["own", "critical-path", "prune", "merge-identical", "earliest-stage"]);
    assert!(optimizer.has("own") && !optimizer.without("own").has("own"));
}

#[test]
fn settings_switch_passes_off() {
    let off = |settings: Settings| {
        let explanation = Four.run().settings(settings).explain().unwrap();
        let off = explanation.passes().iter().filter(|pass| !pass.on).map(|pass| pass.name.clone());
        off.collect::<Vec<_>>()
    };
    assert_eq!(off("[optimizer]\noff = ['prune', 'gather']".parse().unwrap()), ["prune", "gather"]);
    let variables = Settings::default().with_variables([("SETL_OPTIMIZER__OFF", "[prune, gather]")]);
    assert_eq!(off(variables), ["prune", "gather"]);
    assert_eq!(off("optimizer = false".parse().unwrap()).len(), Pass::ALL.len());
    assert_eq!(off("optimizer = true".parse().unwrap()).len(), 0);
    let mistake = |text: &str| text.parse::<Settings>().unwrap_err().to_string();
    let error = mistake("optimizer.off = 'prune'");
    assert!(error.contains("`optimizer.off`: expected a list of names of passes, such as"), "{error}");
    let error = mistake("optimizer.of = []");
    assert!(error.contains("unknown setting") && error.contains("`off`"), "{error}");
    let error = mistake("optimizer = 3");
    assert!(error.contains("a table with `off`, or true or false"), "{error}");
}
