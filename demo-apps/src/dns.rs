//! A name server, which answers like a cluster's DNS, from a list of addresses and names.
//!
//! It answers A and AAAA queries over UDP and TCP. Unknown names do not exist (`NXDOMAIN`); nothing is forwarded to other
//! servers.

use std::{
    collections::HashMap,
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

#[cfg(test)]
mod tests;

/// TTL of answers, in seconds: CoreDNS' default for names of a cluster.
const TTL: u32 = 5;

/// Maximum length of an answer over UDP without EDNS, in bytes (RFC 1035, section 2.3.4).
const UDP_LENGTH: u16 = 512;

/// Addresses by name.
#[derive(Debug, Default)]
pub struct Records(HashMap<Name, Vec<IpAddr>>);

/// A line that is not an address followed by names.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}; an address and at least one name were expected, as in /etc/hosts")]
pub struct BadRecord {
    /// Line number, counted from 1.
    pub line: usize,
    /// What is wrong with the line.
    pub why: String,
}

impl Records {
    /// Parses the format of `/etc/hosts`: an address and its names on each line, and comments that start with `#`.
    ///
    /// # Errors
    ///
    /// [`BadRecord`] for the first malformed line.
    pub fn parse(text: &str) -> Result<Self, BadRecord> {
        let mut records = Self::default();
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(address) = words.next() else { continue };
            let bad = |why: String| BadRecord { line: index + 1, why };
            let address: IpAddr = address.parse().map_err(|_| bad(format!("{address:?} is not an address")))?;
            let mut words = words.peekable();
            if words.peek().is_none() {
                return Err(bad("there is no name".to_owned()));
            }
            for word in words {
                let mut name =
                    Name::from_ascii(word).map_err(|error| bad(format!("{word:?}: {error}")))?.to_lowercase();
                name.set_fqdn(true);
                records.0.entry(name).or_default().push(address);
            }
        }
        Ok(records)
    }

    /// The answer to a message; `None` if it is not a query. An answer longer than `limit` bytes is truncated.
    fn answer(&self, message: &[u8], limit: Option<u16>) -> Option<Vec<u8>> {
        let Ok(query) = Message::from_vec(message) else {
            // A malformed query is answered if it has an id.
            let id = u16::from_be_bytes([*message.first()?, *message.get(1)?]);
            let is_query = message.get(2)? & 0x80 == 0;
            return is_query.then(|| Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok())?;
        };
        if query.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.metadata.recursion_desired = query.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.metadata.authoritative = true;
        answer.metadata.response_code = match (query.metadata.op_code, &query.queries[..]) {
            (OpCode::Query, [question]) => {
                answer.add_query(question.clone());
                match self.0.get(&question.name.to_lowercase()) {
                    None => ResponseCode::NXDomain,
                    Some(addresses) if question.query_class == DNSClass::IN => {
                        let records =
                            addresses.iter().filter_map(|&ip| record(&question.name, ip, question.query_type));
                        answer.add_answers(records);
                        ResponseCode::NoError
                    }
                    Some(_) => ResponseCode::NotImp,
                }
            }
            (OpCode::Query, _) => ResponseCode::FormErr,
            _ => ResponseCode::NotImp,
        };
        let longest = limit.map(|limit| limit.max(query.max_payload()));
        let bytes = answer.to_vec().ok()?;
        match longest {
            Some(longest) if bytes.len() > longest.into() => answer.truncate().to_vec().ok(),
            _ => Some(bytes),
        }
    }
}

/// An address as an answer to a query of type `asked`.
fn record(name: &Name, address: IpAddr, asked: RecordType) -> Option<Record> {
    let data = match (address, asked) {
        (IpAddr::V4(v4), RecordType::A | RecordType::ANY) => RData::A(v4.into()),
        (IpAddr::V6(v6), RecordType::AAAA | RecordType::ANY) => RData::AAAA(v6.into()),
        _ => return None,
    };
    Some(Record::from_rdata(name.clone(), TTL, data))
}

/// Records in memory, or in a file that is read again whenever another one is moved into its place.
#[derive(Debug)]
pub struct Book {
    file: Option<PathBuf>,
    read: Mutex<(Option<Version>, Arc<Records>)>,
}

/// Distinguishes a file from the one that replaces it: device, inode, and time of the last change in seconds and nanoseconds.
type Version = (u64, u64, i64, i64);

impl From<Records> for Book {
    fn from(records: Records) -> Self {
        Self { file: None, read: Mutex::new((None, Arc::new(records))) }
    }
}

impl Book {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has a [`BadRecord`].
    pub fn open(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let version = version(path);
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let records = Arc::new(Records::parse(&text)?);
        Ok(Self { file: Some(path.to_owned()), read: Mutex::new((version, records)) })
    }

    /// The records as they are now. A file that cannot be used does not replace the previous one.
    fn records(&self) -> Arc<Records> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file {
            let version = version(file);
            if version != read.0
                && let Some(records) = fs::read_to_string(file).ok().and_then(|text| Records::parse(&text).ok())
            {
                *read = (version, Arc::new(records));
            }
        }
        Arc::clone(&read.1)
    }
}

fn version(path: &Path) -> Option<Version> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}

/// A server with bound sockets.
#[derive(Debug)]
pub struct Server {
    records: Arc<Book>,
    sockets: Vec<(UdpSocket, TcpListener)>,
}

impl Server {
    /// Binds UDP and TCP on each address.
    ///
    /// # Errors
    ///
    /// If a socket cannot be bound.
    pub async fn bind(records: impl Into<Book>, addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for address in addresses {
            let udp = UdpSocket::bind(address).await?;
            // The same port, even if the system chose it.
            let tcp = TcpListener::bind(udp.local_addr()?).await?;
            sockets.push((udp, tcp));
        }
        Ok(Self { records: Arc::new(records.into()), sockets })
    }

    /// The bound addresses.
    ///
    /// # Errors
    ///
    /// If the operating system does not report them.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(|(udp, _)| udp.local_addr()).collect()
    }

    /// Answers queries until `stop` completes.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        for (udp, tcp) in self.sockets {
            tasks.spawn(serve_udp(udp, Arc::clone(&self.records)));
            tasks.spawn(serve_tcp(tcp, Arc::clone(&self.records)));
        }
        // Dropping the tasks stops them.
        stop.await;
    }
}

async fn serve_udp(socket: UdpSocket, book: Arc<Book>) {
    let mut buffer = [0; 4096];
    loop {
        // An error refers to an earlier answer that was not received.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(answer) = book.records().answer(&buffer[..length], Some(UDP_LENGTH)) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, book: Arc<Book>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_all(stream, Arc::clone(&book)));
        }
    }
}

/// Each message is preceded by its length (RFC 1035, section 4.2.2).
async fn answer_all(mut stream: TcpStream, book: Arc<Book>) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut message = vec![0; length.into()];
        stream.read_exact(&mut message).await?;
        let Some(answer) = book.records().answer(&message, None) else { return Ok(()) };
        let Ok(length) = u16::try_from(answer.len()) else { return Ok(()) };
        stream.write_u16(length).await?;
        stream.write_all(&answer).await?;
    }
}
