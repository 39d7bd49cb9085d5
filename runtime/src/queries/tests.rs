#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Mutex;

use polars::df;
use polars::prelude::*;
use polars_plan::dsl::DslPlan;
use proptest::prelude::*;

use super::tree::{Keys, inputs, is_same};
use super::{Answer, Asker, Explained, Fault, Query};
use crate::dataset::cast::named;
use crate::memory::Memory;
use crate::optimize::{Optimizer, Pass};
use setl_learn::advisor::Advisor;

/// Runs queries that nothing stops, and waits for all of them.
pub(super) fn run(
    optimizer: &Optimizer,
    advisor: Option<&Advisor>,
    queries: Vec<(&str, Query)>,
    memory: Option<&Memory>,
) -> (Vec<Result<Answer, Fault>>, Explained) {
    let all = All(queries.iter().map(|_| Mutex::default()).collect());
    let explained = super::run(optimizer, advisor, queries, memory, &all);
    let answers = all.0.into_iter().map(|one| match one.into_inner().unwrap() {
        Asked { begun: true, answer: Some(answer) } => answer,
        other => panic!("it has not begun, or has no answer: {other:?}"),
    });
    (answers.collect(), explained)
}

struct All(Vec<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    begun: bool,
    answer: Option<Result<Answer, Fault>>,
}

impl Asker for All {
    fn is_stopped(&self) -> bool {
        false
    }

    fn begins(&self, query: usize) {
        self.0[query].lock().unwrap().begun = true;
    }

    fn answers(&self, query: usize, answer: Result<Answer, Fault>) {
        let before = self.0[query].lock().unwrap().answer.replace(answer);
        assert!(before.is_none(), "query {query} has two answers");
    }
}

/// Numbers, some of them missing, under a key with few values and one with many.
fn table(rows: i64, seed: i64) -> LazyFrame {
    let value = |row: i64| (row * 37 + seed * 11) % 101;
    df!(
        "few" => (0..rows).map(|row| value(row) % 5).collect::<Vec<_>>(),
        "many" => (0..rows).map(|row| value(row * 3) % 40).collect::<Vec<_>>(),
        "number" => (0..rows).map(|row| (value(row) % 7 > 0).then_some(value(row) as f64 / 4.0)).collect::<Vec<_>>(),
        "text" => (0..rows).map(|row| format!("t{}", value(row) % 13)).collect::<Vec<_>>(),
        "order" => (0..rows).collect::<Vec<_>>(),
    )
    .unwrap()
    .lazy()
}

/// A step from one query to the next. Each step keeps the columns of [`table`], so that any step can follow any other.
#[derive(Clone, Debug)]
enum Step {
    Filter(i64),
    Compute(i64),
    Aggregate,
    Join(usize),
    Distinct,
    Sort,
    Concat(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0i64..5).prop_map(Step::Filter),
        (0i64..3).prop_map(Step::Compute),
        Just(Step::Aggregate),
        (0usize..8).prop_map(Step::Join),
        Just(Step::Distinct),
        Just(Step::Sort),
        (0usize..8).prop_map(Step::Concat),
    ]
}

fn by_many(frame: LazyFrame) -> LazyFrame {
    frame.group_by([col("many")]).agg([
        col("few").max(),
        col("number").sum(),
        col("text").min(),
        col("order").min(),
    ])
}

const COLUMNS: [&str; 5] = ["few", "many", "number", "text", "order"];

