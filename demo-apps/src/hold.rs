//! Connections that are opened, used once and kept idle, to measure what idle connections cost a proxy.

mod args;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

pub use args::HoldArgs;

use crate::UsageError;
use crate::client::{Clock, Dialer, Progress};
use crate::failure::{Failure, Stage};
use crate::load::{Request, Sample, Session, Tally};
use crate::report::{HOLD_SCHEMA, HoldPhase, HoldReport};

/// Number of connections that are opened concurrently: enough to be fast, few enough for any accept queue.
const OPENING_AT_ONCE: usize = 64;

/// Holds the connections described by `args` until their time is over, `stop` completes, or none is left, and returns the
/// final report. `standing` is called with a report once each connection was opened or has failed.
///
/// # Errors
///
/// If `args` cannot be tried at all.
pub async fn run(
    args: &HoldArgs,
    stop: impl Future<Output = ()>,
    standing: impl FnOnce(&HoldReport),
) -> Result<HoldReport, UsageError> {
    let dialer = Dialer::new(&args.target, &args.connect)?;
    let request = Request::for_target(&args.target, &args.connect, None, None)?;
    let mut account = Account::new(args);
    tokio::pin!(stop);

    let addresses = tokio::select! {
        resolved = async { dialer.resolve(&Clock::start(Some(args.timeout))).await } => resolved,
        () = &mut stop => return Ok(account.report(HoldPhase::Ended)),
    };
    let addresses = match addresses {
        Ok(addresses) => addresses,
        Err(failure) => {
            account.count(Change::Failed(failure));
            return Ok(account.report(HoldPhase::Ended));
        }
    };
    let (closer, closing) = watch::channel(false);
    let plan = Arc::new(Plan {
        dialer,
        request,
        addresses,
        timeout: args.timeout,
        turn: Semaphore::new(OPENING_AT_ONCE),
        closing,
    });
    let (sender, mut changes) = mpsc::unbounded_channel();
    let mut connections = JoinSet::new();
    for _ in 0..args.connections {
        connections.spawn(hold(Arc::clone(&plan), sender.clone()));
    }
    drop(sender);

    let stopped = account.follow(&mut changes, &mut stop, Account::is_tried).await;
    if !stopped {
        account.opened = Some(Instant::now());
        standing(&account.report(HoldPhase::Standing));
        let over = async {
            match args.duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        let mut either = std::pin::pin!(async {
            tokio::select! {
                () = &mut over => {}
                () = &mut stop => {}
            }
        });
        account.follow(&mut changes, &mut either, |account| account.standing == 0).await;
    }
    let report = account.report(HoldPhase::Ended);
    let _ = closer.send(true);
    while connections.join_next().await.is_some() {}
    Ok(report)
}

/// What all connections share.
struct Plan {
    dialer: Dialer,
    request: Request,
    addresses: Vec<SocketAddr>,
    timeout: Duration,
    /// Permits to open a connection.
    turn: Semaphore,
    closing: watch::Receiver<bool>,
}

/// A change in the state of a connection.
enum Change {
    Stands,
    Failed(Failure),
    Lost,
}

/// Opens one connection, makes one call, and holds the connection until it is to be closed.
async fn hold(plan: Arc<Plan>, sender: mpsc::UnboundedSender<Change>) {
    let mut closing = plan.closing.clone();
    // An error means that the sender is gone.
    let closed = async { drop(closing.wait_for(|closing| *closing).await) };
    tokio::pin!(closed);
    let opened = tokio::select! {
        opened = open(&plan) => opened,
        () = &mut closed => return,
    };
    let mut session = match opened {
        Ok(session) => session,
        Err(failure) => return drop(sender.send(Change::Failed(failure))),
    };
    let _ = sender.send(Change::Stands);
    tokio::select! {
        () = session.ended() => drop(sender.send(Change::Lost)),
        () = &mut closed => session.close().await,
    }
}

async fn open(plan: &Plan) -> Result<Session, Failure> {
    // Never closed.
    let _turn = plan.turn.acquire().await;
    let clock = Clock::start(Some(plan.timeout));
    let connection = plan.dialer.connect(&plan.addresses, &clock, &mut Progress::default()).await?;
    let mut session = clock.run(Stage::Send, None, Session::open(connection, &plan.request)).await?;
    let mut sample = Sample::default();
    let exchange = session.exchange(&plan.request, &clock, &mut sample);
    clock.run(Stage::Receive, None, exchange).await?;
    Ok(session)
}

/// Numbers of connections in each state.
struct Account<'a> {
    args: &'a HoldArgs,
    begun: Instant,
    /// When all connections had been tried.
    opened: Option<Instant>,
    standing: u32,
    lost: u32,
    failures: Tally,
}

impl<'a> Account<'a> {
    fn new(args: &'a HoldArgs) -> Self {
        Self { args, begun: Instant::now(), opened: None, standing: 0, lost: 0, failures: Tally::default() }
    }

    fn count(&mut self, change: Change) {
        match change {
            Change::Stands => self.standing += 1,
            Change::Failed(failure) => self.failures.record(&Sample::default(), Some(failure)),
            Change::Lost => {
                self.standing -= 1;
                self.lost += 1;
            }
        }
    }

    /// Whether each connection was opened or has failed.
    fn is_tried(&self) -> bool {
        u64::from(self.standing) + u64::from(self.lost) + self.failures.failures >= u64::from(self.args.connections)
    }

    /// Applies changes until the account is `enough`, or `stop` completes. Returns whether the latter came first.
    async fn follow(
        &mut self,
        changes: &mut mpsc::UnboundedReceiver<Change>,
        stop: &mut (impl Future<Output = ()> + Unpin),
        enough: impl Fn(&Self) -> bool,
    ) -> bool {
        let mut open = true;
        while !enough(self) {
            tokio::select! {
                biased;
                change = changes.recv(), if open => match change {
                    Some(change) => self.count(change),
                    None => open = false,
                },
                () = &mut *stop => return true,
            }
        }
        false
    }

    fn report(&self, phase: HoldPhase) -> HoldReport {
        let opened = self.opened.unwrap_or_else(Instant::now);
        // Microseconds, as in the report of a load.
        let seconds = |duration: Duration| duration.as_micros() as f64 / 1e6;
        HoldReport {
            schema: HOLD_SCHEMA.to_owned(),
            url: self.args.target.to_string(),
            phase,
            connections: self.args.connections,
            standing: self.standing,
            lost: self.lost,
            errors: self.failures.errors(),
            opening_seconds: seconds(opened - self.begun),
            held_seconds: seconds(opened.elapsed()),
        }
    }
}
