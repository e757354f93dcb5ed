//! The pull request of a task. Before it is opened, what GitHub shows is compared with what the runner
//! reported: the same head, and nothing outside the allowed paths.

use super::{CERTAIN, Context, Sent, Writer};
use crate::domain::{
    EffectKey, Failure, FailureKind, Published, Remote, RunEvent, RunPolicy, Task, TaskEvent, TaskNumber,
    protect,
};
use crate::github::{Compare, Error, IssueState, NewPull};
use crate::report;

/// A replica of GitHub may lag behind a push that was just made: so often it is looked at again.
const LOOKS: u32 = 4;

pub(super) async fn send(
    context: &Context<'_>,
    writer: &Writer<'_>,
    number: TaskNumber,
    tries: u32,
) -> Result<Sent, Error> {
    let orchestration = &context.snapshot.orchestration;
    let run = &orchestration.run;
    let task = orchestration.task(number);
    let Some((task, published)) = task.and_then(|t| Some((t, t.published.as_ref()?))) else {
        return Ok(Sent::Refused(format!("task {number} has nothing to publish"), None));
    };
    let patient = tries < LOOKS;
    let lags = |why: String| Err(Error::NotSent { op: "compare the branch", why });
    let compared = match context.github.compare(published.base.as_str(), &task.branch).await {
        Err(error @ Error::NotFound { .. }) if patient => return lags(error.to_string()),
        compared => compared?,
    };
    if patient && compared.head_sha != published.head {
        return lags(format!("GitHub still shows {}", compared.head_sha.short()));
    }
    if let Err(failure) = check(&compared, published, &run.policy) {
        let why = failure.message.clone();
        return Ok(Sent::Refused(why, Some(RunEvent::Task(number, TaskEvent::PublishRefused(failure)))));
    }
    let text = report::pull_request(run, task, &context.marker(EffectKey::PullRequest(number)));
    let pull = NewPull {
        head: &task.branch,
        base: orchestration.base_of(task).0,
        title: &text.title,
        body: &text.body,
        draft: run.policy.draft,
    };
    match writer.create_pull(pull).await {
        Ok(opened) => {
            context
                .logs
                .line(run, &format!("opened pull request #{} for task {number}", opened.number))
                .await;
            Ok(Sent::Applied(Some(Remote { id: opened.id, number: Some(opened.number) })))
        }
        // GitHub keeps one open pull request per branch: ours may be there already, and not be listed yet.
        Err(Error::Invalid { op, messages }) => match find(context, task).await?.first() {
            Some(remote) => Ok(Sent::Applied(Some(*remote))),
            // GitHub refuses a second pull request for a branch.
            None if tries < CERTAIN && messages.iter().any(|m| m.contains("already exists")) => {
                Err(Error::Unknown { op, why: messages.join("; ") })
            }
            None => Err(Error::Invalid { op, messages }),
        },
        Err(error) => Err(error),
    }
}

pub(super) async fn look(context: &Context<'_>, number: TaskNumber) -> Result<Vec<Remote>, Error> {
    match context.snapshot.orchestration.task(number) {
        Some(task) => find(context, task).await,
        None => Ok(Vec::new()),
    }
}

/// The pull requests of the task's branch that our App opened for what was pushed. One that a person closed or merged
/// before we knew of it counts; an earlier attempt's does not, whose head is another.
async fn find(context: &Context<'_>, task: &Task) -> Result<Vec<Remote>, Error> {
    let key = EffectKey::PullRequest(task.number);
    let head = task.published.as_ref().map(|p| &p.head);
    let pulls = context.github.pulls_by_head(&task.branch).await?;
    let ours = pulls
        .into_iter()
        .filter(|p| p.state == IssueState::Open || head == Some(&p.head_sha))
        .filter(|p| p.author_is_app && context.is_marked(p.id, &p.body, key));
    let mut found: Vec<Remote> = ours.map(|p| Remote { id: p.id, number: Some(p.number) }).collect();
    found.sort_by_key(|r| r.number);
    Ok(found)
}

/// Facts, not words: what GitHub shows must be what the runner said it pushed.
fn check(compared: &Compare, published: &Published, policy: &RunPolicy) -> Result<(), Failure> {
    let wrong = |text: String| Err(Failure::new(FailureKind::ValidationError, text));
    if compared.head_sha != published.head {
        let (shown, told) = (compared.head_sha.short(), published.head.short());
        return wrong(format!("GitHub shows {shown} on the branch, the runner reported {told}."));
    }
    if compared.ahead_by == 0 || compared.files.is_empty() {
        return Err(Failure::new(
            FailureKind::NoChanges,
            "GitHub shows no change between the base and the branch.",
        ));
    }
    // GitHub tells 300 files at most; beyond that what the runner saw has to do.
    let told = if compared.truncated { &published.paths[..] } else { &[] };
    let paths = compared.files.iter().chain(told).map(String::as_str);
    let refused = protect::refused(&policy.protected_paths, paths);
    if !refused.is_empty() {
        return Err(protect::failure(&refused));
    }
    Ok(())
}