fn applied(step: &Step, frame: LazyFrame, others: &[LazyFrame]) -> LazyFrame {
    let other = |at: &usize| others[*at % others.len()].clone();
    let frame = match step {
        Step::Filter(least) => frame.filter(col("few").gt_eq(lit(*least))),
        Step::Compute(by) => frame.with_columns([(col("number") + lit(*by as f64)).alias("number")]),
        Step::Aggregate => by_many(frame),
        Step::Join(at) => {
            let right = by_many(other(at)).select([col("many"), col("number").alias("other")]);
            let joined = frame.join(right, [col("many")], [col("many")], JoinArgs::new(JoinType::Left));
            joined.with_columns([(col("number") + col("other").fill_null(lit(0.5))).alias("number")])
        }
        Step::Distinct => frame.unique(Some(cols(["many", "order"])), UniqueKeepStrategy::Any),
        Step::Sort => frame.sort(["order", "many"], SortMultipleOptions::default().with_maintain_order(true)),
        Step::Concat(at) => concat([frame, other(at)], UnionArgs::default()).unwrap(),
    };
    frame.select(COLUMNS.map(col))
}

/// The rows in a fixed order, because a result has no guaranteed order.
fn in_order(frame: DataFrame) -> DataFrame {
    frame.sort(COLUMNS, SortMultipleOptions::default()).unwrap()
}

fn alike(found: &DataFrame, expected: &DataFrame) -> bool {
    let close = |column: &str| match (found.column(column), expected.column(column)) {
        (Ok(a), Ok(b)) if a.dtype().is_float() && a.len() == b.len() => {
            let values = |column: &Column| column.f64().unwrap().iter().collect::<Vec<_>>();
            values(a).into_iter().zip(values(b)).all(|pair| match pair {
                (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
                (a, b) => a == b,
            })
        }
        (Ok(a), Ok(b)) => a.equals_missing(b),
        _ => false,
    };
    found.shape() == expected.shape() && COLUMNS.into_iter().all(close)
}

fn together(optimizer: &Optimizer, queries: &[LazyFrame]) -> (Vec<Result<DataFrame, Fault>>, Explained) {
    within(None, optimizer, queries)
}

fn within(
    memory: Option<&Memory>,
    optimizer: &Optimizer,
    queries: &[LazyFrame],
) -> (Vec<Result<DataFrame, Fault>>, Explained) {
    let names: Vec<_> = (0..queries.len()).map(|at| format!("f{at}")).collect();
    let queries = names.iter().map(String::as_str).zip(queries.iter().cloned()).collect();
    run(optimizer, None, queries, memory)
}

#[test]
fn the_first_rows_of_a_file_are_read_by_each() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("numbers.csv");
    std::fs::write(&path, "key,value\n1,2\n3,4\n5,6\n").unwrap();
    let path = PlRefPath::try_from_path(&path).unwrap();
    let scan = || LazyCsvReader::new(path.clone()).finish().unwrap();
    let sum = || scan().select([col("value").sum()]);
    let shared = |queries: &[LazyFrame]| {
        let (answers, explained) = together(&Optimizer::new(), queries);
        answers.into_iter().zip(queries).for_each(|(answer, query)| {
            assert!(answer.unwrap().equals(&query.clone().collect().unwrap()));
        });
        explained.shared.len()
    };
    assert_eq!(shared(&[scan().limit(1), scan().limit(2)]), 0);
    assert_eq!(shared(&[scan().select([col("key")]).limit(1), sum()]), 0);
    assert_eq!(shared(&[sum(), scan().select([col("key").max()])]), 1);
    // Before a filter, the number of rows that are needed is unknown.
    assert_eq!(shared(&[scan().filter(col("key").gt(lit(3))).limit(1), sum()]), 1);
}

