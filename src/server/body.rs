//! Reading a request's body with a limit, a deadline, and a share of the memory that all bodies may take.

use crate::clock;
use axum::body::Body;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many bytes of bodies may be in memory at once, over all requests that share it.
#[derive(Clone, Debug)]
pub struct Budget {
    left: Arc<AtomicUsize>,
}

/// A share of a [`Budget`], given back when it is dropped.
#[derive(Debug)]
pub struct Reserved {
    left: Arc<AtomicUsize>,
    bytes: usize,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is, or claims to be, larger than the limit.
    #[error("the body is too large")]
    TooLarge,
    /// Other bodies take all the memory there is for them.
    #[error("too many bodies at once")]
    Busy,
    /// It did not arrive in time.
    #[error("the body took too long")]
    Late,
    /// The connection broke, or the framing is wrong.
    #[error("the body broke off")]
    Broken,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes)) }
    }

    fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let mut share = Reserved { left: self.left.clone(), bytes: 0 };
        share.grow(bytes).then_some(share)
    }
}

impl Reserved {
    fn grow(&mut self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.left.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

/// Reads a body of at most `limit` bytes within `deadline`, and shows every piece to `piece` as it arrives.
///
/// A declared length is checked and reserved before the first byte; without one the share grows with the
/// body. Keep the share as long as the bytes.
pub async fn read_body(
    body: Body,
    limit: usize,
    budget: &Budget,
    deadline: Duration,
    mut piece: impl FnMut(&[u8]),
) -> Result<(Vec<u8>, Reserved), Refused> {
    let declared = axum::body::HttpBody::size_hint(&body).exact().unwrap_or(0);
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    if declared > limit {
        return Err(Refused::TooLarge);
    }
    let mut share = budget.reserve(declared).ok_or(Refused::Busy)?;
    let mut bytes = Vec::with_capacity(declared);
    let mut body = body;
    let read = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refused::Broken)?;
            let Ok(data) = frame.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > limit {
                return Err(Refused::TooLarge);
            }
            let beyond = length.saturating_sub(share.bytes);
            if beyond > 0 && !share.grow(beyond) {
                return Err(Refused::Busy);
            }
            piece(&data);
            bytes.extend_from_slice(&data);
        }
        Ok(())
    };
    clock::within(deadline, read).await.ok_or(Refused::Late)??;
    Ok((bytes, share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    const SECOND: Duration = Duration::from_secs(1);

    fn chunked(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces.iter().copied().map(Ok::<_, std::io::Error>).collect();
        Body::from_stream(stream::iter(pieces))
    }

    async fn read(body: Body, limit: usize, budget: &Budget) -> Result<(Vec<u8>, Reserved), Refused> {
        read_body(body, limit, budget, SECOND, |_| {}).await
    }

    #[tokio::test]
    async fn the_limit_holds_with_and_without_a_declared_length() {
        let budget = Budget::new(100);
        assert_eq!(read(chunked(&["abc", "de"]), 5, &budget).await.unwrap().0, b"abcde");
        assert_eq!(read(chunked(&["abc", "def"]), 5, &budget).await.unwrap_err(), Refused::TooLarge);
        assert_eq!(read(Body::from("abcde"), 5, &budget).await.unwrap().0, b"abcde");
        assert_eq!(read(Body::from("abcdef"), 5, &budget).await.unwrap_err(), Refused::TooLarge);
    }

    #[tokio::test]
    async fn bodies_in_memory_are_counted_until_their_share_is_dropped() {
        let budget = Budget::new(8);
        let (_, first) = read(chunked(&["abc", "def"]), 10, &budget).await.unwrap();
        assert_eq!(read(Body::from("abc"), 10, &budget).await.unwrap_err(), Refused::Busy);
        assert_eq!(read(chunked(&["a", "b", "c"]), 10, &budget).await.unwrap_err(), Refused::Busy);
        let (_, second) = read(Body::from("ab"), 10, &budget).await.unwrap();
        drop((first, second));
        assert!(read(Body::from("abcdefgh"), 10, &budget).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_drips_is_late() {
        let drip = stream::unfold((), |()| async {
            clock::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>("x"), ()))
        });
        let budget = Budget::new(1000);
        let read = read_body(Body::from_stream(drip), 1000, &budget, SECOND / 10, |_| {});
        assert_eq!(read.await.unwrap_err(), Refused::Late);
    }
}
