//! A connection that breaks at the one moment that matters: when a certain message is on its way.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The message: the server never sees it.
    Message,
    /// The answer: the server has done what it was told.
    Answer,
}

/// What breaks the next connections, and how often.
#[derive(Debug)]
struct Trap {
    text: Vec<u8>,
    loss: Loss,
    times: usize,
}

/// Stands between clients and a server. It serves until the process ends.
#[derive(Debug, Clone)]
pub(super) struct Lossy {
    port: u16,
    trap: Arc<Mutex<Option<Trap>>>,
    sprung: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Lossy {
    pub(super) fn before(server: u16) -> Lossy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let lossy = Lossy {
            port: listener.local_addr().unwrap().port(),
            trap: Arc::default(),
            sprung: Arc::default(),
            connections: Arc::default(),
        };
        let shared = lossy.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = shared.clone();
                // How it ends is for the test to judge by what the client says.
                thread::spawn(move || drop(shared.serve(&client, server)));
            }
        });
        lossy
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were made.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How often something was lost.
    pub(super) fn sprung(&self) -> usize {
        self.sprung.load(Ordering::SeqCst)
    }

    /// The next messages with `text` in them break their connection.
    pub(super) fn lose(&self, loss: Loss, text: &str, times: usize) {
        *self.trap.lock().unwrap() = Some(Trap { text: text.as_bytes().to_vec(), loss, times });
    }

    fn caught(&self, message: &[u8]) -> Option<Loss> {
        let mut trap = self.trap.lock().unwrap();
        let armed = trap.as_mut().filter(|trap| trap.times > 0)?;
        if !message.windows(armed.text.len()).any(|window| window == armed.text) {
            return None;
        }
        armed.times -= 1;
        self.sprung.fetch_add(1, Ordering::SeqCst);
        Some(armed.loss)
    }

    fn serve(&self, client: &TcpStream, server: u16) -> io::Result<()> {
        let server = TcpStream::connect(("127.0.0.1", server))?;
        let lost = Arc::new(Mutex::new(false));
        let answers = (server.try_clone()?, client.try_clone()?, Arc::clone(&lost));
        let answering = thread::spawn(move || pass_answers(&answers.0, &answers.1, &answers.2));
        // A message of ours fits into one packet on this machine's own network.
        let mut buffer = [0; 64 * 1024];
        loop {
            let length = (&*client).read(&mut buffer).unwrap_or(0);
            match self.caught(&buffer[..length]) {
                None if length > 0 => (&server).write_all(&buffer[..length])?,
                Some(Loss::Answer) => {
                    *lost.lock().unwrap() = true;
                    (&server).write_all(&buffer[..length])?;
                    let _ = answering.join();
                    return client.shutdown(Shutdown::Both);
                }
                // The client has gone, or is cut off.
                _ => {
                    let _ = client.shutdown(Shutdown::Both);
                    return server.shutdown(Shutdown::Both);
                }
            }
        }
    }
}

/// Hands the server's answers over until one is to be lost, whose coming ends it.
fn pass_answers(mut server: &TcpStream, mut client: &TcpStream, lost: &Mutex<bool>) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        if *lost.lock().unwrap() || client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}
