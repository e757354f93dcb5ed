//! A small executor in memory that carries out what `decide` says against a GitHub that loses answers and
//! refuses, with runners that fail and people who retry: whatever happens, the run settles, and nothing is there twice.

use super::resume_tests::{interrupted, released, resumed};
use super::sample::*;
use super::*;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What happens next; when the given choices are used up, everything goes well.
struct Luck(std::vec::IntoIter<u8>);

impl Luck {
    fn next(&mut self, of: u8) -> u8 {
        self.0.next().map_or(0, |n| n % of)
    }
    fn is_over(&self) -> bool {
        self.0.as_slice().is_empty()
    }
}

/// How one request goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    /// Done, but the answer was lost (or the process died before it was recorded).
    AnswerLost,
    /// Never arrived, which nobody knows.
    RequestLost,
    NotSent,
    Refused,
}

struct World {
    luck: Luck,
    now: Timestamp,
    snapshot: Snapshot,
    /// What was made on GitHub: for each key the versions of all things that carry its marker.
    github: BTreeMap<EffectKey, Vec<String>>,
    retries: u64,
}

impl World {
    fn new(tasks: usize, ordered: bool, luck: Vec<u8>) -> Self {
        let mut orchestration = run(&vec![TaskState::Planned; tasks]);
        orchestration.run.policy.max_retries = 1;
        for number in 2..=tasks as u32 {
            if ordered {
                orchestration.tasks[number as usize - 1].waits_for = vec![number - 1];
            }
        }
        let snapshot = Snapshot { orchestration, effects: BTreeMap::new() };
        Self { luck: Luck(luck.into_iter()), now: at(0), snapshot, github: BTreeMap::new(), retries: 0 }
    }

    /// An event; a refusal drops it, as the store does for what follows from an effect.
    fn happens(&mut self, event: RunEvent) -> bool {
        let next = self.snapshot.orchestration.apply(&event, self.now);
        next.map(|next| self.snapshot.orchestration = next).is_ok()
    }

    fn row(&mut self, key: EffectKey) -> &mut Effect {
        self.snapshot.effects.entry(key).or_insert_with(|| Effect {
            scope: Scope::Run(RunId::new("ab12")),
            key,
            state: EffectState::Wanted,
            wanted: String::new(),
            applied: None,
            remote: None,
            not_before: None,
            tries: 0,
            applied_at: None,
            error: None,
            payload: serde_json::Value::Null,
        })
    }

    fn carry_out(&mut self, key: EffectKey, digest: &str) {
        let row = self.row(key);
        let may_have_been_sent = matches!(row.state, EffectState::Sending | EffectState::Doubt);
        row.state = EffectState::Sending;
        row.not_before = None;
        row.wanted = digest.to_owned();
        let known = row.remote.is_some();
        if may_have_been_sent && !known && self.github.contains_key(&key) {
            let editable = matches!(key, EffectKey::Progress | EffectKey::Summary | EffectKey::FollowUp(_));
            return self.record(key, if editable { "found" } else { digest }, true);
        }
        if digest.starts_with("closed-") && !known {
            // The follow-up that may have been made was not: there is nothing to close.
            return self.record(key, digest, false);
        }
        let fate = match self.luck.next(8) {
            1 => Fate::AnswerLost,
            2 => Fate::RequestLost,
            3 => Fate::NotSent,
            4 => Fate::Refused,
            _ => Fate::Answered,
        };
        if matches!(fate, Fate::Answered | Fate::AnswerLost) {
            let things = self.github.entry(key).or_default();
            // A repeated reaction or link is the same one.
            let same = matches!(key, EffectKey::React(..) | EffectKey::Link(_) | EffectKey::BlockedBy(..));
            if known || (same && !things.is_empty()) {
                let last = things.last_mut().expect("what is known by its id is there");
                digest.clone_into(last);
            } else {
                things.push(digest.to_owned());
            }
        }
        let soon = self.now + SignedDuration::from_secs(30);
        match fate {
            Fate::Answered => self.record(key, digest, true),
            Fate::AnswerLost | Fate::RequestLost => {
                let row = self.row(key);
                (row.state, row.not_before) = (EffectState::Doubt, Some(soon));
            }
            Fate::NotSent => {
                let row = self.row(key);
                (row.state, row.not_before) = (EffectState::Wanted, Some(soon));
            }
            Fate::Refused => {
                self.row(key).state = EffectState::Refused;
                let why = failure(FailureKind::ValidationError);
                match key {
                    EffectKey::SubIssue(t) => {
                        self.happens(RunEvent::Task(t, TaskEvent::SubIssueRefused(why)));
                    }
                    EffectKey::PullRequest(t) => {
                        self.happens(RunEvent::Task(t, TaskEvent::PublishRefused(why)));
                    }
                    _ => {}
                }
            }
        }
    }

