//! Prints the flows of a pcapng file as JSON.
//!
//! `cargo run -p observe --example flows -- FILE.pcapng [KEYLOG...]`

use std::error::Error;
use std::fs::{File, read_to_string};
use std::io::BufReader;

use observe::{Capture, KeyLog, observe};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: flows FILE.pcapng [KEYLOG...]")?;
    let capture = Capture::read_pcapng(BufReader::new(File::open(file)?))?;
    let mut keys = KeyLog::parse(&capture.secrets);
    for log in arguments {
        keys.add(&read_to_string(log)?);
    }
    println!("{}", serde_json::to_string_pretty(&observe(&capture, &keys))?);
    Ok(())
}
