//! Analysis of queries: does the answer depend on the order of rows inside the query?
//!
//! The in-memory engine of Polars defines the answer of a query. The streaming engine delivers the same rows, but in
//! another order after a join and among rows that a sort leaves equal. A part that is computed once for several queries
//! lacks the filters that Polars would have moved into it, and those filters decide how the in-memory engine orders an
//! inner join. So both are used only where it is proved that the order is not observed. The proof starts from a list of
//! expressions that do not observe it: expressions that process each row alone, and aggregates whose value is the same in
//! any order. Every other expression is taken to observe it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use polars::prelude::{
    DataFrame, DataType, JoinType, LazyFrame, MaintainOrderJoin, PlSmallStr, Schema, UniqueKeepStrategy,
};
use polars_plan::dsl::{DslPlan, Operator};
use polars_plan::plans::expr_ir::ExprIR;
use polars_plan::plans::{
    AExpr, FunctionIR, IR, IRAggExpr, IRBooleanFunction, IRFunctionExpr, IRPlan, LiteralValue, ToFieldContext,
};
use polars_plan::prelude::{Arena, Node};

use super::required::is_check;
use super::waiting;

/// The prefix of the names of setl's functions in plans. All of them process each row alone.
pub(crate) const BY_ROW: &str = "setl: ";

/// The use that the rest of a query makes of the rows at some place in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Is set if the answer depends on the order of the rows.
    pub(crate) ordered: bool,
    /// Is set if Polars may give other rows there, or another order: it moves filters and limits down, and keeps no order
    /// below a node that is not told to maintain it.
    pub(crate) moved: bool,
}

impl Demand {
    /// The demand on the rows of the answer.
    pub(crate) const ANSWER: Self = Self { ordered: true, moved: false };
    const UNORDERED: Self = Self { ordered: false, moved: false };
    const ALL: Self = Self { ordered: true, moved: true };

    pub(crate) fn and(self, other: Self) -> Self {
        Self { ordered: self.ordered || other.ordered, moved: self.moved || other.moved }
    }

    fn observed(self) -> Self {
        Self { ordered: true, ..self }
    }

    fn moved(self) -> Self {
        Self { moved: true, ..self }
    }
}

/// The order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowOrder {
    /// The order that the query defines.
    Defined,
    /// Any order: Polars returns groups in another order each time.
    Arbitrary,
    /// An order that depends on the engine and on the number of rows.
    ByEngine,
}

/// The result of analysing a query.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The order of the rows of its answer.
    pub(crate) rows: RowOrder,
    /// Is set if no place where the order depends on the engine is observed.
    pub(crate) is_free: bool,
    /// Is set if the streaming engine gives the same answer.
    pub(crate) streams: bool,
    /// Is set if the streaming engine gives the same answer once left joins are told to maintain the order.
    pub(crate) streams_maintained: bool,
    /// Is set if no place compares all digits of a sum of floating-point numbers.
    pub(crate) is_exact: bool,
    /// The frames that the query reads, each with the demand on its rows.
    pub(crate) frames: Vec<(Arc<DataFrame>, Demand)>,
}

impl Order {
    /// Describes a query that cannot be analysed.
    fn unknown() -> Self {
        let rows = RowOrder::ByEngine;
        Self {
            rows,
            is_free: false,
            streams: false,
            streams_maintained: false,
            is_exact: false,
            frames: Vec::new(),
        }
    }

    /// Analyses a query. `demand` is the demand on its answer.
    pub(crate) fn of(plan: &DslPlan, demand: Demand) -> Self {
        Self::with(plan, demand, &|_| None)
    }

    /// Analyses a query as [`Order::of`] does. `known` gives the order of the rows of a frame.
    pub(crate) fn with(
        plan: &DslPlan,
        demand: Demand,
        known: &dyn Fn(&DataFrame) -> Option<RowOrder>,
    ) -> Self {
        let plan = plan.clone();
        // Polars may panic at an invalid plan. The error is reported when the query is run.
        let lowered = catch_unwind(AssertUnwindSafe(|| waiting(|| LazyFrame::from(plan).to_alp())));
        match lowered {
            Ok(Ok(plan)) => walk(&plan, demand, known),
            Ok(Err(_)) | Err(_) => Self::unknown(),
        }
    }
}

