//! The code of a factory as a component of its key.

use std::any::TypeId;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{Fingerprint, Fingerprinter, program};
use crate::policy::CodeScope;
use crate::run::Step;

/// The identity of the code of a factory and its fallback.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
    /// The scope of the code and its fingerprint.
    Known(CodeScope, Fingerprint),
    /// The reason why there is no fingerprint. An output of the factory is never reused then.
    Unknown(&'static str),
}

impl Default for Code {
    fn default() -> Self {
        Self::Unknown("nobody has asked for it")
    }
}

impl Code {
    /// Computes the identity of the code of a step and its fallback. This blocks: see [`program::fingerprint`].
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
            // Macros may make several factories from one text.
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

/// Returns a number that differs for each type of a program.
fn number(id: TypeId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
