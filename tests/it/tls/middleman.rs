//! Somebody between client and server: honest, curious, or silent.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, ServerConnection, SignatureScheme,
    StreamOwned,
};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// It serves until the process ends.
pub(super) struct Middleman {
    port: u16,
    read: Arc<Mutex<Vec<u8>>>,
    logins: Arc<AtomicUsize>,
}

impl Middleman {
    /// Passes all bytes on as they are.
    pub(super) fn passing(to: u16) -> Middleman {
        Middleman::serving(move |client, _, _| {
            let server = TcpStream::connect(("127.0.0.1", to))?;
            let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
            thread::spawn(move || {
                let _ = io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            io::copy(&mut &server, &mut &client).map(drop)
        })
    }

    /// Ends TLS on both sides, the client's with this certificate, and reads what goes by until the login is over.
    pub(super) fn reading(to: u16, certificate: &str, key: &str) -> Middleman {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server_side = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let client_side = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Careless))
            .with_no_client_auth();
        let (server_side, client_side) = (Arc::new(server_side), Arc::new(client_side));
        Middleman::serving(move |mut client, read, logins| {
            let mut server = TcpStream::connect(("127.0.0.1", to))?;
            expect(&mut client, &SSL_REQUEST)?;
            client.write_all(b"S")?;
            server.write_all(&SSL_REQUEST)?;
            expect(&mut server, b"S")?;
            let session = ServerConnection::new(Arc::clone(&server_side)).map_err(io::Error::other)?;
            let mut client = StreamOwned::new(session, client);
            let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
            let session = ClientConnection::new(Arc::clone(&client_side), name).map_err(io::Error::other)?;
            let mut server = StreamOwned::new(session, server);
            // A login is a conversation in turns, and each turn is short enough for one record.
            let mut buffer = [0; 16 * 1024];
            loop {
                let length = client.read(&mut buffer)?;
                logins.fetch_add(1, Ordering::SeqCst);
                server.write_all(&buffer[..length])?;
                let length = match length {
                    0 => return Ok(()),
                    _ => server.read(&mut buffer)?,
                };
                read.lock().unwrap().extend_from_slice(&buffer[..length]);
                client.write_all(&buffer[..length])?;
                client.flush()?;
                if length == 0 {
                    return Ok(());
                }
            }
        })
    }

    /// Offers TLS, and says nothing more.
    pub(super) fn silent_after_the_request() -> Middleman {
        Middleman::serving(|mut client, _, _| {
            expect(&mut client, &SSL_REQUEST)?;
            client.write_all(b"S")?;
            thread::sleep(Duration::from_secs(30));
            Ok(())
        })
    }

    fn serving(
        serve: impl Fn(TcpStream, &Mutex<Vec<u8>>, &AtomicUsize) -> io::Result<()> + Send + Sync + 'static,
    ) -> Middleman {
        // `localhost` may be ::1 first, which is then refused; the client goes on to this one.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (read, logins) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<AtomicUsize>::default());
        let man = Middleman { port, read: Arc::clone(&read), logins: Arc::clone(&logins) };
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (serve, read, logins) = (Arc::clone(&serve), Arc::clone(&read), Arc::clone(&logins));
                // What ends the conversation is for the test to judge by what the client says.
                thread::spawn(move || drop(serve(client, &read, &logins)));
            }
        });
        man
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether the server has sent this text in clear for him.
    pub(super) fn has_read(&self, text: &str) -> bool {
        self.read.lock().unwrap().windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// How many messages of logins came in clear for him.
    pub(super) fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }
}

fn expect(stream: &mut TcpStream, wanted: &[u8]) -> io::Result<()> {
    let mut found = vec![0; wanted.len()];
    stream.read_exact(&mut found)?;
    if found == wanted { Ok(()) } else { Err(io::Error::other("something else was expected")) }
}

/// Takes any certificate.
#[derive(Debug)]
struct Careless;

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