    fn record(&mut self, key: EffectKey, version: &str, there: bool) {
        let now = self.now;
        let row = self.row(key);
        row.state = EffectState::Done;
        row.applied = Some(version.to_owned());
        row.applied_at = Some(now);
        if !there {
            return;
        }
        row.remote = Some(Remote { id: 1, number: None });
        let event = match key {
            EffectKey::SubIssue(t) => Some((t, TaskEvent::SubIssueKnown(issue(t)))),
            EffectKey::PullRequest(t) => Some((t, TaskEvent::PullRequestKnown(200 + u64::from(t)))),
            EffectKey::FollowUp(t) => Some((t, TaskEvent::FollowUpKnown(300 + u64::from(t)))),
            _ => None,
        };
        if let Some((task, event)) = event {
            self.happens(RunEvent::Task(task, event));
        }
    }

    /// Runners and people take a turn; whether anything happened.
    fn others_act(&mut self) -> bool {
        let mut acted = false;
        let tasks: Vec<(TaskNumber, TaskState, u64)> =
            self.snapshot.orchestration.tasks.iter().map(|t| (t.number, t.state, t.epoch)).collect();
        for (number, state, epoch) in tasks {
            let event = match state {
                TaskState::Ready => match self.resume_of(number) {
                    Some(host) if self.luck.next(4) > 0 => resumed(&host),
                    _ => claimed("p", 1_000_000),
                },
                TaskState::Running => match self.luck.next(9) {
                    7 => interrupted(epoch, "h"),
                    8 => released(epoch, "h"),
                    1 => failed(epoch, FailureKind::TestFailure, true),
                    2 => failed(epoch, FailureKind::NoChanges, false),
                    3 => TaskEvent::LeaseLost { epoch },
                    4 => failed(epoch, FailureKind::Cancelled, false),
                    _ => pushed(epoch),
                },
                TaskState::Completed if self.luck.next(4) == 1 => match self.luck.next(3) {
                    0 => TaskEvent::PullClosed,
                    1 => TaskEvent::PullReopened,
                    _ => TaskEvent::Merged("main".to_owned()),
                },
                TaskState::Failed | TaskState::Cancelled if self.luck.next(3) == 1 => {
                    self.retries += 1;
                    let asked = RunEvent::Reopened {
                        tasks: vec![number],
                        target: Target::Comment(self.retries),
                        delivery: DeliveryId::new(self.retries.to_string()),
                    };
                    acted |= self.happens(asked);
                    continue;
                }
                _ => continue,
            };
            acted |= self.happens(RunEvent::Task(number, event));
        }
        acted
    }

    /// A person (or GitHub's side) does something to the whole run; whether it changed anything.
    fn people_act(&mut self) -> bool {
        let number = u32::from(self.luck.next(4)) + 1;
        let cancel = |tasks| RunEvent::CancelAsked {
            tasks,
            why: "@mia cancelled it.".to_owned(),
            target: None,
            delivery: DeliveryId::new("c"),
        };
        let event = match self.luck.next(40) {
            1 => cancel(None),
            2 | 3 => cancel(Some(vec![number])),
            4 | 5 => RunEvent::PauseAsked,
            6 => RunEvent::ResumeAsked,
            7 => RunEvent::Suspended { look_at: self.now + SignedDuration::from_mins(5) },
            8 => RunEvent::Unsuspended,
            9 => RunEvent::Gone(Gone::ALL[usize::from(self.luck.next(5))]),
            _ => return false,
        };
        self.happens(event)
    }

    fn resume_of(&self, number: TaskNumber) -> Option<String> {
        self.snapshot.orchestration.task(number)?.resume.as_ref().map(|resume| resume.host.clone())
    }

    /// Runs to the end; the number of passes.
    fn settle(&mut self) -> u32 {
        for pass in 1..5_000 {
            let actions = decide(&self.snapshot, self.now);
            let mut wake = None;
            let quiet = !actions.iter().any(|a| !matches!(a, Action::WakeAt(_)));
            for action in actions {
                match action {
                    Action::Effect { key, digest } => self.carry_out(key, &digest),
                    Action::End => assert!(
                        self.happens(RunEvent::Ended) || !self.luck.is_over(),
                        "`decide` ends a run that cannot end"
                    ),
                    Action::ReadBase(task) => {
                        let seen = TaskEvent::BaseSeen(sha('c'));
                        assert!(self.happens(RunEvent::Task(task, seen)));
                    }
                    Action::LookAround => {
                        let held = self.luck.next(2) == 1;
                        let look_at = self.now + SignedDuration::from_mins(5);
                        let found =
                            if held { RunEvent::Suspended { look_at } } else { RunEvent::Unsuspended };
                        assert!(self.happens(found));
                    }
                    Action::WakeAt(time) => wake = Some(time),
                }
            }
            self.now += SignedDuration::from_secs(1);
            let acted = self.people_act() | self.others_act();
            self.check_files();
            if acted || !quiet {
                continue;
            }
            // When nothing else happens, somebody lets a paused run go on.
            if self.snapshot.orchestration.run.stops.paused && self.happens(RunEvent::ResumeAsked) {
                continue;
            }
            match wake {
                Some(time) => self.now = self.now.max(time),
                None => return pass,
            }
        }
        panic!("the run never settles: {:?}", decide(&self.snapshot, self.now));
    }

