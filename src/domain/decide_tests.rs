//! `decide`: what is wanted when, in which order, and what is left alone.

use super::TaskState as S;
use super::sample::*;
use super::*;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

fn snapshot(orchestration: Orchestration) -> Snapshot {
    Snapshot { orchestration, effects: BTreeMap::new() }
}

/// The row of an effect that is done in this version.
fn done(key: EffectKey, digest: &str, applied_at: Timestamp) -> Effect {
    Effect {
        scope: Scope::Run(RunId::new("ab12")),
        key,
        state: EffectState::Done,
        wanted: digest.into(),
        applied: Some(digest.into()),
        remote: Some(Remote { id: 1, number: None }),
        not_before: None,
        tries: 1,
        applied_at: Some(applied_at),
        error: None,
        payload: serde_json::Value::Null,
    }
}

impl Snapshot {
    fn with(mut self, row: Effect) -> Self {
        self.effects.insert(row.key, row);
        self
    }

    /// Everything that `decide` wants now is done, one round.
    fn all_done(mut self, now: Timestamp) -> Self {
        for action in decide(&self, now) {
            if let Action::Effect { key, digest } = action {
                self = self.with(done(key, &digest, now));
            }
        }
        self
    }
}

/// The actions in short: `key=digest`, `end`, `wake+seconds`.
fn said(snapshot: &Snapshot, now: i64) -> Vec<String> {
    decide(snapshot, at(now))
        .into_iter()
        .map(|action| match action {
            Action::Effect { key, digest } => format!("{key}={digest}"),
            Action::End => "end".to_owned(),
            Action::ReadBase(task) => format!("base-{task}"),
            Action::LookAround => "look".to_owned(),
            Action::WakeAt(time) => format!("wake+{}", time.as_second() - at(0).as_second()),
        })
        .collect()
}

fn links_done(mut snapshot: Snapshot, tasks: u32) -> Snapshot {
    for task in 1..=tasks {
        snapshot = snapshot.with(done(EffectKey::Link(task), "1", at(0)));
    }
    snapshot
}

#[test]
fn first_the_sub_issues_then_links_then_the_first_progress() {
    let new = snapshot(run(&[S::Planned, S::Planned]));
    assert_eq!(said(&new, 0), ["sub-issue-1=1", "sub-issue-2=1"], "progress waits for the whole plan");
    let mut half = run(&[S::Ready, S::Planned]);
    half.tasks[1].waits_for = vec![1];
    assert_eq!(said(&snapshot(half.clone()), 0), ["sub-issue-2=1", "link-1=1"]);
    half.tasks[1] = Task { waits_for: vec![1], ..task(2, S::Ready) };
    let whole = snapshot(half);
    assert_eq!(said(&whole, 0), ["link-1=1", "link-2=1", "blocked-by-2-1=1", "progress=0|w0,w0"]);
    assert!(said(&whole.all_done(at(0)), 0).is_empty(), "settled until something happens");
}

