//! The code of a factory as it counts in its key.

use std::any::TypeId;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{Fingerprint, Fingerprinter, program};
use crate::policy::CodeScope;
use crate::run::Step;

/// What is known of the code of a factory and of its fallback.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
    /// Its fingerprint, and of what that is one.
    Known(CodeScope, Fingerprint),
    /// Why there is none: then no output of the factory is ever taken.
    Unknown(&'static str),
}

impl Default for Code {
    fn default() -> Self {
        Self::Unknown("nobody has asked for it")
    }
}

impl Code {
    /// Of a step and the one that stands in for it. It blocks: see [`program::fingerprint`].
    pub(crate) fn of(step: &Step, scope: CodeScope) -> Self {
        let fallback = step.fallback.as_ref().map(|fallback| &fallback.step);
        let mut fingerprinter = Fingerprinter::new("code");
        if scope == CodeScope::Program {
            match program::fingerprint() {
                Ok(program) => fingerprinter.part(program),
                Err(because) => return Self::Unknown(because),
            }
        }
        for step in std::iter::once(step).chain(fallback) {
            // Macros may make several factories of one text.
            let identity = (step.identity)();
            fingerprinter.text(identity.name);
            match (scope, step.code) {
                (CodeScope::Program, _) => fingerprinter.number(number(identity.id)),
                (CodeScope::Package, 0) => {
                    return Self::Unknown("a source of its package could not be read when it was compiled");
                }
                (CodeScope::Package, code) => fingerprinter.bytes(&code.to_le_bytes()),
            }
        }
        Self::Known(scope, fingerprinter.finish())
    }
}

/// Another one for each type of a program.
fn number(id: TypeId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