/// Runs the queries together and checks the results. Sums are rounded differently in another order, and `sort` and `distinct` see
/// the last digits. The generated numbers are therefore quarters, so that sums are exact.
fn check(frames: &[LazyFrame], passes: &[Pass], memory: Option<&Memory>) {
    let mut optimizer = Optimizer::off();
    for pass in passes {
        optimizer = optimizer.with(*pass);
    }
    let (answers, explained) = within(memory, &optimizer, frames);
    for (frame, answer) in frames.iter().zip(answers) {
        let expected = in_order(frame.clone().collect().unwrap());
        let found = in_order(answer.unwrap());
        assert!(alike(&found, &expected), "{passes:?}\n{explained}\n{found}\n{expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_combination_of_passes_gives_what_each_query_gives_by_itself(
        rows in 0i64..200,
        steps in prop::collection::vec((step(), 0usize..8), 1..10),
        files in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let base: Vec<LazyFrame> = (0..2).map(|seed| {
            let frame = table(rows, seed);
            if !files {
                return frame;
            }
            let path = directory.path().join(format!("{seed}.parquet"));
            ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame.collect().unwrap()).unwrap();
            LazyFrame::scan_parquet(PlRefPath::try_from_path(&path).unwrap(), Default::default()).unwrap()
        }).collect();
        let mut frames = base;
        for (step, from) in &steps {
            let frame = frames[*from % frames.len()].clone();
            frames.push(applied(step, frame, &frames));
        }
        let frames = &frames[2..];
        for chosen in 0u32..1 << (Pass::OF_QUERIES.len() - 1) {
            let passes: Vec<_> =
                Pass::OF_QUERIES[1..].iter().enumerate().filter(|(at, _)| chosen & 1 << at != 0).map(|(_, pass)| *pass).collect();
            check(frames, &passes, None);
            // These counts are only checked with enough memory.
            if !passes.contains(&Pass::ChooseEngine) && !passes.contains(&Pass::ParallelQueries) {
                let memory = Memory::new(0, Some(directory.path()));
                check(frames, &passes, Some(&memory));
            }
        }
    }
}

#[test]
fn what_several_queries_aggregate_is_aggregated_once() {
    let sums = by_many(table(100, 1));
    let queries = [sums.clone().filter(col("few").gt(lit(2))), sums.select([col("number").sum()])];
    let (answers, explained) = together(&Optimizer::new(), &queries);
    assert_eq!(answers[0].as_ref().unwrap().height(), queries[0].clone().collect().unwrap().height());
    let [part] = &explained.shared[..] else { panic!("{explained}") };
    assert_eq!(part.about, "aggregate by many");
    assert_eq!(part.factories, ["f0", "f1"]);
    // The filter needs `few`, and the collected query needs all columns.
    assert_eq!(part.columns.len(), 5);
}

#[test]
fn the_same_query_is_run_once() {
    let sums = by_many(table(100, 1));
    let (answers, explained) = together(&Optimizer::new(), &[sums.clone(), sums]);
    assert_eq!(explained.shared.len(), 1, "{explained}");
    assert!(answers.into_iter().all(|answer| answer.unwrap().width() == 5));
    assert_eq!(explained.shared[0].whole_of, ["f0", "f1"]);
}

#[test]
fn only_what_is_read_of_a_shared_part_is_kept() {
    let sums = by_many(table(100, 1));
    let queries = [sums.clone().select([col("number").sum()]), sums.select([col("number").mean()])];
    let (_, explained) = together(&Optimizer::new(), &queries);
    assert_eq!(explained.shared[0].columns, ["number"]);
    assert!(explained.shared[0].whole_of.is_empty());
}

#[test]
fn nothing_is_shared_where_it_is_switched_off() {
    let sums = by_many(table(100, 1));
    let optimizer = Optimizer::new().without(Pass::ShareSubplans);
    let (_, explained) = together(&optimizer, &[sums.clone(), sums]);
    assert!(explained.shared.is_empty(), "{explained}");
}

#[test]
fn each_query_has_its_own_error() {
    let fails = table(10, 1).select([col("text").strict_cast(DataType::Int64)]);
    let invalid = table(10, 1).select([col("absent")]);
    let good = table(10, 1).select([len()]);
    let (answers, _) = together(&Optimizer::new(), &[fails, good.clone()]);
    assert!(matches!(&answers[0], Err(Fault::Query(error)) if error.to_string().contains("t")));
    assert!(answers[1].is_ok());
    let (answers, _) = together(&Optimizer::new(), &[invalid, good]);
    assert!(matches!(&answers[0], Err(Fault::Query(error)) if error.to_string().contains("absent")));
    assert!(answers[1].is_ok());
}

