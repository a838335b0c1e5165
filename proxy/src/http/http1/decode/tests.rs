use super::*;

/// Decodes bytes that arrive in pieces of this size. Returns the body, whether it is complete, and the remaining bytes.
fn decoded(mut decoder: Decoder, bytes: &[u8], size: usize) -> Result<(Vec<u8>, bool, Vec<u8>), Rejection> {
    let (mut body, mut buffer) = (Vec::new(), BytesMut::new());
    let mut pieces = bytes.chunks(size);
    loop {
        match decoder.decode(&mut buffer)? {
            Decoded::Data(data) => body.extend_from_slice(&data),
            Decoded::End => {
                buffer.extend(pieces.flatten());
                return Ok((body, true, buffer.to_vec()));
            }
            Decoded::More => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => return Ok((body, false, Vec::new())),
            },
        }
    }
}

#[track_caller]
fn assert_chunks(bytes: &[u8], body: &[u8]) {
    for size in [1, 2, 3, 7, bytes.len()] {
        let found = decoded(Decoder::chunked(), &[bytes, b"next"].concat(), size);
        assert_eq!(found, Ok((body.to_vec(), true, b"next".to_vec())), "in pieces of {size}");
    }
}

#[test]
fn chunks_are_joined_and_what_follows_is_left() {
    assert_chunks(b"3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n", b"abc0123456789");
    assert_chunks(b"3;a=\"b\"; c\r\nabc\r\n0 \r\n\r\n", b"abc");
    assert_chunks(b"3\r\nabc\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\n", b"abc");
    assert_chunks(b"0\r\n\n", b"");
    assert_chunks(b"3\r\nabcXYZ\n0\r\n\r\n", b"abc");
}

#[test]
fn malformed_chunks_are_refused() {
    for bytes in [
        &b"\r\n"[..],
        b"x\r\n",
        b" 3\r\n",
        b"-3\r\n",
        b"0x3\r\n",
        b"10000000000000000\r\n",
        b"3\nabc",
        b"3;a\nabc",
        b"3;a\rb\r\n",
        b"3\r\nabc\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
    ] {
        for size in [1, bytes.len()] {
            let found = decoded(Decoder::chunked(), bytes, size);
            assert_eq!(found, Err(Rejection::CODEC), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
    let trailers =
        |lines: &[u8]| decoded(Decoder::chunked(), &[b"0\r\n", lines, b"\r\n\r\n"].concat(), 64).unwrap_err();
    assert_eq!(trailers(b"x: a\0b"), Rejection::INVALID_CHARACTERS);
    assert_eq!(trailers(&[b"x: ", &[b'a'; 100_000][..]].concat()), Rejection::HEAD_TOO_LARGE);
}

#[test]
fn a_body_with_a_length_ends_there() {
    for size in [1, 2, 100] {
        let found = decoded(Decoder::length(5), b"hellonext", size);
        assert_eq!(found, Ok((b"hello".to_vec(), true, b"next".to_vec())));
    }
    assert!(Decoder::length(0).is_done());
    assert_eq!(Decoder::length(5).cut(), Err(Fault::Malformed(Rejection::CODEC)));
    assert_eq!(Decoder::until_close().cut(), Ok(()));
    assert_eq!(Decoder::raw().cut(), Err(Fault::Cut));
}
