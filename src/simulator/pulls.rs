//! Pull requests: the part that an issue does not have, opening, merging, and the closing of issues by keyword.

use super::issues::{Draft, IssueState};
use super::refusal::Refusal;
use super::world::{Actor, Role, World};
use crate::clock;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What a pull request has beyond an issue. Both branches are of the same repository.
#[derive(Clone, Debug)]
pub struct Pull {
    /// Branch that is to be merged.
    pub head: String,
    /// Branch that it is to be merged into.
    pub base: String,
    /// Commit at the head's end, as of the last push.
    pub head_sha: String,
    /// Commit at the base's end, as of opening or the last push to it.
    pub base_sha: String,
    /// Marked as draft.
    pub draft: bool,
    /// Merged.
    pub merged: bool,
    /// When it was merged.
    pub merged_at: Option<Timestamp>,
    /// Who merged it.
    pub merged_by: Option<String>,
    /// The commit that merged it.
    pub merge_commit: Option<String>,
}

impl Pull {
    /// Full name of the head's ref.
    pub(super) fn head_ref_name(&self) -> String {
        format!("refs/heads/{}", self.head)
    }

    /// Full name of the base's ref.
    pub(super) fn base_ref_name(&self) -> String {
        format!("refs/heads/{}", self.base)
    }
}

/// What a pull request is opened with.
#[derive(Clone, Debug)]
pub(super) struct PullDraft {
    pub title: String,
    pub body: Option<String>,
    pub head: String,
    pub base: String,
    pub draft: bool,
}

impl World {
    pub(super) fn open_pull(&mut self, repo: u64, actor: &Actor, new: PullDraft) -> Result<u64, Refusal> {
        let here = self.repo_ref(repo)?;
        let head = match new.head.split_once(':') {
            Some((owner, branch)) if owner.eq_ignore_ascii_case(&here.owner) => branch.to_owned(),
            Some(_) => return Err(Refusal::invalid("PullRequest", "head", "invalid")),
            None => new.head,
        };
        let branch = |name: &str| here.git.resolve(&format!("refs/heads/{name}"));
        let head_sha = branch(&head).ok_or_else(|| Refusal::invalid("PullRequest", "head", "invalid"))?;
        let base_sha = branch(&new.base).ok_or_else(|| Refusal::invalid("PullRequest", "base", "invalid"))?;
        let open = self.pulls_in(repo).any(|(issue, pull)| {
            issue.state == IssueState::Open && pull.head == head && pull.base == new.base
        });
        if open {
            let message = format!("A pull request already exists for {}:{head}.", here.owner);
            return Err(Refusal::custom("PullRequest", None, message));
        }
        let (_, ahead) = here.git.left_right(&base_sha, &head_sha)?;
        if ahead == 0 {
            let message = format!("No commits between {} and {head}", new.base);
            return Err(Refusal::custom("PullRequest", None, message));
        }
        let pull = Pull {
            head,
            base: new.base,
            head_sha,
            base_sha,
            draft: new.draft,
            merged: false,
            merged_at: None,
            merged_by: None,
            merge_commit: None,
        };
        let draft = Draft { title: new.title, body: new.body, pull: Some(pull), ..Draft::default() };
        self.open_issue(repo, actor, draft)
    }

    /// The pull requests of a repository.
    pub(super) fn pulls_in(&self, repo: u64) -> impl Iterator<Item = (&super::Issue, &Pull)> {
        self.issues
            .values()
            .filter(move |issue| issue.repo == repo && !issue.deleted)
            .filter_map(|issue| Some((issue, issue.pull.as_ref()?)))
    }

    pub(super) fn pull_of(&self, id: u64) -> Result<&Pull, Refusal> {
        self.issue_of(id)?.pull.as_ref().ok_or_else(Refusal::not_found)
    }

    pub(super) fn pull_mut(&mut self, id: u64) -> Result<&mut Pull, Refusal> {
        self.issue_mut(id)?.pull.as_mut().ok_or_else(Refusal::not_found)
    }

    /// Merges with a merge commit, closes what the text says it closes.
    pub(super) fn merge_pull(&mut self, id: u64, actor: &Actor) -> Result<String, Refusal> {
        let issue = self.issue_of(id)?;
        let (repo, number, title) = (issue.repo, issue.number, issue.title.clone());
        self.require(repo, actor, Role::Write)?;
        let pull = self.pull_of(id)?.clone();
        if issue.state == IssueState::Closed {
            return Err(Refusal::new(405, "Pull Request is not mergeable"));
        }
        if pull.draft {
            return Err(Refusal::new(405, "Pull Request is still a draft"));
        }
        let here = self.repo_ref(repo)?;
        let not_mergeable = || Refusal::new(405, "Pull Request is not mergeable");
        let base = here.git.resolve(&pull.base_ref_name()).ok_or_else(not_mergeable)?;
        let tree = here.git.merged_tree(&base, &pull.head_sha).ok_or_else(not_mergeable)?;
        let message = format!("Merge pull request #{number} from {}/{}\n\n{title}\n", here.owner, pull.head);
        let email = format!("{}@users.noreply.github.com", actor.login);
        let who = (actor.login.as_str(), email.as_str());
        let parents = [base.as_str(), pull.head_sha.as_str()];
        let commit = here.git.commit_tree(&tree, &parents, who, clock::now(), &message)?;
        here.git.update_ref(&pull.base_ref_name(), &commit, &base)?;
        self.mark_merged(id, actor, &commit)?;
        self.sync_refs(repo, actor)?;
        Ok(commit)
    }

