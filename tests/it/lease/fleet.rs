//! Three runner processes on one private socket, which stand for hosts, and agents that write down when they work.

use crate::support::divisi::signal;
use crate::support::figures;
use crate::support::world::{Setup, World};
use divisi::config::{Agent, RunnerConfig};
use rustix::process::Signal;
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// The lease of these tests.
pub const LEASE: Duration = Duration::from_secs(5);
const TOKEN: &str = "a-token-of-runners-for-tests";

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One `divisi runner`.
pub struct Runner {
    child: Child,
    /// Its end is the end of the process.
    _input: ChildStdin,
    pub log: PathBuf,
}

impl Runner {
    /// Starts one with a directory (and thereby a host id) of its own. Must be called from a thread that lives as long.
    pub fn start(world: &World, name: &str, socket: &Path, agent: &Path) -> Self {
        let dir = world.data().with_file_name(format!("host-{name}"));
        std::fs::create_dir_all(&dir).expect("a directory");
        let mut command = vec!["sh".to_owned(), agent.display().to_string(), name.to_owned()];
        command.extend([fact_file(world).display().to_string()]);
        let settings = RunnerConfig {
            data_dir: dir.clone(),
            slots: 2,
            agents: BTreeMap::from([("test".to_owned(), Agent::command(command))]),
        };
        let log = dir.join("runner.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_divisi"));
        command.args(["runner", "--socket"]).arg(socket).arg("--parent").arg(std::process::id().to_string());
        command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
        command.env("RUST_LOG", "warn,divisi=debug");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(File::create(&log).expect("a log"));
        let mut child = command.spawn().expect("a runner starts");
        let mut input = child.stdin.take().expect("its input");
        writeln!(input, "{TOKEN}\n{}", settings.to_handover().expose_secret())
            .expect("it takes its settings");
        Self { child, _input: input, log }
    }

    pub fn signal(&self, what: Signal) {
        signal(self.child.id(), what);
    }

    /// Processes below it whose command line holds this, with the letter of their state.
    pub fn states(&self, marker: &str) -> Vec<char> {
        let all: Vec<(u32, u32, char)> = processes();
        let mut tree = vec![self.child.id()];
        let mut next = 0;
        while next < tree.len() {
            let above = tree[next];
            tree.extend(all.iter().filter(|(_, parent, _)| *parent == above).map(|(pid, ..)| *pid));
            next += 1;
        }
        let ours = all.iter().filter(|(pid, ..)| tree[1..].contains(pid));
        let marked = ours.filter(|(pid, ..)| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            // The shim's own arguments hold no marker; the program's do.
            String::from_utf8_lossy(&line).contains(marker)
        });
        marked.map(|(.., state)| *state).collect()
    }

    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.log.display(), self.log_text());
        }
        self.signal(Signal::CONT);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Number, parent and state of every process.
fn processes() -> Vec<(u32, u32, char)> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit(')').next()?.split_ascii_whitespace();
        Some((pid, fields.nth(1)?.parse().ok()?, stat.rsplit(')').next()?.trim_start().chars().next()?))
    })
    .collect()
}

/// A world without an embedded runner, with short leases. Its agent beats until `go` is there, then does its work.
pub async fn world(env: Vec<(&'static str, String)>) -> World {
    let mut all = vec![
        ("DIVISI_RUNNER__EMBEDDED", "false".to_owned()),
        ("DIVISI_RUNNER_API__LEASE", format!("{}s", LEASE.as_secs())),
        ("DIVISI_RUNNER_API__TOKENS", format!("[\"{TOKEN}\"]")),
    ];
    all.extend(env);
    World::new(Setup { env: all, ..Setup::default() }).await
}

/// The private socket of the control plane.
pub fn socket(world: &World) -> PathBuf {
    world.data().join("run/runner.sock")
}

/// Writes the agent's script: each start and each beat becomes a line `task runner pid what nanoseconds`.
pub fn agent(world: &World) -> PathBuf {
    let script = world.data().with_file_name("beats.sh");
    let go = world.data().with_file_name("go");
    let text = format!(
        "cat > /dev/null\n\
         fact() {{ echo \"$AGENT_ID $RUNNER $$ $1 $(date +%s%N)\" >> \"$FACTS\"; }}\n\
         RUNNER=$1; FACTS=$2\n\
         trap '' TERM INT HUP\n\
         fact start\n\
         while test ! -e {}; do fact beat; sleep 0.05; done\n\
         echo \"work of $AGENT_ID\" > \"$AGENT_ID.txt\"\n\
         git add -A && git commit -qm \"Work of $AGENT_ID\"\n\
         fact end\n",
        go.display()
    );
    std::fs::write(&script, text).expect("the agent's script");
    script
}

/// Lets the agents finish.
pub fn let_go(world: &World) {
    std::fs::write(world.data().with_file_name("go"), "").expect("a file");
}

fn fact_file(world: &World) -> PathBuf {
    world.data().with_file_name("facts")
}

/// What one start of an agent wrote down.
#[derive(Clone, Debug)]
pub struct Life {
    pub task: String,
    pub runner: String,
    /// Its first and its last word, in nanoseconds since 1970.
    pub first: u128,
    pub last: u128,
    pub ended: bool,
}

/// All starts of agents so far, in their order.
pub fn lives(world: &World) -> Vec<Life> {
    let text = std::fs::read_to_string(fact_file(world)).unwrap_or_default();
    let mut lives: Vec<(String, Life)> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [task, runner, pid, what, at] = words[..] else { continue };
        let at: u128 = at.parse().expect("a time");
        // The process numbers are those of a namespace of its own: a start makes a life.
        let key = format!("{task} {runner} {pid}");
        if what == "start" {
            let life = Life { task: task.into(), runner: runner.into(), first: at, last: at, ended: false };
            lives.push((key, life));
        } else if let Some((_, life)) = lives.iter_mut().rev().find(|(known, _)| *known == key) {
            life.last = life.last.max(at);
            life.ended |= what == "end";
        }
    }
    lives.into_iter().map(|(_, life)| life).collect()
}

/// From the facts: no two agents of one task were ever at work at the same time. Returns how many lives that covers.
pub fn never_two_at_once(world: &World) -> usize {
    let lives = lives(world);
    for (n, one) in lives.iter().enumerate() {
        for other in lives[n + 1..].iter().filter(|other| other.task == one.task) {
            assert!(one.last < other.first, "two agents at once:\n{one:?}\n{other:?}");
        }
    }
    lives.len()
}

/// Waits until something holds.
pub async fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !wanted() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Tells a proof's figures.
pub fn tell(what: &str, began: Instant, lives: usize) {
    figures::tell(
        "lease",
        &format!("{what}: {lives} agents, never two at once, {:.0} s", began.elapsed().as_secs_f64()),
    );
}

/// The store of the world, as another process sees it.
pub async fn task(world: &World, number: u32) -> divisi::domain::Task {
    use divisi::store::Store as _;
    let store = divisi::store::Sqlite::open(&world.data().join("divisi.db")).await.expect("the database");
    let run = store.runs(1).await.expect("runs").remove(0);
    let task = run.task(number).expect("a task").clone();
    store.close().await;
    task
}
