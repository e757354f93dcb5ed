//! `[issue_template]`: a repository's own layout of sub-issues, and their labels.

use crate::support::world::{REPO, Setup, World, said, tasks};
use divisi::simulator::{Fault, FaultEffect, RepoContent};
use serde_json::json;

const RULES: &str = "[issue_template]\n\
    title = \"{task_title} (#{master})\"\n\
    body = \"\"\"\n{task_title}\n\n{criteria}\n\"\"\"\n\
    labels = [\"area/ui\", \"Bug\"]\n";

/// Name, colour and whether it is described, of each label of the repository.
fn labels(world: &World) -> Vec<(String, String, bool)> {
    world.github.read(|w| {
        let labels = w.repo(REPO).map(|r| r.labels().to_vec()).unwrap_or_default();
        labels.into_iter().map(|l| (l.name, l.color, l.description.is_some())).collect()
    })
}

fn of(world: &World, name: &str) -> (String, bool) {
    let found = labels(world).into_iter().find(|(n, ..)| n == name);
    found.map(|(_, color, described)| (color, described)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sub_issues_follow_the_template_that_the_run_began_with() {
    let agent = format!("sleep 1\n{}", crate::support::world::WORKS);
    let world = World::new(Setup { rules: RULES.into(), agent, ..Setup::default() }).await;
    let bug = world.open("Something else", "");
    world.github.label_issue(REPO, "mia", bug, "bug").expect("a label");
    // The answer to one of them is lost: it is found again by its marker, whatever its title is.
    let lost = Fault::once("POST", format!("/repos/{REPO}/issues"), FaultEffect::DropAfterApplying).after(1);
    world.github.plan_fault(lost);
    let master = world.open("Epic: the list", &tasks(3));
    world.say(master, "/orchestrate");
    world
        .until("the first sub-issue", |w| !w.sub_issues(REPO, master).is_empty() || w.issues(REPO).len() > 2)
        .await;
    let changed = RepoContent::files(&[(
        ".github/divisi.toml",
        "agent = \"test\"\n[issue_template]\ntitle = \"{oops}\"\n",
    )]);
    let RepoContent::Files(files) = changed else { unreachable!("files") };
    let files: Vec<(&str, Option<&str>)> =
        files.iter().map(|(p, t)| (p.as_str(), Some(t.as_str()))).collect();
    world.github.push_files(REPO, "mia", "main", "Other rules", &files).expect("a push");
    world.until_ended(1).await;
    world.github.read(|w| {
        let mut children = w.sub_issues(REPO, master);
        children.sort_by_key(|child| child.title.clone());
        assert_eq!(children.len(), 3);
        assert_eq!(w.issues(REPO).len(), 5, "no second sub-issue");
        for (n, child) in children.iter().enumerate() {
            assert_eq!(child.title, format!("Task number {} of the list (#{master})", n + 1));
            // GitHub writes a label as the repository does.
            assert_eq!(child.labels, ["parallel-orchestration", "sub-issue", "area/ui", "bug"]);
            let body = child.body.clone().unwrap_or_default();
            assert!(
                body.starts_with(&format!("Part of #{master}: Epic: the list\n\nTask number ")),
                "{body}"
            );
            assert!(body.contains("\n\n- it works\n") && body.contains("<!-- divisi:v1 "), "{body}");
        }
    });
    assert_eq!(of(&world, "parallel-orchestration"), ("5319e7".to_owned(), true));
    assert_eq!(of(&world, "sub-issue"), ("c5def5".to_owned(), true));
    assert_eq!(of(&world, "area/ui"), ("ededed".to_owned(), true));
    assert!(!of(&world, "bug").1, "what was there is left alone");

    // The next run reads the file anew.
    let other = world.open("Epic: another", &tasks(2));
    world.say(other, "/orchestrate");
    world.until("an answer", |w| said(w, other).len() == 1).await;
    let text = world.said(other)[0].body.clone();
    assert!(text.contains(":3:") && text.contains("there is no placeholder {oops}"), "{text}");
    assert!(text.contains("title = \"{oops}\""), "{text}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_are_made_once_and_their_colour_is_peoples() {
    let world = World::new(Setup::default()).await;
    // Made, and the answer lost; and a gateway that says so.
    let path = format!("/repos/{REPO}/labels");
    world.github.plan_fault(Fault::once("POST", path.clone(), FaultEffect::DropAfterApplying));
    world.github.plan_fault(Fault::once(
        "POST",
        path.clone(),
        FaultEffect::AnswerAfterApplying { status: 502 },
    ));
    let master = world.open("Epic: the list", &tasks(2));
    world.say(master, "/orchestrate");
    world.until_ended(1).await;
    assert_eq!(labels(&world).len(), 2, "{:?}", labels(&world));
    assert_eq!(of(&world, "sub-issue"), ("c5def5".to_owned(), true));
    assert!(!world.said(master)[0].body.contains("could not make"));
    // Had the second run asked, this would have failed it.
    let no = FaultEffect::Answer { status: 500, headers: vec![], body: json!({ "message": "asked again" }) };
    world.github.plan_fault(Fault::once("POST", path, no).times(100));
    let again = world.open("Epic: another list", &tasks(2));
    world.say(again, "/orchestrate");
    world.until_ended(2).await;
    assert!(!world.logs().contains("asked again"));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_without_leave_to_make_labels_goes_on_and_says_so() {
    let world = World::new(Setup { rules: RULES.into(), ..Setup::default() }).await;
    let no = json!({ "message": "Resource not accessible by integration", "documentation_url": "https://docs.github.com" });
    let no = FaultEffect::Answer { status: 403, headers: vec![], body: no };
    world.github.plan_fault(Fault::once("POST", format!("/repos/{REPO}/labels"), no).times(100));
    let master = world.open("Epic: the list", &tasks(2));
    world.say(master, "/orchestrate");
    world.until_ended(1).await;
    assert_eq!(world.github.read(|w| w.sub_issues(REPO, master).len()), 2);
    let progress = world.said(master)[0].body.clone();
    // A token that was just minted is doubted first, so a short run may be told of one label only.
    assert!(progress.contains("- labels that I could not make: `"), "{progress}");
    assert!(progress.contains("Resource not accessible"), "{progress}");
    world.end();
}
