//! What every program tells of itself, under the names that Prometheus' own clients use: dashboards know them.

use std::{
    sync::atomic::AtomicU64,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use super::Book;

type Number = Gauge<f64, AtomicU64>;

/// The process's own metrics. Memory and files are read from /proc, and are 0 where there is none.
#[derive(Debug, Default)]
pub struct Process {
    cpu: Counter<f64, AtomicU64>,
    memory: Gauge,
    started: Number,
    open_files: Gauge,
    most_files: Gauge,
}

impl Process {
    /// Registers the metrics.
    pub fn new(registry: &mut Book) -> Self {
        let process = Self::default();
        registry.register_plain(
            "process_cpu_seconds",
            "CPU time that the process has used",
            process.cpu.clone(),
        );
        registry.register_plain(
            "process_resident_memory_bytes",
            "Memory of the process that is resident",
            process.memory.clone(),
        );
        registry.register_plain(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970",
            process.started.clone(),
        );
        registry.register_plain(
            "process_open_fds",
            "Files and connections that are open",
            process.open_files.clone(),
        );
        registry.register_plain(
            "process_max_fds",
            "Files and connections that may be open at once",
            process.most_files.clone(),
        );
        if let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) {
            process.started.set(now.as_secs_f64());
        }
        process
    }

    /// Takes what changes.
    pub fn take(&self) {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        // Hundreds of years of CPU time are exact enough as a float.
        #[allow(clippy::cast_precision_loss)]
        let used = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
        let more = used - self.cpu.get();
        if more > 0.0 {
            self.cpu.inc_by(more);
        }
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        self.memory.set(whole(resident(&status).unwrap_or_default()));
        let files = std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
        self.open_files.set(whole(files));
        self.most_files.set(whole(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)));
    }
}

/// The resident bytes that /proc/self/status tells of.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_told_in_bytes() {
        assert_eq!(resident("Name:\ta\nVmHWM:\t   900 kB\nVmRSS:\t   812 kB\n"), Some(812 * 1024));
        assert_eq!(resident("Name:\ta\n"), None);
    }

    #[test]
    fn a_process_uses_memory_files_and_more_and_more_time() {
        let process = Process::new(&mut Book::default());
        process.take();
        let before = process.cpu.get();
        assert!(before > 0.0 && process.started.get() > 1.7e9 && process.memory.get() > 1_000_000);
        assert!(process.open_files.get() > 2 && process.most_files.get() > process.open_files.get());
        process.take();
        assert!(process.cpu.get() >= before);
    }
}
