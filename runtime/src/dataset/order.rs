//! What in the answer of a query depends on the order of the rows inside it.
//!
//! The answer of a query is that of the in-memory engine of Polars. The engine that streams gives the same rows, but after a
//! join, and among rows that a sort leaves equal, in another order; and a part that is computed once for several queries lacks
//! the filters that Polars would have moved into it, by which the in-memory engine orders an inner join. So both are used only
//! where it is proved that the order is not observed. The proof starts from what is known not to observe it: expressions that look
//! at one row at a time, and aggregates whose value is the same in any order. All else observes it.

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

/// Begins the names of functions of setl in plans, all of which look at one row at a time.
pub(crate) const BY_ROW: &str = "setl: ";

/// What the rest of a query makes of the rows at some place in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Whether the answer depends on their order.
    pub(crate) ordered: bool,
    /// Whether they may be others by themselves, or in another order: Polars moves filters and limits down, and keeps no order below
    /// what is not told to maintain it.
    pub(crate) moved: bool,
}

impl Demand {
    /// Of the rows of the answer.
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

/// In which order rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowOrder {
    /// In the one that the query says.
    Defined,
    /// In any: Polars gives groups in another order each time.
    Arbitrary,
    /// In one that depends on the engine, and on how many rows there are.
    ByEngine,
}

/// What is known of a query.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// That of its answer.
    pub(crate) rows: RowOrder,
    /// Whether the order of rows is observed nowhere where it depends on the engine.
    pub(crate) is_free: bool,
    /// Whether the engine that streams gives the same answer.
    pub(crate) streams: bool,
    /// Whether it does when left joins are told to maintain the order.
    pub(crate) streams_maintained: bool,
    /// The frames that it reads, and what it makes of their rows.
    pub(crate) frames: Vec<(Arc<DataFrame>, Demand)>,
}

impl Order {
    /// Of a query of which nothing is known.
    fn unknown() -> Self {
        let rows = RowOrder::ByEngine;
        Self { rows, is_free: false, streams: false, streams_maintained: false, frames: Vec::new() }
    }

    /// Of a query; `demand` is what is made of its answer.
    pub(crate) fn of(plan: &DslPlan, demand: Demand) -> Self {
        Self::with(plan, demand, &|_| None)
    }

    /// As [`Order::of`], where `known` says of frames in which order their rows are.
    pub(crate) fn with(
        plan: &DslPlan,
        demand: Demand,
        known: &dyn Fn(&DataFrame) -> Option<RowOrder>,
    ) -> Self {
        let plan = plan.clone();
        // Polars may panic where it looks at a plan that is not valid. Who runs it tells of it.
        let lowered = catch_unwind(AssertUnwindSafe(|| waiting(|| LazyFrame::from(plan).to_alp())));
        match lowered {
            Ok(Ok(plan)) => walk(&plan, demand, known),
            Ok(Err(_)) | Err(_) => Self::unknown(),
        }
    }
}

/// What a node does to the order of rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Keeps it.
    Keeps,
    /// Keeps that of the first input.
    KeepsFirst,
    /// Gives groups in any order.
    Arbitrary,
    /// Keeps that of its input, but that rows which are equal to it come in an order of the engine.
    Sorts,
    /// Depends on the engine.
    Engine,
    /// Depends on the engine, which can be told to keep that of the left side.
    Maintainable,
}

struct Visit {
    demand: Demand,
    inputs: Vec<usize>,
    effect: Effect,
    /// Whether both engines give the same for the same rows.
    listed: bool,
    facts: Facts,
    /// Whether it compares floating-point numbers of its input for equality.
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
        // The first input is looked at first.
        todo.extend(below.into_iter().rev().map(|(node, demand)| (node, demand, Some(at))));
    }
    // From the leaves to the top: inputs stand behind what takes them.
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
            // Polars takes them to be in no order.
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
    // Where last digits decide, all of them have to be the same.
    let frames = frames.map(|(frame, demand)| (frame, if exact { demand } else { demand.observed() }));
    Order {
        rows: orders.first().copied().unwrap_or(RowOrder::ByEngine),
        is_free: is_free && exact,
        streams: is_free && listed && exact,
        streams_maintained: maintained && listed && exact,
        frames: frames.collect(),
    }
}

/// A node by itself, and its inputs with what it makes of their rows.
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
                // One row of values, which have no order.
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
            // One that maintains the order is still another one where only its first rows are asked for.
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

/// What expressions are like.
#[derive(Clone, Copy)]
struct Facts {
    /// Whether all of them give the same in any order of rows, and by either engine.
    listed: bool,
    /// Whether one adds floating-point numbers, so that the last digits depend on the order.
    rounds: bool,
    /// Whether one depends on all digits of floating-point numbers.
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

/// Where an expression stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// It gives a value for each row, or one for all.
    Row,
    /// It gives a value for each row.
    Key,
    /// It gives a value for a group.
    Group,
    /// An aggregate takes what it gives.
    Aggregated,
    /// It is the same for all rows, and may have several values.
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
        // What is not known may be one.
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

    /// Whether an expression by itself is one that gives the same in any order; `todo` gets what it is made of.
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
