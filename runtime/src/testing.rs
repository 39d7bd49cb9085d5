//! Tests for a single factory, and for a pipeline with some of its factories replaced.

use std::future::{Future, ready};
use std::sync::Arc;

use crate::factory::{Factory, Produces};
use crate::pipeline::{AnyPayload, Lists, OutputOf, PipelineItem, position};
use crate::run::Shared;
use crate::run::{Launch, Replacement, RunBuilder, Steps};
use crate::{Context, Error, Result};
use setl_commit::Owner;

/// Runs one factory with its deliveries, a tuple in the order of their declaration.
///
/// A missing delivery or one of another type does not compile. The factory reads, processes and writes.
///
/// ```
/// use setl::prelude::*;
/// use setl::testing;
///
/// #[derive(Clone)]
/// struct Celsius(f64);
///
/// #[derive(Clone)]
/// struct Offset(f64);
///
/// #[factory(output = f64)]
/// struct Kelvin {
///     #[delivery]
///     reading: Celsius,
///     #[delivery]
///     offset: Offset,
/// }
///
/// impl Factory for Kelvin {
///     async fn process(&mut self) -> Result<f64> {
///         Ok(self.reading.0 + self.offset.0)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// assert_eq!(testing::factory::<Kelvin>((Celsius(20.0), Offset(273.15))).await?, 293.15);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # use setl::prelude::*;
/// # #[derive(Clone)]
/// # struct Celsius(f64);
/// # #[derive(Clone)]
/// # struct Offset(f64);
/// # #[factory]
/// # fn kelvin(reading: Celsius, offset: Offset) -> f64 { reading.0 + offset.0 }
/// let left_one_out = setl::testing::factory::<kelvin>((Celsius(20.0),));
/// ```
///
/// # Errors
/// The error of the factory.
pub async fn factory<F: Factory>(deliveries: F::Deliveries) -> Result<F::Output>
where
    F::Deliveries: Send,
{
    let live = async move {
        let mut factory = F::assemble(deliveries);
        factory.read().await?;
        let output = factory.process().await?;
        factory.write(&output).await?;
        Ok(output)
    };
    if F::BLOCKING {
        return crate::blocking(move || pollster::block_on(live)).await;
    }
    live.await
}

/// Makes a context outside of any run, for a factory that takes one.
pub fn context() -> Context {
    alone()
}

/// Starts a test of a pipeline in which some factories are replaced. All others run unchanged.
///
/// ```
/// use setl::prelude::*;
/// use setl::testing;
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Orders(Vec<u32>);
///
/// #[factory]
/// async fn fetch_orders() -> Result<Orders> {
///     // A service that is not there in a test.
///     # Err(std::io::Error::other("no network"))?
/// }
///
/// #[factory]
/// fn count(orders: Orders) -> usize {
///     orders.0.len()
/// }
///
/// #[pipeline(extract(fetch_orders), transform(count))]
/// struct Daily;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let run = testing::pipeline(Daily).replace::<fetch_orders>(Orders(vec![7, 8])).run().await?;
/// assert_eq!(*run.get::<count>(), 2);
///
/// let error = testing::pipeline(Daily).fail::<fetch_orders>("service is down").run().await.unwrap_err();
/// assert_eq!(error.failures()[0].factory, "fetch_orders");
/// # Ok(())
/// # }
/// ```
pub fn pipeline<P: PipelineItem>(pipeline: P) -> TestPipeline<P> {
    TestPipeline { runner: RunBuilder::new(pipeline) }
}

/// A pipeline with some of its factories replaced: see [`pipeline`].
#[must_use = "call `run` to get the run"]
pub struct TestPipeline<P> {
    runner: RunBuilder<P>,
}

impl<P: PipelineItem> TestPipeline<P> {
    /// Delivers this value in place of the factory's output.
    pub fn replace<F: Produces<P>>(self, output: OutputOf<F, P>) -> Self
    where
        P: Lists<F::ThisFactory>,
    {
        self.replace_with::<F, _>(move || ready(Ok(output)))
    }

    /// Delivers the result of the closure in place of the factory's output.
    pub fn replace_with<F, R>(mut self, stand_in: impl FnOnce() -> R + Send + 'static) -> Self
    where
        F: Produces<P>,
        P: Lists<F::ThisFactory>,
        R: Future<Output = Result<OutputOf<F, P>>> + Send + 'static,
    {
        let replacement: Replacement = Box::new(move || {
            let output = stand_in();
            Box::pin(async move { Ok(Arc::new(output.await?) as AnyPayload) })
        });
        self.runner.request.replacements.push((position::<P, F::ThisFactory>(), replacement));
        self
    }

    /// Makes the factory fail with this message.
    pub fn fail<F: Produces<P>>(self, message: impl Into<String>) -> Self
    where
        P: Lists<F::ThisFactory>,
    {
        let error = Error::msg(message.into());
        self.replace_with::<F, _>(move || ready(Err(error)))
    }

    /// Makes the run, with all its options.
    pub fn run(self) -> RunBuilder<P> {
        self.runner
    }
}

/// Makes a context outside of any run.
fn alone() -> Context {
    Context::new(Arc::new(Shared::alone(no_launch())), Owner { node: 0, attempt: 1 }, None)
}

/// Makes an empty run, for a context outside of any run.
fn no_launch() -> Launch {
    use crate::plan::{Node, Plan, PlanRef, Stage};
    use std::borrow::Cow;

    let node = Node {
        name: Cow::Borrowed("test"),
        stage: 0,
        deliveries: &[],
        sources: Cow::Borrowed(&[]),
        id: None,
        kept: false,
        blocking: false,
        output: std::any::type_name::<()>,
        policy: &crate::policy::Policy::NONE,
        fallback: None,
    };
    let plan = Plan {
        pipeline: Cow::Borrowed("test"),
        stages: Cow::Borrowed(const { &[Stage::new("test", 1)] }),
        factories: Cow::Owned(vec![node]),
        ..Plan::EMPTY
    };
    Launch {
        plan: PlanRef::Shared(Arc::new(plan)),
        steps: Steps::Static(&[]),
        inputs: Vec::new(),
        fingerprints: Vec::new(),
        has_twins: false,
    }
}
