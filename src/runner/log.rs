//! What an attempt says: its own log, and its lines in the run's session log. Both are redacted before they are kept.

use super::lease::Held;
use super::options::{Redact, RedactStream};
use crate::clock;
use crate::dispatch::{CallError, Client, until_answered};
use crate::status_file::show_time;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two uploads.
const EVERY: Duration = Duration::from_millis(500);
/// The largest single upload.
const CHUNK: usize = 1 << 20;
/// What may come between two looks for secrets; beyond it lines are left out.
const MAX_RAW: usize = 1 << 20;
/// What may wait for its upload while the control plane does not answer; beyond it lines are left out.
const MAX_WAITING: usize = 8 << 20;
/// The largest log of one attempt.
const MAX_LOG: u64 = 100 << 20;
/// The longest line, in bytes.
const MAX_LINE: usize = 64 << 10;
/// Session lines that wait for their upload.
const MAX_EVENTS: usize = 1_000;

/// One attempt's log. Cheap to clone.
#[derive(Clone)]
pub(super) struct AttemptLog {
    name: Arc<str>,
    redact: Arc<dyn Redact>,
    state: Arc<Mutex<State>>,
    /// Held by the one upload that is under way, with the redactor that sees all bytes in their order.
    stream: Arc<tokio::sync::Mutex<Box<dyn RedactStream>>>,
}

#[derive(Default)]
struct State {
    /// Lines as they came, bounded: a flood is thinned out before anything is done about it.
    raw: Vec<u8>,
    /// Redacted bytes that are not stored yet, which begin at `offset`.
    waiting: Vec<u8>,
    offset: u64,
    /// Lines left out since the last one that was kept.
    left_out: u64,
    events: Vec<String>,
    /// The second of the last line, and how it is written.
    second: (i64, String),
    /// The control plane takes nothing more.
    closed: bool,
}

impl AttemptLog {
    /// The log of `agent-{task}`.
    pub(super) fn new(task: u32, redact: Arc<dyn Redact>) -> Self {
        let stream = Arc::new(tokio::sync::Mutex::new(redact.stream()));
        Self { name: format!("agent-{task}").into(), redact, state: Arc::default(), stream }
    }

