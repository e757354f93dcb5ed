//! Pages of lists: `page` and `per_page`, and the `Link` header with absolute URLs.

use super::call::{Answer, Call};
use crate::simulator::refusal::Refusal;
use serde_json::Value;
use std::ops::Range;

/// Items on a page unless told otherwise, and at most (GitHub docs, "Using pagination in the REST API").
const DEFAULT: usize = 30;
const MOST: usize = 100;

/// Which part of a list is asked for.
#[derive(Clone, Copy)]
pub(super) struct Page {
    pub number: usize,
    pub size: usize,
}

impl Page {
    pub fn of(call: &Call<'_>) -> Page {
        Page::with_default(call, DEFAULT, MOST)
    }

    /// With another size than the usual.
    pub fn with_default(call: &Call<'_>, default: usize, most: usize) -> Page {
        let number = |name| call.query(name).and_then(|v| v.parse::<usize>().ok());
        Page {
            number: number("page").unwrap_or(1).max(1),
            size: number("per_page").unwrap_or(default).clamp(1, most),
        }
    }

    /// The items of this page, of so many.
    pub fn range(self, total: usize) -> Range<usize> {
        let start = ((self.number - 1).saturating_mul(self.size)).min(total);
        start..(start + self.size).min(total)
    }

    fn last(self, total: usize) -> usize {
        total.div_ceil(self.size).max(1)
    }

    /// The `Link` header; none when everything fits on one page.
    pub fn link(self, call: &Call<'_>, total: usize) -> Option<(&'static str, String)> {
        let last = self.last(total);
        if last == 1 && self.number == 1 {
            return None;
        }
        let mut links = Vec::new();
        let mut add = |page: usize, rel: &str| {
            let number = page.to_string();
            links.push(format!("<{}>; rel=\"{rel}\"", with_query(call, "page", &number)));
        };
        if self.number > 1 {
            add((self.number - 1).min(last), "prev");
            add(1, "first");
        }
        if self.number < last {
            add(self.number + 1, "next");
            add(last, "last");
        }
        Some(("link", links.join(", ")))
    }
}

/// The request's URL with one query pair set.
pub(super) fn with_query(call: &Call<'_>, name: &str, value: &str) -> String {
    let path = call.target.split('?').next().unwrap_or_default();
    let raw = call.target.split_once('?').map_or("", |(_, query)| query);
    let others = raw.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(name));
    let mut query: Vec<&str> = others.collect();
    let pair = format!("{name}={value}");
    query.push(&pair);
    format!("{}{path}?{}", call.world.base, query.join("&"))
}

/// Answers the asked page of a list; shapes are made for its items only.
pub(super) fn list<T>(
    call: &Call<'_>,
    items: &[T],
    shape: impl Fn(&T) -> Result<Value, Refusal>,
) -> Result<Answer, Refusal> {
    let page = Page::of(call);
    let shown: Result<Vec<Value>, Refusal> = items[page.range(items.len())].iter().map(shape).collect();
    let mut answer = Answer::ok(Value::Array(shown?));
    answer.headers.extend(page.link(call, items.len()));
    Ok(answer)
}
