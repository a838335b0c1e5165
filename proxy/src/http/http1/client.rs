//! The client side of a connection: a task that sends one request after the other, and notices when the upstream closes in
//! between.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::{Buf as _, BytesMut};
use envoy_rules::outcome::UpstreamReset;
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Body as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
};

use super::{
    Fault, Io,
    body::{self, Body, Feed, Wish},
    decode::{Decoded, Decoder},
    encode::{self, Encoder},
    head::HeadEnd,
    response::{self, Asked},
};
use crate::http::body::RequestBody;

#[cfg(test)]
mod tests;

/// A connection for requests. It is closed when this is dropped.
#[derive(Debug)]
pub(in crate::http) struct Client {
    jobs: mpsc::UnboundedSender<Job>,
    ready: Arc<AtomicBool>,
}

/// The head of a request to send.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Outgoing<'a> {
    pub(in crate::http) method: &'a Method,
    pub(in crate::http) target: &'a str,
    pub(in crate::http) headers: &'a HeaderMap,
    /// Whether it requests an upgrade.
    pub(in crate::http) upgrade: bool,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum NoResponse {
    /// The connection was closed before anything was sent.
    NotSent,
    /// The upstream closed the connection, or sent something that is not a response.
    Reset(UpstreamReset),
}

#[derive(Debug)]
struct Job {
    head: BytesMut,
    encoder: Encoder,
    asked: Asked,
    body: RequestBody,
    reply: oneshot::Sender<Result<Response<Option<Body>>, UpstreamReset>>,
}

impl Client {
    /// A client for a connection, and the task that must be run for it.
    pub(in crate::http) fn new<S>(stream: S) -> (Self, impl Future<Output = ()>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (jobs, to_do) = mpsc::unbounded_channel();
        let ready = Arc::new(AtomicBool::new(true));
        (Self { jobs, ready: ready.clone() }, run(Io::new(stream), to_do, ready))
    }

    /// Whether the next request can be sent.
    pub(in crate::http) fn is_ready(&self) -> bool {
        self.ready.load(Relaxed) && !self.jobs.is_closed()
    }

    /// Sends a request and waits for the response's head.
    ///
    /// # Errors
    /// If there is no response.
    pub(in crate::http) async fn send(
        &self,
        request: Outgoing<'_>,
        body: RequestBody,
    ) -> Result<Response<Option<Body>>, NoResponse> {
        let Outgoing { method, target, headers, upgrade } = request;
        let mut head = BytesMut::with_capacity(1024);
        let encoder = encode::request(&mut head, method, target, headers, body.is_end_stream(), upgrade);
        let (reply, answer) = oneshot::channel();
        self.ready.store(false, Relaxed);
        let job = Job { head, encoder, asked: Asked::new(method, upgrade), body, reply };
        self.jobs.send(job).map_err(|_| NoResponse::NotSent)?;
        match answer.await {
            Ok(answer) => answer.map_err(NoResponse::Reset),
            Err(_) => Err(NoResponse::NotSent),
        }
    }
}

async fn run<S>(mut io: Io<S>, mut jobs: mpsc::UnboundedReceiver<Job>, ready: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let job = tokio::select! {
            biased;
            // Unsolicited bytes or the end: they must not be taken for the response to the next request.
            _ = poll_fn(|cx| io.poll_read(cx)) => break,
            job = jobs.recv() => job,
        };
        let Some(job) = job else { break };
        let mut transfer = Transfer::new(&mut io, job);
        if !poll_fn(|cx| transfer.poll(&mut io, &ready, cx)).await {
            break;
        }
    }
    io.close(true).await;
}

/// A request and its response in transit.
struct Transfer {
    asked: Asked,
    /// The request's body, until it has been sent.
    upload: Option<RequestBody>,
    encoder: Encoder,
    /// Whether the body waits for the upstream to accept an upgrade.
    held: bool,
    /// Whether the whole request has been written to the connection.
    sent: bool,
    receiving: Receiving,
}

enum Receiving {
    Head {
        end: HeadEnd,
        reply: oneshot::Sender<Result<Response<Option<Body>>, UpstreamReset>>,
    },
    Body {
        decoder: Decoder,
        feed: Feed,
        closes: bool,
    },
    /// Complete; whether the connection can be reused.
    Over(bool),
}

impl Transfer {
    fn new<S: AsyncRead + AsyncWrite + Unpin>(io: &mut Io<S>, job: Job) -> Self {
        let Job { head, encoder, asked, body, reply } = job;
        io.push(head.freeze());
        let receiving = Receiving::Head { end: HeadEnd::default(), reply };
        Self { asked, upload: Some(body), encoder, held: asked.upgrade, sent: false, receiving }
    }

