//! The program is cut off in the middle of an agent, of a verify command and of a push, all at once.

use super::{lines, status, until};
use crate::support::divisi::{Divisi, signal};
use crate::support::world::{REPO, Setup, WORKS, World, tasks};
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

/// A git that holds a push back after it has arrived, for as long as the file `hold-push` is there.
fn slow_git(dir: &Path) {
    let dir = dir.display();
    let git = format!(
        "#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\ncase \" $* \" in *' push '*)\n\
         git \"$@\"; status=$?\n\
         case \"$*\" in *divisi/*/3-*) echo x >> {dir}/pushes; while test -e {dir}/hold-push; do sleep 0.05; done;; esac\n\
         exit $status;; esac\nexec git \"$@\"\n"
    );
    let bin = format!("{dir}/bin");
    std::fs::create_dir(&bin).expect("a directory");
    std::fs::write(format!("{bin}/git"), git).expect("a program");
    std::fs::set_permissions(format!("{bin}/git"), std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Task 1 hangs in its agent, task 2 in its check, task 3 in its push, until the files `hold-…` go.
async fn three_points(cut_off: impl AsyncFnOnce(&mut World)) {
    let proof = tempfile::tempdir().expect("a directory");
    let dir = proof.path();
    let at = dir.display();
    for what in ["agent", "verify", "push"] {
        std::fs::write(dir.join(format!("hold-{what}")), "").expect("a file");
    }
    slow_git(dir);
    let agent = format!(
        "echo x >> {at}/starts-$AGENT_ID\n\
         if [ $AGENT_ID = agent-1 ]; then trap '' TERM; while test -e {at}/hold-agent; do sleep 0.05; done; fi\n{WORKS}"
    );
    let verify = format!(
        "echo x >> {at}/checks-$AGENT_ID; while test -e {at}/hold-verify -a $AGENT_ID = agent-2; do sleep 0.05; done"
    );
    let mut world = World::new(Setup {
        agent,
        rules: format!("verify = [{verify:?}]\nmax_retries = 0\n"),
        env: vec![("PATH", format!("{at}/bin:/usr/local/bin:/usr/bin:/bin"))],
        ..Setup::default()
    })
    .await;
    let master = world.trigger("Epic: the list", &tasks(3));
    let points = ["starts-agent-1", "checks-agent-2", "pushes"];
    until("each is at its point", LONG, || points.iter().all(|point| lines(&dir.join(point)) == 1)).await;

    cut_off(&mut world).await;
    // The points are passed again before anything goes on.
    until("each is at its point again", LONG, || {
        ["starts-agent-1", "checks-agent-2"].iter().all(|point| lines(&dir.join(point)) == 2)
    })
    .await;
    for what in ["agent", "verify", "push"] {
        std::fs::remove_file(dir.join(format!("hold-{what}"))).expect("a file");
    }
    world.until_ended(1).await;

    let count = |name: &str, task: usize| lines(&dir.join(format!("{name}-agent-{task}")));
    // An agent without sessions starts anew; what was done is not done again.
    assert_eq!([count("starts", 1), count("starts", 2), count("starts", 3)], [2, 1, 1], "starts of agents");
    assert_eq!([count("checks", 1), count("checks", 2), count("checks", 3)], [1, 2, 1], "checks");
    for task in 1..=3 {
        let status = status(&world, master, task);
        assert_eq!((&status["status"], &status["attempt"]), (&"completed".into(), &1.into()), "{status}");
    }
    let summary = world.summary(master);
    assert!(summary.contains("**Successful**: 3\n**Failed**: 0"), "{summary}");
    world.github.read(|w| assert_eq!((w.pulls(REPO).len(), w.issues(REPO).len()), (3, 4)));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_program_goes_on_where_each_attempt_was() {
    three_points(async |world| {
        world.divisi.take().expect("it runs").kill();
        world.start();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_runner_is_started_again_and_goes_on() {
    three_points(async |world| {
        let runner = world.divisi.as_ref().and_then(Divisi::runner_pid).expect("a runner");
        signal(runner, Signal::KILL);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_hands_everything_back_in_time() {
    three_points(async |world| {
        let mut divisi = world.divisi.take().expect("it runs");
        let began = Instant::now();
        assert_eq!(divisi.stop(), Some(0), "{}", divisi.log_text());
        assert!(began.elapsed() < Duration::from_secs(16), "{:?}", began.elapsed());
        let log = divisi.log_text();
        assert_eq!(log.matches("a runner handed an attempt back").count(), 3, "{log}");
        world.start();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_is_quick_and_leaves_nothing_running() {
    let mark = super::mark();
    let agent = format!(
        "trap '' TERM\nfor i in 1 2 3; do setsid sleep {mark} & done\nwhile :; do sleep {mark}; done\n"
    );
    let mut world = World::new(Setup { agent, ..Setup::default() }).await;
    world.trigger("Epic: the list", &tasks(2));
    until("the agents work", LONG, || super::marked(&mark) >= 8).await;
    let divisi = world.divisi.as_mut().expect("it runs");
    signal(divisi.pid(), Signal::TERM);
    divisi::clock::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    assert_eq!(divisi.stop(), Some(130), "{}", divisi.log_text());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    until("everything is gone", Duration::from_secs(2), || super::marked(&mark) == 0).await;
    world.abandon();
}
