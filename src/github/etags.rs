//! What an installation has read before, to be asked for again with `If-None-Match`: a 304 costs nothing of the
//! hour's budget.
//!
//! An entry is only ever used after GitHub has said, now, that it still holds. It is kept for one installation
//! (whose token always has the whole scope of that installation), so that no answer crosses to another one.

use super::transport::Answer;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Answers kept for an installation.
const MOST: usize = 128;
/// Larger answers are not kept, in bytes.
const LARGEST: usize = 256 << 10;
/// All that is kept for an installation, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// The answers of one installation, by path and query.
#[derive(Default)]
pub(super) struct Etags(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    entries: HashMap<String, Entry>,
    bytes: usize,
    /// Grows with every use; the entry with the smallest goes first.
    clock: u64,
}

struct Entry {
    seen: Seen,
    used: u64,
}

/// An answer as it was.
#[derive(Clone)]
pub(super) struct Seen {
    /// Its `ETag`.
    pub(super) tag: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    /// The answer again, after GitHub said that it still holds.
    pub(super) fn answer(&self) -> Answer {
        Answer { status: StatusCode::OK, headers: self.headers.clone(), body: self.body.clone() }
    }
}

impl Etags {
    /// What was answered at that path.
    pub(super) fn get(&self, path: &str) -> Option<Seen> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        let entry = kept.entries.get_mut(path)?;
        entry.used = now;
        Some(entry.seen.clone())
    }

    /// Keeps a 200 that has a tag; the ones that were used longest ago make room.
    pub(super) fn keep(&self, path: &str, answer: &Answer) {
        let Some(tag) = answer.header("etag").map(str::to_owned) else { return };
        if answer.status != StatusCode::OK || answer.body.len() > LARGEST {
            return;
        }
        let mut headers = HeaderMap::new();
        if let Some(link) = answer.headers.get(header::LINK) {
            headers.insert(header::LINK, link.clone());
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(path);
        kept.clock += 1;
        kept.bytes += answer.body.len();
        let entry = Entry { seen: Seen { tag, headers, body: answer.body.clone() }, used: kept.clock };
        kept.entries.insert(path.to_owned(), entry);
        while kept.entries.len() > MOST || kept.bytes > MOST_BYTES {
            let oldest =
                kept.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(path, _)| path.clone());
            match oldest {
                Some(path) => kept.remove(&path),
                None => break,
            }
        }
    }
}

impl Kept {
    fn remove(&mut self, path: &str) {
        if let Some(entry) = self.entries.remove(path) {
            self.bytes -= entry.seen.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn answer(status: StatusCode, tag: &'static str, size: usize) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static(tag));
        headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
        Answer { status, headers, body: Bytes::from(vec![b'x'; size]) }
    }

    #[test]
    fn it_holds_little_and_forgets_what_was_used_longest_ago() {
        let etags = Etags::default();
        for n in 0..MOST {
            etags.keep(&format!("/{n}"), &answer(StatusCode::OK, "\"t\"", 10));
        }
        assert_eq!(etags.get("/0").unwrap().tag, "\"t\"");
        etags.keep("/new", &answer(StatusCode::OK, "\"n\"", 10));
        assert!(etags.get("/1").is_none() && etags.get("/0").is_some());
        for n in 0..40 {
            etags.keep(&format!("/large/{n}"), &answer(StatusCode::OK, "\"t\"", LARGEST));
        }
        assert!(etags.0.lock().unwrap().bytes <= MOST_BYTES);
        etags.keep("/huge", &answer(StatusCode::OK, "\"t\"", LARGEST + 1));
        etags.keep("/made", &answer(StatusCode::CREATED, "\"t\"", 1));
        assert!(etags.get("/huge").is_none() && etags.get("/made").is_none());
        // Yesterday's budget is nothing to go by.
        assert!(etags.get("/large/39").unwrap().answer().header("x-ratelimit-remaining").is_none());
    }
}
