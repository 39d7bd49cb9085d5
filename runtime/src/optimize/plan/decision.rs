//! What a pass did, and why.

use std::fmt;

/// What a pass did to some factories, and why.
///
/// ```
/// use setl::optimize::plan::{Decision, Gain};
///
/// let decision = Decision::new(["rates"], "goes first, since two factories wait for it").gain(Gain::Seconds(1.5));
/// assert_eq!(decision.to_string(), "rates: goes first, since two factories wait for it; saves about 1.50 s");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// The factories that it is about.
    pub factories: Vec<String>,
    /// What was done with them, and why.
    pub reason: String,
    /// What that is expected to save, if it is known.
    pub gain: Option<Gain>,
}

/// What a decision is expected to save.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Gain {
    /// So many seconds of work.
    Seconds(f64),
    /// So many seconds of the makespan.
    Makespan(f64),
}

impl Decision {
    /// What was done with these factories, and why, in a sentence without its end.
    pub fn new(factories: impl IntoIterator<Item = impl Into<String>>, reason: impl Into<String>) -> Self {
        let factories = factories.into_iter().map(Into::into).collect();
        Self { factories, reason: reason.into(), gain: None }
    }

    /// With what it is expected to save.
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

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.factories.join(", "), self.reason)?;
        match &self.gain {
            Some(gain) => write!(f, "; {gain}"),
            None => Ok(()),
        }
    }
}