    /// Adds a line: where it comes from, and the text.
    pub(super) fn line(&self, from: &str, text: &[u8]) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return;
        }
        let kept = state.raw.len() + state.waiting.len();
        if state.raw.len() > MAX_RAW || kept > MAX_WAITING || state.offset + kept as u64 > MAX_LOG {
            state.left_out += 1;
            return;
        }
        if std::mem::take(&mut state.left_out) > 0 {
            state.raw.extend_from_slice(b"[lines were left out here]\n");
        }
        let now = clock::now();
        if state.second.0 != now.as_second() || state.second.1.is_empty() {
            state.second = (now.as_second(), show_time(now));
        }
        state.raw.extend_from_slice(format!("{} {from}: ", state.second.1).as_bytes());
        state.raw.extend_from_slice(&text[..text.len().min(MAX_LINE)]);
        state.raw.extend_from_slice(if text.len() > MAX_LINE { " […]\n".as_bytes() } else { b"\n" });
    }

    /// Adds a line to the run's session log, and to this one.
    pub(super) fn event(&self, text: &str) {
        self.line("divisi", text.as_bytes());
        let text = self.redact.text(text).replace(['\n', '\r'], " ");
        let mut state = self.lock();
        if state.events.len() < MAX_EVENTS {
            state.events.push(format!("{}: {text}", self.name));
        }
    }

    /// Uploads until `done`. What is under way then is ended in order, so that no line is lost or sent twice.
    pub(super) async fn upload(&self, client: &Client, held: &Held, done: &CancellationToken) {
        // An attempt that goes on in a new life adds to what its earlier ones have stored.
        let stored = until_answered(|| client.log(&held.attempt, held.epoch, 0, Vec::new()));
        let stored = tokio::select! {
            stored = stored => stored.unwrap_or(0),
            () = done.cancelled() => return,
        };
        self.lock().offset = stored;
        while clock::within(EVERY, done.cancelled()).await.is_none() {
            self.redact(false).await;
            self.send(client, held).await;
        }
    }

    /// Uploads what is left; gives up after `limit`.
    pub(super) async fn flush(&self, client: &Client, held: &Held, limit: Duration) {
        let all = async {
            self.redact(true).await;
            while !self.is_empty() {
                if !self.send(client, held).await {
                    clock::sleep(EVERY).await;
                }
            }
        };
        if clock::within(limit, all).await.is_none() {
            tracing::warn!(attempt = %held.attempt, "The end of an attempt's log could not be uploaded.");
        }
    }

    /// Takes secrets out of what has come since the last time; `end`: nothing more will come.
    async fn redact(&self, end: bool) {
        let (state, stream) = (self.state.clone(), self.stream.clone());
        let work = move || {
            let mut stream = stream.blocking_lock();
            let raw = std::mem::take(&mut lock(&state).raw);
            let mut clean = stream.push(&raw);
            if end {
                clean.push_str(&stream.finish());
            }
            lock(&state).waiting.extend_from_slice(clean.as_bytes());
        };
        // A panic in there loses lines of a log and nothing else.
        if tokio::task::spawn_blocking(work).await.is_err() {
            tracing::error!("Lines of an attempt's log could not be redacted and are lost.");
        }
    }

    fn is_empty(&self) -> bool {
        let state = self.lock();
        state.closed || (state.waiting.is_empty() && state.events.is_empty())
    }

    /// One upload of each kind; false when there was no answer.
    async fn send(&self, client: &Client, held: &Held) -> bool {
        let (offset, bytes, events) = {
            let mut state = self.lock();
            let chunk = state.waiting[..state.waiting.len().min(CHUNK)].to_vec();
            (state.offset, chunk, std::mem::take(&mut state.events))
        };
        let mut answered = true;
        if !events.is_empty() {
            let sent = client.events(&held.attempt, held.epoch, events.clone()).await;
            answered &= self.settle(
                held,
                &sent,
                |_, ()| {},
                |state| {
                    state.events.splice(0..0, events);
                },
            );
        }
        if !bytes.is_empty() {
            let len = bytes.len();
            let sent = client.log(&held.attempt, held.epoch, offset, bytes).await;
            answered &= self.settle(
                held,
                &sent,
                |state, stored| {
                    // What is stored of this chunk; a store that has less than before has lost our beginning.
                    let taken = usize::try_from(stored.saturating_sub(offset)).unwrap_or(len).min(len);
                    state.waiting.drain(..taken);
                    state.offset = offset + taken as u64;
                    state.closed |= *stored < offset;
                },
                |_| {},
            );
        }
        answered
    }

    fn settle<T>(
        &self,
        held: &Held,
        answer: &Result<T, CallError>,
        done: impl FnOnce(&mut State, &T),
        not_yet: impl FnOnce(&mut State),
    ) -> bool {
        let mut state = self.lock();
        match answer {
            Ok(value) => {
                done(&mut state, value);
                true
            }
            Err(CallError::NoAnswer(_)) => {
                not_yet(&mut state);
                false
            }
            Err(error @ (CallError::Lost | CallError::Refused(_))) => {
                tracing::debug!(attempt = %held.attempt, %error, "The attempt's log is not taken any more.");
                state.closed = true;
                (state.raw, state.waiting) = (Vec::new(), Vec::new());
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;
    struct PlainStream;

    impl Redact for Plain {
        fn text(&self, text: &str) -> String {
            text.replace("secret", "***")
        }
        fn stream(&self) -> Box<dyn RedactStream> {
            Box::new(PlainStream)
        }
        fn add(&self, _: &str) {}
        fn remove(&self, _: &str) {}
    }

    impl RedactStream for PlainStream {
        fn push(&mut self, piece: &[u8]) -> String {
            String::from_utf8_lossy(piece).replace("secret", "***")
        }
        fn finish(&mut self) -> String {
            String::new()
        }
    }

    async fn waiting(log: &AttemptLog) -> String {
        log.redact(true).await;
        String::from_utf8(std::mem::take(&mut log.lock().waiting)).unwrap()
    }

    #[tokio::test]
    async fn lines_are_redacted_and_cut() {
        let log = AttemptLog::new(3, Arc::new(Plain));
        log.event("pushes\nwith a secret");
        assert_eq!(log.lock().events, ["agent-3: pushes with a ***"]);
        let text = waiting(&log).await;
        assert!(text.ends_with("Z divisi: pushes\nwith a ***\n"), "{text}");
        log.line("agent", &vec![b'x'; MAX_LINE + 1]);
        let text = waiting(&log).await;
        assert!(text.len() < MAX_LINE + 300 && text.ends_with("x […]\n"));
    }

    #[tokio::test]
    async fn a_flood_is_left_out_and_said_so() {
        let log = AttemptLog::new(1, Arc::new(Plain));
        let line = vec![b'x'; MAX_LINE];
        for _ in 0..400 {
            log.line("agent", &line);
        }
        assert!(log.lock().raw.len() < MAX_RAW + 2 * MAX_LINE);
        waiting(&log).await;
        log.line("agent", b"after");
        let text = waiting(&log).await;
        assert!(
            text.starts_with("[lines were left out here]\n") && text.ends_with("agent: after\n"),
            "{text}"
        );
    }
}
