use super::*;

#[test]
fn a_head_ends_at_an_empty_line_with_any_line_ends_and_in_any_pieces() {
    for (bytes, end) in [
        (&b"GET / HTTP/1.1\r\nhost: a\r\n\r\nbody"[..], 27),
        (b"GET / HTTP/1.1\nhost: a\n\nbody", 24),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\nbody", 26),
    ] {
        assert_eq!(HeadEnd::default().find(bytes), Some(end));
        let mut one_by_one = HeadEnd::default();
        for length in 0..end {
            assert_eq!(one_by_one.find(&bytes[..length]), None, "after {length} bytes");
        }
        assert_eq!(one_by_one.find(&bytes[..end]), Some(end));
    }
}

#[test]
fn continuation_lines_are_joined_to_one_value() {
    let headers = headers(b"x-a: 1\r\n  2\r\n\t3\r\nx-b:\t4 \t\r\nx-c: 5\r6\r\n\r\n").unwrap();
    assert_eq!(headers["x-a"], "1  2\t3");
    assert_eq!(headers["x-b"], "4");
    assert_eq!(headers["x-c"], "56");
}

#[test]
fn a_malformed_header_line_is_refused() {
    for line in ["no colon", ": no name", "a b: name", "a : blank", "(: c", "x\u{e9}: c"] {
        assert_eq!(headers(format!("{line}\r\n\r\n").as_bytes()).unwrap_err(), Rejection::CODEC, "{line}");
    }
}

#[test]
fn more_than_a_hundred_headers_are_too_many() {
    let lines = |count: usize| (0..count).map(|i| format!("x-{i}: {i}\r\n")).collect::<String>() + "\r\n";
    assert_eq!(headers(lines(100).as_bytes()).unwrap().len(), 100);
    assert_eq!(headers(lines(101).as_bytes()).unwrap_err(), Rejection::TOO_MANY_HEADERS);
}

#[test]
fn only_one_way_to_announce_the_end_of_a_body_is_accepted() {
    let said = |lines: &str| lengths(&headers(format!("{lines}\r\n\r\n").as_bytes()).unwrap());
    assert_eq!(said("content-length: 007"), Ok(Lengths { length: Some(7), chunked: false }));
    assert_eq!(said("transfer-encoding: CHUNKED"), Ok(Lengths { length: None, chunked: true }));
    for length in ["", "+7", "-7", "0x7", "7, 7", "18446744073709551616"] {
        assert_eq!(said(&format!("content-length: {length}")), Err(Rejection::CODEC), "{length}");
    }
    assert_eq!(said("content-length: 7\r\ncontent-length: 7"), Err(Rejection::CODEC));
    for coding in ["", "gzip", "gzip, chunked", "chunked, chunked", "identity", "chunked\r\ntransfer-encoding: chunked"]
    {
        assert_eq!(said(&format!("transfer-encoding: {coding}")), Err(Rejection::TRANSFER_ENCODING), "{coding}");
    }
    assert_eq!(said("content-length: 0\r\ntransfer-encoding: chunked"), Err(Rejection::LENGTH_AND_CHUNKED));
}
