//! Domain to wire and back, once.

use crate::dispatch::wire;
use crate::domain::{Halt, Orchestration, Published, Repo, RunPolicy, TaskEvent, TaskNumber, Usd};
use crate::store::Claimed;

/// What a runner is told about a claimed attempt; `None` if its task has no sub-issue, which a ready task has.
pub(super) fn assignment(claimed: &Claimed, web_url: &str, author: &str) -> Option<wire::Assignment> {
    let run = &claimed.orchestration.run;
    let task = claimed.orchestration.task(claimed.attempt.task)?;
    let (base, base_sha) = claimed.orchestration.base_of(task);
    let siblings = claimed.orchestration.tasks.iter().filter(|t| t.number != task.number);
    Some(wire::Assignment {
        attempt: claimed.attempt.clone(),
        epoch: claimed.epoch,
        orchestration_id: run.orchestration_id.clone(),
        clone_url: clone_url(&run.repo, web_url),
        repo: run.repo.clone(),
        base: base.to_owned(),
        base_sha: base_sha.clone(),
        branch: task.branch.clone(),
        branch_head: task.branch_head.clone(),
        agent: task.agent.clone(),
        session: session(run.id.as_str(), task.number, claimed.epoch),
        brief: wire::Brief {
            master: run.master.number,
            master_title: run.master.title.clone(),
            sub_issue: task.sub_issue?.number,
            title: task.title.clone(),
            details: task.details.clone(),
            context: run.context.clone(),
            criteria: task.criteria.clone(),
            siblings: siblings
                .map(|t| wire::Sibling { task: t.number, title: t.title.clone(), paths: t.paths.clone() })
                .collect(),
            earlier: task.failure.clone(),
        },
        requester: run.requester.clone(),
        author: author.to_owned(),
    })
}

/// The rules of an attempt: those of its run, with what is left of the budgets as what the task may cost.
pub(super) fn policy(run: Orchestration, task: TaskNumber) -> RunPolicy {
    let left = run.task(task).and_then(|t| run.left_usd(t));
    let task_usd = left.map(|left| Usd::of(left.max(Usd::LEAST)).unwrap_or(Usd::whole(1_000_000)));
    RunPolicy { task_usd, ..run.run.policy }
}

/// Where git finds a repository.
pub(super) fn clone_url(repo: &Repo, web_url: &str) -> String {
    format!("{}/{}.git", web_url.trim_end_matches('/'), repo.full_name())
}

/// A UUID that is the same each time this attempt is handed out: the run's 128 bits with the task and the epoch
/// folded into the last group, so that no two attempts share an agent session.
fn session(run: &str, task: u32, epoch: u64) -> String {
    let hex: String = run
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(char::from)
        .chain("0".repeat(32).chars())
        .take(32)
        .collect();
    let fold = u64::from_str_radix(&hex[20..32], 16).unwrap_or(0)
        ^ ((u64::from(task) << 32) | (epoch & 0xffff_ffff));
    format!(
        "{}-{}-4{}-a{}-{:012x}",
        &hex[0..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        fold & 0xffff_ffff_ffff
    )
}

/// What the runner of a task whose lease was renewed is told: to go on, or to stop.
pub(super) fn verdict(run: &Orchestration, task: TaskNumber) -> wire::Verdict {
    match run.task(task).and_then(|t| t.halt) {
        Some(Halt::Cancel | Halt::Hold | Halt::Budget) => wire::Verdict::Cancel,
        None => wire::Verdict::Renewed,
    }
}

/// The event that a finish means for its task.
pub(super) fn finished(epoch: u64, facts: wire::Facts) -> TaskEvent {
    match facts.end {
        wire::End::Pushed(pushed) => TaskEvent::Pushed {
            epoch,
            spent: facts.spent,
            published: Published {
                head: pushed.head,
                base: pushed.base,
                commits: pushed.commits,
                paths: pushed.paths,
                verify: pushed.verify,
                said: pushed.said,
            },
        },
        wire::End::Failed { failure, again } => {
            TaskEvent::AttemptFailed { epoch, failure, spent: facts.spent, again }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_uuids_and_differ_by_task_and_epoch() {
        let run = "0192f0c1d2e37abc8def001122334455";
        let all = [session(run, 1, 1), session(run, 1, 2), session(run, 2, 1)];
        for (i, id) in all.iter().enumerate() {
            let groups: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
            assert!(all.iter().skip(i + 1).all(|other| other != id), "{id}");
        }
    }
}
