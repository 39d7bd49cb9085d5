use super::*;

/// Builds, and compares every mistake.
#[track_caller]
pub(super) fn check(builder: Builder, expected: &[&str]) {
    let error = builder.build().unwrap_err();
    assert_eq!(error.mistakes, expected);
    assert_eq!(error.pipeline, "daily");
    assert_eq!(error.to_string(), format!("pipeline `daily` is not wired:\n  {}", expected.join("\n  ")));
}

fn daily() -> Builder {
    Pipeline::builder("daily").stage("all")
}

#[test]
fn nothing_delivers_it() {
    check(
        daily().factory::<sum>(),
        &["nothing in pipeline `daily` delivers `Orders`; factory `sum` takes it as `orders`: \
           add a factory whose output it is, or an input of this type"],
    );
}

struct Raw;

#[factory]
fn sum_raw(#[delivery(id = Raw)] orders: Orders) -> u32 {
    orders.0.iter().sum()
}

#[test]
fn nothing_delivers_it_under_its_id() {
    check(
        daily().factory::<read>().factory::<sum_raw>(),
        &[
            "nothing in pipeline `daily` delivers `Orders` with id `Raw`; factory `sum_raw` takes it as `orders`: \
           add a factory whose output it is, or an input of this type",
        ],
    );
}

#[test]
fn two_factories_deliver_it() {
    check(
        daily().factory::<read>().factory::<read_again>().factory::<sum>(),
        &["both `read` and `read_again` deliver `Orders`: give one of them an id, or a name of its own"],
    );
}

#[test]
fn an_input_and_a_factory_deliver_it() {
    check(
        daily().input("orders", Orders(vec![])).factory::<read>().factory::<sum>(),
        &["both `orders` and `read` deliver `Orders`: give one of them an id, or a name of its own"],
    );
}

#[test]
fn two_inputs_deliver_it() {
    check(
        daily().input("a", vec![Some(1u8)]).input("b", vec![Some(2u8)]).factory::<read>(),
        &["both `a` and `b` deliver `Vec<Option<u8>>`: give one of them an id, or a name of its own"],
    );
}

#[factory]
fn egg(_total: Total) -> Orders {
    Orders(vec![])
}

#[test]
fn factories_deliver_in_a_cycle() {
    check(
        daily().factory::<sum>().factory::<egg>(),
        &["pipeline `daily`: factories deliver to each other in a cycle: sum <- egg <- sum; \
           let one of them take something from outside of the cycle"],
    );
}

#[factory]
fn itself(orders: Orders) -> Orders {
    orders
}

#[test]
fn a_factory_takes_its_own_output() {
    check(
        daily().factory::<itself>(),
        &["pipeline `daily`: a factory takes its own output: itself <- itself; \
           let it take what another factory or an input delivers, or give its output an id"],
    );
    check(
        daily().factory_named::<itself>("again", |wiring| wiring.take("orders", "again")),
        &["pipeline `daily`: a factory takes its own output: again <- again; \
           let it take what another factory or an input delivers, or give its output an id"],
    );
}

#[test]
fn a_barrier_stands_between() {
    check(
        Pipeline::builder("daily").stage("early").barrier().factory::<sum>().stage("late").factory::<read>(),
        &[
            "pipeline `daily`: factories wait for each other in a cycle: sum <- read (in a later stage) <- the barrier of stage \
           `early` <- sum; move the factory that is needed earlier to an earlier place, or drop the barrier or \
           `sequential`",
        ],
    );
}

#[test]
fn a_sequence_stands_against_it() {
    check(
        daily().sequential().factory::<sum>().factory::<read>(),
        &[
            "pipeline `daily`: factories wait for each other in a cycle: sum <- read (in its stage's order) <- sum; \
           move the factory that is needed earlier to an earlier place, or drop the barrier or `sequential`",
        ],
    );
}

#[test]
fn a_factory_is_listed_twice() {
    check(
        daily().factory::<read>().factory::<read>().factory::<sum>(),
        &["factory `read` is listed twice: each factory runs once in a run; to run the same code on other \
           deliveries, give it a name with `.factory_named::<read>(\"…\", …)`"],
    );
}

#[test]
fn an_input_is_named_like_something_else() {
    check(
        daily().input("read", 1u8).input("n", 2u16).input("n", 3u32).factory::<read>(),
        &[
            "`read` is the name of two things: an input needs a name of its own",
            "`n` is the name of two things: an input needs a name of its own",
        ],
    );
}

