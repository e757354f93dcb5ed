//! The way of a commit: server → mirror → attempt → agent → mirror → server.

#[path = "support/git_http.rs"]
mod git_http;
mod hostile;
mod survey;

use divisi::clock;
use divisi::domain::{FailureKind, RunId, Sha, branch_name};
use divisi::sandbox::{Launcher, Spec};
use divisi::workspace::{
    AttemptPaths, Before, CommitText, GatherError, Gathered, GitSettings, HostGit, Identity, ImportError,
    Imported, Mirror, PrepareError, PushError, Pushed, Remote, UpdateError, Workspace, diff_stat, gather,
    import, inspect, note_push, prepare, prune_refs, push, pushed_before, read_blob, read_file,
    remove_attempt, unlock,
};
use git_http::{GitServer, TOKEN};
use proptest::prelude::*;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_divisi");
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const BRANCH: &str = "divisi/12/1-add-a-file";

/// Git as a person would run it, for what stands before and what is looked at afterwards.
fn git(dir: &Path, args: &[&str]) -> String {
    let output = try_git(dir, args);
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "the test's own view of a repository")]
fn try_git(dir: &Path, args: &[&str]) -> std::process::Output {
    let mut command = Command::new("git");
    command.current_dir(dir).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Person")
            .env(format!("GIT_{role}_EMAIL"), "person@example.org");
    }
    command.output().expect("git runs")
}

/// A server with a repository of two commits, and a mirror of it.
struct World {
    dir: tempfile::TempDir,
    server: GitServer,
    git: HostGit,
    mirror: Mirror,
    base: Sha,
}

fn identity() -> Identity {
    Identity { name: "divisi[bot]".into(), email: "divisi@users.noreply.example.org".into() }
}

fn text() -> CommitText {
    CommitText {
        author: identity(),
        co_author: Some(Identity { name: "Ann Other".into(), email: "ann@example.org".into() }),
        message: "Add a file".into(),
    }
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("served");
        fs::create_dir_all(root.join("seed/src")).expect("directories");
        let seed = root.join("seed");
        git(&seed, &["init", "-q", "-b", "main", "."]);
        fs::write(seed.join("src/lib.rs"), "pub fn one() {}\n").expect("a file");
        fs::write(seed.join("CLAUDE.md"), "Be kind.\n").expect("a file");
        std::os::unix::fs::symlink("CLAUDE.md", seed.join("AGENTS.md")).expect("a link");
        git(&seed, &["add", "-A"]);
        git(&seed, &["commit", "-qm", "First"]);
        fs::write(seed.join("README.md"), "hello\n").expect("a file");
        git(&seed, &["add", "-A"]);
        git(&seed, &["commit", "-qm", "Second"]);
        git(&root, &["clone", "-q", "--bare", "seed", "r.git"]);
        git(&root, &["init", "-q", "--bare", "empty.git"]);
        let server = GitServer::start(&root);
        let launcher = Launcher::new(BINARY).await.expect("a launcher");
        let git = HostGit::new(launcher, GitSettings { path: PATH.into(), env: BTreeMap::new() });
        let mirror =
            Mirror::open_or_create(git.clone(), &dir.path().join("data"), 7).await.expect("a mirror");
        let remote = remote(&server, "r.git");
        let base = mirror.update(&remote, "main").await.expect("main");
        Self { dir, server, git, mirror, base }
    }

    fn remote(&self) -> Remote {
        remote(&self.server, "r.git")
    }

    /// The repository on the server, as a person would look at it.
    fn served(&self) -> PathBuf {
        self.server.root.join("r.git")
    }

    fn head_of(&self, branch: &str) -> Option<Sha> {
        let refs = git(&self.served(), &["for-each-ref", "--format=%(objectname) %(refname)"]);
        let wanted = format!(" refs/heads/{branch}");
        refs.lines().find_map(|line| Sha::parse(line.strip_suffix(&wanted)?))
    }

    async fn attempt(&self, number: u32) -> Workspace {
        let paths = AttemptPaths::under(self.dir.path().join(format!("data/work/a{number}")));
        prepare(&self.mirror, paths, "main", BRANCH, &self.base, &identity()).await.expect("a workspace")
    }

    /// Runs a shell script as the agent.
    async fn agent(&self, workspace: &Workspace, script: &str) {
        let paths = &workspace.paths;
        let mut spec = Spec::new("sh", &paths.worktree, &paths.home, &paths.tmp, Duration::from_secs(30));
        spec.args = vec!["-ec".into(), script.replace("MIRROR", &self.mirror.path().display().to_string())];
        spec.env = BTreeMap::from([
            ("PATH".into(), PATH.into()),
            ("P".into(), paths.private_repo.display().to_string()),
            ("BRANCH_NAME".into(), workspace.branch.clone()),
            ("CANARY".into(), self.canary().display().to_string()),
            ("WORLD".into(), self.dir.path().display().to_string()),
        ]);
        spec.mounts = workspace.mounts();
        let mut process = self.git.launcher().start(spec).await.expect("a shim");
        let mut said = String::new();
        while let Some(output) = process.next_output().await {
            said.push_str(&format!("{}\n", String::from_utf8_lossy(&output.line)));
        }
        let ended = process.wait().await;
        assert!(ended.success(), "{ended:?}\n{said}");
    }

    /// What is planted in the repository writes here whenever somebody runs it.
    fn canary(&self) -> PathBuf {
        self.dir.path().join("canary")
    }

    async fn gather(&self, workspace: &Workspace) -> Result<Gathered, GatherError> {
        gather(self.git.launcher(), self.git.settings(), workspace, &text()).await
    }

    async fn import(&self, workspace: &Workspace) -> Result<Imported, ImportError> {
        import(&self.mirror, workspace, &run_id(), 1).await
    }

    /// Gathers, imports and pushes.
    async fn publish(&self, workspace: &Workspace) -> Imported {
        let gathered = self.gather(workspace).await.expect("gathered");
        let imported = self.import(workspace).await.expect("imported");
        assert_eq!(gathered.head, imported.head);
        push(&self.mirror, &self.remote(), &imported, &workspace.branch, None).await.expect("pushed");
        imported
    }
}

