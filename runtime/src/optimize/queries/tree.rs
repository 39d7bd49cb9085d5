//! The logical plans of Polars as trees: what is below a node, what it is, and the same with something else below it.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::LazyFrame;
use polars_plan::dsl::{DslPlan, Expr};
use polars_plan::plans::{DslFunction, DynLiteralValue, LiteralValue};

use crate::dataset::required::check_of;

/// Says which plan a node is the top of: equal plans give equal results.
pub(super) type Key = [u8; 32];

/// A key as it is shown and recorded.
pub(super) fn shown(key: &Key) -> String {
    key.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What is directly below a node.
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
        // Leaves, and what is made by a function of its inputs that nobody can look into.
        _ => Vec::new(),
    }
}

/// The same node with something else below it: as many as [`inputs`] gives.
fn with_inputs(plan: &DslPlan, inputs: Vec<DslPlan>) -> DslPlan {
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
        // What Polars has found out about the old plan does not hold for the new one.
        DslPlan::IR { .. } => return next(),
        DslPlan::Join { input_left, input_right, .. } => {
            *input_left = Arc::new(next());
            *input_right = Arc::new(next());
        }
        DslPlan::Gather { input, idxs, .. } => {
            *input = Arc::new(next());
            *idxs = Arc::new(next());
        }
        DslPlan::Union { inputs, .. } | DslPlan::HConcat { inputs, .. } => {
            inputs.iter_mut().for_each(|input| *input = next());
        }
        DslPlan::ExtContext { input, contexts } => {
            *input = Arc::new(next());
            contexts.iter_mut().for_each(|context| *context = next());
        }
        _ => {}
    }
    plan
}

/// The keys of nodes, each made once: those below are shared by many plans.
#[derive(Default)]
pub(super) struct Keys {
    known: HashMap<*const DslPlan, Option<Key>>,
    opaque: u64,
    of_all_runs: bool,
}

impl Keys {
    /// Keys that are the same in all runs. Of frames they tell the columns only, and of what nobody can look into nothing:
    /// plans with the same key are alike, and need not give the same.
    pub(super) fn of_all_runs() -> Self {
        Self { of_all_runs: true, ..Self::default() }
    }

    /// The key of a plan. What nobody can look into is like nothing else.
    pub(super) fn of(&mut self, plan: &DslPlan) -> Key {
        let address = std::ptr::from_ref(plan);
        if let Some(Some(key)) = self.known.get(&address) {
            return *key;
        }
        let key = self.make(plan);
        self.known.insert(address, Some(key));
        key
    }

    /// As [`Keys::of`], of a plan that does not stay where it is.
    pub(super) fn of_new(&mut self, plan: DslPlan) -> Key {
        self.make(&plan)
    }

    fn make(&mut self, plan: &DslPlan) -> Key {
        if let DslPlan::IR { dsl, .. } = plan {
            return self.of(dsl);
        }
        let below: Vec<Key> = inputs(plan).into_iter().map(|input| self.of(input)).collect();
        let mut hasher = KeyHasher(blake3::Hasher::new());
        discriminant(plan).hash(&mut hasher);
        let told = match plan {
            DslPlan::DataFrameScan { schema, .. } if self.of_all_runs => {
                schema.hash(&mut hasher);
                Some(())
            }
            _ => own(plan, &mut hasher),
        };
        if told.is_none() {
            self.opaque += u64::from(!self.of_all_runs);
            "opaque".hash(&mut hasher);
            self.opaque.hash(&mut hasher);
        }
        expressions(plan).into_iter().for_each(|expr| whole(expr, &mut hasher));
        below.hash(&mut hasher);
        hasher.0.finalize().into()
    }

    /// The plan with other plans in the place of some. Nothing below these is looked at.
    pub(super) fn replace(&mut self, plan: &DslPlan, by: &dyn Fn(&Key) -> Option<DslPlan>) -> DslPlan {
        if let Some(other) = by(&self.of(plan)) {
            return other;
        }
        let below = inputs(plan);
        if below.is_empty() {
            return plan.clone();
        }
        let below = below.into_iter().map(|input| self.replace(input, by)).collect();
        with_inputs(plan, below)
    }
}

