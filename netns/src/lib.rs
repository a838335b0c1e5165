//! Linux hosts on one box: namespaces, veth, routing, NAT, processes and packet capture.
