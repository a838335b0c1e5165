use loona_hpack::Encoder;
use pretty_assertions::assert_eq;

use super::PREFACE;
use crate::testing::{Talk, Wire};
use crate::{GoAway, H2, KeyLog, Layer, Reset, Side};

/// Writes the frames of one side.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    encoder: Encoder<'static>,
}

impl Writer {
    fn client() -> Self {
        let mut this = Self { bytes: PREFACE.to_vec(), ..Self::default() };
        // SETTINGS with HEADER_TABLE_SIZE, and a WINDOW_UPDATE.
        this.frame(4, 0, 0, &[0, 1, 0, 0, 0x10, 0]);
        this.frame(8, 0, 0, &[0, 0, 0xff, 0xff]);
        this
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.bytes.extend([len[1], len[2], len[3], kind, flags]);
        self.bytes.extend(stream.to_be_bytes());
        self.bytes.extend(payload);
    }

    fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        self.encoder.encode(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    fn headers(&mut self, stream: u32, end: bool, fields: &[(&str, &str)]) {
        let block = self.block(fields);
        self.frame(1, 4 | u8::from(end), stream, &block);
    }

    fn request(&mut self, stream: u32, end: bool, path: &str) {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "server:8080"),
            (":path", path),
            ("x-probe", "p"),
        ];
        self.headers(stream, end, &fields);
    }
}

fn talk(client: Writer, server: Writer) -> Talk {
    vec![(Side::Client, client.bytes), (Side::Server, server.bytes)]
}

fn read(talk: &Talk) -> H2 {
    let flow = Wire::default().whole(talk).flow(&KeyLog::default());
    match flow.content.last() {
        Some(Layer::H2(h2)) => h2.clone(),
        _ => panic!("{flow:#?}"),
    }
}

#[test]
fn streams_are_paired_with_their_responses_and_trailers() {
    let (mut client, mut server) = (Writer::client(), Writer::default());
    for (stream, path) in [(1, "/marker-one"), (3, "/marker-two")] {
        client.request(stream, false, path);
        client.frame(0, 0, stream, b"abc");
        client.frame(0, 1, stream, b"de");
    }
    // Responses in reverse order, and interleaved.
    server.headers(3, false, &[(":status", "200")]);
    server.headers(1, true, &[(":status", "404")]);
    server.frame(0, 0, 3, b"message");
    server.headers(3, true, &[("grpc-status", "0")]);
    let flow = Wire::default().whole(&talk(client, server)).flow(&KeyLog::default());
    assert_eq!(flow.layers(), ["h2"]);

    let one = flow.find("marker-one").unwrap();
    assert_eq!((one.request.method.as_str(), one.request.version.as_str()), ("POST", "HTTP/2"));
    assert_eq!(one.request.message.header(":authority"), Some("server:8080"));
    assert_eq!((one.request.message.body_bytes, one.request.message.complete), (5, true));
    assert_eq!(one.response.as_ref().unwrap().status, 404);
    let two = flow.find("marker-two").unwrap().response.clone().unwrap();
    assert_eq!(
        (two.status, two.message.body_start.as_slice(), two.message.complete),
        (200, b"message".as_slice(), true)
    );
    assert_eq!(two.message.trailers, [("grpc-status".to_owned(), "0".to_owned())]);
}

#[test]
fn fields_split_over_continuations_with_padding_and_priority_are_joined() {
    let mut client = Writer::client();
    let block = client.block(&[(":method", "GET"), (":path", "/long"), ("x", "y")]);
    let mut first = vec![3, 0, 0, 0, 0, 16];
    first.extend(&block[..2]);
    first.extend([0; 3]);
    client.frame(1, 0x08 | 0x20 | 1, 1, &first);
    client.frame(9, 4, 1, &block[2..]);
    client.frame(0, 0x08 | 1, 1, &[2, b'a', 0, 0]);
    let h2 = read(&talk(client, Writer::default()));
    let request = &h2.exchanges[0].request;
    assert_eq!((request.target.as_str(), request.message.header("x")), ("/long", Some("y")));
    assert_eq!(request.message.body_bytes, 1);
}

#[test]
fn resets_and_goaways_are_reported_with_their_errors() {
    let (mut client, mut server) = (Writer::client(), Writer::default());
    client.request(1, true, "/");
    server.headers(1, false, &[(":status", "100")]);
    server.frame(3, 0, 1, &[0, 0, 0, 7]);
    server.frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    let h2 = read(&talk(client, server));
    let exchange = &h2.exchanges[0];
    assert_eq!((exchange.interim.as_slice(), &exchange.response), ([100].as_slice(), &None));
    assert_eq!(exchange.reset, Some(Reset { by: Side::Server, error: "REFUSED_STREAM".to_owned() }));
    assert_eq!(h2.goaways, [GoAway { by: Side::Server, error: "NO_ERROR".to_owned() }]);
}

#[test]
fn a_truncated_frame_is_reported() {
    let mut client = Writer::client();
    client.request(1, false, "/cut");
    client.frame(0, 1, 1, &[b'x'; 50]);
    client.bytes.truncate(client.bytes.len() - 20);
    let h2 = read(&talk(client, Writer::default()));
    assert!(!h2.exchanges[0].request.message.complete);
    assert_eq!(h2.client_error.as_deref(), Some("39 bytes of an incomplete frame, then the connection ended"));
}

#[test]
fn an_answer_in_http1_is_not_parsed_as_a_frame() {
    let mut client = Writer::client();
    client.request(1, true, "/");
    let server = Writer { bytes: b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), ..Writer::default() };
    let h2 = read(&talk(client, server));
    assert_eq!(h2.exchanges[0].response, None);
    assert_eq!(h2.server_error.as_deref(), Some("answered in HTTP/1: HTTP/1.1 400 Bad Request"));
}

#[test]
fn damaged_frames_never_panic() {
    let (mut client, mut server) = (Writer::client(), Writer::default());
    client.request(1, false, "/marker");
    client.frame(0, 1, 1, b"abc");
    server.headers(1, false, &[(":status", "200"), ("server", "envoy")]);
    server.frame(0, 1, 1, b"abc");
    let whole = talk(client, server);
    for side in 0..2 {
        for at in 0..whole[side].1.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[side].1[at] ^= flip;
                Wire::default().whole(&damaged).flow(&KeyLog::default());
            }
        }
    }
}