    /// Continues until the response is complete or has failed. Returns whether the connection can be reused.
    fn poll<S>(&mut self, io: &mut Io<S>, ready: &AtomicBool, cx: &mut Context<'_>) -> Poll<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.poll_upload(io, cx).is_err() {
            self.fail();
            return Poll::Ready(false);
        }
        while !matches!(self.receiving, Receiving::Over(_)) {
            if self.poll_receive(io, ready, cx).is_pending() {
                return Poll::Pending;
            }
            // The received bytes may allow the request to continue, or end it.
            if self.poll_upload(io, cx).is_err() {
                self.fail();
                return Poll::Ready(false);
            }
        }
        Poll::Ready(matches!(self.receiving, Receiving::Over(true)))
    }

    /// Sends available parts of the request.
    ///
    /// # Errors
    /// If its body ends early.
    fn poll_upload<S>(&mut self, io: &mut Io<S>, cx: &mut Context<'_>) -> Result<(), ()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        while !self.sent {
            let mut waits = self.held;
            while let Some(body) = self.upload.as_mut().filter(|_| !waits && io.has_room()) {
                match Pin::new(body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Ok(piece) = frame.into_data() {
                            self.encoder.piece(io, piece);
                        }
                    }
                    Poll::Ready(Some(Err(_))) => {
                        let _ = io.poll_flush(cx); // what has been buffered
                        return Err(());
                    }
                    Poll::Ready(None) => {
                        self.encoder.end(io);
                        self.upload = None;
                    }
                    Poll::Pending => waits = true,
                }
            }
            match io.poll_flush(cx) {
                Poll::Ready(Ok(())) if self.upload.is_none() => self.sent = true,
                Poll::Ready(Ok(())) if waits => break,
                Poll::Ready(Ok(())) => {} // there is space again
                // The upstream stopped reading; it may have responded.
                Poll::Ready(Err(_)) => {
                    self.upload = None;
                    io.discard();
                    break;
                }
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn poll_receive<S>(&mut self, io: &mut Io<S>, ready: &AtomicBool, cx: &mut Context<'_>) -> Poll<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match &mut self.receiving {
            Receiving::Head { end, reply } => {
                if reply.poll_closed(cx).is_ready() {
                    self.receiving = Receiving::Over(false); // the receiver is gone
                    return Poll::Ready(());
                }
                match response::read(&io.read, end, self.asked) {
                    Ok(Some((response, length))) => {
                        io.read.advance(length);
                        *end = HeadEnd::default();
                        if !response.is_interim() {
                            self.begin(response, io, ready);
                        }
                        return Poll::Ready(());
                    }
                    Ok(None) => {}
                    Err(_) => return self.reset(UpstreamReset::ProtocolError),
                }
                match io.poll_read(cx) {
                    Poll::Ready(Ok(1..)) => Poll::Ready(()),
                    Poll::Ready(_) if io.read.is_empty() => self.reset(UpstreamReset::ConnectionTermination),
                    Poll::Ready(_) => self.reset(UpstreamReset::ProtocolError),
                    Poll::Pending => Poll::Pending,
                }
            }
            Receiving::Body { decoder, feed, closes } => {
                match feed.poll_wish(cx) {
                    Poll::Ready(Wish::Piece) => {}
                    Poll::Ready(Wish::Nothing) => {
                        self.receiving = Receiving::Over(false);
                        return Poll::Ready(());
                    }
                    Poll::Pending => return Poll::Pending,
                }
                match decoder.decode(&mut io.read) {
                    Ok(Decoded::Data(piece)) => {
                        let over = decoder.is_done();
                        let reusable = over && self.sent && !*closes && io.read.is_empty();
                        ready.store(reusable, Relaxed); // before the receiver can see the end
                        feed.give(piece, over);
                        if over {
                            self.receiving = Receiving::Over(reusable);
                        }
                        return Poll::Ready(());
                    }
                    Ok(Decoded::End) => {
                        let reusable = self.sent && !*closes && io.read.is_empty();
                        ready.store(reusable, Relaxed);
                        feed.end(Ok(()));
                        self.receiving = Receiving::Over(reusable);
                        return Poll::Ready(());
                    }
                    Ok(Decoded::More) => {}
                    Err(rejection) => {
                        feed.end(Err(Fault::Malformed(rejection)));
                        self.receiving = Receiving::Over(false);
                        return Poll::Ready(());
                    }
                }
                match io.poll_read(cx) {
                    Poll::Ready(Ok(1..)) => Poll::Ready(()),
                    Poll::Ready(_) => {
                        feed.end(decoder.cut());
                        self.receiving = Receiving::Over(false);
                        Poll::Ready(())
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
            Receiving::Over(_) => Poll::Ready(()),
        }
    }

    /// Delivers the head, and continues with the body.
    fn begin<S>(&mut self, response: response::Response, io: &Io<S>, ready: &AtomicBool) {
        let response::Response { status, headers, closes, body: decoder } = response;
        let (feed, body) = body::body(decoder.exact_length(), true);
        self.held &= status != StatusCode::SWITCHING_PROTOCOLS;
        let over = decoder.is_done();
        let reusable = over && self.sent && !closes && io.read.is_empty();
        ready.store(reusable, Relaxed);
        let next = if over { Receiving::Over(reusable) } else { Receiving::Body { decoder, feed, closes } };
        let Receiving::Head { reply, .. } = std::mem::replace(&mut self.receiving, next) else { return };
        let mut response = Response::new((!over).then_some(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        let _ = reply.send(Ok(response)); // fails if the receiver is gone
    }

    fn reset(&mut self, reset: UpstreamReset) -> Poll<()> {
        if let Receiving::Head { reply, .. } = std::mem::replace(&mut self.receiving, Receiving::Over(false)) {
            let _ = reply.send(Err(reset)); // fails if the receiver is gone
        }
        Poll::Ready(())
    }

    /// Ends the exchange after the request failed: the receiver of the response knows the reason.
    fn fail(&mut self) {
        match std::mem::replace(&mut self.receiving, Receiving::Over(false)) {
            Receiving::Head { reply, .. } => drop(reply.send(Err(UpstreamReset::ConnectionTermination))),
            Receiving::Body { feed, .. } => feed.end(Err(Fault::Cut)),
            Receiving::Over(_) => {}
        }
    }
}
