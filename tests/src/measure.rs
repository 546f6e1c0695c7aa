//! Measuring from outside: CPU time and memory of a process tree, quantiles, and a table.

use crate::process::children_of;
use std::time::Duration;

/// CPU time (user and system) that a process and its living descendants have used.
pub fn cpu_time(pid: u32) -> Duration {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let ticks: u64 = tree(pid).into_iter().filter_map(ticks_of).sum();
    Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64)
}

fn ticks_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name in brackets: state is field 3, utime and stime are fields 14 and 15, those of
    // reaped children 16 and 17.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
    (11..=14).map(|at| fields.get(at)?.parse::<u64>().ok()).sum()
}

/// Proportional set size (each shared page counted once, in parts) of single processes, in bytes.
pub fn memory(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum::<u64>() * 1024
}

/// The most memory that a process ever had resident, in bytes.
pub fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok()
    });
    peak.unwrap_or_default() * 1024
}

fn tree(pid: u32) -> Vec<u32> {
    std::iter::once(pid).chain(children_of(pid).into_iter().map(|(child, _)| child)).collect()
}

/// The middle value.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which `share` of all lie.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 - 1.0) * share).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// A row of figures: what, measured, the bar that it must reach, and whether it does.
#[derive(Debug)]
pub struct Figure {
    name: String,
    measured: String,
    bar: String,
    reached: Option<bool>,
}

impl Figure {
    /// A figure with a bar.
    pub fn against(name: &str, measured: impl Into<String>, bar: &str, reached: bool) -> Self {
        Self {
            name: name.to_owned(),
            measured: measured.into(),
            bar: bar.to_owned(),
            reached: Some(reached),
        }
    }

    /// A figure for information.
    pub fn plain(name: &str, measured: impl Into<String>) -> Self {
        Self { name: name.to_owned(), measured: measured.into(), bar: String::new(), reached: None }
    }
}

/// Prints the figures as a table, under the machine that they were measured on. Returns whether all
/// bars are reached.
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
