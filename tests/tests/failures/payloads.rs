use super::*;

#[factory]
fn passes(parcel: Parcel) -> Passed {
    Passed(parcel)
}

#[derive(Clone)]
struct Passed(#[expect(dead_code, reason = "only counted")] Parcel);

#[factory]
fn fails(_passed: Passed) -> Result<Orders> {
    Err(Error::msg("enough"))
}

#[factory]
fn never(_passed: Passed, _parcel: Parcel, _orders: Orders) {}

#[pipeline(only(passes, fails, never))]
struct Leftovers {
    parcel: Parcel,
}

#[test]
fn nothing_is_left_of_a_failed_run() {
    on_each_runtime(async || {
        let ledger = Arc::new(Ledger::default());
        let error = Leftovers { parcel: ledger.parcel(0, 0) }.run().await.unwrap_err();
        assert_eq!(ledger.live(), 0, "what was meant for factories that did not run is dropped");
        assert_eq!(error.failures()[0].factory, "fails");
    });
}

#[derive(Clone, Default)]
struct Held(Arc<std::sync::Mutex<Option<Context>>>);

#[factory]
fn hands_out_its_context(held: Held, context: Context, _parcel: Parcel) -> Result<Orders> {
    *held.0.lock().unwrap() = Some(context);
    Err(Error::msg("enough"))
}

#[factory]
fn never_either(_parcel: Parcel, _orders: Orders) {}

#[pipeline(only(hands_out_its_context, never_either))]
struct Outlived {
    held: Held,
    parcel: Parcel,
}

#[test]
fn a_context_that_outlives_the_run_holds_no_payload() {
    on_each_runtime(async || {
        let (held, ledger) = (Held::default(), Arc::new(Ledger::default()));
        let run = Outlived { held: held.clone(), parcel: ledger.parcel(0, 0) }.run();
        run.await.unwrap_err();
        assert_eq!(ledger.live(), 0);
        let context = held.0.lock().unwrap().take().unwrap();
        assert!(context.is_cancelled());
        assert_eq!(context.factory(), "hands_out_its_context");
        context.progress(1, None);
    });
}
