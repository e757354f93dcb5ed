//! A counter of our own for a runner in this process: the real runner API over a real store and a real socket, with the
//! simulated GitHub behind it.

use async_trait::async_trait;
use divisi::clock;
use divisi::dispatch::{CallError, Client, wire};
use divisi::domain::schedule::Limits;
use divisi::domain::{
    AttemptId, DeliveryId, IssueRef, IssueTitle, Orchestration, Repo, Run, RunEvent, RunId, RunLabels,
    RunPolicy, RunState, RunnerId, Sha, Stops, Target, Task, TaskEvent, Usage,
};
use divisi::github::{App, AppConfig, Pace};
use divisi::server::{self, runner_api};
use divisi::simulator::{AppKey, Options, RepoContent, Simulator};
use divisi::store::{NewDelivery, Settlement, Sqlite, Store};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

/// The token of every runner here.
pub const TOKEN: &str = "runner-token";

/// The control plane's half, without an orchestrator: tasks are ready from the start.
pub struct Counter {
    pub store: Arc<dyn Store>,
    pub run: RunId,
    pub socket: PathBuf,
    pub desk: Arc<Desk>,
    stop: CancellationToken,
    api: Box<dyn Fn() -> axum::Router + Send + Sync>,
    _github: Simulator,
}

/// What lies behind the runner API: credentials from the simulated GitHub, logs in memory.
pub struct Desk {
    github: App,
    pub lines: Mutex<Vec<String>>,
    pub logs: Mutex<BTreeMap<String, Vec<u8>>>,
    pub changed: tokio::sync::Notify,
}

#[async_trait]
impl runner_api::Behind for Desk {
    async fn credential(
        &self,
        _: &AttemptId,
        repo: &Repo,
    ) -> Result<wire::Credential, runner_api::NoCredential> {
        let minted = self
            .github
            .mint_scoped(repo.installation, repo.id, App::PUSH)
            .await
            .map_err(|e| runner_api::NoCredential { why: e.to_string(), is_final: false })?;
        let token = minted.token.expose_secret().to_owned();
        Ok(wire::Credential { token, expires_at_ms: minted.expires_at.as_millisecond(), clone_url: None })
    }

    async fn attempt_over(&self, _: &AttemptId) {}

    fn run_changed(&self, _: &RunId) {}

    async fn work(&self) {
        clock::sleep(Duration::from_millis(50)).await;
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn survey(&self, _: &RunnerId, wait: Duration) -> Option<wire::SurveyQuestion> {
        clock::sleep(wait).await;
        None
    }

    async fn surveyed(&self, _: u64, _: Result<divisi::domain::survey::Answer, String>) -> bool {
        false
    }

    async fn session_lines(&self, _: &AttemptId, lines: &[String]) -> Result<(), String> {
        self.lines.lock().unwrap().extend_from_slice(lines);
        Ok(())
    }

    async fn log_chunk(&self, attempt: &AttemptId, offset: u64, bytes: &[u8]) -> Result<u64, String> {
        let mut logs = self.logs.lock().unwrap();
        let log = logs.entry(attempt.to_string()).or_default();
        let known = log.len().saturating_sub(usize::try_from(offset).unwrap());
        log.extend_from_slice(bytes.get(known..).unwrap_or_default());
        Ok(log.len() as u64)
    }
}

impl Counter {
    /// A run with `tasks` ready tasks for the agent `test`, behind a counter whose leases last `lease`.
    pub async fn new(dir: &Path, tasks: u32, policy: RunPolicy, lease: Duration) -> Self {
        Self::patient(dir, tasks, policy, lease, wire::SILENCE).await
    }

