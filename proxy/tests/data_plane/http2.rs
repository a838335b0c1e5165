//! HTTP/2 and gRPC in the running program: from the app (prior knowledge), between sidecars (ALPN), and to the app.

use std::{convert::Infallible, net::SocketAddr};

use crate::support::{
    Mesh, Proxy, cluster, folder,
    http::{echo, hcm_chain, route, upstream},
    listener, loopback, resources,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2 as client,
    server::conn::http2 as server,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

type Body = BoxBody<Bytes, Infallible>;

/// An app with HTTP/2: `/grpc` echoes piece by piece, and then sends `grpc-status: 0`; `/refused` refuses the stream; all
/// other requests are answered with their version.
async fn app(address: SocketAddr) {
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let serving =
                server::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(serving);
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, h2::Error> {
    let (parts, body) = request.into_parts();
    match parts.uri.path() {
        "/refused" => Err(h2::Reason::REFUSED_STREAM.into()),
        "/grpc" => {
            let data = body.into_data_stream().map(|piece| Ok(Frame::data(piece.unwrap())));
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
            let frames = data.chain(stream::iter([Ok(Frame::trailers(trailers))]));
            Ok(Response::new(BodyExt::boxed(StreamBody::new(frames))))
        }
        _ => Ok(Response::new(Full::new(format!("{:?}", parts.version).into()).boxed())),
    }
}

/// A client with a single connection.
async fn connect(address: SocketAddr) -> client::SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = client::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://server:8080{path}")).body(Full::default().boxed()).unwrap()
}

async fn body(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Makes a cluster use HTTP/2.
fn over_http2(mut cluster: Value) -> Value {
    cluster["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }});
    cluster
}

/// A proxy that forwards everything to one cluster, and its address.
fn proxy(cluster: &Value, action: &Value) -> (Proxy, SocketAddr) {
    let (files, address) = (folder(), (loopback(), 15001).into());
    let name = cluster["name"].as_str().unwrap();
    let chain = hcm_chain(files.path(), &[route("/", name, action)], &json!({}));
    resources(files.path(), "lds.json", &[listener("http", address, &chain)]);
    resources(files.path(), "cds.json", std::slice::from_ref(cluster));
    (Proxy::start(files, &["--concurrency", "1"]), address)
}

#[tokio::test]
async fn a_grpc_stream_passes_piece_by_piece_in_both_directions_with_its_trailers() {
    let address = (loopback(), 8080).into();
    app(address).await;
    let (proxy, to_proxy) = proxy(&over_http2(cluster("c", address)), &json!({}));
    let (to_body, pieces) = mpsc::unbounded_channel::<&'static str>();
    let body = stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(piece))), pieces))
    });
    let mut sender = connect(to_proxy).await;
    let request =
        Request::post("http://server:8080/grpc").header("te", "trailers").body(BodyExt::boxed(StreamBody::new(body)));
    let mut response = sender.send_request(request.unwrap()).await.unwrap().into_body();
    for piece in ["one", "two"] {
        to_body.send(piece).unwrap();
        let frame = response.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece, "received before the next one is sent");
    }
    drop(to_body);
    let trailers = loop {
        let frame = response.frame().await.unwrap().unwrap();
        if let Ok(trailers) = frame.into_trailers() {
            break trailers;
        }
    };
    assert_eq!(trailers["grpc-status"], "0");
    drop(sender);
    assert_eq!(proxy.log(), ["POST /grpc HTTP/2 200 - via_upstream"]);
}

#[tokio::test]
async fn each_side_can_use_another_version() {
    let ip = loopback();
    let (http1, http2): (SocketAddr, SocketAddr) = ((ip, 8081).into(), (ip, 8082).into());
    upstream(http1, echo);
    app(http2).await;

    let (_down_up, address) = proxy(&cluster("c", http1), &json!({}));
    let (status, seen) = body(connect(address).await.send_request(get("/x")).await.unwrap()).await;
    assert_eq!(status, 200);
    assert!(seen.starts_with("GET /x HTTP/1.1\r\nhost: server:8080\r\n"), "{seen}");

    let (_up_down, address) = proxy(&over_http2(cluster("c", http2)), &json!({}));
    let answer = tokio::task::spawn_blocking(move || crate::support::http::get(address, "/x")).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nHTTP/2.0"), "{answer}");
}

#[tokio::test]
async fn a_failure_is_reported_to_a_grpc_client_as_grpc() {
    let (proxy, to_proxy) = proxy(&over_http2(cluster("c", (loopback(), 9).into())), &json!({}));
    let mut request = get("/pkg.Service/Method");
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let response = connect(to_proxy).await.send_request(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["grpc-status"]),
        (200, &HeaderValue::from_static("14"))
    );
    let message = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
    assert_eq!(response.headers()["grpc-message"], message);
    assert_eq!(body(response).await.1, "");
    let details = "remote_connection_failure|delayed_connect_error:_Connection_refused";
    assert_eq!(
        proxy.log(),
        [format!("GET /pkg.Service/Method HTTP/2 200 UF upstream_reset_before_response_started{{{details}}}")]
    );
}

