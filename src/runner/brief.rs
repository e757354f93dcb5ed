//! What the agent is told, put together from the assignment, the policy and the repository's own guide.

use super::attempt::Attempt;
use crate::agents::{AgentKind, prompt};
use crate::workspace::{self, Mirror};

/// The largest guide that is read, in bytes.
const MAX_GUIDE: usize = 64 << 10;

impl Attempt {
    /// The prompt.
    pub(super) fn prompt(&self, guide: Option<&(&'static str, String)>) -> String {
        let brief = &self.task.brief;
        prompt::render(&prompt::Brief {
            master: brief.master,
            master_title: &brief.master_title,
            sub_issue: brief.sub_issue,
            title: &brief.title,
            details: &brief.details,
            context: &brief.context,
            criteria: &brief.criteria,
            siblings: brief.siblings.iter().map(|s| (s.task, s.title.as_str(), s.paths.as_slice())).collect(),
            branch: &self.task.branch,
            verify: &self.policy.verify,
            protected: &self.policy.protected_paths,
            guide: guide.map(|(name, text)| (*name, text.as_str())),
            earlier: brief.earlier.as_ref(),
        })
    }

    /// The repository's guide for agents at the base commit, as the host's mirror has it. An agent works without one too.
    pub(super) async fn guide(&self, mirror: &Mirror, kind: AgentKind) -> Option<(&'static str, String)> {
        for name in kind.guides() {
            match workspace::read_file(mirror, &self.task.base_sha, name, MAX_GUIDE).await {
                Ok(Some(text)) => return Some((name, String::from_utf8_lossy(&text).into_owned())),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(attempt = %self.held.attempt, %error, "The repository's guide could not be read.");
                }
            }
        }
        None
    }
}
