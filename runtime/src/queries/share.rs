//! Finds equal parts of several queries, and decides which of them to compute once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use polars::prelude::{DataType, LazyFrame, PolarsResult, Schema, SchemaRef};
use polars_plan::dsl::{DslPlan, FileScanDsl};

use super::By;
use super::engine::{WORSE, taken};
use super::places::Places;
use super::reads::{Placeholder, Placeholders, columns_read};
use super::sharing::{self, Decided};
use super::tree::{Key, Keys, bottom_up, describe, files_below, inputs, shown};
use crate::dataset::cast::named;
use crate::dataset::order::{Demand, Order, RowOrder};
use crate::dataset::required::check_of;
use crate::dataset::waiting;
use crate::optimize::Pass;
use crate::storage::locate::format_of;
use setl_learn::advisor::{Advisor, Question};

/// The approximate seconds to read a value from a Parquet file: a number, and a text, which is decoded on its own. Only their
/// ratio matters. They were measured on one core with the 22 queries of TPC-H.
const NUMBER: f64 = 1.5e-9;
const TEXT: f64 = 7e-9;
/// The factor for a file of text lines, which is always read as a whole.
const LINES: f64 = 20.0;
/// The price of a gibibyte of memory, in seconds: a part that needs more memory than it saves time is read again. Under a memory
/// limit the price is higher.
const SECONDS_PER_GIB: f64 = 0.8;
/// The bytes of a value in memory: a text has a view of 16 bytes and its letters.
const NUMBER_BYTES: f64 = 8.0;
const TEXT_BYTES: f64 = 20.0;

/// The maximum size of a part that is shared to learn more, although the estimate is against it.
const SMALL_GIB: f64 = 1.0 / 16.0;

/// A common part of several queries that is computed once.
pub(super) struct Piece {
    /// A description for people.
    pub(super) about: String,
    /// The files that the piece reads.
    pub(super) files: Vec<String>,
    /// The plan of the piece. Other pieces in it are placeholders.
    pub(super) plan: DslPlan,
    /// The schema with all columns.
    pub(super) schema: SchemaRef,
    /// The columns that are read.
    pub(super) columns: Vec<String>,
    /// The queries, and then the pieces, that read this piece.
    pub(super) consumers: BTreeSet<usize>,
    /// The key of its placeholder in the plans.
    pub(super) stands: Key,
    /// `true` if the piece is a file, or part of one.
    pub(super) is_scan: bool,
    /// The requirements of the queries on the order of its rows.
    pub(super) demand: Demand,
    /// `true` if its columns may be marked as sorted: the result of each consumer stays the same, even if Polars then computes it
    /// in another way.
    pub(super) may_mark: bool,
    /// `true` if the piece is known to fit into memory under a memory limit.
    pub(super) has_room: bool,
    /// The fingerprint of the plan: the same in all runs.
    pub(super) fingerprint: Key,
    /// The reason why it is computed once.
    pub(super) because: String,
}

/// Queries whose common parts are separate pieces.
pub(super) struct Shared {
    /// The plans of the queries, then those of the pieces.
    pub(super) plans: Vec<DslPlan>,
    pub(super) pieces: Vec<Piece>,
    /// The parts that were not shared, each with the reason.
    pub(super) left: Vec<(String, String)>,
    /// The decisions about reading files once that rest on earlier runs.
    pub(super) decided: Vec<Decided>,
}

