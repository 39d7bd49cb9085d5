//! Explanations of the plan of a run, before it and after it.

use std::sync::Arc;

use crate::EXTENSIONS;
use crate::optimize::in_run::{Explainable, optimizer_of, planned, prediction};
use crate::optimize::plan::{Explanation, Went};
use crate::run::error::RunError;
use crate::run::extension::Mode;
use crate::run::prepare::{open_files, prepare};
use crate::run::report::Report;
use crate::run::run_builder::RunBuilder;

impl<P> RunBuilder<P> {
    /// Explains the plan of this run without running it: the plan before and after each pass, the decisions with their reasons,
    /// and the prediction. If the run [learns](RunBuilder::learn), its history is read, which blocks for a short time.
    ///
    /// ```
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// fn orders() -> Vec<u32> {
    ///     vec![1, 2]
    /// }
    ///
    /// #[factory]
    /// fn total(orders: Vec<u32>) -> u32 {
    ///     orders.iter().sum()
    /// }
    ///
    /// #[factory]
    /// fn print(total: u32) {
    ///     println!("{total}");
    /// }
    ///
    /// #[pipeline(extract(orders), transform(total), load(print))]
    /// struct Daily;
    ///
    /// # fn main() -> Result<()> {
    /// let explanation = Daily.run().up_to::<total>().explain()?;
    /// let (pass, decision) = explanation.decisions().next().unwrap();
    /// assert_eq!(pass, "prune");
    /// assert_eq!(decision.to_string(), "print: left out, since nobody needs it for what was asked for");
    /// println!("{explanation}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the run could not start.
    pub fn explain(&self) -> Result<Explanation, RunError> {
        let cannot_start =
            |mistakes| RunError::CannotStart { pipeline: self.launch.plan.pipeline.to_string(), mistakes };
        let mut run_plan = prepare(self.launch.clone(), &self.request, EXTENSIONS).map_err(cannot_start)?;
        open_files(&mut run_plan, &self.request, EXTENSIONS, Mode::Explain)
            .map_err(|mistake| cannot_start(vec![mistake]))?;
        let planned = planned(&run_plan, &self.request).map_err(cannot_start)?;
        let prediction = prediction(&run_plan).cloned();
        Ok(Explanation::new(Arc::new(planned), optimizer_of(&run_plan).passes(), prediction))
    }
}

impl Report {
    /// Explains the plan of the run: the plan before and after each pass of the optimiser, the decisions with their reasons, the
    /// shared parts of queries, and the prediction compared with the measurements. The text begins like that of
    /// [`RunBuilder::explain`](crate::RunBuilder::explain).
    ///
    /// ```
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// fn answer() -> u32 {
    ///     42
    /// }
    ///
    /// #[pipeline(only(answer))]
    /// struct Deep;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let run = Deep.run().await?;
    /// println!("{}", run.explain());
    /// # assert!(run.explain().to_string().starts_with("plan: pipeline Deep"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn explain(&self) -> Explanation {
        let Some(explainable) = self.section::<Explainable>() else {
            unreachable!("every run has this section")
        };
        let learned = self.learned();
        let prediction = learned.and_then(|learned| learned.prediction.clone());
        let planned = explainable.planned(&self.plan);
        Explanation::new(planned, explainable.optimizer().passes(), prediction).went(Went {
            makespan: self.makespan(),
            adaptations: learned.map(|learned| learned.adaptations.clone()).unwrap_or_default(),
            comparison: learned.and_then(|learned| learned.comparison.clone()),
            queries: self.queries().to_vec(),
        })
    }
}
