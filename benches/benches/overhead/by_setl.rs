//! setl: a `#[pipeline]`, whose plan is a constant; for 10,000 nodes a `Pipeline`, put together at run time.

use setl::prelude::*;
use setl_benches::shape::Shape;

use crate::measure::Contender;

include!(concat!(env!("OUT_DIR"), "/pipelines.rs"));

pub fn contender(shape: &Shape) -> Contender {
    macro_rules! pipeline {
        ($module:ident) => {
            Contender::new(
                shape,
                || $module::Graph,
                async |graph: $module::Graph| graph.run().await.expect("no factory fails"),
                $module::sum,
            )
        };
    }
    match shape.ident {
        "chain_5" => pipeline!(chain_5),
        "chain_100" => pipeline!(chain_100),
        "diamond" => pipeline!(diamond),
        "fan_out_100" => pipeline!(fan_out_100),
        "layered_1000" => pipeline!(layered_1000),
        _ => independent(shape),
    }
}

/// Names tell the factories apart, since they all have one type, and so each finds its number in its name.
#[factory]
async fn numbered(context: Context) -> u64 {
    context.factory()[5..].parse().expect("every name is `node_` and a number")
}

fn independent(shape: &Shape) -> Contender {
    let nodes = shape.takes.len();
    assert!(shape.takes.iter().all(Vec::is_empty), "only what has no edges is built at run time");
    let build = move || {
        let mut builder = Pipeline::builder("independent").stage("all");
        for node in 0..nodes {
            builder = builder.factory_named::<numbered>(format!("node_{node}"), |wiring| wiring);
        }
        builder.build().expect("nothing is wired")
    };
    let sum = move |run: &setl::Run<Pipeline>| {
        let output = |node| run.find_named::<u64>(&format!("node_{node}")).expect("it is kept");
        (0..nodes).map(output).fold(0u64, |sum, value| sum.wrapping_add(*value))
    };
    let run = async |pipeline: Pipeline| pipeline.run().await.expect("no factory fails");
    Contender::new(shape, build, run, sum).remark(" ¹")
}