    /// Records that a pull request is merged, announces it, and closes what it closes.
    pub(super) fn mark_merged(&mut self, id: u64, actor: &Actor, commit: &str) -> Result<(), Refusal> {
        let now = clock::now();
        let pull = self.pull_mut(id)?;
        pull.merged = true;
        pull.merged_at = Some(now);
        pull.merged_by = Some(actor.login.clone());
        pull.merge_commit = Some(commit.to_owned());
        let base = pull.base.clone();
        self.close_issue(id, actor, "completed")?;
        let issue = self.issue_of(id)?;
        let (repo, body) = (issue.repo, issue.body.clone().unwrap_or_default());
        if base == self.repo_ref(repo)?.default_branch {
            self.close_by_keyword(repo, actor, &body)?;
        }
        Ok(())
    }

    /// Closes the issues of this repository that a text names with a closing keyword.
    pub(super) fn close_by_keyword(&mut self, repo: u64, actor: &Actor, text: &str) -> Result<(), Refusal> {
        let full_name = self.repo_ref(repo)?.full_name();
        for number in closed_by(text, &full_name) {
            if let Ok(id) = self.numbered(repo, number)
                && self.issue_of(id)?.pull.is_none()
            {
                self.close_issue(id, actor, "completed")?;
            }
        }
        Ok(())
    }

    /// Makes a draft ready, or a ready one a draft (people do it on the page, the App through GraphQL).
    pub(super) fn set_draft(&mut self, id: u64, actor: &Actor, draft: bool) -> Result<(), Refusal> {
        let pull = self.pull_mut(id)?;
        if pull.draft == draft {
            return Ok(());
        }
        pull.draft = draft;
        self.issue_mut(id)?.updated_at = clock::now();
        self.emit_issue(id, if draft { "converted_to_draft" } else { "ready_for_review" }, actor, Map::new())
    }

    /// Makes another branch the base.
    pub(super) fn set_base(&mut self, id: u64, actor: &Actor, base: &str) -> Result<(), Refusal> {
        let repo = self.issue_of(id)?.repo;
        let sha = self
            .repo_ref(repo)?
            .git
            .resolve(&format!("refs/heads/{base}"))
            .ok_or_else(|| Refusal::invalid("PullRequest", "base", "invalid"))?;
        let pull = self.pull_mut(id)?;
        if pull.base == base {
            return Ok(());
        }
        let changes = json!({"base": {"ref": {"from": pull.base}, "sha": {"from": pull.base_sha}}});
        pull.base = base.to_owned();
        pull.base_sha = sha;
        self.issue_mut(id)?.updated_at = clock::now();
        let fields = Map::from_iter([("changes".to_owned(), changes)]);
        self.emit_issue(id, "edited", actor, Map::<String, Value>::from_iter(fields))
    }
}

/// Issue numbers after `close[sd]`, `fix(es|ed)` or `resolve[sd]`, as GitHub reads them
/// (docs, "Linking a pull request to an issue").
fn closed_by(text: &str, full_name: &str) -> Vec<u64> {
    const KEYWORDS: [&str; 9] =
        ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut numbers = Vec::new();
    for pair in words.windows(2) {
        let keyword = pair[0].trim_end_matches(':').trim_start_matches(|c: char| !c.is_alphanumeric());
        if !KEYWORDS.contains(&keyword.to_ascii_lowercase().as_str()) {
            continue;
        }
        let target = pair[1].strip_prefix(full_name).unwrap_or(pair[1]);
        let Some(rest) = target.strip_prefix('#') else { continue };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let after = rest[digits.len()..].chars().next();
        if let Ok(number) = digits.parse()
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && !numbers.contains(&number)
        {
            numbers.push(number);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::closed_by;

    #[test]
    fn closing_keywords_are_read_as_github_does() {
        let text =
            "Closes #12, fixes: acme/demo#3 and resolved #12.\nclose 5; enclosed #6; Fix #7a; part of #8";
        assert_eq!(closed_by(text, "acme/demo"), [12, 3]);
        assert_eq!(closed_by("**Closes #4**", "acme/demo"), [4]);
        assert!(closed_by("Closes other/demo#4", "acme/demo").is_empty());
    }
}
