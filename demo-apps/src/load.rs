//! Many calls, and their latencies.

mod args;
mod random;
mod schedule;
mod session;
mod tally;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

pub use args::LoadArgs;
pub(crate) use session::{Request, Session};
pub(crate) use tally::{Sample, Tally};

use crate::UsageError;
use crate::client::{Clock, Dialer, Progress};
use crate::failure::{Failure, Stage};
use crate::report::{LOAD_SCHEMA, LoadReport, RequestReport};
use schedule::{Schedule, Slot};
use session::Requests;

/// Delay after a failed connection, so that a refusing server is not hammered.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(10);

/// Runs the load described by `args` on separate threads, and waits for its end. `stop` ends it early: requests that have begun are
/// completed. With `--each`, `ended` gets each request as it ends.
///
/// # Errors
///
/// If `args` cannot be tried at all.
pub fn run(args: &LoadArgs, stop: &Arc<AtomicBool>, ended: Ended) -> Result<LoadReport, UsageError> {
    let dialer = Dialer::new(&args.target, &args.connect)?;
    let requests = Requests::new(args)?;
    let resolver = runtime()?;
    let addresses = match resolver.block_on(dialer.resolve(&Clock::start(Some(args.timeout)))) {
        Ok(addresses) => addresses,
        Err(failure) => return Ok(unresolved(args, failure)),
    };
    let schedule = Schedule::start(args, Arc::clone(stop));
    let plan = Arc::new(Plan {
        dialer,
        requests,
        next: AtomicU64::new(0),
        addresses,
        schedule,
        timeout: args.timeout,
        requests_per_connection: args.requests_per_connection(),
        ended: args.each.then_some(ended),
    });

    // Runtimes are created first, so that a failure leaves no thread behind.
    let runtimes = (0..args.threads.min(args.connections)).map(|_| runtime()).collect::<Result<Vec<_>, _>>()?;
    let threads: Vec<_> = runtimes
        .into_iter()
        .zip(shares(args.connections, args.threads.min(args.connections)))
        .map(|(runtime, connections)| {
            let plan = Arc::clone(&plan);
            std::thread::spawn(move || drive(&runtime, &plan, connections))
        })
        .collect();
    let pacer = std::thread::spawn({
        let plan = Arc::clone(&plan);
        move || plan.schedule.pace()
    });
    let begin = plan.schedule.wait_for_window();
    let cpu_at_begin = Cpu::now();
    let mut tally = Tally::default();
    for thread in threads {
        // A thread that panicked has lost its part; the others count.
        if let Ok(part) = thread.join() {
            tally.add(&part);
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = Cpu::now().since(&cpu_at_begin);
    drop(pacer.join());
    Ok(report(args, &tally, plan.schedule.not_started(), seconds, &cpu))
}

/// What all connections share.
struct Plan {
    dialer: Dialer,
    requests: Requests,
    /// The number of the next request.
    next: AtomicU64,
    addresses: Vec<SocketAddr>,
    schedule: Schedule,
    timeout: Duration,
    requests_per_connection: Option<u64>,
    /// Gets each request as it ends.
    ended: Option<Ended>,
}

/// Gets requests as they end, from any thread.
pub type Ended = fn(&RequestReport);

fn runtime() -> Result<Runtime, UsageError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| UsageError(format!("cannot start: {error}")))
}

/// Distributes `connections` over `threads`.
fn shares(connections: u32, threads: u32) -> impl Iterator<Item = u32> {
    (0..threads).map(move |i| connections / threads + u32::from(i < connections % threads))
}

/// Drives one thread's connections until the end of the schedule.
fn drive(runtime: &Runtime, plan: &Arc<Plan>, connections: u32) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::default()));
    runtime.block_on(async {
        let mut workers = JoinSet::new();
        for _ in 0..connections {
            workers.spawn(work(Arc::clone(plan), Arc::clone(&tally)));
        }
        while workers.join_next().await.is_some() {}
    });
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *tally)
}

