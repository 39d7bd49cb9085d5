//! What a process has used so far.

use std::fs;

use anyhow::{Context, Result};

/// CPU seconds of all threads, to a hundredth.
pub fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program is in parentheses and may hold spaces; user and system time are fields 14 and 15.
    let fields = stat.rsplit_once(')').context("no name in /proc/self/stat")?.1;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() as f64 / 100.0)
}

/// The most memory that was ever resident, in MiB.
pub fn peak_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