#[test]
fn a_shared_part_that_fails_is_the_error_of_all_who_take_it() {
    let fails = by_many(table(10, 1).with_columns([col("text").strict_cast(DataType::Int64).alias("few")]));
    let queries = [fails.clone().filter(col("many").gt(lit(1))), fails, table(10, 2).select([len()])];
    let (answers, _) = together(&Optimizer::new(), &queries);
    assert!(answers[0].is_err() && answers[1].is_err() && answers[2].is_ok());
}

#[test]
fn flags_that_were_set_for_a_query_hold() {
    let plain = by_many(table(100, 1));
    let own = plain.clone().with_comm_subplan_elim(false);
    let (answers, explained) = together(&Optimizer::new(), &[own, plain]);
    assert!(explained.shared.is_empty(), "{explained}");
    assert!(answers.into_iter().all(|answer| answer.unwrap().width() == 5));
}

#[test]
fn plans_that_differ_in_a_literal_or_a_function_are_not_the_same() {
    let one_of = |values: [&str; 2]| {
        col("text").is_in(lit(Series::new("values".into(), values)).implode(false), false)
    };
    let table = table(100, 1);
    let conditions = [
        col("text").eq(lit("t1")),
        col("text").eq(lit("t2")),
        col("few").gt(lit(1)),
        col("few").gt(lit(2)),
        col("number").gt(lit(0.0)),
        col("number").gt(lit(-0.0)),
        col("text").str().starts_with(lit("t1")),
        col("text").str().ends_with(lit("t1")),
        one_of(["t1", "t2"]),
        one_of(["t1", "t3"]),
    ];
    let plans: Vec<_> = conditions
        .into_iter()
        .map(|condition| by_many(table.clone().filter(condition)).logical_plan)
        .collect();
    let keys: Vec<_> = plans.iter().map(|plan| Keys::default().of(plan)).collect();
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(keys.iter().position(|other| other == key), Some(at), "{at}");
    }
    let below = |plan: &DslPlan| inputs(plan)[0].clone();
    assert!(is_same(&below(&plans[0]), &below(&plans[0])));
    assert!(!is_same(&below(&plans[0]), &below(&plans[1])));
}

#[test]
fn queries_that_differ_deep_down_are_answered_apart() {
    let counts = df!("key" => [1i64, 2, 1], "value" => [3i64, 5, 7]).unwrap().lazy();
    // A cast to another dtype of the same kind, twice in each query.
    let twice = |unit| {
        let grouped = counts
            .clone()
            .group_by_stable([col("key")])
            .agg([col("value").cast(DataType::Duration(unit)).max()]);
        concat([grouped.clone(), grouped], UnionArgs::default()).unwrap()
    };
    let queries = [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds].map(twice);
    answered_as_alone(&queries);
}

/// A source that a user reads with a function.
struct Numbers(i64);

impl AnonymousScan for Numbers {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn scan(&self, _: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        df!("number" => [self.0, self.0])
    }
}

#[test]
fn functions_of_users_that_are_scanned_are_told_apart() {
    let schema: SchemaRef = Schema::from_iter([Field::new("number".into(), DataType::Int64)]).into();
    let of = |number| {
        let arguments = ScanArgsAnonymous { schema: Some(schema.clone()), ..ScanArgsAnonymous::default() };
        let scan = LazyFrame::anonymous_scan(std::sync::Arc::new(Numbers(number)), arguments).unwrap();
        scan.group_by_stable([col("number")]).agg([len()])
    };
    let (one, other) = (of(1), of(2));
    answered_as_alone(&[one.clone(), other.clone()]);
    answered_as_alone(&[one.clone(), one, other]);
}

