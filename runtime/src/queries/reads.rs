//! Finds the columns that a query reads of a placeholder, with the optimiser of Polars.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polars::prelude::{DataFrame, DataType, LazyFrame, PlSmallStr, PolarsResult, Schema, SchemaRef};
use polars_plan::dsl::DslPlan;
use polars_plan::plans::IR;

use super::tree::Key;
use crate::dataset::waiting;

/// A frame without rows that replaces a later result in a plan, with its columns.
///
/// Polars creates new frames if it reads fewer columns, but leaves all names in them. So the frame has one more column than its
/// schema, with a unique name.
pub(super) struct Placeholder {
    frame: Arc<DataFrame>,
    schema: SchemaRef,
    marker: PlSmallStr,
}

static PLACEHOLDERS: AtomicU64 = AtomicU64::new(0);

const MARKER: &str = "setl placeholder ";

/// The marker of a frame that is a placeholder.
fn marker(frame: &DataFrame) -> Option<&PlSmallStr> {
    frame.columns().iter().rev().map(|column| column.name()).find(|name| name.starts_with(MARKER))
}

impl Placeholder {
    pub(super) fn new(schema: &SchemaRef) -> Self {
        let marker = format!("{MARKER}{}", PLACEHOLDERS.fetch_add(1, Ordering::Relaxed));
        let marker = PlSmallStr::from_string(marker);
        let mut marked = Schema::clone(schema);
        marked.with_column(marker.clone(), DataType::Boolean);
        let frame = Arc::new(DataFrame::empty_with_schema(&marked));
        Self { frame, schema: schema.clone(), marker }
    }

    pub(super) fn plan(&self) -> DslPlan {
        DslPlan::DataFrameScan { schema: self.schema.clone(), df: Arc::clone(&self.frame) }
    }
}

/// Placeholders, by the key of the result that they replace.
#[derive(Default)]
pub(super) struct Placeholders {
    all: HashMap<Key, Placeholder>,
    by_marker: HashMap<PlSmallStr, Key>,
}

impl Placeholders {
    pub(super) fn insert(&mut self, key: Key, placeholder: Placeholder) {
        self.by_marker.insert(placeholder.marker.clone(), key);
        self.all.insert(key, placeholder);
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.all.extend(others.all);
        self.by_marker.extend(others.by_marker);
    }

    pub(super) fn plan(&self, key: &Key) -> Option<DslPlan> {
        self.all.get(key).map(Placeholder::plan)
    }

    /// The key of the result that a frame replaces, if it is a placeholder.
    pub(super) fn of(&self, frame: &DataFrame) -> Option<&Key> {
        self.by_marker.get(marker(frame)?)
    }
}

/// For each placeholder, the columns that a plan reads from it, once for each place in which it occurs.
///
/// # Errors
/// When the plan is not valid.
pub(super) fn columns_read(
    plan: DslPlan,
    placeholders: &Placeholders,
) -> PolarsResult<Vec<(Key, Vec<String>)>> {
    let optimised = waiting(|| LazyFrame::from(plan).to_alp_optimized())?;
    let mut reads = Vec::new();
    let mut stack = vec![optimised.lp_top];
    while let Some(node) = stack.pop() {
        let ir = optimised.lp_arena.get(node);
        if let IR::DataFrameScan { df, output_schema, .. } = ir
            && let Some(key) = placeholders.of(df)
        {
            let schema = output_schema.as_ref().unwrap_or(&placeholders.all[key].schema);
            reads.push((*key, schema.iter_names().map(ToString::to_string).collect()));
        }
        ir.copy_inputs(&mut stack);
    }
    Ok(reads)
}