#[test]
fn results_come_before_decoration() {
    let mut mixed = run(&[S::Planned, S::Publishing, S::Failed, S::Completed]);
    mixed.tasks[1].attempt = 2;
    mixed.tasks[2].attempt = 1;
    mixed.tasks[3].attempt = 1;
    mixed.tasks[3].follow_up = Some(80);
    let order = said(&snapshot(mixed), 0);
    let expected = [
        "sub-issue-1=1",
        "pull-request-2=2",
        "follow-up-3=open-1",
        "follow-up-4=closed-1",
        "link-2=1",
        "link-3=1",
        "link-4=1",
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_task_in_review_is_left_alone() {
    let snapshot = links_done(snapshot(run(&[S::InReview, S::Ready])), 0);
    assert_eq!(said(&snapshot, 0), ["link-2=1", "progress=1|v0,w0"]);
}

#[test]
fn progress_is_edited_at_most_every_interval_but_soon_after_an_end() {
    let shown = |states: &[S]| {
        links_done(snapshot(run(states)), 2).with(done(EffectKey::Progress, "0|w0,w0", at(100)))
    };
    assert!(said(&shown(&[S::Ready, S::Ready]), 101).is_empty(), "nothing changed");
    let running = shown(&[S::Running, S::Ready]);
    assert_eq!(said(&running, 101), ["wake+130"]);
    assert_eq!(said(&running, 129), ["wake+130"]);
    assert_eq!(said(&running, 130), ["progress=0|r0,w0"]);
    let ended = shown(&[S::Cancelled, S::Ready]);
    assert_eq!(said(&ended, 101), ["wake+105"], "ends within the gap share an edit");
    assert_eq!(said(&ended, 105), ["progress=1|x0,w0"]);

    let mut quick = ended;
    quick.orchestration.run.policy.status_interval = Duration::from_secs(2);
    assert_eq!(said(&quick, 102), ["progress=1|x0,w0"], "the interval may be shorter than the gap");
}

#[test]
fn a_progress_comment_that_was_deleted_is_made_anew_at_once() {
    let forgotten = Effect {
        state: EffectState::Wanted,
        applied: None,
        applied_at: None,
        remote: None,
        ..done(EffectKey::Progress, "0|w0", at(100))
    };
    assert_eq!(said(&links_done(snapshot(run(&[S::Ready])), 1).with(forgotten), 101), ["progress=0|w0"]);
}

#[test]
fn what_waits_for_a_limit_or_a_look_is_not_wanted_before_its_time() {
    for state in [EffectState::Wanted, EffectState::Doubt] {
        let row = |at| Effect { state, not_before: Some(at), ..done(EffectKey::SubIssue(1), "1", at) };
        let mut waiting = snapshot(run(&[S::Planned, S::Planned])).with(row(at(60)));
        assert_eq!(said(&waiting, 59), ["sub-issue-2=1", "wake+60"]);
        assert_eq!(said(&waiting, 60), ["sub-issue-1=1", "sub-issue-2=1"]);
        let second = Effect { not_before: Some(at(40)), ..row(at(60)) };
        waiting = waiting.with(Effect { key: EffectKey::SubIssue(2), ..second });
        assert_eq!(said(&waiting, 39), ["wake+40"], "one time: the earliest");
    }
    let under_way = Effect { state: EffectState::Sending, ..done(EffectKey::SubIssue(1), "1", at(0)) };
    assert_eq!(said(&snapshot(run(&[S::Planned])).with(under_way), 0), ["sub-issue-1=1"]);
}

#[test]
fn what_github_refused_is_not_wanted_again_in_the_same_version() {
    let refused = |key, digest: &str| Effect {
        state: EffectState::Refused,
        applied: None,
        remote: None,
        ..done(key, digest, at(0))
    };
    let mut snapshot = snapshot(run(&[S::Ready])).with(refused(EffectKey::Link(1), "1"));
    snapshot = snapshot.with(refused(EffectKey::Progress, "0|w0"));
    assert!(said(&snapshot, 0).is_empty());
    snapshot.orchestration.tasks[0].state = S::Running;
    snapshot.effects.get_mut(&EffectKey::Progress).expect("a row").applied_at = None;
    assert_eq!(said(&snapshot, 0), ["progress=0|r0"], "another version is another try");
}

#[test]
fn a_retry_wants_the_sub_issue_that_github_refused_in_the_round_before() {
    let refused = TaskEvent::SubIssueRefused(failure(FailureKind::ValidationError));
    let before = run(&[S::Planned]);
    let mut row = done(EffectKey::SubIssue(1), "1", at(0));
    (row.state, row.applied, row.remote) = (EffectState::Refused, None, None);
    let failed = before.apply(&RunEvent::Task(1, refused), at(1)).expect("it is planned");
    let asked =
        RunEvent::Reopened { tasks: vec![1], target: Target::Issue(1), delivery: DeliveryId::new("retry") };
    let again = failed.apply(&asked, at(2)).expect("it failed");
    assert_eq!(said(&snapshot(again).with(row), 2), ["sub-issue-1=2"]);
}

#[test]
fn a_follow_up_is_open_for_a_failure_and_closed_by_success() {
    let mut it = run(&[S::Failed, S::Ready]);
    it.tasks[0].attempt = 1;
    let with = |it: &Orchestration, rows: &[(&str, EffectState)]| {
        let mut snapshot = links_done(snapshot(it.clone()), 2);
        snapshot = snapshot.with(done(EffectKey::Progress, &it.digest(), at(0)));
        for (digest, state) in rows {
            let row = Effect { state: *state, ..done(EffectKey::FollowUp(1), digest, at(0)) };
            snapshot = snapshot.with(row);
        }
        said(&snapshot, 100)
    };
    let open = [("open-1", EffectState::Done)];
    assert_eq!(with(&it, &[]), ["follow-up-1=open-1"]);
    assert!(with(&it, &open).is_empty());
    it.tasks[0].follow_up = Some(80);
    it.tasks[0].state = S::Ready;
    assert!(with(&it, &open).is_empty(), "while it is tried again, the follow-up stays as it is");
    (it.tasks[0].state, it.tasks[0].attempt) = (S::Failed, 2);
    assert_eq!(with(&it, &open), ["follow-up-1=open-2"], "another failure edits it");
    (it.tasks[0].state, it.tasks[0].attempt) = (S::Completed, 3);
    assert_eq!(with(&it, &open), ["follow-up-1=closed-3"]);
    assert!(with(&it, &[("closed-3", EffectState::Done)]).is_empty());
    for state in [S::Cancelled, S::Blocked] {
        it.tasks[0].state = state;
        assert!(with(&it, &open).is_empty(), "none for {}", state.as_str());
    }
    it.tasks[0] = task(1, S::Completed);
    assert!(with(&it, &[]).is_empty(), "a task that never failed has none");
    // The answer to the first request was lost, then the retry succeeded: it may stand open on GitHub.
    for state in [EffectState::Sending, EffectState::Doubt] {
        assert_eq!(with(&it, &[("open-1", state)]), ["follow-up-1=closed-0"]);
    }
    assert!(with(&it, &[("open-1", EffectState::Wanted)]).is_empty(), "surely never sent");
}

#[test]
fn the_run_ends_when_every_failure_has_its_follow_up_and_not_before() {
    let all_terminal = links_done(snapshot(run(&[S::Completed, S::Failed])), 2);
    assert_eq!(said(&all_terminal, 0), ["follow-up-2=open-0", "progress=2|c0,f0"]);
    let told = done(EffectKey::FollowUp(2), "open-0", at(0));
    let waiting = Effect { state: EffectState::Doubt, not_before: Some(at(30)), ..told.clone() };
    let held = all_terminal.clone().with(waiting);
    assert_eq!(said(&held, 1), ["progress=2|c0,f0", "wake+30"]);
    assert_eq!(said(&all_terminal.clone().with(told.clone()), 0), ["end"]);
    let refused = Effect { state: EffectState::Refused, ..told };
    assert_eq!(said(&all_terminal.with(refused), 0), ["end"], "issues may be disabled in the repository");
}

#[test]
fn an_end_is_told_once_a_round() {
    let ended = run(&[S::Completed, S::Cancelled]).apply(&RunEvent::Ended, at(9)).expect("all is terminal");
    let shown = done(EffectKey::Progress, "2|c0,x0", at(9));
    let over = links_done(snapshot(ended), 2).with(shown);
    let first = ["progress=2|c0,x0#1", "summary=2|c0,x0#1", "react-issue-1-rocket=1"];
    assert_eq!(said(&over, 9), first, "the last progress does not wait");
    let told = over.all_done(at(9));
    for later in [9, 10, 1_000_000] {
        assert!(said(&told, later).is_empty());
    }
    let retry = RunEvent::Reopened {
        tasks: vec![2],
        target: Target::Comment(77),
        delivery: DeliveryId::new("retry"),
    };
    let stopped = failed(1, FailureKind::Cancelled, false);
    let mut second = told;
    for event in [retry, RunEvent::Task(2, claimed("p", 90)), RunEvent::Task(2, stopped), RunEvent::Ended] {
        second.orchestration = second.orchestration.apply(&event, at(50)).expect("a second round");
    }
    assert_eq!(
        said(&second, 60),
        ["progress=2|c0,x1#2", "summary=2|c0,x1#2", "react-comment-77-rocket=1"],
        "edited once more, and only the new comment gets its rocket"
    );
    assert!(said(&second.all_done(at(60)), 60).is_empty());
}

#[test]
fn nothing_is_wanted_twice_and_nothing_that_is_done_is_wanted_again() {
    // Every pair of states, in a run that goes on and (where it can have) in one that has ended.
    for first in STATES {
        for second in STATES {
            let active = run(&[first, second]);
            let ended = active.apply(&RunEvent::Ended, at(5)).ok();
            for orchestration in std::iter::once(active).chain(ended) {
                let snapshot = snapshot(orchestration);
                let now = at(10);
                let actions = decide(&snapshot, now);
                let mut keys: Vec<String> = said(&snapshot, 10)
                    .iter()
                    .filter_map(|s| s.split_once('=').map(|(key, _)| key.to_owned()))
                    .collect();
                let wanted = keys.len();
                keys.sort();
                keys.dedup();
                assert_eq!(keys.len(), wanted, "{actions:?}");
                assert_eq!(actions, decide(&snapshot, now), "the same question has the same answer");
                let left = decide(&snapshot.all_done(now), now);
                assert!(!left.iter().any(|a| matches!(a, Action::Effect { .. })), "{left:?}");
            }
        }
    }
}

#[test]
fn where_nothing_can_be_said_nothing_is_wanted_but_the_end() {
    let mut gone = snapshot(run(&[S::Failed, S::Running]));
    gone.orchestration.run.stops.gone = Some(Gone::Archived);
    assert!(said(&gone, 0).is_empty(), "the agent is waited for");
    gone.orchestration.tasks[1].state = S::Cancelled;
    assert_eq!(said(&gone, 0), ["end"], "no follow-up, no summary");
    gone.orchestration.run.state = RunState::Ended(Outcome::Cancelled);
    assert!(said(&gone, 0).is_empty());
}

#[test]
fn while_the_app_is_suspended_github_is_only_asked_how_it_stands() {
    let mut held = snapshot(run(&[S::Planned, S::Publishing, S::Failed]));
    held.orchestration.run.stops.suspended = Some(Suspension { since: at(0), look_at: at(300) });
    assert_eq!(said(&held, 10), ["wake+300"]);
    assert_eq!(said(&held, 300), ["look"]);
}

#[test]
fn a_pause_and_a_cancel_are_seen_soon() {
    let shown = links_done(snapshot(run(&[S::Running, S::Ready])), 2);
    let shown = shown.with(done(EffectKey::Progress, "0|r0,w0", at(100)));
    let mut paused = shown.clone();
    paused.orchestration.run.stops.paused = true;
    assert_eq!(said(&paused, 106), ["progress=0p|r0,w0"]);
    let mut cancelled = shown;
    cancelled.orchestration.run.stops.cancelled = true;
    cancelled.orchestration.tasks[0].halt = Some(Halt::Cancel);
    assert_eq!(said(&cancelled, 106), ["progress=0x|s0,w0"]);
}

#[test]
fn what_was_found_twice_is_folded_by_its_row_alone() {
    let key = EffectKey::Fold(Folded::SubIssue(1), 102);
    let row = Effect { state: EffectState::Wanted, applied: None, ..done(key, "", at(0)) };
    let before = snapshot(run(&[S::Running])).all_done(at(0));
    assert!(!said(&before, 1).iter().any(|s| s.starts_with("fold")));
    let after = before.with(row);
    assert!(said(&after, 1).contains(&"fold-102-sub-issue-1=1".to_owned()), "{:?}", said(&after, 1));
    assert!(!said(&after.all_done(at(1)), 2).iter().any(|s| s.starts_with("fold")), "once");
}
