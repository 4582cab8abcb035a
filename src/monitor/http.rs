//! One request and one answer on one connection: HTTP/1, as much of it as a probe needs.
//!
//! A body is never read for its content, so its length never matters. What is read has bounds, and each half of the
//! conversation has an end in time, by however small steps it goes on.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::answer::Answer;

/// A longer head is no probe's and no browser's.
const LONGEST_HEAD: usize = 8 * 1024;

/// As many headers as a browser behind some proxies sends, and more.
const MOST_HEADERS: usize = 64;

/// How long a request may take to come.
const ASKING: Duration = Duration::from_secs(5);

/// How long an answer may take to go.
const TELLING: Duration = Duration::from_secs(5);

/// How long the other side may take to close, and how much it may still send. A socket that is closed with bytes in it
/// that nobody has read takes the answer back on its way.
const PARTING: Duration = Duration::from_millis(500);
const PARTING_BYTES: usize = 64 * 1024;

/// What a request asks for.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
}

/// Reads a request and answers it; the connection ends with that.
pub(super) fn converse(stream: &TcpStream, answer: impl FnOnce(&Asked) -> Answer) -> io::Result<()> {
    let (answer, with_body) = match read(stream)? {
        Ok(asked) => (answer(&asked), asked.method != "HEAD"),
        Err(refusal) => (refusal, true),
    };
    write(stream, &answer, with_body)?;
    stream.shutdown(Shutdown::Write)?;
    part(stream)
}

/// What is asked, or what is answered to something that is no request.
fn read(stream: &TcpStream) -> io::Result<Result<Asked, Answer>> {
    let end = Instant::now() + ASKING;
    let mut head = [0; LONGEST_HEAD];
    let mut length = 0;
    while length < head.len() {
        let count = match within(
            end,
            |left| stream.set_read_timeout(Some(left)),
            || (&mut &*stream).read(&mut head[length..]),
        ) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                return Ok(Err(Answer::plain(408, "the request did not come to its end in time\n")));
            }
            Err(error) => return Err(error),
        };
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        length += count;
        match parse(&head[..length]) {
            Parsed::Whole(asked) => return Ok(Ok(asked)),
            Parsed::Refused(answer) => return Ok(Err(answer)),
            Parsed::Part => (),
        }
    }
    Ok(Err(too_long()))
}

fn too_long() -> Answer {
    Answer::plain(431, "the head of the request is too long\n")
}

enum Parsed {
    Whole(Asked),
    Part,
    Refused(Answer),
}

fn parse(head: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match (request.parse(head), request.method, request.path) {
        (Ok(httparse::Status::Complete(_)), Some(method), Some(target)) => {
            Parsed::Whole(Asked { method: method.to_owned(), target: target.to_owned() })
        }
        (Ok(_), ..) => Parsed::Part,
        (Err(httparse::Error::TooManyHeaders), ..) => Parsed::Refused(too_long()),
        (Err(_), ..) => Parsed::Refused(Answer::plain(400, "this is no request of HTTP/1\n")),
    }
}

fn write(stream: &TcpStream, answer: &Answer, with_body: bool) -> io::Result<()> {
    let mut bytes = answer.head().into_bytes();
    if with_body {
        bytes.extend_from_slice(&answer.body);
    }
    let end = Instant::now() + TELLING;
    let mut left = &bytes[..];
    while !left.is_empty() {
        let set = |limit| stream.set_write_timeout(Some(limit));
        match within(end, set, || (&mut &*stream).write(left))? {
            0 => return Err(ErrorKind::WriteZero.into()),
            count => left = &left[count..],
        }
    }
    Ok(())
}

/// Waits until the other side has closed as well.
fn part(stream: &TcpStream) -> io::Result<()> {
    let end = Instant::now() + PARTING;
    let (mut rest, mut count) = ([0; 4096], 0);
    while count < PARTING_BYTES {
        let set = |limit| stream.set_read_timeout(Some(limit));
        match within(end, set, || (&mut &*stream).read(&mut rest)) {
            Ok(0) => break,
            Ok(more) => count += more,
            // It has its answer, and need not say goodbye.
            Err(error) if error.kind() == ErrorKind::TimedOut => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One step that ends by `end`, as `TimedOut`.
fn within(
    end: Instant,
    set: impl Fn(Duration) -> io::Result<()>,
    mut step: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        set(left)?;
        match step() {
            // The system's two words for it.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(head: &str) -> String {
        match parse(head.as_bytes()) {
            Parsed::Whole(asked) => format!("{} {}", asked.method, asked.target),
            Parsed::Part => "more".to_owned(),
            Parsed::Refused(answer) => answer.status.to_string(),
        }
    }

    #[test]
    fn a_head_is_whole_or_a_part_or_none() {
        assert_eq!(
            told("GET /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            "GET /a?b"
        );
        assert_eq!(told("HEAD / HTTP/1.0\r\n\r\nbody"), "HEAD /");
        for part in ["", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            assert_eq!(told(part), "more", "{part:?}");
        }
        for none in ["\0", "GET\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\na b: c\r\n\r\n"] {
            assert_eq!(told(none), "400", "{none:?}");
        }
        let many = "a: b\r\n".repeat(MOST_HEADERS + 1);
        assert_eq!(told(&format!("GET / HTTP/1.1\r\n{many}\r\n")), "431");
    }
}