/// Finds the common parts of queries. Under a memory limit, all files that are held in memory for several queries fit into half
/// of the free memory.
///
/// # Errors
/// When a query is not valid. Each query is then run on its own, and reports its own error.
pub(super) fn share(
    queries: Vec<DslPlan>,
    factories: &[String],
    By { optimizer, advisor, memory }: By<'_>,
) -> PolarsResult<Shared> {
    // Half of the free memory is for files.
    let budget = memory.map(|memory| memory.free() / 2);
    let of_queries = queries.len();
    let mut shared = Shared { plans: queries, pieces: Vec::new(), left: Vec::new(), decided: Vec::new() };
    let mut placeholders = Placeholders::default();
    let mut orders = HashMap::new();
    if optimizer.has(Pass::ShareSubplans) {
        while find_subplans(&mut shared, of_queries, &mut placeholders, &mut orders)? {}
        consumers_first(&mut shared, of_queries, &placeholders);
    }
    let subplans = shared.pieces.len();
    let mut groups = if optimizer.has(Pass::ShareScans) { find_scans(&shared.plans)? } else { Vec::new() };
    for group in &groups {
        placeholders.insert(group.key, Placeholder::new(&group.schema));
    }
    if groups.is_empty() && shared.pieces.is_empty() {
        return Ok(shared);
    }
    // The columns that each consumer reads of each piece. Consumers come before the pieces that they read.
    let mut read: HashMap<Key, BTreeMap<usize, BTreeSet<String>>> = HashMap::new();
    let scanned: HashSet<Key> = groups.iter().map(|group| group.key).collect();
    let mut demands: HashMap<Key, Demand> = HashMap::new();
    let mut is_free = Vec::new();
    for at in 0..shared.plans.len() {
        if at >= of_queries {
            let piece = &mut shared.pieces[at - of_queries];
            let by = read.remove(&piece.stands).unwrap_or_default();
            let names: BTreeSet<_> = by.values().flatten().cloned().collect();
            piece.columns = in_order(&piece.schema, &names);
            piece.consumers = by.into_keys().collect();
            let frame = LazyFrame::from(std::mem::take(&mut shared.plans[at]));
            let names = piece.columns.iter().map(|name| named(name));
            shared.plans[at] = frame.select(names.collect::<Vec<_>>()).logical_plan;
        }
        let mut demand = Demand::ANSWER;
        if at >= of_queries {
            let piece = &mut shared.pieces[at - of_queries];
            demand = demands.get(&piece.stands).copied().unwrap_or(demand);
            piece.demand = demand;
        }
        let order = order_of(&shared.plans[at], demand, &[(&placeholders, &orders)]);
        for (frame, demand) in &order.frames {
            if let Some(key) = placeholders.of(frame) {
                let of_all = demands.entry(*key).or_default();
                *of_all = of_all.and(*demand);
            }
        }
        is_free.push(order.is_free);
        let mut keys = Keys::default();
        let plan = keys.replace(&shared.plans[at], &|key| {
            scanned.contains(key).then(|| placeholders.plan(key)).flatten()
        });
        for (key, columns) in columns_read(plan, &placeholders)? {
            read.entry(key).or_default().entry(at).or_default().extend(columns);
        }
    }
    for group in &mut groups {
        group.readers = read.remove(&group.key).unwrap_or_default();
    }
    let price = budget.map_or(SECONDS_PER_GIB, |budget| price_within(&groups, budget));
    for group in groups {
        choose_readers(group, price, &mut shared, &is_free, factories, advisor);
    }
    for (at, piece) in shared.pieces.iter_mut().enumerate().take(subplans) {
        piece.plan = shared.plans[of_queries + at].clone();
    }
    Ok(shared)
}

/// The columns with these names, in the order of the schema. If only the rows are counted, the first column.
fn in_order(schema: &Schema, names: &BTreeSet<String>) -> Vec<String> {
    let all = schema.iter_names().map(ToString::to_string);
    if names.is_empty() {
        return all.take(1).collect();
    }
    all.filter(|name| names.contains(name)).collect()
}