#[tokio::test]
async fn a_refused_stream_is_retried_and_then_reported() {
    let address = (loopback(), 8080).into();
    app(address).await;
    let policy = json!({"retry_policy": {"retry_on": "refused-stream", "num_retries": 1}});
    let (proxy, to_proxy) = proxy(&over_http2(cluster("c", address)), &policy);
    let (status, text) = body(connect(to_proxy).await.send_request(get("/refused")).await.unwrap()).await;
    assert_eq!(status, 503);
    assert!(text.ends_with("retried and the latest reset reason: remote refused stream reset"), "{text}");
    assert_eq!(
        proxy.log(),
        ["GET /refused HTTP/2 503 URX,UR upstream_reset_before_response_started{remote_refused_stream_reset}"]
    );
}

#[tokio::test]
async fn a_request_that_the_client_resets_is_logged_as_dr() {
    let app: SocketAddr = (loopback(), 8080).into();
    let (seen, mut wait) = mpsc::unbounded_channel();
    upstream(app, move |mut stream| {
        crate::support::http::read_request(&mut stream);
        seen.send("request").unwrap();
        let _ = std::io::Read::read(&mut stream, &mut [0]);
        seen.send("end").unwrap();
    });
    let (proxy, to_proxy) = proxy(&cluster("c", app), &json!({}));
    let mut sender = connect(to_proxy).await;
    let response = tokio::spawn(sender.send_request(get("/slow")));
    assert_eq!(wait.recv().await, Some("request"));
    response.abort();
    assert_eq!(wait.recv().await, Some("end"), "the upstream stream is reset, too");
    assert_eq!(proxy.log(), ["GET /slow HTTP/2 0 DR http2.remote_reset"]);
}

#[tokio::test]
async fn sidecars_use_http2_if_alpn_selects_it() {
    let (mesh, ip) = (Mesh::new(), loopback());
    let (outbound, inbound, address): (SocketAddr, SocketAddr, SocketAddr) =
        ((ip, 15001).into(), (ip, 15006).into(), (ip, 8080).into());
    app(address).await;
    let server = folder();
    mesh.secrets(server.path(), "spiffe://cluster.local/ns/default/sa/server");
    let mut chain = hcm_chain(server.path(), &[route("/", "in", &json!({}))], &json!({}));
    chain["transport_socket"] = Mesh::downstream(server.path(), "spiffe://cluster.local/");
    resources(server.path(), "lds.json", &[listener("virtualInbound", inbound, &chain)]);
    resources(server.path(), "cds.json", &[over_http2(cluster("in", address))]);

    let client = folder();
    mesh.secrets(client.path(), "spiffe://cluster.local/ns/default/sa/client");
    let mut to_server = over_http2(cluster("out", inbound));
    to_server["transport_socket"] = Mesh::upstream(client.path(), "spiffe://cluster.local/ns/default/sa/server");
    to_server["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"] =
        json!(["istio-h2", "istio", "h2"]);
    let chain = hcm_chain(client.path(), &[route("/", "out", &json!({}))], &json!({}));
    resources(client.path(), "lds.json", &[listener("outbound", outbound, &chain)]);
    resources(client.path(), "cds.json", &[to_server]);
    let (client, server) = (Proxy::start(client, &[]), Proxy::start(server, &[]));

    let (status, text) = body(connect(outbound).await.send_request(get("/")).await.unwrap()).await;
    assert_eq!((status.as_u16(), &*text), (200, "HTTP/2.0"));
    assert_eq!(client.log(), ["GET / HTTP/2 200 - via_upstream"]);
    assert_eq!(server.log(), ["GET / HTTP/2 200 - via_upstream"]);
}

#[tokio::test]
async fn the_parts_of_a_cookie_reach_an_http1_app_as_one() {
    let (files, ip) = (folder(), loopback());
    let (address, app): (SocketAddr, SocketAddr) = ((ip, 15001).into(), (ip, 8080).into());
    upstream(app, echo);
    let chain = hcm_chain(files.path(), &[route("/", "c", &json!({}))], &json!({}));
    resources(files.path(), "lds.json", &[listener("http", address, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let _proxy = Proxy::start(files, &[]);
    let mut request = get("/x");
    for part in ["a=1", "b=2", "c=3"] {
        request.headers_mut().append("cookie", HeaderValue::from_static(part));
    }
    let (status, seen) = body(connect(address).await.send_request(request).await.unwrap()).await;
    assert_eq!(status, 200);
    let cookies: Vec<_> = seen.lines().filter(|line| line.starts_with("cookie")).collect();
    assert_eq!(cookies, ["cookie: a=1; b=2; c=3"], "{seen}");
}
