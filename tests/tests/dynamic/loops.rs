use super::*;

#[factory]
fn parse(text: String) -> Result<u64> {
    Ok(text.parse()?)
}

#[factory]
async fn add(left: u64, right: u64) -> u64 {
    left + right
}

#[test]
fn a_pipeline_grows_in_a_loop() {
    on_each_runtime(async || {
        let mut builder = Pipeline::builder("sums").stage("parse");
        for index in 0..10 {
            builder = builder
                .named_input(format!("text {index}"), index.to_string())
                .factory_named::<parse>(format!("number {index}"), |wiring| {
                    wiring.take("text", format!("text {index}"))
                });
        }
        builder = builder.stage("add");
        for index in 1..10 {
            let left = if index == 1 { "number 0".to_owned() } else { format!("sum {}", index - 1) };
            builder = builder.factory_named::<add>(format!("sum {index}"), |wiring| {
                wiring.take("left", left).take("right", format!("number {index}"))
            });
        }
        let pipeline = builder.keep("sum 4").build().unwrap();
        assert_eq!(pipeline.plan().factories.len(), 19);
        assert_eq!(pipeline.inputs_without_consumer().count(), 0);
        let run = pipeline.run().concurrency(3).await.unwrap();
        assert_eq!(run.find_named::<u64>("sum 9"), Some(&45));
        assert_eq!(run.find_named::<u64>("sum 4"), Some(&10), "it was kept");
        assert_eq!(run.find_named::<u64>("sum 5"), None, "it was taken");
        assert_eq!(run.find_named::<u32>("sum 9"), None, "it is of another type");
        assert_eq!(run.find_named::<u64>("sum 10"), None, "it is not there");
    });
}

#[test]
fn a_named_factory_fails_under_its_name() {
    on_each_runtime(async || {
        let pipeline = Pipeline::builder("sums")
            .named_input("text", "x".to_owned())
            .stage("parse")
            .factory_named::<parse>("first", |wiring| wiring.take("text", "text"))
            .build();
        let error = pipeline.unwrap().run().await.unwrap_err();
        assert_eq!(
            format!("{:#}", setl::Error::from(error)),
            "pipeline `sums` failed: factory `first` of stage `parse` failed in process: \
             invalid digit found in string"
        );
    });
}

#[test]
fn factories_are_found_by_their_type() {
    on_each_runtime(async || {
        let pipeline = Pipeline::builder("sums")
            .input("text", "7".to_owned())
            .stage("parse")
            .factory::<parse>()
            .factory_named::<parse>("again", |wiring| wiring)
            .factory_named::<add>("twice", |wiring| wiring.take("right", "again"))
            .build();
        let run = pipeline.unwrap().run().await.unwrap();
        assert_eq!(run.find_named::<u64>("twice"), Some(&14));
        assert_eq!(run.find::<parse>(), None, "it was taken");
        assert_eq!(run.find::<add>(), None, "it has another name");
    });
}

#[factory]
async fn pass() {
    tokio::task::yield_now().await;
}

#[test]
fn stages_have_the_options_of_static_ones() {
    on_each_runtime(async || {
        let log = Log::default();
        let pipeline = Pipeline::builder("options")
            .stage("empty")
            .barrier()
            .stage("row")
            .sequential()
            .barrier()
            .factory_named::<pass>("a", |wiring| wiring)
            .factory_named::<pass>("b", |wiring| wiring)
            .stage("last")
            .factory_named::<pass>("c", |wiring| wiring)
            .build();
        pipeline.unwrap().run().observe(log.observer()).await.unwrap();
        let expected = ["a", "b", "c"].map(|name| [started(name), finished(name)]).concat();
        assert_eq!(log.all(), of_run(3, expected, RunStatus::Succeeded));
    });
}

struct Keeps(Latch);

#[factory(output = ())]
struct Writes {
    #[delivery(shared)]
    written: Arc<Keeps>,
}

impl Factory for Writes {
    async fn process(&mut self) -> Result<()> {
        Ok(())
    }

    async fn write(&mut self, _output: &()) -> Result<()> {
        self.written.0.open();
        Ok(())
    }
}

#[test]
fn a_stage_may_leave_out_writes() {
    on_each_runtime(async || {
        for no_write in [false, true] {
            let written = Latch::default();
            let mut builder = Pipeline::builder("w").input("written", Keeps(written.clone())).stage("only");
            if no_write {
                builder = builder.no_write();
            }
            builder.factory::<Writes>().build().unwrap().run().await.unwrap();
            assert_eq!(written.is_open(), !no_write);
        }
    });
}
