//! The evidence of earlier runs about each factory.

use std::collections::{BTreeMap, HashMap};

use super::sizes::{Size, Sizes};
use crate::drift::{Change, Drift, Measured, last_change};
use crate::history::{FactoryRecord, FileRecord, RunRecord};
use crate::model::{Belief, Estimate, Model, Point, Posterior, Quantity, Sample, StudentT, Unit};
use crate::simulate::{Costs, FactoryGraph, Graph, simulate, upward_rank};

/// The number of runs whose makespan is compared with a simulation.
const COMPARED: usize = 50;

/// The maximum number of runs since a change that is still reported.
const NEWS: usize = 20;

/// The prior of the overhead: a simulation is within 2 % of the makespan.
const OVERHEAD: Belief = Belief {
    constant: 0.0,
    constant_weight: 1.0,
    slope: 0.0,
    slope_weight: 1.0,
    shape: 0.75,
    rate: 0.75 * 0.02 * 0.02,
};

/// The records of each factory that succeeded, the oldest first.
pub(super) struct Past<'runs> {
    runs: &'runs [RunRecord],
    factories: BTreeMap<&'runs str, Vec<Seen<'runs>>>,
    /// For each run, the factories whose work was done in the query of another factory, by the name of this other factory.
    guests: Vec<BTreeMap<&'runs str, Vec<&'runs str>>>,
}

/// One record of a factory.
struct Seen<'runs> {
    run: usize,
    record: &'runs FactoryRecord,
    /// `true` if the record is of the present code, with the same other factories in its query, and after its last change of
    /// speed.
    current: bool,
}

impl<'runs> Past<'runs> {
    pub(super) fn of(runs: &'runs [RunRecord], codes: &BTreeMap<String, String>) -> Self {
        let mut factories: BTreeMap<_, Vec<Seen<'_>>> = BTreeMap::new();
        for (run, of_run) in runs.iter().enumerate() {
            for record in of_run.factories.iter().filter(|record| record.has_succeeded()) {
                factories.entry(&*record.factory).or_default().push(Seen { run, record, current: false });
            }
        }
        let mut past =
            Self { runs, factories: BTreeMap::new(), guests: runs.iter().map(guests_of).collect() };
        for (name, mut seen) in factories {
            if let Some(last) = seen.last() {
                let code = codes.get(name).unwrap_or(&last.record.code);
                let guests = past.guests(last.run, name);
                for one in &mut seen {
                    one.current = one.record.code == *code && past.guests(one.run, name) == guests;
                }
                past.factories.insert(name, seen);
                if let Some((change, of_current)) = past.change(name) {
                    let first = of_current[change.at];
                    past.factories.entry(name).and_modify(|seen| {
                        seen[..first].iter_mut().for_each(|one| one.current = false);
                    });
                }
            }
        }
        past
    }

    /// The factories whose work is done in the query of `host`.
    fn guests(&self, run: usize, host: &str) -> &[&'runs str] {
        self.guests[run].get(host).map_or(&[], Vec::as_slice)
    }

    fn seen(&self, factory: &str) -> &[Seen<'runs>] {
        self.factories.get(factory).map_or(&[], Vec::as_slice)
    }

