//! The search of a repository for files that tasks share: a question to whatever runner host asks for one. Nothing of it is stored: a plan goes on
//! without an answer, and says so.

use super::Orchestrator;
use super::answer::Draft;
use super::credentials::Issued;
use super::intake::Trouble;
use super::planning::Planned;
use super::reconcile::lock;
use crate::clock;
use crate::domain::survey::{Answer, SurveyTask};
use crate::domain::{Repo, RunnerId, Scope, Sha, StartOptions};
use crate::github::{App, BranchHead, RepoClient};
use crate::plan::Verdict;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// A plan waits so long for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// A runner that has asked within this time is there.
const LIVE: Duration = Duration::from_secs(5);
/// The embedded runner may take so long from the start of the process until it asks.
const STARTING: Duration = Duration::from_secs(10);
/// A question that a runner took so long ago without an answer is given to another as well.
const AGAIN: Duration = Duration::from_secs(7);
/// A runner that waits looks again this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The questions that are open, and whether anybody is there to answer them.
pub(super) struct Surveys {
    state: Mutex<State>,
    /// Rung when a question was asked.
    bell: Notify,
    began: Instant,
}

#[derive(Default)]
struct State {
    next: u64,
    open: Vec<Open>,
    /// Runners that wait for a question now.
    waiting: usize,
    /// When one did for the last time.
    seen: Option<Instant>,
}

struct Open {
    id: u64,
    question: Question,
    until: Instant,
    taken: Option<(RunnerId, Instant)>,
    token: Option<Issued>,
    answer: Option<oneshot::Sender<Result<Answer, String>>>,
}

#[derive(Clone)]
struct Question {
    repo: Repo,
    base: String,
    base_sha: Sha,
    tasks: Vec<SurveyTask>,
}

/// A question as a runner gets it.
#[derive(Debug)]
pub struct SurveyTaken {
    /// Goes into the answer.
    pub id: u64,
    /// The repository.
    pub repo: Repo,
    /// Its base branch.
    pub base: String,
    /// The commit to search.
    pub base_sha: Sha,
    /// What to search for.
    pub tasks: Vec<SurveyTask>,
    /// A token that can read this one repository.
    pub credential: Issued,
    /// An answer after so long is not waited for.
    pub left: Duration,
}

impl Surveys {
    pub fn new() -> Self {
        Self { state: Mutex::default(), bell: Notify::new(), began: clock::instant() }
    }

    fn anybody_there(&self, expected: bool) -> bool {
        let state = lock(&self.state);
        let busy = state.open.iter().any(|open| open.taken.is_some());
        let recently = state.seen.is_some_and(|at| clock::since(at) < LIVE);
        let starting = state.seen.is_none() && expected && clock::since(self.began) < STARTING;
        state.waiting > 0 || busy || recently || starting
    }
}

/// A runner waits, until this is dropped.
struct Waiting<'a>(&'a Surveys);

impl<'a> Waiting<'a> {
    fn begin(surveys: &'a Surveys) -> Self {
        let mut state = lock(&surveys.state);
        state.waiting += 1;
        state.seen = Some(clock::instant());
        Self(surveys)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.waiting -= 1;
        state.seen = Some(clock::instant());
    }
}

/// A question is open until this is dropped; then its token is revoked.
struct Asked<'a>(&'a Orchestrator, u64);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let gone: Vec<Open> = {
            let mut state = lock(&self.0.shared.surveys.state);
            state.open.extract_if(.., |open| open.id == self.1).collect()
        };
        // Where the runtime is being taken down the token ends by itself.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.0.revoke_soon(gone.into_iter().filter_map(|open| open.token).collect());
        }
    }
}

impl Orchestrator {
    /// Adds the overlaps that a search of the repository finds likely to a plan that could start; where that cannot be done, the plan says why.
    /// 👀 comes before it, since it may take its time.
    pub(super) async fn search_overlaps(
        &self,
        github: &RepoClient,
        draft: &Draft,
        options: &StartOptions,
        planned: &mut Planned,
    ) -> Result<(), Trouble> {
        let verdict = planned.plan.verdict(planned.policy.min_tasks as usize);
        let to_search = planned.plan.to_search();
        let starts = matches!(verdict, Verdict::Parallel | Verdict::Ordered)
            || (verdict == Verdict::Sequential && options.ordered);
        if to_search.len() < 2 || !starts {
            return Ok(());
        }
        if !self.shared.surveys.anybody_there(self.shared.settings.embedded_runner) {
            planned.plan.unsearched = Some("no runner is connected".to_owned());
            return Ok(());
        }
        // It will not start.
        let active = self.shared.store.runs_active(draft.repo.id).await?;
        if !options.dry_run && active >= self.shared.settings.runs_per_repo {
            return Ok(());
        }
        let base = match planned.policy.base.is_empty() {
            true => draft.repo.default_branch.clone(),
            false => planned.policy.base.clone(),
        };
        // Whoever starts the run says what is wrong with the branch.
        let head = planned.head.insert(github.branch_head(&base).await?);
        let BranchHead::At(base_sha) = head.clone() else { return Ok(()) };
        self.shared
            .store
            .effects_wanted(&Scope::Delivery(draft.delivery.clone()), draft.eyes_first())
            .await?;
        self.shared.answers.notify_one();
        let (indexes, tasks): (Vec<usize>, Vec<SurveyTask>) = to_search.into_iter().unzip();
        let question = Question { repo: draft.repo.clone(), base, base_sha, tasks };
        match self.ask_runners(question).await? {
            Ok(answer) => planned.plan.add_likely(&indexes, &answer),
            Err(why) => {
                tracing::warn!(repo = %draft.repo.full_name(), why, "a repository was not searched for files that tasks share");
                planned.plan.unsearched = Some(why);
            }
        }
        Ok(())
    }

