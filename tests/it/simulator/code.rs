//! Contents, refs, branches, commits and comparisons, from real git.

use super::{Bench, DEMO, REPO};
use base64::Engine as _;
use divisi::simulator::RepoContent;
use serde_json::{Value, json};

#[tokio::test]
async fn files_and_directories_are_read_at_any_ref() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.sim.push_files(REPO, "alice", "topic", "Change", &[("src/deep/ü b.txt", Some("x\n"))]).unwrap();
    let get = async |path: &str| bench.get(&token, &format!("{DEMO}/contents/{path}")).await;
    let file = get(".github/divisi.toml").await.expect(200);
    let text = file["content"].as_str().unwrap().replace('\n', "");
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(text).unwrap(), b"min_tasks = 2\n");
    assert_eq!(
        (&file["type"], &file["encoding"], &file["size"]),
        (&json!("file"), &json!("base64"), &json!(14))
    );
    get("missing").await.refused(404);
    get("src/deep/%C3%BC%20b.txt").await.refused(404);
    get("src/deep/%C3%BC%20b.txt?ref=topic").await.expect(200);
    get("README.md?ref=nope").await.refused(404);
    get("src%2F..").await.refused(404);
    let names = |body: Value| -> Vec<String> {
        body.as_array()
            .unwrap()
            .iter()
            .map(|e| format!("{} {}", e["type"].as_str().unwrap(), e["path"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(names(get("src?ref=topic").await.expect(200)), ["dir src/deep", "file src/lib.rs"]);
    assert_eq!(names(get("").await.expect(200)), ["dir .github", "file README.md", "dir src"]);
}

#[tokio::test]
async fn refs_are_made_moved_and_deleted_in_the_repository() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let main = bench.get(&token, &format!("{DEMO}/git/ref/heads/main")).await.expect(200);
    let first = main["object"]["sha"].as_str().unwrap().to_owned();
    let second = bench.sim.push_files(REPO, "alice", "main", "Second", &[("a", Some("1"))]).unwrap();
    let refs = format!("{DEMO}/git/refs");
    let make = async |name: &str, sha: &str| {
        bench.call(&token, "POST", &refs, json!({"ref": name, "sha": sha})).await
    };
    let made = make("refs/heads/divisi/1/2-x", &first).await.expect(201);
    assert_eq!(
        (&made["ref"], &made["object"]["type"]),
        (&json!("refs/heads/divisi/1/2-x"), &json!("commit"))
    );
    assert!(make("refs/heads/divisi/1/2-x", &first).await.refused(422).contains("Reference already exists"));
    assert!(make("refs/heads/y", &"0".repeat(40)).await.refused(422).contains("Object does not exist"));
    make("heads/y", &first).await.refused(422);
    make("refs/heads/a..b", &first).await.refused(422);
    make("refs/heads/divisi/1", &first).await.refused(422);

    let one = format!("{refs}/heads/divisi/1/2-x");
    let to = async |sha: &str, force: bool| {
        bench.call(&token, "PATCH", &one, json!({"sha": sha, "force": force})).await
    };
    assert_eq!(to(&second, false).await.expect(200)["object"]["sha"], second.as_str());
    assert!(to(&first, false).await.refused(422).contains("not a fast forward"));
    to(&first, true).await.expect(200);
    let found = bench.get(&token, &format!("{DEMO}/git/matching-refs/heads/divisi/")).await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 1);
    let branch = bench.get(&token, &format!("{DEMO}/branches/divisi/1/2-x")).await.expect(200);
    assert_eq!(branch["commit"]["sha"], first.as_str());
    bench.call(&token, "DELETE", &one, Value::Null).await.expect(204);
    assert!(
        bench
            .call(&token, "DELETE", &one, Value::Null)
            .await
            .refused(422)
            .contains("Reference does not exist")
    );
    bench.get(&token, &format!("{DEMO}/git/ref/heads/divisi/1/2-x")).await.refused(404);
    bench.get(&token, &format!("{DEMO}/branches/divisi%2F1%2F2-x")).await.refused(404);
}

#[tokio::test]
async fn a_comparison_says_what_git_says() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let text: String = (0..40).map(|n| format!("line {n}\n")).collect();
    bench
        .sim
        .push_files(REPO, "alice", "main", "Base", &[("moved.txt", Some(&text)), ("gone", Some("x\n"))])
        .unwrap();
    bench.sim.push_files(REPO, "alice", "divisi/1/1-x", "One\n\nBody", &[("new", Some("1\n2\n"))]).unwrap();
    let changes = [
        ("moved.txt", None),
        ("to/moved.txt", Some(text.as_str())),
        ("gone", None),
        ("README.md", Some("# Other\n")),
    ];
    let head = bench.sim.push_files(REPO, "alice", "divisi/1/1-x", "Two", &changes).unwrap();
    let compare = async |range: &str| bench.get(&token, &format!("{DEMO}/compare/{range}")).await;
    let body = compare("main...divisi/1/1-x").await.expect(200);
    assert_eq!(
        (&body["status"], &body["ahead_by"], &body["behind_by"]),
        (&json!("ahead"), &json!(2), &json!(0))
    );
    assert_eq!(body["commits"][0]["commit"]["message"], "One\n\nBody");
    assert_eq!(body["commits"][1]["sha"], head.as_str());
    assert_eq!(body["commits"][1]["author"]["login"], "alice");
    let files: Vec<String> = body["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            format!(
                "{} {} +{} -{}",
                f["status"].as_str().unwrap(),
                f["filename"].as_str().unwrap(),
                f["additions"],
                f["deletions"]
            )
        })
        .collect();
    assert_eq!(
        files,
        ["modified README.md +1 -1", "removed gone +0 -1", "added new +2 -0", "renamed to/moved.txt +0 -0"]
    );
    assert_eq!(body["files"][3]["previous_filename"], "moved.txt");

    bench.sim.push_files(REPO, "alice", "main", "Aside", &[("aside", Some("x"))]).unwrap();
    let body = compare("main...acme:divisi/1/1-x").await.expect(200);
    assert_eq!(
        (&body["status"], &body["ahead_by"], &body["behind_by"]),
        (&json!("diverged"), &json!(2), &json!(1))
    );
    assert_eq!(body["files"].as_array().unwrap().len(), 4, "from the merge base, not from main");
    assert_eq!(compare("main...main").await.expect(200)["status"], "identical");
    compare("main...nope").await.refused(404);
    compare("main..nope").await.refused(404);
    let page = compare("main...divisi/1/1-x?per_page=1").await;
    assert!(page.link("next").is_some());
    let second = bench.get(&token, &page.link("next").unwrap()).await.expect(200);
    assert_eq!((&second["commits"][0]["sha"], &second["files"]), (&json!(head), &Value::Null));

    let commit = bench.get(&token, &format!("{DEMO}/commits/{head}")).await.expect(200);
    assert_eq!(commit["files"].as_array().unwrap().len(), 3);
    bench.get(&token, &format!("{DEMO}/commits/heads/main")).await.expect(200);
    bench.get(&token, &format!("{DEMO}/commits/{}", "1".repeat(40))).await.refused(422);
}

#[tokio::test]
async fn an_empty_repository_and_another_default_branch_answer_as_such() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.sim.create_repo("acme/empty", "main", &RepoContent::Empty).unwrap();
    for (path, status) in [
        ("git/ref/heads/main", 409),
        ("git/matching-refs/heads/", 409),
        ("commits/main", 409),
        ("contents/README.md", 404),
        ("branches/main", 404),
    ] {
        bench.get(&token, &format!("/repos/acme/empty/{path}")).await.refused(status);
    }
    let dir = bench.sim.git_dir(REPO).unwrap();
    let copy = RepoContent::CopyOf { dir, rev: "main".to_owned() };
    bench.sim.create_repo("acme/copy", "trunk", &copy).unwrap();
    let repo = bench.get(&token, "/repos/acme/copy").await.expect(200);
    assert_eq!(repo["default_branch"], "trunk");
    bench.get(&token, "/repos/acme/copy/contents/src/lib.rs").await.expect(200);
    assert_eq!(bench.sim.create_repo("acme/copy", "main", &RepoContent::Empty).unwrap_err().status, 422);
    assert_eq!(bench.sim.create_repo("../x", "main", &RepoContent::Empty).unwrap_err().status, 422);
}
