//! Latency between the pods of a lab: the node delays the packets that it forwards.
//!
//! The kernel's own solution, `netem`, is missing from many kernels. This one needs only NFQUEUE, netfilter's queue to user space,
//! and behaves the same everywhere. Packets stay in the kernel; only their ids and the verdicts cross into user space.

use std::{
    collections::VecDeque,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    os::fd::AsFd,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        eventfd::{EfdFlags, EventFd},
        prctl,
        time::TimeSpec,
    },
};

use crate::{
    error::{Doing, Error, Result},
    namespace::Namespace,
    netlink::{Link, Netlink},
    nfqueue::{PacketId, Queue},
    rules::{self, Family, Load},
    sys,
};

#[cfg(test)]
mod tests;

/// Queue number. Nothing else in a lab's node uses NFQUEUE.
const QUEUE: u16 = 0;

/// Upper limit for the delay. TCP retransmits everything long before that, and no measurement would mean anything.
const LONGEST: Duration = Duration::from_secs(10);

/// How many packets are read before the next round of verdicts.
const AT_ONCE: usize = 64;

/// Delays each packet between two pods of the lab, in both directions, until dropped.
///
/// No packet is early. How late it is depends on how fast the kernel wakes a thread: tens of microseconds on an idle machine.
/// Dropping it releases all queued packets at once, and removes its rules.
#[derive(Debug)]
pub struct Delay {
    node: Namespace,
    line: Line,
}

impl Delay {
    /// Delays what the node forwards by `one_way`.
    pub(crate) fn start(node: Namespace, one_way: Duration) -> Result<Self> {
        let line = node.run(|| Line::start(one_way))??;
        // From here on, dropping it removes the rules, even a part of them.
        let delay = Self { node, line };
        delay.change_rules("-A")?;
        Ok(delay)
    }

    /// How many packets the kernel dropped, because the queue or the socket's buffer was full.
    ///
    /// # Errors
    ///
    /// When the lab has been removed.
    pub fn lost(&self) -> Result<u64> {
        const COUNTERS: &str = "/proc/thread-self/net/netfilter/nfnetlink_queue";
        let counters = self.node.run(|| fs::read_to_string(COUNTERS))?.doing(|| format!("read {COUNTERS}"))?;
        Ok(lost(&counters))
    }

    fn change_rules(&self, how: &str) -> Result<()> {
        let rules = queue_rule(how, "FORWARD");
        let families = Family::ALL.map(|family| (family, rules.as_str()));
        self.node.run(|| rules::load(self.node.name(), families, Load::Add))?
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        // If the lab has been removed, so have its rules.
        let _ = self.change_rules("-D");
        if let Err(error) = self.line.stop() {
            tracing::error!("packets between the pods of {} were lost: {error}", self.node.name());
        }
    }
}

/// Measures a delayed round trip on `lo` of the calling thread's network namespace: what it should take, and what it took. Leaves
/// its rules behind, so the namespace must be one that nothing else uses.
pub(crate) fn probe() -> Result<(Duration, Duration)> {
    const ONE_WAY: Duration = Duration::from_millis(5);
    const PATIENCE: Duration = Duration::from_secs(1);
    let rules = queue_rule("-A", "OUTPUT");
    Netlink::open("doctor")?.set_up(Link::LOOPBACK)?;
    let _line = Line::start(ONE_WAY)?;
    rules::load("doctor", Family::ALL.map(|family| (family, rules.as_str())), Load::Add)?;
    let doing = || "connect while packets are delayed".to_owned();
    let mut longest = Duration::ZERO;
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let listener = TcpListener::bind((address, 0)).doing(doing)?;
        let begun = Instant::now();
        TcpStream::connect_timeout(&listener.local_addr().doing(doing)?, PATIENCE).doing(doing)?;
        let took = begun.elapsed();
        if took < 2 * ONE_WAY {
            return Err(io::Error::other(format!("a round trip to {address} took {took:?}")))
                .doing(|| format!("delay packets by {ONE_WAY:?}"));
        }
        longest = longest.max(took);
    }
    Ok((2 * ONE_WAY, longest))
}

