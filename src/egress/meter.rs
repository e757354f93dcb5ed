//! Counts tokens in answers as they pass: best effort, never in the way.

use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest line of an event stream, and longest JSON answer, that is looked into.
const MAX_LOOK: usize = 4 << 20;

/// What has passed through one attempt's listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests passed on.
    pub requests: u64,
    /// Tokens in, cached ones included.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
}

/// The shared sums of one attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals(Arc<Sums>);

#[derive(Debug, Default)]
struct Sums {
    requests: AtomicU64,
    input: AtomicU64,
    output: AtomicU64,
}

impl Totals {
    pub(super) fn request(&self) {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            requests: self.0.requests.load(Ordering::Relaxed),
            input_tokens: self.0.input.load(Ordering::Relaxed),
            output_tokens: self.0.output.load(Ordering::Relaxed),
        }
    }
}

/// Reads one answer. What it found is added when it is dropped: at the end of the answer, or where it was cut off.
pub(super) struct Meter {
    totals: Totals,
    events: bool,
    /// The current line of an event stream, or the whole of a JSON answer.
    held: Vec<u8>,
    /// What is held grew too long to be looked into.
    skip: bool,
    input: u64,
    output: u64,
}

impl Meter {
    /// `events`: the answer is an event stream, otherwise it is one JSON value.
    pub(super) fn new(totals: Totals, events: bool) -> Self {
        Self { totals, events, held: Vec::new(), skip: false, input: 0, output: 0 }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        if !self.events {
            return self.hold(chunk);
        }
        let mut lines = chunk.split(|b| *b == b'\n');
        self.hold(lines.next().unwrap_or_default());
        for line in lines {
            self.look();
            self.hold(line);
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.skip |= self.held.len() + bytes.len() > MAX_LOOK;
        if self.skip {
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    /// Looks into what is held and starts anew.
    fn look(&mut self) {
        let held = std::mem::take(&mut self.held);
        let skip = std::mem::take(&mut self.skip);
        let json = if self.events { held.strip_prefix(b"data:") } else { Some(held.as_slice()) };
        let Some(json) = json.filter(|j| !skip && contains(j, b"\"usage\"")) else { return };
        let Ok(value) = serde_json::from_slice::<Value>(json) else { return };
        // The usage of a stream stands in its first event (within `message`) and, growing, in later ones.
        for usage in [&value["usage"], &value["message"]["usage"]] {
            let sum =
                |keys: &[&str]| keys.iter().filter_map(|k| usage[*k].as_u64()).fold(0, u64::saturating_add);
            let input = sum(&[
                "input_tokens",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
                "prompt_tokens",
            ]);
            self.input = self.input.max(input);
            self.output = self.output.max(sum(&["output_tokens", "completion_tokens"]));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.look();
        self.totals.0.input.fetch_add(self.input, Ordering::Relaxed);
        self.totals.0.output.fetch_add(self.output, Ordering::Relaxed);
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(events: bool, chunks: &[&str], input: u64, output: u64) {
        let totals = Totals::default();
        let mut meter = Meter::new(totals.clone(), events);
        chunks.iter().for_each(|c| meter.feed(c.as_bytes()));
        drop(meter);
        let usage = totals.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (input, output));
    }

    #[test]
    fn tokens_of_json_answers_are_counted() {
        check(
            false,
            &[r#"{"usage":{"input_tokens":3,"cache_read_input_tokens":4,"#, r#""output_tokens":5}}"#],
            7,
            5,
        );
        check(false, &[r#"{"usage":{"prompt_tokens":3,"completion_tokens":4}}"#], 3, 4);
        check(false, &["<html>"], 0, 0);
        check(false, &[r#"{"usage":{"input_tokens":-1}}"#], 0, 0);
    }

    #[test]
    fn tokens_of_event_streams_are_counted_wherever_chunks_end() {
        let stream = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\n\
                      event: message_delta\ndata: {\"usage\":{\"output_tokens\":20}}\n\n";
        check(true, &[stream], 100, 20);
        for cut in 0..stream.len() {
            check(true, &[&stream[..cut], &stream[cut..]], 100, 20);
        }
        // Cut off after the first event: what is known counts.
        check(true, &[&stream[..stream.find("\n\n").unwrap()]], 100, 1);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut meter = Meter::new(Totals::default(), true);
        for _ in 0..10 {
            meter.feed(&vec![b'x'; 1 << 20]);
        }
        assert!(meter.held.capacity() <= MAX_LOOK * 2);
        meter.feed(b"\ndata: {\"usage\":{\"output_tokens\":2}}\n");
        assert_eq!(meter.output, 2);
    }
}
