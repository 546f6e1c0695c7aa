//! Measures CPU time and memory of processes, and prints figures as a table.

use crate::process::children_of;
use std::process::ExitCode;
use std::time::Duration;

/// CPU time (user and system) of a process and its running descendants.
pub fn cpu_time(pid: u32) -> Duration {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let ticks: u64 = tree(pid).into_iter().filter_map(ticks_of).sum();
    Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64)
}

fn ticks_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The text after the name in brackets starts with field 3. Fields 14 and 15 are utime and
    // stime, 16 and 17 those of reaped children.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
    (11..=14).map(|at| fields.get(at)?.parse::<u64>().ok()).sum()
}

/// Sum of the proportional set sizes (PSS) of processes, in bytes.
pub fn memory(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum::<u64>() * 1024
}

/// Peak resident memory of a process, in bytes.
pub fn peak_memory(pid: u32) -> u64 {
    status(pid, "VmHWM:") * 1024
}

/// Resident memory of a process, in bytes.
pub fn resident_memory(pid: u32) -> u64 {
    status(pid, "VmRSS:") * 1024
}

fn status(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let found = status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.split_whitespace().next()?.parse::<u64>().ok());
    found.unwrap_or_default()
}

fn tree(pid: u32) -> Vec<u32> {
    std::iter::once(pid).chain(children_of(pid).into_iter().map(|(child, _)| child)).collect()
}

/// Median.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// Quantile: the value below which `share` of all values are.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 - 1.0) * share).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// Runs a benchmark, prints its figures, and returns failure if a bar is missed.
pub fn bench(title: &str, measure: impl Future<Output = Vec<Figure>>) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    exit_code(print_figures(title, &runtime.block_on(measure)))
}

/// The exit code of a benchmark.
pub fn exit_code(reached: bool) -> ExitCode {
    if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A row of the table: name, measured value, required value, and whether it is reached.
#[derive(Debug)]
pub struct Figure {
    name: String,
    measured: String,
    bar: String,
    reached: Option<bool>,
}

impl Figure {
    /// A figure with a required value (`bar`).
    pub fn against(name: &str, measured: impl Into<String>, bar: &str, reached: bool) -> Self {
        Self {
            name: name.to_owned(),
            measured: measured.into(),
            bar: bar.to_owned(),
            reached: Some(reached),
        }
    }

    /// A figure without a required value.
    pub fn plain(name: &str, measured: impl Into<String>) -> Self {
        Self { name: name.to_owned(), measured: measured.into(), bar: String::new(), reached: None }
    }
}

/// Prints the figures as a table whose heading names the machine. Returns whether all bars are
/// reached.
pub fn print_figures(title: &str, figures: &[Figure]) -> bool {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\n{title} ({cores} cores, {model})");
    for figure in figures {
        let verdict = match figure.reached {
            Some(true) => "reached",
            Some(false) => "NOT REACHED",
            None => "",
        };
        println!("  {:<58} {:>22}  {:<16} {verdict}", figure.name, figure.measured, figure.bar);
    }
    figures.iter().all(|figure| figure.reached != Some(false))
}
