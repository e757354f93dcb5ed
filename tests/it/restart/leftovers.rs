//! Many attempts, and processes that are killed at random under them: at the end nothing of them is anywhere.

use super::{at_home, entries, mirror_refs, until};
use crate::support::divisi::{Divisi, signal};
use crate::support::figures;
use crate::support::world::{REPO, Setup, World, rockets, tasks};
use divisi::clock;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

/// Leaves directories that are hard to remove wherever it may write, then works.
const NASTY: &str = r#"
cat > /dev/null
cd "$HOME" && mkdir -p locked/inner "new
line/with
more" && touch locked/inner/file && chmod 000 locked/inner locked
i=0; while [ $i -lt 300 ]; do mkdir deep_deep_deep_deep_deep_deep && cd deep_deep_deep_deep_deep_deep || break; i=$((i+1)); done
cd "$TMPDIR" && mkdir -p "a
b" && ln -s / root && mkfifo pipe && chmod 000 "a
b"
cd "$WORKING_DIR" && mkdir -p .cache/shut && touch .cache/shut/x && echo '*' > .cache/.gitignore && chmod 000 .cache/shut
(setsid sleep 300 >/dev/null 2>&1 &)
sleep 0.$(( $$ % 9 ))
echo "work of $AGENT_ID" > "$AGENT_ID.txt"
git add "$AGENT_ID.txt" && git commit -qm "Work of $AGENT_ID"
"#;

/// A number below `n`.
fn pick(n: usize) -> usize {
    (clock::jitter() * n as f64) as usize
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_attempts_whatever_was_killed_under_them() {
    let (runs, each) = if figures::full() { (4, 50) } else { (1, 20) };
    let rules = "max_retries = 5\nverify = [\"test -s README.md\"]\n".to_owned();
    let mut world = World::new(Setup { agent: NASTY.to_owned(), rules, ..Setup::default() }).await;
    let (mut kills, mut masters) = ([0; 3], Vec::new());
    for run in 0..runs {
        masters.push(world.trigger("Epic: the list", &tasks(each)));
        let pulls = |world: &World| world.github.read(|w| w.pulls(REPO).len());
        let mut seen = pulls(&world);
        while world.github.read(rockets) <= run {
            // One kill for each result at most, some time after it: however slow the machine is, work gets done between them,
            // and no task meets ten of them.
            if pulls(&world) <= seen {
                clock::sleep(Duration::from_millis(100)).await;
                continue;
            }
            seen = pulls(&world);
            clock::sleep(Duration::from_secs_f64(2.0 * clock::jitter())).await;
            let what = pick(3);
            match what {
                0 => {
                    world.divisi.take().expect("it runs").kill();
                    world.start();
                }
                1 => match world.divisi.as_ref().and_then(Divisi::runner_pid) {
                    Some(runner) => signal(runner, Signal::KILL),
                    None => continue,
                },
                _ => match at_home(&world.data()) {
                    all if all.is_empty() => continue,
                    all => signal(all[pick(all.len())], Signal::KILL),
                },
            }
            kills[what] += 1;
        }
    }
    world.until_ended(runs).await;
    until("the last sweep is done", Duration::from_secs(45), || entries(&world, "attempts").is_empty()).await;

    assert!(entries(&world, "journal").is_empty(), "{:?}", entries(&world, "journal"));
    let refs = mirror_refs(&world, &["refs/divisi/"]);
    assert!(refs.is_empty(), "branches in the mirror: {refs:?}");
    let incoming = entries(&world, "mirrors").into_iter().filter(|n| n.ends_with(".incoming")).count();
    assert_eq!(incoming, 0);
    let remote = world.remote_git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/divisi/"]);
    let branches: BTreeSet<String> = remote.lines().map(str::to_owned).collect();
    let (heads, failed) = world.github.read(|w| {
        let heads: Vec<String> =
            w.pulls(REPO).into_iter().filter_map(|p| Some(p.pull.as_ref()?.head.clone())).collect();
        let follow_ups = w.issues(REPO).iter().filter(|i| i.labels.iter().any(|l| l == "follow-up")).count();
        (heads, follow_ups)
    });
    let pulls = heads.len();
    assert_eq!(pulls + failed, runs * each, "each task has one end");
    let logs = world.logs();
    let failed_as: Vec<&str> = logs.lines().filter(|line| line.contains("An attempt failed")).collect();
    assert_eq!(branches, heads.into_iter().collect(), "branches are those of pull requests: {failed_as:#?}");
    let data = world.data();
    world.end();
    let left = at_home(&data);
    assert!(left.is_empty(), "processes are left: {left:?}");
    figures::tell(
        "leftovers",
        &format!(
            "{} tasks, kill -9 of serve {}, runner {}, agents {}: {pulls} pull requests, {failed} failed; left: 0 work trees, \
             0 directories, 0 branches, 0 processes",
            runs * each,
            kills[0],
            kills[1],
            kills[2]
        ),
    );
}
