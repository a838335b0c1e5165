//! Connections that are opened, used once and kept idle: what they cost a proxy can then be measured at rest.

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

/// So many connections are opened at a time: enough to be quick, few enough for any accept queue.
const OPENING_AT_ONCE: usize = 64;

/// Holds the connections that `args` describe until their time is over, `stop` is done, or none stands any more, and says
/// how that went. `standing` is told once each connection stands or has failed.
///
/// # Errors
///
/// When `args` ask for something that cannot be tried at all.
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
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut connections = JoinSet::new();
    for _ in 0..args.connections {
        connections.spawn(hold(Arc::clone(&plan), tell.clone()));
    }
    drop(tell);

    let stopped = account.follow(&mut told, &mut stop, Account::is_tried).await;
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
        account.follow(&mut told, &mut either, |account| account.standing == 0).await;
    }
    let report = account.report(HoldPhase::Ended);
    let _ = closer.send(true);
    while connections.join_next().await.is_some() {}
    Ok(report)
}

/// What every connection needs.
struct Plan {
    dialer: Dialer,
    request: Request,
    addresses: Vec<SocketAddr>,
    timeout: Duration,
    /// Permits to open a connection.
    turn: Semaphore,
    closing: watch::Receiver<bool>,
}

/// What becomes of a connection.
enum Change {
    Stands,
    Failed(Failure),
    Lost,
}

/// Opens one connection, makes one call, and holds the connection until it is to be closed.
async fn hold(plan: Arc<Plan>, tell: mpsc::UnboundedSender<Change>) {
    let mut closing = plan.closing.clone();
    // An error means that whoever holds is gone.
    let closed = async { drop(closing.wait_for(|closing| *closing).await) };
    tokio::pin!(closed);
    let opened = tokio::select! {
        opened = open(&plan) => opened,
        () = &mut closed => return,
    };
    let mut session = match opened {
        Ok(session) => session,
        Err(failure) => return drop(tell.send(Change::Failed(failure))),
    };
    let _ = tell.send(Change::Stands);
    tokio::select! {
        () = session.ended() => drop(tell.send(Change::Lost)),
        () = &mut closed => session.close().await,
    }
}

async fn open(plan: &Plan) -> Result<Session, Failure> {
    // Closed never.
    let _turn = plan.turn.acquire().await;
    let clock = Clock::start(Some(plan.timeout));
    let connection = plan.dialer.connect(&plan.addresses, &clock, &mut Progress::default()).await?;
    let mut session = clock.run(Stage::Send, None, Session::open(connection, &plan.request)).await?;
    let mut sample = Sample::default();
    let exchange = session.exchange(&plan.request, &clock, &mut sample);
    clock.run(Stage::Receive, None, exchange).await?;
    Ok(session)
}

/// What has become of the connections so far.
struct Account<'a> {
    args: &'a HoldArgs,
    begun: Instant,
    /// When every connection had been tried.
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

    /// Whether each connection has stood or failed.
    fn is_tried(&self) -> bool {
        u64::from(self.standing) + u64::from(self.lost) + self.failures.failures >= u64::from(self.args.connections)
    }

    /// Counts what is told until that is `enough`, or `stop` is done; whether the latter came first.
    async fn follow(
        &mut self,
        told: &mut mpsc::UnboundedReceiver<Change>,
        stop: &mut (impl Future<Output = ()> + Unpin),
        enough: impl Fn(&Self) -> bool,
    ) -> bool {
        let mut open = true;
        while !enough(self) {
            tokio::select! {
                biased;
                change = told.recv(), if open => match change {
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
