//! A server that speaks as much TDS 7.4 as it takes to answer FreeTDS, and to fail in the middle of an answer.
//! What it answers is a function of the statement's text.
//!
//! The unit tests of the ODBC room include this file, too.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

#[path = "tds_login.rs"]
mod login;
pub(crate) use login::Login;

/// What comes after the beginning of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Done,
    /// An error with this number, of severity 16.
    Fail(i32),
    HangUp,
    /// Nothing more; cancels are read and ignored, until the client has gone.
    FallSilent,
    /// Nothing more until the client cancels, which is acknowledged: a statement that takes its time.
    #[allow(dead_code, reason = "not every program that includes this file cancels")]
    UntilCancelled,
}

/// The answer to one statement.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    head: Vec<u8>,
    /// The number in the last token.
    count: Option<u64>,
    then: Then,
}

impl Answer {
    /// The statement was carried out, and there is nothing to tell.
    pub(crate) fn nothing(then: Then) -> Answer {
        Answer { head: Vec::new(), count: None, then }
    }

    /// A result of one integer column `n`, counted from 0.
    pub(crate) fn rows(count: i32, then: Then) -> Answer {
        Answer { head: integers(count), count: u64::try_from(count).ok(), then }
    }

    /// The same with another end.
    #[allow(dead_code, reason = "not every program that includes this file has ends of its own")]
    pub(crate) fn with_end(self, then: Then) -> Answer {
        Answer { then, ..self }
    }

    /// A result that was put into tokens elsewhere, of so many rows.
    #[allow(dead_code, reason = "not every program that includes this file has results of its own")]
    pub(crate) fn tokens(head: Vec<u8>, rows: u64) -> Answer {
        Answer { head, count: Some(rows), then: Then::Done }
    }

    /// So many rows were changed, and the batch goes on.
    pub(crate) fn changed(count: u64, then: Then) -> Answer {
        match then {
            Then::Done => Answer { head: Vec::new(), count: Some(count), then },
            _ => Answer { head: done(MORE | COUNT, count), count: None, then },
        }
    }
}

/// What the server says besides results: an error, or with a severity of 10 and less a message, as of `PRINT`.
#[allow(dead_code, reason = "not every program that includes this file has messages")]
pub(crate) struct Message {
    pub(crate) number: i32,
    pub(crate) severity: u8,
    pub(crate) text: &'static str,
    /// The procedure that says it; empty for the batch.
    pub(crate) procedure: &'static str,
    pub(crate) line: u32,
}

/// A value of [`Answer::row`]; the text is of ASCII.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "not every program that includes this file has such rows")]
pub(crate) enum Cell<'t> {
    Text(&'t str),
    Number(i64),
    Null,
}

impl Answer {
    /// A result of one column and one row of text.
    #[allow(dead_code, reason = "not every program that includes this file asks for text")]
    pub(crate) fn text(column: &str, value: &str) -> Answer {
        // One column, NVARCHAR(4000) in the collation of the standard.
        let mut head =
            vec![0x81, 1, 0, 0, 0, 0, 0, 8, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34, column.len() as u8];
        head.extend(words(column));
        head.push(0xd1);
        let value = words(value);
        head.extend((value.len() as u16).to_le_bytes());
        head.extend(value);
        Answer { head, count: Some(1), then: Then::Done }
    }

