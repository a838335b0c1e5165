//! TLS from the server's sidecar to its own app, if configured. It is on leg 3, inside the pod, and does not affect leg 2.

use envoy_api::{Cluster, TransportSocket, TransportSocketConfig, UpstreamTlsContext};

use super::{Compiler, Resource};
use crate::{
    flavor::TlsToApp,
    model::{Source, merged},
};

impl Compiler<'_> {
    /// Sets the configured transport socket of an inbound cluster, which leads to a container port of these services.
    pub(super) fn add_app_tls(&mut self, cluster: &mut Cluster, port: u16, services: &[&str]) {
        let asked = match self.decisions.tls_to_app {
            TlsToApp::Annotation => self.by_annotation(port),
            TlsToApp::EnvoyFilter => self.by_envoy_filter(&cluster.name, port, services),
        };
        let Some((socket, because, source)) = asked else { return };
        self.because(Resource::TransportSocket { cluster: cluster.name.clone() }, because, &source);
        cluster.transport_socket = Some(self.observable(socket));
    }

    /// The annotation only enables TLS: any certificate of the app is accepted, as with the usual EnvoyFilter.
    fn by_annotation(&self, port: u16) -> Option<(TransportSocket, String, Source)> {
        let source = self.pod.sidecar.as_ref()?.tls_to_app.get(&port)?;
        let context = UpstreamTlsContext { common_tls_context: self.user_context(), ..Default::default() };
        let because = format!("the pod's annotation enables TLS to its app on port {port}");
        Some((TransportSocket::upstream_tls(context), because, source.clone()))
    }

    fn by_envoy_filter(
        &self,
        cluster: &str,
        port: u16,
        services: &[&str],
    ) -> Option<(TransportSocket, String, Source)> {
        let patches = self.mesh.inbound_patches(self.pod, cluster, port, services);
        let (filter, last) = patches.last()?;
        let because = format!("{} patches the cluster", filter.by);
        // Validation checked that they fit together.
        let socket = merged(patches.iter().map(|(_, patch)| *patch)).ok()?;
        Some((socket, because, last.source.clone()))
    }

    /// Adds what the [options](super::Options) require of every TLS context, unless it is already set.
    fn observable(&self, mut socket: TransportSocket) -> TransportSocket {
        if let TransportSocketConfig::UpstreamTls(context) = &mut socket.typed_config {
            let common = &mut context.common_tls_context;
            common.key_log = common.key_log.take().or(self.base_context(&[]).key_log);
            if let Some(group) = &self.options().group {
                common.tls_params.get_or_insert_default().ecdh_curves = vec![group.clone()];
            }
            context.max_session_keys = context.max_session_keys.or(self.max_session_keys());
        }
        socket
    }
}