/// Separates the largest expensive plans that occur in several places. Returns `true` if there were any.
///
/// If the order of the rows of such a plan is observed, and Polars could move a filter of the query into it, the plan may give
/// another order on its own than in the query. Then the plans below it are considered instead.
fn find_subplans(
    shared: &mut Shared,
    of_queries: usize,
    placeholders: &mut Placeholders,
    orders: &mut HashMap<Key, RowOrder>,
) -> PolarsResult<bool> {
    let mut keys = Keys::default();
    let nodes = Places::of(&shared.plans, &mut keys);
    let mut refused: HashSet<Key> = HashSet::new();
    loop {
        let found = nodes.largest(&refused);
        if found.is_empty() {
            return Ok(false);
        }
        let mut by: HashMap<Key, DslPlan> = HashMap::new();
        let mut new = Placeholders::default();
        let mut of_new: HashMap<Key, RowOrder> = HashMap::new();
        let mut pieces = VecDeque::new();
        // The smaller of two plans may be part of the larger one. The larger one is then a consumer of it, and comes before it.
        for (key, plan) in found.into_iter().rev() {
            let plan = keys.replace(plan, &|key| by.get(key).cloned());
            let schema = waiting(|| LazyFrame::from(plan.clone()).collect_schema())?;
            let placeholder = Placeholder::new(&schema);
            let stands = keys.of_leaf(&placeholder.plan());
            let order = order_of(&plan, Demand::ANSWER, &[(&new, &of_new), (placeholders, orders)]);
            by.insert(key, placeholder.plan());
            new.insert(stands, placeholder);
            of_new.insert(stands, order.rows);
            let piece = Piece {
                about: describe(nodes.plan(&key).unwrap_or(&plan)),
                files: files_below(nodes.plan(&key).unwrap_or(&plan)),
                plan: DslPlan::default(),
                schema,
                columns: Vec::new(),
                consumers: BTreeSet::new(),
                stands,
                is_scan: false,
                demand: Demand::ANSWER,
                may_mark: false,
                has_room: false,
                fingerprint: key,
                because: format!("it stands in {} places", nodes.places(&key)),
            };
            pieces.push_front((piece, plan));
        }
        let mut plans: Vec<_> =
            shared.plans.iter().map(|plan| keys.replace(plan, &|key| by.get(key).cloned())).collect();
        let all = [(&new, &of_new), (&*placeholders, &*orders)];
        let mut demands: HashMap<Key, Demand> = HashMap::new();
        let mut refused_now = HashSet::new();
        let mut look = |plan: &DslPlan, demand: Demand, demands: &mut HashMap<Key, Demand>| {
            for (frame, demand) in order_of(plan, demand, &all).frames {
                let Some(key) = new.of(&frame) else { continue };
                if demand.ordered && demand.moved && of_new[key] == RowOrder::ByEngine {
                    refused_now.insert(*key);
                }
                let of_all = demands.entry(*key).or_default();
                *of_all = of_all.and(demand);
            }
        };
        for (at, plan) in plans.iter().enumerate() {
            let piece = at.checked_sub(of_queries).map(|at| &shared.pieces[at]);
            look(plan, piece.map_or(Demand::ANSWER, |piece| piece.demand), &mut demands);
        }
        for (piece, plan) in &mut pieces {
            piece.demand = demands.get(&piece.stands).copied().unwrap_or(Demand::ANSWER);
            look(plan, piece.demand, &mut demands);
        }
        if !refused_now.is_empty() {
            let other = pieces.iter().filter(|(piece, _)| refused_now.contains(&piece.stands));
            refused.extend(other.map(|(piece, _)| piece.fingerprint));
            continue;
        }
        for (piece, plan) in pieces {
            plans.push(plan);
            shared.pieces.push(piece);
        }
        shared.plans = plans;
        orders.extend(of_new);
        placeholders.extend(new);
        return Ok(true);
    }
}