fn remote(server: &GitServer, name: &str) -> Remote {
    Remote::new(server.url(name), SecretString::from(TOKEN)).expect("an address")
}

fn run_id() -> RunId {
    RunId::new("0123456789abcdef0123456789abcdef")
}

fn names(imported: &Imported) -> Vec<String> {
    imported.paths.iter().map(|p| format!("{} {}", p.status, String::from_utf8_lossy(&p.path))).collect()
}

#[tokio::test]
async fn work_goes_from_the_server_to_an_agent_and_back() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    let listed = git(&workspace.paths.private_repo, &["worktree", "list", "--porcelain"]);
    assert!(listed.contains(&format!("branch refs/heads/{BRANCH}")), "{listed}");
    let script = "git log -1 --format=%s; git config user.name; mkdir -p .claude/runtime docs; echo x > .claude/runtime/x
        echo a > src/a.rs; git add src/a.rs; git commit -qm 'Add a'; echo token=1 > secret; git add secret; git commit -qm 'Oops'
        git rm -q secret README.md; git commit -qm 'Better'; echo b > src/b.rs; echo 'pub fn two() {}' >> src/lib.rs; ln -s /etc/passwd docs/link";
    world.agent(&workspace, script).await;
    let imported = world.publish(&workspace).await;
    assert_eq!(imported.commits, 4);
    assert_eq!(names(&imported), ["D README.md", "A docs/link", "A src/a.rs", "A src/b.rs", "M src/lib.rs"]);
    assert_eq!(imported.paths[1].new_mode, 0o120_000);
    assert_eq!(imported.passing.iter().map(|p| p.path.as_slice()).collect::<Vec<_>>(), [b"secret"]);
    let secret = imported.passing[0].blob.clone().expect("a blob");
    assert_eq!(read_blob(&world.mirror, &secret, 100).await.expect("read"), Some(b"token=1\n".to_vec()));
    assert_eq!(read_blob(&world.mirror, &secret, 3).await.expect("read"), None);
    assert_eq!(imported.bytes, imported.paths.iter().chain(&imported.passing).map(|p| p.size).sum::<u64>());
    assert_eq!(world.head_of(BRANCH), Some(imported.head.clone()));
    let refs = git(&world.served(), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs.lines().collect::<Vec<_>>(), [&format!("refs/heads/{BRANCH}"), "refs/heads/main"]);
    let last = git(&world.served(), &["log", "-1", "--format=%an <%ae>%n%B", BRANCH]);
    let expected = "divisi[bot] <divisi@users.noreply.example.org>\nAdd a file\n\nCo-authored-by: Ann Other <ann@example.org>";
    assert_eq!(last, expected);
    let again = push(&world.mirror, &world.remote(), &imported, BRANCH, None).await.expect("again");
    assert_eq!(again, Pushed { up_to_date: true });
    let stat = diff_stat(&world.mirror, &imported.base, &imported.head, 4_000).await.expect("a summary");
    assert!(stat.contains("src/lib.rs") && stat.contains("5 files changed"), "{stat}");
    let seen = inspect(&world.mirror, &run_id(), 1, &world.base).await.expect("still there");
    assert_eq!((seen.head, seen.paths), (imported.head, imported.paths));
    let mut mirrors: Vec<_> = fs::read_dir(world.dir.path().join("data/mirrors"))
        .expect("a directory")
        .map(|e| e.expect("an entry").file_name())
        .collect();
    mirrors.sort();
    assert_eq!(mirrors, ["7.git", "7.lock"], "nothing of the import is left");
    remove_attempt(&workspace.paths).await.expect("removed");
    prune_refs(&world.mirror, &run_id(), None).await.expect("pruned");
    assert!(!workspace.paths.root.exists());
    assert_eq!(git(world.mirror.path(), &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    git(world.mirror.path(), &["fsck", "--strict"]);
}

#[tokio::test]
async fn files_of_a_commit_are_read_from_the_mirror() {
    let world = World::new().await;
    let read = async |path: &str, cap| read_file(&world.mirror, &world.base, path, cap).await.expect("read");
    assert_eq!(read("CLAUDE.md", 100).await, Some(b"Be kind.\n".to_vec()));
    assert_eq!(read("CLAUDE.md", 2).await, Some(b"Be".to_vec()));
    assert_eq!(read("src/lib.rs", 100).await, Some(b"pub fn one() {}\n".to_vec()));
    for nothing in ["AGENTS.md", "src", "none.md", "../x", "*", ":(top)CLAUDE.md"] {
        assert_eq!(read(nothing, 100).await, None, "{nothing}");
    }
}

#[tokio::test]
async fn the_mirror_follows_the_server_and_says_what_is_wrong() {
    let world = World::new().await;
    let seed = world.server.root.join("seed");
    fs::write(seed.join("more"), "more\n").expect("a file");
    git(&seed, &["add", "-A"]);
    git(&seed, &["commit", "-qm", "Third"]);
    git(&seed, &["push", "-q", "../r.git", "main"]);
    let third = world.mirror.update(&world.remote(), "main").await.expect("main");
    assert_eq!(third.as_str(), git(&seed, &["rev-parse", "HEAD"]));
    git(&seed, &["checkout", "-q", "--detach", "HEAD~1"]);
    git(&seed, &["commit", "-q", "--allow-empty", "-m", "Aside"]);
    git(&seed, &["push", "-q", "../r.git", "HEAD:refs/heads/aside"]);
    let aside = Sha::parse(&git(&seed, &["rev-parse", "HEAD"])).expect("an id");
    assert!(!world.mirror.has_commit(&aside).await.expect("looked"));
    world.mirror.ensure_commit(&world.remote(), &aside).await.expect("fetched");
    world.mirror.ensure_commit(&world.remote(), &aside).await.expect("there");
    let absent = Sha::parse(&"1".repeat(40)).expect("an id");
    let missing = world.mirror.ensure_commit(&world.remote(), &absent).await.expect_err("nowhere");
    assert!(matches!(missing, UpdateError::MissingCommit(_)), "{missing}");
    for branch in ["none", "a:b", "-x", "*"] {
        let missing = world.mirror.update(&world.remote(), branch).await.expect_err("nowhere");
        assert!(matches!(&missing, UpdateError::MissingBranch(name) if name == branch), "{missing}");
    }
    let empty = world.mirror.update(&remote(&world.server, "empty.git"), "main").await.expect_err("empty");
    assert!(matches!(empty, UpdateError::Empty), "{empty}");
    let denied =
        world.mirror.update(&remote(&world.server, "none.git"), "main").await.expect_err("not there");
    assert!(matches!(denied, UpdateError::Denied(_)), "{denied}");
    let wrong = Remote::new(world.server.url("r.git"), SecretString::from("wrong")).expect("an address");
    let denied = world.mirror.update(&wrong, "main").await.expect_err("wrong token");
    assert!(matches!(denied, UpdateError::Denied(_)), "{denied}");
    for status in [502, 429, 500] {
        world.server.knobs.status.store(status, Ordering::Relaxed);
        let away = world.mirror.update(&world.remote(), "main").await.expect_err("away");
        assert!(matches!(away, UpdateError::Network(_)) && away.is_transient(), "{away}");
    }
    world.server.knobs.status.store(0, Ordering::Relaxed);
    let gone = Remote::new("http://127.0.0.1:9/r.git", SecretString::from(TOKEN)).expect("an address");
    let away = world.mirror.update(&gone, "main").await.expect_err("refused");
    assert!(matches!(away, UpdateError::Network(_)), "{away}");
    fs::write(world.mirror.path().join("HEAD"), "garbage").expect("a file");
    let corrupt = world.mirror.update(&world.remote(), "main").await.expect_err("damaged");
    assert!(matches!(corrupt, UpdateError::Corrupt(_)), "{corrupt}");
}

#[tokio::test]
async fn mirrors_are_shared_by_many_at_once() {
    let world = World::new().await;
    let data = world.dir.path().join("data");
    let mut jobs = Vec::new();
    for repo in [7, 8, 8, 8, 7, 8] {
        let (git, data, remote) = (world.git.clone(), data.clone(), world.remote());
        jobs.push(tokio::spawn(async move {
            let mirror = Mirror::open_or_create(git, &data, repo).await.expect("a mirror");
            mirror.update(&remote, "main").await.expect("main")
        }));
    }
    for job in jobs {
        assert_eq!(job.await.expect("ended"), world.base);
    }
    let mut left: Vec<String> = fs::read_dir(data.join("mirrors"))
        .expect("a directory")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["7.git", "7.lock", "8.git", "8.lock"]);
}