    async fn ask_runners(&self, question: Question) -> Result<Result<Answer, String>, Trouble> {
        let (tell, told) = oneshot::channel();
        let surveys = &self.shared.surveys;
        let asked = {
            let mut state = lock(&surveys.state);
            state.next += 1;
            let id = state.next;
            let until = clock::instant() + PATIENCE;
            state.open.push(Open { id, question, until, taken: None, token: None, answer: Some(tell) });
            Asked(self, id)
        };
        surveys.bell.notify_waiters();
        let answered = tokio::select! {
            answered = clock::within(PATIENCE, told) => answered,
            // The delivery is looked at again at the next start.
            () = self.shared.intake.cancelled() => return Err(Trouble::Later("Divisi is stopping")),
        };
        drop(asked);
        Ok(match answered {
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(why))) => Err(format!("the runner could not do it: {why}")),
            Some(Err(_)) | None => Err(format!("no runner answered in {} s", PATIENCE.as_secs())),
        })
    }

    /// Waits up to `wait` for a question that this runner should answer, and makes a token for it.
    pub async fn survey_taken(&self, runner: &RunnerId, wait: Duration) -> Option<SurveyTaken> {
        let surveys = &self.shared.surveys;
        let _waiting = Waiting::begin(surveys);
        let until = clock::instant() + wait;
        loop {
            // Made before the look, so that no question falls between.
            let bell = surveys.bell.notified();
            let found = {
                let mut state = lock(&surveys.state);
                let free = |open: &&mut Open| match &open.taken {
                    None => true,
                    // Who asks again has lost it.
                    Some((by, at)) => by == runner || clock::since(*at) >= AGAIN,
                };
                state.open.iter_mut().filter(|open| open.answer.is_some()).find(free).map(|open| {
                    open.taken = Some((runner.clone(), clock::instant()));
                    (open.id, open.question.clone(), open.until, open.token.clone())
                })
            };
            if let Some((id, question, until, token)) = found {
                let credential = match token {
                    Some(token) => token,
                    None => match self.read_token(id, &question.repo).await {
                        Ok(token) => token,
                        Err(why) => {
                            self.survey_answered(id, Err(why));
                            continue;
                        }
                    },
                };
                let left = until.saturating_duration_since(clock::instant());
                let Question { repo, base, base_sha, tasks } = question;
                return Some(SurveyTaken { id, repo, base, base_sha, tasks, credential, left });
            }
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() || self.shared.stop.is_cancelled() {
                return None;
            }
            let _ = clock::within(left.min(LOOK_AGAIN), bell).await;
        }
    }

    /// A token for the question; it is revoked at once when nobody waits for an answer any more.
    async fn read_token(&self, id: u64, repo: &Repo) -> Result<Issued, String> {
        let minted = self.shared.github.mint_scoped(repo.installation, repo.id, App::READ).await;
        let minted = minted.map_err(|error| format!("GitHub gives no token for it: {error}"))?;
        let issued =
            Issued { installation: repo.installation, token: minted.token, expires_at: minted.expires_at };
        let unused = {
            let mut state = lock(&self.shared.surveys.state);
            match state.open.iter_mut().find(|open| open.id == id) {
                Some(open) => open.token.replace(issued.clone()),
                None => Some(issued.clone()),
            }
        };
        self.revoke_soon(unused.into_iter().collect());
        Ok(issued)
    }

    /// What a runner found, or why it found nothing; whether somebody waited for it.
    pub fn survey_answered(&self, id: u64, found: Result<Answer, String>) -> bool {
        let mut state = lock(&self.shared.surveys.state);
        let open = state.open.iter_mut().find(|open| open.id == id);
        open.and_then(|open| open.answer.take()).is_some_and(|tell| tell.send(found).is_ok())
    }
}