/// Sorts the pieces so that each comes before the pieces that it reads.
fn consumers_first(shared: &mut Shared, of_queries: usize, placeholders: &Placeholders) {
    let at: HashMap<Key, usize> =
        shared.pieces.iter().enumerate().map(|(at, piece)| (piece.stands, at)).collect();
    let reads: Vec<BTreeSet<usize>> = shared.plans[of_queries..]
        .iter()
        .map(|plan| {
            let frames = bottom_up(plan).into_iter().filter_map(|node| match node {
                DslPlan::DataFrameScan { df, .. } => placeholders.of(df),
                _ => None,
            });
            frames.filter_map(|key| at.get(key).copied()).collect()
        })
        .collect();
    let mut takers = vec![0; reads.len()];
    reads.iter().flatten().for_each(|at| takers[*at] += 1);
    let mut ready: VecDeque<usize> = (0..reads.len()).filter(|at| takers[*at] == 0).collect();
    let mut order = Vec::with_capacity(reads.len());
    while let Some(at) = ready.pop_front() {
        order.push(at);
        for read in &reads[at] {
            takers[*read] -= 1;
            if takers[*read] == 0 {
                ready.push_back(*read);
            }
        }
    }
    let plans = shared.plans.split_off(of_queries);
    let mut pieces: Vec<_> = std::mem::take(&mut shared.pieces).into_iter().zip(plans).map(Some).collect();
    for (piece, plan) in order.into_iter().filter_map(|at| pieces[at].take()) {
        shared.pieces.push(piece);
        shared.plans.push(plan);
    }
}

/// The order properties of a plan whose placeholders stand for rows of known orders.
fn order_of(plan: &DslPlan, demand: Demand, all: &[(&Placeholders, &HashMap<Key, RowOrder>)]) -> Order {
    Order::with(plan, demand, &|frame| {
        all.iter().find_map(|(placeholders, orders)| orders.get(placeholders.of(frame)?).copied())
    })
}

/// A file that several queries read.
struct Group {
    key: Key,
    plan: DslPlan,
    schema: SchemaRef,
    /// The approximate number of rows, if it is known.
    rows: f64,
    /// `true` if the whole file is read, even for a few columns.
    lines: bool,
    readers: BTreeMap<usize, BTreeSet<String>>,
}

fn find_scans(plans: &[DslPlan]) -> PolarsResult<Vec<Group>> {
    let mut keys = Keys::default();
    let mut seen: BTreeMap<Key, (&DslPlan, BTreeSet<usize>)> = BTreeMap::new();
    for (at, plan) in plans.iter().enumerate() {
        scans(plan, &mut keys, &mut |key, scan, limited| {
            let (_, by) = seen.entry(key).or_insert((scan, BTreeSet::new()));
            // A query of the first few rows reads them faster on its own.
            if !limited {
                by.insert(at);
            }
        });
    }
    let mut groups = Vec::new();
    for (key, (scan, by)) in seen {
        let DslPlan::Scan { unified_scan_args, scan_type, sources, .. } = scan else { continue };
        // Lines of JSON take more room than the values in them.
        let json = matches!(&**scan_type, FileScanDsl::Csv { options } if format_of(options) == "NDJSON");
        if by.len() < 2 || unified_scan_args.pre_slice.is_some() || json {
            continue;
        }
        let (schema, rows) = size_of(scan)?;
        let lines = !matches!(**scan_type, FileScanDsl::Parquet { .. });
        let bytes: u64 = sources
            .as_paths()
            .unwrap_or_default()
            .iter()
            .filter_map(|path| std::fs::metadata(path.as_str()).ok())
            .map(|file| file.len())
            .sum();
        // If the number of rows is unknown, a value of a text file is assumed to have ten letters.
        let rows = rows.unwrap_or(bytes as f64 / (10.0 * schema.len().max(1) as f64));
        groups.push(Group { key, plan: scan.clone(), schema, rows, lines, readers: BTreeMap::new() });
    }
    Ok(groups)
}

/// Finds all scans, each with `true` if only some of its first rows are needed.
fn scans<'plan>(plan: &'plan DslPlan, keys: &mut Keys, found: &mut impl FnMut(Key, &'plan DslPlan, bool)) {
    let mut seen = HashSet::new();
    let mut todo = vec![(plan, false)];
    while let Some((plan, limited)) = todo.pop() {
        if !seen.insert((std::ptr::from_ref(plan), limited)) {
            continue;
        }
        if let DslPlan::Scan { .. } = plan {
            found(keys.of(plan), plan, limited);
        }
        let limited = match plan {
            DslPlan::Slice { offset, .. } => *offset >= 0,
            // A row-by-row operation passes the limit on to its input.
            DslPlan::Select { .. } | DslPlan::HStack { .. } | DslPlan::Union { .. } => limited,
            _ if check_of(plan).is_some() => limited,
            _ => false,
        };
        todo.extend(inputs(plan).into_iter().rev().map(|input| (input, limited)));
    }
}