    /// A result of one row, each value with the name of its column: a text, a number, or NULL.
    #[allow(dead_code, reason = "not every program that includes this file has such rows")]
    pub(crate) fn row(cells: &[(&str, Cell<'_>)]) -> Answer {
        let mut head = vec![0x81];
        head.extend((cells.len() as u16).to_le_bytes());
        for (name, cell) in cells {
            // No user type, and the column takes NULL.
            head.extend([0, 0, 0, 0, 1, 0]);
            match cell {
                // INTN of 8 bytes, and NVARCHAR(4000) in the collation of the standard.
                Cell::Number(_) => head.extend([0x26, 8]),
                Cell::Text(_) | Cell::Null => head.extend([0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34]),
            }
            head.push(name.len() as u8);
            head.extend(words(name));
        }
        head.push(0xd1);
        for (_, cell) in cells {
            match cell {
                Cell::Number(number) => {
                    head.push(8);
                    head.extend(number.to_le_bytes());
                }
                Cell::Text(text) => {
                    head.extend((2 * text.len() as u16).to_le_bytes());
                    head.extend(words(text));
                }
                Cell::Null => head.extend([0xff, 0xff]),
            }
        }
        Answer { head, count: Some(1), then: Then::Done }
    }

    /// Messages of one statement.
    #[allow(dead_code, reason = "not every program that includes this file has messages")]
    pub(crate) fn saying(messages: &[Message]) -> Answer {
        let mut head = Vec::new();
        for message in messages {
            let is_error = message.severity > 10;
            let mut body = message.number.to_le_bytes().to_vec();
            body.extend([1, message.severity]);
            body.extend((message.text.len() as u16).to_le_bytes());
            body.extend(words(message.text));
            body.extend([0, message.procedure.len() as u8]);
            body.extend(words(message.procedure));
            body.extend(message.line.to_le_bytes());
            head.push(if is_error { 0xaa } else { 0xab });
            head.extend((body.len() as u16).to_le_bytes());
            head.extend(body);
        }
        if messages.iter().any(|message| message.severity > 10) {
            head.extend(done(MORE | ERROR, 0));
        }
        Answer { head, count: None, then: Then::Done }
    }
}

fn words(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn done(status: u16, rows: u64) -> Vec<u8> {
    // 0xC1 is the command SELECT.
    [&[0xfd][..], &status.to_le_bytes(), &[0xc1, 0], &rows.to_le_bytes()].concat()
}

/// `DONE` with the bits "more follows", "error" and "count is valid".
const MORE: u16 = 1;
const ERROR: u16 = 2;
const COUNT: u16 = 0x10;
/// `DONE` with the bit that acknowledges a cancel.
const ATTENTION: u16 = 0x20;
/// The kind of the client's message that is a cancel.
const ATTENTION_SIGNAL: u8 = 6;

fn error_token(number: i32) -> Vec<u8> {
    let text = words("it failed");
    let mut body = number.to_le_bytes().to_vec();
    body.extend([1, 16, 9, 0]);
    body.extend(text);
    body.extend([0, 0, 1, 0, 0, 0]);
    let length = u16::try_from(body.len()).unwrap();
    [&[0xaa][..], &length.to_le_bytes(), &body].concat()
}

fn integers(count: i32) -> Vec<u8> {
    let mut tokens = vec![0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0x38, 1, b'n', 0];
    for number in 0..count {
        tokens.push(0xd1);
        tokens.extend(number.to_le_bytes());
    }
    tokens
}

/// Sends one message, or as much of it as the client still wants.
fn send(stream: &mut TcpStream, tokens: &[u8], last: bool) {
    let parts: Vec<&[u8]> = tokens.chunks(4000).collect();
    for (number, part) in parts.iter().enumerate() {
        let ends = last && number + 1 == parts.len();
        let length = u16::try_from(part.len() + 8).unwrap().to_be_bytes();
        let header = [4, u8::from(ends), length[0], length[1], 0, 0, 1, 0];
        if stream.write_all(&[&header[..], part].concat()).is_err() {
            return;
        }
    }
}

/// One message of the client: its kind and its content.
fn receive(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut content = Vec::new();
    loop {
        let mut header = [0; 8];
        stream.read_exact(&mut header).ok()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let mut part = vec![0; length.checked_sub(8)?];
        stream.read_exact(&mut part).ok()?;
        content.extend(part);
        if header[1] & 1 == 1 {
            return Some((header[0], content));
        }
    }
}

/// From a statement's text, and the whole request, to the answer.
type Script = Box<dyn Fn(&str, &[u8]) -> Answer + Send + Sync>;

/// From a login to the numbers of the errors that it gets; none lets it in.
type Door = Box<dyn Fn(&Login) -> Vec<i32> + Send + Sync>;

fn open() -> Door {
    Box::new(|_| Vec::new())
}

struct Shared {
    script: Script,
    /// What it calls itself in its answer to a login.
    name: Mutex<&'static str>,
    door: Door,
    logins: Mutex<Vec<Login>>,
    /// How many running statements were cancelled.
    cancels: AtomicU64,
    connections: AtomicU64,
    streams: Mutex<HashMap<u64, TcpStream>>,
    stopped: AtomicBool,
}

/// The server. It ends, with all its connections, when dropped.
pub(crate) struct Server {
    shared: Arc<Shared>,
    port: u16,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// A server that answers each statement as the script says.
    pub(crate) fn start(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Server {
        Server::with(open(), Box::new(move |text, _| script(text)))
    }

    /// A server that looks at the whole request, and so at the parameters.
    #[allow(dead_code, reason = "not every program that includes this file looks at parameters")]
    pub(crate) fn reading(script: impl Fn(&str, &[u8]) -> Answer + Send + Sync + 'static) -> Server {
        Server::with(open(), Box::new(script))
    }

    /// A server that refuses every login, by an error of this number.
    #[allow(dead_code, reason = "not every program that includes this file refuses logins")]
    pub(crate) fn refusing(number: i32) -> Server {
        Server::refusing_by(&[number])
    }

    /// The same by several errors in one answer, in this order.
    #[allow(dead_code, reason = "not every program that includes this file refuses logins")]
    pub(crate) fn refusing_by(numbers: &[i32]) -> Server {
        let numbers = numbers.to_vec();
        Server::guarded(move |_| numbers.clone(), |_| Answer::nothing(Then::Done))
    }

    /// A server that looks at each login, and refuses it by the errors that the door gives.
    #[allow(dead_code, reason = "not every program that includes this file refuses logins")]
    pub(crate) fn guarded(
        door: impl Fn(&Login) -> Vec<i32> + Send + Sync + 'static,
        script: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::with(Box::new(door), Box::new(move |text, _| script(text)))
    }

    fn with(door: Door, script: Script) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            script,
            name: Mutex::new("fake"),
            door,
            logins: Mutex::default(),
            cancels: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            streams: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(stream));
            }
        });
        Server { shared, port, acceptor: Some(acceptor) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Gives it another name, by which a driver knows the database.
    #[allow(dead_code, reason = "not every program that includes this file asks for names")]
    pub(crate) fn call_itself(&self, name: &'static str) {
        *self.shared.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    /// How many clients have asked to log in.
    #[allow(dead_code, reason = "not every program that includes this file counts logins")]
    pub(crate) fn logins(&self) -> u64 {
        self.logins_seen().len() as u64
    }

    /// What all clients have said of themselves, in their order.
    #[allow(dead_code, reason = "not every program that includes this file looks at logins")]
    pub(crate) fn logins_seen(&self) -> Vec<Login> {
        self.shared.logins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Server {
    /// How many running statements were cancelled, each with its acknowledgement.
    #[allow(dead_code, reason = "not every program that includes this file cancels")]
    pub(crate) fn cancels(&self) -> u64 {
        self.shared.cancels.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Only an arriving connection wakes the acceptor.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for stream in self.shared.streams().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn streams(&self) -> std::sync::MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let _ = stream.set_nodelay(true);
        if let Ok(handle) = stream.try_clone() {
            self.streams().insert(number, handle);
        }
        while let Some((kind, content)) = receive(&mut stream) {
            if !self.answer(&mut stream, kind, &content) {
                break;
            }
        }
        self.streams().remove(&number);
    }

    /// False at the end of the connection.
    fn answer(&self, stream: &mut TcpStream, kind: u8, content: &[u8]) -> bool {
        match kind {
            // Pre-login: version 12, no encryption.
            0x12 => send(stream, &[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 255, 12, 0, 0, 0, 0, 0, 2], true),
            0x10 => {
                let login = Login::read(content);
                let refusals = (self.door)(&login);
                self.logins.lock().unwrap_or_else(PoisonError::into_inner).push(login);
                if !refusals.is_empty() {
                    let mut tokens: Vec<u8> = refusals.into_iter().flat_map(error_token).collect();
                    tokens.extend(done(ERROR, 0));
                    send(stream, &tokens, true);
                    return false;
                }
                // The login is acknowledged for TDS 7.4.
                let name = *self.name.lock().unwrap_or_else(PoisonError::into_inner);
                let mut ack = vec![1, 0x74, 0, 0, 4, name.len() as u8];
                ack.extend(words(name));
                ack.extend([12, 0, 0, 0]);
                let length = u16::try_from(ack.len()).unwrap().to_le_bytes();
                send(stream, &[&[0xad, length[0], length[1]], &ack[..], &done(0, 0)].concat(), true);
            }
            ATTENTION_SIGNAL => send(stream, &done(ATTENTION, 0), true),
            _ => {
                // The characters of the statement are UTF-16, and ASCII in all tests.
                let text: Vec<u8> = content.iter().copied().filter(|byte| *byte != 0).collect();
                let Answer { head, count, then } = (self.script)(&String::from_utf8_lossy(&text), content);
                match then {
                    Then::Done => {
                        let end = count.map_or_else(|| done(0, 0), |count| done(COUNT, count));
                        send(stream, &[head, end].concat(), true);
                    }
                    Then::Fail(number) => {
                        let end = [error_token(number), done(ERROR, 0)].concat();
                        send(stream, &[head, end].concat(), true);
                    }
                    Then::HangUp => {
                        send(stream, &head, false);
                        return false;
                    }
                    Then::FallSilent => {
                        send(stream, &head, false);
                        while receive(stream).is_some() {}
                        return false;
                    }
                    Then::UntilCancelled => {
                        send(stream, &head, false);
                        loop {
                            match receive(stream) {
                                Some((ATTENTION_SIGNAL, _)) => break,
                                Some(_) => (),
                                None => return false,
                            }
                        }
                        self.cancels.fetch_add(1, Ordering::SeqCst);
                        send(stream, &done(ATTENTION, 0), true);
                    }
                }
            }
        }
        true
    }
}
