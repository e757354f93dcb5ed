//! What an attempt says: its own log, and its lines in the run's session log. Both are redacted before they are kept.

use super::lease::Held;
use super::options::{Redact, RedactStream};
use crate::clock;
use crate::dispatch::{CallError, Client};
use crate::status_file::show_time;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two uploads.
const EVERY: Duration = Duration::from_millis(500);
/// The largest single upload.
const CHUNK: usize = 1 << 20;
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
}

struct State {
    stream: Box<dyn RedactStream>,
    /// Redacted bytes that are not stored yet, which begin at `offset`.
    waiting: Vec<u8>,
    offset: u64,
    /// Lines left out since the last one that was kept.
    left_out: u64,
    events: Vec<String>,
    /// The control plane takes nothing more.
    closed: bool,
}

impl AttemptLog {
    /// The log of `agent-{task}`.
    pub(super) fn new(task: u32, redact: Arc<dyn Redact>) -> Self {
        let state = State {
            stream: redact.stream(),
            waiting: Vec::new(),
            offset: 0,
            left_out: 0,
            events: Vec::new(),
            closed: false,
        };
        Self { name: format!("agent-{task}").into(), redact, state: Arc::new(Mutex::new(state)) }
    }

    /// Adds a line: where it comes from, and the text.
    pub(super) fn line(&self, from: &str, text: &str) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if state.waiting.len() > MAX_WAITING || state.offset + state.waiting.len() as u64 > MAX_LOG {
            state.left_out += 1;
            return;
        }
        let mut line = String::new();
        if std::mem::take(&mut state.left_out) > 0 {
            line.push_str("[lines were left out here]\n");
        }
        let cut = (0..=text.len().min(MAX_LINE)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let more = if cut < text.len() { " […]" } else { "" };
        line.push_str(&format!("{} {from}: {}{more}\n", show_time(clock::now()), &text[..cut]));
        let redacted = state.stream.push(line.as_bytes());
        state.waiting.extend_from_slice(redacted.as_bytes());
    }

    /// Adds a line to the run's session log, and to this one.
    pub(super) fn event(&self, text: &str) {
        self.line("divisi", text);
        let text = self.redact.text(text).replace(['\n', '\r'], " ");
        let mut state = self.lock();
        if state.events.len() < MAX_EVENTS {
            state.events.push(format!("{}: {text}", self.name));
        }
    }

    /// Uploads until it is dropped.
    pub(super) async fn upload(&self, client: &Client, held: &Held) {
        loop {
            clock::sleep(EVERY).await;
            self.send(client, held).await;
        }
    }

    /// Uploads what is left; gives up after `limit`.
    pub(super) async fn flush(&self, client: &Client, held: &Held, limit: Duration) {
        {
            let mut state = self.lock();
            let rest = state.stream.finish();
            state.waiting.extend_from_slice(rest.as_bytes());
        }
        let all = async {
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
                state.waiting = Vec::new();
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    fn waiting(log: &AttemptLog) -> String {
        String::from_utf8(log.lock().waiting.clone()).unwrap()
    }

    #[test]
    fn lines_are_redacted_and_cut() {
        let log = AttemptLog::new(3, Arc::new(Plain));
        log.event("pushes\nwith a secret");
        assert_eq!(log.lock().events, ["agent-3: pushes with a ***"]);
        assert!(waiting(&log).ends_with("Z divisi: pushes\nwith a ***\n"), "{}", waiting(&log));
        log.line("agent", &"é".repeat(MAX_LINE));
        let text = waiting(&log);
        assert!(text.len() < MAX_LINE + 300 && text.ends_with("é […]\n"));
    }

    #[test]
    fn a_flood_is_left_out_and_said_so() {
        let log = AttemptLog::new(1, Arc::new(Plain));
        let line = "x".repeat(MAX_LINE);
        for _ in 0..400 {
            log.line("agent", &line);
        }
        assert!(log.lock().waiting.len() < MAX_WAITING + 2 * MAX_LINE);
        log.lock().waiting.clear();
        log.line("agent", "after");
        assert!(waiting(&log).starts_with("[lines were left out here]\n"));
    }
}
