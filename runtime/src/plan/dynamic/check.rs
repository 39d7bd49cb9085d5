//! The checks of [`Builder::build`]: names, producers, sources and the order.

use std::any::TypeId;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::{Builder, FactoryDraft, FallbackDraft, Requirement, Supply};
use crate::base::names::{composed, nearest};
use crate::context::Context;
use crate::inspect::short_type;
use crate::plan::ambiguous::{is_ambiguous, same_value};
use crate::plan::linked::Linked;
use crate::plan::order::describe_cycle;
use crate::plan::presence::{Absent, Consumer, must_be_optional};
use crate::plan::{Delivery, FallbackNode, Input, Node, Plan, Source, Sources};
use crate::policy::Policy;

/// Look-up tables for the parts of a pipeline.
pub(super) struct Index<'draft> {
    names: HashMap<Cow<'draft, str>, Source>,
    /// `true` if a name occurs twice.
    has_equal_names: bool,
    /// The first source that delivers each key.
    keys: HashMap<TypeId, Source>,
    /// `true` if a key occurs twice.
    has_equal_keys: bool,
    /// The factories of each type, in their order. Computed when a delivery first names its producer.
    items: OnceCell<HashMap<TypeId, Vec<usize>>>,
    /// The number of names that may still be proposed, since a search for similar names is slow.
    proposals: Cell<usize>,
}

/// The maximum number of mistakes that propose a name.
const PROPOSALS: usize = 20;

/// The sources of a factory and of its fallback.
pub(super) struct Resolved {
    own: Vec<Source>,
    fallback: Vec<Source>,
}

impl Resolved {
    /// Returns `true` if a factory with these sources can be identical to another one. Otherwise its effect may depend on its
    /// name.
    fn can_be_alike(&self) -> bool {
        self.fallback.is_empty() && !self.own.contains(&Source::Context)
    }
}

impl Builder {
    /// Returns `true` if the same factory is listed under two names with the same deliveries.
    pub(super) fn has_twins(&self, resolved: &[Resolved]) -> bool {
        let all = self.factories.iter().zip(resolved);
        let mut alike = all.filter(|(_, resolved)| resolved.can_be_alike());
        let mut seen = HashSet::new();
        alike.any(|(factory, resolved)| !seen.insert((factory.item, &resolved.own)))
    }

