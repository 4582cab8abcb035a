//! The TLS connector, to which the driver hands its raw socket.
//!
//! With `ssl_mode(Require)` and `ssl_negotiation(Direct)` the driver leaves the whole negotiation to its TLS connector.
//! Before the first byte is exchanged, ours wraps the socket in a stream that can be cut. Then it does what libpq does
//! for the `sslmode`: nothing, or `SSLRequest` and TLS by rustls.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::abort::{AbortHandle, AbortableStream};
use super::verify;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::{PostgresTarget, SslMode};

/// The eight bytes that ask a server for TLS: length 8, code 80877103.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
pub(super) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Makes connectors for one database.
#[derive(Clone)]
pub(super) struct Connector {
    /// `None` for `sslmode=disable`.
    tls: Option<MakeRustlsConnect>,
    /// Whether a server without TLS is an error.
    required: bool,
    /// Whether the peer closes first. See [`Connector::for_cancel`].
    patient: bool,
    abort: Arc<AbortHandle>,
}

impl Connector {
    pub(super) fn new(target: &PostgresTarget) -> Result<Connector> {
        let tls = match target.ssl_mode {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(verify::client_config(target)?)),
        };
        let required = !matches!(target.ssl_mode, SslMode::Disable | SslMode::Prefer);
        Ok(Connector { tls, required, patient: false, abort: Arc::default() })
    }

    /// A connector for one stream, which `abort` can cut.
    pub(super) fn for_stream(&self, abort: &Arc<AbortHandle>) -> Connector {
        Connector { abort: Arc::clone(abort), ..self.clone() }
    }

    /// A connector for a cancel request, whose stream stays open until the server has closed it.
    ///
    /// The driver would send the request and close at once; libpq waits. This matters behind a pooler, which passes the
    /// request on: PgBouncer drops the requests of clients that have closed, and version 1.18 crashes on one (pgbouncer
    /// issue 801, pull request 846).
    pub(super) fn for_cancel(&self, abort: &Arc<AbortHandle>) -> Connector {
        Connector { patient: true, ..self.for_stream(abort) }
    }
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Stream;
    type TlsConnect = Connect;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Connect> {
        Ok(Connect { connector: self.clone(), host: host.to_owned() })
    }
}

/// One connection about to be negotiated.
pub(super) struct Connect {
    connector: Connector,
    host: String,
}

impl TlsConnect<Socket> for Connect {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let patient = self.connector.patient;
        Box::pin(async move { Ok(Stream { kind: self.negotiate(socket).await?, patient }) })
    }
}

impl Connect {
    async fn negotiate(self, socket: Socket) -> io::Result<Kind> {
        let Connect { connector, host } = self;
        let mut stream = AbortableStream::new(socket, connector.abort);
        let Some(mut rustls) = connector.tls else {
            return Ok(Kind::Plain(stream));
        };
        stream.write_all(&SSL_REQUEST).await?;
        stream.flush().await?;
        match stream.read_u8().await? {
            b'S' => (),
            b'N' if connector.required => {
                return Err(Error::new(
                    ErrorKind::Connect,
                    "the server does not offer TLS, which `sslmode` requires",
                )
                .with_hint("switch TLS on in the server, or use `sslmode=prefer`")
                .into());
            }
            b'N' => return Ok(Kind::Plain(stream)),
            _ => return Err(io::Error::other("the server's answer to the TLS request is not PostgreSQL's")),
        }
        let rustls = MakeTlsConnect::<AbortableStream<Socket>>::make_tls_connect(&mut rustls, &host)
            .map_err(io::Error::other)?;
        Ok(Kind::Tls(Box::new(rustls.connect(stream).await?)))
    }
}

type Rustls = <MakeRustlsConnect as MakeTlsConnect<AbortableStream<Socket>>>::Stream;

/// A negotiated connection.
pub(super) struct Stream {
    kind: Kind,
    /// It waits for the peer to close first.
    patient: bool,
}

/// With TLS or without.
enum Kind {
    Plain(AbortableStream<Socket>),
    Tls(Box<Rustls>),
}

macro_rules! to_inner {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().kind {
            Kind::Plain(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
            Kind::Tls(inner) => {
                let $stream = Pin::new(&mut **inner);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        to_inner!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        to_inner!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        to_inner!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.patient {
            let mut unread = [0; 64];
            let mut buffer = ReadBuf::new(&mut unread);
            match self.as_mut().poll_read(context, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                // The end of the stream, orderly or not.
                Poll::Ready(outcome) => self.patient = outcome.is_ok() && !buffer.filled().is_empty(),
            }
        }
        to_inner!(self, stream => stream.poll_shutdown(context))
    }
}

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.kind {
            Kind::Plain(stream) => stream.channel_binding(),
            Kind::Tls(stream) => stream.channel_binding(),
        }
    }
}
