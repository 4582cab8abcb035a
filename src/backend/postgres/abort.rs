//! A stream that can be cut from another thread.
//!
//! The driver `postgres` waits on its socket without a limit, both in calls and in `Drop`: dropping a client with
//! unread rows took 3.1 s in a measurement, and for ever with a silent peer (rust-postgres issues 725 and 755). But the
//! driver hands the raw socket to its TLS connector, and uses the stream that the connector returns. Ours returns this
//! stream, which keeps the waker of a pending read or write, and an abort flag. Setting the flag and waking the task
//! makes the blocked call fail with `TimedOut`, and the drop that follows returns at once.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use std::sync::Arc;

use postgres::tls::{ChannelBinding, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Cuts one stream, from any thread.
#[derive(Debug, Default)]
pub(super) struct AbortHandle {
    aborted: AtomicBool,
    /// The wakers of the pending read and of the pending write.
    wakers: Mutex<[Option<Waker>; 2]>,
}

#[derive(Clone, Copy)]
enum Side {
    Read = 0,
    Write = 1,
}

impl AbortHandle {
    /// Makes every present and future read and write fail.
    pub(super) fn abort(&self) {
        self.aborted.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
    }

    /// Keeps the waker of a pending operation.
    fn keep(&self, side: Side, waker: &Waker) {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)[side as usize] = Some(waker.clone());
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the connection was cut at its deadline")
}

/// A stream with an [`AbortHandle`].
#[derive(Debug)]
pub(super) struct AbortableStream<S> {
    stream: S,
    handle: Arc<AbortHandle>,
    /// The wakers that were stored last. The driver uses the same waker for its whole life, so the handle's lock is
    /// taken twice per connection and not twice per call.
    kept: [Option<Waker>; 2],
}

impl<S: Unpin> AbortableStream<S> {
    pub(super) fn new(stream: S, handle: Arc<AbortHandle>) -> AbortableStream<S> {
        AbortableStream { stream, handle, kept: [None, None] }
    }

    #[inline]
    fn guard<T>(
        &mut self,
        side: Side,
        context: &mut Context<'_>,
        operation: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.handle.is_aborted() {
            return Poll::Ready(Err(cut()));
        }
        let outcome = operation(Pin::new(&mut self.stream), context);
        if outcome.is_pending() {
            let (kept, waker) = (&mut self.kept[side as usize], context.waker());
            // Not `will_wake`, which also compares the function tables, of which the compiler may make several for one
            // waker.
            if kept.as_ref().is_none_or(|kept| kept.data() != waker.data()) {
                self.handle.keep(side, waker);
                *kept = Some(waker.clone());
            }
            // Checked after the waker was stored: an earlier abort is seen here, a later one finds the waker.
            if self.handle.aborted.load(Ordering::SeqCst) {
                return Poll::Ready(Err(cut()));
            }
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AbortableStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().guard(Side::Read, context, |stream, context| stream.poll_read(context, buffer))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AbortableStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().guard(Side::Write, context, |stream, context| stream.poll_write(context, bytes))
    }

    /// A socket has nothing to flush. But a flush may be the only operation that the driver polls while it waits for
    /// itself, without reading or writing; so it must see the abort too.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().guard(Side::Write, context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().guard(Side::Write, context, |stream, context| stream.poll_shutdown(context))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for AbortableStream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn an_abort_ends_a_read_that_would_never_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (silent, _peer) = tokio::io::duplex(16);
        let handle = Arc::new(AbortHandle::default());
        let mut stream = AbortableStream::new(silent, Arc::clone(&handle));
        let (about_to_read, go) = mpsc::channel();
        let cutter = std::thread::spawn(move || {
            go.recv().unwrap();
            handle.abort();
        });
        about_to_read.send(()).unwrap();
        let start = Instant::now();
        let error = runtime.block_on(stream.read_u8()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(5));
        cutter.join().unwrap();
        assert_eq!(runtime.block_on(stream.read_u8()).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(runtime.block_on(stream.flush()).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
