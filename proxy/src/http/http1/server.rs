//! The server side of a connection: one request after the other, each with its response.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use http::{Method, Response, StatusCode, Version, header};
use hyper::body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Fault, Io, Request,
    body::{self, Body, Feed, Wish},
    decode::{Decoded, Decoder},
    encode::{self, Answering, Encoder},
    head::HeadEnd,
    request,
};
use crate::http::{body::ResponseBody, rejection::Rejection};

#[cfg(test)]
mod tests;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum End {
    /// The peer closed between two requests, or knows that it may not send another.
    Closed,
    /// The peer closed during a request or a response, or there is no response.
    Gone,
    /// The peer closed during a head.
    HalfHead,
    /// The response was the last one, which the peer may not know.
    Last,
    /// The peer sent something that is not a request.
    Rejected(Rejection),
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum NoAnswer {
    /// The peer is gone, or there is no response.
    Gone,
    /// It is refused like a malformed one.
    Rejected(Rejection),
}

/// Handles requests.
pub(in crate::http) trait Service {
    /// Handles a request.
    fn answer(
        &self,
        request: Request,
        body: Option<Body>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, NoAnswer>> + Send;

    /// Whether a response that starts now should be the last one.
    fn is_closing(&self) -> bool;
}

/// Serves requests until the connection ends.
pub(in crate::http) async fn serve<S>(io: &mut Io<S>, service: &impl Service) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let request = match read_request(io).await {
            Ok(request) => request,
            Err(end) => return end,
        };
        if let Some(end) = exchange(io, service, request).await {
            return end;
        }
    }
}

async fn read_request<S: AsyncRead + AsyncWrite + Unpin>(io: &mut Io<S>) -> Result<Request, End> {
    let mut end = HeadEnd::default();
    loop {
        match request::read(&io.read, &mut end) {
            Ok(Some((request, length))) => {
                io.read.advance(length);
                return Ok(request);
            }
            Ok(None) => {}
            Err(rejection) => return Err(End::Rejected(rejection)),
        }
        if !matches!(poll_fn(|cx| io.poll_read(cx)).await, Ok(1..)) {
            return Err(if io.read.is_empty() { End::Closed } else { End::HalfHead });
        }
    }
}

