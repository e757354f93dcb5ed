//! Reactions. GitHub keeps one of a kind per user, so sending twice makes one.

use super::Sent;
use crate::domain::{Emoji, Remote, Target};
use crate::github::{Error, RepoClient};

pub(super) async fn send(github: &RepoClient, target: Target, emoji: Emoji) -> Result<Sent, Error> {
    let id = github.react(target, emoji).await?;
    Ok(Sent::Applied(Some(Remote { id, number: None }), None))
}
