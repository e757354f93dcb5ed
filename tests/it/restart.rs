//! Stops, crashes and restarts of the shipped program in the middle of runs: what was done is not done again, what was cut off
//! goes on, and nothing is left.

mod kills;
mod leftovers;
mod orphans;
mod rolling;

use crate::support::world::World;
use divisi::clock;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Waits until this holds.
async fn until(what: &str, limit: Duration, mut wanted: impl FnMut() -> bool) {
    let wait = async {
        while !wanted() {
            clock::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(clock::within(limit, wait).await.is_some(), "waited in vain until {what}");
}

/// The number of lines of a file that may not be there.
fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// `agent-{task}.status.json`.
fn status(world: &World, master: u64, task: usize) -> Value {
    // A run's directory is named after its master issue; a test may have many.
    let runs = std::fs::read_dir(world.data().join("runs/acme/app")).expect("runs").flatten();
    let of_master = format!("orch-{master}-");
    let mut runs = runs.filter(|run| run.file_name().to_string_lossy().starts_with(&of_master));
    let run = runs.next().expect("the master's run").path();
    let path = run.join(format!(".claude/runtime/parallel/{master}/agent-{task}.status.json"));
    serde_json::from_slice(&std::fs::read(path).expect("a status file")).expect("JSON")
}

/// Processes that were started with a home directory below this data directory: agents, commands, git on what they wrote.
fn at_home(data: &Path) -> Vec<u32> {
    let mark = format!("={}/attempts/", data.display()).into_bytes();
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_ours = |pid: &u32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.windows(mark.len()).any(|part| part == mark)
    };
    pids.filter(is_ours).collect()
}

/// The number of processes with this word in their arguments.
fn marked(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let words = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    words.filter(|words| words.windows(mark.len()).any(|part| part == mark.as_bytes())).count()
}

/// A word that only one test's processes have in their arguments, which `sleep` takes for a number of seconds.
fn mark() -> String {
    format!("1000.{}", u64::from_str_radix(&clock::secret_hex(7), 16).expect("hexadecimal"))
}

/// What there is below a directory of the data directory.
fn entries(world: &World, dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(world.data().join(dir)).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Refs of the mirrors, below these names.
fn mirror_refs(world: &World, names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for mirror in entries(world, "mirrors").iter().filter(|name| name.ends_with(".git")) {
        let mut git = std::process::Command::new("git");
        git.arg("--git-dir").arg(world.data().join("mirrors").join(mirror));
        let output = git.args(["for-each-ref", "--format=%(refname)"]).args(names).output().expect("git");
        found.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
    }
    found
}
