//! Tests that cross crates: in namespaces, golden files, README commands.
