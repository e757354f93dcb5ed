//! What was made twice all the same is found and folded; markers that others copied are nothing to us.

use super::cast::Cast;
use super::{at, play};
use crate::support::rig::{Hub, MAINTAINER, Sky};
use divisi::orchestrator::{Place, Without};
use divisi::simulator::{IssueState, Simulator};
use std::time::Duration;

/// The first boundary of this kind and place in a calm run.
fn boundary(hub: &mut Hub, kind: &str, place: Place) -> usize {
    let (whole, verdict) = play(hub, &Cast::of_five(0), &[], Duration::ZERO, Without::default());
    assert!(verdict.is_clean(), "{verdict:#?}");
    let found = whole.crossed.iter().position(|p| p.kind == kind && p.place == place);
    found.expect("a run crosses it") + 1
}

/// GitHub's lists lag more than Divisi is told: 20 s, where 15 s are waited out.
fn too_late() -> Cast {
    let lag = Duration::from_secs(20);
    Cast { sky: Sky { least_lag: lag, lag, ..Sky::default() }, ..Cast::of_five(0) }
}

fn folds(kind: &str, issues: usize) {
    let mut hub = Hub::start();
    let n = boundary(&mut hub, kind, Place::BeforeAnswer);
    let (played, verdict) = play(&mut hub, &too_late(), &[at(n)], Duration::ZERO, Without::default());
    assert!(verdict.is_clean(), "{verdict:#?}");
    assert_eq!(verdict.folded, issues, "second issues");
    let folds = played.crossed.iter().filter(|p| p.kind == "fold").count();
    assert_eq!(folds, 4, "one fold with its four boundaries");
    if issues == 0 {
        return;
    }
    hub.github.read(|w| {
        let all = w.issues(&played.repo);
        let second =
            all.iter().find(|i| i.state_reason.as_deref() == Some("duplicate")).expect("a second one");
        let first =
            all.iter().filter(|i| i.title == second.title).min_by_key(|i| i.number).expect("a first one");
        assert!(first.number < second.number, "the lowest number stays");
        assert_eq!(first.state, IssueState::Open);
        let body = second.body.as_deref().unwrap_or_default();
        assert!(body.starts_with(&format!("Duplicate of #{}.", first.number)), "{body}");
    });
}

#[test]
fn a_second_sub_issue_is_closed_with_a_link_to_the_first() {
    folds("sub_issue", 1);
}

#[test]
fn a_second_follow_up_is_closed_with_a_link_to_the_first() {
    folds("follow_up", 1);
}

#[test]
fn a_second_progress_comment_is_deleted() {
    folds("progress", 0);
}

#[test]
fn a_second_summary_is_deleted() {
    folds("summary", 0);
}

/// Crashes after the second sub-issue was made; a person acts before Divisi looks for it.
fn meddled(meddle: impl FnOnce(&Simulator, &str, u64) + 'static) {
    let mut hub = Hub::start();
    let first = boundary(&mut hub, "sub_issue", Place::BeforeAnswer);
    let cast = Cast::of_five(0);
    let mut script = cast.script();
    // The second one's boundary comes four later.
    script.crashes = [at(first + 4)].into();
    script.meddles = Some(Box::new(meddle));
    let played = hub.play(script);
    let verdict = super::check(&hub, &played, &cast.expected());
    assert_eq!(played.crashes, 1);
    assert!(verdict.is_clean() && verdict.folded == 0, "{verdict:#?}");
}

fn ours(github: &Simulator, repo: &str) -> Vec<(u64, String)> {
    github.read(|w| {
        let ours = w.issues(repo).into_iter().filter(|i| i.author.via_app);
        ours.map(|i| (i.number, i.body.clone().unwrap_or_default())).collect()
    })
}

#[test]
fn a_marker_that_a_person_copied_into_an_issue_of_theirs_counts_for_nothing() {
    meddled(|github, repo, master| {
        let ours = ours(github, repo);
        assert_eq!(ours.len(), 2);
        let body = github.read(|w| w.issue(repo, master).and_then(|i| i.body.clone())).unwrap_or_default();
        let marker = ours[1].1.lines().last().unwrap_or_default().to_owned();
        let body = format!("{body}\n\n{marker}");
        github.edit_issue(repo, MAINTAINER, master, None, Some(&body)).expect("an edit");
    });
}

#[test]
fn a_marker_that_was_pasted_into_another_issue_of_ours_is_not_taken_for_it() {
    meddled(|github, repo, _| {
        let ours = ours(github, repo);
        let marker = ours[1].1.lines().last().unwrap_or_default().to_owned();
        let (number, body) = &ours[0];
        let pasted = format!("{body}\n\n{marker}");
        github.edit_issue(repo, MAINTAINER, *number, None, Some(&pasted)).expect("an edit");
    });
}