#[tokio::test]
async fn the_token_is_in_no_argument_and_no_file() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    world.agent(&workspace, "echo x > x").await;
    world.gather(&workspace).await.expect("gathered");
    let imported = world.import(&workspace).await.expect("imported");
    world.server.knobs.delay_ms.store(300, Ordering::Relaxed);
    let remote = world.remote();
    let pushing = push(&world.mirror, &remote, &imported, BRANCH, None);
    let encoded = "eC1hY2Nlc3MtdG9rZW46dDBwLXMzY3JldA";
    let looking = async {
        let (mut gits, end) = (0, clock::instant() + Duration::from_millis(500));
        while clock::instant() < end {
            for entry in fs::read_dir("/proc").expect("/proc").flatten() {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).into_owned();
                gits += u32::from(line.contains(&format!("127.0.0.1:{}", world.server.port)));
                assert!(!line.contains(TOKEN) && !line.contains(encoded), "{line}");
            }
            clock::sleep(Duration::from_millis(10)).await;
        }
        gits
    };
    let (pushed, gits) = tokio::join!(pushing, looking);
    pushed.expect("pushed");
    assert!(gits > 0, "the push was seen");
    let found = grep(world.dir.path(), &[TOKEN, encoded]);
    assert_eq!(found, Vec::<PathBuf>::new());
}

