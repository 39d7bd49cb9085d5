//! The logical plans of Polars as trees: the inputs of a node, its identity, and the same node with other inputs.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{JoinType, LazyFrame, MaintainOrderJoin};
use polars_plan::dsl::{DslPlan, Expr, FileScanDsl};
use polars_plan::plans::{DslFunction, DynLiteralValue, LiteralValue};

use crate::dataset::required::check_of;

/// Identifies the plan of which a node is the top: equal keys give equal results.
pub(super) type Key = [u8; 32];

/// A key in the form in which it is shown and recorded.
pub(super) fn shown(key: &Key) -> String {
    key.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The direct inputs of a node.
pub(super) fn inputs(plan: &DslPlan) -> Vec<&DslPlan> {
    match plan {
        DslPlan::Filter { input, .. }
        | DslPlan::Cache { input, .. }
        | DslPlan::Select { input, .. }
        | DslPlan::GroupBy { input, .. }
        | DslPlan::HStack { input, .. }
        | DslPlan::MatchToSchema { input, .. }
        | DslPlan::Distinct { input, .. }
        | DslPlan::Sort { input, .. }
        | DslPlan::Slice { input, .. }
        | DslPlan::MapFunction { input, .. }
        | DslPlan::Sink { input, .. }
        | DslPlan::IR { dsl: input, .. } => vec![input],
        DslPlan::Join { input_left, input_right, .. } => vec![input_left, input_right],
        DslPlan::Gather { input, idxs, .. } => vec![input, idxs],
        DslPlan::Union { inputs, .. } | DslPlan::HConcat { inputs, .. } => inputs.iter().collect(),
        DslPlan::ExtContext { input, contexts } => std::iter::once(&**input).chain(contexts.iter()).collect(),
        // Leaves, and nodes that apply an opaque function to their inputs.
        _ => Vec::new(),
    }
}

/// All nodes of a plan, each after its inputs. A node that occurs in several places is listed once. Plans are as deep and as wide
/// as users make them, so this module does not use recursion.
pub(super) fn bottom_up(plan: &DslPlan) -> Vec<&DslPlan> {
    bottom_up_until(plan, |_| false, &mut HashSet::new())
}

/// Does the same as [`bottom_up`], without the nodes in `seen`, and without the nodes that are only below a node for which `stop`
/// is true.
pub(super) fn bottom_up_until<'plan>(
    plan: &'plan DslPlan,
    stop: impl Fn(&DslPlan) -> bool,
    seen: &mut HashSet<*const DslPlan>,
) -> Vec<&'plan DslPlan> {
    let mut nodes = Vec::new();
    let mut todo = vec![(plan, false)];
    while let Some((plan, is_ready)) = todo.pop() {
        if is_ready {
            nodes.push(plan);
        } else if seen.insert(std::ptr::from_ref(plan)) {
            todo.push((plan, true));
            if !stop(plan) {
                todo.extend(inputs(plan).into_iter().rev().map(|input| (input, false)));
            }
        }
    }
    nodes
}

/// The same node with other inputs: as many as [`inputs`] returns.
fn with_inputs(plan: &DslPlan, inputs: Vec<DslPlan>) -> DslPlan {
    // These nodes own their inputs: cloning the node would copy the whole tree below.
    match plan {
        DslPlan::Union { args, .. } => return DslPlan::Union { inputs, args: *args },
        DslPlan::HConcat { options, .. } => return DslPlan::HConcat { inputs, options: *options },
        _ => {}
    }
    let mut plan = plan.clone();
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next().unwrap_or_default();
    match &mut plan {
        DslPlan::Filter { input, .. }
        | DslPlan::Cache { input, .. }
        | DslPlan::Select { input, .. }
        | DslPlan::GroupBy { input, .. }
        | DslPlan::HStack { input, .. }
        | DslPlan::MatchToSchema { input, .. }
        | DslPlan::Distinct { input, .. }
        | DslPlan::Sort { input, .. }
        | DslPlan::Slice { input, .. }
        | DslPlan::MapFunction { input, .. }
        | DslPlan::Sink { input, .. } => *input = Arc::new(next()),
        // The resolved form that Polars has cached for the old plan is not valid for the new one.
        DslPlan::IR { .. } => return next(),
        DslPlan::Join { input_left, input_right, .. } => {
            *input_left = Arc::new(next());
            *input_right = Arc::new(next());
        }
        DslPlan::Gather { input, idxs, .. } => {
            *input = Arc::new(next());
            *idxs = Arc::new(next());
        }
        DslPlan::ExtContext { input, contexts } => {
            *input = Arc::new(next());
            contexts.iter_mut().for_each(|context| *context = next());
        }
        _ => {}
    }
    plan
}