/// What a node is by itself; none if that cannot be told.
fn own(plan: &DslPlan, hasher: &mut KeyHasher) -> Option<()> {
    match plan {
        DslPlan::Filter { predicate, .. } => predicate.hash(hasher),
        DslPlan::Scan { sources, unified_scan_args, scan_type, .. } => {
            let paths = sources.as_paths()?;
            paths.len().hash(hasher);
            paths.iter().for_each(|path| path.as_str().hash(hasher));
            unified_scan_args.hash(hasher);
            format!("{scan_type:?}").hash(hasher);
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

/// The expressions of a node by itself.
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

/// What the hash of an expression leaves out: that of Polars tells of a literal and of a function only which kind it is, so
/// that `x = 1` and `x = 2` have the same.
fn whole(expr: &Expr, hasher: &mut KeyHasher) {
    for expr in expr {
        match expr {
            Expr::Literal(literal) => {
                literal.hash(hasher);
                match literal {
                    LiteralValue::Series(series) => {
                        (series.name(), series.dtype(), series.len()).hash(hasher);
                    }
                    // Both zeros have one hash.
                    LiteralValue::Dyn(DynLiteralValue::Float(value)) => value.to_bits().hash(hasher),
                    _ => {}
                }
            }
            Expr::Function { function, .. } => function.hash(hasher),
            _ => {}
        }
    }
}

/// Whether two plans with the same key are the same. Equal keys of expressions do not prove it: a hash may leave things out.
pub(super) fn is_same(one: &DslPlan, other: &DslPlan) -> bool {
    match (one, other) {
        (DslPlan::IR { dsl, .. }, _) => return is_same(dsl, other),
        (_, DslPlan::IR { dsl, .. }) => return is_same(one, dsl),
        _ => {}
    }
    let (below, of_other) = (inputs(one), inputs(other));
    std::ptr::eq(one, other)
        || discriminant(one) == discriminant(other)
            && expressions(one) == expressions(other)
            && below.len() == of_other.len()
            && below.into_iter().zip(of_other).all(|(one, other)| is_same(one, other))
}

struct KeyHasher(blake3::Hasher);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks for it: all of the hash counts.
    fn finish(&self) -> u64 {
        0
    }
}

/// Whether a plan does more than to read, filter and compute row by row.
pub(super) fn is_expensive(plan: &DslPlan) -> bool {
    let itself = matches!(
        plan,
        DslPlan::GroupBy { .. } | DslPlan::Join { .. } | DslPlan::Distinct { .. } | DslPlan::Sort { .. }
    );
    itself || inputs(plan).into_iter().any(is_expensive)
}

/// A name for a plan that people recognise, as in `join on o_orderkey of orders.parquet, lineitem.parquet`.
pub(super) fn describe(plan: &DslPlan) -> String {
    let mut files = Vec::new();
    files_below(plan, &mut files);
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
    match plan {
        DslPlan::IR { dsl, .. } => describe(dsl),
        DslPlan::GroupBy { keys, .. } => format!("aggregate by {}{of}", names(keys)),
        DslPlan::Join { left_on, .. } => format!("join on {}{of}", names(left_on)),
        DslPlan::Distinct { .. } => format!("distinct rows{of}"),
        DslPlan::Sort { by_column, .. } => format!("sort by {}{of}", names(by_column)),
        DslPlan::Scan { .. } => files.join(", "),
        DslPlan::DataFrameScan { .. } => "frame in memory".to_owned(),
        _ => match &inputs(plan)[..] {
            [input] => describe(input),
            _ => format!("query{of}"),
        },
    }
}

fn files_below(plan: &DslPlan, files: &mut Vec<String>) {
    if let DslPlan::Scan { sources, .. } = plan {
        for path in sources.as_paths().unwrap_or_default() {
            let name = path.as_str().rsplit('/').next().unwrap_or_default().to_owned();
            if !files.contains(&name) {
                files.push(name);
            }
        }
    }
    inputs(plan).into_iter().for_each(|input| files_below(input, files));
}

/// The files that a query scans, or directories that they are in, on this machine.
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
                // Which files fit, Polars finds out: their directory is as large, about.
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
