//! What a pipeline of N factories adds to `cargo check`, beside as many dagx tasks.
//!
//! Writes one crate for each contender and size to a temporary directory, all with the same dependencies, and checks
//! each again and again after touching its source; the dependencies stay checked. From each time that of a crate with
//! nothing in it is taken off.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use setl_benches::shape::{Random, Shape};
use setl_benches::stats::{median, table};

const SIZES: [usize; 3] = [10, 100, 500];
const CONTENDERS: [&str; 2] = ["setl", "dagx"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--rounds").skip(1);
    let rounds: usize = arguments.next().map_or(Ok(9), |rounds| rounds.parse())?;
    let root = std::env::temp_dir().join("setl-compile-time");
    let target = root.join("target");
    fs::create_dir_all(&root)?;
    let mut crates: BTreeMap<(&str, usize), PathBuf> = BTreeMap::new();
    crates.insert(("empty", 0), write_crate(&root, "empty", 0, "")?);
    for nodes in SIZES {
        let shape = Shape::layered("", "", nodes, 10, Random::new(nodes as u64));
        let shape = with_three_deliveries(shape);
        for contender in CONTENDERS {
            let source = if contender == "setl" { by_setl(&shape) } else { by_dagx(&shape) };
            crates.insert((contender, nodes), write_crate(&root, contender, nodes, &source)?);
        }
    }
    for (name, directory) in &crates {
        let seconds = check(directory, &target)?;
        eprintln!("{name:?}: {seconds:.2} s at first");
    }
    let mut seconds: BTreeMap<(&str, usize), Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        for (&name, directory) in &crates {
            let source = directory.join("src/lib.rs");
            // Cargo looks at the time of the last change only.
            fs::File::options().write(true).open(&source)?.set_modified(std::time::SystemTime::now())?;
            seconds.entry(name).or_default().push(check(directory, &target)?);
        }
    }
    let empty = median(seconds[&("empty", 0)].clone());
    let added = |name, nodes| median(seconds[&(name, nodes)].clone()) - empty;
    let mut rows = Vec::new();
    for (at, &nodes) in SIZES.iter().enumerate() {
        let [setl, dagx] = CONTENDERS.map(|name| added(name, nodes));
        let mut row = vec![nodes.to_string(), millis(setl), millis(dagx), format!("{:.2}", setl / dagx)];
        for name in CONTENDERS {
            row.push(match at.checked_sub(1).map(|before| SIZES[before]) {
                Some(before) => {
                    let times = added(name, nodes) / added(name, before);
                    format!("{:.2}", times.ln() / (nodes as f64 / before as f64).ln())
                }
                None => String::new(),
            });
        }
        rows.push(row);
    }
    println!("`cargo check` of a crate with nothing in it takes {}; what is added to it:\n", millis(empty));
    let header = ["factories", "setl", "dagx", "setl / dagx", "growth of setl", "growth of dagx"];
    println!("{}", table(&header, &rows));
    Ok(())
}

fn millis(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1e3)
}

/// Makes all nodes take as much as they can: three deliveries, or as many as there are nodes in the first layer.
fn with_three_deliveries(mut shape: Shape) -> Shape {
    let mut random = Random::new(3);
    for node in 0..shape.takes.len() {
        let Some(&first) = shape.takes[node].first() else { continue };
        let end = node / 10 * 10;
        let start = first.min(end.saturating_sub(3));
        while shape.takes[node].len() < 3 {
            let from = start + random.below(end - start);
            if !shape.takes[node].contains(&from) {
                shape.takes[node].push(from);
            }
        }
    }
    shape
}

fn write_crate(root: &Path, contender: &str, nodes: usize, source: &str) -> Result<PathBuf, Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = format!("{contender}-{nodes}");
    let directory = root.join(&name);
    fs::create_dir_all(directory.join("src"))?;
    let manifest = format!(
        "[package]
name = \"{name}\"
version = \"0.0.0\"
edition = \"2024\"

[workspace]

[dependencies]
dagx = \"0.3\"
futures = \"0.3\"
setl = {{ path = {:?}, default-features = false }}
",
        here.join("../runtime")
    );
    fs::write(directory.join("Cargo.toml"), manifest)?;
    // The versions that were measured at run time.
    fs::copy(here.join("Cargo.lock"), directory.join("Cargo.lock"))?;
    fs::write(directory.join("src/lib.rs"), source)?;
    Ok(directory)
}

/// Checks a crate, and gives the seconds it took.
fn check(directory: &Path, target: &Path) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let output = Command::new("cargo")
        .args(["check", "--quiet", "--offline"])
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", target)
        // An incremental build would find most of its results of the last time.
        .env("CARGO_INCREMENTAL", "0")
        .output()?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(seconds)
}

fn by_setl(shape: &Shape) -> String {
    let mut text =
        "#![allow(dead_code, reason = \"it is only checked\")]\nuse setl::prelude::*;\n".to_owned();
    for (node, takes) in shape.takes.iter().enumerate() {
        let fields: String =
            takes.iter().map(|from| format!("    #[delivery]\n    from_{from}: Out{from},\n")).collect();
        let sum: String = takes.iter().map(|from| format!(" + self.from_{from}.0")).collect();
        let _ = write!(
            text,
            "
#[derive(Clone)]
struct Out{node}(u64);

#[factory(output = Out{node})]
struct Node{node} {{
{fields}}}

impl Factory for Node{node} {{
    async fn process(&mut self) -> Result<Out{node}> {{
        Ok(Out{node}({node}{sum}))
    }}
}}
"
        );
    }
    let stages: Vec<_> = (0..shape.takes.len())
        .collect::<Vec<_>>()
        .chunks(10)
        .enumerate()
        .map(|(stage, nodes)| {
            let nodes: Vec<_> = nodes.iter().map(|node| format!("Node{node}")).collect();
            format!("    stage_{stage}({})", nodes.join(", "))
        })
        .collect();
    let _ = write!(text, "\n#[pipeline(\n{},\n)]\npub struct Graph;\n", stages.join(",\n"));
    text += "\npub fn build() -> setl::RunBuilder<Graph> {\n    Graph.run()\n}\n";
    text
}

fn by_dagx(shape: &Shape) -> String {
    let mut text = "#![allow(dead_code, unused_variables, reason = \"it is only checked\")]\nuse dagx::{DagRunner, Task, task};\n".to_owned();
    let mut build = String::new();
    for (node, takes) in shape.takes.iter().enumerate() {
        let parameters: Vec<_> = takes.iter().map(|from| format!("from_{from}: &Out{from}")).collect();
        let sum: String = takes.iter().map(|from| format!(" + from_{from}.0")).collect();
        let _ = write!(
            text,
            "
#[derive(Clone)]
struct Out{node}(u64);

struct Node{node};

#[task]
impl Node{node} {{
    async fn run({}) -> Out{node} {{
        Out{node}({node}{sum})
    }}
}}
",
            parameters.join(", ")
        );
        let handles: Vec<_> = takes.iter().map(|from| format!("&node_{from}")).collect();
        let depends = match takes.len() {
            0 => format!("let node_{node}: dagx::TaskHandle<_> = dag.add_task(Node{node}).into();"),
            _ => format!("let node_{node} = dag.add_task(Node{node}).depends_on(({}));", handles.join(", ")),
        };
        let _ = writeln!(build, "    {depends}");
    }
    let _ = write!(text, "\npub fn build(dag: &DagRunner) {{\n{build}}}\n");
    text
}