fn grep(dir: &Path, words: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            found.extend(grep(&entry.path(), words));
        } else if kind.is_file() {
            let content = fs::read(entry.path()).expect("a file");
            if words.iter().any(|word| content.windows(word.len()).any(|w| w == word.as_bytes())) {
                found.push(entry.path());
            }
        }
    }
    found
}

#[tokio::test]
async fn an_attempt_is_made_once_and_from_what_is_there() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    let again = prepare(&world.mirror, workspace.paths.clone(), "main", BRANCH, &world.base, &identity())
        .await
        .expect_err("twice");
    assert!(matches!(again, PrepareError::Exists(_)), "{again}");
    let paths = AttemptPaths::under(world.dir.path().join("data/work/a2"));
    let absent = Sha::parse(&"1".repeat(40)).expect("an id");
    let missing = prepare(&world.mirror, paths.clone(), "main", BRANCH, &absent, &identity())
        .await
        .expect_err("no base");
    assert!(matches!(missing, PrepareError::MissingBase(_)), "{missing}");
    remove_attempt(&paths).await.expect("removed");
    let bad = prepare(&world.mirror, paths, "main", "--force", &world.base, &identity())
        .await
        .expect_err("no branch");
    assert!(matches!(bad, PrepareError::BadBranch(_)), "{bad}");
    let first = Sha::parse(&git(world.mirror.path(), &["rev-parse", "main~1"])).expect("an id");
    let paths = AttemptPaths::under(world.dir.path().join("data/work/a3"));
    let older =
        prepare(&world.mirror, paths, "main", BRANCH, &first, &identity()).await.expect("an older base");
    assert!(!older.paths.worktree.join("README.md").exists());
    let packs = fs::read_dir(world.mirror.path().join("objects/pack")).expect("packs").flatten();
    assert!(
        packs.into_iter().all(|p| std::os::unix::fs::MetadataExt::nlink(&p.metadata().expect("a file")) == 1)
    );
}

