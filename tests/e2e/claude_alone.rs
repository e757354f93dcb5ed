//! The real Claude Code in the runner's parts, without a control plane: work tree, launcher, key listener, import.

use crate::cli;
use crate::model_server::{ModelServer, Seen};
use crate::scripts::{Case, SEED, cases};
use crate::whole::holds;
use divisi::agents::{
    AgentKind, Ending, Exit, GitFacts, Job, ModelAccess, Outcome, Seen as AgentSeen, Stop, judge_facts,
    prompt,
};
use divisi::clock;
use divisi::domain::{FailureKind, RunId, Sha};
use divisi::egress::{Egress, Upstream};
use divisi::sandbox::{HostSpec, Launcher, Spec, Status, Stream};
use divisi::workspace::{
    AttemptPaths, CommitText, GitSettings, HostGit, Identity, ImportError, Mirror, gather, import, prepare,
    read_file, remove_attempt,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const KEY: &str = "sk-ant-real-key-canary";
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The host's side that all attempts share.
struct World {
    dir: PathBuf,
    launcher: Launcher,
    git: GitSettings,
    mirror: Mirror,
    base: Sha,
    model_url: String,
    claude: String,
}

impl World {
    async fn new(dir: &Path, model: &ModelServer) -> Self {
        let launcher = Launcher::new(env!("CARGO_BIN_EXE_divisi")).await.unwrap();
        let git = GitSettings { path: PATH.to_owned(), env: BTreeMap::new() };
        let mirror =
            Mirror::open_or_create(HostGit::new(launcher.clone(), git.clone()), dir, 1).await.unwrap();
        let seed = dir.join("seed");
        for (path, content) in SEED {
            let path = seed.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let target = mirror.path().display().to_string();
        for args in [
            &["init", "-q", "-b", "main"][..],
            &["add", "-A"],
            &["-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-qm", "Seed"],
            &["push", "-q", &target, "main:refs/heads/main"],
        ] {
            run_git(&launcher, &seed, args).await;
        }
        let base = Sha::parse(run_git(&launcher, &seed, &["rev-parse", "HEAD"]).await.trim()).unwrap();
        let (dir, model_url, claude) = (dir.to_owned(), model.base_url.clone(), cli::claude());
        Self { dir, launcher, git, mirror, base, model_url, claude }
    }
}

async fn run_git(launcher: &Launcher, cwd: &Path, args: &[&str]) -> String {
    let env = [("PATH", PATH), ("HOME", "/nonexistent"), ("GIT_CONFIG_NOSYSTEM", "1")];
    let output = launcher
        .run_host(HostSpec {
            outward: false,
            program: "git".to_owned(),
            args: args.iter().map(Into::into).collect(),
            env: env.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            cwd: cwd.to_owned(),
            stdin: Vec::new(),
            deadline: Duration::from_secs(20),
            max_output: 1 << 20,
        })
        .await
        .unwrap();
    assert_eq!(output.code, 0, "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What one attempt came to.
struct Done {
    outcome: Outcome,
    files: Vec<(String, String)>,
    seen: AgentSeen,
}

async fn attempt(world: &World, task: u32, title: &str) -> Done {
    let root = world.dir.join(format!("attempt-{task}"));
    let branch = format!("divisi/1/{task}-task");
    let identity = Identity { name: "Divisi".to_owned(), email: "divisi@example.com".to_owned() };
    let paths = AttemptPaths::under(&root);
    let workspace = prepare(&world.mirror, paths, "main", &branch, &world.base, &identity).await.unwrap();
    let upstream = Upstream {
        base_url: world.model_url.clone(),
        key: Some(KEY.to_owned().into()),
        key_header: "x-api-key",
        key_prefix: "",
    };
    let egress = Egress::open(&upstream).await.unwrap();
    let brief = prompt::Brief {
        master: 1,
        sub_issue: 10 + u64::from(task),
        title,
        branch: &branch,
        ..Default::default()
    };
    let paths = &workspace.paths;
    let job = Job {
        session: clock::uuid(),
        resume: false,
        model: String::new(),
        prompt: prompt::render(&brief),
        worktree: paths.worktree.clone(),
        home: paths.home.clone(),
        tmp: paths.tmp.clone(),
        status_file: paths.status_dir.join("status.json"),
        model_access: Some(ModelAccess {
            base_url: egress.base_url().to_owned(),
            dummy_key: egress.dummy_key().to_owned(),
        }),
        timeout: Duration::from_secs(50),
        budget_usd: None,
        task,
        master: 1,
        sub_issue: 10 + u64::from(task),
        branch: branch.clone(),
        command: vec![world.claude.clone()],
        extra_env: BTreeMap::new(),
    };
    let call = AgentKind::Claude.invocation(&job);
    assert!(!format!("{call:?}").contains(KEY));
    let spec = Spec {
        args: call.args,
        env: call.env,
        stdin: call.stdin,
        stall: call.stall,
        ..Spec::new(call.program, &paths.worktree, &paths.home, &paths.tmp, job.timeout)
    };
    let mut process = world.launcher.start(spec).await.unwrap();
    let mut seen = AgentSeen::default();
    while let Some(output) = process.next_output().await {
        if output.stream == Stream::Stderr {
            eprintln!("agent {task}: {}", String::from_utf8_lossy(&output.line));
        } else {
            AgentKind::Claude.read_line(&output.line).iter().for_each(|event| seen.take(event));
        }
    }
    let ended = process.wait().await;
    assert!(ended.peak_rss_bytes > 50 << 20, "{ended:?}");
    let exit = match ended.status {
        Status::Exit(code) => Exit::Code(code),
        Status::Signal(n) => Exit::Signal(n),
        Status::NotStarted(why) => Exit::NotStarted(why),
    };
    let stop = ended.reason.map(|_| Stop::Deadline(job.timeout));
    let mut outcome = AgentKind::Claude.judge_end(&Ending { exit, stop }, &seen);
    let mut files = Vec::new();
    if outcome == Outcome::Ok {
        let text = CommitText { author: identity, co_author: None, message: "Left-overs".to_owned() };
        gather(&world.launcher, &world.git, &workspace, &text).await.unwrap();
        let facts = match import(&world.mirror, &workspace, &RunId::new("run"), task).await {
            Ok(imported) => {
                for path in &imported.paths {
                    let path = String::from_utf8(path.path.clone()).unwrap();
                    let content =
                        read_file(&world.mirror, &imported.head, &path, 1 << 20).await.unwrap().unwrap();
                    files.push((path, String::from_utf8(content).unwrap()));
                }
                GitFacts { commits: imported.commits, paths: imported.paths.len() }
            }
            Err(ImportError::NoChanges) => GitFacts::default(),
            Err(error) => panic!("{error}"),
        };
        outcome = judge_facts(&facts, &seen);
    }
    assert!(!holds(&root, KEY), "the real key is in the attempt's files");
    remove_attempt(&workspace.paths).await.unwrap();
    assert!(!root.exists());
    Done { outcome, files, seen }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_agents_work_at_once_and_are_judged_by_what_they_did() {
    let dir = tempfile::tempdir().unwrap();
    let cases = cases();
    let model = ModelServer::start(cases.iter().map(|c| c.script.clone()).collect()).await;
    let world = World::new(dir.path(), &model).await;
    let began = clock::instant();
    let attempts = cases.iter().zip(1..).map(|(case, task)| attempt(&world, task, case.script.title));
    let all = clock::within(Duration::from_secs(60), futures_util::future::join_all(attempts)).await;
    let all = all.expect("five agents take less than a minute");
    println!("five agents: {:.1} s", began.elapsed().as_secs_f64());
    for (case, done) in cases.iter().zip(&all) {
        check(case, done);
    }
    let requests = model.seen();
    for Seen { title, key, .. } in &requests {
        assert_eq!(key, KEY, "{title}: the listener puts the real key in");
        assert!(!title.is_empty(), "a request that no script knows");
    }
}

#[track_caller]
fn check(case: &Case, done: &Done) {
    let title = case.script.title;
    match (&case.expected, &done.outcome) {
        (Ok(files), Outcome::Ok) => {
            let files: Vec<_> = files.iter().map(|(p, c)| ((*p).to_owned(), (*c).to_owned())).collect();
            assert_eq!(done.files, files, "{title}");
            assert!(done.seen.cost_usd > 0.0 && done.seen.tokens > 0, "{title}: {:?}", done.seen);
        }
        (Err(kind), Outcome::Failed { kind: got, message, .. }) => {
            assert_eq!(got, kind, "{title}: {message}");
            match kind {
                FailureKind::ApiError => assert!(message.contains("403"), "{message}"),
                _ => assert!(message.contains("without a commit"), "{message}"),
            }
        }
        (expected, got) => panic!("{title}: {got:?}, expected {expected:?}"),
    }
}