/// The keys of nodes. Each key is computed once, because many plans share their inputs.
#[derive(Default)]
pub(super) struct Keys {
    known: HashMap<*const DslPlan, Key>,
    opaque: u64,
    /// The opaque nodes, and the nodes above them whose key was requested.
    opaque_ones: HashSet<*const DslPlan>,
    of_all_runs: bool,
}

impl Keys {
    /// Creates keys that are the same in all runs. The key of a frame depends only on its columns, and an opaque node has a
    /// constant key. Plans with the same key are similar, but may give different results.
    pub(super) fn of_all_runs() -> Self {
        Self { of_all_runs: true, ..Self::default() }
    }

    /// The key of a plan. An opaque node differs from every other node.
    pub(super) fn of(&mut self, plan: &DslPlan) -> Key {
        if let Some(key) = self.known.get(&std::ptr::from_ref(plan)) {
            return *key;
        }
        let is_known = |node: &DslPlan| self.known.contains_key(&std::ptr::from_ref(node));
        let mut key = Key::default();
        for node in bottom_up_until(plan, is_known, &mut HashSet::new()) {
            key = match self.known.get(&std::ptr::from_ref(node)) {
                Some(key) => *key,
                None => self.make(node),
            };
            self.known.insert(std::ptr::from_ref(node), key);
        }
        key
    }

    /// The key of a plan as in [`Keys::of`], if no node of the plan is opaque. Such a key is the same everywhere in a run.
    pub(super) fn certain(&mut self, plan: &DslPlan) -> Option<Key> {
        let key = self.of(plan);
        let mut certain = !self.opaque_ones.contains(&std::ptr::from_ref(plan));
        for input in inputs(plan) {
            certain &= !self.opaque_ones.contains(&std::ptr::from_ref(input));
        }
        if !certain {
            self.opaque_ones.insert(std::ptr::from_ref(plan));
        }
        certain.then_some(key)
    }

    /// The key of a plan without inputs, which may be dropped afterwards.
    pub(super) fn of_leaf(&mut self, plan: &DslPlan) -> Key {
        self.make(plan)
    }

    /// The key of a node whose inputs have keys.
    fn make(&mut self, plan: &DslPlan) -> Key {
        let below: Vec<Key> = inputs(plan)
            .into_iter()
            .map(|input| self.known.get(&std::ptr::from_ref(input)).copied().unwrap_or_default())
            .collect();
        if let (DslPlan::IR { .. }, [key]) = (plan, &below[..]) {
            return *key;
        }
        let mut hasher = KeyHasher(blake3::Hasher::new());
        discriminant(plan).hash(&mut hasher);
        let told = match plan {
            DslPlan::DataFrameScan { schema, .. } if self.of_all_runs => {
                schema.hash(&mut hasher);
                Some(())
            }
            DslPlan::Scan { scan_type, .. }
                if self.of_all_runs && matches!(**scan_type, FileScanDsl::Anonymous { .. }) =>
            {
                None
            }
            _ => own(plan, &mut hasher),
        };
        if told.is_none() {
            self.opaque += u64::from(!self.of_all_runs);
            self.opaque_ones.insert(std::ptr::from_ref(plan));
            "opaque".hash(&mut hasher);
            self.opaque.hash(&mut hasher);
        }
        expressions(plan).into_iter().for_each(|expr| whole(expr, &mut hasher));
        below.hash(&mut hasher);
        hasher.0.finalize().into()
    }

    /// The plan in which some plans are replaced by others. Nodes without a replacement below them stay the same.
    pub(super) fn replace(&mut self, plan: &DslPlan, by: &dyn Fn(&Key) -> Option<DslPlan>) -> DslPlan {
        self.of(plan);
        let made = |node: &DslPlan| self.known.get(&std::ptr::from_ref(node)).and_then(by);
        let mut others: HashMap<*const DslPlan, DslPlan> = HashMap::new();
        for node in bottom_up_until(plan, |node| made(node).is_some(), &mut HashSet::new()) {
            let address = std::ptr::from_ref(node);
            let other = made(node).or_else(|| {
                let below = inputs(node);
                let is_other = |input: &&DslPlan| others.contains_key(&std::ptr::from_ref(*input));
                below.iter().any(is_other).then(|| {
                    let other = |input: &DslPlan| others.get(&std::ptr::from_ref(input)).cloned();
                    let below = below.into_iter().map(|input| other(input).unwrap_or_else(|| input.clone()));
                    with_inputs(node, below.collect())
                })
            });
            if let Some(other) = other {
                others.insert(address, other);
            }
        }
        others.remove(&std::ptr::from_ref(plan)).unwrap_or_else(|| plan.clone())
    }
}

