//! The configuration of a factory in a run.

use crate::policy::Policy;

/// The configuration of one factory in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FactoryConfig {
    pub(crate) policy: Policy,
    /// `true` if the factory is selected for the run.
    pub(crate) selected: bool,
    /// `true` unless the settings switch it off.
    pub(crate) enabled: bool,
    /// `true` if its output is available after the run.
    pub(crate) kept: bool,
    /// `true` if the factory needs more than a single plain run.
    pub(crate) supervised: bool,
    /// The equal factory whose output replaces the own one.
    pub(crate) merged_into: Option<usize>,
}
