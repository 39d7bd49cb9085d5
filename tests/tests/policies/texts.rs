//! What is said of runs that did not succeed, word by word.

use super::*;

#[derive(Clone)]
struct Orders;

#[factory(retry(times = 1, backoff = "1s", jitter = false))]
async fn read_orders() -> Result<Orders> {
    Err(lost().context("cannot ask for page 3\nof orders").context("cannot read the orders"))
}

#[factory]
fn parse_rates() -> Result<u8> {
    panic!("no rate for {}", "EUR")
}

#[factory]
fn total(_orders: Orders) -> u32 {
    0
}

#[factory(on_failure = skip)]
fn weather() -> Result<u16> {
    Err(Error::msg("no weather"))
}

#[factory]
fn count() -> Vec<u8> {
    vec![0; 1234]
}

#[pipeline(extract(read_orders, parse_rates, weather, count), load(total))]
struct Daily;

/// Takes the place of a panic out of a text: it moves whenever a line is added.
fn without_place(text: &str) -> String {
    let (before, after) = text.split_once("(tests/tests/policies/texts.rs:").unwrap();
    let (place, after) = after.split_once(')').unwrap();
    assert!(place.split(':').all(|number| number.parse::<u32>().is_ok()), "{place}");
    format!("{before}(texts.rs){after}")
}

#[tokio::test(start_paused = true)]
async fn all_of_it_on_several_lines_and_in_one() {
    let outcome = Daily.run().keep_going().concurrency(1).outcome().await;
    let error = outcome.error().unwrap();
    assert_eq!(
        without_place(&error.full()),
        "pipeline `Daily` failed in 2 factories (`read_orders`, `parse_rates`)

factory `read_orders` of stage `extract` failed in process after 2 attempts
  cannot read the orders
  because cannot ask for page 3
  of orders
  because connection lost

factory `parse_rates` of stage `extract` panicked in process: no rate for EUR (texts.rs)
  hint: a panic is a mistake in the program, and is not tried again: return an error instead

not run because of `read_orders`: `total`
"
    );
}

#[tokio::test(start_paused = true)]
async fn one_line_is_one_line() {
    let error = Daily.run().up_to::<total>().await.unwrap_err();
    assert_eq!(
        error.line(),
        "pipeline `Daily`: factory `read_orders` of stage `extract` failed in process after 2 attempts: cannot read the \
         orders: cannot ask for page 3 of orders: connection lost"
    );
}

#[factory]
fn once() -> Result<i8> {
    Err(lost())
}

#[pipeline(only(once))]
struct Once;

#[tokio::test]
async fn what_may_go_away_is_hinted_at() {
    let error = Once.run().await.unwrap_err();
    assert_eq!(
        error.full(),
        "pipeline `Once` failed

factory `once` of stage `only` failed in process
  connection lost
  hint: it may go away by itself: `#[factory(retry(times = 3))]` tries again
"
    );
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let missing = Daily.run().only::<total>().await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "pipeline `Daily` cannot start:\n  factory `total` needs `_orders` from `read_orders`, which is not part of this \
         run: add it with `.only::<read_orders>()`, ask for `.up_to::<total>()`, or give its output with \
         `.provide::<read_orders>(…)`"
    );
    let unknown = Daily.run().partial().only_named("totl").only_named("nothing at all").await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "pipeline `Daily` cannot start:\n  pipeline `Daily` has no factory `totl`, did you mean `total`?\n  pipeline \
         `Daily` has no factory `nothing at all`; there are `read_orders`, `parse_rates`, `weather`, `count`, `total`"
    );
    assert_eq!(
        unknown.line(),
        "pipeline `Daily` cannot start: pipeline `Daily` has no factory `totl`, did you mean `total`? pipeline `Daily` has \
         no factory `nothing at all`; there are `read_orders`, `parse_rates`, `weather`, `count`, `total`"
    );
    let in_capitals = Daily.run().partial().up_to_named("READORDERS").await.unwrap_err();
    assert!(in_capitals.line().ends_with("did you mean `read_orders`?"), "{in_capitals}");
    let provided = Daily.run().only::<total>().provide::<read_orders>(Orders).await.unwrap();
    assert_eq!(provided.find::<total>(), Some(&0));
}

#[tokio::test]
async fn nothing_between_two_factories_is_no_run() {
    let swapped = Daily.run().from_factory::<total>().up_to::<read_orders>().outcome().await;
    assert_eq!(swapped.code(), 2);
    assert_eq!(
        swapped.error().unwrap().line(),
        "pipeline `Daily` cannot start: nothing lies between `total` and `read_orders`: `read_orders` does not need \
         `total`; are they swapped?"
    );
    let apart = Daily.run().from_factory::<weather>().up_to::<count>().up_to::<total>().await.unwrap_err();
    assert_eq!(
        apart.line(),
        "pipeline `Daily` cannot start: nothing lies between `weather` and `count`, `total`: `count`, `total` do not need \
         `weather`"
    );
}

#[tokio::test]
async fn what_nobody_takes_is_not_provided() {
    let of_another = Daily.run().only::<count>().provide::<read_orders>(Orders).outcome().await;
    assert_eq!(of_another.code(), 2);
    assert_eq!(
        of_another.error().unwrap().line(),
        "pipeline `Daily` cannot start: the output of `read_orders` is provided, but no factory of this run takes it; \
         `total` of the pipeline would: add it with `.only::<total>()`"
    );
    let of_nobody = Daily.run().only::<count>().provide::<total>(3).await.unwrap_err();
    assert_eq!(
        of_nobody.line(),
        "pipeline `Daily` cannot start: the output of `total` is provided, but no factory of this run takes it; no factory \
         of the pipeline does: leave `provide` out"
    );
}

#[tokio::test]
async fn what_is_provided_does_not_run() {
    // `read_orders` would fail.
    let run = Daily.run().up_to::<total>().provide::<read_orders>(Orders).await.unwrap();
    assert_eq!(run.find::<total>(), Some(&0));
    let run = Daily.run().from_factory::<read_orders>().provide::<read_orders>(Orders).await.unwrap();
    assert_eq!(run.find::<total>(), Some(&0));
}

/// Without times, and with one space between columns.
fn masked(table: &str) -> String {
    let line = |line: &str| {
        let mut words: Vec<&str> = Vec::new();
        for word in line.split_whitespace() {
            let number = words.last().is_some_and(|last| last.parse::<f64>().is_ok());
            if number && ["s", "ms", "µs", "s,", "ms,", "µs,", "s:", "ms:", "µs:"].contains(&word) {
                *words.last_mut().unwrap() = "_";
            } else {
                words.push(word);
            }
        }
        words.join(" ")
    };
    table.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn the_table_has_remarks() {
    let outcome = Daily.run().keep_going().concurrency(1).outcome().await;
    let table = outcome.report().unwrap().to_string();
    let rows: Vec<_> = masked(&table).lines().map(str::to_owned).collect();
    assert!(rows[0].starts_with("pipeline Daily (run "));
    // With the phases, the table would be wider than 100 characters.
    assert_eq!(rows[1], "stage factory status start total rows remark");
    assert!(rows[2].chars().all(|character| character == '─'), "{}", rows[2]);
    assert_eq!(
        rows[3..8],
        [
            "extract read_orders failed (2 attempts) _ _",
            "parse_rates failed _ _",
            "weather skipped _ _ it failed: no weather",
            "count ok _ _ 1,234",
            "load total not run needs `read_orders`",
        ]
    );
    assert!(rows[8].starts_with("makespan _ work of the factories _"), "{}", rows[8]);
    assert_eq!(rows.len(), 9);
}
