//! Keys of checkpoints. A key combines everything that determines the output of a factory into one fingerprint.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Code, Fingerprint, Fingerprinter};
use crate::plan::{Node, Plan, Source};
use crate::policy::CodeScope;

/// The format version. It changes with every change of the stored form of an output.
pub(super) const FORMAT: u64 = 4;

/// The version of setl. Checkpoints are not exchanged between versions.
pub(super) const SETL: &str = env!("CARGO_PKG_VERSION");

/// The fingerprint of everything that the output of a factory depends on. Equal keys mean equal outputs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Key(Fingerprint);

impl Key {
    /// Returns the fingerprint that counts in the keys of downstream factories.
    pub(crate) const fn fingerprint(self) -> Fingerprint {
        self.0
    }

    /// Returns the same fingerprint for an output that the fallback has delivered.
    pub(super) fn by_fallback(self) -> Fingerprint {
        let mut fingerprinter = Fingerprinter::new("fallback");
        fingerprinter.part(self.0);
        fingerprinter.finish()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// The components of a key, each with its name, so that a changed component can be reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Components(BTreeMap<Component, Fingerprint>);

/// One component of a key. Components are compared in this order, from the best explanation of a change to the worst.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Component {
    Setl,
    Factory,
    /// The whole program. `Code` is the part of its package that the factory may use.
    Program,
    Code,
    Output,
    Wiring,
    Input(String),
    Upstream(String),
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setl => f.write_str("setl"),
            Self::Factory => f.write_str("factory"),
            Self::Program => f.write_str("program"),
            Self::Code => f.write_str("code"),
            Self::Output => f.write_str("output"),
            Self::Wiring => f.write_str("wiring"),
            Self::Input(name) => write!(f, "input {name}"),
            Self::Upstream(name) => write!(f, "from {name}"),
        }
    }
}

impl Serialize for Component {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Component {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "setl" => Self::Setl,
            "factory" => Self::Factory,
            "program" => Self::Program,
            "code" => Self::Code,
            "output" => Self::Output,
            "wiring" => Self::Wiring,
            other => match (other.strip_prefix("input "), other.strip_prefix("from ")) {
                (Some(name), _) => Self::Input(name.to_owned()),
                (_, Some(name)) => Self::Upstream(name.to_owned()),
                _ => return Err(serde::de::Error::custom(format!("unknown component `{other}`"))),
            },
        })
    }
}

impl Components {
    /// Returns the components of a factory of this plan. `delivered` gives the fingerprint of each source. Returns `None`
    /// if one of them is unknown.
    pub(super) fn of(
        plan: &Plan,
        node: usize,
        code: Code,
        delivered: impl Fn(Source) -> Option<Fingerprint>,
    ) -> Option<Self> {
        let node = &plan.factories[node];
        let (component, code) = match code {
            Code::Known(CodeScope::Program, code) => (Component::Program, code),
            Code::Known(CodeScope::Package, code) => (Component::Code, code),
            Code::Unknown(_) => return None,
        };
        let mut all = BTreeMap::from([
            (Component::Setl, text(SETL)),
            (Component::Factory, text(&node.name)),
            (component, code),
            (Component::Output, text((node.output)())),
            (Component::Wiring, wiring(plan, node)),
        ]);
        let fallback = node.fallback.iter().flat_map(|fallback| fallback.sources.iter());
        for source in node.sources.iter().chain(fallback) {
            let component = match source {
                Source::Input(_) => Component::Input(plan.source_name(*source).to_owned()),
                Source::Factory(_) => Component::Upstream(plan.source_name(*source).to_owned()),
                // The context differs in each run.
                Source::Context => continue,
            };
            all.insert(component, delivered(*source)?);
        }
        Some(Self(all))
    }

    /// Combines all components into one key.
    pub(crate) fn key(&self) -> Key {
        let mut fingerprinter = Fingerprinter::new("checkpoint");
        fingerprinter.number(FORMAT);
        for (component, fingerprint) in &self.0 {
            fingerprinter.text(&component.to_string());
            fingerprinter.part(*fingerprint);
        }
        Key(fingerprinter.finish())
    }

    /// Describes the first component that differs from `then`.
    pub(crate) fn difference(&self, then: &Self) -> Option<String> {
        let (component, _) = self.0.iter().find(|(name, now)| then.0.get(name) != Some(now))?;
        Some(match component {
            Component::Setl => "made by another version of setl".to_owned(),
            Component::Factory => "made by another factory".to_owned(),
            Component::Program | Component::Code if !then.0.contains_key(component) => {
                "its option `code` has changed".to_owned()
            }
            Component::Program => "the program has changed".to_owned(),
            Component::Code => "its code has changed".to_owned(),
            Component::Output => "the type of its output has changed".to_owned(),
            Component::Wiring => "it takes its deliveries from elsewhere".to_owned(),
            Component::Input(name) => format!("input `{name}` has changed"),
            Component::Upstream(name) => format!("what it takes from `{name}` has changed"),
        })
    }
}

fn text(text: &str) -> Fingerprint {
    Fingerprint::of_bytes(text.as_bytes())
}

/// The source of each delivery, because two inputs of one type may be exchanged although neither changes.
fn wiring(plan: &Plan, node: &Node) -> Fingerprint {
    let mut fingerprinter = Fingerprinter::new("wiring");
    let mut add = |deliveries: &[crate::plan::Delivery], sources: &[Source]| {
        fingerprinter.number(sources.len() as u64);
        for (delivery, source) in deliveries.iter().zip(sources) {
            fingerprinter.text(delivery.name);
            fingerprinter.text(match source {
                Source::Input(_) => "input",
                Source::Factory(_) => "factory",
                Source::Context => "context",
            });
            fingerprinter.text(plan.source_name(*source));
        }
    };
    add(node.deliveries, &node.sources);
    if let Some(fallback) = &node.fallback {
        add(fallback.deliveries, &fallback.sources);
    }
    fingerprinter.finish()
}

/// Returns the components of all factories, as far as they can be known. `delivers` is called for each factory in the
/// order of the plan. It returns the fingerprint that counts for downstream factories, or `None` if it is unknown yet.
pub(super) fn all_components(
    plan: &Plan,
    codes: impl Fn(usize) -> Code,
    inputs: &[Option<Fingerprint>],
    mut delivers: impl FnMut(usize, Option<&Components>) -> Option<Fingerprint>,
) -> Vec<Option<Components>> {
    let mut all: Vec<Option<Components>> = vec![None; plan.factories.len()];
    let mut delivered: Vec<Option<Fingerprint>> = vec![None; plan.factories.len()];
    for node in plan.factory_order() {
        let components = Components::of(plan, node, codes(node), |source| match source {
            Source::Input(input) => inputs[input],
            Source::Factory(factory) => delivered[factory],
            Source::Context => None,
        });
        delivered[node] = delivers(node, components.as_ref());
        all[node] = components;
    }
    all
}

/// Returns the fingerprint that counts for downstream factories before the factory has run.
///
/// A factory that may be skipped is assumed to deliver. If it does not, its downstream factories have another key. No
/// entry is found under that key before the run, so they wait for the result of this run.
pub(super) fn expected(plan: &Plan, node: usize, components: Option<&Components>) -> Option<Fingerprint> {
    if plan.factories[node].policy.volatile {
        return None;
    }
    components.map(|components| components.key().fingerprint())
}