/// The effect of a node on the order of rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The node keeps the order.
    Keeps,
    /// The node keeps the order of the first input.
    KeepsFirst,
    /// The node returns groups in any order.
    Arbitrary,
    /// The node sorts. The order of equal rows depends on the engine.
    Sorts,
    /// The order depends on the engine.
    Engine,
    /// The order depends on the engine, which can be told to keep the order of the left side.
    Maintainable,
}

struct Visit {
    demand: Demand,
    inputs: Vec<usize>,
    effect: Effect,
    /// Is set if both engines return the same rows for the same input.
    listed: bool,
    facts: Facts,
    /// Is set if the node compares floating-point numbers of its input for equality.
    keys_are_floats: bool,
    frame: Option<Arc<DataFrame>>,
}

fn walk(plan: &IRPlan, demand: Demand, known: &dyn Fn(&DataFrame) -> Option<RowOrder>) -> Order {
    let mut visits: Vec<Visit> = Vec::new();
    let mut todo = vec![(plan.lp_top, demand, None::<usize>)];
    while let Some((node, demand, above)) = todo.pop() {
        let at = visits.len();
        if let Some(above) = above {
            visits[above].inputs.push(at);
        }
        let (mut visit, below) = visit(node, demand, plan);
        visit.inputs = Vec::with_capacity(below.len());
        visits.push(visit);
        // The first input is processed first.
        todo.extend(below.into_iter().rev().map(|(node, demand)| (node, demand, Some(at))));
    }
    // The loop goes from the leaves to the top, because the inputs of a node come after it.
    let mut orders = vec![RowOrder::Defined; visits.len()];
    let mut rounded = vec![false; visits.len()];
    let (mut is_free, mut maintained, mut listed, mut exact) = (true, true, true, true);
    for (at, visit) in visits.iter().enumerate().rev() {
        let worst = visit.inputs.iter().map(|input| orders[*input]).max().unwrap_or(RowOrder::Defined);
        let below = visit.inputs.iter().any(|input| rounded[*input]);
        rounded[at] = below || visit.facts.rounds;
        exact &= !(visit.facts.compares_floats && rounded[at]);
        exact &= !(visit.keys_are_floats && below);
        listed &= visit.listed && visit.facts.listed;
        let depends = |order| if order == RowOrder::Arbitrary { order } else { RowOrder::ByEngine };
        orders[at] = match visit.effect {
            Effect::Keeps => visit.frame.as_deref().and_then(known).unwrap_or(worst),
            // Polars treats these rows as unordered.
            Effect::KeepsFirst => visit.inputs.first().map_or(worst, |input| depends(orders[*input])),
            Effect::Arbitrary => RowOrder::Arbitrary,
            Effect::Sorts => depends(worst),
            Effect::Engine | Effect::Maintainable => RowOrder::ByEngine,
        };
        let of_engine = match visit.effect {
            Effect::Engine | Effect::Maintainable => true,
            Effect::Sorts => orders[at] == RowOrder::ByEngine,
            Effect::Keeps | Effect::KeepsFirst | Effect::Arbitrary => false,
        };
        if of_engine && visit.demand.ordered {
            is_free = false;
            maintained &= visit.effect == Effect::Maintainable && !visit.demand.moved;
        }
    }
    let frames = visits.iter().filter_map(|visit| Some((Arc::clone(visit.frame.as_ref()?), visit.demand)));
    // If the last digits matter, all of them must be the same.
    let frames = frames.map(|(frame, demand)| (frame, if exact { demand } else { demand.observed() }));
    Order {
        rows: orders.first().copied().unwrap_or(RowOrder::ByEngine),
        is_free: is_free && exact,
        streams: is_free && listed && exact,
        streams_maintained: maintained && listed && exact,
        is_exact: exact,
        frames: frames.collect(),
    }
}

