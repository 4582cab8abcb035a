//! A server that asks for the password in clear and quotes it in its refusal.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Starts it; it serves until the process ends. Returns its port.
pub(crate) fn start() -> u16 {
    fn message(client: &mut TcpStream, has_kind: bool) -> io::Result<Vec<u8>> {
        let mut head = [0; 5];
        let head = &mut head[usize::from(!has_kind)..];
        client.read_exact(head)?;
        let length = head.last_chunk::<4>().map_or(4, |length| u32::from_be_bytes(*length));
        let mut body = vec![0; length.saturating_sub(4) as usize];
        client.read_exact(&mut body)?;
        Ok(body)
    }
    fn talk(mut client: TcpStream) -> io::Result<()> {
        const SSL_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x2f];
        while message(&mut client, false)? == SSL_REQUEST {
            client.write_all(b"N")?;
        }
        client.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3])?;
        let password = message(&mut client, true)?;
        let mut body = b"SFATAL\0VFATAL\0C28P01\0Mno user with the password ".to_vec();
        body.extend_from_slice(password.strip_suffix(&[0]).unwrap_or(&password));
        body.extend_from_slice(b"\0\0");
        let length = u32::try_from(body.len() + 4).unwrap_or_default();
        client.write_all(&[b"E", &length.to_be_bytes()[..], &body].concat())?;
        // Until the client has read it.
        client.read(&mut [0]).map(drop)
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().flatten().for_each(|client| drop(talk(client))));
    port
}
