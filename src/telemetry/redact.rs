//! Secrets taken out of text: known shapes, and exact values that are in use right now.
//!
//! A live value is also found JSON-escaped and in base64. What is found is replaced by `[redacted]`; text is
//! never made to look as if nothing had been there.

use super::shapes;
use super::strip::Stripper;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, RwLock};

const MARK: &str = "[redacted]";

/// Live values shorter than this are not looked for: they would be found in innocent text.
const SHORTEST: usize = 8;

/// A line longer than this is sent on in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// More than this between the beginning and the end of a private key is no key.
const LONGEST_KEY: usize = 64 * 1024;

/// Takes secrets out of text. Cheap to share: hand out an `Arc`.
#[derive(Default)]
pub struct Redactor {
    live: RwLock<Live>,
}

/// Every live value with the forms in which it is looked for.
#[derive(Default)]
struct Live {
    forms: BTreeMap<String, Vec<String>>,
    /// The first two bytes of all forms, a bit for each pair. A key has dozens of forms, of thousands of bytes some of them; looking for
    /// one after the other in each log line costs more than all the rest of a delivery.
    begins: Vec<u64>,
}

impl Live {
    fn changed(&mut self) {
        self.begins = vec![0; 1 << 10];
        for form in self.forms.values().flatten() {
            let pair = pair(form.as_bytes());
            self.begins[pair >> 6] |= 1 << (pair & 63);
        }
    }

    fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        if self.forms.is_empty() {
            return;
        }
        let bytes = text.as_bytes();
        for at in 0..bytes.len().saturating_sub(SHORTEST - 1) {
            let pair = pair(&bytes[at..]);
            if self.begins[pair >> 6] >> (pair & 63) & 1 == 1 {
                let here = self.forms.values().flatten().filter(|f| bytes[at..].starts_with(f.as_bytes()));
                found.extend(here.map(|form| at..at + form.len()));
            }
        }
    }
}

/// The first two of at least two bytes.
fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// A redactor that knows the shapes and these live values.
    pub fn new<'a>(live: impl IntoIterator<Item = &'a str>) -> Self {
        let redactor = Self::default();
        for value in live {
            redactor.add(value);
        }
        redactor
    }

    /// Looks for `value` from now on. Values of fewer than 8 bytes are ignored.
    pub fn add(&self, value: &str) {
        let value = value.trim();
        if value.len() >= SHORTEST {
            let forms = forms(value);
            let mut live = self.live.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            live.forms.insert(value.to_owned(), forms);
            live.changed();
        }
    }

    /// Stops looking for `value`, such as a token that was revoked.
    pub fn remove(&self, value: &str) {
        let mut live = self.live.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        live.forms.remove(value.trim());
        live.changed();
    }

    /// A whole text without terminal escapes and without secrets.
    pub fn text(self: &Arc<Self>, text: &str) -> String {
        let mut stream = self.stream();
        let mut out = stream.push(text.as_bytes());
        out.push_str(&stream.finish());
        out
    }

    /// The same for bytes that come in pieces: a secret is found wherever it is cut.
    pub fn stream(self: &Arc<Self>) -> RedactStream {
        RedactStream {
            redactor: Arc::clone(self),
            bytes: Vec::new(),
            stripper: Stripper::default(),
            text: String::new(),
            in_key: None,
        }
    }

    /// Sorted, disjoint ranges of secrets.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        shapes::find(text, &mut found);
        let live = self.live.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        live.find(text, &mut found);
        drop(live);
        found.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        merged
    }

    /// The longest form of a live value, in bytes.
    fn longest(&self) -> usize {
        let live = self.live.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        live.forms.values().flatten().map(String::len).max().unwrap_or(0)
    }
}