    /// The same where a runner that gets no answer gives up after `silence` behind the fence.
    pub async fn patient(
        dir: &Path,
        tasks: u32,
        policy: RunPolicy,
        lease: Duration,
        silence: Duration,
    ) -> Self {
        let key = AppKey::generate().unwrap();
        let options = Options::new(key.public_pem(), dir.join("github"));
        let app_id = options.app_id;
        let github = Simulator::start(options).await.unwrap();
        github.create_repo("acme/app", "main", &RepoContent::files(&[("README.md", "# App\n")])).unwrap();
        let installation = github.install_app("acme").unwrap();
        let app = App::new(AppConfig {
            app_id,
            private_key: key.private_pem().to_owned().into(),
            api_url: github.base_url(),
            request_deadline: Duration::from_secs(10),
            pace: Pace::default(),
        })
        .unwrap();
        let desk = Arc::new(Desk {
            github: app,
            lines: Mutex::default(),
            logs: Mutex::default(),
            changed: tokio::sync::Notify::new(),
        });
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&dir.join("divisi.db")).await.unwrap());
        let repo = github.read(|world| world.repo("acme/app").unwrap().id);
        let base_sha = head(&github);
        let repo = Repo {
            id: repo,
            owner: "acme".to_owned(),
            name: "app".to_owned(),
            installation,
            default_branch: "main".to_owned(),
        };
        let run = start(&*store, repo, base_sha, policy, tasks).await;
        let (api_store, api_desk, web_url) = (store.clone(), desk.clone(), github.web_url());
        let api = move || {
            runner_api::router(runner_api::RunnerApi {
                store: api_store.clone(),
                behind: api_desk.clone(),
                tokens: vec![TOKEN.to_owned().into()],
                lease,
                heartbeat: wire::heartbeat(lease),
                silence,
                limits: Limits { attempts_per_installation: 20 },
                web_url: web_url.clone(),
                author: "divisi[bot] <divisi[bot]@example.com>".to_owned(),
            })
        };
        let mut counter = Self {
            store,
            run,
            socket: dir.join("runner.sock"),
            desk,
            stop: CancellationToken::new(),
            api: Box::new(api),
            _github: github,
        };
        counter.open();
        counter
    }

    /// Listens (again).
    pub fn open(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
        let listener = UnixListener::bind(&self.socket).unwrap();
        self.stop = CancellationToken::new();
        let stop = self.stop.clone();
        let limits = server::Limits { drain: Duration::ZERO, ..server::Limits::default() };
        let api = (self.api)();
        tokio::spawn(async move {
            server::serve(listener, api, limits, async move { stop.cancelled().await }).await
        });
    }

    /// Nobody answers any more.
    pub fn close(&self) {
        self.stop.cancel();
        let _ = std::fs::remove_file(&self.socket);
    }

    pub fn client(&self, runner: &str, token: &str) -> Client {
        Client::over_socket(&self.socket, SecretString::from(token.to_owned()), RunnerId::new(runner))
            .unwrap()
    }

    pub async fn task(&self, number: u32) -> Task {
        self.store.snapshot(&self.run).await.unwrap().orchestration.task(number).unwrap().clone()
    }
}

fn head(github: &Simulator) -> Sha {
    let dir = github.git_dir("acme/app").unwrap();
    let head = std::fs::read_to_string(dir.join("refs/heads/main")).unwrap();
    Sha::parse(head.trim()).unwrap()
}

async fn start(store: &dyn Store, repo: Repo, base_sha: Sha, policy: RunPolicy, tasks: u32) -> RunId {
    let now = clock::now();
    let id = RunId::new(clock::ordered_id());
    let run = Run {
        id: id.clone(),
        repo,
        master: IssueTitle { number: 1, id: 1_001, title: "Master".to_owned() },
        orchestration_id: "orch-1-20261125".to_owned(),
        sequence: 1,
        requester: "mona".to_owned(),
        context: String::new(),
        base: "main".to_owned(),
        base_sha,
        policy: RunPolicy { agent: "test".to_owned(), ..policy },
        state: RunState::Active,
        created_at: now,
        active_since: now,
        ended_at: None,
        triggers: vec![Target::Issue(1)],
        round: 1,
        deliveries: vec![],
        usage: Usage::default(),
        sandbox_tier: String::new(),
        stops: Stops::default(),
        labels: RunLabels::default(),
        notes: Vec::new(),
    };
    let delivery = DeliveryId::new("start");
    let new = NewDelivery { id: delivery.clone(), event: "issues".to_owned(), payload: b"{}".to_vec() };
    store.delivery_received(new, now).await.unwrap();
    let orchestration = Orchestration { run, tasks: (1..=tasks).map(task).collect() };
    let settlement = Settlement { start: Some(orchestration), ..Settlement::only(delivery) };
    store.delivery_settled(settlement, now).await.unwrap();
    for number in 1..=tasks {
        let issue = IssueRef { number: 10 + u64::from(number), id: 5_000 + u64::from(number) };
        let known = RunEvent::Task(number, TaskEvent::SubIssueKnown(issue));
        store.run_changed(&id, known, now).await.unwrap();
    }
    id
}

