//! The administration interface of a pod's sidecar, native or Envoy, as a client.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use mesh::{model::Pod, sidecar::ADMIN_PORT};
use serde_json::Value;
use tokio::net::TcpStream;

/// How long an answer can take: a `config_dump` of a large mesh has several megabytes.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What the sidecar of a pod answers.
///
/// # Errors
/// If the pod has no sidecar, or it does not answer.
pub(crate) fn get(pod: &Pod, host: &netns::Pod, path: &str) -> Result<String> {
    if pod.sidecar.is_none() {
        bail!("{} has no sidecar", pod.name);
    }
    let answer = host.enter(|| ask(path))?;
    let (status, body) =
        answer.with_context(|| format!("the sidecar of {} does not answer; has it ended?", pod.name))?;
    if status != StatusCode::OK {
        bail!("the sidecar of {} answers {path} with {status}: {}", pod.name, body.trim());
    }
    Ok(body)
}

/// As [`get`], for an answer in JSON.
///
/// # Errors
/// As [`get`], and if it is not JSON.
pub(crate) fn get_json(pod: &Pod, host: &netns::Pod, path: &str) -> Result<Value> {
    let text = get(pod, host, path)?;
    serde_json::from_str(&text).with_context(|| format!("{path} of the sidecar of {} is not JSON", pod.name))
}

/// Asks the sidecar of the pod that the thread is in.
fn ask(path: &str) -> io::Result<(StatusCode, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = tokio::time::timeout(ANSWERS_WITHIN, exchange(path)).await;
        answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    })
}

async fn exchange(path: &str) -> io::Result<(StatusCode, String)> {
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN_PORT))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "admin").body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
