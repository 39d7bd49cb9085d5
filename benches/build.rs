//! Writes one `#[pipeline]` for each shape: a type for each payload, a function for each factory.

use std::fmt::Write as _;
use std::path::PathBuf;

#[path = "src/shape.rs"]
#[allow(dead_code, reason = "the benches use the rest")]
mod shape;

use shape::Shape;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/shape.rs");
    let text: String = Shape::with_pipelines().iter().map(pipeline).collect();
    let directory = std::env::var_os("OUT_DIR").expect("cargo sets it for build scripts");
    std::fs::write(PathBuf::from(directory).join("pipelines.rs"), text).expect("cargo made the directory");
}

fn pipeline(shape: &Shape) -> String {
    let mut text = format!("pub mod {} {{\n    use setl::prelude::*;\n", shape.ident);
    for (node, takes) in shape.takes.iter().enumerate() {
        let parameters: Vec<_> = takes.iter().map(|from| format!("from_{from}: Out{from}")).collect();
        let sum: String = takes.iter().map(|from| format!(".wrapping_add(from_{from}.0)")).collect();
        write!(
            text,
            "
    #[derive(Clone, Copy)]
    pub struct Out{node}(pub u64);

    #[factory]
    async fn node_{node}({}) -> Out{node} {{
        Out{node}({node}u64{sum})
    }}
",
            parameters.join(", ")
        )
        .expect("a string takes all");
    }
    let factories: Vec<_> = (0..shape.takes.len()).map(|node| format!("node_{node}")).collect();
    let outputs: String = shape
        .sinks()
        .iter()
        .map(|node| format!("        sum = sum.wrapping_add(run.get::<node_{node}>().0);\n"))
        .collect();
    write!(
        text,
        "
    #[pipeline(all({}))]
    pub struct Graph;

    pub fn sum(run: &setl::Run<Graph>) -> u64 {{
        let mut sum = 0u64;
{outputs}        sum
    }}
}}
",
        factories.join(", ")
    )
    .expect("a string takes all");
    text
}