/// Describes a node by itself. Returns its inputs with the demand on their rows.
fn visit(node: Node, demand: Demand, plan: &IRPlan) -> (Visit, Vec<(Node, Demand)>) {
    let (nodes, exprs) = (&plan.lp_arena, &plan.expr_arena);
    let ir = nodes.get(node);
    let below = |input: Node| nodes.get(input).schema(nodes).into_owned();
    let look = |all: &[ExprIR], context: Context, input: Node| {
        let schema = below(input);
        let look = Look { exprs, schema: &schema };
        all.iter().map(|expr| look.at(expr.node(), context)).fold(Facts::default(), Facts::and)
    };
    let is_float = |input: Node, names: Option<&[PlSmallStr]>| {
        let schema = below(input);
        match names {
            Some(names) => names.iter().any(|name| schema.get(name).is_some_and(DataType::is_float)),
            None => schema.iter_values().any(DataType::is_float),
        }
    };
    let mut frame = None;
    let mut facts = Facts::default();
    let mut listed = true;
    let mut keys_are_floats = false;
    let (effect, inputs) = match ir {
        IR::Scan { .. } => (Effect::Keeps, Vec::new()),
        IR::DataFrameScan { df, .. } => {
            frame = Some(Arc::clone(df));
            (Effect::Keeps, Vec::new())
        }
        IR::SimpleProjection { input, .. } | IR::Cache { input, .. } | IR::Sink { input, .. } => {
            (Effect::Keeps, vec![(*input, demand)])
        }
        IR::Select { input, expr: all, .. } | IR::HStack { input, exprs: all, .. } => {
            facts = look(all, Context::Row, *input);
            let only_values = matches!(ir, IR::Select { .. })
                && all.iter().all(|expr| polars_plan::plans::is_scalar_ae(expr.node(), exprs));
            let demand = match facts.listed {
                // The result is one row of values, which has no order.
                true if only_values => Demand { ordered: false, ..demand },
                true => demand,
                false => demand.observed(),
            };
            (Effect::Keeps, vec![(*input, demand)])
        }
        IR::Filter { input, predicate } => {
            facts = look(std::slice::from_ref(predicate), Context::Row, *input);
            let demand = if facts.listed { demand } else { demand.observed() };
            (Effect::Keeps, vec![(*input, demand.moved())])
        }
        IR::Slice { input, .. } => (Effect::Keeps, vec![(*input, Demand::ALL)]),
        IR::Sort { input, by_column, sort_options, slice } => {
            facts = look(by_column, Context::Row, *input);
            let demand = if facts.listed { demand } else { demand.observed() };
            let demand = if slice.is_some() { Demand::ALL } else { demand };
            // A sort that maintains the order still differs if only its first rows are requested.
            let effect =
                if demand.ordered || !sort_options.maintain_order { Effect::Sorts } else { Effect::Keeps };
            (effect, vec![(*input, demand.moved())])
        }
        IR::GroupBy { input, keys, aggs, maintain_order, options, apply, .. } => {
            facts = look(keys, Context::Key, *input).and(look(aggs, Context::Group, *input));
            keys_are_floats =
                keys.iter().any(|key| key.dtype(&below(*input), exprs).is_ok_and(DataType::is_float));
            let is_plain =
                apply.is_none() && !options.is_dynamic() && !options.is_rolling() && options.slice.is_none();
            listed = is_plain;
            let ordered = !facts.listed || !is_plain || (*maintain_order && demand.ordered);
            let effect = if *maintain_order { Effect::Engine } else { Effect::Arbitrary };
            (effect, vec![(*input, Demand { ordered, moved: true })])
        }
        IR::Distinct { input, options } => {
            keys_are_floats = is_float(*input, options.subset.as_deref());
            let any_will_do = match options.keep_strategy {
                UniqueKeepStrategy::None => true,
                UniqueKeepStrategy::Any | UniqueKeepStrategy::First | UniqueKeepStrategy::Last => {
                    let all = below(*input);
                    let is_key =
                        |subset: &Arc<[PlSmallStr]>| all.iter_names().all(|name| subset.contains(name));
                    options.subset.as_ref().is_none_or(is_key)
                }
            };
            listed = any_will_do && options.slice.is_none();
            let ordered = !listed || (options.maintain_order && demand.ordered);
            let effect = if options.maintain_order { Effect::Engine } else { Effect::Arbitrary };
            (effect, vec![(*input, Demand { ordered, moved: true })])
        }
        IR::Join { input_left, input_right, left_on, right_on, options, .. } => {
            facts = look(left_on, Context::Key, *input_left).and(look(right_on, Context::Key, *input_right));
            let floats = |on: &[ExprIR], input| {
                on.iter().any(|key| key.dtype(&below(input), exprs).is_ok_and(DataType::is_float))
            };
            keys_are_floats = floats(left_on, *input_left) || floats(right_on, *input_right);
            let both = |demand: Demand| vec![(*input_left, demand), (*input_right, demand)];
            let is_equal = options.options.is_none() && options.args.slice.is_none();
            match (&options.args.how, options.args.maintain_order) {
                (JoinType::Semi | JoinType::Anti, maintains) if is_equal => {
                    let right = Demand::UNORDERED;
                    let keeps = matches!(maintains, MaintainOrderJoin::Left | MaintainOrderJoin::LeftRight);
                    let effect = if keeps { Effect::Keeps } else { Effect::KeepsFirst };
                    (effect, vec![(*input_left, demand.moved()), (*input_right, right)])
                }
                (JoinType::Inner | JoinType::Left | JoinType::Full, MaintainOrderJoin::LeftRight)
                    if is_equal =>
                {
                    (Effect::Keeps, both(demand.moved()))
                }
                (JoinType::Left, MaintainOrderJoin::None) if is_equal => {
                    (Effect::Maintainable, both(demand.moved()))
                }
                (
                    JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full | JoinType::Cross,
                    _,
                ) if is_equal => (Effect::Engine, both(demand.moved())),
                _ => {
                    listed = false;
                    (Effect::Engine, both(Demand::ALL))
                }
            }
        }
        IR::Union { inputs, options } => {
            let effect = if options.maintain_order { Effect::Keeps } else { Effect::Engine };
            let demand = if options.slice.is_some() { Demand::ALL } else { demand };
            (effect, inputs.iter().map(|input| (*input, demand.moved())).collect())
        }
        IR::MapFunction { input, function } => match function {
            FunctionIR::Opaque { fmt_str, .. } if fmt_str.starts_with(BY_ROW) || is_check(fmt_str) => {
                (Effect::Keeps, vec![(*input, demand)])
            }
            FunctionIR::Rechunk | FunctionIR::Unnest { .. } | FunctionIR::Hint(_) => {
                (Effect::Keeps, vec![(*input, demand)])
            }
            FunctionIR::RowIndex { .. } => (Effect::Keeps, vec![(*input, demand.observed())]),
            _ => {
                listed = false;
                (Effect::Keeps, vec![(*input, Demand::ALL)])
            }
        },
        _ => {
            listed = false;
            (Effect::Engine, ir.inputs().map(|input| (input, Demand::ALL)).collect())
        }
    };
    (Visit { demand, inputs: Vec::new(), effect, listed, facts, keys_are_floats, frame }, inputs)
}

