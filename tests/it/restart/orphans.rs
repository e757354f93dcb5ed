//! Agents that do not want to end, and deaths of everything that holds them together.

use super::{mark, marked, until};
use crate::support::divisi::{Divisi, children, signal};
use crate::support::figures;
use crate::support::world::{Setup, World, tasks};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Makes `serve` and all below it unable to make a PID namespace: a user namespace in which their number is 0.
fn without_namespaces() -> Vec<String> {
    let shut = "echo 0 > /proc/sys/user/max_pid_namespaces && exec \"$0\" \"$@\"";
    ["unshare", "--user", "--map-root-user", "sh", "-c", shut].map(str::to_owned).to_vec()
}

/// 300 children, daemons in sessions of their own, double forks, and nobody listens to SIGTERM.
fn stubborn(mark: &str) -> String {
    format!(
        "trap '' TERM INT HUP\nfor i in 1 2 3; do setsid sleep {mark} & done\n\
         (setsid sh -c 'sleep {mark} & sleep {mark} & sleep {mark}' &)\n\
         i=0; while [ $i -lt 300 ]; do sleep {mark} & i=$((i+1)); done\nwhile :; do sleep {mark}; done\n"
    )
}

async fn working(mark: &str, wrapper: Vec<String>) -> World {
    let subreaper = !wrapper.is_empty();
    let world = World::new(Setup { agent: stubborn(mark), wrapper, slots: 1, ..Setup::default() }).await;
    world.trigger("Epic: the list", &tasks(2));
    until("the agent has its children", Duration::from_secs(60), || marked(mark) >= 306).await;
    let log = world.divisi.as_ref().expect("it runs").log_text();
    assert!(log.contains("confinement=Subreaper") == subreaper, "{log}");
    world
}

/// Kills one process, and waits until no process of the agent is left.
async fn gone_after(mark: &str, kill: impl FnOnce()) -> Duration {
    let began = Instant::now();
    kill();
    // The next agent may be up before the last look: what is counted are the processes that were there.
    until("no process is left", Duration::from_secs(2), || marked(mark) == 0).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_process_outlives_its_runner_or_its_control_plane() {
    let mut slowest = Duration::ZERO;
    for wrapper in [vec![], without_namespaces()] {
        for whole in [false, true] {
            let mark = mark();
            let mut world = working(&mark, wrapper.clone()).await;
            let divisi = world.divisi.as_mut().expect("it runs");
            let runner = divisi.runner_pid().expect("a runner");
            let took =
                gone_after(&mark, || if whole { divisi.kill() } else { signal(runner, Signal::KILL) }).await;
            slowest = slowest.max(took);
            world.abandon();
        }
    }
    figures::tell(
        "leftovers",
        &format!(
            "0 of 306 processes {} ms after kill -9 of runner or serve, in both confinements",
            slowest.as_millis()
        ),
    );
}

/// All descendants of a process.
fn tree(root: u32) -> Vec<u32> {
    let mut all = children(root);
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        all.extend(children(*pid));
        next += 1;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_life_ends_what_the_old_one_could_not() {
    let mark = mark();
    let mut world = working(&mark, without_namespaces()).await;
    let divisi = world.divisi.as_mut().expect("it runs");
    let runner = divisi.runner_pid().expect("a runner");
    // Everything that holds the agent together dies at once, as at the hands of the kernel when memory is short.
    let is_shim = |pid: &u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with(b"divisi-agent-shim")
    };
    let shims: Vec<u32> = tree(runner).into_iter().filter(is_shim).collect();
    assert!(!shims.is_empty());
    divisi.kill_with(|| shims.iter().for_each(|pid| signal(*pid, Signal::STOP)));
    shims.iter().for_each(|pid| signal(*pid, Signal::KILL));
    divisi::clock::sleep(Duration::from_secs(2)).await;
    assert!(marked(&mark) >= 306, "nobody ended them: {}", marked(&mark));

    // A life that can run nothing new: what it ends is the old one's.
    world.break_agent();
    // It looks from where it may see them: a sibling user namespace, as the wrapper makes, could not.
    world.wrapper.clear();
    world.start();
    until("the orphans are gone", Duration::from_secs(5), || marked(&mark) == 0).await;
    until("that is logged", Duration::from_secs(2), || {
        let log = world.divisi.as_ref().map(Divisi::log_text).unwrap_or_default();
        log.contains("Ended what an earlier runner process left running")
    })
    .await;
    figures::tell("leftovers", "306 orphans without a shim ended by the next life");
    world.abandon();
}