fn size_of(scan: &DslPlan) -> PolarsResult<(SchemaRef, Option<f64>)> {
    let plan = waiting(|| LazyFrame::from(scan.clone()).to_alp())?;
    let top = plan.lp_arena.get(plan.lp_top);
    let schema = top.schema(&plan.lp_arena).into_owned();
    let rows = match top {
        polars_plan::plans::IR::Scan { file_info, .. } => file_info.row_estimation.0,
        _ => None,
    };
    Ok((schema, rows.map(|rows| rows as f64)))
}

impl Group {
    fn seconds(&self, columns: &BTreeSet<String>) -> f64 {
        let of = |name: &String| match self.schema.get(name) {
            Some(DataType::String | DataType::Binary) => TEXT,
            _ => NUMBER,
        };
        match self.lines {
            true => self.rows * self.schema.len() as f64 * NUMBER * LINES,
            false => self.rows * columns.iter().map(of).sum::<f64>(),
        }
    }

    fn gib(&self, columns: &BTreeSet<String>) -> f64 {
        let of = |name: &String| match self.schema.get(name) {
            Some(DataType::String | DataType::Binary) => TEXT_BYTES,
            Some(DataType::Date | DataType::Int32 | DataType::UInt32 | DataType::Float32) => {
                NUMBER_BYTES / 2.0
            }
            _ => NUMBER_BYTES,
        };
        self.rows * columns.iter().map(of).sum::<f64>() / f64::from(1 << 30)
    }

    /// The seconds that are saved if these readers share the file, minus the price of the memory.
    fn worth(&self, readers: &BTreeSet<usize>, price: f64) -> f64 {
        let all = self.union(readers);
        let each: f64 = readers.iter().map(|reader| self.seconds(&self.readers[reader])).sum();
        each - self.seconds(&all) - price * self.gib(&all)
    }

    /// The readers for which the file is read once, at this price of memory in seconds per gibibyte. Empty if that does not pay.
    fn sharing(&self, price: f64) -> BTreeSet<usize> {
        let best = self.best(price);
        if best.len() < 2 || self.worth(&best, price) <= 0.0 { BTreeSet::new() } else { best }
    }

    /// The ratio of the time of the worse way to that of the better way.
    fn ratio(&self, readers: &BTreeSet<usize>, price: f64) -> f64 {
        let each: f64 = readers.iter().map(|reader| self.seconds(&self.readers[reader])).sum();
        let once = each - self.worth(readers, price);
        let (more, less) = (each.max(once), each.min(once));
        if less > 0.0 { (more / less).min(WORSE) } else { WORSE }
    }

    fn union(&self, readers: &BTreeSet<usize>) -> BTreeSet<String> {
        readers.iter().flat_map(|reader| &self.readers[reader]).cloned().collect()
    }

    /// Removes one or two readers at a time, as long as this increases the gain.
    fn best(&self, price: f64) -> BTreeSet<usize> {
        let mut best: BTreeSet<usize> = self.readers.keys().copied().collect();
        loop {
            let without = |left: &[usize]| -> BTreeSet<usize> {
                best.iter().copied().filter(|reader| !left.contains(reader)).collect()
            };
            let all: Vec<usize> = best.iter().copied().collect();
            let one = all.iter().map(|first| without(&[*first]));
            let two = all
                .iter()
                .enumerate()
                .flat_map(|(at, first)| all[at + 1..].iter().map(move |second| [*first, *second]));
            let candidates = one.chain(two.map(|pair| without(&pair)));
            let better = candidates
                .map(|readers| (self.worth(&readers, price), readers))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(worth, _)| *worth > self.worth(&best, price));
            match better {
                Some((_, readers)) => best = readers,
                None => return best,
            }
        }
    }
}

