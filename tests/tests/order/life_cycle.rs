use super::*;

#[derive(Clone)]
struct Steps(Log<(&'static str, Phase)>);

#[factory(output = u32)]
struct Async {
    #[delivery]
    steps: Steps,
    read: u32,
}

impl Factory for Async {
    async fn read(&mut self) -> Result<()> {
        self.steps.0.push(("Async", Phase::Read));
        self.read = 7;
        Ok(())
    }

    async fn process(&mut self) -> Result<u32> {
        self.steps.0.push(("Async", Phase::Process));
        Ok(self.read + 1)
    }

    async fn write(&mut self, output: &u32) -> Result<()> {
        assert_eq!(*output, 8);
        self.steps.0.push(("Async", Phase::Write));
        Ok(())
    }
}

#[factory(output = (), blocking)]
struct Blocking {
    #[delivery]
    steps: Steps,
    #[delivery]
    eight: u32,
}

impl Factory for Blocking {
    async fn process(&mut self) -> Result<()> {
        assert_eq!(self.eight, 8);
        self.steps.0.push(("Blocking", Phase::Process));
        Ok(())
    }

    async fn write(&mut self, _output: &()) -> Result<()> {
        self.steps.0.push(("Blocking", Phase::Write));
        Ok(())
    }
}

#[pipeline(make(Async), use_it(Blocking))]
struct Writes {
    steps: Steps,
}

#[pipeline(#[no_write] make(Async), use_it(Blocking))]
struct HalfDry {
    steps: Steps,
}

const READ: (&str, Phase) = ("Async", Phase::Read);
const PROCESS: (&str, Phase) = ("Async", Phase::Process);
const WRITE: (&str, Phase) = ("Async", Phase::Write);
const USE: (&str, Phase) = ("Blocking", Phase::Process);
const WRITE_USE: (&str, Phase) = ("Blocking", Phase::Write);

#[test]
fn a_factory_reads_processes_and_writes() {
    on_each_runtime(async || {
        let steps = Log::default();
        Writes { steps: Steps(steps.clone()) }.run().await.unwrap();
        assert_eq!(steps.all(), [READ, PROCESS, WRITE, USE, WRITE_USE]);
    });
}

#[test]
fn a_run_without_writes() {
    on_each_runtime(async || {
        let steps = Log::default();
        Writes { steps: Steps(steps.clone()) }.run().no_write().await.unwrap();
        assert_eq!(steps.all(), [READ, PROCESS, USE]);
    });
}

#[test]
fn a_stage_without_writes() {
    on_each_runtime(async || {
        let steps = Log::default();
        HalfDry { steps: Steps(steps.clone()) }.run().await.unwrap();
        assert_eq!(steps.all(), [READ, PROCESS, USE, WRITE_USE]);
    });
}
