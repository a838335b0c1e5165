//! sidelab: runs scenarios in namespaces, observes each leg on the wire and judges what was seen.
