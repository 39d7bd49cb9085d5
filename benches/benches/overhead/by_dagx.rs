//! dagx: tasks by `#[task]`, with their number as state.
//!
//! A graph is used up by a run, so that it is built for each. Tasks take their inputs by reference, as its documentation
//! recommends, and are spawned on tokio by the closure that its documentation shows.

use dagx::{DagRunner, Task, TaskHandle, task};
use setl_benches::shape::Shape;

use crate::measure::Contender;

struct First(u64);

#[task]
impl First {
    async fn run(&self) -> u64 {
        self.0
    }
}

struct Add1(u64);

#[task]
impl Add1 {
    async fn run(&self, a: &u64) -> u64 {
        self.0.wrapping_add(*a)
    }
}

struct Add2(u64);

#[task]
impl Add2 {
    async fn run(&self, a: &u64, b: &u64) -> u64 {
        self.0.wrapping_add(*a).wrapping_add(*b)
    }
}

struct Add3(u64);

#[task]
impl Add3 {
    async fn run(&self, a: &u64, b: &u64, c: &u64) -> u64 {
        self.0.wrapping_add(*a).wrapping_add(*b).wrapping_add(*c)
    }
}

pub fn contender(shape: &Shape) -> Contender {
    let (graph, sinks) = (shape.takes.clone(), shape.sinks());
    Contender::new(
        shape,
        move || build(&graph),
        async |(dag, handles): (DagRunner, Vec<TaskHandle<u64>>)| {
            dag.run(|task| {
                tokio::spawn(task);
            })
            .await
            .expect("no task fails");
            (dag, handles)
        },
        move |(dag, handles)| {
            let output = |&node: &usize| dag.get(handles[node]).expect("every output is kept");
            sinks.iter().map(output).fold(0u64, u64::wrapping_add)
        },
    )
}

fn build(graph: &[Vec<usize>]) -> (DagRunner, Vec<TaskHandle<u64>>) {
    let dag = DagRunner::new();
    let mut handles: Vec<TaskHandle<u64>> = Vec::with_capacity(graph.len());
    for (node, takes) in graph.iter().enumerate() {
        let number = node as u64;
        let handle = match **takes {
            [] => dag.add_task(First(number)).into(),
            [a] => dag.add_task(Add1(number)).depends_on(handles[a]),
            [a, b] => dag.add_task(Add2(number)).depends_on((&handles[a], &handles[b])),
            [a, b, c] => dag.add_task(Add3(number)).depends_on((&handles[a], &handles[b], &handles[c])),
            _ => unreachable!("no node takes more than three"),
        };
        handles.push(handle);
    }
    (dag, handles)
}
