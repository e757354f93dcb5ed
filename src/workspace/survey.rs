//! Reads a repository at a commit for [`Search`]: its paths, its texts, and what its history changed together.
//!
//! The repository is foreign: git only lists objects here and runs nothing of the repository's own (no hook, filter, driver or signature program);
//! bytes, files, commits and time have limits, and what lies beyond them is left out rather than an error.

use super::git::{Call, GitError, HostGit};
use crate::clock;
use crate::domain::Sha;
use crate::domain::survey::{Answer, Features, Search, SurveyTask};
use crate::sandbox::HostError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Paths that are looked at; the others of a larger tree are not.
const MOST_PATHS: usize = 100_000;
/// The list of the tree, in bytes.
const LONGEST_TREE: usize = 48 << 20;
/// A larger file is data; its path counts all the same.
const LARGEST_FILE: u64 = 128 << 10;
/// What is read of all files, and of them at once, in bytes.
const MOST_CONTENT: u64 = 48 << 20;
const AT_ONCE: u64 = 8 << 20;
/// Changes of the past that are looked at, and fewer when those say too much.
const COMMITS: [usize; 2] = [2_000, 200];
const LONGEST_LOG: usize = 16 << 20;
/// A change of more files says nothing about any one of them.
const LARGEST_CHANGE: usize = 20;
/// Each of the three readings may take so long; contents and history are left out when it is not enough.
const LIMIT: Duration = Duration::from_secs(10);
/// Reading of contents ends here and what is there by then counts.
const CONTENTS: Duration = Duration::from_secs(5);

/// Searches the repository in `git_dir` (absolute) at `commit` for the tasks' words.
///
/// # Errors
/// When git fails, or does not list the tree within ten seconds and 48 MiB.
pub async fn survey(
    git: &HostGit,
    git_dir: &Path,
    commit: &Sha,
    tasks: &[SurveyTask],
) -> Result<Answer, GitError> {
    let search = read(git, git_dir, commit, tasks).await?;
    let (_, answer) =
        elsewhere((search, Answer::default()), |(search, answer)| *answer = search.answer()).await;
    Ok(answer)
}

/// The evidence behind a survey, by task and path: what its weights are fitted to.
///
/// # Errors
/// As [`survey`].
pub async fn evidence(
    git: &HostGit,
    git_dir: &Path,
    commit: &Sha,
    tasks: &[SurveyTask],
) -> Result<Vec<Vec<(String, Features)>>, GitError> {
    let search = read(git, git_dir, commit, tasks).await?;
    let of_task = |files: Vec<(&str, Features)>| {
        files.into_iter().map(|(path, features)| (path.to_owned(), features)).collect()
    };
    Ok(search.evidence().into_iter().map(of_task).collect())
}