    /// Tasks that name the same file never work at once.
    fn check_files(&self) {
        let tasks = &self.snapshot.orchestration.tasks;
        let at_work = |t: &&Task| matches!(t.state, TaskState::Running | TaskState::Publishing);
        for task in tasks.iter().filter(at_work) {
            let other = tasks.iter().filter(at_work).find(|t| task.waits_for.contains(&t.number));
            assert!(other.is_none(), "tasks {} and {other:?} work at once", task.number);
        }
    }

    fn refused(&self, key: EffectKey) -> bool {
        self.snapshot.effects.get(&key).is_some_and(|e| e.state == EffectState::Refused)
    }

    /// What a person finds on GitHub agrees with what the run knows.
    fn check(&self) {
        let orchestration = &self.snapshot.orchestration;
        assert!(matches!(orchestration.run.state, RunState::Ended(_)), "{:?}", orchestration.digest());
        for (key, things) in &self.github {
            assert_eq!(things.len(), 1, "{key} is there more than once");
        }
        if orchestration.run.stops.gone.is_some() {
            // Nothing can be said any more, and everything is over.
            assert!(orchestration.tasks.iter().all(|t| t.state.is_terminal()));
            let left = decide(&self.snapshot, self.now + SignedDuration::from_secs(10_000_000));
            assert!(left.is_empty(), "after the end there is {left:?}");
            return;
        }
        let last = format!("{}#{}", orchestration.digest(), orchestration.run.round);
        for key in [EffectKey::Progress, EffectKey::Summary] {
            let shown = self.github.get(&key).and_then(|t| t.first());
            assert!(self.refused(key) || shown == Some(&last), "{key} shows {shown:?}, not {last}");
        }
        for target in &orchestration.run.triggers {
            let key = EffectKey::React(*target, Emoji::Rocket);
            assert!(self.refused(key) || self.github.contains_key(&key), "no {key}");
        }
        for task in &orchestration.tasks {
            let key = EffectKey::FollowUp(task.number);
            let shown = self.github.get(&key).and_then(|t| t.first());
            let pull_request = self.github.contains_key(&EffectKey::PullRequest(task.number));
            match task.state {
                TaskState::Failed => {
                    let open = format!("open-{}", task.attempt);
                    assert!(self.refused(key) || shown == Some(&open), "{key} shows {shown:?}, not {open}");
                }
                TaskState::Completed => {
                    let closed = shown.is_none_or(|s| s.starts_with("closed-"));
                    assert!(
                        self.refused(key) || closed,
                        "{key} shows {shown:?} though the task is completed"
                    );
                    assert!(pull_request, "task {} is completed without a pull request", task.number);
                }
                TaskState::Cancelled => {}
                TaskState::Blocked => {
                    assert!(
                        orchestration.closed_before(task).is_some() || orchestration.run.ended_at.is_some()
                    );
                }
                other => panic!("task {} ended as {}", task.number, other.as_str()),
            }
        }
        for later in [0, 1, 3_600, 10_000_000] {
            let left = decide(&self.snapshot, self.now + SignedDuration::from_secs(later));
            assert!(left.is_empty(), "after the end there is {left:?}");
        }
    }
}

#[test]
fn a_run_without_trouble_settles_in_a_few_passes_and_few_requests() {
    let mut world = World::new(5, false, vec![]);
    let passes = world.settle();
    world.check();
    assert!(passes <= 12, "{passes} passes");
    // 5 sub-issues, links and pull requests, two comments, one rocket.
    assert_eq!(world.github.len(), 5 * 3 + 3);
    assert_eq!(world.snapshot.orchestration.run.state, RunState::Ended(Outcome::Succeeded));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]
    #[test]
    fn whatever_goes_wrong_the_run_settles_and_nothing_is_there_twice(
        tasks in 1usize..5,
        ordered in any::<bool>(),
        luck in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut world = World::new(tasks, ordered, luck);
        world.settle();
        world.check();
    }
}