/// What a runner with one slot and the agent `test` registers with.
pub fn registration(client: &Client) -> wire::Register {
    wire::Register {
        version: wire::VERSION,
        host_id: "host-1".to_owned(),
        runner: client.runner().clone(),
        slots: 1,
        agents: vec!["test".to_owned()],
        tier: "unsafe-none".to_owned(),
        found: Vec::new(),
    }
}

fn task(number: u32) -> Task {
    Task::planned(number, format!("Task {number}"), format!("divisi/1/{number}-task"), "test".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_no_answer_and_refused_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let counter = Counter::new(dir.path(), 1, RunPolicy::default(), Duration::from_secs(60)).await;
    let client = counter.client("runner-1", TOKEN);
    let register = registration(&client);
    let other = wire::Register { version: wire::VERSION + 1, ..register.clone() };
    assert!(
        matches!(client.register(&other).await, Err(CallError::Refused(text)) if text.contains("runner API"))
    );
    let stranger = counter.client("runner-2", "wrong");
    assert!(
        matches!(stranger.register(&register).await, Err(CallError::Refused(text)) if text.contains("token"))
    );
    assert_eq!(client.register(&register).await.unwrap().lease_ms, 60_000);

    let claimed = client.claim(vec![], Duration::ZERO).await.unwrap().expect("there is work");
    // An answer that got lost on the way is given again; one that was heard is not.
    let again = client.claim(vec![], Duration::ZERO).await.unwrap().expect("the same again");
    assert_eq!((&again.attempt, again.epoch), (&claimed.attempt, claimed.epoch));
    assert!(client.claim(vec![claimed.attempt.clone()], Duration::ZERO).await.unwrap().is_none());

    let (attempt, epoch) = (&claimed.attempt, claimed.epoch);
    client.credential(attempt, epoch).await.unwrap();
    assert_eq!(client.policy(attempt, epoch).await.unwrap().policy.agent, "test");
    assert_eq!(client.log(attempt, epoch, 0, b"abc".to_vec()).await.unwrap(), 3);
    assert_eq!(client.log(attempt, epoch, 0, b"abcdef".to_vec()).await.unwrap(), 6);
    client.events(attempt, epoch, vec!["one".to_owned()]).await.unwrap();
    let beat = |epoch| vec![wire::Beat { attempt: attempt.clone(), epoch, progress: Default::default() }];
    assert_eq!(beat_once(&client, beat(epoch)).await.unwrap(), [wire::Verdict::Renewed]);

    // An earlier epoch is lost for every verb.
    let stale = epoch + 7;
    assert_eq!(beat_once(&client, beat(stale)).await.unwrap(), [wire::Verdict::Lost]);
    assert!(matches!(client.credential(attempt, stale).await, Err(CallError::Lost)));
    assert!(matches!(client.policy(attempt, stale).await, Err(CallError::Lost)));
    assert!(matches!(client.events(attempt, stale, vec![]).await, Err(CallError::Lost)));
    assert!(matches!(client.log(attempt, stale, 0, vec![]).await, Err(CallError::Lost)));

    counter.close();
    assert!(matches!(client.policy(attempt, epoch).await, Err(CallError::NoAnswer(_))));
    assert!(matches!(beat_once(&client, beat(epoch)).await, Err(CallError::NoAnswer(_))));
}

/// A heartbeat whose answer is not held.
async fn beat_once(client: &Client, beats: Vec<wire::Beat>) -> Result<Vec<wire::Verdict>, CallError> {
    client.heartbeat(beats, Duration::ZERO, Duration::from_secs(10)).await
}
