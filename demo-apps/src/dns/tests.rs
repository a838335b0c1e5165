use hickory_proto::op::Query;
use pretty_assertions::assert_eq;

use super::*;

const TEXT: &str = "# a cluster
10.96.0.10\tserver.default.svc.cluster.local
fd00:96::a\tserver.default.svc.cluster.local
203.0.113.1 Shop.example.com www.example.com  # two names
";

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

/// Response code and addresses of an answer.
fn answered(name: &str, kind: RecordType) -> (ResponseCode, Vec<String>) {
    let query = query(name, kind);
    let answer = Records::parse(TEXT).unwrap().answer(&query.to_vec().unwrap(), Some(UDP_LENGTH)).unwrap();
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!((answer.metadata.id, &answer.queries), (query.metadata.id, &query.queries));
    (answer.metadata.response_code, answer.answers.iter().map(|record| record.data.to_string()).collect())
}

#[test]
fn a_and_aaaa_queries_are_answered_separately() {
    let full = "server.default.svc.cluster.local.";
    assert_eq!(answered(full, RecordType::A), (ResponseCode::NoError, vec!["10.96.0.10".into()]));
    assert_eq!(answered(full, RecordType::AAAA), (ResponseCode::NoError, vec!["fd00:96::a".into()]));
    assert_eq!(answered("WWW.example.com.", RecordType::A), (ResponseCode::NoError, vec!["203.0.113.1".into()]));
}

#[test]
fn a_name_without_an_address_of_the_type_exists_nevertheless() {
    assert_eq!(answered("shop.example.com.", RecordType::AAAA), (ResponseCode::NoError, vec![]));
    assert_eq!(answered("shop.example.com.", RecordType::MX), (ResponseCode::NoError, vec![]));
}

#[test]
fn an_unknown_name_does_not_exist() {
    assert_eq!(answered("nobody.example.com.", RecordType::A), (ResponseCode::NXDomain, vec![]));
    assert_eq!(answered("shop.example.com.default.svc.cluster.local.", RecordType::A).0, ResponseCode::NXDomain);
}

#[test]
fn garbage_is_a_format_error_and_a_response_is_not_a_query() {
    let records = Records::parse(TEXT).unwrap();
    let answer = Message::from_vec(&records.answer(&[1, 2, 0, 0, 0, 9, 255], None).unwrap()).unwrap();
    assert_eq!((answer.metadata.id, answer.metadata.response_code), (0x0102, ResponseCode::FormErr));
    assert_eq!(records.answer(&[], None), None);
    assert_eq!(records.answer(&[7], None), None);
    let reply = records.answer(&query("shop.example.com.", RecordType::A).to_vec().unwrap(), None).unwrap();
    assert_eq!(records.answer(&reply, None), None, "two servers would answer each other forever");
    for length in 0..reply.len() {
        records.answer(&reply[..length], None);
    }
}

#[test]
fn a_long_answer_is_truncated_over_udp_and_complete_over_tcp() {
    let lines: String = (0..200).map(|i| format!("10.0.0.{i} many.example.com\n")).collect();
    let records = Records::parse(&lines).unwrap();
    let query = query("many.example.com.", RecordType::A).to_vec().unwrap();
    let udp = Message::from_vec(&records.answer(&query, Some(UDP_LENGTH)).unwrap()).unwrap();
    assert!(udp.metadata.truncation && udp.answers.is_empty());
    let tcp = Message::from_vec(&records.answer(&query, None).unwrap()).unwrap();
    assert_eq!((tcp.metadata.truncation, tcp.answers.len()), (false, 200));
}

#[test]
fn a_malformed_line_is_named() {
    let error = |text| Records::parse(text).unwrap_err().to_string();
    assert!(error("10.0.0.1 a\nshop 10.0.0.1").starts_with("line 2: \"shop\" is not an address"));
    assert!(error("10.0.0.1").starts_with("line 1: there is no name"));
    assert!(error("10.0.0.1 a..b").starts_with("line 1: \"a..b\""));
}

#[tokio::test]
async fn the_server_answers_over_udp_and_tcp() {
    let server = Server::bind(Records::parse(TEXT).unwrap(), &["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = server.addresses().unwrap()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let query = query("shop.example.com.", RecordType::A).to_vec().unwrap();

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&query, address).await.unwrap();
    let mut buffer = [0; 512];
    let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
    assert_eq!(Message::from_vec(&buffer[..length]).unwrap().answers.len(), 1);

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_u16(query.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&query).await.unwrap();
    let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(Message::from_vec(&answer).unwrap().answers.len(), 1);
    stop.send(()).unwrap();
    running.await.unwrap();
}