#[test]
fn a_name_that_looks_like_a_pattern_is_the_name_of_a_shared_column() {
    let table = df!("*" => [1, 2, 1], "^t.*$" => [3, 4, 3], "text" => ["a", "b", "a"]).unwrap();
    let distinct = || table.clone().lazy().unique_stable(None, UniqueKeepStrategy::First);
    let of = |names: &[&str]| distinct().select(names.iter().map(|name| named(name)).collect::<Vec<_>>());
    answered_as_alone(&[of(&["^t.*$"]), of(&["^t.*$", "text"])]);
    answered_as_alone(&[of(&["*"]), of(&["*", "^t.*$"])]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table.csv");
    CsvWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut table.clone()).unwrap();
    let scan =
        || LazyCsvReader::new(PlRefPath::try_from_path(&path).unwrap()).with_glob(false).finish().unwrap();
    let of = |name, other| scan().filter(named(name).gt(lit(1))).select([named(name), named(other)]);
    answered_as_alone(&[of("*", "text"), of("^t.*$", "text")]);
}

/// Runs the queries together, in memory and under a memory limit, and each on its own. Compares the results.
#[track_caller]
fn answered_as_alone(queries: &[LazyFrame]) {
    let alone: Vec<_> = queries.iter().map(|query| query.clone().collect().unwrap()).collect();
    let scratch = tempfile::tempdir().unwrap();
    for memory in [None, Some(Memory::new(0, Some(scratch.path())))] {
        let asked = queries.iter().map(|query| ("factory", query.clone())).collect();
        let (answers, explained) = run(&Optimizer::new(), None, asked, memory.as_ref());
        for (answer, alone) in answers.into_iter().zip(&alone) {
            let answer = answer.unwrap();
            assert!(
                answer.schema() == alone.schema() && answer.equals_missing(alone),
                "{answer} {alone} {explained}"
            );
        }
    }
}

#[test]
fn queries_that_differ_in_a_literal_are_answered_apart() {
    let table = table(100, 1);
    let of = |text: &'static str| by_many(table.clone().filter(col("text").eq(lit(text))));
    let queries = ["t1", "t2", "t3", "t1"].map(of);
    let (answers, explained) = together(&Optimizer::new(), &queries);
    for (answer, query) in answers.into_iter().zip(queries) {
        assert!(alike(&in_order(answer.unwrap()), &in_order(query.collect().unwrap())));
    }
    assert_eq!(explained.shared.len(), 1, "only what asks for the same text");
}

#[test]
fn what_has_no_room_lies_in_files_as_long_as_somebody_needs_it() {
    let directory = tempfile::tempdir().unwrap();
    let sums = by_many(table(1000, 0));
    let queries = [sums.clone().filter(col("few").gt(lit(0))), sums.select([col("few").sum()])];
    let memory = Memory::new(0, Some(directory.path()));
    let (answers, explained) = within(Some(&memory), &Optimizer::new(), &queries);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(explained.shared.len(), 1, "{explained}");
    assert!(memory.report().spilled > 0);
    let files = |spill: &std::path::Path| {
        let files = std::fs::read_dir(spill).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some()).count()
    };
    let spill = directory.path().join("spill");
    let of_run = std::fs::read_dir(&spill).unwrap().next().unwrap().unwrap().path();
    assert_eq!(files(&of_run), 0, "both queries have been run");
    drop(memory);
    assert!(!of_run.exists());
}

#[test]
fn a_query_that_panics_while_it_is_planned_fails_alone() {
    let panics = table(10, 1).select([col("few").map(Ok, |_, _| panic!("no such type"))]);
    let sums = by_many(table(10, 1));
    let queries = [sums.clone(), panics, sums.select([len()])];
    let directory = tempfile::tempdir().unwrap();
    for memory in [None, Some(Memory::new(0, Some(directory.path())))] {
        let (answers, explained) = within(memory.as_ref(), &Optimizer::new(), &queries);
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
        let Err(Fault::Panicked(panic)) = answers.into_iter().nth(1).unwrap() else {
            panic!("it has an answer")
        };
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panic.resume())).unwrap_err();
        assert_eq!(*told.downcast::<&str>().unwrap(), "no such type");
        assert_eq!(explained.queries.len(), 3);
    }
}

