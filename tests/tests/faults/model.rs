//! What should come of a run, found out one factory after another, without anything of the executor.

use std::collections::BTreeSet;

use setl::run::Phase;

use super::case::{Asked, Case};
use super::factories::Kind;
use super::script::{Fault, Point, Role, WriteId, combine};

/// How a factory failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fail {
    pub phase: Phase,
    pub cause: Why,
    pub attempts: u32,
    /// How the one failed that stood in for it.
    pub stand_in: Option<Box<Fail>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    Injected(Fault),
    Panic,
    TimedOut {
        total: bool,
    },
    /// The resource let nobody through.
    Refused,
}

impl Why {
    pub fn is_transient(self) -> bool {
        matches!(self, Why::Injected(Fault::Transient | Fault::Reset) | Why::TimedOut { .. } | Why::Refused)
    }
}

/// What becomes of a factory if nothing ends the run before.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Delivers {
        by: Role,
        attempts: u32,
        value: u64,
        writes: BTreeSet<WriteId>,
    },
    Skips(Option<Fail>),
    Fails(Fail),
    /// It never ends by itself.
    Hangs,
    /// What it needs has failed: this one, in the first place.
    Needs(usize),
    LeftOut,
}

/// What ends a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ends {
    Fails,
    Cancels,
    Drops,
    /// It goes on until the deadline.
    Hangs,
}

#[derive(Clone, Debug)]
pub struct Predicted {
    pub fate: Fate,
    /// What it does to the run.
    pub ends: Option<Ends>,
    /// What it is given; the same for each attempt.
    pub deliveries: Vec<Option<u64>>,
    /// How many attempts come as far as `read`, of itself and of the one that stands in for it.
    pub reads: [usize; 2],
    pub staged: BTreeSet<WriteId>,
    pub retries: usize,
    pub fell_back: bool,
    /// How many faults it meets.
    pub faults: usize,
}

/// What a policy says, in seconds.
#[derive(Clone, Copy, Default)]
struct Rules {
    retries: u32,
    /// Whether also after errors that are not transient.
    always: bool,
    timeout: Option<u64>,
    total: Option<u64>,
    breaker: bool,
    conditional: bool,
}

fn rules(kind: Kind) -> Rules {
    let none = Rules::default();
    match kind {
        Kind::Plain | Kind::Undone | Kind::Skipped | Kind::FallsBack | Kind::Bound => none,
        Kind::Retried => Rules { retries: 2, ..none },
        Kind::RetriedAlways => Rules { retries: 2, always: true, ..none },
        Kind::Timed => Rules { timeout: Some(10), ..none },
        Kind::TimedRetried => Rules { timeout: Some(10), retries: 2, ..none },
        Kind::Total => Rules { timeout: Some(10), total: Some(25), retries: 5, ..none },
        Kind::SkippedRetried | Kind::FallsBackRetried => Rules { retries: 1, ..none },
        Kind::Conditional => Rules { conditional: true, ..none },
        Kind::Broken => Rules { breaker: true, retries: 4, ..none },
    }
}

/// After two transient failures in a row, nobody is let through for five seconds.
#[derive(Default)]
struct Breaker {
    in_a_row: u32,
    open_since: Option<u64>,
}

impl Breaker {
    fn refuses_for(&self, now: u64) -> Option<u64> {
        (self.open_since? + 5).checked_sub(now).filter(|rest| *rest > 0)
    }

    fn learns(&mut self, failed: bool, now: u64) {
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        let opens = failed && (self.open_since.is_some() || self.in_a_row == 2);
        self.open_since = opens.then_some(now);
    }
}

/// How one try ends.
enum Try {
    Delivers(BTreeSet<WriteId>),
    NotDue,
    Fails(Phase, Why),
    Hangs,
}

/// How all tries of a factory end.
enum End {
    Delivers(BTreeSet<WriteId>),
    NotDue,
    Fails(Fail),
    Hangs,
}

fn phase_of(point: Point) -> Phase {
    match point {
        Point::Load | Point::Clone => Phase::Assemble,
        Point::When => Phase::Condition,
        Point::Read => Phase::Read,
        Point::Process => Phase::Process,
        Point::Stage | Point::Write => Phase::Write,
    }
}

/// Whether a factory of this kind undoes what it has written.
pub fn is_undone(kind: Kind) -> bool {
    !matches!(kind, Kind::Plain | Kind::Retried)
}

impl Case {
    pub fn writes(&self, node: usize) -> bool {
        !self.no_write && !self.stages[self.nodes[node].stage].no_write
    }

