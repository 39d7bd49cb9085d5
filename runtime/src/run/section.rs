//! The parts of a report that capabilities add.

use std::any::Any;
use std::fmt;

/// A part of the [report](super::Report) of a run. Its text is printed below the table of factories, unless it is empty.
///
/// Every type that can be printed is a section.
pub trait Section: Any + fmt::Debug + fmt::Display + Send + Sync {}

impl<T: Any + fmt::Debug + fmt::Display + Send + Sync> Section for T {}
