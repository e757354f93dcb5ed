//! The one pagination: follows `rel="next"` as a path of our own base address.
//!
//! GitHub's links are absolute. Following them as such would leave out the token on any other host than
//! api.github.com, and would trust an answer with the choice of the host; so only path and query are taken.

use super::error::{Error, Result};
use super::transport::Answer;
use http::{HeaderMap, Uri, header};
use serde::de::DeserializeOwned;

/// Lists that are longer than this many pages (of 100) are an error and no endless loop.
pub(super) const MAX_PAGES: usize = 100;

/// All items, page by page, as long as `go_on` says so for a page.
pub(super) async fn all<T, F, A>(
    op: &'static str,
    first: String,
    fetch: F,
    go_on: impl Fn(&[T]) -> bool,
) -> Result<Vec<T>>
where
    T: DeserializeOwned,
    F: Fn(String) -> A,
    A: Future<Output = Result<Answer>>,
{
    up_to(MAX_PAGES, op, first, fetch, go_on).await
}

/// The same with another limit on the number of pages.
pub(super) async fn up_to<T, F, A>(
    pages: usize,
    op: &'static str,
    first: String,
    fetch: F,
    go_on: impl Fn(&[T]) -> bool,
) -> Result<Vec<T>>
where
    T: DeserializeOwned,
    F: Fn(String) -> A,
    A: Future<Output = Result<Answer>>,
{
    let mut items = Vec::new();
    let mut path = first;
    for _ in 0..pages {
        let answer = fetch(path).await?;
        let page: Vec<T> = answer.read(op)?;
        let more = go_on(&page);
        items.extend(page);
        match next(&answer.headers).filter(|_| more) {
            Some(next) => path = next,
            None => return Ok(items),
        }
    }
    Err(Error::Protocol { op, message: format!("the list has more than {pages} pages") })
}

/// Path and query of the link to the next page. Addresses may hold commas, so links are found by `<` and `>`.
fn next(headers: &HeaderMap) -> Option<String> {
    let mut rest = headers.get(header::LINK)?.to_str().ok()?;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        let (parameters, after) = after.split_at(end);
        let mut parameters = parameters.split([';', ',']);
        if parameters.any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next")) {
            let uri: Uri = target.parse().ok()?;
            return uri.path_and_query().map(|path| path.as_str().to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_path_and_query_of_the_next_link_are_taken() {
        let find = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LINK, HeaderValue::from_str(text).unwrap());
            next(&headers)
        };
        let both = r#"<https://evil.example/repositories/1/issues?page=1>; rel="prev", <https://ghes/api/v3/repositories/1/issues?labels=a,b&page=3>; rel="next""#;
        assert_eq!(find(both).as_deref(), Some("/api/v3/repositories/1/issues?labels=a,b&page=3"));
        assert_eq!(find(r#"<https://ghes/x?page=1>; rel="first""#), None);
        assert_eq!(find("nonsense"), None);
        assert_eq!(next(&HeaderMap::new()), None);
    }
}
