use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

#[tokio::test]
async fn queued_bytes_are_written_in_order_however_short_the_writes_are() {
    let (near, mut far) = duplex(1000);
    let mut io = Io::new(near);
    let mut expected = Vec::new();
    for (i, size) in [10, 20_000, 5, 70_000, 0, 3].into_iter().enumerate() {
        let piece = vec![b'a' + i as u8; size];
        expected.extend_from_slice(&piece);
        io.push(piece.into());
        io.append(|out| out.extend_from_slice(b"|"));
        expected.push(b'|');
    }
    assert!(!io.has_room() && !io.is_flushed());
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        all
    });
    poll_fn(|cx| io.poll_flush(cx)).await.unwrap();
    assert!(io.is_flushed());
    io.close(true).await;
    assert!(reading.await.unwrap() == expected);
}

#[tokio::test]
async fn unparsed_bytes_are_kept_and_an_empty_buffer_holds_no_memory() {
    let (near, mut far) = duplex(100_000);
    let mut io = Io::new(near);
    far.write_all(&[1; 50_000]).await.unwrap();
    while io.read.len() < 50_000 {
        assert!(poll_fn(|cx| io.poll_read(cx)).await.unwrap() > 0);
    }
    io.read.clear();
    drop(far);
    assert_eq!(poll_fn(|cx| io.poll_read(cx)).await.unwrap(), 0);
    assert_eq!(io.read.capacity(), 0);
}
