//! A long way between the pods of a lab: the node holds what it forwards for a while.
//!
//! The kernel's own way (`netem`) is missing from many kernels. All that this needs is netfilter's queue to user space, and it works
//! everywhere alike. A packet waits in the kernel; only its number comes here, and the word that lets it go.

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

/// The queue's number: there is no other in a lab's node.
const QUEUE: u16 = 0;

/// The longest way. Long before that TCP sends everything again, and nothing that is measured means anything.
const LONGEST: Duration = Duration::from_secs(10);

/// How many packets are taken in before those that are due are let go.
const AT_ONCE: usize = 64;

/// While this is held, each packet between two pods of its lab takes so much longer, in either direction.
///
/// No packet is early. How late they are is a matter of how soon the kernel wakes a thread: tens of microseconds on a calm machine.
/// Dropping it lets all that waits go at once, and takes its rules back.
#[derive(Debug)]
pub struct Delay {
    node: Namespace,
    line: Line,
}

impl Delay {
    /// Holds what the node forwards for `one_way`.
    pub(crate) fn start(node: Namespace, one_way: Duration) -> Result<Self> {
        let line = node.run(|| Line::start(one_way))??;
        // From here on dropping it takes back such rules as there are.
        let delay = Self { node, line };
        delay.change_rules("-A")?;
        Ok(delay)
    }

    /// How many packets the kernel has dropped because more waited than fit, or came faster than they could be taken in.
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
        // Where the lab is gone already, so are its rules.
        let _ = self.change_rules("-D");
        if let Err(error) = self.line.stop() {
            tracing::error!("packets between the pods of {} were lost: {error}", self.node.name());
        }
    }
}

/// Tries it on the loopback interface of the namespace that the calling thread is in, which nobody uses afterwards: its rules stay.
/// A round trip of how long took how long.
pub(crate) fn probe() -> Result<(Duration, Duration)> {
    const ONE_WAY: Duration = Duration::from_millis(5);
    const PATIENCE: Duration = Duration::from_secs(1);
    let rules = queue_rule("-A", "OUTPUT");
    Netlink::open("doctor")?.set_up(Link::LOOPBACK)?;
    let _line = Line::start(ONE_WAY)?;
    rules::load("doctor", Family::ALL.map(|family| (family, rules.as_str())), Load::Add)?;
    let doing = || "connect while packets are held back".to_owned();
    let mut longest = Duration::ZERO;
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let listener = TcpListener::bind((address, 0)).doing(doing)?;
        let begun = Instant::now();
        TcpStream::connect_timeout(&listener.local_addr().doing(doing)?, PATIENCE).doing(doing)?;
        let took = begun.elapsed();
        if took < 2 * ONE_WAY {
            return Err(io::Error::other(format!("a round trip to {address} took {took:?}")))
                .doing(|| format!("hold packets back for {ONE_WAY:?}"));
        }
        longest = longest.max(took);
    }
    Ok((2 * ONE_WAY, longest))
}

/// Adds the rule that queues what passes `chain`, or deletes it. When nobody takes packets from the queue they pass: a rule that was
/// left by a process which was killed does nothing.
fn queue_rule(how: &str, chain: &str) -> String {
    format!("*mangle\n{how} {chain} -j NFQUEUE --queue-num {QUEUE} --queue-bypass\nCOMMIT\n")
}

/// The sixth and seventh number of each queue's line: lost for want of room, and on the way to user space.
fn lost(counters: &str) -> u64 {
    let of_queue =
        |line: &str| line.split_whitespace().skip(5).take(2).filter_map(|n| n.parse::<u64>().ok()).sum::<u64>();
    counters.lines().map(of_queue).sum()
}

/// The thread that lets packets go, in the network namespace in which it was started.
#[derive(Debug)]
struct Line {
    stop: Arc<EventFd>,
    keeper: Option<JoinHandle<io::Result<()>>>,
}

impl Line {
    fn start(one_way: Duration) -> Result<Self> {
        if one_way > LONGEST {
            let why = format!("the longest way is {LONGEST:?}");
            return Err(Error::BadSpec { what: format!("a delay of {one_way:?}"), why });
        }
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .doing(|| "make an event descriptor".to_owned())?;
        let stop = Arc::new(stop);
        let queue = Queue::bind(QUEUE).or_else(taken)?;
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
        // It has been stopped already by those who want to know how it ended.
        let _ = self.stop();
    }
}

fn taken(error: io::Error) -> Result<Queue> {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EBUSY) => {
            let why = "packets are held back already; end that first".to_owned();
            Err(Error::BadSpec { what: "a delay".to_owned(), why })
        }
        _ => Err(error).doing(|| "take packets from the kernel (NFQUEUE)".to_owned()),
    }
}

/// Lets each packet go when its time has come; all of them at the end.
fn keep(mut queue: Queue, one_way: Duration, stop: &EventFd) -> io::Result<()> {
    // Otherwise the kernel wakes a thread up to 50 µs late, to wake others with it (PR_SET_TIMERSLACK).
    prctl::set_timerslack(1)?;
    // It runs for microseconds, and late where the programs that are held up keep all processors busy. An ordinary user may not.
    let _ = sys::run_first();
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

/// Waits for a packet, or until `due`. Whether the line was told to stop.
fn wait(queue: &Queue, stop: &EventFd, due: Option<Instant>) -> io::Result<bool> {
    let mut watched = [stop.as_fd(), queue.as_fd()].map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
    let left = due.map(|due| TimeSpec::from(due.saturating_duration_since(Instant::now())));
    match ppoll(&mut watched, left, None) {
        Ok(_) => Ok(watched[0].any().unwrap_or(false)),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
