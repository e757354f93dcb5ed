//! The two comments of a run, progress and summary: made once, edited in place, found again by their marker.

use super::{Context, Sent, Writer};
use crate::clock;
use crate::domain::{EffectKey, Remote};
use crate::github::Error;
use crate::report;

pub(super) async fn send(
    context: &Context<'_>,
    writer: &Writer<'_>,
    key: EffectKey,
    remote: Option<Remote>,
) -> Result<Sent, Error> {
    let orchestration = &context.snapshot.orchestration;
    let (marker, links) = (context.marker(key), &context.settings.web_url);
    let body = match key {
        EffectKey::Summary => report::summary(orchestration, links, &marker),
        _ => report::progress(orchestration, clock::now(), links, &marker),
    };
    let id = match remote {
        Some(remote) => {
            writer.update_comment(remote.id, &body).await?;
            remote.id
        }
        None => writer.create_comment(orchestration.run.master.number, &body).await?.id,
    };
    Ok(Sent::Applied(Some(Remote { id, number: None })))
}

pub(super) async fn look(context: &Context<'_>, key: EffectKey) -> Result<Vec<Remote>, Error> {
    let run = &context.snapshot.orchestration.run;
    let comments = context.github.comments(run.master.number, super::early(run.created_at)).await?;
    let ours = comments.into_iter().filter(|c| c.by_app && context.is_marked(c.id, &c.body, key));
    Ok(ours.map(|c| Remote { id: c.id, number: None }).collect())
}
