//! A pipeline, what goes wrong in it, and how it is run.

use std::sync::Arc;

use setl::prelude::*;

use super::factories::{Kind, Takes, list};
use super::payload::{Stub, Ticket};
use super::script::{Script, World};

#[derive(Clone, Debug)]
pub struct NodeOf {
    pub kind: Kind,
    pub blocking: bool,
    /// By position; all come before it.
    pub sources: Vec<usize>,
    pub stage: usize,
    pub kept: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct StageOf {
    pub barrier: bool,
    pub sequential: bool,
    pub no_write: bool,
}

/// Which factories the run is asked for with.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    ForAll,
    Only(Vec<usize>),
    UpTo(usize),
    From(usize),
    Between(usize, usize),
}

#[derive(Clone, Debug)]
pub struct Case {
    pub nodes: Vec<NodeOf>,
    pub stages: Vec<StageOf>,
    pub script: Script,
    /// Whether all deliveries are optional, also those that need not be.
    pub optional: bool,
    pub keep_going: bool,
    pub commit_partial: bool,
    pub no_write: bool,
    /// Whether the run has four hundred seconds, which is more than all tries take.
    pub deadline: bool,
    pub concurrency: Option<usize>,
    pub asked: Asked,
    /// One, with time that passes when nothing else does, or several.
    pub threads: usize,
}

impl Case {
    /// Whether it takes its deliveries as they are, or finds out whether they are there.
    pub fn takes(&self, node: usize) -> Takes {
        let may_be_absent = |source: &usize| {
            matches!(self.nodes[*source].kind, Kind::Skipped | Kind::SkippedRetried | Kind::Conditional)
        };
        let sources = &self.nodes[node].sources;
        Takes { sources: sources.len(), optional: self.optional || sources.iter().any(may_be_absent) }
    }

    pub fn pipeline(&self, world: &Arc<World>) -> Pipeline {
        let mut builder = Pipeline::builder("faults").input("world", Arc::clone(world));
        for node in 0..self.nodes.len() {
            builder = builder
                .named_input(format!("ticket {node}"), Ticket { node, world: Arc::clone(world) })
                .named_input(format!("stub {node}"), Stub { node, world: Arc::clone(world) });
        }
        for (at, stage) in self.stages.iter().enumerate() {
            builder = builder.stage(format!("stage {at}"));
            if stage.barrier {
                builder = builder.barrier();
            }
            if stage.sequential {
                builder = builder.sequential();
            }
            if stage.no_write {
                builder = builder.no_write();
            }
            for (index, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.stage == at) {
                let what = (node.kind, node.blocking, self.takes(index));
                builder = list(builder, what, index.to_string(), |mut wiring| {
                    wiring = wiring.take("loaded", format!("ticket {index}"));
                    wiring = wiring.take("stub", format!("stub {index}"));
                    for (at, source) in node.sources.iter().enumerate() {
                        wiring = wiring.take(format!("s{at}"), source.to_string());
                    }
                    wiring
                });
            }
        }
        for (index, _) in self.nodes.iter().enumerate().filter(|(_, node)| node.kept) {
            builder = builder.keep(index.to_string());
        }
        builder.build().unwrap()
    }

    /// Whether it goes on after a failure.
    pub fn goes_on(&self) -> bool {
        self.keep_going || self.commit_partial
    }

    /// All that ends before this one begins.
    pub fn waits(&self, node: usize) -> Vec<usize> {
        let of = &self.nodes[node];
        let mut waits = of.sources.clone();
        if let Some(barrier) = self.stages[..of.stage].iter().rposition(|stage| stage.barrier) {
            waits.extend((0..self.nodes.len()).filter(|other| self.nodes[*other].stage <= barrier));
        }
        if self.stages[of.stage].sequential {
            waits.extend((0..node).rev().find(|other| self.nodes[*other].stage == of.stage));
        }
        waits
    }

    /// All that must have ended before this one, directly or not.
    pub fn before(&self, node: usize) -> Vec<usize> {
        let mut before = self.waits(node);
        let mut at = 0;
        while at < before.len() {
            before.extend(self.waits(before[at]));
            at += 1;
        }
        before.sort_unstable();
        before.dedup();
        before
    }
}
