//! CPU use of processes, by their threads' clocks, and of the machine.

use std::{fs, time::Duration};

/// The CPU time that processes and the machine have used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    /// All processes in user space and in the kernel, without interrupts.
    busy: Duration,
}

/// The CPU time of a process's threads so far; zero for a process that has ended.
///
/// `/proc/PID/task/*/schedstat` (Documentation/scheduler/sched-stats.rst) counts nanoseconds, while `stat` counts ticks of
/// 10 ms.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.flat_map(|thread| fs::read_to_string(thread.path().join("schedstat"))).map(|text| on_cpu(&text)).sum()
}

/// The first number of a thread's `schedstat`: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> Duration {
    let first = schedstat.split_whitespace().next();
    Duration::from_nanos(first.and_then(|number| number.parse().ok()).unwrap_or(0))
}

impl Machine {
    /// The current values of `/proc/stat`.
    pub(crate) fn now() -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// The sum of `user`, `nice` and `system` in the line of all CPUs, which count in ticks of 10 ms (proc_stat(5)).
    fn parse(stat: &str) -> Self {
        let all = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let ticks: u64 = all.take(3).filter_map(|number| number.parse::<u64>().ok()).sum();
        Self { busy: Duration::from_millis(ticks * 10) }
    }

    /// How much was used since then.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.busy.saturating_sub(earlier.busy)
    }
}

/// The resident memory of a process, private and shared, in bytes; `None` if it has ended.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    bytes_in(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Memory of this machine, in bytes: `MemTotal:`, or what is available to programs without swapping, `MemAvailable:`
/// (proc_meminfo(5)).
pub(crate) fn memory(field: &str) -> Option<u64> {
    bytes_in("/proc/meminfo", field)
}

/// A field in kB, which are KiB, converted to bytes.
fn bytes_in(path: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The traffic of an interface so far, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Packets as the kernel counts them: segments that it passes on in one piece count once.
    pub(crate) packets: u64,
    /// Bytes with Ethernet's headers.
    pub(crate) bytes: u64,
}

impl Traffic {
    /// The traffic of an interface in a process's network namespace; `None` if there is no such interface.
    pub(crate) fn read(pid: u32, interface: &str) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?, interface)
    }

    /// A line of `/proc/net/dev` (proc_pid_net(5)): bytes and packets received are the first columns, those sent follow eight columns
    /// later.
    fn parse(text: &str, interface: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'))?;
        let counters: Vec<u64> = line.split_whitespace().map_while(|counter| counter.parse().ok()).collect();
        let sum = |index: usize| Some(counters.get(index)? + counters.get(index + 8)?);
        Some(Self { bytes: sum(0)?, packets: sum(1)? })
    }

    /// The traffic since then.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { packets: self.packets - earlier.packets, bytes: self.bytes - earlier.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_charged_and_one_that_is_not_there_is_not() {
        assert!(cpu_time(std::process::id()) > Duration::ZERO);
        assert!(resident(std::process::id()).unwrap() > 100_000);
        // No process has such a large id (proc(5), kernel.pid_max).
        assert_eq!((cpu_time(u32::MAX), resident(u32::MAX)), (Duration::ZERO, None));
    }

    #[test]
    fn a_threads_time_on_a_cpu_is_the_first_of_its_figures() {
        assert_eq!(on_cpu("5000000 71 12\n"), Duration::from_millis(5));
        assert_eq!(on_cpu(""), Duration::ZERO);
    }

    #[test]
    fn what_an_interface_carried_is_both_directions_of_it() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n    \
                    lo:    9000      90    0    0    0     0          0         0     9000      90    0    0\n  \
                    eth0:    1200      10    0    0    0     0          0         0      300       4    0    0\n";
        assert_eq!(Traffic::parse(text, "eth0"), Some(Traffic { packets: 14, bytes: 1500 }));
        assert_eq!(Traffic::parse(text, "eth1"), None);
        let (then, now) = (Traffic { packets: 4, bytes: 500 }, Traffic { packets: 14, bytes: 1500 });
        assert_eq!(now.since(then), Traffic { packets: 10, bytes: 1000 });
    }

    #[test]
    fn the_machines_time_leaves_idling_and_interrupts_out() {
        let stat = "cpu  100 20 3 9000 50 0 70 0 0 0\ncpu0 50 10 1 4500 25 0 35 0 0 0\n";
        assert_eq!(Machine::parse(stat).busy, Duration::from_millis(1230));
        assert_eq!(Machine::parse(""), Machine::default());
    }
}