/// The plan with left joins that explicitly maintain the order of both sides, as the in-memory engine always does.
pub(super) fn maintained(plan: &DslPlan) -> DslPlan {
    let mut others: HashMap<*const DslPlan, DslPlan> = HashMap::new();
    for node in bottom_up(plan) {
        let below = inputs(node);
        let other = |input: &DslPlan| others.get(&std::ptr::from_ref(input)).cloned();
        let is_left = matches!(node, DslPlan::Join { options, .. }
            if options.args.how == JoinType::Left && options.args.maintain_order == MaintainOrderJoin::None);
        if !is_left && !below.iter().any(|input| others.contains_key(&std::ptr::from_ref(*input))) {
            continue;
        }
        let below = below.into_iter().map(|input| other(input).unwrap_or_else(|| input.clone()));
        let mut made = with_inputs(node, below.collect());
        if is_left && let DslPlan::Join { options, .. } = &mut made {
            Arc::make_mut(options).args.maintain_order = MaintainOrderJoin::LeftRight;
        }
        others.insert(std::ptr::from_ref(node), made);
    }
    others.remove(&std::ptr::from_ref(plan)).unwrap_or_else(|| plan.clone())
}

/// Hashes the properties of the node itself. `None` if the node is opaque.
fn own(plan: &DslPlan, hasher: &mut KeyHasher) -> Option<()> {
    match plan {
        DslPlan::Filter { predicate, .. } => predicate.hash(hasher),
        DslPlan::Scan { sources, unified_scan_args, scan_type, .. } => {
            let paths = sources.as_paths()?;
            paths.len().hash(hasher);
            paths.iter().for_each(|path| path.as_str().hash(hasher));
            // The hash of a dtype covers only its kind, and all functions of users have the same debug text.
            format!("{unified_scan_args:?} {scan_type:?}").hash(hasher);
            if let FileScanDsl::Anonymous { function, .. } = &**scan_type {
                Arc::as_ptr(function).cast::<()>().hash(hasher);
            }
        }
        DslPlan::DataFrameScan { df, .. } => Arc::as_ptr(df).hash(hasher),
        DslPlan::Select { expr, options, .. } => (expr, options).hash(hasher),
        DslPlan::HStack { exprs, options, .. } => (exprs, options).hash(hasher),
        DslPlan::GroupBy { keys, predicates, aggs, maintain_order, options, apply: None, .. } => {
            (keys, predicates, aggs, maintain_order, options).hash(hasher);
        }
        DslPlan::Join { left_on, right_on, predicates, options, .. } => {
            (left_on, right_on, predicates, options).hash(hasher);
        }
        DslPlan::Gather { null_on_oob, .. } => null_on_oob.hash(hasher),
        DslPlan::Distinct { options, .. } => options.hash(hasher),
        DslPlan::Sort { by_column, slice, sort_options, .. } => {
            (by_column, slice).hash(hasher);
            format!("{sort_options:?}").hash(hasher);
        }
        DslPlan::Slice { offset, len, .. } => (offset, len).hash(hasher),
        DslPlan::MapFunction { function: DslFunction::Rename { existing, new, strict }, .. } => {
            (existing, new, strict).hash(hasher);
        }
        DslPlan::MapFunction { function: DslFunction::RowIndex { name, offset }, .. } => {
            (name, offset).hash(hasher);
        }
        DslPlan::MapFunction { .. } => check_of(plan)?.hash(hasher),
        DslPlan::Union { args, .. } => args.hash(hasher),
        DslPlan::HConcat { options, .. } => options.hash(hasher),
        DslPlan::ExtContext { .. } => {}
        _ => return None,
    }
    Some(())
}

/// The expressions of the node itself.
fn expressions(plan: &DslPlan) -> Vec<&Expr> {
    match plan {
        DslPlan::Filter { predicate, .. } => vec![predicate],
        DslPlan::Select { expr: exprs, .. }
        | DslPlan::HStack { exprs, .. }
        | DslPlan::Sort { by_column: exprs, .. } => exprs.iter().collect(),
        DslPlan::GroupBy { keys, predicates, aggs, .. } => {
            keys.iter().chain(predicates).chain(aggs).collect()
        }
        DslPlan::Join { left_on, right_on, predicates, .. } => {
            left_on.iter().chain(right_on).chain(predicates).collect()
        }
        _ => Vec::new(),
    }
}