/// Everything that speaks for anything.
async fn read(git: &HostGit, git_dir: &Path, commit: &Sha, tasks: &[SurveyTask]) -> Result<Search, GitError> {
    let repository = Repository { git, git_dir };
    let mut search = Search::new(tasks);
    let list = ["ls-tree", "-r", "-z", "-l", "--full-tree", commit.as_str()];
    let listed = repository.read("list the repository's files", &list, LONGEST_TREE, Vec::new()).await?;
    let blobs: Vec<Blob> = files(&listed)
        .take(MOST_PATHS)
        .filter_map(|(path, blob)| {
            let file = search.file(&path);
            blob.filter(|(_, size)| *size <= LARGEST_FILE).map(|(id, size)| Blob { file, id, size })
        })
        .collect();
    search = repository.contents(search, blobs).await?;
    for count in COMMITS {
        match repository.history(commit, count).await {
            Ok(log) => {
                search = elsewhere(search, move |search| {
                    for (message, paths) in changes(&log) {
                        search.change(&message, &paths);
                    }
                })
                .await;
                break;
            }
            Err(error) if is_too_much(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(search)
}

/// The repository of a directory, and the commit that is checked out there.
///
/// # Errors
/// When it is in no repository, or nothing is committed there.
pub async fn locate(git: &HostGit, dir: &Path) -> Result<(PathBuf, Sha), GitError> {
    let what = "find the repository";
    let place: [OsString; 4] = ["-C".into(), dir.into(), "rev-parse".into(), "--absolute-git-dir".into()];
    let found = git.ok(Call::new(what, place).deadline(LIMIT)).await?;
    let git_dir = PathBuf::from(String::from_utf8_lossy(&found).trim_end_matches('\n'));
    let repository = Repository { git, git_dir: &git_dir };
    let what = "find the commit that is checked out";
    let head = repository.read(what, &["rev-parse", "--verify", "HEAD^{commit}"], 1_000, Vec::new()).await?;
    let commit =
        Sha::parse(String::from_utf8_lossy(&head).trim_end()).ok_or_else(|| GitError::answer(what, &head))?;
    Ok((git_dir, commit))
}

/// Work for the processor alone, away from what waits for the network.
async fn elsewhere<T: Send + 'static>(mut what: T, work: impl FnOnce(&mut T) + Send + 'static) -> T {
    let work = move || {
        work(&mut what);
        what
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

struct Repository<'a> {
    git: &'a HostGit,
    git_dir: &'a Path,
}

struct Blob {
    file: usize,
    id: String,
    size: u64,
}

impl Repository<'_> {
    async fn read(
        &self,
        what: &'static str,
        args: &[&str],
        most: usize,
        stdin: Vec<u8>,
    ) -> Result<Vec<u8>, GitError> {
        let mut place = OsString::from("--git-dir=");
        place.push(self.git_dir);
        let args = std::iter::once(place).chain(args.iter().map(OsString::from));
        self.git.ok(Call::new(what, args).stdin(stdin).max_output(most).deadline(LIMIT)).await
    }

    async fn contents(&self, mut search: Search, blobs: Vec<Blob>) -> Result<Search, GitError> {
        let began = clock::instant();
        let (mut left, mut rest) = (MOST_CONTENT, blobs.into_iter().peekable());
        while rest.peek().is_some() && clock::since(began) < CONTENTS {
            let (mut some, mut bytes) = (Vec::new(), 0);
            while let Some(blob) = rest.next_if(|next| bytes == 0 || bytes + next.size <= AT_ONCE.min(left)) {
                bytes += blob.size.max(1);
                some.push(blob);
            }
            if bytes > left {
                break;
            }
            left -= bytes;
            let ids = some.iter().map(|blob| format!("{}\n", blob.id)).collect::<String>().into_bytes();
            // Each comes with a line of its own before it.
            let most = usize::try_from(2 * AT_ONCE).unwrap_or(usize::MAX) + some.len() * 200;
            let args = ["cat-file", "--batch", "--buffer"];
            let read = match self.read("read the repository's files", &args, most, ids).await {
                Ok(read) => read,
                Err(error) if is_too_much(&error) => break,
                Err(error) => return Err(error),
            };
            search = elsewhere(search, move |search| {
                let mut rest = read.as_slice();
                for blob in &some {
                    let Some(content) = next_object(&mut rest) else { break };
                    search.content(blob.file, content);
                }
            })
            .await;
        }
        Ok(search)
    }

    /// The newest changes up to a commit.
    async fn history(&self, commit: &Sha, count: usize) -> Result<Vec<u8>, GitError> {
        let count = format!("-n{count}");
        let args = [
            "log",
            &count,
            "--no-merges",
            "--no-show-signature",
            "--no-notes",
            "--no-mailmap",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            "--ignore-submodules=all",
            "-O/dev/null",
            "--encoding=UTF-8",
            "--name-only",
            "-z",
            "--format=%x00%x00%H%x00%B%x00",
            commit.as_str(),
        ];
        self.read("read the repository's history", &args, LONGEST_LOG, Vec::new()).await
    }
}

/// A limit was reached, which only makes the answer poorer.
fn is_too_much(error: &GitError) -> bool {
    use HostError::{Deadline, TooMuchOutput};
    matches!(error, GitError::Host { source: Deadline { .. } | TooMuchOutput { .. }, .. })
}

/// `<mode> blob <id> <size>\t<path>\0…`: the regular files, with what can be read of them. Links and submodules are none.
fn files(listed: &[u8]) -> impl Iterator<Item = (String, Option<(String, u64)>)> + '_ {
    listed.split(|b| *b == 0).filter_map(|entry| {
        let tab = entry.iter().position(|b| *b == b'\t')?;
        let head = std::str::from_utf8(&entry[..tab]).ok()?;
        let path = String::from_utf8_lossy(&entry[tab + 1..]).into_owned();
        let mut words = head.split_ascii_whitespace();
        words.next().filter(|mode| mode.starts_with("100"))?;
        words.next().filter(|kind| *kind == "blob")?;
        let id = words.next().filter(|id| Sha::parse(id).is_some())?;
        let size = words.next().and_then(|size| size.parse().ok());
        Some((path, size.map(|size| (id.to_owned(), size))))
    })
}

/// The next `<id> blob <size>\n<content>\n`; an object that is not there is empty.
fn next_object<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|b| *b == b'\n')?;
    let head = std::str::from_utf8(&rest[..end]).ok()?;
    let size: Option<usize> = head.rsplit(' ').next()?.parse().ok();
    let Some(size) = size else {
        *rest = &rest[end + 1..];
        return Some(&[]);
    };
    let content = rest.get(end + 1..end + 1 + size)?;
    *rest = rest.get(end + 2 + size..).unwrap_or_default();
    Some(content)
}

