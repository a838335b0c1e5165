//! scratch
fn main() { println!("{:?}", netns::sweep_stale()); }
