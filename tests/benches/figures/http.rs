//! A client that costs next to nothing: one HTTP/1.1 connection, requests as bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn to(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let buffer = Vec::with_capacity(4_096);
        Self { stream, buffer }
    }

    /// Sends a whole request and returns the status, once the whole answer is there.
    pub async fn ask(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the connection was closed");
            if let Some(status) = complete(&self.buffer) {
                return status;
            }
        }
    }
}

/// The status of an answer that has arrived with its body; every answer here names its length.
fn complete(answer: &[u8]) -> Option<u16> {
    let head = answer.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).unwrap();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse::<usize>().unwrap())
    });
    let length = length.unwrap_or_else(|| panic!("an answer without its length: {text}"));
    (answer.len() >= head + length).then(|| text[9..12].parse().unwrap())
}
