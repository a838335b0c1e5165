//! One gRPC call of `sidelab.Echo` or of an unknown service.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http::{Method as HttpMethod, Request, StatusCode};
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use super::head::{Head, headers};
use super::http::{facts_of, read_body};
use super::{CallArgs, Clock, Connection, HttpSession, failure_of};
use crate::UsageError;
use crate::failure::{Cause, Failure, FailureKind, Stage};
use crate::grpc::{APPLICATION_GRPC, Broken, MESSAGES_HEADER, Messages, Method, SERVICE, frame, is_grpc};
use crate::report::{Body, GrpcFacts, GrpcStatus, HttpFacts, headers_of};
use crate::tap::Account;

/// What to send, and what to expect.
pub(super) struct Call {
    path: String,
    head: Request<()>,
    messages: Vec<Bytes>,
    /// Whether each message waits for the answer to the previous one.
    in_turn: bool,
    /// The expected messages; `None` if unknown.
    expected: Option<Vec<Bytes>>,
}

impl Call {
    pub(super) fn new(args: &CallArgs) -> Result<Self, UsageError> {
        args.reject_unsuited_to_messages("grpc:// and grpcs://")?;
        let path = match args.target.path.as_str() {
            "/" if args.messages.is_some() => format!("{SERVICE}Stream"),
            "/" => format!("{SERVICE}Unary"),
            path => path.to_owned(),
        };
        let method = Method::from_path(&path);
        let wanted = args.messages.unwrap_or(1);
        if wanted > 1 && matches!(method, Some(Method::Unary | Method::Seen)) {
            return Err(UsageError(format!("--messages {wanted}: {path} accepts one; {SERVICE}Stream accepts many")));
        }
        let mut headers = headers(args)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(APPLICATION_GRPC));
        // Without it a proxy may assume that trailers are not wanted.
        headers.insert(TE, HeaderValue::from_static("trailers"));
        let sent = if method == Some(Method::ServerStream) { 1 } else { wanted };
        if method == Some(Method::ServerStream) {
            headers.insert(MESSAGES_HEADER, wanted.into());
        }
        let messages: Vec<Bytes> = (1..=sent).map(|number| args.numbered_message(number).into()).collect();
        let expected = match method {
            Some(Method::Unary | Method::Stream) => Some(messages.clone()),
            Some(Method::ClientStream) => Some(vec![messages.concat().into()]),
            Some(Method::ServerStream) => Some(vec![messages[0].clone(); wanted as usize]),
            Some(Method::Fail | Method::Seen | Method::Export) | None => None,
        };
        Ok(Self {
            head: Head::new(&args.target, &path, HttpMethod::POST, headers)?.http2(())?,
            path,
            messages,
            in_turn: method == Some(Method::Stream),
            expected,
        })
    }

    /// Makes the call. `http` and `grpc` receive what was read, even if the call fails.
    pub(super) async fn run(
        &self,
        connection: Connection,
        clock: &Clock,
        http: &mut Option<HttpFacts>,
        grpc: &mut Option<GrpcFacts>,
    ) -> Result<(), Failure> {
        let facts = grpc.insert(GrpcFacts {
            method: self.path.clone(),
            status: None,
            messages_sent: 0,
            messages_received: 0,
            interleaved: false,
            messages: Vec::new(),
        });
        let account = connection.account.clone();
        let mut session = clock.run(Stage::Send, None, HttpSession::open(connection)).await?;
        let (sender, body) = Channel::<Bytes>::new(1);
        let progress = Progress { sent: AtomicU64::new(0), answered: Semaphore::new(0) };
        let mut answer = Answer { call: self, account: &account, progress: &progress, facts, kept: 0 };
        let exchange = async {
            let receive = answer.receive(&mut session, self.head.clone().map(|()| body), http);
            tokio::pin!(receive);
            tokio::select! {
                biased;
                // A server may end the call before reading everything.
                received = &mut receive => received,
                () = self.send(sender, &progress) => receive.await,
            }
        };
        let result = clock.run(Stage::Receive, None, exchange).await;
        clock.stop();
        facts.messages_sent = progress.sent.load(Ordering::Relaxed);
        session.close().await;
        result
    }

    /// Sends the messages. Dropping the sender ends the request. A broken stream is reported by the receiving side.
    async fn send(&self, mut sender: Sender<Bytes>, progress: &Progress) {
        for (number, message) in self.messages.iter().enumerate() {
            if self.in_turn && number > 0 {
                // Never closed.
                let Ok(answer) = progress.answered.acquire().await else { return };
                answer.forget();
            }
            // Counted first: the answer may arrive before this task runs again.
            progress.sent.fetch_add(1, Ordering::Relaxed);
            if sender.send_data(frame(message)).await.is_err() {
                progress.sent.fetch_sub(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// State shared by sender and receiver.
struct Progress {
    sent: AtomicU64,
    /// One permit for each received message.
    answered: Semaphore,
}

/// The response of a call while it is received.
struct Answer<'a> {
    call: &'a Call,
    account: &'a Account,
    progress: &'a Progress,
    facts: &'a mut GrpcFacts,
    /// Total length of the messages in the facts, in bytes.
    kept: usize,
}

impl Answer<'_> {
    async fn receive(
        &mut self,
        session: &mut HttpSession<Channel<Bytes>>,
        message: Request<Channel<Bytes>>,
        http: &mut Option<HttpFacts>,
    ) -> Result<(), Failure> {
        let (head, body) = session.send(message).await?.into_parts();
        let http = http.insert(facts_of(&head));
        if head.status == StatusCode::OK && is_grpc(&head.headers) {
            self.read(body, http).await?;
        } else {
            self.read_other(body, http).await?;
        }
        // A call that fails at once has its status in the headers, and no trailers ("Trailers-Only").
        let status = self.facts.status.take().or_else(|| GrpcStatus::from_trailers(&head.headers));
        let status = self.facts.status.insert(status.unwrap_or_else(|| GrpcStatus::from_http(head.status)));
        if status.is_ok() { self.all_came() } else { Err(failure_of_status(status)) }
    }

    async fn read(&mut self, body: Incoming, http: &mut HttpFacts) -> Result<(), Failure> {
        let mut messages = Messages::new(body);
        loop {
            let next = messages.next().await;
            http.body_bytes = messages.bytes();
            match next {
                Ok(Some(message)) => self.take(&message)?,
                Ok(None) => break,
                Err(Broken::Stream(error)) => return Err(failure_of(&error, self.account, true)),
                Err(broken) => {
                    let kind = FailureKind::HttpProtocol { reason: broken.to_string() };
                    return Err(Cause::new(kind, format!("the answer is not gRPC: {broken}")).at(Stage::Http));
                }
            }
        }
        if let Some(trailers) = messages.trailers() {
            http.trailers = headers_of(trailers);
            self.facts.status = GrpcStatus::from_trailers(trailers);
        }
        Ok(())
    }

    /// Reads a response that is not gRPC, in most cases a proxy's error page.
    async fn read_other(&self, mut body: Incoming, http: &mut HttpFacts) -> Result<(), Failure> {
        let mut kept = Vec::new();
        let read = read_body(&mut body, http, &mut kept, self.account, true).await;
        http.body = Body::from_bytes(&kept);
        read
    }

    fn take(&mut self, message: &Bytes) -> Result<(), Failure> {
        let number = self.facts.messages_received;
        self.facts.messages_received += 1;
        self.facts.interleaved |= self.progress.sent.load(Ordering::Relaxed) < self.call.messages.len() as u64;
        self.kept += message.len();
        if self.kept <= Body::LIMIT {
            self.facts.messages.push(Body::from_bytes(message));
        }
        if let Some(expected) = &self.call.expected
            && usize::try_from(number).ok().and_then(|number| expected.get(number)) != Some(message)
        {
            return Err(mismatch(format!("message {} differs from what was sent", number + 1)));
        }
        self.progress.answered.add_permits(1);
        Ok(())
    }

    fn all_came(&self) -> Result<(), Failure> {
        match &self.call.expected {
            Some(expected) if (expected.len() as u64) > self.facts.messages_received => {
                let (came, wanted) = (self.facts.messages_received, expected.len());
                Err(mismatch(format!("status OK after only {came} of {wanted} messages")))
            }
            _ => Ok(()),
        }
    }
}

fn mismatch(text: String) -> Failure {
    Cause::new(FailureKind::EchoMismatch, text).at(Stage::Receive)
}

fn failure_of_status(status: &GrpcStatus) -> Failure {
    let GrpcStatus { code, name, message } = status;
    let kind = FailureKind::GrpcStatus { code: *code, name: name.clone() };
    Cause::new(kind, format!("{name} ({code}): {message}")).at(Stage::Http)
}
