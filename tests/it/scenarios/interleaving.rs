//! Random orders of labels, comments and retries: the end state has nothing twice, and Divisi never triggers itself.

use crate::support::world::{MAINTAINER, REPO, Setup, World, said, tasks};
use divisi::simulator::{IssueState, World as GitHub};
use std::collections::HashMap;
use std::time::Duration;

/// A small generator, so that a failure is repeated by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Fails now and then, by the attempt's own luck.
const MOODY: &str = "cat > /dev/null\n\
    [ $(( $(od -An -N1 -tu1 /dev/urandom) % 3 )) = 0 ] && exit 1\n\
    echo \"work of $AGENT_ID\" > \"$AGENT_ID.txt\"\n\
    git add -A && git commit -qm \"Work of $AGENT_ID\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_random_orders_leave_nothing_twice() {
    let env = vec![("DIVISI_LIMITS__RUNS_PER_REPO", "100".to_owned())];
    let world = World::new(Setup { agent: MOODY.to_owned(), env, slots: 4, ..Setup::default() }).await;
    let mut masters = Vec::new();
    for seed in 1..=50_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let master = world.open(&format!("Epic {seed}"), &tasks(2));
        masters.push(master);
        for _ in 0..2 + dice.roll(5) {
            match dice.roll(6) {
                0 | 1 => {
                    let _ = world.github.unlabel_issue(REPO, MAINTAINER, master, "parallel-orchestration");
                    world.label(master);
                }
                2 => {
                    world.say(master, "/orchestrate");
                }
                3 => {
                    world.say(master, "/orchestrate --retry");
                }
                4 => {
                    let child = world.github.read(|w| w.sub_issues(REPO, master).first().map(|c| c.number));
                    world.say(child.unwrap_or(master), "/orchestrate --retry");
                }
                _ => drop(world.github.comment(REPO, "rita", master, "/orchestrate")),
            }
            if dice.roll(3) == 0 {
                tokio::time::sleep(Duration::from_millis(dice.roll(120))).await;
            }
        }
    }
    quiet(&world).await;
    world.github.read(|w| {
        for master in &masters {
            nothing_twice(w, *master);
        }
        // Only the masters ever got a summary: nothing of Divisi's own was taken for one.
        for issue in w.issues(REPO).iter().filter(|i| !masters.contains(&i.number)) {
            let own =
                said(w, issue.number).iter().any(|c| c.body.contains("## Parallel Orchestration Results"));
            assert!(!own, "#{} became a master", issue.number);
        }
    });
    let heads = world.github.read(|w| {
        let heads = w.pulls(REPO).into_iter().filter_map(|p| p.pull.as_ref().map(|p| p.head.clone()));
        heads.collect::<std::collections::BTreeSet<String>>()
    });
    let branches = world.remote_git(&["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/divisi"]);
    let branches = branches.lines().map(str::to_owned).collect::<std::collections::BTreeSet<String>>();
    assert_eq!(branches, heads, "a branch for each pull request and no other");
    world.end();
}

/// Waits until no call has been made for three seconds (less than the sweeps' reach would be no proof).
async fn quiet(world: &World) {
    let mut seen = (0, std::time::Instant::now());
    let end = std::time::Instant::now() + Duration::from_secs(240);
    while std::time::Instant::now() < end {
        let calls = world.github.read(|w| w.calls().len());
        if calls != seen.0 {
            seen = (calls, std::time::Instant::now());
        } else if seen.1.elapsed() > Duration::from_secs(7) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("it never comes to rest");
}

fn nothing_twice(w: &GitHub, master: u64) {
    let mut titles: HashMap<String, usize> = HashMap::new();
    for child in w.sub_issues(REPO, master) {
        *titles.entry(child.title.clone()).or_default() += 1;
    }
    assert!(titles.values().all(|n| *n == 1), "#{master}: {titles:?}");
    assert!(titles.len() <= 2);
    let prefix = format!("[Master #{master}] Follow-up: ");
    let mut follow_ups: HashMap<String, usize> = HashMap::new();
    for issue in w.issues(REPO).iter().filter(|i| i.title.starts_with(&prefix) && i.state == IssueState::Open)
    {
        *follow_ups.entry(issue.title.clone()).or_default() += 1;
    }
    // A task that failed in a second run has that run's follow-up too.
    assert!(follow_ups.len() <= 2, "#{master}: {follow_ups:?}");
    let mut heads: HashMap<String, usize> = HashMap::new();
    for pull in w.pulls(REPO) {
        let head = pull.pull.as_ref().map(|p| p.head.clone()).unwrap_or_default();
        if head.starts_with(&format!("divisi/{master}/")) || head.starts_with(&format!("divisi/{master}.")) {
            *heads.entry(head).or_default() += 1;
        }
    }
    assert!(heads.values().all(|n| *n == 1), "#{master}: {heads:?}");
    assert!(heads.len() <= 2, "one pull request per task: {heads:?}");
    let said = said(w, master);
    let summaries = said.iter().filter(|c| c.body.contains("## Parallel Orchestration Results")).count();
    let progress = said.iter().filter(|c| c.body.starts_with("### Divisi")).count();
    assert_eq!(summaries, progress, "#{master}: a run has one of each: {said:#?}");
    let runs: std::collections::BTreeSet<&str> = said
        .iter()
        .filter(|c| c.body.contains("## Parallel Orchestration Results"))
        .filter_map(|c| c.body.rsplit("Run: `").next().and_then(|t| t.split('`').next()))
        .collect();
    assert_eq!(runs.len(), summaries, "#{master}: one summary a run: {said:#?}");
}
