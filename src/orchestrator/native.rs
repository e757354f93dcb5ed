//! The native structure of a master issue, read from GitHub and merged into the plan of its text: sub-issues, the state of
//! issues that tasks name, and `blocked by` links.
//!
//! What earlier runs of this master made is no news: a sub-issue of ours stands for the task it was made for, and a link
//! that only says which task came after which is no dependency.

use super::Orchestrator;
use super::intake::Trouble;
use super::start::there;
use crate::domain::{Orchestration, Repo};
use crate::github::{Error, Issue, IssueState, RepoClient};
use crate::plan::{NativeIssue, Plan, Remark};
use crate::report::marker;
use std::collections::HashMap;

/// What was read beside the text.
#[derive(Default)]
pub(super) struct Native {
    /// The issues that tasks are, by number.
    pub issues: HashMap<u64, Issue>,
    /// Those that cannot be worked on, and why.
    pub wrong: HashMap<u64, &'static str>,
}

impl Orchestrator {
    /// Reads it and merges it into the plan.
    pub(super) async fn add_native(
        &self,
        github: &RepoClient,
        (repo, now): (&Repo, &Issue),
        earlier: Option<&Orchestration>,
        plan: &mut Plan,
    ) -> Result<Native, Trouble> {
        let master = now.number;
        let mut native = Native::default();
        plan.leave_elsewhere();
        // The titles of what our earlier runs made, by number.
        let mut ours: HashMap<u64, String> = HashMap::new();
        let mut children = Vec::new();
        // Where GitHub has no sub-issues (an older Enterprise Server), there are none.
        let listed = match now.sub_issues {
            Some(0) => Vec::new(),
            _ => there(github.list_sub_issues(master).await)?.unwrap_or_default(),
        };
        for child in listed {
            match place(&child.url) {
                Some(home) if !home.eq_ignore_ascii_case(&repo.full_name()) => {
                    if child.state == IssueState::Open {
                        plan.elsewhere(format!("{home}#{}", child.number));
                    }
                }
                _ if child.is_pull_request => {}
                _ => match self.made_for(repo, master, earlier, &child) {
                    Some(title) => drop(ours.insert(child.number, title)),
                    None => children.push(child),
                },
            }
        }
        let natives: Vec<NativeIssue> = children.iter().map(native_issue).collect();
        plan.take_sub_issues(&natives);
        native.issues.extend(children.into_iter().map(|child| (child.number, child)));
        read_named(github, master, plan, &mut native).await?;
        for issue in native.issues.values() {
            plan.name_link(issue.number, &issue.title);
            if issue.state == IssueState::Closed {
                plan.issue_closed(issue.number);
            }
        }
        self.links(github, repo, earlier, plan, (&native, &ours)).await?;
        Ok(native)
    }

    /// The title of the task for which an earlier run of ours made this issue. A repository may have its own form of
    /// titles; the last run knows what it made.
    fn made_for(
        &self,
        repo: &Repo,
        master: u64,
        earlier: Option<&Orchestration>,
        issue: &Issue,
    ) -> Option<String> {
        if !issue.author_is_app {
            return None;
        }
        let mut known = earlier.into_iter().flat_map(|o| &o.tasks);
        if let Some(task) = known.find(|t| t.sub_issue.is_some_and(|i| i.number == issue.number)) {
            return Some(task.title.clone());
        }
        let title = issue.title.strip_prefix(&format!("[Master #{master}] "));
        let key = &self.shared.settings.marker_key;
        let ours = title.is_some() || !marker::find(key, repo.id, &issue.body).is_empty();
        ours.then(|| title.unwrap_or(&issue.title).to_owned())
    }