/// A rule that queues packets of `chain`, to be added or deleted. With `--queue-bypass`, packets pass while no process is bound to
/// the queue, so a rule left behind by a killed process has no effect.
fn queue_rule(how: &str, chain: &str) -> String {
    format!("*mangle\n{how} {chain} -j NFQUEUE --queue-num {QUEUE} --queue-bypass\nCOMMIT\n")
}

/// Sums, over all queues, the sixth and seventh column: dropped because the queue was full, and because the socket's buffer was.
fn lost(counters: &str) -> u64 {
    let of_queue =
        |line: &str| line.split_whitespace().skip(5).take(2).filter_map(|n| n.parse::<u64>().ok()).sum::<u64>();
    counters.lines().map(of_queue).sum()
}

/// The thread that releases packets, in the network namespace in which it was started.
#[derive(Debug)]
struct Line {
    stop: Arc<EventFd>,
    keeper: Option<JoinHandle<io::Result<()>>>,
}

impl Line {
    fn start(one_way: Duration) -> Result<Self> {
        if one_way > LONGEST {
            let why = format!("the limit is {LONGEST:?}");
            return Err(Error::BadSpec { what: format!("a delay of {one_way:?}"), why });
        }
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .doing(|| "make an event descriptor".to_owned())?;
        let stop = Arc::new(stop);
        let queue = Queue::bind(QUEUE).or_else(queue_in_use)?;
        let keeper = thread::Builder::new()
            .name("delay".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || keep(queue, one_way, &stop)
            })
            .doing(|| "start a thread".to_owned())?;
        Ok(Self { stop, keeper: Some(keeper) })
    }

    fn stop(&mut self) -> io::Result<()> {
        let Some(keeper) = self.keeper.take() else { return Ok(()) };
        self.stop.write(1)?;
        keeper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A caller that wants the result has stopped it already.
        let _ = self.stop();
    }
}

fn queue_in_use(error: io::Error) -> Result<Queue> {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EBUSY) => {
            let why = "this lab's packets are delayed already; drop the first delay before".to_owned();
            Err(Error::BadSpec { what: "a delay".to_owned(), why })
        }
        _ => Err(error).doing(|| "bind an NFQUEUE queue".to_owned()),
    }
}

/// Releases each packet when its time has come, and all of them at the end.
fn keep(mut queue: Queue, one_way: Duration, stop: &EventFd) -> io::Result<()> {
    // By default the kernel delays timers by up to 50 µs to batch wake-ups (PR_SET_TIMERSLACK).
    prctl::set_timerslack(1)?;
    // The thread runs for microseconds at a time, and would be late while the measured programs keep all CPUs busy. Fails
    // without privilege.
    let _ = sys::make_realtime();
    let mut waiting: VecDeque<(Instant, PacketId)> = VecDeque::new();
    loop {
        let stopped = wait(&queue, stop, waiting.front().map(|(due, _)| *due))?;
        let most = if stopped { usize::MAX } else { AT_ONCE };
        for _ in 0..most {
            let Some(packet) = queue.next()? else { break };
            waiting.push_back((Instant::now() + one_way, packet));
        }
        let now = Instant::now();
        let due = if stopped { waiting.len() } else { waiting.partition_point(|(due, _)| *due <= now) };
        if let Some((_, last)) = waiting.drain(..due).next_back() {
            queue.accept_up_to(last)?;
        }
        if stopped {
            return Ok(());
        }
    }
}

/// Waits for a packet, or until `due`. Returns whether the thread is to stop.
fn wait(queue: &Queue, stop: &EventFd, due: Option<Instant>) -> io::Result<bool> {
    let mut watched = [stop.as_fd(), queue.as_fd()].map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
    let left = due.map(|due| TimeSpec::from(due.saturating_duration_since(Instant::now())));
    match ppoll(&mut watched, left, None) {
        Ok(_) => Ok(watched[0].any().unwrap_or(false)),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