#[test]
fn a_name_is_unknown() {
    check(
        daily()
            .factory_named::<read>("read 1", |wiring| wiring)
            .factory_named::<sum>("sum 1", |wiring| wiring.take("orders", "raed 1"))
            .factory_named::<sum>("sum 2", |wiring| wiring.take("orders", "elsewhere")),
        &[
            "nothing in pipeline `daily` is named `raed 1`, did you mean `read 1`?; \
             factory `sum 1` takes it as `orders`",
            "nothing in pipeline `daily` is named `elsewhere`; factory `sum 2` takes it as `orders`",
        ],
    );
}

#[test]
fn a_name_delivers_something_else() {
    check(
        daily()
            .input("title", String::new())
            .factory_named::<sum>("sum 1", |wiring| wiring.take("orders", "title"))
            .factory_named::<sum>("sum 2", |wiring| wiring.take("orders", "sum 1")),
        &[
            "`title` does not deliver `Orders`; factory `sum 1` takes it as `orders`",
            "`sum 1` does not deliver `Orders`; factory `sum 2` takes it as `orders`",
        ],
    );
}

#[test]
fn a_delivery_is_unknown() {
    check(
        daily()
            .input("title", String::new())
            .factory::<sum>()
            .factory::<read>()
            .factory_named::<report>("r", |wiring| wiring.take("totl", "sum").take("title", "title"))
            .factory_named::<read>("again", |wiring| wiring.take("orders", "read")),
        &[
            "factory `r` has no delivery `totl`: it takes `total`, `title`",
            "factory `again` has no delivery `orders`: it takes nothing",
        ],
    );
}

#[test]
fn a_delivery_is_wired_twice() {
    check(
        daily()
            .factory::<read>()
            .factory_named::<sum>("s", |wiring| wiring.take("orders", "read").take("orders", "s")),
        &["factory `s` takes `orders` twice, from `read` and from `s`: drop one of them"],
    );
}

#[test]
fn a_factory_is_in_no_stage() {
    check(
        Pipeline::builder("daily").factory::<read>(),
        &["factory `read` is in no stage: call `.stage(\"…\")` before it"],
    );
}

#[test]
fn an_option_is_of_no_stage() {
    check(
        Pipeline::builder("daily").barrier().stage("all").factory::<read>(),
        &["a stage option comes before the first stage: call `.stage(\"…\")` first"],
    );
}

#[test]
fn a_pipeline_is_empty() {
    let text = "pipeline `daily` has no factories: add a stage and factories to it";
    check(Pipeline::builder("daily"), &[text]);
    check(daily(), &[text]);
}

#[test]
fn what_may_be_absent_is_needed() {
    let text = "pipeline `daily`: factory `sum` needs `orders` in every run, but input `orders` may be absent; take it \
                as `#[delivery(optional)] orders: Option<Orders>`, or make the input one that is always there";
    check(daily().optional_input::<Orders>("orders", None).factory::<sum>(), &[text]);
    check(daily().optional_input("orders", Some(Orders(vec![]))).factory::<sum>(), &[text]);
}

#[test]
fn what_may_be_absent_is_needed_by_name() {
    check(
        daily()
            .optional_input("perhaps", Some(Orders(vec![])))
            .factory_named::<sum>("s", |wiring| wiring.take("orders", "perhaps")),
        &[
            "pipeline `daily`: factory `s` needs `orders` in every run, but input `perhaps` may be absent; take it as \
           `#[delivery(optional)] orders: Option<Orders>`, or make the input one that is always there",
        ],
    );
}

#[test]
fn what_is_kept_is_unknown() {
    check(
        daily().factory::<read>().factory::<sum>().keep("raed").keep("nowhere"),
        &[
            "`keep(raed)` names a factory that is in no stage, did you mean `read`?",
            "`keep(nowhere)` names a factory that is in no stage",
        ],
    );
}

#[factory]
fn sum_read(#[delivery(producer = read)] orders: Orders) -> u32 {
    orders.0.iter().sum()
}

#[test]
fn a_producer_is_not_listed() {
    check(
        daily().factory::<read_again>().factory::<sum_read>(),
        &["pipeline `daily` does not list the factory `read`; factory `sum_read` takes it as `orders`"],
    );
}

#[factory]
fn sum_read_with<T: Clone>(#[delivery(producer = read)] orders: Orders, other: T) -> (u32, T) {
    (orders.0.iter().sum(), other)
}

#[test]
fn a_producer_of_a_generic_factory_is_not_listed() {
    check(
        daily().input("other", 1u8).factory::<sum_read_with<u8>>(),
        &["pipeline `daily` does not list the factory `read`; factory `sum_read_with` takes it as `orders`"],
    );
}