    /// What GitHub says blocks the tasks that are issues. Links between our own sub-issues are our own words.
    async fn links(
        &self,
        github: &RepoClient,
        repo: &Repo,
        earlier: Option<&Orchestration>,
        plan: &mut Plan,
        (native, ours): (&Native, &HashMap<u64, String>),
    ) -> Result<(), Trouble> {
        let open: Vec<usize> = plan.open().take(Plan::MAX_TASKS).collect();
        for task in open {
            let Some(issue) = plan.tasks[task].existing_issue.and_then(|n| native.issues.get(&n)) else {
                continue;
            };
            if issue.blocked_by == Some(0) {
                continue;
            }
            for blocker in there(github.list_blocked_by(issue.number).await)?.unwrap_or_default() {
                let here = place(&blocker.url).filter(|home| !home.eq_ignore_ascii_case(&repo.full_name()));
                let on = match (&here, ours.get(&blocker.number)) {
                    (Some(_), _) => None,
                    (None, Some(title)) => plan.unlinked(title),
                    (None, None) => plan.task_of(blocker.number),
                };
                match on {
                    Some(on) if made_by_us(earlier, plan, (task, on), (issue.number, blocker.number)) => {}
                    Some(on) => plan.blocked_on_github((task, on), (issue.number, blocker.number)),
                    None if blocker.state == IssueState::Closed => {}
                    None => {
                        let by = format!("{}#{}", here.unwrap_or_default(), blocker.number);
                        plan.remarks.push(Remark::BlockedOutside { task, by });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a link is there because an earlier run ordered two tasks that name the same file.
fn made_by_us(
    earlier: Option<&Orchestration>,
    plan: &Plan,
    (task, on): (usize, usize),
    (blocked, blocker): (u64, u64),
) -> bool {
    let Some(earlier) = earlier else { return false };
    let known = |number: u64| earlier.tasks.iter().find(|t| t.sub_issue.is_some_and(|i| i.number == number));
    let waited = known(blocked).zip(known(blocker)).is_some_and(|(t, on)| t.waits_for.contains(&on.number));
    // The run that made it may be older than the last one, and a run with `--ordered` waits for everything in one way.
    let pair = (task.min(on), task.max(on));
    waited || plan.overlaps.iter().any(|o| (o.a, o.b) == pair)
}

/// The issues that the plan's open tasks name and that are no sub-issues.
async fn read_named(
    github: &RepoClient,
    master: u64,
    plan: &Plan,
    native: &mut Native,
) -> Result<(), Trouble> {
    // A plan of more tasks is refused anyway.
    let named = plan.open().take(Plan::MAX_TASKS).filter_map(|index| plan.tasks[index].existing_issue);
    for number in named.filter(|number| *number != master) {
        if native.issues.contains_key(&number) {
            continue;
        }
        let wrong = match github.issue(number).await {
            Ok(found) if !found.is_pull_request => {
                native.issues.insert(number, found);
                continue;
            }
            Ok(_) => "is a pull request",
            Err(Error::NotFound { .. } | Error::Gone { .. } | Error::Moved { .. }) => "cannot be read",
            Err(error) => return Err(error.into()),
        };
        native.wrong.insert(number, wrong);
    }
    Ok(())
}

fn native_issue(issue: &Issue) -> NativeIssue {
    NativeIssue {
        number: issue.number,
        title: issue.title.clone(),
        body: issue.body.clone(),
        closed: issue.state == IssueState::Closed,
    }
}

/// `owner/repo` of an issue's address for people.
fn place(url: &str) -> Option<String> {
    let mut parts = url.rsplit('/');
    let (_number, _kind) = (parts.next()?, parts.next()?);
    let (name, owner) = (parts.next()?, parts.next()?);
    (!owner.is_empty() && !name.is_empty()).then(|| format!("{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn the_repository_of_an_issue_stands_in_its_address() {
        assert_eq!(place("https://github.com/acme/app/issues/12").as_deref(), Some("acme/app"));
        assert_eq!(place("https://ghe.acme.example/acme/other/pull/1").as_deref(), Some("acme/other"));
        assert_eq!(place("nonsense"), None);
    }
}
