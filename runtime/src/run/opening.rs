//! Makes the state of a run from its plan.

use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::blocking::BlockingPool;
use super::factory_config::FactoryConfig;
use super::hook::{Hooks, Points};
use super::observer::Observers;
use super::report::PhaseCell;
use super::request::Request;
use super::run_plan::{Budget, RunPlan};
use super::schedule::Schedule;
use super::shared::{CancelReason, Launch, Shared};
use super::slot::Slot;
use super::threads::Threads;
use crate::plan::Source;

fn is_selected(configs: &[FactoryConfig], node: usize) -> bool {
    configs.get(node).is_none_or(|config| config.selected)
}

impl Shared {
    /// The state of a run for a context without a run.
    pub(crate) fn alone(launch: Launch) -> Self {
        let mut request = Request::default();
        Self::new(RunPlan::new(launch, &request), &mut request)
    }

    pub(crate) fn new(mut planned: RunPlan, request: &mut Request) -> Self {
        let mut configs = std::mem::take(&mut planned.factories);
        let plan = planned.launch.plan.clone();
        let mut consumers = vec![0u32; plan.inputs.len() + plan.factories.len()];
        for (_, factory) in plan.factories.iter().enumerate().filter(|(node, _)| is_selected(&configs, *node))
        {
            let of_fallback: &[Source] = factory.fallback.as_ref().map_or(&[], |fallback| &fallback.sources);
            for source in factory.sources.iter().chain(of_fallback) {
                match *source {
                    Source::Input(input) => consumers[input] += 1,
                    Source::Factory(producer) => consumers[plan.inputs.len() + producer] += 1,
                    Source::Context => {}
                }
            }
        }
        for (index, factory) in plan.factories.iter().enumerate() {
            let taken = &mut consumers[plan.inputs.len() + index];
            // An output that no factory takes in this run is available after it.
            let is_taken = *taken > 0 || planned.taken.get(index).copied().unwrap_or_default();
            let kept = factory.kept || (!is_taken && !configs.is_empty());
            *taken += u32::from(kept && is_selected(&configs, index));
            if let Some(config) = configs.get_mut(index) {
                config.kept = kept && config.selected;
            }
        }
        let Launch { steps, inputs, .. } = planned.launch;
        let slots: Box<[Slot]> = consumers.into_iter().map(Slot::new).collect();
        for (slot, input) in slots.iter().zip(inputs) {
            if let Some(payload) = input {
                slot.put(payload);
            }
        }
        for (node, payload) in std::mem::take(&mut request.provided) {
            slots[plan.inputs.len() + node].put(payload);
        }
        let threads = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        let cancel = request.cancel.take();
        let mut schedule = Schedule::new(&plan, planned.concurrency, threads).by(planned.priorities);
        if let Some(Budget { total, needs }) = planned.budget {
            schedule = schedule.within(total, needs);
        }
        let hooks = Hooks::new(planned.hooks);
        Self {
            schedule: Box::new(schedule),
            records: plan.factories.iter().map(|_| OnceLock::new()).collect(),
            phases: plan.factories.iter().map(|_| PhaseCell::default()).collect(),
            plan,
            steps,
            run_id: planned.run_id.unwrap_or_else(Uuid::now_v7),
            linked: cancel.is_some()
                || request.cancel_on_ctrl_c
                || planned.ending.deadline.is_some()
                || hooks.has(Points::CANCEL),
            hooks,
            is_partial: planned.is_partial,
            started: Instant::now(),
            // A child token: a cancellation reaches the factories even while one of them occupies this thread.
            cancel: cancel.map_or_else(CancellationToken::new, |cancel| cancel.child_token()),
            pool: Arc::new(BlockingPool::new(planned.blocking_threads, request.patience)),
            slots,
            failures: Mutex::default(),
            replaces: !request.replacements.is_empty(),
            replacements: Mutex::new(std::mem::take(&mut request.replacements)),
            observers: Observers::new(std::mem::take(&mut request.observers)),
            no_write: request.no_write,
            no_write_of: std::mem::take(&mut request.no_write_of.factories),
            configs,
            effective: planned.effective,
            resources: request
                .resources
                .take()
                .map(|shared| shared.of_run())
                .map_or_else(OnceLock::new, OnceLock::from),
            classifier: request.classifier,
            keep_going: planned.ending.keeps_going,
            has_failure: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            threads: Threads::default(),
            notes: Mutex::new(planned.notes.into_iter().map(|note| (0, note)).collect()),
            cancel_reason: AtomicU8::new(CancelReason::Requested as u8),
            cancel_notified: Mutex::default(),
            state_dir: planned.state_dir,
            transaction: OnceLock::new(),
            undone: Mutex::default(),
            decided: AtomicBool::new(false),
            undone_in_task: AtomicBool::new(false),
            over: Notify::new(),
            is_over: AtomicBool::new(false),
            nested: OnceLock::new(),
            outer: OnceLock::new(),
        }
    }
}