#[tokio::test]
async fn an_agent_that_did_nothing_or_undid_it_made_no_changes() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    world.agent(&workspace, "mkdir -p .claude/runtime; echo x > .claude/runtime/log").await;
    let gathered = world.gather(&workspace).await.expect("nothing to gather");
    assert_eq!(gathered, Gathered { head: world.base.clone(), committed_leftovers: false });
    let none = world.import(&workspace).await.expect_err("nothing");
    assert!(matches!(none, ImportError::NoChanges) && none.kind() == FailureKind::NoChanges, "{none}");
    world.agent(&workspace, "echo x > x; git add x; git commit -qm x; git rm -q x; git commit -qm back; git commit -q --allow-empty -m e").await;
    world.gather(&workspace).await.expect("gathered");
    assert!(matches!(world.import(&workspace).await, Err(ImportError::NoChanges)));
}

#[tokio::test]
async fn work_on_another_branch_is_taken_if_it_descends_from_the_base() {
    let world = World::new().await;
    for (number, switch) in
        [(1, "git checkout -q -b own"), (2, "git checkout -q --detach"), (3, "git branch -q -m renamed")]
    {
        let workspace = world.attempt(number).await;
        world
            .agent(
                &workspace,
                &format!("{switch}; echo x > x{number}; git add -A; git commit -qm x; echo y > y"),
            )
            .await;
        let gathered = world.gather(&workspace).await.expect("gathered");
        assert!(gathered.committed_leftovers);
        let imported = world.import(&workspace).await.expect("imported");
        assert_eq!((imported.head, imported.commits), (gathered.head, 2), "{switch}");
    }
    for (number, script) in [
        (4, "git checkout -q --orphan own; echo x > x; git add -A; git commit -qm x"),
        (5, "git checkout -q --orphan own; git rm -rqf ."),
        (6, "git checkout -q --detach HEAD~1; echo x > x; git add -A; git commit -qm x"),
    ] {
        let workspace = world.attempt(number).await;
        world.agent(&workspace, script).await;
        let error = world.gather(&workspace).await.expect_err("no descent");
        assert!(matches!(error, GatherError::NotDescended), "{script}: {error}");
    }
    let workspace = world.attempt(7).await;
    world.agent(&workspace, "git reset -q --hard HEAD~1; echo x > x; git add -A; git commit -qm x").await;
    world.gather(&workspace).await.expect("on our branch");
    let error = world.import(&workspace).await.expect_err("no descent");
    assert!(matches!(error, ImportError::NotDescended), "{error}");
}

#[tokio::test]
async fn a_push_moves_only_a_branch_that_is_where_we_left_it() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    world.agent(&workspace, "echo x > x").await;
    let first = world.publish(&workspace).await;
    world.agent(&workspace, "git commit -q --amend -m other; echo y > y").await;
    world.gather(&workspace).await.expect("gathered");
    let second = world.import(&workspace).await.expect("imported");
    let error = push(&world.mirror, &world.remote(), &second, BRANCH, None).await.expect_err("it exists");
    assert!(
        matches!(&error, PushError::Moved(branch) if branch == BRANCH)
            && error.kind() == FailureKind::FileConflict,
        "{error}"
    );
    push(&world.mirror, &world.remote(), &second, BRANCH, Some(&first.head)).await.expect("moved by us");
    git(&world.served(), &["update-ref", &format!("refs/heads/{BRANCH}"), world.base.as_str()]);
    let error = push(&world.mirror, &world.remote(), &first, BRANCH, Some(&second.head))
        .await
        .expect_err("moved by others");
    assert!(matches!(error, PushError::Moved(_)), "{error}");
    git(&world.served(), &["update-ref", "-d", &format!("refs/heads/{BRANCH}")]);
    let error =
        push(&world.mirror, &world.remote(), &first, BRANCH, Some(&second.head)).await.expect_err("deleted");
    assert!(matches!(error, PushError::Moved(_)), "{error}");
    assert_eq!(world.head_of("main"), Some(world.base.clone()));
}

