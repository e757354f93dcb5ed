//! The runner API's vocabulary: what the two planes say to each other, version 1.
//!
//! Every message about an attempt carries its epoch. Two answers must never be mixed up: *lost* (the control
//! plane looked and the lease is not ours: stop at once) and *no answer* (keep working, try again).

use crate::domain::survey::{Answer, SurveyTask};
use crate::domain::{
    AttemptId, CommandRun, Failure, Progress, Repo, RunPolicy, RunnerId, Sha, Spent, TaskNumber,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Version of these types; a runner that speaks another one is refused with a clear text.
pub const VERSION: u32 = 1;

/// `POST /runner/v1/register`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Register {
    /// [`VERSION`].
    pub version: u32,
    /// Made once per host and kept on its disk.
    pub host_id: String,
    /// Made anew for each process.
    pub runner: RunnerId,
    /// How many attempts may run here at once.
    pub slots: u32,
    /// Names of the agents that can run here.
    pub agents: Vec<String>,
    /// The sandbox tier that attempts get here.
    pub tier: String,
    /// Attempts of earlier processes of this host whose work is on its disk. To register says that nothing of those
    /// processes is alive any more, so their leases end.
    #[serde(default)]
    pub found: Vec<AttemptId>,
}

/// Answer to [`Register`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registered {
    /// A lease lasts so long after each accepted heartbeat.
    pub lease_ms: u64,
    /// The answer to a heartbeat may be held open so long: far less than a lease, and time enough for several tries before the fence.
    pub heartbeat_ms: u64,
    /// How long a runner that gets no answer keeps its agents frozen behind the fence before it ends them.
    pub silence_ms: u64,
    /// Those of [`Register::found`] that may yet be handed to this host again; the others are over.
    #[serde(default)]
    pub keep: Vec<AttemptId>,
}

/// [`Registered::silence_ms`] as it is shipped.
pub const SILENCE: Duration = Duration::from_secs(15 * 60);

/// [`Registered::heartbeat_ms`] for a lease: 10 s for one of 90 s.
pub fn heartbeat(lease: Duration) -> Duration {
    (lease / 9).min(Duration::from_secs(10))
}

/// `POST /runner/v1/kept`: which attempts on this host's disk may yet be handed to it. Answer: [`Kept`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keep {
    /// The host.
    pub host_id: String,
    /// What it has.
    pub attempts: Vec<AttemptId>,
}

/// Answer to [`Keep`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Those to keep; the others are over.
    pub keep: Vec<AttemptId>,
}

/// `POST /runner/v1/claim`: held open until there is work or `wait_ms` is over. Safe to repeat: while an
/// attempt that was handed out to this runner has not been heard of, it is handed out again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Who asks.
    pub runner: RunnerId,
    /// Attempts that this process knows it has; any other one that it holds is answered again.
    pub holds: Vec<AttemptId>,
    /// How long to wait, at most 30,000.
    pub wait_ms: u64,
}

/// Answer to [`Claim`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claimed {
    /// What to do, if there is something.
    pub assignment: Option<Assignment>,
}

/// One attempt to carry out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// Which.
    pub attempt: AttemptId,
    /// The fence: goes into every message about it.
    pub epoch: u64,
    /// For logs and file names.
    pub orchestration_id: String,
    /// The repository.
    pub repo: Repo,
    /// Where git fetches from and pushes to; holds no secret.
    pub clone_url: String,
    /// The branch that the work starts from.
    pub base: String,
    /// Its head when the run started; the work starts exactly here.
    pub base_sha: Sha,
    /// The branch that the work goes to.
    pub branch: String,
    /// What that branch holds by an earlier attempt of ours, if one pushed: the push may replace exactly this.
    pub branch_head: Option<Sha>,
    /// The agent's name in the runner's configuration.
    pub agent: String,
    /// The session id for the agent, made before the start: a UUID.
    pub session: String,
    /// What the agent is told.
    pub brief: Brief,
    /// Who asked: the co-author of left-over commits.
    pub requester: String,
    /// The App's commit identity, `name <email>`.
    pub author: String,
}

/// What the prompt is made of. All of it is foreign text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// The master issue.
    pub master: u64,
    /// Its title.
    pub master_title: String,
    /// The sub-issue.
    pub sub_issue: u64,
    /// The task's title.
    pub title: String,
    /// The task's details, Markdown.
    pub details: String,
    /// Prose of the master issue.
    pub context: String,
    /// Acceptance criteria.
    pub criteria: Vec<String>,
    /// The other tasks of the run, so that the agent keeps out of their files.
    pub siblings: Vec<Sibling>,
    /// On a retry: why the attempt before failed.
    pub earlier: Option<Failure>,
}

/// Another task of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sibling {
    /// Its number.
    pub task: TaskNumber,
    /// Its title.
    pub title: String,
    /// Files it names.
    pub paths: Vec<String>,
}

/// `POST /runner/v1/heartbeat`: renews the leases of everything that the runner holds, when it arrives; the runner counts from when it sent
/// it. The answer is held open up to `wait_ms` and comes at once when a lease is lost or there is a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who.
    pub runner: RunnerId,
    /// What it holds.
    pub attempts: Vec<Beat>,
    /// How long the answer may be held open; 0 for one that tells news beside the one that is held.
    pub wait_ms: u64,
}

/// One held attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beat {
    /// Which.
    pub attempt: AttemptId,
    /// Its fence.
    pub epoch: u64,
    /// What people may see.
    pub progress: Progress,
}

