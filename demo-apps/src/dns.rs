//! A name server: what a cluster's DNS answers, from a list of addresses and names.
//!
//! It answers A and AAAA over UDP and TCP, for the names that it is given and no others: names that it does not know do not
//! exist (`NXDOMAIN`), and it asks nobody else.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
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

/// How long an answer may be kept, in seconds: as CoreDNS has it for names of a cluster.
const TTL: u32 = 5;

/// The longest answer over UDP to whoever does not say what else it takes, in bytes (RFC 1035, section 2.3.4).
const UDP_LENGTH: u16 = 512;

/// Who has which addresses.
#[derive(Debug, Default)]
pub struct Records(HashMap<Name, Vec<IpAddr>>);

/// A line that is no address with names.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}; an address and at least one name were expected, as in /etc/hosts")]
pub struct BadRecord {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl Records {
    /// Reads them in the form of `/etc/hosts`: an address and its names on each line, and comments that begin with `#`.
    ///
    /// # Errors
    ///
    /// [`BadRecord`] for the first line that is not of that form.
    pub fn parse(text: &str) -> Result<Self, BadRecord> {
        let mut records = Self::default();
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(address) = words.next() else { continue };
            let bad = |why: String| BadRecord { line: index + 1, why };
            let address: IpAddr = address.parse().map_err(|_| bad(format!("{address:?} is no address")))?;
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

    /// The answer to a message; none to what is no query. `limit` is the longest answer in bytes, a longer one is cut off.
    fn answer(&self, message: &[u8], limit: Option<u16>) -> Option<Vec<u8>> {
        let Ok(query) = Message::from_vec(message) else {
            // Whoever asks is told by the id, where there is one.
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

/// An address as an answer to a question for this type.
fn record(name: &Name, address: IpAddr, asked: RecordType) -> Option<Record> {
    let data = match (address, asked) {
        (IpAddr::V4(v4), RecordType::A | RecordType::ANY) => RData::A(v4.into()),
        (IpAddr::V6(v6), RecordType::AAAA | RecordType::ANY) => RData::AAAA(v6.into()),
        _ => return None,
    };
    Some(Record::from_rdata(name.clone(), TTL, data))
}

/// A server whose ports are bound.
#[derive(Debug)]
pub struct Server {
    records: Arc<Records>,
    sockets: Vec<(UdpSocket, TcpListener)>,
}

impl Server {
    /// Binds UDP and TCP at each address.
    ///
    /// # Errors
    ///
    /// When one of them cannot be bound.
    pub async fn bind(records: Records, addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for address in addresses {
            let udp = UdpSocket::bind(address).await?;
            // The same port, also where the system chose it.
            let tcp = TcpListener::bind(udp.local_addr()?).await?;
            sockets.push((udp, tcp));
        }
        Ok(Self { records: Arc::new(records), sockets })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the operating system does not say.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(|(udp, _)| udp.local_addr()).collect()
    }

    /// Answers until `stop` is done.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        for (udp, tcp) in self.sockets {
            tasks.spawn(serve_udp(udp, Arc::clone(&self.records)));
            tasks.spawn(serve_tcp(tcp, Arc::clone(&self.records)));
        }
        // Dropping the tasks ends them.
        stop.await;
    }
}

async fn serve_udp(socket: UdpSocket, records: Arc<Records>) {
    let mut buffer = [0; 4096];
    loop {
        // An error is about an earlier answer that nobody took.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(answer) = records.answer(&buffer[..length], Some(UDP_LENGTH)) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, records: Arc<Records>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_all(stream, Arc::clone(&records)));
        }
    }
}

/// Each message has its length before it (RFC 1035, section 4.2.2).
async fn answer_all(mut stream: TcpStream, records: Arc<Records>) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut message = vec![0; length.into()];
        stream.read_exact(&mut message).await?;
        let Some(answer) = records.answer(&message, None) else { return Ok(()) };
        let Ok(length) = u16::try_from(answer.len()) else { return Ok(()) };
        stream.write_u16(length).await?;
        stream.write_all(&answer).await?;
    }
}
