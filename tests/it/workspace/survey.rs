//! Searches of repositories that mean no good: bounded, and nothing of theirs is run.

use super::{BINARY, PATH, git};
use divisi::clock;
use divisi::domain::Sha;
use divisi::domain::survey::{Answer, MOST_FILES, SurveyTask};
use divisi::sandbox::Launcher;
use divisi::workspace::{GitSettings, HostGit, locate, survey};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

async fn host_git() -> HostGit {
    let launcher = Launcher::new(BINARY).await.expect("a launcher");
    HostGit::new(launcher, GitSettings { path: PATH.into(), env: BTreeMap::new() })
}

fn tasks() -> Vec<SurveyTask> {
    let task = |title: &str| SurveyTask { title: title.into(), ..SurveyTask::default() };
    vec![task("Speed up the tokenizer"), task("Quotes in the tokenizer"), task("Translate the welcome page")]
}

async fn searched(dir: &Path) -> Answer {
    let git = host_git().await;
    let (git_dir, head) = locate(&git, dir).await.expect("a repository");
    survey(&git, &git_dir, &head, &tasks()).await.expect("it is searched")
}

/// Makes a bare repository out of a stream for `git fast-import`.
#[expect(clippy::disallowed_methods, reason = "the test makes a repository")]
fn imported(dir: &Path, stream: &[u8]) {
    git(dir, &["init", "-q", "--bare", "."]);
    let mut command = Command::new("git");
    let mut child = command
        .current_dir(dir)
        .args(["fast-import", "--quiet", "--date-format=now"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("git");
    child.stdin.take().expect("a pipe").write_all(stream).expect("it reads");
    assert!(child.wait().expect("an end").success());
    git(dir, &["symbolic-ref", "HEAD", "refs/heads/main"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_and_odd_repository_is_searched_within_its_limits() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut stream = Vec::new();
    let blob = |stream: &mut Vec<u8>, mark: u32, content: &[u8]| {
        stream.extend(format!("blob\nmark :{mark}\ndata {}\n", content.len()).bytes());
        stream.extend(content);
        stream.push(b'\n');
    };
    blob(&mut stream, 1, b"pub fn part() {}\n");
    blob(&mut stream, 2, b"pub struct Tokenizer;\n");
    blob(&mut stream, 3, &b"tokenizer ".repeat(5 << 20));
    blob(&mut stream, 4, b"/etc/passwd");
    blob(&mut stream, 5, b"tokenizer \0 welcome");
    stream.extend(b"commit refs/heads/main\ncommitter A <a@example.org> now\ndata 5\nFirst\n");
    for n in 0..100_000 {
        stream.extend(format!("M 100644 :1 many/{}/part{n}.rs\n", n % 300).bytes());
    }
    stream.extend(b"M 100644 :2 \"a/odd \\n`name`\\377/tokenizer.rs\"\nM 100644 :3 a/large.txt\nM 120000 :4 a/tokenizer\n");
    stream.extend(b"M 100644 :5 a/binary\nM 160000 0123456789abcdef0123456789abcdef01234567 a/welcome\n");
    stream.extend(b"M 100644 :2 a/-rf/--output=tokenizer\n\n");
    imported(dir.path(), &stream);
    let began = clock::instant();
    let answer = searched(dir.path()).await;
    assert!(clock::since(began) < Duration::from_secs(40), "{:?}", clock::since(began));
    assert!(answer.files.len() == 3 && answer.files.iter().all(|files| files.len() <= MOST_FILES));
    let paths: Vec<&str> = answer.files.iter().flatten().map(|f| f.path.as_str()).collect();
    assert!(paths.contains(&"a/odd \n`name`\u{fffd}/tokenizer.rs"), "{paths:?}");
    assert!(paths.contains(&"a/-rf/--output=tokenizer"), "{paths:?}");
    for not_a_file in ["a/tokenizer", "a/welcome", "a/large.txt", "a/binary"] {
        assert!(!paths.contains(&not_a_file), "{not_a_file}: {paths:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_repositorys_own_is_run() {
    let dir = tempfile::tempdir().expect("a directory");
    let (work, canary) = (dir.path().join("work"), dir.path().join("canary"));
    fs::create_dir_all(work.join("src")).expect("directories");
    git(&work, &["init", "-q", "-b", "main", "."]);
    fs::write(work.join("src/tokenizer.rs"), "struct Tokenizer;\n").expect("a file");
    fs::write(work.join(".gitattributes"), "* diff=evil filter=evil\n").expect("a file");
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-qm", "A tokenizer"]);
    let evil = format!("touch {}; cat", canary.display());
    for key in [
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
        "filter.evil.smudge",
        "filter.evil.clean",
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "gpg.program",
        "alias.log",
    ] {
        git(&work, &["config", key, &evil]);
    }
    git(&work, &["config", "log.showSignature", "true"]);
    let answer = searched(&work.join("src")).await;
    assert_eq!(answer.files[0][0].path, "src/tokenizer.rs");
    assert!(!canary.exists(), "something of the repository was run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_searched_says_why() {
    let dir = tempfile::tempdir().expect("a directory");
    let git_host = host_git().await;
    let error = locate(&git_host, dir.path()).await.expect_err("no repository");
    assert!(error.to_string().contains("not a git repository"), "{error}");
    git(dir.path(), &["init", "-q", "."]);
    assert!(locate(&git_host, dir.path()).await.is_err(), "nothing is committed");
    let missing = Sha::parse("0123456789abcdef0123456789abcdef01234567").expect("a commit");
    assert!(survey(&git_host, &dir.path().join(".git"), &missing, &tasks()).await.is_err());
}
