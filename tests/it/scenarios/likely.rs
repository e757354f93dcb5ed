//! Overlaps that nobody named: a runner host searches the repository for the control plane, and a plan goes on without it.

use crate::support::divisi::signal;
use crate::support::world::{REPO, Setup, World, said};
use divisi::simulator::{MintedToken, RepoContent};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const BODY: &str = "## Tasks\n\n- [ ] Speed up the tokenizer\n- [ ] Quotes in the tokenizer\n- [ ] Translate the welcome page\n";

fn content() -> RepoContent {
    let mut files: Vec<(String, String)> =
        (0..60).map(|n| (format!("src/part{n}.rs"), format!("pub fn part{n}() {{}}\n"))).collect();
    files.push(("src/tokenizer.rs".into(), "pub struct Tokenizer;\n".into()));
    files.push(("web/welcome.html".into(), "<h1>Welcome</h1>\n".into()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    RepoContent::files(&files)
}

/// Asks for a dry run and returns the answer with the time that it and 👀 took.
async fn dry_run(world: &World) -> (String, Duration, Option<Duration>) {
    let issue = world.open("Epic: words", BODY);
    let began = Instant::now();
    world.say(issue, "/orchestrate --dry-run");
    let mut eyes = None;
    world
        .until("an answer", |w| {
            if eyes.is_none() && crate::support::world::reactions(w, "eyes") > 0 {
                eyes = Some(began.elapsed());
            }
            said(w, issue).len() == 1
        })
        .await;
    (world.said(issue)[0].body.clone(), began.elapsed(), eyes)
}

/// Waits until the runner has asked whether there is something to search.
async fn runner_is_there(world: &World) {
    let end = Instant::now() + Duration::from_secs(20);
    while !world.logs().contains("The runner is registered.") {
        assert!(Instant::now() < end, "no runner:\n{}", world.logs());
        divisi::clock::sleep(Duration::from_millis(50)).await;
    }
    divisi::clock::sleep(Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_likely_overlap_is_warned_about_and_orders_nothing() {
    let world = World::new(Setup { content: content(), ..Setup::default() }).await;
    let (plan, ..) = dry_run(&world).await;
    assert!(plan.contains("3 tasks that can be worked on side by side"), "{plan}");
    assert!(plan.contains("Tasks 1 and 2 run side by side and may touch the same place: both probably change"), "{plan}");
    assert!(plan.contains("src/tokenizer.rs") && plan.contains("tokenizer"), "{plan}");
    assert!(!plan.contains("could not be searched") && !plan.contains("Tasks 1 and 3"), "{plan}");
    let narrow = |t: &&MintedToken| t.repos.is_some();
    world
        .until("its token is revoked", |w| w.tokens().iter().filter(narrow).all(|t| t.revoked_at.is_some()))
        .await;
    world.github.read(|w| {
        let tokens: Vec<&MintedToken> = w.tokens().iter().filter(narrow).collect();
        assert_eq!(tokens.len(), 1, "one for the one search");
        assert_eq!(tokens[0].permissions.get("contents").map(String::as_str), Some("read"));
    });
    let master = world.trigger("Epic: words", BODY);
    world.until_ended(1).await;
    world.github.read(|w| {
        let children = w.sub_issues(REPO, master);
        assert!(children.iter().all(|c| c.blocked_by.is_empty()), "nothing waits");
        assert!(w.pulls(REPO).iter().all(|p| p.pull.as_ref().is_some_and(|p| p.base == "main")));
    });
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_runner_costs_20_seconds_and_no_eyes() {
    let world = World::new(Setup { content: content(), ..Setup::default() }).await;
    runner_is_there(&world).await;
    let runner = world.divisi.as_ref().and_then(|d| d.runner_pid()).expect("a runner");
    signal(runner, Signal::STOP);
    let (plan, took, eyes) = dry_run(&world).await;
    signal(runner, Signal::CONT);
    assert!(plan.contains("could not be searched") && plan.contains("no runner answered in 20 s"), "{plan}");
    assert!((19..28).contains(&took.as_secs()), "{took:?}");
    assert!(eyes.is_some_and(|eyes| eyes < Duration::from_secs(2)), "{eyes:?}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_dies_in_between_is_replaced_by_the_next() {
    let world = World::new(Setup { content: content(), ..Setup::default() }).await;
    runner_is_there(&world).await;
    let runner = world.divisi.as_ref().and_then(|d| d.runner_pid()).expect("a runner");
    // It takes the question with its last breath.
    signal(runner, Signal::STOP);
    let killer = async {
        divisi::clock::sleep(Duration::from_secs(2)).await;
        signal(runner, Signal::KILL);
    };
    let ((plan, took, _), ()) = tokio::join!(dry_run(&world), killer);
    assert!(plan.contains("both probably change"), "{plan}");
    assert!(took < Duration::from_secs(18), "{took:?}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_runner_it_is_said_at_once() {
    let env = vec![("DIVISI_RUNNER__EMBEDDED", "false".to_owned())];
    let world = World::new(Setup { content: content(), env, ..Setup::default() }).await;
    let (plan, took, _) = dry_run(&world).await;
    assert!(plan.contains("could not be searched") && plan.contains("no runner is connected"), "{plan}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    world.end();
}