    /// Which factories the run consists of.
    pub fn selected(&self) -> Vec<bool> {
        let count = self.nodes.len();
        let needed_by = |last: usize| {
            let mut needed = vec![false; count];
            needed[last] = true;
            for node in (0..count).rev().filter(|node| *node <= last) {
                if needed[node] {
                    self.nodes[node].sources.iter().for_each(|source| needed[*source] = true);
                }
            }
            needed
        };
        let needing = |first: usize| {
            let mut needing = vec![false; count];
            needing[first] = true;
            for node in first + 1..count {
                needing[node] = self.nodes[node].sources.iter().any(|source| needing[*source]);
            }
            needing
        };
        match &self.asked {
            Asked::ForAll => vec![true; count],
            Asked::Only(only) => (0..count).map(|node| only.contains(&node)).collect(),
            Asked::UpTo(last) => needed_by(*last),
            Asked::From(first) => needing(*first),
            Asked::Between(first, last) => needing(*first)
                .into_iter()
                .zip(needed_by(*last))
                .map(|(below, above)| below && above)
                .collect(),
        }
    }

    /// How many mistakes there are in what is asked for: what is needed and does not run, or that nothing runs.
    pub fn missing(&self) -> usize {
        let selected = self.selected();
        let missing = |node: usize| {
            let sources = self.nodes[node].sources.iter();
            if self.takes(node).optional { 0 } else { sources.filter(|source| !selected[**source]).count() }
        };
        let nothing = usize::from(!selected.contains(&true));
        nothing + (0..self.nodes.len()).filter(|node| selected[*node]).map(missing).sum::<usize>()
    }

    /// Whether the output is there after the run, if there is one.
    pub fn keeps(&self, node: usize) -> bool {
        let selected = self.selected();
        let takes = |other: usize| selected[other] && self.nodes[other].sources.contains(&node);
        self.nodes[node].kept || !(0..self.nodes.len()).any(takes)
    }

    /// What would come of each factory if nothing ended the run.
    pub fn predict(&self) -> Vec<Predicted> {
        let selected = self.selected();
        let mut all: Vec<Predicted> = Vec::with_capacity(self.nodes.len());
        for (node, selected) in selected.into_iter().enumerate() {
            let predicted = if selected { self.predict_one(node, &all) } else { nothing(Fate::LeftOut) };
            all.push(predicted);
        }
        all
    }

    fn predict_one(&self, node: usize, above: &[Predicted]) -> Predicted {
        let of = &self.nodes[node];
        let needs = of.sources.iter().find_map(|source| match &above[*source].fate {
            Fate::Fails(_) => Some(*source),
            Fate::Needs(root) => Some(*root),
            Fate::Hangs => Some(*source),
            _ => None,
        });
        if let Some(root) = needs {
            return nothing(Fate::Needs(root));
        }
        let deliveries: Vec<_> = of
            .sources
            .iter()
            .map(|source| match &above[*source].fate {
                Fate::Delivers { value, .. } => Some(*value),
                _ => None,
            })
            .collect();
        let mut this = Predicted { deliveries, ..nothing(Fate::Hangs) };
        let mut made = 0;
        let end = self.live(node, Role::Own, rules(of.kind), &mut made, &mut this);
        let delivers = |by, made, writes, this: &Predicted| {
            let values = if by == Role::Own { &*this.deliveries } else { &[] };
            Fate::Delivers { by, attempts: made, value: combine(node, by, values), writes }
        };
        this.fate = match (end, of.kind) {
            (End::Delivers(writes), _) => delivers(Role::Own, made, writes, &this),
            (End::NotDue, _) => Fate::Skips(None),
            (End::Hangs, _) => Fate::Hangs,
            (End::Fails(fail), Kind::Skipped | Kind::SkippedRetried) => Fate::Skips(Some(fail)),
            (End::Fails(fail), Kind::FallsBack | Kind::FallsBackRetried) => {
                this.fell_back = true;
                // The report counts the attempts of the factory that failed.
                let own = made;
                let retries = u32::from(of.kind == Kind::FallsBackRetried);
                let of_stand_in = Rules { retries, ..Rules::default() };
                match self.live(node, Role::StandIn, of_stand_in, &mut made, &mut this) {
                    End::Delivers(writes) => delivers(Role::StandIn, own, writes, &this),
                    End::Fails(second) => Fate::Fails(Fail { stand_in: Some(Box::new(second)), ..fail }),
                    End::NotDue | End::Hangs => Fate::Hangs,
                }
            }
            (End::Fails(fail), _) => Fate::Fails(fail),
        };
        if this.ends.is_none() {
            this.ends = match this.fate {
                Fate::Fails(_) if !self.goes_on() => Some(Ends::Fails),
                Fate::Hangs => Some(Ends::Hangs),
                _ => None,
            };
        }
        this
    }