/// Hashes the parts of an expression that its own hash leaves out: the hash of Polars covers only the kind of a literal, a
/// function or a dtype, so that `x = 1` and `x = 2` have the same hash.
fn whole(expr: &Expr, hasher: &mut KeyHasher) {
    for expr in expr {
        match expr {
            Expr::Literal(literal) => {
                literal.hash(hasher);
                match literal {
                    LiteralValue::Series(series) => {
                        (series.name(), series.dtype(), series.len()).hash(hasher);
                    }
                    // Both zeros have the same hash.
                    LiteralValue::Dyn(DynLiteralValue::Float(value)) => value.to_bits().hash(hasher),
                    _ => {}
                }
            }
            Expr::Function { function, .. } => function.hash(hasher),
            Expr::Cast { dtype, .. } => format!("{dtype:?}").hash(hasher),
            _ => {}
        }
    }
}

/// `true` if two nodes with the same key are the same, provided that their inputs are. Equal keys do not prove it, because the
/// hash of an expression may leave parts out.
pub(super) fn is_same(one: &DslPlan, other: &DslPlan) -> bool {
    std::ptr::eq(one, other)
        || discriminant(one) == discriminant(other) && expressions(one) == expressions(other)
}

struct KeyHasher(blake3::Hasher);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not used: the whole hash counts.
    fn finish(&self) -> u64 {
        0
    }
}

/// `true` if the node does more than read, filter and compute row by row.
pub(super) fn is_expensive(node: &DslPlan) -> bool {
    matches!(
        node,
        DslPlan::GroupBy { .. } | DslPlan::Join { .. } | DslPlan::Distinct { .. } | DslPlan::Sort { .. }
    )
}

/// A readable name for a plan, as in `join on o_orderkey of orders.parquet, lineitem.parquet`.
pub(super) fn describe(plan: &DslPlan) -> String {
    let files = files_below(plan);
    let of = if files.is_empty() { String::new() } else { format!(" of {}", files.join(", ")) };
    let names = |exprs: &[polars_plan::dsl::Expr]| {
        exprs
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
            .replace("col(", "")
            .replace([')', '"'], "")
    };
    // A row-by-row operation is named after its input.
    let mut plan = plan;
    while !is_expensive(plan)
        && let [input] = &inputs(plan)[..]
    {
        plan = input;
    }
    match plan {
        DslPlan::GroupBy { keys, .. } => format!("aggregate by {}{of}", names(keys)),
        DslPlan::Join { left_on, .. } => format!("join on {}{of}", names(left_on)),
        DslPlan::Distinct { .. } => format!("distinct rows{of}"),
        DslPlan::Sort { by_column, .. } => format!("sort by {}{of}", names(by_column)),
        DslPlan::Scan { .. } => files.join(", "),
        DslPlan::DataFrameScan { .. } => "frame in memory".to_owned(),
        _ => format!("query{of}"),
    }
}

pub(super) fn files_below(plan: &DslPlan) -> Vec<String> {
    let mut files = Vec::new();
    for node in bottom_up(plan) {
        let DslPlan::Scan { sources, .. } = node else { continue };
        for path in sources.as_paths().unwrap_or_default() {
            let name = path.as_str().rsplit('/').next().unwrap_or_default().to_owned();
            if !files.contains(&name) {
                files.push(name);
            }
        }
    }
    files
}

/// The local files that a query scans, or their directories.
pub(crate) fn files(query: &LazyFrame) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut seen = HashSet::new();
    let mut todo = vec![&query.logical_plan];
    while let Some(plan) = todo.pop() {
        if !seen.insert(std::ptr::from_ref(plan)) {
            continue;
        }
        if let DslPlan::Scan { sources, .. } = plan {
            let paths = sources.as_paths().unwrap_or_default().iter();
            let local = paths.map(|path| path.as_str()).filter(|path| !path.contains("://"));
            files.extend(local.map(|path| match path.split_once(['*', '?', '[']) {
                // Polars resolves the pattern. The size of the directory is a good approximation.
                Some((fixed, _)) => {
                    PathBuf::from(fixed.rsplit_once('/').map_or(".", |(directory, _)| directory))
                }
                None => PathBuf::from(path),
            }));
        }
        todo.extend(inputs(plan));
    }
    files
}