    pub(super) fn in_query_of(&self, factory: &str) -> Option<&'runs str> {
        self.seen(factory).last()?.record.in_query_of.as_deref()
    }

    /// The last change of the time of a factory among its current records, with the places of these records.
    fn change(&self, factory: &str) -> Option<(Change, Vec<usize>)> {
        let seen = self.seen(factory);
        let unit = self.unit(factory, |unit| seen.iter().any(|one| size(one.record, unit).is_some()));
        let of_current: Vec<_> =
            (0..seen.len()).filter(|&at| seen[at].current && seen[at].record.in_query_of.is_none()).collect();
        let measured = |&at: &usize| Measured {
            size: size(seen[at].record, unit).map(f64::ln_1p),
            value: seen[at].record.own().as_secs_f64().max(1e-9).ln(),
        };
        let series: Vec<_> = of_current.iter().map(measured).collect();
        Some((last_change(&series)?, of_current))
    }

    /// The changes in the last runs, by the names of the factories.
    pub(super) fn news(&self) -> Vec<Drift> {
        let drifts = self.factories.keys().filter_map(|factory| self.drift(factory));
        drifts.filter(|drift| drift.runs <= NEWS).collect()
    }

    fn drift(&self, factory: &str) -> Option<Drift> {
        // With all records that were current before the change.
        let factories = BTreeMap::from([self.as_before(factory)?]);
        let all = Past { runs: self.runs, factories, guests: Vec::new() };
        let (change, of_current) = all.change(factory)?;
        let since = all.seen(factory)[of_current[change.at]].run;
        let drift = Drift {
            factory: factory.to_owned(),
            ratio: change.ratio,
            from: change.from,
            since: self.runs[since].run_id.clone(),
            runs: of_current.len() - change.at,
        };
        drift.is_worth_a_word().then_some(drift)
    }

    fn as_before(&self, factory: &str) -> Option<(&'runs str, Vec<Seen<'runs>>)> {
        let seen = self.seen(factory);
        let last = seen.iter().rev().find(|one| one.current)?;
        let guests = self.guests(last.run, factory);
        let same =
            |one: &Seen<'_>| one.record.code == last.record.code && self.guests(one.run, factory) == guests;
        let seen = seen.iter().map(|one| Seen { run: one.run, record: one.record, current: same(one) });
        Some((&last.record.factory, seen.collect()))
    }

    /// The unit of the size: bytes, unless only rows are known.
    fn unit(&self, factory: &str, is_known: impl Fn(Unit) -> bool) -> Unit {
        let measured = |unit| self.seen(factory).iter().any(|one| size(one.record, unit).is_some());
        let usable = |unit: &Unit| is_known(*unit) && measured(*unit);
        let known = |unit: &Unit| is_known(*unit);
        let units = [Unit::Bytes, Unit::Rows];
        units.into_iter().find(usable).or_else(|| units.into_iter().find(known)).unwrap_or(Unit::Bytes)
    }

    /// The model of one quantity. There is always one for the time; there is none for another quantity that was never measured.
    pub(super) fn model(&self, factory: &str, quantity: Quantity, of: &Size) -> Option<Model> {
        let unit = self.unit(factory, |unit| of.in_unit(unit).is_some());
        let samples: Vec<_> =
            self.seen(factory).iter().filter_map(|one| sample(one, quantity, unit)).collect();
        (!samples.is_empty() || quantity == Quantity::Wall).then(|| Model::fit(quantity, unit, &samples))
    }

    /// The model of the time of a factory outside of the queries that are run together with those of other factories.
    pub(super) fn beside(&self, factory: &str, of: &Size) -> Model {
        let unit = self.unit(factory, |unit| of.in_unit(unit).is_some());
        let samples =
            self.seen(factory).iter().filter(|one| one.record.in_query_of.is_none()).map(|one| Sample {
                value: one.record.beside().as_secs_f64(),
                size: size(one.record, unit),
                current: one.current,
            });
        Model::fit(Quantity::Wall, unit, &samples.collect::<Vec<_>>())
    }

    /// The batches of queries of the last run that took nothing from an earlier run: the factories that wait for each batch, by
    /// their places in the plan.
    pub(super) fn batches(&self, plan: &FactoryGraph) -> Vec<Vec<usize>> {
        let whole =
            |run: &&RunRecord| run.succeeded && run.factories.iter().all(|record| !record.is_from_earlier());
        self.runs.iter().rev().find(whole).map(|run| places(&by_name(plan), run)).unwrap_or_default()
    }

    /// The model of the time of the queries of these factories, as a function of their total input size in bytes.
    pub(super) fn batch(&self, names: &[&str]) -> Model {
        let mut samples = Vec::new();
        for run in self.runs.iter().filter(|run| run.succeeded) {
            for batch in &run.batches {
                let is_same = batch.factories.len() == names.len()
                    && batch.factories.iter().all(|name| names.contains(&&**name));
                let of_batch =
                    run.factories.iter().filter(|record| batch.factories.contains(&record.factory));
                let sizes: Vec<f64> = of_batch.filter_map(|record| size(record, Unit::Bytes)).collect();
                samples.push(Sample {
                    value: batch.wall.as_secs_f64(),
                    size: (!sizes.is_empty()).then(|| sizes.iter().sum()),
                    current: is_same,
                });
            }
        }
        Model::fit(Quantity::Wall, Unit::Bytes, &samples)
    }

    /// Looks up the present sizes of the files that were read in the last runs.
    pub(super) fn look_up(&self, sizes: &mut Sizes) {
        self.files().for_each(|(factory, files)| sizes.look_up(factory, files));
    }

    /// The files that each factory read in its last run. `None` for a factory that read other files in the run before.
    fn files(&self) -> impl Iterator<Item = (&'runs str, Option<&'runs [FileRecord]>)> {
        self.factories.iter().filter_map(|(name, seen)| {
            let files = |one: &Seen<'runs>| -> &'runs [FileRecord] { &one.record.files };
            let mut last = seen.iter().rev().map(files).filter(|files| !files.is_empty());
            let newest = last.next()?;
            let paths = |files: &'runs [FileRecord]| files.iter().map(|file| &file.path);
            let is_same = last.next().is_none_or(|before| paths(before).eq(paths(newest)));
            Some((*name, is_same.then_some(newest)))
        })
    }

    /// The common variation of the times of the factories of a run, as a standard deviation.
    pub(super) fn common(&self) -> f64 {
        let mut residuals = vec![Vec::new(); self.runs.len()];
        for (name, seen) in &self.factories {
            let unit = self.unit(name, |_| true);
            let samples: Vec<_> = seen.iter().map(|one| sample(one, Quantity::Wall, unit)).collect();
            let model =
                Model::fit(Quantity::Wall, unit, &samples.iter().flatten().copied().collect::<Vec<_>>());
            for (one, sample) in seen.iter().zip(samples) {
                if let Some(sample) = sample.filter(|sample| sample.current) {
                    residuals[one.run].push(model.log(sample.value) - model.predictive(sample.size).location);
                }
            }
        }
        let products = residuals.iter().filter(|of_run| of_run.len() > 1).map(|of_run| {
            let (sum, squares) =
                of_run.iter().fold((0.0, 0.0), |(sum, squares), r| (sum + r, squares + r * r));
            (sum * sum - squares) / (of_run.len() * (of_run.len() - 1)) as f64
        });
        let products: Vec<f64> = products.collect();
        // A handful of runs is too few for an estimate.
        if products.len() < 5 {
            return 0.0;
        }
        (products.iter().sum::<f64>() / products.len() as f64).max(0.0).sqrt()
    }

    /// The distribution of the logarithm of the makespan over that of a simulation with the same times.
    pub(super) fn overhead(&self, plan: &FactoryGraph, graph: &Graph) -> StudentT {
        let compared = self.runs.iter().rev().filter(|run| run.succeeded).take(COMPARED);
        let by_name = by_name(plan);
        let point = |run: &RunRecord| {
            let mut records = vec![None; plan.names.len()];
            for record in &run.factories {
                if let Some(&node) = by_name.get(&*record.factory) {
                    records[node] = Some(record);
                }
            }
            let seconds = records.into_iter().map(|record| {
                let record: &FactoryRecord = record.filter(|record| record.has_succeeded())?;
                Some(if record.in_query_of.is_some() { 0.0 } else { record.beside().as_secs_f64() })
            });
            let mut seconds: Vec<f64> = seconds.collect::<Option<_>>()?;
            // The batches are those of that run.
            let graph = graph.clone().with_batches(&places(&by_name, run));
            seconds.extend(run.batches.iter().map(|batch| batch.wall.as_secs_f64()));
            let priorities = upward_rank(&graph, &seconds);
            let costs = Costs { seconds: &seconds, priorities: &priorities, bytes: &[] };
            let simulated = simulate(&graph, run.workers, costs).makespan;
            let ratio = run.makespan.as_secs_f64() / simulated;
            let usable = ratio.is_finite() && ratio > 0.0;
            usable.then(|| Point { x: 0.0, y: ratio.ln(), weight: 1.0 })
        };
        Posterior::fit(OVERHEAD, compared.filter_map(point)).next_at(0.0)
    }
}

