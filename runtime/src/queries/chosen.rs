//! Chooses the engine of a query, from an estimate or from the evidence of earlier runs.

use std::time::Duration;

use polars::prelude::Engine;
use polars_plan::dsl::DslPlan;

use super::By;
use super::aggregates::Aggregates;
use super::engine::{guess, is_streamed, taken};
use super::tree::{Keys, shown};
use crate::dataset::order::{Demand, Order};
use crate::optimize::Pass;
use setl_learn::advisor::{Advice, Advisor, Question};

const IN_MEMORY: &str = "in memory";
const STREAMING: &str = "streaming";
const AGGREGATES_STREAMING: &str = "in memory, aggregates streaming";

/// The engine that runs a query, and the advisor that records its time.
pub(super) struct Chosen<'run> {
    pub(super) engine: Engine,
    /// `true` if left joins have to maintain the order explicitly.
    pub(super) maintains: bool,
    pub(super) is_limited: bool,
    /// The aggregates that are streamed before the query runs in memory.
    pub(super) aggregates: Option<Aggregates>,
    advice: Option<(&'run Advisor, Advice)>,
}

impl<'run> Chosen<'run> {
    fn by(engine: Engine) -> Self {
        Self { engine, maintains: false, is_limited: false, aggregates: None, advice: None }
    }

    /// Chooses the engine for a plan that runs for these factories. `demand` is what they require of the order of its rows.
    pub(super) fn of(
        plan: &DslPlan,
        demand: Demand,
        By { optimizer, advisor, memory }: By<'run>,
        factories: impl FnOnce() -> Vec<String>,
    ) -> Self {
        if memory.is_some() {
            // The streaming engine does not hold a whole column in memory. It is used wherever it gives the same result.
            let order = Order::of(plan, demand);
            let streams = order.streams || order.streams_maintained;
            let engine = if streams { Engine::Streaming } else { Engine::InMemory };
            let aggregates = if streams { None } else { Aggregates::of(plan, &order, is_streamed) };
            let maintains = streams && !order.streams;
            return Self { maintains, is_limited: true, aggregates, ..Self::by(engine) };
        }
        if !optimizer.has(Pass::ChooseEngine) {
            return Self::by(Engine::InMemory);
        }
        let mut order = None;
        let streams = || order.insert(Order::of(plan, demand)).streams;
        let guess = guess(plan, streams, advisor.is_some());
        if let Some(order) = order.filter(|order| !order.streams) {
            return Self { aggregates: Aggregates::of(plan, &order, is_streamed), ..Self::by(guess.engine) };
        }
        let (Some(advisor), Some(ratio)) = (advisor, guess.ratio) else {
            return Self::by(guess.engine);
        };
        let ways = match guess.engine {
            Engine::Streaming => [STREAMING, IN_MEMORY],
            _ => [IN_MEMORY, STREAMING],
        };
        let advice = advisor.decide(Question {
            choice: "engine",
            fingerprint: shown(&Keys::of_all_runs().of(plan)),
            factories: factories(),
            ways,
            ratio,
            size: taken(plan),
        });
        let engine = if advice.way == STREAMING { Engine::Streaming } else { Engine::InMemory };
        Self { advice: Some((advisor, advice)), ..Self::by(engine) }
    }

    /// `true` if the engine is taken to learn more.
    pub(super) fn tries(&self) -> bool {
        self.advice.as_ref().is_some_and(|(_, advice)| advice.tries)
    }

