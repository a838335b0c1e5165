//! Resumed TLS sessions: whose certificates they stand for.

use std::collections::HashMap;

use crate::Flow;
use crate::tls::Certificate;

/// Gives resumed sessions the certificates of the handshake that they resume, when that is in the capture.
///
/// A resumed handshake shows no certificate, and yet each side holds the other to be who it was. The ticket links the two: the
/// server sent it, encrypted, in the first connection, and the client presents it in the clear in the next.
pub(crate) fn link(flows: &mut [Flow]) {
    type Certificates = (Option<Certificate>, Option<Certificate>);
    let mut sessions: HashMap<Vec<u8>, Certificates> = HashMap::new();
    // Flows come in the order in which they began, so that the session resumed is known by then.
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
