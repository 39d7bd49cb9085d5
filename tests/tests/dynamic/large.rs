//! Pipelines of many factories: what is looked up for each is found at once. The bench `large` has the figures.

use super::*;

const MANY: usize = 5_000;

#[factory]
async fn step(orders: Orders) -> Orders {
    orders
}

// Those that are the same would be run once.
#[factory(volatile)]
async fn breaks(orders: Orders) -> Result<u64> {
    drop(orders);
    Err(setl::Error::msg("enough"))
}

#[factory]
async fn needs(number: u64) -> u64 {
    number
}

/// Each factory takes what the one before delivers.
fn chain() -> Builder {
    let chain = Pipeline::builder("chain").input("0", Orders(vec![1])).stage("steps");
    (1..=MANY).fold(chain, |chain, index| {
        chain
            .factory_named::<step>(index.to_string(), |wiring| wiring.take("orders", (index - 1).to_string()))
    })
}

#[tokio::test]
async fn a_long_chain_is_built_and_run() {
    let run = chain().build().unwrap().run().await.unwrap();
    assert_eq!(run.find_named::<Orders>(&MANY.to_string()).unwrap().0, [1]);
}

#[test]
fn of_many_unknown_names_each_is_told_and_some_get_a_proposal() {
    let wrong = (0..MANY).fold(chain(), |wrong, index| {
        wrong.factory_named::<step>(format!("w{index}"), |wiring| wiring.take("orders", format!("{index}x")))
    });
    let mistakes = wrong.build().unwrap_err().mistakes;
    assert_eq!(mistakes.len(), MANY);
    assert_eq!(mistakes.iter().filter(|mistake| mistake.contains("did you mean")).count(), 20);
    assert!(mistakes[0].contains("is named `0x`, did you mean `0`?"), "{}", mistakes[0]);
}

#[tokio::test]
async fn many_failures_are_told_one_by_one_and_named_in_short() {
    let failing = Pipeline::builder("failing").input("orders", Orders(vec![1])).stage("only");
    let failing = (0..MANY).fold(failing, |failing, index| {
        let failing =
            failing.factory_named::<breaks>(format!("b{index}"), |wiring| wiring.take("orders", "orders"));
        failing
            .factory_named::<needs>(format!("s{index}"), |wiring| wiring.take("number", format!("b{index}")))
    });
    let error = failing.build().unwrap().run().keep_going().await.unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
    assert!(
        error.to_string().contains("`, `")
            && error.to_string().ends_with(&format!(" and {} more)", MANY - 10)),
        "{error}"
    );
    let text = error.full();
    assert_eq!(text.matches(" of stage `only` failed in process").count(), MANY);
    assert_eq!(text.matches("not run because of `b").count(), MANY);
}
