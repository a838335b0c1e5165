//! Demo clients and servers, with and without TLS of their own.
