use super::*;

const HEAVY: usize = 100 << 20;

/// Makes a parcel from a parcel, while it holds both.
#[factory]
fn passes_on(parcel: Parcel) -> Parcel {
    parcel.ledger().parcel(parcel.value + 1, HEAVY)
}

#[factory]
async fn passes_on_later(parcel: Parcel) -> Parcel {
    tokio::task::yield_now().await;
    parcel.ledger().parcel(parcel.value + 1, HEAVY)
}

#[factory]
fn passes_on_shared(#[delivery(shared)] parcel: Arc<Parcel>) -> Parcel {
    parcel.ledger().parcel(parcel.value + 1, HEAVY)
}

/// Ten in a row, each of which takes what the one before delivers.
fn chain(parcel: Parcel) -> Pipeline {
    let mut builder = Pipeline::builder("chain").named_input("0", parcel).stage("chain");
    for index in 0..10 {
        let name = (index + 1).to_string();
        let wire = |wiring: setl::plan::dynamic::Wiring| wiring.take("parcel", index.to_string());
        builder = match index % 3 {
            0 => builder.factory_named::<passes_on>(name, wire),
            1 => builder.factory_named::<passes_on_later>(name, wire),
            _ => builder.factory_named::<passes_on_shared>(name, wire),
        };
    }
    builder.build().unwrap()
}

#[test]
fn a_chain_never_holds_more_than_two() {
    on_each_runtime(async || {
        let ledger = ledger();
        let run = chain(ledger.parcel(0, HEAVY)).run().await.unwrap();
        assert_eq!(run.find_named::<Parcel>("10").unwrap().value, 10);
        assert_eq!(ledger.heaviest(), 2 * HEAVY);
        assert_eq!((ledger.clones(), ledger.live()), (0, 1));
    });
}

/// Bytes that are there.
#[derive(Debug)]
struct Bytes {
    bytes: Vec<u8>,
    parcel: Parcel,
}

impl Bytes {
    fn new(ledger: &Arc<Ledger>) -> Self {
        Self { bytes: vec![1; HEAVY], parcel: ledger.parcel(0, HEAVY) }
    }
}

#[factory]
fn copies(#[delivery(shared)] bytes: Arc<Bytes>) -> Bytes {
    let mut copy = Bytes::new(bytes.parcel.ledger());
    copy.bytes[0] = bytes.bytes[0] + 1;
    copy
}

#[test]
fn a_chain_never_holds_more_than_two_real_ones() {
    on_each_runtime(async || {
        let ledger = ledger();
        let mut builder = Pipeline::builder("chain").named_input("0", Bytes::new(&ledger)).stage("chain");
        for index in 0..10 {
            builder = builder.factory_named::<copies>((index + 1).to_string(), |wiring| {
                wiring.take("bytes", index.to_string())
            });
        }
        let run = builder.build().unwrap().run().await.unwrap();
        let last = run.find_named::<Bytes>("10").unwrap();
        assert_eq!((last.bytes[0], last.bytes.len()), (11, HEAVY));
        assert_eq!(ledger.heaviest(), 2 * HEAVY);
    });
}

/// It could tell by its name which it is, so that no two are the same to the optimiser.
#[factory]
fn weighs(parcel: Parcel, _context: Context) -> u64 {
    parcel.value
}

#[factory]
async fn weighs_shared(#[delivery(shared)] parcel: Arc<Parcel>, _context: Context) -> u64 {
    parcel.value
}

fn fan_out<F: Factory>(parcel: Parcel) -> Pipeline {
    let mut builder = Pipeline::builder("fan-out").input("parcel", parcel).stage("all");
    for index in 0..5 {
        builder = builder.factory_named::<F>(index.to_string(), |wiring| wiring);
    }
    builder.build().unwrap()
}

#[test]
fn a_fan_out_holds_one_for_each_owner_that_runs() {
    on_each_runtime(async || {
        let ledger = ledger();
        fan_out::<weighs>(ledger.parcel(0, HEAVY)).run().await.unwrap();
        assert!(ledger.heaviest() <= 5 * HEAVY, "one clone for each but the last");
        assert_eq!((ledger.clones(), ledger.live()), (4, 0));
    });
}

#[test]
fn a_bounded_fan_out_holds_one_more_than_run_at_once() {
    on_each_runtime(async || {
        let ledger = ledger();
        fan_out::<weighs>(ledger.parcel(0, HEAVY)).run().concurrency(1).await.unwrap();
        assert_eq!(ledger.heaviest(), 2 * HEAVY);
        assert_eq!((ledger.clones(), ledger.live()), (4, 0));
    });
}

#[test]
fn a_shared_fan_out_holds_one() {
    on_each_runtime(async || {
        let ledger = ledger();
        fan_out::<weighs_shared>(ledger.parcel(0, HEAVY)).run().await.unwrap();
        assert_eq!(ledger.heaviest(), HEAVY);
        assert_eq!((ledger.clones(), ledger.live()), (0, 0));
    });
}
