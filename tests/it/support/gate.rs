//! Agents that wait until the test lets them work, and a look at which of their processes are left.

use super::world::{PATIENCE, Setup, World, said, tasks};
use std::path::Path;
use std::time::{Duration, Instant};

/// Holds agents back. An agent tells that it began (`began-agent-2`), waits for `go-agent-2` or `go`, and does its work.
pub struct Gate(tempfile::TempDir);

impl Gate {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    /// A world with a run of two tasks, whose agents both wait at this gate and whose progress is told; and its master issue.
    pub async fn two_at_work(&self) -> (World, u64) {
        let world = World::new(self.setup("")).await;
        let master = world.trigger("Epic: the list", &tasks(2));
        self.until_began(&world, 1, 1).await;
        self.until_began(&world, 2, 1).await;
        world.until("progress", |w| said(w, master).len() == 1).await;
        (world, master)
    }

    /// A world whose agents wait at this gate; `stubborn` are shell lines that come before the waiting.
    pub fn setup(&self, stubborn: &str) -> Setup {
        let dir = self.0.path().display();
        let agent = format!(
            "{stubborn}\ncat > /dev/null\necho x >> '{dir}'/began-$AGENT_ID\n\
             while [ ! -e '{dir}'/go ] && [ ! -e '{dir}'/go-$AGENT_ID ]; do sleep 0.1; done\n\
             rm -f '{dir}'/go-$AGENT_ID\n\
             rm '{dir}'/fail-$AGENT_ID 2> /dev/null && exit 1\n\
             echo \"work of $AGENT_ID\" >> \"$AGENT_ID.txt\"\ngit add -A && git commit -qm \"Work of $AGENT_ID\"\n"
        );
        let env = vec![("DIVISI_LIMITS__RUNS_PER_REPO", "100".to_owned())];
        Setup {
            agent,
            env,
            rules: "status_interval = \"1s\"\nmin_tasks = 1\n".to_owned(),
            ..Setup::default()
        }
    }

    /// Lets the agent of this task work, once.
    pub fn go(&self, task: u32) {
        std::fs::write(self.0.path().join(format!("go-agent-{task}")), "").expect("a file");
    }

    /// Lets that many agents with this task's number work, of different runs.
    pub async fn go_times(&self, task: u32, n: usize) {
        let end = Instant::now() + PATIENCE;
        for _ in 0..n {
            self.go(task);
            while self.0.path().join(format!("go-agent-{task}")).exists() {
                assert!(Instant::now() < end, "no agent {task} goes");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Lets the agent of this task fail, once.
    pub fn fail(&self, task: u32) {
        std::fs::write(self.0.path().join(format!("fail-agent-{task}")), "").expect("a file");
        self.go(task);
    }

    /// Lets every agent work from now on.
    pub fn open(&self) {
        std::fs::write(self.0.path().join("go"), "").expect("a file");
    }

    /// How often agents of this task began.
    pub fn began(&self, task: u32) -> usize {
        lines(&self.0.path().join(format!("began-agent-{task}")))
    }

    /// Waits until the agent of this task began for the `n`th time.
    pub async fn until_began(&self, world: &World, task: u32, n: usize) {
        let end = Instant::now() + PATIENCE;
        while self.began(task) < n {
            let log = || world.divisi.as_ref().map(super::divisi::Divisi::log_text).unwrap_or_default();
            assert!(
                Instant::now() < end,
                "agent {task} did not begin {n} times:\n{}\n{}",
                world.picture(),
                log()
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Processes of agents: everything whose environment names a directory of this world's attempts.
pub fn agents_alive(world: &World) -> Vec<String> {
    let place = world.data().join("attempts").display().to_string();
    let mut alive = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environ).contains(&place) {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            alive.push(format!("{name} {}", String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    alive
}

/// Waits until no process of an agent is left; how long that took.
pub async fn until_no_agents(world: &World) -> Duration {
    let begin = Instant::now();
    loop {
        let alive = agents_alive(world);
        if alive.is_empty() {
            return begin.elapsed();
        }
        let log = || world.divisi.as_ref().map(super::divisi::Divisi::log_text).unwrap_or_default();
        assert!(begin.elapsed() < PATIENCE, "agents are left: {alive:#?}\n{}", log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a public status file says this; such files tell of a run about which nothing can be said on GitHub.
pub async fn until_status(world: &World, run: &Path, task: u32, wanted: &str) {
    let end = Instant::now() + PATIENCE;
    let file = glob(run, &format!("agent-{task}.status.json"));
    loop {
        let text = file.as_ref().map(|f| std::fs::read_to_string(f).unwrap_or_default()).unwrap_or_default();
        if text.contains(wanted) {
            return;
        }
        let log = || world.divisi.as_ref().map(super::divisi::Divisi::log_text).unwrap_or_default();
        assert!(Instant::now() < end, "{file:?} never says {wanted:?}: {text}\n{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn glob(run: &Path, name: &str) -> Option<std::path::PathBuf> {
    let parallel = run.join(".claude/runtime/parallel");
    let masters = std::fs::read_dir(parallel).ok()?;
    masters.flatten().map(|m| m.path().join(name)).find(|p| p.exists())
}

/// Waits until Divisi has sent nothing to GitHub for `quiet`, and gives the number of requests so far.
pub async fn until_quiet(world: &World, quiet: Duration) -> usize {
    let end = Instant::now() + PATIENCE;
    let mut seen = (0, Instant::now());
    loop {
        let calls = world.github.read(|w| w.calls().len());
        if calls != seen.0 {
            seen = (calls, Instant::now());
        } else if seen.1.elapsed() > quiet {
            return calls;
        }
        assert!(Instant::now() < end, "it never comes to rest");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
