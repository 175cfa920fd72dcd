//! What a process costs, as the kernel counts it.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// What the kernel counts in, on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// The time that a process has had a core.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    // The name is in parentheses and may contain anything; 11 fields further on are utime and stime.
    let fields = text.rsplit_once(')').context("a process has a name")?.1;
    let ticks: u64 =
        fields.split_ascii_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now, in MiB.
    pub(crate) resident: f64,
    /// The most so far, in MiB.
    pub(crate) peak: f64,
}

/// The memory that a process has now, and the most that it ever had.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid}"))?;
    let field = |name: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| name.to_owned())?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    };
    Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

/// Sends a signal to a process of ours.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a process id")?;
    kill_process(pid, signal).with_context(|| format!("process {pid:?}"))
}