/// Makes one request after the other, opening connections as needed.
async fn work(plan: Arc<Plan>, tally: Arc<Mutex<Tally>>) {
    let mut session: Option<Session> = None;
    // On the current connection.
    let mut requests = 0;
    while let Some(slot) = plan.schedule.next().await {
        let mut sample = Sample::default();
        let began_ns = now_ns();
        let result = make_request(&plan, &slot, &mut session, &mut sample).await;
        let failed = result.is_err();
        if let Some(ended) = plan.ended {
            ended(&RequestReport {
                began_ns,
                ended_ns: now_ns(),
                sent: sample.sent,
                received: sample.received,
                status: sample.status,
                error: result.as_ref().err().cloned(),
            });
        }
        if slot.measured {
            tally.lock().unwrap_or_else(PoisonError::into_inner).record(&sample, result.err());
        }
        requests += 1;
        if failed || plan.requests_per_connection == Some(requests) {
            requests = 0;
            if let Some(session) = session.take() {
                session.close().await;
            }
        }
        if failed {
            tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
        }
    }
    if let Some(session) = session {
        session.close().await;
    }
}

/// Nanoseconds since 1970.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().try_into().unwrap_or(u64::MAX)
}

/// Makes one request, on the current connection or a new one.
async fn make_request(
    plan: &Plan,
    slot: &Slot,
    session: &mut Option<Session>,
    sample: &mut Sample,
) -> Result<(), Failure> {
    let clock = Clock::start_at(slot.intended, Some(plan.timeout));
    let request = plan.requests.request(plan.next.fetch_add(1, Ordering::Relaxed));
    if let Some(open) = session
        && !open.is_ready().await
    {
        *session = None;
    }
    let open = match session {
        Some(open) => open,
        None => {
            let mut progress = Progress::default();
            let connected = plan.dialer.connect(&plan.addresses, &clock, &mut progress).await;
            sample.connect_us = progress.timings.connect_us;
            sample.tls_us = progress.timings.tls_us;
            let opened = clock.run(Stage::Send, None, Session::open(connected?, &request)).await;
            session.insert(opened?)
        }
    };
    let before = open.moved();
    let result = clock.run(Stage::Receive, None, open.exchange(&request, &clock, sample)).await;
    let after = open.moved();
    sample.sent = after.sent - before.sent;
    sample.received = after.received - before.received;
    sample.total_us = clock.micros();
    result
}

fn report(args: &LoadArgs, tally: &Tally, not_started: u64, seconds: f64, cpu: &Cpu) -> LoadReport {
    // The clock's resolution is microseconds; more digits would not survive printing.
    let seconds = (seconds * 1e6).round() / 1e6;
    let per_second = |n: u64| if seconds > 0.0 { n as f64 / seconds } else { 0.0 };
    LoadReport {
        schema: LOAD_SCHEMA.to_owned(),
        url: args.target.to_string(),
        connections: args.connections,
        threads: args.threads.min(args.connections),
        new_connection_per_request: args.new_connection_per_request,
        requests_per_connection: args.requests_per_connection(),
        target_rate: args.rate,
        seconds,
        requests: tally.requests,
        failures: tally.failures,
        not_started,
        connects: tally.connects(),
        rate: (per_second(tally.requests) * 1e3).round() / 1e3,
        bytes_sent: tally.sent,
        bytes_received: tally.received,
        sent_per_second: per_second(tally.sent) as u64,
        received_per_second: per_second(tally.received) as u64,
        latencies: tally.latencies(),
        errors: tally.errors(),
        http_errors: tally.http_errors,
        cpu_user_us: cpu.user_us,
        cpu_system_us: cpu.system_us,
    }
}

/// The report of a load whose target could not be resolved.
fn unresolved(args: &LoadArgs, failure: Failure) -> LoadReport {
    let mut tally = Tally::default();
    tally.record(&Sample::default(), Some(failure));
    report(args, &tally, 0, 0.0, &Cpu::default())
}

/// CPU time of this process, in microseconds.
#[derive(Clone, Debug, Default)]
struct Cpu {
    user_us: u64,
    system_us: u64,
}

impl Cpu {
    fn now() -> Self {
        // getrusage of the process itself cannot fail.
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Self::default() };
        let micros = |time: nix::sys::time::TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
        Self { user_us: micros(usage.user_time()), system_us: micros(usage.system_time()) }
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            user_us: self.user_us.saturating_sub(earlier.user_us),
            system_us: self.system_us.saturating_sub(earlier.system_us),
        }
    }
}
