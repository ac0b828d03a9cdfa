//! Standard error, which may be a pipe that nobody reads.
//!
//! The thread that serves must not wait for whoever collects the log. So a line is written at once
//! while there is room for it; else it waits in memory for a thread that has the time. What fits
//! neither is lost, and told when the log is read again.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Stderr, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that may wait; as many more may be on their way.
const MOST_WAITING: usize = 1 << 20;
/// What a pipe that is ready takes without waiting: `PIPE_BUF` of pipe(7).
const PIECE: usize = 4096;
/// How long the end of the process waits for a log that is not read.
const PARTING: Duration = Duration::from_millis(500);

static STDERR: LazyLock<Arc<Output<Stderr>>> = LazyLock::new(|| Output::new(io::stderr()));

/// Writes a line, its end included, to standard error.
pub fn write(line: &str) {
    STDERR.write(line.as_bytes());
}

/// Waits a moment for lines that are still to be written. For the end of the process.
pub fn finish() {
    STDERR.finish();
}

/// Where lines go.
struct Output<W> {
    to: W,
    state: Mutex<State>,
    is_written: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that did not fit.
    lost: u64,
    /// Whether a thread writes what waits.
    has_writer: bool,
}

impl<W> Output<W>
where
    W: AsFd + Send + Sync + 'static,
    for<'a> &'a W: Write,
{
    fn new(to: W) -> Arc<Self> {
        Arc::new(Output {
            to,
            state: Mutex::default(),
            is_written: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(self: &Arc<Self>, line: &[u8]) {
        let mut state = self.lock();
        let rest = match state.has_writer {
            true => line,
            false => self.write_what_fits(line),
        };
        if rest.is_empty() {
            return;
        }
        if state.waiting.len() + rest.len() > MOST_WAITING {
            state.lost += 1;
            return;
        }
        state.waiting.extend_from_slice(rest);
        if !state.has_writer {
            let output = self.clone();
            let thread = std::thread::Builder::new().name("log".to_owned());
            // Without a thread the next line tries again.
            state.has_writer = thread.spawn(move || output.write_waiting()).is_ok();
        }
    }

    /// Writes as much as there is room for; the value is what is left. A log that is closed takes
    /// everything.
    fn write_what_fits<'l>(&self, mut line: &'l [u8]) -> &'l [u8] {
        while !line.is_empty() && self.is_ready(Some(&Timespec::default())) {
            match self.write_piece(line) {
                Ok(length) => line = &line[length..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return &[],
            }
        }
        line
    }

    fn is_ready(&self, patience: Option<&Timespec>) -> bool {
        let mut fds = [PollFd::new(&self.to, PollFlags::OUT)];
        poll(&mut fds, patience).is_ok_and(|ready| ready > 0)
    }

    fn write_piece(&self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.to).write(&bytes[..bytes.len().min(PIECE)]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            result => result,
        }
    }

    /// Writes what waits until nothing does.
    fn write_waiting(&self) {
        loop {
            let bytes = {
                let mut state = self.lock();
                if state.waiting.is_empty() {
                    state.has_writer = false;
                    self.is_written.notify_all();
                    break;
                }
                std::mem::take(&mut state.waiting)
            };
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                self.is_ready(None);
                rest = self.write_what_fits(rest);
            }
        }
        let lost = std::mem::take(&mut self.lock().lost);
        if lost > 0 {
            tracing::warn!(lines = lost, "the log was not read in time, lines are lost");
        }
    }

    fn finish(&self) {
        let state = self.lock();
        let waited = self
            .is_written
            .wait_timeout_while(state, PARTING, |state| state.has_writer);
        drop(waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, PipeWriter, Read, pipe};
    use std::time::Instant;

    fn start() -> (PipeReader, Arc<Output<PipeWriter>>) {
        let (reader, writer) = pipe().unwrap();
        (reader, Output::new(writer))
    }

    fn line(number: usize) -> Vec<u8> {
        format!("{number:0>999}\n").into_bytes()
    }

    #[test]
    fn lines_are_there_at_once() {
        let (mut reader, output) = start();
        output.write(b"one\n");
        output.write(b"two\n");
        let mut read = [0; 8];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one\ntwo\n");
        assert!(!output.lock().has_writer);
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_not_waited_for() {
        let (mut reader, output) = start();
        let started = Instant::now();
        for number in 0..500 {
            output.write(&line(number));
        }
        output.finish();
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(output.lock().has_writer);
        for number in 0..500 {
            let mut read = [0; 1000];
            reader.read_exact(&mut read).unwrap();
            assert_eq!(read.as_slice(), line(number));
        }
        output.finish();
        assert!(!output.lock().has_writer);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let (reader, output) = start();
        let sent = 4 * MOST_WAITING / 1000;
        for number in 0..sent {
            output.write(&line(number));
        }
        let state = output.lock();
        assert!(state.waiting.len() <= MOST_WAITING);
        let lost = state.lost;
        assert!(lost > 0 && lost < sent as u64, "{lost} of {sent}");
        drop(state);
        // Whoever closes the log ends the waiting.
        drop(reader);
        output.finish();
        let state = output.lock();
        assert!(state.waiting.is_empty() && !state.has_writer);
    }
}
