//! TCP clients and servers.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use socket2::SockRef;

use super::LONG;

/// Serves each connection on a separate thread.
pub(crate) fn serve(address: SocketAddr, with: impl Fn(TcpStream) + Clone + Send + 'static) {
    let server = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for connection in server.incoming() {
            let (connection, with) = (connection.unwrap(), with.clone());
            connection.set_read_timeout(Some(LONG)).unwrap();
            thread::spawn(move || with(connection));
        }
    });
}

pub(crate) fn echo(address: SocketAddr) {
    serve(address, |mut connection| {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = connection.read(&mut buffer) {
            connection.write_all(&buffer[..count]).unwrap();
        }
    });
}

/// A server that answers each connection with everything that it received, after the client's FIN.
pub(crate) fn echo_after_end(address: SocketAddr) {
    serve(address, |mut connection| {
        let mut all = Vec::new();
        connection.read_to_end(&mut all).unwrap();
        connection.write_all(&all).unwrap();
    });
}

/// A server that sends its name and nothing else.
pub(crate) fn named(address: SocketAddr, name: &'static str) {
    serve(address, |mut connection| drop(connection.write_all(name.as_bytes())));
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Sends a message and FIN, and returns the answer.
pub(crate) fn exchange(address: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    let mut writer = stream.try_clone().unwrap();
    let message = message.to_vec();
    let writing = thread::spawn(move || {
        writer.write_all(&message).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    writing.join().unwrap();
    answer
}

/// Sends a message on an open connection, and waits until all of it has been echoed.
pub(crate) fn ping(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(message).unwrap();
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer == message);
}

/// Closes a connection with a reset.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// How the connection ends: `Ok` after all bytes, or the kind of the error.
pub(crate) fn end(stream: &mut TcpStream) -> Result<(), std::io::ErrorKind> {
    std::io::copy(stream, &mut std::io::sink()).map(drop).map_err(|e| e.kind())
}
