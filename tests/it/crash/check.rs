//! What a person finds on GitHub after a run: everything once, nothing twice, nothing missing.

use super::cast::Expected;
use crate::support::rig::{Hub, Played, reactions};
use divisi::simulator::{Issue, IssueState, World};

/// What is wrong.
#[derive(Debug, Default)]
pub struct Verdict {
    /// There more than once, or there at all without a reason.
    pub duplicates: Vec<String>,
    /// Missing, out of date, or without an end.
    pub lost: Vec<String>,
    /// Second ones that were found and folded.
    pub folded: usize,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        self.duplicates.is_empty() && self.lost.is_empty()
    }

    fn count(&mut self, what: &str, found: usize, expected: usize) {
        if found > expected {
            self.duplicates.push(format!("{what}: {found} instead of {expected}"));
        } else if found < expected {
            self.lost.push(format!("{what}: {found} instead of {expected}"));
        }
    }
}

/// Looks at everything in the run's repository.
pub fn check(hub: &Hub, played: &Played, expected: &Expected) -> Verdict {
    let mut verdict = Verdict::default();
    if !played.ended {
        verdict.lost.push(format!("no end after {:?}", played.took));
    }
    hub.github.read(|w| {
        look(w, &played.repo, played.master, expected, &mut verdict);
        look_at_label(w, &played.repo, &mut verdict);
    });
    verdict
}

/// The label of sub-issues: made once and before them, or it would have neither colour nor description.
fn look_at_label(w: &World, repo: &str, verdict: &mut Verdict) {
    let labels = w.repo(repo).map(|r| r.labels().to_vec()).unwrap_or_default();
    let made: Vec<_> = labels.iter().filter(|l| l.name == "sub-issue").collect();
    verdict.count("label of sub-issues", made.len(), 1);
    if made.iter().any(|l| l.color != "c5def5" || l.description.is_none()) {
        verdict.lost.push("the colour of the label of sub-issues".to_owned());
    }
}

/// Looks at everything in a repository with one run.
pub fn look(w: &World, repo: &str, master: u64, expected: &Expected, verdict: &mut Verdict) {
    let ours: Vec<&Issue> = w.issues(repo).into_iter().filter(|i| i.author.via_app).collect();
    let (folded, ours): (Vec<&Issue>, Vec<&Issue>) = ours.into_iter().partition(|i| is_folded(i));
    verdict.folded += folded.len();
    let titled = |prefix: &str, task: u32| -> Vec<&Issue> {
        let title = format!("[Master #{master}] {prefix}Task number {task} of the list");
        ours.iter().copied().filter(|i| i.title.starts_with(&title)).collect()
    };
    let mut known = 0;
    let children: Vec<u64> = w.sub_issues(repo, master).iter().map(|c| c.number).collect();
    let mut linked = 0;
    for task in 1..=expected.tasks {
        let found = titled("", task);
        known += found.len();
        verdict.count(&format!("sub-issue of task {task}"), found.len(), 1);
        linked += found.iter().filter(|i| children.contains(&i.number)).count();
    }
    verdict.count("links of sub-issues", children.len(), expected.tasks as usize);
    verdict.count("sub-issues with a link", linked, expected.tasks as usize);
    if expected.ordered {
        let waits = titled("", 2).first().map_or(0, |i| i.blocked_by.len());
        verdict.count("links to what comes first", waits, 1);
    }

    let mut pulls = Vec::new();
    for task in 1..=expected.tasks {
        let head = format!("divisi/{master}/{task}-");
        let of_task =
            w.pulls(repo).into_iter().filter(|p| p.pull.as_ref().is_some_and(|p| p.head.starts_with(&head)));
        let of_task: Vec<u64> = of_task.map(|p| p.number).collect();
        let wanted = usize::from(expected.completed.contains(&task));
        verdict.count(&format!("pull request of task {task}"), of_task.len(), wanted);
        pulls.extend(of_task);
    }
    verdict.count("pull requests", w.pulls(repo).len(), expected.completed.len());

    let mut open = Vec::new();
    for task in 1..=expected.tasks {
        let found = titled("Follow-up: ", task);
        known += found.len();
        let wanted = expected.follow_ups.iter().find(|(t, _)| *t == task);
        verdict.count(&format!("follow-up of task {task}"), found.len(), usize::from(wanted.is_some()));
        if let (Some(issue), Some((_, is_open))) = (found.first(), wanted) {
            if (issue.state == IssueState::Open) != *is_open {
                verdict.lost.push(format!("follow-up of task {task} is {:?}", issue.state));
            }
            open.extend(is_open.then_some(issue.number));
        }
    }
    verdict.count("issues of any kind", ours.len(), known);

    let (mut summaries, mut progress, mut notices) = (Vec::new(), Vec::new(), 0);
    for comment in w.comments(repo, master).into_iter().filter(|c| c.author.via_app) {
        if comment.body.starts_with("## Parallel Orchestration Results") {
            summaries.push(&comment.body);
        } else if comment.body.starts_with("### Divisi ") {
            progress.push(&comment.body);
        } else {
            notices += 1;
        }
    }
    verdict.count("summary", summaries.len(), 1);
    verdict.count("progress comment", progress.len(), 1);
    verdict.count("answers to comments", notices, expected.notices);
    for issue in w.issues(repo).into_iter().chain(w.pulls(repo)).filter(|i| i.number != master) {
        let said = w.comments(repo, issue.number).len();
        verdict.count(&format!("comments on #{}", issue.number), said, 0);
    }
    let tells = |body: &str, number: &u64| body.contains(&format!("#{number}"));
    for body in &summaries {
        if !pulls.iter().chain(&open).all(|n| tells(body, n)) {
            verdict.lost.push(format!("the summary does not tell of {pulls:?} and {open:?}: {body}"));
        }
    }
    for body in &progress {
        if !body.starts_with("### Divisi has finished") || !pulls.iter().all(|n| tells(body, n)) {
            verdict.lost.push(format!("the progress comment is out of date: {body}"));
        }
    }
    verdict.count("👀", reactions(w, repo, master, "eyes"), expected.eyes);
    verdict.count("🚀", reactions(w, repo, master, "rocket"), expected.rockets);
    verdict.count("😕", reactions(w, repo, master, "confused"), 0);
}

/// Closed as a second one, with a link to the first.
fn is_folded(issue: &Issue) -> bool {
    issue.state == IssueState::Closed
        && issue.state_reason.as_deref() == Some("duplicate")
        && issue.body.as_deref().is_some_and(|b| b.starts_with("Duplicate of #"))
}
