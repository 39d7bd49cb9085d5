//! The decisions of passes.

use std::fmt;

/// A decision of a pass about some factories, with its reason.
///
/// ```
/// use setl::optimize::plan::{PassDecision, Gain};
///
/// let decision = PassDecision::new(["rates"], "goes first, since two factories wait for it").gain(Gain::Seconds(1.5));
/// assert_eq!(decision.to_string(), "rates: goes first, since two factories wait for it; saves about 1.50 s");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PassDecision {
    /// The factories.
    pub factories: Vec<String>,
    /// The decision and its reason.
    pub reason: String,
    /// The expected gain, if it is known.
    pub gain: Option<Gain>,
}

/// The expected gain of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Gain {
    /// The saved seconds of work.
    Seconds(f64),
    /// The saved seconds of the makespan.
    Makespan(f64),
}

impl PassDecision {
    /// Creates a decision about these factories. `reason` is a sentence without a full stop.
    pub fn new(factories: impl IntoIterator<Item = impl Into<String>>, reason: impl Into<String>) -> Self {
        let factories = factories.into_iter().map(Into::into).collect();
        Self { factories, reason: reason.into(), gain: None }
    }

    /// Sets the expected gain.
    #[must_use]
    pub fn gain(mut self, gain: Gain) -> Self {
        self.gain = Some(gain);
        self
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use setl_learn::model::seconds;
        match self {
            Gain::Seconds(saved) => write!(f, "saves about {}", seconds(*saved)),
            Gain::Makespan(saved) => write!(f, "the run is shorter by about {}", seconds(*saved)),
        }
    }
}

impl fmt::Display for PassDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.factories.join(", "), self.reason)?;
        match &self.gain {
            Some(gain) => write!(f, "; {gain}"),
            None => Ok(()),
        }
    }
}
