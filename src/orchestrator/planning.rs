//! What a start would do: the repository's rules, the options, and the plan of the issue, or why there is none.

use super::Orchestrator;
use super::answer::Draft;
use super::intake::Trouble;
use crate::config::RepoFile;
use crate::domain::{Orchestration, RunPolicy, StartOptions};
use crate::github::event::EventIssue;
use crate::github::{BranchHead, Issue, RepoClient};
use crate::plan::{self, Plan};
use crate::report::notice;
use crate::store::Settlement;
use std::collections::HashMap;

/// Where a repository's rules are.
const REPO_FILE: &str = ".github/divisi.toml";

/// The plan of an issue and what it was made under.
pub(super) struct Planned {
    /// The repository's rules, lowered by the options.
    pub policy: RunPolicy,
    /// The plan of the issue's text and of what GitHub knows beside it.
    pub plan: Plan,
    /// The issues that its tasks are, by number.
    pub existing: HashMap<u64, Issue>,
    /// The head of the base branch, if it was looked at.
    pub head: Option<BranchHead>,
}

/// Why an issue cannot be planned.
pub(super) struct Refused {
    /// What is said; only a 😕 without it.
    notice: Option<String>,
    /// The note for the log.
    note: &'static str,
}

impl Refused {
    pub fn saying(notice: String, note: &'static str) -> Self {
        Self { notice: Some(notice), note }
    }

    /// The answer to the delivery that asked.
    pub fn answer(self, draft: Draft) -> Settlement {
        match self.notice {
            Some(notice) => draft.notice(notice).done(self.note),
            None => draft.confused().done(self.note),
        }
    }
}

impl Orchestrator {
    /// Reads the repository's rules and the issue's text.
    pub(super) async fn plan_issue(
        &self,
        github: &RepoClient,
        draft: &Draft,
        (issue, now): (&EventIssue, &Issue),
        options: &StartOptions,
        earlier: Option<&Orchestration>,
    ) -> Result<Result<Planned, Refused>, Trouble> {
        let policy = match self.rules(github, draft, options).await? {
            Ok(policy) => policy,
            Err(refused) => return Ok(Err(refused)),
        };
        let repo = (draft.repo.owner.as_str(), draft.repo.name.as_str());
        let mut plan = plan::read(&issue.title, &issue.body, Some(issue.number), Some(repo));
        let native = self.add_native(github, (&draft.repo, now), earlier, &mut plan).await?;
        if !options.only.is_empty()
            && let Err(missing) = plan.choose(&options.only)
        {
            let text = notice::no_such_task(missing, plan.open().count());
            return Ok(Err(Refused::saying(text, "refused: no such task")));
        }
        let mut named = plan.open().filter_map(|index| plan.tasks[index].existing_issue);
        if let Some((number, wrong)) = named.find_map(|n| Some((n, *native.wrong.get(&n)?))) {
            let text = notice::linked_issue(number, wrong);
            return Ok(Err(Refused::saying(text, "refused: a linked issue")));
        }
        drop(named);
        let mut planned = Planned { policy, plan, existing: native.issues, head: None };
        self.search_overlaps(github, draft, options, &mut planned).await?;
        Ok(Ok(planned))
    }

    /// The repository's file, lowered by the options and the server.
    async fn rules(
        &self,
        github: &RepoClient,
        draft: &Draft,
        options: &StartOptions,
    ) -> Result<Result<RunPolicy, Refused>, Trouble> {
        let mut policy = match github.file(REPO_FILE).await?.as_deref().map(RepoFile::parse) {
            None => RunPolicy::default(),
            Some(Ok(policy)) => policy,
            Some(Err(error)) => {
                let text = notice::bad_config(REPO_FILE, &error.to_string(), &error.snippet);
                return Ok(Err(Refused::saying(text, "refused: bad configuration")));
            }
        };
        if let Some(agent) = &self.shared.settings.agent {
            policy.agent.clone_from(agent);
        }
        if !policy.allows(&draft.sender) {
            return Ok(Err(Refused { notice: None, note: "refused: not on the repository's allow list" }));
        }
        if let Err(exceeds) = options.lower(&mut policy) {
            let text = notice::exceeds(&exceeds);
            return Ok(Err(Refused::saying(text, "refused: more than the repository allows")));
        }
        if let Err(exceeds) = options.within_server(&mut policy, self.shared.settings.cost_per_run) {
            return Ok(Err(Refused::saying(
                notice::exceeds(&exceeds),
                "refused: more than the server allows",
            )));
        }
        if !self.knows_agent(&policy.agent) {
            let text = notice::unknown_agent(&policy.agent, &self.shared.settings.agents);
            return Ok(Err(Refused::saying(text, "refused: unknown agent")));
        }
        Ok(Ok(policy))
    }
}
