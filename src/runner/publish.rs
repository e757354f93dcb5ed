//! From what the agent left to a pushed branch: gather, import, policy, verify, push.

use super::attempt::Attempt;
use super::checkout::{Patience, identity};
use super::commands::Phase;
use super::halt::{Halt, Staged, outcome, sentence};
use super::record::MAX_SAID;
use crate::agents::{GitFacts, Seen, judge_facts, one_line};
use crate::clock;
use crate::dispatch::wire;
use crate::domain::{CommandRun, FailureKind, protect};
use crate::workspace::{
    self, CommitText, GatherError, Identity, ImportError, Imported, Mirror, PushError, Workspace,
};
use std::collections::{BTreeMap, BTreeSet};

/// So many changed paths are told; the control plane compares the rest with what GitHub shows.
const MAX_PATHS: usize = 1_000;

impl Attempt {
    /// Commits what was left over, takes the commits into the mirror, and holds them against the policy.
    pub(super) async fn take_over(
        &self,
        mirror: &Mirror,
        workspace: &Workspace,
        seen: &Seen,
    ) -> Staged<Imported> {
        self.held.stage("gather");
        let options = &self.shared.options;
        let text = self.commit_text();
        let launcher = self.launcher();
        let gathered = workspace::gather(&launcher, &options.git, workspace, &text);
        let gathered = self.held.unless_stopped(gathered).await?.map_err(gather_failed)?;
        if gathered.committed_leftovers {
            self.log.event("committed what the agent had left uncommitted");
        }
        let attempt = &self.held.attempt;
        let imported = workspace::import(mirror, workspace, &attempt.run, attempt.task);
        let imported = match self.held.unless_stopped(imported).await? {
            Ok(imported) => imported,
            Err(ImportError::NoChanges) => {
                outcome(judge_facts(&GitFacts::default(), seen))?;
                return Err(Halt::retry(FailureKind::NoChanges, sentence(&ImportError::NoChanges)));
            }
            Err(error) => return Err(Halt::retry(error.kind(), sentence(&error))),
        };
        outcome(judge_facts(&GitFacts { commits: imported.commits, paths: imported.paths.len() }, seen))?;
        self.allowed(&imported)?;
        Ok(imported)
    }

    /// Holds what an attempt changes against the policy.
    pub(super) fn allowed(&self, imported: &Imported) -> Staged<()> {
        // A path that comes and goes within the commits is published with them.
        let touched: BTreeSet<String> =
            imported.paths.iter().chain(&imported.passing).map(path_text).collect();
        let refused = protect::refused(&self.policy.protected_paths, touched.iter().map(String::as_str));
        if !refused.is_empty() {
            return Err(Halt::Failed { failure: protect::failure(&refused), again: true });
        }
        Ok(())
    }

    /// Runs the repository's checks on exactly what will be pushed.
    pub(super) async fn verify(
        &self,
        workspace: &Workspace,
        imported: &Imported,
        env: &BTreeMap<String, String>,
    ) -> Staged<Vec<CommandRun>> {
        if !self.policy.verify.is_empty() {
            let options = &self.shared.options;
            let launcher = self.launcher();
            let restored = workspace::restore(&launcher, &options.git, workspace, &imported.head);
            self.held.unless_stopped(restored).await?.map_err(gather_failed)?;
        }
        self.run_commands(Phase::Verify, &self.policy.verify, workspace, env).await
    }

    /// Pushes what was verified.
    pub(super) async fn publish(
        &self,
        mirror: &Mirror,
        imported: &Imported,
        verify: Vec<CommandRun>,
        seen: &Seen,
    ) -> Staged<wire::Pushed> {
        self.held.stage("push");
        self.push(mirror, imported).await?;
        let commits = if imported.commits == 1 { "commit" } else { "commits" };
        self.log.event(&format!("pushed {} {commits} as {}", imported.commits, imported.head.short()));
        let said: String = self.redact(seen.said()).chars().take(MAX_SAID).collect();
        Ok(wire::Pushed {
            head: imported.head.clone(),
            base: imported.base.clone(),
            commits: imported.commits,
            paths: imported.paths.iter().take(MAX_PATHS).map(path_text).collect(),
            verify,
            said,
        })
    }

    async fn push(&self, mirror: &Mirror, imported: &Imported) -> Staged<()> {
        let mut patience = Patience::new();
        let attempt = &self.held.attempt;
        let mut expected = self.task.branch_head.clone();
        let mut looked = false;
        let noted = workspace::note_push(mirror, &attempt.run, attempt.task, &imported.head);
        self.held.unless_stopped(noted).await?.map_err(|e| Halt::retry(e.kind(), sentence(&e)))?;
        loop {
            let remote = self.remote().await?;
            let pushed = workspace::push(mirror, &remote, imported, &self.task.branch, expected.as_ref());
            match self.held.unless_stopped(pushed).await? {
                Ok(_) => return Ok(()),
                // A push that was applied and not answered is found to be there the next time.
                Err(error) if error.is_transient() && patience.lasts() => {
                    self.log.event(&format!("could not push ({error}); tries again"));
                    self.held.unless_stopped(clock::sleep(patience.wait())).await?;
                }
                // An earlier attempt of this task may have pushed and died before it could tell, or a person has deleted
                // what an earlier one left.
                Err(error @ PushError::Moved(_)) if !looked => {
                    looked = true;
                    let task = (&attempt.run, attempt.task);
                    let before = workspace::pushed_before(mirror, &remote, task, &self.task.branch);
                    match self.held.unless_stopped(before).await? {
                        Ok(workspace::Before::Ours(head)) => expected = Some(head),
                        Ok(workspace::Before::Missing) => expected = None,
                        _ => return Err(push_failed(&error)),
                    }
                }
                Err(error) => return Err(push_failed(&error)),
            }
        }
    }

    fn commit_text(&self) -> CommitText {
        let login = one_line(&self.task.requester, 100);
        let co_author = (!login.is_empty())
            .then(|| Identity { email: format!("{login}@users.noreply.github.com"), name: login });
        CommitText {
            author: identity(&self.task.author),
            co_author,
            message: format!(
                "{}\n\nWhat the agent left uncommitted when it ended (#{}).",
                one_line(&self.task.brief.title, 72),
                self.task.brief.sub_issue
            ),
        }
    }
}

/// A path as text. Bytes that are no UTF-8 become U+FFFD: they cannot be part of a name that a glob spells out.
fn path_text(path: &workspace::ChangedPath) -> String {
    String::from_utf8_lossy(&path.path).into_owned()
}

fn gather_failed(error: GatherError) -> Halt {
    Halt::retry(error.kind(), sentence(&error))
}

fn push_failed(error: &PushError) -> Halt {
    // Somebody else's branch, a missing permission, a rule of the server: the same push is refused again.
    let again = error.is_transient() || matches!(error, PushError::Git(_));
    Halt::Failed { failure: crate::domain::Failure::new(error.kind(), sentence(error)), again }
}
