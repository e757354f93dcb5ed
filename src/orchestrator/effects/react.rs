//! Reactions. GitHub keeps one of a kind per user, so sending twice makes one.

use super::{Sent, Writer};
use crate::domain::{Emoji, Remote, Target};
use crate::github::Error;

pub(super) async fn send(writer: &Writer<'_>, target: Target, emoji: Emoji) -> Result<Sent, Error> {
    let id = writer.react(target, emoji).await?;
    Ok(Sent::Applied(Some(Remote { id, number: None })))
}
