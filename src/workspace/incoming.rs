//! Where an attempt's commits wait until they have passed git's check.
//!
//! `git fetch` keeps what it received even when it refuses it, and the next fetch then finds everything "already there" and checks nothing (seen with git
//! 2.47: a refused `.gitmodules` came in on the second try). So the checked fetch goes into a repository of its own, which is thrown away; what
//! passed goes on into the mirror.

use super::attempt::Workspace;
use super::git::{Call, GitError, SLOW, failed, message, quoted};
use super::import::ImportError;
use super::mirror::Mirror;
use crate::sandbox::remove_tree;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const WHAT: &str = "take over the agent's commits";
const BRANCH: &str = "refs/heads/incoming";
/// What every fetch here does not do.
const QUIET: [&str; 6] = [
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--no-auto-maintenance",
];

/// Brings the attempt's branch into the mirror as `reference`. The far end runs confined, the objects are checked.
pub(super) async fn fetch(
    mirror: &Mirror,
    workspace: &Workspace,
    reference: &str,
) -> Result<(), ImportError> {
    // One attempt of a task lives at a time, so the name is free but for what a crash left.
    let name = reference.trim_start_matches("refs/").replace('/', ".");
    let place = mirror.path().with_extension(format!("{name}.incoming"));
    let removed = || async {
        remove_tree(&place)
            .await
            .map_err(|e| ImportError::Git(GitError::io("clear the way for the agent's commits")(e.first)))
    };
    removed().await?;
    let done = through(mirror, workspace, reference, &place).await;
    removed().await?;
    done
}

async fn through(
    mirror: &Mirror,
    workspace: &Workspace,
    reference: &str,
    place: &Path,
) -> Result<(), ImportError> {
    make(mirror, workspace, place).map_err(GitError::io("make room for the agent's commits"))?;
    let git = mirror.git();
    let env = git.settings().confined_env();
    let mut far_end = git.launcher().command_line(&workspace.import_mounts(), &env, "git");
    far_end.push("upload-pack".into());
    // Git gives this to a shell and appends the repository's path, quoted.
    let far_end: Vec<String> = far_end.iter().map(|word| quoted(&word.to_string_lossy())).collect();
    let own: [OsString; 3] = [
        format!("--upload-pack={}", far_end.join(" ")).into(),
        workspace.paths.private_repo.clone().into(),
        format!("+refs/heads/{}:{BRANCH}", workspace.branch).into(),
    ];
    let checked = call(place, own).config("fetch.fsckObjects", "true").config("transfer.fsckObjects", "true");
    let output = git.run(checked.config("core.alternateRefsPrefixes", "refs/none")).await?;
    if output.code != 0 {
        let text = message(&output.stderr);
        let full = text.contains("No space left on device");
        return Err(if full { failed(WHAT, &output).into() } else { ImportError::Unreadable(text) });
    }
    let own: [OsString; 2] = [place.into(), format!("+{BRANCH}:{reference}").into()];
    git.ok(call(mirror.path(), own)).await?;
    Ok(())
}

fn call(git_dir: &Path, own: impl IntoIterator<Item = OsString>) -> Call {
    let mut dir = OsString::from("--git-dir=");
    dir.push(git_dir);
    let args = std::iter::once(dir).chain(QUIET.map(OsString::from)).chain(own);
    Call::new(WHAT, args).protocols("file").deadline(SLOW)
}

/// A bare repository like the mirror (same object format), which borrows its objects and has the base as its one ref: what a fetch need not send.
fn make(mirror: &Mirror, workspace: &Workspace, place: &Path) -> io::Result<()> {
    let file = |name: &str, content: &str| fs::write(place.join(name), content);
    ["", "objects", "objects/info", "objects/pack", "refs"]
        .into_iter()
        .try_for_each(|name| fs::create_dir(place.join(name)))?;
    fs::copy(mirror.path().join("config"), place.join("config"))?;
    file("HEAD", "ref: refs/heads/none\n")?;
    file("packed-refs", &format!("{} refs/heads/base\n", workspace.base))?;
    let objects: PathBuf = mirror.objects();
    file("objects/info/alternates", &format!("{}\n", objects.display()))
}
