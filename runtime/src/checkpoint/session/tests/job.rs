//! A pipeline to test how runs are resumed, with an executor that runs one factory after another.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::super::super::store::tests::{chain, code_of};
use super::super::*;
use crate::checkpoint::{Fingerprinted as _, Persistence, fingerprint_of};
use crate::policy::Policy;

thread_local! {
    /// The writes that were discarded since the last run began.
    pub(super) static DISCARDED: std::cell::RefCell<Vec<Value>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Operations that treat the kept writes of the 77th run as lost.
pub(super) const KEPT: Kept = Kept {
    check: |write| if write[1] == 77 { Err("it is gone".into()) } else { Ok(()) },
    discard: |write| {
        DISCARDED.with_borrow_mut(|discarded| discarded.push(write.clone()));
        Ok(())
    },
};

const CHECKPOINT: Policy = Policy { checkpoint: true, ..Policy::NONE };
pub(super) const VOLATILE: Policy = Policy { volatile: true, ..Policy::NONE };

/// A pipeline and the behaviour of its factories: each delivers the sum of its inputs, of the file that it reads, and of
/// its code.
pub(super) struct Job {
    pub(super) plan: Plan,
    pub(super) state: tempfile::TempDir,
    pub(super) codes: Vec<u128>,
    pub(super) input: u64,
    /// The file that each factory reads.
    pub(super) files: BTreeMap<usize, &'static str>,
    /// The output of volatile factories.
    pub(super) content: u64,
    pub(super) skipped: BTreeSet<usize>,
    pub(super) by_fallback: BTreeSet<usize>,
    pub(super) fails: Option<usize>,
    pub(super) writes: BTreeSet<usize>,
    pub(super) run: u32,
}

#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) ran: Vec<String>,
    pub(super) outputs: BTreeMap<usize, u64>,
    pub(super) reasons: BTreeMap<String, String>,
    pub(super) adopted: Vec<(usize, Value)>,
}

/// A pipeline of `Rates` and `Joined`, which are kept, `Clean`, which is not, and `Report` at the end.
pub(super) fn job() -> Job {
    let mut plan = chain(&["Rates", "Clean", "Joined", "Report"]);
    for kept in [0, 2] {
        plan.factories.to_mut()[kept].policy = &CHECKPOINT;
    }
    Job {
        plan,
        state: tempfile::tempdir().unwrap(),
        codes: vec![1, 2, 3, 4],
        input: 10,
        files: BTreeMap::new(),
        content: 100,
        skipped: BTreeSet::new(),
        by_fallback: BTreeSet::new(),
        fails: Some(3),
        writes: BTreeSet::new(),
        run: 0,
    }
}

impl Job {
    fn path(&self, file: &str) -> PathBuf {
        self.state.path().join(file)
    }

    pub(super) fn write(&self, file: &str, content: u64) {
        fs::write(self.path(file), content.to_string()).unwrap();
    }

    pub(super) fn go(&mut self, resume: bool) -> Outcome {
        self.run += 1;
        let factory = |(code, node): (&u128, &crate::plan::Node)| How {
            code: code_of(*code),
            checkpoint: node.policy.checkpoint,
            cache: None,
            adds: true,
            persistence: Some(Persistence::of::<u64, _>()),
            content: Some(fingerprint_of::<u64, _>()),
            writes: true,
            selected: true,
            enabled: true,
        };
        let setup = Setup {
            plan: PlanRef::Shared(Arc::new(self.plan.clone())),
            factories: self.codes.iter().zip(self.plan.factories.iter()).map(factory).collect(),
            inputs: vec![Some(self.input.fingerprint().unwrap())],
            resume,
            kept: KEPT,
            cache: None,
        };
        DISCARDED.take();
        let store = Store::open(self.state.path(), "Delays", self.run).unwrap();
        let session = Session::open(setup, Some(store)).unwrap();
        let mut outcome = Outcome::default();
        let order: Vec<_> = self.plan.factory_order().collect();
        for node in order {
            let part = session.ready(node);
            if !matches!(part, Part::Runs) {
                outcome.adopted.extend(session.adopt_writes(node).into_iter().map(|write| (node, write)));
            }
            match part {
                Part::LeftOut => {}
                Part::Restored(Restored { payload, .. }) => {
                    outcome.outputs.insert(node, *payload.downcast_ref::<u64>().unwrap());
                }
                Part::Runs => {
                    let name = self.plan.factories[node].name.to_string();
                    outcome.reasons.extend(session.objection(node).map(|because| (name.clone(), because)));
                    outcome.ran.push(name);
                    if self.fails == Some(node) {
                        return outcome;
                    }
                    self.run_one(node, &session, &mut outcome);
                }
            }
        }
        session.succeeded().unwrap();
        outcome
    }

    fn run_one(&self, node: usize, session: &Session, outcome: &mut Outcome) {
        if self.skipped.contains(&node) {
            return session.skipped(node);
        }
        let mut output = self.codes[node] as u64;
        for source in self.plan.factories[node].sources.iter() {
            output += match *source {
                Source::Input(_) => self.input,
                Source::Factory(factory) => outcome.outputs.get(&factory).copied().unwrap_or_else(|| {
                    assert!(self.skipped.contains(&factory), "{factory} is not there for {node}");
                    0
                }),
                Source::Context => 0,
            };
        }
        if let Some(file) = self.files.get(&node) {
            session.reads(node).record(&self.path(file)).unwrap();
            output += fs::read_to_string(self.path(file)).unwrap().parse::<u64>().unwrap();
        }
        if self.plan.factories[node].policy.volatile {
            output = self.content;
        }
        let wrote = self.writes.contains(&node);
        let kept_writes = if wrote { vec![json!([node, self.run])] } else { vec![] };
        session.intend(&kept_writes).unwrap();
        let ended = Ended {
            payload: Arc::new(output),
            rows: None,
            by_fallback: self.by_fallback.contains(&node),
            wrote,
            acted: wrote,
            took: std::time::Duration::ZERO,
            kept_writes,
        };
        let payload = session.delivered(node, ended).unwrap();
        outcome.outputs.insert(node, *payload.downcast_ref::<u64>().unwrap());
    }
}
