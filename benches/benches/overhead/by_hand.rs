//! The floor: what one would write for a graph with tokio alone.
//!
//! A task for each node, all spawned at once. Where one node takes an output it awaits the task's `JoinHandle`, which
//! costs nothing more; where several do, each has a oneshot channel. There are no types to erase, nothing is timed, and
//! an error has no name to it.

use setl_benches::shape::Shape;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::measure::Contender;

/// Where a node gets a value.
enum Takes {
    Task(JoinHandle<u64>),
    Channel(oneshot::Receiver<u64>),
}

pub fn contender(shape: &Shape) -> Contender {
    let (graph, consumers) = (shape.takes.clone(), shape.consumers());
    // The code of a graph that is written by hand is its plan: there is nothing to build.
    Contender::new(
        shape,
        || (),
        async move |()| run(&graph, &consumers).await,
        |values| values.iter().fold(0, |sum, value| sum.wrapping_add(*value)),
    )
}

async fn run(graph: &[Vec<usize>], consumers: &[usize]) -> Vec<u64> {
    let mut ways: Vec<Vec<Takes>> = consumers.iter().map(|&count| Vec::with_capacity(count)).collect();
    let mut sinks = Vec::new();
    for (node, takes) in graph.iter().enumerate() {
        let mut taken: [Option<Takes>; 3] = [None, None, None];
        for (place, &from) in taken.iter_mut().zip(takes) {
            *place = ways[from].pop();
        }
        let channels = if consumers[node] > 1 { consumers[node] } else { 0 };
        let senders: Vec<_> = (0..channels)
            .map(|_| {
                let (sender, receiver) = oneshot::channel();
                ways[node].push(Takes::Channel(receiver));
                sender
            })
            .collect();
        let task = tokio::spawn(async move {
            let mut sum = node as u64;
            for way in taken.into_iter().flatten() {
                let value = match way {
                    Takes::Task(task) => task.await.expect("no node panics"),
                    Takes::Channel(receiver) => receiver.await.expect("no node panics"),
                };
                sum = sum.wrapping_add(value);
            }
            for sender in senders {
                sender.send(sum).expect("its consumer waits");
            }
            sum
        });
        match consumers[node] {
            0 => sinks.push(task),
            1 => ways[node].push(Takes::Task(task)),
            _ => {}
        }
    }
    let mut values = Vec::with_capacity(sinks.len());
    for sink in sinks {
        values.push(sink.await.expect("no node panics"));
    }
    values
}
