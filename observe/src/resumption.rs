//! Certificates of resumed TLS sessions.

use std::collections::HashMap;

use crate::Flow;
use crate::tls::Certificate;

/// Gives resumed sessions the certificates of the handshake that they resume, if it was captured.
///
/// A resumed handshake contains no certificates, but each side still has the identity from the original one. The ticket links the
/// two: the server sent it, encrypted, on the first connection, and the client presents it in the clear on the next.
pub(crate) fn link(flows: &mut [Flow]) {
    type Certificates = (Option<Certificate>, Option<Certificate>);
    let mut sessions: HashMap<Vec<u8>, Certificates> = HashMap::new();
    // Flows are in the order of their first packets, so the original session comes before.
    for tls in flows.iter_mut().flat_map(|flow| flow.content.tls_mut()) {
        if tls.resumed {
            let session = tls.tickets.presented.iter().find_map(|ticket| sessions.get(ticket));
            let Some((client, server)) = session.cloned() else {
                continue;
            };
            tls.resume(client, server);
        }
        let certificates = (tls.client_certificate.clone(), tls.server_certificate.clone());
        for ticket in &tls.tickets.issued {
            sessions.insert(ticket.clone(), certificates.clone());
        }
    }
}