/// The price of a gibibyte, in seconds, at which all held files fit into `budget`. Files of lines are not held: their parts go to
/// temporary files.
fn price_within(groups: &[Group], budget: u64) -> f64 {
    let mut price = SECONDS_PER_GIB;
    let held = |price| -> f64 {
        let held = groups.iter().filter(|group| !group.lines);
        held.map(|group| group.gib(&group.union(&group.sharing(price)))).sum()
    };
    while held(price) * f64::from(1 << 30) > budget as f64 {
        price *= 2.0;
    }
    price
}

/// Reads a file once for those of its readers for which this pays.
fn choose_readers(
    group: Group,
    price: f64,
    shared: &mut Shared,
    is_free: &[bool],
    factories: &[String],
    advisor: Option<&Advisor>,
) {
    let about = describe(&group.plan);
    let price = if group.lines { SECONDS_PER_GIB } else { price };
    let mut readers = group.sharing(price);
    let pays = !readers.is_empty();
    if !pays {
        readers = group.readers.keys().copied().collect();
    }
    let advised = advisor.filter(|_| readers.len() >= 2).and_then(|advisor| {
        let question = Question {
            choice: sharing::CHOICE,
            fingerprint: shown(&group.key),
            factories: readers.iter().filter_map(|reader| factories.get(*reader).cloned()).collect(),
            ways: if pays { [sharing::ONCE, sharing::EACH] } else { [sharing::EACH, sharing::ONCE] },
            ratio: group.ratio(&readers, price),
            size: taken(&group.plan),
        };
        let may_try = pays || group.gib(&group.union(&readers)) <= SMALL_GIB;
        sharing::decide(advisor, question, may_try, &mut shared.decided, &readers)
    });
    let once = advised.as_ref().map_or(pays, |advised| advised.once);
    if !once {
        let why = match advised {
            Some(advised) => {
                format!("{} queries read it, each by itself: {}", group.readers.len(), advised.because)
            }
            None => {
                format!("{} queries read it, which costs less than to hold it in memory", group.readers.len())
            }
        };
        shared.left.push((about, why));
        return;
    }
    let columns = group.union(&readers);
    let alone = group.readers.len() - readers.len();
    let mut because = format!(
        "{} queries read {} of its {} columns; about {:.0} ms of reading are saved for {:.0} MiB",
        readers.len(),
        columns.len(),
        group.schema.len(),
        1e3 * (group
            .readers
            .iter()
            .filter(|(reader, _)| readers.contains(reader))
            .map(|(_, columns)| group.seconds(columns))
            .sum::<f64>()
            - group.seconds(&columns)),
        1024.0 * group.gib(&columns),
    );
    if alone > 0 {
        because += &format!("; {alone} read columns that hardly anybody else reads, and scan for themselves");
    }
    if let Some(advised) = advised {
        because += &format!("; {}", advised.because);
        if let Some(decided) = shared.decided.last_mut() {
            decided.piece = Some(shared.pieces.len());
        }
    }
    let placeholder = Placeholder::new(&group.schema);
    let mut keys = Keys::default();
    let stands = keys.of_leaf(&placeholder.plan());
    for reader in &readers {
        let mut keys = Keys::default();
        shared.plans[*reader] =
            keys.replace(&shared.plans[*reader], &|key| (*key == group.key).then(|| placeholder.plan()));
    }
    let may_mark = readers.iter().all(|reader| is_free[*reader]);
    let columns = in_order(&group.schema, &columns);
    let names: Vec<_> = columns.iter().map(|name| named(name)).collect();
    let plan = LazyFrame::from(group.plan.clone()).select(names).logical_plan;
    shared.pieces.push(Piece {
        about,
        files: Vec::new(),
        plan,
        schema: group.schema.clone(),
        columns,
        consumers: readers,
        stands,
        is_scan: true,
        demand: Demand::ANSWER,
        may_mark,
        has_room: !group.lines,
        fingerprint: group.key,
        because,
    });
}
