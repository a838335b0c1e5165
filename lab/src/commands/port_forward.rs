//! `sidelab port-forward`.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use super::{OK, opened::Opened};
use crate::{
    cli::PortForwardArgs,
    interrupt, manifests,
    terminal::{noteln, outln},
};

/// How often it is checked whether Ctrl-C was pressed, or the lab is gone.
const LOOK: Duration = Duration::from_millis(50);

/// How long a pod can take to accept.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// A port of this host, and the port of the pod that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forward {
    /// 0 for any that is free.
    local: u16,
    remote: u16,
}

pub(super) fn port_forward(args: &PortForwardArgs) -> Result<u8> {
    let forwards: Vec<Forward> = args.ports.iter().map(|text| forward(text)).collect::<Result<_>>()?;
    let opened = Opened::new(&args.lab)?;
    let (name, forwards) = target(args, &opened, forwards)?;
    let host = Arc::new(opened.lab.pod(&name)?);
    interrupt::interruptible()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        for Forward { local, remote } in forwards {
            let address = SocketAddr::new(args.address, local);
            let listener = TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?;
            outln!("Forwarding from {} -> {remote}", listener.local_addr()?)?;
            tokio::spawn(serve(listener, Arc::clone(&host), remote));
        }
        while !interrupt::is_asked() && host.dir().is_dir() {
            tokio::time::sleep(LOOK).await;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    runtime.shutdown_background();
    Ok(OK)
}

/// Reads `8080`, `9999:8080` or `:8080`.
fn forward(text: &str) -> Result<Forward> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let ports = match text.split_once(':') {
        None => number(text).map(|port| (port, port)),
        Some(("" | "0", remote)) => number(remote).map(|remote| (0, remote)),
        Some((local, remote)) => number(local).zip(number(remote)),
    };
    let (local, remote) = ports.with_context(|| format!("{text:?} is no port: write 8080, 9999:8080 or :8080"))?;
    Ok(Forward { local, remote })
}

/// The pod that is meant, and its ports: those of a service lead to the container ports of its first pod.
fn target(args: &PortForwardArgs, opened: &Opened, forwards: Vec<Forward>) -> Result<(String, Vec<Forward>)> {
    let (kind, name) = args.to.split_once('/').unwrap_or(("pod", &args.to));
    match mesh::kind_of_word(kind) {
        Some("Pod") => {
            let index = manifests::find_pod(&opened.mesh, name, &args.namespace)?;
            Ok((opened.mesh.pods[index].name.to_string(), forwards))
        }
        Some("Service") => {
            let services = &opened.mesh.services;
            let service = services.iter().find(|one| one.name.name == name && one.name.namespace == args.namespace);
            let service = service.with_context(|| format!("no service {name:?} in namespace {}", args.namespace))?;
            let mut pod = None;
            let mut mapped = Vec::new();
            for Forward { local, remote } in forwards {
                let port = service.port(remote).with_context(|| format!("service {name} has no port {remote}"))?;
                let endpoint = port.endpoints.first().with_context(|| format!("service {name} has no pod"))?;
                pod = Some(endpoint.pod);
                mapped.push(Forward { local, remote: endpoint.port });
            }
            let pod = pod.context("name a port")?;
            Ok((opened.mesh.pods[pod].name.to_string(), mapped))
        }
        _ => bail!("{kind:?}: forward to a pod or to a service, such as svc/server"),
    }
}

async fn serve(listener: TcpListener, host: Arc<netns::Pod>, remote: u16) {
    while let Ok((from, peer)) = listener.accept().await {
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            if let Err(error) = pass_on(from, &host, remote).await {
                noteln!("the connection from {peer} to port {remote} of {} failed: {error}", host.name());
            }
        });
    }
}

async fn pass_on(mut from: TcpStream, host: &Arc<netns::Pod>, remote: u16) -> io::Result<()> {
    let host = Arc::clone(host);
    let connect = move || -> io::Result<std::net::TcpStream> {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), remote);
        let connected = host.enter(|| std::net::TcpStream::connect_timeout(&address, CONNECTS_WITHIN));
        connected.map_err(io::Error::other)?
    };
    let stream = tokio::task::spawn_blocking(connect).await.map_err(io::Error::other)??;
    stream.set_nonblocking(true)?;
    let mut to = TcpStream::from_std(stream)?;
    // A reset on either side ends both.
    let _ = copy_bidirectional(&mut from, &mut to).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_kubectl_reads_them() {
        let read = |text: &str| forward(text).map(|Forward { local, remote }| (local, remote)).ok();
        assert_eq!(
            ["8080", "9999:8080", ":8080", "0:80"].map(read),
            [Some((8080, 8080)), Some((9999, 8080)), Some((0, 8080)), Some((0, 80))]
        );
        assert_eq!(["", "http", "1:0", "70000", "a:1"].map(read), [None; 5]);
    }
}