#[test]
fn a_producer_is_listed_under_two_names() {
    check(
        daily().factory::<read>().factory_named::<read>("again", |wiring| wiring).factory::<sum_read>(),
        &["`read` and `again` are both the factory `read`; factory `sum_read` takes it as `orders`: \
           say which with `.take(\"orders\", …)`"],
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    check(
        daily().factory::<sum>().factory::<report>().keep("x").factory::<sum>(),
        &[
            "factory `sum` is listed twice: each factory runs once in a run; to run the same code on other \
             deliveries, give it a name with `.factory_named::<sum>(\"…\", …)`",
            "`keep(x)` names a factory that is in no stage",
            "nothing in pipeline `daily` delivers `Orders`; factory `sum` takes it as `orders`: \
             add a factory whose output it is, or an input of this type",
            "nothing in pipeline `daily` delivers `String`; factory `report` takes it as `title`: \
             add a factory whose output it is, or an input of this type",
            "nothing in pipeline `daily` delivers `Orders`; factory `sum` takes it as `orders`: \
             add a factory whose output it is, or an input of this type",
        ],
    );
}

#[factory]
fn diff(before: Orders, after: Orders) -> i64 {
    after.0.len() as i64 - before.0.len() as i64
}

#[test]
fn one_value_is_taken_twice() {
    check(
        daily().factory::<read>().factory::<diff>(),
        &[
            "pipeline `daily`: factory `diff` takes `before` and `after`, and both are the one value of `read`: take it once, or \
           tell two of them apart by `#[delivery(id = ...)]` or `#[delivery(producer = ...)]`",
        ],
    );
}

#[factory(on_failure = fallback(diff_of_one))]
fn diff_of_both() -> Result<i64> {
    Ok(0)
}

#[factory]
fn diff_of_one(before: Orders, after: Orders) -> i64 {
    after.0.len() as i64 - before.0.len() as i64
}

#[test]
fn one_value_is_taken_twice_by_a_fallback() {
    check(
        daily().factory::<read>().factory::<diff_of_both>(),
        &[
            "pipeline `daily`: fallback `diff_of_one` of factory `diff_of_both` takes `before` and `after`, and both are the one \
           value of `read`: take it once, or tell two of them apart by `#[delivery(id = ...)]` or `#[delivery(producer = ...)]`",
        ],
    );
}

#[factory]
fn pass_on(context: Context) -> Context {
    context
}

#[factory]
fn name(context: Context) -> String {
    context.factory().to_owned()
}

#[tokio::test]
async fn the_context_is_delivered_by_something_else() {
    check(
        daily().factory::<pass_on>().factory::<name>(),
        &[
            "`pass_on` delivers `Context`, which every pipeline supplies itself: give it an id, or a name of its own",
        ],
    );

    let passing = daily().factory_named::<pass_on>("passing", |wiring| wiring);
    let pipeline =
        passing.factory_named::<name>("name", |wiring| wiring.take("context", "passing")).build().unwrap();
    assert_eq!(pipeline.run().await.unwrap().find::<name>().unwrap(), "passing");
}

#[test]
fn a_stage_is_there_twice() {
    check(
        daily()
            .factory::<read>()
            .stage("other")
            .factory::<sum>()
            .stage("all")
            .factory::<report>()
            .input("title", String::new()),
        &["stage `all` is there twice: put all its factories into one"],
    );
}

#[factory]
fn parsed<T: From<u8>>(number: u8) -> Vec<T> {
    vec![T::from(number)]
}

#[factory(output = T)]
struct Load<T: Send + Sync + 'static> {
    marker: std::marker::PhantomData<T>,
}

impl<T: Send + Sync> Factory for Load<T> {
    async fn process(&mut self) -> Result<T> {
        Err(setl::Error::msg("not there"))
    }
}

#[test]
fn an_output_is_a_result() {
    check(
        daily().factory::<Load<std::result::Result<u8, std::fmt::Error>>>(),
        &[
            "factory `Load` delivers `Result<u8, Error>`, so that an error would be delivered, and the run would succeed: let its \
           output be what is delivered if there was no error",
        ],
    );
    daily().factory::<Load<Option<std::result::Result<u8, std::fmt::Error>>>>().build().unwrap();
    daily().input("number", 1u8).factory::<parsed<u16>>().build().unwrap();
}

#[factory(id = Raw)]
fn read_raw() -> Orders {
    Orders(vec![])
}

#[test]
fn two_deliver_it_under_one_id() {
    check(
        daily().input_with_id::<Raw, _>("old", Orders(vec![])).factory::<read_raw>(),
        &[
            "both `old` and `read_raw` deliver `Orders` with id `Raw`: give one of them another id, or a name of its own",
        ],
    );
}

#[test]
fn an_input_is_to_be_kept() {
    check(
        daily().input("orders", Orders(vec![])).factory::<sum>().keep("orders"),
        &["`keep(orders)` names a factory that is in no stage"],
    );
}
