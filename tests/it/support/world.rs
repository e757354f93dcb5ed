//! A world for scenarios: the simulated GitHub (every exchange held against GitHub's description), one
//! repository, people, and the shipped `divisi serve` with agents that are shell scripts.

use super::divisi::Divisi;
use super::schema::SchemaGuard;
use divisi::simulator::{AppKey, Comment, NewIssue, Options, RepoContent, Role, Simulator, World as GitHub};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The repository.
pub const REPO: &str = "acme/app";
/// A person with write access.
pub const MAINTAINER: &str = "mia";
/// The webhook secret.
pub const SECRET: &str = "a webhook secret for tests";
/// Long enough for a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How a world is made.
pub struct Setup {
    /// Files of the repository's first commit.
    pub content: RepoContent,
    /// Its default branch.
    pub default_branch: &'static str,
    /// `.github/divisi.toml`; added to `content` when that is a list of files.
    pub rules: String,
    /// The agent `test`: a shell script. `AGENT_ID` (`agent-3`) tells the task; the prompt is on standard input.
    pub agent: String,
    /// Further variables for `divisi serve`.
    pub env: Vec<(&'static str, String)>,
    /// Agents side by side.
    pub slots: u32,
    /// Latency of each API call.
    pub latency: Duration,
    /// Programs through which Divisi is started, each of which becomes the next.
    pub wrapper: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            content: RepoContent::files(&[("README.md", "# App\n")]),
            default_branch: "main",
            rules: String::new(),
            agent: WORKS.to_owned(),
            env: Vec::new(),
            slots: 5,
            latency: Duration::ZERO,
            wrapper: Vec::new(),
        }
    }
}

/// An agent that adds one file named after its task and commits it.
pub const WORKS: &str = "cat > /dev/null\n\
    echo \"I am $AGENT_ID\"\n\
    echo \"work of $AGENT_ID\" > \"$AGENT_ID.txt\"\n\
    git add -A && git commit -qm \"Work of $AGENT_ID\"\n";

/// An issue with this many independent tasks.
pub fn tasks(n: usize) -> String {
    let list: Vec<String> = (1..=n).map(|i| format!("- [ ] Task number {i} of the list")).collect();
    format!("What we want.\n\n## Tasks\n\n{}\n\n## Acceptance criteria\n\n- it works\n", list.join("\n"))
}

/// The world. Dropping it stops Divisi and fails the test if an exchange did not fit GitHub's description.
pub struct World {
    /// The simulated GitHub.
    pub github: Simulator,
    /// The process; `None` while it is down.
    pub divisi: Option<Divisi>,
    schema: SchemaGuard,
    env: BTreeMap<String, String>,
    /// As in [`Setup::wrapper`]; counts from the next start on.
    pub wrapper: Vec<String>,
    dir: tempfile::TempDir,
    checked: bool,
}

impl World {
    /// Makes it and starts Divisi.
    pub async fn new(setup: Setup) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let key = AppKey::generate().expect("a key");
        let schema = SchemaGuard::new();
        let mut options = Options::new(key.public_pem(), dir.path().join("github"));
        options.webhook_secret = Some(SECRET.to_owned());
        options.observer = Some(schema.observer());
        options.latency = setup.latency;
        let app_id = options.app_id;
        let github = Simulator::start(options).await.expect("the simulator starts");
        let mut content = setup.content;
        if let RepoContent::Files(files) = &mut content {
            let rules = format!("agent = \"test\"\n{}", setup.rules);
            files.push((".github/divisi.toml".to_owned(), rules));
        }
        github.create_repo(REPO, setup.default_branch, &content).expect("a repository");
        for (login, role) in [
            (MAINTAINER, Role::Write),
            ("olga", Role::Admin),
            ("mark", Role::Maintain),
            ("tom", Role::Triage),
            ("rita", Role::Read),
        ] {
            github.add_user(REPO, login, role).expect("a person");
        }
        github.install_app("acme").expect("an installation");

