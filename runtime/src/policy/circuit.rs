//! The state machine of a circuit breaker. It contains no lock and no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::Breaker;

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitState {
    /// All attempts are admitted.
    Closed,
    /// No attempt is admitted.
    Open,
    /// One probing attempt is admitted, or is in progress.
    HalfOpen,
}

#[derive(Debug)]
pub(super) struct Circuit {
    bounds: Breaker,
    state: State,
    /// Counts the transitions between closed, open and probing. The result of an attempt from an earlier generation is ignored.
    generation: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed {
        /// The number of consecutive failures.
        failures: u32,
    },
    Open {
        since: Instant,
        /// `true` if a probing attempt is in progress.
        probing: bool,
    },
}

/// The generation in which an attempt was admitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(u64);

/// The conclusion from an attempt about the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The resource answers, possibly with an error.
    Answers,
    /// The resource does not answer.
    Fails,
    /// The attempt ended too early to tell.
    Unknown,
}

impl Circuit {
    pub(super) fn new(bounds: Breaker) -> Self {
        Self { bounds, state: State::Closed { failures: 0 }, generation: 0 }
    }

    /// Checks if an attempt would be admitted. The error is the remaining time, or zero while a probing attempt is in progress.
    pub(super) fn check(&self, now: Instant) -> Result<(), Duration> {
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { probing: true, .. } => Err(Duration::ZERO),
            State::Open { since, .. } => {
                let rest = self.bounds.open_for.saturating_sub(now.saturating_duration_since(since));
                if rest.is_zero() { Ok(()) } else { Err(rest) }
            }
        }
    }

    /// Admits an attempt.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, Duration> {
        self.check(now)?;
        if let State::Open { since, .. } = self.state {
            self.turn(State::Open { since, probing: true });
        }
        Ok(Ticket(self.generation))
    }

    /// Records the result of an attempt. Returns `true` if the breaker opened because of it.
    pub(super) fn settle(&mut self, ticket: Ticket, verdict: Verdict, now: Instant) -> bool {
        if ticket.0 != self.generation {
            return false;
        }
        match (self.state, verdict) {
            (State::Closed { .. }, Verdict::Answers) => self.state = State::Closed { failures: 0 },
            (State::Closed { failures }, Verdict::Fails) if failures + 1 < self.bounds.failures => {
                self.state = State::Closed { failures: failures + 1 };
            }
            (State::Closed { .. }, Verdict::Unknown) => {}
            (_, Verdict::Fails) => {
                self.turn(State::Open { since: now, probing: false });
                return true;
            }
            (State::Open { .. }, Verdict::Answers) => self.turn(State::Closed { failures: 0 }),
            // The next attempt is the probe.
            (State::Open { since, .. }, Verdict::Unknown) => self.turn(State::Open { since, probing: false }),
        }
        false
    }

    pub(super) fn state(&self, now: Instant) -> CircuitState {
        match (self.state, self.check(now)) {
            (State::Closed { .. }, _) => CircuitState::Closed,
            (State::Open { probing: false, .. }, Err(_)) => CircuitState::Open,
            (State::Open { .. }, _) => CircuitState::HalfOpen,
        }
    }

    /// Returns a number that changes with every transition between closed, open and probing.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_millis(100);

    /// The rules of a breaker, in terms of attempts instead of states.
    #[derive(Default)]
    struct Model {
        failures: u32,
        consecutive: u32,
        opened_at: Option<Instant>,
        probe: Option<usize>,
        /// Attempts that began before the breaker last opened or closed.
        stale: Vec<usize>,
        under_way: Vec<usize>,
    }

    impl Model {
        fn lets_through(&self, now: Instant) -> bool {
            match self.opened_at {
                None => true,
                Some(_) if self.probe.is_some() => false,
                Some(at) => now >= at + OPEN_FOR,
            }
        }

        fn begin(&mut self, attempt: usize) {
            self.under_way.push(attempt);
            if self.opened_at.is_some() {
                self.probe = Some(attempt);
            }
        }

        /// Returns `true` if the breaker opened.
        fn end(&mut self, attempt: usize, verdict: Verdict, now: Instant) -> bool {
            self.under_way.retain(|other| *other != attempt);
            if self.stale.contains(&attempt) {
                return false;
            }
            let was_probe = self.probe.take_if(|probe| *probe == attempt).is_some();
            match verdict {
                Verdict::Unknown => return false,
                Verdict::Answers => self.consecutive = 0,
                Verdict::Fails => self.consecutive += 1,
            }
            let opens = verdict == Verdict::Fails && (was_probe || self.consecutive == self.failures);
            if opens || was_probe {
                self.opened_at = opens.then_some(now);
                self.consecutive = 0;
                self.stale.extend(&self.under_way);
            }
            opens
        }
    }

    #[test]
    fn it_does_what_the_model_does() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut probes = 0;
        for _ in 0..500 {
            let failures = random.u32(1..4);
            let mut circuit = Circuit::new(Breaker { failures, open_for: OPEN_FOR });
            let mut model = Model { failures, ..Model::default() };
            let mut now = Instant::now();
            let mut under_way: Vec<(usize, Ticket)> = Vec::new();
            for attempt in 0..200 {
                match random.u8(..4) {
                    0 | 1 => {
                        let admitted = circuit.admit(now);
                        assert_eq!(admitted.is_ok(), model.lets_through(now));
                        if let Ok(ticket) = admitted {
                            model.begin(attempt);
                            under_way.push((attempt, ticket));
                            probes += u32::from(model.probe == Some(attempt));
                        }
                    }
                    2 if !under_way.is_empty() => {
                        let (attempt, ticket) = under_way.swap_remove(random.usize(..under_way.len()));
                        let verdict = [Verdict::Answers, Verdict::Fails, Verdict::Fails, Verdict::Unknown]
                            [random.usize(..4)];
                        let opened = model.end(attempt, verdict, now);
                        assert_eq!(circuit.settle(ticket, verdict, now), opened);
                    }
                    _ => now += Duration::from_millis(random.u64(..60)),
                }
                let state = match (model.opened_at, model.lets_through(now) || model.probe.is_some()) {
                    (None, _) => CircuitState::Closed,
                    (Some(_), true) => CircuitState::HalfOpen,
                    (Some(_), false) => CircuitState::Open,
                };
                assert_eq!(circuit.state(now), state);
            }
        }
        assert!(probes > 1_000, "{probes}");
    }
}