    pub(super) fn index(&self) -> Index<'_> {
        let count = self.inputs.len() + self.factories.len();
        let mut index = Index {
            names: HashMap::with_capacity(count),
            has_equal_names: false,
            keys: HashMap::new(),
            has_equal_keys: false,
            items: OnceCell::new(),
            proposals: Cell::new(PROPOSALS),
        };
        let inputs = (0..self.inputs.len()).map(Source::Input);
        let factories = (0..self.factories.len()).map(Source::Factory);
        for (source, (name, _, supply)) in inputs.chain(factories).zip(self.supplies()) {
            index.has_equal_names |= !added(index.names.entry(composed(name)), source);
            if let Some(key) = supply.key {
                index.has_equal_keys |= !added(index.keys.entry(key), source);
            }
        }
        index
    }

    /// Groups the factories by their types.
    fn items(&self) -> HashMap<TypeId, Vec<usize>> {
        let mut items: HashMap<TypeId, Vec<usize>> = HashMap::new();
        for (index, factory) in self.factories.iter().enumerate() {
            items.entry(factory.item).or_default().push(index);
        }
        items
    }

    fn supply(&self, source: Source) -> Option<&Supply> {
        match source {
            Source::Input(index) => Some(&self.inputs[index].supply),
            Source::Factory(index) => Some(&self.factories[index].supply),
            Source::Context => None,
        }
    }

    /// Checks that names are unique, since they identify factories in errors, reports and requests.
    pub(super) fn check_names(&self, index: &Index<'_>, mistakes: &mut Vec<String>) {
        if index.has_equal_names {
            self.report_equal_names(mistakes);
        }
        for kept in &self.keep {
            if !matches!(index.names.get(&composed(kept)), Some(Source::Factory(_))) {
                let near = near(index, kept, self.factories.iter().map(|factory| factory.name.as_str()));
                mistakes.push(format!("`keep({kept})` names a factory that is in no stage{near}"));
            }
        }
    }

    fn report_equal_names(&self, mistakes: &mut Vec<String>) {
        let mut seen = HashSet::new();
        for factory in &self.factories {
            if !seen.insert(composed(&factory.name)) {
                mistakes.push(format!(
                    "factory `{0}` is listed twice: each factory runs once in a run; to run the same code on other \
                     deliveries, give it a name with `.factory_named::<{0}>(\"…\", …)`",
                    factory.name
                ));
            }
        }
        for input in &self.inputs {
            if !seen.insert(composed(&input.name)) {
                mistakes.push(format!(
                    "`{}` is the name of two things: an input needs a name of its own",
                    input.name
                ));
            }
        }
    }

    /// Checks that stages have unique names.
    pub(super) fn check_stages(&self, mistakes: &mut Vec<String>) {
        let mut seen = HashSet::new();
        for stage in &self.stages {
            if !seen.insert(composed(&stage.name)) {
                mistakes
                    .push(format!("stage `{}` is there twice: put all its factories into one", stage.name));
            }
        }
    }

    /// Checks that exactly one factory or input delivers each type.
    pub(super) fn check_producers(&self, index: &Index<'_>, mistakes: &mut Vec<String>) {
        if !index.has_equal_keys && !index.keys.contains_key(&TypeId::of::<Context>()) {
            return;
        }
        let mut producers: HashMap<TypeId, &str> = HashMap::new();
        for (name, id, supply) in self.supplies() {
            let Some(key) = supply.key else { continue };
            if key == TypeId::of::<Context>() {
                mistakes.push(format!(
                    "`{name}` delivers `Context`, which every pipeline supplies itself: give it an id, or a name of its own"
                ));
                continue;
            }
            let first = *producers.entry(key).or_insert(name);
            // A factory that is listed twice is already reported.
            if first != name {
                let with_id = id.map(|id| format!(" with id `{id}`")).unwrap_or_default();
                let an_id = if id.is_some() { "another id" } else { "an id" };
                mistakes.push(format!(
                    "both `{first}` and `{name}` deliver `{}`{with_id}: give one of them {an_id}, or a name of its own",
                    short_type(supply.type_name)
                ));
            }
        }
    }

    /// Checks that no output is a `Result`. For a generic factory only its concrete types tell.
    pub(super) fn check_outputs(&self, mistakes: &mut Vec<String>) {
        for factory in self.factories.iter().filter(|factory| is_result(factory.supply.type_name)) {
            mistakes.push(format!(
                "factory `{}` delivers `{}`, so that an error would be delivered, and the run would succeed: let its output be \
                 what is delivered if there was no error",
                factory.name,
                short_type(factory.supply.type_name)
            ));
        }
    }

    /// Lists all supplies with their names and ids.
    fn supplies(&self) -> impl Iterator<Item = (&str, Option<&'static str>, &Supply)> {
        let inputs = self.inputs.iter().map(|input| (input.name.as_str(), input.id, &input.supply));
        let factories =
            self.factories.iter().map(|factory| (factory.name.as_str(), factory.id, &factory.supply));
        inputs.chain(factories)
    }

    /// Checks that the defaults contain only retries and consistent timeouts.
    pub(super) fn check_defaults(&self, mistakes: &mut Vec<String>) {
        let Policy { retry, timeout, total_timeout, .. } = self.defaults;
        let understood = Policy { retry, timeout, total_timeout, ..Policy::NONE };
        if self.defaults != understood {
            mistakes.push(format!(
                "the defaults of pipeline `{}` say more than retries and timeouts: everything else belongs on a factory",
                self.name
            ));
        }
        if let (Some(one), Some(all)) = (timeout, total_timeout)
            && all < one
        {
            mistakes.push(format!(
                "the defaults of pipeline `{}` give all attempts together {} (`total_timeout`), and one of them {} (`timeout`)",
                self.name,
                humantime::format_duration(all),
                humantime::format_duration(one)
            ));
        }
    }

    /// Finds the source of each delivery of each factory.
    pub(super) fn resolve(&self, index: &Index<'_>, mistakes: &mut Vec<String>) -> Vec<Resolved> {
        let mut resolved = Vec::with_capacity(self.factories.len());
        for factory in &self.factories {
            self.check_takes(factory, mistakes);
            let FactoryDraft { name, deliveries, requirements, fallback, .. } = factory;
            let consumer = Consumer { factory: name, fallback: None };
            let own = self.resolve_all(index, &consumer, &factory.takes, requirements, deliveries, mistakes);
            self.check_distinct(&consumer, &factory.takes, deliveries, &own, mistakes);
            let fallback = fallback.as_ref().map(|FallbackDraft { item, requirements }| {
                let consumer = Consumer { factory: name, fallback: Some(item.name) };
                let takes = &factory.takes;
                let sources =
                    self.resolve_all(index, &consumer, takes, requirements, item.deliveries, mistakes);
                self.check_distinct(&consumer, takes, item.deliveries, &sources, mistakes);
                sources
            });
            resolved.push(Resolved { own, fallback: fallback.unwrap_or_default() });
        }
        resolved
    }

    /// Checks that deliveries that are wired by type are not accidentally the same value.
    fn check_distinct(
        &self,
        consumer: &Consumer<'_>,
        takes: &[(String, String)],
        deliveries: &[Delivery],
        sources: &[Source],
        mistakes: &mut Vec<String>,
    ) {
        if deliveries.len() < 2 {
            return;
        }
        let by_type = deliveries
            .iter()
            .zip(sources)
            .filter(|(delivery, _)| !takes.iter().any(|(taken, _)| taken == delivery.name));
        let (deliveries, sources): (Vec<_>, Vec<_>) =
            by_type.map(|(delivery, source)| (*delivery, *source)).unzip();
        if let Some((first, second)) = same_value(&deliveries, &sources) {
            let producer = match sources[first] {
                Source::Input(input) => &self.inputs[input].name,
                Source::Factory(factory) => &self.factories[factory].name,
                Source::Context => return,
            };
            let text = is_ambiguous(&self.name, consumer, &deliveries[first], &deliveries[second], producer);
            mistakes.push(text.as_str().to_owned());
        }
    }

    fn resolve_all(
        &self,
        index: &Index<'_>,
        consumer: &Consumer<'_>,
        takes: &[(String, String)],
        requirements: &[Requirement],
        deliveries: &[Delivery],
        mistakes: &mut Vec<String>,
    ) -> Vec<Source> {
        let resolved = requirements.iter().zip(deliveries).map(|(requirement, delivery)| {
            self.resolve_one(index, consumer, takes, requirement, delivery).unwrap_or_else(|mistake| {
                mistakes.push(mistake);
                Source::Context
            })
        });
        resolved.collect()
    }

    /// Checks that each delivery wired by name belongs to the factory or its fallback, and is wired once.
    fn check_takes(&self, factory: &FactoryDraft, mistakes: &mut Vec<String>) {
        let FactoryDraft { name, deliveries, takes, fallback, .. } = factory;
        let of_fallback = fallback.as_ref().map(|fallback| fallback.item.deliveries).unwrap_or_default();
        for (index, (delivery, producer)) in takes.iter().enumerate() {
            let known = deliveries.iter().chain(of_fallback);
            if !known.clone().any(|known| known.name == delivery) {
                let known: Vec<_> = known.map(|known| format!("`{}`", known.name)).collect();
                let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                mistakes.push(format!("factory `{name}` has no delivery `{delivery}`: it takes {known}"));
            } else if let Some((_, first)) = takes[..index].iter().find(|(other, _)| other == delivery) {
                mistakes.push(format!(
                    "factory `{name}` takes `{delivery}` twice, from `{first}` and from `{producer}`: drop one of them"
                ));
            }
        }
    }

    fn resolve_one(
        &self,
        index: &Index<'_>,
        by: &Consumer<'_>,
        takes: &[(String, String)],
        requirement: &Requirement,
        delivery: &Delivery,
    ) -> Result<Source, String> {
        let Self { name: pipeline, .. } = self;
        // Only mistakes need texts.
        let payload = || short_type(requirement.type_name);
        let consumer = || match by.fallback {
            Some(fallback) => {
                format!("fallback `{fallback}` of factory `{}` takes it as `{}`", by.factory, delivery.name)
            }
            None => format!("factory `{}` takes it as `{}`", by.factory, delivery.name),
        };
        let found = |source: Source, supply: &Supply| {
            if !supply.optional || requirement.optional {
                return Ok(source);
            }
            let absent = match source {
                Source::Factory(index) => {
                    Absent::Factory(&self.factories[index].name, self.factories[index].policy)
                }
                Source::Input(index) => Absent::Input(&self.inputs[index].name),
                Source::Context => return Ok(source),
            };
            Err(must_be_optional(pipeline, by, delivery, &absent).as_str().to_owned())
        };
        if let Some((_, producer)) = takes.iter().find(|(name, _)| name == delivery.name) {
            let source = index.names.get(&composed(producer)).copied();
            let Some((source, supply)) = source.and_then(|source| Some((source, self.supply(source)?)))
            else {
                return Err(format!(
                    "nothing in pipeline `{pipeline}` is named `{producer}`{}; {}",
                    near(index, producer, self.supplies().map(|(name, ..)| name)),
                    consumer()
                ));
            };
            if supply.payload != requirement.payload {
                return Err(format!("`{producer}` does not deliver `{}`; {}", payload(), consumer()));
            }
            return found(source, supply);
        }
        if let Some(producer) = requirement.producer {
            let listed = index.items.get_or_init(|| self.items()).get(&producer).into_iter().flatten();
            return match *listed.take(2).map(|index| (*index, &self.factories[*index])).collect::<Vec<_>>() {
                [(index, other)] if other.supply.payload == requirement.payload => {
                    found(Source::Factory(index), &other.supply)
                }
                [(_, other)] => {
                    Err(format!("factory `{}` does not deliver `{}`; {}", other.name, payload(), consumer()))
                }
                [(_, first), (_, second), ..] => Err(format!(
                    "`{}` and `{}` are both the factory `{}`; {}: say which with `.take(\"{}\", …)`",
                    first.name,
                    second.name,
                    delivery.producer.unwrap_or_default(),
                    consumer(),
                    delivery.name
                )),
                [] => Err(format!(
                    "pipeline `{pipeline}` does not list the factory `{}`; {}",
                    delivery.producer.unwrap_or_default(),
                    consumer()
                )),
            };
        }
        if requirement.key == TypeId::of::<Context>() {
            return Ok(Source::Context);
        }
        let source = index.keys.get(&requirement.key).copied();
        match source.and_then(|source| Some((source, self.supply(source)?))) {
            Some((source, supply)) => found(source, supply),
            None => {
                let id = delivery.id.map(|id| format!(" with id `{id}`")).unwrap_or_default();
                Err(format!(
                    "nothing in pipeline `{pipeline}` delivers `{}`{id}; {}: add a factory whose output it is, or an input of \
                     this type",
                    payload(),
                    consumer()
                ))
            }
        }
    }

    /// Orders the factories, unless they wait for each other in a cycle.
    pub(super) fn plan(&self, resolved: Vec<Resolved>, mistakes: &mut Vec<String>) -> Option<Plan> {
        let from: Vec<_> =
            resolved.iter().map(|Resolved { own, fallback }| Sources { own, fallback }).collect();
        let linked = match Linked::of(&from, &self.stages, &[]) {
            Ok(linked) => linked,
            Err(graph) => {
                mistakes.push(self.describe_cycle(&graph, &from));
                return None;
            }
        };
        let Linked { offsets, successors, waits, order, levels } = linked;
        let mut taken = vec![false; self.factories.len()];
        for source in resolved.iter().flat_map(|resolved| resolved.own.iter().chain(&resolved.fallback)) {
            if let Source::Factory(producer) = *source {
                taken[producer] = true;
            }
        }
        let kept: HashSet<_> = self.keep.iter().map(|name| composed(name)).collect();
        let factories = self.factories.iter().enumerate().map(|(index, factory)| Node {
            name: Cow::Owned(factory.name.clone()),
            stage: factory.stage,
            deliveries: factory.deliveries,
            sources: Cow::Owned(resolved[index].own.clone()),
            id: factory.id,
            kept: kept.contains(&composed(&factory.name)) || !taken[index],
            blocking: factory.blocking,
            output: factory.output,
            policy: factory.policy,
            fallback: factory.fallback.as_ref().map(|FallbackDraft { item, .. }| FallbackNode {
                name: item.name,
                deliveries: item.deliveries,
                sources: Cow::Owned(resolved[index].fallback.clone()),
                policy: item.policy,
                blocking: item.blocking,
            }),
        });
        let inputs = self.inputs.iter().map(|input| Input {
            name: Cow::Owned(input.name.clone()),
            type_name: input.type_name,
            id: input.id,
        });
        Some(Plan {
            pipeline: Cow::Owned(self.name.clone()),
            inputs: inputs.collect(),
            stages: self.stages.iter().cloned().collect(),
            factories: factories.collect(),
            offsets: offsets.into(),
            successors: successors.into(),
            waits: waits.into(),
            order: order.into(),
            levels: levels.into(),
            defaults: self.defaults,
        })
    }

    /// Describes a cycle in the words of the compile-time check.
    fn describe_cycle(&self, graph: &DiGraph<usize, ()>, from: &[Sources<'_>]) -> String {
        let is_cycle = |component: &Vec<NodeIndex>| {
            component.len() > 1 || component.iter().any(|&node| graph.contains_edge(node, node))
        };
        let mut waits = vec![0; graph.node_count()];
        for node in kosaraju_scc(graph).into_iter().find(is_cycle).unwrap_or_default() {
            waits[graph[node]] = 1;
        }
        let names: Vec<_> = self.factories.iter().map(|factory| factory.name.as_str()).collect();
        let mut waits_for = vec![usize::MAX; waits.len()];
        let text = describe_cycle(&self.name, &names, &waits, &mut waits_for, from, &self.stages);
        text.as_str().to_owned()
    }
}

/// Adds a source. Returns `false` if there is one already.
fn added<K>(entry: Entry<'_, K, Source>, source: Source) -> bool {
    match entry {
        Entry::Vacant(entry) => {
            entry.insert(source);
            true
        }
        Entry::Occupied(_) => false,
    }
}

/// Returns `, did you mean …?` if one of the names is similar.
fn near<'names>(index: &Index<'_>, name: &str, names: impl Iterator<Item = &'names str>) -> String {
    let left = index.proposals.get();
    if left == 0 {
        return String::new();
    }
    index.proposals.set(left - 1);
    nearest(name, names).map(|other| format!(", did you mean `{other}`?")).unwrap_or_default()
}

/// Returns `true` if a type is `std::result::Result`, by the name that the compiler gives it.
fn is_result(type_name: &str) -> bool {
    type_name.starts_with("core::result::Result<")
}