        let script = dir.path().join("agent.sh");
        std::fs::write(&script, &setup.agent).expect("the agent's script");
        let command = format!("[\"sh\", \"{}\"]", script.display());
        let config = dir.path().join("divisi.toml");
        std::fs::write(&config, format!("[agents.test]\nkind = \"command\"\ncommand = {command}\n"))
            .expect("settings");
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("RUST_LOG".to_owned(), "warn,divisi=debug".to_owned()),
            ("DIVISI_CONFIG".to_owned(), config.display().to_string()),
            ("DIVISI_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("DIVISI_METRICS__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("DIVISI_DATA_DIR".to_owned(), dir.path().join("data").display().to_string()),
            ("DIVISI_GITHUB__APP_ID".to_owned(), app_id.to_string()),
            ("DIVISI_GITHUB__PRIVATE_KEY".to_owned(), key.private_pem().to_owned()),
            ("DIVISI_GITHUB__WEBHOOK_SECRET".to_owned(), SECRET.to_owned()),
            ("DIVISI_GITHUB__API_URL".to_owned(), github.base_url()),
            ("DIVISI_GITHUB__WEB_URL".to_owned(), github.web_url()),
            ("DIVISI_GITHUB__WRITES_PER_MINUTE".to_owned(), "6000".to_owned()),
            ("DIVISI_GITHUB__VISIBILITY_LAG".to_owned(), "1s".to_owned()),
            ("DIVISI_RUNNER__SLOTS".to_owned(), setup.slots.to_string()),
        ]);
        env.extend(setup.env.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut world =
            Self { github, divisi: None, schema, env, wrapper: setup.wrapper, dir, checked: false };
        world.start();
        world
    }

    /// Starts Divisi (again).
    pub fn start(&mut self) {
        let divisi = Divisi::start(self.dir.path(), &self.env, &self.wrapper);
        self.github.set_webhook_target(Some(&format!("http://{}/webhooks/github", divisi.address)));
        self.divisi = Some(divisi);
    }

    /// Sets a variable for later starts, or takes it away.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.env.insert(name.to_owned(), value.to_owned()),
            None => self.env.remove(name),
        };
    }

    /// Opens an issue as the maintainer.
    pub fn open(&self, title: &str, body: &str) -> u64 {
        self.github.open_issue(REPO, MAINTAINER, NewIssue::new(title, body)).expect("an issue")
    }

    /// Opens an issue and labels it.
    pub fn trigger(&self, title: &str, body: &str) -> u64 {
        let issue = self.open(title, body);
        self.label(issue);
        issue
    }

    /// The maintainer puts the trigger label on it.
    pub fn label(&self, issue: u64) {
        self.github.label_issue(REPO, MAINTAINER, issue, "parallel-orchestration").expect("a label");
    }

    /// The maintainer comments.
    pub fn say(&self, issue: u64, text: &str) -> u64 {
        self.github.comment(REPO, MAINTAINER, issue, text).expect("a comment")
    }

    /// Sends a signed delivery of the test's own; returns the status.
    pub async fn deliver(&self, event: &str, body: &[u8]) -> u16 {
        let address = self.divisi.as_ref().map(|d| d.address.clone()).unwrap_or_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let request = client
            .post(format!("http://{address}/webhooks/github"))
            .header("content-type", "application/json")
            .header("x-github-event", event)
            .header("x-github-delivery", divisi::clock::uuid())
            .header("x-hub-signature-256", signature(body))
            .body(body.to_vec());
        request.send().await.expect("an answer").status().as_u16()
    }

    /// Waits until the simulated GitHub looks like this.
    pub async fn until(&self, what: &str, wanted: impl FnMut(&GitHub) -> bool) {
        if !self.github.wait_until(wanted, PATIENCE).await {
            let log = self.divisi.as_ref().map(Divisi::log_text).unwrap_or_default();
            panic!("waited in vain until {what}\n{}\n--- log ---\n{log}", self.picture());
        }
    }

    /// Waits for `n` 🚀 on issues and comments: so many triggers have led to an end.
    pub async fn until_ended(&self, n: usize) {
        self.until(&format!("{n} rockets"), |world| rockets(world) >= n).await;
    }

    /// Comments of Divisi on an issue.
    pub fn said(&self, issue: u64) -> Vec<Comment> {
        self.github.read(|world| said(world, issue))
    }

    /// The one summary on an issue.
    pub fn summary(&self, issue: u64) -> String {
        let all: Vec<Comment> = self
            .said(issue)
            .into_iter()
            .filter(|c| c.body.contains("## Parallel Orchestration Results"))
            .collect();
        assert_eq!(all.len(), 1, "one summary on #{issue}: {all:#?}");
        all[0].body.clone()
    }

    /// Issues and pull requests as (number, title, labels, state).
    pub fn picture(&self) -> String {
        self.github.read(|world| {
            let mut text = String::new();
            for issue in world.issues(REPO).into_iter().chain(world.pulls(REPO)) {
                let kind = if issue.pull.is_some() { "pull" } else { "issue" };
                text.push_str(&format!(
                    "{kind} #{} {:?} {:?} {:?}\n",
                    issue.number, issue.title, issue.labels, issue.state
                ));
                for comment in world.comments(REPO, issue.number) {
                    text.push_str(&format!("    {}: {:?}\n", comment.author.login, comment.body));
                }
            }
            text
        })
    }

    /// Where the public files are, for a run of this orchestration id.
    pub fn run_dir(&self) -> PathBuf {
        let runs = self.data().join("runs/acme/app");
        // Written right after the run is stored, not with it.
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let mut all: Vec<PathBuf> =
                std::fs::read_dir(&runs).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
            all.sort();
            match all.pop() {
                Some(run) => return run,
                None => assert!(Instant::now() < end, "no run in {}", runs.display()),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs git in the simulated remote.
    pub fn remote_git(&self, args: &[&str]) -> String {
        let dir = self.github.git_dir(REPO).expect("the remote");
        let output =
            std::process::Command::new("git").arg("--git-dir").arg(dir).args(args).output().expect("git");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What all its lives have logged, the last one at the end.
    pub fn logs(&self) -> String {
        let entries = std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
        let mut logs: Vec<PathBuf> = entries.map(|e| e.path()).collect();
        logs.retain(|path| path.extension().is_some_and(|e| e == "log"));
        logs.sort_by_key(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok());
        logs.iter().map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect()
    }

    /// From the next start on, the agent does nothing and fails.
    pub fn break_agent(&self) {
        std::fs::write(self.dir.path().join("agent.sh"), "exit 1\n").expect("the agent's script");
    }

    /// Kills Divisi in the middle of its work: what is left then is what the scenario was about.
    pub fn abandon(mut self) {
        self.checked = true;
        if let Some(mut divisi) = self.divisi.take() {
            divisi.kill();
        }
    }

    /// Stops Divisi, then checks what must hold after every scenario: the descriptions fit, every token that was handed
    /// out is revoked, nothing is left of attempts.
    pub fn end(mut self) {
        self.checked = true;
        if let Some(mut divisi) = self.divisi.take() {
            assert_eq!(divisi.stop(), Some(0), "divisi serve ends with 0:\n{}", divisi.log_text());
        }
        let violations = self.schema.take();
        assert!(
            violations.is_empty(),
            "exchanges that do not fit GitHub's description:\n{}",
            violations.join("\n")
        );
        let left: Vec<_> = std::fs::read_dir(self.data().join("attempts"))
            .map(|d| d.flatten().collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "left of attempts: {left:?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.checked && !std::thread::panicking() {
            panic!("a scenario ends with World::end");
        }
    }
}

/// `X-Hub-Signature-256` of a body.
pub fn signature(body: &[u8]) -> String {
    use hmac::Mac as _;
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(body);
    mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// Comments of Divisi on an issue.
pub fn said(world: &GitHub, issue: u64) -> Vec<Comment> {
    let bot = world.bot_login();
    world.comments(REPO, issue).into_iter().filter(|c| c.author.login == bot).cloned().collect()
}

/// 🚀 of Divisi anywhere.
pub fn rockets(world: &GitHub) -> usize {
    reactions(world, "rocket")
}

/// Reactions of Divisi anywhere.
pub fn reactions(world: &GitHub, content: &str) -> usize {
    let bot = world.bot_login();
    let mut n = 0;
    for issue in world.issues(REPO).into_iter().chain(world.pulls(REPO)) {
        n += issue.reactions.iter().filter(|r| r.content == content && r.by == bot).count();
        for comment in world.comments(REPO, issue.number) {
            n += comment.reactions.iter().filter(|r| r.content == content && r.by == bot).count();
        }
    }
    n
}