/// Answer to [`Heartbeat`]: one verdict for each beat, in its order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beaten {
    /// The verdicts.
    pub verdicts: Vec<Verdict>,
}

/// What becomes of a held attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The lease runs anew.
    Renewed,
    /// It is not ours any more: stop at once, its result will be refused.
    Lost,
    /// A person stopped it: stop, then finish as `cancelled`.
    Cancel,
}

/// `POST /runner/v1/attempts/{attempt}/finish`. Sending it again gets the same answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finish {
    /// Who.
    pub runner: RunnerId,
    /// The fence.
    pub epoch: u64,
    /// What happened.
    pub facts: Facts,
}

/// `POST /runner/v1/attempts/{attempt}/release`: the runner ends in order and hands the attempt back; its host keeps what it
/// needs to go on. Sending it again is safe.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Release {
    /// Who.
    pub runner: RunnerId,
    /// The fence.
    pub epoch: u64,
    /// What the attempt has used so far, in all its epochs on this host.
    pub spent: Spent,
}

/// The facts of an ended attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// How it ended.
    pub end: End,
    /// Tokens, cost and wall time.
    pub spent: Spent,
    /// Highest sum of the process trees of this run's agents on this host while it ran, in MB.
    pub peak_memory_mb: u64,
    /// The sandbox tier that it ran in.
    pub tier: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Commits exist, policy allows them, verify passed, the branch is pushed.
    Pushed(Pushed),
    /// It did not come so far.
    Failed {
        /// Why.
        failure: Failure,
        /// Whether trying again by itself makes sense.
        again: bool,
    },
}

/// What was pushed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pushed {
    /// The pushed commit.
    pub head: Sha,
    /// Where it started.
    pub base: Sha,
    /// Commits between.
    pub commits: u32,
    /// Paths changed.
    pub paths: Vec<String>,
    /// The verify commands that ran.
    pub verify: Vec<CommandRun>,
    /// The agent's last words.
    pub said: String,
}

/// Answer to a message about one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accepted {
    /// Recorded (now, or by an earlier sending of the same message).
    Done,
    /// The lease is another's; the message was dropped.
    Lost,
}

/// `POST /runner/v1/attempts/{attempt}/events`: lines for the run's session log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Events {
    /// Who.
    pub runner: RunnerId,
    /// The fence.
    pub epoch: u64,
    /// One line each, redacted, without line ends.
    pub lines: Vec<String>,
}

/// `POST /runner/v1/attempts/{attempt}/log?runner=…&epoch=…&offset=…` with the raw bytes as body: appends to
/// the agent's log. `offset` is the position in this attempt's log where the bytes begin, so that a repeated
/// upload adds nothing twice. Answer: [`LogStored`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogChunk {
    /// Who.
    pub runner: RunnerId,
    /// The fence.
    pub epoch: u64,
    /// Where the bytes begin.
    pub offset: u64,
}

/// Answer to a log upload.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LogStored {
    /// How much of this attempt's log is stored now.
    pub stored: u64,
}

/// `POST /runner/v1/attempts/{attempt}/credential`: a short-lived token for the one repository.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CredentialRequest {
    /// Who.
    pub runner: RunnerId,
    /// The fence.
    pub epoch: u64,
}

/// Answer to [`CredentialRequest`].
#[derive(Clone, Serialize, Deserialize)]
pub struct Credential {
    /// For git over HTTPS as `x-access-token`; revoked when the attempt ends.
    pub token: String,
    /// Milliseconds since 1970.
    pub expires_at_ms: i64,
    /// Where the repository is now; it may have been renamed since the attempt was handed out.
    #[serde(default)]
    pub clone_url: Option<String>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("expires_at_ms", &self.expires_at_ms).finish_non_exhaustive()
    }
}

/// `POST /runner/v1/attempts/{attempt}/policy`: the rules of the attempt's run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyRequest {
    /// Who.
    pub runner: RunnerId,
    /// The fence.
    pub epoch: u64,
}

/// Answer to [`PolicyRequest`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// The rules.
    pub policy: RunPolicy,
}

/// `POST /runner/v1/survey`: held open until there is a repository to search or `wait_ms` is over. It needs no slot. Whoever asks may be
/// asked the question of a runner that has not answered for some seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SurveyWait {
    /// Who.
    pub runner: RunnerId,
    /// How long to wait, at most 30,000.
    pub wait_ms: u64,
}

/// Answer to [`SurveyWait`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SurveyAsked {
    /// What to search, if there is something.
    pub question: Option<SurveyQuestion>,
}

/// A repository to search for the words of some tasks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SurveyQuestion {
    /// Goes into the answer's address.
    pub id: u64,
    /// The repository.
    pub repo: Repo,
    /// Where git fetches from; holds no secret.
    pub clone_url: String,
    /// The branch.
    pub base: String,
    /// The commit that is searched.
    pub base_sha: Sha,
    /// A token that can read this repository; revoked when the survey ends.
    pub credential: Credential,
    /// What the tasks say. Foreign text.
    pub tasks: Vec<SurveyTask>,
    /// An answer after so long is not waited for.
    pub left_ms: u64,
}

/// `POST /runner/v1/surveys/{id}/answer`. Sending it again is safe; one that comes too late is dropped. Answer: [`Accepted`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SurveyAnswer {
    /// Who.
    pub runner: RunnerId,
    /// What was found, or in words why nothing was.
    pub found: Result<Answer, String>,
}

/// The body of every 4xx and 5xx answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, for the runner's log.
    pub error: String,
}
