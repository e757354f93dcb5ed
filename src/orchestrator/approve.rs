//! `--approve`: exactly the plan that was posted, or what has changed since.

use super::Orchestrator;
use super::answer::Draft;
use super::intake::Trouble;
use super::planning::Planned;
use crate::clock;
use crate::domain::{RunPolicy, StartOptions};
use crate::github::event::EventIssue;
use crate::github::{CallCounter, Issue, IssueState};
use crate::report::approve::{self as words, Changed};
use crate::report::marker::fingerprint;
use crate::store::{LinkedIssue, PostedPlan, Settlement, Told};
use std::collections::BTreeMap;

impl Orchestrator {
    /// Starts the plan that was posted last. Where something is different by now, that is told with the new plan, and nothing
    /// starts.
    pub(super) async fn approve(
        &self,
        draft: Draft,
        issue: &EventIssue,
        calls: &CallCounter,
    ) -> Result<Settlement, Trouble> {
        let earlier = match self.may_be_started(&draft, issue).await? {
            Ok(earlier) => earlier,
            Err(refused) => return Ok(refused.answer(draft)),
        };
        match self.shared.store.plan_posted(draft.repo.id, issue.number).await? {
            None => Ok(draft
                .notice(words::no_plan(earlier.as_ref()))
                .done("refused: no plan waits to be approved")),
            Some((posted, Told::Yes)) => {
                let options = posted.options.clone();
                self.start_if_same(draft, issue, &options, Some(&posted), calls).await
            }
            // Whoever approves has not seen it, or it cannot be told yet that they have.
            Some((_, Told::NotYet)) => Err(Trouble::Later("the plan that is approved is still being posted")),
            Some((posted, Told::Never)) => {
                let options = StartOptions { dry_run: true, ..posted.options };
                self.start_run(draft, issue, &options, calls).await
            }
        }
    }
}

/// What is kept of a plan when it is posted.
pub(super) fn posted(
    draft: &Draft,
    issue: &EventIssue,
    options: &StartOptions,
    planned: &Planned,
) -> PostedPlan {
    PostedPlan {
        repo: draft.repo.id,
        issue: issue.number,
        delivery: draft.delivery.clone(),
        at: clock::now(),
        options: StartOptions { dry_run: false, ..options.clone() },
        title: issue.title.clone(),
        body: issue.body.clone(),
        policy: planned.policy.clone(),
        plan: planned.plan.clone(),
        linked: planned.existing.iter().map(|(number, issue)| (*number, linked(issue))).collect(),
    }
}

fn linked(issue: &Issue) -> LinkedIssue {
    LinkedIssue {
        open: issue.state == IssueState::Open,
        text: fingerprint(&format!("{}\n{}", issue.title, issue.body)),
    }
}

/// What is different now from what was posted.
pub(super) fn changed(before: &PostedPlan, issue: &EventIssue, planned: &Planned) -> Changed {
    let mut plan = before.plan.clone();
    if !before.options.only.is_empty() {
        // It was possible then.
        let _ = plan.choose(&before.options.only);
    }
    let now = planned.existing.iter().map(|(number, issue)| (*number, linked(issue))).collect();
    Changed {
        title: (before.title != issue.title).then(|| (before.title.clone(), issue.title.clone())),
        body: before.body != issue.body,
        rules: rules(&before.policy, &planned.policy),
        linked: linked_changes(&before.linked, &now),
        other: plan != planned.plan,
        plan: plan.changes(&planned.plan),
    }
}

/// Keys whose values differ, each with both as JSON.
fn rules(before: &RunPolicy, now: &RunPolicy) -> Vec<(String, String, String)> {
    let object = |policy: &RunPolicy| match serde_json::to_value(policy) {
        Ok(serde_json::Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let (before, now) = (object(before), object(now));
    let shown = |value: Option<&serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => "not set".to_owned(),
        Some(value) => value.to_string(),
    };
    now.iter()
        .filter(|(key, value)| before.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), shown(before.get(key)), shown(Some(value))))
        .collect()
}

fn linked_changes(
    before: &BTreeMap<u64, LinkedIssue>,
    now: &BTreeMap<u64, LinkedIssue>,
) -> Vec<(u64, &'static str)> {
    let how = |(number, issue): (&u64, &LinkedIssue)| {
        let was = before.get(number)?;
        let how = match (was.open, issue.open) {
            (true, false) => "was closed",
            (false, true) => "was reopened",
            _ if was.text != issue.text => "was edited",
            _ => return None,
        };
        Some((*number, how))
    };
    // One that only one of the plans names is a difference of their tasks.
    now.iter().filter_map(how).collect()
}