/// Runs `work` on a thread with the stack size of the threads that run batches.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn deep_plans_do_not_overflow_the_stack() {
    on_a_small_stack(|| {
        let row = || df!("key" => [1_i64], "value" => [2_i64]).unwrap().lazy();
        let mut concats = row();
        let mut joins = row();
        for _ in 0..600 {
            concats = concat([concats, row()], UnionArgs::default()).unwrap();
            joins = joins.join(row().select([col("key")]), [col("key")], [col("key")], JoinType::Left.into());
        }
        for (deep, rows) in [(concats, 601), (joins, 1)] {
            let queries = [deep.clone().select([len()]), deep.select([col("value").max()])];
            let (answers, _) = together(&Optimizer::new(), &queries);
            let count = answers[0].as_ref().unwrap().column("len").unwrap().get(0).unwrap().extract::<i64>();
            assert_eq!((count, answers[1].is_ok()), (Some(rows), true));
        }
    });
}

#[test]
fn what_is_used_twice_at_each_of_many_levels_is_looked_at_once() {
    on_a_small_stack(|| {
        let mut frame = by_many(table(50, 1));
        for _ in 0..12 {
            frame = frame.clone().join(frame, [col("many")], [col("many")], JoinType::Semi.into());
        }
        let queries = [frame.clone().select([len()]), frame.clone().filter(col("few").gt(lit(1)))];
        let (answers, explained) = together(&Optimizer::new(), &queries);
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(explained.shared.len(), 13, "{explained}");
    });
}

#[test]
fn a_long_chain_of_queries_of_which_each_reads_the_last_is_shared_link_by_link() {
    on_a_small_stack(|| {
        let links = 200;
        let mut chain = vec![by_many(table(20, 1))];
        for _ in 1..links {
            let last = chain.last().unwrap().clone();
            chain.push(
                last.sort(["order", "many"], SortMultipleOptions::default().with_maintain_order(true))
                    .with_columns([col("order") + lit(1_i64)]),
            );
        }
        let (answers, explained) = together(&Optimizer::new(), &chain);
        assert_eq!(explained.shared.len(), links - 1, "{explained}");
        let last = answers.into_iter().next_back().unwrap().unwrap();
        let first = chain[0].clone().collect().unwrap();
        let sum = |frame: &DataFrame| frame.column("order").unwrap().i64().unwrap().sum().unwrap();
        assert_eq!(sum(&last) - sum(&first), (links as i64 - 1) * first.height() as i64);
    });
}

/// Many rows joined to few: the streaming engine would give another order.
fn many_joined() -> LazyFrame {
    let frame = |rows: i64| df!("key" => Vec::from_iter((0..rows).map(|row| row * 7919 % 100_003)), "value" => Vec::from_iter(0..rows));
    let right = frame(100_000).unwrap().lazy().select([col("key"), col("value").alias("other")]);
    frame(600_000).unwrap().lazy().join(right, [col("key")], [col("key")], JoinType::Left.into())
}

#[test]
fn a_shared_join_of_many_rows_is_in_the_order_that_each_query_sees_by_itself() {
    let joined = many_joined();
    let shifted = joined.clone().with_columns([col("other").shift(lit(1)).alias("before")]);
    let summed = joined.clone().with_columns([col("value").cum_sum(false).over([col("key")]).unwrap()]);
    let first = joined.group_by([col("key")]).agg([col("value").first(), col("other").last()]);
    let queries = [shifted, summed, first.sort(["key"], Default::default())];
    let (answers, explained) = together(&Optimizer::new(), &queries);
    for (answer, query) in answers.into_iter().zip(queries) {
        let expected = query.collect_with_engine(Engine::InMemory).unwrap().unwrap_single();
        assert!(answer.unwrap().equals_missing(&expected), "{explained}");
    }
}
