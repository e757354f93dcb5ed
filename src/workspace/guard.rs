//! Looks, as bytes and never as git, at what an agent could have changed in its repository, to refuse it with a reason that a person understands.
//!
//! It runs when all of the agent's processes have ended. It is no wall: what a repository may borrow is decided by what the launcher shows to the far end
//! of the import. It catches what is plainly not as we made it, also where there are no walls.

use super::attempt::AttemptPaths;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// A `.git` file or a list of alternates is one short line.
const MAX_FILE: u64 = 16 << 10;

/// Whether the work tree is there and its `.git` still points to our repository.
pub(super) fn work_tree(paths: &AttemptPaths) -> Result<(), String> {
    if !is_directory(&paths.worktree) {
        return Err("its work tree is gone".to_owned());
    }
    if !is_directory(&paths.private_repo) || !is_directory(&paths.git_dir()) {
        return Err("its git repository is gone".to_owned());
    }
    let place = paths.worktree.join(".git");
    let content = match read_plain(&place) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("the `.git` of its work tree was deleted".to_owned());
        }
        Err(_) => return Err("the `.git` of its work tree was replaced by something else".to_owned()),
    };
    let text = String::from_utf8_lossy(&content).into_owned();
    let named = text.strip_prefix("gitdir: ").map(str::trim_end).map(Path::new);
    if named.is_some_and(|named| same(named, &paths.git_dir())) {
        Ok(())
    } else {
        Err("the `.git` of its work tree points to another repository".to_owned())
    }
}

/// Whether the private repository still borrows from the mirror's `objects`, and from nothing else that can be told.
pub(super) fn private_repo(paths: &AttemptPaths, objects: &Path) -> Result<(), String> {
    let repo = &paths.private_repo;
    if !is_directory(repo) {
        return Err("its repository is no directory any more".to_owned());
    }
    for part in ["objects", "objects/info", "objects/pack", "refs", "refs/heads"] {
        let path = repo.join(part);
        if !is_directory(&path) {
            return Err(format!("`{part}` of its repository is no directory any more"));
        }
    }
    for foreign in ["commondir", "objects/info/http-alternates", "shallow"] {
        if fs::symlink_metadata(repo.join(foreign)).is_ok() {
            return Err(format!("its repository has a `{foreign}`"));
        }
    }
    let alternates = read_plain(&repo.join("objects/info/alternates"))
        .map_err(|_| "its list of borrowed objects is gone".to_owned())?;
    let text = String::from_utf8_lossy(&alternates).into_owned();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(line), None) if same(Path::new(line), objects) => Ok(()),
        _ => Err("its repository borrows objects from elsewhere".to_owned()),
    }
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// Whether two paths name the same place; data directories may be reached through links of the operator's.
fn same(a: &Path, b: &Path) -> bool {
    a == b || matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// The content of a regular file; never follows a link at its end, never waits for a FIFO.
fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(io::Error::other("not a small regular file"));
    }
    let mut content = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut content)?;
    Ok(content)
}