    /// All tries of one factory.
    fn live(&self, node: usize, role: Role, rules: Rules, made: &mut u32, this: &mut Predicted) -> End {
        let (mut clock, mut tries, mut breaker) = (0, 0, Breaker::default());
        let before = *made;
        for tried in 0..=rules.retries {
            *made += 1;
            let may_again = tried < rules.retries;
            let refused = if rules.breaker { breaker.refuses_for(clock) } else { None };
            let (phase, why) = match refused {
                Some(_) => (Phase::Assemble, Why::Refused),
                None => {
                    let end = self.one_try(node, role, rules, (tries, may_again), &mut clock, this);
                    tries += 1;
                    if rules.breaker {
                        breaker.learns(matches!(end, Try::Fails(_, why) if why.is_transient()), clock);
                    }
                    match end {
                        Try::Delivers(writes) => return End::Delivers(writes),
                        Try::NotDue => return End::NotDue,
                        Try::Hangs => return End::Hangs,
                        Try::Fails(phase, why) => (phase, why),
                    }
                }
            };
            let fails = End::Fails(Fail { phase, cause: why, attempts: *made - before, stand_in: None });
            let again = match why {
                Why::Panic => false,
                Why::Injected(_) => rules.always || why.is_transient(),
                _ => true,
            };
            let wait = refused.unwrap_or(0).max(1);
            if !may_again || !again || rules.total.is_some_and(|total| clock + wait >= total) {
                return fails;
            }
            clock += wait;
            this.retries += 1;
        }
        unreachable!("the last try returns")
    }

    fn one_try(
        &self,
        node: usize,
        role: Role,
        rules: Rules,
        (at, may_again): (usize, bool),
        clock: &mut u64,
        this: &mut Predicted,
    ) -> Try {
        let fault = self.script.fault(node, role, at);
        let mut writes = BTreeSet::new();
        let points = [
            (Point::Load, true),
            (Point::Clone, may_again && role == Role::Own),
            (Point::When, rules.conditional),
            (Point::Read, true),
            (Point::Process, true),
            (Point::Stage, self.writes(node)),
            (Point::Write, self.writes(node)),
        ];
        for (point, _) in points.into_iter().filter(|(_, comes)| *comes) {
            let mut stage = |early| {
                let id = WriteId { node, role, at, early };
                writes.insert(id);
                this.staged.insert(id);
            };
            match point {
                Point::Read => {
                    this.reads[role as usize] += 1;
                    if self.script.early {
                        stage(true);
                    }
                }
                Point::Write => stage(false),
                _ => {}
            }
            let Some((_, fault)) = fault.filter(|(at, _)| *at == point) else { continue };
            let waits = point >= Point::Read;
            this.faults += 1;
            match fault {
                Fault::Panic => return Try::Fails(phase_of(point), Why::Panic),
                Fault::Error | Fault::Transient | Fault::Reset | Fault::Full if point != Point::Clone => {
                    return Try::Fails(phase_of(point), Why::Injected(fault));
                }
                Fault::NotDue if point == Point::When => return Try::NotDue,
                Fault::Cancel => this.ends = Some(Ends::Cancels),
                Fault::Drop if waits => {
                    this.ends = Some(Ends::Drops);
                    return Try::Hangs;
                }
                Fault::Hang if waits => {
                    let left = rules.total.map(|total| total - *clock);
                    let (took, total) = match (rules.timeout, left) {
                        (Some(timeout), Some(left)) if timeout > left => (left, true),
                        (Some(timeout), _) => (timeout, false),
                        (None, Some(left)) => (left, true),
                        (None, None) => return Try::Hangs,
                    };
                    *clock += took;
                    return Try::Fails(phase_of(point), Why::TimedOut { total });
                }
                _ => {}
            }
        }
        Try::Delivers(writes)
    }
}

fn nothing(fate: Fate) -> Predicted {
    Predicted {
        fate,
        ends: None,
        deliveries: Vec::new(),
        reads: [0; 2],
        staged: BTreeSet::new(),
        retries: 0,
        fell_back: false,
        faults: 0,
    }
}