    /// Records the time. Returns the name of the engine, and the reason if it was learned.
    pub(super) fn took(self, wall: Duration) -> (&'static str, String) {
        let name = match (self.engine, &self.aggregates) {
            (Engine::Streaming, _) => STREAMING,
            (_, Some(_)) => AGGREGATES_STREAMING,
            (_, None) => IN_MEMORY,
        };
        let because = self.advice.map(|(advisor, advice)| {
            let because = advice.because.clone();
            advisor.measured(advice, wall);
            because
        });
        (name, because.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::time::{Duration, SystemTime};

    use polars::df;
    use polars::prelude::*;

    use super::*;
    use crate::memory::Memory;
    use crate::optimize::Optimizer;
    use crate::queries::Explained;
    use crate::queries::tests::run;
    use setl_learn::history::ChoiceRun;

    /// A bit too few rows to be streamed: streaming is estimated to take a tenth longer.
    fn by_key() -> LazyFrame {
        let rows = 300_000_i64;
        let frame =
            df!("key" => Vec::from_iter((0..rows).map(|row| row % 7)), "value" => Vec::from_iter(0..rows));
        frame.unwrap().lazy().group_by([col("key")]).agg([col("value").sum()])
    }

    fn one_run(
        past: &[ChoiceRun],
        optimizer: &Optimizer,
        queries: Vec<(&str, LazyFrame)>,
    ) -> (Vec<DataFrame>, Explained, Vec<ChoiceRun>) {
        let pretended = |way: &str| Duration::from_millis(if way == STREAMING { 12 } else { 31 });
        let mut advisor = Advisor::of(past.to_vec());
        advisor.pretended = Some(pretended);
        let (answers, explained) = run(optimizer, Some(&advisor), queries, None);
        let answers =
            answers.into_iter().map(|answer| answer.unwrap().sort(["key"], Default::default()).unwrap());
        let made = advisor.made().into_iter();
        let started = SystemTime::UNIX_EPOCH;
        let made = made.map(|record| ChoiceRun { run_id: String::new(), started, record });
        (answers.collect(), explained, made.collect())
    }

    #[test]
    fn a_query_changes_its_engine_by_its_own_evidence() {
        let expected = by_key().collect().unwrap().sort(["key"], Default::default()).unwrap();
        let mut past = Vec::new();
        let mut engines = Vec::new();
        let mut last = String::new();
        for _ in 0..8 {
            // Each run has another frame.
            let (answers, explained, made) = one_run(&past, &Optimizer::new(), vec![("sums", by_key())]);
            assert!(answers[0].equals(&expected));
            engines.push(explained.engines[0]);
            last = explained.to_string();
            past.extend(made);
        }
        assert_eq!(engines[0], IN_MEMORY, "as is guessed");
        let changed = engines.iter().position(|engine| *engine == STREAMING).unwrap();
        assert!(changed <= 3, "{engines:?}");
        assert_eq!(engines[6..], [STREAMING, STREAMING]);
        assert!(last.contains("streaming, since it took 12.0 ms in"), "{last}");
        assert!(last.contains("and in memory 31.0 ms in"), "{last}");
        assert_eq!(past.len(), 8, "one choice in each run");
    }

    #[test]
    fn what_is_shared_has_evidence_of_its_own() {
        let sums = by_key();
        let small = sums.clone().filter(col("key").lt(lit(3)));
        let large = sums.filter(col("key").gt(lit(3)));
        let (answers, explained, made) =
            one_run(&[], &Optimizer::new(), vec![("small", small), ("large", large)]);
        assert_eq!((answers[0].height(), answers[1].height(), explained.shared.len()), (3, 3, 1));
        let factories: Vec<_> = made.iter().map(|choice| choice.record.factories.join(" ")).collect();
        assert_eq!(factories, ["large", "large small", "small"]);
        assert_ne!(made[0].record.fingerprint, made[2].record.fingerprint);
        assert_eq!(made[1].record.size, Some(4_800_000));
    }

    #[test]
    fn without_the_pass_nothing_is_tried() {
        let optimizer = Optimizer::new().without(Pass::ChooseEngine);
        let (_, explained, made) = one_run(&[], &optimizer, vec![("sums", by_key())]);
        assert_eq!((made.len(), &*explained.because[0]), (0, ""));
    }

    #[test]
    fn under_a_limit_of_memory_there_is_one_way() {
        let directory = tempfile::tempdir().unwrap();
        let (advisor, memory) = (Advisor::default(), Memory::new(0, Some(directory.path())));
        let queries = vec![("one", by_key()), ("other", by_key())];
        let (answers, explained) = run(&Optimizer::new(), Some(&advisor), queries, Some(&memory));
        assert!(answers.into_iter().all(|answer| answer.is_ok()));
        assert_eq!((explained.engines, advisor.made().len()), (vec![STREAMING; 2], 0));
        assert_eq!(explained.reads.len(), 2, "what is read is told");
    }

    const FILE: &str = "SETL_TEST_FINGERPRINT_OF";

    /// The test below runs this in other processes.
    #[test]
    fn fingerprint() {
        let Some(path) = std::env::var_os(FILE) else { return };
        let path = PlRefPath::try_from_path(path.as_ref()).unwrap();
        let scan = LazyCsvReader::new(path).finish().unwrap();
        let query = scan.filter(col("value").gt(lit(1.5))).join(
            by_key(),
            [col("key")],
            [col("key")],
            JoinType::Left.into(),
        );
        let query = query.with_columns([col("value").fill_null(lit(0)).round(2, RoundMode::default())]);
        println!("fingerprint {}", shown(&Keys::of_all_runs().of(&query.logical_plan)));
    }

    #[test]
    fn a_plan_has_the_same_fingerprint_in_all_processes() {
        let directory = tempfile::tempdir().unwrap();
        let of = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, "key,value\n1,2\n").unwrap();
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "queries::chosen::tests::fingerprint", "--nocapture"]);
            let output = String::from_utf8(command.env(FILE, path).output().unwrap().stdout).unwrap();
            let line = output.lines().find_map(|line| line.split("fingerprint ").nth(1).map(str::to_owned));
            line.filter(|line| line.len() == 32).unwrap_or_else(|| panic!("{output}"))
        };
        assert_eq!(of("a.csv"), of("a.csv"));
        assert_ne!(of("a.csv"), of("b.csv"));
    }
}