/// Handles one request and its response; `Some` if it was the last one.
async fn exchange<S>(io: &mut Io<S>, service: &impl Service, mut request: Request) -> Option<End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if request.expects_continue {
        io.append(|out| out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n"));
    }
    let asked = Asked { version: request.version, head: request.method == Method::HEAD, closes: request.closes };
    let decoder = std::mem::replace(&mut request.body, Decoder::none());
    let (mut upload, body) = Upload::new(decoder);
    let mut answer = pin!(service.answer(request, body));
    let answered = poll_fn(|cx| {
        loop {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            match upload.poll(io, cx) {
                Poll::Ready(Moved::Piece) => {}
                Poll::Ready(Moved::Left) => return Poll::Ready(Err(NoAnswer::Gone)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    let response = match answered {
        Ok(response) => response,
        Err(NoAnswer::Gone) => return Some(End::Gone),
        Err(NoAnswer::Rejected(rejection)) => return Some(End::Rejected(rejection)),
    };
    let (head, body) = response.into_parts();
    let raw = head.status == StatusCode::SWITCHING_PROTOCOLS && upload.decoder.is_raw();
    // If a request's body is not read completely, the next request can't be read either.
    let mut closes = asked.closes || service.is_closing() || (!upload.decoder.is_done() && !raw);
    let is_unbounded = asked.version == Version::HTTP_10 && !head.headers.contains_key(header::CONTENT_LENGTH);
    closes |= is_unbounded && !body.is_end_stream();
    closes |= head.headers.get(header::CONNECTION).is_some_and(|value| value == "close");
    let mut headers = head.headers;
    if !raw {
        headers.remove(header::CONNECTION);
    }
    let answering = Answering {
        version: asked.version,
        head: asked.head,
        whole: body.is_end_stream(),
        closes: closes && !raw,
        raw,
    };
    let mut encoder = Encoder::Nothing;
    io.append(|out| encoder = encode::response(out, head.status, &headers, answering));
    let mut download = Download { body, encoder, done: false };
    let sent = poll_fn(|cx| poll_exchange(io, &mut upload, &mut download, cx)).await;
    let whole = upload.decoder.is_done();
    drop(download); // dropping the body ends the exchange
    match sent {
        Sent::Whole if raw => Some(End::Gone),
        // A close that the client requested, after a complete exchange, can be immediate; otherwise the peer needs time.
        Sent::Whole if closes && asked.closes && whole => Some(End::Closed),
        Sent::Whole if closes || !whole => Some(End::Last),
        Sent::Whole => None,
        Sent::Broken => Some(End::Gone),
    }
}

/// The facts about a request that its response depends on.
struct Asked {
    version: Version,
    head: bool,
    closes: bool,
}

/// How much of a response was sent.
enum Sent {
    Whole,
    Broken,
}

/// A request's body, on its way from the connection to the handler.
struct Upload {
    decoder: Decoder,
    feed: Option<Feed>,
}

enum Moved {
    /// A piece was forwarded, or the body ended.
    Piece,
    /// The peer is gone.
    Left,
}

impl Upload {
    fn new(decoder: Decoder) -> (Self, Option<Body>) {
        if decoder.is_done() {
            return (Self { decoder, feed: None }, None);
        }
        let (feed, body) = body::body(decoder.exact_length(), false);
        (Self { decoder, feed: Some(feed) }, Some(body))
    }

    /// Forwards the next piece if the handler waits for one; otherwise checks whether the peer is still there.
    fn poll<S: AsyncRead + AsyncWrite + Unpin>(&mut self, io: &mut Io<S>, cx: &mut Context<'_>) -> Poll<Moved> {
        if !io.is_flushed() && matches!(io.poll_flush(cx), Poll::Ready(Err(_))) {
            return Poll::Ready(self.left());
        }
        let Some(feed) = &self.feed else { return self.poll_left(io, cx) };
        if feed.poll_wish(cx) != Poll::Ready(Wish::Piece) {
            return Poll::Pending;
        }
        loop {
            match self.decoder.decode(&mut io.read) {
                Ok(Decoded::Data(piece)) => {
                    feed.give(piece, self.decoder.is_done());
                    if self.decoder.is_done() {
                        self.feed = None;
                    }
                    return Poll::Ready(Moved::Piece);
                }
                Ok(Decoded::End) => {
                    feed.end(Ok(()));
                    self.feed = None;
                    return Poll::Ready(Moved::Piece);
                }
                Ok(Decoded::More) => {}
                Err(rejection) => {
                    feed.end(Err(Fault::Malformed(rejection)));
                    self.feed = None;
                    return Poll::Ready(Moved::Piece);
                }
            }
            match io.poll_read(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(self.left()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// After a complete request, further bytes are the start of the next one; at most one read of them is buffered.
    fn poll_left<S: AsyncRead + AsyncWrite + Unpin>(&self, io: &mut Io<S>, cx: &mut Context<'_>) -> Poll<Moved> {
        if !self.decoder.is_done() {
            return Poll::Pending; // malformed: the response reports it
        }
        while io.read.is_empty() {
            match io.poll_read(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Moved::Left),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    fn left(&mut self) -> Moved {
        if let Some(feed) = self.feed.take() {
            feed.end(Err(Fault::Cut));
        }
        Moved::Left
    }
}

/// A response's body, on its way to the connection.
struct Download<B> {
    body: B,
    encoder: Encoder,
    done: bool,
}

fn poll_exchange<S, B>(
    io: &mut Io<S>,
    upload: &mut Upload,
    download: &mut Download<B>,
    cx: &mut Context<'_>,
) -> Poll<Sent>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    loop {
        let mut moved = false;
        while !download.done && io.has_room() {
            match Pin::new(&mut download.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    moved = true;
                    if let Ok(piece) = frame.into_data() {
                        download.encoder.piece(io, piece);
                    }
                    download.end_if_complete(io);
                }
                Poll::Ready(Some(Err(_))) => {
                    // The available part is forwarded; closing the connection shows that it is incomplete.
                    let _ = io.poll_flush(cx);
                    return Poll::Ready(Sent::Broken);
                }
                Poll::Ready(None) => download.end(io),
                Poll::Pending => break,
            }
        }
        let was_full = !io.has_room();
        match io.poll_flush(cx) {
            Poll::Ready(Ok(())) if download.done => return Poll::Ready(Sent::Whole),
            Poll::Ready(Err(_)) => return Poll::Ready(Sent::Broken),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        // The body was not asked while there was no space, and would not wake this task.
        moved |= was_full && io.has_room();
        match upload.poll(io, cx) {
            Poll::Ready(Moved::Piece) => moved = true,
            Poll::Ready(Moved::Left) => return Poll::Ready(Sent::Broken),
            Poll::Pending => {}
        }
        if !moved {
            return Poll::Pending;
        }
    }
}

impl<B: hyper::body::Body> Download<B> {
    fn end_if_complete<S: AsyncRead + AsyncWrite + Unpin>(&mut self, io: &mut Io<S>) {
        if self.body.is_end_stream() {
            self.end(io);
        }
    }

    fn end<S: AsyncRead + AsyncWrite + Unpin>(&mut self, io: &mut Io<S>) {
        if !std::mem::replace(&mut self.done, true) {
            self.encoder.end(io);
        }
    }
}
