//! The same wiring, as a type and as a value.

use super::*;

struct Backup;

#[factory(id = Backup)]
fn fetch(context: Context) -> Orders {
    Orders(vec![context.factory().len() as u32])
}

#[factory(output = Vec<Option<u32>>, blocking)]
struct Compare {
    #[delivery]
    orders: Orders,
    #[delivery(id = Backup)]
    backup: Orders,
    #[delivery(producer = sum)]
    total: Total,
    #[delivery(optional)]
    limit: Option<u64>,
    #[delivery(shared)]
    names: Arc<Vec<String>>,
    context: Option<u8>,
}

impl Factory for Compare {
    async fn process(&mut self) -> Result<Vec<Option<u32>>> {
        assert!(self.context.is_none());
        let limit = self.limit.map(|limit| limit as u32);
        let orders = self.orders.0.len() as u32;
        let backup = self.backup.0[0];
        Ok(vec![Some(orders), Some(backup), Some(self.total.0), limit, Some(self.names.len() as u32)])
    }
}

#[pipeline(
    #[barrier] extract(read, fetch),
    #[sequential] transform(sum, Compare),
    #[no_write] load(report),
    keep(sum),
)]
struct Daily {
    #[delivery(optional)]
    limit: Option<u64>,
    names: Vec<String>,
    title: String,
}

fn pipeline() -> Pipeline {
    Pipeline::builder("Daily")
        .optional_input("limit", Some(9u64))
        .input("names", vec!["a".to_owned(), "b".to_owned()])
        .input("title", "sum".to_owned())
        .stage("extract")
        .barrier()
        .factory::<read>()
        .factory::<fetch>()
        .stage("transform")
        .sequential()
        .factory::<sum>()
        .factory::<Compare>()
        .stage("load")
        .no_write()
        .factory::<report>()
        .keep("sum")
        .build()
        .unwrap()
}

#[test]
fn they_are_described_alike() {
    assert_eq!(pipeline().describe(), Daily::describe());
    assert_eq!(pipeline().diagram().mermaid(), Daily::diagram().mermaid());
    assert_eq!(pipeline().diagram().dot(), Daily::diagram().dot());
}

#[test]
fn they_have_the_same_plan() {
    let (dynamic, fixed) = (pipeline(), Daily::plan());
    let dynamic = dynamic.plan();
    assert_eq!(dynamic.waits, fixed.waits);
    assert_eq!(dynamic.levels, fixed.levels);
    assert_eq!(dynamic.offsets, fixed.offsets);
    for node in 0..fixed.waits.len() {
        let sorted = |successors: &[u32]| {
            let mut successors = successors.to_vec();
            successors.sort_unstable();
            successors
        };
        assert_eq!(sorted(dynamic.successors(node)), sorted(fixed.successors(node)));
    }
    for (dynamic, fixed) in dynamic.factories.iter().zip(fixed.factories.iter()) {
        assert_eq!(dynamic.name, fixed.name);
        assert_eq!(dynamic.sources, fixed.sources);
        assert_eq!(
            (dynamic.stage, dynamic.kept, dynamic.blocking),
            (fixed.stage, fixed.kept, fixed.blocking)
        );
    }
}

#[test]
fn they_come_to_the_same() {
    on_each_runtime(async || {
        let names = vec!["a".to_owned(), "b".to_owned()];
        let fixed = Daily { limit: Some(9), names, title: "sum".to_owned() }.run().await.unwrap();
        let dynamic = pipeline().run().await.unwrap();
        assert_eq!(dynamic.find::<Compare>(), Some(fixed.get::<Compare>()));
        assert_eq!(dynamic.find::<report>(), Some(fixed.get::<report>()));
        assert_eq!(dynamic.find::<sum>().unwrap().0, fixed.get::<sum>().0);
        assert_eq!(fixed.get::<Compare>(), &[Some(3), Some(5), Some(6), Some(9), Some(2)]);
        assert_eq!(fixed.get::<report>().0, "sum: 6");
    });
}

#[test]
fn an_input_may_have_an_id() {
    on_each_runtime(async || {
        let pipeline = Pipeline::builder("ids")
            .input_with_id::<Backup, _>("backup", Orders(vec![1]))
            .input("names", Vec::<String>::new())
            .optional_input::<u64>("limit", None)
            .stage("only")
            .factory::<read>()
            .factory::<sum>()
            .factory::<Compare>()
            .build()
            .unwrap();
        assert!(pipeline.describe().contains("  backup: Orders [Backup]\n"), "{}", pipeline.describe());
        let run = pipeline.run().await.unwrap();
        assert_eq!(run.find::<Compare>().unwrap(), &[Some(3), Some(1), Some(6), None, Some(0)]);
    });
}

/// File names and keyboards may write letters and their marks apart, which compilers compose.
#[test]
fn names_are_found_however_they_are_composed() {
    let (composed, apart) = ("gr\u{f6}\u{df}e", "gro\u{308}\u{df}e");
    on_each_runtime(move || async move {
        for (given, asked) in [(composed, apart), (apart, composed)] {
            let made =
                || Pipeline::builder("made").stage("read").factory_named::<read>(given, |wiring| wiring);
            let run = made().build().unwrap().run().only_named(asked).await.unwrap();
            assert_eq!(run.find_named::<Orders>(asked).unwrap().0, [1, 2, 3]);
            let text = made().factory_named::<read>(asked, |wiring| wiring).build().unwrap_err().to_string();
            assert!(text.contains("is listed twice"), "{text}");
            let taken = made()
                .keep(asked)
                .stage("sum")
                .factory_named::<sum>("sum", |wiring| wiring.take("orders", asked));
            taken.build().unwrap();
        }
    });
}