fn by_name(plan: &FactoryGraph) -> HashMap<&str, usize> {
    plan.names.iter().enumerate().map(|(place, name)| (&**name, place)).collect()
}

fn guests_of(run: &RunRecord) -> BTreeMap<&str, Vec<&str>> {
    let mut guests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for record in &run.factories {
        if let Some(host) = &record.in_query_of {
            guests.entry(host).or_default().push(&record.factory);
        }
    }
    guests
}

/// The batches of a run, as places of factories in a plan.
fn places(by_name: &HashMap<&str, usize>, run: &RunRecord) -> Vec<Vec<usize>> {
    let place = |name: &String| by_name.get(&**name).copied();
    run.batches.iter().map(|batch| batch.factories.iter().filter_map(place).collect()).collect()
}

/// The time of a subplan that was computed once for several factories.
pub(super) fn subplan(runs: &[RunRecord], fingerprint: &str) -> Option<Estimate> {
    let subplans =
        runs.iter().flat_map(|run| &run.subplans).filter(|subplan| subplan.fingerprint == fingerprint);
    let samples: Vec<_> = subplans
        .map(|subplan| Sample { value: subplan.wall.as_secs_f64(), size: None, current: true })
        .collect();
    (!samples.is_empty()).then(|| Model::fit(Quantity::Wall, Unit::Rows, &samples).predict(None))
}

fn sample(seen: &Seen<'_>, quantity: Quantity, unit: Unit) -> Option<Sample> {
    let record = seen.record;
    let value = match quantity {
        Quantity::Wall => record.in_query_of.is_none().then_some(record.own().as_secs_f64()),
        Quantity::RowsOut => record.rows_out.map(|rows| rows as f64),
        Quantity::BytesOut => record.bytes_out.map(|bytes| bytes as f64),
        Quantity::PeakBytes => record.peak_bytes.map(|bytes| bytes as f64),
    };
    Some(Sample { value: value?, size: size(record, unit), current: seen.current })
}

fn size(record: &FactoryRecord, unit: Unit) -> Option<f64> {
    let size = match unit {
        Unit::Bytes => record.bytes_in,
        Unit::Rows => record.rows_in,
    };
    size.map(|size| size as f64)
}
