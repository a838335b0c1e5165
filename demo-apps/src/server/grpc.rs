//! The service `sidelab.Echo`, and an OpenTelemetry collector's.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;

use super::body::{AnyBody, never, whole};
use super::context::Context;
use super::respond::refuse;
use crate::grpc::{APPLICATION_GRPC, Broken, Code, MESSAGE_HEADER, MESSAGES_HEADER, Messages, Method, STATUS_HEADER};
use crate::grpc::{frame, is_grpc};
use crate::otlp;
use crate::report::{GrpcSeen, GrpcStatus};

/// Answers a request whose path or content type is gRPC's.
pub(super) async fn answer(request: Request<Incoming>, context: Arc<Context>) -> Response<AnyBody> {
    if !is_grpc(request.headers()) {
        let why = "this path requires gRPC: POST with content-type: application/grpc";
        return refuse(request, &context, StatusCode::UNSUPPORTED_MEDIA_TYPE, why).await;
    }
    if request.version() != Version::HTTP_2 {
        return refuse(request, &context, StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC requires HTTP/2").await;
    }
    let (head, body) = request.into_parts();
    let (sender, answer) = Channel::new(1);
    let call = Call { messages: Messages::new(body), sender, received: 0, sent: 0 };
    let Some(method) = Method::from_path(head.uri.path()) else {
        let status = GrpcStatus::from_code(Code::Unimplemented, format!("no method {}", head.uri.path()));
        // A response without body or trailers, which gRPC calls "Trailers-Only".
        let mut response = grpc(whole(""));
        response.headers_mut().extend(status.trailers());
        call.log(&head, status, &context);
        return response;
    };
    // The response starts at once, and continues in a task.
    tokio::spawn(call.run(method, head, context));
    grpc(answer.map_err(never).boxed())
}

fn grpc(body: AnyBody) -> Response<AnyBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(APPLICATION_GRPC));
    response
}

/// A call in progress.
struct Call {
    messages: Messages<Incoming>,
    sender: Sender<Bytes>,
    received: u64,
    sent: u64,
}

impl Call {
    async fn run(mut self, method: Method, head: Parts, context: Arc<Context>) {
        let ended = self.serve(method, &head, &context).await;
        let status = ended.err().unwrap_or_else(|| GrpcStatus::from_code(Code::Ok, ""));
        let trailers = status.trailers();
        // Logged first: a client that has received the trailers finds the log complete.
        let mut sender = self.log(&head, status, &context);
        // Fails if the client is gone.
        let _ = sender.send_trailers(trailers).await;
    }

    fn log(self, head: &Parts, status: GrpcStatus, context: &Context) -> Sender<Bytes> {
        let mut seen = context.seen(head, self.messages.bytes());
        seen.grpc = Some(GrpcSeen { status, messages_received: self.received, messages_sent: self.sent });
        context.log(StatusCode::OK, seen);
        self.sender
    }

    async fn serve(&mut self, method: Method, head: &Parts, context: &Context) -> Result<(), GrpcStatus> {
        match method {
            Method::Unary => {
                let message = self.only().await?;
                self.send(&message).await
            }
            Method::ClientStream => {
                let mut joined = BytesMut::new();
                while let Some(message) = self.next().await? {
                    joined.extend_from_slice(&message);
                }
                self.send(&joined).await
            }
            Method::ServerStream => {
                let times = number(&head.headers, MESSAGES_HEADER)?.unwrap_or(1);
                let message = self.only().await?;
                for _ in 0..times {
                    self.send(&message).await?;
                }
                Ok(())
            }
            Method::Stream => {
                while let Some(message) = self.next().await? {
                    self.send(&message).await?;
                }
                Ok(())
            }
            Method::Fail => {
                let mut last = Bytes::new();
                while let Some(message) = self.next().await? {
                    last = message;
                }
                Err(requested_status(&head.headers, &last)?)
            }
            Method::Seen => {
                self.only().await?;
                // Strings and numbers can always be serialized.
                let json = serde_json::to_vec(&context.seen(head, self.messages.bytes())).unwrap_or_default();
                self.send(&json).await
            }
            Method::Export => {
                let message = self.only().await?;
                let spans = otlp::read(&message).map_err(|error| invalid(error.to_string()))?;
                context.log_spans(spans);
                // An `ExportTraceServiceResponse` without fields: all were taken.
                self.send(&[]).await
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, GrpcStatus> {
        let message = self.messages.next().await.map_err(|broken| {
            let code = match broken {
                Broken::Compressed => Code::Unimplemented,
                Broken::CutShort => Code::Internal,
                Broken::TooLong(_) => Code::ResourceExhausted,
                Broken::Stream(_) => Code::Cancelled,
            };
            GrpcStatus::from_code(code, broken.to_string())
        })?;
        self.received += u64::from(message.is_some());
        Ok(message)
    }

    /// The message of a request with exactly one. gRPC treats any other number like an unknown method.
    async fn only(&mut self) -> Result<Bytes, GrpcStatus> {
        match (self.next().await?, self.next().await?) {
            (Some(message), None) => Ok(message),
            _ => Err(GrpcStatus::from_code(Code::Unimplemented, "this method requires exactly one message")),
        }
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), GrpcStatus> {
        let gone = |_| GrpcStatus::from_code(Code::Cancelled, "the client stopped reading");
        self.sender.send_data(frame(message)).await.map_err(gone)?;
        self.sent += 1;
        Ok(())
    }
}

/// The status that a call of `Fail` requests, in its headers or in its message's last line.
fn requested_status(headers: &HeaderMap, message: &[u8]) -> Result<GrpcStatus, GrpcStatus> {
    if let Some(code) = number(headers, STATUS_HEADER)? {
        let text = headers.get(MESSAGE_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
        return Ok(GrpcStatus::new(code, String::from_utf8_lossy(text)));
    }
    let text = String::from_utf8_lossy(message);
    let line = text.lines().next_back().unwrap_or_default();
    let (code, text) = line.split_once(' ').unwrap_or((line, ""));
    match code.parse() {
        Ok(code) => Ok(GrpcStatus::new(code, text)),
        Err(_) => Err(invalid(format!("expected metadata {STATUS_HEADER}: CODE, or a message \"CODE TEXT\""))),
    }
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<u32>, GrpcStatus> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match value.to_str().ok().and_then(|value| value.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(invalid(format!("{name} is not a number: {value:?}"))),
    }
}

fn invalid(message: String) -> GrpcStatus {
    GrpcStatus::from_code(Code::InvalidArgument, message)
}