/// The value itself, each of its lines (logs are read line by line), JSON-escaped, and the part of its base64
/// that is the same whatever stands around it, at each of the three offsets.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    forms.extend(value.lines().map(str::trim).filter(|line| line.len() >= 32).map(str::to_owned));
    let json = serde_json::Value::from(value).to_string();
    forms.push(json[1..json.len() - 1].to_owned());
    for offset in 0..3 {
        let mut padded = vec![0_u8; offset];
        padded.extend_from_slice(value.as_bytes());
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded);
            // The first group mixes in what stands before, the last one what comes after.
            let from = if offset == 0 { 0 } else { 4 };
            let to = padded.len() / 3 * 4;
            if to > from + SHORTEST {
                forms.push(text[from..to].to_owned());
            }
        }
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// Bytes in, clean text out; made by [`Redactor::stream`].
#[derive(Debug)]
pub struct RedactStream {
    redactor: Arc<Redactor>,
    /// The beginning of a character whose rest has not come yet.
    bytes: Vec<u8>,
    stripper: Stripper,
    /// What has not been sent on yet.
    text: String,
    /// Inside a private key, with the number of bytes left out so far.
    in_key: Option<usize>,
}

impl RedactStream {
    /// Takes the next piece and gives back what is sure by now: whole lines, and the beginning of very long
    /// ones. Bytes that are no UTF-8 become U+FFFD.
    pub fn push(&mut self, piece: &[u8]) -> String {
        self.bytes.extend_from_slice(piece);
        self.decode(false);
        if let Some(end) = self.text.rfind('\n') {
            let rest = self.text.split_off(end + 1);
            let lines = std::mem::replace(&mut self.text, rest);
            let mut out = self.clean(&lines);
            out.push_str(&self.shorten());
            return out;
        }
        self.shorten()
    }

    /// Gives back the rest. The stream may be used again afterwards, for another text.
    pub fn finish(&mut self) -> String {
        self.decode(true);
        self.stripper.finish(&mut self.text);
        let rest = std::mem::take(&mut self.text);
        let mut out = self.clean(&rest);
        if self.in_key.take().is_some() {
            out.push('\n');
        }
        out
    }

    fn decode(&mut self, last: bool) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut rest = bytes.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.stripper.push(text, &mut self.text);
                    return;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    self.stripper.push(&String::from_utf8_lossy(good), &mut self.text);
                    match error.error_len() {
                        Some(length) => rest = &bad[length..],
                        None if last => rest = &[],
                        None => {
                            self.bytes = bad.to_vec();
                            return;
                        }
                    }
                    self.stripper.push("\u{fffd}", &mut self.text);
                }
            }
        }
    }

    /// Sends on the beginning of a line that has become too long, cut where no secret is.
    fn shorten(&mut self) -> String {
        if self.text.len() <= LONGEST_LINE {
            return String::new();
        }
        let hold = shapes::REACH.max(self.redactor.longest());
        let mut cut = self.text.len().saturating_sub(hold);
        let found = self.redactor.find(&self.text);
        if let Some(range) = found.iter().find(|range| range.contains(&cut)) {
            cut = range.start;
        }
        while !self.text.is_char_boundary(cut) {
            cut -= 1;
        }
        // One secret of that length: it is left out, with all that follows on its line so far.
        let cut = if cut == 0 { self.text.len() } else { cut };
        let rest = self.text.split_off(cut);
        let beginning = std::mem::replace(&mut self.text, rest);
        self.clean(&beginning)
    }

    /// Takes the secrets out of a piece, which may lie inside a private key that began earlier.
    fn clean(&mut self, piece: &str) -> String {
        let mut from = 0;
        if let Some(left_out) = self.in_key {
            match shapes::private_key_end(piece, 0) {
                Some(end) => from = end,
                None if left_out + piece.len() < LONGEST_KEY => {
                    self.in_key = Some(left_out + piece.len());
                    return String::new();
                }
                None => {}
            }
            self.in_key = None;
        }
        let piece = &piece[from..];
        if shapes::leaves_private_key_open(piece) {
            self.in_key = Some(0);
        }
        let mut out = String::with_capacity(piece.len());
        let mut at = 0;
        for range in self.redactor.find(piece) {
            out.push_str(&piece[at..range.start]);
            out.push_str(MARK);
            at = range.end;
        }
        out.push_str(&piece[at..]);
        out
    }
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