/// Messages and paths of the changes that `git log` printed; those of many files are left out.
///
/// Two empty fields begin a change, since no path is empty: `\0\0<id>\0<message>\0\0\n<path>\0<path>\0`.
fn changes(log: &[u8]) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    let (mut fields, mut empty) = (log.split(|b| *b == 0), 0);
    while let Some(field) = fields.next() {
        let text = String::from_utf8_lossy(field);
        match (field.is_empty(), all.last_mut()) {
            (true, _) => {
                empty += 1;
                continue;
            }
            (false, _) if empty >= 2 && Sha::parse(&text).is_some() => {
                let message = fields.next().unwrap_or_default();
                all.push((String::from_utf8_lossy(message).into_owned(), Vec::new()));
            }
            (false, Some((_, paths))) => paths.push(text.trim_start_matches('\n').to_owned()),
            (false, None) => {}
        }
        empty = 0;
    }
    all.retain(|(_, paths)| (1..=LARGEST_CHANGE).contains(&paths.len()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn only_regular_files_are_listed() {
        let listed = format!(
            "100644 blob {ID}      12\tsrc/a b.rs\0120000 blob {ID}       3\tlink\0160000 commit {ID}       -\tsub\0100755 blob {ID}     BAD\tx\nsh\0"
        );
        let found: Vec<_> = files(listed.as_bytes()).collect();
        assert_eq!(found, [("src/a b.rs".to_owned(), Some((ID.to_owned(), 12))), ("x\nsh".to_owned(), None)]);
    }

    #[test]
    fn objects_are_told_apart_by_their_size() {
        let read = format!("{ID} blob 4\na\nb\n\n{ID} missing\n{ID} blob 0\n\n{ID} blob 9\ncut");
        let mut rest = read.as_bytes();
        assert_eq!(next_object(&mut rest), Some(&b"a\nb\n"[..]));
        assert_eq!(next_object(&mut rest), Some(&b""[..]));
        assert_eq!(next_object(&mut rest), Some(&b""[..]));
        assert_eq!(next_object(&mut rest), None);
    }

    #[test]
    fn changes_keep_to_their_paths() {
        let many: String = (0..=LARGEST_CHANGE).map(|n| format!("f{n}\0")).collect();
        let log = format!(
            "\0\0{ID}\0Title\n\nBody\n\0\0\na.rs\0{ID}\0\0\0{ID}\0\0\0\nb.rs\0\0\0{ID}\0Nothing\0\0\0\0{ID}\0Many\0\0\n{many}"
        );
        let wanted = [
            ("Title\n\nBody\n".to_owned(), vec!["a.rs".to_owned(), ID.to_owned()]),
            (String::new(), vec!["b.rs".to_owned()]),
        ];
        assert_eq!(changes(log.as_bytes()), wanted);
    }
}
