//! What a query reads of a frame: found out by letting Polars optimise it.

use std::collections::HashMap;
use std::sync::Arc;

use polars::prelude::{DataFrame, LazyFrame, PolarsResult, Schema};
use polars_plan::dsl::DslPlan;
use polars_plan::plans::IR;

use super::tree::Key;
use crate::dataset::waiting;

/// Stands in a plan for what will be there, with its columns and no rows.
pub(super) struct Placeholder {
    frame: Arc<DataFrame>,
}

impl Placeholder {
    pub(super) fn new(schema: &Schema) -> Self {
        Self { frame: Arc::new(DataFrame::empty_with_schema(schema)) }
    }

    pub(super) fn plan(&self) -> DslPlan {
        DslPlan::DataFrameScan { schema: self.frame.schema().clone(), df: Arc::clone(&self.frame) }
    }
}

/// For each placeholder, the columns that a plan reads of it, once for each place it stands in.
///
/// # Errors
/// When the plan is not valid.
pub(super) fn columns_read(
    plan: DslPlan,
    placeholders: &HashMap<Key, Placeholder>,
) -> PolarsResult<Vec<(Key, Vec<String>)>> {
    let optimised = waiting(|| LazyFrame::from(plan).to_alp_optimized())?;
    let mut reads = Vec::new();
    let mut stack = vec![optimised.lp_top];
    while let Some(node) = stack.pop() {
        let ir = optimised.lp_arena.get(node);
        if let IR::DataFrameScan { df, schema, output_schema } = ir
            && let Some((key, _)) = placeholders.iter().find(|(_, other)| Arc::ptr_eq(df, &other.frame))
        {
            let schema = output_schema.as_ref().unwrap_or(schema);
            reads.push((*key, schema.iter_names().map(ToString::to_string).collect()));
        }
        ir.copy_inputs(&mut stack);
    }
    Ok(reads)
}