/// The properties of expressions.
#[derive(Clone, Copy)]
struct Facts {
    /// Is set if all expressions give the same result in any order of rows and with both engines.
    listed: bool,
    /// Is set if an expression adds floating-point numbers, so that the last digits depend on the order.
    rounds: bool,
    /// Is set if an expression depends on all digits of floating-point numbers.
    compares_floats: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Self { listed: true, rounds: false, compares_floats: false }
    }
}

impl Facts {
    fn and(self, other: Self) -> Self {
        Self {
            listed: self.listed && other.listed,
            rounds: self.rounds || other.rounds,
            compares_floats: self.compares_floats || other.compares_floats,
        }
    }
}

/// The context of an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// The expression gives a value per row, or one for all rows.
    Row,
    /// The expression gives a value per row.
    Key,
    /// The expression gives a value per group.
    Group,
    /// An aggregate consumes the values of the expression.
    Aggregated,
    /// The expression is the same for all rows, and may have several values.
    Constant,
}

struct Look<'a> {
    exprs: &'a Arena<AExpr>,
    schema: &'a Schema,
}

impl Look<'_> {
    fn at(&self, node: Node, context: Context) -> Facts {
        let mut facts = Facts::default();
        let mut todo = vec![(node, context)];
        while let Some((node, context)) = todo.pop() {
            let ok = self.one(self.exprs.get(node), context, &mut facts, &mut todo);
            facts.listed &= ok;
        }
        facts
    }

    fn is_float(&self, node: Node) -> bool {
        let dtype = self.exprs.get(node).to_dtype(&ToFieldContext::new(self.exprs, self.schema));
        // An unknown dtype may be a float.
        dtype.map_or(true, |dtype| dtype.is_float() || dtype.is_nested() || dtype.is_unknown())
    }

    fn is_constant(&self, node: Node) -> bool {
        let mut todo = vec![node];
        while let Some(node) = todo.pop() {
            match self.exprs.get(node) {
                AExpr::Literal(_) => {}
                AExpr::Agg(IRAggExpr::Implode { input, .. }) => todo.push(*input),
                AExpr::Cast { expr, .. } => todo.push(*expr),
                _ => return false,
            }
        }
        true
    }

    /// Returns `true` if the expression alone gives the same result in any order. Adds its inputs to `todo`.
    fn one(
        &self,
        expr: &AExpr,
        context: Context,
        facts: &mut Facts,
        todo: &mut Vec<(Node, Context)>,
    ) -> bool {
        let in_rows = matches!(context, Context::Row | Context::Group);
        match expr {
            AExpr::Column(_) => context != Context::Group,
            AExpr::Literal(LiteralValue::Dyn(_) | LiteralValue::Scalar(_)) => true,
            AExpr::Literal(_) => context == Context::Constant,
            AExpr::Len => in_rows,
            AExpr::BinaryExpr { left, op, right } => {
                let compares = matches!(
                    op,
                    Operator::Eq | Operator::NotEq | Operator::EqValidity | Operator::NotEqValidity
                );
                facts.compares_floats |= compares && (self.is_float(*left) || self.is_float(*right));
                todo.extend([(*left, context), (*right, context)]);
                true
            }
            AExpr::Cast { expr, dtype, .. } => {
                facts.compares_floats |= !dtype.is_float() && self.is_float(*expr);
                todo.push((*expr, context));
                true
            }
            AExpr::Ternary { predicate, truthy, falsy } => {
                todo.extend([(*predicate, context), (*truthy, context), (*falsy, context)]);
                true
            }
            AExpr::Filter { input, by } if context == Context::Aggregated => {
                todo.extend([(*input, context), (*by, context)]);
                true
            }
            AExpr::Agg(aggregate) if in_rows => self.aggregate(aggregate, facts, todo),
            AExpr::Function { input, function, options } => {
                let below = match function {
                    IRFunctionExpr::Boolean(
                        IRBooleanFunction::Any { .. } | IRBooleanFunction::All { .. },
                    )
                    | IRFunctionExpr::NullCount
                        if in_rows =>
                    {
                        Context::Aggregated
                    }
                    _ if polars_plan::plans::is_inherently_nondeterministic_top_level(expr) => return false,
                    _ if options.is_elementwise() => context,
                    _ => return false,
                };
                let rounds_alike = matches!(
                    function,
                    IRFunctionExpr::Abs
                        | IRFunctionExpr::Negate
                        | IRFunctionExpr::NullCount
                        | IRFunctionExpr::FillNull
                        | IRFunctionExpr::Coalesce
                        | IRFunctionExpr::Boolean(
                            IRBooleanFunction::IsNull
                                | IRBooleanFunction::IsNotNull
                                | IRBooleanFunction::IsNan
                                | IRBooleanFunction::IsNotNan
                                | IRBooleanFunction::Not
                                | IRBooleanFunction::IsBetween { .. }
                        )
                );
                facts.compares_floats |=
                    !rounds_alike && input.iter().any(|input| self.is_float(input.node()));
                let is_in = matches!(function, IRFunctionExpr::Boolean(IRBooleanFunction::IsIn { .. }));
                for (at, input) in input.iter().enumerate() {
                    let constant = is_in && at == 1 && self.is_constant(input.node());
                    todo.push((input.node(), if constant { Context::Constant } else { below }));
                }
                true
            }
            AExpr::AnonymousFunction { input, fmt_str, .. } if fmt_str.starts_with(BY_ROW) => {
                todo.extend(input.iter().map(|input| (input.node(), context)));
                true
            }
            AExpr::Agg(IRAggExpr::Implode { input, .. }) if context == Context::Constant => {
                todo.push((*input, context));
                true
            }
            _ => false,
        }
    }

    fn aggregate(&self, aggregate: &IRAggExpr, facts: &mut Facts, todo: &mut Vec<(Node, Context)>) -> bool {
        let input = match aggregate {
            IRAggExpr::Min { input, .. }
            | IRAggExpr::Max { input, .. }
            | IRAggExpr::Median(input)
            | IRAggExpr::Count { input, .. } => *input,
            IRAggExpr::NUnique(input) => {
                facts.compares_floats |= self.is_float(*input);
                *input
            }
            IRAggExpr::Sum(input) => {
                facts.rounds |= self.is_float(*input);
                *input
            }
            IRAggExpr::Mean(input) | IRAggExpr::Std(input, _) | IRAggExpr::Var(input, _) => {
                facts.rounds = true;
                *input
            }
            _ => return false,
        };
        todo.push((input, Context::Aggregated));
        true
    }
}

#[cfg(test)]
mod tests;