#[tokio::test]
async fn a_push_that_was_never_told_of_is_found_by_its_note() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    world.agent(&workspace, "echo x > x").await;
    let first = world.publish(&workspace).await;
    let (run, other) = (RunId::new("abc"), RunId::new("def"));
    let look = async |run: &RunId, task| {
        pushed_before(&world.mirror, &world.remote(), (run, task), BRANCH).await.expect("looked")
    };
    assert_eq!(look(&run, 1).await, Before::Foreign, "nobody noted it");
    note_push(&world.mirror, &run, 1, &first.head).await.expect("noted");
    prune_refs(&world.mirror, &run, None).await.expect("pruned");
    assert_eq!(look(&run, 1).await, Before::Ours(first.head.clone()));
    for (run, task) in [(&run, 2), (&other, 1)] {
        assert_eq!(look(run, task).await, Before::Foreign, "another task's note");
    }
    git(&world.served(), &["update-ref", &format!("refs/heads/{BRANCH}"), world.base.as_str()]);
    assert_eq!(look(&run, 1).await, Before::Foreign, "somebody moved it");
    git(&world.served(), &["update-ref", "-d", &format!("refs/heads/{BRANCH}")]);
    assert_eq!(look(&run, 1).await, Before::Missing, "it is gone");
}

#[tokio::test]
async fn a_push_that_is_refused_says_by_whom() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    world.agent(&workspace, "echo x > x").await;
    world.gather(&workspace).await.expect("gathered");
    let imported = world.import(&workspace).await.expect("imported");
    let wrong = Remote::new(world.server.url("r.git"), SecretString::from("wrong")).expect("an address");
    let error = push(&world.mirror, &wrong, &imported, BRANCH, None).await.expect_err("denied");
    assert!(matches!(error, PushError::Denied(_)), "{error}");
    world.server.knobs.status.store(403, Ordering::Relaxed);
    let error = push(&world.mirror, &world.remote(), &imported, BRANCH, None).await.expect_err("denied");
    assert!(matches!(error, PushError::Denied(_)), "{error}");
    world.server.knobs.status.store(503, Ordering::Relaxed);
    let error = push(&world.mirror, &world.remote(), &imported, BRANCH, None).await.expect_err("away");
    assert!(matches!(error, PushError::Network(_)) && error.is_transient(), "{error}");
    world.server.knobs.status.store(0, Ordering::Relaxed);
    let hooks = world.served().join("hooks");
    fs::create_dir_all(&hooks).expect("a directory");
    let hook = hooks.join("pre-receive");
    fs::write(&hook, "#!/bin/sh\necho secrets found >&2\nexit 1\n").expect("a hook");
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let error = push(&world.mirror, &world.remote(), &imported, BRANCH, None).await.expect_err("refused");
    assert!(matches!(&error, PushError::Refused(why) if why.contains("secrets found")), "{error}");
    assert_eq!(world.head_of(BRANCH), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_title_gives_a_branch_that_git_accepts(master in 1u64.., run in 0u32..5, task in 1u32.., title in any::<String>()) {
        let name = branch_name(master, run, task, &title);
        let slug = name.rsplit('/').next().and_then(|last| last.split_once('-')).map(|(number, slug)| (number.to_owned(), slug.to_owned()));
        let (number, slug) = slug.expect("number and slug");
        prop_assert_eq!(number, task.to_string());
        prop_assert!(slug.len() <= 40 && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        let run = if run > 1 { format!("{master}.{run}") } else { master.to_string() };
        let begin = format!("divisi/{run}/");
        prop_assert!(name.starts_with(&begin));
        prop_assert_eq!(git(Path::new("/"), &["check-ref-format", "--branch", &name]), name);
    }
}
