//! Which columns of which files a query reads, once it is optimised.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use polars_plan::plans::IR;
use polars_plan::utils::aexpr_to_leaf_names;

/// The columns of each table, by its name.
pub type Reads = BTreeMap<String, BTreeSet<String>>;

pub fn of(query: &LazyFrame) -> PolarsResult<Reads> {
    let plan = query.clone().to_alp_optimized()?;
    let mut reads = Reads::new();
    let mut nodes = vec![plan.lp_top];
    while let Some(node) = nodes.pop() {
        let ir = plan.lp_arena.get(node);
        nodes.extend(ir.inputs());
        let IR::Scan { sources, predicate, file_info, unified_scan_args, .. } = ir else { continue };
        let path = sources.first_path().expect("a scan of a file").as_str();
        let table = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".parquet");
        let columns = reads.entry(table.to_owned()).or_default();
        match &unified_scan_args.projection {
            Some(projected) => columns.extend(projected.iter().map(|name| name.to_string())),
            None => columns.extend(file_info.schema.iter_names().map(|name| name.to_string())),
        }
        if let Some(predicate) = predicate {
            columns.extend(aexpr_to_leaf_names(predicate.node(), &plan.expr_arena).iter().map(|name| name.to_string()));
        }
    }
    Ok(reads)
}
